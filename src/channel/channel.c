/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dedicated links as one object: receives on all, sends on the active one.
 *
 * Sending: finished datagrams wait in a ring (batch.c) and leave with one system call. What the
 * socket does not take stays there in order; when the ring is full too, channel_datagram() gives
 * NULL and the owner keeps its queue until writable() is called. So a full socket is back-pressure
 * and never a loss.
 *
 * A datagram that can never leave (the interface is down, there is no route) is given up and
 * counted: it would hold up everything behind it, and the protocol above repairs what is missing
 * when the link is back. A TCP link without a connection holds up everything as well; there
 * ErrorQueueLength says how many datagrams wait, the oldest is given up.
 *
 * An interface that is removed and made again (a VLAN, a bond, a restart of the network scripts) is
 * another one for the kernel: multicast groups and bound sockets stay with the old one. What goes
 * wrong then, datagrams that cannot be sent or that come in on "another" interface, makes us look,
 * and open the sockets of the link anew. An interface or address that is not there at the start is
 * waited for in the same way. */
#include "channel/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/batch.h"
#include "channel/ifwatch.h"
#include "channel/link.h"
#include "channel/multi.h"
#include "channel/speaker.h"
#include "channel/unicast.h"

#define SEND_BATCH  32u
#define RECV_ROUNDS 8u /* per wake-up: 256 datagrams, then others get their turn */
/* Datagrams gather from this rate on, longer than events: no packet and no connection waits for
 * them. But not when a pass found many: then a whole table is coming in, as fast as we take it. */
#define GATHER_PER_S 750u
#define GATHER_RX_MS 2
#define GATHER_MOST  LINK_RX_SLOTS
#define LOOK_MS	     1000
#define SETTLE_MS    200 /* an interface that has just been made gets its address now */
#define WATCH_MS     500 /* with several links */
#define WATCH_ONE_MS 1000
#define DEAF_MS	     10000 /* a peer speaks once a second */
/* looking at all links costs something, and every datagram may ask for it */
#define LOOK_AGAIN_MS 100
/* so long without an error, and datagrams have left meanwhile: it is over */
#define SENT_AGAIN_MS  3000
#define UNSENT_LINES   5 /* at once; then one per minute */
#define UNSENT_LINE_MS 60000
/* the device queue was full: the socket stays writable, so a timer has to wake us */
#define RETRY_MS 2

struct channel {
	struct evloop *loop;
	struct channel_cb cb;
	struct link link[CHANNEL_LINKS_MAX];
	size_t n_links;
	struct multi multi;
	struct ifwatch ifwatch;
	struct ev_timer watch; /* looks at addresses, routes and silence */
	struct mono looked;    /* at the state of the links, last time */
	bool none;	       /* no link is usable: that was said */
	struct batch batch;
	unsigned int rounds; /* of reception per wake-up */
	/* LINK_RX_SLOTS buffers of LINK_DATAGRAM_MAX bytes: touched as far as used */
	uint8_t *rx_mem;
	struct ev_timer retry;
	struct ev_timer look; /* at the interfaces: something was wrong with a link */
	uint32_t keep;	      /* datagrams that wait for a TCP connection */
	uint64_t given_up;    /* because there were more */
	bool refused;	      /* channel_datagram() gave NULL since the last writable() */
};

static void suspect_interfaces(struct channel *c)
{
	if (!ev_timer_armed(&c->look))
		ev_timer_set(c->loop, &c->look, mono_add_ms(evloop_now(c->loop), LOOK_MS));
}

/* ---- sending ---- */

static void wait_writable(struct channel *c, bool wait)
{
	struct link *l = &c->link[c->multi.active];

	if (l->ops->want)
		l->ops->want(l, wait);
	else if (l->tx_io.added)
		ev_io_want(c->loop, &l->tx_io, wait ? EV_WRITE : 0);
}

