/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which reasons a repair ends and which outlive it, and how many flows are missing. */
#include "cache/whole.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mono at_s(int64_t s)
{
	return (struct mono){ .ns = s * MONO_NS_PER_S };
}

static void a_reason_ends_with_a_repair_that_began_after_it(void **state)
{
	struct whole w = { 0 };

	(void)state;
	assert_true(whole_is(&w));
	assert_true(whole_lack(&w, WHOLE_LIMIT, at_s(5)));
	assert_false(whole_lack(&w, WHOLE_LIMIT, at_s(6)));
	assert_true(whole_lack(&w, WHOLE_OVERRUN, at_s(7)));
	assert_int_equal(w.since.ns, at_s(5).ns);
	assert_false(whole_repair_end(&w, true)); /* none had begun */
	assert_false(whole_is(&w));
	whole_repair_begin(&w);
	whole_lack(&w, WHOLE_OVERRUN, at_s(8));
	assert_false(whole_repair_end(&w, true));
	assert_int_equal(w.why, WHOLE_OVERRUN);
	whole_repair_begin(&w);
	assert_false(whole_repair_end(&w, false)); /* it did not come through */
	assert_int_equal(w.why, WHOLE_OVERRUN);
	whole_repair_begin(&w);
	assert_true(whole_repair_end(&w, true));
	assert_true(whole_is(&w));
	whole_repair_begin(&w);
	assert_false(whole_repair_end(&w, true)); /* it was complete before */
}

static void a_repair_under_way_does_not_end_what_came_during_it(void **state)
{
	struct whole w = { 0 };

	(void)state;
	whole_lack(&w, WHOLE_FLUSHED, at_s(1));
	whole_repair_begin(&w);
	whole_lack(&w, WHOLE_MEMORY, at_s(2));
	whole_repair_begin(&w); /* joins the one under way */
	assert_false(whole_repair_end(&w, true));
	assert_int_equal(w.why, WHOLE_MEMORY);
}

static void flows_are_counted_once(void **state)
{
	struct whole w = { 0 };

	(void)state;
	whole_lack(&w, WHOLE_LIMIT, at_s(1));
	for (int again = 0; again < 3; again++)
		for (uint32_t i = 0; i < 1000; i++)
			/* all in one place, and 0 is a hash as well */
			whole_missed(&w, i * WHOLE_SLOTS);
	assert_int_equal(w.n_missed, 1000);
	assert_int_equal(w.n_missing, 1000);
	assert_false(w.more);
	for (uint32_t i = 0; i < 100000; i++)
		whole_missed(&w, i * 2654435761u);
	assert_int_equal(w.n_missed, WHOLE_COUNTED);
	assert_true(w.more);
	whole_repair_begin(&w);
	assert_true(whole_repair_end(&w, true));
	assert_int_equal(w.n_missed, WHOLE_COUNTED); /* for the line that says it */
	assert_true(w.missed_more);
	assert_int_equal(w.n_missing, 0);
	assert_false(w.more);
	whole_lack(&w, WHOLE_LIMIT, at_s(9));
	whole_missed(&w, 7);
	assert_int_equal(w.n_missed, 1);
	assert_false(w.more);
	assert_false(w.missed_more);
}

static void what_is_found_is_missing_no_longer(void **state)
{
	struct whole w = { 0 };

	(void)state;
	whole_lack(&w, WHOLE_LIMIT, at_s(1));
	whole_missed(&w, 2 * 7);
	whole_missed(&w, 2 * 8);
	whole_found(&w, 2 * 9); /* it never was */
	assert_int_equal(w.n_missing, 2);
	whole_found(&w, 2 * 7);
	whole_found(&w, 2 * 7);
	assert_int_equal(w.n_missing, 1);
	assert_int_equal(w.n_missed, 2);
	whole_found(&w, 2 * 8);
	assert_int_equal(w.n_missing, 0);
	assert_false(whole_is(&w)); /* a repair has to say so */
	for (uint32_t i = 0; i < 2 * WHOLE_COUNTED; i++)
		whole_missed(&w, 2 * i + 2);
	for (uint32_t i = 0; i < 100; i++)
		whole_found(&w, 2 * i + 2);
	assert_int_equal(w.n_missing, WHOLE_COUNTED - 100);
	assert_true(w.more); /* nobody knows which */
}

