/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_COMMANDS_H
#define CONNTRACKD_DAEMON_COMMANDS_H

#include "base/text.h"
#include "control/control_conf.h"
#include "daemon/daemon.h"
#include "kernel/ct_commit.h"
#include "kernel/exp.h"

/* What each request on the control socket does: a few calls each. Long ones are jobs that the control server steps. */
struct commands;

/* Open the control socket. Borrows d. 0, or -errno with a line in *err. */
int commands_open(struct daemon *d, const struct control_conf *conf, struct commands **out, struct text *err);
/* Stop serving: the socket goes, running jobs are released. `-k` clients stay connected until commands_free(). */
void commands_stop(struct commands *c);
/* The very end, after the lock file has gone. NULL is harmless. */
void commands_free(struct commands *c);

/* What long work reports; wakes the clients that wait for it. ctx is the struct commands. */
void commands_committed(void *ctx, const struct ct_commit_result *res, const struct exp_commit_result *exp,
			struct mono now);
void commands_flushed(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now);
/* expects: -R expect has ended, else -R of all or of the flows. */
void commands_resynced(struct commands *c, bool expects, int err, struct mono now);

struct commands_stats {
	uint64_t read_failed;		/* control connections without a request */
	uint64_t unknown_request;
	uint64_t expect_resyncs;	/* comparisons of the expectations that were asked for */
};
void commands_stats(const struct commands *c, struct commands_stats *out);

#endif
