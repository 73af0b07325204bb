/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the transports share. */
#include "channel/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void link_set_buffer(int fd, int option_force, int option, uint32_t bytes)
{
	int v = bytes > INT32_MAX ? INT32_MAX : (int)bytes;

	if (setsockopt(fd, SOL_SOCKET, option_force, &v, sizeof(v)) == -1)
		/* best effort: a smaller buffer still works */
		setsockopt(fd, SOL_SOCKET, option, &v, sizeof(v));
}

/* Ask the kernel about an interface. False if there is none, or no socket to ask with. */
static bool ask(unsigned int ifindex, unsigned long request, struct ifreq *req)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	*req = (struct ifreq){ 0 };
	if (fd == -1)
		return false;
	ok = if_indextoname(ifindex, req->ifr_name) && ioctl(fd, request, req) == 0;
	close(fd);
	return ok;
}

bool link_is_scoped(const struct link *l)
{
	const struct channel_link_conf *c = l->conf;

	return c->type == CHANNEL_MCAST ||
	       (c->family == AF_INET6 &&
		(IN6_IS_ADDR_LINKLOCAL(&c->dest.v6) || IN6_IS_ADDR_LINKLOCAL(&c->local.v6)));
}

static unsigned int mtu_of(unsigned int ifindex)
{
	struct ifreq req;

	return ask(ifindex, SIOCGIFMTU, &req) && req.ifr_mtu > 0 ? (unsigned int)req.ifr_mtu : 0;
}

/* Where the route leads elsewhere, Interface still says what fits: behind a relay on loopback,
 * packets leave there. */
unsigned int link_read_mtu(const struct link *l)
{
	unsigned int mtu[] = { mtu_of(l->ifindex), mtu_of(l->way.ifindex), l->way.mtu }, least = 0;

	for (size_t i = 0; i < sizeof(mtu) / sizeof(mtu[0]); i++) {
		if (mtu[i] > 0 && (least == 0 || mtu[i] < least))
			least = mtu[i];
	}
	return least > 0 ? least : 1500;
}

unsigned int link_read_flags(unsigned int ifindex)
{
	struct ifreq req;

	return ask(ifindex, SIOCGIFFLAGS, &req) ? (unsigned short)req.ifr_flags : 0;
}

static void list_interfaces(struct text *t)
{
	struct if_nameindex *list = if_nameindex();

	if (!list)
		return;
	for (size_t i = 0; list[i].if_index != 0; i++)
		text_printf(t, " %s", list[i].if_name);
	if_freenameindex(list);
}

int link_find_interface(const struct link *l, unsigned int *index, struct text *err)
{
	char at[LINK_PLACE_MAX];

	*index = if_nametoindex(l->conf->ifname);
	if (*index != 0)
		return 0;
	text_printf(err, "%s: Interface %s does not exist; this machine has:",
		    link_place(l, &l->conf->ifname_at, at), l->conf->ifname);
	list_interfaces(err);
	return -ENODEV;
}

bool link_has_address(struct link *l, struct mono now)
{
	static const union channel_addr any = { .v6 = IN6ADDR_ANY_INIT };
	union channel_addr addr;

	if (!ifaddr_equal(l->conf->family, &l->conf->local, &any))
		return ifaddr_owner(l->conf->family, &l->conf->local, l->ifindex) != 0;
	if (l->conf->type != CHANNEL_MCAST)
		return true;
	ifaddr_refresh(&l->addrs, 0, now); /* IPv6: it speaks from this one */
	return ifaddr_link_local(&l->addrs, l->ifindex, &addr);
}

const char *link_place(const struct link *l, const struct channel_place *at,
		       char buf[LINK_PLACE_MAX])
{
	if (l->conf->file && at->line)
		snprintf(buf, LINK_PLACE_MAX, "%s:%u:%u", l->conf->file, at->line, at->column);
	else
		snprintf(buf, LINK_PLACE_MAX, "line %u", l->conf->line);
	return buf;
}

const char *link_local_keyword(const struct link *l)
{
	return l->conf->family == AF_INET ? "IPv4_address" : "IPv6_address";
}

const char *link_dest_keyword(const struct link *l)
{
	return l->conf->family == AF_INET ? "IPv4_Destination_Address" : "IPv6_Destination_Address";
}

const char *link_addr_text(const struct link *l, const union channel_addr *addr,
			   char buf[INET6_ADDRSTRLEN])
{
	if (!inet_ntop(l->conf->family, addr, buf, INET6_ADDRSTRLEN))
		strcpy(buf, "?");
	return buf;
}

void link_close(struct link *l)
{
	if (l->tx != -1)
		close(l->tx);
	if (l->rx != -1)
		close(l->rx);
	l->tx = l->rx = -1;
	ifaddr_free(&l->addrs);
}
