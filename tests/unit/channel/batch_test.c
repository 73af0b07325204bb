/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending over a socket that takes what it likes: order is kept, nothing is dropped, and the owner
 * is woken up. The transport is replaced: this file defines mcast_ops itself. */
#include "channel/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel/batch.h"
#include "channel/channel_conf.h"
#include "channel/link.h"

#define MSG_LEN 8 /* bytes in each datagram here: its number */

/* The socket. `verdict` > 0: takes that many, 0: all, < 0: -errno. */
static struct fake {
	int verdict;
	int verdicts_left; /* how often; then it takes all */
	uint32_t next;	   /* number expected next */
	uint32_t given_up;
	unsigned int calls;
	int peer; /* other end of tx */
	bool is_random;
	uint64_t rng;
} fake;

static struct {
	struct evloop *loop;
	struct channel *c;
	uint32_t next;	   /* number of the next datagram to make */
	unsigned int told; /* writable() calls */
	uint32_t refill;   /* make datagrams up to this number when told */
} node;

static uint32_t rnd(uint32_t n)
{
	fake.rng ^= fake.rng << 13;
	fake.rng ^= fake.rng >> 7;
	fake.rng ^= fake.rng << 17;
	return (uint32_t)(fake.rng >> 11) % n;
}

static int fake_open(struct link *l, struct text *err)
{
	int fd[2];

	(void)err;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	l->tx = fd[0];
	fake.peer = fd[1];
	l->rx = socket(AF_UNIX, SOCK_DGRAM, 0);
	l->ifindex = 1;
	return l->rx == -1 ? -errno : 0;
}

static int fake_send(struct link *l, const struct iovec *iov, unsigned int n)
{
	static const int errors[] = { -EAGAIN, -ENOBUFS, -EINTR };
	int take = 0;

	(void)l;
	fake.calls++;
	assert_true(n > 0);
	if (fake.is_random)
		take = rnd(3) == 0 ? errors[rnd(3)] : (int)(1 + rnd(n));
	else if (fake.verdicts_left > 0 && fake.verdicts_left-- > 0)
		take = fake.verdict;
	if (take == 0 || take > (int)n)
		take = (int)n;
	if (take < 0 && take != -EAGAIN && take != -ENOBUFS && take != -EINTR) {
		fake.given_up++;
		fake.next++;
	}
	for (int i = 0; i < take; i++) {
		uint32_t number;

		assert_int_equal(iov[i].iov_len, MSG_LEN);
		memcpy(&number, iov[i].iov_base, sizeof(number));
		assert_int_equal(number, fake.next);
		fake.next++;
	}
	return take;
}

static unsigned int fake_recv(struct link *l, struct link_rx *rx, struct mono now)
{
	(void)l, (void)now;
	rx->n = 0;
	return 0;
}

const struct link_ops mcast_ops = {
	.kind = "multicast",
	.overhead_v4 = 28,
	.overhead_v6 = 48,
	.open = fake_open,
	.send = fake_send,
	.recv = fake_recv,
};

/* One datagram with the next number; false when there is no room. */
static bool make_datagram(void)
{
	struct writer *w = channel_datagram(node.c);

	if (!w)
		return false;
	assert_int_equal(w->len, 0);
	wr_bytes(w, &node.next, sizeof(node.next));
	wr_be32(w, 0);
	assert_ptr_equal(channel_datagram(node.c), w); /* the same one until it is sent */
	channel_send(node.c);
	node.next++;
	return true;
}

static void on_datagram(void *ctx, const struct peer_addr *from, const uint8_t *bytes, size_t n,
			struct mono now)
{
	(void)ctx, (void)from, (void)bytes, (void)n, (void)now;
}

static void on_writable(void *ctx, struct mono now)
{
	(void)ctx, (void)now;
	node.told++;
	while (node.next < node.refill && make_datagram())
		;
	channel_flush(node.c);
}

static const struct channel_conf test_conf = {
	.n_links = 1,
	.link[0] = { .type = CHANNEL_MCAST, .family = AF_INET, .ifname = "lo" },
};

