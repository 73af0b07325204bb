/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows into the kernel: a commit (design section 7).
 *
 * Up to ENTRIES flows are under way at a time; each is a copy, since the table it came from goes on changing. An entry is
 * a small state machine around ct_batch; answers only decide what it wants next, and the requests themselves are made in
 * our own step, where there is room.
 *
 *	state	answer			next
 *	CREATE	0			created (or replaced)
 *		EEXIST			GET
 *		ENOENT, has master	CREATE without it: the master has ended, its data connection has not
 *		EOPNOTSUPP, has helper	CREATE without it: a connection without its helper is better than none
 *		ENOBUFS			GET: did it happen?
 *		other			failed
 *	GET	found			kept | ANNOTATE | REPLACE | failed: see ct_judge.c
 *		ENOENT			GETREPLY when it was EEXIST: what is in the way has our reply tuple; else CREATE
 *	GETREPLY	found		as GET
 *		ENOENT			CREATE: it has gone meanwhile
 *	REPLACE	(destroy, create in one send) as CREATE, but what would be failed is RESTORE when the destroy has happened:
 *					the kernel looks for an entry in the way before it looks at what we want
 *	RESTORE	any		failed; the entry that was there before is back, if nobody else has taken its place
 *	ANNOTATE	any		kept
 *
 * Every way round the circle costs a try; with none left the entry has failed.
 *
 * Masters first: flows with a master are asked for when all others are settled. */
#include "kernel/ct_commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "kernel/ct_judge.h"

#define ENTRIES		CT_BATCH_FLIGHT
#define STEP_LOOK	8192u	/* flows of the source looked at in one step when the pass wants none of them */
#define TRIES		6u

enum entry_state { ENTRY_CREATE, ENTRY_GET, ENTRY_GETREPLY, ENTRY_REPLACE, ENTRY_RESTORE, ENTRY_ANNOTATE };

struct entry {
	struct list_node node;		/* in `free` or `ready`; alone while a request is under way */
	enum entry_state state;
	uint32_t tries;
	bool unknown;			/* a create may or may not have happened */
	bool replacing;			/* a destroy has been sent */
	bool destroyed;			/* and has happened */
	int err;			/* RESTORE: why ours has failed */
	uint32_t timeout_s;
	uint64_t token;
	struct ct_flow f;
	struct flow_rare rare;
	struct ct_flow old;		/* the kernel's entry, as found */
	struct flow_rare old_rare;
};

struct ct_commit {
	struct evloop *loop;
	struct ct_commit_source src;
	struct ct_batch *batch;
	struct ev_work work;
	bool liberal, running;
	bool related;			/* pass two */
	bool exhausted;			/* the source has no more for this pass */
	uint64_t pos;
	size_t n_busy;
	struct mono start;
	struct entry *entries;		/* while running */
	struct list_node free, ready;
	struct ct_commit_result res;
};

/* ---- an entry's life ---- */

static void wants(struct ct_commit *c, struct entry *e, enum entry_state state)
{
	e->state = state;
	list_add_tail(&c->ready, &e->node);
}

static void release(struct ct_commit *c, struct entry *e)
{
	c->res.done++;
	c->n_busy--;
	list_add_tail(&c->free, &e->node);
}

static void count_failure(struct ct_commit *c, int err)
{
	size_t i = 0;

	c->res.failed++;
	while (i < CT_COMMIT_REASONS - 1 && c->res.reason[i].count && c->res.reason[i].err != -err)
		i++;
	if (!c->res.reason[i].count)
		c->res.reason[i].err = -err;
	c->res.reason[i].count++;
}

/* Ours cannot be committed. If an entry had to go for it, that one comes back first. */
static void failed(struct ct_commit *c, struct entry *e, int err, struct mono now)
{
	if (e->destroyed) {
		e->destroyed = false;
		e->err = err;
		wants(c, e, ENTRY_RESTORE);
		return;
	}
	count_failure(c, err);
	c->src.refused(c->src.ctx, e->token, err, &e->f, now);
	release(c, e);
}

static void restored(struct ct_commit *c, struct entry *e, int err, struct mono now)
{
	if (err) {
		failed(c, e, e->err, now);
		return;
	}
	count_failure(c, e->err);
	e->old.has &= ~FLOW_HAS_ID;	/* it has a new one */
	c->src.settled(c->src.ctx, e->token, &e->old, now);
	release(c, e);
}

