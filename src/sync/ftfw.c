/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: acknowledged replication that repairs itself. This file opens and closes it, runs its timers and reports; what
 * the protocol does stands at the top of the other files of this folder, see sync/ftfw.h for which.
 *
 * An idle pair wakes up once a second, for the keepalive that 1.4.x expects. Every other timer exists only while
 * something is open, and ftfw_tick() returns exactly the next one that is. */
#include "sync/ftfw.h"

#include <inttypes.h>
#include <stdlib.h>

#define SOLICIT_AFTER_MS	1500
#define SOLICIT_MIN_MS		3000
#define SOLICIT_MAX_MS		48000
#define SOLICIT_MOST		1024
#define DEAF_MS			30000	/* even a busy 1.4.x acknowledges within this time, being solicited */

void ftfw_log(struct ftfw *f, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sync_say(&f->base, limit, now, level, fmt, ap);
	va_end(ap);
}

static struct sync *ftfw_open(const struct sync_env *env, const struct sync_conf *conf, uint32_t first_seq,
			      struct mono now)
{
	struct ftfw *f = calloc(1, sizeof(*f));
	uint32_t most;

	if (!f)
		return NULL;
	f->base.env = env;
	f->base.conf = conf;
	f->first_seq = f->next = first_seq;
	f->ring_max = conf->resend_queue_size;
	if (resend_init(&f->ring, f->ring_max + FTFW_SPARE, first_seq) < 0) {
		free(f);
		return NULL;
	}
	/* The peer's ring is probably as large as ours: it must not fill up between two of our acknowledgements. */
	most = f->ring_max / 3 > 0 ? f->ring_max / 3 : 1;
	f->ack_window = conf->ack_window < most ? conf->ack_window : most;
	f->solicit_ms = SOLICIT_MIN_MS;
	f->life = (first_seq * 2654435761u ^ (uint32_t)(now.ns >> 8)) | 1;
	f->keepalive = now;	/* say hello at once */
	bulk_init(f);
	if (conf->startup_resync)
		tx_control(f, WIRE_F_RESYNC, RESEND_TO_ALL, f->life, 0);
	return &f->base;
}

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

	walk_rewind(&f->walk, s->env);
	close_queue(f, &f->live);
	close_queue(f, &f->repair);
	while ((e = resend_oldest(&f->ring)))
		tx_settle(f, e, RESEND_LOST, f->keepalive);
	resend_free(&f->ring);
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		reorder_free(&f->peer[i].reorder);
	free(f);
}

/* Something that only p's acknowledgement can finish. */
static bool awaits_ack(const struct peer *p)
{
	return !p->confirmed || p->nacks_out > 0 ||
	       (p->rs.state == RS_ASKED && p->rs.sent && !p->rs.acked && !mono_is_set(p->rs.partial));
}

/* 1.4.x acknowledges after ACKWindowSize messages, or one second after *its* last transmission: a busy one does not for
 * a long time, because we have little to say. A window full of ALIVEs, two datagrams, makes it. A peer of our kind
 * acknowledges within a second and never needs this. */
static void ftfw_solicit(struct ftfw *f, struct mono now)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct peer *p = &f->peer[i];

		if (!peer_alive(p, now) || !awaits_ack(p)) {
			p->await_since = (struct mono){ 0 };
			continue;
		}
		if (!mono_is_set(p->await_since))
			p->await_since = now;
		if (sync_within(p->ack_heard, SOLICIT_AFTER_MS, now) || sync_within(p->await_since, SOLICIT_AFTER_MS, now))
			continue;
		if (f->hello != HELLO_DONE || sync_within(f->solicited, f->solicit_ms, now))
			continue;
		/* One that does not hear us at all is asked ever less often. */
		f->solicit_ms = sync_within(p->ack_heard, 2 * SOLICIT_MIN_MS, now) ? SOLICIT_MIN_MS : 2 * f->solicit_ms;
		if (f->solicit_ms > SOLICIT_MAX_MS)
			f->solicit_ms = SOLICIT_MAX_MS;
		f->solicited = now;
		f->alive_burst = f->base.conf->ack_window < SOLICIT_MOST ? f->base.conf->ack_window : SOLICIT_MOST;
		return;
	}
}

/* ALARM and NOTRACK send states that we can use and never acknowledge ours. For the solicited (await_since) only: it has
 * been alive for all that time. */
static void ftfw_check_deaf(struct ftfw *f, struct peer *p, struct mono now)
{
	char name[SOURCE_NAME];

	if (p->confirmed || p->said_deaf || !mono_is_set(p->await_since) || sync_within(p->await_since, DEAF_MS, now) ||
	    sync_within(p->contact, DEAF_MS, now))
		return;
	p->said_deaf = true;
	f->base.stats.foreign_mode++;
	ftfw_log(f, &f->mode_log, now, LOG_LVL_WARNING, "peer %s is heard but has acknowledged nothing for %d s: either it "
		 "speaks another mode (NOTRACK, ALARM), or it does not hear us", peer_name(p, name), DEAF_MS / 1000);
}

