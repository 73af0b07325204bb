/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOTRACK: asking a peer for everything it has, and knowing when it has come.
 *
 *   state    event                                                        next
 *   IDLE     new peer, new life, back after silence, gap, -n              WANT
 *   WANT     the peer is heard and the pause is over                      ASKED  its entries are marked, RESYNC is sent
 *   ASKED    gap                                                          ASKED  its entries are marked anew
 *   ASKED    "complete since s", s after the mark, nothing lost since     IDLE   what was not refreshed is swept
 *   ASKED    "partial": that was all, and the peer's cache is incomplete  ASKED  for as long as it says so
 *   ASKED    "complete" after a gap, ALIVE instead of it, no answer       WANT   after 1, 2, 4 ... 20 s
 *
 * The RESYNC itself may be lost, so an ALIVE proves nothing: what was refreshed may have been live changes only, and a
 * sweep would remove what lives. A peer of our kind therefore says with "complete" what it has sent. 1.4.x cannot; its
 * answer counts when an ALIVE came half a second after the RESYNC or later (it sends one only after a second without
 * any other message, so not before its answer), with nothing lost since; and because the RESYNC may have been lost all
 * the same, only the third such answer in a row ends the resync, while an entry refreshed by any of them stays. On a
 * link that is never silent it sends no ALIVE: then nothing is swept. */
#include "sync/notrack.h"

#define GAP_MS		200	/* losses come in bursts */
#define BACKOFF_MS	1000
#define BACKOFF_MAX_MS	20000
#define BACKOFF_OLD_MAX_MS 300000	/* 1.4.x sends a large table so fast that some is always lost */
#define BACKOFF_TRIES	9	/* 512 times the first pause */
#define PATIENCE_MS	15000	/* the longest wait for an answer; doubles with each try, a large table takes long */
#define PATIENCE_TRIES	4
#define MARK_EVERY_MS	50	/* the cache counts marks with 16 bits */
#define ALIVE_MS	500
#define OLD_ANSWERS	3	/* see above */
#define OLD_CONTACT_MS	5000	/* a peer of our kind has said that it is one within this time */
#define OLD_TRIES	5	/* so many answers without "complete": it is a 1.4.x now */
#define REPEATS		2	/* a peer of our kind knows that it is the same RESYNC */
#define REPEAT_MS	300

static void resync_mark(struct notrack *n, struct plain_peer *p, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	np->marked = now;
	np->base = p->last;
	np->spoiled = np->unread = false;
	np->partial = (struct mono){ 0 };
	n->plain.base.env->resync_begin(n->plain.base.env->ctx, p->id);
}

static void resync_want(struct notrack *n, struct plain_peer *p, int64_t pause_ms, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	np->state = NT_WANT;
	np->not_before = mono_add_ms(now, pause_ms);
	np->repeats = 0;
	np->asked = np->partial = (struct mono){ 0 };
}

static int64_t resync_backoff(const struct nt_peer *np)
{
	int64_t most = np->life != 0 ? BACKOFF_MAX_MS : BACKOFF_OLD_MAX_MS;
	int64_t pause = (int64_t)BACKOFF_MS << (np->tries < BACKOFF_TRIES ? np->tries : BACKOFF_TRIES);

	return pause < most ? pause : most;
}

static void resync_failed(struct notrack *n, struct plain_peer *p, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	n->plain.base.stats.resync_failed++;
	np->answers = 0;
	if (np->gapped && np->slow < PACE_SLOWEST)
		np->slow++;
	resync_want(n, p, resync_backoff(np), now);
	np->tries++;
}

static void resync_done(struct notrack *n, struct plain_peer *p, bool proven)
{
	struct nt_peer *np = &n->peer[p->id];

	np->state = NT_IDLE;
	np->tries = np->answers = 0;
	np->repeats = 0;
	if (np->slow > 0 && !np->gapped)
		np->slow--;
	n->plain.base.stats.resync_done++;
	if (proven && !np->unread)
		n->plain.base.env->resync_done(n->plain.base.env->ctx, p->id, np->life != 0);
}

