/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_NODE_PIPELINE_H
#define CONNTRACKD_NODE_PIPELINE_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/values.h"
#include "base/writer.h"
#include "cache/bypass.h"
#include "cache/external.h"
#include "cache/internal.h"
#include "cache/whole.h"
#include "node/exp_path.h"
#include "flow/ct_event.h"
#include "flow/filter.h"
#include "flow/judge.h"
#include "sync/sync.h"
#include "proto/proto.h"
#include "proto/seal.h"

/* The data path: kernel event -> filter -> internal cache -> sync -> protocol -> datagram, and
 * datagram -> protocol -> sync -> external cache (or, without one, env.inject). In the statistics
 * mode it ends at the internal cache. Knows no socket and reads no clock, so that two whole nodes
 * run inside one test process. */
struct pipeline;
struct sink_ops; /* node/sink.h */

/* What it asks of the world; pointers are borrowed and outlive it. */
struct pipeline_env {
	void *ctx;
	struct outlet out; /* unchanged for sync/; not in the statistics mode */
	/* One line for the log; level is base/log.h's. May be NULL. */
	void (*log)(void *ctx, int level, const char *text);
	/* What replication reports. Borrows r. May be NULL. */
	void (*report)(void *ctx, const struct sync_report *r);
	/* A table is full, said at most once a second: the limit may be raised here. May be
	 * NULL. */
	void (*full)(void *ctx);
	/* Has the kernel's table room for n flows more, or a good deal of room? NULL: in doubt
	 * yes. */
	bool (*kernel_room)(void *ctx, uint32_t n);
	/* Is this node active (follow/activity.h)? May be NULL: no. */
	bool (*active)(void *ctx);
	/* Without external cache: what a peer says about a flow goes straight there. Borrows
	 * flow. */
	void (*inject)(void *ctx, enum sync_change what, const struct ct_flow *flow,
		       struct mono now);
	/* The same for an expectation: a peer has it, or has it no longer. Borrows e. */
	void (*inject_expect)(void *ctx, bool gone, const struct ct_expect *e);
	/* How long an entry of f's protocol and state lives in our kernel after a packet, in
	 * seconds, 0 if unknown: the life of an offloaded flow, of which the kernel does not tell.
	 * NULL: always unknown. */
	uint32_t (*timeout)(void *ctx, const struct ct_flow *f);
	/* A peer begins a life: it is new, has started again, or is back after a silence. May be
	 * NULL. */
	void (*peer_begins)(void *ctx);
	/* A cached flow has ended: f is the event with its last counters, or the record where the
	 * kernel told nothing (it was found missing). Borrowed. May be NULL. */
	void (*ended)(void *ctx, const struct ct_flow *f);
};

/* Who reads our kernel's table for the pipeline, and is opened after it (pipeline_set_reader());
 * ctx is borrowed. What it cannot do is NULL. */
struct pipeline_reader {
	void *ctx;
	/* The internal cache is incomplete and there is room again: compare it with the kernel, as
	 * pipeline_compare_begin() and what follows it. */
	void (*compare)(void *ctx);
	/* A peer may have lost its table, with flows that our kernel has received from it before:
	 * give the whole kernel table to pipeline_adopted(). */
	void (*adopt)(void *ctx);
	/* Without internal cache: dump the kernel table, from its beginning, into
	 * pipeline_bulk_entry() and the calls after it, and again if that did not succeed. Never
	 * called while a dump is under way. */
	void (*dump)(void *ctx);
	/* Pause the dump, or go on. May be called from pipeline_bulk_entry(). */
	void (*dump_pause)(void *ctx, bool pause);
};

struct pipeline_conf {
	const struct sync_conf *sync;	  /* borrowed; NULL: statistics, that is no peers and
						 * no external cache */
	const struct flow_filter *filter; /* borrowed; NULL passes everything */
	bool no_external;		  /* DisableExternalCache: env.inject gets what peers
						 * say */
	bool no_internal;		  /* DisableInternalCache: pipeline_reader.dump; in NOTRACK
						 * only */
	const struct proto_ops *proto;
	struct seal seal; /* of the datagrams; none if its ops are NULL */
	struct proto_rules rules;
	uint32_t buckets;			 /* HashSize */
	uint32_t limit_internal, limit_external; /* records */
	struct hash_key key;
	uint32_t first_seq; /* wall-clock seconds */
};

struct pipeline_stats {
	uint64_t events; /* received from the kernel */
	uint64_t filtered;
	uint64_t swept; /* removed from the external cache: a full answer did not tell them */
	uint64_t full_internal, full_external;	 /* not stored for lack of room or memory */
	uint64_t full_expects;			 /* the same for both caches of expectations */
	uint64_t traffic_bytes, traffic_packets; /* of flows that ended */
	uint64_t zoned;		    /* without internal cache: new flows with a zone of one
					 * direction, not sent */
	uint64_t helpers_left_out;  /* messages without the helper's name, which is too long for
					 * 1.4.x */
	uint64_t sent[MSG_CHANGES]; /* messages about flows */
};

