/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of expectations: against a plain list, and each rule of its two sides. */
#include "cache/expects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/flow/expect_random.h"

static const struct hash_key key = { 1, 2 };
static const struct mono now = { .ns = 5000 * MONO_NS_PER_S };

static struct ct_expect numbered(uint32_t n)
{
	struct ct_expect e = { .has = EXPECT_HAS_TIMEOUT, .l3 = AF_INET, .timeout_s = 300 };

	e.tuple = (struct expect_tuple){
		.src.v4 = n, .dst.v4 = 7, .dport = (uint16_t)n, .l4 = IPPROTO_TCP
	};
	e.mask = (struct expect_tuple){ .src.v4 = UINT32_MAX,
					.dst.v4 = UINT32_MAX,
					.l4 = IPPROTO_TCP };
	e.master = (struct expect_tuple){ .src.v4 = 1, .dst.v4 = 2, .l4 = IPPROTO_TCP };
	return e;
}

static size_t walk_all(const struct expects *x, size_t step)
{
	uint32_t ids[100];
	uint64_t pos = 0;
	size_t n, sum = 0;

	while ((n = expects_walk(x, &pos, ids, step)) > 0)
		sum += n;
	return sum;
}

static void many_come_and_go(void **state)
{
	struct rng r = rng_from_env("expects_test");
	struct expects *x = expects_new(1400, &key);
	bool there[3000] = { false };
	size_t n = 0;
	uint32_t id;

	(void)state;
	assert_non_null(x);
	for (int i = 0; i < 30000; i++) {
		uint32_t k = rng_below(&r, 3000);
		struct ct_expect e = numbered(k);

		if (there[k]) {
			id = expects_find(x, &e);
			assert_int_not_equal(id, FLOW_ID_NONE);
			assert_int_equal(expects_put(x, &e, now, &id), EXPECTS_NOTHING);
			expects_remove(x, id);
			there[k] = false;
			n--;
		} else if (n < 1400) {
			assert_int_equal(expects_put(x, &e, now, &id), EXPECTS_NEW);
			assert_true(expect_same_key(&expects_rec(x, id)->expect, &e));
			there[k] = true;
			n++;
		} else {
			assert_int_equal(expects_put(x, &e, now, &id), EXPECTS_FULL);
			assert_int_equal(id, FLOW_ID_NONE);
		}
		assert_int_equal(expects_find(x, &e) != FLOW_ID_NONE, there[k]);
	}
	assert_int_equal(expects_count(x), n);
	assert_int_equal(walk_all(x, 1), n);
	assert_int_equal(walk_all(x, 100), n);
	assert_int_equal(expects_stats(x)->created - expects_stats(x)->destroyed, n);
	assert_true(expects_stats(x)->create_failed_limit > 0);
	expects_free(x);
}

static void end_release_and_return(void **state)
{
	struct expects *x = expects_new(10, &key);
	struct ct_expect e = numbered(1), other;
	uint32_t id, again;

	(void)state;
	e.has |= EXPECT_HAS_ID;
	e.id = 17;
	assert_false(expects_end(x, &e, &id));
	expects_put(x, &e, now, &id);
	other = e;
	other.id = 18;
	assert_false(expects_end(x, &other, &again)); /* the end of another one */
	expects_release(x, id);			      /* alive: stays */
	assert_true(expects_end(x, &e, &again));
	assert_int_equal(id, again);
	assert_int_equal(expects_count(x), 0);
	assert_false(expects_end(x, &e, &again));
	/* lives again, in its place */
	assert_int_equal(expects_put(x, &e, now, &again), EXPECTS_NEW);
	assert_int_equal(id, again);
	assert_int_equal(expects_count(x), 1);
	expects_release(x, id);
	assert_true(expects_has_id(x, id));
	expects_end(x, &e, &id);
	expects_release(x, id);
	assert_false(expects_has_id(x, id));
	assert_int_equal(expects_stats(x)->created, 2);
	assert_int_equal(expects_stats(x)->destroyed, 2);
	expects_free(x);
}

