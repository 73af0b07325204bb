/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop: order of timers, descriptors and work, and above all removal inside callbacks. What is
 * removed is also freed, so that the address sanitizer sees a loop that still looks at it. */
#include "base/evloop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A trace of what was called, one letter each. */
struct trace {
	char s[256];
	size_t n;
};

static void mark(struct trace *t, char c)
{
	if (t->n < sizeof(t->s) - 1)
		t->s[t->n++] = c;
}

struct tm_obj {
	struct ev_timer t;
	struct trace *trace;
	struct evloop *loop;
	char c;
	struct tm_obj *victim; /* deleted and freed when this one fires */
	int rearm_ms;	       /* >= 0: re-arm so far ahead; -1: not */
	int rearm_left;
};

static void tm_cb(void *ctx, struct mono now)
{
	struct tm_obj *o = ctx;

	mark(o->trace, o->c);
	assert_false(ev_timer_armed(&o->t));
	if (o->victim) {
		ev_timer_del(o->loop, &o->victim->t);
		free(o->victim);
		o->victim = NULL;
	}
	if (o->rearm_left > 0) {
		o->rearm_left--;
		assert_int_equal(ev_timer_set(o->loop, &o->t, mono_add_ms(now, o->rearm_ms)), 0);
	}
}

static struct tm_obj *tm_new(struct evloop *loop, struct trace *trace, char c)
{
	struct tm_obj *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->t = (struct ev_timer){ .cb = tm_cb, .ctx = o, .name = "test" };
	o->trace = trace;
	o->loop = loop;
	o->c = c;
	return o;
}

static void timers_fire_in_order(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	static const int offs[] = { 5, 1, 3, 3, 2, 4, 0 };
	struct tm_obj *o[7];
	struct mono base = mono_add_ms(clock_now(), -100);

	(void)state;
	for (int i = 0; i < 7; i++) {
		o[i] = tm_new(loop, &tr, (char)('a' + i));
		assert_int_equal(ev_timer_set(loop, &o[i]->t, mono_add_ms(base, offs[i])), 0);
	}
	ev_timer_del(loop, &o[4]->t);
	ev_timer_del(loop, &o[4]->t); /* twice is harmless */
	assert_int_equal(ev_timer_set(loop, &o[1]->t, mono_add_ms(base, 9)), 0); /* moved back */
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_string_equal(tr.s, "gcdfab");
	for (int i = 0; i < 7; i++)
		free(o[i]);
	/* Equal times: in the order they were set. */
	tr = (struct trace){ 0 };
	for (int i = 0; i < 7; i++) {
		o[i] = tm_new(loop, &tr, (char)('a' + i));
		assert_int_equal(ev_timer_set(loop, &o[i]->t, base), 0);
	}
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_string_equal(tr.s, "abcdefg");
	for (int i = 0; i < 7; i++)
		free(o[i]);
	evloop_free(loop);
}

struct order_ctx {
	int64_t last_due, fired;
	struct ev_timer t[500];
	int64_t due[500];
};
struct order_one {
	struct order_ctx *all;
	int i;
};

static void order_cb(void *ctx, struct mono now)
{
	struct order_one *one = ctx;

	(void)now;
	assert_true(one->all->due[one->i] >= one->all->last_due);
	one->all->last_due = one->all->due[one->i];
	one->all->fired++;
}

/* Timers set, moved and deleted at random: what is left fires once each, in order. */
static void timers_random(void **state)
{
	static struct order_ctx all;
	static struct order_one one[500];
	struct evloop *loop = evloop_new();
	struct mono base = mono_add_ms(clock_now(), -10000);
	const char *env = getenv("TEST_SEED");
	unsigned int seed =
		env ? (unsigned int)strtoul(env, NULL, 10) : (unsigned int)clock_now().ns;
	int armed = 0;

	(void)state;
	print_message("seed %u (TEST_SEED)\n", seed);
	srand(seed);
	for (int i = 0; i < 500; i++) {
		one[i] = (struct order_one){ .all = &all, .i = i };
		all.t[i] = (struct ev_timer){ .cb = order_cb, .ctx = &one[i] };
	}
	for (int n = 0; n < 5000; n++) {
		int i = rand() % 500;

		if (rand() % 3 == 0) {
			ev_timer_del(loop, &all.t[i]);
			continue;
		}
		all.due[i] = base.ns + rand() % 1000;
		assert_int_equal(ev_timer_set(loop, &all.t[i], (struct mono){ .ns = all.due[i] }),
				 0);
	}
	for (int i = 0; i < 500; i++)
		armed += ev_timer_armed(&all.t[i]);
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_true(armed > 100);
	assert_int_equal(all.fired, armed);
	evloop_free(loop);
}

