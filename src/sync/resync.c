/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a peer for everything it has, and knowing when we have it (doc/protocol.md "resync").
 *
 *   state    event                                                          next
 *   IDLE     new peer, new life, gap beyond repair, -n                      WANT
 *   WANT     the peer can hear us (HELLO settled and something of ours      ASKED  entries of the peer are marked
 *            acknowledged, or 3 s passed), and the pause is over
 *   ASKED    RESYNC acknowledged, no NACK of ours open, nothing in the      IDLE   what was not refreshed is swept
 *            reorder allowance
 *   ASKED    gap beyond repair, or no answer                                WANT   after 1, 2, 4 ... 60 s
 *   ASKED    the peer says that it has sent all it has, and that its        ASKED  for as long as it says so
 *            cache is incomplete
 *
 * Why ASKED -> IDLE is safe: the acknowledgement of a RESYNC leaves the peer after all its objects (ours on purpose,
 * 1.4.7's by the order of its queue; verified), so each object came before it or left a gap before it. A gap is closed
 * when the NACK for it is acknowledged, which the peer does after it has sent those again; if these are lost too there
 * is another gap before that acknowledgement, and another NACK.
 *
 * Why not before HELLO is settled: 1.4.7 empties its resend queue at each HELLO it gets, and takes any number with it.
 * So what got lost until then cannot be repaired, and an ACK may cover what never arrived. The RESYNC of StartupResync
 * carries HELLO all the same, because 1.4.x expects it first; but it is sent before we have heard the peer, so the
 * beginning of the answer may be missing unnoticed: it only makes the peer's table come sooner, and every new peer is
 * asked again.
 *
 * When several peers speak, an ACK may be meant for another one and by chance cover our number. Sweeping on it could
 * remove what lives, so then nothing is swept. */
#include "sync/ftfw.h"

#define BACKOFF_MIN_MS	1000
#define BACKOFF_MAX_MS	60000
#define BACKOFF_MAX_TRIES 6	/* 64 times the first pause */

void resync_want(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;
	int64_t pause_ms = 0;

	rs->late = false;
	if (rs->state == RS_WANT)
		return;
	if (rs->state == RS_ASKED) {
		f->base.stats.resync_failed++;
		pause_ms = rs->tries < BACKOFF_MAX_TRIES ? BACKOFF_MIN_MS << rs->tries : BACKOFF_MAX_MS;
		rs->tries++;
	}
	rs->state = RS_WANT;
	rs->not_before = mono_add_ms(now, pause_ms);
}

static void resync_begin(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;

	*rs = (struct resync){ .state = RS_ASKED, .tries = rs->tries, .asked = now, .data = now };
	f->base.env->resync_begin(f->base.env->ctx, p->id);
}

void resync_contact(struct ftfw *f, struct peer *p, struct mono now)
{
	(void)f;
	p->rs = (struct resync){ .state = RS_WANT, .not_before = now };
}

void resync_sent(struct ftfw *f, uint32_t seq, bool hello)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct resync *rs = &f->peer[i].rs;

		if (!f->peer[i].used || rs->state != RS_ASKED || rs->sent)
			continue;
		rs->sent = true;
		rs->passed_over = false;
		rs->seq = seq;
		rs->weak = hello;
		rs->unsure = !f->peer[i].confirmed;
	}
}

void resync_again(struct ftfw *f, uint32_t seq)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct resync *rs = &f->peer[i].rs;

		if (f->peer[i].used && rs->state == RS_ASKED && rs->sent && !rs->acked && rs->seq == seq)
			rs->sent = false;
	}
}

/* The end will come by itself. Until then the RESYNC must not stand in the way of what is sent after it. */
void resync_partial(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
{
	struct resync *rs = &p->rs;
	struct resend_entry *e = resend_find(&f->ring, seq);

	if (rs->state == RS_WANT && rs->late && rs->seq == seq)
		rs->state = RS_ASKED;	/* here it is, and the entries have not been marked since */
	if (rs->state != RS_ASKED || !rs->sent || rs->acked || rs->seq != seq)
		return;
	rs->late = false;
	rs->partial = now;
	rs->tries = 0;
	if (e && e->state == RESEND_LIVE)
		tx_settle(f, e, RESEND_ACKED, now);
}

void resync_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	struct resync *rs = &p->rs;
	bool lost = false;

	(void)f;
	if (rs->state != RS_ASKED || !rs->sent || rs->acked)
		return;
	if (seq_before(to, rs->seq))
		return;
	if (!seq_after(from, rs->seq)) {
		rs->acked = true;
	} else {
		/* The first it heard of us came after it. The number right behind it proves nothing: a peer of our kind
		 * leaves a RESYNC out until it is answered. */
		lost = rs->unsure && seq_after(from, rs->seq + 1);
		rs->passed_over = true;
	}
	rs->unsure = false;
	if (lost) {
		rs->state = RS_WANT;
		rs->not_before = now;
	}
}

