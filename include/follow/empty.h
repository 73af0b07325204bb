/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_EMPTY_H
#define CONNTRACKD_FOLLOW_EMPTY_H

#include "base/clock.h"
#include "base/evloop.h"
#include "follow/activity.h"
#include "node/pipeline.h"

/* -f external: JOB_EMPTY (follow/jobs.h), and how the external cache fills again afterwards. */
struct empty;
struct jobs;

/* All borrowed. */
struct empty_conf {
	const struct sync_conf *sync;
	struct evloop *loop;
	struct pipeline *pipeline;
	const struct activity *activity;
	struct jobs *jobs;
	/* How many links to the peers can be used now? */
	unsigned int (*links)(void *ctx);
	void *ctx;
};

/* The external cache is empty on purpose. */
struct emptied_values {
	int64_t ago_s;
	int64_t asks_s; /* until its peers are asked */
};

/* Bits of what JOB_EMPTY empties beside the flows. */
#define EMPTY_EXPECTS 0x1u

/* Gives its job the ops. NULL without memory. */
struct empty *empty_new(const struct empty_conf *conf);
void empty_free(struct empty *e);

/* The peers are to be asked now, if that is put off: this node is active no longer, or a peer or a
 * link has come back. Callable from anywhere, the asking is done in the next turn. */
void empty_fill(struct empty *e, struct mono now);
/* Somebody else asks the peers for everything. */
void empty_asked(struct empty *e);
/* Once a turn: has a link come back? */
void empty_turn(struct empty *e, struct mono now);

/* True: the cache is empty on purpose; since and until when. */
bool empty_values(const struct empty *e, struct mono now, struct emptied_values *out);

#endif
