/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a peer for everything it has, and knowing when we have it (doc/protocol.md sections 7 and
 * 10), in all modes that can ask.
 *
 *   state    event                                                      next
 *   IDLE     new peer, new life, something is missing for good, -n      WANT
 *   WANT     the peer can hear us (sync_ops.ask_at), and the pause is   ASKED  a RESYNC leaves,
 *            over                                                              entries are marked
 *   ASKED    the proof has come (sync_ops.check) that everything has    IDLE   what was not
 *                                                                              refreshed is swept
 *   ASKED    something is missing for good, or no answer                WANT   after 1, 2, 4 ... s
 *   ASKED    the peer says that it has sent all it has, and that its    ASKED  for as long as it
 *            cache is incomplete                                               says so
 *
 * Entries are marked when the RESYNC leaves, and each time it does: what was heard between a copy
 * that got lost and the next one says nothing about what is still there when that one is answered.
 *
 * What proves an answer, and what to do about a loss meanwhile, differs: ftfw_proof.c,
 * notrack_proof.c. */
#include "sync/resync.h"

#include "sync/mode.h"
#include "sync/peer_state.h"

#define PAUSE_MS 1000 /* after the first failure; doubles */
/* 1.4.x sends a large table so fast that without repair some is always lost */
#define PAUSE_OLD_MS 300000

void resync_begin(struct sync *s, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;

	rs->begun = now;
	rs->base = p->track.last;
	rs->stale = rs->unread = false;
	rs->partial = (struct mono){ 0 };
	for (struct peer *q = NULL; (q = peer_next(s, q));)
		if (q == p || q->heir == p)
			s->env->resync_begin(s->env->ctx, q->id);
}

void resync_want(struct peer *p, int64_t pause_ms, struct mono now)
{
	struct resync *rs = &p->rs;

	if (rs->state == RS_IDLE)
		rs->began = now;
	rs->state = RS_WANT;
	rs->not_before = mono_add_ms(now, pause_ms);
	rs->asked = rs->partial = (struct mono){ 0 };
	rs->late = false;
}

void resync_failed(struct sync *s, struct peer *p, struct mono now)
{
	struct resync *rs = &p->rs;
	uint32_t tries = rs->tries < RESYNC_MAX_TRIES ? rs->tries : RESYNC_MAX_TRIES;
	int64_t pause = (int64_t)PAUSE_MS << tries, most = s->ops->resync_pause_ms;

	if (p->incarnation == 0 && !sync_does(s, SYNC_ACKS))
		most = PAUSE_OLD_MS;
	s->stats.resync_failed++;
	resync_want(p, pause < most ? pause : most, now);
	rs->tries++;
}

void resync_need(struct sync *s, struct peer *p, struct mono now)
{
	if (!sync_does(s, SYNC_ASKS)) { /* and what is not told again for CacheTimeout goes */
		peer_pass(p, s->conf->cache_timeout_s, now);
		return;
	}
	p->rs.stale = true;
	p->rs.late = false;
	if (p->rs.state == RS_ASKED)
		resync_failed(s, p, now);
	else if (p->rs.state == RS_IDLE)
		resync_want(p, 0, now);
}

void resync_done(struct sync *s, struct peer *p, bool sweep, struct mono now)
{
	uint32_t peers = 0;

	p->rs.state = RS_IDLE;
	p->rs.tries = 0;
	s->stats.resync_done++;
	peer_repaired(s, p, UINT64_MAX);
	sync_report(s, p, now, SYNC_TABLE_CAME, .n = p->states - p->rs.states,
		    .ms = mono_diff_ms(now, p->rs.began));
	p->rs.unproven = !sweep || p->rs.unread;
	if (p->rs.unproven)
		return;
	for (struct peer *q = NULL; (q = peer_next(s, q));) {
		if (q != p && q->heir != p)
			continue;
		peers |= 1u << q->id;
		q->inherited += q != p;
	}
	s->env->resync_done(s->env->ctx, peers,
			    p->incarnation != 0	    ? SYNC_SURE :
			    sync_does(s, SYNC_ACKS) ? SYNC_ACKED :
						      SYNC_SEEMS);
}

void resync_left(struct sync *s, struct mono now)
{
	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		if (p->rs.state != RS_ASKED || mono_is_set(p->rs.asked))
			continue;
		p->rs.asked = now;
		p->rs.states = p->states;
		if (p->rs.stale)
			resync_begin(s, p, now);
		if (s->ops->asked)
			s->ops->asked(s, p, now);
	}
}

/* Everybody who is due is asked by one RESYNC: it has no addressee. */
static void resync_send(struct sync *s, struct mono now)
{
	s->ask = true;
	if (s->ops->ask)
		s->ops->ask(s, now);
}

/* When p, who is to be asked, may be. */
static struct mono resync_ask_at(const struct sync *s, const struct peer *p)
{
	struct mono at = s->ops->ask_at ? s->ops->ask_at(s, p) : p->rs.not_before;

	return mono_before(at, p->rs.not_before) ? p->rs.not_before : at;
}

struct mono resync_run(struct sync *s, struct mono now)
{
	struct mono next = { 0 };
	bool ask = false;

	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		struct mono check = { 0 };

		if (!peer_alive(p, now))
			continue;
		if (p->rs.state == RS_ASKED)
			check = s->ops->check(s, p, now);
		if (p->rs.state == RS_WANT && !mono_before(now, resync_ask_at(s, p))) {
			p->rs.state = RS_ASKED;
			p->rs.gapped = false;
			p->rs.asked = p->rs.partial = (struct mono){ 0 };
			s->stats.resync_asked++;
			ask = true;
		}
		next = mono_min(next, p->rs.state == RS_WANT ? resync_ask_at(s, p) : check);
	}
	if (ask)
		resync_send(s, now);
	return next;
}

void sync_ask_resync(struct sync *s, struct mono now)
{
	bool known = false, again;

	if (!sync_does(s, SYNC_ASKS))
		return;
	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		if (p->heir)
			continue;
		known = known || peer_alive(p, now);
		if (p->rs.state == RS_ASKED && !mono_is_set(p->rs.asked))
			continue;
		/* What it is sending now may have come before what made somebody ask: a flush of
		 * the kernel table, for one. */
		again = p->rs.state == RS_ASKED && sync_within(p->rs.asked, PAUSE_MS, now);
		p->rs.stale = true;
		resync_want(p, again ? PAUSE_MS : 0, now);
	}
	/* Whoever appears is asked then; this reaches one that hears us and has not spoken. */
	if (!known)
		resync_send(s, now);
}

bool sync_resync_running(const struct sync *s)
{
	for (const struct peer *p = NULL; (p = peer_next(s, p));)
		if (p->rs.state != RS_IDLE)
			return true;
	return false;
}
