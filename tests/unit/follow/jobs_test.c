/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who stops, joins or waits for whom: every pair of jobs, with jobs that only say that they have
 * begun. The table here is the promise, written once more by hand; doc/operation.md tells it in
 * words. */
#include "follow/jobs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char promise[JOB_KINDS][JOB_KINDS + 1] = {
	/* running:              C F P E r R x B */
	[JOB_COMMIT] = "wsss....",	    [JOB_FLUSH] = "xww.....",	[JOB_PURGE] = "www.....",
	[JOB_CACHE_FLUSH] = "x..j....",	    [JOB_REFRESH] = "....ww..", [JOB_COMPARE] = "....jw..",
	[JOB_COMPARE_EXPECTS] = "......w.", [JOB_BULK] = "w...www.",
};

struct fake {
	struct world *w;
	enum job_kind kind;
	unsigned int begun, stopped;
	unsigned int what;
	int start_err;
	bool ends_at_once;
};

struct world {
	struct jobs *jobs;
	struct fake fake[JOB_KINDS];
	unsigned int ends[JOB_KINDS];
	uint32_t last_run[JOB_KINDS];
	struct job_result last[JOB_KINDS];
	char order[64]; /* a letter for each beginning, small for each end */
};

static const struct mono now = { .ns = 1 };
static const char letter[] = "CFPEQRXB";

static void note(struct world *w, char c)
{
	size_t n = strlen(w->order);

	assert_true(n + 1 < sizeof(w->order));
	w->order[n] = c;
	w->order[n + 1] = '\0';
}

static int fake_start(void *ctx, unsigned int what, struct mono at)
{
	const struct job_result res = { 0 };
	struct fake *f = ctx;

	(void)at;
	f->begun++;
	f->what = what;
	note(f->w, letter[f->kind]);
	if (f->ends_at_once)
		jobs_ended(f->w->jobs, f->kind, &res, now);
	return f->start_err;
}

static void fake_stop(void *ctx, struct mono at)
{
	const struct job_result res = { .err = -ECANCELED };
	struct fake *f = ctx;

	f->stopped++;
	jobs_ended(f->w->jobs, f->kind, &res, at);
}

static void on_end(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		   struct mono at)
{
	struct world *w = ctx;

	(void)at;
	w->ends[kind]++;
	w->last_run[kind] = run;
	w->last[kind] = *res;
	note(w, (char)(letter[kind] - 'A' + 'a'));
}

static void world_begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->jobs = jobs_new(on_end, w);
	assert_non_null(w->jobs);
	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		w->fake[k] = (struct fake){ .w = w, .kind = (enum job_kind)k };
		jobs_set_ops(w->jobs, (enum job_kind)k,
			     &(struct job_ops){
				     .ctx = &w->fake[k], .start = fake_start, .stop = fake_stop });
	}
}

static void end(struct world *w, enum job_kind kind)
{
	const struct job_result res = { 0 };

	jobs_ended(w->jobs, kind, &res, now);
}

static void ask_ok(struct world *w, enum job_kind kind, struct job_ticket *ticket)
{
	assert_int_equal(jobs_ask(w->jobs, kind, 0, ticket, now), 0);
}

