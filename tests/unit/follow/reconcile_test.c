/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pass follows which, and when: dump, cache and timer are scripted here, the rest of
 * reconcile.c is real. */
#include "follow/reconcile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/ct.h"

/* ---- the world that reconcile.c sees ---- */

static struct {
	struct ct_dump_cb dump;
	struct ct_batch_cb batch;
	int start_err;	    /* of the next ct_dump_start() */
	unsigned int dumps; /* begun */
	uint32_t pace_ms;   /* of the last: only a verify pass has one */
	uint32_t silent;
	uint32_t unheard, from_s, until_s; /* of the last count */
	size_t unseen; /* records the dump did not show, each asked about once */
	int add_err;
	struct ev_timer *timer; /* armed */
	struct ev_hook *turn;
	struct mono due;
	enum reconcile_reason ended;
	unsigned int ends;
} w;

static struct flow_rec record;

int ct_dump_open(struct evloop *loop, const struct ct_dump_cb *cb, struct ct_dump **out,
		 struct text *err)
{
	(void)loop;
	(void)out;
	(void)err;
	w.dump = *cb;
	return 0;
}

void ct_dump_close(struct ct_dump *d)
{
	(void)d;
}

int ct_dump_start(struct ct_dump *d, uint32_t pace_ms)
{
	int err = w.start_err;

	(void)d;
	w.start_err = 0;
	if (err == 0) {
		w.dumps++;
		w.pace_ms = pace_ms;
	}
	return err;
}

int ct_batch_open(struct evloop *loop, const struct ct_batch_cb *cb, const char *name,
		  struct ct_batch **out, struct text *err)
{
	(void)loop;
	(void)name;
	(void)out;
	(void)err;
	w.batch = *cb;
	return 0;
}

void ct_batch_close(struct ct_batch *b)
{
	(void)b;
}
size_t ct_batch_room(const struct ct_batch *b)
{
	(void)b;
	return 1024;
}
size_t ct_batch_in_flight(const struct ct_batch *b)
{
	(void)b;
	return 0;
}

int ct_batch_add(struct ct_batch *b, enum ct_op op, const struct ct_flow *f,
		 const struct ct_build_opts *opts, uint64_t cookie)
{
	(void)b;
	(void)op;
	(void)f;
	(void)opts;
	(void)cookie;
	return w.add_err;
}

int ev_timer_set(struct evloop *loop, struct ev_timer *t, struct mono due)
{
	(void)loop;
	w.timer = t;
	w.due = due;
	t->heap_pos = 1;
	return 0;
}

void ev_timer_del(struct evloop *loop, struct ev_timer *t)
{
	(void)loop;
	t->heap_pos = 0;
	w.timer = NULL;
}

struct mono evloop_now(const struct evloop *loop)
{
	(void)loop;
	return w.due;
}
void ev_hook_add(struct evloop *loop, struct ev_hook *h)
{
	(void)loop;
	w.turn = h;
}
void ev_hook_del(struct evloop *loop, struct ev_hook *h)
{
	(void)loop;
	(void)h;
}
void ev_work_arm(struct evloop *loop, struct ev_work *work)
{
	(void)loop;
	(void)work;
	fail();
}
void ev_work_del(struct evloop *loop, struct ev_work *work)
{
	(void)loop;
	(void)work;
}

uint32_t internal_silent(const struct internal *c)
{
	(void)c;
	return w.silent;
}
uint32_t internal_unheard(const struct internal *c)
{
	(void)c;
	return w.unheard;
}

void internal_unheard_begin(struct internal *c, uint32_t from_s, uint32_t until_s)
{
	(void)c;
	if (from_s > until_s)
		return; /* nothing is counted */
	w.from_s = from_s;
	w.until_s = until_s;
}

/* A table of which every id names `record`: its slots are no bytes apart. */
static uint8_t *the_record[] = { (uint8_t *)&record };
static struct slab slabs[2] = { { .chunk = the_record, .stride = 0 } };
struct flow_table *internal_table(struct internal *c)
{
	(void)c;
	return (struct flow_table *)slabs;
}
void internal_pass_begin(struct internal *c, bool quiet)
{
	(void)c;
	(void)quiet;
}
bool internal_pass_is_unseen(const struct internal *c, uint32_t id)
{
	(void)c;
	(void)id;
	return true;
}
void internal_pass_seen(struct internal *c, uint32_t id)
{
	(void)c;
	(void)id;
}

size_t internal_pass_unseen(struct internal *c, uint64_t *pos, uint32_t *ids, size_t n, bool *end)
{
	size_t got = w.unseen;

	(void)c;
	(void)pos;
	assert_true(got <= n);
	for (size_t i = 0; i < got; i++)
		ids[i] = (uint32_t)i;
	w.unseen = 0;
	*end = true;
	return got;
}

