/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of the peers' flows against a list of bits, with random changes and passes. */
#include "cache/peer_flows.h"

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
	uint32_t received_s[FLOWS];
	bool in[FLOWS], seen[FLOWS];
	uint32_t n;
};

static void check(const struct peer_flows *s, const struct model *m)
{
	assert_int_equal(peer_flows_count(s), m->n);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct ct_flow f = make_flow(i);

		uint32_t received_s = 0;

		if (peer_flows_has(s, &f) != m->in[i] ||
		    peer_flows_received(s, &f, &received_s) != m->in[i])
			fail_msg("flow %u: %d in the set, %d in the model", i, !m->in[i], m->in[i]);
		if (m->in[i])
			assert_int_equal(received_s, m->received_s[i]);
	}
}

static void change(struct peer_flows *s, struct model *m, uint32_t i, bool in)
{
	struct ct_flow f = make_flow(i);

	if (in) {
		m->received_s[i] = i + m->n;
		assert_true(peer_flows_add(s, &f, m->received_s[i]));
		m->n += !m->in[i];
	} else {
		assert_int_equal(peer_flows_remove(s, &f), m->in[i]);
		m->n -= m->in[i];
	}
	m->in[i] = m->seen[i] = in;
}

static void changes(struct peer_flows *s, struct model *m, uint64_t *seed, uint32_t n)
{
	while (n-- > 0)
		change(s, m, rnd_below(seed, FLOWS), rnd_below(seed, 5) < 3);
}

static void test_like_model(void **state)
{
	static struct model m;
	struct peer_flows *s = peer_flows_new(&(struct hash_key){ 1, 2 });
	uint64_t seed = 20261124;

	(void)state;
	assert_non_null(s);
	changes(s, &m, &seed, CHANGES);
	check(s, &m);
	for (uint32_t i = 0; i < FLOWS; i++)
		change(s, &m, i, false);
	check(s, &m);
	peer_flows_free(s);
}

/* Some are seen, some come and go meanwhile; the rest is swept, also while others come and go. */
static void test_passes(void **state)
{
	static struct model m;
	struct peer_flows *s = peer_flows_new(&(struct hash_key){ 3, 4 });
	uint64_t seed = 7;

	(void)state;
	for (int pass = 0; pass < 6; pass++) {
		changes(s, &m, &seed, CHANGES / 4);
		peer_flows_pass_begin(s);
		memset(m.seen, 0, sizeof(m.seen));
		for (uint32_t i = 0; i < FLOWS; i += 1 + rnd_below(&seed, 3)) {
			struct ct_flow f = make_flow(i);

			peer_flows_pass_seen(s, &f); /* of no effect on what is not in it */
			m.seen[i] = m.in[i];
		}
		changes(s, &m, &seed, FLOWS / 10);
		peer_flows_pass_end(s);
		for (uint32_t i = 0; i < FLOWS; i++) {
			m.n -= m.in[i] && !m.seen[i];
			m.in[i] = m.in[i] && m.seen[i];
		}
		while (peer_flows_sweep_step(s))
			;
		check(s, &m);
	}
	assert_true(m.n > 0);
	peer_flows_clear(s);
	assert_int_equal(peer_flows_count(s), 0);
	peer_flows_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_model),
		cmocka_unit_test(test_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
