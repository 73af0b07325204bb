/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_SYNC_LOG_H
#define CONNTRACKD_DAEMON_SYNC_LOG_H

#include "base/log.h"
#include "sync/sync.h"

/* What replication reports (struct sync_report), in the words of the log: the one table from what
 * happened to level, text, and how often it is said. */
struct sync_log {
	struct log_limit limit[SYNC_REPORTS];
};

struct sync_log_line {
	enum log_level level;
	char text[320];
};

/* The line for r. False: it was said often enough. l: zeroed at first. */
bool sync_log_line(struct sync_log *l, const struct sync_report *r, struct sync_log_line *out);

#endif