static void timer_deletes_others_and_rearms(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct mono past = mono_add_ms(clock_now(), -10);
	struct tm_obj *a = tm_new(loop, &tr, 'a'), *b = tm_new(loop, &tr, 'b'),
		      *c = tm_new(loop, &tr, 'c');

	(void)state;
	a->victim = b;	   /* due in the same pass */
	a->rearm_ms = -50; /* into the past: once per turn, no endless pass */
	a->rearm_left = 2;
	assert_int_equal(ev_timer_set(loop, &a->t, past), 0);
	assert_int_equal(ev_timer_set(loop, &b->t, past), 0);
	assert_int_equal(ev_timer_set(loop, &c->t, past), 0);
	assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
	assert_string_equal(tr.s, "ac");
	assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
	assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
	assert_string_equal(tr.s, "acaa");
	assert_false(ev_timer_armed(&a->t));
	free(a);
	free(c);
	evloop_free(loop);
}

/* A timer waits for its time, and not much longer. */
static void timer_waits(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct tm_obj *a = tm_new(loop, &tr, 'a');
	struct mono start = clock_now();

	(void)state;
	assert_int_equal(ev_timer_set(loop, &a->t, mono_add_ms(start, 30)), 0);
	assert_int_equal(evloop_turn(loop, NULL, -1), 0);
	assert_string_equal(tr.s, "a");
	assert_true(mono_diff_ms(clock_now(), start) >= 30);
	assert_true(mono_diff_ms(clock_now(), start) < 1000);
	free(a);
	evloop_free(loop);
}

struct spin {
	struct evloop *loop;
	struct ev_timer t, end;
	uint64_t fired;
};

static void spin_cb(void *ctx, struct mono now)
{
	struct spin *s = ctx;

	s->fired++;
	assert_int_equal(ev_timer_set(s->loop, &s->t, now), 0);
}

static void spin_end(void *ctx, struct mono now)
{
	struct spin *s = ctx;

	(void)now;
	evloop_stop(s->loop);
}

static void runaway_timer_is_slowed(void **state)
{
	struct spin s = { .loop = evloop_new() };

	(void)state;
	s.t = (struct ev_timer){ .cb = spin_cb, .ctx = &s, .name = "spinner" };
	s.end = (struct ev_timer){ .cb = spin_end, .ctx = &s, .name = "end" };
	assert_int_equal(ev_timer_set(s.loop, &s.t, clock_now()), 0);
	assert_int_equal(ev_timer_set(s.loop, &s.end, mono_add_ms(clock_now(), 700)), 0);
	assert_int_equal(evloop_run(s.loop, NULL, NULL, NULL), 0);
	if (s.fired < 10000) { /* an emulated processor does not come that far */
		evloop_free(s.loop);
		skip();
	}
	assert_int_equal(evloop_stats(s.loop)->runaway_timers, 1);
	assert_in_range(s.fired, 10000, 15000);
	evloop_free(s.loop);
}

/* Descriptors */

struct io_obj {
	struct ev_io io;
	struct trace *trace;
	struct evloop *loop;
	char c;
	struct io_obj **victim; /* removed, closed, freed */
	/* then this one takes over the victim's descriptor number */
	struct io_obj *reuse;
	int reuse_src;
	bool drain;
	struct io_obj *mute; /* this one's wish to read is withdrawn */
};

static void io_obj_free(struct io_obj *o)
{
	if (!o)
		return;
	ev_io_del(o->loop, &o->io);
	close(o->io.fd);
	free(o);
}

