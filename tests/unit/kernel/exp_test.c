/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectation messages against libnetfilter_conntrack, damaged ones, and requests, dump, events and
 * commit on a real kernel (in a network namespace of its own; skipped where that is not
 * allowed). */
#include "kernel/exp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/filter_conf.h"
#include "flow/flow_print.h"
#include "kernel/exp_inject.h"
#include "kernel/kernel_conf.h"
#include "unit/flow/expect_random.h"
#include "unit/kernel/support.h"

static bool have_netns;
static struct kernel_hand hand;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

/* ---- messages ---- */

/* What we write is read back by us, and by the library as far as it goes (it knows nothing of NAT
 * and function). */
static void test_round_trip(void **state)
{
	struct rng r = rng_from_env("exp_test");

	(void)state;
	for (int i = 0; i < 3000; i++) {
		_Alignas(struct nlmsghdr) uint8_t msg[EXP_BUILD_MAX];
		struct expect_print_opts opts = { .active_s = -1, .timeout = true };
		char theirs[4096], ours[FLOW_LINE_MAX];
		struct nf_expect *exp = nfexp_new();
		struct ct_expect e, back;
		enum ct_event what;
		size_t n;

		random_expect(&r, &e);
		if (rng_one_in(&r, 3))
			e.zone = (uint16_t)rng_u32(&r);
		n = exp_build_create(&e, 7, msg, sizeof(msg));
		assert_true(n > 0);
		assert_int_equal(exp_build_create(&e, 7, msg, n - 1), 0);
		assert_int_equal(exp_build_create(&e, 7, msg, n), n);
		assert_int_equal(exp_parse(msg, n, &what, &back), 0);
		assert_int_equal(what, CT_EVENT_NEW);
		assert_int_equal(back.has, e.has);
		assert_int_equal(back.timeout_s, e.timeout_s);
		assert_true(expect_equal_replicated(&back, &e));

		e.has &= ~EXPECT_HAS_FN; /* the library aborts on a long one */
		n = exp_build_create(&e, 7, msg, sizeof(msg));
		assert_int_equal(nfexp_nlmsg_parse((struct nlmsghdr *)msg, exp), 0);
		nfexp_snprintf(theirs, sizeof(theirs), exp, NFCT_T_UNKNOWN, NFCT_O_DEFAULT, 0);
		expect_print_text(&back, &opts, ours, sizeof(ours));
		assert_string_equal(ours, theirs);
		nfexp_destroy(exp);
	}
}

static void test_damaged(void **state)
{
	struct rng r = rng_from_env("exp_test damage");
	size_t refused = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		uint8_t msg[EXP_BUILD_MAX];
		struct ct_expect e, untouched;
		enum ct_event what;
		size_t n;

		random_expect(&r, &e);
		n = exp_build_create(&e, 7, msg, sizeof(msg));
		for (size_t at = 0; at < n * 9; at++) {
			size_t len = at < n ? at : n;
			uint8_t *exact = malloc(len ? len : 1);
			uint32_t claimed = (uint32_t)len;

			memcpy(exact, msg, len);
			if (at >= n)
				exact[(at - n) / 8] ^= (uint8_t)(1u << (at - n) % 8);
			else if (len >= 4)
				memcpy(exact, &claimed, 4); /* cut, with the length that says so */
			memset(&e, 0x5a, sizeof(e));
			untouched = e;
			if (exp_parse(exact, len, &what, &e) != 0) {
				assert_memory_equal(&e, &untouched, sizeof(e));
				refused++;
			}
			free(exact);
		}
	}
	assert_true(refused > 1000);
}

/* ---- a real kernel ---- */

static struct ct_flow ftp_control(struct flow_rare *rare)
{
	struct ct_flow f = tcp_flow(4000);

	memset(rare, 0, sizeof(*rare));
	strcpy(rare->helper, "ftp");
	f.orig.dport = htons(21);
	f.has |= FLOW_HAS_HELPER;
	f.rare = rare;
	return f;
}