struct internal *pipeline_internal(struct pipeline *p)
{
	(void)p;
	return NULL;
}
struct flow_table *pipeline_own(struct pipeline *p)
{
	(void)p;
	return NULL;
}
void pipeline_set_reader(struct pipeline *p, const struct pipeline_reader *r)
{
	(void)p;
	(void)r;
}
void pipeline_dump_begin(struct pipeline *p)
{
	(void)p;
}
void pipeline_dump_end(struct pipeline *p)
{
	(void)p;
}

static struct whole whole;
const struct whole *pipeline_whole(const struct pipeline *p)
{
	(void)p;
	return &whole;
}
bool pipeline_compares_all(const struct pipeline *p)
{
	(void)p;
	return true;
}
void pipeline_compare_begin(struct pipeline *p)
{
	(void)p;
	whole_repair_begin(&whole);
}
void pipeline_lack(struct pipeline *p, enum whole_reason why, struct mono now)
{
	(void)p;
	whole_lack(&whole, why, now);
}

void pipeline_compare_end(struct pipeline *p, bool all, struct mono now)
{
	(void)p;
	(void)now;
	whole_repair_end(&whole, all);
}

void pipeline_gone(struct pipeline *p, uint32_t id, struct mono now)
{
	(void)p;
	(void)id;
	(void)now;
}

void pipeline_dumped(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now)
{
	(void)p;
	(void)f;
	(void)announce;
	(void)now;
}

void pipeline_verified(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
}

bool pipeline_adopted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
	return false;
}

/* ---- what the tests say ---- */

static struct mono at_ms(int64_t ms)
{
	return mono_add_ms((struct mono){ 0 }, 1000000 + ms);
}

static void on_done(void *ctx, enum reconcile_reason why, int err, struct mono now)
{
	(void)ctx;
	(void)err;
	(void)now;
	w.ended = why;
	w.ends++;
}

static struct reconcile *begin(void)
{
	struct reconcile_cb cb = { .done = on_done };
	struct reconcile *r;
	struct text err = { 0 };

	memset(&w, 0, sizeof(w));
	memset(&whole, 0, sizeof(whole));
	assert_int_equal(reconcile_open(NULL, NULL, 0, &cb, &r, &err), 0);
	return r;
}

static void dump_ends(int err, int64_t ms)
{
	w.dump.done(w.dump.ctx, err, at_ms(ms));
}

/* The timer's time has come. When that was, in ms. */
static int64_t fire(void)
{
	struct ev_timer *t = w.timer;

	assert_non_null(t);
	t->heap_pos = 0;
	w.timer = NULL;
	t->cb(t->ctx, w.due);
	return mono_diff_ms(w.due, at_ms(0));
}

static void test_silent_flows_are_looked_at(void **state)
{
	struct reconcile *r = begin();

	(void)state;
	w.silent = 3;
	reconcile_start(r, RECONCILE_START, at_ms(0));
	assert_int_equal(w.pace_ms, 0);
	dump_ends(0, 1000);
	assert_int_equal(w.ended, RECONCILE_START);
	assert_int_equal(fire(), 1000 + 20 * 1000);
	assert_int_equal(w.dumps, 2);
	assert_int_not_equal(w.pace_ms, 0);
	reconcile_close(r);
}

static void test_none_when_each_was_heard_of(void **state)
{
	struct reconcile *r = begin();

	(void)state;
	w.silent = 3;
	reconcile_start(r, RECONCILE_START, at_ms(0));
	dump_ends(0, 10);
	w.silent = 0;
	assert_int_equal(fire(), 10 + 5000);
	assert_int_equal(w.dumps, 1);
	assert_null(w.timer);
	w.silent = 1;
	w.turn->cb(r, at_ms(9000));
	assert_int_equal(fire(), 9000 + 5000);
	assert_int_equal(w.dumps, 2);
	reconcile_close(r);
}

static void test_a_start_that_left_something_open(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		struct reconcile *r = begin();

		reconcile_start(r, RECONCILE_START, at_ms(0));
		w.unseen = how ? 1 : 0;
		w.add_err = -ENOBUFS;
		dump_ends(how ? 0 : -EINTR, 10);
		fire();
		assert_int_equal(w.dumps, 2);
		assert_int_not_equal(w.pace_ms, 0);
		dump_ends(0, 6000);
		assert_int_equal(w.ended, RECONCILE_VERIFY);
		assert_null(w.timer);
		reconcile_close(r);
	}
}

