/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is taken for a sign that the kernel does not tell everything, and what is not: looks made by
 * hand, two seconds apart, and comparisons that find what the case says. */
#include "follow/blind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct world {
	struct blind *b;
	struct blind_look look;
	struct mono now;
	bool comparing;
	unsigned int runs; /* how often comparing has begun */
};

static void fill_look(void *ctx, struct blind_look *look)
{
	(void)ctx;
	(void)look;
}

static void comparing(void *ctx, bool on, struct mono now)
{
	struct world *w = ctx;

	(void)now;
	w->comparing = on;
	w->runs += on;
}

static int setup_with(void **state, bool compares, bool injects)
{
	static struct world w;
	const struct blind_cb cb = {
		.ctx = &w,
		.look = fill_look,
		.comparing = compares ? comparing : NULL,
		.injects = injects,
	};

	w = (struct world){
		.now = { .ns = 1000 * MONO_NS_PER_S },
		.look = { .events = 1, .count = 100, .heard = 1000, .known = 100 },
	};
	assert_int_equal(blind_open(NULL, &cb, true, &w.b), 0);
	*state = &w;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, true, false);
}

static int setup_bypass(void **state)
{
	return setup_with(state, false, false);
}

static int setup_injecting(void **state)
{
	return setup_with(state, true, true);
}

static int teardown(void **state)
{
	blind_close(((struct world *)*state)->b);
	return 0;
}

static void look(struct world *w, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		blind_judge(w->b, &w->look, w->now);
		w->now = mono_add_ms(w->now, 2000);
	}
}

static bool reported(const struct world *w, const char *words)
{
	struct text t = { 0 };
	struct values v;
	bool found;

	values_begin(&v, &values_text, NULL, 0, &t);
	blind_values(w->b, w->now, &v);
	found = t.buf && strstr(t.buf, words);
	text_free(&t);
	return found;
}

static void nothing_is_wrong(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 100; i++) {
		w->look.heard += 10;
		w->look.count += 7;
		w->look.known += 6; /* a little is always on its way */
		look(w, 1);
		if (i % 10 == 0)
			w->look.known = w->look.count;
	}
	w->look.heard++;
	look(w, 1);
	/* silent flows end in silence, and an idle table stays as it is */
	for (int i = 0; i < 50; i++) {
		w->look.count -= 5;
		w->look.known -= 5;
		look(w, 2);
	}
	assert_int_equal(w->runs, 0);
	assert_false(reported(w, "kernel events"));
}

static void events_off_and_on(void **state)
{
	struct world *w = *state;

	w->look.events = 0;
	look(w, 1);
	assert_true(w->comparing);
	assert_true(reported(w, "nf_conntrack_events is 0, for 2 s: comparing"));
	blind_compared(w->b, true, 50, 50, w->now); /* nobody expected events of those */
	look(w, 10);
	assert_true(w->comparing && !reported(w, "missing"));
	w->look.events = 1;
	look(w, 1);
	assert_true(w->comparing); /* what began until just now */
	assert_false(reported(w, "kernel events"));
	blind_compared(w->b, false, 0, 0, w->now);
	assert_true(w->comparing);
	blind_compared(w->b, true, 7, 0, w->now);
	assert_false(w->comparing);
	assert_false(reported(w, "kernel events"));
	assert_int_equal(w->runs, 1);
}

static void automatic_for_ever(void **state)
{
	struct world *w = *state;

	w->look.events = 2;
	w->look.set_err = EROFS;
	look(w, 3);
	assert_true(reported(w, "is 2 and cannot be set"));
	assert_int_equal(w->runs, 0); /* silent records are looked after anyway */
	w->look.events = 1;
	w->look.set_err = 0;
	look(w, 1);
	assert_false(reported(w, "kernel events"));
}

