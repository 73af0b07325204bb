/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_HELPERS_H
#define CONNTRACKD_DAEMON_HELPERS_H

#include "base/evloop.h"
#include "base/text.h"
#include "conf/conf.h"

/* The helpers of section Helper, from the start of the daemon to its end. */
struct helpers;
struct helper_values; /* command/values.h */

/* Why none of them can be served: neither this program nor this kernel has helpers in user space;
 * NULL: they can be. */
const char *helpers_unserved(const struct conf_helpers *conf);
/* Then a warning for each. */
void helpers_warn(const struct conf_helpers *conf, conf_report_fn report, void *ctx);

/* Opens a packet queue for each and enables it in the kernel. *out is NULL when there is none to
 * serve: no section, or helpers_unserved(). 0, or -errno with a line in *err that says where in the
 * file and what to do; all is as before then. Borrows conf. */
int helpers_open(struct evloop *loop, const struct conf_helpers *conf, struct helpers **out,
		 struct text *err);

/* Of the socket that changes flows: its events are no news. */
uint32_t helpers_portid(const struct helpers *h);

/* Disables those that no other daemon serves: new connections would be lost in the kernel
 * otherwise. What waits in the queues is served. NULL is harmless. */
void helpers_close(struct helpers *h);

/* The same for a daemon that could not do it any more; nothing is touched that a running one
 * serves. Writes a line to *out for each that was enabled. 0, or -errno with a line in *err. */
int helpers_disable(const struct conf_helpers *conf, struct text *out, struct text *err);

/* -s helper: how many (h may be NULL), and what the i-th has done. */
size_t helpers_count(const struct helpers *h);
void helpers_values(const struct helpers *h, size_t i, struct helper_values *out);

#endif