static void ftfw_keepalive(struct ftfw *f, struct mono now)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		ack_flush(f, &f->peer[i]);
	if (f->ctl_head == f->ctl_tail)
		tx_control(f, WIRE_F_ALIVE, RESEND_TO_ALL, 0, 0);
	f->keepalive = mono_add_ms(now, FTFW_KEEPALIVE_MS);
}

static void peer_tick(struct ftfw *f, struct peer *p, struct mono now)
{
	if (sync_due(p->gap_due, now))
		recv_gap_due(f, p, now);
	if (sync_due(p->ack_due, now))
		ack_flush(f, p);
	if (sync_due(p->bulk_at, now)) {
		p->bulk_at = (struct mono){ 0 };
		bulk_request(f, p, now);
	}
	ack_check_hole(f, p, now);
	ftfw_check_deaf(f, p, now);
	silence_check(&f->base, &p->silence, &p->source[0], p->heard, now);
}

static struct mono peer_next(const struct peer *p)
{
	struct mono next = mono_min(mono_min(p->gap_due, p->ack_due), p->bulk_at);

	if (mono_is_set(p->hole_since))
		next = mono_min(next, mono_add_ms(p->hole_since, FTFW_HOLE_MS));
	return next;
}

static struct mono ftfw_tick(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct mono next;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used)
			peer_tick(f, &f->peer[i], now);
	ack_check_stuck(f, now);
	bulk_check_whole(f, now);
	next = resync_run(f, now);
	ftfw_solicit(f, now);
	if (sync_due(f->keepalive, now))
		ftfw_keepalive(f, now);
	next = mono_min(mono_min(next, f->note_at), mono_min(f->keepalive, f->stuck_at));
	if (f->holding)
		next = mono_min(next, mono_add_ms(f->progress, FTFW_HOLD_MS));
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used)
			next = mono_min(next, peer_next(&f->peer[i]));
	return next;
}

/* ---- reports ---- */

static void ftfw_queues(const struct sync *s, struct sync_queues *q)
{
	const struct ftfw *f = (const struct ftfw *)s;

	*q = (struct sync_queues){
		.tx_len = f->live.n + f->repair.n + (f->ctl_tail - f->ctl_head),
		.ring_len = f->ring.n_live,
		.ring_max = f->ring_max,
		.control = f->ring.n_control + (f->ctl_tail - f->ctl_head),
	};
}

static bool ftfw_print_ring(const struct sync *s, uint32_t *pos, size_t n, struct text *out)
{
	const struct ftfw *f = (const struct ftfw *)s;
	uint64_t i = f->ring.live;

	/* pos holds the lower half of the place; places start at 1, so 0 means the beginning. */
	if (*pos == 0)
		text_printf(out, "resent queue (len=%" PRIu32 ")\n", f->ring.n_live);
	else if ((int32_t)(*pos - (uint32_t)i) > 0)
		i += *pos - (uint32_t)i;
	for (; i < f->ring.end && n > 0; i++) {
		const struct resend_entry *e = resend_at(&f->ring, i);

		if (e->state != RESEND_LIVE)
			continue;
		if (e->flags & WIRE_F_CTL_MASK)
			text_printf(out, "control -> seq:%" PRIu32 " flags:%u\n", e->seq, e->flags);
		else
			text_printf(out, "object -> seq:%" PRIu32 "\n", e->seq);
		n--;
	}
	*pos = (uint32_t)i ? (uint32_t)i : 1;
	return i < f->ring.end;
}

static bool ftfw_view(const struct sync *s, uint8_t peer, struct mono now, struct sync_peer_view *out)
{
	const struct peer *p = &((const struct ftfw *)s)->peer[peer];
	bool gap = p->nacks_out > 0 || p->reorder.n > 0;

	*out = (struct sync_peer_view){
		.silent_ms = mono_diff_ms(now, p->heard),
		.missing = gap || p->rs.state != RS_IDLE,
		.asked = !gap && p->rs.state == RS_ASKED,
	};
	return p->used;
}

static void ftfw_report(const struct sync *s, struct mono now, struct text *out)
{
	static const char *const resync[] = { [RS_IDLE] = "no", [RS_WANT] = "wanted", [RS_ASKED] = "asked" };
	const struct ftfw *f = (const struct ftfw *)s;
	char name[SOURCE_NAME];

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		const struct peer *p = &f->peer[i];

		if (!p->used)
			continue;
		text_printf(out, "peer %s: last heard %" PRId64 " ms ago, number %" PRIu32 ", %s\n", peer_name(p, name),
			    mono_diff_ms(now, p->heard), p->last,
			    p->confirmed ? "acknowledges" : "has not acknowledged anything yet");
		text_printf(out, "	resync from it: %s, bulk send to it: %s, open requests to repeat: %" PRIu32 "\n",
			    resync[p->rs.state], p->req.active ? "going on" : "no", p->nacks_out);
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
	.make_room = ftfw_make_room,
	.ask_resync = ftfw_ask_resync,
	.bulk_running = ftfw_bulk_running,
	.resync_running = ftfw_resync_running,
	.view = ftfw_view,
	.queues = ftfw_queues,
	.print_ring = ftfw_print_ring,
	.report = ftfw_report,
	.close = ftfw_close,
};
