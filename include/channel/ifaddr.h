/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_IFADDR_H
#define CONNTRACKD_CHANNEL_IFADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "channel/channel_conf.h"

/* The addresses of this machine, as they were when they were last read. Start from a zeroed
 * struct. */
struct ifaddr_list {
	struct ifaddr_entry *at; /* owned */
	size_t n;
	struct mono read_at; /* not set: never */
};

/* Read them anew unless that was done less than max_age_ms ago: reading costs a dump of all
 * addresses of the machine, and may be caused by anybody's datagram. When it fails the old ones
 * stay. */
void ifaddr_refresh(struct ifaddr_list *l, uint32_t max_age_ms, struct mono now);
void ifaddr_free(struct ifaddr_list *l);

/* Is this an address of the interface, or of any with ifindex 0? family: AF_INET or AF_INET6. */
bool ifaddr_is_own(const struct ifaddr_list *l, unsigned int ifindex, int family,
		   const union channel_addr *addr);
/* Can its owner be reached over that interface without a router? In the same subnet as an address
 * of the interface, or the other end of a point-to-point address. Never on a loopback interface,
 * and never so for a link-local address, which says nothing about the interface. */
bool ifaddr_is_on_link(const struct ifaddr_list *l, unsigned int ifindex, int family,
		       const union channel_addr *addr);
/* Likewise by the subnet of an address of ours, whichever interface has that one. */
bool ifaddr_is_beside(const struct ifaddr_list *l, int family, const union channel_addr *ours,
		      const union channel_addr *addr);

/* The first IPv6 link-local address of the interface. False if there is none. */
bool ifaddr_link_local(const struct ifaddr_list *l, unsigned int ifindex, union channel_addr *out);

/* The index of the interface that has this address, 0 if none; `wanted` if that one has it (an
 * address can be on several), 0: any. */
unsigned int ifaddr_owner(int family, const union channel_addr *addr, unsigned int wanted);

/* All of the address compared, as many bytes as the family has. */
bool ifaddr_equal(int family, const union channel_addr *a, const union channel_addr *b);

#endif
