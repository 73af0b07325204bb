/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_ROUTE_H
#define CONNTRACKD_CHANNEL_ROUTE_H

#include <stdbool.h>

#include "channel/channel_conf.h"

/* The way the kernel's routes take to an address at this moment. */
struct route_way {
	unsigned int ifindex; /* interface it leaves through */
	bool local;	      /* it is an address of this machine: nothing leaves */
	bool by_default;      /* by nothing more specific than a default route */
	unsigned int mtu;     /* of the route or the path, bytes; 0: that of the interface */
};

/* Ask the kernel. from: the source address, all zero: the kernel's choice. within: the device a
 * socket is bound to, which may be a VRF; 0: none. 0, or -errno, with *out zeroed: -ENETUNREACH and
 * the like where packets could not leave either, others where the kernel could not be asked. Sends
 * no packet and does not block longer than a system call. */
int route_find(int family, const union channel_addr *from, const union channel_addr *to,
	       unsigned int within, struct route_way *out);

#endif
