/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that wait for work which is not theirs: a commit, a flush of the kernel, a comparison with it. It goes on when they
 * leave, and whoever asks while one runs gets one that began after the question. */
#include "daemon/waiters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "control/server.h"
#include "daemon/expecting.h"

#define PROGRESS_MS	250

struct waiters {
	struct daemon *d;
	struct list_node list;		/* struct waiter */
	struct ev_timer progress;	/* wakes those who wait for a commit, so that they can tell how far it is */
};

enum wait_for {
	WAIT_COMMIT,
	WAIT_FLUSH,
	WAIT_RESYNC,
	WAIT_RESYNC_EXPECTS,
};

struct waiter {
	struct control_job job;
	struct list_node node;
	struct waiters *all;
	enum wait_for what;
	unsigned int rounds;		/* ends still to be seen before it is our turn to be done */
	bool strict;
	int err;
	enum ctl_object object;		/* of a commit */
	struct ct_commit_result commit;
	struct exp_commit_result expects;
	uint64_t deleted, failed;
};

static void waiter_say_expects(const struct waiter *w, struct ctl_out *out)
{
	const struct exp_commit_result *r = &w->expects;

	ctl_note(out, "committed %" PRIu64 " expectations in %" PRId64 ".%03" PRId64 " s: %" PRIu64 " created, %" PRIu64
		 " kept as the kernel had them, %" PRIu64 " failed", r->total, r->duration_us / 1000000,
		 r->duration_us / 1000 % 1000, r->created, r->kept, r->failed);
	for (int i = 0; i < EXP_COMMIT_REASONS && r->reason[i].count > 0; i++)
		ctl_note(out, "  %" PRIu64 " failed: %s", r->reason[i].count, exp_commit_reason(r->reason[i].err));
	if (w->strict && r->failed > 0)
		ctl_end(out, 1);
}

static void waiter_say_commit(const struct waiter *w, struct ctl_out *out)
{
	const struct ct_commit_result *r = &w->commit;

	if (w->object == CTL_OBJ_EXPECT) {
		waiter_say_expects(w, out);
		return;
	}
	ctl_note(out, "committed %" PRIu64 " flows in %" PRId64 ".%03" PRId64 " s: %" PRIu64 " created, %" PRIu64
		 " kept as the kernel had them, %" PRIu64 " replaced, %" PRIu64 " failed", r->total,
		 r->duration_us / 1000000, r->duration_us / 1000 % 1000, r->created, r->kept, r->replaced, r->failed);
	for (int i = 0; i < CT_COMMIT_REASONS && r->reason[i].count > 0; i++)
		ctl_note(out, "  %" PRIu64 " failed: %s", r->reason[i].count, ct_commit_reason(r->reason[i].err));
	ctl_end(out, w->strict && r->failed > 0 ? 1 : 0);
	if (w->object == CTL_OBJ_BOTH && w->all->d->expecting)
		waiter_say_expects(w, out);
}

static enum ctl_step waiter_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct waiter *w = container_of(job, struct waiter, job);
	const struct ct_commit_result *progress;

	(void)now;
	if (w->rounds > 0) {
		if (w->what == WAIT_COMMIT && takeover_committing(w->all->d->takeover)) {
			progress = takeover_progress(w->all->d->takeover);
			ctl_progress(out, progress->done, table_count(external_table(
					     pipeline_external(w->all->d->pipeline))));
		}
		return CTL_WAIT;
	}
	if (w->err < 0) {
		if (w->err == -EBUSY)
			ctl_note(out, "refused: a commit is still running");
		else
			ctl_note(out, "failed: %s", strerror(-w->err));
		ctl_end(out, 1);
	} else if (w->what == WAIT_COMMIT) {
		waiter_say_commit(w, out);
	} else if (w->what == WAIT_FLUSH) {
		ctl_note(out, "deleted %" PRIu64 " flows from the kernel table, %" PRIu64 " could not be deleted",
			 w->deleted, w->failed);
	}
	return CTL_DONE;
}

static void waiter_release(struct control_job *job, bool done)
{
	struct waiter *w = container_of(job, struct waiter, job);

	(void)done;
	list_del(&w->node);
	free(w);
}

static const struct control_job_ops waiter_ops = { .name = "wait", .step = waiter_step, .release = waiter_release };

static struct waiter *waiter_new(struct waiters *all, enum wait_for what, unsigned int rounds)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->job.ops = &waiter_ops;
	w->all = all;
	w->what = what;
	w->rounds = rounds;
	list_add_tail(&all->list, &w->node);
	return w;
}

/* One piece of work of this kind has ended. Returns the next waiter that is done with it, NULL after the last: the
 * caller fills in the result. */
static struct waiter *waiter_next_done(struct waiters *all, struct list_node **at, enum wait_for what)
{
	while (*at != &all->list) {
		struct waiter *w = container_of(*at, struct waiter, node);

		*at = (*at)->next;
		if (w->what == what && w->rounds > 0 && --w->rounds == 0) {
			control_job_wake(&w->job);
			return w;
		}
	}
	return NULL;
}

/* Whoever asked while one ran gets one that began after the question. */
static void again_if_awaited(struct waiters *all, enum wait_for what,
			     int (*start)(const struct waiters *all, struct mono now), struct mono now)
{
	bool awaited = false;
	int err;

	for (struct list_node *at = all->list.next; at != &all->list; at = at->next) {
		const struct waiter *w = container_of(at, struct waiter, node);

		awaited |= w->what == what && w->rounds > 0;
	}
	if (!awaited)
		return;
	err = start(all, now);
	if (err >= 0)
		return;
	for (struct list_node *at = all->list.next; at != &all->list; at = at->next) {
		struct waiter *w = container_of(at, struct waiter, node);

		if (w->what != what || w->rounds == 0)
			continue;
		w->rounds = 0;
		w->err = err;
		control_job_wake(&w->job);
	}
}

