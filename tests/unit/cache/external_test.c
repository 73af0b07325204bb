/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers' flows: what messages do to an entry, who owns it, and what a resync may remove. */
#include "cache/external.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "flows.h"

static const struct hash_key test_key = { 1, 2 };

static struct mono at_s(int64_t s)
{
	return (struct mono){ s * MONO_NS_PER_S };
}

static const struct flow_rec *rec_of(struct external *c, uint32_t i)
{
	struct ct_flow f = make_flow(i);
	uint32_t id = table_find(external_table(c), &f);

	return id == FLOW_ID_NONE ? NULL : table_rec(external_table(c), id);
}

/* Returns how many were removed. step: records per call. */
static uint32_t sweep(struct external *c, uint8_t peer, size_t step)
{
	uint32_t removed = 0;
	uint64_t pos = 0;

	while (external_sweep_step(c, peer, &pos, step, &removed))
		;
	assert_true(table_check(external_table(c)));
	return removed;
}

static void test_messages(void **state)
{
	struct external *c = external_new(4, 100, &test_key);
	struct ct_flow f = make_flow(0);
	struct flow_rare rare = { .helper = "ftp" };
	const struct flow_rec *rec;

	(void)state;
	f.has |= FLOW_HAS_MARK | FLOW_HAS_HELPER;
	f.mark = 5;
	f.rare = &rare;
	assert_int_equal(external_update(c, 1, &f, at_s(10)), 0); /* of an unknown one: insert */
	rec = rec_of(c, 0);
	assert_int_equal(rec->state, REC_NEW);
	assert_int_equal(rec->created_s, 10);
	assert_true(rec->flow.rare && rec->flow.rare != &rare);

	f.has &= ~(FLOW_HAS_MARK | FLOW_HAS_HELPER);
	f.rare = NULL;
	f.proto_state = 4;
	/* merge: what it does not say stays */
	assert_int_equal(external_update(c, 1, &f, at_s(11)), 0);
	assert_int_equal(rec->state, REC_ALIVE);
	assert_int_equal(rec->flow.proto_state, 4);
	assert_int_equal(rec->flow.mark, 5);
	assert_string_equal(rec->flow.rare->helper, "ftp");
	assert_int_equal(rec->updated_s, 11);

	/* replace: it goes; the record stays */
	assert_int_equal(external_new_flow(c, 1, &f, at_s(12)), 0);
	assert_ptr_equal(rec_of(c, 0), rec);
	assert_int_equal(rec->flow.has & (FLOW_HAS_MARK | FLOW_HAS_HELPER), 0);
	assert_null(rec->flow.rare);
	assert_int_equal(rec->created_s, 10);
	assert_int_equal(rec->updated_s, 12);
	f.mark = 8;
	f.has |= FLOW_HAS_MARK;
	assert_int_equal(external_replace(c, 1, &f, at_s(12)), 0); /* replace, too */
	f.has &= ~FLOW_HAS_MARK;
	assert_int_equal(external_replace(c, 1, &f, at_s(12)), 0);
	assert_int_equal(rec->flow.has & FLOW_HAS_MARK, 0);
	/* a replacement is an end and a start */
	assert_int_equal(table_stats(external_table(c))->created, 2);
	assert_int_equal(table_stats(external_table(c))->destroyed, 1);
	assert_int_equal(table_stats(external_table(c))->updated, 3);

	external_destroy(c, 1, &f);
	assert_null(rec_of(c, 0));
	external_destroy(c, 1, &f); /* unknown: nothing */
	assert_int_equal(table_stats(external_table(c))->destroyed, 2);
	assert_int_equal(external_ends_of_others(c), 0);
	external_free(c);
}

static void test_full(void **state)
{
	struct external *c = external_new(4, 1, &test_key);
	struct ct_flow f[2] = { make_flow(0), make_flow(3) };

	(void)state;
	assert_int_equal(external_new_flow(c, 0, &f[0], at_s(1)), 0);
	assert_int_equal(external_new_flow(c, 0, &f[1], at_s(1)), -ENOSPC);
	assert_int_equal(external_update(c, 0, &f[1], at_s(1)), -ENOSPC);
	assert_int_equal(external_update(c, 0, &f[0], at_s(1)), 0);
	assert_int_equal(table_stats(external_table(c))->create_failed_limit, 2);
	external_free(c);
}

