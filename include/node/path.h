/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_NODE_PATH_H
#define CONNTRACKD_NODE_PATH_H

#include "base/log.h"
#include "node/pipeline.h"

/* The pipeline inside. For pipeline.c and the files that stand beside it (see there), and for
 * nobody else. Functions with a ctx are members of struct sync_env; ctx is the pipeline. */

#define PATH_SILENCE_MS 30000 /* a peer says something once a second */

/* What peers say about flows waits here until the datagram is through, so that the cache misses
 * of several lookups overlap: with a million flows they are most of the cost. Flows with rare
 * parts do not wait. */
#define PATH_NEWS 32u

struct path_news {
	struct ct_flow flow;
	struct mono at;
	uint32_t hint;	    /* of table_prefetch_index() */
	uint8_t peer, what; /* enum sync_change */
};

/* What is missing in a cache, and its repair. */
struct path_whole {
	const char *name;	  /* for people; NULL: there is no such cache */
	struct flow_table *table; /* NULL: none but our kernel's */
	struct whole whole;
	struct mono due;     /* no repair before */
	struct mono tried;   /* when the last one was begun */
	uint32_t pause_ms;   /* after it; 0: the cache has been complete since */
	uint64_t parts_lost; /* of the table's counter of parts lost, those that are known here */
	uint64_t answered;   /* external: answers of peers that were complete when it began */
	bool said;	     /* that something is missing: then its end is said too */
	struct log_limit limit;
};

/* Sweeps on the word of a 1.4.x. */
struct path_doubt {
	bool seems; /* the answer at hand is one only if it repeats what is known (SYNC_SEEMS) */
	struct mono marked;   /* when the resync began */
	uint32_t peers;	      /* the node: a bit for each of its addresses */
	unsigned int put_off; /* so many in a row */
	struct mono ask_at;   /* when it is asked again; not set: it is not */
};

struct sink_ops;
struct source_ops;

struct pipeline {
	const struct source_ops *source;
	const struct sink_ops *sink;
	struct internal *internal;
	struct bypass *bypass;	/* one of the two */
	struct flow_table *own; /* of either */
	struct clash *clash;	/* of the internal cache; NULL without sync */
	struct external *external;
	/* The flows of the peers in our kernel. Stays empty with an external cache or without an
	 * internal one. */
	struct peer_flows *peer_flows;
	struct exp_path *expects; /* NULL without ExpectationSync */
	struct sync *sync;
	const struct flow_filter *filter;
	const struct proto_ops *proto;
	struct sealed sealed; /* no seal: its ops are NULL */
	struct proto_rules rules;
	struct pipeline_env env;
	struct pipeline_reader reader;
	struct sync_env sync_env;
	struct pipeline_stats stats;
	struct path_news news[PATH_NEWS];
	uint32_t n_news;
	struct mono now; /* of the turn: path_encode() is given none */
	/* Of the internal cache; of the peers' flows, wherever they are kept. */
	struct path_whole in, ex;
	bool expects_missed; /* by the internal cache since their comparison began */
	uint32_t refresh_s;  /* ALARM: everything is told again within so many seconds; else 0 */
	struct log_limit full_log, full_call, version_log, clash_log;
	/* When to say that no peer was heard; not set: one was, or it was said. */
	struct mono silence_due;
	struct path_doubt doubt[PEERS_MAX]; /* by peer */
	uint32_t count_peers; /* bit per peer whose stale entries are to be counted first */
	uint64_t count_pos;   /* resume point of the lowest of them */
	struct external_answer count;
	/* A bit per peer whose resync is complete and whose stale entries are to go. */
	uint32_t sweep_peers;
	uint64_t sweep_pos; /* resume point of the lowest of them */
	uint32_t swept;
	uint32_t cache_timeout_s; /* ALARM: entries without news for longer expire; 0: none does */
	struct mono expire_due;	  /* when to look for some */
	bool expiring;		  /* at that, from expire_pos on */
	uint64_t expire_pos;
	uint32_t oldest_s;
	/* Without internal cache: the kernel dump of a full send, and whether it waits for room. */
	bool dumping, paused;
	bool no_room;	 /* part of it found none */
	bool lost;	 /* states were lost before they got here: to be said at lost_due */
	bool zoned_said; /* the kernel has flows with a zone of one direction */
	struct mono lost_due;
	struct mono purged; /* when we last deleted a flow of the kernel ourselves */
};

