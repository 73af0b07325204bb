/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A change of the role, as one piece of work.
 *
 *	primary		take over; commit; empty the external cache; compare the internal one; tell
 *	backup		leave, which schedules the flush of the kernel table; ask the peers
 *	faulty		leave
 *
 * That is what the scripts of 1.4.x do with one letter after the other, and in their order: what
 * has failed ends the change, because what follows a commit that has failed would lose the
 * states. The role itself is told at the first moment: it is what the cluster manager has
 * decided, whatever comes of the work.
 *
 * Only the last word counts. A step of a change that was overtaken goes on as any job does, but
 * the next one is not asked for: a backup must not empty its external cache because it was to be
 * primary a moment ago. A flush or a purge is never a step, so nothing here can delete what a
 * kernel forwards; that is stopped by the commit (jobs.c).
 *
 * The letters come by way of the activity, which every one of them sets. */
#include "follow/role.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "follow/commit.h"
#include "follow/external_flush.h"

struct role {
	struct role_env env;
	struct list_node watches;
	enum role_kind now; /* as those who watch know it */
	const char *doubt;
	struct role_change change;
	struct job_ticket ticket; /* of the step that goes on */
	bool waits;  /* ... which is refused while a commit runs, and asked for again at its end */
	bool asking; /* jobs_ask(): what ends within it is looked at afterwards */
	bool changing; /* role_set() sets the activity: no letter */
	bool asked;    /* the peers, since this node is backup */
	bool well;     /* no letter since the last change, which has ended well */
};

const char *role_name(enum role_kind kind)
{
	static const char *const name[] = {
		[ROLE_UNKNOWN] = "unknown",
		[ROLE_PRIMARY] = "primary",
		[ROLE_BACKUP] = "backup",
		[ROLE_FAULTY] = "faulty",
	};

	return name[kind];
}

bool role_by_name(const char *name, enum role_kind *out)
{
	for (enum role_kind k = ROLE_PRIMARY; k <= ROLE_FAULTY; k++) {
		if (strcmp(name, role_name(k)) != 0)
			continue;
		*out = k;
		return true;
	}
	return false;
}

const char *role_step_name(enum role_step step)
{
	static const char *const name[] = {
		[ROLE_NOTHING] = "nothing",
		[ROLE_COMMIT] = "commit",
		[ROLE_EMPTY] = "flush of the external cache",
		[ROLE_COMPARE] = "comparison with the kernel table",
		[ROLE_TELL] = "bulk update",
	};

	return name[step];
}

/* ---- who wants to know ---- */

void role_watch_add(struct role *r, struct role_watch *w)
{
	list_add_tail(&r->watches, &w->node);
}

void role_watch_del(struct role_watch *w)
{
	if (w->node.next)
		list_del(&w->node);
}

/* The function may leave the list. */
#define FOR_EACH_WATCH(r, w, at, next) \
	for (struct list_node *at = (r)->watches.next, *next = at->next; \
	     at != &(r)->watches && ((w) = container_of(at, struct role_watch, node)); \
	     at = next, next = at->next)

static void tell_role(struct role *r, struct mono now)
{
	enum role_kind from = r->now, to = role_now(r);
	struct role_watch *w;

	if (from == to)
		return;
	r->now = to;
	if (r->changing || r->doubt) /* a letter has lines of its own, those of 1.4.x */
		log_notice("role: %s, was %s (%s)", role_name(to), role_name(from),
			   r->doubt ? r->doubt : role_by(r));
	FOR_EACH_WATCH(r, w, at, next)
	if (w->changed)
		w->changed(w->ctx, from, to, now);
}

static void tell_commit(const struct role *r, const struct job_result *res, struct mono now)
{
	struct role_watch *w;

	if (role_now(r) != ROLE_PRIMARY)
		return;
	FOR_EACH_WATCH(r, w, at, next)
	if (w->committed)
		w->committed(w->ctx, res, now);
}

static void tell_end(const struct role *r, struct mono now)
{
	struct role_watch *w;

	FOR_EACH_WATCH(r, w, at, next)
	if (w->ended)
		w->ended(w->ctx, &r->change, now);
}

