/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Header, control messages and sender rules one by one. That the bytes are those of 1.4.x is for
 * vectors_test.c to say.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/flow/flow_random.h"
#include "proto/v1/attr.h"
#include "proto/v1/attr_numbers.h"

static const struct proto_rules full_rules = { .full = true, .wscale = true };
static const struct proto_rules our_rules = { .wscale = true };

static size_t encode(uint8_t *buf, enum wire_type type, const struct ct_flow *f,
		     const struct proto_rules *rules)
{
	struct writer w = wr_init(buf, WIRE_FLOW_MAX);

	assert_int_equal(wire_put_flow(&w, type, WIRE_F_HELLO, 0x01020304, f, rules), 0);
	return w.len;
}

/* Where the attribute is in the message, NULL if nowhere. */
static const uint8_t *find_attr(const uint8_t *msg, size_t len, enum wire_attr number)
{
	for (size_t at = WIRE_HDR_LEN; at < len;
	     at += ((size_t)(msg[at] << 8 | msg[at + 1]) + 3) & ~(size_t)3) {
		if ((msg[at + 2] << 8 | msg[at + 3]) == (int)number)
			return msg + at;
	}
	return NULL;
}

/* ---- header and control messages ---- */

static void control_messages_have_their_length(void **state)
{
	static const struct {
		uint8_t flags;
		size_t len;
	} rows[] = {
		{ WIRE_F_ALIVE, 8 }, { WIRE_F_ALIVE | WIRE_F_HELLO, 8 },
		{ WIRE_F_ACK, 16 },  { WIRE_F_ACK | WIRE_F_HELLO | WIRE_F_HELLO_BACK, 16 },
		{ WIRE_F_NACK, 16 }, { WIRE_F_RESYNC, 16 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[32];
		struct writer w = wr_init(buf, rows[i].len - 1);
		struct cursor c, body;
		struct wire_hdr hdr;

		assert_int_equal(wire_put_control(&w, rows[i].flags, 7, 0xfffffffe, 3), -ENOSPC);
		assert_int_equal(w.len, 0);
		w = wr_init(buf, sizeof(buf));
		assert_int_equal(wire_put_control(&w, rows[i].flags, 7, 0xfffffffe, 3), 0);
		assert_int_equal(w.len, rows[i].len);
		c = cur_init(buf, w.len);
		assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
		assert_int_equal(hdr.flags, rows[i].flags);
		assert_int_equal(hdr.type, WIRE_CTL);
		assert_int_equal(hdr.seq, 7);
		assert_int_equal(hdr.from, rows[i].len == 16 ? 0xfffffffe : 0);
		assert_int_equal(hdr.to, rows[i].len == 16 ? 3 : 0);
		assert_int_equal(body.left, 0);
	}
}

static void sequence_numbers_wrap(void **state)
{
	(void)state;
	assert_true(seq_before(0xffffffff, 0));
	assert_true(seq_after(0, 0xffffffff));
	assert_true(seq_before(1, 0x80000000));
	assert_false(seq_before(5, 5));
	assert_false(seq_after(5, 5));
	assert_true(seq_before(0x7fffffff, 0x80000000));
}

static void every_reason_has_its_counter(void **state)
{
	struct proto_stats s = { 0 };
	const struct proto_stats expected = { .malformed = 8,
					      .truncated = 1,
					      .bad_size = 1,
					      .bad_version = 1,
					      .bad_header = 1,
					      .bad_type = 1,
					      .bad_payload = 2,
					      .no_key = 1 };

	(void)state;
	for (int err = PROTO_OK; err <= PROTO_MORE; err++)
		proto_stats_count(&s, (enum proto_err)err);
	assert_memory_equal(&s, &expected, sizeof(s));
}

/* The order of the checks decides which counter moves. */
static void datagram_lengths_are_refused_for_the_right_reason(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t n;
		enum proto_err err;
	} rows[] = {
		{ { 0x10, 0, 0, 8 }, 7, PROTO_TRUNCATED },
		{ { 0x10, 0, 0, 0 }, 8, PROTO_BAD_SIZE },
		{ { 0x10, 0, 0, 7 }, 8, PROTO_BAD_SIZE },
		{ { 0x10, 0, 0, 9 }, 8, PROTO_BAD_SIZE },
		{ { 0x10, 0, 0, 8 }, 8, PROTO_OK },
		{ { 0x1a, WIRE_F_ACK, 0, 0 }, 8, PROTO_BAD_SIZE },
		{ { 0x1a, WIRE_F_ACK, 0, 8 }, 8, PROTO_TRUNCATED },
		{ { 0x1a, WIRE_F_ACK, 0, 16 }, 8, PROTO_BAD_SIZE },
		{ { 0x1a, WIRE_F_ACK, 0, 15 }, 16, PROTO_BAD_SIZE },
		{ { 0x1a, WIRE_F_ACK, 0, 16 }, 16, PROTO_OK },
		{ { 0x2a, WIRE_F_ACK, 0, 8 }, 8, PROTO_TRUNCATED },
		{ { 0x2a, WIRE_F_ALIVE, 0, 8 }, 8, PROTO_BAD_VERSION },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor c = cur_init(rows[i].bytes, rows[i].n), body;
		struct wire_hdr hdr;

		if (wire_next(&c, &hdr, &body) != rows[i].err)
			fail_msg("row %zu", i);
	}
}

