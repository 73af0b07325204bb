/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user-space filter: each set alone and all together, the traps of addresses and states, and
 * long lists of networks against a plain search.
 */
#include "flow/filter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/filter_conf.h"
#include "flow_random.h"

#define PROTO_BIT(conf, n) ((conf).proto[(n) / 32] |= 1u << (n) % 32)

static struct filter_net net_of(const char *addr, uint8_t prefix)
{
	struct filter_net net = { .prefix = prefix,
				  .family = strchr(addr, ':') ? AF_INET6 : AF_INET };

	assert_int_equal(inet_pton(net.family, addr, &net.addr), 1);
	return net;
}

/* src and reply source; the rest does not matter to a filter. */
static struct ct_flow flow_of(uint8_t l4, const char *src, const char *reply_src)
{
	struct ct_flow f = { .has = FLOW_HAS_REPLY,
			     .l4 = l4,
			     .l3 = strchr(src, ':') ? AF_INET6 : AF_INET };

	if (f.l3 == AF_INET) {
		f.addr.v4.src = inet_addr(src);
		f.addr.v4.dst = inet_addr("203.0.113.1");
		f.addr.v4.reply_src = inet_addr(reply_src);
		f.addr.v4.reply_dst = inet_addr("203.0.113.2");
		return f;
	}
	assert_int_equal(inet_pton(AF_INET6, src, f.addr.v6.src), 1);
	assert_int_equal(inet_pton(AF_INET6, reply_src, f.addr.v6.reply_src), 1);
	return f;
}

static bool passes(const struct filter_conf *conf, const struct ct_flow *f)
{
	struct flow_filter *filter = flow_filter_new(conf);
	bool pass;

	assert_non_null(filter);
	pass = flow_filter_pass(filter, f);
	flow_filter_free(filter);
	return pass;
}

static void no_filter_passes_everything(void **state)
{
	struct ct_flow f = flow_of(IPPROTO_TCP, "10.0.0.1", "10.0.0.2");
	struct filter_conf conf = { 0 };

	(void)state;
	assert_true(flow_filter_pass(NULL, &f));
	assert_true(passes(&conf, &f));
	flow_filter_free(NULL);
}

static void protocols(void **state)
{
	static const uint8_t listed[] = { 6, 17, 132, 255 }, others[] = { 0, 1, 47, 38, 254 };
	struct filter_conf accept = { .proto_policy = FILTER_ACCEPT },
			   ignore = { .proto_policy = FILTER_IGNORE };

	(void)state;
	for (size_t i = 0; i < sizeof(listed); i++) {
		PROTO_BIT(accept, listed[i]);
		PROTO_BIT(ignore, listed[i]);
	}
	for (size_t i = 0; i < sizeof(listed); i++) {
		struct ct_flow f = flow_of(listed[i], "10.0.0.1", "10.0.0.2");

		assert_true(passes(&accept, &f));
		assert_false(passes(&ignore, &f));
	}
	for (size_t i = 0; i < sizeof(others); i++) {
		struct ct_flow f = flow_of(others[i], "10.0.0.1", "10.0.0.2");

		assert_false(passes(&accept, &f));
		assert_true(passes(&ignore, &f));
	}
}

