/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_ROLES_H
#define CONNTRACKD_DAEMON_ROLES_H

#include "daemon/daemon.h"

/* The role of this node in the running daemon: what follow/role.h is made of here. */

/* After the pipeline and what the jobs are done by; sets d->role. Nothing in the statistics mode,
 * which has no role. 0 or -errno. */
int roles_open(struct daemon *d);
/* Before what it uses. Harmless when not open. */
void roles_close(struct daemon *d);

/* keepalived is to tell the role by a FIFO, and that cannot be read. */
bool roles_deaf(const struct daemon *d);

#endif
