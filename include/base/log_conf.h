/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_LOG_CONF_H
#define CONNTRACKD_BASE_LOG_CONF_H

#include <stdbool.h>

#define LOG_CONF_PATH_MAX 256 /* bytes without the closing NUL, as 1.4.x */

#define LOG_CONF_NO_SYSLOG (-1)

/* Where messages go (LogFile and Syslog of General and of Stats). Plain data, no pointers. */
struct log_conf {
	bool to_file;
	char path[LOG_CONF_PATH_MAX + 1]; /* absolute; valid if to_file, else empty */
	/* LOG_DAEMON, LOG_LOCAL0 ... of syslog.h, or LOG_CONF_NO_SYSLOG */
	int facility;
	int level; /* enum log_level of base/log.h: lines below it are dropped */
};

#endif
