/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What UDP and TCP links have in common when they are opened: which interface carries them, whose address is configured. */
#include "channel/unicast.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/udp_sock.h"

static bool is_v4(const struct link *l)
{
	return l->conf->family == AF_INET;
}

const char *unicast_local_keyword(const struct link *l)
{
	return is_v4(l) ? "IPv4_address" : "IPv6_address";
}

const char *unicast_dest_keyword(const struct link *l)
{
	return is_v4(l) ? "IPv4_Destination_Address" : "IPv6_Destination_Address";
}

static bool any_local(const struct link *l)
{
	return is_v4(l) ? l->conf->local.v4.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&l->conf->local.v6);
}

/* Can an interface like this never be the link itself? A loopback or dummy interface is only where an address lives. */
static bool carries_nothing(unsigned int flags)
{
	return (flags & IFF_LOOPBACK) || ((flags & IFF_NOARP) && !(flags & IFF_POINTOPOINT));
}

/* The local address belongs to another interface than Interface: then the traffic goes through that one. */
static void follow_address(struct link *l, unsigned int owner, const char *local)
{
	char name[IF_NAMESIZE] = "?", at[LINK_PLACE_MAX];

	if_indextoname(owner, name);
	if (carries_nothing(link_read_flags(owner)))
		return;
	log_warnx("%s: %s %s belongs to %s, not to Interface %s: the traffic goes through %s",
		  link_place(l, &l->conf->local_at, at), unicast_local_keyword(l), local, name, l->conf->ifname, name);
	l->ifindex = owner;
}

/* The interface of the link, and whether the local address is there. On an interface that is down it may be missing:
 * IPv6 addresses come when it goes up. */
int unicast_find_interface(struct link *l, struct text *err)
{
	char local[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	unsigned int owner;
	int ret = link_find_interface(l, &l->ifindex, err);

	if (ret < 0 || any_local(l))
		return ret;
	link_addr_text(l, &l->conf->local, local);
	owner = ifaddr_owner(l->conf->family, &l->conf->local, l->ifindex);
	if (owner == l->ifindex)
		return 0;
	if (owner != 0 && (is_v4(l) || !IN6_IS_ADDR_LINKLOCAL(&l->conf->local.v6))) {
		follow_address(l, owner, local);
		return 0;
	}
	if (!(link_read_flags(l->ifindex) & IFF_UP))
		return 0;
	text_printf(err, "%s: %s has the address %s (%s)", link_place(l, &l->conf->local_at, at),
		    owner == 0 ? "no interface of this machine" : "another interface than Interface", local,
		    unicast_local_keyword(l));
	return -EADDRNOTAVAIL;
}

/* Whether the address is there was checked; it may not be usable yet: an IPv6 address is tentative for a second or two,
 * and an interface that is down has none. */
int unicast_allow_absent(const struct link *l, int fd)
{
	int on = 1;

	if (is_v4(l) ? setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == -1 :
		       setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) == -1)
		return -errno;
	return 0;
}

int unicast_bind_device(const struct link *l, int fd)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(l->ifindex, name) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) == -1 && errno != EPERM)
		return -errno;
	return 0;
}

/* Bound to the local address, so that the peer knows us by it; and to the interface, so that states never leave through
 * the default route when the link is down. */
int unicast_bind_tx(const struct link *l, int fd)
{
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, &l->conf->local, 0, &local);
	int ret = unicast_allow_absent(l, fd);

	if (ret == 0)
		ret = unicast_bind_device(l, fd);
	if (ret < 0)
		return ret;
	return bind(fd, &local.sa, len) == -1 ? -errno : 0;
}

/* What will keep the link from working, but not the daemon from starting. */
void unicast_warn_unreachable(const struct link *l)
{
	const struct channel_link_conf *c = l->conf;
	char text[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	union udp_addr dest;
	socklen_t len = udp_sock_addr(l, &c->dest, c->port, &dest);
	int fd;

	link_addr_text(l, &c->dest, text);
	if (ifaddr_owner(c->family, &c->dest, 0) != 0)
		log_warnx("%s: %s %s is an address of this machine: the peer's is expected",
			  link_place(l, &c->dest_at, at), unicast_dest_keyword(l), text);
	if (!(link_read_flags(l->ifindex) & IFF_UP))
		return;		/* there is a line about that */
	fd = socket(c->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, &dest.sa, len) == -1)	/* sends nothing */
		log_warn("%s: %s link: no way to %s (%s) at the moment", link_place(l, &c->dest_at, at),
			 l->ops->kind, text, unicast_dest_keyword(l));
	if (fd != -1)
		close(fd);
}
