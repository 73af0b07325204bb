/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that wait for a role: --role primary, which ends when the node is what it was asked to
 * be, and --wait-sync, which ends when the node could be. What they wait for goes on without
 * them. */
#include "command/role_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "command/ask.h"
#include "flow/flow_json.h"
#include "follow/role.h"

#define LOOK_MS	    50 /* --wait-sync looks so often */
#define PROGRESS_MS 250

struct role_wait {
	struct control_job job;
	const struct command_env *d;
	struct role_watch watch;  /* of a change */
	struct ev_timer timer;	  /* the next look */
	struct mono deadline;	  /* of --wait-sync */
	uint32_t number;	  /* of the change */
	struct role_change ended; /* number 0: it has not */
	bool json;
};

/* ---- --role primary|backup|faulty ---- */

static void note_end(void *ctx, const struct role_change *change, struct mono now)
{
	struct role_wait *w = ctx;

	(void)now;
	if (change->number != w->number)
		return;
	w->ended = *change;
	control_job_wake(&w->job);
}

/* One line, or one document; the role is the one that holds now. */
static void say_end(const struct role_wait *w, struct ctl_out *out)
{
	const struct role_change *c = &w->ended;
	struct text text = { 0 };
	struct values v;

	ctl_end(out, c->err == 0 ? 0 : 1);
	if (w->json) {
		values_begin(&v, &values_json, "role", JSON_SCHEMA, &text);
		report_role(w->d, &v);
		values_end(&v);
		if (!text.truncated)
			ctl_text(out, text.buf, text.len);
		text_free(&text);
	} else if (c->err == -ECANCELED) {
		ctl_printf(out, "%s: the change to %s was overtaken by %s\n",
			   role_name(role_now(w->d->role)), role_name(c->to), c->overtaken_by);
	} else if (c->err < 0) {
		ctl_printf(out, "%s: failed: %s: %s\n", role_name(c->to), role_step_name(c->step),
			   strerror(-c->err));
	} else if (c->committed) {
		ctl_printf(out, "%s: %llu flows committed, %llu refused, in %lld ms\n",
			   role_name(c->to), (unsigned long long)c->commit.commit.total,
			   (unsigned long long)c->commit.commit.failed,
			   (long long)mono_diff_ms(c->ended, c->began));
	} else {
		ctl_printf(out, "%s\n", role_name(c->to));
	}
}

static enum ctl_step change_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct role_wait *w = container_of(job, struct role_wait, job);
	uint64_t done, total;

	(void)now;
	if (w->ended.number == 0) {
		if (jobs_progress(w->d->jobs, JOB_COMMIT, &done, &total))
			ctl_progress(out, done, total);
		return CTL_WAIT;
	}
	say_end(w, out);
	return CTL_DONE;
}

static void wait_release(struct control_job *job, bool done)
{
	struct role_wait *w = container_of(job, struct role_wait, job);

	(void)done;
	role_watch_del(&w->watch);
	ev_timer_del(w->d->loop, &w->timer);
	free(w);
}

static const struct control_job_ops change_ops = {
	.name = "wait for a role",
	.step = change_step,
	.release = wait_release,
};

static void look(void *ctx, struct mono now)
{
	struct role_wait *w = ctx;
	int64_t pause = mono_is_set(w->deadline) ? LOOK_MS : PROGRESS_MS;

	ev_timer_set(w->d->loop, &w->timer, mono_add_ms(now, pause));
	control_job_wake(&w->job);
}

static struct role_wait *wait_new(const struct command_env *d, const struct ctl_request *req,
				  const struct control_job_ops *ops)
{
	struct role_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->job.ops = ops;
	w->d = d;
	w->json = ctl_flag(&req->args, "json");
	w->timer = (struct ev_timer){ .cb = look, .ctx = w, .name = "wait for a role" };
	return w;
}

struct control_job *role_change_job(const struct command_env *d, const struct ctl_request *req)
{
	struct role_wait *w = wait_new(d, req, &change_ops);
	struct mono now = evloop_now(d->loop);
	enum role_kind to;

	if (!w)
		return NULL;
	if (!role_by_name(req->cmd->arg, &to)) { /* the rows of the table are the names */
		free(w);
		return NULL;
	}
	w->number = role_set(d->role, to, "--role", now);
	if (role_change(d->role)->number == w->number && mono_is_set(role_change(d->role)->ended))
		w->ended = *role_change(d->role);
	w->watch = (struct role_watch){ .ctx = w, .ended = note_end };
	role_watch_add(d->role, &w->watch);
	ev_timer_set(d->loop, &w->timer, mono_add_ms(now, PROGRESS_MS));
	return &w->job;
}

/* ---- --wait-sync ---- */

static enum ctl_step sync_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct role_wait *w = container_of(job, struct role_wait, job);
	struct text text = { 0 };
	struct verdict v;

	ask_daemon(w->d, CTL_ASKS_READY, &v);
	if (v.status != VERDICT_YES && mono_before(now, w->deadline))
		return CTL_WAIT;
	ctl_end(out, (int)v.status);
	verdict_print(&v, w->json ? &values_json : &values_text, JSON_SCHEMA, &text);
	if (!text.truncated)
		ctl_text(out, text.buf, text.len);
	text_free(&text);
	return CTL_DONE;
}

static const struct control_job_ops sync_ops = {
	.name = "wait until ready",
	.step = sync_step,
	.release = wait_release,
};

struct control_job *wait_sync_job(const struct command_env *d, const struct ctl_request *req)
{
	struct role_wait *w = wait_new(d, req, &sync_ops);
	struct mono now = evloop_now(d->loop);
	uint64_t seconds = 0;

	if (!w)
		return NULL;
	ctl_number(&req->args, "wait-sync", &seconds); /* without one: an answer at once */
	w->deadline = mono_add_ms(now, (int64_t)seconds * 1000);
	ev_timer_set(d->loop, &w->timer, mono_add_ms(now, LOOK_MS));
	return &w->job;
}
