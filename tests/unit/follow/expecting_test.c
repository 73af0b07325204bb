/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of an expectation of our kernel whose master the caches do not know, and what is
 * watched because it changes without an event; on a real kernel (in a network namespace of its own;
 * skipped where that is not allowed). */
#include "follow/expecting.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "follow/exp_watch.h"
#include "flow/filter.h"
#include "flow/filter_conf.h"
#include "kernel/exp.h"
#include "sync/sync_conf.h"
#include "unit/kernel/support.h"

#define CAP 1468u

static bool have_netns;
static struct kernel_hand hand;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

static struct ct_flow control(uint16_t sport, struct flow_rare *rare)
{
	struct ct_flow f = tcp_flow(sport);

	memset(rare, 0, sizeof(*rare));
	strcpy(rare->helper, "ftp");
	f.orig.dport = htons(21);
	f.has |= FLOW_HAS_HELPER;
	f.rare = rare;
	return f;
}

/* A connection to this port of the server, expected by the control connection from sport. */
static struct ct_expect expected(uint16_t sport, uint16_t port)
{
	struct ct_expect e = {
		.has = EXPECT_HAS_FLAGS | EXPECT_HAS_CLASS | EXPECT_HAS_HELPER,
		.l3 = AF_INET,
		.helper = "ftp",
	};
	struct flow_rare rare;
	struct ct_flow f = control(sport, &rare);

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

static void create_master(uint16_t sport)
{
	struct flow_rare rare;
	struct ct_flow f = control(sport, &rare);

	assert_int_equal(kernel_create(&hand, &f), 0);
}

static int with_empty_table(void **state)
{
	(void)state;
	if (have_netns)
		run("conntrack -F 2>/dev/null");
	return 0;
}

/* ---- masters ---- */

struct world {
	struct evloop *loop;
	struct flow_filter *filter;
	struct sync_conf sync;
	struct pipeline *p;
	struct expecting *x;
	struct mono now;
	uint8_t bytes[CAP];
	struct writer cur;
};

static struct writer *sink_datagram(void *ctx)
{
	struct world *w = ctx;

