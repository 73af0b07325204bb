/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_LOG_H
#define CONNTRACKD_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct log_conf; /* base/log_conf.h */

/* The log sink: one of the two allowed mutable globals (the other is the signal flags). Lines go to
 * the file, to syslog, and, until log_detach(), to the terminal (info, notice: stdout; warning,
 * error: stderr). Layout: "[2026-11-23T06:38:28.123+01:00] (pid=21898) [notice] text". Where the
 * terminal is the journal of systemd the line is "<5>text": the journal has time, process and
 * priority of its own, and where syslog is used too, which ends there as well, none at all. */
enum log_level {
	LOG_LVL_INFO,
	LOG_LVL_NOTICE,
	LOG_LVL_WARNING,
	LOG_LVL_ERROR,
};

/* Open file and syslog as configured. Borrows conf until log_close(). 0, or -errno with *err_path
 * (if not NULL) set to the file that could not be opened (borrowed from conf). Opening for
 * appending, mode 0600. */
int log_open(const struct log_conf *conf, const char **err_path);

/* Lines below this level are dropped from now on. */
void log_set_level(enum log_level level);
/* The level of that word ("info", "notice", "warning", "error"), or -1. */
int log_level_find(const char *word);

/* Close and open the file again (SIGHUP: log rotation). On failure the old file stays and -errno is
 * returned. */
int log_reopen(void);

/* For a start in the background: info and notice go to standard output only if that is a terminal.
 * A script that reads standard output finds nothing there after a success, as with 1.4.x. */
void log_background(void);

/* No more lines to the terminal: the daemon has gone to the background. */
void log_detach(void);

void log_close(void);
/* log_close() after a start that failed: a file that log_open() created is removed, too; one that
 * existed before stays. */
void log_discard(void);

/* One line each; no trailing newline in fmt. All preserve errno. log_warn and log_err append ": "
 * and the text of errno; the x variants and info, notice do not. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_errx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A warning for the file and syslog only: the terminal has shown it already, in other words. */
void log_warn_said(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The last lines at level notice and above, kept for commands that show the state of a running
 * daemon: the i-th of them, the oldest first. NULL: there are no more. Borrowed until the next
 * line. */
#define LOG_KEPT 5
struct log_kept {
	int64_t wall_s; /* seconds since 1970 */
	enum log_level level;
	char text[256]; /* cut to the size of the array */
};
const struct log_kept *log_kept(unsigned int i);
/* Called with each line at notice and above while it is written; said is the whole text, borrowed.
 * One watcher at a time; NULL removes the watcher. A watcher must not log. */
typedef void log_watch_fn(void *ctx, const struct log_kept *line, const char *said);
void log_watch(log_watch_fn *fn, void *ctx);
/* "notice", "warning", "ERROR": as in the log. */
const char *log_level_word(enum log_level level);

/* One record for the system's log; priority: facility and level of syslog(3), text: one line.
 * Written whether or not the configuration of log_open() uses syslog: for callers with a facility
 * of their own. 0, or -errno when the record was dropped: -EAGAIN: the log daemon is too slow, and
 * is not waited for; other values: there is no log daemon. */
int log_syslog(int priority, const char *text);

/* Rate limit for lines that outside input can cause: at most `burst` lines, refilled one per
 * `interval_ms`. The owner embeds it, zeroed. */
struct log_limit {
	uint32_t tokens_used;
	struct mono last;
	uint64_t suppressed; /* lines dropped since the last one that passed */
};

/* May one more line be written at `now`? When yes and lines were dropped meanwhile, *suppressed (if
 * not NULL) is their number, so the caller can say so. */
bool log_limit_pass(struct log_limit *l, uint32_t burst, uint32_t interval_ms, struct mono now,
		    uint64_t *suppressed);

#endif
