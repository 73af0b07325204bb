/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of the role: random words, letters and ends of jobs, in any order, against a model of
 * what the role is, of which jobs may be asked for, and of what those who watch have been told.
 * The jobs are those of jobs.c, and do nothing. */
#include "follow/role.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS  3000
#define STEPS 120

struct world {
	struct activity *activity;
	struct jobs *jobs;
	struct role *role;
	struct role_watch watch;
	struct mono now;
	uint64_t random;
	/* What the model knows. */
	enum role_kind said;  /* the last word */
	enum role_kind told;  /* to the watch */
	uint32_t ended;	      /* number of the last change whose end was told */
	unsigned int commits; /* told */
	unsigned int leaves, asks;
	bool leave_allowed; /* the next one */
	char order[16];	    /* of the jobs that have ended well since the last word: c E R B */
};

static const struct job_result done;

void __wrap_log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __wrap_log_errx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void __wrap_log_notice(const char *fmt, ...)
{
	(void)fmt;
}

void __wrap_log_errx(const char *fmt, ...)
{
	(void)fmt;
}

static uint32_t pick(struct world *w, uint32_t n)
{
	w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % n;
}

/* ---- jobs that wait to be ended ---- */

static int start_job(void *ctx, unsigned int what, struct mono now)
{
	(void)ctx, (void)what, (void)now;
	return 0;
}

static int start_empty(void *ctx, unsigned int what, struct mono now)
{
	struct world *w = ctx;

	(void)what, (void)now;
	/* A backup that empties its external cache has lost the states of its peer. */
	assert_int_equal(w->said, ROLE_PRIMARY);
	return 0;
}

static void stop_empty(void *ctx, struct mono now)
{
	const struct job_result res = { .err = -ECANCELED };
	struct world *w = ctx;

	jobs_ended(w->jobs, JOB_CACHE_FLUSH, &res, now);
}

static void stop_nothing(void *ctx, struct mono now)
{
	(void)ctx, (void)now;
	fail_msg("a flush of the kernel table was asked for");
}

static int tell_at_once(void *ctx, unsigned int what, struct mono now)
{
	struct world *w = ctx;

	(void)what;
	jobs_ended(w->jobs, JOB_BULK, &done, now);
	return 0;
}

static void on_end(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		   struct mono now)
{
	static const char letter[] = "cFPEfRxB";
	struct world *w = ctx;
	size_t n = strlen(w->order);

	if (res->err == 0 && n + 1 < sizeof(w->order)) {
		w->order[n] = letter[kind];
		w->order[n + 1] = '\0';
	}
	role_job_ended(w->role, kind, run, res, now);
}

/* ---- the watch ---- */

static void on_changed(void *ctx, enum role_kind from, enum role_kind to, struct mono now)
{
	struct world *w = ctx;

	(void)now;
	assert_int_equal(from, w->told);
	assert_int_not_equal(from, to);
	assert_int_equal(to, role_now(w->role));
	w->told = to;
}

static void on_committed(void *ctx, const struct job_result *res, struct mono now)
{
	struct world *w = ctx;

	(void)res, (void)now;
	assert_int_equal(w->said, ROLE_PRIMARY);
	w->commits++;
}

static void on_ended(void *ctx, const struct role_change *c, struct mono now)
{
	struct world *w = ctx;

	(void)now;
	assert_true(mono_is_set(c->ended));
	assert_int_equal(c->number, w->ended + 1); /* each once, in order */
	w->ended = c->number;
	if (c->err == -ECANCELED)
		assert_true(c->overtaken_by[0] != '\0');
	if (c->to == ROLE_PRIMARY && c->err == 0)
		assert_true(c->committed);
}

/* ---- what the words do ---- */

static void do_take(void *ctx, struct mono now)
{
	struct world *w = ctx;

	w->order[0] = '\0';
	activity_commit(w->activity, now);
}

static void do_leave(void *ctx, struct mono now)
{
	struct world *w = ctx;

	assert_true(w->leave_allowed);
	w->leaves++;
	activity_purge(w->activity, mono_add_ms(now, 60000), now);
}

static void do_ask(void *ctx, struct mono now)
{
	struct world *w = ctx;

	w->asks++;
	activity_request(w->activity, now);
}