static void change_is_new(void **state)
{
	struct expects *x = expects_new(10, &key);
	struct ct_expect e = numbered(1);
	uint32_t id;

	(void)state;
	expects_put(x, &e, now, &id);
	e.timeout_s = 5;
	assert_int_equal(expects_put(x, &e, now, &id), EXPECTS_NOTHING);
	assert_int_equal(expects_rec(x, id)->expect.timeout_s, 5);
	e.master.sport = 99;
	assert_int_equal(expects_put(x, &e, now, &id), EXPECTS_NEW);
	assert_int_equal(expects_rec(x, id)->expect.master.sport, 99);
	assert_int_equal(expects_count(x), 1);
	expects_free(x);
}

static void unseen_after_a_dump(void **state)
{
	struct expects *x = expects_new(200, &key);
	uint32_t id, ids[8];
	uint64_t pos = 0;
	size_t n, sum = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		struct ct_expect e = numbered(i);

		expects_put(x, &e, now, &id);
		if (i == 51)
			expects_end(x, &e, &id);
	}
	expects_pass_begin(x);
	for (uint32_t i = 0; i < 100; i += 2) {
		struct ct_expect e = numbered(i);

		expects_put(x, &e, now, &id);
	}
	while ((n = expects_pass_unseen(x, &pos, ids, 8)) > 0) {
		for (size_t i = 0; i < n; i++)
			assert_true(expects_rec(x, ids[i])->expect.tuple.dport % 2 == 1);
		sum += n;
	}
	assert_int_equal(sum, 49); /* the dead one does not count */
	expects_free(x);
}

static void resync_sweeps_what_was_not_refreshed(void **state)
{
	struct expects *x = expects_new(10, &key);
	struct ct_expect a = numbered(1), b = numbered(2), c = numbered(3);

	(void)state;
	expects_peer_new(x, 0, &a, now);
	expects_peer_new(x, 0, &b, now);
	expects_peer_new(x, 1, &c, now);
	expects_resync_begin(x, 0);
	expects_peer_new(x, 0, &b, now);
	assert_int_equal(expects_resync_done(x, 0), 1);
	assert_int_equal(expects_find(x, &a), FLOW_ID_NONE);
	assert_int_not_equal(expects_find(x, &b), FLOW_ID_NONE);
	assert_int_not_equal(expects_find(x, &c), FLOW_ID_NONE);

	/* What another peer has spoken about since stays. */
	expects_resync_begin(x, 1);
	expects_peer_new(x, 0, &c, now);
	assert_int_equal(expects_resync_done(x, 1), 0);
	expects_peer_end(x, 1, &c);
	assert_int_not_equal(expects_find(x, &c), FLOW_ID_NONE);
	expects_peer_end(x, 0, &c);
	assert_int_equal(expects_find(x, &c), FLOW_ID_NONE);
	expects_free(x);
}

static void old_news_expires(void **state)
{
	struct expects *x = expects_new(10, &key);
	struct ct_expect a = numbered(1), b = numbered(2);
	uint32_t oldest = UINT32_MAX;

	(void)state;
	expects_peer_new(x, 0, &a, now);
	expects_peer_new(x, 0, &b, mono_add_ms(now, 5000));
	assert_int_equal(expects_expire(x, 10, mono_add_ms(now, 10000), &oldest), 0);
	assert_int_equal(oldest, mono_s(now));
	oldest = UINT32_MAX;
	assert_int_equal(expects_expire(x, 10, mono_add_ms(now, 11000), &oldest), 1);
	assert_int_equal(oldest, mono_s(now) + 5);
	assert_int_not_equal(expects_find(x, &b), FLOW_ID_NONE);
	oldest = 3;
	expects_expire(x, 10, mono_add_ms(now, 11000), &oldest);
	assert_int_equal(oldest, 3);
	expects_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_come_and_go),
		cmocka_unit_test(end_release_and_return),
		cmocka_unit_test(change_is_new),
		cmocka_unit_test(unseen_after_a_dump),
		cmocka_unit_test(resync_sweeps_what_was_not_refreshed),
		cmocka_unit_test(old_news_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
