/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said about a flow that the kernel has not taken. log_warnx() is wrapped. */
#include "follow/refused.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static char said[8192];
static unsigned int lines;

void __wrap_log_warnx(const char *fmt, ...);
void __wrap_log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	lines++;
}

static struct ct_flow flow(uint16_t sport)
{
	struct ct_flow f = {
		.l3 = AF_INET,
		.l4 = IPPROTO_TCP,
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE,
		.status = IPS_SEEN_REPLY | IPS_ASSURED,
		.proto_state = TCP_CONNTRACK_ESTABLISHED,
		.orig = { .sport = htons(sport), .dport = htons(80) },
	};

	f.addr.v4.src = htonl(0x0a000001);
	f.addr.v4.dst = htonl(0x0a000002);
	return f;
}

static void says(const char *what)
{
	if (!strstr(said, what))
		fail_msg("\"%s\" is not in \"%s\"", what, said);
}

static void names_both(void **state)
{
	struct ct_flow peers = flow(1001), ours = flow(1002);
	struct ct_result r = {
		.outcome = CT_REFUSED, .err = -EEXIST, .f = &peers, .in_the_way = &ours
	};
	struct mono now = mono_add_ms((struct mono){ 0 }, 1000000);
	struct log_limit limit = { 0 };

	(void)state;
	/* A translation that the peer told shows in the reply tuple. */
	peers.has |= FLOW_HAS_SNAT | FLOW_HAS_SPAT;
	peers.addr.v4.reply_dst = htonl(0xc6336401);
	peers.reply.dport = htons(4000);
	refused_log(&limit, &r, false, now);
	says("cannot be put into the kernel: a newer connection of this node has its addresses and "
	     "ports: ");
	says("ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1001 dport=80 src=10.0.0.2 "
	     "dst=198.51.100.1 sport=80 dport=4000");
	says("; in the way: tcp");
	says("sport=1002 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1002");
	says("(0 more since the last such line)");

	/* Not more than one line in ten seconds. */
	r.outcome = CT_FAILED;
	for (int i = 1; i < 10; i++)
		refused_log(&limit, &r, false, mono_add_ms(now, i * 1000));
	assert_int_equal(lines, 1);
	refused_log(&limit, &r, false, mono_add_ms(now, 11000));
	assert_int_equal(lines, 2);
	says("another flow of this node has its addresses and ports: ");
	says("(9 more since the last such line)");

	/* Nothing in the way. */
	r.in_the_way = NULL;
	r.err = -ENOMEM;
	refused_log(&limit, &r, false, mono_add_ms(now, 30000));
	says("nf_conntrack_max");
	assert_null(strstr(said, "in the way"));
	refused_log(&limit, &r, true, mono_add_ms(now, 50000));
	says("cannot be removed from the kernel");
	assert_int_equal(lines, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names_both) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
