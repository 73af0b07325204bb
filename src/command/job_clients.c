/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that wait for a job: a commit, a flush, a comparison with the kernel. The job goes on
 * when its clients leave. What a client gets that asks while another job runs is decided by the
 * table of follow/jobs.c. */
#include "command/job_clients.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "control/server.h"
#include "command/status.h"
#include "flow/flow_json.h"

#define PROGRESS_MS 250

struct job_clients {
	const struct command_env *d;
	struct list_node list; /* struct waiter */
	/* wakes the clients, so that each can show the progress of its job */
	struct ev_timer progress;
};

struct waiter {
	struct control_job job;
	struct list_node node;
	struct job_clients *all;
	enum job_kind asked;
	struct job_ticket ticket;
	bool over;
	struct commit_wish commit; /* of a commit */
	struct job_result res;
};

/* A success is for whoever watches; a result that is not whole is said to everybody, even where the
 * status stays 0 so that a take-over goes on. The log has both. */
typedef void (*say_fn)(struct ctl_out *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void waiter_say_expects(const struct waiter *w, struct ctl_out *out)
{
	const struct exp_commit_result *r = &w->res.expects;
	say_fn say = r->failed > 0 ? ctl_note : ctl_result;

	say(out,
	    "committed %" PRIu64 " expectations in %" PRId64 ".%03" PRId64 " s: %" PRIu64
	    " created, %" PRIu64 " kept as the kernel had them, %" PRIu64 " failed",
	    r->total, r->duration_us / 1000000, r->duration_us / 1000 % 1000, r->created, r->kept,
	    r->failed);
	for (int i = 0; i < EXP_COMMIT_REASONS && r->reason[i].count > 0; i++)
		say(out, "  %" PRIu64 " failed: %s", r->reason[i].count,
		    exp_commit_reason(r->reason[i].err));
	if (w->commit.strict && r->failed > 0)
		ctl_end(out, 1);
}

static void waiter_say_flows(const struct waiter *w, struct ctl_out *out)
{
	const struct ct_commit_result *r = &w->res.commit;
	say_fn say = r->failed > 0 ? ctl_note : ctl_result;

	say(out,
	    "committed %" PRIu64 " flows in %" PRId64 ".%03" PRId64 " s: %" PRIu64
	    " created, %" PRIu64 " kept as the kernel had them, %" PRIu64 " updated, %" PRIu64
	    " replaced, %" PRIu64 " failed",
	    r->total, r->duration_us / 1000000, r->duration_us / 1000 % 1000, r->created, r->kept,
	    r->updated, r->replaced, r->failed);
	if (r->newer > 0)
		say(out,
		    "  %" PRIu64 " refused: a newer flow of the same addresses and ports is here",
		    r->newer);
	if (r->ended_here > 0)
		say(out, "  %" PRIu64 " ended here while this node was active", r->ended_here);
	if (r->ended > 0)
		say(out, "  %" PRIu64 " ended since their owner told them", r->ended);
	for (int i = 0; i < CT_COMMIT_REASONS && r->reason[i].count > 0; i++)
		say(out, "  %" PRIu64 " failed: %s", r->reason[i].count,
		    commit_reason(r->reason[i].err));
	ctl_end(out, w->commit.strict && r->failed > 0 ? 1 : 0);
}

static void waiter_say_commit(const struct waiter *w, struct ctl_out *out)
{
	if (w->commit.object != CTL_OBJ_EXPECT)
		waiter_say_flows(w, out);
	if (w->commit.object == CTL_OBJ_EXPECT ||
	    (w->commit.object == CTL_OBJ_BOTH && w->all->d->expecting))
		waiter_say_expects(w, out);
}

/* There was nothing to commit, and that is said. Only what may have consequences is worth a
 * word. */
static void waiter_say_windows(const struct waiter *w, struct ctl_out *out)
{
	const struct windows_result *r = &w->res.windows;
	int err = w->res.err < 0 ? w->res.err : r->err;

	if (err == -EINTR)
		ctl_note(out, "%s", WINDOWS_CHANGED);
	else if (err < 0)
		ctl_note(out, "looking for entries that are older than this take-over failed: %s",
			 strerror(-err));
	if (r->failed > 0)
		ctl_note(out, "%" PRIu64 " older entries still have their windows", r->failed);
	ctl_end(out, w->commit.strict && (err < 0 || r->failed > 0) ? 1 : 0);
}

static void waiter_say_flush(const struct waiter *w, struct ctl_out *out)
{
	const struct ct_flush_result *r = &w->res.flush;
	say_fn say = r->failed > 0 ? ctl_note : ctl_result;

	say(out,
	    "deleted %" PRIu64 " flows from the kernel table, %" PRIu64 " could not be deleted",
	    r->deleted, r->failed);
}

/* All of it for a program, with the status that the words would have. */
static void waiter_say_json(const struct waiter *w, struct ctl_out *out)
{
	uint64_t failed = w->res.commit.failed + w->res.expects.failed + w->res.windows.failed;
	int err = w->res.err < 0 ? w->res.err : w->res.windows.err;
	bool bad = err < 0 && !w->commit.in_kernel;
	struct text text = { 0 };
	struct commit_values c;
	struct values v;

	commit_values(&w->res, &c);
	if (err < 0)
		c.failed = err == -EBUSY ? "a commit is still running" : strerror(-err);
	values_begin(&v, &values_json, "commit_result", JSON_SCHEMA, &text);
	commit_document(&c, &v);
	values_end(&v);
	if (!text.truncated)
		ctl_text(out, text.buf, text.len);
	ctl_end(out,
		bad || text.truncated || (w->commit.strict && (failed > 0 || err < 0)) ? 1 : 0);
	text_free(&text);
}

static void waiter_say_failed(const struct waiter *w, struct ctl_out *out)
{
	const struct ct_flush_result *r = &w->res.flush;

	if (w->res.err == -EBUSY)
		ctl_note(out, "refused: a commit is still running");
	else if (w->res.err != -ECANCELED)
		ctl_note(out, "failed: %s", strerror(-w->res.err));
	else if (w->asked == JOB_FLUSH)
		ctl_note(out, "%" PRIu64 " of %" PRIu64 " deleted, stopped by a %s", r->deleted,
			 r->total, jobs_name(w->res.stopped_by));
	else
		ctl_note(out, "stopped by a %s", jobs_name(w->res.stopped_by));
	ctl_end(out, 1);
}

static enum ctl_step waiter_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct waiter *w = container_of(job, struct waiter, job);
	uint64_t done, total;

	(void)now;
	if (!w->over) {
		if (jobs_progress(w->all->d->jobs, w->ticket.kind, &done, &total))
			ctl_progress(out, done, total);
		return CTL_WAIT;
	}
	if (w->commit.json)
		waiter_say_json(w, out);
	else if (w->commit.in_kernel)
		waiter_say_windows(w, out);
	else if (w->res.err < 0)
		waiter_say_failed(w, out);
	else if (w->asked == JOB_COMMIT)
		waiter_say_commit(w, out);
	else if (w->asked == JOB_FLUSH)
		waiter_say_flush(w, out);
	return CTL_DONE;
}

