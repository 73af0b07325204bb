/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations that change without an event, on a real kernel (in a network namespace of its own;
 * skipped where that is not allowed). */
#include "follow/exp_watch.h"

#include <arpa/inet.h>
#include <string.h>

#include "unit/kernel/support.h"

static bool have_netns;
static struct kernel_hand hand;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

struct world {
	struct evloop *loop;
	struct exp_sock *s;
	struct exp_watch *w;
	unsigned int n_changed;
	struct ct_expect changed; /* the last one */
};

static void on_changed(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct world *w = ctx;

	(void)now;
	w->n_changed++;
	w->changed = *e;
}

/* The helper allows one expectation per master, so each has its own. */
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

static struct ct_expect expected(uint16_t sport, uint32_t flags)
{
	struct ct_expect e = {
		.has = EXPECT_HAS_FLAGS | EXPECT_HAS_CLASS | EXPECT_HAS_HELPER | EXPECT_HAS_TIMEOUT,
		.l3 = AF_INET,
		.helper = "ftp",
		.flags = flags,
		.timeout_s = 100,
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
	e.tuple.dport = htons(sport);
	e.mask = (struct expect_tuple){
		.src.v4 = UINT32_MAX, .dst.v4 = UINT32_MAX, .dport = UINT16_MAX, .l4 = IPPROTO_TCP
	};
	return e;
}

static struct ct_expect create(struct world *w, uint16_t sport, uint32_t flags)
{
	struct ct_expect e = expected(sport, flags), found;
	struct flow_rare rare;
	struct ct_flow f = control(sport, &rare);

	assert_int_equal(kernel_create(&hand, &f), 0);
	assert_int_equal(exp_sock_create(w->s, &e), 0);
	assert_int_equal(exp_sock_get(w->s, &e, &found), 0);
	assert_int_equal(found.flags, flags);
	return found;
}

static void prolong(struct world *w, struct ct_expect e)
{
	e.timeout_s = 1000;
	assert_int_equal(exp_sock_prolong(w->s, &e), 0);
}

static void world_open(struct world *w)
{
	const struct exp_watch_cb cb = { .ctx = w, .changed = on_changed };

	*w = (struct world){ .loop = evloop_new() };
	assert_non_null(w->loop);
	run("conntrack -F 2>/dev/null");
	assert_int_equal(exp_sock_open(&w->s, NULL), 0);
	w->w = exp_watch_new(w->loop, w->s, &cb);
	assert_non_null(w->w);
}

static void world_close(struct world *w)
{
	exp_watch_free(w->w);
	exp_sock_close(w->s);
	evloop_free(w->loop);
}

/* A new life is found soon and told once; one that does not change silently is not asked about. */
static void test_new_life(void **state)
{
	struct ct_expect sip, ftp;
	struct world w;

	(void)state;
	NEED_NETNS();
	world_open(&w);
	sip = create(&w, 4000, EXPECT_F_PERMANENT);
	ftp = create(&w, 4001, 0);
	exp_watch_add(w.w, &sip, clock_now());
	exp_watch_add(w.w, &ftp, clock_now());
	turn_for(w.loop, 50);
	assert_int_equal(w.n_changed, 0);
	prolong(&w, sip);
	prolong(&w, ftp);
	turn_for(w.loop, 200);
	assert_int_equal(w.n_changed, 1);
	assert_true(expect_same_key(&w.changed, &sip));
	assert_in_range(w.changed.timeout_s, 998, 1000);
	world_close(&w);
}

/* An active one in its place, as if the registrar had answered; and one that has gone is not asked
 * about again. */
static void test_active_and_gone(void **state)
{
	struct ct_expect e;
	struct world w;

	(void)state;
	NEED_NETNS();
	world_open(&w);
	e = create(&w, 4000, EXPECT_F_INACTIVE);
	exp_watch_add(w.w, &e, clock_now());
	assert_int_equal(exp_sock_destroy(w.s, &e), 0);
	e.flags = EXPECT_F_PERMANENT;
	e.has &= ~EXPECT_HAS_ID;
	assert_int_equal(exp_sock_create(w.s, &e), 0);
	turn_for(w.loop, 50);
	assert_int_equal(w.n_changed, 1);
	assert_int_equal(w.changed.flags, EXPECT_F_PERMANENT);
	assert_int_equal(exp_sock_destroy(w.s, &e), 0);
	exp_watch_add(w.w, &e, clock_now());
	turn_for(w.loop, 50); /* not there: no longer watched */
	assert_int_equal(exp_sock_create(w.s, &e), 0);
	prolong(&w, e);
	turn_for(w.loop, 200);
	assert_int_equal(w.n_changed, 1);
	world_close(&w);
}

/* Whoever comes later is looked at in time although the first one is looked at rarely by now, and
 * so is the first one when the later one has gone. */
static void test_order(void **state)
{
	struct ct_expect first, second, third;
	struct world w;
	struct mono now;

	(void)state;
	NEED_NETNS();
	world_open(&w);
	first = create(&w, 4000, EXPECT_F_PERMANENT);
	second = create(&w, 4001, EXPECT_F_PERMANENT);
	third = create(&w, 4002, EXPECT_F_PERMANENT);
	now = clock_now();
	exp_watch_add(w.w, &first, mono_add_ms(now, 300));
	exp_watch_add(w.w, &second, now); /* due earlier than the first */
	exp_watch_add(w.w, &third, mono_add_ms(now, 300));
	prolong(&w, first);
	prolong(&w, second);
	prolong(&w, third);
	turn_for(w.loop, 150);
	assert_int_equal(w.n_changed, 1);
	assert_true(expect_same_key(&w.changed, &second));
	exp_watch_del(w.w, &second);
	exp_watch_del(w.w, &third);
	turn_for(w.loop, 400);
	assert_int_equal(w.n_changed, 2);
	assert_true(expect_same_key(&w.changed, &first));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_life),
		cmocka_unit_test(test_active_and_gone),
		cmocka_unit_test(test_order),
	};

	have_netns = netns_enter();
	if (have_netns)
		kernel_open(&hand);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
