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

/* Where datagrams leave: an interface that channel/ offers and sync/ uses, so that neither includes
 * the other. ctx is borrowed. */
struct outlet {
	void *ctx;
	/* An empty datagram to fill, or NULL: there is no room, the caller keeps its messages. The
	 * same datagram is returned until send(). */
	struct writer *(*datagram)(void *ctx);
	/* Is sending cheaper when full datagrams all have exactly the length of their cap? NULL:
	 * no. */
	bool (*even)(void *ctx);
	/* Address the datagram, in which there is no message yet, to one node. Without this call,
	 * and with NULL, it is for all nodes that listen. On a link that reaches several nodes the
	 * others receive the datagram, too: the address is used by a seal and by protocols that
	 * have addressees. A NULL function: all datagrams are for all nodes. */
	void (*address)(void *ctx, const struct peer_addr *to);
	/* The datagram is complete (with at least one message) and may be sent. */
	void (*send)(void *ctx);
	/* Send all complete datagrams now. */
	void (*flush)(void *ctx);
	/* Replace *from, the configured address of a node, by the address from which the node sends
	 * at the moment, which logs and reports show. NULL: they are the same. */
	void (*speaks_from)(void *ctx, struct peer_addr *from);
	/* The MTU of a link; link -1: of the link that sends at the moment. NULL: unknown. */
	struct outlet_mtu (*mtu)(void *ctx, int link);
};

#endif
