/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who stops, joins or waits for whom.
 *
 * The first rule of the table: a commit waits for nobody but another commit. What would delete
 * flows of the kernel or of the external cache meanwhile is stopped by it, and cannot begin while
 * it runs. Comparisons with the kernel delete nothing, so they run beside everything; one that is
 * asked for while one runs follows it, because that one may have passed already what is to be
 * looked at. Only -R joins the comparison that -f has begun: the scripts of the cluster managers
 * give both in a row. What is told with -B waits for a comparison and a commit, so that it is told
 * once and as the kernel has it; once begun it is paced by sync/ and in nobody's way.
 *
 * A full answer that a peer asks for is not here: it is ended by the completeness of the cache,
 * whatever runs. */
#include "follow/jobs.h"

#include <errno.h>
#include <stdlib.h>

#define BESIDE JOB_BESIDE
#define STOP   JOB_STOP
#define JOIN   JOB_JOIN
#define FOLLOW JOB_FOLLOW
#define REFUSE JOB_REFUSE

/* clang-format off */
static const enum job_rule rules[JOB_KINDS][JOB_KINDS] = {
	/* asked      running:    COMMIT  FLUSH   PURGE   CACHE   REFRESH COMPARE C.EXP.  BULK */
	[JOB_COMMIT]          = { FOLLOW, STOP,   STOP,   STOP,   BESIDE, BESIDE, BESIDE, BESIDE },
	[JOB_FLUSH]           = { REFUSE, FOLLOW, FOLLOW, BESIDE, BESIDE, BESIDE, BESIDE, BESIDE },
	[JOB_PURGE]           = { FOLLOW, FOLLOW, FOLLOW, BESIDE, BESIDE, BESIDE, BESIDE, BESIDE },
	[JOB_CACHE_FLUSH]     = { REFUSE, BESIDE, BESIDE, JOIN,   BESIDE, BESIDE, BESIDE, BESIDE },
	[JOB_REFRESH]         = { BESIDE, BESIDE, BESIDE, BESIDE, FOLLOW, FOLLOW, BESIDE, BESIDE },
	[JOB_COMPARE]         = { BESIDE, BESIDE, BESIDE, BESIDE, JOIN,   FOLLOW, BESIDE, BESIDE },
	[JOB_COMPARE_EXPECTS] = { BESIDE, BESIDE, BESIDE, BESIDE, BESIDE, BESIDE, FOLLOW, BESIDE },
	[JOB_BULK]            = { FOLLOW, BESIDE, BESIDE, BESIDE, FOLLOW, FOLLOW, FOLLOW, BESIDE },
};
/* clang-format on */

struct job {
	struct job_ops ops;
	uint32_t run;		/* number of the one that runs, or ran last */
	struct job_result last; /* what came out of the one that ended last */
	bool running, waiting;
	unsigned int what; /* of the one that waits */
	bool stopping;	   /* in stop(), by */
	enum job_kind by;
};

struct jobs {
	struct job job[JOB_KINDS];
	jobs_end_cb *ended;
	void *ctx;
	/* jobs_ended() is at the ones that wait: a nested call leaves it to that one */
	bool choosing;
};

enum job_rule jobs_rule(enum job_kind asked, enum job_kind running)
{
	return rules[asked][running];
}

const char *jobs_name(enum job_kind kind)
{
	static const char *const name[] = {
		[JOB_COMMIT] = "commit",
		[JOB_FLUSH] = "flush of the kernel table",
		[JOB_PURGE] = "scheduled flush of the kernel table",
		[JOB_CACHE_FLUSH] = "flush of the external cache",
		[JOB_REFRESH] = "flush of the internal cache",
		[JOB_COMPARE] = "comparison with the kernel table",
		[JOB_COMPARE_EXPECTS] = "comparison with the kernel's expectations",
		[JOB_BULK] = "bulk update",
	};

	return name[kind];
}

/* Is there one that runs and is met by this rule? Those that wait count for STOP and REFUSE only:
 * one that begins after us is not in our way, but would undo what we do. */
static bool meets(const struct jobs *jobs, enum job_kind asked, enum job_rule rule)
{
	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		const struct job *j = &jobs->job[k];

		if (rules[asked][k] == rule && (j->running || (j->waiting && rule == REFUSE)))
			return true;
	}
	return false;
}

/* What has to end before one of this kind begins. One that waits does not join any more: what it
 * could have joined has passed. */
static bool in_the_way(const struct jobs *jobs, enum job_kind kind)
{
	return meets(jobs, kind, FOLLOW) || meets(jobs, kind, JOIN);
}

static int begin(struct jobs *jobs, enum job_kind kind, struct mono now)
{
	struct job *j = &jobs->job[kind];
	unsigned int what = j->what & ~JOB_ALONE;
	int err;

	j->waiting = false;
	j->what = 0;
	j->running = true;
	j->run++;
	err = j->ops.start(j->ops.ctx, what, now);
	if (err < 0)
		j->running = false;
	return err;
}

