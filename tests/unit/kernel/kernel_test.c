/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we ask for against what the kernel makes of it: create, read back, compare part by part. In
 * a network namespace of its own; skipped where that is not allowed. */
#include "kernel/ct.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>
#include <string.h>

#include "unit/kernel/support.h"

static bool have_netns;
static struct kernel_hand hand;

#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

static struct ct_flow base_flow(uint8_t l3, uint8_t l4)
{
	struct ct_flow f = tcp_flow(1234);

	f.l4 = l4;
	if (l4 != IPPROTO_TCP)
		f.has &= ~FLOW_HAS_PROTO_STATE;
	if (l3 == AF_INET6) {
		f.l3 = AF_INET6;
		inet_pton(AF_INET6, "2001:db8::1", f.addr.v6.src);
		inet_pton(AF_INET6, "2001:db8::2", f.addr.v6.dst);
	}
	if (flow_is_icmp(&f)) {
		uint8_t type[2] = { l4 == IPPROTO_ICMP ? 8 : 128, 0 };

		memcpy(&f.orig.dport, type, 2);
	}
	if (l4 == 89)
		f.has &= ~FLOW_HAS_PORTS;
	return f;
}

/* The kernel's entry for what was asked, as f says it should be: known parts equal. */
static void expect_entry(const char *name, const struct ct_flow *f, uint32_t status_more)
{
	struct flow_rare rare;
	struct ct_flow want = *f, got;
	const char *diff;
	uint32_t parts;
	int rc = kernel_get(&hand, f, &got, &rare);

	if (rc)
		fail_msg("%s: not found: %d", name, rc);
	if (!(want.has & FLOW_HAS_REPLY)) {
		flow_mirror_reply(&want);
		want.has |= FLOW_HAS_REPLY;
	}
	want.status = (want.status & ~(uint32_t)IPS_EXPECTED) | IPS_CONFIRMED | status_more;
	want.has &= ~FLOW_FROM_PEER_NAT;
	parts = want.has & ~FLOW_HAS_ID;
	got.has |= got.rare ? 0 : want.has & FLOW_HAS_SYNPROXY;
	diff = flow_difference(&want, &got, parts);
	if (diff)
		fail_msg("%s: %s", name, diff);
}

static void protocols(void **state)
{
	static const struct {
		const char *name;
		uint8_t l3, l4;
	} cases[] = {
		{ "tcp 4", AF_INET, IPPROTO_TCP },
		{ "tcp 6", AF_INET6, IPPROTO_TCP },
		{ "udp 4", AF_INET, IPPROTO_UDP },
		{ "udp 6", AF_INET6, IPPROTO_UDP },
		{ "icmp", AF_INET, IPPROTO_ICMP },
		{ "icmpv6", AF_INET6, IPPROTO_ICMPV6 },
		{ "sctp 4", AF_INET, IPPROTO_SCTP },
		{ "sctp 6", AF_INET6, IPPROTO_SCTP },
		{ "gre 4", AF_INET, IPPROTO_GRE },
		{ "gre 6", AF_INET6, IPPROTO_GRE },
		{ "udplite 4", AF_INET, IPPROTO_UDPLITE },
		{ "udplite 6", AF_INET6, IPPROTO_UDPLITE },
		{ "unknown 4", AF_INET, 89 },
		{ "unknown 6", AF_INET6, 89 },
	};

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ct_flow f = base_flow(cases[i].l3, cases[i].l4);
		int rc = kernel_create(&hand, &f);

		if (rc)
			fail_msg("%s: %d", cases[i].name, rc);
		expect_entry(cases[i].name, &f, 0);
		assert_int_equal(kernel_destroy(&hand, &f), 0);
		assert_int_equal(kernel_destroy(&hand, &f), -ENOENT);
	}
}