/* What was open stays so until a pass has seen everything, and a repair comes after what runs. */
static void test_the_cache_is_complete_when_a_pass_was(void **state)
{
	struct reconcile *r = begin();

	(void)state;
	reconcile_start(r, RECONCILE_START, at_ms(0));
	assert_int_equal(whole.why, WHOLE_START);
	dump_ends(-EINTR, 10);
	assert_int_equal(whole.why, WHOLE_START);
	reconcile_start(r, RECONCILE_REPAIR, at_ms(20));
	reconcile_start(r, RECONCILE_REPAIR, at_ms(20));
	dump_ends(-EINTR, 30); /* hidden entries may be those that are missing */
	assert_int_equal(whole.why, WHOLE_START);
	assert_int_equal(w.dumps, 3);
	dump_ends(0, 40);
	assert_int_equal(w.ended, RECONCILE_REPAIR);
	assert_int_equal(whole.why, 0);
	whole_lack(&whole, WHOLE_OVERRUN, at_ms(50));
	w.start_err = -ENOBUFS;
	reconcile_start(r, RECONCILE_OVERRUN, at_ms(50));
	assert_int_equal(whole.why, WHOLE_OVERRUN);
	assert_false(whole.repairing);
	fire();
	whole_lack(&whole, WHOLE_OVERRUN, at_ms(6000));
	dump_ends(0, 6000);
	assert_int_equal(whole.why, WHOLE_OVERRUN); /* once more, during the pass */
	reconcile_close(r);
}

static void test_a_pass_that_could_not_begin_begins_later(void **state)
{
	static const enum reconcile_reason why[] = { RECONCILE_OVERRUN, RECONCILE_ADOPT,
						     RECONCILE_VERIFY };

	(void)state;
	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
		struct reconcile *r = begin();

		w.start_err = -ENOBUFS;
		reconcile_start(r, why[i], at_ms(0));
		assert_int_equal(w.dumps, 0);
		assert_int_equal(fire(), 5000);
		assert_int_equal(w.dumps, 1);
		dump_ends(0, 6000);
		assert_int_equal(w.ended, why[i]);
		assert_null(w.timer);
		reconcile_close(r);
	}
}

static void test_the_pause_holds_for_later_ones(void **state)
{
	struct reconcile *r = begin();

	(void)state;
	reconcile_start(r, RECONCILE_START, at_ms(0));
	dump_ends(0, 2000);
	assert_null(w.timer);
	w.silent = 1;
	w.turn->cb(r, at_ms(3000));
	assert_int_equal(fire(), 2000 + 20 * 2000);
	reconcile_close(r);
}

static void test_one_after_the_other(void **state)
{
	struct reconcile *r = begin();

	(void)state;
	reconcile_start(r, RECONCILE_START, at_ms(0));
	reconcile_start(r, RECONCILE_COMMAND, at_ms(1));
	reconcile_start(r, RECONCILE_OVERRUN, at_ms(1));
	assert_int_equal(w.dumps, 1);
	dump_ends(0, 2);
	assert_int_equal(w.dumps, 2);
	dump_ends(0, 3);
	assert_int_equal(w.dumps, 3);
	dump_ends(0, 4);
	assert_int_equal(w.ended, RECONCILE_OVERRUN);
	assert_int_equal(w.ends, 3);
	assert_null(w.timer);
	reconcile_close(r);
}

/* Where events do not tell everything: paced, with a pause after each, and each flow that such a
 * pass finds is judged by one later pass, when its event has had two seconds. */
static void test_blind_passes_go_on(void **state)
{
	struct reconcile *r = begin();
	int64_t at;

	(void)state;
	reconcile_start(r, RECONCILE_START, at_ms(0));
	dump_ends(0, 10);
	assert_false(w.timer);
	reconcile_blind(r, true, at_ms(10000));
	assert_int_equal(fire(), 10000);
	assert_int_equal(w.dumps, 2);
	assert_true(w.pace_ms > 0);
	/* what is older than blindness is not judged */
	assert_true(w.from_s == 0 && w.until_s == 0);
	dump_ends(0, 11000);
	assert_int_equal(w.ended, RECONCILE_BLIND);
	at = fire();
	assert_int_equal(at, 11000 + 20 * 1000);
	assert_int_equal(w.from_s, 1000 + 10); /* the clock of this test begins at 1000 s */
	assert_int_equal(w.until_s, 1000 + at / 1000 - 2);
	w.unheard = 3;
	dump_ends(0, at + 100);
	assert_int_equal(reconcile_stats(r)->unheard, 3);
	at = fire();
	assert_int_equal(w.from_s, 1000 + 31 - 2 + 1); /* where the last one ended */
	dump_ends(0, at + 100);
	reconcile_blind(r, false, at_ms(at + 200));
	fire();
	assert_int_equal(w.dumps, 4);
	assert_false(w.timer);
	reconcile_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_flows_are_looked_at),
		cmocka_unit_test(test_none_when_each_was_heard_of),
		cmocka_unit_test(test_a_start_that_left_something_open),
		cmocka_unit_test(test_the_cache_is_complete_when_a_pass_was),
		cmocka_unit_test(test_a_pass_that_could_not_begin_begins_later),
		cmocka_unit_test(test_the_pause_holds_for_later_ones),
		cmocka_unit_test(test_blind_passes_go_on),
		cmocka_unit_test(test_one_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
