/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that choose flows: what is read, what is refused, and which of some flows pass. */
#include "flow/select.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- what is read ---- */

static void refused(void **state)
{
	static const char *const rows[][2] = {
		{ "family", "ipv5" },
		{ "family", "" },
		{ "proto", "tcpx" },
		{ "proto", "256" },
		{ "proto", "unknown" },
		{ "src", "10.0.0" },
		{ "src", "10.0.0.0/33" },
		{ "src", "::/129" },
		{ "src", "10.0.0.0/" },
		{ "src", "10.0.0.0/x" },
		{ "src", "" },
		{ "dst", "host.example" },
		{ "reply-src", "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23" },
		{ "sport", "65536" },
		{ "sport", "http" },
		{ "dport", "-1" },
		{ "dport", "80x" },
		{ "state", "OPENED" },
		{ "state", "" },
		{ "status", "BIG" },
		{ "status", "ASSURED," },
		{ "status", "" },
		{ "mark", "x" },
		{ "mark", "4294967296" },
		{ "mark", "1/" },
		{ "mark", "1/x" },
		{ "zone", "65536" },
		{ "icmp-type", "256" },
		{ "icmp-code", "x" },
		{ "icmp-id", "65536" },
		{ "src-nat", "somewhere" },
		{ "any-nat", "10.0.0.1" },
		{ "colour", "red" },
		{ "mark", "1111111111111111111111111111111111111111111111111/1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_select s = { 0 };
		struct text err = { 0 };

		if (flow_select_set(&s, rows[i][0], rows[i][1], &err) || err.len == 0)
			fail_msg("--%s \"%s\" is accepted", rows[i][0], rows[i][1]);
		assert_non_null(strstr(err.buf, rows[i][0]));
		text_free(&err);
	}
}

static void only_once(void **state)
{
	struct flow_select s = { 0 };
	struct text err = { 0 };

	(void)state;
	assert_true(flow_select_set(&s, "src", "10.0.0.1", &err));
	assert_false(flow_select_set(&s, "orig-src", "10.0.0.2", &err));
	assert_non_null(strstr(err.buf, "given twice"));
	text_free(&err);
}

/* ---- which flows ---- */

#define V4(a, b, c, d) htonl((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* A TCP flow, established, with source translated; told by the kernel. */
static const struct ct_flow tcp = {
	.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_MARK | FLOW_HAS_REPLY |
	       FLOW_HAS_PROTO_STATE | FLOW_HAS_ZONE,
	.l3 = AF_INET,
	.l4 = IPPROTO_TCP,
	.zone = 9,
	.status = 0x19e, /* SEEN_REPLY, ASSURED, CONFIRMED, SRC_NAT, both NAT_DONE */
	.mark = 0x17,
	.proto_state = 3,
};

struct flows {
	struct ct_flow tcp, told, icmp, gre, six;
};

static void make(struct flows *f)
{
	memset(f, 0, sizeof(*f));
	f->tcp = tcp;
	f->tcp.orig = (struct flow_ports){ htons(40000), htons(443) };
	f->tcp.reply = (struct flow_ports){ htons(443), htons(50000) };
	f->tcp.addr.v4.src = V4(10, 1, 2, 3);
	f->tcp.addr.v4.dst = V4(192, 0, 2, 1);
	f->tcp.addr.v4.reply_src = V4(192, 0, 2, 1);
	f->tcp.addr.v4.reply_dst = V4(203, 0, 113, 7);

	f->told = f->tcp; /* the same as a peer tells it: no reply tuple, no zone */
	f->told.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE | FLOW_HAS_SNAT |
		      FLOW_HAS_SPAT;

	f->icmp = (struct ct_flow){ .has = FLOW_HAS_PORTS, .l3 = AF_INET, .l4 = IPPROTO_ICMP };
	f->icmp.addr.v4.src = V4(10, 9, 9, 9);
	f->icmp.orig.sport = htons(77);
	((uint8_t *)&f->icmp.orig.dport)[0] = 8;

	f->gre = (struct ct_flow){ .l3 = AF_INET, .l4 = IPPROTO_GRE };

	f->six = (struct ct_flow){ .has = FLOW_HAS_PORTS | FLOW_HAS_PROTO_STATE,
				   .l3 = AF_INET6,
				   .l4 = IPPROTO_SCTP,
				   .proto_state = 4 };
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", f->six.addr.v6.src), 1);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:1::2", f->six.addr.v6.dst), 1);
	f->six.orig = (struct flow_ports){ htons(443), htons(1) };
}

