/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything we have, for those who need it: one walk over the table that goes in circles.
 *
 * Each request notes where the walk is (pass and position). It is served when the walk has come to
 * the same place one pass later: then every flow that lived throughout was sent after the request.
 * Any number of requests share the walk. A peer has at most two, because acknowledging its first
 * RESYNC must not wait for its second; more than two are served together with the second, and
 * starting a pass is limited in rate: a flood of forged RESYNCs keeps one walk going, no more.
 *
 *   request made by                    why
 *   RESYNC                             the peer asks; acknowledged when served
 *   a NACK we cannot serve             it misses what we no longer have
 *   one second after a peer's HELLO    1.4.x has nothing after a restart and does not ask
 *   its first ACK after that           what was sent before it could hear us is not missed by it,
 *                                      but missing
 *   -B                                 somebody says so
 *
 * A flow that waits in a queue, or was sent after the last request and is not acknowledged yet, is
 * skipped.
 *
 * Pace: at most `window` paced messages (bulk and repair) unacknowledged. It doubles each time a
 * whole window has been acknowledged without a NACK, and is halved by a NACK. */
#include "sync/bulk.h"

#include "sync/control.h"
#include "sync/peer_state.h"

#define WINDOW_MIN   300
#define WINDOW_START 600
#define WINDOW_MAX   16384
#define WINDOW_SMALL 16 /* for rings that hold next to nothing */

/* ---- window ---- */

bool bulk_window_open(const struct ftfw *f)
{
	/* A bulk send must never be what fills the ring. */
	uint32_t most = f->ring_max / 2 > WINDOW_SMALL ? f->ring_max / 2 : WINDOW_SMALL;

	if (f->ring.n_live >= f->ring_max)
		return false;
	return f->ring.n_paced < (f->window < most ? f->window : most);
}

void bulk_init(struct ftfw *f)
{
	uint32_t two = 2 * f->base.conf->ack_window;

	f->window = two > WINDOW_START && two <= WINDOW_MAX ? two : WINDOW_START;
}

static uint32_t window_min(const struct ftfw *f)
{
	return f->base.conf->ack_window > WINDOW_MIN ? f->base.conf->ack_window : WINDOW_MIN;
}

void bulk_acked(struct ftfw *f, uint32_t n_paced)
{
	if (n_paced == 0)
		return;
	f->window_acked += n_paced;
	if (f->window_acked < f->window)
		return;
	f->window_acked = 0;
	if (!f->window_nacked && f->window < WINDOW_MAX)
		f->window *= 2;
	f->window_nacked = false;
}

void bulk_nacked(struct ftfw *f)
{
	/* Once per window: the losses of one burst are one sign. */
	if (!f->window_nacked)
		f->window = f->window / 2 > window_min(f) ? f->window / 2 : window_min(f);
	f->window_nacked = true;
	f->window_acked = 0;
}

/* ---- requests ---- */

static bool req_done(const struct ftfw *f, const struct bulk_req *req)
{
	uint32_t passes = f->pass - req->pass;

	return passes > 1 || (passes == 1 && f->base.walk.pos >= req->pos);
}

static bool waits_for_walk(const struct ftfw_peer *fp)
{
	return fp->req.active || fp->req_next.active;
}

/* Does anybody wait who can be reached? Whoever cannot gets the rest when he is back. */
static bool bulk_wanted(const struct ftfw *f, struct mono now)
{
	for (const struct peer *p = NULL; (p = peer_next(&f->base, p));)
		if (waits_for_walk(&f->peer[p->id]) &&
		    sync_within(p->heard, FTFW_BULK_PEER_MS, now))
			return true;
	return false;
}

bool ftfw_bulk_running(const struct sync *s)
{
	const struct ftfw *f = (const struct ftfw *)s;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (waits_for_walk(&f->peer[i]))
			return true;
	return false;
}

static void req_start(struct ftfw *f, struct bulk_req *req, struct mono now)
{
	if (!ftfw_bulk_running(&f->base)) {
		f->pass++;
		walk_rewind(&f->base.walk, f->base.env);
		f->base.stats.bulk_started++;
	}
	*req = (struct bulk_req){
		.active = true,
		.pass = f->pass,
		.pos = f->base.walk.pos,
		.seq = f->base.next,
		.at = now,
		.flows = f->base.stats.bulk_flows,
	};
}

