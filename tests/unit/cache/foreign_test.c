/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of the peers' flows against a list of bits, with random changes and passes. */
#include "cache/foreign.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/cache/flows.h"

#define FLOWS	20000u
#define CHANGES 200000u

struct model {
	uint32_t told_s[FLOWS];
	bool in[FLOWS], seen[FLOWS];
	uint32_t n;
};

static void check(const struct foreign *s, const struct model *m)
{
	assert_int_equal(foreign_count(s), m->n);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct ct_flow f = make_flow(i);

		uint32_t told_s = 0;

		if (foreign_has(s, &f) != m->in[i] || foreign_told(s, &f, &told_s) != m->in[i])
			fail_msg("flow %u: %d in the set, %d in the model", i, !m->in[i], m->in[i]);
		if (m->in[i])
			assert_int_equal(told_s, m->told_s[i]);
	}
}

static void change(struct foreign *s, struct model *m, uint32_t i, bool in)
{
	struct ct_flow f = make_flow(i);

	if (in) {
		m->told_s[i] = i + m->n;
		assert_true(foreign_add(s, &f, m->told_s[i]));
		m->n += !m->in[i];
	} else {
		assert_int_equal(foreign_remove(s, &f), m->in[i]);
		m->n -= m->in[i];
	}
	m->in[i] = m->seen[i] = in;
}

static void changes(struct foreign *s, struct model *m, uint64_t *seed, uint32_t n)
{
	while (n-- > 0)
		change(s, m, rnd_below(seed, FLOWS), rnd_below(seed, 5) < 3);
}

static void test_like_model(void **state)
{
	static struct model m;
	struct foreign *s = foreign_new(&(struct hash_key){ 1, 2 });
	uint64_t seed = 20261124;

	(void)state;
	assert_non_null(s);
	changes(s, &m, &seed, CHANGES);
	check(s, &m);
	for (uint32_t i = 0; i < FLOWS; i++)
		change(s, &m, i, false);
	check(s, &m);
	foreign_free(s);
}

/* Some are seen, some come and go meanwhile; the rest is swept, also while others come and go. */
static void test_passes(void **state)
{
	static struct model m;
	struct foreign *s = foreign_new(&(struct hash_key){ 3, 4 });
	uint64_t seed = 7;

	(void)state;
	for (int pass = 0; pass < 6; pass++) {
		changes(s, &m, &seed, CHANGES / 4);
		foreign_pass_begin(s);
		memset(m.seen, 0, sizeof(m.seen));
		for (uint32_t i = 0; i < FLOWS; i += 1 + rnd_below(&seed, 3)) {
			struct ct_flow f = make_flow(i);

			foreign_pass_seen(s, &f); /* of no effect on what is not in it */
			m.seen[i] = m.in[i];
		}
		changes(s, &m, &seed, FLOWS / 10);
		foreign_pass_end(s);
		for (uint32_t i = 0; i < FLOWS; i++) {
			m.n -= m.in[i] && !m.seen[i];
			m.in[i] = m.in[i] && m.seen[i];
		}
		while (foreign_sweep_step(s))
			;
		check(s, &m);
	}
	assert_true(m.n > 0);
	foreign_clear(s);
	assert_int_equal(foreign_count(s), 0);
	foreign_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_model),
		cmocka_unit_test(test_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
