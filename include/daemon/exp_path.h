/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_EXP_PATH_H
#define CONNTRACKD_DAEMON_EXP_PATH_H

#include "base/writer.h"
#include "cache/expects.h"
#include "cache/internal.h"
#include "sync/sync.h"
#include "sync/sync_conf.h"
#include "wire/attr.h"

/* The data path of expectations, beside that of the flows in pipeline.c: kernel event -> filter -> internal cache -> sync
 * -> wire, and wire -> sync -> external cache. Knows no socket and no clock. Ids here are those that sync knows, with
 * FLOW_ID_EXPECT set, unless said otherwise. */
struct exp_path;

struct exp_path_conf {
	const struct sync_expect_conf *expect;	/* borrowed; on */
	uint32_t limit_internal, limit_external;	/* records */
	struct hash_key key;
	/* A cache is full. */
	void (*full)(void *ctx, const char *cache, struct mono now);
	/* One line for the log; level is base/log.h's. */
	void (*log)(void *ctx, int level, const char *text);
	void *ctx;
};

enum exp_verdict {
	EXP_STORED,		/* known already, or new: the peers are told */
	EXP_NO_MASTER,		/* its master is not in the internal cache (yet) */
	EXP_FILTERED,		/* not one of those that are replicated */
};

struct exp_path_stats {
	uint64_t events, filtered;
};

/* Gives NULL without memory. masters: the internal cache of flows, borrowed. */
struct exp_path *exp_path_new(const struct exp_path_conf *conf, struct internal *masters);
void exp_path_free(struct exp_path *x);
/* Sync is opened after the caches; borrowed. */
void exp_path_set_sync(struct exp_path *x, struct sync *sync);
void exp_path_set_limit(struct exp_path *x, uint32_t limit);

/* ---- from our kernel ---- */

/* It exists. announce: tell the peers if that is new. */
enum exp_verdict exp_path_put(struct exp_path *x, const struct ct_expect *e, bool announce, struct mono now);
/* It ended: the peers are told. */
void exp_path_end(struct exp_path *x, const struct ct_expect *e, struct mono now);
/* Our own commit has put it into the kernel. */
void exp_path_committed(struct exp_path *x, const struct ct_expect *e, struct mono now);
/* A flow was deleted by us: its expectations go with it, and no peer is told of either (see pipeline_purged()). */
void exp_path_master_purged(struct exp_path *x, const struct ct_flow *f);
/* Forget a whole cache, without telling the peers. */
void exp_path_flush_internal(struct exp_path *x);
void exp_path_flush_external(struct exp_path *x);

/* ---- for sync ---- */

struct flow_mark *exp_path_mark(struct exp_path *x, uint32_t id);
bool exp_path_is_dead(const struct exp_path *x, uint32_t id);
int exp_path_encode(const struct exp_path *x, uint32_t id, uint32_t seq, uint8_t flags, const struct wire_rules *rules,
		    struct writer *out);
void exp_path_release(struct exp_path *x, uint32_t id);
/* As sync_env.walk. */
size_t exp_path_walk(struct exp_path *x, uint64_t *pos, uint32_t *ids, size_t n);

/* ---- from the network ---- */

void exp_path_received(struct exp_path *x, uint8_t peer, bool gone, const struct ct_expect *e, struct mono now);

struct expects *exp_path_internal(struct exp_path *x);
struct expects *exp_path_external(struct exp_path *x);
struct exp_path_stats *exp_path_stats(struct exp_path *x);

#endif
