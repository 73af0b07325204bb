/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_JOB_CLIENTS_H
#define CONNTRACKD_COMMAND_JOB_CLIENTS_H

#include "control/command.h"
#include "command/env.h"
#include "follow/jobs.h"

struct control_job;

/* The clients that wait for a job: a commit (-c), a flush (-F, -f), a comparison (-R). */
struct job_clients;

/* Borrows d. NULL without memory. */
struct job_clients *job_clients_new(const struct command_env *d);
/* To be called after the last job was released and before the loop is freed. NULL is harmless. */
void job_clients_free(struct job_clients *all);

/* Ask for a job of the daemon (jobs_ask()). Returns a job of the control server for the client,
 * which ends with the daemon's job and has its result, also if that could not be begun. The control
 * server owns it from then on. NULL without memory: nothing was begun then. */
struct control_job *job_clients_ask(struct job_clients *all, enum job_kind kind, unsigned int what,
				    struct mono now);
/* What job_clients_commit() asks for. */
struct commit_wish {
	enum ctl_object object;
	bool strict; /* exit status 1 if a flow could not be committed */
	/* the result is one JSON document on standard output, without any text beside it */
	bool json;
	/* there is no external cache, the job only repairs outdated TCP windows of entries
	 * (follow/windows.h) */
	bool in_kernel;
};
struct control_job *job_clients_commit(struct job_clients *all, const struct commit_wish *wish,
				       struct mono now);

/* jobs_end_cb; ctx is the struct job_clients. */
void job_clients_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		       struct mono now);

#endif
