/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP to one peer, IPv4 and IPv6, as 1.4.x does it: each node listens and connects, so a pair has two connections, each
 * used in one direction. Options: doc/protocol.md section 8.
 *
 *   sending side     IDLE --(now, or a second after the last try)--> CONNECTING --> CONNECTED
 *                      ^------------- refused, timed out, broken ---------'-------------'
 *
 * Nothing here blocks and nothing here fails for good: the link may be down or without a route when the daemon starts.
 *
 * Order and boundaries. What waits belongs to the channel; `part` is how much of the first waiting datagram this
 * connection has taken. A connection that breaks takes its part along, and the next one gets that datagram from its
 * beginning: a message is never continued on another connection. What a broken connection had taken and not delivered
 * is lost, which the protocol above notices by the numbers.
 *
 * The receiving side has one connection. The peer connects again when it believes the old one dead, so a new connection
 * takes the place of the old, of which first everything is read that has arrived. Whoever else connects is refused.
 * Each connection has a buffer of its own: an incomplete message ends with its connection. */
#include "channel/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/port_owner.h"
#include "channel/speaker.h"
#include "channel/udp_sock.h"
#include "channel/unicast.h"

#define OVERHEAD_V4	40	/* IP and TCP headers, bytes */
#define OVERHEAD_V6	60
#define RETRY_MS	1000
#define CONNECT_MS	3000	/* for one try: the kernel would go on for minutes, at longer and longer intervals */
#define GRACE_MS	2000	/* a connection that returns within this time is no reason to use another link */
#define USER_TIMEOUT_MS	10000	/* nothing acknowledged for so long: the connection is dead */
#define KEEP_IDLE_S	5	/* likewise where only the peer sends */
#define KEEP_INTERVAL_S	2
#define KEEP_COUNT	5
#define RX_BYTES	(2u * 65536u)	/* more than the longest message */
#define RX_ROUNDS	8u	/* reads per wake-up, then others get their turn */
#define DRAIN_ROUNDS	256u	/* reads from a connection that another one replaces */
#define ACCEPT_ROUNDS	8u
#define BACKLOG		4
#define SEND_IOV	32u
#define LINES		6	/* about connections, at once; then one per minute */
#define LINE_MS		60000

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == -1 ? -errno : 0;
}

static bool may_log(struct link *l, struct mono now)
{
	return log_limit_pass(&l->tcp.lines, LINES, LINE_MS, now, NULL);
}

static const char *dest_text(const struct link *l, char buf[INET6_ADDRSTRLEN])
{
	return link_addr_text(l, &l->conf->dest, buf);
}

/* ---- the sending side ---- */

static void drop_tx(struct link *l)
{
	struct link_tcp *t = &l->tcp;

	ev_io_del(l->loop, &l->tx_io);
	ev_timer_del(l->loop, &t->timer);
	if (l->tx != -1)
		close(l->tx);
	l->tx = -1;
	t->part = 0;
	t->state = LINK_TCP_IDLE;
}

/* At most one try per second. */
static void try_later(struct link *l, struct mono now)
{
	struct mono due = mono_add_ms(l->tcp.tried, RETRY_MS);

	drop_tx(l);
	ev_timer_set(l->loop, &l->tcp.timer, mono_before(due, now) ? now : due);
}

/* A try has failed: said once until one succeeds. */
static void try_failed(struct link *l, int err, struct mono now)
{
	char dest[INET6_ADDRSTRLEN];

	l->stats.sent_errors++;
	if (!l->tcp.said_failed)
		log_notice("line %u: TCP link: no connection to %s (%s), port %u yet: %s; trying once a second",
			   l->conf->line, dest_text(l, dest), unicast_dest_keyword(l), l->conf->port, strerror(err));
	l->tcp.said_failed = true;
	l->up->suspect(l);
	try_later(l, now);
}

static void lose_tx(struct link *l, const char *why, struct mono now)
{
	char dest[INET6_ADDRSTRLEN];

	if (may_log(l, now))
		log_notice("line %u: TCP link: the connection to %s (%s) has ended: %s", l->conf->line,
			   dest_text(l, dest), unicast_dest_keyword(l), why);
	l->tcp.lost_at = now;
	l->up->suspect(l);
	try_later(l, now);
}

