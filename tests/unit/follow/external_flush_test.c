/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -f external: when the peers are asked to fill the cache again. What it asks of pipeline, loop and
 * jobs is defined here; the external cache is a real one. */
#include "follow/external_flush.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "follow/jobs.h"
#include "sync/sync_conf.h"
#include "unit/cache/flows.h"

#define PURGE_S 60

static struct {
	struct external_flush *e;
	struct external *external;
	struct job_ops ops;
	struct ev_timer *fill, *again; /* armed */
	struct ev_work *work;
	struct mono fill_at, again_at;
	unsigned int asked, lacks, ended, links;
	int err;
	bool active;
	struct pipeline_stats stats;
} w;

static const struct sync_conf conf = { .mode = SYNC_MODE_FTFW, .purge_timeout_s = PURGE_S };

/* ---- doubles ---- */

bool activity_active(const struct activity *a)
{
	(void)a;
	return w.active;
}
struct external *pipeline_external(struct pipeline *p)
{
	(void)p;
	return w.external;
}
struct exp_path *pipeline_expects(struct pipeline *p)
{
	(void)p;
	return NULL;
}
const struct pipeline_stats *pipeline_stats(const struct pipeline *p)
{
	(void)p;
	return &w.stats;
}
void pipeline_ask(struct pipeline *p, struct mono now)
{
	(void)p;
	(void)now;
	w.asked++;
}
void jobs_set_ops(struct jobs *j, enum job_kind kind, const struct job_ops *ops)
{
	(void)j;
	(void)kind;
	w.ops = *ops;
}

void pipeline_lack_external(struct pipeline *p, enum whole_reason why, struct mono now)
{
	(void)p;
	(void)now;
	assert_int_equal(why, WHOLE_FLUSHED);
	w.lacks++;
}

void jobs_ended(struct jobs *j, enum job_kind kind, const struct job_result *res, struct mono now)
{
	(void)j;
	(void)now;
	assert_int_equal(kind, JOB_CACHE_FLUSH);
	w.err = res->err;
	w.ended++;
}

int ev_timer_set(struct evloop *loop, struct ev_timer *t, struct mono due)
{
	(void)loop;
	t->heap_pos = 1;
	if (strcmp(t->name, "fill again") == 0) {
		w.fill = t;
		w.fill_at = due;
	} else {
		w.again = t;
		w.again_at = due;
	}
	return 0;
}

void ev_timer_del(struct evloop *loop, struct ev_timer *t)
{
	(void)loop;
	t->heap_pos = 0;
}

void ev_work_arm(struct evloop *loop, struct ev_work *work)
{
	(void)loop;
	w.work = work;
}
void ev_work_del(struct evloop *loop, struct ev_work *work)
{
	(void)loop;
	(void)work;
	w.work = NULL;
}

static unsigned int links(void *ctx)
{
	(void)ctx;
	return w.links;
}

/* ---- what the tests say ---- */

static struct mono at_s(int64_t s)
{
	return mono_add_ms((struct mono){ 0 }, 1000 * (1000 + s));
}

static void fire(struct ev_timer *t, struct mono now)
{
	assert_true(t && ev_timer_armed(t));
	t->heap_pos = 0;
	t->cb(t->ctx, now);
}

static void a_flow_comes(void)
{
	struct ct_flow f = make_flow(0);

	assert_true(external_new_flow(w.external, 0, &f, at_s(0)) >= 0);
}

/* -f external, to its end. */
static void flush(void)
{
	a_flow_comes();
	assert_int_equal(w.ops.start(w.ops.ctx, 0, at_s(0)), 0);
	for (int i = 0; w.work; i++) {
		assert_true(i < 10);
		w.work->step(w.work->ctx, at_s(0));
	}
	assert_int_equal(table_count(external_table(w.external)), 0);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.lacks, 1);
}

static int setup_with(bool active)
{
	const struct hash_key key = { 1, 2 };
	struct external_flush_conf c = { .sync = &conf, .links = links };

	memset(&w, 0, sizeof(w));
	w.active = active;
	w.links = 1;
	w.external = external_new(16, 16, &key);
	w.e = external_flush_new(&c);
	return w.external && w.e ? 0 : -1;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(false);
}
static int setup_active(void **state)
{
	(void)state;
	return setup_with(true);
}

static int teardown(void **state)
{
	(void)state;
	external_flush_free(w.e);
	external_free(w.external);
	return 0;
}

/* ---- tests ---- */

static void not_active(void **state)
{
	struct external_flush_values v;

	(void)state;
	flush();
	assert_int_equal(w.err, 0);
	assert_int_equal(w.asked, 1);
	assert_false(external_flush_values(w.e, at_s(0), &v));
}

/* Later, and again while something comes, or goes by it. */
static void active(void **state)
{
	struct external_flush_values v;
	int64_t s = 2 * PURGE_S;

	(void)state;
	flush();
	assert_int_equal(w.asked, 0);
	assert_true(external_flush_values(w.e, at_s(20), &v));
	assert_int_equal(v.ago_s, 20);
	assert_int_equal(v.asks_s, 2 * PURGE_S - 20);
	assert_int_equal(mono_diff_ms(w.fill_at, at_s(0)), 2000 * PURGE_S);
	fire(w.fill, w.fill_at);
	assert_int_equal(w.asked, 1);
	assert_false(external_flush_values(w.e, at_s(s), &v));
	a_flow_comes();
	for (unsigned int i = 0; i < 3; i++) {
		s += (2 * PURGE_S) << i;
		assert_int_equal(mono_diff_ms(w.again_at, at_s(s)), 0);
		fire(w.again, w.again_at);
		assert_int_equal(w.asked, 2 + i);
	}
	assert_false(ev_timer_armed(w.again));
}

static void goes_on_while_something_goes(void **state)
{
	(void)state;
	flush();
	fire(w.fill, w.fill_at);
	a_flow_comes();
	for (unsigned int i = 0; i < 6; i++) {
		w.stats.swept++;
		fire(w.again, w.again_at);
	}
	assert_true(ev_timer_armed(w.again));
	w.active = false;
	fire(w.again, w.again_at); /* not the business of a backup */
	assert_int_equal(w.asked, 7);
	assert_false(ev_timer_armed(w.again));
}

static void a_link_comes_back(void **state)
{
	(void)state;
	flush();
	w.links = 0;
	external_flush_turn(w.e, at_s(1));
	assert_int_equal(mono_diff_ms(w.fill_at, at_s(0)), 2000 * PURGE_S);
	w.links = 1;
	external_flush_turn(w.e, at_s(2));
	assert_int_equal(mono_diff_ms(w.fill_at, at_s(2)), 0);
}

static void somebody_else_asks(void **state)
{
	struct external_flush_values v;

	(void)state;
	flush();
	external_flush_asked(w.e);
	assert_false(external_flush_values(w.e, at_s(1), &v));
	external_flush_fill(w.e, at_s(1));
	assert_false(ev_timer_armed(w.fill));
}

static void stopped(void **state)
{
	(void)state;
	assert_int_equal(w.ops.start(w.ops.ctx, 0, at_s(0)), 0);
	w.ops.stop(w.ops.ctx, at_s(0));
	assert_null(w.work);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.err, -ECANCELED);
	assert_int_equal(w.asked, 1);
}

#define T(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(not_active, setup),
		T(active, setup_active),
		T(goes_on_while_something_goes, setup_active),
		T(a_link_comes_back, setup_active),
		T(somebody_else_asks, setup_active),
		T(stopped, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