static void io_cb(void *ctx, unsigned int ready, struct mono now)
{
	struct io_obj *o = ctx;
	char buf[16];

	(void)now;
	mark(o->trace, ready & EV_READ ? o->c : (char)(o->c - 'a' + 'A'));
	if (o->drain)
		assert_true(read(o->io.fd, buf, sizeof(buf)) > 0);
	if (o->mute)
		ev_io_want(o->loop, &o->mute->io, 0);
	if (o->victim && *o->victim) {
		int fd = (*o->victim)->io.fd;
		struct io_obj *v = *o->victim, *reuse = o->reuse;
		int src = o->reuse_src;
		struct evloop *loop = o->loop;

		*o->victim = NULL;
		io_obj_free(v); /* may be o itself */
		if (reuse) {
			assert_int_equal(dup2(src, fd), fd);
			reuse->io.fd = fd;
			assert_int_equal(ev_io_add(loop, &reuse->io), 0);
		}
	}
}

static struct io_obj *io_new(struct evloop *loop, struct trace *trace, char c, int fd,
			     unsigned int want, unsigned int prio)
{
	struct io_obj *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->io = (struct ev_io){
		.fd = fd, .want = want, .prio = prio, .cb = io_cb, .ctx = o, .name = "io"
	};
	o->trace = trace;
	o->loop = loop;
	o->c = c;
	if (fd >= 0)
		assert_int_equal(ev_io_add(loop, &o->io), 0);
	return o;
}

static void pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
}

static void io_priorities(void **state)
{
	static const unsigned int prio[] = { 3, 1, 2, 0, 1 };
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct io_obj *o[5];
	int sv[5][2];

	(void)state;
	for (int i = 0; i < 5; i++) {
		pair(sv[i]);
		assert_int_equal(write(sv[i][1], "x", 1), 1);
		o[i] = io_new(loop, &tr, (char)('a' + i), sv[i][0], EV_READ, prio[i]);
		o[i]->drain = true;
	}
	assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
	assert_string_equal(tr.s, "dbeca");
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_int_equal(tr.n, 5);
	for (int i = 0; i < 5; i++) {
		io_obj_free(o[i]);
		close(sv[i][1]);
	}
	evloop_free(loop);
}

/* The first callback removes the second, whose number is reused by a descriptor that is not
 * ready. */
static void io_removed_and_reused(void **state)
{
	for (int reuse = 0; reuse < 2; reuse++) {
		struct evloop *loop = evloop_new();
		struct trace tr = { 0 };
		struct io_obj *a, *b, *n = NULL;
		int sa[2], sb[2], sn[2];

		(void)state;
		pair(sa);
		pair(sb);
		pair(sn);
		assert_int_equal(write(sa[1], "x", 1), 1);
		assert_int_equal(write(sb[1], "x", 1), 1);
		a = io_new(loop, &tr, 'a', sa[0], EV_READ, 0);
		b = io_new(loop, &tr, 'b', sb[0], EV_READ, 1);
		a->drain = true;
		a->victim = &b;
		if (reuse) {
			n = io_new(loop, &tr, 'n', -1, EV_READ, 1);
			a->reuse = n;
			a->reuse_src = sn[0];
		}
		assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
		assert_string_equal(tr.s, "a");
		if (reuse) {
			assert_int_equal(write(sn[1], "x", 1), 1);
			assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
			assert_string_equal(tr.s, "an");
		}
		io_obj_free(a);
		io_obj_free(n);
		close(sa[1]);
		close(sb[1]);
		close(sn[0]);
		close(sn[1]);
		evloop_free(loop);
	}
}

static void io_removes_itself(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct io_obj *a;
	int sa[2];

	(void)state;
	pair(sa);
	assert_int_equal(write(sa[1], "x", 1), 1);
	a = io_new(loop, &tr, 'a', sa[0], EV_READ | EV_WRITE, 0);
	a->victim = &a;
	assert_int_equal(evloop_turn(loop, NULL, 1000), 0);
	assert_null(a);
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_string_equal(tr.s, "a");
	close(sa[1]);
	evloop_free(loop);
}

