/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that are about to expire at a peer that injects them into its kernel.
 *
 * A UDP stream causes no events after its first packets, however long it goes on, and neither does
 * an established TCP connection. So every two seconds the internal cache is searched for records
 * whose timeout, as sent last, has nearly expired. The kernel is asked about each of them, a few
 * times per timeout, and where packets have renewed the entry its timeout is sent again.
 *
 * A connection of which one half is closed may go on for hours in the other half, without an event
 * either. Only states at the beginning and the very end of TCP have timeouts that no packet
 * renews. */
#include "follow/timeout_refresh.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>

#include "flow/timeouts.h"
#include "kernel/ct.h"

#define EVERY_MS 2000
/* whole seconds on both nodes, the walk through a large table, a datagram that is lost */
#define SLACK_S 3
/* The peer's kernel has the flow with a timeout that may be shorter than what was sent
 * (ct_timeouts_showing()): before that timeout expires our kernel must have been asked, and a
 * message must have reached the peer. */
#define AHEAD_S	 (EVERY_MS / 1000 + (int)CT_SHOW_NEWS_S + SLACK_S)
#define STEP_IDS 1024u

struct timeout_refresh {
	struct evloop *loop;
	struct pipeline *p;
	struct ct_batch *batch;
	struct ev_timer timer;
	struct ev_work walk;
	uint64_t pos;
};

/* Do packets that change no state renew the timeout of f's entry? */
static bool renewable(const struct ct_flow *f)
{
	if (f->l4 != IPPROTO_TCP)
		return true;
	switch (f->proto_state) {
	case TCP_CONNTRACK_ESTABLISHED:
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT:
	case TCP_CONNTRACK_LAST_ACK:
		return true;
	default:
		return false;
	}
}

static bool lapses(const struct flow_rec *rec, struct mono now)
{
	const struct ct_flow *f = &rec->flow;

	if (rec->state == REC_DEAD || !(f->has & FLOW_HAS_TIMEOUT) || !renewable(f))
		return false;
	return (uint64_t)mono_s(now) + AHEAD_S >= (uint64_t)rec->updated_s + f->timeout_s;
}

static void ask(struct timeout_refresh *r, uint32_t id)
{
	struct internal *c = pipeline_internal(r->p);

	if (internal_ask(c, id) &&
	    ct_batch_add(r->batch, CT_OP_GET, &table_rec(internal_table(c), id)->flow, NULL, id) <
		    0)
		internal_ask_over(c, id);
}

static bool step(void *ctx, struct mono now)
{
	struct timeout_refresh *r = ctx;
	struct flow_table *t = pipeline_own(r->p);
	uint32_t ids[STEP_IDS];
	size_t room = ct_batch_room(r->batch), got;

	if (room == 0)
		return false; /* on_room() goes on */
	got = table_walk(t, &r->pos, ids, room < STEP_IDS ? room : STEP_IDS);
	for (size_t i = 0; i < got; i++) {
		if (lapses(table_rec(t, ids[i]), now))
			ask(r, ids[i]);
	}
	if (got > 0)
		return true;
	ev_timer_set(r->loop, &r->timer, mono_add_ms(now, EVERY_MS));
	return false;
}

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
		      const struct ct_flow *found, struct mono now)
{
	struct timeout_refresh *r = ctx;
	struct internal *c = pipeline_internal(r->p);
	uint32_t id = (uint32_t)cookie;

	(void)op;
	/* Gone, or the id is another flow's meanwhile: its event says more. */
	if (err == 0 && found && internal_asked(c, id) &&
	    flow_same_key(&table_rec(internal_table(c), id)->flow, found))
		pipeline_timeout_refreshed(r->p, found, now);
	internal_ask_over(c, id);
}

static void on_room(void *ctx, struct mono now)
{
	struct timeout_refresh *r = ctx;

	(void)now;
	if (!ev_timer_armed(&r->timer))
		ev_work_arm(r->loop, &r->walk);
}

static void on_timer(void *ctx, struct mono now)
{
	struct timeout_refresh *r = ctx;

	(void)now;
	r->pos = 0;
	ev_work_arm(r->loop, &r->walk);
}

int timeout_refresh_open(struct evloop *loop, struct pipeline *p, struct timeout_refresh **out,
			 struct text *err)
{
	struct timeout_refresh *r = calloc(1, sizeof(*r));
	struct ct_batch_cb cb = { .ctx = r, .answer = on_answer, .room = on_room };
	int ret;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->p = p;
	r->timer = (struct ev_timer){ .cb = on_timer, .ctx = r, .name = "renew" };
	r->walk = (struct ev_work){ .step = step, .ctx = r, .name = "renew walk" };
	ret = ct_batch_open(loop, &cb, "renew", &r->batch, err);
	if (ret == 0)
		ret = ev_timer_set(loop, &r->timer, mono_add_ms(evloop_now(loop), EVERY_MS));
	if (ret < 0) {
		timeout_refresh_close(r);
		return ret;
	}
	*out = r;
	return 0;
}

void timeout_refresh_close(struct timeout_refresh *r)
{
	if (!r)
		return;
	ev_timer_del(r->loop, &r->timer);
	ev_work_del(r->loop, &r->walk);
	ct_batch_close(r->batch);
	free(r);
}
