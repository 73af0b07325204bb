/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_EXTERNAL_H
#define CONNTRACKD_CACHE_EXTERNAL_H

#include "base/clock.h"
#include "cache/table.h"

/* The external cache: flows received from peers, the source of a commit. */
struct external;

struct external *external_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void external_free(struct external *c);
struct flow_table *external_table(struct external *c);

/* A message from `peer` (small id). NEW and REPLACE replace the content and keep the record (the
 * first counts as an end and a start, the second as an update), UPDATE merges, and so do the others
 * when they have no state or no timeout where one is known of a flow with the same translations: a
 * known state is never overwritten with nothing; all insert what is not there, make the entry this
 * peer's and count as refreshed in its current resync. 0, or -ENOSPC / -ENOMEM: counted, not
 * stored. */
int external_new_flow(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now);
int external_replace(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now);
int external_update(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now);
/* DESTROY removes the entry if it is this peer's. An entry that another peer has sent since is
 * still alive at that peer and stays (counted): after a failover the entries of the old active node
 * expire while the flows go on at the new one. */
void external_destroy(struct external *c, uint8_t peer, const struct ct_flow *f);
/* Our kernel has reported the end of an entry while this node was active: if the cache has a flow
 * of that original tuple, it has ended here. */
void external_ended_here(struct external *c, const struct ct_flow *f, struct mono now);
/* Has the flow of rec ended here since active_s (mono seconds), and has no peer sent a change of
 * the flow since? */
bool external_has_ended_here(const struct flow_rec *rec, uint32_t active_s);
/* Remove record id, without a message of the peer that sent the flow. */
void external_forget(struct external *c, uint32_t id);
/* Number of DESTROYs ignored because another peer had sent the flow since. */
uint64_t external_ends_of_others(const struct external *c);

/* Resync with one peer: begin marks all its entries as not refreshed; sweep removes, in steps of at
 * most n records, those that still are not refreshed. A flow that was refreshed by another peer
 * meanwhile belongs to that peer and stays. A sweep starts with *pos 0 and judges by the last begin
 * before that; a resync begun while it is under way does not make it remove more.
 * external_sweep_step returns true while there is more. *removed counts up. */
void external_resync_begin(struct external *c, uint8_t peer);
bool external_sweep_step(struct external *c, uint8_t peer, uint64_t *pos, size_t n,
			 uint32_t *removed);
/* The entries of a node, under all its addresses (a bit for each), after its answer. */
struct external_answer {
	uint32_t all;
	uint32_t stale; /* a sweep would remove them */
	/* received since the resync began, but unchanged: so not because the flow has changed */
	uint32_t repeated;
};

/* Count what a sweep would do, for up to n records. Begin with *pos 0 and a zeroed *a. began: the
 * resync with that peer. True while there is more. */
bool external_answer_step(const struct external *c, uint32_t peers, struct mono began,
			  uint64_t *pos, size_t n, struct external_answer *a);

/* Was the entry received since the last resync with its peer began? */
bool external_is_fresh(const struct external *c, uint32_t id);

/* An index by reply tuple from here on: 0, or -ENOMEM. It begins empty (reply_index_fill_step()),
 * what messages do to the cache it follows. NULL while there is none. */
struct reply_index;
int external_index_begin(struct external *c);
void external_index_end(struct external *c);
struct reply_index *external_index(const struct external *c);

/* Remove up to n entries from *pos on; true while there is more. */
bool external_flush_step(struct external *c, uint64_t *pos, size_t n);

/* Remove entries that were not received again for more than timeout_s seconds, in steps of at most
 * n records, from *pos on (0: begin). True while there is more. *oldest_s becomes the time at which
 * the oldest remaining entry was received, over all steps: set it to UINT32_MAX with *pos 0.
 * *removed counts up. */
bool external_expire_step(struct external *c, uint64_t *pos, size_t n, uint32_t timeout_s,
			  struct mono now, uint32_t *oldest_s, uint32_t *removed);

#endif
