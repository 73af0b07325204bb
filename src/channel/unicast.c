/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What UDP and TCP links have in common: whose address is configured, which of several links a
 * packet belongs to, and what of their interface and addresses is there when they are opened. Only
 * link-local addresses tie a link to its interface; all others go where the routes lead, so no
 * socket is bound to a device, but for a VRF, and nothing is refused for the device it came in
 * on. */
#include "channel/unicast.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/speaker.h"
#include "channel/udp_sock.h"
#include "channel/vrf.h"

static bool is_v4(const struct link *l)
{
	return l->conf->family == AF_INET;
}

static bool any_local(const struct link *l)
{
	return is_v4(l) ? l->conf->local.v4.s_addr == INADDR_ANY :
			  IN6_IS_ADDR_UNSPECIFIED(&l->conf->local.v6);
}

/* ---- links that share a receiving socket ---- */

static bool same_port(const struct link *a, const struct link *b)
{
	return a->conf->type == b->conf->type && a->conf->family == b->conf->family &&
	       a->conf->port == b->conf->port && a->vrf == b->vrf;
}

/* The kernel lets two sockets have one port only if they have different addresses, or are scoped to
 * different interfaces. An address and "any" are in each other's way. */
static bool same_socket(const struct link *a, const struct link *b, bool any)
{
	if (!same_port(a, b))
		return false;
	if (any)
		return true;
	return ifaddr_equal(a->conf->family, &a->conf->local, &b->conf->local) &&
	       (is_v4(a) || !IN6_IS_ADDR_LINKLOCAL(&a->conf->local.v6) ||
		strcmp(a->conf->ifname, b->conf->ifname) == 0);
}

static void share_one(struct link *links, size_t n, struct link *l)
{
	struct link *leader = NULL, *last;
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any = any || (same_port(&links[i], l) && any_local(&links[i]));
	/* A scoped link may have to wait for its interface, so it leads only where there is no
	 * other. */
	for (size_t i = 0; i < n && !leader; i++)
		leader = same_socket(&links[i], l, any) && !link_is_scoped(&links[i]) ? &links[i] :
											NULL;
	for (size_t i = 0; i < n && !leader; i++)
		leader = same_socket(&links[i], l, any) ? &links[i] : NULL;
	assert(leader); /* l itself, if no other one is */
	l->leader = leader;
	l->any_rx = any;
	for (last = leader; last != l && last->next; last = last->next)
		;
	if (last != l)
		last->next = l;
}

void unicast_share(struct link *links, size_t n)
{
	for (size_t i = 0; i < n; i++)
		links[i].vrf = vrf_of(if_nametoindex(links[i].conf->ifname));
	for (size_t i = 0; i < n; i++)
		share_one(links, n, &links[i]);
}

const union channel_addr *unicast_rx_addr(const struct link *l)
{
	static const union channel_addr any = { .v6 = IN6ADDR_ANY_INIT };

	return l->any_rx ? &any : &l->conf->local;
}

/* Did it come in where the link's packets do? */
static bool came_through(const struct link *l, const struct udp_source *from)
{
	return from->ifindex != 0 &&
	       (from->ifindex == l->ifindex || from->ifindex == l->way.ifindex);
}

static bool is_dest(const struct link *l, const struct udp_source *from)
{
	return ifaddr_equal(l->conf->family, &from->addr, &l->conf->dest);
}

static bool is_dest_here(const struct link *l, const struct udp_source *from)
{
	return is_dest(l, from) && came_through(l, from);
}

static bool is_speaker(const struct link *l, const struct udp_source *from)
{
	return speaker_known(l, &from->addr);
}

struct link *unicast_whose(struct link *l, const struct udp_source *from)
{
	static bool (*const signs[])(const struct link *l, const struct udp_source *from) = {
		is_dest_here, is_dest, is_speaker, came_through, /* the surest first */
	};

	if (!l->next)
		return l;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		for (struct link *each = l; each; each = each->next) {
			if (signs[i](each, from))
				return each;
		}
	}
	return l;
}

struct link *unicast_hear(struct link *leader, const struct udp_source *from, struct mono now,
			  union channel_addr *as)
{
	struct link *l = unicast_whose(leader, from);

