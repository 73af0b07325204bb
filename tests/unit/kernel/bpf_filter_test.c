/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket filter, run by the kernel on a pair of datagram sockets: there the filter sees what netlink would show it. */
#include "kernel/bpf_filter.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/kernel/support.h"

/* Does a message caused by this port id come through? */
static bool passes(const int *pair, uint32_t pid, size_t len)
{
	struct {
		struct nlmsghdr h;
		uint8_t rest[40];
	} msg = { .h = { .nlmsg_len = sizeof(msg), .nlmsg_pid = pid, .nlmsg_seq = 0x11223344 } };
	char buf[128];
	ssize_t n;

	assert_int_equal(send(pair[0], &msg, len, 0), len);
	n = recv(pair[1], buf, sizeof(buf), MSG_DONTWAIT);
	if (n == -1)
		assert_int_equal(errno, EAGAIN);
	else
		assert_int_equal(n, len);
	return n != -1;
}

static void attach(int *pair, const uint32_t *own, size_t n)
{
	struct bpf_filter *b = malloc(sizeof(*b));

	assert_non_null(b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	bpf_filter_init(b);
	bpf_filter_own(b, own, n);
	bpf_filter_pass(b);
	assert_int_equal(bpf_filter_attach(b, pair[1]), 0);
	free(b);
}

static void own_ports_are_dropped(void **state)
{
	static const uint32_t own[] = { 0x12345678, 0, 4711, 0xfffffff0, 1 };
	static const struct {
		uint32_t pid;
		bool pass;
	} cases[] = {
		{ 0, true },		/* the kernel, although a 0 is in the list */
		{ 0x12345678, false },
		{ 0x78563412, true },	/* byte order */
		{ 4711, false },
		{ 4712, true },
		{ 0xfffffff0, false },
		{ 1, false },
		{ 2, true },
		{ 0x11223344, true },	/* the value of the field before */
	};
	int pair[2];

	(void)state;
	attach(pair, own, sizeof(own) / sizeof(own[0]));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (passes(pair, cases[i].pid, 56) != cases[i].pass)
			fail_msg("port id %u", cases[i].pid);
	}
	close(pair[0]);
	close(pair[1]);
}

static void without_own_everything_passes(void **state)
{
	int pair[2];

	(void)state;
	attach(pair, NULL, 0);
	assert_true(passes(pair, 0, 56));
	assert_true(passes(pair, 77, 16));
	close(pair[0]);
	close(pair[1]);
}

/* A program that does not fit is not attached in part. */
static void too_long(void **state)
{
	struct bpf_filter *b = malloc(sizeof(*b));
	uint32_t *own = malloc(BPF_FILTER_MAX * sizeof(*own));

	(void)state;
	assert_non_null(b);
	assert_non_null(own);
	for (uint32_t i = 0; i < BPF_FILTER_MAX; i++)
		own[i] = i + 1;
	bpf_filter_init(b);
	bpf_filter_own(b, own, BPF_FILTER_MAX / 2 - 1);
	bpf_filter_pass(b);
	assert_false(b->full);
	assert_int_equal(b->len, BPF_FILTER_MAX);
	bpf_filter_init(b);
	bpf_filter_own(b, own, BPF_FILTER_MAX / 2);
	bpf_filter_pass(b);
	assert_true(b->full);
	assert_int_equal(bpf_filter_attach(b, -1), -E2BIG);
	free(own);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_ports_are_dropped),
		cmocka_unit_test(without_own_everything_passes),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
