/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sink into the external cache: what the peers tell of their flows waits there for a commit.
 * How it leaves the cache without a message: stale.c. */
#include "node/sink.h"

#include <errno.h>

#include "node/path.h"
#include "node/source.h"

static void store(struct pipeline *p, uint8_t peer, enum sync_change what,
		  const struct ct_flow *flow, struct mono now)
{
	int err = 0;

	switch (what) {
	case SYNC_NEW:
		err = external_new_flow(p->external, peer, flow, now);
		break;
	case SYNC_REPLACE:
		err = external_replace(p->external, peer, flow, now);
		break;
	case SYNC_UPDATE:
		err = external_update(p->external, peer, flow, now);
		break;
	case SYNC_DESTROY:
		external_destroy(p->external, peer, flow);
		break;
	}
	if (err < 0)
		complete_external_full(p, err == -ENOSPC, flow, now);
	else
		complete_external_found(p, flow);
}

void path_settle(struct pipeline *p)
{
	for (uint32_t i = 0; i < p->n_news; i++)
		table_prefetch_rec(external_table(p->external), p->news[i].hint);
	for (uint32_t i = 0; i < p->n_news; i++)
		store(p, p->news[i].peer, (enum sync_change)p->news[i].what, &p->news[i].flow,
		      p->news[i].at);
	p->n_news = 0;
}

static void cache_apply(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow,
			struct mono now)
{
	struct pipeline *p = ctx;
	struct path_news *n;

	if (flow->rare || p->n_news == PATH_NEWS)
		path_settle(p);
	if (flow->rare) {
		store(p, peer, what, flow, now);
		return;
	}
	n = &p->news[p->n_news++];
	n->hint = table_prefetch_index(external_table(p->external), flow);
	flow_copy(&n->flow, flow);
	n->at = now;
	n->peer = peer;
	n->what = (uint8_t)what;
}

/* What has been ended on the node that forwards, by its two ends or by somebody's request, has
 * ended, whatever its peer's cache says: a later commit must not bring it back. */
static void cache_ended_here(struct pipeline *p, const struct ct_flow *f, bool by_itself,
			     struct mono now)
{
	uint32_t id;

	if (table_count(external_table(p->external)) == 0 || !p->env.active ||
	    !p->env.active(p->env.ctx))
		return;
	/* An entry that lapses because its packets take another way tells nothing about its
	 * flow. */
	id = p->source->find(p, f);
	if (by_itself && flow_packets_renew(id != FLOW_ID_NONE ? &table_rec(p->own, id)->flow : f))
		return;
	path_settle(p);
	external_ended_here(p->external, f, now);
}

static uint32_t cache_changed_s(const struct pipeline *p, const struct ct_flow *f)
{
	const struct flow_table *t = external_table(p->external);
	uint32_t id = table_find(t, f);

	return id != FLOW_ID_NONE ? table_rec(t, id)->peer.changed_s : 0;
}

static void cache_resync_begin(struct pipeline *p, uint8_t peer)
{
	path_settle(p);
	stale_resync_begin(p, peer);
}

static void cache_resync_done(void *ctx, uint32_t peers, enum sync_proof proof)
{
	path_settle(ctx);
	stale_resync_done(ctx, peers, proof);
}

const struct sink_ops sink_cache = {
	.cache = "external cache",
	.apply = cache_apply,
	.resync_begin = cache_resync_begin,
	.resync_done = cache_resync_done,
	.ended_here = cache_ended_here,
	.changed_s = cache_changed_s,
};