static int setup(void **state)
{
	struct channel_cb cb = { .datagram = on_datagram, .writable = on_writable };
	struct text err = { 0 };

	(void)state;
	fake = (struct fake){ .rng = 1 };
	node.next = node.told = node.refill = 0;
	node.loop = evloop_new();
	assert_int_equal(channel_open(&test_conf, node.loop, &cb, &node.c, &err), 0);
	text_free(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	channel_close(node.c);
	evloop_free(node.loop);
	close(fake.peer);
	return 0;
}

static struct channel_link_stats stats(void)
{
	struct channel_link_stats s;

	channel_link_stats(node.c, 0, &s);
	return s;
}

static void make_n(unsigned int n)
{
	while (n-- > 0)
		assert_true(make_datagram());
}

static void test_one_call(void **state)
{
	(void)state;
	make_n(20);
	assert_int_equal(fake.calls, 0); /* collected ... */
	channel_flush(node.c);
	assert_int_equal(fake.calls, 1); /* ... and sent together */
	assert_int_equal(fake.next, 20);
	assert_int_equal(stats().sent_pkts, 20);
	assert_int_equal(stats().sent_bytes, 20 * MSG_LEN);
	channel_flush(node.c);
	assert_int_equal(fake.calls, 1);
	(void)channel_datagram(node.c); /* an empty one never leaves */
	channel_send(node.c);
	channel_flush(node.c);
	assert_int_equal(fake.calls, 1);
}

static void test_full_batch_leaves(void **state)
{
	(void)state;
	make_n(BATCH_SLOTS);
	assert_int_equal(fake.next, BATCH_SLOTS);
}

/* The socket takes nothing: everything stays, there is no new datagram, and once it takes again the
 * owner is told, once. */
static void back_pressure(int verdict, bool timer)
{
	fake.verdict = verdict;
	fake.verdicts_left = 1000;
	make_n(BATCH_SLOTS);
	assert_null(channel_datagram(node.c));
	channel_flush(node.c);
	assert_int_equal(fake.next, 0);
	assert_int_equal(stats().sent_errors, 0);
	assert_int_equal(node.told, 0);
	fake.verdicts_left = 0;
	evloop_turn(node.loop, NULL, timer ? 100 : 0);
	assert_int_equal(fake.next, BATCH_SLOTS);
	assert_int_equal(node.told, 1);
	evloop_turn(node.loop, NULL, 10);
	assert_int_equal(node.told, 1);
	make_n(1);
	channel_flush(node.c);
	assert_int_equal(fake.next, BATCH_SLOTS + 1);
}

static void test_socket_full(void **state)
{
	(void)state;
	back_pressure(-EAGAIN, false);
}

static void test_interrupted(void **state)
{
	(void)state;
	back_pressure(-EINTR, false);
}

/* The queue of the device is full: the socket counts as writable all the time, so a timer tries
 * again. */
static void test_device_full(void **state)
{
	(void)state;
	back_pressure(-ENOBUFS, true);
}

static void test_device_full_is_no_busy_loop(void **state)
{
	struct mono start = clock_now();

	(void)state;
	fake.verdict = -ENOBUFS;
	fake.verdicts_left = 100000;
	make_n(1);
	channel_flush(node.c);
	assert_int_equal(fake.calls, 1);
	for (int i = 0; i < 1000; i++)
		evloop_turn(node.loop, NULL, 0);
	assert_true(fake.calls <= 2 + mono_diff_ms(clock_now(), start));
}

/* Waiting for the socket costs nothing once all has left. */
static void test_no_wake_ups_when_idle(void **state)
{
	struct mono start;

	(void)state;
	fake.verdict = -EAGAIN;
	fake.verdicts_left = 1;
	make_n(3);
	channel_flush(node.c);
	evloop_turn(node.loop, NULL, 100);
	assert_int_equal(fake.next, 3);
	assert_int_equal(node.told, 0); /* it was never refused anything */
	start = clock_now();
	evloop_turn(node.loop, NULL, 20);
	assert_true(mono_diff_ms(clock_now(), start) >= 15);
}

/* The owner itself flushes after it was refused, and the socket takes all: it still has to be
 * told. */
static void test_told_after_own_flush(void **state)
{
	static const int verdicts[] = { -EAGAIN, -ENOBUFS };

	(void)state;
	for (int i = 0; i < 2; i++) {
		fake.verdict = verdicts[i];
		fake.verdicts_left = 1;
		make_n(BATCH_SLOTS);
		assert_null(channel_datagram(node.c));
		channel_flush(node.c);
		assert_int_equal(fake.next, node.next);
		evloop_turn(node.loop, NULL, 100);
		assert_int_equal(node.told, i + 1);
		evloop_turn(node.loop, NULL, 10);
		assert_int_equal(node.told, i + 1);
	}
}

static void test_partly_taken(void **state)
{
	(void)state;
	fake.verdict = 7;
	fake.verdicts_left = 2;
	make_n(30);
	channel_flush(node.c);
	assert_int_equal(fake.next, 30);
	assert_int_equal(fake.calls, 3);
}

/* A datagram that cannot leave (no route) must not hold up those behind it. */
static void test_errors(void **state)
{
	static const int errors[] = { -ENETUNREACH, -ENETDOWN, -EPERM, -EMSGSIZE };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake.verdict = errors[i];
		fake.verdicts_left = 2;
		make_n(5);
		channel_flush(node.c);
	}
	assert_int_equal(fake.given_up, 8);
	assert_int_equal(stats().sent_errors, 8);
	assert_int_equal(stats().sent_pkts, 12);
	assert_int_equal(fake.next, 20);
}

/* A socket of moods against an owner that sends whenever it may: every datagram, in order. */
static void test_random(void **state)
{
	const char *env = getenv("SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;

	(void)state;
	print_message("SEED=%llu\n", (unsigned long long)seed);
	fake.is_random = true;
	fake.rng = seed;
	node.refill = 5000;
	for (int turns = 0; fake.next < node.refill; turns++) {
		if (turns > 100000)
			fail_msg("stuck at %u of %u", fake.next, node.next);
		if (turns % 7 == 0)
			for (uint32_t n = rnd(100);
			     n > 0 && node.next < node.refill && make_datagram(); n--)
				;
		if (rnd(2))
			channel_flush(node.c);
		evloop_turn(node.loop, NULL, node.next == node.refill ? 5 : 0);
	}
	assert_int_equal(node.next, node.refill);
	assert_int_equal(stats().sent_pkts, node.refill);
}

/* From the loop alone: once refused, the owner does nothing but wait to be told. */
static void test_random_told_only(void **state)
{
	uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 1;

	(void)state;
	print_message("rng %llu\n", (unsigned long long)seed);
	fake.is_random = true;
	fake.rng = seed;
	node.refill = 5000;
	on_writable(NULL, evloop_now(node.loop));
	for (int turns = 0; fake.next < node.refill; turns++) {
		if (turns > 100000)
			fail_msg("stuck at %u of %u", fake.next, node.next);
		evloop_turn(node.loop, NULL, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_call, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_batch_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_full_is_no_busy_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_wake_ups_when_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told_after_own_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partly_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_told_only, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
