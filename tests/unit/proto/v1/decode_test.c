/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attribute rules of the receiver one by one, and random flows there and back.
 */
#include <arpa/inet.h>
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

#define N_FLOWS 30000

static const struct proto_rules full_rules = { .full = true, .wscale = true };

static struct cursor body_of(const uint8_t *msg, size_t len)
{
	return cur_init(msg + WIRE_HDR_LEN, len - WIRE_HDR_LEN);
}

static size_t encode(uint8_t *buf, enum wire_type type, const struct ct_flow *f,
		     const struct proto_rules *rules)
{
	struct writer w = wr_init(buf, WIRE_FLOW_MAX);

	assert_int_equal(wire_put_flow(&w, type, WIRE_F_HELLO, 0x01020304, f, rules), 0);
	return w.len;
}

static void put_tlv(struct writer *w, uint16_t number, const void *value, uint16_t n)
{
	static const uint8_t zero[3];

	wr_be16(w, (uint16_t)(n + 4));
	wr_be16(w, number);
	wr_bytes(w, value, n);
	wr_bytes(w, zero, -(unsigned int)n & 3);
}

static const uint8_t v4_pair[8] = { 10, 1, 0, 2, 10, 2, 0, 2 };
static const uint8_t v6_pair[32] = { 0xfd, 1, [15] = 2, [16] = 0xfd, 2, [31] = 2 };
static const uint8_t tcp[1] = { IPPROTO_TCP };
static const uint8_t ports[4] = { 0x12, 0x34, 0, 80 };

/* A minimal TCP flow. */
static void put_key(struct writer *w, bool v6)
{
	if (v6)
		put_tlv(w, WIRE_ATTR_IPV6, v6_pair, 32);
	else
		put_tlv(w, WIRE_ATTR_IPV4, v4_pair, 8);
	put_tlv(w, WIRE_ATTR_L4PROTO, tcp, 1);
	put_tlv(w, WIRE_ATTR_PORT, ports, 4);
}

struct decoded {
	enum proto_err err;
	struct ct_flow f;
	struct flow_rare rare;
	struct proto_stats stats;
};

static void decode(const struct writer *w, struct decoded *d)
{
	uint8_t *exact = malloc(w->len);

	assert_non_null(exact);
	assert_false(w->full);
	memcpy(exact, w->buf, w->len);
	*d = (struct decoded){ 0 };
	memset(&d->rare, 0xa5, sizeof(d->rare));
	d->err = wire_get_flow(cur_init(exact, w->len), &d->f, &d->rare, &d->stats);
	free(exact);
}

/* ---- attribute rules ---- */

/* Sizes as the protocol says, not as the decoder does. */
static bool size_allowed(unsigned int number, unsigned int n)
{
	static const uint16_t fixed[33] = { 8, 32, 1, 4, 1, 4, 4, 4, 8, 32, 1, 4, 4,  4,  2,  2, 24,
					    1, 4,  4, 1, 1, 1, 1, 2, 1, 1,  0, 0, 16, 16, 12, 2 };

	if (number == WIRE_ATTR_HELPER_NAME)
		return n >= 1 && n <= 16;
	return number == WIRE_ATTR_LABELS || number >= 33 || n == fixed[number];
}

static bool other_family(unsigned int number)
{
	return number == WIRE_ATTR_IPV6 || number == WIRE_ATTR_MASTER_IPV6 ||
	       number == WIRE_ATTR_SNAT_IPV6 || number == WIRE_ATTR_DNAT_IPV6;
}

