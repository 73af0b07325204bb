/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_TAKEOVER_H
#define CONNTRACKD_FOLLOW_TAKEOVER_H

#include "base/evloop.h"
#include "base/text.h"
#include "follow/activity.h"
#include "follow/commit.h"
#include "follow/jobs.h"
#include "node/pipeline.h"

struct sync_conf;

/* What a take-over does to the kernel, as jobs (follow/jobs.h):
 *
 *	JOB_COMMIT	the external cache goes into it (what: enum commit_what), then the windows
 *			of our own entries are looked at (follow/windows.h); without external cache
 *			these alone
 *	JOB_FLUSH	its table is emptied
 *	JOB_PURGE	the same, which a node that is active no longer has scheduled */
struct takeover;

struct takeover_stats {
	uint64_t kernel_flushes; /* -F (each table) and expired -t */
};

/* Borrows all it is given; gives its jobs their ops. 0, or -errno with a line in *err. */
int takeover_open(struct evloop *loop, const struct sync_conf *conf,
		  const struct flow_filter *filter, struct activity *activity, struct jobs *jobs,
		  struct takeover **out, struct text *err);
void takeover_close(struct takeover *t);
/* The port ids of its sockets, for the event filter. Writes at most TAKEOVER_SOCKETS; returns how
 * many. */
#define TAKEOVER_SOCKETS (2 + COMMIT_SOCKETS)
size_t takeover_portids(const struct takeover *t, uint32_t *ids);
/* The pipeline is opened after the sockets above; borrowed. follows: its internal cache, if it has
 * one, has each entry of the kernel that passes the filter of addresses and protocols, and has it
 * at once: no PollSecs, no filter of states. */
void takeover_set_pipeline(struct takeover *t, struct pipeline *p, bool follows);

/* The expectations of the kernel that are replicated, at once (-F expect). 0 or -errno. */
int takeover_flush_expects(struct takeover *t);

/* -c was given: this node is active from now on, and what -t has scheduled does not happen. The
 * commit is asked for apart. */
void takeover_active(struct takeover *t, struct mono now);
/* -t was given: flush of the kernel table in PurgeTimeout seconds; false when one is pending
 * already. */
bool takeover_schedule(struct takeover *t, struct mono now);
/* What -t has scheduled does not happen (-f); one that has begun goes on. */
void takeover_cancel_schedule(struct takeover *t, struct mono now);
/* After the start, when the kernel table has been read: a -t of before the restart is scheduled
 * again, or is due. */
void takeover_resume(struct takeover *t, struct mono now);

/* A bulk send begins (JOB_BULK): it sends all flows that a commit before has created. */
void takeover_bulk_begins(struct takeover *t);

/* For flows that cannot wait for it; borrowed. */
struct commit *takeover_commit(struct takeover *t);

const struct takeover_stats *takeover_stats(const struct takeover *t);

#endif
