/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of packets -> tuples: both families, extension headers, fragments, errors, what never waits, and
 * every packet cut short at every byte. */
#include "gate/packet.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bytes {
	uint8_t at[512];
	size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->at + b->n, p, n);
	b->n += n;
}

static void v4(struct bytes *b, uint8_t l4, const char *src, const char *dst, uint16_t frag)
{
	uint8_t h[24] = { 0x46, 0, 0, 0, 0, 0, (uint8_t)(frag >> 8), (uint8_t)frag, 64, l4 };

	inet_pton(AF_INET, src, h + 12);
	inet_pton(AF_INET, dst, h + 16);
	put(b, h, sizeof(h)); /* four bytes of options */
}

static void v6(struct bytes *b, uint8_t next, const char *src, const char *dst)
{
	uint8_t h[40] = { 0x60, 0, 0, 0, 0, 0, next, 64 };

	inet_pton(AF_INET6, src, h + 8);
	inet_pton(AF_INET6, dst, h + 24);
	put(b, h, sizeof(h));
}

static void ports(struct bytes *b, uint16_t sport, uint16_t dport)
{
	const uint16_t p[4] = { htons(sport), htons(dport) };

	put(b, p, sizeof(p));
}

static void icmp(struct bytes *b, uint8_t type, uint8_t code, uint16_t id)
{
	const uint8_t h[8] = { type, code, 0, 0, (uint8_t)(id >> 8), (uint8_t)id };

	put(b, h, sizeof(h));
}

static void extension(struct bytes *b, uint8_t next, uint8_t words)
{
	uint8_t h[8 + 8 * 4] = { next, words };

	put(b, h, 8u + 8u * words);
}

static void fragment(struct bytes *b, uint8_t next, uint16_t offset)
{
	const uint8_t h[8] = { next, 0, (uint8_t)(offset >> 8), (uint8_t)(offset & 0xf8) };

	put(b, h, sizeof(h));
}

/* From a block of exactly that size: the sanitizer sees each byte that is read beyond it. */
static enum gate_packet_kind read_n(uint8_t l3, const struct bytes *b, size_t n, struct ct_flow *t)
{
	uint8_t *exact = malloc(n ? n : 1);
	enum gate_packet_kind kind;

	memcpy(exact, b->at, n);
	kind = gate_packet_read(l3, exact, n, t);
	free(exact);
	return kind;
}

static void assert_tuple(const struct ct_flow *t, uint8_t l4, const char *src, const char *dst,
			 uint16_t sport, uint16_t dport)
{
	struct ct_flow want = { .l3 = strchr(src, ':') ? AF_INET6 : AF_INET, .l4 = l4 };

	inet_pton(want.l3, src, &want.addr);
	inet_pton(want.l3, dst, (uint8_t *)&want.addr + (want.l3 == AF_INET ? 4 : 16));
	want.orig = (struct flow_ports){ htons(sport), htons(dport) };
	want.has = flow_l4_has_ports(l4) || flow_is_icmp(&want) ? FLOW_HAS_PORTS : 0;
	assert_int_equal(t->has, want.has);
	assert_true(flow_same_key(t, &want));
}

/* Shorter by any number of bytes than it needs to be, a packet has no tuple. */
static void assert_needs(uint8_t l3, const struct bytes *b, size_t needs,
			 enum gate_packet_kind kind)
{
	struct ct_flow t;

	assert_int_equal(read_n(l3, b, needs, &t), kind);
	for (size_t n = 0; n < needs; n++)
		assert_int_equal(read_n(l3, b, n, &t), GATE_PACKET_UNREADABLE);
}

static void test_v4(void **state)
{
	struct bytes b = { .n = 0 };
	struct ct_flow t;

	(void)state;
	v4(&b, IPPROTO_TCP, "10.0.0.1", "192.0.2.9", 0x4000); /* do not fragment */
	ports(&b, 4711, 80);
	assert_int_equal(read_n(AF_INET, &b, b.n, &t), GATE_PACKET_TUPLE);
	assert_tuple(&t, IPPROTO_TCP, "10.0.0.1", "192.0.2.9", 4711, 80);
	assert_needs(AF_INET, &b, 28, GATE_PACKET_TUPLE);
	assert_int_equal(read_n(AF_INET6, &b, b.n, &t), GATE_PACKET_UNREADABLE);
	assert_int_equal(read_n(AF_UNIX, &b, b.n, &t), GATE_PACKET_UNREADABLE);
	b.at[0] = 0x44; /* a header shorter than one */
	assert_int_equal(read_n(AF_INET, &b, b.n, &t), GATE_PACKET_UNREADABLE);
}

