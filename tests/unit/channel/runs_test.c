/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of datagrams of one length, which the kernel cuts from one piece: what is heard is what was
 * sent, and there are fewer passes through the device where it may be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel/udp_sock.h"
#include "lab.h"

#define CAP4 1468u /* of MTU 1500, IPv4 */

static struct lab_node a, b;
static uint32_t number;

static const struct kind {
	const char *name;
	enum channel_type type;
	const char *addr[2], *group;
} kinds[] = {
	{ "UDP over IPv4", CHANNEL_UDP, { "10.9.0.1", "10.9.0.2" }, NULL },
	{ "UDP over IPv6", CHANNEL_UDP, { "fd09::1", "fd09::2" }, NULL },
	{ "IPv4 multicast", CHANNEL_MCAST, { "10.9.0.1", "10.9.0.2" }, "225.0.0.50" },
	{ "IPv6 multicast", CHANNEL_MCAST, { NULL, NULL }, "ff02::50:1" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void open_pair(const struct kind *k, bool checksum)
{
	struct channel_link_conf one =
		lab_link(k->type, "dedi0", k->addr[0], k->group ? k->group : k->addr[1]);
	struct channel_link_conf two =
		lab_link(k->type, "dedi1", k->addr[1], k->group ? k->group : k->addr[0]);

	print_message("%s, checksum %s\n", k->name, checksum ? "on" : "off");
	one.checksum = two.checksum = checksum;
	lab_open(&a, &one);
	lab_open(&b, &two);
	a.numbered = b.numbered = true;
	number = 0;
}

static void put(size_t len)
{
	struct writer *w = channel_datagram(a.c);

	assert_non_null(w);
	lab_message(wr_take(w, len), len, number++);
	channel_send(a.c);
}

/* One after the other, with what comes before and after them in the way, too. */
static void put_mixed(void)
{
	static const size_t len[] = {
		100, 1000, 1000, 1000, 1000, 400,	8,	   8,	      8,  600,
		600, 700,  700,	 700,  20,   CAP4 - 20, CAP4 - 20, CAP4 - 20, 12, 12,
	};

	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++)
		put(len[i]);
	channel_flush(a.c);
}

/* Packets that left through dedi0. */
static unsigned long passes(void)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	unsigned long v = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, " dedi0:"))
			assert_int_equal(sscanf(strchr(line, ':'),
						": %*u %*u %*u %*u %*u %*u %*u %*u %*u %lu", &v),
					 1);
	}
	fclose(f);
	return v;
}

static void test_what_was_sent_is_heard(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < 2 * KINDS; i++) {
		size_t bytes = 0;

		open_pair(&kinds[i / 2], i % 2 == 0);
		put(100);
		channel_flush(a.c);
		lab_wait(&b, 1); /* the neighbour is known */
		for (int n = 0; n < 10; n++)
			put_mixed();
		lab_wait(&b, number);
		assert_int_equal(b.n, number);
		bytes = b.bytes;
		lab_turns(20);
		assert_int_equal(b.bytes, bytes);
		assert_int_equal(lab_stats(&a).sent_pkts, number);
		assert_int_equal(lab_stats(&a).sent_bytes, bytes);
		assert_int_equal(lab_stats(&a).sent_errors, 0);
		lab_close(&a);
		lab_close(&b);
	}
}

/* 60 datagrams of one length: 32 are handed over at a time. Where there is no checksum the kernel
 * does not cut. */
static void test_they_pass_as_one(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < 2 * KINDS; i++) {
		bool v4 = !strchr(kinds[i / 2].group ? kinds[i / 2].group : kinds[i / 2].addr[0],
				  ':');
		bool cut = i % 2 == 0 || !v4; /* the option means nothing in IPv6 */
		unsigned long before;

		open_pair(&kinds[i / 2], i % 2 == 0);
		assert_int_equal(channel_even(a.c), cut);
		put(100);
		channel_flush(a.c);
		lab_wait(&b, 1);
		before = passes();
		for (int n = 0; n < 60; n++)
			put(1000);
		channel_flush(a.c);
		lab_wait(&b, 61);
		if (cut)
			assert_in_range(passes() - before, 2, 12);
		else
			assert_in_range(passes() - before, 60, 70);
		lab_close(&a);
		lab_close(&b);
	}
}

