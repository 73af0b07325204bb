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

/* The same in all for a question (--health, --ready, --live): monitors have little patience. */
#define CLIENT_QUESTION_S 5

/* Did this daemon answer? */
enum client_end {
	CLIENT_ANSWERED,  /* whatever it said */
	CLIENT_ABSENT,	  /* nobody listens at the path, and so none can have heard of it */
	CLIENT_SILENT,	  /* somebody does, and has not answered in time, or not to the end */
	CLIENT_NOT_KNOWN, /* no permission, another version, no memory, ... */
};

struct client_outcome {
	enum client_end end;
	char why[256]; /* of a question, in place of the line on err_fd */
};

/* One command sent to a running daemon. */
struct client_request {
	const char *path;	       /* of the control socket; borrowed */
	const struct ctl_command *cmd; /* borrowed */
	struct ctl_args args;	       /* of cmd */
	/* give up after so many seconds without any byte, a question after so many in all; 0:
	 * CLIENT_TIMEOUT_S, CLIENT_QUESTION_S */
	unsigned int timeout_s;
	int out_fd; /* the answer: standard output */
	/* notes, errors and, if it is a terminal, progress: standard error */
	int err_fd;
	struct client_outcome *outcome; /* filled; may be NULL, but for a question */
};

/* Send the request, print the answer. Blocks until the daemon has finished with the command, for -k
 * until it has gone, or until it has been silent for timeout_s. Understands 1.4.x daemons and
 * daemons of another version of ours (their plain text is passed through, the status is then 0 as
 * with 1.4.x). Returns the exit status, 0 or 1, or that of a question; every failure has one line
 * on err_fd with path and reason, that of a question is in the outcome. */
int client_run(const struct client_request *req);

#endif
