/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index by reply tuple, as the external cache keeps it: translations, zones, both directions
 * of packets, and long random use against a search through the whole table. */
#include "cache/reply_index.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "cache/external.h"
#include "flows.h"

static const struct hash_key test_key = { 1, 2 };

static struct mono at_s(int64_t s)
{
	return (struct mono){ s * MONO_NS_PER_S };
}

/* The same flow with the source translated to an address and port of its own. */
static struct ct_flow translated(uint32_t i, uint32_t n)
{
	struct ct_flow f = make_flow(i);

	f.has |= FLOW_HAS_SNAT | FLOW_HAS_SPAT;
	f.reply.dport = htons((uint16_t)(1024 + 3 * i + n));
	if (f.l3 == AF_INET)
		f.addr.v4.reply_dst = htonl(0xcb007101);
	else
		f.addr.v6.reply_dst[3] = htonl(0x7101);
	return f;
}

/* A packet of the original direction: no zone. */
static struct ct_flow forth(const struct ct_flow *f)
{
	struct ct_flow p = *f;

	p.has &= FLOW_HAS_PORTS;
	return p;
}

static struct ct_flow back(const struct ct_flow *f)
{
	struct ct_flow p;

	flow_reply_as_packet(&p, f);
	return p;
}

static bool finds(const struct external *c, struct ct_flow packet, const struct ct_flow *f)
{
	uint32_t ids[8];
	size_t n = reply_index_find(external_index(c), &packet, ids, 8);

	for (size_t i = 0; i < n; i++) {
		if (flow_same_key(&table_rec(external_table((struct external *)c), ids[i])->flow,
				  f))
			return true;
	}
	return false;
}

static void fill(struct external *c, size_t step)
{
	uint64_t pos = 0;

	while (reply_index_fill_step(external_index(c), &pos, step))
		;
}

static void test_directions(void **state)
{
	struct external *c = external_new(64, 1000, &test_key);
	struct ct_flow f[4], other = make_flow(100);
	uint32_t ids[8];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		f[i] = i < 3 ? translated(i, i) :
			       make_flow(3); /* IPv4, one with a zone, IPv6; as it is */
		assert_int_equal(external_new_flow(c, 1, &f[i], at_s(1)), 0);
	}
	assert_null(external_index(c));
	assert_int_equal(external_index_begin(c), 0);
	assert_false(reply_index_is_whole(external_index(c)));
	assert_false(finds(c, back(&f[0]), &f[0]));
	fill(c, 3);
	assert_true(reply_index_is_whole(external_index(c)));
	for (uint32_t i = 0; i < 4; i++) {
		assert_true(finds(c, forth(&f[i]), &f[i]));
		assert_true(finds(c, back(&f[i]), &f[i]));
	}
	other = back(&other);
	assert_int_equal(reply_index_find(external_index(c), &other, ids, 8), 0);
	assert_true(reply_index_check(external_index(c)));
	external_index_end(c);
	assert_null(external_index(c));
	external_free(c);
}

/* What a peer says makes the same flow another one for packets. */
static void test_changes(void **state)
{
	struct external *c = external_new(64, 1000, &test_key);
	struct ct_flow f = translated(0, 1), g = translated(0, 2);
	uint32_t id;

	(void)state;
	assert_int_equal(external_index_begin(c), 0);
	fill(c, 100);
	external_new_flow(c, 1, &f, at_s(1));
	id = table_find(external_table(c), &f);
	assert_false(reply_index_is_placed(external_index(c), id));
	reply_index_set_placed(external_index(c), id, true);
	external_update(c, 1, &g, at_s(2));
	assert_false(finds(c, back(&f), &f));
	assert_true(finds(c, back(&g), &f));
	assert_true(reply_index_is_placed(external_index(c), id));
	assert_true(reply_index_check(external_index(c)));
	external_new_flow(c, 1, &g, at_s(3)); /* it begins anew */
	assert_false(reply_index_is_placed(external_index(c), id));
	reply_index_set_placed(external_index(c), id, true);
	reply_index_unplace(external_index(c));
	assert_false(reply_index_is_placed(external_index(c), id));
	external_destroy(c, 1, &g);
	assert_false(finds(c, back(&g), &f));
	assert_false(reply_index_is_placed(external_index(c), id));
	reply_index_set_placed(external_index(c), id, true); /* not there: no effect */
	external_new_flow(c, 1, &f, at_s(4));
	assert_false(reply_index_is_placed(external_index(c), table_find(external_table(c), &f)));
	assert_true(reply_index_check(external_index(c)));
	external_free(c);
}

static void test_random(void **state)
{
	struct external *c = external_new(64, 3000, &test_key);
	uint64_t rng = 7, pos = 0;
	uint32_t removed = 0;

	(void)state;
	for (uint32_t round = 0; round < 30000; round++) {
		struct ct_flow f = translated(rnd_below(&rng, 2000), rnd_below(&rng, 3));
		struct external *e = c;
		uint32_t id;

		if (round == 1000)
			assert_int_equal(external_index_begin(c), 0);
		if (round > 1000 && round % 50 == 0)
			reply_index_fill_step(external_index(c), &pos, 20);
		switch (rnd_below(&rng, 4)) {
		case 0:
			external_new_flow(c, 1, &f, at_s(round));
			break;
		case 1:
			external_update(c, 1, &f, at_s(round));
			break;
		case 2:
			external_replace(c, 2, &f, at_s(round));
			break;
		default:
			external_destroy(c, (uint8_t)(1 + rnd_below(&rng, 2)), &f);
		}
		id = table_find(external_table(e), &f);
		if (round > 1000 && id != FLOW_ID_NONE && reply_index_is_whole(external_index(c))) {
			const struct ct_flow *now = &table_rec(external_table(e), id)->flow;

			assert_true(finds(c, back(now), &f));
			assert_true(finds(c, forth(&f), &f));
		}
		if (round % 3000 == 2999)
			assert_true(round < 1000 || reply_index_check(external_index(c)));
	}
	assert_true(reply_index_is_whole(external_index(c)));
	assert_true(reply_index_memory(external_index(c)) > 0);
	pos = 0;
	external_resync_begin(c, 1);
	while (external_sweep_step(c, 1, &pos, 100, &removed))
		;
	assert_true(removed > 0 && reply_index_check(external_index(c)));
	pos = 0;
	while (external_flush_step(c, &pos, 100))
		;
	assert_true(reply_index_check(external_index(c))); /* of nothing */
	external_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