/* There is no connection: what is new is worth more than what is old. */
static void keep_newest(struct channel *c, struct link *l)
{
	uint32_t have = batch_waiting(&c->batch);
	uint32_t old = have > c->keep ? have - c->keep : 0;

	batch_drop(&c->batch, old);
	c->given_up += old;
	l->stats.sent_errors += old;
}

/* ---- which link sends ---- */

/* Largest payload: 1.4.x appends a message only while the sum stays below MTU minus headers, and
 * messages are multiples of four. The true headers of IPv6 are counted, which 1.4.x does not do. An
 * MTU too small for a message is answered by fragments, not by never sending it. */
static size_t payload_cap(const struct link *l)
{
	size_t overhead = l->conf->family == AF_INET ? l->ops->overhead_v4 : l->ops->overhead_v6;
	size_t limit = l->mtu > overhead ? l->mtu - overhead - 1 : 0;

	limit &= ~(size_t)3;
	return limit > CHANNEL_MIN_PAYLOAD ? limit : CHANNEL_MIN_PAYLOAD;
}

static void look_at_links(struct channel *c, struct mono now)
{
	c->looked = now;
	for (size_t i = 0; i < c->n_links; i++) {
		struct link *l = &c->link[i];

		link_look(l, &c->ifwatch, now);
		multi_set_usable(&c->multi, i,
				 l->state == LINK_STATE_UP &&
					 (!l->ops->ready || l->ops->ready(l, now)),
				 now);
	}
	batch_set_cap(&c->batch, payload_cap(&c->link[c->multi.active]));
}

/* Packets for a peer that was a neighbour do not go through a default route elsewhere: they carry
 * all connections. */
static int send_some(struct link *l, const struct iovec *iov, unsigned int n)
{
	if (l->tx == -1 && !l->ops->start)
		return -ENODEV;
	return l->default_route_only ? -ENETUNREACH : l->ops->send(l, iov, n);
}

/* From now on another link sends; what waits leaves through it, however large its datagrams are. */
static void switch_to(struct channel *c, size_t to, struct mono now)
{
	struct link *old = &c->link[c->multi.active];

	if (old->tx != -1)
		wait_writable(c, false);
	if (old->ops->leave)
		old->ops->leave(old, now);
	multi_switch(&c->multi, to, now);
	batch_set_cap(&c->batch, payload_cap(&c->link[to]));
	log_notice("device `%s' becomes dedicated link", c->link[to].conf->ifname);
}

/* True if another link sends now. */
static bool reconsider(struct channel *c, struct mono now)
{
	size_t to;

	if (c->n_links < 2)
		return false;
	to = multi_choose(&c->multi, now);
	if (multi_none(&c->multi) && !c->none)
		log_errx("no dedicated links available!");
	c->none = multi_none(&c->multi);
	if (to == c->multi.active)
		return false;
	switch_to(c, to, now);
	return true;
}

/* A datagram cannot leave. Is there another way for it? */
static bool another_way(struct channel *c)
{
	struct mono now = evloop_now(c->loop);

	if (c->n_links < 2 ||
	    (mono_is_set(c->looked) && mono_diff_ms(now, c->looked) < LOOK_AGAIN_MS))
		return false;
	look_at_links(c, now);
	return reconsider(c, now);
}

/* What is said about them can wait for the next watch, which knows the state of the link. */
static void note_unsent(struct link *l, int err, struct mono now)
{
	if (!mono_is_set(l->unsent.since)) {
		l->unsent.since = now;
		l->unsent.before = l->unsent.n;
	}
	l->unsent.n++;
	l->unsent.err = err;
	l->unsent.last = now;
	l->unsent.sent = l->stats.sent_pkts;
}

