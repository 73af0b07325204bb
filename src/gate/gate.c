/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packets wait, and for how long.
 *
 *	          gate_close()            gate_begin_open()          gate_all_there()
 *	OPEN ------------------> CLOSED ------------------> OPENING -----------------> DRAINING -> OPEN
 *
 * The rules:
 *
 * - A packet whose flow is known never passes before the kernel has that flow. CLOSED: it waits for
 *   the commit, at most for the deadline; then its flow is committed, because packets show that this
 *   node has to forward it, and where the kernel will not have it the packet is dropped. OPENING: its
 *   flow is committed at once.
 * - A packet of a flow that nobody knows could get the NAT port of a flow that is known and not in
 *   the kernel yet. So all such flows to the same destination are committed first (a sweep), then it
 *   passes. OPENING: at once; CLOSED: at the deadline; where that takes too long it is dropped. Nobody
 *   knows it means also that the kernel does not.
 * - Where it is not certain whether a flow is known, its packet waits until it is, or is dropped.
 * - Packets of one tuple pass in the order in which they came.
 * - What finds no room is dropped: every protocol sends again, or can bear that; none can bear to be
 *   answered by a node without its state. Flows that nobody knows take at most half of the room, so
 *   that a flood of them leaves some for the others. */
#include "gate/gate.h"

#include <stdlib.h>

#include "gate/waiting.h"
#include "gate/packet.h"

#define STEP 64u /* tuples settled in one step */

/* What a tuple that is held waits for: the caller's word in the hold. */
enum waits {
	WAITS_LOOK,  /* for gate_step() */
	WAITS_SWEEP, /* for a sweep to begin */
	WAITS_SWEPT, /* for the one that runs */
	WAITS_SURE,  /* for gate_sure() */
	WAITS_END,   /* until all flows are there: nobody can say whose it is */
};

struct gate {
	struct gate_conf conf;
	struct gate_env env;
	struct waiting *hold;
	enum gate_state state;
	bool sweeping;
	bool pass; /* the verdict of verdict_of() */
	struct gate_stats stats;
};

struct gate *gate_new(const struct gate_conf *conf, const struct gate_env *env,
		      const struct hash_key *key)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->conf = *conf;
	g->env = *env;
	g->hold = waiting_new(conf->queue_len, key);
	if (!g->hold) {
		free(g);
		return NULL;
	}
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	waiting_free(g->hold);
	free(g);
}

/* ---- verdicts ---- */

static void verdict_of(void *ctx, uint32_t packet)
{
	struct gate *g = ctx;

	g->env.verdict(g->env.ctx, packet, g->pass);
}

static void pass(struct gate *g, uint32_t place, struct mono now)
{
	int64_t waited_ms = mono_diff_ms(now, waiting_since(g->hold, place));

	if (waited_ms > g->stats.longest_ms)
		g->stats.longest_ms = waited_ms;
	g->pass = true;
	waiting_end(g->hold, place, verdict_of, g);
}

static void drop(struct gate *g, uint32_t place, uint64_t *counter)
{
	g->pass = false;
	*counter += waiting_end(g->hold, place, verdict_of, g);
}

static bool commit(struct gate *g, const struct ct_flow *tuple, struct mono now)
{
	bool there = g->env.commit(g->env.ctx, tuple, now);

	g->stats.ahead += there;
	g->stats.refused += !there;
	return there;
}

/* ---- tuples that are held ---- */

static bool is_late(const struct gate *g, uint32_t place, int64_t deadlines, struct mono now)
{
	return mono_diff_ms(now, waiting_since(g->hold, place)) >=
	       deadlines * (int64_t)g->conf.deadline_ms;
}

static void pass_new(struct gate *g, uint32_t place, struct mono now)
{
	uint32_t before = waiting_packets(g->hold);

	pass(g, place, now);
	g->stats.passed_new += before - waiting_packets(g->hold);
}