static enum commit_what what_of(enum ctl_object object)
{
	return object == CTL_OBJ_CT ? COMMIT_FLOWS : object == CTL_OBJ_EXPECT ? COMMIT_EXPECTS : COMMIT_ALL;
}

/* What they ask for together, and no more: nobody's flows go into the kernel for -c expect. */
static int commit_again(const struct waiters *all, struct mono now)
{
	unsigned int what = 0;

	for (const struct list_node *at = all->list.next; at != &all->list; at = at->next) {
		const struct waiter *w = container_of(at, struct waiter, node);

		if (w->what == WAIT_COMMIT && w->rounds > 0)
			what |= what_of(w->object);
	}
	return takeover_commit(all->d->takeover, (enum commit_what)what, now);
}

static int flush_again(const struct waiters *all, struct mono now)
{
	return takeover_flush(all->d->takeover, now);
}

/* ---- what the work reports ---- */

void waiters_committed(void *ctx, int err, const struct ct_commit_result *res, const struct exp_commit_result *exp,
			struct mono now)
{
	struct waiters *all = ctx;
	struct list_node *at = all->list.next;
	struct waiter *w;

	ev_timer_del(all->d->loop, &all->progress);
	if (all->d->expecting)
		expecting_committed(all->d->expecting);
	while ((w = waiter_next_done(all, &at, WAIT_COMMIT)) != NULL) {
		w->err = err;
		w->commit = *res;
		w->expects = *exp;
	}
	again_if_awaited(all, WAIT_COMMIT, commit_again, now);
	if (takeover_committing(all->d->takeover))
		ev_timer_set(all->d->loop, &all->progress, mono_add_ms(now, PROGRESS_MS));
}

void waiters_flushed(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now)
{
	struct waiters *all = ctx;
	struct list_node *at = all->list.next;
	struct waiter *w;

	while ((w = waiter_next_done(all, &at, WAIT_FLUSH)) != NULL) {
		w->err = err;
		w->deleted = deleted;
		w->failed = failed;
	}
	again_if_awaited(all, WAIT_FLUSH, flush_again, now);
}

void waiters_resynced(struct waiters *all, bool expects, int err, struct mono now)
{
	struct list_node *at = all->list.next;
	struct waiter *w;

	(void)now;
	while ((w = waiter_next_done(all, &at, expects ? WAIT_RESYNC_EXPECTS : WAIT_RESYNC)) != NULL)
		w->err = err;
}

static void on_progress(void *ctx, struct mono now)
{
	struct waiters *all = ctx;

	for (struct list_node *at = all->list.next; at != &all->list; at = at->next) {
		struct waiter *w = container_of(at, struct waiter, node);

		if (w->what == WAIT_COMMIT)
			control_job_wake(&w->job);
	}
	ev_timer_set(all->d->loop, &all->progress, mono_add_ms(now, PROGRESS_MS));
}

/* ---- beginning ---- */

struct control_job *waiters_commit(struct waiters *all, enum ctl_object object, bool strict, struct mono now)
{
	struct waiter *w = waiter_new(all, WAIT_COMMIT, 1);

	if (!w)
		return NULL;
	w->strict = strict;
	w->object = object;
	if (takeover_committing(all->d->takeover)) {
		w->rounds = 2;
		return &w->job;
	}
	w->err = takeover_commit(all->d->takeover, what_of(object), now);
	if (w->err < 0)
		w->rounds = 0;
	if (w->rounds > 0)
		ev_timer_set(all->d->loop, &all->progress, mono_add_ms(now, PROGRESS_MS));
	return &w->job;
}

struct control_job *waiters_flush(struct waiters *all, struct mono now)
{
	struct waiter *w = waiter_new(all, WAIT_FLUSH, 1);

	if (!w)
		return NULL;
	if (takeover_flushing(all->d->takeover)) {
		w->rounds = 2;	/* the one that runs may have passed what is to go: one more */
		return &w->job;
	}
	w->err = takeover_flush(all->d->takeover, now);
	if (w->err < 0)
		w->rounds = 0;
	return &w->job;
}

struct control_job *waiters_resync(struct waiters *all, struct mono now)
{
	struct reconcile *r = all->d->reconcile;
	struct waiter *w = waiter_new(all, WAIT_RESYNC, reconcile_command_running(r) ? 2 : 1);

	if (!w)
		return NULL;
	reconcile_start(r, RECONCILE_COMMAND, now);
	return &w->job;
}

struct control_job *waiters_resync_expects(struct waiters *all, struct mono now)
{
	struct expecting *x = all->d->expecting;
	struct waiter *w = waiter_new(all, WAIT_RESYNC_EXPECTS, expecting_comparing(x) ? 2 : 1);

	if (!w)
		return NULL;
	expecting_compare(x, EXPECTING_COMMAND_EXP, now);
	return &w->job;
}

/* ---- lifetime ---- */

struct waiters *waiters_new(struct daemon *d)
{
	struct waiters *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->d = d;
	list_init(&all->list);
	all->progress = (struct ev_timer){ .cb = on_progress, .ctx = all, .name = "progress" };
	return all;
}

void waiters_free(struct waiters *all)
{
	if (!all)
		return;
	ev_timer_del(all->d->loop, &all->progress);
	free(all);
}