static void begin(struct world *w, uint64_t seed)
{
	struct role_env env = { .has_external = true,
				.has_internal = true,
				.tells = true,
				.ctx = w,
				.take = do_take,
				.leave = do_leave,
				.ask = do_ask };

	*w = (struct world){ .now = { .ns = 1 }, .random = seed };
	w->activity = activity_open(NULL, w->now);
	w->jobs = jobs_new(on_end, w);
	assert_non_null(w->activity);
	assert_non_null(w->jobs);
	for (enum job_kind k = JOB_COMMIT; k < JOB_KINDS; k++)
		jobs_set_ops(
			w->jobs, k,
			&(struct job_ops){ .ctx = w, .start = start_job, .stop = stop_nothing });
	jobs_set_ops(w->jobs, JOB_CACHE_FLUSH,
		     &(struct job_ops){ .ctx = w, .start = start_empty, .stop = stop_empty });
	jobs_set_ops(w->jobs, JOB_BULK, &(struct job_ops){ .ctx = w, .start = tell_at_once });
	env.activity = w->activity;
	env.jobs = w->jobs;
	w->role = role_new(&env);
	assert_non_null(w->role);
	w->watch = (struct role_watch){
		.ctx = w, .changed = on_changed, .committed = on_committed, .ended = on_ended
	};
	role_watch_add(w->role, &w->watch);
}

static void finish(struct world *w)
{
	role_watch_del(&w->watch);
	role_free(w->role);
	jobs_free(w->jobs);
	activity_close(w->activity);
}

static uint32_t say(struct world *w, enum role_kind to, const char *by)
{
	w->leave_allowed = w->said == ROLE_PRIMARY || w->said == ROLE_UNKNOWN;
	w->said = to;
	return role_set(w->role, to, by, w->now);
}

static void letter(struct world *w, char c)
{
	w->said = c == 'c' ? ROLE_PRIMARY : ROLE_BACKUP;
	if (c == 'c')
		activity_commit(w->activity, w->now);
	else if (c == 't')
		activity_purge(w->activity, mono_add_ms(w->now, 60000), w->now);
	else
		activity_request(w->activity, w->now);
	if (c == 'c')
		jobs_ask(w->jobs, JOB_COMMIT, 3, NULL, w->now);
}

static bool end_job(struct world *w, enum job_kind kind, int err)
{
	const struct job_result res = { .err = err };

	if (!jobs_running(w->jobs, kind))
		return false;
	jobs_ended(w->jobs, kind, &res, w->now);
	return true;
}

/* All that runs comes to its end. */
static void settle(struct world *w)
{
	bool again = true;

	while (again) {
		again = false;
		for (enum job_kind k = JOB_COMMIT; k < JOB_KINDS; k++)
			again |= end_job(w, k, 0);
	}
}

/* ---- single stories ---- */

static void test_names(void **state)
{
	enum role_kind kind;

	(void)state;
	for (enum role_kind k = ROLE_PRIMARY; k <= ROLE_FAULTY; k++) {
		assert_true(role_by_name(role_name(k), &kind));
		assert_int_equal(kind, k);
	}
	assert_false(role_by_name("unknown", &kind));
	assert_false(role_by_name("master", &kind));
	assert_false(role_by_name("", &kind));
}

static void test_primary(void **state)
{
	const struct role_change *c;
	struct world w;
	uint32_t number;

	(void)state;
	begin(&w, 1);
	assert_int_equal(role_now(w.role), ROLE_UNKNOWN);
	assert_false(mono_is_set(role_since(w.role)));
	number = say(&w, ROLE_PRIMARY, "--role");
	c = role_change(w.role);
	assert_int_equal(role_now(w.role), ROLE_PRIMARY); /* before the work has ended */
	assert_int_equal(role_since(w.role).ns, w.now.ns);
	assert_string_equal(role_by(w.role), "--role");
	assert_int_equal(c->step, ROLE_COMMIT);
	assert_true(jobs_running(w.jobs, JOB_COMMIT));
	assert_false(jobs_running(w.jobs, JOB_CACHE_FLUSH));
	assert_int_equal(say(&w, ROLE_PRIMARY, "another"), number); /* joins */
	settle(&w);
	assert_string_equal(w.order, "cERB");
	assert_int_equal(c->err, 0);
	assert_int_equal(w.ended, number);
	assert_int_equal(w.commits, 1);
	assert_false(role_told(w.role, ROLE_PRIMARY, "keepalived", w.now));
	finish(&w);
}

static void test_backup(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1);
	say(&w, ROLE_BACKUP, "--role");
	assert_int_equal(role_now(w.role), ROLE_BACKUP);
	assert_int_equal(w.leaves, 1);
	assert_int_equal(w.asks, 1);
	assert_int_equal(w.ended, 1);
	say(&w, ROLE_BACKUP, "--role"); /* nothing to leave, nothing to ask */
	assert_int_equal(w.leaves, 1);
	assert_int_equal(w.asks, 1);
	say(&w, ROLE_FAULTY, "--role");
	assert_int_equal(role_now(w.role), ROLE_FAULTY);
	say(&w, ROLE_BACKUP, "--role");
	assert_int_equal(w.leaves, 1);
	assert_int_equal(w.asks, 2); /* what was told meanwhile may have been missed */
	/* A letter that only schedules the flush leaves the asking to the next word. */
	letter(&w, 'c');
	letter(&w, 't');
	assert_int_equal(role_now(w.role), ROLE_BACKUP);
	assert_string_equal(role_by(w.role), "-t");
	assert_true(role_told(w.role, ROLE_BACKUP, "keepalived", w.now));
	assert_int_equal(w.asks, 3);
	finish(&w);
}

