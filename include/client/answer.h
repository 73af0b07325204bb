/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CLIENT_ANSWER_H
#define CONNTRACKD_CLIENT_ANSWER_H

#include <stdbool.h>
#include <stdio.h>

#include "client/client.h"
#include "control/command.h"

/* A question that no daemon has answered, answered by this side. */
struct client_answer {
	enum ctl_question asked;
	bool json;
	/* --ready: the last role command of this boot was -c (the file beside the control socket).
	 * What forwards must not lose its addresses because its daemon has died. */
	bool active;
	enum client_end end; /* not CLIENT_ANSWERED */
	const char *why;     /* one line; borrowed */
};

/* Print it. Gives the exit status. */
int client_answer(const struct client_answer *a, FILE *out);

#endif
