/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts: reasons are gathered, the worst decides. The line is that of monitoring plugins, one
 * for all questions:
 *
 *	CONNTRACKD WARNING - peer 172.16.0.12 is silent for 12 s; ...
 */
#include "control/verdict.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/value_rows.h"

/* How bad: an answer that says CRITICAL and is unsure of something else is critical. */
static int rank(enum verdict_status status)
{
	static const int ranks[] = {
		[VERDICT_OK] = 0,
		[VERDICT_WARNING] = 1,
		[VERDICT_UNKNOWN] = 2,
		[VERDICT_CRITICAL] = 3,
	};

	return ranks[status];
}

void verdict_add(struct verdict *v, enum verdict_status status, const char *name, const char *fmt,
		 ...)
{
	struct verdict_reason *r;
	va_list ap;

	if (rank(status) > rank(v->status))
		v->status = status;
	if (v->n == VERDICT_REASONS) {
		v->more = true;
		return;
	}
	r = &v->reason[v->n++];
	r->name = name;
	r->status = status;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

void verdict_good(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->good, sizeof(v->good), fmt, ap);
	va_end(ap);
}

static const char *health_word(enum verdict_status status)
{
	static const char *const words[] = {
		[VERDICT_OK] = "OK",
		[VERDICT_WARNING] = "WARNING",
		[VERDICT_CRITICAL] = "CRITICAL",
		[VERDICT_UNKNOWN] = "UNKNOWN",
	};

	return words[status];
}

const char *verdict_word(const struct verdict *v)
{
	switch (v->asked) {
	case CTL_ASKS_READY:
		return v->status == VERDICT_YES ? "READY" : "NOT READY";
	case CTL_ASKS_LIVE:
		return v->status == VERDICT_YES ? "LIVE" : "NOT LIVE";
	case CTL_ASKS_HEALTH:
	case CTL_ASKS_NOTHING:
		break;
	}
	return health_word(v->status);
}

void verdict_why(const struct verdict *v, struct text *out)
{
	bool any = false;

	for (int worst = rank(VERDICT_CRITICAL); worst > 0; worst--) {
		for (size_t i = 0; i < v->n; i++) {
			if (rank(v->reason[i].status) != worst)
				continue;
			text_printf(out, "%s%s", any ? "; " : "", v->reason[i].text);
			any = true;
		}
	}
	if (v->more)
		text_str(out, "; and more");
	if (!any)
		text_str(out, v->good);
}

/* ---- as values ---- */

struct verdict_view {
	const char *word;
	uint8_t status;
	const char *text;
};

#define S struct verdict_view
static const struct value_row verdict_rows[] = {
	WORD(S, word, "word", NULL,
	     "`OK`, `WARNING`, `CRITICAL`, `UNKNOWN` of `--health`; `READY`, `NOT READY` of "
	     "`--ready`; `LIVE`, `NOT LIVE` of `--live`"),
	GAUGE(S, status, "status", NULL, NULL, "exit status of the command"),
	WORD(S, text, "text", NULL, "why, for people"), VALUE_END
};
#undef S
const struct value_group verdict_group = {
	.name = "verdict",
	.help = "The answer to a question.",
	.rows = verdict_rows,
};

#define S struct verdict_view
static const struct value_row reason_rows[] = {
	WORD(S, word, "name", NULL, "which reason, for programs: below"),
	GAUGE(S, status, "status", NULL, NULL, "the exit status that it leads to"),
	WORD(S, text, "text", NULL, "the same for people"), VALUE_END
};
#undef S
const struct value_group verdict_reason_group = {
	.name = "reason",
	.help = "A reason of a verdict.",
	.rows = reason_rows,
};

void verdict_values(const struct verdict *v, const char *name, struct values *doc)
{
	struct verdict_view view = { verdict_word(v), (uint8_t)v->status, NULL };
	struct text why = { 0 };

	verdict_why(v, &why);
	view.text = why.buf ? why.buf : "";
	values_group(doc, name, &verdict_group, &view);
	values_list(doc, "reasons");
	for (size_t i = 0; i < v->n; i++) {
		const struct verdict_reason *r = &v->reason[i];

		view = (struct verdict_view){ r->name, (uint8_t)r->status, r->text };
		values_group(doc, NULL, &verdict_reason_group, &view);
	}
	values_list_end(doc);
	text_free(&why);
}

static const char *kind_of(enum ctl_question asked)
{
	switch (asked) {
	case CTL_ASKS_READY:
		return "ready";
	case CTL_ASKS_LIVE:
		return "live";
	case CTL_ASKS_HEALTH:
	case CTL_ASKS_NOTHING:
		break;
	}
	return "health";
}

void verdict_print(const struct verdict *v, const struct values_backend *as, unsigned int schema,
		   struct text *out)
{
	struct values doc;

	if (as == &values_text) {
		text_printf(out, "CONNTRACKD %s - ", verdict_word(v));
		verdict_why(v, out);
		text_str(out, "\n");
		return;
	}
	values_begin(&doc, as, kind_of(v->asked), schema, out);
	verdict_values(v, "verdict", &doc);
	values_end(&doc);
}