static void check_pair(enum job_kind asked, enum job_kind running)
{
	struct job_ticket first, second;
	const struct fake *f;
	struct world w;
	int err;

	world_begin(&w);
	f = &w.fake[asked];
	ask_ok(&w, running, &first);
	assert_int_equal(w.fake[running].begun, 1);
	err = jobs_ask(w.jobs, asked, 0, &second, now);
	switch (promise[asked][running]) {
	case '.':
		assert_int_equal(jobs_rule(asked, running), JOB_BESIDE);
		assert_int_equal(err, 0);
		assert_int_equal(f->begun, asked == running ? 2 : 1);
		assert_int_equal(w.ends[running], 0);
		assert_int_equal(second.kind, asked);
		break;
	case 's':
		assert_int_equal(jobs_rule(asked, running), JOB_STOP);
		assert_int_equal(err, 0);
		assert_int_equal(w.fake[running].stopped, 1);
		assert_int_equal(w.last[running].err, -ECANCELED);
		assert_int_equal(w.last[running].stopped_by, asked);
		assert_int_equal(w.last_run[running], first.run);
		assert_false(jobs_running(w.jobs, running));
		assert_int_equal(f->begun, 1);
		break;
	case 'j':
		assert_int_equal(jobs_rule(asked, running), JOB_JOIN);
		assert_int_equal(err, 0);
		assert_int_equal(second.kind, running);
		assert_int_equal(second.run, first.run);
		assert_int_equal(f->begun, asked == running ? 1 : 0);
		assert_null(jobs_result(w.jobs, &second));
		end(&w, running);
		assert_non_null(jobs_result(w.jobs, &second));
		assert_int_equal(f->begun, asked == running ? 1 : 0);
		break;
	case 'w':
		assert_int_equal(jobs_rule(asked, running), JOB_FOLLOW);
		assert_int_equal(err, 0);
		assert_true(jobs_waiting(w.jobs, asked));
		assert_int_equal(f->begun, asked == running ? 1 : 0);
		end(&w, running);
		assert_false(jobs_waiting(w.jobs, asked));
		assert_int_equal(f->begun, asked == running ? 2 : 1);
		assert_true(jobs_running(w.jobs, asked));
		assert_null(jobs_result(w.jobs, &second));
		end(&w, asked);
		assert_int_equal(second.kind, asked);
		assert_int_equal(w.last_run[asked], second.run);
		break;
	case 'x':
		assert_int_equal(jobs_rule(asked, running), JOB_REFUSE);
		assert_int_equal(err, -EBUSY);
		assert_int_equal(f->begun, 0);
		end(&w, running);
		assert_int_equal(f->begun, 0);
		break;
	default:
		fail();
	}
	jobs_free(w.jobs);
}

static void test_every_pair(void **state)
{
	(void)state;
	for (unsigned int a = 0; a < JOB_KINDS; a++)
		for (unsigned int r = 0; r < JOB_KINDS; r++)
			check_pair((enum job_kind)a, (enum job_kind)r);
}

/* A commit waits for nothing that deletes, also not for what waits behind it or behind one
 * another. */
static void test_a_commit_is_not_undone(void **state)
{
	struct job_ticket flush, purge, commit;
	struct world w;

	(void)state;
	world_begin(&w);
	ask_ok(&w, JOB_PURGE, &purge);
	ask_ok(&w, JOB_FLUSH, &flush);
	assert_true(jobs_waiting(w.jobs, JOB_FLUSH));
	ask_ok(&w, JOB_COMMIT, &commit);
	assert_int_equal(w.last[JOB_PURGE].err, -ECANCELED);
	assert_int_equal(w.last_run[JOB_PURGE], purge.run);
	assert_int_equal(w.last[JOB_FLUSH].err, -ECANCELED);
	assert_int_equal(w.last[JOB_FLUSH].stopped_by, JOB_COMMIT);
	assert_int_equal(w.last_run[JOB_FLUSH], flush.run);
	assert_string_equal(w.order, "PfpC");
	ask_ok(&w, JOB_PURGE, &purge); /* of a -t that came after: when the commit is over */
	assert_true(jobs_waiting(w.jobs, JOB_PURGE));
	end(&w, JOB_COMMIT);
	assert_string_equal(w.order, "PfpCcP");
	jobs_free(w.jobs);
}

/* Two who wait want both of what they asked for, and no more than that. */
static void test_what_is_put_together(void **state)
{
	struct job_ticket a, b, c;
	struct world w;

	(void)state;
	world_begin(&w);
	assert_int_equal(jobs_ask(w.jobs, JOB_COMMIT, 1, &a, now), 0);
	assert_int_equal(w.fake[JOB_COMMIT].what, 1);
	assert_int_equal(jobs_ask(w.jobs, JOB_COMMIT, 2, &b, now), 0);
	assert_int_equal(jobs_ask(w.jobs, JOB_COMMIT, 4, &c, now), 0);
	assert_int_equal(b.run, a.run + 1);
	assert_int_equal(c.run, b.run);
	end(&w, JOB_COMMIT);
	assert_int_equal(w.fake[JOB_COMMIT].what, 6);
	end(&w, JOB_COMMIT);
	assert_int_equal(w.fake[JOB_COMMIT].begun, 2);
	jobs_free(w.jobs);
}

