/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Without external cache: whose are the flows of our kernel? Those that a peer has told about
 * and no packet has hit here are the peer's (cache/foreign.h), all others are ours, also those
 * that are both's. */
#include "node/path.h"

#include "cache/foreign.h"

/* Our kernel speaks about it: packets have hit it, so it is ours as well, or it has ended. */
uint32_t peers_flow_heard(struct pipeline *p, enum ct_event what, const struct ct_flow *f)
{
	uint32_t told_s;

	if (what != CT_EVENT_DESTROY && !flow_filter_pass(p->filter, f))
		return 0;
	if (!foreign_told(p->foreign, f, &told_s))
		return 0;
	foreign_remove(p->foreign, f);
	return told_s;
}

bool peers_flow_dumped(struct pipeline *p, const struct ct_flow *f)
{
	if (!foreign_has(p->foreign, f))
		return false;
	foreign_pass_seen(p->foreign, f);
	return true;
}

bool pipeline_adopted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	bool wanted = flow_filter_pass(p->filter, f);

	if (wanted)
		foreign_remove(p->foreign, f);
	pipeline_dumped(p, f, true, now);
	return wanted;
}

void pipeline_dump_begin(struct pipeline *p)
{
	foreign_pass_begin(p->foreign);
}

void pipeline_dump_end(struct pipeline *p)
{
	foreign_pass_end(p->foreign);
}

uint32_t pipeline_foreign(const struct pipeline *p)
{
	return foreign_count(p->foreign);
}

/* A peer's flows are in our kernel only, and it does not tell us when we forward them in the
 * peer's place: TCP that is established is silent. Should the peer come back with an empty table
 * it gets them from us, and our own death kills nothing then. When it has not lost its table it
 * hears of flows that it has: ct_judge() keeps what packets here have taken further. */
static void adopt(struct pipeline *p)
{
	if (foreign_count(p->foreign) > 0 && p->env.adopt)
		p->env.adopt(p->env.ctx);
}

void peers_flows_peer_begins(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	stale_peer_begins(p, peer);
	adopt(p);
}

/* As the node that was active before does when its scheduled flush has emptied its table. What
 * it told us when it had heard of our take-over late, after -R had looked for what is to be
 * ours, is nowhere but in our kernel then. A backup keeps the active node's flows apart: that
 * one asks because it misses something of ours. */
void peers_flows_peer_asks(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	(void)peer;
	if (p->env.active && p->env.active(p->env.ctx))
		adopt(p);
}
