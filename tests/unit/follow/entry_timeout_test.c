/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a committed entry lives: every state that can be told, what was told, its age, the
 * silence of its owner. */
#include "follow/entry_timeout.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STREAM	   (IPS_SEEN_REPLY | IPS_ASSURED)
#define NONE	   255u /* no state told */
#define NO_TIMEOUT 0xffffffffu

#define EST TCP_CONNTRACK_ESTABLISHED

static const struct ct_timeouts own = {
	.udp_s = 30, .udp_stream_s = 120, .icmp_s = 30, .icmpv6_s = 30, .gre_s = 30,
	.gre_stream_s = 180, .generic_s = 600,
	.tcp_s = {
		[TCP_CONNTRACK_SYN_SENT] = 120, [TCP_CONNTRACK_SYN_RECV] = 60,
		[TCP_CONNTRACK_ESTABLISHED] = 7200,
		[TCP_CONNTRACK_FIN_WAIT] = 120, [TCP_CONNTRACK_CLOSE_WAIT] = 60,
		[TCP_CONNTRACK_LAST_ACK] = 30,
		[TCP_CONNTRACK_TIME_WAIT] = 120, [TCP_CONNTRACK_CLOSE] = 10,
		[TCP_CONNTRACK_SYN_SENT2] = 120,
	},
	.tcp_unacknowledged_s = 300, .tcp_max_retrans_s = 300,
	.sctp_s = { [2] = 3, [4] = 210 },
};

struct row {
	const char *name;
	uint8_t l4;
	uint32_t state, status, received_s, age_s, silent_s, want;
};

static struct ct_flow flow_of(const struct row *r)
{
	struct ct_flow f = {
		.has = FLOW_HAS_STATUS, .l3 = AF_INET, .l4 = r->l4, .status = r->status
	};

	if (r->state != NONE) {
		f.has |= FLOW_HAS_PROTO_STATE;
		f.proto_state = (uint8_t)r->state;
	}
	if (r->received_s != NO_TIMEOUT) {
		f.has |= FLOW_HAS_TIMEOUT;
		f.timeout_s = r->received_s;
	}
	return f;
}

static void check(const struct entry_timeout *l, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ct_flow f = flow_of(&rows[i]);
		uint32_t kept = entry_timeout_kept(l, &f, rows[i].age_s, rows[i].silent_s),
			 got = entry_timeout_created(l, kept);

		if (got != rows[i].want)
			fail_msg("%s: %u instead of %u", rows[i].name, got, rows[i].want);
		if (l->commit_timeout_s == 0 && kept != got)
			fail_msg("%s: a kept entry has another life", rows[i].name);
	}
}

#define CHECK(l, rows) check(l, rows, sizeof(rows) / sizeof((rows)[0]))

