/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate against a world of flows: who knows each, whether the kernel takes it, and what has become of each
 * packet. The first rule is looked at with every verdict: no packet passes while its flow is known and not in the
 * kernel. */
#include "gate/gate.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gate/packet.h"

#define FLOWS	 64u
#define PACKETS	 4096u
#define DEADLINE 1000
#define ROOM	 32u

static const struct hash_key key = { 1, 2 };

enum verdict { NONE, PASSED, DROPPED };

struct world {
	struct gate *g;
	struct mono now;
	enum gate_known known[FLOWS]; /* by source port */
	bool refuses[FLOWS];
	uint32_t commits;
	uint32_t sweeps, swept_tuples;
	bool sweeping;
	uint32_t flow_of[PACKETS];
	enum verdict verdict[PACKETS];
	uint32_t order[PACKETS], settled; /* in the order of their verdicts */
	uint32_t packets;
	bool strange; /* a packet has passed that must not have */
};

static uint32_t number_of(const struct ct_flow *t)
{
	return ntohs(t->orig.sport) % FLOWS;
}

static enum gate_known on_known(void *ctx, const struct ct_flow *t, struct mono now)
{
	struct world *w = ctx;

	(void)now;
	return w->known[number_of(t)];
}

static bool on_commit(void *ctx, const struct ct_flow *t, struct mono now)
{
	struct world *w = ctx;
	uint32_t i = number_of(t);

	(void)now;
	assert_int_equal(w->known[i], GATE_MISSING);
	w->commits++;
	if (!w->refuses[i])
		w->known[i] = GATE_THERE;
	return !w->refuses[i];
}

static void on_sweep(void *ctx, const struct ct_flow *const *t, size_t n, struct mono now)
{
	struct world *w = ctx;

	(void)t;
	(void)now;
	assert_false(w->sweeping);
	assert_in_range(n, 1, GATE_SWEEP_MAX);
	w->sweeping = true;
	w->sweeps++;
	w->swept_tuples += (uint32_t)n;
}

static bool on_own(void *ctx, uint8_t l3, const uint8_t *addr)
{
	(void)ctx;
	return l3 == AF_INET && addr[3] == 11;
}

static void on_verdict(void *ctx, uint32_t packet, bool pass)
{
	struct world *w = ctx;

	assert_int_equal(w->verdict[packet], NONE);
	w->verdict[packet] = pass ? PASSED : DROPPED;
	w->order[w->settled++] = packet;
	w->strange |=
		pass && w->flow_of[packet] < FLOWS && w->known[w->flow_of[packet]] == GATE_MISSING;
}

static struct world *begin(void)
{
	const struct gate_conf conf = { .queue_len = ROOM, .deadline_ms = DEADLINE };
	struct world *w = calloc(1, sizeof(*w));
	const struct gate_env env = {
		.ctx = w,
		.known = on_known,
		.commit = on_commit,
		.sweep = on_sweep,
		.own = on_own,
		.verdict = on_verdict,
	};

	w->now = (struct mono){ .ns = MONO_NS_PER_S };
	w->g = gate_new(&conf, &env, &key);
	return w;
}

static void end(struct world *w)
{
	assert_false(w->strange);
	gate_free(w->g);
	free(w);
}

/* One from the client's port i to an address that ends in `last`; its number. */
static uint32_t send_to(struct world *w, uint32_t i, uint8_t last)
{
	uint8_t p[28] = { 0x45, [9] = IPPROTO_UDP, [12] = 10, 0, 0, 2, 192, 0, 2, 9 };

	p[19] = last;
	p[21] = (uint8_t)i;
	p[23] = 53;
	w->flow_of[w->packets] = last == 9 ? i % FLOWS : FLOWS;
	gate_packet(w->g, w->packets, AF_INET, p, sizeof(p), w->now);
	return w->packets++;
}

static uint32_t send_one(struct world *w, uint32_t i)
{
	return send_to(w, i, 9);
}

static void step(struct world *w)
{
	for (int i = 0; i < 1000 && gate_step(w->g, w->now); i++)
		;
}

static void later(struct world *w, int64_t ms)
{
	w->now = mono_add_ms(w->now, ms);
	step(w);
}

static void swept(struct world *w)
{
	assert_true(w->sweeping);
	w->sweeping = false;
	gate_swept(w->g, w->now);
	step(w);
}

static void test_open(void **state)
{
	struct world *w = begin();
	uint32_t a;

	(void)state;
	w->known[1] = GATE_THERE;
	a = send_one(w, 1);
	assert_int_equal(w->verdict[a], PASSED);
	assert_int_equal(gate_state(w->g), GATE_OPEN);
	end(w);
}

