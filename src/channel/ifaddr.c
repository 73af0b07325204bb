/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose address is it: ours, a neighbour's, or somebody's beyond a router? */
#include "channel/ifaddr.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct ifaddr_entry {
	int family;
	union channel_addr addr, mask;
	/* of the neighbours: the other end's with point-to-point addresses */
	union channel_addr net;
	bool loopback; /* nobody is a neighbour there */
	char ifname[IF_NAMESIZE];
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
		memcpy(&out->v4, (const uint8_t *)sa + offsetof(struct sockaddr_in, sin_addr),
		       sizeof(out->v4));
	else
		memcpy(&out->v6, (const uint8_t *)sa + offsetof(struct sockaddr_in6, sin6_addr),
		       sizeof(out->v6));
	return true;
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
	out->loopback = at->ifa_flags & IFF_LOOPBACK;
	/* Without the label of an IPv4 address, as in eth0:1. */
	snprintf(out->ifname, sizeof(out->ifname), "%.*s", (int)strcspn(at->ifa_name, ":"),
		 at->ifa_name);
	addr_of(at->ifa_netmask, family, &out->mask);
	out->net = out->addr;
	/* Elsewhere the same member is the broadcast address, unless the subnet has room for one
	 * host only. */
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

void ifaddr_refresh(struct ifaddr_list *l, uint32_t max_age_ms, struct mono now)
{
	struct ifaddr_list fresh = { .read_at = now };
	struct ifaddrs *list;
	bool ok = true;

	if (mono_is_set(l->read_at) && mono_diff_ms(now, l->read_at) < (int64_t)max_age_ms)
		return;
	l->read_at = now;
	if (getifaddrs(&list) == -1)
		return;
	for (const struct ifaddrs *at = list; at && ok; at = at->ifa_next) {
		struct ifaddr_entry entry;

		if (entry_of(at, &entry))
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

/* The name of the interface; false if there is none with that index. Index 0 is any: the name is
 * empty. */
static bool name_of(unsigned int ifindex, char name[IF_NAMESIZE])
{
	name[0] = '\0';
	return ifindex == 0 || if_indextoname(ifindex, name);
}

static bool is_of(const struct ifaddr_entry *e, int family, const char *name)
{
	return e->family == family && (!name[0] || strcmp(e->ifname, name) == 0);
}

bool ifaddr_is_own(const struct ifaddr_list *l, unsigned int ifindex, int family,
		   const union channel_addr *addr)
{
	char name[IF_NAMESIZE];
	bool found = false;

	if (!name_of(ifindex, name))
		return false;
	for (size_t i = 0; i < l->n && !found; i++)
		found = is_of(&l->at[i], family, name) &&
			ifaddr_equal(family, &l->at[i].addr, addr);
	return found;
}

static bool in_net(const struct ifaddr_entry *e, const union channel_addr *addr)
{
	const uint8_t *net = (const uint8_t *)&e->net, *mask = (const uint8_t *)&e->mask,
		      *a = (const uint8_t *)addr;

	if (mask[0] == 0 || e->loopback)
		return false; /* the whole world is nobody's neighbour */
	for (size_t i = 0; i < addr_len(e->family); i++) {
		if ((net[i] ^ a[i]) & mask[i])
			return false;
	}
	return true;
}

bool ifaddr_is_on_link(const struct ifaddr_list *l, unsigned int ifindex, int family,
		       const union channel_addr *addr)
{
	char name[IF_NAMESIZE];
	bool found = false;

	if (ifindex == 0 || !name_of(ifindex, name) ||
	    (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->v6)))
		return false;
	for (size_t i = 0; i < l->n && !found; i++)
		found = is_of(&l->at[i], family, name) && in_net(&l->at[i], addr);
	return found;
}

bool ifaddr_is_beside(const struct ifaddr_list *l, int family, const union channel_addr *ours,
		      const union channel_addr *addr)
{
	bool found = false;

	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&addr->v6))
		return false;
	for (size_t i = 0; i < l->n && !found; i++)
		found = l->at[i].family == family && ifaddr_equal(family, &l->at[i].addr, ours) &&
			in_net(&l->at[i], addr);
	return found;
}

bool ifaddr_link_local(const struct ifaddr_list *l, unsigned int ifindex, union channel_addr *out)
{
	char name[IF_NAMESIZE];

	if (!name_of(ifindex, name))
		return false;
	for (size_t i = 0; i < l->n; i++) {
		if (is_of(&l->at[i], AF_INET6, name) && IN6_IS_ADDR_LINKLOCAL(&l->at[i].addr.v6)) {
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
	for (const struct ifaddrs *at = list; at && (index == 0 || index != wanted);
	     at = at->ifa_next) {
		struct ifaddr_entry entry;

		/* Labels are understood by if_nametoindex() too. */
		if (entry_of(at, &entry) && entry.family == family &&
		    ifaddr_equal(family, &entry.addr, addr))
			index = if_nametoindex(at->ifa_name);
	}
	freeifaddrs(list);
	return index;
}
