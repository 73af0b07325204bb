/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_IFWATCH_H
#define CONNTRACKD_CHANNEL_IFWATCH_H

#include "base/evloop.h"

struct nlif_handle; /* libnfnetlink */

/* The kernel's table of interfaces, kept up to date. Embedded by the owner, zeroed. */
struct ifwatch {
	struct evloop *loop;	   /* borrowed */
	struct nlif_handle *table; /* NULL: there is none, interfaces are asked one by one */
	struct ev_io io;
	void (*changed)(void *ctx, struct mono now);
	void *ctx; /* borrowed */
};

/* Begin to watch; changed() is called from the loop after any change of any interface. Without
 * netlink it never is. */
void ifwatch_open(struct ifwatch *w, struct evloop *loop,
		  void (*changed)(void *ctx, struct mono now), void *ctx);
void ifwatch_close(struct ifwatch *w);

/* Interface flags (IFF_...); 0 if there is no such interface. */
unsigned int ifwatch_flags(const struct ifwatch *w, unsigned int ifindex);

#endif