/* -c -f -R -B of the scripts, typed faster than the comparison is: one pass, and everything is told
 * after it. */
static void test_the_script(void **state)
{
	struct job_ticket t, refresh;
	struct world w;

	(void)state;
	world_begin(&w);
	w.fake[JOB_BULK].ends_at_once = true;
	ask_ok(&w, JOB_COMMIT, &t);
	end(&w, JOB_COMMIT);
	ask_ok(&w, JOB_REFRESH, &refresh);
	ask_ok(&w, JOB_CACHE_FLUSH, &t);
	end(&w, JOB_CACHE_FLUSH);
	ask_ok(&w, JOB_COMPARE, &t);
	assert_int_equal(t.kind, JOB_REFRESH);
	ask_ok(&w, JOB_BULK, &t);
	assert_string_equal(w.order, "CcQEe");
	end(&w, JOB_REFRESH);
	assert_string_equal(w.order, "CcQEeqBb");
	assert_false(jobs_running(w.jobs, JOB_BULK));
	jobs_free(w.jobs);
}

/* Who wants more than the one that runs does is not put off with it. */
static void test_one_that_does_not_join(void **state)
{
	struct job_ticket refresh, compare;
	struct world w;

	(void)state;
	world_begin(&w);
	ask_ok(&w, JOB_REFRESH, &refresh);
	assert_int_equal(jobs_ask(w.jobs, JOB_COMPARE, JOB_ALONE, &compare, now), 0);
	assert_int_equal(compare.kind, JOB_COMPARE);
	assert_true(jobs_waiting(w.jobs, JOB_COMPARE));
	end(&w, JOB_REFRESH);
	assert_int_equal(w.fake[JOB_COMPARE].begun, 1);
	assert_int_equal(w.fake[JOB_COMPARE].what, 0);
	jobs_free(w.jobs);
}

static void test_one_that_cannot_begin(void **state)
{
	struct job_ticket a, b;
	struct world w;

	(void)state;
	world_begin(&w);
	w.fake[JOB_FLUSH].start_err = -ENOMEM;
	assert_int_equal(jobs_ask(w.jobs, JOB_FLUSH, 0, &a, now), -ENOMEM);
	assert_false(jobs_running(w.jobs, JOB_FLUSH));
	ask_ok(&w, JOB_PURGE, &a);
	ask_ok(&w, JOB_FLUSH, &b);
	end(&w, JOB_PURGE); /* whoever waits for the flush hears of it */
	assert_int_equal(w.ends[JOB_FLUSH], 1);
	assert_int_equal(w.last[JOB_FLUSH].err, -ENOMEM);
	assert_int_equal(w.last_run[JOB_FLUSH], b.run);
	w.fake[JOB_FLUSH].start_err = 0;
	ask_ok(&w, JOB_FLUSH, &a);
	assert_true(jobs_running(w.jobs, JOB_FLUSH));
	jobs_free(w.jobs);
}

/* What nothing stops need not know how, and what something stops has to. */
static void test_names(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		assert_non_null(jobs_name((enum job_kind)k));
		for (unsigned int a = 0; a < JOB_KINDS; a++)
			if (jobs_rule((enum job_kind)a, (enum job_kind)k) == JOB_STOP)
				assert_true(k == JOB_FLUSH || k == JOB_PURGE ||
					    k == JOB_CACHE_FLUSH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_a_commit_is_not_undone),
		cmocka_unit_test(test_what_is_put_together),
		cmocka_unit_test(test_the_script),
		cmocka_unit_test(test_one_that_does_not_join),
		cmocka_unit_test(test_one_that_cannot_begin),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