static void nothing_is_tracked(void **state)
{
	struct world *w = *state;

	w->look.count = w->look.known = 0;
	look(w, 100); /* an idle node */
	assert_false(reported(w, "kernel events"));
	for (int i = 0; i < 4; i++) {
		w->look.forwarded += 3;
		look(w, 1);
	}
	look(w, 1); /* a pause: an entry may have ended */
	for (int i = 0; i < 4; i++) {
		w->look.forwarded += 3;
		look(w, 1);
	}
	assert_false(reported(w, "kernel events"));
	w->look.forwarded += 3;
	look(w, 1);
	assert_true(reported(w, "nothing is tracked"));
	look(w, 20);
	assert_true(reported(w, "nothing is tracked"));
	w->look.count = 1;
	look(w, 1);
	assert_false(reported(w, "kernel events"));
	assert_int_equal(w->runs, 0);
}

/* The table grows and no event comes: three comparisons look into it. */
static void grows_in_silence(void **state)
{
	struct world *w = *state;

	look(w, 2);
	w->look.count += 3;
	look(w, 1);
	assert_int_equal(w->runs, 0); /* one look may have been between a packet and its event */
	w->look.count += 3;
	look(w, 1);
	assert_true(w->comparing);
	blind_compared(w->b, true, 0, 0, w->now); /* it has just found them */
	assert_true(w->comparing && !reported(w, "kernel events"));
	blind_compared(w->b, true, 6, 0, w->now);
	assert_true(w->comparing && reported(w, "events are missing"));
	for (int i = 0; i < 29; i++) {
		look(w, 1);
		blind_compared(w->b, true, 0, 0, w->now);
	}
	assert_true(w->comparing);
	blind_compared(w->b, true, 1, 0, w->now); /* the minute begins anew */
	for (int i = 0; i < 30; i++) {
		look(w, 1);
		blind_compared(w->b, true, 0, 0, w->now);
	}
	assert_true(w->comparing);
	look(w, 2);
	blind_compared(w->b, true, 0, 0, w->now);
	assert_false(w->comparing);
	assert_false(reported(w, "kernel events"));
}

/* Ends that are not told: the cache has more than the kernel. */
static void ends_are_missing(void **state)
{
	struct world *w = *state;

	w->look.known = 200;
	for (int i = 0; i < 5; i++) {
		w->look.heard += 5;
		look(w, 1);
	}
	assert_true(w->comparing);
	blind_compared(w->b, true, 0, 15, w->now); /* some were late */
	assert_false(reported(w, "kernel events"));
	blind_compared(w->b, true, 0, 100, w->now);
	assert_true(reported(w, "events are missing"));
}

/* Nothing was found: the next suspicion has to wait, each time for longer. */
static void suspicion_without_proof(void **state)
{
	struct world *w = *state;

	w->look.count = 300;
	for (int i = 0; i < 1000; i++) { /* half an hour */
		w->look.heard++;
		look(w, 1);
		if (w->comparing)
			blind_compared(w->b, true, 0, 0, w->now);
	}
	assert_true(w->runs >= 4 && w->runs <= 8);
	assert_false(reported(w, "kernel events"));
}

static void no_sign_at_all(void **state)
{
	struct world *w = *state;

	w->look.busy = true; /* a commit */
	for (int i = 0; i < 10; i++) {
		w->look.count += 1000;
		look(w, 1);
	}
	w->look.busy = false;
	w->look.known = -1; /* a Filter */
	w->look.count *= 2;
	for (int i = 0; i < 10; i++) {
		w->look.heard++;
		look(w, 1);
	}
	assert_int_equal(w->runs, 0);
}

/* That the table grows with what the peers say tells nothing. */
static void states_of_a_peer(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 10; i++) {
		w->look.count = (uint32_t)(w->look.known += 10);
		look(w, 1);
	}
	assert_int_equal(w->runs, 0);
}

static void nothing_to_compare(void **state)
{
	struct world *w = *state;

	w->look.events = 0;
	look(w, 1);
	assert_true(reported(w, "nf_conntrack_events is 0, for 2 s\n"));
	w->look.events = 1;
	w->look.known = 100000;
	look(w, 20);
	assert_false(reported(w, "kernel events"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_wrong),
		T(events_off_and_on),
		T(automatic_for_ever),
		T(nothing_is_tracked),
		T(grows_in_silence),
		T(ends_are_missing),
		T(suspicion_without_proof),
		T(no_sign_at_all),
		cmocka_unit_test_setup_teardown(states_of_a_peer, setup_injecting, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_compare, setup_bypass, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