static void every_attribute_in_every_size(void **state)
{
	static const uint8_t zero[64];

	(void)state;
	for (unsigned int number = 0; number < 40; number++) {
		for (uint16_t n = 0; n <= 40; n++) {
			uint8_t buf[256];
			struct writer w = wr_init(buf, sizeof(buf));
			struct decoded d;
			bool ok = size_allowed(number, n) && !(other_family(number) && n > 0);

			put_tlv(&w, (uint16_t)number, zero, n);
			put_key(&w, false);
			decode(&w, &d);
			if (d.err != (ok ? PROTO_OK : PROTO_BAD_PAYLOAD))
				fail_msg("attribute %u with %u bytes: %d", number, n, (int)d.err);
			assert_int_equal(d.stats.unknown_attr, number >= WIRE_ATTR_COUNT);
		}
	}
}

static void shuffle(struct rng *r, unsigned int *order, unsigned int n)
{
	for (unsigned int i = n - 1; i > 0; i--) {
		unsigned int j = rng_below(r, i + 1), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
}

/* The attributes of a real message in any order give the same flow. */
static void order_does_not_matter(void **state)
{
	struct rng r = rng_from_env("order");

	(void)state;
	for (int i = 0; i < 5000; i++) {
		uint8_t msg[WIRE_FLOW_MAX], mixed[WIRE_FLOW_MAX];
		struct writer w = wr_init(mixed, sizeof(mixed));
		unsigned int at[32], order[32], n = 0;
		struct flow_rare rare;
		struct ct_flow f;
		struct decoded a, b;
		size_t len;

		random_peer_flow(&r, &f, &rare);
		len = encode(msg, WIRE_CT_UPD, &f, &full_rules);
		for (size_t p = WIRE_HDR_LEN; p < len;
		     p += ((size_t)(msg[p] << 8 | msg[p + 1]) + 3) & ~(size_t)3) {
			order[n] = n;
			at[n++] = (unsigned int)p;
		}
		at[n] = (unsigned int)len;
		shuffle(&r, order, n);
		for (unsigned int k = 0; k < n; k++)
			wr_bytes(&w, msg + at[order[k]], at[order[k] + 1] - at[order[k]]);
		decode(&w, &a);
		w = wr_init(msg + WIRE_HDR_LEN, len - WIRE_HDR_LEN);
		w.len = len - WIRE_HDR_LEN;
		decode(&w, &b);
		assert_int_equal(a.err, PROTO_OK);
		assert_int_equal(b.err, PROTO_OK);
		assert_int_equal(a.f.has, b.f.has);
		assert_memory_equal(&a.f.addr, &b.f.addr, sizeof(a.f.addr));
		assert_memory_equal(&a.f.reply, &b.f.reply, sizeof(a.f.reply));
		assert_true(flow_equal_replicated(&a.f, &b.f));
	}
}

static void contradictions_are_refused(void **state)
{
	static const struct {
		bool v6;
		enum wire_attr attr;
		uint16_t n;
		enum proto_err err;
	} rows[] = {
		{ false, WIRE_ATTR_IPV6, 32, PROTO_BAD_PAYLOAD },
		{ true, WIRE_ATTR_IPV4, 8, PROTO_BAD_PAYLOAD },
		{ true, WIRE_ATTR_SNAT_IPV4, 4, PROTO_BAD_PAYLOAD },
		{ true, WIRE_ATTR_DNAT_IPV4, 4, PROTO_BAD_PAYLOAD },
		{ false, WIRE_ATTR_SNAT_IPV6, 16, PROTO_BAD_PAYLOAD },
		{ false, WIRE_ATTR_DNAT_IPV6, 16, PROTO_BAD_PAYLOAD },
		{ true, WIRE_ATTR_MASTER_IPV4, 8, PROTO_BAD_PAYLOAD },
		{ false, WIRE_ATTR_MASTER_IPV6, 32, PROTO_BAD_PAYLOAD },
		{ true, WIRE_ATTR_SNAT_IPV6, 16, PROTO_OK },
		{ false, WIRE_ATTR_SNAT_IPV4, 4, PROTO_OK },
	};
	static const uint8_t zero[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int before = 0; before < 2; before++) {
			uint8_t buf[256];
			struct writer w = wr_init(buf, sizeof(buf));
			struct decoded d;

			if (before)
				put_tlv(&w, (uint16_t)rows[i].attr, zero, rows[i].n);
			put_key(&w, rows[i].v6);
			if (!before)
				put_tlv(&w, (uint16_t)rows[i].attr, zero, rows[i].n);
			decode(&w, &d);
			assert_int_equal(d.err, rows[i].err);
		}
	}
}

