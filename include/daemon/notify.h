/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_NOTIFY_H
#define CONNTRACKD_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/evloop.h"

/* What the service manager is told (sd_notify(3)): ready, alive, how much it holds, ending. All
 * harmless when there is none, when Systemd is off, or when built without libsystemd. */
struct notify {
	bool on;
	/* the manager wants a sign of life at least so often; 0: it does not */
	int64_t watchdog_ms;
	struct ev_timer watchdog;
	struct evloop *loop; /* borrowed; NULL until notify_begin() */
	struct mono next_status;
	char status[96]; /* the last one told */
};

/* Ask the environment. Before the fork of -d, since the watchdog is meant for the process that was
 * started. */
void notify_init(struct notify *n, bool on);

/* The parent of -d: the daemon is `pid`, and it is ready. One message, because a manager may take
 * only those of the main process, and a word of the child could come before it is known. */
void notify_ready_child(const struct notify *n, long pid);
/* In the foreground: ready. */
void notify_ready(const struct notify *n);

/* From now on give signs of life, at half the interval, through the loop. */
void notify_begin(struct notify *n, struct evloop *loop, struct mono now);

/* Is it time for a new status line? At most one in ten seconds, so that a busy daemon does not talk
 * all the time. */
bool notify_status_due(const struct notify *n, struct mono now);
/* The line that `systemctl status` shows; told when it differs from the last one. */
void notify_status(struct notify *n, struct mono now, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The end has begun. Nothing is told afterwards. */
void notify_stopping(struct notify *n);

#endif