/* It is time to decide. What cannot be decided now says what it waits for. */
static void settle(struct gate *g, uint32_t place, struct mono now)
{
	const struct ct_flow *tuple = waiting_tuple(g->hold, place);
	uint32_t *waits = waiting_word(g->hold, place);
	enum gate_known known =
		*waits == WAITS_END ? GATE_UNSURE : g->env.known(g->env.ctx, tuple, now);

	switch (known) {
	case GATE_THERE:
		pass(g, place, now);
		return;
	case GATE_MISSING:
		if (commit(g, tuple, now))
			pass(g, place, now);
		else
			drop(g, place, &g->stats.dropped_refused);
		return;
	case GATE_UNKNOWN:
		if (g->state == GATE_DRAINING || *waits == WAITS_SWEPT)
			pass_new(g, place, now);
		else
			*waits = WAITS_SWEEP;
		return;
	case GATE_UNSURE:
		if (g->state == GATE_DRAINING)
			pass_new(g, place, now);
		else if (is_late(g, place, 1, now))
			drop(g, place, &g->stats.dropped_late);
		else if (*waits != WAITS_END)
			*waits = WAITS_SURE;
		return;
	}
}

/* Has a tuple that waits something to be done now? */
static bool is_due(struct gate *g, uint32_t place, struct mono now)
{
	switch ((enum waits) * waiting_word(g->hold, place)) {
	case WAITS_LOOK:
		return g->state != GATE_CLOSED || is_late(g, place, 1, now);
	case WAITS_SURE:
	case WAITS_END:
		return g->state == GATE_DRAINING || is_late(g, place, 1, now);
	case WAITS_SWEEP:
		return g->state == GATE_DRAINING || is_late(g, place, 2, now);
	case WAITS_SWEPT:
		return g->state == GATE_DRAINING;
	}
	return false;
}

static void begin_sweep(struct gate *g, struct mono now)
{
	const struct ct_flow *tuples[GATE_SWEEP_MAX];
	uint32_t i = waiting_oldest(g->hold);
	size_t n = 0;

	for (; i != WAITING_NONE && n < GATE_SWEEP_MAX; i = waiting_after(g->hold, i)) {
		if (*waiting_word(g->hold, i) != WAITS_SWEEP)
			continue;
		*waiting_word(g->hold, i) = WAITS_SWEPT;
		tuples[n++] = waiting_tuple(g->hold, i);
	}
	if (n == 0)
		return;
	g->sweeping = true;
	g->stats.sweeps++;
	g->env.sweep(g->env.ctx, tuples, n, now);
}

bool gate_step(struct gate *g, struct mono now)
{
	uint32_t i = waiting_oldest(g->hold), next, done = 0;
	bool wanted = false;

	for (; i != WAITING_NONE && done < STEP; i = next) {
		uint32_t waits = *waiting_word(g->hold, i);

		next = waiting_after(g->hold, i);
		if (g->state == GATE_CLOSED && !is_late(g, i, 1, now) && waits == WAITS_LOOK)
			break; /* nor are those that came later */
		if (is_due(g, i, now)) {
			done++;
			if (waits == WAITS_SWEEP && g->state != GATE_DRAINING) {
				drop(g, i, &g->stats.dropped_late);
				continue;
			}
			settle(g, i, now);
			waits = *waiting_word(g->hold, i); /* also of a place that is free now */
		}
		wanted |= waits == WAITS_SWEEP;
	}
	if (wanted && !g->sweeping && g->state != GATE_DRAINING)
		begin_sweep(g, now);
	return done == STEP;
}

void gate_swept(struct gate *g, struct mono now)
{
	uint32_t i = waiting_oldest(g->hold), next;

	g->sweeping = false;
	for (; i != WAITING_NONE; i = next) {
		next = waiting_after(g->hold, i);
		if (*waiting_word(g->hold, i) == WAITS_SWEPT)
			settle(g, i, now);
	}
}

void gate_sure(struct gate *g)
{
	uint32_t i = waiting_oldest(g->hold);

	for (; i != WAITING_NONE; i = waiting_after(g->hold, i)) {
		if (*waiting_word(g->hold, i) == WAITS_SURE)
			*waiting_word(g->hold, i) = WAITS_LOOK;
	}
}

/* ---- packets ---- */

static bool half_full(const struct gate *g)
{
	return waiting_packets(g->hold) >= g->conf.queue_len / 2;
}

static void hold(struct gate *g, const struct ct_flow *tuple, uint32_t packet, enum waits waits,
		 bool stranger, struct mono now)
{
	bool full = stranger && half_full(g);
	bool begins = waiting_find(g->hold, tuple) == WAITING_NONE;
	uint32_t i = full ? WAITING_NONE : waiting_add(g->hold, tuple, packet, now);

	if (i == WAITING_NONE) {
		g->stats.dropped_full++;
		g->env.verdict(g->env.ctx, packet, false);
		return;
	}
	g->stats.held++;
	if (begins)
		*waiting_word(g->hold, i) = waits;
}

