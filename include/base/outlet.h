/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_OUTLET_H
#define CONNTRACKD_BASE_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/peer_addr.h"
#include "base/writer.h"

/* The largest packet in bytes that a link takes; 0: unknown. */
struct outlet_mtu {
	uint8_t link;
	uint32_t bytes;
};

/* Where datagrams leave: what channel/ offers and sync/ uses, neither of which knows the other. ctx
 * is borrowed. */
struct outlet {
	void *ctx;
	/* An empty datagram to fill, or NULL: there is no room, keep everything. The same one is
	 * given until send(). */
	struct writer *(*datagram)(void *ctx);
	/* Do full datagrams leave with less work when they all have the length of their cap? NULL:
	 * no. */
	bool (*even)(void *ctx);
	/* That datagram, in which there is no message yet, is for this node alone; it is for all
	 * who listen if nothing is said, or NULL. A link that reaches more than the one does not
	 * keep it from the others: it is for a seal, and for what a protocol makes of it. NULL: as
	 * if nothing had been said. */
	void (*address)(void *ctx, const struct peer_addr *to);
	/* That datagram is finished (at least one message in it): it may leave. */
	void (*send)(void *ctx);
	/* What was finished leaves now. */
	void (*flush)(void *ctx);
	/* Whoever is heard as *from: put the address there from which it speaks now, which is its
	 * name for people. NULL: the same. */
	void (*speaks_from)(void *ctx, struct peer_addr *from);
	/* The MTU of a link, of the one that sends for -1. NULL: unknown. */
	struct outlet_mtu (*mtu)(void *ctx, int link);
};

#endif
