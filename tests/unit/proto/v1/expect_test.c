/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectation messages: what 1.4.7 sent, field by field and byte for byte; random round trips; and
 * everything cut and damaged. Bytes lie on heap blocks of exactly their size, so that the
 * sanitizers notice a read past the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/flow/expect_random.h"
#include "vector_file.h"
#include "proto/v1/attr.h"
#include "proto/v1/attr_numbers.h"

static const struct proto_rules rules;
static struct vector_set vectors;

/* ---- golden vectors ---- */

static void text_tuple(unsigned int part, uint8_t l3, const struct expect_tuple *t, char *out,
		       size_t cap)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	if (part == 2)
		snprintf(out, cap, "%u", t->l4);
	else if (part == 3)
		snprintf(out, cap, "sport=%u dport=%u", ntohs(t->sport), ntohs(t->dport));
	else
		snprintf(out, cap, "src=%s dst=%s", inet_ntop(l3, &t->src, src, sizeof(src)),
			 inet_ntop(l3, &t->dst, dst, sizeof(dst)));
}

/* The value of one attribute in the words of the files. */
static void text_of(unsigned int number, const struct ct_expect *e, char *out, size_t cap)
{
	const struct expect_tuple *tuples[] = { &e->master, &e->tuple, &e->mask };

	if (number < WIRE_EXP_TIMEOUT) {
		text_tuple(number % 4, e->l3, tuples[number / 4], out, cap);
		return;
	}
	switch ((enum wire_exp_attr)number) {
	case WIRE_EXP_TIMEOUT:
		snprintf(out, cap, "%u", e->timeout_s);
		return;
	case WIRE_EXP_FLAGS:
		snprintf(out, cap, "%u", e->flags);
		return;
	case WIRE_EXP_CLASS:
		snprintf(out, cap, "%u", e->class);
		return;
	case WIRE_EXP_NAT_IPV4:
		text_tuple(0, e->l3, &e->nat, out, cap);
		return;
	case WIRE_EXP_NAT_PORT:
		text_tuple(3, e->l3, &e->nat, out, cap);
		return;
	case WIRE_EXP_NAT_L4PROTO:
		text_tuple(2, e->l3, &e->nat, out, cap);
		return;
	case WIRE_EXP_NAT_DIR:
		snprintf(out, cap, "%u", e->nat_dir);
		return;
	case WIRE_EXP_HELPER_NAME:
		snprintf(out, cap, "\"%s\"", e->helper);
		return;
	case WIRE_EXP_FN:
		snprintf(out, cap, "\"%s\"", e->fn);
		return;
	default:
		fail_msg("attribute %u", number);
	}
}

static void check_vector_message(const struct vector *v, const struct vector_msg *m,
				 struct cursor body)
{
	uint8_t again[WIRE_EXPECT_MAX];
	struct writer w = wr_init(again, sizeof(again)), small;
	struct proto_stats stats = { 0 }, none = { 0 };
	struct ct_expect e;

	assert_int_equal(wire_get_expect(body, &e, &stats), PROTO_OK);
	assert_memory_equal(&stats, &none, sizeof(stats));
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct vector_attr *a = &m->attrs[i];
		char text[256];

		text_of(a->number, &e, text, sizeof(text));
		if (strncmp(text, a->value, strlen(text)) != 0)
			fail_msg("%s @%zu %s: got \"%s\", file says \"%s\"", v->name, m->offset,
				 a->name, text, a->value);
	}
	assert_int_equal(wire_put_expect(&w, m->type, (uint8_t)m->flags, m->seq, &e, &rules), 0);
	assert_int_equal(w.len, m->len);
	assert_memory_equal(again, v->payload + m->offset, m->len);
	small = wr_init(again, m->len - 1);
	assert_int_equal(wire_put_expect(&small, m->type, 0, m->seq, &e, &rules), -ENOSPC);
	assert_true(small.len == 0 && !small.full);
}

