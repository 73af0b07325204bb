/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_TAKEOVER_H
#define CONNTRACKD_DAEMON_TAKEOVER_H

#include "base/evloop.h"
#include "base/text.h"
#include "daemon/activity.h"
#include "daemon/commit.h"
#include "daemon/pipeline.h"

struct sync_conf;

/* What a take-over does to the kernel: commit of the external cache (-c), flush of the kernel table (-F), and the flush
 * that a node no longer active schedules (-t). All in steps; commands wait for the end through the callbacks. */
struct takeover;

struct takeover_cb {
	void *ctx;
	/* err: 0, or -errno where the flows, or after them the expectations, could not even begin. What of both was not done is zero. */
	void (*commit_done)(void *ctx, int err, const struct ct_commit_result *res,
			    const struct exp_commit_result *exp, struct mono now);
	void (*flush_done)(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now);
};

struct takeover_stats {
	uint64_t kernel_flushes;	/* -F (each table) and expired -t */
};

int takeover_open(struct evloop *loop, const struct sync_conf *conf, const struct flow_filter *filter,
		  struct activity *activity, const struct takeover_cb *cb, struct takeover **out, struct text *err);
void takeover_close(struct takeover *t);
/* The port ids of its sockets, for the event filter. Writes at most TAKEOVER_SOCKETS; returns how many. */
#define TAKEOVER_SOCKETS (1 + COMMIT_SOCKETS)
size_t takeover_portids(const struct takeover *t, uint32_t *ids);
/* The pipeline is opened after the sockets above; borrowed. */
void takeover_set_pipeline(struct takeover *t, struct pipeline *p);

/* 0, -EBUSY while one runs, or -ENOMEM. It begins when a flush that is running has ended, which would delete what the commit
 * creates. A pending -t stays: who asks for a commit cancels it (takeover_cancel_schedule()). */
int takeover_commit(struct takeover *t, enum commit_what what, struct mono now);
bool takeover_committing(const struct takeover *t);
const struct ct_commit_result *takeover_progress(const struct takeover *t);

/* 0, or -EBUSY while one runs, or a commit. */
int takeover_flush(struct takeover *t, struct mono now);
/* All expectations of the kernel, at once (-F expect). 0 or -errno. */
int takeover_flush_expects(struct takeover *t);
bool takeover_flushing(const struct takeover *t);

/* -t: flush of kernel table and internal cache in PurgeTimeout seconds; false when one is pending already. */
bool takeover_schedule(struct takeover *t, struct mono now);
/* True if one was pending. */
bool takeover_cancel_schedule(struct takeover *t);

const struct takeover_stats *takeover_stats(const struct takeover *t);

#endif
