/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOTRACK: when the answer to our RESYNC is whole.
 *
 *   event                                                                what follows
 *   a message is lost                                                    entries are marked anew;
 *                                                                        IDLE: ask
 *   "complete since s", s after the mark, nothing lost since             what was not refreshed is
 *                                                                        swept
 *   "partial": that was all, and the peer's cache is incomplete          wait, for as long as it
 *                                                                        says so
 *   "complete" after a loss, ALIVE instead of it, no answer              ask again, after a pause
 *
 * The RESYNC itself may be lost, so an ALIVE proves nothing: what was refreshed may have been live
 * changes only, and a sweep would remove what lives. A peer of our kind therefore says with
 * "complete" what it has sent. 1.4.x cannot; its answer counts when an ALIVE came half a second
 * after the RESYNC or later (it sends one only after a second without any other message, so not
 * before its answer), with nothing lost since; and because the RESYNC may have been lost all the
 * same, only the third such answer in a row ends the resync, while an entry refreshed by any of
 * them stays. On a link that is never silent it sends no ALIVE: then nothing is swept. Whether it
 * was an answer at all is judged by what it repeats (SYNC_SEEMS, node/stale.c).
 *
 * A peer that was of our kind may have become a 1.4.x, but not without a restart: one whose numbers
 * just go on and who does not answer does not hear us. */
#include "sync/notrack.h"

#define GAP_MS 200 /* losses come in bursts */
/* the longest wait for an answer; doubles with each try, a large table takes long */
#define PATIENCE_MS    15000
#define PATIENCE_TRIES 4
#define BEGIN_EVERY_MS 50 /* the cache counts resyncs with 16 bits */
#define ALIVE_MS       500
#define OLD_ANSWERS    3 /* see above */
/* a peer of our kind has said that it is one within this time */
#define OLD_CONTACT_MS 5000
#define OLD_TRIES      5 /* so many answers without "complete": it is a 1.4.x now */
#define REPEATS	       2 /* a peer of our kind knows that it is the same RESYNC */
#define REPEAT_MS      300
#define AGAIN_MS       1000 /* a peer that begins again and again is asked no more often */

static void nt_failed(struct sync *s, struct peer *p, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);

	np->answers = 0;
	if (p->rs.gapped && np->slow < PACE_SLOWEST)
		np->slow++;
	resync_failed(s, p, now);
}

static void nt_done(struct sync *s, struct peer *p, bool proven, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);

	np->answers = 0;
	if (np->slow > 0 && !p->rs.gapped)
		np->slow--;
	resync_done(s, p, proven, now);
}

/* ---- what happens ---- */

void nt_set_incarnation(struct sync *s, struct peer *p, uint32_t incarnation, struct mono now)
{
	bool known = p->incarnation != 0;

	nt_peer(s, p)->unnamed = false;
	peer_set_incarnation(s, p, incarnation, now);
	if (known)
		return;
	/* Taken for a 1.4.x because it did not hear us: what then seemed to be answers proved
	 * nothing, and the long pauses between requests to a 1.4.x are not for it. */
	nt_peer(s, p)->answers = 0;
	p->rs.tries = 0;
	if (p->rs.state == RS_ASKED)
		return;
	p->rs.stale = p->rs.stale || p->rs.state == RS_IDLE;
	resync_want(p, 0, now);
}

void nt_contact(struct sync *s, struct peer *p, bool fresh, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);
	struct mono last_asked = p->rs.asked;

	if (fresh)
		*np = (struct nt_peer){ 0 };
	np->before = p->track.last;
	np->unnamed = true;
	p->rs.stale = np->anew = true;
	p->rs.tries = np->answers = 0;
	np->serial = 0; /* a new life counts its requests from the beginning */
	resync_want(p, !fresh && sync_within(last_asked, AGAIN_MS, now) ? AGAIN_MS : 0, now);
}

void nt_missing(struct sync *s, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);

	(void)from, (void)to;
	/* Of an answer that began when we had stopped waiting: it was too fast all the same. */
	if (p->rs.state == RS_WANT && p->rs.tries > 0 && !p->rs.gapped && np->slow < PACE_SLOWEST)
		np->slow++;
	p->rs.stale = p->rs.gapped = true;
	np->answers = 0;
	if (p->rs.state == RS_IDLE)
		resync_want(p, GAP_MS, now);
	else if (p->rs.state == RS_ASKED && !sync_within(p->rs.begun, BEGIN_EVERY_MS, now))
		resync_begin(s, p, now);
}

