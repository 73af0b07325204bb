/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast a counter grows, with looks at any times. */
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct mono at(int64_t ms)
{
	return mono_add_ms((struct mono){ .ns = 1 }, ms);
}

static void steady(void **state)
{
	struct rate r = { 0 };

	(void)state;
	assert_int_equal(rate_per_s(&r, 5, at(0)), 0);
	for (int64_t ms = 0; ms <= 60000; ms += 10) {
		rate_look(&r, (uint64_t)ms, at(ms)); /* a thousand a second */
		/* not a second yet: what there was in it */
		assert_int_equal(rate_per_s(&r, (uint64_t)ms, at(ms)), ms < 1000 ? ms : 1000);
	}
}

/* A burst is forgotten within ten seconds, and while nothing happens nobody looks. */
static void burst(void **state)
{
	struct rate r = { 0 };
	int64_t ms;

	(void)state;
	rate_look(&r, 0, at(0));
	for (ms = 10; ms <= 1000; ms += 10)
		rate_look(&r, (uint64_t)(100 * ms), at(ms));
	assert_int_equal(rate_per_s(&r, 100000, at(1000)), 100000);
	for (; ms <= 11000; ms += 1000)
		rate_look(&r, 100000, at(ms));
	assert_int_equal(rate_per_s(&r, 100000, at(ms)), 0);
	assert_int_equal(rate_per_s(&r, 100000, at(90000)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(steady), cmocka_unit_test(burst) };

	return cmocka_run_group_tests_name("base/rate", tests, NULL, NULL);
}