static void attributes(void **state)
{
	struct flow_rare rare = { .adj = { { 1, -2, 3 }, { 4, 5, -6 } },
				  .synproxy = { 7, 8, 9 },
				  .synproxy_set = true,
				  .labels = { 0x10, 0, 0, 0x80000001 },
				  .vtag = { 0xa1b2c3d4, 5 } };
	struct ct_flow f = base_flow(AF_INET, IPPROTO_TCP), got;
	struct flow_rare got_rare;

	(void)state;
	NEED_NETNS();
	f.rare = &rare;
	f.mark = 0xdeadbeef;
	f.has |= FLOW_HAS_MARK | FLOW_HAS_SEQADJ | FLOW_HAS_SYNPROXY;
	assert_int_equal(kernel_create(&hand, &f), 0);
	expect_entry("mark, synproxy, seqadj", &f, IPS_SEQ_ADJUST);
	assert_int_equal(kernel_get(&hand, &f, &got, &got_rare), 0);
	assert_true(got.has & FLOW_HAS_ID);
	got.id ^= 1;
	assert_int_equal(kernel_destroy(&hand, &got), -ENOENT); /* another one's id */
	got.id ^= 1;
	assert_int_equal(kernel_destroy(&hand, &got), 0);

	/* A rule that looks at labels makes room for them in every entry. */
	if (run("nft 'add table ip l; add chain ip l c { type filter hook input priority 0; }; add "
		"rule ip l c ct label set 3' 2>/dev/null") == 0) {
		f.has = (f.has & ~FLOW_HAS_SEQADJ) | FLOW_HAS_LABELS;
		assert_int_equal(kernel_create(&hand, &f), 0);
		expect_entry("labels", &f, 0);
		assert_int_equal(kernel_destroy(&hand, &f), 0);
		run("nft delete table ip l");
	} else {
		print_message("no nft: labels not tested\n");
	}
	f = base_flow(AF_INET, IPPROTO_SCTP);
	f.rare = &rare;
	f.proto_state = 4;
	f.has |= FLOW_HAS_PROTO_STATE | FLOW_HAS_VTAGS;
	assert_int_equal(kernel_create(&hand, &f), 0);
	expect_entry("sctp state", &f, 0);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
}

/* TCPWindowTracking on: the kernel takes the scales; and without, it is told to be liberal. */
static void window_scales(void **state)
{
	struct ct_flow f = base_flow(AF_INET, IPPROTO_TCP);

	(void)state;
	NEED_NETNS();
	f.wscale[0] = 7;
	f.wscale[1] = 9;
	f.has |= FLOW_HAS_WSCALE;
	assert_int_equal(kernel_create(&hand, &f), 0);
	expect_entry("window scales", &f, 0);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
}

/* What a commit without TCPWindowTracking asks for is taken: scales beside liberal flags, flags
 * without a state. */
static void liberal(void **state)
{
	const struct ct_build_opts o = { .liberal = true };
	uint8_t req[CT_BUILD_MAX];

	(void)state;
	NEED_NETNS();
	for (int i = 0; i < 2; i++) {
		struct ct_flow f = base_flow(AF_INET, IPPROTO_TCP);

		f.wscale[0] = f.wscale[1] = 7;
		f.has |= FLOW_HAS_WSCALE;
		if (i == 1)
			f.has &= ~(FLOW_HAS_WSCALE | FLOW_HAS_PROTO_STATE);
		assert_int_equal(
			kernel_request(&hand, req, ct_build_create(&f, &o, 1, req, sizeof(req))),
			0);
		f.has &= ~FLOW_HAS_WSCALE;
		expect_entry("liberal", &f, 0);
		assert_int_equal(kernel_destroy(&hand, &f), 0);
	}
}

static void zones(void **state)
{
	static const enum flow_zone_dir dirs[] = { FLOW_ZONE_BOTH, FLOW_ZONE_ORIG,
						   FLOW_ZONE_REPLY };
	struct ct_flow plain = base_flow(AF_INET, IPPROTO_UDP);

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		struct ct_flow f = base_flow(AF_INET, IPPROTO_UDP);
		char name[32];

		snprintf(name, sizeof(name), "zone direction %zu", i);
		f.zone = 42;
		f.zone_dir = (uint8_t)dirs[i];
		f.has |= FLOW_HAS_ZONE;
		if (kernel_create(&hand, &f) != 0)
			fail_msg("%s: refused", name);
		expect_entry(name, &f, 0);
		if (dirs[i] != FLOW_ZONE_REPLY)
			assert_int_equal(kernel_destroy(&hand, &plain), -ENOENT);
		assert_int_equal(kernel_destroy(&hand, &f), 0);
	}
}

