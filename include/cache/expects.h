/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_EXPECTS_H
#define CONNTRACKD_CACHE_EXPECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/table.h"
#include "flow/expect.h"
#include "flow/repl.h"

/* A cache of expectations, internal or external: records named by 32-bit ids, an index by tuple,
 * mask and zone. Expectations are few and short-lived, so the index has a fixed number of
 * buckets. */
struct expect_rec {
	uint32_t chain;	       /* next id in the bucket */
	struct flow_repl repl; /* replication, see flow/repl.h */
	uint8_t state;	       /* enum rec_state */
	uint8_t from;	       /* external: id of the peer that sent it last */
	/* internal: dump during which it was last seen; external: resync that refreshed it */
	uint16_t pass;
	uint32_t created_s; /* mono_s() of insertion: "active since" */
	uint32_t updated_s; /* mono_s() of the last change: age of timeout_s */
	struct ct_expect expect;
};

struct expects;

/* limit: most records, dead ones included. Gives a cache, or NULL without memory. */
struct expects *expects_new(uint32_t limit, const struct hash_key *key);
void expects_free(struct expects *x);
void expects_set_limit(struct expects *x, uint32_t limit);

/* How many more expectations the cache has room for. */
uint32_t expects_room(const struct expects *x);
uint32_t expects_limit(const struct expects *x);
uint32_t expects_count(const struct expects *x); /* dead ones not included */
struct table_stats *expects_stats(struct expects *x);

bool expects_has_id(const struct expects *x, uint32_t id);
/* The record of a valid id; valid until it is removed. */
struct expect_rec *expects_rec(const struct expects *x, uint32_t id);
/* The record with this key, dead ones included; FLOW_ID_NONE if there is none. */
uint32_t expects_find(const struct expects *x, const struct ct_expect *e);
/* Up to n ids from *pos on (0 = start), 0 at the end; as table_walk(). */
size_t expects_walk(const struct expects *x, uint64_t *pos, uint32_t *ids, size_t n);
/* Free the record; the id may be used again at once. Counts as destroyed unless it was dead. */
void expects_remove(struct expects *x, uint32_t id);

enum expects_change {
	EXPECTS_NOTHING, /* known already, nothing has changed */
	/* inserted, or a new one with the same key: the record is REC_NEW */
	EXPECTS_NEW,
	EXPECTS_FULL, /* limit or memory: counted, not stored */
};

/* Store e: insert it, or replace the record with the same key. EXPECTS_NOTHING: the record was
 * equal in everything that is replicated; a dead record becomes alive again. */
enum expects_change expects_put(struct expects *x, const struct ct_expect *e, struct mono now,
				uint32_t *id);

/* ---- internal ---- */

/* Expectation e has ended: its record is dead until expects_release(), with the timeout of e. False
 * when there is no such record, when it is dead already, or when e is another expectation with the
 * same key (both kernel ids known and different). */
bool expects_end(struct expects *x, const struct ct_expect *e, uint32_t *id);
/* sync/ no longer needs the record: free it if it is dead. */
void expects_release(struct expects *x, uint32_t id);

/* A dump of the kernel's expectations: after begin, records that are put (by the dump or by an
 * event) count as seen; unseen returns up to n ids of live records that were not seen, 0 at the
 * end. */
void expects_pass_begin(struct expects *x);
size_t expects_pass_unseen(struct expects *x, uint64_t *pos, uint32_t *ids, size_t n);

/* ---- external ---- */

/* Expectation e was received from a peer: from now on the record is this peer's. 0, or -1: full,
 * counted, not stored. */
int expects_peer_new(struct expects *x, uint8_t peer, const struct ct_expect *e, struct mono now);
/* The end of e was received from a peer: removed if the record is this peer's. */
void expects_peer_end(struct expects *x, uint8_t peer, const struct ct_expect *e);
/* A resync with the peer begins; it is complete: records of the peer that were not refreshed are
 * removed, and their number returned. */
void expects_resync_begin(struct expects *x, uint8_t peer);
uint32_t expects_resync_done(struct expects *x, uint8_t peer);
/* ALARM: remove expectations that were not received for more than timeout_s seconds, and return
 * their number. *oldest_s becomes the time at which the oldest remaining one was received, if that
 * is earlier. */
uint32_t expects_expire(struct expects *x, uint32_t timeout_s, struct mono now, uint32_t *oldest_s);

#endif