/* The addresses first, the commit later. */
static void test_take_over(void **state)
{
	struct world *w = begin();
	uint32_t a, b, c, d;

	(void)state;
	gate_close(w->g);
	w->known[1] = w->known[2] = GATE_MISSING;
	a = send_one(w, 1);
	b = send_one(w, 2);
	c = send_one(w, 1);
	later(w, 300);
	assert_int_equal(w->settled, 0);
	assert_int_equal(gate_holds(w->g), 3);
	gate_begin_open(w->g);
	step(w);
	assert_int_equal(w->commits, 2); /* once for each flow */
	assert_int_equal(w->order[0], a);
	assert_int_equal(w->order[1], c);
	assert_int_equal(w->order[2], b);
	assert_int_equal(w->verdict[b], PASSED);
	w->known[3] = GATE_MISSING;
	d = send_one(w, 3);
	assert_int_equal(w->verdict[d], PASSED);
	assert_int_equal(gate_stats(w->g)->ahead, 3);
	assert_int_equal(gate_stats(w->g)->longest_ms, 300);
	gate_all_there(w->g);
	gate_drained(w->g);
	assert_int_equal(gate_state(w->g), GATE_OPEN);
	end(w);
}

static void test_deadline(void **state)
{
	struct world *w = begin();
	uint32_t a, b, c;

	(void)state;
	gate_close(w->g);
	w->known[1] = w->known[2] = GATE_MISSING;
	w->refuses[2] = true;
	a = send_one(w, 1);
	b = send_one(w, 2);
	c = send_one(w, 3);
	later(w, DEADLINE - 1);
	assert_int_equal(w->settled, 0);
	later(w, 1);
	assert_int_equal(w->verdict[a], PASSED);
	assert_int_equal(w->verdict[b], DROPPED);
	assert_int_equal(w->verdict[c],
			 NONE); /* not before those are there whose ports it might take */
	assert_int_equal(w->sweeps, 1);
	swept(w);
	assert_int_equal(w->verdict[c], PASSED);
	assert_int_equal(gate_state(w->g), GATE_CLOSED);
	assert_int_equal(gate_stats(w->g)->dropped_refused, 1);
	assert_int_equal(gate_stats(w->g)->passed_new, 1);
	end(w);
}

/* A sweep is under way, and another one would be needed for too long. */
static void test_no_sweep_in_time(void **state)
{
	struct world *w = begin();
	uint32_t a, b;

	(void)state;
	gate_close(w->g);
	gate_begin_open(w->g);
	a = send_one(w, 1);
	step(w);
	b = send_one(w, 2);
	step(w);
	assert_int_equal(w->sweeps, 1);
	later(w, 2 * DEADLINE);
	assert_int_equal(w->verdict[a], NONE);
	assert_int_equal(w->verdict[b], DROPPED);
	assert_int_equal(gate_stats(w->g)->dropped_late, 1);
	swept(w);
	assert_int_equal(w->verdict[a], PASSED);
	end(w);
}

/* In the sweep it was found to be known. */
static void test_swept_and_known(void **state)
{
	struct world *w = begin();
	uint32_t a, b;

	(void)state;
	gate_close(w->g);
	gate_begin_open(w->g);
	a = send_one(w, 1);
	step(w);
	w->known[1] = GATE_MISSING;
	b = send_one(w, 1);
	assert_int_equal(w->settled, 0);
	swept(w);
	assert_int_equal(w->commits, 1);
	assert_int_equal(w->order[0], a);
	assert_int_equal(w->order[1], b);
	end(w);
}

static void test_unsure(void **state)
{
	struct world *w = begin();
	uint32_t a, b;

	(void)state;
	gate_close(w->g);
	gate_begin_open(w->g);
	w->known[1] = w->known[2] = GATE_UNSURE;
	a = send_one(w, 1);
	b = send_one(w, 2);
	later(w, 10);
	assert_int_equal(w->settled, 0);
	w->known[1] = GATE_MISSING;
	gate_sure(w->g);
	step(w);
	assert_int_equal(w->verdict[a], PASSED);
	later(w, DEADLINE);
	assert_int_equal(w->verdict[b], DROPPED);
	assert_int_equal(w->sweeps, 0);
	end(w);
}

static void test_unreadable(void **state)
{
	uint8_t later_fragment[28] = {
		0x45, [6] = 0, 100, [9] = IPPROTO_UDP, [12] = 10, 0, 0, 2, 192, 0, 2, 9
	};
	struct world *w = begin();

	(void)state;
	gate_close(w->g);
	w->flow_of[0] = w->flow_of[1] = FLOWS;
	gate_packet(w->g, 0, AF_INET, later_fragment, sizeof(later_fragment), w->now);
	gate_begin_open(w->g);
	later(w, DEADLINE);
	assert_int_equal(w->verdict[0], DROPPED);
	gate_packet(w->g, 1, AF_INET, later_fragment, sizeof(later_fragment), w->now);
	step(w);
	assert_int_equal(w->verdict[1], NONE);
	gate_all_there(w->g);
	step(w);
	assert_int_equal(w->verdict[1], PASSED);
	end(w);
}