/* What does not belong to the protocol of the flow is ignored, half a part too. */
static void what_does_not_apply_is_ignored(void **state)
{
	static const uint8_t bytes[32] = { 1, 2, 3, 4 };
	static const uint8_t udp[1] = { IPPROTO_UDP };
	uint8_t buf[512];
	struct writer w = wr_init(buf, sizeof(buf));
	struct decoded d;

	(void)state;
	put_key(&w, false);
	put_tlv(&w, WIRE_ATTR_L4PROTO, udp, 1);
	put_tlv(&w, WIRE_ATTR_TCP_STATE, bytes, 1);
	put_tlv(&w, WIRE_ATTR_SCTP_STATE, bytes, 1);
	put_tlv(&w, WIRE_ATTR_SCTP_VTAG_ORIG, bytes, 4);
	put_tlv(&w, WIRE_ATTR_SCTP_VTAG_REPL, bytes, 4);
	put_tlv(&w, WIRE_ATTR_DCCP_STATE, bytes, 1);
	put_tlv(&w, WIRE_ATTR_DCCP_ROLE, bytes, 1);
	put_tlv(&w, WIRE_ATTR_TCP_WSCALE_ORIG, bytes, 1);
	put_tlv(&w, WIRE_ATTR_TCP_WSCALE_REPL, bytes, 1);
	put_tlv(&w, WIRE_ATTR_ICMP_TYPE, bytes, 1);
	put_tlv(&w, WIRE_ATTR_ICMP_CODE, bytes, 1);
	put_tlv(&w, WIRE_ATTR_ICMP_ID, bytes, 2);
	put_tlv(&w, WIRE_ATTR_MASTER_IPV4, bytes, 8); /* without its protocol */
	put_tlv(&w, WIRE_ATTR_MASTER_PORT, bytes, 4);
	put_tlv(&w, WIRE_ATTR_ZONE, "\0\0", 2);	   /* the default zone */
	put_tlv(&w, WIRE_ATTR_HELPER_NAME, "", 1); /* no name */
	put_tlv(&w, WIRE_ATTR_SYNPROXY, "\0\0\0\0\0\0\0\0\0\0\0", 12);
	decode(&w, &d);
	assert_int_equal(d.err, PROTO_OK);
	assert_int_equal(d.f.has, FLOW_HAS_PORTS | FLOW_HAS_SYNPROXY);
	assert_null(d.f.rare);
	assert_int_equal(ntohs(d.f.orig.sport), 0x1234);
}

/* Protocols without ports come without, and their ports would mean nothing: two such flows are one
 * at the peer. */
