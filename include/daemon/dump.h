/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_DUMP_H
#define CONNTRACKD_DAEMON_DUMP_H

#include <stdbool.h>

#include "control/server.h"
#include "daemon/daemon.h"

/* Answers that can be long, as jobs of the control server: printed in steps, only while the client
 * reads, and beside everything else the daemon does. What changes meanwhile is shown as it is when
 * its turn comes. All borrow d, free themselves when they are released, and give NULL without
 * memory. */

/* `-i`, `-e`: a cache. xml counts for old clients only, ours prints by itself. */
struct control_job *dump_flows(const struct daemon *d, bool external, bool xml);

/* `-i expect`, `-e expect`: needs ExpectationSync. */
struct control_job *dump_expects(const struct daemon *d, bool external, bool xml);

/* `-i` without internal cache: the kernel table. NULL with a line in *err also when there is no
 * socket. */
struct control_job *dump_kernel(const struct daemon *d, bool expects, bool xml, struct text *err);

/* `-s rsqueue`: the messages that wait for their acknowledgement, as text or as one JSON document. */
struct control_job *dump_ring(const struct daemon *d, bool json);

#endif
