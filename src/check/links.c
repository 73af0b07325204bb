/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dedicated links on this machine: the interface, the addresses, the MTU, and the buffers that
 * the kernel would really give. An interface or address that is missing stops no daemon, which
 * waits for it; a slip in its name waits for ever. */
#include "check/check.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPV6_MTU_MIN 1280 /* below it a kernel has no IPv6 on an interface */

struct on_machine {
	const struct check *c;
	struct ifaddrs *all; /* owned; NULL: not known */
	int fd;		     /* any socket, for ioctl() and setsockopt() */
};

static int mtu_of(const struct on_machine *m, const char *ifname)
{
	struct ifreq req = { 0 };

	memcpy(req.ifr_name, ifname, strnlen(ifname, IF_NAMESIZE - 1));
	return ioctl(m->fd, SIOCGIFMTU, &req) == 0 ? req.ifr_mtu : -1;
}

static bool is_up(const struct on_machine *m, const char *ifname)
{
	struct ifreq req = { 0 };

	memcpy(req.ifr_name, ifname, strnlen(ifname, IF_NAMESIZE - 1));
	return ioctl(m->fd, SIOCGIFFLAGS, &req) == 0 && req.ifr_flags & IFF_UP;
}

static const void *addr_bytes(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

/* The interface that has the address, that of the link if several have it. NULL: none. */
static const char *owner(const struct on_machine *m, const struct channel_link_conf *l,
			 const union channel_addr *addr)
{
	size_t len = l->family == AF_INET ? sizeof(addr->v4) : sizeof(addr->v6);
	const char *found = NULL;

	for (const struct ifaddrs *a = m->all; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != l->family ||
		    memcmp(addr_bytes(a->ifa_addr), addr, len) != 0)
			continue;
		if (!found || strcmp(a->ifa_name, l->ifname) == 0)
			found = a->ifa_name;
	}
	return found;
}

static bool is_any(const union channel_addr *a, int family)
{
	static const union channel_addr zero;

	return memcmp(a, &zero, family == AF_INET ? sizeof(a->v4) : sizeof(a->v6)) == 0;
}

static void interface(const struct on_machine *m, const struct channel_link_conf *l, uint32_t nr)
{
	enum conf_section section = conf_link_section(l->type);

	if (if_nametoindex(l->ifname) == 0)
		check_say(m->c, CONF_WARNING, section, "Interface", nr,
			  "there is no interface %s here: the link waits until there is one",
			  l->ifname);
	else if (!is_up(m, l->ifname))
		check_say(m->c, CONF_WARNING, section, "Interface", nr,
			  "interface %s is down: nothing is sent or heard over this link",
			  l->ifname);
}

static void local_address(const struct on_machine *m, const struct channel_link_conf *l,
			  uint32_t nr)
{
	const char *name = check_local_name(l), *has;
	char text[INET6_ADDRSTRLEN];

	if (is_any(&l->local, l->family) || !m->all)
		return;
	has = owner(m, l, &l->local);
	inet_ntop(l->family, &l->local, text, sizeof(text));
	if (!has)
		check_say(m->c, CONF_WARNING, conf_link_section(l->type), name, nr,
			  "%s %s is no address of this machine: the link waits until it is", name,
			  text);
	else if (l->type == CHANNEL_MCAST && strcmp(has, l->ifname) != 0)
		check_say(m->c, CONF_WARNING, conf_link_section(l->type), name, nr,
			  "%s %s is an address of %s, not of %s: the link is %s", name, text, has,
			  l->ifname, has);
}

static void peer_address(const struct on_machine *m, const struct channel_link_conf *l, uint32_t nr)
{
	const char *name = check_dest_name(l);
	char text[INET6_ADDRSTRLEN];

	if (l->type == CHANNEL_MCAST || is_any(&l->dest, l->family) || !owner(m, l, &l->dest))
		return;
	inet_ntop(l->family, &l->dest, text, sizeof(text));
	check_say(m->c, CONF_WARNING, conf_link_section(l->type), name, nr,
		  "%s %s is an address of this machine itself: is this the file of the other node?",
		  name, text);
}

/* What the kernel makes of a buffer that is asked for with the privilege the daemon has, and
 * without it where this process has none. */
static void buffer(const struct on_machine *m, const struct channel_link_conf *l, uint32_t nr,
		   const char *name, uint32_t wanted, int forced, int plain)
{
	int ask = (int)wanted, got = 0;
	socklen_t len = sizeof(got);

	if (!wanted)
		return;
	if (setsockopt(m->fd, SOL_SOCKET, forced, &ask, sizeof(ask)) == -1)
		setsockopt(m->fd, SOL_SOCKET, plain, &ask, sizeof(ask));
	if (getsockopt(m->fd, SOL_SOCKET, plain, &got, &len) == 0 && (uint32_t)got < wanted)
		check_say(m->c, CONF_WARNING, conf_link_section(l->type), name, nr,
			  "%s %u cannot take effect here: the kernel gives %d bytes "
			  "(net.core.%cmem_max)",
			  name, wanted, got, plain == SO_SNDBUF ? 'w' : 'r');
}

static void mtu(const struct on_machine *m, const struct channel_link_conf *l, uint32_t nr)
{
	const struct channel_link_conf *first = m->c->conf->channel.link;
	int here = mtu_of(m, l->ifname), there = mtu_of(m, first->ifname);

	if (here > 0 && here < IPV6_MTU_MIN && l->family == AF_INET6)
		check_say(m->c, CONF_WARNING, conf_link_section(l->type), "Interface", nr,
			  "the MTU of %s is %d: IPv6 needs %d", l->ifname, here, IPV6_MTU_MIN);
	if (nr > 0 && here > 0 && there > 0 && here != there)
		check_say(m->c, CONF_WARNING, conf_link_section(l->type), "Interface", nr,
			  "the MTU of %s is %d, that of the first link (%s) is %d: datagrams made "
			  "for the larger one "
			  "leave in fragments over the other",
			  l->ifname, here, first->ifname, there);
}

void check_links(const struct check *c)
{
	struct on_machine m = { .c = c, .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };

	if (getifaddrs(&m.all) == -1)
		m.all = NULL;
	for (uint32_t i = 0; i < c->conf->channel.n_links; i++) {
		const struct channel_link_conf *l = &c->conf->channel.link[i];

		interface(&m, l, i);
		local_address(&m, l, i);
		peer_address(&m, l, i);
		mtu(&m, l, i);
		buffer(&m, l, i, "SndSocketBuffer", l->snd_buffer, SO_SNDBUFFORCE, SO_SNDBUF);
		buffer(&m, l, i, "RcvSocketBuffer", l->rcv_buffer, SO_RCVBUFFORCE, SO_RCVBUF);
	}
	if (m.all)
		freeifaddrs(m.all);
	if (m.fd != -1)
		close(m.fd);
}