static void related(void **state)
{
	struct flow_rare rare = { .master_l4 = IPPROTO_TCP };
	struct ct_flow master = base_flow(AF_INET, IPPROTO_TCP),
		       f = base_flow(AF_INET, IPPROTO_TCP);

	(void)state;
	NEED_NETNS();
	f.orig.sport = htons(2000);
	f.status |= IPS_EXPECTED;
	rare.master_src.v4 = master.addr.v4.src;
	rare.master_dst.v4 = master.addr.v4.dst;
	rare.master_sport = master.orig.sport;
	rare.master_dport = master.orig.dport;
	f.rare = &rare;
	f.has |= FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS;
	assert_int_equal(kernel_create(&hand, &f), -ENOENT);
	assert_int_equal(kernel_create(&hand, &master), 0);
	assert_int_equal(kernel_create(&hand, &f), 0);
	expect_entry("related", &f, IPS_EXPECTED);
	f.mark = 5;
	f.has |= FLOW_HAS_MARK;
	assert_int_equal(kernel_update(&hand, &f), 0);
	expect_entry("related, updated", &f, IPS_EXPECTED);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
	assert_int_equal(kernel_destroy(&hand, &master), 0);
}

/* Translations come out as the peer had them, of either family, also where only one part is
 * translated. */
static void nat(void **state)
{
	static const uint32_t kinds[] = {
		FLOW_HAS_SNAT,
		FLOW_HAS_SNAT | FLOW_HAS_SPAT,
		FLOW_HAS_SPAT,
		FLOW_HAS_DNAT,
		FLOW_HAS_DNAT | FLOW_HAS_DPAT,
		FLOW_HAS_DPAT,
		FLOW_HAS_SNAT | FLOW_HAS_SPAT | FLOW_HAS_DNAT | FLOW_HAS_DPAT,
	};
	static const uint8_t l4s[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP };

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < 2 * 4 * sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint8_t l3 = i & 1 ? AF_INET : AF_INET6, l4 = l4s[i / 2 % 4];
		struct ct_flow f =
			base_flow(l3, l4 == IPPROTO_ICMP && l3 == AF_INET6 ? IPPROTO_ICMPV6 : l4);
		uint32_t kind = kinds[i / 8], status = 0;
		char name[48];

		if (flow_is_icmp(&f))
			kind &= FLOW_HAS_SNAT | FLOW_HAS_DNAT;
		f.reply = (struct flow_ports){ .sport = htons(8080), .dport = htons(5555) };
		if (l3 == AF_INET) {
			f.addr.v4.reply_src = htonl(0xc0000201);
			f.addr.v4.reply_dst = htonl(0xc6336401);
		} else {
			inet_pton(AF_INET6, "2001:db8:1::1", f.addr.v6.reply_src);
			inet_pton(AF_INET6, "2001:db8:2::1", f.addr.v6.reply_dst);
		}
		f.has |= kind;
		if (kind & (FLOW_HAS_SNAT | FLOW_HAS_SPAT))
			status |= IPS_SRC_NAT | IPS_NAT_DONE_MASK;
		if (kind & (FLOW_HAS_DNAT | FLOW_HAS_DPAT))
			status |= IPS_DST_NAT | IPS_NAT_DONE_MASK;
		snprintf(name, sizeof(name), "nat %x of protocol %u family %u", kind, f.l4, f.l3);
		if (kernel_create(&hand, &f) != 0)
			fail_msg("%s: refused", name);
		expect_entry(name, &f, status);
		assert_int_equal(kernel_destroy(&hand, &f), 0);
	}
}

