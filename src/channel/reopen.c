/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens a link, and opens it anew.
 *
 * An interface that is removed and made again (a VLAN, a bond, a restart of the network scripts) is
 * another one for the kernel: multicast groups and bound sockets stay with the old one. What goes
 * wrong then, datagrams that cannot be sent or that come in on "another" interface, makes us look,
 * and open the sockets of the link anew. An interface or address that is not there at the start is
 * waited for in the same way. */
#include "channel/channel_state.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/log.h"

static void on_tx(void *ctx, unsigned int ready, struct mono now)
{
	(void)ready;
	send_writable(ctx, now);
}

static int start_link(struct channel *c, struct link *l)
{
	int ret;

	if (l->ops->start)
		return l->ops->start(l);
	l->rx_timer =
		(struct ev_timer){ .cb = receive_gathered, .ctx = l, .name = "link (gathered)" };
	l->rx_io = (struct ev_io){ .fd = l->rx,
				   .want = EV_READ,
				   .prio = 1,
				   .cb = receive_ready,
				   .ctx = l,
				   .name = "link" };
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

void reopen_close(struct channel *c, struct link *l)
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
int reopen_first(struct channel *c, struct link *l, struct text *err)
{
	int ret = open_link(c, l, err);

	l->was_open = ret == 0;
	if (!may_wait_for(ret))
		return ret;
	log_warnx("%s. Waiting for it", err->buf ? err->buf : strerror(-ret));
	text_reset(err);
	reopen_close(c, l);
	l->ifindex = 0;
	l->mtu = link_read_mtu(l);
	memcpy(l->carrier, l->conf->ifname, sizeof(l->carrier));
	l->waits = l->reopen_failed = true;
	return 0;
}

/* The interface may have no address yet; then it is tried again. */
void reopen_link(struct channel *c, struct link *l)
{
	struct text err = { 0 };
	int ret;

	reopen_close(c, l);
	ret = open_link(c, l, &err);
	if (ret == 0 && !l->was_open) {
		log_notice("line %u: %s link: %s has what it needs now", l->conf->line,
			   l->ops->kind, l->carrier);
	} else if (ret == 0) {
		log_notice("line %u: %s link: %s was made anew, and so are the sockets",
			   l->conf->line, l->ops->kind, l->carrier);
	} else {
		reopen_close(c, l);
		l->ifindex = 0;
		if (!l->reopen_failed)
			log_warnx("%s", err.buf ? err.buf : strerror(-ret));
	}
	l->waits = l->reopen_failed = ret < 0;
	l->was_open = l->was_open || ret == 0;
	text_free(&err);
}

bool reopen_is_anew(const struct link *l)
{
	unsigned int index = if_nametoindex(l->carrier);

	return link_is_scoped(l) && index != 0 && (l->waits || index != l->ifindex);
}