/* Its end is told, whether it had begun or not. */
static void tell_end(struct jobs *jobs, enum job_kind kind, const struct job_result *res,
		     struct mono now)
{
	jobs->job[kind].last = *res;
	jobs->ended(jobs->ctx, kind, jobs->job[kind].run, res, now);
}

static void stop_waiting(struct jobs *jobs, enum job_kind kind, enum job_kind by, struct mono now)
{
	const struct job_result res = { .err = -ECANCELED, .stopped_by = by };
	struct job *j = &jobs->job[kind];

	j->waiting = false;
	j->what = 0;
	j->run++; /* the run that its clients wait for is this one that never was */
	tell_end(jobs, kind, &res, now);
}

static void stop_others(struct jobs *jobs, enum job_kind asked, struct mono now)
{
	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		struct job *j = &jobs->job[k];

		if (rules[asked][k] != STOP)
			continue;
		if (j->running) {
			j->stopping = true;
			j->by = asked;
			j->ops.stop(j->ops.ctx, now);
			j->stopping = false;
		}
		if (j->waiting)
			stop_waiting(jobs, (enum job_kind)k, asked, now);
	}
}

static enum job_kind joined(const struct jobs *jobs, enum job_kind asked)
{
	unsigned int k = 0;

	while (rules[asked][k] != JOIN || !jobs->job[k].running)
		k++;
	return (enum job_kind)k;
}

static int ask(struct jobs *jobs, enum job_kind kind, unsigned int what, struct job_ticket *ticket,
	       struct mono now)
{
	struct job *j = &jobs->job[kind];

	if (meets(jobs, kind, REFUSE))
		return -EBUSY;
	if (!(what & JOB_ALONE) && meets(jobs, kind, JOIN)) {
		ticket->kind = joined(jobs, kind);
		ticket->run = jobs->job[ticket->kind].run;
		return 0;
	}
	*ticket = (struct job_ticket){ .kind = kind, .run = j->run + 1 };
	j->what |= what;
	if (j->waiting || in_the_way(jobs, kind)) {
		j->waiting = true;
		return 0;
	}
	return begin(jobs, kind, now);
}

static bool begin_some(struct jobs *jobs, struct mono now)
{
	bool again = false;

	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		enum job_kind kind = (enum job_kind)k;
		struct job_result res = { 0 };

		if (!jobs->job[k].waiting || in_the_way(jobs, kind))
			continue;
		again = true;
		res.err = begin(jobs, kind, now);
		if (res.err < 0)
			tell_end(jobs, kind, &res, now);
	}
	return again;
}

/* One that ends within its own start makes room for others. */
static void begin_waiting(struct jobs *jobs, struct mono now)
{
	if (jobs->choosing)
		return;
	jobs->choosing = true;
	while (begin_some(jobs, now))
		;
	jobs->choosing = false;
}

int jobs_ask(struct jobs *jobs, enum job_kind kind, unsigned int what, struct job_ticket *ticket,
	     struct mono now)
{
	struct job_ticket mine;
	bool nested = jobs->choosing;
	int err;

	/* What is stopped must not make room for others before the one that stops it runs. */
	jobs->choosing = true;
	if (!meets(jobs, kind, REFUSE))
		stop_others(jobs, kind, now);
	err = ask(jobs, kind, what, ticket ? ticket : &mine, now);
	jobs->choosing = nested;
	begin_waiting(jobs, now);
	return err;
}

void jobs_ended(struct jobs *jobs, enum job_kind kind, const struct job_result *res,
		struct mono now)
{
	struct job *j = &jobs->job[kind];
	struct job_result result = *res;

	j->running = false;
	if (j->stopping && result.err == -ECANCELED)
		result.stopped_by = j->by;
	tell_end(jobs, kind, &result, now);
	begin_waiting(jobs, now);
}

const struct job_result *jobs_result(const struct jobs *jobs, const struct job_ticket *ticket)
{
	const struct job *j = &jobs->job[ticket->kind];

	return ticket->run == j->run && !j->running ? &j->last : NULL;
}

bool jobs_running(const struct jobs *jobs, enum job_kind kind)
{
	return jobs->job[kind].running;
}

bool jobs_waiting(const struct jobs *jobs, enum job_kind kind)
{
	return jobs->job[kind].waiting;
}

bool jobs_progress(const struct jobs *jobs, enum job_kind kind, uint64_t *done, uint64_t *total)
{
	const struct job *j = &jobs->job[kind];

	if (!j->running || !j->ops.progress)
		return false;
	j->ops.progress(j->ops.ctx, done, total);
	return true;
}

/* ---- lifetime ---- */

struct jobs *jobs_new(jobs_end_cb *ended, void *ctx)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return NULL;
	jobs->ended = ended;
	jobs->ctx = ctx;
	return jobs;
}

void jobs_free(struct jobs *jobs)
{
	free(jobs);
}

void jobs_set_ops(struct jobs *jobs, enum job_kind kind, const struct job_ops *ops)
{
	jobs->job[kind].ops = *ops;
}