/* Hand to the socket what is waiting, until it takes no more. */
static void send_waiting(struct channel *c)
{
	struct iovec iov[SEND_BATCH];
	unsigned int n;

	while ((n = batch_peek(&c->batch, iov, SEND_BATCH)) > 0) {
		struct link *l = &c->link[c->multi.active];
		int sent = send_some(l, iov, n);

		if (sent == -EAGAIN || sent == -EINTR) {
			wait_writable(c, true);
			return;
		}
		if (sent == -ENOBUFS || sent == -ENOMEM) {
			ev_timer_set(c->loop, &c->retry,
				     mono_add_ms(evloop_now(c->loop), RETRY_MS));
			return;
		}
		if (sent == -ENOTCONN) {
			keep_newest(c, l);
			return;
		}
		if (sent < 0 && another_way(c))
			continue;
		if (sent < 0) {
			l->stats.sent_errors++;
			note_unsent(l, -sent, evloop_now(c->loop));
			suspect_interfaces(c);
			sent = 1;
		} else {
			l->stats.sent_pkts += (unsigned int)sent;
			for (int i = 0; i < sent; i++)
				l->stats.sent_bytes += iov[i].iov_len;
		}
		batch_drop(&c->batch, (unsigned int)sent);
	}
	wait_writable(c, false);
}

void channel_flush(void *channel)
{
	struct channel *c = channel;

	send_waiting(c);
	/* The socket will not be waited for any more, so nothing else would tell the owner that
	 * there is room again. From the loop, because the owner is in the middle of something. */
	if (c->refused && batch_waiting(&c->batch) == 0)
		ev_timer_set(c->loop, &c->retry, evloop_now(c->loop));
}

static void tell_writable(struct channel *c, struct mono now)
{
	if (!c->refused || batch_full(&c->batch))
		return;
	c->refused = false;
	c->cb.writable(c->cb.ctx, now);
}

static void on_writable(struct link *l, struct mono now)
{
	if (l != &l->owner->link[l->owner->multi.active])
		return;
	send_waiting(l->owner);
	tell_writable(l->owner, now);
}

static void on_retry(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	send_waiting(c);
	tell_writable(c, now);
}

struct writer *channel_datagram(void *channel)
{
	struct channel *c = channel;
	struct writer *w = batch_current(&c->batch);

	if (!w)
		c->refused = true;
	return w;
}

bool channel_even(void *channel)
{
	const struct channel *c = channel;

	return c->link[c->multi.active].segments;
}

void channel_send(void *channel)
{
	struct channel *c = channel;

	if (batch_finish(&c->batch))
		channel_flush(c);
}

/* ---- receiving ---- */

static void on_heard(struct link *l, const struct link_rx_item *item, struct mono now)
{
	multi_heard(&l->owner->multi, l->number, now);
	l->owner->cb.datagram(l->owner->cb.ctx, &item->from, item->bytes, item->len, now);
}

static ssize_t on_frame(struct link *l, const uint8_t *bytes, size_t n)
{
	return l->owner->cb.frame(l->owner->cb.ctx, bytes, n);
}

/* Read until there is nothing left or it is the others' turn. */
static void receive(struct channel *c, struct link *l, struct mono now)
{
	struct link_rx rx = { .mem = c->rx_mem };
	uint64_t refused = l->stats.refused_interface;
	unsigned int got = LINK_RX_SLOTS, n = 0;

	for (unsigned int round = 0; round < c->rounds && got == LINK_RX_SLOTS; round++) {
		got = l->ops->recv(l, &rx, now);
		n += got;
		for (unsigned int i = 0; i < rx.n; i++) {
			const struct link_rx_item *item = &rx.item[i];

			item->link->stats.recv_pkts++;
			item->link->stats.recv_bytes += item->len;
			on_heard(item->link, item, now);
		}
	}
	if (l->stats.refused_interface != refused)
		suspect_interfaces(c);
	gather_count(&l->gather, n, GATHER_PER_S, now);
	if (l->gather.on && n < GATHER_MOST && c->rounds == RECV_ROUNDS &&
	    ev_timer_set(c->loop, &l->rx_timer, mono_add_ms(clock_now(), GATHER_RX_MS)) == 0)
		ev_io_want(c->loop, &l->rx_io, 0);
	else
		ev_io_want(c->loop, &l->rx_io, EV_READ);
}

