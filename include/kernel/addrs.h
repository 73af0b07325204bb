/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_ADDRS_H
#define CONNTRACKD_KERNEL_ADDRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/evloop.h"
#include "base/text.h"

/* The addresses of this namespace, and those that have just left it. Addresses are 4 bytes for
 * AF_INET, 16 for AF_INET6, network byte order. */
struct addrs;

/* How long an address counts as one that has just left. Its flows go within milliseconds, of a big
 * table within a second or two. */
#define ADDRS_LEFT_MS 5000

/* Reads the addresses, and follows them through the loop from then on. changed (may be NULL) is
 * called after any change. 0, or -errno with a line in *err. */
int addrs_open(struct evloop *loop, void (*changed)(void *ctx, struct mono now), void *ctx,
	       struct addrs **out, struct text *err);
void addrs_close(struct addrs *a);

/* On any interface, as far as was read. */
bool addrs_here(const struct addrs *a, int family, const void *addr);
/* It was here until ADDRS_LEFT_MS ago, and is no more. Reads first what the kernel has told of
 * addresses, because that comes by another socket than the events of flows: what it has told of an
 * address before an event that has been read is known by then. */
bool addrs_left(struct addrs *a, int family, const void *addr, struct mono now);

#endif
