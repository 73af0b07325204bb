/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces that go up and down, through the table of libnfnetlink. The table can lose a message
 * when many interfaces change at once; then it is made anew. */
#include "channel/ifwatch.h"

#include <libnfnetlink/libnfnetlink.h>

#include "channel/link.h"

static void on_readable(void *ctx, unsigned int ready, struct mono now);

static bool make_table(struct ifwatch *w)
{
	w->table = nlif_open();
	if (!w->table)
		return false;
	w->io = (struct ev_io){ .fd = nlif_fd(w->table),
				.want = EV_READ,
				.prio = 1,
				.cb = on_readable,
				.ctx = w,
				.name = "interfaces" };
	if (nlif_query(w->table) != -1 && ev_io_add(w->loop, &w->io) == 0)
		return true;
	nlif_close(w->table);
	w->table = NULL;
	return false;
}

static void drop_table(struct ifwatch *w)
{
	if (!w->table)
		return;
	ev_io_del(w->loop, &w->io);
	nlif_close(w->table);
	w->table = NULL;
}

static void on_readable(void *ctx, unsigned int ready, struct mono now)
{
	struct ifwatch *w = ctx;

	(void)ready;
	if (nlif_catch(w->table) == -1) {
		drop_table(w);
		make_table(w);
	}
	w->changed(w->ctx, now);
}

void ifwatch_open(struct ifwatch *w, struct evloop *loop,
		  void (*changed)(void *ctx, struct mono now), void *ctx)
{
	*w = (struct ifwatch){ .loop = loop, .changed = changed, .ctx = ctx };
	make_table(w);
}

void ifwatch_close(struct ifwatch *w)
{
	drop_table(w);
}

unsigned int ifwatch_flags(const struct ifwatch *w, unsigned int ifindex)
{
	unsigned int flags;

	if (!w->table)
		return link_read_flags(ifindex);
	return nlif_get_ifflags(w->table, ifindex, &flags) == -1 ? 0 : flags;
}
