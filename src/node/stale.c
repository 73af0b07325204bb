/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leaves the external cache without a message, in steps from pipeline_turn(): entries that
 * a complete resync did not refresh, and in ALARM those that nobody has spoken of for too long. */
#include "node/path.h"

#include <stdio.h>

#define DOUBT_MIN  100	/* so few entries of a 1.4.x are removed at once */
#define SWEEP_STEP 4096 /* records looked at per turn: well under a millisecond */

void stale_resync_begin(struct pipeline *p, uint8_t peer)
{
	uint32_t bit = 1u << peer;

	p->doubt[peer].marked = p->now;
	/* A sweep still under way belongs to the resync before: what it has not reached is
	 * judged by the new one. */
	if ((p->sweep_peers | p->count_peers) & bit) {
		p->sweep_peers &= ~bit;
		p->count_peers &= ~bit;
		p->sweep_pos = p->count_pos = 0;
		p->count = (struct external_answer){ 0 };
	}
	external_resync_begin(p->external, peer);
}

static void sweep_begin(struct pipeline *p, uint32_t peers)
{
	for (uint8_t i = 0; i < PEERS_MAX; i++)
		if (peers >> i & 1)
			p->doubt[i] = (struct path_doubt){ 0 };
	p->swept += path_expects_resync_done(p, peers);
	p->sweep_peers |= peers;
	p->sweep_pos = 0;
}

void stale_resync_done(struct pipeline *p, uint32_t peers, enum sync_proof proof)
{
	struct path_doubt *d = &p->doubt[__builtin_ctz(peers)];

	if (proof == SYNC_SURE) {
		sweep_begin(p, peers);
		return;
	}
	d->seems = proof == SYNC_SEEMS;
	d->peers = peers;
	p->count_peers |= peers;
	p->count_pos = 0;
	p->count = (struct external_answer){ 0 };
}

/* ---- in doubt ---- */

/* A 1.4.x whose own cache is incomplete (it was restarted with a small HashLimit, or has just
 * been told -f) answers like any other. Losing most of what it told because of that would be
 * worse than keeping for a minute what has ended. */
static bool lacks_most(const struct external_answer *a)
{
	return a->stale > DOUBT_MIN && a->stale > a->all / 2;
}

/* What comes without acknowledgement may be live changes only, our request being lost: flows
 * that did not change live. An answer repeats what is known, and what has changed meanwhile is
 * the smaller part of it. */
static bool is_no_answer(const struct path_doubt *d, const struct external_answer *a)
{
	return d->seems && a->stale > 0 &&
	       (a->repeated == 0 || a->repeated < (a->all - a->stale) / 2);
}

static void sweep_judge(struct pipeline *p, struct path_doubt *d, struct mono now)
{
	static const int64_t pause_s[] = { 10, 60 };
	const struct external_answer *a = &p->count;
	bool none = is_no_answer(d, a), doubt = none || lacks_most(a);
	char line[240];

	if (doubt && mono_is_set(d->ask_at))
		return; /* somebody else has asked meanwhile */
	if (!doubt || (!none && d->put_off >= 2)) {
		if (doubt) {
			snprintf(line, sizeof(line),
				 "three full answers of a 1.4.x lacked most of its entries: %u of "
				 "%u are removed from "
				 "the external cache",
				 a->stale, a->all);
			path_log(p, LOG_LVL_WARNING, line);
		}
		sweep_begin(p, d->peers);
		return;
	}
	if (d->put_off > 2)
		return; /* said */
	if (d->put_off == 2) {
		snprintf(line, sizeof(line),
			 "nothing shows that a 1.4.x has answered: %u of its %u entries may have "
			 "ended, and are kept",
			 a->stale, a->all);
	} else {
		d->ask_at = mono_add_ms(now, pause_s[d->put_off] * 1000);
		snprintf(line, sizeof(line),
			 "a full answer of a 1.4.x lacks %u of its %u entries: not removed yet, it "
			 "is asked "
			 "again in %d s",
			 a->stale, a->all, (int)pause_s[d->put_off]);
	}
	d->put_off++;
	path_log(p, d->put_off > 2 ? LOG_LVL_WARNING : LOG_LVL_NOTICE, line);
}

