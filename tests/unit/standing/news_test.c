/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people are told of a peer's states: each beginning, its end, and nothing that something
 * worse explains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "standing/news.h"

struct world {
	struct standing_said said;
	struct standing st;
	struct standing_facts f;
	struct mono now;
	struct standing_news news[STANDING_STATES];
	unsigned int n;
};

static struct world world(void)
{
	return (struct world){ .now = { .ns = 1000 * MONO_NS_PER_S }, .f = { .acks = true } };
}

static void tell(void *ctx, const struct standing_news *news)
{
	struct world *w = ctx;

	assert_true(w->n < STANDING_STATES);
	w->news[w->n++] = *news;
}

/* So many seconds pass, and these states hold. Gives how many changes were told. */
static unsigned int look(struct world *w, int64_t seconds, uint32_t is)
{
	w->now = mono_add_ms(w->now, 1000 * seconds);
	w->st.is = is | STANDING_IS(STANDING_IN_SYNC);
	w->n = 0;
	standing_tell(&w->said, &w->st, &w->f, w->now, tell, w);
	return w->n;
}

static void check(const struct world *w, unsigned int i, enum standing_state state, bool over,
		  uint64_t n, int64_t ms)
{
	assert_true(i < w->n);
	assert_int_equal(w->news[i].state, state);
	assert_int_equal(w->news[i].over, over);
	assert_int_equal(w->news[i].n, n);
	assert_int_equal(w->news[i].ms, ms);
}

/* Of a gap: since when it is open, how many messages were not acknowledged at the most. */
static void begins_and_ends(void **state)
{
	struct world w = world();

	(void)state;
	w.st.gap_since = w.now;
	assert_int_equal(look(&w, 5, STANDING_IS(STANDING_GAP)), 1);
	check(&w, 0, STANDING_GAP, false, 0, 5000);
	w.st.behind = 40;
	assert_int_equal(look(&w, 5, STANDING_IS(STANDING_GAP)), 0);
	w.st.behind = 7;
	assert_int_equal(look(&w, 5, 0), 1);
	check(&w, 0, STANDING_GAP, true, 40, 15000);
	assert_int_equal(look(&w, 5, 0), 0);
	/* states that are no trouble are nothing to tell */
	assert_int_equal(
		look(&w, 5, STANDING_IS(STANDING_SENDING) | STANDING_IS(STANDING_RECEIVING)), 0);
}

/* What else does not hold while a peer is silent is not known: no line about its end. */
static void silence_is_worse(void **state)
{
	struct world w = world();

	(void)state;
	w.f.contact = w.f.heard = w.now;
	assert_int_equal(look(&w, 10, STANDING_IS(STANDING_DEAF)), 1);
	check(&w, 0, STANDING_DEAF, false, 0, 10000);
	assert_int_equal(look(&w, 5, STANDING_IS(STANDING_DEAF) | STANDING_IS(STANDING_SILENT)), 1);
	check(&w, 0, STANDING_SILENT, false, 0, 15000);
	assert_int_equal(look(&w, 5, STANDING_IS(STANDING_SILENT)), 0);
	assert_int_equal(look(&w, 5, 0), 1);
	check(&w, 0, STANDING_SILENT, true, 0, 25000);
}

/* Behind, and then deaf, is told; deaf and then behind is not: it has not ended. */
static void late_gets_worse(void **state)
{
	struct world w = world();

	(void)state;
	w.f.confirmed = true;
	w.st.behind = 50; /* for a moment, and nothing is late */
	assert_int_equal(look(&w, 1, 0), 0);
	w.st.checkpoint_at = w.now;
	w.st.behind = 3;
	assert_int_equal(look(&w, 10, STANDING_IS(STANDING_BEHIND)), 1);
	check(&w, 0, STANDING_BEHIND, false, 3, 10000);
	w.st.behind = 9;
	assert_int_equal(look(&w, 10, STANDING_IS(STANDING_DEAF)), 1);
	check(&w, 0, STANDING_DEAF, false, 9, 20000);
	w.st.behind = 12;
	assert_int_equal(look(&w, 10, STANDING_IS(STANDING_BEHIND)), 0);
	assert_int_equal(look(&w, 10, 0), 1);
	check(&w, 0, STANDING_DEAF, true, 12, 40000);
}

/* Requests are counted as they were, and end with the last of them. */
static void asked_again_and_again(void **state)
{
	struct world w = world();

	(void)state;
	w.f.asked =
		(struct standing_asks){ .n = 4, .first = w.now, .last = mono_add_ms(w.now, 60000) };
	assert_int_equal(look(&w, 60, STANDING_IS(STANDING_UNSERVED)), 1);
	check(&w, 0, STANDING_UNSERVED, false, 4, 60000);
	w.f.asked.n = 6;
	w.f.asked.last = mono_add_ms(w.now, 30000);
	assert_int_equal(look(&w, 300, 0), 1);
	check(&w, 0, STANDING_UNSERVED, true, 6, 90000);
}

static void table_that_fails(void **state)
{
	struct world w = world();

	(void)state;
	w.f.wanted = w.now;
	w.f.failed = 4;
	assert_int_equal(look(&w, 30, STANDING_IS(STANDING_FAILING)), 1);
	check(&w, 0, STANDING_FAILING, false, 4, 30000);
	w.f.failed = 0;
	assert_int_equal(look(&w, 30, 0), 1);
	check(&w, 0, STANDING_FAILING, true, 0, 60000);
}

/* A peer that goes to and fro: some lines, then few. What was told to begin is told to end. */
static void lines_are_limited(void **state)
{
	struct world w = world();
	unsigned int began = 0, ended = 0;

	(void)state;
	for (unsigned int i = 0; i < 60; i++) {
		if (look(&w, 1, i % 2 ? 0 : STANDING_IS(STANDING_GAP)) == 0)
			continue;
		assert_int_equal(w.news[0].over, i % 2);
		began += !w.news[0].over;
		ended += w.news[0].over;
	}
	assert_in_range(began, 5, 10);
	assert_int_equal(began, ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_and_ends),  cmocka_unit_test(silence_is_worse),
		cmocka_unit_test(late_gets_worse),  cmocka_unit_test(asked_again_and_again),
		cmocka_unit_test(table_that_fails), cmocka_unit_test(lines_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