/* The flow has moved from peer 1 to peer 2; peer 1's own entry lapses. */
static void test_end_at_old_owner(void **state)
{
	struct external *c = external_new(4, 100, &test_key);
	struct ct_flow f = make_flow(0);

	(void)state;
	external_new_flow(c, 1, &f, at_s(1));
	external_update(c, 2, &f, at_s(2));
	external_destroy(c, 1, &f);
	assert_non_null(rec_of(c, 0));
	assert_int_equal(external_ends_of_others(c), 1);
	external_destroy(c, 2, &f);
	assert_null(rec_of(c, 0));
	external_free(c);
}

/* Flow i is refreshed or not between begin and sweep, by its owner or by another peer. */
static void test_resync(void **state)
{
	struct external *c = external_new(4, 1000, &test_key);
	struct ct_flow f;

	(void)state;
	for (uint32_t i = 0; i < 60; i++) {
		f = make_flow(i);
		external_new_flow(c, i < 50 ? 1 : 2, &f, at_s(1));
	}
	assert_int_equal(sweep(c, 1, 7), 0); /* no resync was begun */
	external_resync_begin(c, 1);
	for (uint32_t i = 0; i < 30; i++) {
		f = make_flow(i);
		if (i < 10)
			external_new_flow(c, 1, &f, at_s(2));
		else if (i < 20)
			external_update(c, 1, &f, at_s(2));
		else
			external_update(c, 2, &f, at_s(2));
	}
	f = make_flow(70);
	external_new_flow(c, 1, &f, at_s(2));
	assert_int_equal(sweep(c, 1, 7), 20); /* 30..49 */
	for (uint32_t i = 0; i < 60; i++)
		assert_int_equal(rec_of(c, i) != NULL, i < 30 || i >= 50);
	assert_non_null(rec_of(c, 70));
	assert_int_equal(sweep(c, 1, 7), 0);
	assert_int_equal(sweep(c, 2, 7), 0);
	/* A flow that goes back to its first owner after that one's resync began is refreshed. */
	external_resync_begin(c, 1);
	for (uint32_t i = 20; i < 30; i++) {
		f = make_flow(i);
		external_update(c, 1, &f, at_s(3));
	}
	assert_int_equal(sweep(c, 1, 1000), 21); /* 0..19, 70 */
	for (uint32_t i = 20; i < 30; i++)
		assert_non_null(rec_of(c, i));
	external_free(c);
}

/* A resync that begins while the sweep of the one before is under way: what was refreshed by the
 * first must not go because the second has not come to it yet. */
static void test_resync_during_sweep(void **state)
{
	struct external *c = external_new(4, 1000, &test_key);
	uint32_t removed = 0;
	uint64_t pos = 0;
	struct ct_flow f;

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		f = make_flow(3 * i);
		external_new_flow(c, 1, &f, at_s(1));
	}
	external_resync_begin(c, 1);
	for (uint32_t i = 0; i < 40; i += 2) {
		f = make_flow(3 * i);
		external_update(c, 1, &f, at_s(1));
	}
	assert_true(external_sweep_step(c, 1, &pos, 20, &removed));
	assert_int_equal(removed, 10);
	external_resync_begin(c, 1);
	while (external_sweep_step(c, 1, &pos, 3, &removed))
		;
	assert_int_equal(removed, 20);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(rec_of(c, 3 * i) != NULL, i % 2 == 0);
	assert_int_equal(sweep(c, 1, 100), 20); /* the second one refreshed none */
	external_free(c);
}

/* The number of a resync goes round: at every single one, an entry never refreshed since the first
 * is stale, one that was is not, and other peers' entries stay. */
