/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiving side of a TCP link: the connections that others have made. Options: doc/protocol.md
 * section 8.
 *
 * Each node that is heard (speaker.c) has one. A node connects again when it believes its old
 * connection dead, so a new one from the same address takes the place of the old, of which first
 * everything is read that has arrived. Whoever else connects is refused. Each connection has a
 * buffer of its own: an incomplete message ends with its connection. Links that share a listening
 * socket (unicast_share()) get the connections of their peers. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/link.h"
#include "channel/port_owner.h"
#include "channel/speaker.h"
#include "channel/udp_sock.h"
#include "channel/unicast.h"

#define KEEP_IDLE_S	5
#define KEEP_INTERVAL_S 2
#define KEEP_COUNT	5
#define RX_BYTES	(2u * 65536u) /* more than the longest message */
#define RX_ROUNDS	8u	      /* reads per wake-up, then others get their turn */
#define DRAIN_ROUNDS	256u	      /* reads from a connection that another one replaces */
#define ACCEPT_ROUNDS	8u
#define BACKLOG		8 /* several nodes may come at once */
#define LISTEN_AGAIN_MS 1000
#define LINES		6 /* about connections, at once; then one per minute */
#define LINE_MS		60000

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == -1 ? -errno : 0;
}

static bool may_log(struct link *l, struct mono now)
{
	return log_limit_pass(&l->tcp.lines, LINES, LINE_MS, now, NULL);
}

static void drop_conn(struct link_conn *c)
{
	if (c->fd == -1)
		return;
	ev_io_del(c->link->loop, &c->io);
	close(c->fd);
	c->fd = -1;
	c->have = 0;
}

static void lose_conn(struct link_conn *c, const char *why, struct mono now)
{
	struct link *l = c->link;
	char addr[INET6_ADDRSTRLEN];

	if (may_log(l, now))
		log_notice("line %u: TCP link: the connection from %s has ended: %s", l->conf->line,
			   link_addr_text(l, &c->from.addr, addr), why);
	drop_conn(c);
}

/* Hand over the whole messages; what is left is the beginning of one. False if the bytes cannot be
 * trusted. */
static bool deliver(struct link_conn *c, struct mono now)
{
	struct link *l = c->link;
	struct link_rx_item item = { .link = l,
				     .bytes = c->buf,
				     .from = {
					     .family = (uint8_t)l->conf->family,
					     .link = l->number,
				     } };
	ssize_t len;

	while ((len = l->up->frame(l, c->buf + item.len, c->have - item.len)) > 0)
		item.len += (size_t)len;
	if (item.len > 0) {
		memcpy(item.from.addr, &c->as, sizeof(item.from.addr));
		l->up->heard(l, &item, now);
		c->have -= item.len;
		memmove(c->buf, c->buf + item.len, c->have);
	}
	return len == 0;
}

/* Read once. False when there is no more for now, or the connection has ended. */
static bool read_conn(struct link_conn *c, struct mono now)
{
	struct link *l = c->link;
	ssize_t n = recv(c->fd, c->buf + c->have, RX_BYTES - c->have, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == -1) {
		l->stats.recv_errors++;
		lose_conn(c, strerror(errno), now);
		return false;
	}
	if (n == 0) {
		lose_conn(c, "closed by the peer", now);
		return false;
	}
	if (!speaker_may(l, &c->from, now, &c->as)) { /* its place was given to others meanwhile */
		drop_conn(c);
		return false;
	}
	c->heard = now;
	c->have += (size_t)n;
	l->stats.recv_pkts++;
	l->stats.recv_bytes += (size_t)n;
	if (deliver(c, now))
		return true;
	l->stats.recv_errors++;
	lose_conn(c, "what it sent are no messages", now);
	return false;
}

static void on_conn(void *ctx, unsigned int ready, struct mono now)
{
	struct link_conn *c = ctx;

	(void)ready;
	for (unsigned int round = 0; round < RX_ROUNDS && c->fd != -1; round++) {
		if (!read_conn(c, now))
			return;
	}
}

/* ---- who connects ---- */

static bool same_node(const struct link_conn *c, const struct udp_source *from)
{
	return c->fd != -1 && ifaddr_equal(c->link->conf->family, &c->from.addr, &from->addr);
}

/* The place of this node's old connection, a free one, or that of the connection heard least
 * lately. */
static struct link_conn *place_for(struct link *l, const struct udp_source *from)
{
	struct link_conn *place = NULL;

	for (unsigned int i = 0; i < LINK_CONNS; i++) {
		if (same_node(&l->tcp.conn[i], from))
			return &l->tcp.conn[i];
	}
	for (unsigned int i = 0; i < LINK_CONNS; i++) {
		struct link_conn *c = &l->tcp.conn[i];

		if (c->fd == -1)
			return c;
		if (!place || mono_before(c->heard, place->heard))
			place = c;
	}
	return place;
}

/* Take the connection; whatever the node's old one has brought is read first. */
static void adopt_conn(struct link *l, int fd, const struct udp_source *from,
		       const union channel_addr *as, struct mono now)
{
	struct link_conn *c = place_for(l, from);
	char addr[INET6_ADDRSTRLEN];

	for (unsigned int round = 0; round < DRAIN_ROUNDS && c->fd != -1 && read_conn(c, now);
	     round++)
		;
	drop_conn(c);
	if (!c->buf)
		c->buf = malloc(RX_BYTES);
	c->io = (struct ev_io){
		.fd = fd, .want = EV_READ, .prio = 1, .cb = on_conn, .ctx = c, .name = "link"
	};
	if (!c->buf || ev_io_add(l->loop, &c->io) < 0) {
		l->stats.recv_errors++;
		close(fd);
		return;
	}
	c->fd = fd;
	c->from = *from;
	c->as = *as;
	c->heard = now;
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
	if (may_log(l, now))
		log_notice("line %u: TCP link: connected from %s", l->conf->line,
			   link_addr_text(l, &from->addr, addr));
}

