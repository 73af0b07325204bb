/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_PROC_H
#define CONNTRACKD_KERNEL_PROC_H

#include <stdint.h>

#define PROC_CT_COUNT "/proc/sys/net/netfilter/nf_conntrack_count"
#define PROC_CT_MAX   "/proc/sys/net/netfilter/nf_conntrack_max"

/* The number in a file of /proc; -1: there is none. */
int64_t proc_number(const char *path);

#endif