static void golden_vectors(void **state)
{
	size_t n_found = 0;

	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];

		for (size_t k = 0; k < v->n_msgs && !vector_is_bad(v); k++) {
			const struct vector_msg *m = &v->msgs[k];
			size_t n = m->len - WIRE_HDR_LEN;
			uint8_t *bytes;

			if (m->type < WIRE_EXP_NEW || m->type > WIRE_EXP_DEL)
				continue;
			bytes = heap_copy(v->payload + m->offset + WIRE_HDR_LEN, n);
			check_vector_message(v, m, cur_init(bytes, n));
			free(bytes);
			n_found++;
		}
	}
	assert_int_equal(n_found, 6);
}

/* ---- round trips ---- */

/* What of an expectation reaches the other side. */
static void as_received(struct ct_expect *e)
{
	e->has = (e->has | EXPECT_HAS_FLAGS) & ~EXPECT_HAS_ID;
	if (strlen(e->helper) > WIRE_HELPER_MAX)
		e->has &= ~EXPECT_HAS_HELPER; /* 1.4.x would refuse it */
	if (e->l3 != AF_INET6 || !(e->has & EXPECT_HAS_NAT))
		return;
	if (e->nat.src.v6[0] | e->nat.src.v6[1] | e->nat.src.v6[2] | e->nat.src.v6[3]) {
		e->has &= ~EXPECT_HAS_NAT; /* cannot be told */
		memset(&e->nat, 0, sizeof(e->nat));
		e->nat_dir = 0;
	}
	memset(&e->nat.dst, 0, sizeof(e->nat.dst));
}

static size_t encode(const struct ct_expect *e, uint8_t *buf)
{
	struct writer w = wr_init(buf, WIRE_EXPECT_MAX);

	assert_int_equal(wire_put_expect(&w, WIRE_EXP_NEW, 0, 1, e, &rules), 0);
	return w.len;
}

static void round_trip(void **state)
{
	struct rng r = rng_from_env("expect_test round_trip");

	(void)state;
	for (int i = 0; i < 5000; i++) {
		uint8_t buf[WIRE_EXPECT_MAX], *bytes;
		struct proto_stats stats = { 0 };
		struct ct_expect e, back;
		size_t n;

		random_expect(&r, &e);
		n = encode(&e, buf) - WIRE_HDR_LEN;
		bytes = heap_copy(buf + WIRE_HDR_LEN, n);
		assert_int_equal(wire_get_expect(cur_init(bytes, n), &back, &stats), PROTO_OK);
		free(bytes);
		as_received(&e);
		assert_int_equal(back.has, e.has);
		assert_int_equal(back.timeout_s, e.timeout_s);
		assert_true(expect_equal_replicated(&back, &e));
	}
}

static void longest_message_fits(void **state)
{
	struct ct_expect e = { .has = EXPECT_HAS_ALL,
			       .l3 = AF_INET6,
			       .helper = "12345678901",
			       .fn = "1234567890123456789012345678901" };
	uint8_t buf[WIRE_EXPECT_MAX];

	(void)state;
	e.master.l4 = e.tuple.l4 = e.mask.l4 = e.nat.l4 = IPPROTO_TCP;
	assert_int_equal(encode(&e, buf), WIRE_EXPECT_MAX);
}

