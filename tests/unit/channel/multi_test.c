/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which link sends: the decision with a clock of our own, and a pair with two links on real
 * sockets. */
#include "channel/multi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab.h"

static struct multi m;

static struct mono at(int64_t ms)
{
	return mono_add_ms((struct mono){ .ns = 1 }, ms);
}

/* n links, all usable since 0; the first sends. */
static void begin(size_t n, size_t preferred)
{
	m = (struct multi){ .n = n, .preferred = preferred, .active = preferred, .since = at(0) };
	for (size_t i = 0; i < n; i++)
		multi_set_usable(&m, i, true, at(0));
}

/* The one chosen, and moved to. */
static size_t choose(int64_t ms)
{
	size_t to = multi_choose(&m, at(ms));

	if (to != m.active)
		multi_switch(&m, to, at(ms));
	return to;
}

static void test_failover_and_return(void **state)
{
	(void)state;
	begin(4, 0);
	assert_int_equal(choose(10), 0);
	for (size_t i = 0; i < 3; i++) {
		multi_set_usable(&m, i, false, at(100 * (int64_t)i));
		/* at once, in the order of the file */
		assert_int_equal(choose(100 * (int64_t)i), i + 1);
	}
	multi_set_usable(&m, 3, false, at(400));
	assert_true(multi_none(&m));
	assert_int_equal(choose(400), 3); /* nowhere to go */
	multi_set_usable(&m, 2, true, at(500));
	assert_int_equal(choose(500), 2);
	multi_set_usable(&m, 1, true, at(600));
	assert_int_equal(choose(9000), 2); /* no better than what we have */
	multi_set_usable(&m, 0, true, at(10000));
	assert_int_equal(choose(10000 + MULTI_RETURN_MS - 1), 2);
	multi_set_usable(&m, 0, false, at(12000)); /* flaps */
	multi_set_usable(&m, 0, true, at(12500));
	assert_int_equal(choose(12500 + MULTI_RETURN_MS - 1), 2);
	assert_int_equal(choose(12500 + MULTI_RETURN_MS), 0);
}

static void test_default(void **state)
{
	(void)state;
	begin(3, 2);
	multi_set_usable(&m, 2, false, at(100));
	assert_int_equal(choose(100), 0);
	multi_set_usable(&m, 2, true, at(200));
	assert_int_equal(choose(200 + MULTI_RETURN_MS), 2);
}

/* Stray datagrams, a silent peer, a peer on the active link: no reason to move. A peer that is
 * heard elsewhere only: one. */
static void test_silence(void **state)
{
	(void)state;
	begin(2, 0);
	assert_int_equal(choose(60000), 0); /* nobody at all */
	multi_heard(&m, 1, at(60000));
	multi_heard(&m, 1, at(60100));
	assert_int_equal(choose(60200), 0); /* too few */
	multi_heard(&m, 0, at(61000));
	for (int64_t t = 61100; t < 61000 + MULTI_SILENT_MS; t += 100) {
		multi_heard(&m, 1, at(t));
		assert_int_equal(choose(t), 0); /* not for long enough */
	}
	multi_heard(&m, 0, at(61000 + MULTI_SILENT_MS));
	assert_int_equal(choose(61000 + MULTI_SILENT_MS), 0); /* both are heard */
	for (int64_t t = 65000; t <= 75000; t += 1000)
		multi_heard(&m, 1, at(t));
	assert_int_equal(choose(75000 + MULTI_RECENT_MS), 0); /* not any more */
	multi_heard(&m, 1, at(77000));
	assert_int_equal(choose(77000), 1);
	for (int64_t t = 78000; t <= 98000; t += 1000) { /* not back while only here */
		multi_heard(&m, 1, at(t));
		assert_int_equal(choose(t), 1);
	}
	for (int64_t t = 99000; t <= 103000; t += 1000) /* the peer has gone back */
		multi_heard(&m, 0, at(t));
	assert_int_equal(choose(103000), 0);
}

/* The peer is heard again on the preferred link that was left: back before the active one has been
 * silent for long, or the two sides would leave each other at the same moment. */
static void test_peer_returns(void **state)
{
	(void)state;
	begin(2, 0);
	for (int64_t t = 60000; t < 60000 + MULTI_HEARD * 100; t += 100)
		multi_heard(&m, 1, at(t));
	assert_int_equal(choose(60300), 1);
	multi_heard(&m, 1, at(70000));
	assert_int_equal(choose(70000), 1);
	for (int n = 1; n <= MULTI_HEARD; n++) {
		multi_heard(&m, 0, at(70000 + 100 * n));
		/* one may be a stray */
		assert_int_equal(choose(70000 + 100 * n), n < MULTI_HEARD ? 1 : 0);
	}
}