/* Why the port is always named: another mapping of the same source must not lend its port. */
static void nat_keeps_the_port(void **state)
{
	struct ct_flow other = base_flow(AF_INET, IPPROTO_UDP), f = other;

	(void)state;
	NEED_NETNS();
	other.has |= FLOW_HAS_SNAT | FLOW_HAS_SPAT;
	other.addr.v4.reply_dst = htonl(0xc6336401);
	other.reply.dport = htons(40000);
	f.addr.v4.dst = htonl(0x0a000003);
	f.has |= FLOW_HAS_SNAT;
	f.addr.v4.reply_dst = other.addr.v4.reply_dst;
	assert_int_equal(kernel_create(&hand, &other), 0);
	assert_int_equal(kernel_create(&hand, &f), 0);
	expect_entry("same port", &f, IPS_SRC_NAT | IPS_NAT_DONE_MASK);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
	assert_int_equal(kernel_destroy(&hand, &other), 0);
}

static void updates(void **state)
{
	struct ct_flow f = base_flow(AF_INET, IPPROTO_TCP);

	(void)state;
	NEED_NETNS();
	assert_int_equal(kernel_update(&hand, &f), -ENOENT);
	assert_int_equal(kernel_create(&hand, &f), 0);
	assert_int_equal(kernel_create(&hand, &f), -EEXIST);
	f.proto_state = TCP_CONNTRACK_FIN_WAIT;
	f.timeout_s = 120;
	f.mark = 3;
	f.has |= FLOW_HAS_MARK;
	f.status |= IPS_SRC_NAT | IPS_EXPECTED; /* not in the request */
	assert_int_equal(kernel_update(&hand, &f), 0);
	f.status &= ~(uint32_t)(IPS_SRC_NAT | IPS_EXPECTED);
	expect_entry("updated", &f, 0);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
}

/* What ct_commit relies on: a helper can be given at birth only, and an unknown one refuses the
 * flow. */
static void helpers(void **state)
{
	struct flow_rare rare = { .helper = "ftp" };
	struct ct_flow f = base_flow(AF_INET, IPPROTO_TCP);
	int rc;

	(void)state;
	NEED_NETNS();
	f.orig.dport = htons(21);
	f.rare = &rare;
	f.has |= FLOW_HAS_HELPER;
	rc = kernel_create(&hand, &f);
	if (rc == -EOPNOTSUPP) {
		print_message("skipped: the kernel has no ftp helper\n");
		skip();
	}
	assert_int_equal(rc, 0);
	expect_entry("helper", &f, IPS_HELPER);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
	strcpy(rare.helper, "no-such-helper");
	assert_int_equal(kernel_create(&hand, &f), -EOPNOTSUPP);
}

/* A peer that sends no timeout, or none that is left. */
static void no_timeout(void **state)
{
	struct ct_flow f = base_flow(AF_INET, IPPROTO_UDP);

	(void)state;
	NEED_NETNS();
	f.has &= ~FLOW_HAS_TIMEOUT;
	assert_int_equal(kernel_create(&hand, &f), 0);
	f.has |= FLOW_HAS_TIMEOUT;
	f.timeout_s = 60;
	expect_entry("no timeout", &f, 0);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
	f.timeout_s = 0;
	assert_int_equal(kernel_create(&hand, &f), 0);
	f.timeout_s = 60;
	expect_entry("timeout zero", &f, 0);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protocols),	 cmocka_unit_test(attributes),
		cmocka_unit_test(window_scales), cmocka_unit_test(liberal),
		cmocka_unit_test(zones),	 cmocka_unit_test(related),
		cmocka_unit_test(nat),		 cmocka_unit_test(nat_keeps_the_port),
		cmocka_unit_test(updates),	 cmocka_unit_test(helpers),
		cmocka_unit_test(no_timeout),
	};
	int rc;

	have_netns = netns_enter();
	if (have_netns)
		kernel_open(&hand);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (have_netns)
		kernel_close(&hand);
	return rc;
}
