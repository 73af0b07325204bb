/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows and expectations as JSON. That every line is as doc/json.md says is tested with real dumps
 * (tests/netns). */
#include "flow/flow_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct flow_print_opts plain = { .active_s = -1, .expires_s = -1 };

static void set_v4(struct ct_flow *f)
{
	f->l3 = AF_INET;
	f->addr.v4.src = f->addr.v4.reply_dst = inet_addr("1.2.3.4");
	f->addr.v4.dst = f->addr.v4.reply_src = inet_addr("5.6.7.8");
	f->reply = (struct flow_ports){ f->orig.dport, f->orig.sport };
}

static void assert_flow(const struct ct_flow *f, const struct flow_print_opts *opts,
			const char *want)
{
	struct text t = { 0 };

	flow_print_json(f, opts, &t);
	assert_string_equal(t.buf, want);
	text_free(&t);
}

static void everything_there_is(void **state)
{
	struct flow_rare rare = {
		.helper = "ftp",
		.packets = { 4, UINT64_MAX },
		.bytes = { 221, 169 },
		.start_ns = 5000000000,
		.reply_zone = 9,
		.labels = { 1u << 5, 0, 0, 1u << 31 },
		.master_l4 = IPPROTO_TCP,
		.master_sport = htons(1024),
		.master_dport = htons(21),
		.master_src.v4 = inet_addr("1.2.3.4"),
		.master_dst.v4 = inet_addr("5.6.7.8"),
	};
	struct flow_print_opts opts = {
		.active_s = 5, .expires_s = 7, .now_s = 15, .use = 2, .kernel_view = true
	};
	struct ct_flow f = {
		.has = FLOW_HAS_ALL & ~FLOW_FROM_PEER_NAT,
		.l4 = IPPROTO_TCP,
		.status = 0xc00e,
		.proto_state = 3,
		.mark = UINT32_MAX,
		.timeout_s = 60,
		.id = 9,
		.zone = 258,
		.zone_dir = FLOW_ZONE_ORIG,
		.orig = { htons(1), htons(2) },
		.rare = &rare,
	};

	(void)state;
	set_v4(&f);
	assert_flow(&f, &opts,
		    "{\"schema\":1,\"kind\":\"flow\",\"family\":\"inet\",\"proto\":\"tcp\","
		    "\"protonum\":6,\"state\":\"ESTABLISHED\",\"original\":{\"src\":\"1.2.3.4\","
		    "\"dst\":\"5.6.7.8\",\"sport\":1,\"dport\":2,\"zone\":258,\"packets\":4,"
		    "\"bytes\":221},\"reply\":{\"src\":\"5.6.7.8\",\"dst\":\"1.2.3.4\",\"sport\":2,"
		    "\"dport\":1,\"zone\":9,\"packets\":18446744073709551615,\"bytes\":169},"
		    "\"status\":49166,\"status_names\":[\"SEEN_REPLY\",\"ASSURED\",\"CONFIRMED\","
		    "\"OFFLOAD\",\"HW_OFFLOAD\"],\"timeout\":60,\"mark\":4294967295,\"id\":9,"
		    "\"labels\":[5,127],\"helper\":\"ftp\",\"master\":{\"proto\":\"tcp\","
		    "\"protonum\":6,\"src\":\"1.2.3.4\",\"dst\":\"5.6.7.8\",\"sport\":1024,"
		    "\"dport\":21},\"deltatime\":10,\"use\":2,\"expires_s\":7,\"active_s\":5}");
	f.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_ZONE;
	f.l4 = IPPROTO_UDP;
	f.status = 1u << 31; /* a bit of a kernel to come */
	f.zone_dir = FLOW_ZONE_BOTH;
	assert_flow(
		&f, &plain,
		"{\"schema\":1,\"kind\":\"flow\",\"family\":\"inet\",\"proto\":\"udp\","
		"\"protonum\":17,\"original\":{\"src\":\"1.2.3.4\",\"dst\":\"5.6.7.8\",\"sport\":1,"
		"\"dport\":2},\"status\":2147483648,\"status_names\":[],\"zone\":258}");
}