static void no_timeout_with_commit_timeout(void **state)
{
	static const struct proto_rules fixed = { .no_timeout = true };
	struct rng r = { .state = 1 };
	uint8_t buf[WIRE_EXPECT_MAX];
	struct writer w = wr_init(buf, sizeof(buf));
	struct proto_stats stats = { 0 };
	struct ct_expect e, back;

	(void)state;
	random_expect(&r, &e);
	e.has |= EXPECT_HAS_TIMEOUT;
	assert_int_equal(wire_put_expect(&w, WIRE_EXP_NEW, 0, 1, &e, &fixed), 0);
	assert_int_equal(
		wire_get_expect(cur_init(buf + WIRE_HDR_LEN, w.len - WIRE_HDR_LEN), &back, &stats),
		PROTO_OK);
	assert_false(back.has & EXPECT_HAS_TIMEOUT);

	w = wr_init(buf, sizeof(buf)); /* an end says how it came about */
	assert_int_equal(wire_put_expect(&w, WIRE_EXP_DEL, 0, 2, &e, &fixed), 0);
	assert_int_equal(
		wire_get_expect(cur_init(buf + WIRE_HDR_LEN, w.len - WIRE_HDR_LEN), &back, &stats),
		PROTO_OK);
	assert_true(back.has & EXPECT_HAS_TIMEOUT);
	assert_int_equal(back.timeout_s, e.timeout_s);
}

/* ---- damage ---- */

static struct ct_expect whole(void)
{
	struct ct_expect e = { .has = EXPECT_HAS_ALL & ~EXPECT_HAS_ID,
			       .l3 = AF_INET,
			       .helper = "ftp",
			       .fn = "nat-follow-master",
			       .timeout_s = 300 };

	e.master.l4 = e.tuple.l4 = e.mask.l4 = e.nat.l4 = IPPROTO_TCP;
	return e;
}

static enum proto_err decode(const uint8_t *body, size_t n, struct proto_stats *stats)
{
	uint8_t *bytes = heap_copy(body, n);
	struct ct_expect untouched, e;
	enum proto_err err;

	memset(&e, 0x5a, sizeof(e));
	memset(&untouched, 0x5a, sizeof(untouched));
	err = wire_get_expect(cur_init(bytes, n), &e, stats);
	free(bytes);
	if (err != PROTO_OK)
		assert_memory_equal(&e, &untouched, sizeof(e));
	else /* names end */
		assert_true(
			(!(e.has & EXPECT_HAS_HELPER) || memchr(e.helper, 0, sizeof(e.helper))) &&
			(!(e.has & EXPECT_HAS_FN) || memchr(e.fn, 0, sizeof(e.fn))));
	return err;
}

