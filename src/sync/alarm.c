/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ALARM: everything again every now and then (doc/protocol.md section 11). A change is sent once,
 * and each live flow again after a random time; what gets lost comes with the next repetition, and
 * what nobody repeats expires at the receiver. There are no control messages, but one: who has said
 * what ALARM does not know is told which mode this is, in a form that each of the others can read,
 * and 1.4.x skips (MSG_IN_ALARM).
 *
 * When a flow is due stands in its replication state, in ticks; there is no timer per flow. One
 * walk over the table looks for what is due. It begins when the earliest flow is due that the last
 * one saw, so a small table is walked exactly then; a large one, where something is always due, is
 * walked once a second, in steps. Committed flows enter the table without a word to us: the walk
 * meets them, gives them a time, and for that comes by at least every few seconds.
 *
 * Mark of a flow, beside those of queue.c:
 *
 *   DUE       seq is the tick of its next repetition
 *   KNOWN     this life of the tuple was sent at least twice. Until then it goes out as CT_NEW,
 *             which replaces what a peer may still have of the life before, if its end was lost
 *   REPEAT    stands with KNOWN: a repetition goes out as CT_UPD, also if the flow never
 *             changed. 1.4.x sends CT_NEW for ever, which makes the receiver drop its entry and
 *             make a new one each time */
#include "sync/unack.h"

#define TICK_MS	    20
#define TICKS_S	    (1000 / TICK_MS)
#define STEP_MS	    20
#define STEP_FLOWS  4096 /* looked at in one step, at least: well under a millisecond */
#define STEPS_PASS  50	 /* of a large table: one second */
#define PASS_MIN_MS 200
#define PASS_MAX_MS 5000

struct alarm {
	struct sync base; /* first */
	struct pace pace;
	struct mono start; /* of the ticks */
	uint64_t rng;
	bool pass;     /* a walk is under way */
	bool step;     /* it may go on in this turn */
	bool say_mode; /* somebody speaks another one: tell it ours */
	struct log_limit say_limit;
	bool earlier; /* the next walk has to begin sooner than the timer was told */
	struct mono step_at, pass_began, pass_at;
	uint32_t seen, seen_before; /* flows this walk and the last one met */
};

static uint32_t alarm_tick_no(const struct alarm *a, struct mono now)
{
	return (uint32_t)(mono_diff_ms(now, a->start) / TICK_MS);
}

static uint32_t alarm_random(struct alarm *a, uint32_t below)
{
	uint64_t z = (a->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) % below);
}

/* ---- when ---- */

/* The next walk must not be later than this tick. */
static void pass_by(struct alarm *a, uint32_t tick, struct mono now)
{
	int32_t ticks = (int32_t)(tick - alarm_tick_no(a, now));
	struct mono at = mono_add_ms(now, ticks > 0 ? (int64_t)ticks * TICK_MS : 0);

	if (!mono_before(at, a->pass_at))
		return;
	a->pass_at = at;
	a->earlier = !a->pass;
}

/* A random whole number of seconds up to RefreshTime, and 0.2, 0.4 ... 1.0 s. What has never been
 * sent (first) has to be within RefreshTime. */
static void alarm_arm(struct alarm *a, struct flow_repl *m, bool first, struct mono now)
{
	uint32_t s = alarm_random(a, a->base.conf->refresh_s) + (first ? 0 : 1);
	uint32_t fifths = 1 + alarm_random(a, 5);

	m->seq = alarm_tick_no(a, now) + s * TICKS_S + fifths * (TICKS_S / 5);
	m->bits |= REPL_DUE;
	pass_by(a, m->seq, now);
}

static void alarm_sent(struct sync *s, struct flow_repl *m, struct mono now)
{
	alarm_arm((struct alarm *)s, m, false, now);
}

/* ---- the walk ---- */

static int64_t pass_most_ms(const struct alarm *a)
{
	int64_t refresh = (int64_t)a->base.conf->refresh_s * 1000;

	return refresh < PASS_MAX_MS ? refresh : PASS_MAX_MS;
}

static void pass_begin(struct alarm *a, struct mono now)
{
	walk_rewind(&a->base.walk, a->base.env);
	a->pass = true;
	a->pass_began = a->step_at = now;
	a->pass_at = mono_add_ms(now, pass_most_ms(a));
	a->seen = 0;
}

static void pass_end(struct alarm *a)
{
	struct mono soonest = mono_add_ms(a->pass_began, PASS_MIN_MS);

	/* A large table is always due somewhere: no faster than it was meant to be. */
	if (a->seen > STEP_FLOWS)
		soonest = mono_add_ms(a->pass_began, STEPS_PASS * STEP_MS);
	a->pass = false;
	a->seen_before = a->seen;
	if (mono_before(a->pass_at, soonest))
		a->pass_at = soonest;
	a->earlier = true;
}

