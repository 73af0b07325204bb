/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_NODE_SINK_H
#define CONNTRACKD_NODE_SINK_H

#include "sync/sync.h"

struct pipeline;

/* The sink of a node: what becomes of that which the peers tell. One row for each way: into the
 * external cache, straight into our kernel (DisableExternalCache), and none in the statistics mode,
 * which has no peers. Flows are borrowed. */
struct sink_ops {
	/* What we have of the peers' flows, for people. NULL: there are no peers. */
	const char *cache;
	/* The peers' flows are in our kernel, beside our own; ours in theirs, so that a life counts
	 * from when it is told. */
	bool in_kernel;

	/* ---- the peers; NULL without ---- */

	/* As sync_env's. */
	void (*apply)(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow,
		      struct mono now);
	void (*resync_done)(void *ctx, uint32_t peers, enum sync_proof proof);
	/* We ask the peer for everything: what it does not tell again until resync_done() is
	 * stale. */
	void (*resync_begin)(struct pipeline *p, uint8_t peer);

	/* ---- our kernel ---- */

	/* The entry of f has ended here; by_itself: without a request of some program. */
	void (*ended_here)(struct pipeline *p, const struct ct_flow *f, bool by_itself,
			   struct mono now);
	/* When a peer last changed its flow with the original tuple of f (mono seconds), 0: there
	 * is none. */
	uint32_t (*changed_s)(const struct pipeline *p, const struct ct_flow *f);
};

extern const struct sink_ops sink_cache, sink_kernel, sink_none;

#endif