/* A stream that lies about a length is not waited for. */
static void impossible_stream_lengths_are_refused_at_once(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t n;
		enum proto_err err;
	} rows[] = {
		{ { 0x10, 0, 0, 0 }, 7, PROTO_MORE },
		{ { 0x10, 0, 0, 0 }, 8, PROTO_BAD_SIZE },
		{ { 0x10, 0, 0, 7 }, 8, PROTO_BAD_SIZE },
		{ { 0x10, 0, 0xff, 0xff }, 8, PROTO_MORE },
		{ { 0x1a, WIRE_F_ACK, 0, 8 }, 8, PROTO_BAD_SIZE },
		{ { 0x1a, WIRE_F_ACK, 0, 16 }, 15, PROTO_MORE },
		{ { 0x1a, WIRE_F_ACK, 0, 16 }, 16, PROTO_OK },
		{ { 0x2a, WIRE_F_ACK, 0, 16 }, 16, PROTO_BAD_VERSION },
		{ { 0x1a, WIRE_F_ALIVE, 0, 8 }, 8, PROTO_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor c = cur_init(rows[i].bytes, rows[i].n), body;
		struct wire_hdr hdr;

		assert_int_equal(wire_next_stream(&c, &hdr, &body), rows[i].err);
		if (rows[i].err == PROTO_MORE)
			assert_int_equal(c.left, rows[i].n);
	}
}

/* ---- sender rules ---- */

static struct ct_flow full_flow(struct flow_rare *rare)
{
	*rare = (struct flow_rare){
		.adj = { { 1, 2, 3 }, { 4, 5, -6 } },
		.labels = { 1, 0, 0, 0x80000000 },
		.synproxy = { 7, 8, 9 },
		.synproxy_set = true,
		.master_l4 = IPPROTO_TCP,
		.master_sport = htons(1),
		.master_dport = htons(2),
		.helper = "abcdefghijklmno",
	};
	return (struct ct_flow){
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_MARK |
		       FLOW_HAS_REPLY | FLOW_HAS_PROTO_STATE | FLOW_HAS_WSCALE | FLOW_HAS_ZONE |
		       FLOW_HAS_ID | FLOW_HAS_SEQADJ | FLOW_HAS_HELPER | FLOW_HAS_LABELS |
		       FLOW_HAS_SYNPROXY | FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS,
		.l3 = AF_INET6,
		.l4 = IPPROTO_TCP,
		.zone = 9,
		.status = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE,
		.orig = { 1, 2 },
		.reply = { 3, 4 },
		.rare = rare,
		.addr.v6 = { { 1 }, { 2 }, { 3 }, { 4 } },
	};
}

static void the_longest_message_is_as_long_as_promised(void **state)
{
	struct flow_rare rare;
	struct ct_flow f = full_flow(&rare);
	uint8_t buf[WIRE_FLOW_MAX];

	(void)state;
	assert_int_equal(encode(buf, WIRE_CT_NEW, &f, &full_rules), WIRE_FLOW_MAX);
	/* no long helper name */
	assert_int_equal(encode(buf, WIRE_CT_NEW, &f, &our_rules), WIRE_FLOW_MAX - 20);
	f.l4 = IPPROTO_SCTP;
	f.has |= FLOW_HAS_VTAGS;
	f.has &= ~FLOW_HAS_WSCALE;
	assert_int_equal(encode(buf, WIRE_CT_NEW, &f, &full_rules), WIRE_FLOW_MAX);
}

/* Each row: the circumstance, the attribute, and whether it is there with our rules and with those
 * of 1.4.7. */