/* Is the tuple of a place nobody's that is known? While the gate is closed its word does not say. */
static bool is_stranger(const struct gate *g, enum waits waits, const struct ct_flow *tuple,
			struct mono now)
{
	enum gate_known known;

	if (waits != WAITS_LOOK)
		return true;
	known = g->env.known(g->env.ctx, tuple, now);
	return known == GATE_UNKNOWN || known == GATE_UNSURE;
}

/* Packets of its tuple wait already: behind them, unless all of them can go. */
static void join(struct gate *g, uint32_t place, const struct ct_flow *tuple, uint32_t packet,
		 struct mono now)
{
	enum waits waits = (enum waits) * waiting_word(g->hold, place);

	hold(g, tuple, packet, waits, half_full(g) && is_stranger(g, waits, tuple, now), now);
	if (g->state != GATE_CLOSED && waits == WAITS_LOOK)
		settle(g, place, now);
}

static void judge(struct gate *g, const struct ct_flow *tuple, uint32_t packet, struct mono now)
{
	enum gate_known known = g->env.known(g->env.ctx, tuple, now);
	bool stranger = known != GATE_MISSING;

	if (known == GATE_THERE || (stranger && g->state == GATE_DRAINING)) {
		g->env.verdict(g->env.ctx, packet, true);
	} else if (stranger || g->state == GATE_CLOSED) {
		hold(g, tuple, packet, WAITS_LOOK, stranger, now);
	} else {
		bool there = commit(g, tuple, now);

		g->stats.dropped_refused += !there;
		g->env.verdict(g->env.ctx, packet, there);
	}
}

void gate_packet(struct gate *g, uint32_t packet, uint8_t l3, const uint8_t *bytes, size_t n,
		 struct mono now)
{
	struct ct_flow tuple;
	enum gate_packet_kind kind = gate_packet_read(l3, bytes, n, &tuple);
	uint32_t place;

	g->stats.packets++;
	if (kind == GATE_PACKET_EXEMPT || g->env.own(g->env.ctx, l3, gate_packet_dst(&tuple))) {
		g->stats.exempt++;
		g->env.verdict(g->env.ctx, packet, true);
		return;
	}
	if (g->state == GATE_OPEN ||
	    (kind == GATE_PACKET_UNREADABLE && g->state == GATE_DRAINING)) {
		g->env.verdict(g->env.ctx, packet, true);
		return;
	}
	place = waiting_find(g->hold, &tuple);
	if (kind == GATE_PACKET_UNREADABLE)
		hold(g, &tuple, packet, WAITS_END, true, now);
	else if (place != WAITING_NONE)
		join(g, place, &tuple, packet, now);
	else
		judge(g, &tuple, packet, now);
}

/* ---- states ---- */

enum gate_state gate_state(const struct gate *g)
{
	return g->state;
}

void gate_close(struct gate *g)
{
	if (g->state == GATE_OPEN)
		g->stats.longest_ms = 0;
	g->state = GATE_CLOSED;
}

void gate_begin_open(struct gate *g)
{
	if (g->state == GATE_CLOSED)
		g->state = GATE_OPENING;
}

void gate_all_there(struct gate *g)
{
	if (g->state == GATE_CLOSED || g->state == GATE_OPENING)
		g->state = GATE_DRAINING;
}

void gate_drained(struct gate *g)
{
	if (g->state == GATE_DRAINING && waiting_packets(g->hold) == 0)
		g->state = GATE_OPEN;
}

uint32_t gate_holds(const struct gate *g)
{
	return waiting_packets(g->hold);
}

uint32_t gate_holds_tuples(const struct gate *g)
{
	return waiting_tuples(g->hold);
}

const struct gate_stats *gate_stats(const struct gate *g)
{
	return &g->stats;
}

const char *gate_state_name(enum gate_state state)
{
	static const char *const name[] = {
		[GATE_OPEN] = "open",
		[GATE_CLOSED] = "closed",
		[GATE_OPENING] = "opening",
		[GATE_DRAINING] = "draining",
	};

	return name[state];
}
