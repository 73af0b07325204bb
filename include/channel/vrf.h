/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_VRF_H
#define CONNTRACKD_CHANNEL_VRF_H

#include <stdbool.h>

/* The VRF that an interface is a port of; 0: none, or no such interface. */
unsigned int vrf_of(unsigned int ifindex);

/* Whatever the socket sends and receives goes by the VRF; 0: nothing to do. Nothing is done to a
 * socket that is bound to a device already. 0 or -errno. */
int vrf_bind(int fd, unsigned int vrf);

#endif