static void on_rx(void *ctx, unsigned int ready, struct mono now)
{
	struct link *l = ctx;

	(void)ready;
	receive(l->owner, l, now);
}

static void on_rx_timer(void *ctx, struct mono now)
{
	struct link *l = ctx;

	receive(l->owner, l, now);
}

/* ---- lifetime ---- */

static void on_tx(void *ctx, unsigned int ready, struct mono now)
{
	(void)ready;
	on_writable(ctx, now);
}

static void on_suspect(struct link *l)
{
	suspect_interfaces(l->owner);
}

static const struct link_up link_up = {
	.heard = on_heard,
	.frame = on_frame,
	.writable = on_writable,
	.suspect = on_suspect,
};

static int start_link(struct channel *c, struct link *l)
{
	int ret;

	if (l->ops->start)
		return l->ops->start(l);
	l->rx_timer = (struct ev_timer){ .cb = on_rx_timer, .ctx = l, .name = "link (gathered)" };
	l->rx_io = (struct ev_io){
		.fd = l->rx, .want = EV_READ, .prio = 1, .cb = on_rx, .ctx = l, .name = "link"
	};
	l->tx_io = (struct ev_io){
		.fd = l->tx, .want = 0, .prio = 1, .cb = on_tx, .ctx = l, .name = "link send"
	};
	ret = l->rx != -1 ? ev_io_add(c->loop, &l->rx_io) : 0; /* -1: another link's is used */
	return ret == 0 ? ev_io_add(c->loop, &l->tx_io) : ret;
}

static int open_link(struct channel *c, struct link *l, struct text *err)
{
	int ret;

	ret = l->ops->open(l, err);
	if (ret < 0)
		return ret;
	if (!if_indextoname(l->ifindex, l->carrier))
		memcpy(l->carrier, l->conf->ifname, sizeof(l->carrier));
	l->mtu = link_read_mtu(l);
	if (l->ifindex != 0 && !(link_read_flags(l->ifindex) & IFF_UP))
		log_warnx("line %u: %s link: %s is down", l->conf->line, l->ops->kind,
			  l->conf->ifname);
	ret = start_link(c, l);
	if (ret < 0)
		text_printf(err, "too many open files for the dedicated link: %s", strerror(-ret));
	return ret;
}

static void close_link(struct channel *c, struct link *l)
{
	if (l->ops->stop)
		l->ops->stop(l);
	ev_timer_del(c->loop, &l->rx_timer);
	ev_io_del(c->loop, &l->tx_io);
	ev_io_del(c->loop, &l->rx_io);
	link_close(l);
}

/* What is missing may come at any time. */
static bool may_wait_for(int err)
{
	return err == -ENODEV || err == -EADDRNOTAVAIL;
}

/* Open it at the start. What will not become right by itself is an error. */
static int open_first(struct channel *c, struct link *l, struct text *err)
{
	int ret = open_link(c, l, err);

	l->was_open = ret == 0;
	if (!may_wait_for(ret))
		return ret;
	log_warnx("%s. Waiting for it", err->buf ? err->buf : strerror(-ret));
	text_reset(err);
	close_link(c, l);
	l->ifindex = 0;
	l->mtu = link_read_mtu(l);
	memcpy(l->carrier, l->conf->ifname, sizeof(l->carrier));
	l->waits = l->reopen_failed = true;
	return 0;
}

/* The interface may have no address yet; then it is tried again. */
static void reopen_link(struct channel *c, struct link *l)
{
	struct text err = { 0 };
	int ret;

	close_link(c, l);
	ret = open_link(c, l, &err);
	if (ret == 0 && !l->was_open) {
		log_notice("line %u: %s link: %s has what it needs now", l->conf->line,
			   l->ops->kind, l->carrier);
	} else if (ret == 0) {
		log_notice("line %u: %s link: %s was made anew, and so are the sockets",
			   l->conf->line, l->ops->kind, l->carrier);
	} else {
		close_link(c, l);
		l->ifindex = 0;
		if (!l->reopen_failed)
			log_warnx("%s", err.buf ? err.buf : strerror(-ret));
	}
	l->waits = l->reopen_failed = ret < 0;
	l->was_open = l->was_open || ret == 0;
	text_free(&err);
}