/* ---- what happens ---- */

void nt_contact(struct plain *s, struct plain_peer *p, bool fresh, struct mono now)
{
	struct notrack *n = (struct notrack *)s;
	struct nt_peer *np = &n->peer[p->id];
	struct mono last_asked = np->asked;

	if (fresh)
		*np = (struct nt_peer){ 0 };
	np->contact = now;
	np->spoiled = true;
	np->tries = np->answers = 0;
	np->serial = 0;		/* a new life counts its requests from the beginning */
	/* One of our kind asks, which stops this. What it was does not count: it may be a 1.4.x now, whose first messages,
	 * its RESYNC among them, were taken for late ones of the life before. */
	np->bulk_at = mono_add_ms(now, NT_BULK_MS);
	resync_want(n, p, !fresh && sync_within(last_asked, BACKOFF_MS, now) ? BACKOFF_MS : 0, now);
}

void nt_missing(struct plain *s, struct plain_peer *p, struct mono now)
{
	struct notrack *n = (struct notrack *)s;
	struct nt_peer *np = &n->peer[p->id];

	np->spoiled = np->gapped = true;
	np->answers = 0;
	if (np->state == NT_IDLE)
		resync_want(n, p, GAP_MS, now);
	else if (np->state == NT_ASKED && !sync_within(np->marked, MARK_EVERY_MS, now))
		resync_mark(n, p, now);
}

void nt_hint(struct notrack *n, struct plain_peer *p, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	if (np->state != NT_IDLE || !log_limit_pass(&n->hint_limit, 1, 10000, now, NULL))
		return;
	np->spoiled = true;
	resync_want(n, p, 0, now);
}

void nt_got_complete(struct notrack *n, struct plain_peer *p, uint32_t since, uint32_t life, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	if (np->life != 0 && np->life != life) {	/* a life that began unnoticed: with the number we waited for */
		np->life = life;
		n->plain.base.stats.restarts++;
		nt_contact(&n->plain, p, false, now);
		sync_peer_begins(&n->plain.base, p->id);
		return;
	}
	np->life = life;
	np->bulk_at = (struct mono){ 0 };
	if (np->state == NT_IDLE)
		return;
	if (p->last - since >= WIRE_PARTIAL && np->state == NT_ASKED && !np->spoiled &&
	    seq_after(since + WIRE_PARTIAL, np->base))
		np->partial = now;
	else if (!np->spoiled && seq_after(since, np->base))
		resync_done(n, p, true);
	else if (np->state == NT_ASKED && np->gapped)
		resync_failed(n, p, now);
	/* Otherwise it was for somebody who asked before us: ours follows. */
}

void nt_got_alive(struct notrack *n, struct plain_peer *p, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	if (np->state != NT_ASKED || !mono_is_set(np->asked) || sync_within(np->asked, ALIVE_MS, now))
		return;
	if (np->life != 0) {	/* it has nothing to send and has not said "complete": it did not hear us */
		if (np->tries >= OLD_TRIES && !np->gapped)
			np->life = 0;
		resync_failed(n, p, now);
	} else if (np->gapped || np->spoiled) {
		resync_failed(n, p, now);
	} else if (!sync_within(np->contact, OLD_CONTACT_MS, now) && ++np->answers == OLD_ANSWERS) {
		resync_done(n, p, true);
	} else {
		resync_want(n, p, 0, now);	/* the mark stays */
	}
}

/* ---- asking ---- */

void nt_asked(struct notrack *n, struct mono now)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct nt_peer *np = &n->peer[i];

		if (np->state != NT_ASKED || mono_is_set(np->asked))
			continue;
		np->asked = now;
		np->repeats = np->life != 0 ? REPEATS : 0;
		np->repeat_at = mono_add_ms(now, REPEAT_MS);
	}
}