static void each_sender_rule_leaves_out_what_it_says(void **state)
{
	static const struct {
		const char *what;
		enum wire_type type;
		struct proto_rules rules;
		uint32_t drop; /* FLOW_HAS_* taken from the flow */
		bool zero_synproxy, zero_labels;
		enum wire_attr attr;
		bool ours, theirs;
	} rows[] = {
		{ "timeout", WIRE_CT_NEW, { .wscale = true }, 0, 0, 0, WIRE_ATTR_TIMEOUT, 1, 1 },
		{ "CommitTimeout",
		  WIRE_CT_NEW,
		  { .no_timeout = true },
		  0,
		  0,
		  0,
		  WIRE_ATTR_TIMEOUT,
		  0,
		  0 },
		{ "window tracking",
		  WIRE_CT_UPD,
		  { .wscale = true },
		  0,
		  0,
		  0,
		  WIRE_ATTR_TCP_WSCALE_REPL,
		  1,
		  1 },
		{ "no window tracking",
		  WIRE_CT_UPD,
		  { 0 },
		  0,
		  0,
		  0,
		  WIRE_ATTR_TCP_WSCALE_ORIG,
		  0,
		  0 },
		{ "no state",
		  WIRE_CT_UPD,
		  { .wscale = true },
		  FLOW_HAS_PROTO_STATE,
		  0,
		  0,
		  WIRE_ATTR_TCP_WSCALE_ORIG,
		  0,
		  0 },
		{ "synproxy", WIRE_CT_NEW, { 0 }, 0, 0, 0, WIRE_ATTR_SYNPROXY, 1, 1 },
		{ "zero synproxy", WIRE_CT_NEW, { 0 }, 0, 1, 0, WIRE_ATTR_SYNPROXY, 0, 1 },
		{ "labels", WIRE_CT_NEW, { 0 }, 0, 0, 0, WIRE_ATTR_LABELS, 1, 1 },
		{ "no label set", WIRE_CT_NEW, { 0 }, 0, 0, 1, WIRE_ATTR_LABELS, 0, 0 },
		{ "destroy: timeout", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_TIMEOUT, 0, 1 },
		{ "destroy: mark", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_MARK, 0, 1 },
		{ "destroy: NAT", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_SNAT_IPV6, 0, 1 },
		{ "destroy: NAT port", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_DPAT_PORT, 0, 1 },
		{ "destroy: master", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_MASTER_IPV6, 0, 1 },
		{ "long helper", WIRE_CT_NEW, { 0 }, 0, 0, 0, WIRE_ATTR_HELPER_NAME, 0, 1 },
		{ "destroy: helper", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_HELPER_NAME, 0, 1 },
		{ "destroy: labels", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_LABELS, 0, 1 },
		{ "destroy: synproxy", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_SYNPROXY, 0, 1 },
		{ "destroy: seqadj", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_NAT_SEQ_ADJ, 0, 1 },
		{ "destroy: scales",
		  WIRE_CT_DEL,
		  { .wscale = true },
		  0,
		  0,
		  0,
		  WIRE_ATTR_TCP_WSCALE_ORIG,
		  0,
		  1 },
		{ "destroy: address", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_IPV6, 1, 1 },
		{ "destroy: protocol", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_L4PROTO, 1, 1 },
		{ "destroy: ports", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_PORT, 1, 1 },
		{ "destroy: status", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_STATUS, 1, 1 },
		{ "destroy: state", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_TCP_STATE, 1, 1 },
		{ "destroy: zone", WIRE_CT_DEL, { 0 }, 0, 0, 0, WIRE_ATTR_ZONE, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_rules rules = rows[i].rules;
		struct flow_rare rare;
		struct ct_flow f = full_flow(&rare);
		uint8_t buf[WIRE_FLOW_MAX];
		size_t n;

		f.has &= ~rows[i].drop;
		rare.synproxy_set = !rows[i].zero_synproxy;
		if (rows[i].zero_labels)
			memset(rare.labels, 0, sizeof(rare.labels));
		n = encode(buf, rows[i].type, &f, &rules);
		if ((find_attr(buf, n, rows[i].attr) != NULL) != rows[i].ours)
			fail_msg("%s: ours", rows[i].what);
		rules.full = true;
		n = encode(buf, rows[i].type, &f, &rules);
		if ((find_attr(buf, n, rows[i].attr) != NULL) != rows[i].theirs)
			fail_msg("%s: full", rows[i].what);
	}
}

/* 1.4.x refuses a message with a name of more than 11 characters. */
static void a_long_helper_name_is_left_out(void **state)
{
	static const char name[FLOW_HELPER_MAX] = "abcdefghijklmno";

	(void)state;
	for (size_t len = 0; len < FLOW_HELPER_MAX; len++) {
		struct flow_rare rare;
		struct ct_flow f = full_flow(&rare);
		uint8_t buf[WIRE_FLOW_MAX];
		const uint8_t *a;
		size_t n;

		/* what lies behind the name does not count */
		memset(rare.helper, 'X', sizeof(rare.helper));
		memcpy(rare.helper, name, len);
		rare.helper[len] = '\0';
		n = encode(buf, WIRE_CT_NEW, &f, &our_rules);
		a = find_attr(buf, n, WIRE_ATTR_HELPER_NAME);
		assert_int_equal(wire_helper_too_long(&f), len > 11);
		assert_int_equal(a != NULL, len > 0 && len <= 11);
		if (a)
			assert_memory_equal(a + 4, rare.helper, len + 1);
		assert_non_null(find_attr(buf, n, WIRE_ATTR_LABELS));
	}
}

/* ICMP with both NAT flags: 1.4.7 would send two zero ports. A zone in one direction has no place
 * in the message. */
static void what_cannot_be_said_is_not_sent(void **state)
{
	struct ct_flow f = {
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_REPLY | FLOW_HAS_ZONE,
		.l3 = AF_INET,
		.l4 = IPPROTO_ICMP,
		.status = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE,
		.orig = { 1, 8 },
		.reply = { 1, 0 },
		.zone = 5,
		.zone_dir = FLOW_ZONE_ORIG,
		.addr.v4 = { 1, 2, 2, 3 },
	};
	uint8_t buf[WIRE_FLOW_MAX];
	size_t n = encode(buf, WIRE_CT_NEW, &f, &full_rules);

	(void)state;
	assert_null(find_attr(buf, n, WIRE_ATTR_SPAT_PORT));
	assert_null(find_attr(buf, n, WIRE_ATTR_DPAT_PORT));
	assert_null(find_attr(buf, n, WIRE_ATTR_ZONE));
	assert_non_null(find_attr(buf, n, WIRE_ATTR_SNAT_IPV4));
	assert_null(find_attr(buf, n, WIRE_ATTR_DNAT_IPV4));
	f.has = FLOW_HAS_PORTS | FLOW_HAS_SPAT | FLOW_HAS_DPAT; /* not even if a peer had said so */
	n = encode(buf, WIRE_CT_NEW, &f, &full_rules);
	assert_null(find_attr(buf, n, WIRE_ATTR_SPAT_PORT));
	assert_null(find_attr(buf, n, WIRE_ATTR_DPAT_PORT));
}

/* The three swapped values lie in the order of the host; everything else in network order. */
static void swapped_values_lie_in_host_order(void **state)
{
	const uint16_t host_1234 = 0x1234;
	struct flow_rare rare;
	struct ct_flow f = full_flow(&rare);
	uint8_t buf[WIRE_FLOW_MAX];
	const uint8_t *a;
	size_t n;

	(void)state;
	f.orig.sport = htons(0x5678);
	f.reply.dport = htons(0x1234);
	n = encode(buf, WIRE_CT_NEW, &f, &our_rules);
	a = find_attr(buf, n, WIRE_ATTR_SPAT_PORT);
	assert_memory_equal(a + 4, &host_1234, 2);
	a = find_attr(buf, n, WIRE_ATTR_PORT);
	assert_memory_equal(a + 4, "\x56\x78", 2);
	f.l4 = IPPROTO_ICMPV6;
	f.orig.sport = htons(0x1234);
	n = encode(buf, WIRE_CT_NEW, &f, &our_rules);
	a = find_attr(buf, n, WIRE_ATTR_ICMP_ID);
	assert_memory_equal(a + 4, &host_1234, 2);
}

/* Nothing of what the buffer held before: padding is zero. */
static void padding_is_zero(void **state)
{
	struct rng r = rng_from_env("padding");

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint8_t a[WIRE_FLOW_MAX], b[WIRE_FLOW_MAX];
		struct flow_rare rare;
		struct ct_flow f;
		size_t n;

		random_peer_flow(&r, &f, &rare);
		memset(a, 0x00, sizeof(a));
		memset(b, 0xff, sizeof(b));
		n = encode(a, WIRE_CT_NEW, &f, &full_rules);
		assert_int_equal(encode(b, WIRE_CT_NEW, &f, &full_rules), n);
		assert_memory_equal(a, b, n);
		for (size_t at = WIRE_HDR_LEN; at < n;
		     at += 4 * ((size_t)(a[at] * 256 + a[at + 1] + 3) / 4)) {
			for (size_t len = (size_t)(a[at] * 256 + a[at + 1]); len % 4 != 0; len++)
				assert_int_equal(a[at + len], 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_messages_have_their_length),
		cmocka_unit_test(sequence_numbers_wrap),
		cmocka_unit_test(every_reason_has_its_counter),
		cmocka_unit_test(datagram_lengths_are_refused_for_the_right_reason),
		cmocka_unit_test(impossible_stream_lengths_are_refused_at_once),
		cmocka_unit_test(the_longest_message_is_as_long_as_promised),
		cmocka_unit_test(each_sender_rule_leaves_out_what_it_says),
		cmocka_unit_test(a_long_helper_name_is_left_out),
		cmocka_unit_test(what_cannot_be_said_is_not_sent),
		cmocka_unit_test(swapped_values_lie_in_host_order),
		cmocka_unit_test(padding_is_zero),
	};

	return cmocka_run_group_tests_name("wire encoder", tests, NULL, NULL);
}