static void created(struct ct_commit *c, struct entry *e, struct mono now)
{
	if (e->replacing)
		c->res.replaced++;
	else
		c->res.created++;
	c->src.settled(c->src.ctx, e->token, NULL, now);
	release(c, e);
}

static void kept(struct ct_commit *c, struct entry *e, struct mono now)
{
	if (e->unknown && !e->replacing)
		c->res.created++;	/* our create has happened; only its answer was lost */
	else if (e->replacing)
		c->res.replaced++;
	else
		c->res.kept++;
	c->src.settled(c->src.ctx, e->token, &e->old, now);
	release(c, e);
}

static void remember(struct entry *e, const struct ct_flow *kernel)
{
	flow_copy(&e->old, kernel);
	if (kernel->rare) {
		e->old_rare = *kernel->rare;
		e->old.rare = &e->old_rare;
	}
}

/* What the kernel's entry lacks: labels, and the mark if it has none (one that it has was set here, and packets may be
 * routed by it). And a TCP entry that is kept may be one of the last time this node was active: its windows stand where
 * the connection was then, and it would call every packet of today invalid. Whether it is such a one cannot be seen, so
 * it gets the same "be liberal" a new entry gets. The helper cannot be added: the kernel refuses one for an entry that was
 * born without (seen: EOPNOTSUPP). Leaves the values in e->f for the request. */
static bool needs_annotation(struct entry *e)
{
	uint32_t mark = e->old.has & FLOW_HAS_MARK ? e->old.mark : 0;
	bool need;

	if (mark != 0)
		e->f.has &= ~FLOW_HAS_MARK;
	need = e->f.l4 == IPPROTO_TCP || ((e->f.has & FLOW_HAS_MARK) && e->f.mark != 0);
	if (!(e->f.has & FLOW_HAS_LABELS))
		return need;
	for (size_t i = 0; i < FLOW_LABEL_BYTES / 4; i++) {
		uint32_t have = e->old.has & FLOW_HAS_LABELS ? e->old_rare.labels[i] : 0;

		need |= (e->rare.labels[i] & ~have) != 0;
		e->rare.labels[i] |= have;
	}
	return need;
}

/* The kernel's entry as the annotation made it. */
static void annotated(struct entry *e)
{
	if (e->f.has & FLOW_HAS_MARK) {
		e->old.mark = e->f.mark;
		e->old.has |= FLOW_HAS_MARK;
	}
	if (e->f.has & FLOW_HAS_LABELS) {
		if (!e->old.rare)
			e->old_rare = (struct flow_rare){ .synproxy_set = false };
		memcpy(e->old_rare.labels, e->rare.labels, sizeof(e->old_rare.labels));
		e->old.rare = &e->old_rare;
		e->old.has |= FLOW_HAS_LABELS;
	}
}

static bool out_of_tries(struct ct_commit *c, struct entry *e, int err, struct mono now)
{
	if (++e->tries < TRIES)
		return false;
	failed(c, e, err, now);
	return true;
}

static void on_create(struct ct_commit *c, struct entry *e, int err, struct mono now)
{
	if (e->state == ENTRY_RESTORE) {
		restored(c, e, err, now);
		return;
	}
	if (!err) {
		created(c, e, now);
		return;
	}
	if (out_of_tries(c, e, err, now))
		return;
	if (err == -EEXIST || err == -ENOBUFS) {
		e->unknown = err == -ENOBUFS;
		wants(c, e, ENTRY_GET);
	} else if (err == -ENOENT && ct_build_has_master(&e->f)) {
		e->f.has &= ~(FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS);
		wants(c, e, ENTRY_CREATE);
	} else if (err == -EOPNOTSUPP && (e->f.has & FLOW_HAS_HELPER)) {
		e->f.has &= ~FLOW_HAS_HELPER;
		wants(c, e, ENTRY_CREATE);
	} else {
		failed(c, e, err, now);
	}
}

