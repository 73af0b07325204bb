/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_EXTERNAL_FLUSH_H
#define CONNTRACKD_FOLLOW_EXTERNAL_FLUSH_H

#include "base/clock.h"
#include "base/evloop.h"
#include "follow/activity.h"
#include "node/pipeline.h"

/* -f external: the flush of the external cache (JOB_CACHE_FLUSH of follow/jobs.h), and how the
 * cache fills again. */
struct external_flush;
struct jobs;

/* All borrowed. */
struct external_flush_conf {
	const struct sync_conf *sync;
	struct evloop *loop;
	struct pipeline *pipeline;
	const struct activity *activity;
	struct jobs *jobs;
	/* How many links to the peers can be used now? */
	unsigned int (*links)(void *ctx);
	void *ctx;
};

/* The external cache is empty because of -f. */
struct external_flush_values {
	int64_t ago_s;
	int64_t asks_s; /* seconds until the peers are asked for all flows */
};

/* Bits of `what` of JOB_CACHE_FLUSH: what is emptied beside the flows. */
#define FLUSH_EXPECTS 0x1u

/* Also registers the functions of JOB_CACHE_FLUSH with conf->jobs. NULL without memory. */
struct external_flush *external_flush_new(const struct external_flush_conf *conf);
void external_flush_free(struct external_flush *e);

/* Ask the peers now, if the request was put off: this node is active no longer, or a peer or a link
 * has come back. May be called from any callback; the request is sent in the next turn. */
void external_flush_fill(struct external_flush *e, struct mono now);
/* Another module has asked the peers for all flows. */
void external_flush_asked(struct external_flush *e);
/* To be called once a turn: looks whether a link has come back. */
void external_flush_turn(struct external_flush *e, struct mono now);

/* True: the cache is empty because of -f; *out says since and until when. */
bool external_flush_values(const struct external_flush *e, struct mono now,
			   struct external_flush_values *out);

#endif