static void portless_protocols_need_no_ports(void **state)
{
	static const struct {
		uint8_t l4;
		enum proto_err without;
	} rows[] = {
		{ IPPROTO_TCP, PROTO_NO_KEY },
		{ IPPROTO_UDP, PROTO_NO_KEY },
		{ IPPROTO_SCTP, PROTO_NO_KEY },
		{ IPPROTO_DCCP, PROTO_NO_KEY },
		{ IPPROTO_ICMP, PROTO_NO_KEY },
		{ IPPROTO_ICMPV6, PROTO_NO_KEY },
		{ IPPROTO_GRE, PROTO_OK },
		{ IPPROTO_UDPLITE, PROTO_OK },
		{ 50, PROTO_OK },
		{ 0, PROTO_OK },
		{ 255, PROTO_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[128];
		struct writer w = wr_init(buf, sizeof(buf));
		struct decoded d;

		put_tlv(&w, WIRE_ATTR_IPV4, v4_pair, 8);
		decode(&w, &d);
		assert_int_equal(d.err, PROTO_NO_KEY);
		put_tlv(&w, WIRE_ATTR_L4PROTO, &rows[i].l4, 1);
		decode(&w, &d);
		assert_int_equal(d.err, rows[i].without);
		put_tlv(&w, WIRE_ATTR_PORT, ports, 4);
		put_tlv(&w, WIRE_ATTR_SPAT_PORT, ports, 2);
		decode(&w, &d);
		assert_int_equal(d.err, rows[i].l4 == IPPROTO_ICMP || rows[i].l4 == IPPROTO_ICMPV6 ?
						PROTO_NO_KEY :
						PROTO_OK);
		if (d.err == PROTO_OK) {
			assert_int_equal(!!(d.f.has & FLOW_HAS_PORTS),
					 flow_l4_has_ports(rows[i].l4));
			assert_int_equal(!!(d.f.has & FLOW_HAS_SPAT),
					 flow_l4_has_ports(rows[i].l4));
		}
	}
}

static void helper_names(void **state)
{
	static const struct {
		const char *value;
		uint16_t n;
		const char *name; /* NULL: refused; "": no helper */
	} rows[] = {
		{ "ftp", 4, "ftp" },
		{ "ftp", 3, NULL },			      /* no NUL */
		{ "abcdefghijklmno", 16, "abcdefghijklmno" }, /* the kernel's longest */
		{ "abcdefghijklmnop", 16, NULL },
		{ "ftp\0junk", 8, "ftp" },
		{ "", 1, "" },
		{ "\0\0\0\0", 4, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[128];
		struct writer w = wr_init(buf, sizeof(buf));
		struct decoded d;

		put_key(&w, false);
		put_tlv(&w, WIRE_ATTR_HELPER_NAME, rows[i].value, rows[i].n);
		decode(&w, &d);
		assert_int_equal(d.err, rows[i].name ? PROTO_OK : PROTO_BAD_PAYLOAD);
		if (rows[i].name == NULL)
			continue;
		assert_int_equal(!!(d.f.has & FLOW_HAS_HELPER), rows[i].name[0] != '\0');
		if (d.f.has & FLOW_HAS_HELPER)
			assert_string_equal(d.f.rare->helper, rows[i].name);
	}
}

static void labels(void **state)
{
	static const struct {
		uint16_t n;
		bool kept;
		uint64_t odd;
		enum proto_err err;
	} rows[] = {
		{ 0, false, 1, PROTO_OK },
		{ 3, false, 1, PROTO_OK },
		{ 4, true, 0, PROTO_OK },
		{ 6, false, 1, PROTO_OK },
		{ 16, true, 0, PROTO_OK },
		{ 20, true, 1, PROTO_OK },
		{ 1024, true, 1, PROTO_OK },
		{ 1025, false, 0, PROTO_BAD_PAYLOAD },
		{ 1028, false, 0, PROTO_BAD_PAYLOAD },
	};
	uint8_t value[1028];

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i % 4 == 3 ? i / 4 + 1 : 0); /* word k is k + 1 */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t buf[1100];
		struct writer w = wr_init(buf, sizeof(buf));
		struct decoded d;

		/* first: the last four bytes may be anything */
		put_tlv(&w, WIRE_ATTR_LABELS, value, rows[i].n);
		put_key(&w, false);
		decode(&w, &d);
		assert_int_equal(d.err, rows[i].err);
		if (d.err != PROTO_OK)
			continue;
		assert_int_equal(!!(d.f.has & FLOW_HAS_LABELS), rows[i].kept);
		assert_int_equal(d.stats.odd_labels, rows[i].odd);
		for (uint32_t k = 0; rows[i].kept && k < 4; k++)
			assert_int_equal(d.f.rare->labels[k], k < rows[i].n / 4u ? k + 1 : 0);
	}
}