static void io_want_changes(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct io_obj *a, twin = { .io = { .cb = io_cb } };
	int sa[2];

	(void)state;
	pair(sa);
	a = io_new(loop, &tr, 'a', sa[0], EV_READ, 0);
	twin.io.fd = sa[0];
	assert_int_equal(ev_io_add(loop, &twin.io), -EEXIST);
	twin.io.fd = FD_SETSIZE;
	assert_int_equal(ev_io_add(loop, &twin.io), -EMFILE);
	twin.io.fd = -1;
	assert_int_equal(ev_io_add(loop, &twin.io), -EBADF);
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_int_equal(tr.n, 0);
	ev_io_want(loop, &a->io, EV_WRITE);
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_string_equal(tr.s, "A");
	ev_io_want(loop, &a->io, 0);
	assert_int_equal(write(sa[1], "x", 1), 1);
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_string_equal(tr.s, "A");
	ev_io_del(loop, &twin.io); /* never added: harmless */
	io_obj_free(a);
	close(sa[1]);
	evloop_free(loop);
}

/* Readiness already collected does not outlive the wish for it. */
static void io_want_withdrawn(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct io_obj *a, *b;
	int sa[2], sb[2];

	(void)state;
	pair(sa);
	pair(sb);
	assert_int_equal(write(sa[1], "x", 1), 1);
	assert_int_equal(write(sb[1], "x", 1), 1);
	a = io_new(loop, &tr, 'a', sa[0], EV_READ, 0);
	b = io_new(loop, &tr, 'b', sb[0], EV_READ, 1);
	a->mute = b;
	assert_int_equal(evloop_turn(loop, NULL, 0), 0);
	assert_string_equal(tr.s, "a");
	io_obj_free(a);
	io_obj_free(b);
	close(sa[1]);
	close(sb[1]);
	evloop_free(loop);
}

/* Work */

struct wk_obj {
	struct ev_work w;
	struct trace *trace;
	struct evloop *loop;
	char c;
	int left;
	struct wk_obj *victim;
	bool suicide, rearm;
	struct wk_obj *arm;
};

static bool wk_step(void *ctx, struct mono now)
{
	struct wk_obj *o = ctx;
	bool more;

	(void)now;
	mark(o->trace, o->c);
	more = --o->left > 0;
	if (o->victim) {
		ev_work_del(o->loop, &o->victim->w);
		free(o->victim);
		o->victim = NULL;
	}
	if (o->arm)
		ev_work_arm(o->loop, &o->arm->w);
	if (o->rearm) {
		o->rearm = false;
		ev_work_arm(o->loop, &o->w);
	}
	if (o->suicide) {
		ev_work_del(o->loop, &o->w);
		free(o);
		return false; /* a deleted one's answer must not be acted on */
	}
	return more;
}

static struct wk_obj *wk_new(struct evloop *loop, struct trace *trace, char c, int left)
{
	struct wk_obj *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->w = (struct ev_work){ .step = wk_step, .ctx = o, .name = "work" };
	o->trace = trace;
	o->loop = loop;
	o->c = c;
	o->left = left;
	ev_work_arm(loop, &o->w);
	return o;
}

static void turns(struct evloop *loop, int n)
{
	while (n-- > 0)
		assert_int_equal(evloop_turn(loop, NULL, 0), 0);
}

/* One step each per turn, whatever the others need. */
static void works_take_turns(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct wk_obj *a = wk_new(loop, &tr, 'a', 3), *b = wk_new(loop, &tr, 'b', 1),
		      *c = wk_new(loop, &tr, 'c', 2);

	(void)state;
	ev_work_arm(loop, &a->w); /* twice is once */
	turns(loop, 1);
	assert_string_equal(tr.s, "abc");
	turns(loop, 4);
	assert_string_equal(tr.s, "abcaca");
	assert_false(a->w.armed || b->w.armed || c->w.armed);
	free(a);
	free(b);
	free(c);
	evloop_free(loop);
}