static void waiter_release(struct control_job *job, bool done)
{
	struct waiter *w = container_of(job, struct waiter, job);

	(void)done;
	list_del(&w->node);
	free(w);
}

static const struct control_job_ops waiter_ops = { .name = "wait",
						   .step = waiter_step,
						   .release = waiter_release };

/* ---- what the work reports ---- */

void job_clients_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		       struct mono now)
{
	struct job_clients *all = ctx;

	(void)now;
	if (kind == JOB_PURGE && res->err == -ECANCELED && res->flush.err == 0)
		log_notice("%s stopped by a commit before it began", jobs_name(kind));
	for (struct list_node *at = all->list.next; at != &all->list; at = at->next) {
		struct waiter *w = container_of(at, struct waiter, node);

		if (w->over || w->ticket.kind != kind || w->ticket.run != run)
			continue;
		w->over = true;
		w->res = *res;
		control_job_wake(&w->job);
	}
}

static void on_progress(void *ctx, struct mono now)
{
	struct job_clients *all = ctx;

	for (struct list_node *at = all->list.next; at != &all->list; at = at->next)
		control_job_wake(&container_of(at, struct waiter, node)->job);
	if (!list_empty(&all->list))
		ev_timer_set(all->d->loop, &all->progress, mono_add_ms(now, PROGRESS_MS));
}

/* ---- beginning ---- */

struct control_job *job_clients_ask(struct job_clients *all, enum job_kind kind, unsigned int what,
				    struct mono now)
{
	struct waiter *w = calloc(1, sizeof(*w));
	const struct job_result *res;

	if (!w)
		return NULL;
	w->job.ops = &waiter_ops;
	w->all = all;
	w->asked = kind;
	w->res.err = jobs_ask(all->d->jobs, kind, what, &w->ticket, now);
	w->over = w->res.err < 0;
	res = w->over ? NULL : jobs_result(all->d->jobs, &w->ticket);
	if (res) { /* it has ended within its beginning */
		w->over = true;
		w->res = *res;
	}
	list_add_tail(&all->list, &w->node);
	if (!ev_timer_armed(&all->progress))
		ev_timer_set(all->d->loop, &all->progress, mono_add_ms(now, PROGRESS_MS));
	return &w->job;
}

struct control_job *job_clients_commit(struct job_clients *all, const struct commit_wish *wish,
				       struct mono now)
{
	enum ctl_object object = wish->object;
	unsigned int what = object == CTL_OBJ_CT     ? COMMIT_FLOWS :
			    object == CTL_OBJ_EXPECT ? COMMIT_EXPECTS :
						       COMMIT_ALL;
	struct control_job *job = job_clients_ask(all, JOB_COMMIT, what, now);
	struct waiter *w = job ? container_of(job, struct waiter, job) : NULL;

	if (w)
		w->commit = *wish;
	return job;
}

/* ---- lifetime ---- */

struct job_clients *job_clients_new(const struct command_env *d)
{
	struct job_clients *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->d = d;
	list_init(&all->list);
	all->progress = (struct ev_timer){ .cb = on_progress, .ctx = all, .name = "progress" };
	return all;
}

void job_clients_free(struct job_clients *all)
{
	if (!all)
		return;
	ev_timer_del(all->d->loop, &all->progress);
	free(all);
}