	if (link_is_scoped(l) && from->ifindex != 0 && from->ifindex != l->ifindex) {
		udp_sock_refuse_interface(l, from, now);
		return NULL;
	}
	return speaker_may(l, from, now, as) ? l : NULL;
}

/* ---- interface and address ---- */

/* Without its interface a link-local address says nothing. While that is down the address may be
 * missing: IPv6 addresses come when it goes up. */
static int find_scope(struct link *l, struct text *err)
{
	char local[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	unsigned int owner;
	int ret = link_find_interface(l, &l->ifindex, err);

	if (ret < 0 || any_local(l) || !(link_read_flags(l->ifindex) & IFF_UP))
		return ret;
	owner = ifaddr_owner(l->conf->family, &l->conf->local, l->ifindex);
	if (owner == l->ifindex)
		return 0;
	text_printf(err, "%s: %s has the address %s (%s)", link_place(l, &l->conf->local_at, at),
		    owner == 0 ? "no interface of this machine" :
				 "another interface than Interface",
		    link_addr_text(l, &l->conf->local, local), link_local_keyword(l));
	return -EADDRNOTAVAIL;
}

int unicast_find_interface(struct link *l, struct text *err)
{
	char local[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	struct text missing = { 0 };

	if (link_is_scoped(l))
		return find_scope(l, err);
	if (link_find_interface(l, &l->ifindex, &missing) < 0)
		log_warnx("%s. The link comes up with it, or before if the peer can be reached "
			  "another way",
			  missing.buf);
	text_free(&missing);
	if (!any_local(l) && !(l->ifindex != 0 && !(link_read_flags(l->ifindex) & IFF_UP)) &&
	    ifaddr_owner(l->conf->family, &l->conf->local, 0) == 0)
		log_warnx("%s: no interface of this machine has the address %s (%s) yet: waiting "
			  "for it",
			  link_place(l, &l->conf->local_at, at),
			  link_addr_text(l, &l->conf->local, local), link_local_keyword(l));
	return 0;
}

/* The address may come later, or not be usable yet: an IPv6 address is tentative for a second or
 * two, and an interface that is down has none. */
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

	if (!link_is_scoped(l))
		return vrf_bind(fd, l->vrf);
	if (if_indextoname(l->ifindex, name) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) == -1 &&
	    errno != EPERM)
		return -errno;
	return 0;
}

/* Bound to the local address, so that the peer knows us by it. */
int unicast_bind_tx(struct link *l, int fd)
{
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, &l->conf->local, 0, &local);
	int ret = unicast_allow_absent(l, fd);

	if (ret == 0)
		ret = unicast_bind_device(l, fd);
	if (ret == 0 && (bind(fd, &local.sa, len) == -1 || getsockname(fd, &local.sa, &len) == -1))
		ret = -errno;
	if (ret == 0)
		l->tx_port = local.v4.sin_port; /* both families have it there */
	return ret;
}

/* What will keep the link from working, but not the daemon from starting. */
void unicast_warn_unreachable(struct link *l)
{
	static const union channel_addr any = { .v6 = IN6ADDR_ANY_INIT };
	const struct channel_link_conf *c = l->conf;
	char text[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	union udp_addr dest;
	socklen_t len = udp_sock_addr(l, &c->dest, c->port, &dest);
	int fd;

	link_addr_text(l, &c->dest, text);
	if (!link_is_scoped(l) && route_find(c->family, &any, &c->dest, l->vrf, &l->way) == 0)
		l->dest_own = l->way.local;
	if (l->dest_own)
		log_warnx("%s: %s %s is an address of this machine: nothing leaves it unless a "
			  "relay or a redirect passes it on",
			  link_place(l, &c->dest_at, at), link_dest_keyword(l), text);
	if (l->ifindex == 0 || !(link_read_flags(l->ifindex) & IFF_UP))
		return; /* there is a line about that */
	fd = socket(c->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, &dest.sa, len) == -1) /* sends nothing */
		log_warn("%s: %s link: no way to %s (%s) at the moment",
			 link_place(l, &c->dest_at, at), l->ops->kind, text, link_dest_keyword(l));
	if (fd != -1)
		close(fd);
}
