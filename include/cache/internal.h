/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_INTERNAL_H
#define CONNTRACKD_CACHE_INTERNAL_H

#include "base/clock.h"
#include "cache/clash.h"
#include "cache/table.h"

/* The internal cache: the flows of our own kernel. Turns kernel events and dump entries into "this
 * record changed". Knows nothing of sending: the caller passes the id on to sync/, and calls
 * internal_release() when sync/ no longer needs a dead one. */
struct internal;

enum internal_change {
	INTERNAL_NOTHING, /* the peers need not hear of it */
	INTERNAL_NEW,
	INTERNAL_UPDATE,
	INTERNAL_DESTROY, /* the record is dead now; keep it until internal_release() */
	INTERNAL_FULL,	  /* limit or memory: counted, not stored */
};

/* flags of an internal record; internal.c has the table of how they change */
/* known from a dump only: the kernel may never report its changes or its end */
#define REC_I_SILENT 0x01u
/* inserted by our own commit, kernel outcome not known yet: the id stays valid */
#define REC_I_COMMIT 0x02u
#define REC_I_UNDO   0x04u /* so far only our own commit has reported this flow */
/* dead and given back by sync/, kept only because of REC_I_COMMIT */
#define REC_I_RELEASED 0x08u
#define REC_I_DOUBT    0x10u /* a dump contradicted an event: ask the kernel */
/* returned by internal_pass_unseen(), and no event about it since */
#define REC_I_ASKED 0x20u
/* put into the kernel while alive: its kernel id may be that of an ended predecessor */
#define REC_I_RECOMMIT 0x40u
/* ambiguous on the wire: not sent (only clash.c sets this flag) */
#define REC_I_CLASH 0x80u

/* What the last report about the kernel's entry of an alive record came from (flow_repl.word). */
enum internal_word {
	INTERNAL_WORD_NONE,   /* not known: from a dump */
	INTERNAL_WORD_PACKET, /* a packet, by an event */
	/* a request, ours or another program's, that has set the timeout of the record */
	INTERNAL_WORD_WRITTEN,
	/* we have written a change received from a peer into it, at received_s */
	INTERNAL_WORD_RECEIVED,
};

struct internal *internal_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void internal_free(struct internal *c);
struct flow_table *internal_table(struct internal *c);

/* Look for ambiguous flows (clash.h); to be called before the first flow. hidden is called when a
 * live flow that was sent until now becomes ambiguous; it must not call back into the cache. 0 or
 * -ENOMEM. */
int internal_watch_clashes(struct internal *c, const struct hash_key *key,
			   void (*hidden)(void *ctx, uint32_t id, struct mono now), void *ctx);
/* NULL unless internal_watch_clashes() was called. */
struct clash *internal_clash(struct internal *c);

/* room() is called when there is no room for a new flow: it may free records that have ended, with
 * internal_release(), and returns whether it has. */
void internal_set_room(struct internal *c, bool (*room)(void *ctx, struct mono now), void *ctx);
/* The last INTERNAL_FULL: *hash becomes that of the flow's key. True: for its limit, false: for
 * want of memory. */
bool internal_refused(const struct internal *c, uint32_t *hash);

static inline bool internal_is_hidden(struct internal *c, uint32_t id)
{
	return table_rec(internal_table(c), id)->flags & REC_I_CLASH;
}

/* Kernel events. *id is the record, FLOW_ID_NONE with INTERNAL_NOTHING for an unknown one and with
 * INTERNAL_FULL. A NEW for a known tuple replaces it (the kernel's word: the old one is gone); a
 * NEW for a dead one revives the slot. An UPDATE of an unknown flow inserts; of a dead one it
 * revives (its NEW may have been filtered), and if that may have been the dead flow's own late
 * UPDATE the record counts as silent, so that it is verified. A DESTROY of an unknown flow, or of
 * another incarnation of the tuple (both kernel ids known and different), is nothing. An update
 * that changes only timeout or counters is merged but is INTERNAL_NOTHING only if nothing a peer
 * stores changed; a changed timeout_s alone counts as a change when it grew by more than half (a
 * state the peer would restore with too short a timeout). */
enum internal_change internal_new_flow(struct internal *c, const struct ct_flow *f, struct mono now,
				       uint32_t *id);
enum internal_change internal_update(struct internal *c, const struct ct_flow *f, struct mono now,
				     uint32_t *id);
enum internal_change internal_destroy(struct internal *c, const struct ct_flow *f, struct mono now,
				      uint32_t *id);

/* Record what caused the event that was just stored: packet: a packet (or timer), else a request of
 * any program; birth: the event reports a new entry. received_s: until now the flow was a peer's
 * only, last received at that time (mono seconds; 0: it was not). */
void internal_heard(struct internal *c, uint32_t id, bool packet, bool birth, uint32_t received_s);

/* One entry of a kernel dump, or the answer to a GET. Inserts it (REC_I_SILENT), or merges it;
 * INTERNAL_NOTHING when the cache knew all of it. A dump may be older than events read before it:
 * an entry that contradicts an event read since the pass began, or whose record is dead, changes
 * nothing by itself but makes the record one of the unseen, so that the kernel is asked. The
 * kernel's answer (record still REC_I_ASKED) is believed. */
enum internal_change internal_dumped(struct internal *c, const struct ct_flow *f, struct mono now,
				     uint32_t *id);

