/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_INTERNAL_H
#define CONNTRACKD_CACHE_INTERNAL_H

#include "base/clock.h"
#include "cache/table.h"

/* The flows of our own kernel. Turns kernel events and dump entries into "this record changed". Knows nothing of
 * sending: the caller passes the id on to sync/, and calls internal_release() when sync/ is done with a dead one. */
struct internal;

enum internal_change {
	INTERNAL_NOTHING,	/* the peers need not hear of it */
	INTERNAL_NEW,
	INTERNAL_UPDATE,
	INTERNAL_DESTROY,	/* the record is dead now; keep it until internal_release() */
	INTERNAL_FULL,		/* limit or memory: counted, not stored */
};

/* owner bits of an internal record */
#define REC_I_SILENT	0x01u	/* known from a dump only: the kernel may never report its changes or its end */
#define REC_I_COMMIT	0x02u	/* inserted by our own commit, kernel outcome not known yet */

struct internal *internal_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void internal_free(struct internal *c);
struct flow_table *internal_table(struct internal *c);

/* Kernel events. *id is the record, FLOW_ID_NONE with INTERNAL_NOTHING for an unknown one. A NEW for a known tuple
 * replaces it (the kernel's word: the old one is gone); a NEW for a dead one revives the slot. An UPDATE of an unknown
 * flow inserts. A DESTROY of an unknown flow is nothing. An update that changes only timeout or counters is merged but
 * is INTERNAL_NOTHING only if nothing a peer stores changed; a changed timeout_s alone counts as a change when it grew
 * by more than half (a state the peer would restore with too short a life). */
enum internal_change internal_new_flow(struct internal *c, const struct ct_flow *f, struct mono now, uint32_t *id);
enum internal_change internal_update(struct internal *c, const struct ct_flow *f, struct mono now, uint32_t *id);
enum internal_change internal_destroy(struct internal *c, const struct ct_flow *f, struct mono now, uint32_t *id);

/* One entry of a kernel dump. Inserts it (REC_I_SILENT), or merges it; INTERNAL_NOTHING when the cache knew all of it.
 * An entry whose record is dead and has the same kernel id is stale and ignored. */
enum internal_change internal_dumped(struct internal *c, const struct ct_flow *f, struct mono now, uint32_t *id);

/* Reconcile pass: begin marks everything unseen; events and dump entries mark as seen; then walk the unseen ones, ask
 * the kernel about each, and report it as gone. internal_gone() does nothing if the record was seen meanwhile. */
void internal_pass_begin(struct internal *c);
size_t internal_pass_unseen(struct internal *c, uint64_t *pos, uint32_t *ids, size_t n);
bool internal_pass_is_unseen(const struct internal *c, uint32_t id);
enum internal_change internal_gone(struct internal *c, uint32_t id, struct mono now);
/* The kernel said it exists: mark as seen. */
void internal_pass_seen(struct internal *c, uint32_t id);

/* How many records may end without the kernel telling us. */
uint32_t internal_silent(const struct internal *c);

/* Our own commit is about to put f into the kernel: store it unless something newer is there. *inserted tells whether
 * internal_commit_undo() is needed when the kernel refuses. */
enum internal_change internal_commit(struct internal *c, const struct ct_flow *f, struct mono now, uint32_t *id,
				     bool *inserted);
/* The kernel refused: take the record out again, unless an event has confirmed it meanwhile. */
void internal_commit_undo(struct internal *c, uint32_t id);
void internal_commit_done(struct internal *c, uint32_t id);

/* sync/ no longer needs the record: free it if it is dead. */
void internal_release(struct internal *c, uint32_t id);

/* Flush in steps: forget up to n records from *pos on (dead ones are left to sync/). True while there is more. drop is
 * called for each id before it goes, so that sync/ forgets it too. */
bool internal_flush_step(struct internal *c, uint64_t *pos, size_t n, void (*drop)(void *ctx, uint32_t id), void *ctx);

#endif