/* May a pass for this peer start now? If not, it does later, by the timer. */
static bool bulk_allowed(struct ftfw *f, struct peer *p, struct mono now)
{
	bool many = f->base.n_peers > 1;

	if (many ? log_limit_pass(&f->many_limit, 12, 2500, now, NULL) :
		   log_limit_pass(&ftfw_peer(f, p)->bulk_limit, 6, 5000, now, NULL)) {
		p->bulk_at = (struct mono){ 0 };
		return true;
	}
	if (many)
		sync_report(&f->base, NULL, now, SYNC_TABLE_PUT_OFF);
	if (!mono_is_set(p->bulk_at))
		p->bulk_at = mono_add_ms(now, 5000);
	return false;
}

void bulk_request(struct ftfw *f, struct peer *p, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);

	if (p->heir)
		return;
	if (fp->owed != OWED_REQUEST)
		fp->owed = OWED_TABLE;
	if (!bulk_allowed(f, p, now))
		return;
	if (!fp->confirmed && !fp->bulk_owed) {
		fp->bulk_owed = true;
		fp->owed_seq = f->base.next;
	}
	/* What is asked for without a RESYNC has no acknowledgement that could wait too long: start
	 * over. */
	req_start(f, fp->req_next.active ? &fp->req_next : &fp->req, now);
}

/* A new RESYNC of the peer: nobody waits for the end of the answer to the one before. */
static void hold_forgo(struct ftfw *f, struct ftfw_peer *fp)
{
	for (unsigned int k = 0; k < fp->holds.n; k++) {
		struct hold *h = &fp->holds.at[k];

		if (h->until != HOLD_WHOLE)
			continue;
		h->until = HOLD_QUEUE;
		h->place = f->base.repair.tail;
	}
}

/* Those of p whose answer is not ended are told so, if it is of our kind. True: there are some. */
static bool holds_note(struct ftfw *f, const struct peer *p)
{
	const struct holds *holds = &ftfw_peer(f, p)->holds;
	bool waits = false;

	for (unsigned int k = 0; k < holds->n; k++) {
		if (holds->at[k].until != HOLD_WHOLE)
			continue;
		waits = true;
		if (p->incarnation != 0)
			control_queue(f, MSG_NOT_WHOLE, p->id, holds->at[k].to, 0);
	}
	return waits;
}

void bulk_check_whole(struct ftfw *f, struct mono now)
{
	bool whole, waits = false;

	if (!mono_is_set(f->note_at) ||
	    (!(whole = sync_whole(&f->base)) && mono_before(now, f->note_at)))
		return;
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		if (whole)
			hold_forgo(f, &f->peer[i]);
		waits = holds_note(f, &f->base.peer[i]) || waits;
	}
	f->note_at = waits ? mono_add_ms(now, FTFW_NOTE_MS) : (struct mono){ 0 };
}

bool bulk_asked(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	bool second = fp->req.active, held;

	peer_asks(&f->base, p, fp->owed != OWED_NOTHING, now);
	fp->owed = OWED_TABLE;
	fp->given_up = false;
	hold_forgo(f, fp);
	held = hold_add(&fp->holds, seq, second ? HOLD_BULK_NEXT : HOLD_BULK, 0);
	if (!second)
		bulk_request(f, p, now);
	else if (fp->req_next.active || bulk_allowed(f, p, now))
		req_start(f, &fp->req_next, now);
	return held;
}

void bulk_confirmed(struct ftfw *f, struct peer *p, uint32_t from, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	bool owed = fp->bulk_owed && seq_after(from, fp->owed_seq);

	fp->bulk_owed = false;
	if (!owed)
		return;
	if (fp->owed != OWED_REQUEST)
		fp->owed = OWED_TABLE;
	req_start(f, &fp->req, now); /* not limited: happens once in a life of the peer */
}

void ftfw_bulk(struct sync *s, struct peer *to, bool at_once, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;

	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		struct ftfw_peer *fp = ftfw_peer(f, p);

		if (p->heir || (to && p != to))
			continue;
		if (at_once)
			req_start(f, fp->req.active ? &fp->req_next : &fp->req, now);
		else
			bulk_request(f, p, now);
	}
}

