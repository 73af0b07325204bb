/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_NOTIFY_H
#define CONNTRACKD_DAEMON_NOTIFY_H

#include <stdbool.h>

/* What the service manager is told (sd_notify(3)). All harmless when there is none, or when `on` is false (Systemd off),
 * or when built without libsystemd. */
bool notify_available(void);	/* built with libsystemd */
void notify_main_pid(bool on, long pid);
void notify_ready(bool on);
void notify_stopping(bool on);

#endif