/* ---- the change that goes on ---- */

static bool goes_on(const struct role *r)
{
	return r->change.number > 0 && !mono_is_set(r->change.ended);
}

static void end(struct role *r, int err, struct mono now)
{
	struct role_change *c = &r->change;

	c->err = err;
	c->ended = now;
	if (err == 0)
		c->step = ROLE_NOTHING;
	r->waits = false;
	r->well = err == 0;
	if (err == -ECANCELED)
		log_notice("role: the change to %s is overtaken by %s", role_name(c->to),
			   c->overtaken_by);
	else if (err < 0)
		log_errx("role: the change to %s failed: %s: %s", role_name(c->to),
			 role_step_name(c->step), strerror(-err));
	else
		log_notice("role: %s, the change has taken %d ms", role_name(c->to),
			   (int)mono_diff_ms(now, c->began));
	tell_end(r, now);
}

static void overtake(struct role *r, const char *by, struct mono now)
{
	snprintf(r->change.overtaken_by, sizeof(r->change.overtaken_by), "%s", by);
	end(r, -ECANCELED, now);
}

/* ---- its steps ---- */

static bool has_step(const struct role *r, enum role_step step)
{
	switch (step) {
	case ROLE_EMPTY:
		return r->env.has_external;
	case ROLE_COMPARE:
		return r->env.has_internal;
	case ROLE_TELL:
		return r->env.tells;
	case ROLE_COMMIT:
	case ROLE_NOTHING:
		break;
	}
	return true;
}

static int ask(struct role *r, enum role_step step, struct mono now)
{
	struct jobs *jobs = r->env.jobs;

	switch (step) {
	case ROLE_COMMIT:
		return jobs_ask(jobs, JOB_COMMIT, COMMIT_ALL, &r->ticket, now);
	case ROLE_EMPTY:
		return jobs_ask(jobs, JOB_CACHE_FLUSH, FLUSH_EXPECTS, &r->ticket, now);
	case ROLE_COMPARE:
		return jobs_ask(jobs, JOB_COMPARE, JOB_ALONE, &r->ticket, now);
	case ROLE_TELL:
		return jobs_ask(jobs, JOB_BULK, 0, &r->ticket, now);
	case ROLE_NOTHING:
		break;
	}
	return 0;
}

static void note(struct role *r, const struct job_result *res)
{
	if (r->change.step != ROLE_COMMIT)
		return;
	r->change.committed = true;
	r->change.commit = *res;
}

/* False: that was the last one. */
static bool next_step(struct role *r)
{
	struct role_change *c = &r->change;

	do
		c->step++;
	while (c->step <= ROLE_TELL && !has_step(r, c->step));
	return c->step <= ROLE_TELL;
}

/* A commit is in the way of the flush of the cache: it refuses that, or stops it. */
static bool commit_in_the_way(const struct role *r, int err)
{
	return r->change.step == ROLE_EMPTY && (err == -EBUSY || err == -ECANCELED);
}

/* One step after the other, for as long as they end at once. */
static void go_on(struct role *r, struct mono now)
{
	struct role_change *c = &r->change;

	while (goes_on(r)) {
		const struct job_result *res;
		uint32_t number = c->number;
		int err;

		r->waits = false;
		r->asking = true;
		err = ask(r, c->step, now);
		r->asking = false;
		if (c->number != number || !goes_on(r))
			return;
		res = err == 0 ? jobs_result(r->env.jobs, &r->ticket) : NULL;
		if (err == 0 && !res)
			return;
		if (res) {
			note(r, res);
			err = res->err;
		}
		if (commit_in_the_way(r, err)) {
			r->waits = true;
			return;
		}
		if (err < 0) {
			end(r, err, now);
			return;
		}
		if (!next_step(r))
			end(r, 0, now);
	}
}

static void step_ended(struct role *r, const struct job_result *res, struct mono now)
{
	note(r, res);
	if (commit_in_the_way(r, res->err))
		r->waits = true;
	else if (res->err < 0)
		end(r, res->err, now);
	else if (next_step(r))
		go_on(r, now);
	else
		end(r, 0, now);
}

