/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_MONITOR_H
#define CONNTRACKD_COMMAND_MONITOR_H

#include <stdbool.h>

#include "control/server.h"

/* --monitor: what happens, while it happens. Clients that look on get each line of the log at
 * notice and above: peers, links, the state of replication, roles, commits, repairs. */
struct monitors;

/* Listens to the log until monitors_free(). NULL without memory. */
struct monitors *monitors_new(void);
/* After the last job was released. NULL is harmless. */
void monitors_free(struct monitors *all);

/* One more who looks on, until the client leaves. NULL without memory. */
struct control_job *monitors_add(struct monitors *all, bool json);

#endif
