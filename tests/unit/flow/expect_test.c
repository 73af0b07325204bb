/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations: printing against the library whose layouts they are, identity, records. */
#include "flow/expect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "expect_random.h"
#include "flow/flow_print.h"

#define N 5000

static struct nf_conntrack *library_tuple(uint8_t l3, const struct expect_tuple *t)
{
	struct nf_conntrack *ct = nfct_new();

	assert_non_null(ct);
	nfct_set_attr_u8(ct, ATTR_L3PROTO, l3);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, t->l4);
	if (l3 == AF_INET) {
		nfct_set_attr_u32(ct, ATTR_IPV4_SRC, t->src.v4);
		nfct_set_attr_u32(ct, ATTR_IPV4_DST, t->dst.v4);
	} else {
		nfct_set_attr(ct, ATTR_IPV6_SRC, t->src.v6);
		nfct_set_attr(ct, ATTR_IPV6_DST, t->dst.v6);
	}
	nfct_set_attr_u16(ct, ATTR_PORT_SRC, t->sport);
	nfct_set_attr_u16(ct, ATTR_PORT_DST, t->dport);
	return ct;
}

static struct nf_expect *library_expect(const struct ct_expect *e)
{
	struct nf_conntrack *master = library_tuple(e->l3, &e->master),
			    *tuple = library_tuple(e->l3, &e->tuple);
	struct nf_conntrack *mask = library_tuple(e->l3, &e->mask);
	struct nf_expect *exp = nfexp_new();

	assert_non_null(exp);
	nfexp_set_attr(exp, ATTR_EXP_MASTER, master);
	nfexp_set_attr(exp, ATTR_EXP_EXPECTED, tuple);
	nfexp_set_attr(exp, ATTR_EXP_MASK, mask);
	nfct_destroy(master);
	nfct_destroy(tuple);
	nfct_destroy(mask);
	if (e->zone != 0)
		nfexp_set_attr_u16(exp, ATTR_EXP_ZONE, e->zone);
	if (e->has & EXPECT_HAS_TIMEOUT)
		nfexp_set_attr_u32(exp, ATTR_EXP_TIMEOUT, e->timeout_s);
	if (e->has & EXPECT_HAS_FLAGS)
		nfexp_set_attr_u32(exp, ATTR_EXP_FLAGS, e->flags);
	if (e->has & EXPECT_HAS_CLASS)
		nfexp_set_attr_u32(exp, ATTR_EXP_CLASS, e->class);
	if (e->has & EXPECT_HAS_HELPER)
		nfexp_set_attr(exp, ATTR_EXP_HELPER_NAME, e->helper);
	return exp;
}

static void test_print_as_the_library(void **state)
{
	struct rng r = rng_from_env("expect_test");

	(void)state;
	for (int i = 0; i < N; i++) {
		char theirs[4096], ours[FLOW_LINE_MAX];
		struct expect_print_opts opts = { .active_s = -1, .timeout = true };
		struct nf_expect *exp;
		struct ct_expect e;
		size_t n;

		random_expect(&r, &e);
		if (rng_one_in(&r, 3))
			e.zone = (uint16_t)rng_u32(&r);
		exp = library_expect(&e);
		nfexp_snprintf(theirs, sizeof(theirs), exp, NFCT_T_UNKNOWN, NFCT_O_DEFAULT, 0);
		n = expect_print_text(&e, &opts, ours, sizeof(ours));
		assert_string_equal(ours, theirs);
		assert_int_equal(n, strlen(ours));
		nfexp_snprintf(theirs, sizeof(theirs), exp, NFCT_T_UNKNOWN, NFCT_O_XML, 0);
		n = expect_print_xml(&e, &opts, ours, sizeof(ours));
		assert_string_equal(ours, theirs);
		assert_int_equal(n, strlen(ours));
		nfexp_destroy(exp);
	}
}

/* An FTP expectation as 1.4.x prints it. */
static struct ct_expect ftp(void)
{
	struct ct_expect e = { .has = EXPECT_HAS_CLASS | EXPECT_HAS_HELPER | EXPECT_HAS_TIMEOUT |
				      EXPECT_HAS_FLAGS,
			       .l3 = AF_INET,
			       .timeout_s = 300,
			       .helper = "ftp" };

	e.tuple = (struct expect_tuple){ .src.v4 = inet_addr("192.168.10.2"),
					 .dst.v4 = inet_addr("10.0.1.2"),
					 .dport = htons(50000),
					 .l4 = IPPROTO_TCP };
	e.mask = (struct expect_tuple){
		.src.v4 = UINT32_MAX, .dst.v4 = UINT32_MAX, .dport = UINT16_MAX, .l4 = IPPROTO_TCP
	};
	e.master = (struct expect_tuple){ .src = e.tuple.src,
					  .dst = e.tuple.dst,
					  .sport = htons(40105),
					  .dport = htons(21),
					  .l4 = IPPROTO_TCP };
	return e;
}

