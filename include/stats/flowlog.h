/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_STATS_FLOWLOG_H
#define CONNTRACKD_STATS_FLOWLOG_H

#include <stdint.h>

#include "base/clock.h"
#include "flow/flow.h"

struct log_conf; /* base/log_conf.h */
struct flowlog;

/* One line per flow that has ended, to a file, to syslog, to both or to neither (section Stats). */

/* Open the file for appending, mode 0600 if new. Borrows conf until flowlog_close(). 0, or -errno
 * about conf->path (-ENOMEM without memory); then nothing is open. */
int flowlog_open(const struct log_conf *conf, struct flowlog **out)
	__attribute__((warn_unused_result));

/* What is waiting is written first. NULL is harmless. */
void flowlog_close(struct flowlog *l);

/* Close and open the file again (SIGHUP: log rotation). On failure the old file stays and -errno is
 * returned. */
int flowlog_reopen(struct flowlog *l);

/* f has ended; borrows it. Counters and time stamps are printed as far as f has them. wall_s: local
 * time of the line. The line waits for flowlog_flush() or for a full buffer. */
void flowlog_flow(struct flowlog *l, const struct ct_flow *f, int64_t wall_s);

/* Write what is waiting. Call at the end of every loop turn: so a burst costs one write() and a
 * single flow is in the file at once. Lines the file (disk full) or syslog does not take are
 * dropped and counted, and that is logged, rate-limited. */
void flowlog_flush(struct flowlog *l, struct mono now);

/* Lines dropped so far because the file could not be written, or syslog did not take them. */
uint64_t flowlog_lost(const struct flowlog *l);

#endif
