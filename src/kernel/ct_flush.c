/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selective delete of the kernel table: a dump in steps, and a destroy for each flow that passes.
 *
 * A destroy names the tuple, and the kernel's id too. But the id is made from the address of the
 * kernel's object, which a flow that follows at once gets again (299 times of 300), so it protects
 * nothing: a flow born with the tuple of an entry after the kernel has put that entry into the dump
 * is deleted in its place. That time is short. The kernel makes a part of the dump when the part
 * before is read, and the destroys for a part leave in the turn of the loop in which it is read, or
 * in the next: a few milliseconds. A GET right before each destroy would not close it, only double
 * the price. And who asks for a flush wants the table empty; what has to live is protected by
 * stopping it (ct_flush_stop()).
 *
 * Flows under way are copies; while there is no place for what one read of the dump can deliver,
 * the dump pauses. Should a read deliver more all the same, the rest is left out and the table is
 * dumped once more at the end.
 *
 * A flow the kernel says it does not have (ENOENT) has ended by itself and its event has told
 * so. */
#include "kernel/ct_flush.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define ENTRIES CT_BATCH_FLIGHT
#define TRIES	16u

_Static_assert(ENTRIES >= 2 * CT_DUMP_READ_MAX,
	       "a read must find room while another one's flows are under way");

struct entry {
	struct list_node node; /* in `free` or `again`; alone while a request is under way */
	uint32_t tries;
	struct ct_flow f; /* of the rare parts the counters only, in `rare` */
	struct flow_rare rare;
};

struct ct_flush {
	struct evloop *loop;
	struct ct_flush_cb cb;
	struct ct_dump *dump;
	struct ct_batch *batch;
	struct ev_work work;
	bool running, dumped, missed;
	struct ct_flush_result res;
	size_t n_busy;
	struct entry *entries; /* while running */
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

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
		      const struct ct_flow *found, struct mono now)
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
		fl->res.deleted++;
		if (fl->cb.gone)
			fl->cb.gone(fl->cb.ctx, &e->f, now);
	} else if (err != -ENOENT) {
		fl->res.failed++;
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
		fl->res.err = err;
	ev_work_arm(fl->loop, &fl->work);
}

static void finish(struct ct_flush *fl, struct mono now)
{
	fl->running = false;
	free(fl->entries);
	fl->entries = NULL;
	fl->cb.done(fl->cb.ctx, &fl->res, now); /* may start again, or close us */
}

static bool step(void *ctx, struct mono now)
{
	struct ct_flush *fl = ctx;

	while (!list_empty(&fl->again)) {
		struct entry *e = container_of(fl->again.next, struct entry, node);

		if (ct_batch_add(fl->batch, CT_OP_DESTROY, &e->f, NULL,
				 (uint64_t)(e - fl->entries)) != 0)
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
	if (fl->missed && !fl->res.err) {
		fl->missed = false;
		fl->res.err = ct_dump_start(fl->dump, 0);
		fl->dumped = fl->res.err != 0;
		if (!fl->res.err)
			return false;
	}
	finish(fl, now);
	return false;
}

int ct_flush_open(struct evloop *loop, const struct ct_flush_cb *cb, struct ct_flush **out,
		  struct text *err)
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

/* For people who want to know how far a flush is. */
static uint64_t entries_now(void)
{
	FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	uint64_t n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
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
	fl->res = (struct ct_flush_result){ .total = entries_now() };
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

void ct_flush_stop(struct ct_flush *fl, struct mono now)
{
	if (!fl->running)
		return;
	ct_dump_stop(fl->dump);
	ct_batch_drop(fl->batch);
	ev_work_del(fl->loop, &fl->work);
	for (struct list_node *at = fl->again.next; at != &fl->again; at = at->next)
		fl->res.unknown++;
	fl->res.err = -ECANCELED;
	finish(fl, now);
}

const struct ct_flush_result *ct_flush_progress(const struct ct_flush *fl)
{
	return &fl->res;
}

bool ct_flush_running(const struct ct_flush *fl)
{
	return fl->running;
}