static void connected(struct link *l, struct mono now)
{
	char dest[INET6_ADDRSTRLEN];

	if (may_log(l, now) || l->tcp.said_failed)
		log_notice("line %u: TCP link: connected to %s (%s), port %u", l->conf->line, dest_text(l, dest),
			   unicast_dest_keyword(l), l->conf->port);
	l->tcp.said_failed = false;
	l->tcp.state = LINK_TCP_CONNECTED;
	ev_timer_del(l->loop, &l->tcp.timer);
	ev_io_want(l->loop, &l->tx_io, EV_READ);
	l->up->writable(l, now);
}

/* The peer sends nothing this way: what can be read is the end. */
static void look_for_end(struct link *l, struct mono now)
{
	uint8_t waste[4096];
	ssize_t n = recv(l->tx, waste, sizeof(waste), MSG_DONTWAIT);

	if (n == 0)
		lose_tx(l, "closed by the peer", now);
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		lose_tx(l, strerror(errno), now);
}

static void on_tx(void *ctx, unsigned int ready, struct mono now)
{
	struct link *l = ctx;
	socklen_t len = sizeof(int);
	int err = 0;

	if (l->tcp.state == LINK_TCP_CONNECTING) {
		if (getsockopt(l->tx, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
			err = errno;
		if (err != 0)
			try_failed(l, err, now);
		else
			connected(l, now);
		return;
	}
	if (ready & EV_READ)
		look_for_end(l, now);
	if ((ready & EV_WRITE) && l->tcp.state == LINK_TCP_CONNECTED)
		l->up->writable(l, now);
}

/* A socket on its way to the peer. 0 or -errno; in both cases what was opened is in l->tx. */
static int begin_connect(struct link *l)
{
	const struct channel_link_conf *c = l->conf;
	union udp_addr dest;
	socklen_t len = udp_sock_addr(l, &c->dest, c->port, &dest);
	int ret;

	l->tx = socket(c->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->tx == -1)
		return -errno;
	if (c->snd_buffer)
		link_set_buffer(l->tx, SO_SNDBUFFORCE, SO_SNDBUF, c->snd_buffer);
	set_int(l->tx, IPPROTO_TCP, TCP_NODELAY, 1);	/* we fill packets ourselves */
	set_int(l->tx, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	set_int(l->tx, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(l->tx, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_int(l->tx, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	ret = unicast_bind_tx(l, l->tx);
	if (ret < 0)
		return ret;
	if (connect(l->tx, &dest.sa, len) == -1 && errno != EINPROGRESS)
		return -errno;
	l->tx_io = (struct ev_io){ .fd = l->tx, .want = EV_WRITE, .prio = 1, .cb = on_tx, .ctx = l, .name = "link send" };
	return ev_io_add(l->loop, &l->tx_io);
}

static void on_timer(void *ctx, struct mono now)
{
	struct link *l = ctx;
	int ret;

	if (l->tcp.state == LINK_TCP_CONNECTING) {
		try_failed(l, ETIMEDOUT, now);
		return;
	}
	l->tcp.tried = now;
	ret = begin_connect(l);
	if (ret < 0) {
		try_failed(l, -ret, now);
		return;
	}
	l->tcp.state = LINK_TCP_CONNECTING;
	ev_timer_set(l->loop, &l->tcp.timer, mono_add_ms(now, CONNECT_MS));
}

/* How many of the datagrams are whole in the first `bytes`; the rest is a part of the next one. */
static unsigned int count_whole(const struct iovec *iov, unsigned int n, size_t bytes, size_t *part)
{
	unsigned int whole = 0;

	while (whole < n && bytes >= iov[whole].iov_len)
		bytes -= iov[whole++].iov_len;
	*part = bytes;
	return whole;
}

static int tcp_send(struct link *l, const struct iovec *iov, unsigned int n)
{
	struct link_tcp *t = &l->tcp;
	struct iovec rest[SEND_IOV];
	struct msghdr msg = { .msg_iov = rest };
	unsigned int whole;
	ssize_t sent;

	if (t->state != LINK_TCP_CONNECTED)
		return -ENOTCONN;
	if (n > SEND_IOV)
		n = SEND_IOV;
	memcpy(rest, iov, n * sizeof(*iov));
	rest[0].iov_base = (uint8_t *)rest[0].iov_base + t->part;
	rest[0].iov_len -= t->part;
	msg.msg_iovlen = n;
	sent = sendmsg(l->tx, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent == -1) {
		int err = errno;

		if (err == EAGAIN || err == EINTR || err == ENOBUFS || err == ENOMEM)
			return err == ENOMEM ? -ENOBUFS : -err;
		l->stats.sent_errors++;
		lose_tx(l, strerror(err), evloop_now(l->loop));
		return -ENOTCONN;
	}
	whole = count_whole(iov, n, t->part + (size_t)sent, &t->part);
	return whole > 0 ? (int)whole : -EAGAIN;
}

static void tcp_want(struct link *l, bool writable)
{
	if (l->tcp.state == LINK_TCP_CONNECTED)
		ev_io_want(l->loop, &l->tx_io, writable ? EV_READ | EV_WRITE : EV_READ);
}

/* ---- the receiving side ---- */

static void drop_conn(struct link *l)
{
	struct link_tcp *t = &l->tcp;

	if (t->conn == -1)
		return;
	ev_io_del(l->loop, &t->conn_io);
	close(t->conn);
	t->conn = -1;
	t->have = 0;
}

static void lose_conn(struct link *l, const char *why, struct mono now)
{
	char addr[INET6_ADDRSTRLEN];

	if (may_log(l, now))
		log_notice("line %u: TCP link: the connection from %s has ended: %s", l->conf->line,
			   link_addr_text(l, &l->tcp.from.addr, addr), why);
	drop_conn(l);
}

/* Hand over the whole messages; what is left is the beginning of one. False if the bytes cannot be trusted. */
static bool deliver(struct link *l, struct mono now)
{
	struct link_tcp *t = &l->tcp;
	struct link_rx_item item = { .bytes = t->buf, .from = {
		.family = (uint8_t)l->conf->family, .link = l->number,
	} };
	ssize_t len;

	while ((len = l->up->frame(l, t->buf + item.len, t->have - item.len)) > 0)
		item.len += (size_t)len;
	if (item.len > 0) {
		memcpy(item.from.addr, &l->conf->dest,
		       l->conf->family == AF_INET ? sizeof(l->conf->dest.v4) : sizeof(l->conf->dest.v6));
		l->up->heard(l, &item, now);
		t->have -= item.len;
		memmove(t->buf, t->buf + item.len, t->have);
	}
	return len == 0;
}

/* Read once. False when there is no more for now, or the connection has ended. */
static bool read_conn(struct link *l, struct mono now)
{
	struct link_tcp *t = &l->tcp;
	ssize_t n = recv(t->conn, t->buf + t->have, RX_BYTES - t->have, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == -1) {
		l->stats.recv_errors++;
		lose_conn(l, strerror(errno), now);
		return false;
	}
	if (n == 0) {
		lose_conn(l, "closed by the peer", now);
		return false;
	}
	if (!speaker_may(l, &t->from, now)) {	/* one that was adopted until the configured address speaks */
		drop_conn(l);
		return false;
	}
	t->have += (size_t)n;
	l->stats.recv_pkts++;
	l->stats.recv_bytes += (size_t)n;
	if (deliver(l, now))
		return true;
	l->stats.recv_errors++;
	lose_conn(l, "what it sent are no messages", now);
	return false;
}

static void on_conn(void *ctx, unsigned int ready, struct mono now)
{
	struct link *l = ctx;

	(void)ready;
	for (unsigned int round = 0; round < RX_ROUNDS && l->tcp.conn != -1; round++) {
		if (!read_conn(l, now))
			return;
	}
}

/* Take the connection in place of the one there is. */
static void adopt_conn(struct link *l, int fd, const struct udp_source *from, struct mono now)
{
	struct link_tcp *t = &l->tcp;
	char addr[INET6_ADDRSTRLEN];

	for (unsigned int round = 0; round < DRAIN_ROUNDS && t->conn != -1 && read_conn(l, now); round++)
		;
	drop_conn(l);
	t->conn_io = (struct ev_io){ .fd = fd, .want = EV_READ, .prio = 1, .cb = on_conn, .ctx = l, .name = "link" };
	if (ev_io_add(l->loop, &t->conn_io) < 0) {
		l->stats.recv_errors++;
		close(fd);
		return;
	}
	t->conn = fd;
	t->from = *from;
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
	if (may_log(l, now))
		log_notice("line %u: TCP link: connected from %s", l->conf->line, link_addr_text(l, &from->addr, addr));
}

/* No descriptor left: the listening socket would stay readable and keep us busy. */
static void pause_listening(struct link *l, struct mono now)
{
	l->stats.recv_errors++;
	ev_io_want(l->loop, &l->rx_io, 0);
	ev_timer_set(l->loop, &l->tcp.listen_timer, mono_add_ms(now, RETRY_MS));
}

static void on_listen_timer(void *ctx, struct mono now)
{
	struct link *l = ctx;

	(void)now;
	ev_io_want(l->loop, &l->rx_io, EV_READ);
}

static void on_listen(void *ctx, unsigned int ready, struct mono now)
{
	struct link *l = ctx;

	(void)ready;
	for (unsigned int round = 0; round < ACCEPT_ROUNDS; round++) {
		struct udp_source from = { .addr = { .v6 = IN6ADDR_ANY_INIT }, .ifindex = l->ifindex };
		union udp_addr peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = accept4(l->rx, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -1 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			pause_listening(l, now);
		if (fd == -1)
			return;
		if (l->conf->family == AF_INET)
			from.addr.v4 = peer.v4.sin_addr;
		else
			from.addr.v6 = peer.v6.sin6_addr;
		if (speaker_may(l, &from, now))
			adopt_conn(l, fd, &from, now);
		else
			close(fd);
	}
}

/* ---- opening ---- */

static int bind_listener(struct link *l)
{
	const struct channel_link_conf *c = l->conf;
	union udp_addr local;
	socklen_t len = udp_sock_addr(l, &c->local, c->port, &local);
	int ret;

	l->rx = socket(c->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->rx == -1)
		return -errno;
	/* For the connections of a daemon that has just ended. Two that listen still cannot share the port. */
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
			    link_place(l, ret == -EADDRINUSE ? &l->conf->port_at : &l->conf->local_at, at),
			    link_addr_text(l, &l->conf->local, text), unicast_local_keyword(l), l->conf->port,
			    strerror(-ret));
	if (ret == -EADDRINUSE)
		port_owner_text("tcp", l->conf->port, err);
	return ret;
}

static int tcp_open(struct link *l, struct text *err)
{
	int ret = unicast_find_interface(l, err);

	if (ret == 0)
		ret = open_listener(l, err);
	if (ret < 0)
		return ret;
	l->tcp.buf = malloc(RX_BYTES);
	if (!l->tcp.buf) {
		text_str(err, "no memory for the buffer of a TCP link");
		return -ENOMEM;
	}
	l->tcp.conn = -1;
	unicast_warn_unreachable(l);
	return 0;
}

static int tcp_start(struct link *l)
{
	struct link_tcp *t = &l->tcp;
	int ret;

	t->timer = (struct ev_timer){ .cb = on_timer, .ctx = l, .name = "link connect" };
	t->listen_timer = (struct ev_timer){ .cb = on_listen_timer, .ctx = l, .name = "link listen" };
	l->rx_io = (struct ev_io){ .fd = l->rx, .want = EV_READ, .prio = 1, .cb = on_listen, .ctx = l,
				   .name = "link listen" };
	ret = ev_io_add(l->loop, &l->rx_io);
	t->lost_at = evloop_now(l->loop);
	if (ret == 0)
		ret = ev_timer_set(l->loop, &t->timer, evloop_now(l->loop));
	return ret;
}

static void tcp_stop(struct link *l)
{
	if (!l->tcp.buf)
		return;		/* not opened */
	drop_conn(l);
	drop_tx(l);
	ev_timer_del(l->loop, &l->tcp.listen_timer);
	free(l->tcp.buf);
	l->tcp.buf = NULL;
}

static bool tcp_ready(const struct link *l, struct mono now)
{
	const struct link_tcp *t = &l->tcp;

	return t->state == LINK_TCP_CONNECTED ||
	       (mono_is_set(t->lost_at) && mono_diff_ms(now, t->lost_at) < GRACE_MS);
}

/* A datagram was cut in two, and its other half goes another way: nothing can follow on this connection. */
static void tcp_leave(struct link *l, struct mono now)
{
	if (l->tcp.part > 0)
		lose_tx(l, "another link sends", now);
	tcp_want(l, false);
}

static void tcp_stats(const struct link *l, struct channel_link_stats *out)
{
	out->connections = true;
	out->server_connected = l->tcp.buf && l->tcp.conn != -1;
	out->client_connected = l->tcp.state == LINK_TCP_CONNECTED;
}

const struct link_ops tcp_ops = {
	.kind = "TCP",
	.unit = "connection",
	.overhead_v4 = OVERHEAD_V4,
	.overhead_v6 = OVERHEAD_V6,
	.open = tcp_open,
	.start = tcp_start,
	.stop = tcp_stop,
	.send = tcp_send,
	.want = tcp_want,
	.ready = tcp_ready,
	.leave = tcp_leave,
	.stats = tcp_stats,
};
