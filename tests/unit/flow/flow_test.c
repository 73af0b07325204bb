/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key, merging, translations, comparison. Records of IPv4 flows lie on heap blocks of FLOW_SIZE_V4
 * bytes, so that the sanitizers notice a touch behind the short slot.
 */
#include "flow/flow.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_random.h"

#define N_FLOWS 20000

static const struct hash_key secret = { 1, 2 };

static struct ct_flow *slot_of(const struct ct_flow *f)
{
	/* or the compiler sees, rightly, that not all of the struct is there */
	volatile size_t n = flow_size(f);
	struct ct_flow *slot = malloc(n);

	assert_non_null(slot);
	flow_copy(slot, f);
	return slot;
}

static struct ct_flow tcp4(void)
{
	return (struct ct_flow){
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_REPLY | FLOW_HAS_PROTO_STATE,
		.l3 = AF_INET,
		.l4 = IPPROTO_TCP,
		.status = 0x18e,
		.proto_state = 3,
		.orig = { htons(1000), htons(80) },
		.reply = { htons(80), htons(1000) },
		.addr.v4 = { htonl(0x0a010002), htonl(0x0a020002), htonl(0x0a020002),
			     htonl(0x0a010002) },
	};
}

static void a_record_of_ipv4_is_short(void **state)
{
	/* a pointer is part of it, on 32-bit machines with its padding */
	size_t spare = 8 - sizeof(void *);

	(void)state;
	assert_int_equal(FLOW_SIZE_V4, 64 - 2 * spare);
	assert_int_equal(FLOW_SIZE_V6, 112 - 2 * spare);
}

static bool same_by_key(const struct ct_flow *a, const struct ct_flow *b)
{
	struct flow_key ka, kb;

	flow_key(a, &ka);
	flow_key(b, &kb);
	return ka.n_words == kb.n_words && memcmp(ka.w, kb.w, 8 * ka.n_words) == 0;
}

/* Each change of one part of the identity makes another flow, each change of anything else does
 * not. */
