/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_TIMEOUTS_H
#define CONNTRACKD_KERNEL_CT_TIMEOUTS_H

#include "flow/timeouts.h"

/* Read them from /proc/sys. Some forty small files: for each commit and every so often, not for
 * each flow. */
void ct_timeouts_read(struct ct_timeouts *t);

#endif
