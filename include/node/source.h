/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_NODE_SOURCE_H
#define CONNTRACKD_NODE_SOURCE_H

#include "cache/internal.h"
#include "flow/ct_event.h"
#include "proto/proto.h"

struct pipeline;

/* The source of a node: what becomes of that which our kernel tells. One row for each way: through
 * the internal cache, straight to the peers without one (DisableInternalCache), and into the cache
 * of the statistics, which has no peers. Ids are those of flow records in pipeline.own; flows are
 * borrowed. */
struct source_ops {
	/* The cache's name for people. NULL: there is none that could be incomplete. */
	const char *cache;

	/* ---- our kernel ---- */

	/* An event about f that has passed no filter yet. packet: caused by a packet or a timer,
	 * not by a request of some program. */
	void (*event)(struct pipeline *p, enum ct_event what, bool packet, const struct ct_flow *f,
		      struct mono now);
	/* Our kernel has f, which is ours and passes the filter (a dump, an answer). announce: the
	 * peers are told what of that is new. */
	void (*dumped)(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now);
	/* A record has changed, or was refused: hand it on. */
	void (*changed)(struct pipeline *p, enum internal_change change, uint32_t id,
			struct mono now);
	/* We have deleted f from our kernel. Returns the record that has died of it and that the
	 * peers know of, or FLOW_ID_NONE. */
	uint32_t (*deleted)(struct pipeline *p, const struct ct_flow *f, struct mono now);
	/* Our commit has deleted f from our kernel, and the peers are told that f has ended. NULL
	 * in statistics. */
	void (*displaced)(struct pipeline *p, const struct ct_flow *f, struct mono now);
	/* What has been recorded of our flow f, dead or alive, or FLOW_ID_NONE. */
	uint32_t (*find)(const struct pipeline *p, const struct ct_flow *f);
	/* As pipeline_entry_made(). NULL in statistics. */
	void (*entry_made)(struct pipeline *p, const struct ct_flow *f);
	/* What a peer says of f is in our kernel; written: into the entry, beyond mark and
	 * labels. */
	void (*injected)(struct pipeline *p, const struct ct_flow *f, bool written,
			 struct mono now);
	/* Our own commit: pipeline_commit() and pipeline_committed(). */
	void (*commit)(struct pipeline *p, const struct ct_flow *f, struct mono now, uint32_t *id,
		       bool *inserted);
	void (*committed)(struct pipeline *p, const struct ct_flow *f, uint32_t was, bool cleared,
			  struct mono now);

	/* ---- the peers; NULL in statistics ---- */

	/* As sync_env's, for the ids of flows. */
	bool (*has)(const struct pipeline *p, uint32_t id);
	bool (*is_dead)(const struct pipeline *p, uint32_t id);
	void (*release)(struct pipeline *p, uint32_t id);
	size_t (*walk)(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n);
	/* The message about the record. */
	enum msg_change (*change)(const struct flow_rec *rec);
	/* At the end of a turn, before anything is sent: say what waits. Returns when to come
	 * back. */
	struct mono (*turn)(struct pipeline *p, struct mono now);
	/* After it: could more be said at once? */
	bool (*more)(const struct pipeline *p);
};

extern const struct source_ops source_cache, source_bypass, source_stats;

#endif