/* Reconcile pass: begin marks everything unseen; events and dump entries mark as seen; then walk
 * the unseen (and the doubtful) ones, ask the kernel about each, and either say
 * internal_pass_seen() followed by internal_dumped() with what the kernel answered, or report it as
 * gone. The calls with an id accept one whose record was freed meanwhile, or freed and used again:
 * they do nothing then, nor when an event came between question and answer. internal_pass_unseen()
 * gives up to n ids from *pos on. A call looks at a few thousand records at most, so none is not
 * the end: *end says that.
 *
 * quiet: for passes that no command asked for. Output and counters are then as if there had been no
 * pass, apart from its repairs; otherwise each entry counts as an update and adds the attributes
 * that only dumps have, as -R does in 1.4.x. */
void internal_pass_begin(struct internal *c, bool quiet);
size_t internal_pass_unseen(struct internal *c, uint64_t *pos, uint32_t *ids, size_t n, bool *end);
/* Count, while a pass goes over all records, those that were inserted from from_s to until_s
 * (mono_s()) and of which there was no event; and return their number so far. */
void internal_unheard_begin(struct internal *c, uint32_t from_s, uint32_t until_s);
uint32_t internal_unheard(const struct internal *c);
/* Was id returned by internal_pass_unseen(), and is the kernel's answer still wanted? */
bool internal_pass_is_unseen(const struct internal *c, uint32_t id);
enum internal_change internal_gone(struct internal *c, uint32_t id, struct mono now);
/* The kernel has reported the entry: it counts as seen. */
void internal_pass_seen(struct internal *c, uint32_t id);

/* One question beside any pass: the kernel is asked about an alive record because a part of it
 * changes without an event. internal_ask() says whether to ask. The answer is handed to
 * internal_answered() only if internal_asked() is still true (an event that came in between is
 * newer), and merged as in a quiet pass; without an answer internal_ask_over() ends it. All accept
 * stale ids. */
bool internal_ask(struct internal *c, uint32_t id);
bool internal_asked(const struct internal *c, uint32_t id);
enum internal_change internal_answered(struct internal *c, const struct ct_flow *f, struct mono now,
				       uint32_t *id);
void internal_ask_over(struct internal *c, uint32_t id);

/* How many records may end without an event: while there are any, passes have to be made. */
uint32_t internal_silent(const struct internal *c);

/* Our own commit is about to put f into the kernel: store it unless the cache has it. *inserted:
 * the record is new, INTERNAL_NEW is returned (nothing is to be sent), and the id stays valid until
 * exactly one of internal_commit_undo() and internal_commit_done() was called. Otherwise
 * INTERNAL_NOTHING or INTERNAL_FULL, and nothing more is to be done whatever the kernel says: an
 * alive record is left as it is; a dead one lives again, as a silent one that a pass removes if the
 * kernel refused. */
enum internal_change internal_commit(struct internal *c, const struct ct_flow *f, struct mono now,
				     uint32_t *id, bool *inserted);
/* The kernel refused: take the record out again, unless an event or a dump has confirmed it
 * meanwhile. True when sync/ knows the record (because of a bulk send): the caller lets sync/
 * forget it and then calls internal_release(). */
bool internal_commit_undo(struct internal *c, uint32_t id);
/* The kernel has the flow of record id. */
void internal_commit_done(struct internal *c, uint32_t id);

/* The kernel has f (with the timeout that was written) in the place of another flow of the same
 * original tuple, or of none: the record of internal_commit() is now that of f, and becomes alive
 * again if the end of the predecessor was read meanwhile. cleared: we have destroyed the
 * predecessor, without an event. */
enum internal_change internal_committed(struct internal *c, uint32_t id, const struct ct_flow *f,
					bool cleared, struct mono now);
/* The entry of an alive record, as the kernel has it (f), was written by us. */
void internal_written(struct internal *c, uint32_t id, const struct ct_flow *f, struct mono now);

/* A peer's kernel drops a flow when the timeout that we have sent expires: from now on only events
 * and internal_timeout_refreshed() change the timeout of a record. */
void internal_keep_received_timeout(struct internal *c);
/* internal_answered() for such a record; INTERNAL_UPDATE: the entry expires later than the timeout
 * that was sent. */
enum internal_change internal_timeout_refreshed(struct internal *c, const struct ct_flow *f,
						struct mono now, uint32_t *id);

/* What f, received from a peer, says about an alive record was put into our kernel, without an
 * event. The record takes over the same, so that later messages about it are not older than what
 * the peer has sent; nothing is to be sent now. written: into the entry, beyond mark and labels. */
void internal_received(struct internal *c, uint32_t id, const struct ct_flow *f, bool written,
		       struct mono now);

/* Our kernel had no entry of the record's flow, and one was made for a peer's news. If the record
 * is alive, a DESTROY is on the way that must not end it: the flow would be in the kernel and
 * nowhere else. */
void internal_entry_made(struct internal *c, uint32_t id);

/* When the flow of the record was last received from a peer, mono seconds; 0: never. */
uint32_t internal_received_s(const struct flow_rec *rec, struct mono now);

/* Does the cache have a TCP flow that has not ended? With more than some thousand flows always
 * true. */
bool internal_may_have_tcp(const struct internal *c);

/* sync/ no longer needs the record: free it if it is dead. */
void internal_release(struct internal *c, uint32_t id);

#endif