static void test_print_as_1_4(void **state)
{
	struct expect_print_opts opts = { .active_s = 1 };
	struct ct_expect e = ftp();
	char line[FLOW_LINE_MAX];

	(void)state;
	expect_print_text(&e, &opts, line, sizeof(line));
	assert_string_equal(line, "proto=6 src=192.168.10.2 dst=10.0.1.2 sport=0 dport=50000 "
				  "mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 "
				  "dport=65535 master-src=192.168.10.2 master-dst=10.0.1.2 "
				  "sport=40105 dport=21 class=0 helper=ftp [active since 1s]");
	opts.expires_s = 7;
	expect_print_text(&e, &opts, line, sizeof(line));
	assert_non_null(strstr(line, "helper=ftp [expires in 7s] [active since 1s]"));
}

/* A peer chooses the name. */
static void test_print_hostile_name(void **state)
{
	struct expect_print_opts opts = { .active_s = -1 };
	struct ct_expect e = ftp();
	char line[FLOW_LINE_MAX], small[40];

	(void)state;
	memcpy(e.helper, "\033[2J<&>\"\\\nx", 11);
	expect_print_text(&e, &opts, line, sizeof(line));
	assert_non_null(strstr(line, "helper=?[2J??????x"));
	assert_null(strpbrk(line, "\033\n<"));
	expect_print_xml(&e, &opts, line, sizeof(line));
	assert_non_null(strstr(line, "<helper-name>?[2J??????x</helper-name>"));
	assert_int_equal(expect_print_text(&e, &opts, small, sizeof(small)), sizeof(small) - 1);
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void test_identity(void **state)
{
	const struct hash_key key = { 1, 2 };
	struct ct_expect a = ftp(), b = ftp();
	struct ct_flow master;

	(void)state;
	assert_true(expect_same_key(&a, &b) && expect_same_master(&a, &b) &&
		    expect_equal_replicated(&a, &b));
	b.timeout_s = 1;
	b.id = 7;
	assert_true(expect_equal_replicated(&a, &b));
	b.master.sport ^= 1;
	assert_true(expect_same_key(&a, &b));
	assert_int_equal(expect_key_hash(&key, &a), expect_key_hash(&key, &b));
	assert_false(expect_same_master(&a, &b) || expect_equal_replicated(&a, &b));
	b = ftp();
	b.mask.sport = 1;
	assert_false(expect_same_key(&a, &b));
	assert_int_not_equal(expect_key_hash(&key, &a), expect_key_hash(&key, &b));
	b = ftp();
	b.zone = 3;
	assert_false(expect_same_key(&a, &b) || expect_same_master(&a, &b));
	b = ftp();
	b.has |= EXPECT_HAS_NAT;
	assert_true(expect_same_key(&a, &b));
	assert_false(expect_equal_replicated(&a, &b));
	a.has |= EXPECT_HAS_NAT;
	assert_true(expect_equal_replicated(&a, &b));
	b.nat.sport = 9;
	assert_false(expect_equal_replicated(&a, &b));

	expect_master_flow(&a, &master);
	assert_true(expect_is_master(&a, &master));
	master.orig.dport ^= 1;
	assert_false(expect_is_master(&a, &master));
}

static void test_helper_prefix(void **state)
{
	struct ct_expect e = ftp();

	(void)state;
	strcpy(e.helper, "sip-5070");
	assert_true(expect_helper_matches(&e, "sip") && expect_helper_matches(&e, "SIP-50"));
	assert_false(expect_helper_matches(&e, "sip-50700") || expect_helper_matches(&e, "ip"));
	e.has &= ~EXPECT_HAS_HELPER;
	assert_false(expect_helper_matches(&e, "sip"));
}

static void test_record(void **state)
{
	struct rng r = rng_from_env("expect_test records");
	uint8_t bytes[EXPECT_RECORD_MAX];

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct expect_print_opts opts = { .active_s = i,
						  .expires_s = 2 * i,
						  .timeout = i % 2 },
					 got;
		struct ct_expect e, back;

		random_expect(&r, &e);
		assert_int_equal(expect_record_pack(&e, &opts, bytes), sizeof(bytes));
		assert_int_equal(expect_record_unpack(bytes, sizeof(bytes), &back, &got), 0);
		assert_memory_equal(&back, &e, sizeof(e));
		assert_true(got.active_s == i && got.expires_s == 2 * i && got.timeout == i % 2);
		assert_int_equal(expect_record_unpack(bytes, sizeof(bytes) - 1, &back, &got),
				 -EINVAL);
		memset(bytes + sizeof(got) + offsetof(struct ct_expect, fn), 'x', EXPECT_FN_MAX);
		assert_int_equal(expect_record_unpack(bytes, sizeof(bytes), &back, &got), -EINVAL);
		expect_record_pack(&e, &opts, bytes);
		bytes[offsetof(struct expect_print_opts, timeout)] = 2;
		assert_int_equal(expect_record_unpack(bytes, sizeof(bytes), &back, &got), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_as_the_library), cmocka_unit_test(test_print_as_1_4),
		cmocka_unit_test(test_print_hostile_name),   cmocka_unit_test(test_identity),
		cmocka_unit_test(test_helper_prefix),	     cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