/* ---- path.c ---- */
void path_log(struct pipeline *p, int level, const char *text);
/* A table is full or memory is short: that one flow is dropped and counted. */
void path_full(struct pipeline *p, uint64_t *counter, const char *cache, struct mono now);
/* The table of a source with peers has changed: hand the record on to sync/. */
void path_changed(struct pipeline *p, enum internal_change change, uint32_t id, struct mono now);
/* f, or, for an offloaded flow whose life the kernel did not tell, *copy with the life that a
 * packet gives it. */
const struct ct_flow *path_with_timeout(const struct pipeline *p, const struct ct_flow *f,
					struct ct_flow *copy);
/* A flow has ended; f says what is known of its last moment. */
void path_ended(struct pipeline *p, const struct ct_flow *f);

/* These peers have told all their expectations. Returns how many have gone, because they were not
 * among them. */
uint32_t path_expects_resync_done(struct pipeline *p, uint32_t peers);

/* ---- pipeline.c ---- */
int path_encode(void *ctx, uint32_t id, uint32_t seq, uint8_t flags, struct writer *out);

/* ---- sink_cache.c ---- */
/* Put what waits into the external cache, if there is one. Before anything else is done with it. */
void path_settle(struct pipeline *p);

/* ---- complete.c ---- */
/* The internal cache has refused a flow (INTERNAL_FULL). */
void complete_internal_full(struct pipeline *p, struct mono now);
/* So has the external one, at its limit or for want of memory. */
void complete_external_full(struct pipeline *p, bool limit, const struct ct_flow *f,
			    struct mono now);
/* An expectation found no place in that cache. */
void complete_expects_full(struct pipeline *p, bool internal, struct mono now);
/* Our kernel has spoken of a flow that the internal cache has not refused: it is there, or has
 * ended, or is not wanted. */
void complete_internal_found(struct pipeline *p, const struct ct_flow *f);
/* The same of what a peer told, of the external cache or, with states injected, of our kernel. */
void complete_external_found(struct pipeline *p, const struct ct_flow *f);
/* sync_env.whole */
bool complete_internal_is(void *ctx);
/* A peer begins to answer. */
void complete_answers_begin(struct pipeline *p, struct mono now);
/* Begin the repairs that are due, end those that are through. Returns when to come back. */
struct mono complete_step(struct pipeline *p, struct mono now);

/* ---- records.c ---- */
struct flow_repl *record_repl(void *ctx, uint32_t id);
bool record_has(void *ctx, uint32_t id);
bool record_is_dead(void *ctx, uint32_t id);
void record_release(void *ctx, uint32_t id);
size_t record_walk(void *ctx, uint64_t *pos, uint32_t *ids, size_t n);

/* ---- ambiguous.c ---- */
/* path_changed() for a flow that is hidden. */
void ambiguous_changed(struct pipeline *p, enum internal_change change, uint32_t id,
		       struct mono now);
/* A flow with a zone of one direction was met, and is not told to anybody. */
void ambiguous_zone(struct pipeline *p);
/* For internal_watch_clashes(). */
void ambiguous_hidden(void *ctx, uint32_t id, struct mono now);
/* Send some of those that have become the only ones of their name. */
void ambiguous_step(struct pipeline *p, struct mono now);

/* ---- stale.c ---- */
/* For the sink. */
void stale_resync_begin(struct pipeline *p, uint8_t peer);
void stale_resync_done(struct pipeline *p, uint32_t peers, enum sync_proof proof);
/* A peer begins a life. */
void stale_peer_begins(struct pipeline *p, uint8_t peer);
/* sync_env.kept: nothing is missing, and nothing is to be removed or judged, or may have ended,
 * because a full answer did not show it. */
bool stale_kept(void *ctx);
/* Ask again where a sweep was put off. Returns when to come back. */
struct mono stale_ask(struct pipeline *p, struct mono now);
/* True while there is more. */
bool stale_sweep_step(struct pipeline *p, struct mono now);
bool stale_expire_step(struct pipeline *p, struct mono now);

/* ---- sink_kernel.c ---- */
/* Our kernel has spoken of a flow. Returns when a peer last told about it (mono seconds) if it was
 * only the peer's until now, else 0. */
uint32_t peers_flow_heard(struct pipeline *p, enum ct_event what, const struct ct_flow *f);
/* An entry of a dump: is it a peer's flow, and to be left alone? */
bool peers_flow_dumped(struct pipeline *p, const struct ct_flow *f);
/* A peer may have lost its table: if our kernel has flows of the peers they become ours, and are
 * told. */
void peers_flows_adopt(struct pipeline *p);
/* sync_env.peer_asks */
void peers_flows_peer_asks(void *ctx, uint8_t peer);

#endif
