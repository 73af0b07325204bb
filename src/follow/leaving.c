/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When an address goes, the kernel deletes the flows that were masqueraded by it, some milliseconds
 * later, and says so as if they had ended (300 of 300, seen 3 ms after the address went). At a
 * planned change of roles that is the shared address, and the other node is about to forward these
 * very flows: told their end, it would throw away what it is to put into its kernel.
 *
 * So a deletion that no program has asked for, of a flow whose source was translated to an address
 * that was here until some seconds ago and is no more, is hidden.
 *
 * The record leaves the internal cache, as after a flush, and the peers keep what they know. Where
 * the address was no shared one, they keep too much: so if this node is still active some seconds
 * later, the peers are made to ask for everything, and what they are not told any more goes. */
#include "follow/leaving.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sync/sync.h"

#define STILL_ACTIVE_MS 10000

struct leaving {
	struct evloop *loop;
	struct addrs *addrs;
	struct pipeline *p;
	const struct activity *activity;
	struct ev_timer still;
	uint64_t flows, said; /* hidden; those of them that the log knows of */
};

/* The address its source was translated to; NULL: to none. */
static const void *translated_to(const struct ct_flow *f)
{
	if (!(f->has & FLOW_HAS_REPLY))
		return NULL;
	if (f->l3 == AF_INET)
		return f->addr.v4.reply_dst != f->addr.v4.src ? &f->addr.v4.reply_dst : NULL;
	return memcmp(f->addr.v6.reply_dst, f->addr.v6.src, 16) != 0 ? f->addr.v6.reply_dst : NULL;
}

static void still_due(void *ctx, struct mono now)
{
	struct leaving *l = ctx;
	uint64_t n = l->flows - l->said;

	l->said = l->flows;
	if (!activity_active(l->activity)) {
		log_notice("%" PRIu64 " flows were deleted here because an address left: "
			   "their end was not told",
			   n);
		return;
	}
	log_notice("%" PRIu64 " flows were deleted because an address left, and this node is still "
		   "active: the peers are made to ask for everything",
		   n);
	sync_lost(pipeline_sync(l->p), now);
}

bool leaving_event(struct leaving *l, unsigned int what, const struct ct_flow *f, struct mono now)
{
	const void *addr;

	if (what != CT_EVENT_DESTROY)
		return false;
	addr = translated_to(f);
	if (!addr || !addrs_left(l->addrs, f->l3, addr, now))
		return false;
	pipeline_purged(l->p, f, now);
	l->flows++;
	if (!ev_timer_armed(&l->still))
		ev_timer_set(l->loop, &l->still, mono_add_ms(now, STILL_ACTIVE_MS));
	return true;
}

struct leaving *leaving_open(struct evloop *loop, struct addrs *addrs, struct pipeline *p,
			     const struct activity *activity)
{
	struct leaving *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->addrs = addrs;
	l->p = p;
	l->activity = activity;
	l->still = (struct ev_timer){ .cb = still_due, .ctx = l, .name = "addresses that left" };
	return l;
}

void leaving_close(struct leaving *l)
{
	if (!l)
		return;
	ev_timer_del(l->loop, &l->still);
	free(l);
}