static void test_no_ports(void **state)
{
	struct bytes b = { .n = 0 };
	struct ct_flow t;

	(void)state;
	v4(&b, IPPROTO_GRE, "10.0.0.1", "192.0.2.9", 0);
	ports(&b, 1, 2);
	assert_int_equal(read_n(AF_INET, &b, b.n, &t), GATE_PACKET_TUPLE);
	assert_tuple(&t, IPPROTO_GRE, "10.0.0.1", "192.0.2.9", 0, 0);
	assert_needs(AF_INET, &b, 24, GATE_PACKET_TUPLE);
}

static void test_fragments(void **state)
{
	struct bytes b = { .n = 0 };
	struct ct_flow t;

	(void)state;
	v4(&b, IPPROTO_UDP, "10.0.0.1", "192.0.2.9", 0x2000); /* the first one */
	ports(&b, 4711, 53);
	assert_int_equal(read_n(AF_INET, &b, b.n, &t), GATE_PACKET_TUPLE);
	assert_tuple(&t, IPPROTO_UDP, "10.0.0.1", "192.0.2.9", 4711, 53);
	b.n = 0;
	v4(&b, IPPROTO_UDP, "10.0.0.1", "192.0.2.9", 100);
	ports(&b, 4711, 53);
	assert_int_equal(read_n(AF_INET, &b, b.n, &t), GATE_PACKET_UNREADABLE);
	assert_int_equal(t.l4, IPPROTO_UDP);
	b.n = 0;
	v6(&b, IPPROTO_FRAGMENT, "2001:db8::1", "2001:db8::2");
	fragment(&b, IPPROTO_UDP, 0);
	ports(&b, 4711, 53);
	assert_needs(AF_INET6, &b, 52, GATE_PACKET_TUPLE);
	b.n = 0;
	v6(&b, IPPROTO_FRAGMENT, "2001:db8::1", "2001:db8::2");
	fragment(&b, IPPROTO_UDP, 800);
	ports(&b, 4711, 53);
	assert_int_equal(read_n(AF_INET6, &b, b.n, &t), GATE_PACKET_UNREADABLE);
}

static void test_extensions(void **state)
{
	struct bytes b = { .n = 0 };
	struct ct_flow t;

	(void)state;
	v6(&b, IPPROTO_HOPOPTS, "2001:db8::1", "2001:db8::2");
	extension(&b, IPPROTO_ROUTING, 1);
	extension(&b, IPPROTO_DSTOPTS, 2);
	extension(&b, IPPROTO_AH, 0);
	extension(&b, IPPROTO_TCP, 1); /* of AH: in words of four bytes, and two more */
	b.n -= 4;
	ports(&b, 4711, 80);
	assert_needs(AF_INET6, &b, 40 + 16 + 24 + 8 + 12 + 4, GATE_PACKET_TUPLE);
	read_n(AF_INET6, &b, b.n, &t);
	assert_tuple(&t, IPPROTO_TCP, "2001:db8::1", "2001:db8::2", 4711, 80);
	b.n = 0;
	v6(&b, IPPROTO_DSTOPTS, "2001:db8::1", "2001:db8::2");
	for (int i = 0; i < 20; i++) /* and no end to them */
		extension(&b, IPPROTO_DSTOPTS, 0);
	assert_int_equal(read_n(AF_INET6, &b, b.n, &t), GATE_PACKET_UNREADABLE);
}

static void test_icmp(void **state)
{
	struct bytes b = { .n = 0 };
	struct ct_flow t;

	(void)state;
	v4(&b, IPPROTO_ICMP, "192.0.2.9", "10.0.0.1", 0);
	icmp(&b, 0, 0, 77); /* the tuple of an answer: id, type and code */
	assert_needs(AF_INET, &b, 32, GATE_PACKET_TUPLE);
	read_n(AF_INET, &b, b.n, &t);
	assert_tuple(&t, IPPROTO_ICMP, "192.0.2.9", "10.0.0.1", 77, 0);
	b.n = 0;
	v6(&b, IPPROTO_ICMPV6, "2001:db8::1", "2001:db8::2");
	icmp(&b, 128, 0, 77);
	read_n(AF_INET6, &b, b.n, &t);
	assert_tuple(&t, IPPROTO_ICMPV6, "2001:db8::1", "2001:db8::2", 77, 128 << 8);
}