static void works_remove_and_arm(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct wk_obj *a = wk_new(loop, &tr, 'a', 2), *b = wk_new(loop, &tr, 'b', 9),
		      *c = wk_new(loop, &tr, 'c', 9);
	struct wk_obj *d = wk_new(loop, &tr, 'd', 1), *e = wk_new(loop, &tr, 'e', 1);

	(void)state;
	a->victim = b; /* later in this pass */
	c->suicide = true;
	d->rearm = true; /* its last step, but woken inside it */
	ev_work_del(loop, &e->w);
	a->arm = e; /* armed in the pass: next turn */
	turns(loop, 1);
	assert_string_equal(tr.s, "acd");
	a->arm = NULL;
	turns(loop, 1);
	assert_string_equal(tr.s, "acdaed");
	turns(loop, 2);
	assert_string_equal(tr.s, "acdaed");
	free(a);
	free(d);
	free(e);
	evloop_free(loop);
}

/* While work waits, descriptors and timers are served in every turn. */
static void work_does_not_starve(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct wk_obj *w = wk_new(loop, &tr, 'w', 100);
	struct tm_obj *t = tm_new(loop, &tr, 't');
	struct io_obj *a;
	int sa[2];

	(void)state;
	pair(sa);
	assert_int_equal(write(sa[1], "x", 1), 1);
	a = io_new(loop, &tr, 'a', sa[0], EV_READ, 0);
	t->rearm_ms = 0;
	t->rearm_left = 100;
	assert_int_equal(ev_timer_set(loop, &t->t, clock_now()), 0);
	turns(loop, 3);
	assert_string_equal(tr.s, "tawtawtaw");
	ev_work_del(loop, &w->w);
	ev_timer_del(loop, &t->t);
	free(w);
	free(t);
	io_obj_free(a);
	close(sa[1]);
	evloop_free(loop);
}

/* Hooks */

struct hk_obj {
	struct ev_hook h;
	struct trace *trace;
	struct evloop *loop;
	char c;
	struct hk_obj *victim;
	bool stop;
};

static void hk_cb(void *ctx, struct mono now)
{
	struct hk_obj *o = ctx;

	(void)now;
	mark(o->trace, o->c);
	if (o->victim) {
		ev_hook_del(o->loop, &o->victim->h);
		o->victim = NULL;
	}
	if (o->stop)
		evloop_stop(o->loop);
}

static void hooks_at_end_of_turn(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct hk_obj h[3];
	struct wk_obj *w = wk_new(loop, &tr, 'w', 1);

	(void)state;
	for (int i = 0; i < 3; i++) {
		h[i] = (struct hk_obj){ .h = { .cb = hk_cb, .ctx = &h[i], .name = "hook" },
					.trace = &tr,
					.loop = loop,
					.c = (char)('a' + i) };
		ev_hook_add(loop, &h[i].h);
	}
	h[0].victim = &h[1]; /* the next in line */
	turns(loop, 1);
	assert_string_equal(tr.s, "wac");
	h[2].victim = &h[2]; /* itself */
	turns(loop, 2);
	assert_string_equal(tr.s, "wacaca");
	ev_hook_del(loop, &h[1].h); /* not there: harmless */
	/* run() calls them once before it first sleeps. */
	h[0].stop = true;
	assert_int_equal(evloop_run(loop, NULL, NULL, NULL), 0);
	assert_string_equal(tr.s, "wacacaa");
	free(w);
	evloop_free(loop);
}

/* Idle: the loop sleeps until something happens. An alarm ends the test; a wake-up of its own would
 * count as a turn. */
static volatile sig_atomic_t alarmed;

static void on_alarm(int sig)
{
	(void)sig;
	alarmed = 1;
}

static void look_at_flags(void *ctx)
{
	if (alarmed)
		evloop_stop(ctx);
}

