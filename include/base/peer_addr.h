/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_PEER_ADDR_H
#define CONNTRACKD_BASE_PEER_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Who sent a datagram: the address of the node, not its port, which is ephemeral. On a UDP or TCP
 * link this is the peer's configured address, whichever address it sends from at the moment;
 * further nodes behind the same destination have their own (channel/speaker.h). */
struct peer_addr {
	uint8_t family;	  /* AF_INET, AF_INET6 */
	uint8_t link;	  /* index of the dedicated link in the configuration */
	uint8_t addr[16]; /* network order; IPv4 in the first four bytes, rest zero */
};

/* The same node and link address; the link it came over does not matter. */
static inline bool peer_addr_same(const struct peer_addr *a, const struct peer_addr *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

#endif
