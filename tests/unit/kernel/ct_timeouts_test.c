/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which timeout of the kernel belongs to a flow, and what is left of it as evidence of the last
 * packet. Reading them: in a network namespace of its own; skipped where that is not allowed. */
#include "kernel/ct_timeouts.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "unit/kernel/support.h"

static bool have_netns;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

#define NO_STATE 255
#define SEEN	 IPS_SEEN_REPLY
#define STREAM	 (IPS_SEEN_REPLY | IPS_ASSURED)

static const struct ct_timeouts some = {
	.udp_s = 30, .udp_stream_s = 120, .icmp_s = 31, .icmpv6_s = 32, .gre_s = 33,
	.gre_stream_s = 180,
	.generic_s = 600,
	.tcp_s = {
		[TCP_CONNTRACK_SYN_SENT] = 121, [TCP_CONNTRACK_SYN_RECV] = 60,
		[TCP_CONNTRACK_ESTABLISHED] = 432000,
		[TCP_CONNTRACK_FIN_WAIT] = 122, [TCP_CONNTRACK_CLOSE_WAIT] = 61,
		[TCP_CONNTRACK_LAST_ACK] = 34,
		[TCP_CONNTRACK_TIME_WAIT] = 123, [TCP_CONNTRACK_CLOSE] = 10,
		[TCP_CONNTRACK_SYN_SENT2] = 124,
	},
	.tcp_unacknowledged_s = 300, .tcp_max_retrans_s = 290,
	.sctp_s = { [SCTP_CONNTRACK_COOKIE_WAIT] = 3, [SCTP_CONNTRACK_ESTABLISHED] = 210 },
	.dccp_s = { [1] = 240, [4] = 43200 },
};

static struct ct_flow flow(uint8_t l4, uint8_t state, uint32_t status)
{
	struct ct_flow f = { .has = FLOW_HAS_STATUS, .l3 = AF_INET, .l4 = l4, .status = status };

	if (state != NO_STATE) {
		f.has |= FLOW_HAS_PROTO_STATE;
		f.proto_state = state;
	}
	return f;
}