static void test_overtaken(void **state)
{
	const struct role_change *c;
	struct world w;

	(void)state;
	begin(&w, 1);
	say(&w, ROLE_PRIMARY, "--role");
	say(&w, ROLE_BACKUP, "keepalived"); /* in the middle of the commit */
	settle(&w);
	assert_string_equal(w.order, "c"); /* and nothing after it */
	say(&w, ROLE_PRIMARY, "--role");
	letter(&w, 't');
	c = role_change(w.role);
	assert_int_equal(c->err, -ECANCELED);
	assert_string_equal(c->overtaken_by, "-t");
	finish(&w);
}

/* A commit of an old script stops the flush of the cache; the change goes on after it. */
static void test_commit_in_between(void **state)
{
	const struct role_change *c;
	struct world w;

	(void)state;
	begin(&w, 1);
	say(&w, ROLE_PRIMARY, "--role");
	c = role_change(w.role);
	end_job(&w, JOB_COMMIT, 0);
	assert_int_equal(c->step, ROLE_EMPTY);
	letter(&w, 'c');
	assert_false(jobs_running(w.jobs, JOB_CACHE_FLUSH));
	assert_false(mono_is_set(c->ended));
	settle(&w);
	assert_int_equal(c->err, 0);
	assert_string_equal(w.order, "ccERB");
	finish(&w);
}

static void test_failure(void **state)
{
	const struct role_change *c;
	struct world w;

	(void)state;
	begin(&w, 1);
	say(&w, ROLE_PRIMARY, "--role");
	c = role_change(w.role);
	end_job(&w, JOB_COMMIT, -ENOMEM);
	assert_int_equal(c->err, -ENOMEM);
	assert_int_equal(c->step, ROLE_COMMIT);
	assert_false(jobs_running(w.jobs, JOB_CACHE_FLUSH)); /* the states are still there */
	assert_int_equal(role_now(w.role), ROLE_PRIMARY);
	assert_true(role_told(w.role, ROLE_PRIMARY, "keepalived", w.now)); /* once more */
	finish(&w);
}

static void test_doubt(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1);
	say(&w, ROLE_PRIMARY, "--role");
	settle(&w);
	role_doubt(w.role, "the addresses are elsewhere", w.now);
	assert_int_equal(role_now(w.role), ROLE_UNKNOWN);
	assert_int_equal(w.told, ROLE_UNKNOWN);
	role_doubt(w.role, NULL, w.now);
	assert_int_equal(role_now(w.role), ROLE_PRIMARY);
	role_doubt(w.role, "the addresses are elsewhere", w.now);
	w.said = ROLE_UNKNOWN;
	say(&w, ROLE_BACKUP, "--role");
	assert_null(role_doubted(w.role));
	assert_int_equal(w.told, ROLE_BACKUP);
	finish(&w);
}

/* ---- anything ---- */

static void random_step(struct world *w)
{
	static const int outcome[] = { 0, 0, 0, 0, -ENOMEM };

	w->now = mono_add_ms(w->now, pick(w, 50));
	switch (pick(w, 10)) {
	case 0:
		say(w, ROLE_PRIMARY, "p");
		break;
	case 1:
		say(w, ROLE_BACKUP, "b");
		break;
	case 2:
		say(w, ROLE_FAULTY, "f");
		break;
	case 3:
		letter(w, "ctn"[pick(w, 3)]);
		break;
	case 4: {
		enum role_kind to = ROLE_PRIMARY + pick(w, 3);

		w->leave_allowed = w->said == ROLE_PRIMARY || w->said == ROLE_UNKNOWN;
		w->said = to;
		role_told(w->role, to, "t", w->now);
		break;
	}
	default:
		end_job(w, (enum job_kind)pick(w, JOB_KINDS), outcome[pick(w, 5)]);
		break;
	}
	assert_int_equal(role_now(w->role), w->said);
	assert_int_equal(w->told, w->said);
}

static void run(uint64_t seed)
{
	struct world w;

	begin(&w, seed);
	for (unsigned int i = 0; i < STEPS; i++)
		random_step(&w);
	/* However it got here: one more word, and the node is what it says. */
	settle(&w);
	w.order[0] = '\0';
	say(&w, ROLE_PRIMARY, "last");
	settle(&w);
	assert_int_equal(role_change(w.role)->err, 0);
	assert_int_equal(role_change(w.role)->number, w.ended);
	assert_string_equal(w.order, "cERB");
	finish(&w);
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= RUNS; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_primary),
		cmocka_unit_test(test_backup),
		cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_commit_in_between),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
