/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_COMMANDS_H
#define CONNTRACKD_COMMAND_COMMANDS_H

#include "base/text.h"
#include "control/control_conf.h"
#include "command/env.h"

/* What each request on the control socket does: a few calls each. Long ones are jobs that the
 * control server steps. */
struct commands;

/* Open the control socket. Borrows d. 0, or -errno with a line in *err. */
int commands_open(const struct command_env *d, const struct control_conf *conf,
		  struct commands **out, struct text *err);
/* Stop serving: the socket goes, running jobs are released. `-k` clients stay connected until
 * commands_free(). */
void commands_stop(struct commands *c);
/* The very end, after the lock file has gone. NULL is harmless. */
void commands_free(struct commands *c);

/* Live as long as c. */
const struct command_counts *commands_counts(const struct commands *c);
const struct control_stats *commands_socket(const struct commands *c);

#endif
