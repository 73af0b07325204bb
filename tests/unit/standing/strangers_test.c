/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who says what we do not know: said once, remembered for some minutes, as many as there are
 * places. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "standing/strangers.h"

static struct peer_addr addr(uint8_t last, uint8_t link)
{
	return (struct peer_addr){ .family = AF_INET, .link = link, .addr = { 10, 0, 0, last } };
}

static struct mono at(int64_t s)
{
	return (struct mono){ .ns = (1000 + s) * MONO_NS_PER_S };
}

static bool heard(struct strangers *s, uint8_t last, enum standing_state what, int64_t when)
{
	struct peer_addr from = addr(last, 0);

	return strangers_heard(s, &from, what, at(when));
}

static unsigned int lately(const struct strangers *s, int64_t when)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		n += stranger_lately(&s->at[i], at(when));
	return n;
}

static void news_once(void **state)
{
	struct strangers s = { 0 };
	struct peer_addr other_link = addr(1, 3);

	(void)state;
	assert_int_equal(lately(&s, 0), 0);
	assert_true(heard(&s, 1, STANDING_OTHER_MODE, 0));
	assert_false(heard(&s, 1, STANDING_OTHER_MODE, 200));
	assert_false(strangers_heard(&s, &other_link, STANDING_OTHER_MODE, at(201)));
	assert_int_equal(lately(&s, 201), 1);
	assert_true(heard(&s, 2, STANDING_OTHER_MODE, 202));	 /* somebody else */
	assert_true(heard(&s, 1, STANDING_OTHER_PROTOCOL, 203)); /* something else */
	assert_int_equal(lately(&s, 203), 2);
}

static void forgotten(void **state)
{
	struct strangers s = { 0 };

	(void)state;
	assert_true(heard(&s, 1, STANDING_OTHER_MODE, 0));
	assert_false(heard(&s, 1, STANDING_OTHER_MODE, 299));
	assert_int_equal(lately(&s, 598), 1);
	assert_int_equal(lately(&s, 599), 0);
	assert_true(heard(&s, 1, STANDING_OTHER_MODE, 599));
}

/* Since when it does so goes on as long as it does. */
static void since(void **state)
{
	struct strangers s = { 0 };
	const struct stranger *g = NULL;

	(void)state;
	heard(&s, 1, STANDING_OTHER_MODE, 0);
	heard(&s, 1, STANDING_OTHER_MODE, 100);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (stranger_lately(&s.at[i], at(100)))
			g = &s.at[i];
	assert_non_null(g);
	assert_int_equal(mono_diff_ms(g->first, at(0)), 0);
	assert_int_equal(mono_diff_ms(g->last, at(100)), 0);
	heard(&s, 1, STANDING_OTHER_MODE, 1000);
	assert_int_equal(lately(&s, 1000), 1);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (stranger_lately(&s.at[i], at(1000)))
			assert_int_equal(mono_diff_ms(s.at[i].first, at(1000)), 0);
}

/* With all places taken the ones that are there stay, and each of the others is news each time. */
static void too_many(void **state)
{
	struct strangers s = { 0 };

	(void)state;
	for (uint8_t i = 0; i < PEERS_MAX; i++)
		assert_true(heard(&s, i, STANDING_OTHER_MODE, 0));
	assert_true(heard(&s, 100, STANDING_OTHER_MODE, 1));
	assert_true(heard(&s, 100, STANDING_OTHER_MODE, 2));
	for (uint8_t i = 0; i < PEERS_MAX; i++)
		assert_false(heard(&s, i, STANDING_OTHER_MODE, 3));
	assert_int_equal(lately(&s, 3), PEERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_once),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(since),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
