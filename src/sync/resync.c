/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a peer for everything it has, and knowing when that is complete (doc/protocol.md, "resync").
 *
 *              something is missing,            RESYNC leaves:                acknowledged, no NACK open,
 *              or the peer is new               resync_begin()                nothing held back: resync_done()
 *      IDLE ---------------------------> WANT ------------------> ASKED ----------------------------------> IDLE
 *                                          ^                        |
 *                                          '---- no answer, or a gap that cannot be repaired (backoff) ----'
 *
 * A peer of either kind acknowledges our RESYNC after all its objects: 1.4.x because its objects are queued when it
 * digests the request and its acknowledgement comes later, ours because it holds it back. So when the acknowledgement is
 * here, and nothing is missing in front of it, everything the peer has was refreshed since resync_begin().
 *
 * Not before the handshake is over: 1.4.x empties its list of unacknowledged messages for every HELLO it gets, so what
 * it sends meanwhile cannot be repaired. NACKs of before are forgotten when we ask: the answer holds what they asked
 * for. With more than one peer around an acknowledgement may have been meant for another node, so nothing is swept. */
#include "sync/ftfw.h"

#define BACKOFF_MAX_SHIFT 6	/* 64 s */

static struct mono rs_backoff(const struct resync *rs, struct mono now)
{
	uint32_t shift = rs->tries > BACKOFF_MAX_SHIFT + 1 ? BACKOFF_MAX_SHIFT : rs->tries - 1;

	return rs->tries == 0 ? now : mono_add_ms(now, INT64_C(1000) << shift);
}

void resync_want(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;

	if (rs->state == RS_WANT)
		return;
	if (rs->state == RS_ASKED) {
		f->base.stats.resync_failed++;
		rs->tries++;
	}
	rs->state = RS_WANT;
	rs->not_before = rs_backoff(rs, now);
}

void resync_contact(struct ftfw *f, struct peer *p, struct mono now)
{
	(void)f;
	p->rs = (struct resync){ .state = RS_WANT, .not_before = now };
}

/* ---- asking ---- */

/* What our NACKs asked for comes with the answer. */
static void rs_forget_nacks(struct ftfw *f, struct peer *p, struct mono now)
{
	for (uint64_t i = f->ring.live; p->nacks_out > 0 && i < f->ring.end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);

		if (e->state == RESEND_LIVE && (e->flags & WIRE_F_NACK) && e->peer == p->id)
			tx_settle(f, e, RESEND_MOOT, now);
	}
	for (uint32_t i = f->ctl_head; i != f->ctl_tail; i++) {
		struct ftfw_ctl *c = &f->ctl[i % FTFW_CTL_MAX];

		if ((c->flags & WIRE_F_NACK) && c->peer == p->id)
			c->flags = 0;
	}
	p->nacks_out = 0;
	p->hole_since = (struct mono){ 0 };
}

static bool rs_settled(const struct ftfw *f, const struct peer *p, struct mono now)
{
	return f->hello == HELLO_DONE || !ftfw_within(p->contact, FTFW_SETTLE_MS, now);
}

/* Returns when to look again. */
static struct mono rs_ask(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;

	if (!peer_alive(p, now))
		return (struct mono){ 0 };	/* when it speaks */
	if (mono_before(now, rs->not_before))
		return rs->not_before;
	if (!rs_settled(f, p, now))
		return mono_add_ms(p->contact, FTFW_SETTLE_MS);
	rs_forget_nacks(f, p, now);
	if (!tx_control(f, WIRE_F_RESYNC, p->id, 0, 0))
		return mono_add_ms(now, FTFW_REORDER_MS);
	*rs = (struct resync){ .state = RS_ASKED, .asked = now, .tries = rs->tries };
	f->base.stats.resync_asked++;
	f->base.env->resync_begin(f->base.env->ctx, p->id);
	return mono_add_ms(now, FTFW_ANSWER_MS);
}

void resync_sent(struct ftfw *f, uint32_t seq, bool hello)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct resync *rs = &f->peer[i].rs;

		if (!f->peer[i].used || rs->state != RS_ASKED || rs->sent)
			continue;
		rs->sent = true;
		rs->seq = seq;
		rs->weak = hello;
	}
}

void resync_again(struct ftfw *f, uint32_t seq)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct resync *rs = &f->peer[i].rs;

		if (f->peer[i].used && rs->state == RS_ASKED && rs->sent && rs->seq == seq)
			rs->sent = rs->acked = rs->passed_over = false;
	}
}

/* ---- the answer ---- */

void resync_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	struct resync *rs = &p->rs;

	(void)f;
	(void)now;
	if (rs->state != RS_ASKED || !rs->sent || rs->acked || seq_before(to, rs->seq))
		return;
	/* During a handshake a receiver takes whatever number comes as the next one, so a range that merely spans ours
	 * does not prove that ours arrived. */
	if (!seq_after(from, rs->seq) && (!rs->weak || from == rs->seq))
		rs->acked = true;
	else
		rs->passed_over = true;
}

static void rs_complete(struct ftfw *f, struct peer *p, struct mono now)
{
	p->rs = (struct resync){ .state = RS_IDLE };
	f->base.stats.resync_done++;
	if (!peer_others(f, p, FTFW_ANSWER_MS, now))
		f->base.env->resync_done(f->base.env->ctx, p->id);
}

/* Returns when to look again. */
static struct mono rs_watch(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;
	struct mono last = mono_is_set(rs->data) ? rs->data : rs->asked;
	struct mono silent = mono_add_ms(last, FTFW_ANSWER_MS);
	/* Data that keeps coming may be live changes only; but a long table takes long, so patience grows. */
	struct mono patience = mono_add_ms(rs->asked, (int64_t)FTFW_PATIENCE_MS
						      << (rs->tries < BACKOFF_MAX_SHIFT ? rs->tries : BACKOFF_MAX_SHIFT));

	if (rs->acked && p->nacks_out == 0 && p->reorder.n == 0) {
		rs_complete(f, p, now);
		return (struct mono){ 0 };
	}
	if (!mono_before(now, silent) || (rs->passed_over && !mono_before(now, patience))) {
		resync_want(f, p, now);
		return rs_ask(f, p, now);
	}
	return rs->passed_over ? mono_min(silent, patience) : silent;
}

struct mono resync_run(struct ftfw *f, struct mono now)
{
	struct mono next = { 0 };

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct peer *p = &f->peer[i];

		if (!p->used)
			continue;
		if (p->rs.state == RS_WANT)
			next = mono_min(next, rs_ask(f, p, now));
		else if (p->rs.state == RS_ASKED)
			next = mono_min(next, rs_watch(f, p, now));
	}
	return next;
}

void ftfw_ask_resync(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;

	/* Whoever is not known yet is asked when it appears. This reaches one that hears us and has not spoken. */
	if (f->n_peers == 0)
		tx_control(f, WIRE_F_RESYNC, RESEND_TO_ALL, 0, 0);
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used)
			resync_contact(f, &f->peer[i], now);
}

bool ftfw_resync_running(const struct sync *s)
{
	const struct ftfw *f = (const struct ftfw *)s;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used && f->peer[i].rs.state != RS_IDLE)
			return true;
	return false;
}