/* A link that was silent is tried again after its interface changed. */
static void test_silent_link_changes(void **state)
{
	(void)state;
	begin(2, 0);
	for (int64_t t = 5000; t <= 8000; t += 1000)
		multi_heard(&m, 1, at(t));
	assert_int_equal(choose(8000), 1);
	assert_int_equal(choose(60000), 1);
	multi_set_usable(&m, 0, false, at(60000));
	multi_set_usable(&m, 0, true, at(61000));
	assert_int_equal(choose(61000 + MULTI_RETURN_MS), 0);
}

/* ---- on real sockets: the links of a are dedi0 and other0, those of b dedi1 and other1 ---- */

static struct lab_node a, b;

static void open_two(struct lab_node *x, enum channel_type type, unsigned int end)
{
	static const char *const addr[2][2] = { { "10.9.0.1", "10.9.0.2" },
						{ "10.9.1.1", "10.9.1.2" } };
	static const char *const dev[2][2] = { { "dedi0", "dedi1" }, { "other0", "other1" } };
	struct channel_link_conf link[2];

	for (int i = 0; i < 2; i++)
		link[i] = lab_link(type, dev[i][end], addr[i][end], addr[i][!end]);
	lab_open_links(x, link, 2);
	x->numbered = true;
}

static struct channel_link_stats stats_of(const struct lab_node *x, size_t i)
{
	struct channel_link_stats s;

	channel_link_stats(x->c, i, &s);
	return s;
}

static void send_one(struct lab_node *x, uint32_t *number)
{
	lab_message(wr_take(channel_datagram(x->c), 100), 100, (*number)++);
	channel_send(x->c);
	channel_flush(x->c);
}

static void wait_active(const struct lab_node *x, size_t i)
{
	for (int turns = 0; !stats_of(x, i).active && turns < 2000; turns++)
		lab_turns(5);
	assert_true(stats_of(x, i).active);
}

/* The address goes: what is sent in the very next moment leaves through the other link. */
static void test_pair(void **state)
{
	uint32_t number = 0;

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	open_two(&a, CHANNEL_UDP, 0);
	open_two(&b, CHANNEL_UDP, 1);
	send_one(&a, &number);
	lab_wait(&b, 1);
	assert_int_equal(b.from.link, 0);
	lab_turns(200);
	assert_true(lab_sh("ip addr del 10.9.0.1/24 dev dedi0"));
	for (int i = 0; i < 3; i++)
		send_one(&a, &number);
	lab_wait(&b, 4);
	assert_int_equal(b.from.link, 1);
	assert_int_equal(stats_of(&a, 0).sent_errors, 0);
	assert_true(stats_of(&a, 1).active && !stats_of(&a, 0).active);
	assert_int_equal(lab_log_count("device `other0' becomes dedicated link"), 1);
	lab_up("dedi0");
	lab_turns(1500);
	assert_true(stats_of(&a, 1).active); /* not yet */
	wait_active(&a, 0);
	send_one(&a, &number);
	lab_wait(&b, 5);
	assert_int_equal(b.from.link, 0);
	lab_log_end();
}

/* Carrier, deletion: without anything to send. The payload follows the MTU of the link that
 * sends. */
static void test_interface(void **state)
{
	size_t cap;

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	assert_true(lab_sh("ip link set other0 mtu 1300"));
	open_two(&a, CHANNEL_UDP, 0);
	cap = channel_datagram(a.c)->cap;
	channel_send(a.c);
	assert_true(lab_sh("ip link set dedi1 down"));
	wait_active(&a, 1);
	assert_true(channel_datagram(a.c)->cap < cap && channel_datagram(a.c)->cap <= 1300 - 28);
	assert_int_equal(lab_log_count("dedi0 has no carrier"), 1);
	assert_true(lab_sh("ip link set other1 down"));
	lab_turns(300);
	assert_int_equal(lab_log_count("no dedicated links available!"), 1);
	lab_remake();
	wait_active(&a, 0);
	lab_up("other1");
	assert_true(lab_sh("ip link set other0 mtu 1500"));
	lab_log_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failover_and_return),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silent_link_changes),
		cmocka_unit_test(test_peer_returns),
		cmocka_unit_test_setup_teardown(test_pair, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_interface, lab_begin, lab_end),
	};

	lab_enter();
	return cmocka_run_group_tests_name("channel/multi", tests, NULL, NULL);
}
