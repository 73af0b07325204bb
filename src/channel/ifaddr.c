/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose address is it: ours, a neighbour's, or somebody's beyond a router? */
#include "channel/ifaddr.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct ifaddr_entry {
	int family;
	union channel_addr addr, mask;
	union channel_addr net;		/* of the neighbours: the other end's with point-to-point addresses */
};

static size_t addr_len(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

bool ifaddr_equal(int family, const union channel_addr *a, const union channel_addr *b)
{
	return memcmp(a, b, addr_len(family)) == 0;
}

static bool addr_of(const struct sockaddr *sa, int family, union channel_addr *out)
{
	*out = (union channel_addr){ .v6 = IN6ADDR_ANY_INIT };
	if (!sa || sa->sa_family != family)
		return false;
	if (family == AF_INET)
		memcpy(&out->v4, (const uint8_t *)sa + offsetof(struct sockaddr_in, sin_addr), sizeof(out->v4));
	else
		memcpy(&out->v6, (const uint8_t *)sa + offsetof(struct sockaddr_in6, sin6_addr), sizeof(out->v6));
	return true;
}

/* The name without the label of an IPv4 address, as in eth0:1. */
static bool same_interface(const char *labelled, const char *name)
{
	size_t n = strcspn(labelled, ":");

	return strlen(name) == n && memcmp(labelled, name, n) == 0;
}

static bool all_ones(int family, const union channel_addr *mask)
{
	static const uint8_t ones[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return memcmp(mask, ones, addr_len(family)) == 0;
}

/* One address of the machine as an entry of ours; false if it is no IP address. */
static bool entry_of(const struct ifaddrs *at, struct ifaddr_entry *out)
{
	union channel_addr peer;
	int family;

	if (!at->ifa_addr)
		return false;
	family = at->ifa_addr->sa_family;
	if ((family != AF_INET && family != AF_INET6) || !addr_of(at->ifa_addr, family, &out->addr))
		return false;
	out->family = family;
	addr_of(at->ifa_netmask, family, &out->mask);
	out->net = out->addr;
	/* Elsewhere the same member is the broadcast address, unless the subnet has room for one host only. */
	if (((at->ifa_flags & IFF_POINTOPOINT) || all_ones(family, &out->mask)) &&
	    addr_of(at->ifa_dstaddr, family, &peer))
		out->net = peer;
	return true;
}

static bool add(struct ifaddr_list *l, const struct ifaddr_entry *entry)
{
	struct ifaddr_entry *more = reallocarray(l->at, l->n + 1, sizeof(*more));

	if (!more)
		return false;
	l->at = more;
	l->at[l->n++] = *entry;
	return true;
}

void ifaddr_refresh(struct ifaddr_list *l, unsigned int ifindex, uint32_t max_age_ms, struct mono now)
{
	struct ifaddr_list fresh = { .read_at = now };
	char name[IF_NAMESIZE];
	struct ifaddrs *list;
	bool ok = true;

	if (mono_is_set(l->read_at) && mono_diff_ms(now, l->read_at) < (int64_t)max_age_ms)
		return;
	l->read_at = now;
	if (!if_indextoname(ifindex, name) || getifaddrs(&list) == -1)
		return;
	for (const struct ifaddrs *at = list; at && ok; at = at->ifa_next) {
		struct ifaddr_entry entry;

		if (same_interface(at->ifa_name, name) && entry_of(at, &entry))
			ok = add(&fresh, &entry);
	}
	freeifaddrs(list);
	if (!ok) {
		ifaddr_free(&fresh);
		return;
	}
	ifaddr_free(l);
	*l = fresh;
}

void ifaddr_free(struct ifaddr_list *l)
{
	free(l->at);
	*l = (struct ifaddr_list){ 0 };
}

bool ifaddr_is_own(const struct ifaddr_list *l, int family, const union channel_addr *addr)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->at[i].family == family && ifaddr_equal(family, &l->at[i].addr, addr))
			return true;
	}
	return false;
}

static bool in_net(const struct ifaddr_entry *e, const union channel_addr *addr)
{
	const uint8_t *net = (const uint8_t *)&e->net, *mask = (const uint8_t *)&e->mask, *a = (const uint8_t *)addr;

	if (mask[0] == 0)
		return false;	/* the whole world is nobody's neighbour */
	for (size_t i = 0; i < addr_len(e->family); i++) {
		if ((net[i] ^ a[i]) & mask[i])
			return false;
	}
	return true;
}

bool ifaddr_is_on_link(const struct ifaddr_list *l, int family, const union channel_addr *addr)
{
	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->v6))
		return true;
	for (size_t i = 0; i < l->n; i++) {
		if (l->at[i].family == family && in_net(&l->at[i], addr))
			return true;
	}
	return false;
}

bool ifaddr_link_local(const struct ifaddr_list *l, union channel_addr *out)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->at[i].family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&l->at[i].addr.v6)) {
			*out = l->at[i].addr;
			return true;
		}
	}
	return false;
}

unsigned int ifaddr_owner(int family, const union channel_addr *addr, unsigned int wanted)
{
	struct ifaddrs *list;
	unsigned int index = 0;

	if (getifaddrs(&list) == -1)
		return 0;
	for (const struct ifaddrs *at = list; at && (index == 0 || index != wanted); at = at->ifa_next) {
		struct ifaddr_entry entry;

		/* Labels are understood by if_nametoindex() too. */
		if (entry_of(at, &entry) && entry.family == family && ifaddr_equal(family, &entry.addr, addr))
			index = if_nametoindex(at->ifa_name);
	}
	freeifaddrs(list);
	return index;
}
