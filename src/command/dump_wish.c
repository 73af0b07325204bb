/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a request for flows asks for, from its arguments. */
#include "command/dump.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "flow/flow_json.h"

/* Everything that speaks from this address: a node that has come back with another one stands there
 * twice. */
static bool find_peers(const struct command_env *d, const char *name, struct dump_wish *w,
		       struct text *err)
{
	struct sync_peer_view v;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (sync_peer_view(pipeline_sync(d->pipeline), i, evloop_now(d->loop), &v) &&
		    strcmp(v.name, name) == 0)
			w->peers |= 1u << i;
	if (!w->peers)
		text_printf(err,
			    "--peer: no peer was heard as \"%s\" (-s peers has their addresses)",
			    name);
	return w->peers != 0;
}

bool dump_wish(const struct command_env *d, const struct ctl_request *req, struct dump_wish *w,
	       struct text *err)
{
	const char *peer = ctl_word(&req->args, "peer");

	*w = (struct dump_wish){
		.external = req->cmd->option == 'e',
		.xml = req->cmd->xml,
		.count = ctl_flag(&req->args, "count"),
		.json = ctl_flag(&req->args, "json"),
	};
	if (peer && !find_peers(d, peer, w, err))
		return false;
	for (size_t i = 0; i < req->args.n; i++) {
		const struct ctl_given *g = &req->args.given[i];
		const char *name = g->arg->name;

		if (strcmp(name, "json") == 0 || strcmp(name, "count") == 0 ||
		    strcmp(name, "peer") == 0)
			continue;
		if (!flow_select_set(&w->select, name, g->word, err))
			return false;
	}
	return true;
}

void dump_count(struct ctl_out *out, const struct dump_wish *w, uint64_t n)
{
	struct text text = { 0 };
	struct json j;

	if (w->json) {
		j = json_begin(&text);
		json_object(&j, NULL);
		json_uint(&j, "schema", JSON_SCHEMA);
		json_str(&j, "kind", "count", SIZE_MAX);
		json_uint(&j, "count", n);
		json_object_end(&j);
		text_str(&text, "\n");
	} else {
		text_printf(&text, "%" PRIu64 "\n", n);
	}
	ctl_text(out, text.buf, text.len);
	text_free(&text);
}
