/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which reasons a repair ends and which outlive it, and how many flows found no place. */
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
	assert_false(whole_repair_end(&w, true));	/* none had begun */
	assert_false(whole_is(&w));
	whole_repair_begin(&w);
	whole_lack(&w, WHOLE_OVERRUN, at_s(8));
	assert_false(whole_repair_end(&w, true));
	assert_int_equal(w.why, WHOLE_OVERRUN);
	whole_repair_begin(&w);
	assert_false(whole_repair_end(&w, false));	/* it did not come through */
	assert_int_equal(w.why, WHOLE_OVERRUN);
	whole_repair_begin(&w);
	assert_true(whole_repair_end(&w, true));
	assert_true(whole_is(&w));
	whole_repair_begin(&w);
	assert_false(whole_repair_end(&w, true));	/* it was complete before */
}

static void a_repair_under_way_does_not_end_what_came_during_it(void **state)
{
	struct whole w = { 0 };

	(void)state;
	whole_lack(&w, WHOLE_FLUSHED, at_s(1));
	whole_repair_begin(&w);
	whole_lack(&w, WHOLE_MEMORY, at_s(2));
	whole_repair_begin(&w);		/* joins the one under way */
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
			whole_missed(&w, i * WHOLE_SLOTS);	/* all in one place, and 0 is a hash as well */
	assert_int_equal(w.n_missed, 1000);
	assert_false(w.more);
	for (uint32_t i = 0; i < 100000; i++)
		whole_missed(&w, i * 2654435761u);
	assert_int_equal(w.n_missed, WHOLE_COUNTED);
	assert_true(w.more);
	whole_repair_begin(&w);
	assert_true(whole_repair_end(&w, true));
	assert_int_equal(w.n_missed, WHOLE_COUNTED);	/* for the line that says it */
	whole_lack(&w, WHOLE_LIMIT, at_s(9));
	whole_missed(&w, 7);
	assert_int_equal(w.n_missed, 1);
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
		cmocka_unit_test(reasons_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