static void test_resync_number_wraps(void **state)
{
	static const uint32_t begins[] = { 1,	  2,	 255,	256,	257,	65533, 65534,
					   65535, 65536, 65537, 131069, 131070, 131072 };

	(void)state;
	for (size_t k = 0; k < sizeof(begins) / sizeof(begins[0]); k++) {
		struct external *c = external_new(4, 1000, &test_key);
		struct ct_flow old = make_flow(0), kept = make_flow(3), other = make_flow(6);

		print_message("%u resyncs\n", begins[k]);
		external_new_flow(c, 1, &old, at_s(1));
		external_new_flow(c, 1, &kept, at_s(1));
		external_new_flow(c, 2, &other, at_s(1));
		for (uint32_t i = 0; i < begins[k]; i++)
			external_resync_begin(c, 1);
		external_update(c, 1, &kept, at_s(2));
		assert_int_equal(sweep(c, 1, 2), 1);
		assert_null(rec_of(c, 0));
		assert_non_null(rec_of(c, 3));
		assert_non_null(rec_of(c, 6));
		assert_int_equal(sweep(c, 2, 2), 0);
		external_free(c);
	}
}

/* A renumbering ends a sweep that is under way: its idea of "old" would hit everything. */
static void test_wrap_during_sweep(void **state)
{
	struct external *c = external_new(4, 1000, &test_key);
	uint32_t removed = 0;
	uint64_t pos = 0;
	struct ct_flow f;

	(void)state;
	for (uint32_t i = 0; i < 65533; i++)
		external_resync_begin(c, 1);
	for (uint32_t i = 0; i < 10; i++) {
		f = make_flow(3 * i);
		external_update(c, 1, &f, at_s(1));
	}
	assert_true(external_sweep_step(c, 1, &pos, 4, &removed));
	for (uint32_t i = 0; i < 2; i++)
		external_resync_begin(c, 1);
	f = make_flow(27);
	external_update(c, 1, &f, at_s(2));
	while (external_sweep_step(c, 1, &pos, 4, &removed))
		;
	assert_int_equal(removed, 0);
	assert_int_equal(sweep(c, 1, 4), 9);
	assert_non_null(rec_of(c, 27));
	external_free(c);
}

static void test_flush(void **state)
{
	struct external *c = external_new(4, 1000, &test_key);
	uint64_t pos = 0;
	struct ct_flow f;
	int steps = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		f = make_flow(i);
		external_new_flow(c, (uint8_t)(i % 3), &f, at_s(1));
	}
	while (external_flush_step(c, &pos, 10))
		steps++;
	assert_int_equal(steps, 10);
	assert_int_equal(table_count(external_table(c)), 0);
	assert_true(table_check(external_table(c)));
	external_free(c);
}

/* Returns how many were removed. */
static uint32_t expire(struct external *c, uint32_t life_s, int64_t now_s, size_t step,
		       uint32_t *oldest_s)
{
	uint32_t removed = 0;
	uint64_t pos = 0;

	*oldest_s = UINT32_MAX;
	while (external_expire_step(c, &pos, step, life_s, at_s(now_s), oldest_s, &removed))
		;
	assert_true(table_check(external_table(c)));
	return removed;
}

static void test_expire(void **state)
{
	struct external *c = external_new(4, 1000, &test_key);
	uint32_t oldest_s;
	struct ct_flow f;

	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		f = make_flow(i);
		assert_int_equal(external_new_flow(c, 1, &f, at_s(100 + i)), 0);
	}
	f = make_flow(0);
	assert_int_equal(external_update(c, 2, &f, at_s(300)), 0); /* news of anybody */
	assert_int_equal(expire(c, 399, 500, 7, &oldest_s), 0);
	assert_int_equal(oldest_s, 101);
	assert_int_equal(expire(c, 398, 500, 7, &oldest_s), 1); /* more than that ago */
	assert_null(rec_of(c, 1));
	assert_int_equal(oldest_s, 102);
	assert_int_equal(expire(c, 190, 500, 1000, &oldest_s), 209); /* 2 .. 209, and 0 */
	assert_null(rec_of(c, 0));
	assert_non_null(rec_of(c, 210));
	assert_int_equal(oldest_s, 310);
	assert_int_equal(expire(c, 50, 10000, 64, &oldest_s), 190);
	assert_int_equal(oldest_s, UINT32_MAX);
	external_free(c);
}

/* A known state or life is never overwritten with nothing: a sender whose kernel has the flow in a
 * flow table tells neither. */
