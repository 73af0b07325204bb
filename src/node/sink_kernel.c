/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sink into our kernel (env.inject). A flow of our kernel then counts as a peer's if it was
 * received from a peer and no packet has hit its entry here (cache/peer_flows.h); all others are
 * ours, also those that both nodes forward. In the statistics mode there are no peers. */
#include "node/sink.h"

#include "cache/peer_flows.h"
#include "node/path.h"

static void kernel_apply(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow,
			 struct mono now)
{
	struct pipeline *p = ctx;

	(void)peer;
	if (what == SYNC_DESTROY)
		complete_external_found(p, flow);
	p->env.inject(p->env.ctx, what, flow, now);
}

/* What flows are in the kernel and stale go by their timeout. */
static void kernel_resync_begin(struct pipeline *p, uint8_t peer)
{
	(void)p;
	(void)peer;
}

static void kernel_resync_done(void *ctx, uint32_t peers, enum sync_proof proof)
{
	(void)proof;
	path_expects_resync_done(ctx, peers);
}

/* What is not there is not put there again: news of it are of another life. */
static void kernel_ended_here(struct pipeline *p, const struct ct_flow *f, bool by_itself,
			      struct mono now)
{
	(void)p;
	(void)f;
	(void)by_itself;
	(void)now;
}

static uint32_t kernel_changed_s(const struct pipeline *p, const struct ct_flow *f)
{
	(void)p;
	(void)f;
	return 0;
}

const struct sink_ops sink_kernel = {
	.cache = "copy of the peers' flows in our kernel",
	.in_kernel = true,
	.apply = kernel_apply,
	.resync_begin = kernel_resync_begin,
	.resync_done = kernel_resync_done,
	.ended_here = kernel_ended_here,
	.changed_s = kernel_changed_s,
};

const struct sink_ops sink_none = {
	.ended_here = kernel_ended_here,
	.changed_s = kernel_changed_s,
};

/* ---- whose flows are in our kernel ---- */

/* Our kernel speaks about it: packets have hit it, so it is ours as well, or it has ended. */
uint32_t peers_flow_heard(struct pipeline *p, enum ct_event what, const struct ct_flow *f)
{
	uint32_t received_s;

	if (what != CT_EVENT_DESTROY && !flow_filter_pass(p->filter, f))
		return 0;
	if (!peer_flows_received(p->peer_flows, f, &received_s))
		return 0;
	peer_flows_remove(p->peer_flows, f);
	return received_s;
}

bool peers_flow_dumped(struct pipeline *p, const struct ct_flow *f)
{
	if (!peer_flows_has(p->peer_flows, f))
		return false;
	peer_flows_pass_seen(p->peer_flows, f);
	return true;
}

/* A peer's flows are in our kernel only, and it does not tell us when we forward them in the
 * peer's place: TCP that is established is silent. Should the peer come back with an empty table
 * it gets them from us, and our own death kills nothing then. When it has not lost its table it
 * hears of flows that it has: ct_judge() keeps what packets here have taken further. */
void peers_flows_adopt(struct pipeline *p)
{
	if (peer_flows_count(p->peer_flows) > 0 && p->reader.adopt)
		p->reader.adopt(p->reader.ctx);
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
		peers_flows_adopt(p);
}
