/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When to gather: at a steady rate above the limit, at once in a burst; not below it, and not for
 * long after. */
#include "base/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PER_S 1500

static const struct mono start = { .ns = 77 * MONO_NS_PER_S };

/* One thing every step_us for ms milliseconds. Returns after how many it was on for the first time,
 * 0: never. */
static uint32_t run(struct gather *g, struct mono *now, int64_t step_us, int64_t ms)
{
	uint32_t first = 0, n = 0;

	for (int64_t us = 0; us < ms * 1000; us += step_us) {
		*now = mono_add_ns(*now, step_us * 1000);
		gather_count(g, 1, PER_S, *now);
		n++;
		if (g->on && first == 0)
			first = n;
	}
	return first;
}

static void slow_things_are_read_at_once(void **state)
{
	static const int64_t step_us[] = { 10000000, 10000, 1000, 700 };

	(void)state;
	for (size_t i = 0; i < sizeof(step_us) / sizeof(step_us[0]); i++) {
		struct gather g = { 0 };
		struct mono now = start;

		if (run(&g, &now, step_us[i], 30000) != 0)
			fail_msg("one per %lld us gathers", (long long)step_us[i]);
	}
}

static void fast_things_gather(void **state)
{
	static const int64_t step_us[] = { 600, 100, 10 };

	(void)state;
	for (size_t i = 0; i < sizeof(step_us) / sizeof(step_us[0]); i++) {
		struct gather g = { 0 };
		struct mono now = start;
		uint32_t first = run(&g, &now, step_us[i], 100);

		/* 24 make a window of 16 ms; the first one after a silence ends the window
		 * before. */
		if (first == 0 || first > 2 * 24 + 2 || !g.on)
			fail_msg("one per %lld us: on after %u, then %s", (long long)step_us[i],
				 first, g.on ? "on" : "off");
	}
}

static void a_heap_gathers_at_once(void **state)
{
	struct gather g = { 0 };

	(void)state;
	gather_count(&g, 1, PER_S, start);
	assert_false(g.on);
	gather_count(&g, 24, PER_S, mono_add_ms(start, 1));
	assert_true(g.on);
}

static void silence_ends_it(void **state)
{
	struct gather g = { 0 };
	struct mono now = start;

	(void)state;
	run(&g, &now, 100, 100);
	assert_true(g.on);
	/* Two windows later, whenever the first of them began. */
	for (int i = 0; i < 4; i++) {
		now = mono_add_ms(now, 8);
		gather_count(&g, 1, PER_S, now);
	}
	assert_false(g.on);
	/* And one thing after a long silence does not begin it again. */
	now = mono_add_ms(now, 3600000);
	gather_count(&g, 1, PER_S, now);
	assert_false(g.on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_things_are_read_at_once),
		cmocka_unit_test(fast_things_gather),
		cmocka_unit_test(a_heap_gathers_at_once),
		cmocka_unit_test(silence_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