static void addresses(void **state)
{
	static const struct {
		const char *net;
		uint8_t prefix;
		const char *src, *reply_src;
		bool listed;
	} rows[] = {
		{ "10.1.0.0", 16, "10.1.255.255", "192.0.2.1", true },
		{ "10.1.0.0", 16, "10.2.0.0", "192.0.2.1", false },
		{ "10.1.0.0", 16, "10.0.255.255", "192.0.2.1", false },
		/* the real server behind a translation */
		{ "10.1.0.0", 16, "192.0.2.1", "10.1.0.0", true },
		/* the address before it does not count */
		{ "203.0.113.1", 32, "192.0.2.1", "10.1.0.1", false },
		/* nor that of a source translation */
		{ "203.0.113.2", 32, "192.0.2.1", "10.1.0.1", false },
		{ "127.0.0.1", 32, "127.0.0.1", "192.0.2.1", true },
		{ "127.0.0.1", 32, "127.0.0.2", "192.0.2.1", false },
		{ "0.0.0.0", 0, "1.2.3.4", "5.6.7.8", true },
		{ "0.0.0.0", 0, "fd00::1", "fd00::2", false }, /* the other family is not listed */
		{ "::", 0, "10.0.0.1", "10.0.0.2", false },
		{ "::", 0, "fd00::1", "fd00::2", true },
		{ "fd00::", 64, "fd00::ffff:ffff:ffff:ffff", "2001:db8::1", true },
		{ "fd00::", 64, "fd00:0:0:1::", "2001:db8::1", false },
		{ "fd00::", 64, "2001:db8::1", "fd00::7", true },
		/* host bits on both sides of the middle */
		{ "fd00:0:0:2::", 63, "fd00:0:0:3:ffff::", "2001:db8::1", true },
		{ "fd00:0:0:2::", 63, "fd00:0:0:4::", "2001:db8::1", false },
		{ "fd00:0:0:2::", 63, "fd00:0:0:1:ffff:ffff:ffff:ffff", "2001:db8::1", false },
		{ "fd00:0:0:2:8000::", 65, "fd00:0:0:2:ffff:ffff:ffff:ffff", "2001:db8::1", true },
		{ "fd00:0:0:2:8000::", 65, "fd00:0:0:2:7fff::", "2001:db8::1", false },
		{ "fd00:0:0:2:8000::", 65, "fd00:0:0:3:8000::", "2001:db8::1", false },
		{ "fd00::1", 128, "fd00::1", "2001:db8::1", true },
		{ "fd00::1", 128, "fd00::2", "2001:db8::1", false },
		{ "fe80::", 10, "febf::1", "2001:db8::1", true },
		{ "fe80::", 10, "fec0::1", "2001:db8::1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter_net net = net_of(rows[i].net, rows[i].prefix);
		struct filter_conf conf = { .addr_policy = FILTER_ACCEPT,
					    .nets = &net,
					    .n_nets = 1 };
		struct ct_flow f = flow_of(IPPROTO_UDP, rows[i].src, rows[i].reply_src);

		if (passes(&conf, &f) != rows[i].listed)
			fail_msg("%s/%u accept %s", rows[i].net, rows[i].prefix, rows[i].src);
		conf.addr_policy = FILTER_IGNORE;
		if (passes(&conf, &f) == rows[i].listed)
			fail_msg("%s/%u ignore %s", rows[i].net, rows[i].prefix, rows[i].src);
	}
}

/* An unknown reply tuple is not looked at. */
static void a_reply_that_is_not_known_does_not_count(void **state)
{
	struct filter_net net = net_of("10.1.0.0", 16);
	struct filter_conf conf = { .addr_policy = FILTER_ACCEPT, .nets = &net, .n_nets = 1 };
	struct ct_flow f = flow_of(IPPROTO_UDP, "192.0.2.1", "10.1.0.1");

	(void)state;
	assert_true(passes(&conf, &f));
	f.has &= ~FLOW_HAS_REPLY;
	assert_false(passes(&conf, &f));
}

static void states_of_tcp(void **state)
{
	struct filter_conf accept = { .state_policy = FILTER_ACCEPT,
				      .tcp_states = 1u << 3 | 1u << 8 };
	struct filter_conf ignore = { .state_policy = FILTER_IGNORE,
				      .tcp_states = 1u << 3 | 1u << 8 };

	(void)state;
	for (unsigned int s = 0; s < 256; s++) {
		struct ct_flow f = flow_of(IPPROTO_TCP, "10.0.0.1", "10.0.0.2");

		f.proto_state = (uint8_t)s;
		assert_true(passes(&accept, &f)); /* no state known: passes */
		f.has |= FLOW_HAS_PROTO_STATE;
		assert_int_equal(passes(&accept, &f), s == 3 || s == 8);
		assert_int_equal(passes(&ignore, &f), !(s == 3 || s == 8));
		f.l4 = IPPROTO_SCTP;
		assert_true(passes(&accept, &f));
		assert_true(passes(&ignore, &f));
	}
}

static void a_flow_has_to_pass_all_sets(void **state)
{
	struct filter_net net = net_of("127.0.0.1", 32);
	struct filter_conf conf = { .proto_policy = FILTER_ACCEPT,
				    .addr_policy = FILTER_IGNORE,
				    .nets = &net,
				    .n_nets = 1,
				    .state_policy = FILTER_ACCEPT,
				    .tcp_states = 1u << 3 };
	struct ct_flow f = flow_of(IPPROTO_TCP, "10.0.0.1", "10.0.0.2");

	(void)state;
	PROTO_BIT(conf, IPPROTO_TCP);
	f.has |= FLOW_HAS_PROTO_STATE;
	f.proto_state = 3;
	assert_true(passes(&conf, &f));
	f.proto_state = 1;
	assert_false(passes(&conf, &f));
	f.proto_state = 3;
	f.addr.v4.src = inet_addr("127.0.0.1");
	assert_false(passes(&conf, &f));
	f.addr.v4.src = inet_addr("10.0.0.1");
	f.l4 = IPPROTO_UDP;
	assert_false(passes(&conf, &f));
}

static bool in_net(const struct filter_net *net, uint8_t family, const void *addr)
{
	const uint8_t *a = addr, *b = (const uint8_t *)&net->addr;

	if (net->family != family)
		return false;
	for (unsigned int i = 0; i < net->prefix; i++) {
		if ((a[i / 8] ^ b[i / 8]) & 0x80 >> i % 8)
			return false;
	}
	return true;
}

static struct filter_net random_net(struct rng *r)
{
	struct filter_net net = { .family = rng_one_in(r, 2) ? AF_INET : AF_INET6 };
	uint8_t *a = (uint8_t *)&net.addr;
	unsigned int bits = net.family == AF_INET ? 32 : 128;

	/* Long ones, and of IPv6 those around the middle. */
	net.prefix = (uint8_t)(rng_one_in(r, 50)	       ? 0 :
			       bits == 128 && rng_one_in(r, 2) ? 70 - rng_below(r, 12) :
								 bits - rng_below(r, 12));
	for (unsigned int i = 0; i < bits / 8; i++) /* few addresses, so that networks meet */
		a[i] = i == bits / 8 - 2 || i == 7 || i == 8 ? (uint8_t)rng_below(r, 8) :
		       i == bits / 8 - 1		     ? (uint8_t)rng_u32(r) :
							       10;
	for (unsigned int i = net.prefix; i < bits; i++)
		a[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return net;
}

static void long_lists_give_what_a_plain_search_gives(void **state)
{
	struct rng r = rng_from_env("long lists");
	size_t n_listed = 0, n = 0;

	(void)state;
	for (int round = 0; round < 100; round++) {
		struct filter_net nets[60];
		struct filter_conf conf = { .addr_policy = FILTER_ACCEPT,
					    .nets = nets,
					    .n_nets = 1 + rng_below(&r, 60) };
		struct flow_filter *filter;

		for (size_t i = 0; i < conf.n_nets; i++)
			nets[i] = random_net(&r);
		filter = flow_filter_new(&conf);
		assert_non_null(filter);
		for (int k = 0; k < 200; k++, n++) {
			struct filter_net probe = random_net(&r);
			struct ct_flow f = { .l3 = probe.family, .l4 = IPPROTO_UDP };
			bool listed = false;

			memcpy(&f.addr, &probe.addr, probe.family == AF_INET ? 4 : 16);
			for (size_t i = 0; i < conf.n_nets; i++)
				listed |= in_net(&nets[i], f.l3, &f.addr);
			assert_int_equal(flow_filter_pass(filter, &f), listed);
			n_listed += listed;
		}
		flow_filter_free(filter);
	}
	assert_true(n_listed > n / 10 && n_listed < n - n / 10); /* the test sees both */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_filter_passes_everything),
		cmocka_unit_test(protocols),
		cmocka_unit_test(addresses),
		cmocka_unit_test(a_reply_that_is_not_known_does_not_count),
		cmocka_unit_test(states_of_tcp),
		cmocka_unit_test(a_flow_has_to_pass_all_sets),
		cmocka_unit_test(long_lists_give_what_a_plain_search_gives),
	};

	return cmocka_run_group_tests_name("flow filter", tests, NULL, NULL);
}
