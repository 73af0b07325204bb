/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_WAITERS_H
#define CONNTRACKD_COMMAND_WAITERS_H

#include "control/command.h"
#include "daemon/daemon.h"
#include "follow/jobs.h"

struct control_job;

/* The clients that wait for a job: a commit (-c), a flush (-F, -f), a comparison (-R). */
struct waiters;

/* Borrows d. NULL without memory. */
struct waiters *waiters_new(struct daemon *d);
/* After the last job was released, before the loop goes. NULL is harmless. */
void waiters_free(struct waiters *all);

/* Ask for a job of the daemon (jobs_ask()) and give the client one of the control server's that
 * ends with it and says what came out, also that it could not be begun. The control server owns
 * that from then on. NULL without memory: nothing was begun then. */
struct control_job *waiters_ask(struct waiters *all, enum job_kind kind, unsigned int what,
				struct mono now);
/* The same for JOB_COMMIT. */
struct commit_wish {
	enum ctl_object object;
	bool strict; /* what could not be committed makes exit status 1 */
	bool json;   /* what came of it is one document on standard output, and no word beside it */
	/* there is no external cache, the job only looks at entries of another time
	 * (follow/windows.h) */
	bool in_kernel;
};
struct control_job *waiters_commit(struct waiters *all, const struct commit_wish *wish,
				   struct mono now);

/* jobs_end_cb; ctx is the struct waiters. */
void waiters_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		   struct mono now);

#endif