/* Expected: a connection to this port of the server. */
static struct ct_expect expected(uint16_t port)
{
	struct ct_expect e = {
		.has = EXPECT_HAS_FLAGS | EXPECT_HAS_CLASS | EXPECT_HAS_HELPER,
		.l3 = AF_INET,
		.helper = "ftp",
	};
	struct flow_rare rare;
	struct ct_flow f = ftp_control(&rare);

	e.master = (struct expect_tuple){ .src.v4 = f.addr.v4.src,
					  .dst.v4 = f.addr.v4.dst,
					  .sport = f.orig.sport,
					  .dport = f.orig.dport,
					  .l4 = IPPROTO_TCP };
	e.tuple = e.master;
	e.tuple.sport = 0;
	e.tuple.dport = htons(port);
	e.mask = (struct expect_tuple){
		.src.v4 = UINT32_MAX, .dst.v4 = UINT32_MAX, .dport = UINT16_MAX, .l4 = IPPROTO_TCP
	};
	return e;
}

static int with_master(void **state)
{
	struct flow_rare rare;
	struct ct_flow f = ftp_control(&rare);

	(void)state;
	if (!have_netns)
		return 0;
	run("conntrack -F 2>/dev/null");
	return kernel_create(&hand, &f);
}

struct counted {
	unsigned int n;
	uint16_t dport; /* of the last one */
};

static void count(void *ctx, const struct ct_expect *e)
{
	struct counted *c = ctx;

	c->n++;
	c->dport = e->tuple.dport;
}

/* The kernel has n expectations; dport: that of the only one. */
static void listed(struct exp_sock *s, unsigned int n, uint16_t dport)
{
	struct counted c = { 0 };

	assert_int_equal(exp_sock_list(s, count, &c), 0);
	assert_int_equal(c.n, n);
	if (n == 1)
		assert_int_equal(c.dport, dport);
}

static void test_requests(void **state)
{
	struct exp_sock *s = NULL;
	struct ct_expect e = expected(50001), other = expected(50002), found;
	struct flow_rare rare;
	struct ct_flow master;

	(void)state;
	NEED_NETNS();
	assert_int_equal(exp_sock_open(&s, NULL), 0);
	assert_int_equal(exp_sock_get(s, &e, &found), -ENOENT);
	assert_int_equal(exp_sock_create(s, &e), 0);
	assert_int_equal(exp_sock_create(s, &e), -EEXIST);
	assert_int_equal(exp_sock_get(s, &e, &found), 0);
	assert_true(expect_equal_replicated(&found, &e));
	assert_true(found.has & EXPECT_HAS_TIMEOUT && found.timeout_s > 200);
	assert_int_equal(exp_sock_destroy(s, &found), 0);
	e.has |= EXPECT_HAS_TIMEOUT; /* longer than the helper gives */
	e.timeout_s = 3600;
	assert_int_equal(exp_sock_create(s, &e), 0);
	assert_int_equal(exp_sock_get(s, &e, &found), 0);
	assert_in_range(found.timeout_s, 3598, 3600);
	assert_int_equal(exp_sock_destroy(s, &other), -ENOENT);
	assert_int_equal(exp_sock_destroy(s, &found), 0);
	assert_int_equal(exp_sock_get(s, &e, &found), -ENOENT);

	/* With everything the kernel keeps. */
	e.has |= EXPECT_HAS_NAT | EXPECT_HAS_FN;
	strcpy(e.fn, "nat-follow-master");
	e.nat = (struct expect_tuple){ .sport = htons(1234), .l4 = IPPROTO_TCP };
	e.nat_dir = 1;
	assert_int_equal(exp_sock_create(s, &e), 0);
	assert_int_equal(exp_sock_get(s, &e, &found), 0);
	assert_true(expect_equal_replicated(&found, &e));
	/* this helper allows one per master: the older one goes */
	assert_int_equal(exp_sock_create(s, &other), 0);
	assert_int_equal(exp_sock_get(s, &e, &found), -ENOENT);
	listed(s, 1, other.tuple.dport);
	assert_int_equal(exp_sock_master(s, &other, &master, &rare), 0);
	assert_true(expect_is_master(&other, &master));
	assert_true(master.has & FLOW_HAS_REPLY);
	assert_int_equal(exp_sock_destroy(s, &other), 0);
	listed(s, 0, 0);
	assert_int_equal(exp_sock_get(s, &other, &found), -ENOENT);

	e.master.sport ^= 1;
	assert_int_equal(exp_sock_create(s, &e), -ENOENT);
	assert_int_equal(exp_sock_master(s, &e, &master, &rare), -ENOENT);
	exp_sock_close(s);
}