static void packets_renew(void **state)
{
	static const struct row rows[] = {
		{ "the owner is there, told 60 s, 59 s ago", IPPROTO_TCP, EST, STREAM, 60, 59, 1,
		  7200 },
		{ "UDP, told long ago", IPPROTO_UDP, NONE, STREAM, 120, 100000, 1, 120 },
		{ "UDP, told before it was a stream", IPPROTO_UDP, NONE, STREAM, 30, 29, 1, 120 },
		{ "UDP, one way", IPPROTO_UDP, NONE, 0, 30, 29, 1, 30 },
		{ "a longer timeout at the owner", IPPROTO_UDP, NONE, STREAM, 300, 299, 10, 300 },
		{ "TCP FIN_WAIT", IPPROTO_TCP, TCP_CONNTRACK_FIN_WAIT, STREAM, 120, 3000, 3, 120 },
		{ "TCP CLOSE_WAIT", IPPROTO_TCP, TCP_CONNTRACK_CLOSE_WAIT, STREAM, 10, 3000, 3,
		  60 },
		{ "TCP LAST_ACK", IPPROTO_TCP, TCP_CONNTRACK_LAST_ACK, STREAM, 30, 31, 3, 30 },
		{ "TCP picked up, one direction", IPPROTO_TCP, EST, 0, 300, 299, 3, 300 },
		{ "TCP, told while data was not acknowledged", IPPROTO_TCP, EST, STREAM, 299, 400,
		  3, 7200 },
		{ "ICMP", IPPROTO_ICMP, NONE, IPS_SEEN_REPLY, 30, 40, 3, 30 },
		{ "GRE", IPPROTO_GRE, NONE, STREAM, 30, 40, 3, 180 },
		{ "SCTP", IPPROTO_SCTP, 4, STREAM, 210, 1000, 3, 210 },
		{ "SCTP, handshake", IPPROTO_SCTP, 2, 0, 3, 1, 1, 3 },
		{ "ESP", IPPROTO_ESP, NONE, STREAM, 600, 1000, 3, 600 },
		{ "no timeout told", IPPROTO_UDP, NONE, STREAM, NO_TIMEOUT, 1000, 3, 120 },
		{ "told 0", IPPROTO_UDP, NONE, STREAM, 0, 0, 0, 120 },
		{ "no timeout of our own", IPPROTO_DCCP, 4, STREAM, 43200, 1000, 3, 43200 },
		{ "neither", IPPROTO_DCCP, 4, STREAM, NO_TIMEOUT, 1000, 3, 60 },
	};
	const struct entry_timeout l = { .own = own };

	(void)state;
	CHECK(&l, rows);
}

static void silent_owner(void **state)
{
	static const struct row rows[] = {
		{ "10 s are nothing", IPPROTO_UDP, NONE, STREAM, 120, 200, 10, 120 },
		{ "beyond them", IPPROTO_UDP, NONE, STREAM, 120, 200, 40, 90 },
		{ "the larger one shrinks", IPPROTO_UDP, NONE, STREAM, 300, 0, 40, 270 },
		{ "a flow in use can still show itself", IPPROTO_UDP, NONE, STREAM, 120, 5, 600,
		  30 },
		{ "as long as a whole life, if that is shorter", IPPROTO_SCTP, 2, 0, 3, 5, 600, 3 },
		{ "TCP hardly notices", IPPROTO_TCP, EST, STREAM, 7200, 5, 610, 6600 },
		{ "nobody knows how long", IPPROTO_TCP, EST, STREAM, 7200, 5, 0xffffffffu, 30 },
	};
	const struct entry_timeout l = { .own = own };

	(void)state;
	CHECK(&l, rows);
}

/* Handshakes and what follows the end: no packet renews them for long, so the told timeout runs. */
static void told_life_runs(void **state)
{
	static const uint8_t states[] = { TCP_CONNTRACK_SYN_SENT,
					  TCP_CONNTRACK_SYN_RECV,
					  TCP_CONNTRACK_TIME_WAIT,
					  TCP_CONNTRACK_CLOSE,
					  TCP_CONNTRACK_SYN_SENT2,
					  TCP_CONNTRACK_NONE,
					  200 };
	static const struct row other[] = {
		{ "TIME_WAIT, no timeout told", IPPROTO_TCP, TCP_CONNTRACK_TIME_WAIT, STREAM,
		  NO_TIMEOUT, 20, 3, 100 },
		{ "CLOSE, no timeout told, over", IPPROTO_TCP, TCP_CONNTRACK_CLOSE, STREAM,
		  NO_TIMEOUT, 20, 3, 0 },
		{ "NONE, no timeout told", IPPROTO_TCP, TCP_CONNTRACK_NONE, 0, NO_TIMEOUT, 20, 3,
		  40 },
		{ "no state, not assured", IPPROTO_TCP, NONE, 0, 20, 5, 3, 15 },
	};
	const struct entry_timeout l = { .own = own };

	(void)state;
	for (size_t i = 0; i < sizeof(states); i++) {
		const struct row rows[] = {
			{ "fresh", IPPROTO_TCP, states[i], 0, 50, 0, 600, 50 },
			{ "aged", IPPROTO_TCP, states[i], STREAM, 50, 20, 1, 30 },
			{ "last second", IPPROTO_TCP, states[i], STREAM, 50, 49, 1, 1 },
			{ "exactly over", IPPROTO_TCP, states[i], STREAM, 50, 50, 1, 0 },
			{ "long over", IPPROTO_TCP, states[i], STREAM, 50, 100000, 1, 0 },
			{ "told 0", IPPROTO_TCP, states[i], STREAM, 0, 0, 1, 0 },
		};

		print_message("state %u\n", states[i]);
		CHECK(&l, rows);
	}
	CHECK(&l, other);
}