/* ---- there and back ---- */

/* Is all of it expressible? A zone in one direction, the keys of GRE and UDP-Lite, and long names
 * of helpers are not. */
static bool expressible(const struct ct_flow *f)
{
	return !((f->has & FLOW_HAS_ZONE) && f->zone_dir != FLOW_ZONE_BOTH) &&
	       !wire_helper_too_long(f) &&
	       !((f->l4 == IPPROTO_GRE || f->l4 == IPPROTO_UDPLITE) && (f->has & FLOW_HAS_PORTS));
}

static void check_round_trip(const struct ct_flow *f, enum wire_type type,
			     const struct proto_rules *rules)
{
	struct proto_stats stats = { 0 };
	uint8_t buf[WIRE_FLOW_MAX];
	size_t n = encode(buf, type, f, rules);
	struct cursor c = cur_init(buf, n), body;
	struct flow_rare rare;
	struct wire_hdr hdr;
	struct ct_flow back;

	assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
	assert_int_equal(c.left, 0);
	assert_int_equal(hdr.type, type);
	assert_int_equal(hdr.flags, WIRE_F_HELLO);
	assert_int_equal(hdr.seq, 0x01020304);
	assert_int_equal(hdr.len % 4, 0);
	memset(&rare, 0x3c, sizeof(rare));
	assert_int_equal(wire_get_flow(body_of(buf, n), &back, &rare, &stats), PROTO_OK);
	if (type == WIRE_CT_DEL && !rules->full) {
		assert_true(flow_same_key(f, &back));
		assert_int_equal(back.has & ~(FLOW_HAS_PORTS | FLOW_HAS_ZONE | FLOW_HAS_STATUS |
					      FLOW_HAS_PROTO_STATE),
				 0);
		return;
	}
	assert_true(flow_equal_replicated(f, &back));
	if (!(f->has & FLOW_HAS_REPLY)) { /* a peer's flow: the reply tuple is rebuilt */
		assert_memory_equal(&back.addr, &f->addr, f->l3 == AF_INET ? 16 : 64);
		if (f->has & FLOW_HAS_PORTS)
			assert_memory_equal(&back.reply, &f->reply, sizeof(f->reply));
	}
	assert_int_equal(back.has & FLOW_HAS_TIMEOUT,
			 rules->no_timeout ? 0 : f->has & FLOW_HAS_TIMEOUT);
	if (back.has & FLOW_HAS_TIMEOUT)
		assert_int_equal(back.timeout_s, f->timeout_s);
	if ((f->has & FLOW_HAS_WSCALE) && (f->has & FLOW_HAS_PROTO_STATE)) {
		assert_int_equal(!!(back.has & FLOW_HAS_WSCALE), rules->wscale);
		if (rules->wscale)
			assert_memory_equal(back.wscale, f->wscale, 2);
	}
}

static void random_flows_come_back_the_same(void **state)
{
	static const struct proto_rules rules[] = { { .full = true, .wscale = true },
						    { .wscale = true },
						    { .no_timeout = true } };
	struct rng r = rng_from_env("round trip");

	(void)state;
	for (int i = 0; i < N_FLOWS; i++) {
		struct flow_rare rare;
		enum wire_type type;
		struct ct_flow f;

		if (i % 2)
			random_kernel_flow(&r, &f, &rare);
		else
			random_peer_flow(&r, &f, &rare);
		if (!expressible(&f))
			continue;
		type = (enum wire_type)rng_below(&r, 3);
		check_round_trip(&f, type, &rules[rng_below(&r, 3)]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_in_every_size),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(what_does_not_apply_is_ignored),
		cmocka_unit_test(portless_protocols_need_no_ports),
		cmocka_unit_test(helper_names),
		cmocka_unit_test(labels),
		cmocka_unit_test(random_flows_come_back_the_same),
	};

	return cmocka_run_group_tests_name("wire decoder", tests, NULL, NULL);
}