static void idle_means_no_wakeups(void **state)
{
	struct evloop *loop = evloop_new();
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	struct itimerval it = { .it_value = { .tv_usec = 200000 } };
	struct trace tr = { 0 };
	struct rusage before, after;
	sigset_t block, during;
	struct io_obj *a;
	int sv[2];

	(void)state;
	pair(sv);
	a = io_new(loop, &tr, 'a', sv[0], EV_READ, 0);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &block, &during), 0);
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	getrusage(RUSAGE_SELF, &before);
	setitimer(ITIMER_REAL, &it, NULL);
	assert_int_equal(evloop_run(loop, &during, look_at_flags, loop), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(alarmed, 1);
	assert_int_equal(evloop_stats(loop)->turns, 1);
	assert_true(after.ru_nvcsw - before.ru_nvcsw <= 3);
	sigaction(SIGALRM, &old, NULL);
	sigprocmask(SIG_SETMASK, &during, NULL);
	io_obj_free(a);
	close(sv[1]);
	evloop_free(loop);
}

static void stop_before_run(void **state)
{
	struct evloop *loop = evloop_new();

	(void)state;
	evloop_stop(loop);
	assert_int_equal(evloop_run(loop, NULL, NULL, NULL), 0);
	assert_int_equal(evloop_stats(loop)->turns, 0);
	evloop_free(loop);
}

/* A descriptor closed without being removed is our bug, but must not spin for ever. */
static void select_failure_is_reported(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct io_obj *a;
	int sv[2];

	(void)state;
	pair(sv);
	a = io_new(loop, &tr, 'a', sv[0], EV_READ, 0);
	close(sv[0]);
	assert_int_equal(evloop_run(loop, NULL, NULL, NULL), -EBADF);
	assert_int_equal(evloop_stats(loop)->select_failed, 1);
	ev_io_del(loop, &a->io);
	free(a);
	close(sv[1]);
	evloop_free(loop);
}

static void slow_cb(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
	usleep((EV_SLOW_MS + 10) * 1000);
}

static void slow_callbacks_and_ring(void **state)
{
	struct evloop *loop = evloop_new();
	struct trace tr = { 0 };
	struct tm_obj *t = tm_new(loop, &tr, 't');
	struct ev_timer slow = { .cb = slow_cb, .name = "slow" };
	const char *name;
	uint32_t us;

	(void)state;
	assert_false(evloop_recent(loop, 0, &name, &us));
	assert_int_equal(ev_timer_set(loop, &slow, clock_now()), 0);
	turns(loop, 1);
	assert_true(evloop_recent(loop, 0, &name, &us));
	assert_string_equal(name, "slow");
	assert_true(us >= EV_SLOW_MS * 1000);
	assert_false(evloop_recent(loop, 1, &name, &us));
	t->rearm_left = 39;
	assert_int_equal(ev_timer_set(loop, &t->t, clock_now()), 0);
	turns(loop, 30);
	assert_true(evloop_recent(loop, 30, &name, &us));
	assert_string_equal(name, "slow");
	turns(loop, 10);
	assert_true(evloop_recent(loop, 31, &name, &us));
	assert_string_equal(name, "test");
	assert_false(evloop_recent(loop, 32, &name, &us));
	assert_int_equal(evloop_stats(loop)->slow_callbacks, 1);
	assert_string_equal(evloop_stats(loop)->worst_name, "slow");
	assert_true(evloop_stats(loop)->worst_us >= EV_SLOW_MS * 1000);
	free(t);
	evloop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(timers_random),
		cmocka_unit_test(timer_deletes_others_and_rearms),
		cmocka_unit_test(timer_waits),
		cmocka_unit_test(runaway_timer_is_slowed),
		cmocka_unit_test(io_priorities),
		cmocka_unit_test(io_removed_and_reused),
		cmocka_unit_test(io_removes_itself),
		cmocka_unit_test(io_want_changes),
		cmocka_unit_test(io_want_withdrawn),
		cmocka_unit_test(works_take_turns),
		cmocka_unit_test(works_remove_and_arm),
		cmocka_unit_test(work_does_not_starve),
		cmocka_unit_test(hooks_at_end_of_turn),
		cmocka_unit_test(idle_means_no_wakeups),
		cmocka_unit_test(stop_before_run),
		cmocka_unit_test(select_failure_is_reported),
		cmocka_unit_test(slow_callbacks_and_ring),
	};

	return cmocka_run_group_tests_name("base/evloop", tests, NULL, NULL);
}