/* What waits leaves, and the owner may go on. */
static void go_on(struct channel *c, struct mono now)
{
	send_waiting(c);
	tell_writable(c, now);
}

/* Has the interface of a scoped link come, or become another one? Sockets of other links do not
 * mind. */
static bool is_anew(const struct link *l)
{
	unsigned int index = if_nametoindex(l->carrier);

	return link_is_scoped(l) && index != 0 && (l->waits || index != l->ifindex);
}

static void on_look(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	for (size_t i = 0; i < c->n_links; i++) {
		struct link *l = &c->link[i];

		if (is_anew(l))
			reopen_link(c, l);
		if (l->tx != -1 && l->ops->look)
			l->ops->look(l, now);
	}
	look_at_links(c, now);
	reconsider(c, now);
	go_on(c, now);
}

static void on_interfaces(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	for (size_t i = 0; i < c->n_links; i++) {
		if (is_anew(&c->link[i]) && !ev_timer_armed(&c->look))
			ev_timer_set(c->loop, &c->look, mono_add_ms(now, SETTLE_MS));
	}
	look_at_links(c, now);
	if (reconsider(c, now))
		go_on(c, now);
}

/* Nothing was ever heard where we send, and the peer should send there, too. */
static bool is_deaf(const struct channel *c, size_t i, struct mono now)
{
	return c->cb.peers_speak && i == c->multi.active && c->link[i].state == LINK_STATE_UP &&
	       !mono_is_set(c->multi.link[i].heard) &&
	       mono_diff_ms(now, c->multi.since) >= DEAF_MS &&
	       mono_diff_ms(now, c->multi.link[i].usable_since) >= DEAF_MS;
}

/* Said once: a link that was never heard was never right. */
static void tell_deaf(struct channel *c, struct mono now)
{
	struct link *l = &c->link[c->multi.active];
	const struct channel_link_stats *s = &l->stats;
	char dest[INET6_ADDRSTRLEN];

	if (l->said_deaf || !is_deaf(c, c->multi.active, now))
		return;
	l->said_deaf = true;
	log_warnx("line %u: %s link: nothing was ever heard on it for %d s, with %s %s, port %u; "
		  "refused: %" PRIu64 " of others, %" PRIu64 " on other interfaces, %" PRIu64
		  " of this node itself. Does the peer run, is it told this node's address and the "
		  "same port, and do the rules of both let it pass?",
		  l->conf->line, l->ops->kind, DEAF_MS / 1000,
		  l->conf->type == CHANNEL_MCAST ? "the group" : "the peer",
		  link_addr_text(l, &l->conf->dest, dest), l->conf->port,
		  s->refused_source + s->held_back, s->refused_interface, s->own);
}

static const char *unsent_cause(int err)
{
	switch (err) {
	case EPERM:
		return ": a rule of this machine for what goes out (nft, iptables), or a security "
		       "module, refuses them";
	case EACCES:
		return ": a route of type prohibit, or a security module, refuses them";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return ": there is no route, or nobody answers at the next hop";
	case EADDRNOTAVAIL:
	case EINVAL:
		return ": has the address of the link, or a route with a source, gone?";
	case EMSGSIZE:
		return ": they are larger than the way takes";
	default:
		return "";
	}
}

/* Datagrams that could not leave though the link seems fit: said at the beginning, when the reason
 * changes, and at the end, which only one that leaves can show: another link may carry them now,
 * and in ALARM a node without news has nothing to say. An interface that is down, and the like, is
 * said by link_state.c. */
