/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_WAITERS_H
#define CONNTRACKD_DAEMON_WAITERS_H

#include "control/command.h"
#include "daemon/daemon.h"
#include "kernel/ct_commit.h"
#include "kernel/exp.h"

struct control_job;

/* The clients that wait for a commit (-c), a flush of the kernel (-F) or a comparison with it (-R). */
struct waiters;

/* Borrows d. NULL without memory. */
struct waiters *waiters_new(struct daemon *d);
/* After the last job was released, before the loop goes. NULL is harmless. */
void waiters_free(struct waiters *all);

/* Begin the work, or have it follow the one that runs, and give the client a job that ends with it and says what came out,
 * also that it could not be begun. The control server owns the job from then on. NULL without memory: nothing was begun
 * then. strict: what could not be committed makes exit status 1. */
struct control_job *waiters_commit(struct waiters *all, enum ctl_object object, bool strict, struct mono now);
struct control_job *waiters_flush(struct waiters *all, struct mono now);
struct control_job *waiters_resync(struct waiters *all, struct mono now);		/* needs reconcile */
struct control_job *waiters_resync_expects(struct waiters *all, struct mono now);	/* needs expecting */

/* What the work reports; wakes those who wait for it. ctx is the struct waiters. */
void waiters_committed(void *ctx, int err, const struct ct_commit_result *res, const struct exp_commit_result *exp,
		       struct mono now);
void waiters_flushed(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now);
/* expects: -R expect has ended, else -R of all or of the flows. */
void waiters_resynced(struct waiters *all, bool expects, int err, struct mono now);

#endif