/* What stands in the place of ports, and the states that XML calls by TCP's names. */
static void each_protocol_by_its_own_names(void **state)
{
	static const struct {
		uint8_t l4, proto_state;
		uint16_t sport, dport;
		const char *want;
	} rows[] = {
		{ IPPROTO_DCCP, 4, 1, 2,
		  "\"proto\":\"dccp\",\"protonum\":33,\"state\":\"OPEN\",#,\"sport\":1,\"dport\":"
		  "2" },
		{ IPPROTO_SCTP, 4, 1, 2,
		  "\"proto\":\"sctp\",\"protonum\":132,\"state\":\"ESTABLISHED\",#,\"sport\":1,"
		  "\"dport\":2" },
		{ IPPROTO_ICMP, 0, 77, 0x0803,
		  "\"proto\":\"icmp\",\"protonum\":1,#,\"type\":8,\"code\":3,\"id\":77" },
		{ IPPROTO_ICMPV6, 0, 77, 0x8000,
		  "\"proto\":\"icmpv6\",\"protonum\":58,#,\"type\":128,\"code\":0,\"id\":77" },
		{ IPPROTO_GRE, 0, 16, 32,
		  "\"proto\":\"gre\",\"protonum\":47,#,\"srckey\":16,\"dstkey\":32" },
		{ IPPROTO_UDPLITE, 0, 1, 2,
		  "\"proto\":\"udplite\",\"protonum\":136,#,\"sport\":1,\"dport\":2" },
		{ 50, 0, 1, 2, "\"proto\":\"unknown\",\"protonum\":50,#" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = {
			.has = FLOW_HAS_PORTS | FLOW_HAS_PROTO_STATE,
			.l4 = rows[i].l4,
			.proto_state = rows[i].proto_state,
			.orig = { htons(rows[i].sport), htons(rows[i].dport) },
		};
		const char *gap = strchr(rows[i].want, '#');
		char want[512];

		set_v4(&f);
		snprintf(want, sizeof(want),
			 "{\"schema\":1,\"kind\":\"flow\",\"family\":\"inet\",%.*s\"original\":"
			 "{\"src\":\"1.2.3.4\",\"dst\":\"5.6.7.8\"%s}}",
			 (int)(gap - rows[i].want), rows[i].want, gap + 1);
		assert_flow(&f, &plain, want);
	}
}

static void names_of_any_bytes(void **state)
{
	struct flow_rare rare = { .helper = "a<b>&\"\\\n\033[1m\x80" };
	struct ct_flow f = { .has = FLOW_HAS_HELPER, .l4 = 50, .rare = &rare };
	struct ct_expect e = { .has = EXPECT_HAS_HELPER, .l3 = AF_INET6, .tuple.l4 = IPPROTO_GRE };
	struct expect_print_opts opts = { .active_s = -1 };
	struct text t = { 0 };

	(void)state;
	set_v4(&f);
	flow_print_json(&f, &plain, &t);
	assert_non_null(strstr(t.buf, ",\"helper\":\"a<b>&\\\"\\\\\\u000a\\u001b[1m\\ufffd\"}"));
	text_reset(&t);
	memset(rare.helper, 'x', sizeof(rare.helper)); /* no NUL: not read beyond its end */
	flow_print_json(&f, &plain, &t);
	assert_non_null(strstr(t.buf, ",\"helper\":\"xxxxxxxxxxxxxxxx\"}"));
	text_reset(&t);
	memset(e.helper, '"', sizeof(e.helper));
	expect_print_json(&e, &opts, &t);
	assert_non_null(strstr(
		t.buf, "\"expected\":{\"src\":\"::\",\"dst\":\"::\",\"srckey\":0,\"dstkey\":0}"));
	assert_non_null(strstr(
		t.buf, ",\"helper\":"
		       "\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"}"));
	text_free(&t);
}

static void an_expectation(void **state)
{
	struct ct_expect e = {
		.has = EXPECT_HAS_ALL,
		.l3 = AF_INET,
		.zone = 3,
		.timeout_s = 299,
		.flags = 5,
		.class = 1,
		.helper = "ftp",
		.tuple = { .l4 = IPPROTO_TCP, .dport = htons(50000) },
		.mask = { .l4 = IPPROTO_TCP, .dport = 0xffff },
		.master = { .l4 = IPPROTO_TCP, .sport = htons(40105), .dport = htons(21) },
	};
	struct expect_print_opts opts = { .active_s = 1, .expires_s = 7, .timeout = true };
	struct text t = { 0 };

	(void)state;
	e.tuple.src.v4 = e.master.src.v4 = inet_addr("192.168.10.2");
	e.tuple.dst.v4 = e.master.dst.v4 = inet_addr("10.0.1.2");
	e.mask.src.v4 = e.mask.dst.v4 = 0xffffffff;
	expect_print_json(&e, &opts, &t);
	assert_string_equal(t.buf, "{\"schema\":1,\"kind\":\"expectation\",\"family\":\"inet\","
				   "\"proto\":\"tcp\",\"protonum\":6,"
				   "\"expected\":{\"src\":\"192.168.10.2\",\"dst\":\"10.0.1.2\","
				   "\"sport\":0,\"dport\":50000},"
				   "\"mask\":{\"src\":\"255.255.255.255\",\"dst\":\"255.255.255."
				   "255\",\"sport\":0,\"dport\":65535},"
				   "\"master\":{\"src\":\"192.168.10.2\",\"dst\":\"10.0.1.2\","
				   "\"sport\":40105,\"dport\":21},\"timeout\":299,"
				   "\"zone\":3,\"flags\":5,\"flags_names\":[\"PERMANENT\","
				   "\"USERSPACE\"],\"class\":1,\"helper\":\"ftp\","
				   "\"expires_s\":7,\"active_s\":1}");
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_there_is),
		cmocka_unit_test(each_protocol_by_its_own_names),
		cmocka_unit_test(names_of_any_bytes),
		cmocka_unit_test(an_expectation),
	};

	return cmocka_run_group_tests_name("flow json", tests, NULL, NULL);
}