/* Gives a pipeline, or NULL without memory. */
struct pipeline *pipeline_new(const struct pipeline_conf *conf, const struct pipeline_env *env,
			      struct mono now);
void pipeline_free(struct pipeline *p);
void pipeline_set_reader(struct pipeline *p, const struct pipeline_reader *r);

/* ---- from our kernel ---- */

/* One event. Borrows f. */
void pipeline_event(struct pipeline *p, enum ct_event what, const struct ct_flow *f,
		    struct mono now);
/* One entry of a kernel dump (start-up, overrun, polling). announce: send what is new or changed to
 * the peers. What a peer has told and no packet has hit here is the peer's, and left alone. */
void pipeline_dumped(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now);
/* One entry of a dump made to look after flows we know already. Where the flows of the peers are
 * put into the kernel, others may be theirs, and are left alone: the daemon may have started after
 * they were put there. */
void pipeline_verified(struct pipeline *p, const struct ct_flow *f, struct mono now);
/* One entry of a dump made to take over all that the kernel has, the flows of the peers as well
 * (-R, pipeline_reader.adopt). False: the filter does not want it. */
bool pipeline_adopted(struct pipeline *p, const struct ct_flow *f, struct mono now);
/* A dump of the whole kernel table begins, and has been read without a gap. */
void pipeline_dump_begin(struct pipeline *p);
void pipeline_dump_end(struct pipeline *p);
/* The answer to a question about a flow that the internal cache has (internal_ask()). */
void pipeline_answered(struct pipeline *p, const struct ct_flow *f, struct mono now);
/* The same about a flow whose life, as the peers know it, is nearly over: if it has been renewed
 * they are told. */
void pipeline_timeout_refreshed(struct pipeline *p, const struct ct_flow *f, struct mono now);
/* The kernel says the record is gone, and no event has touched it since it was found unseen. */
void pipeline_gone(struct pipeline *p, uint32_t id, struct mono now);

/* ---- completeness (cache/whole.h) ---- */

/* Something is missing in the internal cache, or in what we have of the peers' flows, in a way that
 * no refusal of a flow tells: WHOLE_START, WHOLE_OVERRUN, WHOLE_FLUSHED. Until it is repaired no
 * full answer of ours makes a peer sweep. */
void pipeline_lack(struct pipeline *p, enum whole_reason why, struct mono now);
void pipeline_lack_external(struct pipeline *p, enum whole_reason why, struct mono now);
/* States injected: our kernel had no room for this flow of a peer. */
void pipeline_refused(struct pipeline *p, const struct ct_flow *f, struct mono now);
/* A comparison with the kernel begins, and has ended; all: every entry of the kernel was seen and
 * every record without one asked about. What was missing when it began is not missing any more,
 * unless it was refused again. */
void pipeline_compare_begin(struct pipeline *p);
void pipeline_compare_end(struct pipeline *p, bool all, struct mono now);
/* The same of the kernel's expectations and those of the internal cache. */
void pipeline_expects_compare_begin(struct pipeline *p);
void pipeline_expects_compare_end(struct pipeline *p, bool all, struct mono now);
/* Ask the peers for everything they have (-n): their answers repair what is missing of theirs. */
void pipeline_ask(struct pipeline *p, struct mono now);
/* Does a pass that looks after known flows only see all of ours? Not where those of the peers are
 * in our kernel too. */
bool pipeline_compares_all(const struct pipeline *p);
/* Of the internal cache; always complete without one. */
const struct whole *pipeline_whole(const struct pipeline *p);
/* For -s cache: is a cache complete, or since when and why not? */
struct completeness_values {
	const char *name;  /* as the caches are called: "internal", "external", "stats" */
	const char *cache; /* for people */
	bool complete;
	bool answer_open; /* complete, but for the rest of a full answer of a peer */
	bool gap_open;	  /* complete, but for something that a peer has sent */
	uint8_t why;	  /* enum whole_reason */
	bool repairing;
	int8_t more;	    /* than not_stored; -1: not known */
	int64_t for_s;	    /* incomplete; -1: it is not */
	int64_t not_stored; /* flows that found no place; -1: that is not what is missing */
};
extern const struct value_group completeness_group;
#define PIPELINE_CACHES 2u
/* i = 0: the internal cache; 1: what we have of the peers. False: there is none. */
bool pipeline_completeness(const struct pipeline *p, unsigned int i, struct mono now,
			   struct completeness_values *out);

/* Events were lost: where there is no cache to repair, the peers learn that something is missing,
 * and are told everything anew. */
void pipeline_lost(struct pipeline *p);

/* The dump that pipeline_reader.dump() asked for: an entry; a part has been read, and the kernel
 * has made the next one meanwhile; the end. False: it has to be made again after a while,
 * because part of it found no room. */