void nt_hint(struct sync *s, struct peer *p, struct mono now)
{
	struct notrack *n = (struct notrack *)s;

	if (p->rs.state != RS_IDLE || !log_limit_pass(&n->hint_limit, 1, 10000, now, NULL))
		return;
	p->rs.stale = true;
	resync_want(p, 0, now);
}

void nt_got_complete(struct sync *s, struct peer *p, const struct message *msg, struct mono now)
{
	uint32_t since = msg->from, incarnation = msg->to;
	bool other = p->incarnation != 0 && p->incarnation != incarnation;

	if (other) { /* a life that began unnoticed: with the number we waited for */
		s->stats.restarts++;
		peer_begins(s, p, false, now);
	}
	nt_set_incarnation(s, p, incarnation, now);
	if (other)
		return;
	nt_peer(s, p)->anew = false;
	if (p->rs.state == RS_IDLE)
		return;
	if (!p->rs.stale && seq_after(since, p->rs.base) && msg->kind == MSG_COMPLETE)
		nt_done(s, p, true, now);
	else if (!p->rs.stale && seq_after(since, p->rs.base) && p->rs.state == RS_ASKED)
		p->rs.partial = now;
	else if (p->rs.state == RS_ASKED && p->rs.gapped)
		nt_failed(s, p, now);
	/* Otherwise it was for somebody who asked before us: ours follows. */
}

void nt_got_alive(struct sync *s, struct peer *p, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);

	if (p->rs.state != RS_ASKED || !mono_is_set(p->rs.asked) ||
	    sync_within(p->rs.asked, ALIVE_MS, now))
		return;
	/* it has nothing to send and has not said "complete": it did not hear us */
	if (p->incarnation != 0) {
		if (p->rs.tries >= OLD_TRIES && !p->rs.gapped && np->anew)
			p->incarnation = 0;
		nt_failed(s, p, now);
	} else if (p->rs.gapped || p->rs.stale) {
		nt_failed(s, p, now);
	} else if (!sync_within(p->contact, OLD_CONTACT_MS, now) && ++np->answers == OLD_ANSWERS) {
		nt_done(s, p, true, now);
	} else {
		resync_want(p, 0, now); /* the mark stays */
	}
}

/* ---- asking ---- */

void nt_ask(struct sync *s, struct mono now)
{
	struct notrack *n = (struct notrack *)s;

	(void)now;
	n->serial++;
	n->slow = 0;
	for (const struct peer *p = NULL; (p = peer_next(s, p));)
		if (p->rs.state == RS_ASKED && !mono_is_set(p->rs.asked) &&
		    n->peer[p->id].slow > n->slow)
			n->slow = n->peer[p->id].slow;
}

void nt_asked(struct sync *s, struct peer *p, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);

	np->repeats = p->incarnation != 0 ? REPEATS : 0;
	np->repeat_at = mono_add_ms(now, REPEAT_MS);
}

/* No answer, and no ALIVE either. */
static void nt_overdue(struct sync *s, struct peer *p, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);

	if (p->incarnation != 0 || p->rs.gapped || p->rs.stale) {
		nt_failed(s, p, now);
		return;
	}
	nt_done(s, p, false, now);
	if (np->controls || np->said_silent)
		return;
	np->said_silent = true;
	s->stats.other_mode++;
	sync_report(s, p, now, SYNC_OTHER_MODE, .sign = SYNC_SIGN_MUTE);
}

struct mono nt_check(struct sync *s, struct peer *p, struct mono now)
{
	struct nt_peer *np = nt_peer(s, p);
	uint32_t tries = p->rs.tries < PATIENCE_TRIES ? p->rs.tries : PATIENCE_TRIES;
	struct mono due = mono_add_ms(p->rs.asked, (int64_t)PATIENCE_MS << tries);

	if (!mono_is_set(p->rs.asked))
		return (struct mono){ 0 };
	if (mono_is_set(p->rs.partial))
		due = mono_add_ms(p->rs.partial, PATIENCE_MS);
	if (sync_due(due, now)) {
		nt_overdue(s, p, now);
		return (struct mono){ 0 };
	}
	if (np->repeats > 0 && sync_due(np->repeat_at, now)) {
		np->repeats--;
		np->repeat_at = mono_add_ms(now, 2 * REPEAT_MS);
		s->ask = true;
	}
	return np->repeats > 0 ? np->repeat_at : due;
}
