/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which link sends. What is known of the links is looked at every so often, and when a datagram
 * cannot leave; multi.c decides, and here the sending moves over. */
#include "channel/channel_state.h"

#include <errno.h>

#include "base/log.h"

#define LOOK_MS 1000
/* looking at all links costs something, and every datagram may ask for it */
#define LOOK_AGAIN_MS 100

void choose_suspect(struct channel *c)
{
	if (!ev_timer_armed(&c->look))
		ev_timer_set(c->loop, &c->look, mono_add_ms(evloop_now(c->loop), LOOK_MS));
}

/* Largest payload: 1.4.x appends a message only while the sum stays below MTU minus headers, and
 * messages are multiples of four. The true headers of IPv6 are counted, which 1.4.x does not do. An
 * MTU too small for a message is answered by fragments, not by never sending it. */
size_t choose_payload(const struct link *l)
{
	size_t overhead = l->conf->family == AF_INET ? l->ops->overhead_v4 : l->ops->overhead_v6;
	size_t limit = l->mtu > overhead ? l->mtu - overhead - 1 : 0;

	limit &= ~(size_t)3;
	return limit > CHANNEL_MIN_PAYLOAD ? limit : CHANNEL_MIN_PAYLOAD;
}

void choose_wait_writable(struct channel *c, bool wait)
{
	struct link *l = &c->link[c->multi.active];

	if (l->ops->want)
		l->ops->want(l, wait);
	else if (l->tx_io.added)
		ev_io_want(c->loop, &l->tx_io, wait ? EV_WRITE : 0);
}

void choose_look(struct channel *c, struct mono now)
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
	batch_set_cap(&c->batch, choose_payload(&c->link[c->multi.active]));
}

/* From now on another link sends; what waits leaves through it, however large its datagrams are. */
static void switch_to(struct channel *c, size_t to, struct mono now)
{
	struct link *old = &c->link[c->multi.active];

	if (old->tx != -1)
		choose_wait_writable(c, false);
	if (old->ops->leave)
		old->ops->leave(old, now);
	multi_switch(&c->multi, to, now);
	batch_set_cap(&c->batch, choose_payload(&c->link[to]));
	log_notice("device `%s' becomes dedicated link", c->link[to].conf->ifname);
}

bool choose_again(struct channel *c, struct mono now)
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

bool choose_another(struct channel *c)
{
	struct mono now = evloop_now(c->loop);

	if (c->n_links < 2 ||
	    (mono_is_set(c->looked) && mono_diff_ms(now, c->looked) < LOOK_AGAIN_MS))
		return false;
	choose_look(c, now);
	return choose_again(c, now);
}