static void cut_and_flipped(void **state)
{
	uint8_t buf[WIRE_EXPECT_MAX], *body = buf + WIRE_HDR_LEN;
	struct ct_expect e = whole();
	size_t n = encode(&e, buf) - WIRE_HDR_LEN;
	struct proto_stats stats = { 0 };
	size_t refused = 0;

	(void)state;
	for (size_t cut = 0; cut < n; cut++)
		refused += decode(body, cut, &stats) != PROTO_OK;
	assert_true(refused > n / 2);
	for (size_t i = 0; i < n; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			body[i] ^= (uint8_t)(1u << bit);
			decode(body, n, &stats);
			body[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_int_equal(decode(body, n, &stats), PROTO_OK);
}

/* One attribute of the good message replaced, left out, or added. */
static void single_faults(void **state)
{
	static const struct {
		const char *name;
		int drop;	 /* attribute number, -1: none */
		uint8_t add[12]; /* behind the rest */
		size_t n_add;
		enum proto_err want;
	} cases[] = {
		{ "nothing", -1, { 0 }, 0, PROTO_OK },
		{ "no master address", WIRE_EXP_MASTER_IPV4, { 0 }, 0, PROTO_NO_KEY },
		{ "no master protocol", WIRE_EXP_MASTER_L4PROTO, { 0 }, 0, PROTO_NO_KEY },
		{ "no master ports", WIRE_EXP_MASTER_PORT, { 0 }, 0, PROTO_NO_KEY },
		{ "no expected address", WIRE_EXP_TUPLE_IPV4, { 0 }, 0, PROTO_NO_KEY },
		{ "no expected ports", WIRE_EXP_TUPLE_PORT, { 0 }, 0, PROTO_NO_KEY },
		{ "no mask", WIRE_EXP_MASK_IPV4, { 0 }, 0, PROTO_NO_KEY },
		{ "no mask ports", WIRE_EXP_MASK_PORT, { 0 }, 0, PROTO_NO_KEY },
		{ "no timeout", WIRE_EXP_TIMEOUT, { 0 }, 0, PROTO_OK },
		{ "no NAT protocol", WIRE_EXP_NAT_L4PROTO, { 0 }, 0, PROTO_OK },
		{ "unknown attribute", -1, { 0, 8, 0, 21, 1, 2, 3, 4 }, 8, PROTO_OK },
		{ "length 3", -1, { 0, 3, 0, 13, 0, 0, 0, 0 }, 8, PROTO_BAD_PAYLOAD },
		{ "length past the end", -1, { 0, 12, 0, 13, 0, 0, 0, 0 }, 8, PROTO_BAD_PAYLOAD },
		{ "short class", -1, { 0, 6, 0, 14, 0, 0, 0, 0 }, 8, PROTO_BAD_PAYLOAD },
		{ "long direction",
		  -1,
		  { 0, 12, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0 },
		  12,
		  PROTO_BAD_PAYLOAD },
		{ "helper without NUL",
		  -1,
		  { 0, 8, 0, 19, 'f', 't', 'p', 'x' },
		  8,
		  PROTO_BAD_PAYLOAD },
		{ "empty helper", -1, { 0, 5, 0, 19, 0, 0, 0, 0 }, 8, PROTO_OK },
		{ "function without NUL",
		  -1,
		  { 0, 6, 0, 20, 'f', 'n', 0, 0 },
		  8,
		  PROTO_BAD_PAYLOAD },
		{ "four trailing bytes", -1, { 9, 9, 9, 9 }, 4, PROTO_OK },
	};
	struct ct_expect e = whole();
	uint8_t buf[WIRE_EXPECT_MAX];
	size_t len = encode(&e, buf);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t body[WIRE_EXPECT_MAX + 16];
		struct proto_stats stats = { 0 };
		enum proto_err err;
		size_t n = 0;

		for (size_t at = WIRE_HDR_LEN; at < len;) {
			size_t step = (size_t)(((buf[at] << 8 | buf[at + 1]) + 3) & ~3);

			if (buf[at + 3] != cases[i].drop) {
				memcpy(body + n, buf + at, step);
				n += step;
			}
			at += step;
		}
		memcpy(body + n, cases[i].add, cases[i].n_add);
		err = decode(body, n + cases[i].n_add, &stats);
		if (err != cases[i].want)
			fail_msg("%s: %d instead of %d", cases[i].name, (int)err,
				 (int)cases[i].want);
		assert_int_equal(stats.unknown_attr,
				 strcmp(cases[i].name, "unknown attribute") == 0);
	}
}

static void two_families(void **state)
{
	struct ct_expect e = whole(), six = whole();
	uint8_t buf[2 * WIRE_EXPECT_MAX], other[WIRE_EXPECT_MAX];
	size_t n = encode(&e, buf), m;
	struct proto_stats stats = { 0 };

	(void)state;
	six.l3 = AF_INET6;
	m = encode(&six, other);
	memcpy(buf + n, other + WIRE_HDR_LEN, m - WIRE_HDR_LEN);
	assert_int_equal(decode(buf + WIRE_HDR_LEN, n + m - 2 * WIRE_HDR_LEN, &stats),
			 PROTO_BAD_PAYLOAD);
}

static int load(void **state)
{
	(void)state;
	vectors = vectors_load();
	return 0;
}

static int unload(void **state)
{
	(void)state;
	vectors_free(&vectors);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_vectors),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(longest_message_fits),
		cmocka_unit_test(no_timeout_with_commit_timeout),
		cmocka_unit_test(cut_and_flipped),
		cmocka_unit_test(single_faults),
		cmocka_unit_test(two_families),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