	w->cur = wr_init(w->bytes, CAP);
	return &w->cur;
}

static void sink_nothing(void *ctx)
{
	(void)ctx;
}

static void sink_line(void *ctx, int level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static void sink_inject(void *ctx, bool gone, const struct ct_expect *e)
{
	(void)ctx;
	(void)gone;
	(void)e;
}

static void sink_done(void *ctx, unsigned int why, int err, struct mono now)
{
	(void)ctx;
	(void)why;
	(void)err;
	(void)now;
}

/* Without external cache, and with a Filter that wants UDP only if `udp`. */
static struct world *world_new(bool udp)
{
	struct filter_conf filter = { .proto_policy = udp ? FILTER_ACCEPT : FILTER_NONE };
	struct world *w = calloc(1, sizeof(*w));
	const struct pipeline_env env = {
		.ctx = w,
		.out = { .ctx = w,
			 .datagram = sink_datagram,
			 .send = sink_nothing,
			 .flush = sink_nothing },
		.log = sink_line,
		.inject_expect = sink_inject,
	};
	const struct expecting_cb cb = { .ctx = w, .done = sink_done };
	struct pipeline_conf conf = {
		.proto = &proto_v1,
		.sync = &w->sync,
		.buckets = 64,
		.limit_internal = 100,
		.limit_external = 100,
		.no_external = true,
	};
	struct text err = { 0 };

	assert_non_null(w);
	filter.proto[IPPROTO_UDP / 32] |= 1u << IPPROTO_UDP % 32;
	w->filter = flow_filter_new(&filter);
	w->loop = evloop_new();
	assert_non_null(w->filter);
	assert_non_null(w->loop);
	w->now = clock_now();
	w->sync = (struct sync_conf){ .mode = SYNC_MODE_NOTRACK,
				      .refresh_s = 60,
				      .cache_timeout_s = 180,
				      .purge_timeout_s = 60,
				      .expect.on = true };
	conf.filter = w->filter;
	w->p = pipeline_new(&conf, &env, w->now);
	assert_non_null(w->p);
	assert_int_equal(expecting_open(w->loop, w->p, &cb, &w->x, &err), 0);
	return w;
}

static void world_free(struct world *w)
{
	expecting_close(w->x);
	pipeline_free(w->p);
	evloop_free(w->loop);
	flow_filter_free(w->filter);
	free(w);
}

static uint64_t n_filtered(struct world *w)
{
	return exp_path_stats(pipeline_expects(w->p))->filtered;
}

static uint32_t n_internal(struct world *w)
{
	return expects_count(exp_path_internal(pipeline_expects(w->p)));
}

/* The kernel has the master and the cache does not: it was a peer's, and is ours now. */
static void test_master_is_adopted(void **state)
{
	struct ct_expect e = expected(4000, 7000);
	struct world *w;

	(void)state;
	NEED_NETNS();
	w = world_new(false);
	create_master(4000);
	expecting_event(w->x, CT_EVENT_NEW, &e, w->now);
	assert_int_equal(n_internal(w), 1);
	assert_int_equal(n_filtered(w), 0);
	world_free(w);
}

/* The Filter does not want it: known at once, nobody waits for it. */
static void test_master_is_filtered(void **state)
{
	struct ct_expect e = expected(4000, 7000);
	struct world *w;

	(void)state;
	NEED_NETNS();
	w = world_new(true);
	create_master(4000);
	expecting_event(w->x, CT_EVENT_NEW, &e, w->now);
	assert_int_equal(n_internal(w), 0);
	assert_int_equal(n_filtered(w), 1);
	turn_for(w->loop, 1300);
	assert_int_equal(n_filtered(w), 1);
	world_free(w);
}

/* It comes a moment later: the expectation waits, and gives up after a second. */
static void test_master_comes_later(void **state)
{
	struct ct_expect e = expected(4000, 7000), orphan = expected(4001, 7001);
	struct world *w;

	(void)state;
	NEED_NETNS();
	w = world_new(false);
	expecting_event(w->x, CT_EVENT_NEW, &e, w->now);
	expecting_event(w->x, CT_EVENT_NEW, &orphan, w->now);
	assert_int_equal(n_internal(w), 0);
	create_master(4000);
	for (int i = 0; i < 100 && n_internal(w) == 0; i++) /* a busy machine takes its time */
		turn_for(w->loop, 10);
	assert_int_equal(n_internal(w), 1);
	for (int i = 0; i < 100 && n_filtered(w) == 0; i++)
		turn_for(w->loop, 100);
	assert_int_equal(n_internal(w), 1);
	assert_int_equal(n_filtered(w), 1);
	world_free(w);
}

/* ---- commit ---- */

#define MANY 70u /* more than one step */

static uint32_t life_cached(struct world *w, const struct ct_expect *e)
{
	struct expects *cache = exp_path_internal(pipeline_expects(w->p));

	return expects_rec(cache, expects_find(cache, e))->expect.timeout_s;
}

/* All that a commit has put into the kernel is watched, to the last one. */
static void test_committed_is_watched(void **state)
{
	struct exp_sock *s = NULL;
	struct world *w;

	(void)state;
	NEED_NETNS();
	w = world_new(false);
	assert_int_equal(exp_sock_open(&s, NULL), 0);
	for (uint16_t i = 0; i < MANY; i++) {
		struct ct_expect e = expected((uint16_t)(4000 + i), (uint16_t)(7000 + i));
		struct flow_rare rare;
		struct ct_flow f = control((uint16_t)(4000 + i), &rare);

		create_master((uint16_t)(4000 + i));
		pipeline_dumped(w->p, &f, false, w->now);
		e.flags = EXPECT_F_PERMANENT;
		e.has |= EXPECT_HAS_TIMEOUT;
		e.timeout_s = 100;
		assert_int_equal(exp_sock_create(s, &e), 0);
		exp_path_committed(pipeline_expects(w->p), &e, w->now);
		e.timeout_s = 1000; /* somebody else's doing */
		assert_int_equal(exp_sock_prolong(s, &e), 0);
	}
	assert_int_equal(n_internal(w), MANY);
	turn_for(w->loop, 100);
	for (int committed = 0; committed < 2; committed++) {
		for (uint16_t i = 0; i < MANY; i++) {
			struct ct_expect e = expected((uint16_t)(4000 + i), (uint16_t)(7000 + i));

			assert_in_range(life_cached(w, &e), committed ? 995 : 100,
					committed ? 1000 : 100);
		}
		if (committed == 0)
			expecting_committed(w->x);
		turn_for(w->loop, 300);
	}
	exp_sock_close(s);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_master_is_adopted, with_empty_table),
		cmocka_unit_test_setup(test_master_is_filtered, with_empty_table),
		cmocka_unit_test_setup(test_master_comes_later, with_empty_table),
		cmocka_unit_test_setup(test_committed_is_watched, with_empty_table),
	};

	have_netns = netns_enter();
	if (have_netns)
		kernel_open(&hand);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