struct heard {
	struct evloop *loop;
	unsigned int news, ends;
	uint32_t ports;	 /* sum */
	uint32_t left_s; /* at the last event */
	bool enough, done;
	int err;
};

static void hear_flow(void *ctx, enum ct_event what, const struct ct_flow *f, struct mono now)
{
	(void)ctx;
	(void)what;
	(void)f;
	(void)now;
}

static void hear_expect(void *ctx, enum ct_event what, const struct ct_expect *e, struct mono now)
{
	struct heard *h = ctx;

	(void)now;
	h->news += what == CT_EVENT_NEW;
	h->ends += what == CT_EVENT_DESTROY;
	h->ports += ntohs(e->tuple.dport);
	h->left_s = e->has & EXPECT_HAS_TIMEOUT ? e->timeout_s : UINT32_MAX;
	h->enough = h->news == 1 && h->ends == 1;
}

static void hear_nothing(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

static void hear_dumped(void *ctx, const struct ct_expect *e, struct mono now)
{
	hear_expect(ctx, CT_EVENT_NEW, e, now);
}

static void hear_dump_done(void *ctx, int err, struct mono now)
{
	struct heard *h = ctx;

	(void)now;
	h->done = true;
	h->err = err;
}

/* Events of others are heard, our own are not. */
static void test_events_and_dump(void **state)
{
	struct heard h = { .loop = evloop_new() };
	const struct ct_events_cb cb = {
		.ctx = &h,
		.event = hear_flow,
		.expect = hear_expect,
		.batch_end = hear_nothing,
		.overrun = hear_nothing,
	};
	const struct ct_dump_cb dump_cb = { .ctx = &h,
					    .expect = hear_dumped,
					    .done = hear_dump_done };
	const struct kernel_conf conf = { .event_iteration_limit = 100 };
	const struct filter_conf no_filter = { 0 };
	struct exp_sock *ours = NULL, *theirs = NULL;
	struct ct_expect e = expected(100), f = expected(200);
	struct ct_events *events = NULL;
	struct ct_dump *dump = NULL;
	struct text err = { 0 };
	uint32_t own;

	(void)state;
	NEED_NETNS();
	assert_int_equal(exp_sock_open(&ours, NULL), 0);
	assert_int_equal(exp_sock_open(&theirs, NULL), 0);
	own = exp_sock_portid(ours);
	assert_int_equal(ct_events_open(&conf, &no_filter, h.loop, &cb, &own, 1, &events, &err), 0);
	/* The kernel tells of expectations only when the master was born after somebody
	 * listened. */
	with_master(NULL);
	assert_int_equal(exp_sock_create(theirs, &e), 0);
	assert_int_equal(exp_sock_destroy(theirs, &e), 0);
	assert_int_equal(exp_sock_create(ours, &f), 0);
	assert_int_equal(exp_sock_destroy(ours, &f), 0);
	assert_true(turn_until(h.loop, &h.enough, 5000));
	turn_for(h.loop, 50);
	assert_int_equal(h.news, 1);
	assert_int_equal(h.ends, 1);
	assert_int_equal(h.ports, 200);
	assert_in_range(h.left_s, 200, 300);

	/* One that runs out of time ends with 0: the peers have to know (doc/protocol.md). */
	h = (struct heard){ .loop = h.loop };
	e.has |= EXPECT_HAS_TIMEOUT;
	e.timeout_s = 1;
	assert_int_equal(exp_sock_create(theirs, &e), 0);
	assert_true(turn_until(h.loop, &h.enough, 8000));
	assert_int_equal(h.left_s, 0);
	e.has &= ~EXPECT_HAS_TIMEOUT;
	assert_int_equal(ct_events_stats(events)->malformed, 0);
	ct_events_close(events);

	h = (struct heard){ .loop = h.loop };
	assert_int_equal(exp_sock_create(theirs, &e), 0);
	assert_int_equal(ct_dump_open(h.loop, &dump_cb, &dump, &err), 0);
	assert_int_equal(ct_dump_start(dump, 0), 0);
	assert_true(turn_until(h.loop, &h.done, 5000));
	assert_int_equal(h.err, 0);
	assert_int_equal(h.news, 1);
	assert_int_equal(h.ports, 100);
	ct_dump_close(dump);
	exp_sock_close(ours);
	exp_sock_close(theirs);
	evloop_free(h.loop);
}

/* ---- straight from the peers ---- */

static bool is_ours(void *ctx, const struct ct_expect *e)
{
	(void)e;
	return *(bool *)ctx;
}

static void no_longer(void *ctx, const struct ct_expect *e)
{
	assert_false(*(bool *)ctx);
	assert_int_equal(e->l3, AF_INET);
}

/* Is it in the kernel, with this much life? 0: it is not there. */
static uint32_t life_of(struct exp_sock *s, const struct ct_expect *e)
{
	struct ct_expect found;

	if (exp_sock_get(s, e, &found) < 0 || !expect_equal_replicated(&found, e))
		return 0;
	return found.timeout_s + 1;
}

static void check_inject(const struct exp_inject *x, uint64_t created, uint64_t updated,
			 uint64_t destroyed, uint64_t in_use, uint64_t failed)
{
	const struct exp_inject_stats *s = exp_inject_stats(x);

	assert_int_equal(s->created, created);
	assert_int_equal(s->updated, updated);
	assert_int_equal(s->destroyed, destroyed);
	assert_int_equal(s->in_use, in_use);
	assert_int_equal(s->create_failed + s->update_failed + s->destroy_failed, failed);
}

static void test_inject(void **state)
{
	bool ours = false;
	const struct exp_inject_cb cb = { .ctx = &ours, .ours = is_ours, .removed = no_longer };
	struct ct_expect e = expected(100), changed, stranger;
	const struct mono now = { .ns = 1000 };
	struct exp_inject *x = NULL;
	struct exp_sock *s = NULL;
	struct flow_rare rare;
	struct ct_flow f = ftp_control(&rare);

	(void)state;
	NEED_NETNS();
	f.orig.sport ^= 1;
	assert_int_equal(kernel_create(&hand, &f), 0);
	assert_int_equal(exp_sock_open(&s, NULL), 0);
	assert_int_equal(exp_inject_open(&cb, &x, NULL), 0);

	e.has |= EXPECT_HAS_TIMEOUT;
	e.timeout_s = 100;
	exp_inject_put(x, &e, now);
	check_inject(x, 1, 0, 0, 0, 0);
	assert_in_range(life_of(s, &e), 99, 101);
	e.timeout_s = 200; /* prolonged, not shortened */
	exp_inject_put(x, &e, now);
	assert_in_range(life_of(s, &e), 199, 201);
	e.timeout_s = 50;
	exp_inject_put(x, &e, now);
	assert_in_range(life_of(s, &e), 199, 201);
	check_inject(x, 1, 2, 0, 0, 0);

	changed = e; /* the same with another translation: replaced, unless it is ours */
	changed.has |= EXPECT_HAS_NAT;
	changed.nat = (struct expect_tuple){ .sport = htons(1234), .l4 = IPPROTO_TCP };
	ours = true;
	exp_inject_put(x, &changed, now);
	assert_int_equal(life_of(s, &changed), 0);
	ours = false;
	exp_inject_put(x, &changed, now);
	assert_in_range(life_of(s, &changed), 49, 51);
	check_inject(x, 1, 4, 0, 0, 0);

	stranger = e; /* the same of another master */
	stranger.master.sport ^= 1;
	ours = true;
	exp_inject_put(x, &stranger, now);
	assert_int_not_equal(life_of(s, &changed), 0);
	check_inject(x, 1, 4, 0, 0, 1);
	exp_inject_end(x, &stranger, now); /* another master's end is not this one's */
	assert_int_not_equal(life_of(s, &changed), 0);
	ours = false;
	exp_inject_put(x, &stranger, now);
	assert_int_not_equal(life_of(s, &stranger), 0);
	check_inject(x, 1, 5, 0, 0, 1);

	ours = true; /* what lives here does not end because a peer's has */
	exp_inject_end(x, &stranger, now);
	ours = false;
	stranger.timeout_s = 0; /* the peer's has run out of time */
	exp_inject_end(x, &stranger, now);
	check_inject(x, 1, 5, 0, 2, 1);
	assert_int_not_equal(life_of(s, &stranger), 0);
	stranger.timeout_s = 50;
	exp_inject_end(x, &stranger, now);
	assert_int_equal(life_of(s, &stranger), 0);
	exp_inject_end(x, &stranger, now); /* nothing is there */
	check_inject(x, 1, 5, 1, 2, 1);

	e.master.sport = 1; /* no such master */
	exp_inject_put(x, &e, now);
	check_inject(x, 1, 5, 1, 2, 2);
	exp_inject_close(x);
	exp_sock_close(s);
}

/* ---- commit ---- */

struct source {
	struct ct_expect list[4];
	size_t n;
	unsigned int created;
	bool done;
	struct exp_commit_result res;
};

static size_t source_next(void *ctx, uint64_t *pos, struct ct_expect *out, size_t n)
{
	struct source *s = ctx;
	size_t got = 0;

	for (; got < n && *pos < s->n; got++)
		out[got] = s->list[(*pos)++];
	return got;
}

static void source_created(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct source *s = ctx;

	(void)e;
	(void)now;
	s->created++;
}

static void source_done(void *ctx, const struct exp_commit_result *res, struct mono now)
{
	struct source *s = ctx;

	(void)now;
	s->res = *res;
	s->done = true;
}

static void test_commit(void **state)
{
	struct source s = { .n = 3 };
	const struct exp_commit_source src = {
		.ctx = &s,
		.next = source_next,
		.created = source_created,
		.done = source_done,
	};
	struct evloop *loop = evloop_new();
	struct exp_commit *c = NULL;
	struct ct_expect found;

	(void)state;
	NEED_NETNS();
	s.list[0] = expected(1000);
	s.list[1] = expected(1001);
	s.list[1].master.dport = htons(22); /* no such flow */
	s.list[2] = expected(1002);
	s.list[2].has &= ~EXPECT_HAS_HELPER; /* the master's */
	assert_int_equal(exp_commit_open(loop, &src, &c, NULL), 0);
	listed(exp_commit_sock(c), 0, 0);
	assert_int_equal(exp_sock_create(exp_commit_sock(c), &s.list[0]), 0);
	assert_int_equal(exp_commit_start(c, clock_now()), 0);
	assert_int_equal(exp_commit_start(c, clock_now()), -EBUSY);
	assert_true(turn_until(loop, &s.done, 5000));
	assert_false(exp_commit_running(c));
	assert_int_equal(s.res.total, 3);
	assert_int_equal(s.res.kept, 1);
	assert_int_equal(s.res.failed, 1);
	assert_int_equal(s.res.reason[0].err, ENOENT);
	assert_int_equal(s.res.reason[0].count, 1);
	assert_int_equal(s.res.created, 1);
	assert_int_equal(s.created, 1);
	assert_int_equal(exp_sock_get(exp_commit_sock(c), &s.list[2], &found), 0);
	exp_commit_close(c);
	evloop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test_setup(test_requests, with_master),
		cmocka_unit_test_setup(test_events_and_dump, with_master),
		cmocka_unit_test_setup(test_inject, with_master),
		cmocka_unit_test_setup(test_commit, with_master),
	};

	have_netns = netns_enter();
	if (have_netns)
		kernel_open(&hand);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
