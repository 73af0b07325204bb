/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --health, --ready and --live answer where the daemon does not:
 *
 *			no daemon, or none that answers		not to be found out
 *	--health	CRITICAL				UNKNOWN
 *	--ready		no; yes if this node is active		the same
 *	--live		no					no
 *
 * Not to be found out: wrong words, a configuration that does not tell where the socket is, no
 * permission, a daemon of another version. */
#include "client/answer.h"

#include "control/verdict.h"
#include "flow/flow_json.h"

static const char *name_of(enum client_end end)
{
	switch (end) {
	case CLIENT_ABSENT:
		return "not_running";
	case CLIENT_SILENT:
		return "not_answering";
	case CLIENT_NOT_KNOWN:
	case CLIENT_ANSWERED:
		break;
	}
	return "not_known";
}

int client_answer(const struct client_answer *a, FILE *out)
{
	struct verdict v = { .asked = a->asked };
	bool gone = a->end == CLIENT_ABSENT || a->end == CLIENT_SILENT;
	struct text text = { 0 };

	if (a->asked == CTL_ASKS_HEALTH)
		verdict_add(&v, gone ? VERDICT_CRITICAL : VERDICT_UNKNOWN, name_of(a->end), "%s",
			    a->why);
	else if (a->asked == CTL_ASKS_READY && a->active)
		verdict_good(&v, "this node is active; but %s", a->why);
	else
		verdict_add(&v, VERDICT_NO, name_of(a->end), "%s", a->why);
	verdict_print(&v, a->json ? &values_json : &values_text, JSON_SCHEMA, &text);
	fwrite(text.buf, 1, text.len, out);
	fflush(out);
	text_free(&text);
	return (int)v.status;
}