/* Deal with the flow at hand. False: the round is over, it stays at hand. */
static bool refresh_one(struct alarm *a, struct round *r, uint32_t id, struct mono now)
{
	const struct sync_env *env = a->base.env;
	struct flow_repl *m = env->repl(env->ctx, id);

	if (m->bits & REPL_QUEUED)
		return true;
	if (!(m->bits & REPL_DUE)) {
		alarm_arm(a, m, true, now);
		return true;
	}
	if (seq_after(m->seq, alarm_tick_no(a, now))) {
		pass_by(a, m->seq, now);
		return true;
	}
	if (!unack_put_flow(r, id))
		return false;
	a->base.stats.bulk_flows++;
	m->bits |= REPL_KNOWN | REPL_REPEAT;
	alarm_arm(a, m, false, now);
	return true;
}

static void refresh_step(struct alarm *a, struct round *r, struct mono now)
{
	const struct sync_env *env = a->base.env;
	uint32_t quota =
		a->seen_before / STEPS_PASS > STEP_FLOWS ? a->seen_before / STEPS_PASS : STEP_FLOWS;
	uint32_t id;

	while (a->pass) {
		id = walk_next(&a->base.walk);
		if (id != FLOW_ID_NONE) {
			if (!refresh_one(a, r, id, now))
				return;
			walk_done(&a->base.walk, env);
			continue;
		}
		if (quota < WALK_BATCH)
			break;
		if (!walk_load(&a->base.walk, env)) {
			pass_end(a);
			break;
		}
		quota -= WALK_BATCH;
		a->seen += a->base.walk.n;
	}
	a->step = false;
}

static bool alarm_transmit(struct sync *s, struct mono now)
{
	struct alarm *a = (struct alarm *)s;
	struct round r = round_begin(s, ROUND_DATAGRAMS, now);
	bool retime;

	if (a->say_mode && round_put_control(&r, MSG_IN_ALARM, 0, ROUND_TO_ALL, 0, 0))
		a->say_mode = false;
	if (unack_put_live(&r, alarm_sent) && a->step) {
		uint32_t aside = pace_begin(&a->pace, &r, now);

		refresh_step(a, &r, now);
		pace_end(&a->pace, &r, aside);
	}
	round_end(&r);
	retime = a->earlier;
	a->earlier = false;
	return r.out_of_budget || retime;
}

static struct mono alarm_tick(struct sync *s, struct mono now)
{
	struct alarm *a = (struct alarm *)s;

	if (!a->pass && !mono_before(now, a->pass_at))
		pass_begin(a, now);
	if (a->pass && !mono_before(now, a->step_at)) {
		a->step = true;
		a->step_at = mono_add_ms(now, STEP_MS);
	}
	return a->pass ? a->step_at : a->pass_at;
}

/* ---- receiving ---- */

static enum sync_verdict alarm_accept(struct sync *s, struct peer *p, const struct message *msg,
				      struct cursor body, struct mono now)
{
	return sync_digest(s, p, msg, body, true, now);
}

static void alarm_missing(struct sync *s, struct peer *p, uint32_t from, uint32_t to,
			  struct mono now)
{
	(void)from, (void)to;
	resync_need(s, p, now);
}

/* Mode check (protocol.md 5.2): whatever is more than a state belongs to another mode, and is
 * neither counted as malformed nor looked at. */
static enum sync_verdict alarm_recv(struct sync *s, const struct peer_addr *from,
				    const struct message *msg, struct cursor body, struct mono now)
{
	if (msg->kind == MSG_NO_TYPE) {
		proto_stats_count(&s->stats.wire, PROTO_BAD_TYPE);
		return SYNC_REFUSED;
	}
	if (!msg_is_state(msg->kind) || msg->hello != 0) {
		bool alarm = msg->kind == MSG_IN_ALARM;

		unack_refuse(s, from, msg, alarm, now);
		if (!alarm && log_limit_pass(&((struct alarm *)s)->say_limit, 1, 10000, now, NULL))
			((struct alarm *)s)->say_mode = true;
		return SYNC_DROPPED;
	}
	return unack_recv(s, from, msg, body, now);
}

/* ---- lifetime ---- */

static int alarm_open(struct sync *s, struct mono now)
{
	struct alarm *a = (struct alarm *)s;

	pace_set(&a->pace, 0);
	a->start = a->pass_at = now;
	a->rng = (uint64_t)now.ns ^ s->first_seq;
	return 0;
}

const struct sync_ops alarm_ops = {
	.name = "ALARM",
	.can = SYNC_EXPIRES,
	.size = sizeof(struct alarm),
	.open = alarm_open,
	.recv = alarm_recv,
	.tick = alarm_tick,
	.transmit = alarm_transmit,
	.accept = alarm_accept,
	.missing = alarm_missing,
};