/* No descriptor left: the listening socket would stay readable and keep us busy. */
static void pause_listening(struct link *l, struct mono now)
{
	l->stats.recv_errors++;
	ev_io_want(l->loop, &l->rx_io, 0);
	ev_timer_set(l->loop, &l->tcp.listen_timer, mono_add_ms(now, LISTEN_AGAIN_MS));
}

static void on_listen_timer(void *ctx, struct mono now)
{
	struct link *l = ctx;

	(void)now;
	ev_io_want(l->loop, &l->rx_io, EV_READ);
}

/* Only a link-local address says where it came in. */
static void source_of(const struct link *l, const union udp_addr *peer, struct udp_source *from)
{
	*from = (struct udp_source){ .addr = { .v6 = IN6ADDR_ANY_INIT },
				     .port = peer->v4.sin_port };
	if (l->conf->family == AF_INET) {
		from->addr.v4 = peer->v4.sin_addr;
		return;
	}
	from->addr.v6 = peer->v6.sin6_addr;
	from->ifindex = peer->v6.sin6_scope_id;
}

static void on_listen(void *ctx, unsigned int ready, struct mono now)
{
	struct link *leader = ctx;

	(void)ready;
	for (unsigned int round = 0; round < ACCEPT_ROUNDS; round++) {
		union udp_addr peer = { 0 };
		socklen_t len = sizeof(peer);
		union channel_addr as;
		struct udp_source from;
		struct link *l;
		int fd = accept4(leader->rx, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -1 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			pause_listening(leader, now);
		if (fd == -1)
			return;
		source_of(leader, &peer, &from);
		l = unicast_hear(leader, &from, now, &as);
		if (l && l->tcp.open)
			adopt_conn(l, fd, &from, &as, now);
		else
			close(fd);
	}
}

/* ---- lifetime ---- */

static int bind_listener(struct link *l)
{
	const struct channel_link_conf *c = l->conf;
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, unicast_rx_addr(l), c->port, &local);
	int ret;

	l->rx = socket(c->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->rx == -1)
		return -errno;
	/* For the connections of a daemon that has just ended. Two that listen still cannot share
	 * the port. */
	ret = set_int(l->rx, SOL_SOCKET, SO_REUSEADDR, 1);
	if (ret == 0 && c->family == AF_INET6)
		ret = set_int(l->rx, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (ret == 0)
		ret = unicast_allow_absent(l, l->rx);
	if (ret == 0)
		ret = unicast_bind_device(l, l->rx);
	if (c->rcv_buffer)
		link_set_buffer(l->rx, SO_RCVBUFFORCE, SO_RCVBUF, c->rcv_buffer);
	if (ret == 0 && (bind(l->rx, &local.sa, len) == -1 || listen(l->rx, BACKLOG) == -1))
		ret = -errno;
	return ret;
}

static int open_listener(struct link *l, struct text *err)
{
	char text[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	int ret = bind_listener(l);

	if (ret < 0)
		text_printf(err, "%s: TCP address %s (%s), port %u (Port): %s",
			    link_place(l,
				       ret == -EADDRINUSE ? &l->conf->port_at : &l->conf->local_at,
				       at),
			    link_addr_text(l, unicast_rx_addr(l), text), link_local_keyword(l),
			    l->conf->port, strerror(-ret));
	if (ret == -EADDRINUSE)
		port_owner_text("tcp", l->conf->port, err);
	return ret;
}

int tcp_recv_open(struct link *l, struct text *err)
{
	int ret = 0;

	if (!l->leader)
		l->leader = l;
	if (l->leader == l)
		ret = open_listener(l, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < LINK_CONNS; i++)
		l->tcp.conn[i] = (struct link_conn){ .link = l, .fd = -1 };
	l->tcp.open = true;
	return 0;
}

int tcp_recv_start(struct link *l)
{
	l->tcp.listen_timer =
		(struct ev_timer){ .cb = on_listen_timer, .ctx = l, .name = "link listen" };
	l->rx_io = (struct ev_io){ .fd = l->rx,
				   .want = EV_READ,
				   .prio = 1,
				   .cb = on_listen,
				   .ctx = l,
				   .name = "link listen" };
	return l->rx != -1 ? ev_io_add(l->loop, &l->rx_io) : 0;
}

void tcp_recv_stop(struct link *l)
{
	for (unsigned int i = 0; i < LINK_CONNS; i++) {
		drop_conn(&l->tcp.conn[i]);
		free(l->tcp.conn[i].buf);
		l->tcp.conn[i].buf = NULL;
	}
	ev_timer_del(l->loop, &l->tcp.listen_timer);
	l->tcp.open = false;
}

bool tcp_recv_any(const struct link *l)
{
	for (unsigned int i = 0; l->tcp.open && i < LINK_CONNS; i++) {
		if (l->tcp.conn[i].fd != -1)
			return true;
	}
	return false;
}