static bool resync_ready(const struct ftfw *f, const struct peer *p, struct mono now)
{
	if (p->rs.state != RS_WANT || !peer_alive(p, now) || mono_before(now, p->rs.not_before))
		return false;
	return (f->hello == HELLO_DONE && p->confirmed) || !sync_within(p->contact, FTFW_SETTLE_MS, now);
}

/* When p's answer is overdue; not set: it is not, or cannot be. */
static struct mono resync_overdue(const struct peer *p)
{
	const struct resync *rs = &p->rs;
	struct mono heard = mono_before(rs->asked, rs->data) ? rs->data : rs->asked;
	uint32_t tries = rs->tries < BACKOFF_MAX_TRIES ? rs->tries : BACKOFF_MAX_TRIES;
	struct mono due;

	if (rs->state != RS_ASKED || !rs->sent || rs->acked)
		return (struct mono){ 0 };
	if (mono_is_set(rs->partial))
		return mono_add_ms(rs->partial, FTFW_ANSWER_MS);
	due = mono_add_ms(heard, rs->passed_over ? FTFW_HOLE_MS : FTFW_ANSWER_MS);
	/* Data that keeps coming may be live changes only. But a long table takes long, so patience grows. */
	if (rs->passed_over)
		due = mono_min(due, mono_add_ms(rs->asked, (int64_t)FTFW_PATIENCE_MS << tries));
	return due;
}

static void resync_finish(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;
	int64_t ms = mono_diff_ms(now, rs->asked) + FTFW_ANSWER_MS;

	if (rs->state != RS_ASKED || !rs->acked || p->nacks_out > 0 || p->reorder.n > 0)
		return;
	if (rs->weak) {
		resync_want(f, p, now);
		return;
	}
	rs->state = RS_IDLE;
	rs->tries = 0;
	f->base.stats.resync_done++;
	if (!peer_others(f, p, ms, now))
		f->base.env->resync_done(f->base.env->ctx, p->id, p->ours);
}

static struct mono resync_next(const struct ftfw *f, const struct peer *p, struct mono now)
{
	struct mono due = p->rs.not_before;

	if (!peer_alive(p, now) || p->rs.state == RS_IDLE)
		return (struct mono){ 0 };
	if (p->rs.state == RS_ASKED)
		return resync_overdue(p);
	if (f->hello != HELLO_DONE || !p->confirmed) {
		struct mono settled = mono_add_ms(p->contact, FTFW_SETTLE_MS);

		if (mono_before(due, settled))
			due = settled;
	}
	return due;
}

/* Everybody who is due is asked by one RESYNC: it has no addressee. */
static void resync_ask(struct ftfw *f, struct mono now)
{
	bool asked = false;

	if (f->ctl_tail - f->ctl_head == FTFW_CTL_MAX)
		return;
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		if (!resync_ready(f, &f->peer[i], now))
			continue;
		resync_begin(f, &f->peer[i], now);
		f->base.stats.resync_asked++;
		asked = true;
	}
	if (asked)
		tx_control(f, WIRE_F_RESYNC, RESEND_TO_ALL, f->life, 0);
}

struct mono resync_run(struct ftfw *f, struct mono now)
{
	struct mono next = { 0 };

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct peer *p = &f->peer[i];
		struct mono overdue;

		if (!p->used || p->rs.state != RS_ASKED)
			continue;
		resync_finish(f, p, now);
		overdue = resync_overdue(p);
		if (mono_is_set(overdue) && !mono_before(now, overdue) && peer_alive(p, now)) {
			resync_want(f, p, now);
			p->rs.late = true;
		}
	}
	resync_ask(f, now);
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		next = mono_min(next, resync_next(f, &f->peer[i], now));
	return next;
}

void ftfw_ask_resync(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	bool known = false;

	/* Whoever is not known yet is asked when it appears; this reaches one that hears us and has not spoken. */
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct peer *p = &f->peer[i];

		if (!p->used)
			continue;
		known = true;
		if (p->rs.state == RS_ASKED && !p->rs.sent)
			continue;
		/* What it is sending now may have come before what made somebody ask: a flush of the kernel table, for one. */
		p->rs.not_before = p->rs.state == RS_ASKED && sync_within(p->rs.asked, BACKOFF_MIN_MS, now) ?
				   mono_add_ms(p->rs.asked, BACKOFF_MIN_MS) : now;
		p->rs.state = RS_WANT;
	}
	if (!known)
		tx_control(f, WIRE_F_RESYNC, RESEND_TO_ALL, f->life, 0);
}

bool ftfw_resync_running(const struct sync *s)
{
	const struct ftfw *f = (const struct ftfw *)s;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used && f->peer[i].rs.state != RS_IDLE)
			return true;
	return false;
}
