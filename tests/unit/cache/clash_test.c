/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that are one on the wire: who is hidden, who is given out again, against a model that looks
 * at all of them. */
#include "cache/clash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "cache/internal.h"
#include "flows.h"

static const struct hash_key test_key = { 1, 2 };

/* Flows of the first two kinds are one on the wire, whatever their variant; those of the next three
 * have a zone of one direction, but for variant 0; the last kind has a zone of both. */
enum kind { GRE, UDPLITE, UNKNOWN, TCP, ICMP6, TCP_ZONED, N_KINDS };

static bool one_on_the_wire(enum kind kind)
{
	return kind < UNKNOWN;
}

static bool zone_of_one_direction(enum kind kind, unsigned int n)
{
	return !one_on_the_wire(kind) && kind != TCP_ZONED && n > 0;
}

/* Variant 0 is what the wire says; the others differ from it only in what does not travel, if the
 * kind has such a thing. */
static struct ct_flow variant(enum kind kind, unsigned int n)
{
	static const uint8_t l4[N_KINDS] = { IPPROTO_GRE, IPPROTO_UDPLITE, 253,
					     IPPROTO_TCP, IPPROTO_ICMPV6,  IPPROTO_TCP };
	struct ct_flow f = make_flow(kind == ICMP6 ? 2 : 0);

	f.l4 = l4[kind];
	switch (kind) {
	case GRE:
	case UDPLITE:
		f.orig =
			(struct flow_ports){ .sport = (uint16_t)n, .dport = (uint16_t)(n ? 7 : 0) };
		break;
	case UNKNOWN:
		f.has &= ~FLOW_HAS_PORTS;
		/* fall through */
	case TCP:
	case ICMP6:
	case TCP_ZONED:
		if (kind == TCP_ZONED)
			f.orig.sport = 99;
		if (n == 0)
			break;
		f.has |= FLOW_HAS_ZONE;
		f.zone = (uint16_t)n;
		f.zone_dir = kind == TCP_ZONED ? FLOW_ZONE_BOTH :
			     n % 2	       ? FLOW_ZONE_ORIG :
						 FLOW_ZONE_REPLY;
		break;
	case N_KINDS:
		break;
	}
	return f;
}

struct world {
	struct flow_table *flows;
	struct clash *c;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->flows = table_new(16, 100000, &test_key);
	w->c = clash_new(w->flows, &test_key);
	assert_non_null(w->c);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	clash_free(w->c);
	table_free(w->flows);
	free(w);
	return 0;
}

static uint32_t add(struct world *w, enum kind kind, unsigned int n, uint32_t *other)
{
	struct ct_flow f = variant(kind, n), *exact = exact_copy(&f);
	uint32_t id = table_insert(w->flows, exact, 1, NULL);

	free(exact);
	*other = clash_add(w->c, id);
	return id;
}

static void del(struct world *w, uint32_t id)
{
	clash_remove(w->c, id);
	table_remove(w->flows, id);
}

static bool hidden(const struct world *w, uint32_t id)
{
	return table_rec(w->flows, id)->flags & REC_I_CLASH;
}

static void two_are_hidden_and_one_is_given_back(void **state)
{
	struct world *w = *state;

	for (enum kind kind = 0; one_on_the_wire(kind); kind++) {
		/* the real one first, and a poor one first */
		for (unsigned int first = 0; first < 2; first++) {
			uint32_t other, next, a = add(w, kind, first, &other), b;

			assert_false(hidden(w, a));
			assert_int_equal(other, FLOW_ID_NONE);
			b = add(w, kind, first ? 0 : 2, &other);
			assert_int_equal(other, a);
			assert_true(hidden(w, a) && hidden(w, b));
			assert_int_equal(clash_hidden(w->c), 2);
			assert_false(clash_next(w->c, &next));
			del(w, a);
			assert_true(hidden(w, b)); /* until its turn has come */
			assert_true(clash_pending(w->c));
			assert_true(clash_next(w->c, &next));
			assert_int_equal(next, b);
			assert_false(hidden(w, b));
			assert_false(clash_next(w->c, &next));
			assert_int_equal(clash_hidden(w->c), 0);
			del(w, b);
			clash_next(w->c, &next);
		}
	}
	assert_int_equal(clash_total(w->c), 2 * 2 * 2);
}

/* A zone of both directions travels; other tuples are other flows. */
static void what_the_wire_tells_apart_is_not_hidden(void **state)
{
	struct world *w = *state;
	uint32_t other;

	for (unsigned int n = 0; n < 5; n++)
		add(w, TCP_ZONED, n, &other);
	for (enum kind kind = GRE; one_on_the_wire(kind); kind++)
		add(w, kind, 1, &other);
	assert_int_equal(clash_hidden(w->c), 0);
	assert_int_equal(clash_total(w->c), 0);
	assert_false(clash_any(w->c));
}

/* Alone or not: at the peer it would be another flow. The one without a zone is that one, and is
 * not touched. */
static void zones_of_one_direction_are_always_hidden(void **state)
{
	struct world *w = *state;
	uint32_t other, next, id[3];

	for (enum kind kind = UNKNOWN; kind < TCP_ZONED; kind++) {
		for (unsigned int n = 0; n < 3; n++) {
			id[n] = add(w, kind, 2 - n, &other);
			assert_int_equal(other, FLOW_ID_NONE);
			assert_int_equal(hidden(w, id[n]), n < 2);
			assert_false(clash_known(w->c, id[n]));
		}
		assert_int_equal(clash_zoned(w->c), 2);
		assert_true(clash_any(w->c));
		for (unsigned int n = 0; n < 3; n++)
			del(w, id[n]);
		assert_false(clash_any(w->c));
		assert_false(clash_next(w->c, &next));
	}
	assert_int_equal(clash_zoned_total(w->c), 6);
	assert_int_equal(clash_total(w->c), 0);
}