static void on_found(struct ct_commit *c, struct entry *e, const struct ct_flow *kernel, struct mono now)
{
	enum ct_verdict verdict = ct_judge(kernel, &e->f);

	if (verdict != CT_FOREIGN)	/* that one stays; what had to go before it was found comes back */
		remember(e, kernel);
	switch (verdict) {
	case CT_KEEP:
		if (needs_annotation(e))
			wants(c, e, ENTRY_ANNOTATE);
		else
			kept(c, e, now);
		break;
	case CT_LEAVE:
	case CT_UPDATE:
		kept(c, e, now);
		break;
	case CT_REPLACE:
		wants(c, e, ENTRY_REPLACE);
		break;
	case CT_FOREIGN:
		failed(c, e, -EEXIST, now);
		break;
	}
}

static void on_get(struct ct_commit *c, struct entry *e, int err, const struct ct_flow *found, struct mono now)
{
	if (found) {
		on_found(c, e, found, now);
		return;
	}
	if (out_of_tries(c, e, err == -ENOENT ? -EEXIST : err, now))
		return;
	if (err == -ENOBUFS)
		wants(c, e, e->state);
	else if (err != -ENOENT)
		failed(c, e, err, now);
	else if (e->state == ENTRY_GET && !e->unknown)
		wants(c, e, ENTRY_GETREPLY);
	else
		wants(c, e, ENTRY_CREATE);
}

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err, const struct ct_flow *found, struct mono now)
{
	struct ct_commit *c = ctx;
	struct entry *e = &c->entries[cookie];

	switch (op) {
	case CT_OP_DESTROY:
		e->destroyed |= err == 0 || err == -ENOBUFS;
		break;		/* the create that follows in the same send decides */
	case CT_OP_CREATE:
		on_create(c, e, err, now);
		break;
	case CT_OP_GET:
		on_get(c, e, err, found, now);
		break;
	case CT_OP_UPDATE:
		if (err && (e->f.has & FLOW_HAS_LABELS)) {
			e->f.has &= ~FLOW_HAS_LABELS;	/* no rule here uses labels: then there is no place for them */
			wants(c, e, ENTRY_ANNOTATE);
			break;
		}
		if (!err)
			annotated(e);
		kept(c, e, now);
		break;
	}
}

/* ---- requests ---- */

static int request(struct ct_commit *c, struct entry *e)
{
	const struct ct_build_opts create = { .liberal = c->liberal, .timeout_s = e->timeout_s };
	const struct ct_build_opts restore = { .liberal = true };
	const struct ct_build_opts annotate = { .annotate = true, .liberal = true };
	uint64_t cookie = (uint64_t)(e - c->entries);
	struct ct_flow q;

	switch (e->state) {
	case ENTRY_CREATE:
		return ct_batch_add(c->batch, CT_OP_CREATE, &e->f, &create, cookie);
	case ENTRY_GET:
		return ct_batch_add(c->batch, CT_OP_GET, &e->f, NULL, cookie);
	case ENTRY_GETREPLY:
		ct_judge_reverse(&q, &e->f);
		return ct_batch_add(c->batch, CT_OP_GET, &q, NULL, cookie);
	case ENTRY_REPLACE:
		e->replacing = true;
		return ct_batch_add_replace(c->batch, &e->old, &e->f, &create, cookie);
	case ENTRY_RESTORE:
		return ct_batch_add(c->batch, CT_OP_CREATE, &e->old, &restore, cookie);
	case ENTRY_ANNOTATE:
		/* Named by the kernel's own original tuple, which may be our reply tuple. */
		flow_copy(&q, &e->old);
		q.has = (q.has & (FLOW_HAS_PORTS | FLOW_HAS_ZONE)) | (e->f.has & (FLOW_HAS_MARK | FLOW_HAS_LABELS));
		q.mark = e->f.mark;
		q.rare = &e->rare;
		return ct_batch_add(c->batch, CT_OP_UPDATE, &q, &annotate, cookie);
	}
	return -EINVAL;
}

/* Make requests for what is ready. True when all of it has been made. */
static bool make_requests(struct ct_commit *c)
{
	while (!list_empty(&c->ready)) {
		struct entry *e = container_of(c->ready.next, struct entry, node);

		if (request(c, e) != 0)
			return false;
		list_del(&e->node);
	}
	return true;
}

static void take(struct ct_commit *c, const struct ct_flow *f, uint32_t timeout_s)
{
	struct entry *e = container_of(c->free.next, struct entry, node);

	list_del(&e->node);
	e->tries = 0;
	e->unknown = e->replacing = e->destroyed = false;
	e->timeout_s = timeout_s;
	flow_copy(&e->f, f);
	if (f->rare) {
		e->rare = *f->rare;
		e->f.rare = &e->rare;
	}
	c->n_busy++;
	c->res.total++;
	wants(c, e, ENTRY_CREATE);
}