/* The datagrams have the length of the link's packets now. */
static void wait_cap(size_t below)
{
	size_t cap = SIZE_MAX;

	for (int i = 0; i < 200 && cap >= below; i++) {
		cap = channel_datagram(a.c)->cap;
		channel_send(a.c); /* an empty one is none */
		lab_turns(50);
	}
	assert_true(cap < below);
}

/* The datagrams are longer than the MTU has become: the kernel refuses to cut, and sends each in
 * fragments. */
static void test_refused(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	open_pair(&kinds[0], true);
	put(100);
	channel_flush(a.c);
	lab_wait(&b, 1);
	assert_true(lab_sh("ip link set dedi0 mtu 600"));
	for (int n = 0; n < 20; n++)
		put(1400);
	channel_flush(a.c);
	lab_wait(&b, 21);
	assert_int_equal(lab_stats(&a).sent_pkts, 21);
	assert_int_equal(lab_stats(&a).sent_errors, 0);
	assert_int_equal(lab_log_count("leave one by one"), 1);
	wait_cap(600); /* it is known now, so it is tried again */
	assert_true(channel_even(a.c));
	for (int n = 0; n < 20; n++)
		put(500);
	channel_flush(a.c);
	lab_wait(&b, 41);
	assert_true(channel_even(a.c));
	assert_int_equal(lab_log_count("leave one by one"), 1);
	assert_int_equal(lab_log_count("packets of at most 600 bytes from now on"), 1);
	assert_true(lab_sh("ip link set dedi0 mtu 300"));
	wait_cap(600);
	lab_turns(100);
	assert_int_equal(lab_log_count("the MTU of dedi0, 300, is smaller than our packets, which "
				       "have up to 540 bytes"),
			 1);
	assert_true(lab_sh("ip link set dedi0 mtu 1500"));
	lab_log_end();
}

/* A minute after a refusal it is tried again, without other sockets: here the link's own state is
 * given, and its clock. */
static void test_tried_again(void **state)
{
	static uint8_t bytes[20][1400];
	struct channel_link_conf conf = lab_link(CHANNEL_UDP, "dedi0", "10.9.0.1", "10.9.0.2");
	struct link l = { .ops = &udp_ops, .loop = lab_loop, .conf = &conf, .mtu = 1500, .rx = -1 };
	struct iovec iov[20];

	(void)state;
	SKIP_WITHOUT_LAB();
	for (unsigned int i = 0; i < 20; i++)
		iov[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = sizeof(bytes[i]) };
	conf.checksum = true;
	assert_int_equal(udp_sock_open_tx(&l), 0);
	/* both ends are here */
	assert_int_equal(setsockopt(l.tx, SOL_SOCKET, SO_BINDTODEVICE, "dedi0", 6), 0);
	assert_true(l.segments);
	assert_true(lab_sh("ip link set dedi0 mtu 600"));
	assert_int_equal(udp_sock_send(&l, iov, 20), 20);
	assert_false(l.segments);
	assert_true(mono_is_set(l.refused));
	assert_true(lab_sh("ip link set dedi0 mtu 1500"));
	l.refused = mono_add_ms(evloop_now(lab_loop), -59000);
	assert_int_equal(udp_sock_send(&l, iov, 20), 20);
	assert_false(l.segments);
	l.refused = mono_add_ms(evloop_now(lab_loop), -60000);
	assert_int_equal(udp_sock_send(&l, iov, 20), 20);
	assert_true(l.segments);
	close(l.tx);
}

/* What was made for a link with a larger MTU is no reason: it is sent in fragments, and the rest is
 * cut. */
static void test_longer_than_the_link(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	lab_log_begin();
	open_pair(&kinds[0], true);
	for (int n = 0; n < 4; n++)
		put(1400);
	for (int n = 0; n < 20; n++)
		put(900);
	lab_remake();
	assert_true(lab_sh("ip link set dedi0 mtu 1000"));
	wait_cap(1000);
	channel_flush(a.c);
	assert_int_equal(lab_stats(&a).sent_pkts, 24);
	assert_int_equal(lab_stats(&a).sent_errors, 0);
	assert_true(channel_even(a.c));
	assert_int_equal(lab_log_count("leave one by one"), 0);
	lab_log_end();
	assert_true(lab_sh("ip link set dedi0 mtu 1500"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_was_sent_is_heard, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_they_pass_as_one, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_refused, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_tried_again, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(test_longer_than_the_link, lab_begin, lab_end),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
