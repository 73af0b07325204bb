/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which way the kernel's routes lead (route.c), and what that makes of the state of a link
 * (link_state.c), by routes of the laboratory. */
#include "channel/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "channel/ifwatch.h"
#include "lab.h"

static int find(const char *from, const char *to, unsigned int within, struct route_way *way)
{
	union channel_addr a = { .v6 = IN6ADDR_ANY_INIT }, b = { .v6 = IN6ADDR_ANY_INIT };
	int family = strchr(to, ':') ? AF_INET6 : AF_INET;

	if (from)
		assert_int_equal(inet_pton(family, from, &a), 1);
	assert_int_equal(inet_pton(family, to, &b), 1);
	memset(way, 0xff, sizeof(*way));
	return route_find(family, &a, &b, within, way);
}

static void check(const char *from, const char *to, const char *dev, bool local, bool by_default,
		  unsigned int mtu)
{
	struct route_way way;

	print_message("%s\n", to);
	assert_int_equal(find(from, to, 0, &way), 0);
	assert_int_equal(way.ifindex, if_nametoindex(dev));
	assert_int_equal(way.local, local);
	assert_int_equal(way.by_default, by_default);
	assert_int_equal(way.mtu, mtu);
}

static void test_ways(void **state)
{
	struct route_way way;

	(void)state;
	SKIP_WITHOUT_LAB();
	check("10.9.0.1", "10.9.0.2", "dedi0", false, false, 0);
	check("10.9.1.2", "10.9.1.1", "other1", false, false, 0);
	check(NULL, "fd09::2", "dedi0", false, false, 0);
	check(NULL, "127.0.0.1", "lo", true, false, 0);
	check(NULL, "::1", "lo", true, false, 0);
	assert_int_equal(find(NULL, "203.0.113.1", 0, &way), -ENETUNREACH);
	assert_true(way.ifindex == 0 && !way.local && !way.by_default && way.mtu == 0);
	assert_int_equal(find(NULL, "2001:db8::1", 0, &way), -ENETUNREACH);
	assert_true(
		lab_sh("ip route add default dev other0 && ip -6 route add default dev other0"));
	check(NULL, "203.0.113.1", "other0", false, true, 0);
	check("10.9.0.1", "203.0.113.1", "other0", false, true, 0);
	check("fd09::1", "2001:db8::1", "other0", false, true, 0);
	assert_true(lab_sh("ip route add 203.0.113.0/24 dev dedi0 mtu 1300 && ip -6 route add "
			   "2001:db8::/32 dev dedi0 mtu 1290"));
	check(NULL, "203.0.113.1", "dedi0", false, false, 1300);
	check(NULL, "2001:db8::1", "dedi0", false, false, 1290);
	assert_true(lab_sh(
		"ip route add unreachable 203.0.113.1 && ip -6 route add unreachable 2001:db8::1"));
	assert_true(find(NULL, "203.0.113.1", 0, &way) < 0);
	assert_true(find(NULL, "2001:db8::1", 0, &way) < 0);
	assert_true(lab_sh(
		"ip route flush table main 203.0.113.0/24; ip route del unreachable 203.0.113.1; "
		"ip -6 route del unreachable 2001:db8::1; ip -6 route del 2001:db8::/32; ip route "
		"del default; ip -6 route del default"));
}

/* A socket that was bound to a device goes by the routes of that. */
static void test_within(void **state)
{
	struct route_way way;

	(void)state;
	SKIP_WITHOUT_LAB();
	assert_int_equal(find("10.9.0.1", "10.9.0.2", if_nametoindex("dedi0"), &way), 0);
	assert_int_equal(way.ifindex, if_nametoindex("dedi0"));
	assert_int_equal(find("10.9.0.1", "10.9.0.2", if_nametoindex("other1"), &way), 0);
	/* without a route the peer is taken for a neighbour there */
	assert_int_equal(way.ifindex, if_nametoindex("other1"));
}

/* ---- the state of a link ---- */

static void look(struct link *l, int state)
{
	struct ifwatch none = { .table = NULL };
	static int64_t ms = 1000;

	link_look(l, &none, mono_add_ms((struct mono){ .ns = 1 }, ms += 1000));
	assert_int_equal(l->state, state);
}

static void test_states(void **state)
{
	struct channel_link_conf conf = lab_link(CHANNEL_UDP, "dedi0", "10.9.0.1", "10.9.0.2");
	struct link l = { .ops = &udp_ops, .conf = &conf, .tx = -1, .rx = -1 };
	struct text err = { 0 };

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	assert_int_equal(udp_ops.open(&l, &err), 0);
	look(&l, LINK_STATE_UP);
	assert_int_equal(l.mtu, 1500);
	assert_true(lab_sh("ip link set dedi1 down"));
	lab_carrier("dedi0", false);
	look(&l, LINK_STATE_NO_CARRIER);
	assert_true(lab_sh("ip route add 10.9.0.2 dev other0 table 1000"));
	look(&l, LINK_STATE_UP); /* the routes lead elsewhere now */
	assert_int_equal(lab_log_count("UDP link: other0 is up"), 1);
	assert_true(lab_sh("ip route del 10.9.0.2 dev other0 table 1000"));
	look(&l, LINK_STATE_NO_CARRIER);
	assert_true(lab_sh("ip link set dedi0 down"));
	look(&l, LINK_STATE_DOWN);
	assert_false(l.default_route_only);
	assert_true(lab_sh("ip route replace default dev other0 table 1000"));
	look(&l, LINK_STATE_DOWN); /* a default route is no way to a neighbour */
	assert_true(l.default_route_only);
	assert_true(lab_sh("ip route del default dev other0 table 1000"));
	assert_true(lab_sh("ip link set dedi1 up"));
	lab_up("dedi0");
	lab_carrier("dedi0", true);
	look(&l, LINK_STATE_UP);
	assert_false(l.default_route_only);
	assert_true(lab_sh("ip addr del 10.9.0.1/24 dev dedi0"));
	look(&l, LINK_STATE_NO_ADDRESS);
	lab_up("dedi0");
	assert_true(lab_sh("ip route replace 10.9.0.2 dev dedi0 table 1000 mtu 1400"));
	look(&l, LINK_STATE_UP);
	assert_int_equal(l.mtu, 1400);
	assert_int_equal(lab_log_count("packets of at most 1400 bytes from now on"), 1);
	assert_true(lab_sh("ip route del 10.9.0.2 dev dedi0 table 1000"));
	assert_true(lab_sh("ip route del 10.9.0.0/16 dev dedi0 table 1000"));
	look(&l, LINK_STATE_NO_ROUTE);
	lab_up("dedi0");
	look(&l, LINK_STATE_UP);
	assert_int_equal(setsockopt(l.rx, SOL_SOCKET, SO_BINDTODEVICE, "other1", 6), 0);
	look(&l, LINK_STATE_UP); /* as a program that was started in a VRF */
	assert_int_equal(l.way.ifindex, if_nametoindex("other1"));
	link_close(&l);
	lab_log_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ways, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_within, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_states, lab_begin, lab_end),
	};

	lab_enter();
	return cmocka_run_group_tests_name("channel/route", tests, NULL, NULL);
}