/* Take the next flows from the source. Returns at how many it has looked; 0 when it has no more for this pass. */
static size_t fetch(struct ct_commit *c, size_t room, struct mono now)
{
	const struct ct_flow *flows[CT_COMMIT_LOOK];
	uint32_t timeout_s[CT_COMMIT_LOOK];
	size_t free = ENTRIES - c->n_busy;
	size_t want = room < free ? room : free, n;
	struct list_node *last = c->ready.prev;

	if (want > CT_COMMIT_LOOK)
		want = CT_COMMIT_LOOK;
	n = c->src.next(c->src.ctx, c->related, &c->pos, flows, timeout_s, want);
	for (size_t i = 0; i < n; i++)
		if (flows[i])
			take(c, flows[i], timeout_s[i]);
	/* Only now: what follows may move the source's records. */
	for (last = last->next; last != &c->ready; last = last->next) {
		struct entry *e = container_of(last, struct entry, node);

		e->token = c->src.sending(c->src.ctx, &e->f, now);
	}
	return n;
}

static void finish(struct ct_commit *c, struct mono now)
{
	struct ct_commit_result res;

	c->res.duration_us = mono_diff_ns(now, c->start) / 1000;
	c->running = false;
	free(c->entries);
	c->entries = NULL;
	res = c->res;
	c->src.done(c->src.ctx, &res, now);	/* may start the next one, or close us */
}

static bool step(void *ctx, struct mono now)
{
	struct ct_commit *c = ctx;
	size_t room, n, looked = 0;

	for (;;) {
		if (!make_requests(c))
			return false;		/* again when there is room */
		if (c->exhausted)
			break;
		room = ct_batch_room(c->batch);
		if (room == 0 || c->n_busy == ENTRIES)
			return false;
		if (looked >= STEP_LOOK)
			return true;
		n = fetch(c, room, now);
		c->exhausted = n == 0;
		looked += n;
	}
	if (c->n_busy > 0)
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

static void on_room(void *ctx, struct mono now)
{
	struct ct_commit *c = ctx;

	(void)now;
	if (c->running)
		ev_work_arm(c->loop, &c->work);
}

const char *ct_commit_reason(int err)
{
	switch (err) {
	case ENOMEM:
		return "the kernel's table is full (nf_conntrack_max), or it has no memory";
	case ENOSPC:
		return "too many flows in one place of the kernel's table (nf_conntrack_buckets is too small)";
	case EEXIST:
		return "another flow of this node has its addresses and ports";
	case EPERM:
		return "not permitted (conntrackd needs CAP_NET_ADMIN)";
	default:
		return strerror(err);
	}
}

/* ---- life ---- */

int ct_commit_open(struct evloop *loop, const struct ct_commit_source *src, bool liberal, struct ct_commit **out,
		   struct text *err)
{
	struct ct_commit *c = calloc(1, sizeof(*c));
	struct ct_batch_cb cb = { .ctx = c, .answer = on_answer, .room = on_room };
	int rc;

	if (!c) {
		text_printf(err, "commit: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	c->loop = loop;
	c->src = *src;
	c->liberal = liberal;
	c->work = (struct ev_work){ .step = step, .ctx = c, .name = "commit" };
	rc = ct_batch_open(loop, &cb, "commit requests", &c->batch, err);
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
	ct_batch_close(c->batch);
	free(c->entries);
	free(c);
}

uint32_t ct_commit_portid(const struct ct_commit *c)
{
	return ct_batch_portid(c->batch);
}

int ct_commit_start(struct ct_commit *c, struct mono now)
{
	if (c->running)
		return -EBUSY;
	c->entries = calloc(ENTRIES, sizeof(*c->entries));
	if (!c->entries)
		return -ENOMEM;
	list_init(&c->free);
	list_init(&c->ready);
	for (size_t i = 0; i < ENTRIES; i++)
		list_add_tail(&c->free, &c->entries[i].node);
	c->res = (struct ct_commit_result){ .total = 0 };
	c->running = true;
	c->related = c->exhausted = false;
	c->pos = 0;
	c->n_busy = 0;
	c->start = now;
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