static void tell_unsent(struct link *l, struct mono now)
{
	if (!mono_is_set(l->unsent.since))
		return;
	if (l->stats.sent_pkts > l->unsent.sent &&
	    mono_diff_ms(now, l->unsent.last) >= SENT_AGAIN_MS) {
		if (l->unsent.said != 0)
			log_notice("line %u: %s link: datagrams leave again, after %" PRId64
				   " s; %" PRIu64 " could not",
				   l->conf->line, l->ops->kind,
				   mono_diff_ms(l->unsent.last, l->unsent.since) / 1000,
				   l->unsent.n - l->unsent.before);
		l->unsent.said = 0;
		l->unsent.since = (struct mono){ 0 };
		return;
	}
	if (l->state != LINK_STATE_UP || l->unsent.said == l->unsent.err ||
	    !log_limit_pass(&l->unsent.lines, UNSENT_LINES, UNSENT_LINE_MS, now, NULL))
		return;
	l->unsent.said = l->unsent.err;
	log_warnx("line %u: %s link: datagrams cannot be sent: %s%s", l->conf->line, l->ops->kind,
		  strerror(l->unsent.err), unsent_cause(l->unsent.err));
}

static void on_watch(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	ev_timer_set(c->loop, &c->watch,
		     mono_add_ms(now, c->n_links > 1 ? WATCH_MS : WATCH_ONE_MS));
	on_interfaces(c, now);
	tell_deaf(c, now);
	for (size_t i = 0; i < c->n_links; i++)
		tell_unsent(&c->link[i], now);
}

/* clang-format off */
static const struct link_ops *const transports[] = {
#define ROW(type, keyword, like, ops, about) [CHANNEL_##type] = &(ops),
	CHANNEL_TYPES(ROW)
#undef ROW
};
/* clang-format on */

static void init_links(struct channel *c, const struct channel_conf *conf)
{
	for (uint32_t i = 0; i < conf->n_links; i++) {
		c->link[i] = (struct link){
			.ops = transports[conf->link[i].type],
			.conf = &conf->link[i],
			.all = conf,
			.number = (uint8_t)i,
			.tx = -1,
			.rx = -1,
			.owner = c,
			.loop = c->loop,
			.up = &link_up,
		};
	}
	c->n_links = conf->n_links;
	unicast_share(c->link, c->n_links);
}

static int open_links(struct channel *c, const struct channel_conf *conf, struct text *err)
{
	init_links(c, conf);
	for (uint32_t i = 0; i < conf->n_links; i++) {
		struct link *l = &c->link[i];
		int ret;

		ret = open_first(c, l, err);
		if (ret < 0)
			return ret;
		if (l->conf->is_default)
			c->multi.active = c->multi.preferred = i;
	}
	return 0;
}

/* Room for the largest datagrams of all links. */
static int init_batch(struct channel *c)
{
	size_t most = 0;
	int ret;

	for (size_t i = 0; i < c->n_links; i++)
		most = payload_cap(&c->link[i]) > most ? payload_cap(&c->link[i]) : most;
	ret = batch_init(&c->batch, most, c->keep + 1);
	if (ret == 0)
		batch_set_cap(&c->batch, payload_cap(&c->link[c->multi.active]));
	return ret;
}

/* The links are open: begin to watch them. */
static void begin_watch(struct channel *c)
{
	struct mono now = evloop_now(c->loop);

	ifwatch_open(&c->ifwatch, c->loop, on_interfaces, c);
	c->multi.n = c->n_links;
	c->multi.since = now;
	on_watch(c, now);
}