/* The packet inside was translated when it left: the answer to it has the reply tuple. */
static void test_errors(void **state)
{
	struct bytes b = { .n = 0 };
	struct ct_flow t;

	(void)state;
	v4(&b, IPPROTO_ICMP, "198.51.100.1", "203.0.113.1", 0);
	icmp(&b, 3, 4, 0);
	v4(&b, IPPROTO_TCP, "203.0.113.1", "192.0.2.9", 0);
	ports(&b, 50000, 80);
	assert_needs(AF_INET, &b, 24 + 8 + 24 + 4, GATE_PACKET_ERROR);
	read_n(AF_INET, &b, b.n, &t);
	assert_tuple(&t, IPPROTO_TCP, "192.0.2.9", "203.0.113.1", 80, 50000);

	b.n = 0;
	v6(&b, IPPROTO_ICMPV6, "2001:db8::99", "2001:db8::1");
	icmp(&b, 2, 0, 0);
	v6(&b, IPPROTO_HOPOPTS, "2001:db8::1", "2001:db8::2");
	extension(&b, IPPROTO_ICMPV6, 0);
	icmp(&b, 128, 0, 5);
	assert_int_equal(read_n(AF_INET6, &b, b.n, &t), GATE_PACKET_ERROR);
	assert_tuple(&t, IPPROTO_ICMPV6, "2001:db8::2", "2001:db8::1", 5, 129 << 8);

	b.n = 0; /* an error about an error */
	v4(&b, IPPROTO_ICMP, "198.51.100.1", "203.0.113.1", 0);
	icmp(&b, 11, 0, 0);
	v4(&b, IPPROTO_ICMP, "203.0.113.1", "192.0.2.9", 0);
	icmp(&b, 3, 1, 0);
	assert_int_equal(read_n(AF_INET, &b, b.n, &t), GATE_PACKET_UNREADABLE);
}

static void test_exempt(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t l4, type;
		bool exempt;
	} rows[] = {
		{ "10.0.0.1", "224.0.0.18", 112, 0, true },
		{ "10.0.0.1", "239.255.255.250", IPPROTO_UDP, 0, true },
		{ "10.0.0.1", "255.255.255.255", IPPROTO_UDP, 0, true },
		{ "10.0.0.1", "240.0.0.1", IPPROTO_UDP, 0, false },
		{ "10.0.0.1", "223.255.255.255", IPPROTO_UDP, 0, false },
		{ "fe80::1", "ff02::12", 112, 0, true },
		{ "fe80::1", "fe80::2", IPPROTO_ICMPV6, 132, false },
		{ "fe80::1", "fe80::2", IPPROTO_ICMPV6, 133, true },
		{ "fe80::1", "fe80::2", IPPROTO_ICMPV6, 135, true },
		{ "fe80::1", "fe80::2", IPPROTO_ICMPV6, 137, true },
		{ "fe80::1", "fe80::2", IPPROTO_ICMPV6, 138, false },
		{ "fe80::1", "fe80::2", IPPROTO_TCP, 135, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t l3 = strchr(rows[i].src, ':') ? AF_INET6 : AF_INET;
		struct bytes b = { .n = 0 };
		struct ct_flow t;

		if (l3 == AF_INET)
			v4(&b, rows[i].l4, rows[i].src, rows[i].dst, 0);
		else
			v6(&b, rows[i].l4, rows[i].src, rows[i].dst);
		icmp(&b, rows[i].type, 0, 0);
		assert_int_equal(read_n(l3, &b, b.n, &t),
				 rows[i].exempt ? GATE_PACKET_EXEMPT : GATE_PACKET_TUPLE);
		assert_memory_equal(gate_packet_dst(&t),
				    (uint8_t *)&t.addr + (l3 == AF_INET ? 4 : 16),
				    l3 == AF_INET ? 4 : 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),	  cmocka_unit_test(test_no_ports),
		cmocka_unit_test(test_fragments), cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_icmp),	  cmocka_unit_test(test_errors),
		cmocka_unit_test(test_exempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
