/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_COMMANDS_H
#define CONNTRACKD_COMMAND_COMMANDS_H

#include "base/text.h"
#include "control/control_conf.h"
#include "daemon/daemon.h"

/* What each request on the control socket does: a few calls each. Long ones are jobs that the
 * control server steps. */
struct commands;

/* Open the control socket. Borrows d. 0, or -errno with a line in *err. */
int commands_open(struct daemon *d, const struct control_conf *conf, struct commands **out,
		  struct text *err);
/* Stop serving: the socket goes, running jobs are released. `-k` clients stay connected until
 * commands_free(). */
void commands_stop(struct commands *c);
/* The very end, after the lock file has gone. NULL is harmless. */
void commands_free(struct commands *c);

struct commands_stats {
	uint64_t read_failed; /* control connections without a request */
	uint64_t unknown_request;
	uint64_t refused;	 /* changes asked for by one who may only read */
	uint64_t resyncs;	 /* comparisons with the kernel that were asked for */
	uint64_t expect_resyncs; /* comparisons of the expectations that were asked for */
	uint64_t purges_ignored; /* -t in the statistics mode */
};
void commands_stats(const struct commands *c, struct commands_stats *out);

#endif