void role_job_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		    struct mono now)
{
	struct role *r = ctx;

	if (kind == JOB_COMMIT)
		tell_commit(r, res, now);
	if (r->asking || !goes_on(r))
		return;
	if (r->waits) {
		if (kind == JOB_COMMIT)
			go_on(r, now);
		return;
	}
	if (r->ticket.kind == kind && r->ticket.run == run)
		step_ended(r, res, now);
}

/* ---- the word ---- */

/* A letter, or our own doing. */
static void on_activity(void *ctx, struct mono now)
{
	struct role *r = ctx;

	r->doubt = NULL;
	if (!r->changing) {
		r->well = false;
		if (goes_on(r) && r->change.to != activity_told_role(r->env.activity))
			overtake(r, role_by(r), now);
		r->asked = activity_role(r->env.activity) == ACTIVITY_REQUEST ||
			   (r->asked && role_now(r) == ROLE_BACKUP);
	}
	tell_role(r, now);
}

/* Who has left already has nothing more to flush: what is in its kernel now, others have told. */
static void leave(struct role *r, enum role_kind from, bool ask_peers, struct mono now)
{
	if (from == ROLE_PRIMARY || from == ROLE_UNKNOWN)
		r->env.leave(r->env.ctx, now);
	else if (!ask_peers)
		activity_request(r->env.activity, now);
	if (ask_peers)
		r->env.ask(r->env.ctx, now);
}

static void begin(struct role *r, enum role_kind to, const char *by, struct mono now)
{
	struct role_change *c = &r->change;

	*c = (struct role_change){ .number = c->number + 1, .to = to, .began = now };
	if (c->number == 0)
		c->number = 1; /* 0 is none */
	snprintf(c->by, sizeof(c->by), "%s", by);
	c->step = to == ROLE_PRIMARY ? ROLE_COMMIT : ROLE_NOTHING;
	activity_sign(r->env.activity, to == ROLE_FAULTY, by);
}

uint32_t role_set(struct role *r, enum role_kind to, const char *by, struct mono now)
{
	enum role_kind from = role_now(r);
	bool ask_peers = to == ROLE_BACKUP && !(r->asked && from == ROLE_BACKUP);

	if (goes_on(r)) {
		if (r->change.to == to)
			return r->change.number;
		overtake(r, by, now);
	}
	begin(r, to, by, now);
	r->doubt = NULL;
	r->changing = true;
	if (to == ROLE_PRIMARY)
		r->env.take(r->env.ctx, now);
	else
		leave(r, from, ask_peers, now);
	r->changing = false;
	activity_sign(r->env.activity, false, NULL);
	r->asked = to == ROLE_BACKUP;
	if (to == ROLE_PRIMARY)
		go_on(r, now);
	else
		end(r, 0, now);
	return r->change.number;
}

bool role_told(struct role *r, enum role_kind to, const char *by, struct mono now)
{
	if (role_now(r) == to && (r->well || (goes_on(r) && r->change.to == to)))
		return false;
	role_set(r, to, by, now);
	return true;
}

void role_doubt(struct role *r, const char *why, struct mono now)
{
	r->doubt = why;
	tell_role(r, now);
}

const char *role_doubted(const struct role *r)
{
	return r->doubt;
}

enum role_kind role_now(const struct role *r)
{
	return r->doubt ? ROLE_UNKNOWN : activity_told_role(r->env.activity);
}

struct mono role_since(const struct role *r)
{
	return activity_told_since(r->env.activity);
}

const char *role_by(const struct role *r)
{
	return activity_told_by(r->env.activity);
}

const struct role_change *role_change(const struct role *r)
{
	return &r->change;
}

/* ---- lifetime ---- */

struct role *role_new(const struct role_env *env)
{
	struct role *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->env = *env;
	list_init(&r->watches);
	r->now = activity_told_role(env->activity);
	r->asked = true; /* the start asks */
	activity_on_command(env->activity, on_activity, r);
	return r;
}

void role_free(struct role *r)
{
	if (!r)
		return;
	activity_on_command(r->env.activity, NULL, NULL);
	free(r);
}
