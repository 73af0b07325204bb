/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filled datagrams have the length of their cap, and say what they said before. That 1.4.7 reads
 * them so is for the tests with two daemons to say, where most datagrams of a burst are filled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/flow/expect_random.h"
#include "proto/v1/attr.h"

#define MESSAGES 64
#define GUARD	 0xa5

static const struct proto_rules rules = { .wscale = true };

static struct rng rng;

struct read {
	unsigned int n;
	struct wire_hdr hdr[MESSAGES];
	struct ct_flow flow[MESSAGES];
	struct flow_rare rare[MESSAGES];
};

static void read_all(const struct writer *w, struct read *out)
{
	struct cursor c = cur_init(w->buf, w->len);
	struct proto_stats stats = { 0 };

	memset(out, 0, sizeof(*out));
	for (; c.left > 0; out->n++) {
		struct cursor body;

		assert_true(out->n < MESSAGES);
		assert_int_equal(wire_next(&c, &out->hdr[out->n], &body), PROTO_OK);
		assert_int_equal(
			wire_get_flow(body, &out->flow[out->n], &out->rare[out->n], &stats),
			PROTO_OK);
	}
	assert_int_equal(stats.unknown_attr, 0);
}

static void assert_same(struct read *a, struct read *b)
{
	assert_int_equal(a->n, b->n);
	for (unsigned int i = 0; i < a->n; i++) {
		assert_int_equal(a->hdr[i].seq, b->hdr[i].seq);
		assert_int_equal(a->hdr[i].type, b->hdr[i].type);
		assert_int_equal(a->flow[i].rare == NULL, b->flow[i].rare == NULL);
		a->flow[i].rare = b->flow[i].rare = NULL;
		assert_memory_equal(&a->flow[i], &b->flow[i], sizeof(a->flow[i]));
		assert_memory_equal(&a->rare[i], &b->rare[i], sizeof(a->rare[i]));
	}
}

static void put_until_full(struct writer *w)
{
	struct ct_flow f;
	struct flow_rare rare;
	uint32_t seq = 0;

	do {
		random_kernel_flow(&rng, &f, &rare);
	} while (wire_put_flow(w, (enum wire_type)rng_below(&rng, 3), 0, seq++, &f, &rules) == 0);
}

static void a_full_datagram_is_filled_to_its_cap(void **state)
{
	static struct read before, after;
	static uint8_t buf[1604];

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		size_t cap = 512 + 4 * rng_below(&rng, 272);
		struct writer w = wr_init(buf, cap);

		memset(buf, GUARD, sizeof(buf));
		put_until_full(&w);
		read_all(&w, &before);
		wire_fill(&w);
		assert_int_equal(w.len, cap);
		for (size_t at = cap; at < sizeof(buf); at++)
			assert_int_equal(buf[at], GUARD);
		read_all(&w, &after);
		assert_same(&before, &after);
	}
}

/* There is nothing to repeat in a control message and in an empty datagram, an expectation has
 * other attributes, and what is mostly empty is not full. */
static void the_rest_stays_as_it_is(void **state)
{
	uint8_t buf[1000];
	struct writer w = wr_init(buf, sizeof(buf));
	struct flow_rare rare;
	struct ct_expect e;
	struct ct_flow f;
	size_t len;

	(void)state;
	wire_fill(&w);
	assert_int_equal(w.len, 0);
	random_kernel_flow(&rng, &f, &rare);
	assert_int_equal(wire_put_flow(&w, WIRE_CT_NEW, 0, 1, &f, &rules), 0);
	len = w.len;
	wire_fill(&w);
	assert_int_equal(w.len, len);
	w.cap = len + WIRE_CTL_LEN + 8;
	assert_int_equal(wire_put_control(&w, WIRE_F_ACK, 9, 1, 8), 0);
	wire_fill(&w);
	assert_int_equal(w.len, len + WIRE_CTL_LEN);
	w = wr_init(buf, sizeof(buf));
	random_expect(&rng, &e);
	assert_int_equal(wire_put_expect(&w, WIRE_EXP_NEW, 0, 1, &e, &rules), 0);
	len = w.len;
	w.cap = len + 24;
	wire_fill(&w);
	assert_int_equal(w.len, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_datagram_is_filled_to_its_cap),
		cmocka_unit_test(the_rest_stays_as_it_is),
	};

	rng = rng_from_env("fill_test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