/* Peers may know everything but what waits for its first message. */
static void what_peers_know_is_remembered(void **state)
{
	static const uint8_t bits[] = { REPL_KNOWN, REPL_SENT, REPL_QUEUED, 0 };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bits); i++) {
		uint32_t other, next, a = add(w, GRE, 1, &other), b;

		table_rec(w->flows, a)->repl.bits = bits[i];
		b = add(w, GRE, 2, &other);
		assert_int_equal(clash_known(w->c, a), bits[i] != REPL_QUEUED);
		assert_false(clash_known(w->c, b));
		del(w, a);
		assert_true(clash_next(w->c, &next));
		del(w, b);
	}
}

static void a_dead_one_counts_until_it_is_freed(void **state)
{
	struct world *w = *state;
	uint32_t other, next, a = add(w, UDPLITE, 1, &other), b;

	table_set_state(w->flows, a, REC_DEAD);
	b = add(w, UDPLITE, 2, &other);
	assert_int_equal(other, FLOW_ID_NONE); /* its CT_DEL must go out */
	assert_true(hidden(w, b));
	table_set_state(w->flows, b, REC_DEAD);
	del(w, a);
	assert_false(clash_next(w->c, &next)); /* the one that is left has ended too */
	assert_false(hidden(w, b));
	del(w, b);
}

/* Any order of births and ends: a flow is hidden exactly while its zone is of one direction, or
 * another record has its wire identity and one of them is poor, apart from those that clash_next()
 * has not given out yet. */
static void any_order(void **state)
{
	enum { VARIANTS = 5, STEPS = 20000 };
	struct world *w = *state;
	uint32_t id[N_KINDS][VARIANTS];
	uint64_t seed = 1 + (uint64_t)time(NULL);

	printf("seed %llu\n", (unsigned long long)seed);
	memset(id, 0xff, sizeof(id));
	for (unsigned int step = 0; step < STEPS; step++) {
		uint32_t kind = rnd_below(&seed, N_KINDS), n = rnd_below(&seed, VARIANTS), other,
			 next, want = 0;
		uint32_t zoned = 0;

		if (id[kind][n] == FLOW_ID_NONE) {
			id[kind][n] = add(w, (enum kind)kind, n, &other);
		} else {
			del(w, id[kind][n]);
			id[kind][n] = FLOW_ID_NONE;
		}
		if (rnd_below(&seed, 3) > 0)
			continue; /* several are left alone before anybody looks */
		while (clash_next(w->c, &next))
			assert_true(table_has_id(w->flows, next));
		for (kind = 0; kind < N_KINDS; kind++) {
			unsigned int members = 0;

			for (n = 0; n < VARIANTS; n++)
				members += id[kind][n] != FLOW_ID_NONE;
			for (n = 0; n < VARIANTS; n++) {
				bool of_one = zone_of_one_direction((enum kind)kind, n);
				bool is = members > 1 && one_on_the_wire((enum kind)kind);

				if (id[kind][n] == FLOW_ID_NONE)
					continue;
				assert_int_equal(hidden(w, id[kind][n]), is || of_one);
				want += is;
				zoned += of_one;
			}
		}
		assert_int_equal(clash_hidden(w->c), want);
		assert_int_equal(clash_zoned(w->c), zoned);
	}
	assert_true(table_check(w->flows));
}

/* Thousands of groups of both families at once: each keeps what it knows, and all of them end. */
static void each_of_many_groups_keeps_its_members(void **state)
{
	enum { N = 5000 };
	static uint32_t id[2][N][2];
	struct world *w = *state;
	uint32_t other, next;

	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < N; i++) {
			for (unsigned int family = 0; family < 2; family++) {
				struct ct_flow f = make_flow(family ? 2 : 0), *exact;

				f.l4 = IPPROTO_GRE;
				f.orig = (struct flow_ports){ .sport = (uint16_t)(1 + pass),
							      .dport = 7 };
				if (family)
					f.addr.v6.src[3] = i;
				else
					f.addr.v4.src = i;
				exact = exact_copy(&f);
				id[family][i][pass] = table_insert(w->flows, exact, 1, NULL);
				free(exact);
				other = clash_add(w->c, id[family][i][pass]);
				assert_int_equal(other, pass ? id[family][i][0] : FLOW_ID_NONE);
			}
		}
	}
	assert_int_equal(clash_hidden(w->c), 4 * N);
	for (uint32_t i = 0; i < N; i++) {
		for (unsigned int family = 0; family < 2; family++) {
			del(w, id[family][i][0]);
			assert_true(clash_next(w->c, &next));
			assert_int_equal(next, id[family][i][1]);
			del(w, next);
		}
	}
	assert_int_equal(clash_hidden(w->c), 0);
	assert_false(clash_pending(w->c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_are_hidden_and_one_is_given_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_the_wire_tells_apart_is_not_hidden, setup,
						teardown),
		cmocka_unit_test_setup_teardown(zones_of_one_direction_are_always_hidden, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_peers_know_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_one_counts_until_it_is_freed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(each_of_many_groups_keeps_its_members, setup,
						teardown),
		cmocka_unit_test_setup_teardown(any_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
