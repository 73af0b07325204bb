/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_START_H
#define CONNTRACKD_DAEMON_START_H

#include <stdbool.h>

#include "conf/conf.h"

/* Run the daemon with this configuration until it is told to end. name: the file it was read from.
 * warnings: what was said on the terminal about the configuration, a line each, for the log.
 * background: fork first; the parent returns when the child is ready or has failed, with the
 * child's word. Errors go to the terminal until then. Returns the exit status. */
int start_daemon(const struct conf *conf, const char *name, const char *warnings, bool background);

#endif
