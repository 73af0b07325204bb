/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A commit: the flows of a source into the kernel, by way of ct_put.c.
 *
 * In steps of the loop: a send's worth of flows is under way at a time, and the source is asked for
 * the next ones when there is room. Masters first: flows with a master are asked for when all
 * others are settled. A single flow that cannot wait goes ahead of all that are not under way
 * yet. */
#include "kernel/ct_commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/ct_put.h"

#define UNDER_WAY 256u		      /* flows of a commit at a time */
#define ONE	  (UINT64_C(1) << 63) /* in a token: not part of the commit */
/* flows of the source looked at in one step when the pass wants none of them */
#define STEP_LOOK 8192u

struct ct_commit {
	struct evloop *loop;
	struct ct_commit_source src;
	struct ct_put *put;
	struct ev_work work;
	bool running;
	bool related;	/* pass two */
	bool exhausted; /* the source has no more for this pass */
	uint64_t pos;
	uint32_t active_s; /* of ct_commit_start() */
	bool took_over;
	struct mono start;
	struct ct_commit_result res;
	enum ct_outcome one; /* of ct_commit_one() */
};

static void count_failure(struct ct_commit_result *res, int err)
{
	size_t i = 0;

	while (i < CT_COMMIT_REASONS - 1 && res->reason[i].count && res->reason[i].err != -err)
		i++;
	if (!res->reason[i].count)
		res->reason[i].err = -err;
	res->reason[i].count++;
}

static void count(struct ct_commit_result *res, const struct ct_result *r)
{
	uint64_t *const counters[] = {
		[CT_CREATED] = &res->created, [CT_UPDATED] = &res->updated,
		[CT_KEPT] = &res->kept,	      [CT_LEFT] = &res->kept,
		[CT_REFUSED] = &res->newer,   [CT_REPLACED] = &res->replaced,
		[CT_FAILED] = &res->failed,
	};

	res->done++;
	++*counters[r->outcome];
	if (r->outcome == CT_FAILED)
		count_failure(res, r->err);
}

static void on_done(void *ctx, const struct ct_result *r, struct mono now)
{
	struct ct_commit *c = ctx;
	struct ct_result of = *r;

	of.token &= ~ONE;
	if (r->token & ONE)
		c->one = r->outcome;
	else
		count(&c->res, r);
	c->src.settled(c->src.ctx, &of, now);
}

static void on_room(void *ctx, struct mono now)
{
	struct ct_commit *c = ctx;

	(void)now;
	if (c->running)
		ev_work_arm(c->loop, &c->work);
}

/* Take the next flows from the source. Returns at how many it has looked; 0 when it has no more for
 * this pass. */
static size_t fetch(struct ct_commit *c, size_t room, struct mono now)
{
	struct ct_commit_flow flows[CT_COMMIT_LOOK];
	size_t n = c->src.next(c->src.ctx, c->related, &c->pos, flows,
			       room < CT_COMMIT_LOOK ? room : CT_COMMIT_LOOK);

	for (size_t i = 0; i < n; i++) {
		struct ct_wish *wish = &flows[i].wish;

		c->res.total += flows[i].is != CT_COMMIT_NOT_NOW;
		c->res.done +=
			flows[i].is == CT_COMMIT_ENDED || flows[i].is == CT_COMMIT_ENDED_HERE;
		c->res.ended += flows[i].is == CT_COMMIT_ENDED;
		c->res.ended_here += flows[i].is == CT_COMMIT_ENDED_HERE;
		if (flows[i].is != CT_COMMIT_WANTED)
			continue;
		wish->way = CT_WAY_COMMIT;
		wish->active_s = c->active_s;
		wish->took_over = c->took_over;
		wish->token = c->src.sending(c->src.ctx, wish->f, now);
		ct_put_add(c->put, wish);
	}
	return n;
}

static void finish(struct ct_commit *c, struct mono now)
{
	struct ct_commit_result res;

	c->res.duration_us = mono_diff_ns(now, c->start) / 1000;
	c->running = false;
	res = c->res;
	c->src.done(c->src.ctx, &res, now); /* may start the next one, or close us */
}

static bool step(void *ctx, struct mono now)
{
	struct ct_commit *c = ctx;
	size_t room, n, looked = 0;

	for (;;) {
		if (!ct_put_step(c->put, now))
			return false; /* again when there is room */
		if (c->exhausted)
			break;
		room = ct_put_room(c->put);
		if (room <= 1)
			return false; /* the last place is for ct_commit_one() */
		if (looked >= STEP_LOOK)
			return true;
		n = fetch(c, room - 1, now);
		c->exhausted = n == 0;
		looked += n;
	}
	if (ct_put_busy(c->put) > 0)
		return false;
	if (c->related) {
		finish(c, now);
		return false;
	}
	c->related = true;
	c->exhausted = false;
	c->pos = 0;
	return true;
}

enum ct_outcome ct_commit_one(struct ct_commit *c, const struct ct_wish *wish, struct mono now)
{
	struct ct_wish one = *wish;

	one.way = CT_WAY_COMMIT;
	one.token = c->src.sending(c->src.ctx, one.f, now) | ONE;
	ct_put_add(c->put, &one);
	ct_put_run(c->put, now);
	return c->one;
}

/* ---- life ---- */

int ct_commit_open(struct evloop *loop, const struct ct_commit_source *src, bool liberal,
		   struct ct_commit **out, struct text *err)
{
	struct ct_commit *c = calloc(1, sizeof(*c));
	struct ct_put_cb cb = { .ctx = c, .done = on_done, .room = on_room, .caller = src->caller };
	int rc;

	if (!c) {
		text_printf(err, "commit: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	c->loop = loop;
	c->src = *src;
	c->work = (struct ev_work){ .step = step, .ctx = c, .name = "commit" };
	rc = ct_put_open(loop, &cb, "commit requests", UNDER_WAY + 1, liberal, &c->put, err);
	if (rc) {
		free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void ct_commit_close(struct ct_commit *c)
{
	if (!c)
		return;
	ev_work_del(c->loop, &c->work);
	ct_put_close(c->put);
	free(c);
}

uint32_t ct_commit_portid(const struct ct_commit *c)
{
	return ct_put_portid(c->put);
}

int ct_commit_start(struct ct_commit *c, struct mono active, struct mono now)
{
	if (c->running)
		return -EBUSY;
	c->res = (struct ct_commit_result){ .total = 0 };
	c->running = true;
	c->related = c->exhausted = false;
	c->pos = 0;
	c->start = now;
	c->active_s = mono_is_set(active) ? mono_s(active) : 0;
	c->took_over = ct_took_over(c->active_s, mono_s(now));
	ct_put_timeouts(c->put);
	ev_work_arm(c->loop, &c->work);
	return 0;
}

bool ct_commit_running(const struct ct_commit *c)
{
	return c->running;
}

const struct ct_commit_result *ct_commit_progress(const struct ct_commit *c)
{
	return &c->res;
}