/* One step of counting what the word of a 1.4.x would remove. True while there is more. */
static bool count_step(struct pipeline *p, struct mono now)
{
	struct path_doubt *d;
	uint32_t peers;

	if (p->count_peers == 0)
		return false;
	d = &p->doubt[__builtin_ctz(p->count_peers)];
	peers = d->peers | (p->count_peers & -p->count_peers);
	if (external_answer_step(p->external, peers, d->marked, &p->count_pos, SWEEP_STEP,
				 &p->count))
		return true;
	sweep_judge(p, d, now);
	p->count_peers &= ~peers;
	p->count_pos = 0;
	p->count = (struct external_answer){ 0 };
	return p->count_peers != 0;
}

static bool stale_pending(const struct pipeline *p)
{
	bool doubt = false;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		doubt = doubt || mono_is_set(p->doubt[i].ask_at) ||
			p->doubt[i].put_off > 2; /* kept, because nothing has answered */
	return doubt || p->sweep_peers != 0 || p->count_peers != 0;
}

bool stale_kept(void *ctx)
{
	const struct pipeline *p = ctx;

	return whole_is(&p->ex.whole) && !stale_pending(p);
}

void stale_peer_begins(struct pipeline *p, uint8_t peer)
{
	p->doubt[peer] = (struct path_doubt){ 0 };
}

struct mono stale_ask(struct pipeline *p, struct mono now)
{
	struct mono next = { 0 };
	bool ask = false;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct path_doubt *d = &p->doubt[i];

		if (mono_is_set(d->ask_at) && !mono_before(now, d->ask_at)) {
			d->ask_at = (struct mono){ 0 };
			ask = true;
		}
		next = mono_min(next, d->ask_at);
	}
	if (ask)
		pipeline_ask(p, now);
	return next;
}

/* ---- sweep ---- */

/* One step of removing what a completed resync did not refresh. True while there is more. */
bool stale_sweep_step(struct pipeline *p, struct mono now)
{
	bool counting = count_step(p, now);
	char line[96];
	uint8_t peer;

	if (p->sweep_peers == 0)
		return counting;
	peer = (uint8_t)__builtin_ctz(p->sweep_peers);
	if (external_sweep_step(p->external, peer, &p->sweep_pos, SWEEP_STEP, &p->swept))
		return true;
	p->stats.swept += p->swept;
	if (p->swept > 0) {
		snprintf(line, sizeof(line),
			 "resync complete: %u stale entries removed from the external cache",
			 p->swept);
		path_log(p, LOG_LVL_NOTICE, line);
	}
	p->sweep_peers &= ~(1u << peer);
	p->sweep_pos = 0;
	p->swept = 0;
	return p->sweep_peers != 0 || counting;
}

/* One step of looking for entries that nobody has spoken of for too long. Between two walks lies
 * the time that the oldest entry has left, so a table that is refreshed regularly is hardly ever
 * walked. True while there is more. */
bool stale_expire_step(struct pipeline *p, struct mono now)
{
	uint32_t removed = 0; /* of no interest: that entries lapse is how the mode works */
	int64_t left_s;

	if (p->cache_timeout_s == 0 || (!p->expiring && mono_before(now, p->expire_due)))
		return false;
	if (!p->expiring) {
		p->expire_pos = 0;
		p->oldest_s = UINT32_MAX;
		if (p->expects)
			expects_expire(exp_path_external(p->expects), p->cache_timeout_s, now,
				       &p->oldest_s);
	}
	p->expiring = external_expire_step(p->external, &p->expire_pos, SWEEP_STEP,
					   p->cache_timeout_s, now, &p->oldest_s, &removed);
	if (p->expiring)
		return true;
	left_s = p->oldest_s == UINT32_MAX ?
			 p->cache_timeout_s :
			 (int64_t)p->oldest_s + p->cache_timeout_s - mono_s(now);
	p->expire_due = mono_add_ms(now, (left_s > 0 ? left_s + 1 : 1) * 1000);
	return false;
}
