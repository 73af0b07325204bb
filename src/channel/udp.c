/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unicast UDP to one peer, IPv4 and IPv6. Options and their order: doc/protocol.md section 8.
 *
 * Who may speak. Version 1 of the protocol has no authentication, so the least is done that can be: datagrams have to
 * come in on the interface of the link, and from the peer. Its address is the one we send to; but the sending socket of
 * 1.4.x is not bound, so a peer that has several addresses may speak from another of them. Therefore, until the
 * configured address has been heard, the first neighbour that speaks is adopted in its place, with a line in the log
 * that says which configuration would do without. As soon as the configured address is heard, it is the only one, for
 * good. An adopted one that falls silent may be followed by another: addresses of a peer come and go (IPv6 privacy
 * addresses, virtual addresses), and the next one is worth no less than the first.
 *
 * A link has one peer, whatever its address at the moment: what is delivered carries the configured address. */
#include "channel/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/port_owner.h"
#include "channel/udp_sock.h"

#define ADDRS_MAX_AGE_MS 1000
#define ADOPTED_SILENT_MS 30000	/* 1.4.x speaks every second in FTFW */
#define ADOPTION_LINES 3	/* at once; then one in ten minutes */
#define ADOPTION_LINE_MS 600000

static bool is_v4(const struct link *l)
{
	return l->conf->family == AF_INET;
}

static const char *local_keyword(const struct link *l)
{
	return is_v4(l) ? "IPv4_address" : "IPv6_address";
}

static const char *dest_keyword(const struct link *l)
{
	return is_v4(l) ? "IPv4_Destination_Address" : "IPv6_Destination_Address";
}

static bool any_local(const struct link *l)
{
	return is_v4(l) ? l->conf->local.v4.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&l->conf->local.v6);
}

/* ---- opening ---- */

/* Can an interface like this never be the link itself? A loopback or dummy interface is only where an address lives. */
static bool carries_nothing(unsigned int flags)
{
	return (flags & IFF_LOOPBACK) || ((flags & IFF_NOARP) && !(flags & IFF_POINTOPOINT));
}

/* The local address belongs to another interface than Interface: then the traffic goes through that one. */
static void follow_address(struct link *l, unsigned int owner, const char *local)
{
	char name[IF_NAMESIZE] = "?";

	if_indextoname(owner, name);
	if (carries_nothing(link_read_flags(owner)))
		return;
	log_warnx("line %u: %s %s belongs to %s, not to Interface %s: the traffic goes through %s", l->conf->line,
		  local_keyword(l), local, name, l->conf->ifname, name);
	l->ifindex = owner;
}

/* The interface of the link, and whether the local address is there. On an interface that is down it may be missing:
 * IPv6 addresses come when it goes up. */
static int find_interface(struct link *l, struct text *err)
{
	char local[INET6_ADDRSTRLEN];
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
	text_printf(err, "line %u: %s has the address %s (%s)", l->conf->line,
		    owner == 0 ? "no interface of this machine" : "another interface than Interface", local,
		    local_keyword(l));
	return -EADDRNOTAVAIL;
}

/* Whether the address is there was checked; it may not be usable yet: an IPv6 address is tentative for a second or two,
 * and an interface that is down has none. */
static int allow_absent_address(const struct link *l, int fd)
{
	int on = 1;

	if (is_v4(l) ? setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == -1 :
		       setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) == -1)
		return -errno;
	return 0;
}

/* Bound to the local address, so that the peer knows us by it; and to the interface, so that states never leave through
 * the default route when the link is down. */
static int bind_tx(struct link *l)
{
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, &l->conf->local, 0, &local);
	char name[IF_NAMESIZE];
	int ret = allow_absent_address(l, l->tx);

	if (ret < 0)
		return ret;
	if (if_indextoname(l->ifindex, name) &&
	    setsockopt(l->tx, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) == -1 && errno != EPERM)
		return -errno;
	return bind(l->tx, &local.sa, len) == -1 ? -errno : 0;
}

static int open_tx(struct link *l, struct text *err)
{
	int ret = udp_sock_open_tx(l);

	if (ret == 0)
		ret = bind_tx(l);
	if (ret < 0)
		text_printf(err, "line %u: UDP sending socket: %s", l->conf->line, strerror(-ret));
	return ret;
}

/* Without SO_REUSEADDR: two daemons on one unicast port would both be content, and one would hear nothing. */
static int open_rx(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, &c->local, c->port, &local);
	char text[INET6_ADDRSTRLEN];
	int ret = udp_sock_open_rx(l);

	if (ret == 0)
		ret = allow_absent_address(l, l->rx);
	if (ret == 0 && bind(l->rx, &local.sa, len) == -1)
		ret = -errno;
	if (ret < 0)
		text_printf(err, "line %u: UDP address %s (%s), port %u (Port): %s", c->line,
			    link_addr_text(l, &c->local, text), local_keyword(l), c->port, strerror(-ret));
	if (ret == -EADDRINUSE)
		port_owner_text(c->port, err);
	return ret;
}

