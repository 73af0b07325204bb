/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --status as values: what it has beside what -s has anyway; gathered in status.c. */
#include "command/status.h"

#include <string.h>

#include "base/value_rows.h"
#include "follow/commit.h"

#define S struct status_values
static const struct value_row status_rows[] = {
	WORD(S, version, "version", NULL, "of the daemon"),
	WORD(S, mode, "mode", NULL, "`FTFW`, `NOTRACK`, `ALARM`, `statistics`"),
	GAUGE_IF_KNOWN(S, time_s, "time_s", "s", NULL, "the clock on the wall, since 1970"),
	GAUGE(S, events_per_s, "events_per_s", "events", NULL,
	      "events of the kernel in a second, over the last five to ten"),
	GAUGE_IF_KNOWN(S, table, "table", "entries", NULL, "in the kernel's table"),
	GAUGE_IF_KNOWN(S, table_max, "table_max", "entries", NULL, "at most: nf_conntrack_max"),
	GAUGE_IF_KNOWN(S, nf_events, "nf_conntrack_events", NULL, NULL,
		       "0: off, 1: on, 2: on for what begins while somebody listens"),
	VALUE_END
};
#undef S
const struct value_group status_group = {
	.name = "overview",
	.help = "The daemon and the kernel's table.",
	.rows = status_rows,
};

#define S struct commit_values
static const struct value_row commit_rows[] = {
	GAUGE_IF_KNOWN(S, ago_s, "ago_s", "s", NULL, "since its end"),
	GAUGE_IF_KNOWN(S, at_s, "time_s", "s", NULL,
		       "the same by the clock on the wall, since 1970"),
	WORD_IF_KNOWN(S, failed, "failed_whole", NULL, "why it could not be done at all"),
	GAUGE(S, flows.total, "total", "flows", NULL, "that the external cache had"),
	GAUGE(S, flows.created, "created", "flows", NULL, "new in the kernel"),
	GAUGE(S, flows.kept, "kept", "flows", NULL, "as the kernel had them"),
	GAUGE(S, flows.updated, "updated", "flows", NULL, "changed in place"),
	GAUGE(S, flows.replaced, "replaced", "flows", NULL,
	      "put in the place of an entry that was there"),
	GAUGE(S, flows.newer, "newer", "flows", NULL,
	      "refused: a newer flow of the same addresses and ports is here"),
	GAUGE(S, flows.ended_here, "ended_here", "flows", NULL,
	      "left out: their end was reported here while this node was active"),
	GAUGE(S, flows.ended, "ended", "flows", NULL, "left out: their life was over"),
	GAUGE(S, flows.failed, "failed", "flows", NULL, "that the kernel refused: `refusals`"),
	GAUGE_IF_KNOWN(S, flows.duration_us, "duration_us", "us", NULL, "it took so long"),
	GAUGE(S, expects.total, "expects_total", "expectations", NULL, "that the cache had"),
	GAUGE(S, expects.created, "expects_created", "expectations", NULL, "new in the kernel"),
	GAUGE(S, expects.kept, "expects_kept", "expectations", NULL, "as the kernel had them"),
	GAUGE(S, expects.failed, "expects_failed", "expectations", NULL, "that the kernel refused"),
	GAUGE(S, windows.loosened, "loosened", "entries", NULL,
	      "without external cache: whose windows judge no longer"),
	GAUGE(S, windows.failed, "loosen_failed", "entries", NULL, "that kept their windows"),
	VALUE_END
};
#undef S
const struct value_group commit_group = {
	.name = "commit",
	.help = "The last `-c` that came to its end.",
	.rows = commit_rows,
};

#define S struct refusal_values
static const struct value_row refusal_rows[] = {
	WORD(S, why, "why", NULL, "in words"),
	GAUGE(S, count, "count", "flows", NULL, "of the last commit"), VALUE_END
};
#undef S
const struct value_group refusal_group = {
	.name = "refusal",
	.help = "Why the kernel has refused flows of the last commit.",
	.rows = refusal_rows,
};

void commit_values(const struct job_result *res, struct commit_values *c)
{
	*c = (struct commit_values){
		.ago_s = -1,
		.at_s = -1,
		.failed = res->err < 0 ? strerror(-res->err) : NULL,
		.flows = res->commit,
		.expects = res->expects,
		.windows = res->windows,
	};
}

bool commit_refusal(const struct commit_values *c, int i, struct refusal_values *r)
{
	if (i >= CT_COMMIT_REASONS || c->flows.reason[i].count == 0)
		return false;
	r->why = commit_reason(c->flows.reason[i].err);
	r->count = c->flows.reason[i].count;
	return true;
}

void commit_document(const struct commit_values *c, struct values *v)
{
	struct refusal_values r;

	values_group(v, "commit", &commit_group, c);
	values_list(v, "refusals");
	for (int i = 0; commit_refusal(c, i, &r); i++)
		values_group(v, NULL, &refusal_group, &r);
	values_list_end(v);
}

#define S struct line_values
static const struct value_row line_rows[] = {
	GAUGE_IF_KNOWN(S, time_s, "time_s", "s", NULL, "since 1970"),
	WORD(S, level, "level", NULL, "`notice`, `warning`, `ERROR`"),
	WORD(S, text, "text", NULL, "the line"), VALUE_END
};
#undef S
const struct value_group line_group = {
	.name = "line",
	.help = "A line of the log.",
	.rows = line_rows,
};
