/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selective delete of the kernel table: a dump in steps, and a destroy for each flow that passes.
 *
 * A destroy names tuple and id, so a new flow that took the tuple over meanwhile is not hit. Flows under way are copies;
 * while there is no place for what one read of the dump can deliver, the dump pauses. Should a read deliver more all the
 * same, the rest is left out and the table is dumped once more at the end.
 *
 * A flow the kernel says it does not have (ENOENT) has ended by itself and its event has told so. */
#include "kernel/ct_flush.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define ENTRIES	CT_BATCH_FLIGHT
#define TRIES	16u

_Static_assert(ENTRIES >= 2 * CT_DUMP_READ_MAX, "a read must find room while another one's flows are under way");

struct entry {
	struct list_node node;		/* in `free` or `again`; alone while a request is under way */
	uint32_t tries;
	struct ct_flow f;		/* of the rare parts the counters only, in `rare` */
	struct flow_rare rare;
};

struct ct_flush {
	struct evloop *loop;
	struct ct_flush_cb cb;
	struct ct_dump *dump;
	struct ct_batch *batch;
	struct ev_work work;
	bool running, dumped, missed;
	int err;
	uint64_t deleted, failed;
	size_t n_busy;
	struct entry *entries;		/* while running */
	struct list_node free, again;
};

static void on_flow(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct ct_flush *fl = ctx;
	struct entry *e;

	(void)now;
	if (!fl->cb.pass(fl->cb.ctx, f))
		return;
	if (list_empty(&fl->free)) {
		fl->missed = true;
		return;
	}
	e = container_of(fl->free.next, struct entry, node);
	flow_copy(&e->f, f);
	e->f.rare = NULL;
	e->f.has &= ~((FLOW_RARE_PARTS & ~FLOW_HAS_COUNTERS) | FLOW_HAS_SYNPROXY);
	if (e->f.has & FLOW_HAS_COUNTERS) {
		e->rare = *f->rare;
		e->f.rare = &e->rare;
	}
	e->tries = 0;
	if (ct_batch_add(fl->batch, CT_OP_DESTROY, &e->f, NULL, (uint64_t)(e - fl->entries)) != 0) {
		fl->missed = true;
		return;
	}
	list_del(&e->node);
	fl->n_busy++;
	if (ENTRIES - fl->n_busy < CT_DUMP_READ_MAX)
		ct_dump_pause(fl->dump, true);
}

static void release(struct ct_flush *fl, struct entry *e)
{
	fl->n_busy--;
	list_add_tail(&fl->free, &e->node);
}

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err, const struct ct_flow *found, struct mono now)
{
	struct ct_flush *fl = ctx;
	struct entry *e = &fl->entries[cookie];

	(void)op;
	(void)found;
	if (err == -ENOBUFS && ++e->tries < TRIES) {
		list_add_tail(&fl->again, &e->node);
		return;
	}
	/* After a lost answer ENOENT is what our own destroy leaves behind. */
	if (!err || (err == -ENOENT && e->tries > 0)) {
		fl->deleted++;
		if (fl->cb.gone)
			fl->cb.gone(fl->cb.ctx, &e->f, now);
	} else if (err != -ENOENT) {
		fl->failed++;
	}
	release(fl, e);
}

static void on_room(void *ctx, struct mono now)
{
	struct ct_flush *fl = ctx;

	(void)now;
	if (fl->running)
		ev_work_arm(fl->loop, &fl->work);
}

static void on_dumped(void *ctx, int err, struct mono now)
{
	struct ct_flush *fl = ctx;

	(void)now;
	fl->dumped = true;
	if (err && err != -EINTR)
		fl->err = err;
	ev_work_arm(fl->loop, &fl->work);
}

static void finish(struct ct_flush *fl, struct mono now)
{
	fl->running = false;
	free(fl->entries);
	fl->entries = NULL;
	fl->cb.done(fl->cb.ctx, fl->err, fl->deleted, fl->failed, now);	/* may start again, or close us */
}

static bool step(void *ctx, struct mono now)
{
	struct ct_flush *fl = ctx;

	while (!list_empty(&fl->again)) {
		struct entry *e = container_of(fl->again.next, struct entry, node);

		if (ct_batch_add(fl->batch, CT_OP_DESTROY, &e->f, NULL, (uint64_t)(e - fl->entries)) != 0)
			return false;
		list_del(&e->node);
	}
	if (!fl->dumped) {
		if (ENTRIES - fl->n_busy >= CT_DUMP_READ_MAX)
			ct_dump_pause(fl->dump, false);
		return false;
	}
	if (fl->n_busy > 0)
		return false;
	if (fl->missed && !fl->err) {
		fl->missed = false;
		fl->err = ct_dump_start(fl->dump, 0);
		fl->dumped = fl->err != 0;
		if (!fl->err)
			return false;
	}
	finish(fl, now);
	return false;
}

int ct_flush_open(struct evloop *loop, const struct ct_flush_cb *cb, struct ct_flush **out, struct text *err)
{
	struct ct_flush *fl = calloc(1, sizeof(*fl));
	struct ct_batch_cb batch = { .ctx = fl, .answer = on_answer, .room = on_room };
	struct ct_dump_cb dump = { .ctx = fl, .flow = on_flow, .done = on_dumped };
	int rc;

	if (!fl) {
		text_printf(err, "flush: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	fl->loop = loop;
	fl->cb = *cb;
	fl->work = (struct ev_work){ .step = step, .ctx = fl, .name = "flush" };
	rc = ct_dump_open(loop, &dump, &fl->dump, err);
	if (rc)
		goto free_flush;
	rc = ct_batch_open(loop, &batch, "flush requests", &fl->batch, err);
	if (rc)
		goto close_dump;
	*out = fl;
	return 0;
close_dump:
	ct_dump_close(fl->dump);
free_flush:
	free(fl);
	return rc;
}

void ct_flush_close(struct ct_flush *fl)
{
	if (!fl)
		return;
	ev_work_del(fl->loop, &fl->work);
	ct_batch_close(fl->batch);
	ct_dump_close(fl->dump);
	free(fl->entries);
	free(fl);
}

uint32_t ct_flush_portid(const struct ct_flush *fl)
{
	return ct_batch_portid(fl->batch);
}

int ct_flush_start(struct ct_flush *fl)
{
	int rc;

	if (fl->running)
		return -EBUSY;
	fl->entries = calloc(ENTRIES, sizeof(*fl->entries));
	if (!fl->entries)
		return -ENOMEM;
	list_init(&fl->free);
	list_init(&fl->again);
	for (size_t i = 0; i < ENTRIES; i++)
		list_add_tail(&fl->free, &fl->entries[i].node);
	fl->dumped = fl->missed = false;
	fl->err = 0;
	fl->deleted = fl->failed = 0;
	fl->n_busy = 0;
	rc = ct_dump_start(fl->dump, 0);
	if (rc) {
		free(fl->entries);
		fl->entries = NULL;
		return rc;
	}
	fl->running = true;
	return 0;
}

bool ct_flush_running(const struct ct_flush *fl)
{
	return fl->running;
}