/* What will keep the link from working, but not the daemon from starting. */
static void warn_unreachable(const struct link *l)
{
	const struct channel_link_conf *c = l->conf;
	char text[INET6_ADDRSTRLEN];
	union udp_addr dest;
	socklen_t len = udp_sock_addr(l, &c->dest, c->port, &dest);
	int fd;

	link_addr_text(l, &c->dest, text);
	if (ifaddr_owner(c->family, &c->dest, 0) != 0)
		log_warnx("line %u: %s %s is an address of this machine: the peer's is expected", c->line,
			  dest_keyword(l), text);
	if (!(link_read_flags(l->ifindex) & IFF_UP))
		return;		/* there is a line about that */
	fd = socket(c->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, &dest.sa, len) == -1)	/* sends nothing */
		log_warn("line %u: UDP link: no way to %s (%s) at the moment", c->line, text, dest_keyword(l));
	if (fd != -1)
		close(fd);
}

static int udp_open(struct link *l, struct text *err)
{
	int ret = find_interface(l, err);

	if (ret == 0)
		ret = open_tx(l, err);
	if (ret == 0)
		ret = open_rx(l, err);
	if (ret == 0)
		warn_unreachable(l);
	return ret;
}

/* ---- who may speak ---- */

static void log_adoption(struct link *l, const struct udp_source *from, struct mono now)
{
	char addr[INET6_ADDRSTRLEN], dest[INET6_ADDRSTRLEN];

	if (!log_limit_pass(&l->peer.lines, ADOPTION_LINES, ADOPTION_LINE_MS, now, NULL))
		return;
	link_addr_text(l, &from->addr, addr);
	log_warnx("line %u: UDP link: the peer speaks from %s, not from %s (%s); it is heard until that address "
		  "speaks. If it is the peer, write \"%s %s\" here and \"%s %s\" there", l->conf->line, addr,
		  link_addr_text(l, &l->conf->dest, dest), dest_keyword(l), dest_keyword(l), addr, local_keyword(l),
		  addr);
}

static void hear_configured(struct link *l, struct mono now)
{
	char dest[INET6_ADDRSTRLEN], adopted[INET6_ADDRSTRLEN];
	bool first = !mono_is_set(l->peer.configured_heard);

	l->peer.configured_heard = now;
	if (first && mono_is_set(l->peer.adopted_heard))
		log_notice("line %u: UDP link: %s (%s) speaks: %s is not heard any more", l->conf->line,
			   link_addr_text(l, &l->conf->dest, dest), dest_keyword(l),
			   link_addr_text(l, &l->peer.adopted, adopted));
}

/* May another address be adopted? */
static bool vacant(const struct link_peer *p, struct mono now)
{
	return !mono_is_set(p->configured_heard) && (!mono_is_set(p->adopted_heard) ||
						    mono_diff_ms(now, p->adopted_heard) > ADOPTED_SILENT_MS);
}

/* The line says when the right one was heard: a peer of 1.4.x that got one more address may suddenly speak from it. */
static void refuse_source(struct link *l, const struct udp_source *from, bool on_link, struct mono now)
{
	const struct link_peer *p = &l->peer;
	char dest[INET6_ADDRSTRLEN], adopted[INET6_ADDRSTRLEN], why[256];

	l->stats.refused_source++;
	link_addr_text(l, &l->conf->dest, dest);
	if (mono_is_set(p->configured_heard))
		snprintf(why, sizeof(why), "the peer is %s (%s), which was last heard %lld s ago", dest,
			 dest_keyword(l), (long long)mono_diff_ms(now, p->configured_heard) / 1000);
	else if (!on_link)
		snprintf(why, sizeof(why), "it is neither %s (%s) nor a neighbour", dest, dest_keyword(l));
	else
		snprintf(why, sizeof(why), "%s is heard in place of %s (%s)",
			 link_addr_text(l, &p->adopted, adopted), dest, dest_keyword(l));
	udp_sock_log_refusal(l, from, why, now);
}

static bool may_speak(struct link *l, const struct udp_source *from, struct mono now)
{
	int family = l->conf->family;
	struct link_peer *p = &l->peer;
	bool on_link;

	if (ifaddr_equal(family, &from->addr, &l->conf->dest)) {
		hear_configured(l, now);
		return true;
	}
	if (!mono_is_set(p->configured_heard) && mono_is_set(p->adopted_heard) &&
	    ifaddr_equal(family, &from->addr, &p->adopted)) {
		p->adopted_heard = now;
		return true;
	}
	ifaddr_refresh(&l->addrs, l->ifindex, ADDRS_MAX_AGE_MS, now);
	if (ifaddr_is_own(&l->addrs, family, &from->addr)) {
		l->stats.own++;
		return false;
	}
	on_link = ifaddr_is_on_link(&l->addrs, family, &from->addr);
	if (!on_link || !vacant(p, now)) {
		refuse_source(l, from, on_link, now);
		return false;
	}
	p->adopted = from->addr;
	p->adopted_heard = now;
	log_adoption(l, from, now);
	return true;
}

static unsigned int udp_recv(struct link *l, struct link_rx *rx, struct mono now)
{
	unsigned int got = udp_sock_recv(l, rx, now, may_speak);
	size_t len = is_v4(l) ? sizeof(l->conf->dest.v4) : sizeof(l->conf->dest.v6);

	for (unsigned int i = 0; i < rx->n; i++)
		memcpy(rx->item[i].from.addr, &l->conf->dest, len);
	return got;
}

const struct link_ops udp_ops = {
	.kind = "UDP",
	.overhead_v4 = UDP_OVERHEAD_V4,
	.overhead_v6 = UDP_OVERHEAD_V6,
	.open = udp_open,
	.send = udp_sock_send,
	.recv = udp_recv,
};
