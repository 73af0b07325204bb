/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: acknowledged, self-repairing replication (doc/protocol.md). This file opens, closes, keeps the time and reports;
 * sync/ftfw.h says where the rest is.
 *
 * Everything that waits has a deadline, and tick() returns the earliest of them: an idle pair wakes up once a second for
 * its keepalive and for nothing else. */
#include "sync/ftfw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW_START 600	/* paced messages before the first acknowledgement */

void ftfw_log(struct ftfw *f, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (limit && !log_limit_pass(limit, 5, 10000, now, NULL))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	f->base.env->log(f->base.env->ctx, level, line);
}

/* ---- time ---- */

static bool due(struct mono t, struct mono now)
{
	return mono_is_set(t) && !mono_before(now, t);
}

/* Returns the peer's next deadline. */
static struct mono tick_peer(struct ftfw *f, struct peer *p, struct mono now)
{
	struct mono next;

	if (due(p->gap_due, now))
		recv_gap_due(f, p, now);
	if (due(p->ack_due, now))
		ack_flush(f, p);
	if (due(p->bulk_at, now) && ftfw_within(p->heard, FTFW_BULK_PEER_MS, now)) {
		p->bulk_at = (struct mono){ 0 };
		bulk_request(f, p, now);
	}
	ack_check_hole(f, p, now);
	next = mono_min(p->gap_due, p->ack_due);
	if (mono_is_set(p->bulk_at) && mono_before(now, p->bulk_at))
		next = mono_min(next, p->bulk_at);	/* else when the peer is heard again */
	if (mono_is_set(p->hole_since))
		next = mono_min(next, mono_add_ms(p->hole_since, FTFW_HOLE_MS));
	return next;
}

/* One second without sending: an acknowledgement if one is due anyway, else a sign of life. */
static void tick_keepalive(struct ftfw *f, struct mono now)
{
	bool acked = false;

	if (!due(f->keepalive, now))
		return;
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		if (!f->peer[i].used || !f->peer[i].ack_pending)
			continue;
		ack_flush(f, &f->peer[i]);
		acked = true;
	}
	/* An ACK may have been swallowed by a hold; then this is the sign of life. */
	if (!acked || f->ctl_head == f->ctl_tail)
		f->alive_burst = 1;
	f->keepalive = mono_add_ms(now, FTFW_KEEPALIVE_MS);
}

static struct mono ftfw_tick(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct mono next = { 0 };

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used)
			next = mono_min(next, tick_peer(f, &f->peer[i], now));
	ack_check_stuck(f, now);
	next = mono_min(next, f->stuck_at);
	next = mono_min(next, resync_run(f, now));
	tick_keepalive(f, now);
	if (f->holding)
		next = mono_min(next, mono_add_ms(f->progress, FTFW_HOLD_MS));
	return mono_min(next, f->keepalive);
}

/* ---- lifetime ---- */

struct sync *ftfw_open(const struct sync_env *env, const struct sync_conf *conf, uint32_t first_seq, struct mono now)
{
	struct ftfw *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base.env = env;
	f->base.conf = conf;
	f->first_seq = f->next = first_seq;
	f->ack_window = conf->ack_window;
	f->ring_max = conf->resend_queue_size;
	f->window = 2 * conf->ack_window > WINDOW_START ? 2 * conf->ack_window : WINDOW_START;
	f->keepalive = now;	/* say hello at once */
	f->progress = now;
	if (resend_init(&f->ring, conf->resend_queue_size + FTFW_SPARE, first_seq) < 0) {
		free(f);
		return NULL;
	}
	/* StartupResync: the very first message. Peers that appear are asked anyway; this is for one that hears us
	 * before we hear it. */
	if (conf->startup_resync)
		tx_control(f, WIRE_F_RESYNC, RESEND_TO_ALL, 0, 0);
	return &f->base;
}

/* Dead flows in a queue are nobody else's any more. */
static void close_queue(struct ftfw *f, struct txq *q)
{
	const struct sync_env *env = f->base.env;
	uint32_t id;

	while ((id = txq_first(q)) != FLOW_ID_NONE) {
		struct flow_mark *m = env->mark(env->ctx, id);

		txq_pop(q);
		m->bits &= (uint8_t)~(MARK_QUEUED | MARK_BULK);
		if (!(m->bits & MARK_SENT) && env->is_dead(env->ctx, id))
			env->release(env->ctx, id);
	}
	txq_free(q);
}

static void ftfw_close(struct sync *s)
{
	struct ftfw *f = (struct ftfw *)s;
	struct resend_entry *e;

	close_queue(f, &f->live);
	close_queue(f, &f->repair);
	while ((e = resend_oldest(&f->ring)) != NULL)
		tx_settle(f, e, RESEND_LOST, (struct mono){ .ns = 1 });
	resend_free(&f->ring);
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		reorder_free(&f->peer[i].reorder);
	free(f);
}

/* ---- reports ---- */

static void ftfw_queues(const struct sync *s, struct sync_queues *q)
{
	const struct ftfw *f = (const struct ftfw *)s;

	*q = (struct sync_queues){
		.tx_len = f->live.n + f->repair.n + (f->ctl_tail - f->ctl_head),
		.ring_len = f->ring.n_live,
		.ring_max = f->ring_max,
	};
}

static bool ftfw_print_ring(const struct sync *s, uint32_t *pos, size_t n, struct text *out)
{
	const struct ftfw *f = (const struct ftfw *)s;
	uint64_t place = f->ring.live;
	uint32_t behind = *pos - 1 - (uint32_t)f->ring.live;

	if (*pos == 0)
		text_printf(out, "resent queue (len=%" PRIu32 ")\n", f->ring.n_live);
	else if ((int32_t)behind > 0)
		place += behind;	/* else the ring has moved past the resume point */
	for (; place < f->ring.end && n > 0; place++) {
		const struct resend_entry *e = resend_at(&f->ring, place);

		if (e->state != RESEND_LIVE)
			continue;
		if (e->flags & WIRE_F_CTL_MASK)
			text_printf(out, "control -> seq:%" PRIu32 " flags:%u\n", e->seq, e->flags);
		else
			text_printf(out, "object -> seq:%" PRIu32 "\n", e->seq);
		n--;
	}
	*pos = (uint32_t)place + 1;
	return place < f->ring.end;
}

static void ftfw_report(const struct sync *s, struct mono now, struct text *out)
{
	static const char *const resync[] = {
		[RS_IDLE] = "up to date", [RS_WANT] = "to be asked for its table", [RS_ASKED] = "sending its table",
	};
	const struct ftfw *f = (const struct ftfw *)s;
	char name[48];

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		const struct peer *p = &f->peer[i];

		if (!p->used)
			continue;
		text_printf(out, "peer %s: heard %" PRId64 " ms ago, last number %" PRIu32 ", %s%s\n",
			    peer_name(p, name), mono_diff_ms(now, p->heard), p->last, resync[p->rs.state],
			    p->req.active ? ", receiving our table" : "");
	}
}

const struct sync_ops ftfw_ops = {
	.name = "FTFW",
	.open = ftfw_open,
	.local_change = ftfw_local_change,
	.forget = ftfw_forget,
	.recv = ftfw_recv,
	.tick = ftfw_tick,
	.transmit = ftfw_transmit,
	.bulk = ftfw_bulk,
	.ask_resync = ftfw_ask_resync,
	.bulk_running = ftfw_bulk_running,
	.resync_running = ftfw_resync_running,
	.queues = ftfw_queues,
	.print_ring = ftfw_print_ring,
	.report = ftfw_report,
	.close = ftfw_close,
};
