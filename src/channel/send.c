/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending. Finished datagrams wait in a ring (batch.c) and leave with one system call. What the
 * socket does not take stays there in order; when the ring is full too, channel_datagram() gives
 * NULL and the owner keeps its queue until writable() is called. So a full socket is back-pressure
 * and never a loss.
 *
 * A datagram that can never leave (the interface is down, there is no route) is given up and
 * counted: it would hold up everything behind it, and the protocol above repairs what is missing
 * when the link is back. A TCP link without a connection holds up everything as well; there
 * ErrorQueueLength says how many datagrams wait, the oldest is given up. */
#include "channel/channel_state.h"

#include <errno.h>

#define SEND_BATCH 32u
/* the device queue was full: the socket stays writable, so a timer has to wake us */
#define RETRY_MS 2

/* There is no connection: what is new is worth more than what is old. */
static void keep_newest(struct channel *c, struct link *l)
{
	uint32_t have = batch_waiting(&c->batch);
	uint32_t old = have > c->keep ? have - c->keep : 0;

	batch_drop(&c->batch, old);
	c->given_up += old;
	l->stats.sent_errors += old;
}

/* Packets for a peer that was a neighbour do not go through a default route elsewhere: they carry
 * all connections. */
static int send_some(struct link *l, const struct iovec *iov, unsigned int n)
{
	if (l->tx == -1 && !l->ops->start)
		return -ENODEV;
	return l->default_route_only ? -ENETUNREACH : l->ops->send(l, iov, n);
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
			choose_wait_writable(c, true);
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
		if (sent < 0 && choose_another(c))
			continue;
		if (sent < 0) {
			l->stats.sent_errors++;
			trouble_unsent(l, -sent, evloop_now(c->loop));
			choose_suspect(c);
			sent = 1;
		} else {
			l->stats.sent_pkts += (unsigned int)sent;
			for (int i = 0; i < sent; i++)
				l->stats.sent_bytes += iov[i].iov_len;
		}
		batch_drop(&c->batch, (unsigned int)sent);
	}
	choose_wait_writable(c, false);
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

void send_go_on(struct channel *c, struct mono now)
{
	send_waiting(c);
	tell_writable(c, now);
}

void send_writable(struct link *l, struct mono now)
{
	if (l != &l->owner->link[l->owner->multi.active])
		return;
	send_waiting(l->owner);
	tell_writable(l->owner, now);
}

void send_retry(void *ctx, struct mono now)
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