static bool resync_ask(struct notrack *n, struct plain_peer *p, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];

	if (np->state != NT_WANT || mono_before(now, np->not_before))
		return false;
	if (np->spoiled)
		resync_mark(n, p, now);
	np->state = NT_ASKED;
	np->gapped = false;
	np->asked = np->partial = (struct mono){ 0 };
	n->plain.base.stats.resync_asked++;
	return true;
}

static struct mono resync_patience(const struct nt_peer *np)
{
	uint32_t tries = np->tries < PATIENCE_TRIES ? np->tries : PATIENCE_TRIES;

	if (mono_is_set(np->partial))
		return mono_add_ms(np->partial, PATIENCE_MS);
	return mono_is_set(np->asked) ? mono_add_ms(np->asked, (int64_t)PATIENCE_MS << tries) : (struct mono){ 0 };
}

/* No answer, and no ALIVE either. */
static void resync_overdue(struct notrack *n, struct plain_peer *p, struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];
	char name[SOURCE_NAME];

	if (np->life != 0 || np->gapped || np->spoiled) {
		resync_failed(n, p, now);
		return;
	}
	resync_done(n, p, false);
	if (np->controls || np->said_silent)
		return;
	np->said_silent = true;
	n->plain.base.stats.foreign_mode++;
	plain_log(&n->plain, &n->plain.mode_log, now, LOG_LVL_WARNING, "peer %s sends states but no keepalive, and does not "
		  "answer a resync request: does it speak another mode (ALARM)?", source_name(&p->source[0], name));
}

struct mono nt_resync_tick(struct notrack *n, struct mono now)
{
	struct mono next = { 0 };
	bool asked = false;
	uint32_t slow = 0;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct plain_peer *p = &n->plain.peer[i];
		struct nt_peer *np = &n->peer[i];

		if (!plain_peer_alive(p, now))
			continue;
		if (np->state == NT_ASKED && sync_due(resync_patience(np), now))
			resync_overdue(n, p, now);
		if (np->state == NT_ASKED && np->repeats > 0 && sync_due(np->repeat_at, now)) {
			np->repeats--;
			np->repeat_at = mono_add_ms(now, 2 * REPEAT_MS);
			n->ask = true;
		}
		if (resync_ask(n, p, now)) {
			slow = np->slow > slow ? np->slow : slow;
			asked = true;
		}
		if (np->state == NT_WANT)
			next = mono_min(next, np->not_before);
		else if (np->state == NT_ASKED)
			next = mono_min(next, np->repeats > 0 ? np->repeat_at : resync_patience(np));
	}
	if (asked) {	/* everybody who is due is asked by one RESYNC: it has no addressee */
		n->serial++;
		n->slow = slow;
		n->ask = true;
	}
	return next;
}

void notrack_ask_resync(struct sync *s, struct mono now)
{
	struct notrack *n = (struct notrack *)s;
	bool known = false, again;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct plain_peer *p = &n->plain.peer[i];

		if (!plain_peer_alive(p, now))
			continue;
		known = true;
		if (n->peer[i].state == NT_ASKED && !mono_is_set(n->peer[i].asked))
			continue;
		/* What it is sending now may have come before what made somebody ask: a flush of the kernel table, for one. */
		again = n->peer[i].state == NT_ASKED && sync_within(n->peer[i].asked, BACKOFF_MS, now);
		n->peer[i].spoiled = true;
		resync_want(n, p, again ? BACKOFF_MS : 0, now);
	}
	if (!known) {	/* whoever appears is asked then; this reaches one that hears us and has not spoken */
		n->serial++;
		n->slow = 0;
		n->ask = true;
	}
}

bool notrack_resync_running(const struct sync *s)
{
	const struct notrack *n = (const struct notrack *)s;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (n->plain.peer[i].used && n->peer[i].state != NT_IDLE)
			return true;
	return false;
}
