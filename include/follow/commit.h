/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_COMMIT_H
#define CONNTRACKD_FOLLOW_COMMIT_H

#include "base/evloop.h"
#include "base/text.h"
#include "follow/activity.h"
#include "node/pipeline.h"
#include "kernel/ct_commit.h"
#include "kernel/exp.h"

struct sync_conf;

/* What the kernel side of a commit asks of the caches: which flows there are, what becomes of them
 * in the internal cache, and after them the expectations. When a commit may begin is not decided
 * here. */
struct commit;

/* Without ExpectationSync there are no expectations to do. */
enum commit_what {
	COMMIT_FLOWS = 1,
	COMMIT_EXPECTS = 2,
	COMMIT_ALL = 3,
};

struct commit_cb {
	void *ctx;
	/* err: 0, or -errno where the flows, or after them the expectations, could not even begin.
	 * What of both was not done is zero. */
	void (*done)(void *ctx, int err, const struct ct_commit_result *res,
		     const struct exp_commit_result *exp, struct mono now);
};

/* Borrows all it is given. 0, or -errno with a line in *err. */
int commit_open(struct evloop *loop, const struct sync_conf *conf, const struct flow_filter *filter,
		const struct activity *activity, const struct commit_cb *cb, struct commit **out,
		struct text *err);
void commit_close(struct commit *c);
/* The pipeline is opened after the sockets above; borrowed. */
void commit_set_pipeline(struct commit *c, struct pipeline *p);

/* The port ids of its sockets, for the event filter. Writes at most COMMIT_SOCKETS; returns how
 * many. */
#define COMMIT_SOCKETS 2
size_t commit_portids(const struct commit *c, uint32_t *ids);
/* The socket for expectations, NULL without ExpectationSync. */
struct exp_sock *commit_exp_sock(struct commit *c);

/* 0, -EBUSY while one runs, or -ENOMEM. */
int commit_start(struct commit *c, enum commit_what what, struct mono now);
/* One flow of the external cache ahead of all others, whether a commit runs or not: before this
 * returns the kernel has it, or has refused it (CT_FAILED). CT_GONE: its life is over, and it may
 * have left the cache. Not from a callback of the commit. */
enum ct_outcome commit_one(struct commit *c, uint32_t id, struct mono now);
bool commit_running(const struct commit *c);
/* Does a commit judge the kernel's entry f: has a peer told of a flow of the same original tuple
 * that lives? */
bool commit_judges(const struct commit *c, const struct ct_flow *f, struct mono now);
const struct ct_commit_result *commit_progress(const struct commit *c);

/* Why the kernel has refused a flow (positive errno of ct_commit_result and ct_result), for a
 * person. Static text. */
const char *commit_reason(int err);

#endif
