/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_EMPTY_H
#define CONNTRACKD_DAEMON_EMPTY_H

#include <stdbool.h>

#include "control/server.h"
#include "daemon/daemon.h"

/* A job of the control server that makes caches of flows forget everything, and with both of them the caches of
 * expectations too. Borrows d, frees itself when it is released. Gives NULL without memory. */
struct control_job *empty_caches(const struct daemon *d, bool internal, bool external);

#endif
