/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_REPORT_H
#define CONNTRACKD_DAEMON_REPORT_H

#include "base/values.h"
#include "daemon/daemon.h"

/* The values of each subject of `-s`, into a document: as text in the layouts of 1.4.x,
 * which monitoring scripts parse, or as JSON (doc/json.md). */
void report_general(const struct daemon *d, struct values *v);
void report_network(const struct daemon *d, struct values *v);
void report_cache(const struct daemon *d, struct values *v);
void report_runtime(const struct daemon *d, struct values *v);
void report_expect(const struct daemon *d, struct values *v); /* needs ExpectationSync */
void report_process(const struct daemon *d, struct values *v);
/* Ours: each peer; not in 1.4.x. */
void report_peers(const struct daemon *d, struct values *v);
void report_link(const struct daemon *d, struct values *v);
void report_queue(const struct daemon *d, struct values *v);

#endif
