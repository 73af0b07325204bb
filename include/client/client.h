/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CLIENT_CLIENT_H
#define CONNTRACKD_CLIENT_CLIENT_H

#include <stdbool.h>

#include "control/args.h"
#include "control/command.h"

/* How long to wait by default, in seconds, while no byte comes. Our daemon says something every two
 * seconds however long a command takes; a 1.4.x is silent while it commits, some 13 s for a million
 * flows. */
#define CLIENT_TIMEOUT_S 30

/* One command sent to a running daemon. */
struct client_request {
	const char *path;	       /* of the control socket; borrowed */
	const struct ctl_command *cmd; /* borrowed */
	struct ctl_args args;	       /* of cmd */
	/* give up after so many seconds without any byte; 0: CLIENT_TIMEOUT_S */
	unsigned int timeout_s;
	int out_fd; /* the answer: standard output */
	/* notes, errors and, if it is a terminal, progress: standard error */
	int err_fd;
	/* set if no daemon listens at path, and so none can have heard of it; may be NULL */
	bool *nobody;
};

/* Send the request, print the answer. Blocks until the daemon has finished with the command, for -k
 * until it has gone, or until it has been silent for timeout_s. Understands 1.4.x daemons and
 * daemons of another version of ours (their plain text is passed through, the status is then 0 as
 * with 1.4.x). Returns the exit status, 0 or 1; every failure has one line on err_fd with path and
 * reason. */
int client_run(const struct client_request *req);

#endif