void pipeline_bulk_entry(struct pipeline *p, const struct ct_flow *f, struct mono now);
void pipeline_bulk_part(struct pipeline *p);
bool pipeline_bulk_end(struct pipeline *p);

/* Without internal cache: the master of an expectation, as the kernel has it at this moment. No
 * event tells when a helper has begun to adjust its sequence numbers, and the peers are to have it
 * before the expectation. It is sent, or with only_adjusted only if there is such an adjustment.
 * False: the filter does not want it. */
bool pipeline_master(struct pipeline *p, const struct ct_flow *f, bool only_adjusted,
		     struct mono now);

/* Have we deleted flows ourselves within the last second? */
bool pipeline_purged_lately(const struct pipeline *p, struct mono now);

/* We deleted it ourselves (-F, -t): it leaves the internal cache and the peers are not told,
 * because a peer that puts what it receives into its kernel would delete a flow that may live
 * there. */
void pipeline_purged(struct pipeline *p, const struct ct_flow *f, struct mono now);

/* A peer has told its end, and it was removed from our kernel. Where it was ours as well, and told,
 * the peers are told that it has ended: what we told may arrive after the end, and put it there
 * again. Not where one of them is a 1.4.x: it would delete the next flow of the same tuple. */
void pipeline_ended(struct pipeline *p, const struct ct_flow *f, struct mono now);

/* Our own commit has removed this entry from our kernel, because it was in the way of a flow with
 * another original tuple: the peers are told that it has ended, as of every end on the node that is
 * active. */
void pipeline_displaced(struct pipeline *p, const struct ct_flow *f, struct mono now);

/* What is remembered of an entry of our kernel beside what the kernel tells of it; *m is all zero
 * before. */
void pipeline_memory(const struct pipeline *p, const struct ct_flow *f, struct ct_memory *m,
		     struct mono now);

/* The outcome of our own commit: f is in the kernel where the kernel had another flow of the same
 * original tuple, or none (internal_committed()); or f is the kernel's own entry, and kept, or
 * written. was: the id that pipeline_commit() has given, which may be another flow's by now, or
 * FLOW_ID_NONE. */
void pipeline_committed(struct pipeline *p, const struct ct_flow *f, uint32_t was, bool cleared,
			struct mono now);
void pipeline_commit_kept(struct pipeline *p, const struct ct_flow *f, bool written,
			  struct mono now);

/* Our own commit is about to put f into the kernel: internal_commit(), and a full cache is counted
 * and said. Nothing without internal cache. */
void pipeline_commit(struct pipeline *p, const struct ct_flow *f, struct mono now, uint32_t *id,
		     bool *inserted);
/* The kernel refused a flow that our commit had put into the internal cache (internal_commit() said
 * inserted). */
void pipeline_commit_undo(struct pipeline *p, uint32_t id);

/* ---- from the network ---- */

/* One datagram: every message in it. Borrows the bytes. */
void pipeline_datagram(struct pipeline *p, const struct peer_addr *from, const uint8_t *bytes,
		       size_t n, struct mono now);
/* How bytes of a stream are cut into messages: the length of the one they begin with; 0 when it is
 * not complete; -1 (and counted) when they are none, and what follows cannot be trusted. */
ssize_t pipeline_frame(struct pipeline *p, const uint8_t *bytes, size_t n);

/* Without external cache. Our kernel has taken over what f says of a peer's flow (env.inject);
 * written: into the entry, beyond mark and labels. */
void pipeline_injected(struct pipeline *p, const struct ct_flow *f, bool written, struct mono now);
/* Before pipeline_injected(): our kernel had no entry of f, one was made. If we have f as alive,
 * its end is still to be read, and is the predecessor's. */
void pipeline_entry_made(struct pipeline *p, const struct ct_flow *f);
/* Has our kernel got it, as far as we know? */
bool pipeline_in_kernel(const struct pipeline *p, const struct ct_flow *f);
/* How many flows of our kernel are the peers' and not known from its own events. */
uint32_t pipeline_peer_flows(const struct pipeline *p);

/* ---- time and sending ---- */

/* Do what is due, send what is waiting within a budget, sweep a step. *again: there is more to do
 * at once. Returns when to be called next (not set: only when something happens). Call at the end
 * of every loop turn. */
struct mono pipeline_turn(struct pipeline *p, struct mono now, bool *again);

/* ---- its parts ---- */

/* The row of what becomes of what the peers tell. */
const struct sink_ops *pipeline_sink(const struct pipeline *p);

/* NULL without internal cache. */
struct internal *pipeline_internal(struct pipeline *p);
/* The table of the internal cache, or of what waits to be sent. */
struct flow_table *pipeline_own(struct pipeline *p);
/* NULL without peers or external cache. */
struct external *pipeline_external(struct pipeline *p);
/* NULL without ExpectationSync. */
struct exp_path *pipeline_expects(struct pipeline *p);
/* NULL without peers. */
struct sync *pipeline_sync(struct pipeline *p);
const struct pipeline_stats *pipeline_stats(const struct pipeline *p);

#endif