static void timeout_of_a_flow(void **state)
{
	static const struct {
		const char *name;
		uint8_t l4, state;
		uint32_t status, want;
	} cases[] = {
		{ "UDP, one way", IPPROTO_UDP, NO_STATE, 0, 30 },
		{ "UDP, answered, no stream yet", IPPROTO_UDP, NO_STATE, SEEN, 30 },
		{ "UDP stream", IPPROTO_UDP, NO_STATE, STREAM, 120 },
		{ "UDP, assured by a writer only", IPPROTO_UDP, NO_STATE, IPS_ASSURED, 30 },
		{ "UDP after a clash", IPPROTO_UDP, NO_STATE, SEEN | 1u << 12, 120 },
		{ "UDP offloaded", IPPROTO_UDP, NO_STATE, SEEN | IPS_OFFLOAD, 120 },
		{ "UDP-Lite", IPPROTO_UDPLITE, NO_STATE, STREAM, 120 },
		{ "ICMP", IPPROTO_ICMP, NO_STATE, SEEN, 31 },
		{ "ICMPv6", IPPROTO_ICMPV6, NO_STATE, SEEN, 32 },
		{ "GRE, one way", IPPROTO_GRE, NO_STATE, 0, 33 },
		{ "GRE, answered", IPPROTO_GRE, NO_STATE, SEEN, 180 },
		{ "ESP", IPPROTO_ESP, NO_STATE, STREAM, 600 },
		{ "TCP SYN_SENT", IPPROTO_TCP, TCP_CONNTRACK_SYN_SENT, 0, 121 },
		{ "TCP SYN_RECV", IPPROTO_TCP, TCP_CONNTRACK_SYN_RECV, SEEN, 60 },
		{ "TCP ESTABLISHED", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, STREAM, 432000 },
		{ "TCP picked up, one direction", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, 0, 300 },
		{ "TCP FIN_WAIT", IPPROTO_TCP, TCP_CONNTRACK_FIN_WAIT, STREAM, 122 },
		{ "TCP CLOSE_WAIT", IPPROTO_TCP, TCP_CONNTRACK_CLOSE_WAIT, STREAM, 61 },
		{ "TCP LAST_ACK", IPPROTO_TCP, TCP_CONNTRACK_LAST_ACK, STREAM, 34 },
		{ "TCP TIME_WAIT", IPPROTO_TCP, TCP_CONNTRACK_TIME_WAIT, STREAM, 123 },
		{ "TCP CLOSE", IPPROTO_TCP, TCP_CONNTRACK_CLOSE, SEEN, 10 },
		{ "TCP SYN_SENT2", IPPROTO_TCP, TCP_CONNTRACK_SYN_SENT2, 0, 124 },
		{ "TCP without state", IPPROTO_TCP, NO_STATE, STREAM, 0 },
		{ "TCP NONE", IPPROTO_TCP, TCP_CONNTRACK_NONE, STREAM, 0 },
		{ "TCP, no such state", IPPROTO_TCP, 200, STREAM, 0 },
		{ "TCP offloaded", IPPROTO_TCP, NO_STATE, STREAM | IPS_OFFLOAD, 432000 },
		{ "TCP offloaded in hardware", IPPROTO_TCP, NO_STATE, STREAM | IPS_HW_OFFLOAD,
		  432000 },
		{ "SCTP ESTABLISHED", IPPROTO_SCTP, SCTP_CONNTRACK_ESTABLISHED, STREAM, 210 },
		{ "SCTP COOKIE_WAIT", IPPROTO_SCTP, SCTP_CONNTRACK_COOKIE_WAIT, 0, 3 },
		{ "DCCP REQUEST", IPPROTO_DCCP, 1, 0, 240 },
		{ "DCCP OPEN", IPPROTO_DCCP, 4, STREAM, 43200 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ct_flow f = flow(cases[i].l4, cases[i].state, cases[i].status);
		uint32_t got = ct_timeouts_of(&some, &f);

		if (got != cases[i].want)
			fail_msg("%s: %u instead of %u", cases[i].name, got, cases[i].want);
	}
}

static void idle_since(void **state)
{
	static const struct {
		const char *name;
		uint8_t l4, state;
		uint32_t status, left, want;
	} cases[] = {
		{ "a packet now", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, STREAM, 432000, 0 },
		{ "eight seconds ago", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, STREAM, 431992, 8 },
		{ "data without acknowledgement", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, STREAM,
		  299, 1 },
		{ "retransmissions", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, STREAM, 285, 5 },
		{ "more left than any packet gives", IPPROTO_TCP, TCP_CONNTRACK_FIN_WAIT, STREAM,
		  5000, 0 },
		{ "UDP stream", IPPROTO_UDP, NO_STATE, STREAM, 25, 95 },
		{ "UDP before that", IPPROTO_UDP, NO_STATE, SEEN, 25, 5 },
		{ "offloaded, lifted to a day", IPPROTO_TCP, NO_STATE, STREAM | IPS_OFFLOAD, 86000,
		  0 },
		{ "offloaded UDP, nearly over", IPPROTO_UDP, NO_STATE, STREAM | IPS_OFFLOAD, 3, 0 },
		{ "a life that packets do not renew", IPPROTO_UDP, NO_STATE,
		  STREAM | IPS_FIXED_TIMEOUT, 3, 0 },
		{ "unknown timeout", IPPROTO_SCTP, NO_STATE, STREAM, 3, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ct_flow f = flow(cases[i].l4, cases[i].state, cases[i].status);
		uint32_t got;

		f.has |= FLOW_HAS_TIMEOUT;
		f.timeout_s = cases[i].left;
		got = ct_timeouts_idle_s(&some, &f);
		if (got != cases[i].want)
			fail_msg("%s: %u instead of %u", cases[i].name, got, cases[i].want);
	}
	assert_int_equal(
		ct_timeouts_idle_s(&some, &(struct ct_flow){ .l3 = AF_INET, .l4 = IPPROTO_UDP }),
		0);
}

/* Each sysctl stands in its own place: set one at a time, and see that one value alone follows. */
static void read_from_this_namespace(void **state)
{
	static const struct {
		const char *name;
		size_t at;
	} places[] = {
#define PLACE(name, member) { name, offsetof(struct ct_timeouts, member) }
		PLACE("udp_timeout", udp_s),
		PLACE("udp_timeout_stream", udp_stream_s),
		PLACE("icmp_timeout", icmp_s),
		PLACE("icmpv6_timeout", icmpv6_s),
		PLACE("generic_timeout", generic_s),
		PLACE("tcp_timeout_syn_sent", tcp_s[1]),
		PLACE("tcp_timeout_syn_recv", tcp_s[2]),
		PLACE("tcp_timeout_established", tcp_s[3]),
		PLACE("tcp_timeout_fin_wait", tcp_s[4]),
		PLACE("tcp_timeout_close_wait", tcp_s[5]),
		PLACE("tcp_timeout_last_ack", tcp_s[6]),
		PLACE("tcp_timeout_time_wait", tcp_s[7]),
		PLACE("tcp_timeout_close", tcp_s[8]),
		PLACE("tcp_timeout_unacknowledged", tcp_unacknowledged_s),
		PLACE("tcp_timeout_max_retrans", tcp_max_retrans_s),
	};
	struct ct_timeouts before, after;

	(void)state;
	NEED_NETNS();
	ct_timeouts_read(&before);
	assert_true(before.udp_s > 0 && before.tcp_s[TCP_CONNTRACK_ESTABLISHED] > 0 &&
		    before.generic_s > 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint32_t want = 1000 + (uint32_t)i;

		assert_int_equal(run("echo %u > /proc/sys/net/netfilter/nf_conntrack_%s", want,
				     places[i].name),
				 0);
		ct_timeouts_read(&after);
		memcpy((char *)&before + places[i].at, &want, sizeof(want));
		if (memcmp(&before, &after, sizeof(before)) != 0)
			fail_msg("%s is not in its place", places[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timeout_of_a_flow),
		cmocka_unit_test(idle_since),
		cmocka_unit_test(read_from_this_namespace),
	};

	have_netns = netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
