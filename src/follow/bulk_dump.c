/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel table for a bulk send, where there is no internal cache. A dump that failed, or during
 * which the table was changed, is made again: a flow that a bulk send does not have counts as ended
 * at the peers. */
#include "follow/bulk_dump.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "kernel/ct.h"

#define RETRY_MS 1000

struct bulk_dump {
	struct evloop *loop;
	struct pipeline *p;
	struct ct_dump *dump;
	struct ev_timer retry, poll;
	int64_t poll_ms;
	struct log_limit failed;
};

static void bulk_dump_again(struct bulk_dump *t, int err, struct mono now)
{
	if (err != -EINTR && log_limit_pass(&t->failed, 1, 60000, now, NULL)) {
		errno = -err;
		log_err("reading the kernel table");
	}
	ev_timer_set(t->loop, &t->retry, mono_add_ms(now, RETRY_MS));
}

static void bulk_dump_flow(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct bulk_dump *t = ctx;

	pipeline_bulk_entry(t->p, f, now);
}

static void bulk_dump_part(void *ctx, struct mono now)
{
	struct bulk_dump *t = ctx;

	(void)now;
	pipeline_bulk_part(t->p);
}

static void bulk_dump_done(void *ctx, int err, struct mono now)
{
	struct bulk_dump *t = ctx;

	if (err < 0)
		bulk_dump_again(t, err, now);
	else if (!pipeline_bulk_end(t->p))
		ev_timer_set(t->loop, &t->retry, mono_add_ms(now, RETRY_MS));
}

static void bulk_dump_start(void *ctx)
{
	struct bulk_dump *t = ctx;
	int err = ct_dump_start(t->dump, 0);

	if (err < 0)
		bulk_dump_again(t, err, evloop_now(t->loop));
}

static void bulk_dump_pause(void *ctx, bool pause)
{
	struct bulk_dump *t = ctx;

	ct_dump_pause(t->dump, pause);
}

static void retry_due(void *ctx, struct mono now)
{
	(void)now;
	bulk_dump_start(ctx);
}

static void poll_due(void *ctx, struct mono now)
{
	struct bulk_dump *t = ctx;

	pipeline_lost(t->p);
	ev_timer_set(t->loop, &t->poll, mono_add_ms(now, t->poll_ms));
}

int bulk_dump_open(struct evloop *loop, struct pipeline *p, uint32_t poll_s, struct bulk_dump **out,
		   struct text *err)
{
	struct bulk_dump *t = calloc(1, sizeof(*t));
	struct ct_dump_cb cb = {
		.ctx = t, .flow = bulk_dump_flow, .part = bulk_dump_part, .done = bulk_dump_done
	};
	int ret;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->p = p;
	t->poll_ms = (int64_t)poll_s * 1000;
	t->retry = (struct ev_timer){ .cb = retry_due, .ctx = t, .name = "kernel dump again" };
	t->poll = (struct ev_timer){ .cb = poll_due, .ctx = t, .name = "poll" };
	ret = ct_dump_open(loop, &cb, &t->dump, err);
	if (ret < 0) {
		bulk_dump_close(t);
		return ret;
	}
	if (poll_s > 0)
		ev_timer_set(loop, &t->poll, mono_add_ms(evloop_now(loop), t->poll_ms));
	pipeline_set_reader(p, &(struct pipeline_reader){ .ctx = t,
							  .dump = bulk_dump_start,
							  .dump_pause = bulk_dump_pause });
	*out = t;
	return 0;
}

void bulk_dump_close(struct bulk_dump *t)
{
	if (!t)
		return;
	ev_timer_del(t->loop, &t->retry);
	ev_timer_del(t->loop, &t->poll);
	ct_dump_close(t->dump);
	free(t);
}
