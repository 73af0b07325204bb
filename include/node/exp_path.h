/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_NODE_EXP_PATH_H
#define CONNTRACKD_NODE_EXP_PATH_H

#include "base/writer.h"
#include "cache/expects.h"
#include "cache/internal.h"
#include "sync/sync.h"
#include "sync/sync_conf.h"
#include "proto/proto.h"

/* The data path of expectations, beside that of the flows in pipeline.c: kernel event -> filter
 * -> internal cache -> sync -> protocol, and back into the external cache. Knows no socket and no
 * clock. Ids here are those that sync knows, with FLOW_ID_EXPECT set, unless said otherwise. */
struct exp_path;

enum exp_cache { EXP_CACHE_INTERNAL, EXP_CACHE_EXTERNAL, EXP_CACHE_QUEUE };

struct exp_path_conf {
	const struct sync_expect_conf *expect;	 /* borrowed; on */
	uint32_t limit_internal, limit_external; /* records */
	struct hash_key key;
	/* An expectation found no place in the cache (name: for people); or, without internal
	 * cache, in the queue of those that leave. */
	void (*full)(void *ctx, enum exp_cache cache, const char *name, struct mono now);
	void *ctx;
	/* Without external cache: what a peer says goes into the kernel. Else NULL. */
	void (*inject)(void *world, bool gone, const struct ct_expect *e);
	/* One line for the log; level is base/log.h's. May be NULL. */
	void (*log)(void *world, int level, const char *text);
	void *world;
};

enum exp_verdict {
	EXP_STORED,    /* known already, or new: the peers are told */
	EXP_NO_MASTER, /* its master is not in the internal cache (yet) */
	EXP_FILTERED,  /* not one of those that are replicated */
};

struct exp_path_stats {
	uint64_t events, filtered;
	uint64_t sent_new, sent_end; /* messages made */
};

/* Gives NULL without memory. masters: the internal cache of flows, borrowed; NULL: there is none,
 * and a record here lives until its message has been made. */
struct exp_path *exp_path_new(const struct exp_path_conf *conf, struct internal *masters);
void exp_path_free(struct exp_path *x);
/* Sync is opened after the caches; borrowed. */
void exp_path_set_sync(struct exp_path *x, struct sync *sync);
/* Without internal cache: who dumps the kernel's expectations for a full send, with
 * exp_path_put() and then exp_path_bulk_end(), when dump() asks for that. ctx is borrowed. */
void exp_path_set_reader(struct exp_path *x, void (*dump)(void *ctx), void *ctx);
void exp_path_set_limit(struct exp_path *x, uint32_t limit);

/* ---- from our kernel ---- */

/* Is its helper one of those that ExpectationSync names? */
bool exp_path_named(const struct sync_expect_conf *conf, const struct ct_expect *e);
/* Is it one of those that are replicated, as far as it tells itself? Counted if not. */
bool exp_path_wants(struct exp_path *x, const struct ct_expect *e);
/* It exists. announce: tell the peers if that is new. Without internal cache the caller knows that
 * the master is replicated. */
enum exp_verdict exp_path_put(struct exp_path *x, const struct ct_expect *e, bool announce,
			      struct mono now);
/* It has changed, or its life has, without an event: the peers are told. */
void exp_path_refreshed(struct exp_path *x, const struct ct_expect *e, struct mono now);
/* It ended: the peers are told. */
void exp_path_end(struct exp_path *x, const struct ct_expect *e, struct mono now);
/* Our kernel has made it: whatever a peer said of one with the same key is of the past. */
void exp_path_born(struct exp_path *x, const struct ct_expect *e);
/* Is it in the internal cache, whatever its master? */
bool exp_path_knows(const struct exp_path *x, const struct ct_expect *e);
/* Without external cache: has a peer told us of it, and our kernel has not made it since? Is it in
 * the internal cache, and no peer's? */
bool exp_path_theirs(const struct exp_path *x, const struct ct_expect *e);
bool exp_path_ours(const struct exp_path *x, const struct ct_expect *e);
/* The kernel's expectations have been read for a full send. */
void exp_path_bulk_end(struct exp_path *x);
/* Our own commit has put it into the kernel. */
void exp_path_committed(struct exp_path *x, const struct ct_expect *e, struct mono now);
/* We have taken it out of the kernel, because it was a peer's and has ended there. */
void exp_path_removed(struct exp_path *x, const struct ct_expect *e);
/* A flow was deleted by us: its expectations go with it, and no peer is told of either (see
 * pipeline_purged()). */
void exp_path_master_purged(struct exp_path *x, const struct ct_flow *f);
/* Forget a whole cache, without telling the peers. */
void exp_path_flush_internal(struct exp_path *x);
void exp_path_flush_external(struct exp_path *x);

/* ---- for sync ---- */

struct flow_repl *exp_path_repl(struct exp_path *x, uint32_t id);
bool exp_path_is_dead(const struct exp_path *x, uint32_t id);
/* As sync_env.encode: msg has number and HELLO bits. */
int exp_path_encode(struct exp_path *x, uint32_t id, struct message *msg,
		    const struct proto_ops *proto, const struct proto_rules *rules,
		    struct writer *out);
void exp_path_release(struct exp_path *x, uint32_t id);
/* As sync_env.walk. */
size_t exp_path_walk(struct exp_path *x, uint64_t *pos, uint32_t *ids, size_t n);

/* ---- from the network ---- */

void exp_path_received(struct exp_path *x, uint8_t peer, bool gone, const struct ct_expect *e,
		       struct mono now);

/* A resync with the peer begins; it is complete, and what it did not refresh goes. Returns how
 * many. */
void exp_path_resync_begin(struct exp_path *x, uint8_t peer);
uint32_t exp_path_resync_done(struct exp_path *x, uint8_t peer);

struct expects *exp_path_internal(struct exp_path *x);
struct expects *exp_path_external(struct exp_path *x);
struct exp_path_stats *exp_path_stats(struct exp_path *x);

#endif
