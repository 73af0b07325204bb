/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unicast UDP, IPv4 and IPv6. Options and their order: doc/protocol.md section 8. Who may speak,
 * and as whom: speaker.c. */
#include "channel/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "channel/port_owner.h"
#include "channel/udp_sock.h"
#include "channel/unicast.h"
#include "channel/vrf.h"

static int open_tx(struct link *l, struct text *err)
{
	int ret = udp_sock_open_tx(l);

	if (ret == 0)
		ret = unicast_bind_tx(l, l->tx);
	if (ret < 0)
		text_printf(err, "line %u: UDP sending socket: %s", l->conf->line, strerror(-ret));
	return ret;
}

/* Without SO_REUSEADDR: two daemons on one unicast port would both be content, and one would hear
 * nothing. */
static int open_rx(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, unicast_rx_addr(l), c->port, &local);
	char text[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	int ret = udp_sock_open_rx(l);

	if (ret == 0)
		ret = unicast_allow_absent(l, l->rx);
	if (ret == 0)
		ret = vrf_bind(l->rx, l->vrf);
	if (ret == 0 && bind(l->rx, &local.sa, len) == -1)
		ret = -errno;
	if (ret < 0)
		text_printf(err, "%s: UDP address %s (%s), port %u (Port): %s",
			    link_place(l, ret == -EADDRINUSE ? &c->port_at : &c->local_at, at),
			    link_addr_text(l, unicast_rx_addr(l), text), link_local_keyword(l),
			    c->port, strerror(-ret));
	if (ret == -EADDRINUSE)
		port_owner_text("udp", c->port, err);
	return ret;
}

static int udp_open(struct link *l, struct text *err)
{
	int ret = unicast_find_interface(l, err);

	if (!l->leader)
		l->leader = l;
	if (ret == 0)
		ret = open_tx(l, err);
	if (ret == 0 && l->leader == l)
		ret = open_rx(l, err);
	if (ret == 0)
		unicast_warn_unreachable(l);
	return ret;
}

static unsigned int udp_recv(struct link *l, struct link_rx *rx, struct mono now)
{
	return udp_sock_recv(l, rx, now, unicast_hear);
}

const struct link_ops udp_ops = {
	.kind = "UDP",
	.unit = "datagram",
	.overhead_v4 = UDP_OVERHEAD_V4,
	.overhead_v6 = UDP_OVERHEAD_V6,
	.open = udp_open,
	.send = udp_sock_send,
	.recv = udp_recv,
};
