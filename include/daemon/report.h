/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_REPORT_H
#define CONNTRACKD_DAEMON_REPORT_H

#include "base/text.h"
#include "daemon/daemon.h"

/* The statistics texts of `-s`, in the layouts of 1.4.x (command-line.md section 9.4): monitoring
 * scripts parse them. */
void report_general(const struct daemon *d, struct text *out);
void report_network(const struct daemon *d, struct text *out);
void report_cache(const struct daemon *d, struct text *out);
void report_runtime(const struct daemon *d, struct text *out);
void report_expect(const struct daemon *d, struct text *out);	/* needs ExpectationSync */
/* Ours: each peer, for people; not in 1.4.x. */
void report_peers(const struct daemon *d, struct text *out);
void report_link(const struct daemon *d, struct text *out);
void report_queue(const struct daemon *d, struct text *out);

#endif
