/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_ROLE_COMMAND_H
#define CONNTRACKD_COMMAND_ROLE_COMMAND_H

#include "base/values.h"
#include "control/server.h"
#include "command/env.h"

/* --role, --role primary|backup|faulty, --wait-sync. */

/* The role and its last change, as they are shown. */
struct role_values {
	const char *role, *by; /* by: NULL: nobody */
	const char *doubt;     /* why it is unknown in spite of what was told; NULL */
	int64_t since_s;       /* -1: it was never told */
};
struct role_change_values {
	const char *to, *by;
	const char *state;	   /* "running", "done", "failed", "overtaken" */
	const char *step;	   /* that runs or has failed; NULL */
	const char *why;	   /* it has failed, or by what it was overtaken; NULL */
	int64_t ago_s;		   /* since it began */
	int64_t took_ms;	   /* -1: it goes on */
	int64_t committed, failed; /* flows; -1: there was no commit */
};
extern const struct value_group role_group, role_change_group;

void role_values(const struct command_env *d, struct role_values *r);
/* False: there was none since the start. */
bool role_change_values(const struct command_env *d, struct role_change_values *c);

/* What --role shows, and part of --status: the daemon has a role. */
void report_role(const struct command_env *d, struct values *v);

/* Begin the change, for a client that waits for its end. NULL without memory: then nothing was
 * begun. */
struct control_job *role_change_job(const struct command_env *d, const struct ctl_request *req);
/* For a client that waits until this node is ready. NULL without memory. */
struct control_job *wait_sync_job(const struct command_env *d, const struct ctl_request *req);

#endif
