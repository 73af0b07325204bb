/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving: some rounds for each time that a socket has something, then others get their turn.
 * From some rate on datagrams gather for a moment before they are read. */
#include "channel/channel_state.h"

/* Datagrams gather from this rate on, longer than events: no packet and no connection waits for
 * them. But not when a pass found many: then a whole table is coming in, as fast as we take it. */
#define GATHER_PER_S 750u
#define GATHER_RX_MS 2
#define GATHER_MOST  LINK_RX_SLOTS

void receive_heard(struct link *l, const struct link_rx_item *item, struct mono now)
{
	multi_heard(&l->owner->multi, l->number, now);
	l->owner->cb.datagram(l->owner->cb.ctx, &item->from, item->bytes, item->len, now);
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
			receive_heard(item->link, item, now);
		}
	}
	if (l->stats.refused_interface != refused)
		choose_suspect(c);
	gather_count(&l->gather, n, GATHER_PER_S, now);
	if (l->gather.on && n < GATHER_MOST && c->rounds == RECV_ROUNDS &&
	    ev_timer_set(c->loop, &l->rx_timer, mono_add_ms(clock_now(), GATHER_RX_MS)) == 0)
		ev_io_want(c->loop, &l->rx_io, 0);
	else
		ev_io_want(c->loop, &l->rx_io, EV_READ);
}

void receive_ready(void *ctx, unsigned int ready, struct mono now)
{
	struct link *l = ctx;

	(void)ready;
	receive(l->owner, l, now);
}

void receive_gathered(void *ctx, struct mono now)
{
	struct link *l = ctx;

	receive(l->owner, l, now);
}