static void lifted(void **state)
{
	static const struct row rows[] = {
		{ "UDP, a day", IPPROTO_UDP, NONE, STREAM, 86400, 5, 3, 120 },
		{ "half a day", IPPROTO_UDP, NONE, STREAM, 43200, 5, 3, 120 },
		{ "more than the kernel lifts to", IPPROTO_UDP, NONE, STREAM, 86401, 5, 3, 86401 },
		{ "less than it lifts", IPPROTO_UDP, NONE, STREAM, 43199, 5, 3, 43199 },
		{ "TCP", IPPROTO_TCP, EST, STREAM, 86399, 5, 3, 7200 },
		{ "TCP, silent owner", IPPROTO_TCP, EST, STREAM, 86399, 5, 110, 7100 },
		{ "TCP, not offloaded ones", IPPROTO_TCP, EST, STREAM, 432000, 5, 3, 432000 },
		{ "never an SCTP flow", IPPROTO_SCTP, 4, STREAM, 86400, 5, 3, 86400 },
		{ "known from a dump of a flow table only", IPPROTO_TCP, NONE, STREAM, NO_TIMEOUT,
		  500, 3, 7200 },
	};
	static const struct row long_own[] = {
		{ "a day is what our kernel gives", IPPROTO_UDP, NONE, STREAM, 86400, 5, 3, 86400 },
	};
	struct entry_timeout l = { .own = own };

	(void)state;
	CHECK(&l, rows);
	l.own.udp_stream_s = 50000;
	CHECK(&l, long_own);
}

/* ALARM: a flow is repeated within RefreshTime, so its own age tells, not the silence. */
static void alarm(void **state)
{
	static const struct row rows[] = {
		{ "within RefreshTime", IPPROTO_UDP, NONE, STREAM, 120, 15, 600, 120 },
		{ "beyond it", IPPROTO_UDP, NONE, STREAM, 120, 35, 0, 100 },
		{ "far beyond it", IPPROTO_UDP, NONE, STREAM, 120, 500, 0, 30 },
		{ "handshake", IPPROTO_TCP, TCP_CONNTRACK_SYN_SENT, 0, 120, 20, 0, 100 },
	};
	const struct entry_timeout l = { .own = own, .refresh_s = 15 };

	(void)state;
	CHECK(&l, rows);
}

static void commit_timeout(void **state)
{
	static const struct row rows[] = {
		{ "exactly", IPPROTO_TCP, EST, STREAM, 60, 59, 600, 180 },
		{ "whatever the state", IPPROTO_TCP, TCP_CONNTRACK_TIME_WAIT, STREAM, 60, 70, 3,
		  180 },
		{ "none told, as its own sender does", IPPROTO_UDP, NONE, STREAM, NO_TIMEOUT, 1000,
		  3, 180 },
	};
	const struct entry_timeout l = { .own = own, .commit_timeout_s = 180 };
	struct ct_flow f = flow_of(&rows[0]);

	(void)state;
	CHECK(&l, rows);
	assert_int_equal(entry_timeout_kept(&l, &f, 59, 3), 7200); /* for created ones only */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_renew),  cmocka_unit_test(silent_owner),
		cmocka_unit_test(told_life_runs), cmocka_unit_test(lifted),
		cmocka_unit_test(alarm),	  cmocka_unit_test(commit_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
