/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_AHEAD_H
#define CONNTRACKD_FOLLOW_AHEAD_H

#include "base/evloop.h"
#include "base/text.h"
#include "follow/commit.h"

/* Flows that cannot wait for the commit: asked for by the tuple of a packet, in either direction,
 * and put into the kernel ahead of all others, with their masters. Needs an external cache. */
struct ahead;

enum ahead_known {
	AHEAD_UNKNOWN, /* neither a peer nor our kernel knows such a flow */
	AHEAD_UNSURE, /* not all that the peers have told can be asked for yet, or it is expected */
	AHEAD_MISSING, /* a peer has told of it, and our kernel does not have it from us yet */
	AHEAD_THERE,   /* our kernel has it */
};

struct ahead_cb {
	void *ctx;
	/* What was AHEAD_UNSURE may be sure now. */
	void (*sure)(void *ctx, struct mono now);
	/* The end of ahead_sweep(). */
	void (*swept)(void *ctx, struct mono now);
};

/* Borrows loop and commit. 0, or -errno with a line in *err. */
int ahead_open(struct evloop *loop, struct commit *commit, const struct ahead_cb *cb,
	       struct ahead **out, struct text *err);
void ahead_close(struct ahead *a);
/* Opened later; borrowed. */
void ahead_set_pipeline(struct ahead *a, struct pipeline *p);

/* From here on flows can be asked for: the external cache gets its index by reply tuple, a part in
 * each turn of the loop. 0, or -ENOMEM. */
int ahead_begin(struct ahead *a, struct mono now);
/* The index goes; what was put into the kernel is forgotten to have been, and a sweep that runs
 * ends without a word. */
void ahead_end(struct ahead *a);

/* tuple: that of a packet, in the place of the original one, without zone. */
enum ahead_known ahead_known(struct ahead *a, const struct ct_flow *tuple, struct mono now);
/* Every flow with this tuple is in the kernel when this returns; false: it has refused one. */
bool ahead_commit(struct ahead *a, const struct ct_flow *tuple, struct mono now);

/* Begin to put all flows into the kernel that take away NAT ports from new flows to the
 * destinations of these n <= AHEAD_SWEEP_MAX tuples; a bounded part of it in each turn. Not while
 * one runs. */
void ahead_sweep(struct ahead *a, const struct ct_flow *const *tuples, size_t n, struct mono now);
#define AHEAD_SWEEP_MAX 64

struct ahead_stats {
	uint64_t committed; /* flows */
	uint64_t failed;
	size_t index_bytes; /* 0: there is none */
};
void ahead_stats(const struct ahead *a, struct ahead_stats *out);

#endif