static void every_part_of_the_identity_counts(void **state)
{
	static const struct {
		const char *what;
		struct ct_flow other; /* xor onto the flow */
		bool same;
	} rows[] = {
		{ "nothing", { 0 }, true },
		{ "source port", { .orig.sport = 1 }, false },
		{ "destination port", { .orig.dport = 1 }, false },
		{ "protocol", { .l4 = IPPROTO_TCP ^ IPPROTO_UDP }, false },
		{ "source", { .addr.v4.src = 1 }, false },
		{ "destination", { .addr.v4.dst = 1 }, false },
		{ "zone", { .zone = 1 }, false },
		{ "zone direction", { .zone_dir = FLOW_ZONE_ORIG }, false },
		{ "no zone", { .has = FLOW_HAS_ZONE }, false },
		{ "reply source", { .addr.v4.reply_src = 1 }, true },
		{ "reply port", { .reply.sport = 1 }, true },
		{ "status", { .status = 1 }, true },
		{ "mark", { .has = FLOW_HAS_MARK, .mark = 1 }, true },
		{ "id", { .has = FLOW_HAS_ID, .id = 1 }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow a = tcp4(), b;
		uint8_t *x;

		a.has |= FLOW_HAS_ZONE;
		a.zone = 258;
		b = a;
		x = (uint8_t *)&b;
		for (size_t k = 0; k < sizeof(b); k++)
			x[k] ^= ((const uint8_t *)&rows[i].other)[k];
		if (flow_same_key(&a, &b) != rows[i].same || same_by_key(&a, &b) != rows[i].same)
			fail_msg("%s", rows[i].what);
	}
}

static void ipv6_addresses_count_in_full(void **state)
{
	(void)state;
	for (size_t k = 0; k < 64; k++) {
		struct ct_flow a = { .l3 = AF_INET6, .l4 = 50 }, b = a;

		((uint8_t *)&b.addr)[k] ^= 0x10;
		assert_int_equal(flow_same_key(&a, &b), k >= 32);
		assert_int_equal(same_by_key(&a, &b), k >= 32);
	}
}

/* What is not known has undefined contents and must not matter. */
static void undefined_bytes_do_not_matter(void **state)
{
	struct rng r = rng_from_env("undefined");

	(void)state;
	for (int i = 0; i < N_FLOWS; i++) {
		struct flow_rare ra, rb;
		struct ct_flow a, b, c;
		struct flow_key ka, kb;

		random_kernel_flow(&r, &a, &ra);
		c = a;
		random_peer_flow(&r, &b, &rb);
		if (!(a.has & FLOW_HAS_PORTS))
			c.orig = b.orig;
		if (!(a.has & FLOW_HAS_ZONE))
			c.zone = b.zone, c.zone_dir = b.zone_dir;
		flow_key(&a, &ka);
		flow_key(&c, &kb);
		assert_int_equal(flow_key_hash(&secret, &ka), flow_key_hash(&secret, &kb));
		assert_true(flow_same_key(&a, &c));
		assert_int_equal(flow_same_key(&a, &b), same_by_key(&a, &b));
	}
}

static void keys_need_ports_where_there_are_some(void **state)
{
	static const struct {
		uint8_t l3, l4;
		uint32_t has;
		bool key;
	} rows[] = {
		{ AF_INET, IPPROTO_TCP, FLOW_HAS_PORTS, true },
		{ AF_INET, IPPROTO_TCP, 0, false },
		{ AF_INET6, IPPROTO_UDP, 0, false },
		{ AF_INET, IPPROTO_SCTP, 0, false },
		{ AF_INET, IPPROTO_DCCP, 0, false },
		{ AF_INET, IPPROTO_ICMP, 0, false },
		{ AF_INET6, IPPROTO_ICMPV6, 0, false },
		{ AF_INET6, IPPROTO_ICMPV6, FLOW_HAS_PORTS, true },
		{ AF_INET, IPPROTO_GRE, 0, true },
		{ AF_INET, IPPROTO_UDPLITE, 0, true },
		{ AF_INET, 50, 0, true },
		{ 0, IPPROTO_TCP, FLOW_HAS_PORTS, false },
		{ 1, 50, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = { .has = rows[i].has, .l3 = rows[i].l3, .l4 = rows[i].l4 };

		assert_int_equal(flow_has_key(&f), rows[i].key);
	}
}

/* ---- translations ---- */

static void translations_are_seen_in_the_tuples(void **state)
{
	static const struct {
		const char *what;
		uint32_t status;
		uint32_t d_src, d_dst; /* added to the mirror image of the reply tuple */
		uint16_t d_sport, d_dport;
		uint32_t nat;
	} rows[] = {
		{ "none", 0x180, 0, 0, 0, 0, 0 },
		{ "source", 0x180, 0, 1, 0, 0, FLOW_HAS_SNAT },
		{ "source port", 0x180, 0, 0, 0, 1, FLOW_HAS_SPAT },
		{ "destination", 0x180, 1, 0, 0, 0, FLOW_HAS_DNAT },
		{ "destination port", 0x180, 0, 0, 1, 0, FLOW_HAS_DPAT },
		{ "all", 0x180, 1, 1, 1, 1, FLOW_FROM_PEER_NAT },
		{ "all, source done only", 0x80, 1, 1, 1, 1, FLOW_HAS_SNAT | FLOW_HAS_SPAT },
		{ "all, destination done only", 0x100, 1, 1, 1, 1, FLOW_HAS_DNAT | FLOW_HAS_DPAT },
		{ "all, nothing done", 0x30, 1, 1, 1, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = tcp4();

		f.status = rows[i].status;
		f.addr.v4.reply_src += rows[i].d_src;
		f.addr.v4.reply_dst += rows[i].d_dst;
		f.reply.sport = (uint16_t)(f.reply.sport + rows[i].d_sport);
		f.reply.dport = (uint16_t)(f.reply.dport + rows[i].d_dport);
		if (flow_nat(&f) != rows[i].nat)
			fail_msg("%s: %#x", rows[i].what, flow_nat(&f));
		f.l4 = IPPROTO_ICMP; /* its type and id are no ports */
		assert_int_equal(flow_nat(&f), rows[i].nat & (FLOW_HAS_SNAT | FLOW_HAS_DNAT));
		f.has = (f.has & ~FLOW_HAS_REPLY) | FLOW_HAS_DPAT; /* a peer's: what it said */
		assert_int_equal(flow_nat(&f), FLOW_HAS_DPAT);
	}
}

static void the_reply_mirrors_the_original(void **state)
{
	struct ct_flow f = tcp4(), *slot;

	(void)state;
	f.has = FLOW_HAS_PORTS | FLOW_HAS_SNAT | FLOW_HAS_DPAT;
	f.addr.v4.reply_src = 1;
	f.addr.v4.reply_dst = 2;
	f.reply = (struct flow_ports){ 3, 4 };
	slot = slot_of(&f);
	flow_mirror_reply(slot);
	assert_int_equal(slot->addr.v4.reply_src, htonl(0x0a020002));
	assert_int_equal(slot->addr.v4.reply_dst, 2);
	assert_int_equal(slot->reply.sport, 3);
	assert_int_equal(slot->reply.dport, htons(1000));
	assert_false(slot->has & FLOW_HAS_REPLY);
	free(slot);

	f.l3 = AF_INET6;
	f.has = FLOW_HAS_PORTS | FLOW_HAS_DNAT | FLOW_HAS_SPAT;
	memset(&f.addr, 1, 16);
	memset((uint8_t *)&f.addr + 16, 2, 16);
	memset((uint8_t *)&f.addr + 32, 3, 32);
	f.reply = (struct flow_ports){ 3, 4 };
	flow_mirror_reply(&f);
	assert_int_equal(f.addr.v6.reply_src[0], 0x03030303);
	assert_int_equal(f.addr.v6.reply_src[3], 0x03030303);
	assert_int_equal(f.addr.v6.reply_dst[0], 0x01010101);
	assert_int_equal(f.addr.v6.reply_dst[3], 0x01010101);
	assert_int_equal(f.reply.sport, htons(80));
	assert_int_equal(f.reply.dport, 4);
}

static void icmp_types_have_counterparts(void **state)
{
	static const uint8_t rows[][3] = {
		{ IPPROTO_ICMP, 8, 0 },	      { IPPROTO_ICMP, 0, 8 },
		{ IPPROTO_ICMP, 13, 14 },     { IPPROTO_ICMP, 14, 13 },
		{ IPPROTO_ICMP, 15, 16 },     { IPPROTO_ICMP, 17, 18 },
		{ IPPROTO_ICMP, 3, 3 },	      { IPPROTO_ICMP, 128, 128 },
		{ IPPROTO_ICMPV6, 128, 129 }, { IPPROTO_ICMPV6, 129, 128 },
		{ IPPROTO_ICMPV6, 139, 140 }, { IPPROTO_ICMPV6, 8, 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = { .has = FLOW_HAS_PORTS,
				     .l3 = AF_INET,
				     .l4 = rows[i][0],
				     .orig.sport = htons(77) };
		uint8_t type_code[2] = { rows[i][1], 5 };

		memcpy(&f.orig.dport, type_code, 2);
		flow_mirror_reply(&f);
		assert_int_equal(flow_icmp_type(&f.reply), rows[i][2]);
		assert_int_equal(flow_icmp_code(&f.reply), 5);
		assert_int_equal(f.reply.sport, htons(77));
	}
}

/* ---- merging ---- */

static void merging_says_what_the_peers_must_hear(void **state)
{
	static const struct {
		const char *what;
		struct ct_flow news;
		bool changed;
	} rows[] = {
		{ "nothing", { 0 }, false },
		{ "timeout", { .has = FLOW_HAS_TIMEOUT, .timeout_s = 5 }, false },
		{ "id", { .has = FLOW_HAS_ID, .id = 5 }, false },
		{ "same status", { .has = FLOW_HAS_STATUS, .status = 0x18e }, false },
		{ "status", { .has = FLOW_HAS_STATUS, .status = 0x38e }, true },
		{ "into a flow table",
		  { .has = FLOW_HAS_STATUS, .status = 0x18e | FLOW_STATUS_OFFLOAD },
		  false },
		{ "same state", { .has = FLOW_HAS_PROTO_STATE, .proto_state = 3 }, false },
		{ "state", { .has = FLOW_HAS_PROTO_STATE, .proto_state = 4 }, true },
		{ "mark of zero", { .has = FLOW_HAS_MARK }, false },
		{ "mark", { .has = FLOW_HAS_MARK, .mark = 9 }, true },
		{ "scales of zero", { .has = FLOW_HAS_WSCALE }, false },
		{ "scales", { .has = FLOW_HAS_WSCALE, .wscale = { 7, 7 } }, true },
		{ "synproxy of zero", { .has = FLOW_HAS_SYNPROXY }, false },
		{ "translated source", { .has = FLOW_HAS_SNAT, .addr.v4.reply_dst = 1 }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = tcp4(), *slot, news = rows[i].news;

		f.mark = 77; /* not known, so of no meaning */
		f.wscale[0] = f.wscale[1] = 7;
		slot = slot_of(&f);
		news.l3 = AF_INET;
		news.l4 = IPPROTO_TCP;
		if (flow_merge(slot, &news) != rows[i].changed)
			fail_msg("%s", rows[i].what);
		assert_int_equal(slot->has, f.has | news.has);
		assert_false(flow_merge(slot, &news));
		free(slot);
	}
}

/* An attribute never disappears. */
static void merging_keeps_what_is_not_mentioned(void **state)
{
	struct rng r = rng_from_env("merge");

	(void)state;
	for (int i = 0; i < N_FLOWS; i++) {
		struct flow_rare ra, rb, before_rare;
		struct ct_flow a, b, before, *slot;

		random_kernel_flow(&r, &a, &ra);
		a.rare = &ra; /* room for what the other brings */
		ra.synproxy_set = ra.synproxy_set && (a.has & FLOW_HAS_SYNPROXY);
		do {
			random_kernel_flow(&r, &b, &rb);
		} while (b.l3 != a.l3);
		b.l4 = a.l4;
		b.has &= ~FLOW_HAS_PORTS | a.has;
		before = a;
		before_rare = ra;
		slot = slot_of(&a);
		flow_merge(slot, &b);
		assert_true(flow_same_key(slot, &before));
		assert_int_equal(slot->has & before.has, before.has);
		if (!(b.has & FLOW_HAS_STATUS) && (before.has & FLOW_HAS_STATUS))
			assert_int_equal(slot->status, before.status);
		if (b.has & FLOW_HAS_STATUS)
			assert_int_equal(slot->status, b.status);
		if (b.has & FLOW_HAS_MARK)
			assert_int_equal(slot->mark, b.mark);
		else if (before.has & FLOW_HAS_MARK)
			assert_int_equal(slot->mark, before.mark);
		if (b.has & FLOW_HAS_HELPER)
			assert_string_equal(slot->rare->helper, rb.helper);
		else if (before.has & FLOW_HAS_HELPER)
			assert_string_equal(slot->rare->helper, before_rare.helper);
		if (b.has & FLOW_HAS_COUNTERS)
			assert_int_equal(slot->has & FLOW_HAS_COUNTERS,
					 before.has & FLOW_HAS_COUNTERS);
		free(slot);
	}
}

/* Does merging report a change exactly when the replicated contents differ? */
static void a_reported_change_is_a_difference(void **state)
{
	struct rng r = rng_from_env("change");

	(void)state;
	for (int i = 0; i < N_FLOWS; i++) {
		struct flow_rare ra, rb, was_rare;
		struct ct_flow a, b, was;
		bool changed;

		random_kernel_flow(&r, &a, &ra);
		a.rare = &ra;
		ra.synproxy_set = ra.synproxy_set && (a.has & FLOW_HAS_SYNPROXY);
		b = a;
		rb = ra;
		b.rare = &rb;
		if (rng_one_in(&r, 2)) { /* one thing other than before */
			b.status ^= rng_one_in(&r, 4) ? 0x200 : 0;
			b.proto_state ^= rng_one_in(&r, 4);
			b.mark ^= rng_one_in(&r, 4) ? 0x10 : 0;
			rb.labels[2] ^= rng_one_in(&r, 4) ? 0x10 : 0;
			rb.helper[0] ^= rng_one_in(&r, 4) ? 1 : 0;
			rb.adj[1].after ^= rng_one_in(&r, 4) ? 1 : 0;
			rb.vtag[1] ^= rng_one_in(&r, 4) ? 1 : 0;
			rb.master_dport ^= rng_one_in(&r, 4) ? 1 : 0;
			rb.master_src.v4 ^= rng_one_in(&r, 4) ? 1 : 0;
			rb.dccp_role ^= rng_one_in(&r, 4) ? 1 : 0;
		}
		was = a;
		was_rare = ra;
		was.rare = &was_rare;
		changed = flow_merge(&a, &b);
		assert_int_equal(changed, !flow_equal_replicated(&was, &b));
		assert_true(flow_equal_replicated(&a, &b));
	}
}

/* What a peer says of a later life of the tuple ends the translations of the one before. */
static void translations_of_an_earlier_life_go(void **state)
{
	const uint32_t all = FLOW_HAS_SNAT | FLOW_HAS_SPAT | FLOW_HAS_DNAT | FLOW_HAS_DPAT;
	static const struct {
		uint32_t says, status, left;
	} rows[] = {
		{ FLOW_HAS_STATUS, 0, 0 },
		{ FLOW_HAS_STATUS, IPS_SRC_NAT, FLOW_HAS_SNAT | FLOW_HAS_SPAT },
		{ FLOW_HAS_STATUS, IPS_DST_NAT, FLOW_HAS_DNAT | FLOW_HAS_DPAT },
		{ FLOW_HAS_STATUS | FLOW_HAS_SNAT, IPS_SRC_NAT, FLOW_HAS_SNAT },
		{ FLOW_HAS_STATUS | FLOW_HAS_DPAT, IPS_NAT_MASK,
		  FLOW_HAS_SNAT | FLOW_HAS_SPAT | FLOW_HAS_DPAT },
		{ FLOW_HAS_MARK, 0,
		  FLOW_HAS_SNAT | FLOW_HAS_SPAT | FLOW_HAS_DNAT |
			  FLOW_HAS_DPAT }, /* part of a flow */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = tcp4(), news = tcp4();

		f.has = (f.has & ~FLOW_HAS_REPLY) | all | FLOW_HAS_STATUS;
		f.status = IPS_NAT_MASK;
		news.has = rows[i].says;
		news.status = rows[i].status;
		flow_merge(&f, &news);
		assert_int_equal(f.has & all, rows[i].left);
	}
}

static void rare_parts_need_their_room(void **state)
{
	struct flow_rare rare = { .helper = "ftp", .synproxy = { 1, 2, 3 }, .synproxy_set = true },
			 mine = { 0 };
	struct ct_flow f = tcp4(), news = tcp4();

	(void)state;
	news.rare = &rare;
	assert_false(flow_needs_rare(&news));
	news.has |= FLOW_HAS_COUNTERS;
	assert_false(flow_needs_rare(&news));
	news.has |= FLOW_HAS_SYNPROXY;
	assert_true(flow_needs_rare(&news));
	rare.synproxy_set = false;
	assert_false(flow_needs_rare(&news));
	rare.synproxy_set = true;
	news.has |= FLOW_HAS_HELPER;
	assert_true(flow_needs_rare(&news));

	assert_false(flow_merge(&f, &news));
	assert_int_equal(f.has & (FLOW_HAS_HELPER | FLOW_HAS_SYNPROXY | FLOW_HAS_COUNTERS), 0);
	f.rare = &mine;
	assert_true(flow_merge(&f, &news));
	assert_int_equal(f.has & (FLOW_HAS_HELPER | FLOW_HAS_SYNPROXY | FLOW_HAS_COUNTERS),
			 FLOW_HAS_HELPER | FLOW_HAS_SYNPROXY);
	assert_string_equal(mine.helper, "ftp");
	assert_int_equal(mine.synproxy[2], 3);
	rare.synproxy_set = false; /* all three zero again */
	assert_true(flow_merge(&f, &news));
	assert_false(mine.synproxy_set);
}

/* ---- equality ---- */

static void equality_is_about_what_is_replicated(void **state)
{
	struct flow_rare none = { 0 };
	struct ct_flow a = tcp4(), b = tcp4();

	(void)state;
	b.has |= FLOW_HAS_TIMEOUT | FLOW_HAS_ID | FLOW_HAS_WSCALE | FLOW_HAS_MARK |
		 FLOW_HAS_SYNPROXY;
	assert_true(flow_equal_replicated(&a, &b));
	b.has |= FLOW_HAS_LABELS;
	b.rare = &none;
	assert_true(flow_equal_replicated(&a, &b));
	none.labels[3] = 1;
	assert_false(flow_equal_replicated(&a, &b));
	none.labels[3] = 0;
	none.synproxy[0] = 1;
	none.synproxy_set = true;
	assert_false(flow_equal_replicated(&a, &b));
	none.synproxy_set = false;
	b.mark = 1;
	assert_false(flow_equal_replicated(&a, &b));
	b.mark = 0;
	b.has |= FLOW_HAS_VTAGS;
	assert_false(flow_equal_replicated(&a, &b));
}

/* The kernel's view of a translated flow and the peer's are the same flow. */
static void a_peers_flow_equals_the_kernels(void **state)
{
	struct ct_flow kernel = tcp4(), peer;

	(void)state;
	kernel.addr.v4.reply_dst = htonl(0x0a020001);
	kernel.reply.dport = htons(2000);
	peer = kernel;
	peer.has = (peer.has & ~FLOW_HAS_REPLY) | FLOW_HAS_SNAT | FLOW_HAS_SPAT;
	assert_true(flow_equal_replicated(&kernel, &peer));
	peer.reply.dport = htons(2001);
	assert_false(flow_equal_replicated(&kernel, &peer));
	peer.reply.dport = htons(2000);
	peer.has &= ~FLOW_HAS_SPAT;
	assert_false(flow_equal_replicated(&kernel, &peer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_of_ipv4_is_short),
		cmocka_unit_test(every_part_of_the_identity_counts),
		cmocka_unit_test(ipv6_addresses_count_in_full),
		cmocka_unit_test(undefined_bytes_do_not_matter),
		cmocka_unit_test(keys_need_ports_where_there_are_some),
		cmocka_unit_test(translations_are_seen_in_the_tuples),
		cmocka_unit_test(the_reply_mirrors_the_original),
		cmocka_unit_test(icmp_types_have_counterparts),
		cmocka_unit_test(merging_says_what_the_peers_must_hear),
		cmocka_unit_test(merging_keeps_what_is_not_mentioned),
		cmocka_unit_test(a_reported_change_is_a_difference),
		cmocka_unit_test(translations_of_an_earlier_life_go),
		cmocka_unit_test(rare_parts_need_their_room),
		cmocka_unit_test(equality_is_about_what_is_replicated),
		cmocka_unit_test(a_peers_flow_equals_the_kernels),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
