/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said about a flow of the peer that the kernel has not taken. Without the flow and the one
 * in its way nobody could tell a conflict of two nodes that choose from the same ports from a
 * fault. */
#include "follow/refused.h"

#include <inttypes.h>
#include <stdio.h>

#include "follow/commit.h"
#include "flow/flow_print.h"

#define EVERY_MS 10000

static void print(const struct ct_flow *f, char line[static FLOW_LINE_MAX])
{
	const struct flow_print_opts opts = { .active_s = -1, .expires_s = -1 };
	struct ct_flow whole;

	flow_copy(&whole, f);
	if (!(whole.has & FLOW_HAS_REPLY))
		flow_mirror_reply(&whole);
	whole.has = (whole.has &
		     (FLOW_HAS_PORTS | FLOW_HAS_ZONE | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE)) |
		    FLOW_HAS_REPLY;
	flow_print_text(&whole, &opts, line, FLOW_LINE_MAX);
}

static const char *reason(const struct ct_result *r)
{
	return r->outcome == CT_REFUSED ?
		       "a newer connection of this node has its addresses and ports" :
		       commit_reason(-r->err);
}

void refused_log(struct log_limit *limit, const struct ct_result *r, bool end, struct mono now)
{
	char line[FLOW_LINE_MAX], other[FLOW_LINE_MAX];
	uint64_t suppressed;

	if (!log_limit_pass(limit, 1, EVERY_MS, now, &suppressed))
		return;
	print(r->f, line);
	if (r->in_the_way)
		print(r->in_the_way, other);
	log_warnx("a flow of the peer cannot be %s the kernel: %s: %s%s%s (%" PRIu64
		  " more since the last such line)",
		  end ? "removed from" : "put into", reason(r), line,
		  r->in_the_way ? "; in the way: " : "", r->in_the_way ? other : "", suppressed);
}
