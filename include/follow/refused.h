/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_REFUSED_H
#define CONNTRACKD_FOLLOW_REFUSED_H

#include "base/log.h"
#include "kernel/ct_put.h"

/* Says that a flow of the peer (end: its end) has not got into the kernel, which one, why, and what
 * is in its way. At most one line in ten seconds; the next one tells how many were left out. r is
 * CT_FAILED or CT_REFUSED. */
void refused_log(struct log_limit *limit, const struct ct_result *r, bool end, struct mono now);

#endif