static void test_says_less(void **state)
{
	struct external *c = external_new(4, 100, &test_key);
	struct ct_flow f = make_flow(0), less;
	const struct flow_rec *rec;

	(void)state;
	f.l4 = IPPROTO_TCP;
	f.has |= FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT | FLOW_HAS_WSCALE | FLOW_HAS_STATUS;
	f.status = IPS_SEEN_REPLY | IPS_ASSURED;
	f.proto_state = TCP_CONNTRACK_FIN_WAIT;
	f.timeout_s = 120;
	f.wscale[0] = f.wscale[1] = 7;
	external_new_flow(c, 1, &f, at_s(1));
	less = f;
	less.has &= ~(FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT | FLOW_HAS_WSCALE);
	less.has |= FLOW_HAS_MARK;
	less.mark = 3;
	assert_int_equal(external_new_flow(c, 1, &less, at_s(2)), 0);
	assert_int_equal(external_replace(c, 1, &less, at_s(2)), 0);
	rec = table_rec(external_table(c), table_find(external_table(c), &f));
	assert_int_equal(rec->flow.has, f.has | FLOW_HAS_MARK);
	assert_int_equal(rec->flow.proto_state, TCP_CONNTRACK_FIN_WAIT);
	assert_int_equal(rec->flow.timeout_s, 120);
	assert_int_equal(rec->flow.wscale[0], 7);
	assert_int_equal(rec->updated_s, 2);

	less.has |= FLOW_HAS_SPAT; /* another translation: the next connection of these ends */
	less.reply.dport = htons(4000);
	assert_int_equal(external_new_flow(c, 1, &less, at_s(3)), 0);
	assert_false(rec->flow.has & (FLOW_HAS_TIMEOUT | FLOW_HAS_WSCALE));
	assert_int_equal(rec->flow.proto_state, TCP_CONNTRACK_ESTABLISHED); /* never known */
	external_free(c);
}

/* What was told before the last resync began is not fresh, until its owner tells it again. */
static void test_fresh(void **state)
{
	struct external *c = external_new(4, 100, &test_key);
	struct ct_flow f = make_flow(0);
	uint32_t id;

	(void)state;
	external_new_flow(c, 1, &f, at_s(1));
	id = table_find(external_table(c), &f);
	assert_true(external_is_fresh(c, id));
	external_resync_begin(c, 2);
	assert_true(external_is_fresh(c, id));
	external_resync_begin(c, 1);
	assert_false(external_is_fresh(c, id));
	external_update(c, 2, &f, at_s(2));
	assert_true(external_is_fresh(c, id));
	external_free(c);
}

/* Random messages, resyncs and sweeps against a reference that knows for each flow who refreshed it
 * last and whether that was after the peer's last begin. */
static void test_random(void **state)
{
	enum { FLOWS = 200, PEERS = 3 };
	const char *env = getenv("SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1,
		 rng = seed;
	struct external *c = external_new(1, 1000, &test_key);
	struct {
		bool present, fresh;
		uint8_t from;
	} m[FLOWS] = { 0 };

	(void)state;
	print_message("SEED=%llu\n", (unsigned long long)seed);
	for (int s = 0; s < 100000; s++) {
		uint32_t what = rnd_below(&rng, 1000), i = rnd_below(&rng, FLOWS);
		uint8_t peer = (uint8_t)rnd_below(&rng, PEERS);
		struct ct_flow f = make_flow(i);

		if (what < 800) {
			if (what % 2)
				external_new_flow(c, peer, &f, at_s(s));
			else
				external_update(c, peer, &f, at_s(s));
			m[i].present = m[i].fresh = true;
			m[i].from = peer;
		} else if (what < 960) {
			external_destroy(c, peer, &f);
			if (m[i].from == peer)
				m[i].present = false;
		} else if (what < 990) {
			external_resync_begin(c, peer);
			for (i = 0; i < FLOWS; i++)
				m[i].fresh &= m[i].from != peer;
		} else {
			sweep(c, peer, 1 + rnd_below(&rng, 50));
			for (i = 0; i < FLOWS; i++)
				m[i].present &= m[i].from != peer || m[i].fresh;
			for (i = 0; i < FLOWS; i++)
				assert_int_equal(rec_of(c, i) != NULL, m[i].present);
		}
	}
	external_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_end_at_old_owner),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_resync_during_sweep),
		cmocka_unit_test(test_resync_number_wraps),
		cmocka_unit_test(test_wrap_during_sweep),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_says_less),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
