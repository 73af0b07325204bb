/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP, IPv4 and IPv6, as 1.4.x does it: each node listens and connects, so a pair has two
 * connections, each used in one direction. Options: doc/protocol.md section 8.
 *
 *   sending side     IDLE --(now, or a second after the last try)--> CONNECTING --> CONNECTED
 *                      ^------------- refused, timed out, broken ---------'-------------'
 *
 * Nothing here blocks and nothing here fails for good: the link may be down or without a route when
 * the daemon starts.
 *
 * Order and boundaries. What waits belongs to the channel; `part` is how much of the first waiting
 * datagram this connection has taken. A connection that breaks takes its part along, and the next
 * one gets that datagram from its beginning: a message is never continued on another connection.
 * What a broken connection had taken and not delivered is lost, which the protocol above notices by
 * the numbers.
 *
 * The receiving side is tcp_recv.c. */
#include "channel/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/udp_sock.h"
#include "channel/unicast.h"

#define OVERHEAD_V4 40 /* IP and TCP headers, bytes */
#define OVERHEAD_V6 60
#define RETRY_MS    1000
/* for one try: the kernel would go on for minutes, at longer and longer intervals */
#define CONNECT_MS 3000
/* a connection that returns within this time is no reason to use another link */
#define GRACE_MS 2000
/* nothing acknowledged for so long: the connection is dead */
#define USER_TIMEOUT_MS 10000
#define KEEP_IDLE_S	5 /* likewise where only the peer sends */
#define KEEP_INTERVAL_S 2
#define SEND_IOV	32u
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
		log_notice("line %u: TCP link: no connection to %s (%s), port %u yet: %s; trying "
			   "once a second",
			   l->conf->line, dest_text(l, dest), link_dest_keyword(l), l->conf->port,
			   strerror(err));
	l->tcp.said_failed = true;
	l->up->suspect(l);
	try_later(l, now);
}

static void lose_tx(struct link *l, const char *why, struct mono now)
{
	char dest[INET6_ADDRSTRLEN];

	if (may_log(l, now))
		log_notice("line %u: TCP link: the connection to %s (%s) has ended: %s",
			   l->conf->line, dest_text(l, dest), link_dest_keyword(l), why);
	l->tcp.lost_at = now;
	l->up->suspect(l);
	try_later(l, now);
}

static void connected(struct link *l, struct mono now)
{
	char dest[INET6_ADDRSTRLEN];

	if (may_log(l, now) || l->tcp.said_failed)
		log_notice("line %u: TCP link: connected to %s (%s), port %u", l->conf->line,
			   dest_text(l, dest), link_dest_keyword(l), l->conf->port);
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

	if (l->default_route_only)
		return -ENETUNREACH;
	l->tx = socket(c->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->tx == -1)
		return -errno;
	if (c->snd_buffer)
		link_set_buffer(l->tx, SO_SNDBUFFORCE, SO_SNDBUF, c->snd_buffer);
	set_int(l->tx, IPPROTO_TCP, TCP_NODELAY, 1); /* we fill packets ourselves */
	set_int(l->tx, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	set_int(l->tx, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(l->tx, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set_int(l->tx, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	ret = unicast_bind_tx(l, l->tx);
	if (ret < 0)
		return ret;
	if (connect(l->tx, &dest.sa, len) == -1 && errno != EINPROGRESS)
		return -errno;
	l->tx_io = (struct ev_io){
		.fd = l->tx, .want = EV_WRITE, .prio = 1, .cb = on_tx, .ctx = l, .name = "link send"
	};
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

	if (l->default_route_only && t->state == LINK_TCP_CONNECTED)
		lose_tx(l, "the route leads elsewhere", evloop_now(l->loop));
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

/* ---- opening ---- */

static int tcp_open(struct link *l, struct text *err)
{
	int ret = unicast_find_interface(l, err);

	if (ret == 0)
		ret = tcp_recv_open(l, err);
	if (ret == 0)
		unicast_warn_unreachable(l);
	return ret;
}

static int tcp_start(struct link *l)
{
	struct link_tcp *t = &l->tcp;
	int ret = tcp_recv_start(l);

	t->timer = (struct ev_timer){ .cb = on_timer, .ctx = l, .name = "link connect" };
	t->lost_at = evloop_now(l->loop);
	if (ret == 0)
		ret = ev_timer_set(l->loop, &t->timer, evloop_now(l->loop));
	return ret;
}

static void tcp_stop(struct link *l)
{
	if (!l->tcp.open)
		return;
	drop_tx(l);
	tcp_recv_stop(l);
}

static bool tcp_ready(const struct link *l, struct mono now)
{
	const struct link_tcp *t = &l->tcp;

	return t->state == LINK_TCP_CONNECTED ||
	       (mono_is_set(t->lost_at) && mono_diff_ms(now, t->lost_at) < GRACE_MS);
}

/* A datagram was cut in two, and its other half goes another way: nothing can follow on this
 * connection. */
static void tcp_leave(struct link *l, struct mono now)
{
	if (l->tcp.part > 0)
		lose_tx(l, "another link sends", now);
	tcp_want(l, false);
}

static void tcp_stats(const struct link *l, struct channel_link_stats *out)
{
	out->connections = true;
	out->server_connected = tcp_recv_any(l);
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
