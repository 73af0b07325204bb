/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_DUMP_H
#define CONNTRACKD_COMMAND_DUMP_H

#include <stdbool.h>

#include "control/server.h"
#include "command/env.h"
#include "flow/select.h"

/* Answers that can be long, as jobs of the control server: printed in steps, only while the client
 * reads, and beside everything else the daemon does. What changes meanwhile is shown as it is when
 * its turn comes. All borrow d, free themselves when they are released, and give NULL without
 * memory. */

/* Which flows, and what of them. */
struct dump_wish {
	bool external;
	bool xml;	/* counts for old clients only, ours prints by itself */
	bool count;	/* how many there are, and nothing else */
	bool json;	/* that as a document */
	uint32_t peers; /* a bit for each whose entries are meant; 0: all */
	struct flow_select select;
};

/* Of a request for flows. False: an argument is not understood, with a line in *err. */
bool dump_wish(const struct command_env *d, const struct ctl_request *req, struct dump_wish *w,
	       struct text *err);

/* `-i`, `-e`: a cache. w is copied. */
struct control_job *dump_flows(const struct command_env *d, const struct dump_wish *w);

/* `-i expect`, `-e expect`: needs ExpectationSync. */
struct control_job *dump_expects(const struct command_env *d, bool external, bool xml);

/* `-i` without internal cache: the kernel table. NULL with a line in *err also when there is no
 * socket. */
struct control_job *dump_kernel(const struct command_env *d, bool expects,
				const struct dump_wish *w, struct text *err);
/* The answer to --count. */
void dump_count(struct ctl_out *out, const struct dump_wish *w, uint64_t n);

/* `-s rsqueue`: the messages that wait for their acknowledgement, as text or as one JSON
 * document. */
struct control_job *dump_ring(const struct command_env *d, bool json);

#endif
