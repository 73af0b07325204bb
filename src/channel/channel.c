/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dedicated links as one object: receives on all, sends on the active one. Here it is opened,
 * watched and closed; what it does meanwhile is in files of their own (channel_state.h). */
#include "channel/channel.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "channel/channel_state.h"
#include "channel/speaker.h"
#include "channel/unicast.h"

#define SETTLE_MS    200 /* an interface that has just been made gets its address now */
#define WATCH_MS     500 /* with several links */
#define WATCH_ONE_MS 1000

/* ---- the links are watched ---- */

static void on_look(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	for (size_t i = 0; i < c->n_links; i++) {
		struct link *l = &c->link[i];

		if (reopen_is_anew(l))
			reopen_link(c, l);
		if (l->tx != -1 && l->ops->look)
			l->ops->look(l, now);
	}
	choose_look(c, now);
	choose_again(c, now);
	send_go_on(c, now);
}

static void on_interfaces(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	for (size_t i = 0; i < c->n_links; i++) {
		if (reopen_is_anew(&c->link[i]) && !ev_timer_armed(&c->look))
			ev_timer_set(c->loop, &c->look, mono_add_ms(now, SETTLE_MS));
	}
	choose_look(c, now);
	if (choose_again(c, now))
		send_go_on(c, now);
}

static void on_watch(void *ctx, struct mono now)
{
	struct channel *c = ctx;

	ev_timer_set(c->loop, &c->watch,
		     mono_add_ms(now, c->n_links > 1 ? WATCH_MS : WATCH_ONE_MS));
	on_interfaces(c, now);
	trouble_tell_deaf(c, now);
	for (size_t i = 0; i < c->n_links; i++)
		trouble_tell_unsent(&c->link[i], now);
}

/* ---- lifetime ---- */

static ssize_t on_frame(struct link *l, const uint8_t *bytes, size_t n)
{
	return l->owner->cb.frame(l->owner->cb.ctx, bytes, n);
}

static void on_suspect(struct link *l)
{
	choose_suspect(l->owner);
}

static const struct link_up link_up = {
	.heard = receive_heard,
	.frame = on_frame,
	.writable = send_writable,
	.suspect = on_suspect,
};

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

		ret = reopen_first(c, l, err);
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
		most = choose_payload(&c->link[i]) > most ? choose_payload(&c->link[i]) : most;
	ret = batch_init(&c->batch, most, c->keep + 1);
	if (ret == 0)
		batch_set_cap(&c->batch, choose_payload(&c->link[c->multi.active]));
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
	c->retry = (struct ev_timer){ .cb = send_retry, .ctx = c, .name = "link retry" };
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
		reopen_close(c, &c->link[i]);
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
	out->deaf = trouble_is_deaf(c, i, evloop_now(c->loop));
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