/* Those that a repair which saw everything did not miss again are there, or have ended unheard. */
static void a_repair_counts_anew(void **state)
{
	struct whole w = { 0 };

	(void)state;
	whole_lack(&w, WHOLE_LIMIT, at_s(1));
	for (uint32_t i = 0; i < 30; i++)
		whole_missed(&w, i << 20);
	for (int done = 0; done < 2; done++) {
		whole_repair_begin(&w);
		whole_lack(&w, WHOLE_LIMIT, at_s(2));
		for (uint32_t i = 0; i < 10 + 5 * (uint32_t)!done; i++)
			whole_missed(&w, i << 20);
		whole_missed(&w, UINT32_MAX);
		assert_int_equal(w.n_missing, 31);
		assert_false(whole_repair_end(&w, done));
	}
	assert_int_equal(w.n_missing, 11);
	for (uint32_t i = 0; i < 10; i++)
		whole_found(&w, i << 20);
	assert_int_equal(w.n_missing, 1);
	whole_found(&w, UINT32_MAX);
	assert_int_equal(w.n_missing, 0);
	assert_int_equal(w.n_missed, 31);
}

/* Many that come, end and are counted anew, against a list of them. */
static void the_slots_lose_none(void **state)
{
	static uint8_t is[600]; /* 1: missing; 2: since the repair began, too */
	uint32_t seed = 1, n;
	struct whole w = { 0 };

	(void)state;
	whole_lack(&w, WHOLE_LIMIT, at_s(1));
	memset(is, 0, sizeof(is));
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t i, hash;

		seed = seed * 1664525u + 1013904223u;
		i = (seed >> 8) % 600;
		/* thick runs of slots, at the end of all and round it too */
		hash = 2 * (i / 6 + 2 + i % 6 * WHOLE_SLOTS + (i < 300 ? 0 : 9 * WHOLE_SLOTS - 80));
		if (seed >> 30 & 1) {
			whole_missed(&w, hash);
			is[i] = 2;
		} else {
			whole_found(&w, hash);
			is[i] = 0;
		}
		if (step % 1000 == 500) {
			whole_repair_begin(&w);
			for (i = 0; i < 600; i++)
				is[i] = is[i] != 0;
		}
		if (step % 1000 == 700) {
			whole_lack(&w, WHOLE_LIMIT, at_s(2));
			whole_repair_end(&w, step % 2000 == 700);
			for (i = 0; i < 600 && step % 2000 == 700; i++)
				is[i] = is[i] == 2 ? 2 : 0;
		}
		n = 0;
		for (i = 0; i < 600; i++)
			n += is[i] != 0;
		assert_int_equal(w.n_missing, n);
	}
	assert_false(w.more);
}

static void reasons_in_words(void **state)
{
	struct text out = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		text_reset(&out);
		whole_reasons((uint8_t)(1u << i), &out);
		assert_true(out.len > 5);
		assert_null(strchr(out.buf, ','));
	}
	text_reset(&out);
	whole_reasons(WHOLE_LIMIT | WHOLE_MEMORY, &out);
	assert_string_equal(out.buf, "HashLimit reached, no memory");
	text_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reason_ends_with_a_repair_that_began_after_it),
		cmocka_unit_test(a_repair_under_way_does_not_end_what_came_during_it),
		cmocka_unit_test(flows_are_counted_once),
		cmocka_unit_test(what_is_found_is_missing_no_longer),
		cmocka_unit_test(a_repair_counts_anew),
		cmocka_unit_test(the_slots_lose_none),
		cmocka_unit_test(reasons_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