/* Which of the five pass: t, p (told by a peer), i, g, 6. */
static const struct row {
	const char *name, *value, *passes;
} rows[] = {
	{ "family", "ipv4", "tpig" },
	{ "family", "ipv6", "6" },
	{ "proto", "TCP", "tp" },
	{ "proto", "6", "tp" },
	{ "proto", "icmp", "i" },
	{ "proto", "gre", "g" },
	{ "proto", "sctp", "6" },
	{ "proto", "50", "" },
	{ "src", "10.1.2.3", "tp" },
	{ "orig-src", "10.1.2.3/8", "tpi" },
	{ "src", "10.1.2.3/32", "tp" },
	{ "src", "10.1.2.2/31", "tp" },
	{ "src", "10.1.2.0/31", "" },
	{ "src", "0.0.0.0/0", "tpig" },
	{ "src", "::/0", "6" },
	{ "src", "2001:db8::/33", "6" },
	{ "src", "2001:db8:8000::/33", "" },
	{ "dst", "192.0.2.1", "tp" },
	{ "orig-dst", "2001:db8:1::2", "6" },
	{ "reply-src", "192.0.2.0/24", "t" },
	{ "reply-dst", "203.0.113.7", "t" },
	{ "reply-dst", "10.1.2.3", "" },
	{ "sport", "40000", "tp" },
	{ "orig-port-src", "443", "6" },
	{ "sport", "77", "" }, /* ICMP has no ports */
	{ "sport", "0", "" },
	{ "dport", "443", "tp" },
	{ "orig-port-dst", "0x1bb", "tp" },
	{ "reply-port-src", "443", "t" },
	{ "reply-port-dst", "50000", "t" },
	{ "icmp-type", "8", "i" },
	{ "icmp-type", "0", "" },
	{ "icmp-code", "0", "i" },
	{ "icmp-id", "77", "i" },
	{ "icmp-id", "40000", "" },
	{ "state", "established", "tp6" },
	{ "state", "SYN_SENT", "" },
	{ "state", "OPEN", "" },
	{ "status", "ASSURED", "tp" },
	{ "status", "assured,SEEN_REPLY", "tp" },
	{ "status", "ASSURED,EXPECTED", "" },
	{ "mark", "0x17", "t" },
	{ "mark", "7/15", "t" },
	{ "mark", "0", "pig6" },
	{ "zone", "9", "t" },
	{ "zone", "0", "pig6" },
	{ "src-nat", NULL, "tp" },
	{ "src-nat", "", "tp" },
	{ "src-nat", "203.0.113.7", "tp" },
	{ "src-nat", "203.0.113.8", "" },
	{ "dst-nat", NULL, "" },
	{ "any-nat", NULL, "tp" },
};

static void each_alone(void **state)
{
	struct flows f;
	const struct ct_flow *const flow[] = { &f.tcp, &f.told, &f.icmp, &f.gre, &f.six };

	(void)state;
	make(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_select s = { 0 };
		struct text err = { 0 };
		char passes[6];
		size_t n = 0;

		if (!flow_select_set(&s, rows[i].name, rows[i].value, &err))
			fail_msg("%s", err.buf);
		for (size_t k = 0; k < 5; k++)
			if (flow_select_pass(&s, flow[k]))
				passes[n++] = "tpig6"[k];
		passes[n] = '\0';
		if (strcmp(passes, rows[i].passes) != 0)
			fail_msg("--%s %s: %s", rows[i].name, rows[i].value ? rows[i].value : "",
				 passes);
	}
}

/* All that is set has to be true. */
static void together(void **state)
{
	struct flow_select s = { 0 };
	struct text err = { 0 };
	struct flows f;

	(void)state;
	make(&f);
	assert_true(flow_select_pass(&s, &f.gre));
	assert_true(flow_select_set(&s, "src", "10.0.0.0/8", &err));
	assert_true(flow_select_pass(&s, &f.tcp) && flow_select_pass(&s, &f.icmp));
	assert_true(flow_select_set(&s, "proto", "tcp", &err));
	assert_true(flow_select_pass(&s, &f.tcp) && !flow_select_pass(&s, &f.icmp));
	assert_true(flow_select_set(&s, "dport", "444", &err));
	assert_false(flow_select_pass(&s, &f.tcp));
}

/* A record of an IPv4 flow ends before the place of the IPv6 addresses: no look goes there. */
static void short_records(void **state)
{
	struct flows f;
	struct ct_flow *cut = test_malloc(FLOW_SIZE_V4);

	(void)state;
	make(&f);
	flow_copy(cut, &f.tcp);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow_select s = { 0 };
		struct text err = { 0 };

		assert_true(flow_select_set(&s, rows[i].name, rows[i].value, &err));
		assert_int_equal(flow_select_pass(&s, cut), strchr(rows[i].passes, 't') != NULL);
	}
	test_free(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),	 cmocka_unit_test(only_once),
		cmocka_unit_test(each_alone),	 cmocka_unit_test(together),
		cmocka_unit_test(short_records),
	};

	return cmocka_run_group_tests_name("flow/select", tests, NULL, NULL);
}