/* The request of p is served: so are the RESYNCs that made it, but for what is still in the queue,
 * and those that made the next one come after. But a peer of our kind sweeps what it was not shown,
 * and while our cache is incomplete that may live. */
static void holds_served(struct ftfw *f, struct peer *p, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	bool whole = sync_whole(&f->base);

	for (unsigned int k = 0; k < fp->holds.n; k++) {
		struct hold *h = &fp->holds.at[k];

		if (h->until == HOLD_BULK) {
			h->place = f->base.repair.tail;
			h->until = whole ? HOLD_QUEUE : HOLD_WHOLE;
			if (!whole)
				f->note_at = f->keepalive; /* due as soon as anything is */
		} else if (h->until == HOLD_BULK_NEXT) {
			h->until = HOLD_BULK;
			if (!fp->req.active && !mono_is_set(p->bulk_at))
				p->bulk_at = now; /* it was not allowed to start when it came */
		}
	}
	if (fp->owed == OWED_TABLE && !fp->req.active) {
		fp->owed = OWED_QUEUE;
		fp->owed_to = f->base.repair.tail;
	}
}

/* The walk stands between two flows: whose request is served? Their acknowledgement still waits for
 * what is queued. */
static void bulk_check(struct ftfw *f, struct mono now)
{
	bool running = ftfw_bulk_running(&f->base);

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct ftfw_peer *fp = &f->peer[i];

		if (!fp->req.active || !req_done(f, &fp->req))
			continue;
		sync_report(&f->base, &f->base.peer[i], now, SYNC_TABLE_SENT,
			    .n = f->base.stats.bulk_flows - fp->req.flows,
			    .ms = mono_diff_ms(now, fp->req.at));
		fp->req = fp->req_next;
		fp->req_next.active = false;
		holds_served(f, &f->base.peer[i], now);
	}
	if (running && !ftfw_bulk_running(&f->base))
		f->base.stats.bulk_done++;
}

void bulk_queue_passed(struct ftfw *f, struct ftfw_peer *fp)
{
	if (fp->owed != OWED_QUEUE || !txq_passed(&f->base.repair, fp->owed_to))
		return;
	fp->owed = OWED_ACK;
	fp->owed_to = f->base.next - 1;
}

/* ---- the walk ---- */

/* The number from which on a message serves everybody who waits. */
static uint32_t bulk_newest_seq(const struct ftfw *f)
{
	uint32_t newest = f->base.next - f->ring_max;

	for (unsigned int i = 0; i < 2 * PEERS_MAX; i++) {
		const struct bulk_req *req = i % 2 ? &f->peer[i / 2].req_next : &f->peer[i / 2].req;

		if (req->active && seq_after(req->seq, newest))
			newest = req->seq;
	}
	return newest;
}

static bool bulk_needless(const struct ftfw *f, uint32_t id, uint32_t newest)
{
	const struct flow_repl *m = f->base.env->repl(f->base.env->ctx, id);

	return (m->bits & REPL_QUEUED) || ((m->bits & REPL_SENT) && !seq_before(m->seq, newest));
}

/* The next batch from the walk; false when nobody waits any more, or when the round has seen
 * enough: a walk over flows that are all dead or needless sends nothing and so is stopped by
 * nothing else. */
static bool bulk_load(struct ftfw *f, struct mono now)
{
	bulk_check(f, now);
	while (f->walk_left > 0 && bulk_wanted(f, now)) {
		f->walk_left--;
		if (walk_load(&f->base.walk, f->base.env))
			return true;
		f->pass++;
		walk_rewind(&f->base.walk, f->base.env);
		bulk_check(f, now);
	}
	return false;
}

uint32_t bulk_next(struct ftfw *f, struct mono now)
{
	uint32_t newest = bulk_newest_seq(f);

	for (;;) {
		uint32_t id;

		while ((id = walk_next(&f->base.walk)) != FLOW_ID_NONE) {
			if (!bulk_needless(f, id, newest))
				return id;
			walk_done(&f->base.walk, f->base.env);
		}
		if (!bulk_load(f, now))
			return FLOW_ID_NONE;
	}
}
