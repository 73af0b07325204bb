/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that wait: order, bounds, and long random use against a list. */
#include "gate/waiting.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX 50u

static const struct hash_key key = { 1, 2 };

static struct ct_flow tuple(uint32_t i)
{
	struct ct_flow t = { .has = FLOW_HAS_PORTS,
			     .l3 = i % 2 ? AF_INET6 : AF_INET,
			     .l4 = IPPROTO_TCP,
			     .orig = { htons((uint16_t)i), htons(80) } };

	t.addr.v4.src = i; /* of both families: the first bytes */
	return t;
}

static struct mono at_ms(int64_t ms)
{
	return mono_add_ms((struct mono){ .ns = 1 }, ms);
}

struct got {
	uint32_t packet[MAX];
	uint32_t n;
};

static void take(void *ctx, uint32_t packet)
{
	struct got *g = ctx;

	g->packet[g->n++] = packet;
}

static void test_order(void **state)
{
	struct waiting *w = waiting_new(4, &key);
	struct ct_flow a = tuple(1), b = tuple(2), c = tuple(3);
	struct got got = { .n = 0 };
	uint32_t pa, pb;

	(void)state;
	pa = waiting_add(w, &a, 10, at_ms(5));
	pb = waiting_add(w, &b, 11, at_ms(6));
	assert_int_equal(waiting_add(w, &a, 12, at_ms(7)), pa);
	assert_int_equal(waiting_add(w, &a, 13, at_ms(8)), pa);
	assert_int_equal(waiting_add(w, &c, 14, at_ms(9)), WAITING_NONE); /* full */
	assert_int_equal(waiting_packets(w), 4);
	assert_int_equal(waiting_tuples(w), 2);
	assert_int_equal(waiting_oldest(w), pa);
	assert_int_equal(waiting_after(w, pa), pb);
	assert_int_equal(waiting_after(w, pb), WAITING_NONE);
	assert_int_equal(waiting_since(w, pa).ns, at_ms(5).ns);
	assert_true(flow_same_key(waiting_tuple(w, pb), &b));
	assert_int_equal(*waiting_word(w, pa), 0);
	*waiting_word(w, pa) = 7;
	assert_int_equal(waiting_end(w, pa, take, &got), 3);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.packet[0], 10);
	assert_int_equal(got.packet[1], 12);
	assert_int_equal(got.packet[2], 13);
	assert_int_equal(waiting_find(w, &a), WAITING_NONE);
	pa = waiting_add(w, &a, 15, at_ms(9));
	assert_int_equal(*waiting_word(w, pa), 0);
	assert_int_equal(waiting_oldest(w), pb);
	assert_int_equal(waiting_after(w, pb), pa);
	waiting_free(w);
}

static void test_random(void **state)
{
	struct waiting *w = waiting_new(MAX, &key);
	uint32_t model[20][MAX], n[20] = { 0 }, all = 0;

	(void)state;
	srandom(1);
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t i = (uint32_t)random() % 20, place;
		struct ct_flow t = tuple(i);
		struct got got = { .n = 0 };

		place = waiting_find(w, &t);
		assert_int_equal(place == WAITING_NONE, n[i] == 0);
		if (random() % 8 || n[i] == 0) {
			place = waiting_add(w, &t, round, at_ms(round));
			assert_int_equal(place == WAITING_NONE, all == MAX);
			if (all < MAX) {
				model[i][n[i]++] = round;
				all++;
			}
		} else {
			assert_int_equal(waiting_end(w, place, take, &got), n[i]);
			assert_memory_equal(got.packet, model[i], n[i] * sizeof(uint32_t));
			all -= n[i];
			n[i] = 0;
		}
		assert_int_equal(waiting_packets(w), all);
		uint32_t tuples = 0, p = waiting_oldest(w);
		int64_t before = 0;

		for (; p != WAITING_NONE; p = waiting_after(w, p), tuples++) {
			assert_true(waiting_since(w, p).ns >= before);
			before = waiting_since(w, p).ns;
		}
		assert_int_equal(tuples, waiting_tuples(w));
	}
	waiting_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