int channel_open(const struct channel_conf *conf, struct evloop *loop, const struct channel_cb *cb,
		 struct channel **out, struct text *err)
{
	struct channel *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->cb = *cb;
	c->rounds = RECV_ROUNDS;
	/* Only a TCP link makes datagrams wait. */
	if (conf->link[0].type == CHANNEL_TCP)
		c->keep = conf->error_queue_len < BATCH_SLOTS_MAX ? conf->error_queue_len :
								    BATCH_SLOTS_MAX - 1;
	c->retry = (struct ev_timer){ .cb = on_retry, .ctx = c, .name = "link retry" };
	c->look = (struct ev_timer){ .cb = on_look, .ctx = c, .name = "link interfaces" };
	c->watch = (struct ev_timer){ .cb = on_watch, .ctx = c, .name = "link watch" };
	ret = open_links(c, conf, err);
	if (ret == 0) {
		c->rx_mem = malloc((size_t)LINK_RX_SLOTS * LINK_DATAGRAM_MAX);
		ret = c->rx_mem ? init_batch(c) : -ENOMEM;
		if (ret < 0)
			text_str(err, "no memory for the buffers of the dedicated links");
	}
	if (ret < 0) {
		channel_close(c);
		return ret;
	}
	begin_watch(c);
	*out = c;
	return 0;
}

void channel_close(struct channel *c)
{
	if (!c)
		return;
	ev_timer_del(c->loop, &c->retry);
	ev_timer_del(c->loop, &c->look);
	ev_timer_del(c->loop, &c->watch);
	ifwatch_close(&c->ifwatch);
	for (size_t i = 0; i < c->n_links; i++)
		close_link(c, &c->link[i]);
	batch_free(&c->batch);
	free(c->rx_mem);
	free(c);
}

void channel_set_rounds(struct channel *c, unsigned int rounds)
{
	c->rounds = rounds;
}

/* ---- statistics ---- */

void channel_speaks_from(void *channel, struct peer_addr *from)
{
	const struct channel *c = channel;
	const struct link *l = from->link < c->n_links ? &c->link[from->link] : NULL;
	size_t len = from->family == AF_INET ? sizeof(l->conf->dest.v4) : sizeof(l->conf->dest.v6);

	if (l && l->conf->type != CHANNEL_MCAST && l->conf->family == from->family &&
	    memcmp(from->addr, &l->conf->dest, len) == 0)
		memcpy(from->addr, speaker_of_dest(l), len);
}

struct outlet_mtu channel_mtu(void *channel, int link)
{
	for (size_t i = 0; i < channel_links(channel); i++) {
		struct channel_link_stats l;

		channel_link_stats(channel, i, &l);
		if (link < 0 ? l.active : i == (size_t)link)
			return (struct outlet_mtu){ .link = (uint8_t)i, .bytes = l.mtu };
	}
	return (struct outlet_mtu){ 0 };
}

size_t channel_links(const struct channel *c)
{
	return c->n_links;
}

void channel_waiting(const struct channel *c, uint32_t *n, uint64_t *given_up)
{
	const struct link *l = &c->link[c->multi.active];

	*n = l->conf->type == CHANNEL_TCP && l->tcp.state != LINK_TCP_CONNECTED ?
		     batch_waiting(&c->batch) :
		     0;
	*given_up = c->given_up;
}

void channel_link_stats(const struct channel *c, size_t i, struct channel_link_stats *out)
{
	const struct link *l = &c->link[i];
	unsigned int way = l->way.ifindex != 0 && !l->default_route_only ?
				   l->way.ifindex :
				   if_nametoindex(l->conf->ifname);
	unsigned int flags = link_read_flags(way);

	*out = l->stats;
	out->recv_errors +=
		l->stats.refused_interface + l->stats.refused_source + l->stats.held_back;
	out->deaf = is_deaf(c, i, evloop_now(c->loop));
	out->unsent_err = mono_is_set(l->unsent.since) ? l->unsent.err : 0;
	out->mtu = l->mtu;
	out->kind = l->ops->kind;
	out->ifname = l->conf->ifname;
	out->active = i == c->multi.active;
	out->up = flags & IFF_UP;
	out->running = flags & IFF_RUNNING;
	if (l->ops->stats)
		l->ops->stats(l, out);
}