/* Strangers take half of the room, those that are known the other half, and what is too much is dropped. */
static void test_room(void **state)
{
	struct world *w = begin();

	(void)state;
	gate_close(w->g);
	for (uint32_t i = 0; i < FLOWS; i++)
		w->known[i] = i < FLOWS / 2 ? GATE_UNKNOWN : GATE_MISSING;
	for (uint32_t i = 0; i < FLOWS; i++)
		send_one(w, i);
	assert_int_equal(gate_holds(w->g), ROOM);
	assert_int_equal(gate_stats(w->g)->dropped_full, FLOWS - ROOM);
	gate_begin_open(w->g);
	step(w);
	assert_int_equal(w->commits, ROOM / 2);
	assert_int_equal(w->swept_tuples, ROOM / 2);
	swept(w);
	assert_int_equal(gate_holds(w->g), 0);
	assert_int_equal(w->settled, FLOWS);
	end(w);
}

/* Nor does one stranger take more than half by itself. */
static void test_room_of_one(void **state)
{
	struct world *w = begin();

	(void)state;
	gate_close(w->g);
	w->known[1] = GATE_UNKNOWN;
	w->known[2] = GATE_MISSING;
	for (uint32_t i = 0; i < ROOM; i++)
		send_one(w, 1);
	assert_int_equal(gate_holds(w->g), ROOM / 2);
	assert_int_equal(gate_stats(w->g)->dropped_full, ROOM / 2);
	send_one(w, 2);
	send_one(w, 2);
	assert_int_equal(gate_holds(w->g), ROOM / 2 + 2);
	gate_begin_open(w->g);
	step(w);
	assert_int_equal(w->commits, 1);
	swept(w);
	assert_int_equal(gate_holds(w->g), 0);
	end(w);
}

static void test_own(void **state)
{
	struct world *w = begin();
	uint32_t a;

	(void)state;
	gate_close(w->g);
	a = send_to(w, 1, 11);
	assert_int_equal(w->verdict[a], PASSED);
	assert_int_equal(gate_stats(w->g)->exempt, 1);
	end(w);
}

/* Everything at random; at the end each packet has its one verdict, and those of one flow in order. */
static void test_random(void **state)
{
	for (unsigned int seed = 1; seed <= 200; seed++) {
		struct world *w = begin();

		srandom(seed);
		for (uint32_t i = 0; i < FLOWS; i++) {
			w->known[i] = (enum gate_known)(random() % 4);
			w->refuses[i] = random() % 8 == 0;
		}
		for (int round = 0; round < 300; round++) {
			switch (random() % 12) {
			case 0:
				gate_close(w->g);
				break;
			case 1:
				gate_begin_open(w->g);
				break;
			case 2:
				if (random() % 4 == 0 && gate_state(w->g) == GATE_OPENING) {
					for (uint32_t i = 0; i < FLOWS; i++)
						if (w->known[i] == GATE_MISSING && !w->refuses[i])
							w->known[i] = GATE_THERE;
					gate_all_there(w->g);
				}
				break;
			case 3:
				if (w->sweeping)
					swept(w);
				break;
			case 4:
				later(w, random() % 400);
				break;
			case 5:
				gate_sure(w->g);
				break;
			default:
				if (gate_state(w->g) != GATE_OPEN)
					send_one(w, (uint32_t)random() % FLOWS);
			}
			if (random() % 2)
				step(w);
			gate_drained(w->g);
			assert_in_range(gate_holds(w->g), 0, ROOM);
		}
		gate_close(w->g);
		gate_begin_open(w->g);
		if (w->sweeping)
			swept(w);
		gate_all_there(w->g);
		step(w);
		gate_drained(w->g);
		assert_int_equal(gate_state(w->g), GATE_OPEN);
		assert_int_equal(w->settled, w->packets);
		uint32_t last[FLOWS] = { 0 };

		for (uint32_t i = 0; i < w->settled; i++) {
			uint32_t p = w->order[i];

			if (w->verdict[p] != PASSED)
				continue;
			assert_true(last[w->flow_of[p]] <= p);
			last[w->flow_of[p]] = p;
		}
		end(w);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_take_over),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_no_sweep_in_time),
		cmocka_unit_test(test_swept_and_known),
		cmocka_unit_test(test_unsure),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_room_of_one),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
