/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations into the kernel, a step per turn of the loop. Their masters must be there already,
 * so this runs after the commit of the flows. */
#include "kernel/exp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEP 32 /* requests per turn: about half a millisecond */

struct exp_commit {
	struct evloop *loop;
	struct exp_commit_source src;
	struct exp_sock *sock;
	struct ev_work work;
	bool running;
	uint64_t pos;
	struct mono began;
	struct exp_commit_result res;
};

static void count_failure(struct exp_commit_result *res, int err)
{
	int i = 0;

	res->failed++;
	while (i < EXP_COMMIT_REASONS - 1 && res->reason[i].count > 0 && res->reason[i].err != err)
		i++;
	if (res->reason[i].count == 0)
		res->reason[i].err = err;
	res->reason[i].count++;
}

static void commit_one(struct exp_commit *c, const struct ct_expect *e, struct mono now)
{
	struct ct_expect found;
	int err = exp_sock_create(c->sock, e);

	c->res.total++;
	if (err == -ENOBUFS) /* the answer was lost: look */
		err = exp_sock_get(c->sock, e, &found) == 0 && expect_same_master(&found, e) ?
			      0 :
			      -ENOBUFS;
	if (err == 0) {
		c->res.created++;
		c->src.created(c->src.ctx, e, now);
	} else if ((err == -EEXIST || err == -EBUSY) && exp_sock_get(c->sock, e, &found) == 0 &&
		   expect_same_key(&found, e) && expect_same_master(&found, e)) {
		c->res.kept++;
	} else {
		count_failure(&c->res, -err);
	}
}

static bool step(void *ctx, struct mono now)
{
	struct exp_commit *c = ctx;
	struct ct_expect some[STEP];
	size_t n = c->src.next(c->src.ctx, &c->pos, some, STEP);

	for (size_t i = 0; i < n; i++)
		commit_one(c, &some[i], now);
	if (n > 0)
		return true;
	c->running = false;
	c->res.duration_us = mono_diff_ns(now, c->began) / 1000;
	c->src.done(c->src.ctx, &c->res, now);
	return c->running; /* done() may have started the next one */
}

int exp_commit_start(struct exp_commit *c, struct mono now)
{
	if (c->running)
		return -EBUSY;
	c->running = true;
	c->pos = 0;
	c->began = now;
	c->res = (struct exp_commit_result){ 0 };
	ev_work_arm(c->loop, &c->work);
	return 0;
}

bool exp_commit_running(const struct exp_commit *c)
{
	return c->running;
}

uint32_t exp_commit_portid(const struct exp_commit *c)
{
	return exp_sock_portid(c->sock);
}

const char *exp_commit_reason(int err)
{
	switch (err) {
	case ENOENT:
		return "the kernel has no such master flow, or no such helper";
	case EOPNOTSUPP:
		return "the master flow has no helper";
	case EEXIST:
	case EBUSY:
		return "the kernel expects the same of another master";
	}
	return strerror(err);
}

struct exp_sock *exp_commit_sock(struct exp_commit *c)
{
	return c->sock;
}

int exp_commit_open(struct evloop *loop, const struct exp_commit_source *src,
		    struct exp_commit **out, struct text *err)
{
	struct exp_commit *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	rc = exp_sock_open(&c->sock, err);
	if (rc < 0) {
		free(c);
		return rc;
	}
	c->loop = loop;
	c->src = *src;
	c->work = (struct ev_work){ .step = step, .ctx = c, .name = "commit of expectations" };
	*out = c;
	return 0;
}

void exp_commit_close(struct exp_commit *c)
{
	if (!c)
		return;
	ev_work_del(c->loop, &c->work);
	exp_sock_close(c->sock);
	free(c);
}
