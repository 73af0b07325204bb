/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket filter, run by the kernel on a pair of datagram sockets: there the filter sees what
 * netlink would show it. */
#include "kernel/bpf_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/filter.h"
#include "flow/filter_conf.h"
#include "kernel/ct.h"
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
		{ 0, true }, /* the kernel, although a 0 is in the list */
		{ 0x12345678, false }, { 0x78563412, true }, /* byte order */
		{ 4711, false },       { 4712, true },	     { 0xfffffff0, false }, { 1, false },
		{ 2, true },	       { 0x11223344, true }, /* the value of the field before */
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

/* ---- the Filter block ---- */

#define ROUNDS 150 /* filters */
#define FLOWS  60  /* messages for each */
#define NETS   12

static enum filter_policy random_policy(uint64_t *s)
{
	return (enum filter_policy)rnd(s, 3);
}

/* A network around one of the flow's addresses, so that some match; rarely the destination's, which
 * must not count. */
static void random_net(uint64_t *s, struct filter_net *net, const struct ct_flow *f)
{
	size_t len = f->l3 == AF_INET ? 4 : 16;
	const uint8_t *addr = (const uint8_t *)&f->addr + len * rnd(s, 4);
	uint8_t *to = (uint8_t *)&net->addr;

	memset(net, 0, sizeof(*net));
	net->family = f->l3;
	net->prefix = (uint8_t)rnd(s, 8 * (uint32_t)len + 1);
	if (rnd(s, 3) == 0)
		net->prefix = (uint8_t)(8 * len);
	memcpy(to, addr, len);
	for (size_t bit = net->prefix; bit < 8 * len; bit++)
		to[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static void random_filter(uint64_t *s, struct filter_conf *conf, struct filter_net *nets,
			  const struct ct_flow *flows)
{
	*conf = (struct filter_conf){ .kernelspace = true, .nets = nets };
	conf->proto_policy = random_policy(s);
	conf->addr_policy = random_policy(s);
	conf->state_policy = random_policy(s);
	for (uint32_t n = 1 + rnd(s, 5); n > 0; n--) {
		uint8_t l4 = flows[rnd(s, FLOWS)].l4;

		conf->proto[l4 / 32] |= 1u << l4 % 32;
	}
	conf->tcp_states = rnd(s, 1 << 10) | 8;
	conf->n_nets = 1 + rnd(s, NETS);
	for (size_t i = 0; i < conf->n_nets; i++)
		random_net(s, &nets[i], &flows[rnd(s, FLOWS)]);
}

static bool comes_through(const int *pair, const uint8_t *msg, size_t n)
{
	uint8_t buf[CT_BUILD_MAX];
	ssize_t got;

	assert_int_equal(send(pair[0], msg, n, 0), n);
	got = recv(pair[1], buf, sizeof(buf), MSG_DONTWAIT);
	assert_true(got == -1 || (size_t)got == n);
	return got != -1;
}

static size_t message_of(const struct ct_flow *f, uint8_t *buf)
{
	const struct ct_build_opts opts = { .timeout_s = 9 };

	return ct_build_create(f, &opts, 1, buf, CT_BUILD_MAX);
}

/* One filter against all flows. Counts what was dropped. */
static unsigned int check_filter(const struct filter_conf *conf, const struct ct_flow *flows,
				 uint64_t seed)
{
	struct flow_filter *user = flow_filter_new(conf);
	struct bpf_filter *b = malloc(sizeof(*b));
	unsigned int dropped = 0;
	int pair[2];

	assert_non_null(user);
	assert_non_null(b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	bpf_filter_init(b);
	bpf_filter_own(b, (const uint32_t[]){ 1 }, 1);
	bpf_filter_flow(b, conf);
	bpf_filter_pass(b);
	assert_int_equal(bpf_filter_attach(b, pair[1]), 0);
	for (size_t i = 0; i < FLOWS; i++) {
		uint8_t buf[CT_BUILD_MAX];
		size_t n = message_of(&flows[i], buf);
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		struct flow_rare rare;
		enum ct_event what;
		struct ct_flow f;
		bool passes;

		assert_int_equal(ct_parse(buf, n, &what, &f, &rare), 0);
		passes = flow_filter_pass(user, &f);
		dropped += !passes;
		if (comes_through(pair, buf, n) != passes)
			fail_msg("flow %zu of seed %llu, protocol %u: user space says %d", i,
				 (unsigned long long)seed, f.l4, passes);
		/* its end and an expectation come through whatever the filter says */
		h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
		assert_true(comes_through(pair, buf, n));
		h->nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_CT_NEW;
		assert_true(comes_through(pair, buf, n));
	}
	close(pair[0]);
	close(pair[1]);
	flow_filter_free(user);
	free(b);
	return dropped;
}

/* User space is the judge. */
static void same_verdict_as_user_space(void **state)
{
	uint64_t s = seed_get();
	unsigned int dropped = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct ct_flow flows[FLOWS];
		struct flow_rare rare[FLOWS];
		struct filter_net nets[NETS];
		struct filter_conf conf;
		uint64_t seed = s;

		for (size_t i = 0; i < FLOWS; i++)
			random_flow(&s, &flows[i], &rare[i]);
		random_filter(&s, &conf, nets, flows);
		dropped += check_filter(&conf, flows, seed);
	}
	print_message("%u of %u dropped\n", dropped, ROUNDS * FLOWS);
	assert_in_range(dropped, ROUNDS * FLOWS / 20, ROUNDS * FLOWS * 19 / 20);
}

static void long_list(void **state)
{
	struct filter_net *nets = calloc(2000, sizeof(*nets));
	struct filter_conf conf = { .addr_policy = FILTER_IGNORE, .nets = nets };
	struct bpf_filter *b = malloc(sizeof(*b));

	(void)state;
	assert_non_null(nets);
	assert_non_null(b);
	for (uint32_t i = 0; i < 2000; i++)
		nets[i] = (struct filter_net){ .family = AF_INET,
					       .prefix = 32,
					       .addr.v4.s_addr = htonl(i) };
	conf.n_nets = 500;
	bpf_filter_init(b);
	bpf_filter_flow(b, &conf);
	bpf_filter_pass(b);
	assert_false(b->full);
	conf.n_nets = 2000;
	bpf_filter_init(b);
	bpf_filter_flow(b, &conf);
	bpf_filter_pass(b);
	assert_true(b->full);
	assert_int_equal(bpf_filter_attach(b, -1), -E2BIG);
	free(nets);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_ports_are_dropped),
		cmocka_unit_test(without_own_everything_passes),
		cmocka_unit_test(too_long),
		cmocka_unit_test(same_verdict_as_user_space),
		cmocka_unit_test(long_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
