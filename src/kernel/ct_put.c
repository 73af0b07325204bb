/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine that puts flows into the kernel.
 *
 * Each flow under way is a copy and a small state machine around ct_batch; answers only decide what
 * it wants next, and the requests themselves are made in ct_put_step(), where there is room.
 *
 *	state		answer			next
 *	CREATE		0			created (or replaced)
 *			EEXIST			GET
 *			ENOENT, has master	CREATE without it: the master has ended, its data
 *						connection has not
 *			EOPNOTSUPP, has helper	CREATE without it: a connection without its helper
 *						is better than none
 *			ENOBUFS			GET: did it happen?
 *			other			failed
 *	GET		found			the verdict: kept | ANNOTATE | UPDATE | CONFIRM |
 *						failed (flow/judge.c)
 *			ENOENT			CREATE, or after its EEXIST GET OTHER: what is in
 *						the way has our reply tuple
 *	GET OTHER	found			as GET
 *			ENOENT			CREATE: it has gone meanwhile
 *	UPDATE		0			updated
 *	ANNOTATE	0			kept
 *	both		ENOENT			CREATE with all parts: it has gone meanwhile; our
 *						own entry: LOOK
 *			other, has labels	the same without: no rule here uses labels, so there
 *						is no place for them
 *                         other                   failed; ANNOTATE: kept all the same     CONFIRM
 * found                   as GET, but REPLACE at once, with nothing between
 * ENOENT                  CREATE: it has gone meanwhile   REPLACE         (destroy, create in one
 * send) as CREATE, but what would be failed is RESTORE when the destroy has
 * happened: the kernel looks for an entry in the way before it looks at what
 * we want         RESTORE         any                     failed; the entry that was there before
 * is back, if nobody else has taken its place     LOOK            found                   DESTROY,
 * or left because it is in use; our own entry: as GET                    ENOENT
 * nothing: it has gone by itself  DESTROY         0, ENOENT               ended
 *
 * A flow is new far more often than it is there on a node that only receives, so CREATE comes first
 * and costs one request. Where the caller knows that the entry is there, GET comes first: each
 * round of requests is time in which the next packet may come (asymmetric paths). Every way round
 * the circle costs a try; with none left the flow has failed.
 *
 * Whatever is destroyed is named by its tuples. The kernel makes the id of an entry from the
 * entry's address, and the next one of the same tuples gets it again nearly always: it tells no
 * incarnations apart. So who destroys decides by the evidence of packets, and between the look and
 * the destroy nothing may pass but the one round trip. For a replacement the look at many flows is
 * not enough: a handshake that completes meanwhile would be cut. Each is looked at once more by
 * itself (CONFIRM), and its destroy is the very next request: some eight microseconds in which a
 * packet is not seen. */
#include "kernel/ct_put.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "kernel/ct_timeouts.h"

#define TRIES  6u
#define NAME   (FLOW_HAS_PORTS | FLOW_HAS_ZONE) /* what names a flow beside its addresses */
#define SEEN   (IPS_SEEN_REPLY | IPS_ASSURED)
#define MASTER (FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS)

enum put_state {
	PUT_CREATE,
	PUT_GET,
	PUT_GET_OTHER,
	PUT_UPDATE,
	PUT_ANNOTATE,
	PUT_CONFIRM,
	PUT_REPLACE,
	PUT_RESTORE,
	PUT_LOOK,
	PUT_DESTROY
};

struct put {
	struct list_node node; /* in `free` or `ready`; alone while a request is under way */
	enum put_state state;
	struct ct_question q; /* for the judge */
	uint32_t tries;
	bool exists;  /* the last create has met an entry */
	bool unknown; /* a create may or may not have happened */
	bool found;
	bool loosen;	    /* ANNOTATE: its windows judge no longer ... */
	bool windows_only;  /* ... and nothing else is to be written */
	bool raise, hit;    /* ANNOTATE, UPDATE: with life; packets have passed the entry */
	uint32_t carries;   /* ANNOTATE, UPDATE: parts of f; a CREATE has them all */
	bool replacing;	    /* a destroy has been sent */
	bool destroyed;	    /* and has happened, as far as is known */
	bool cleared;	    /* it has, for certain */
	int err;	    /* RESTORE: why ours has failed */
	uint32_t timeout_s; /* of an entry that is created, 0: that of f */
	uint64_t token;
	struct ct_flow f;
	struct flow_rare rare;
	struct ct_flow old; /* the kernel's entry, as found */
	struct flow_rare old_rare;
	struct ct_flow in_the_way; /* l3 0: none is known */
};

struct ct_put {
	struct ct_batch *batch;
	struct ct_put_cb cb;
	struct ct_timeouts timeouts;
	uint32_t began_s;
	/* the kernel does not have it: no entry is to be replaced for its sake */
	char no_helper[FLOW_HELPER_MAX];
	bool liberal;
	bool confirming;
	size_t n, n_used, n_busy; /* of put[]: all, those ever used, those under way */
	struct list_node free, ready;
	struct put put[];
};

/* ---- the life of a flow under way ---- */

static void wants(struct ct_put *p, struct put *e, enum put_state state)
{
	e->state = state;
	/* that ahead of what fills the batch */
	list_add_tail(state == PUT_CONFIRM ? p->ready.next : &p->ready, &e->node);
}

/* The entry that was found is there no more. */
static void removed(struct ct_put *p, struct put *e, bool ended, struct mono now)
{
	e->destroyed = false;
	if (p->cb.caller.removed)
		p->cb.caller.removed(p->cb.caller.ctx, &e->old, ended, now);
}

static void done(struct ct_put *p, struct put *e, enum ct_outcome outcome,
		 const struct ct_flow *entry, int err, struct mono now)
{
	const struct ct_result r = {
		.outcome = outcome,
		.err = err,
		.found = e->found,
		.cleared = e->cleared,
		.token = e->token,
		.f = &e->f,
		.entry = entry,
		.in_the_way = err == -EEXIST && e->in_the_way.l3 ? &e->in_the_way : NULL,
		.loosened = outcome == CT_KEPT && (e->raise || e->loosen),
		.written = outcome == CT_CREATED || outcome == CT_REPLACED ||
			   ((outcome == CT_UPDATED || outcome == CT_KEPT) && e->raise),
	};

	if (outcome == CT_ENDED ||
	    (e->destroyed && !(outcome == CT_REPLACED && e->q.way == CT_WAY_COMMIT &&
			       flow_same_key(&e->old, &e->f))))
		removed(p, e, outcome == CT_ENDED, now);
	p->n_busy--;
	p->cb.done(p->cb.ctx, &r, now);
	list_add_tail(&p->free, &e->node);
}

/* The flow cannot be put. If an entry had to go for it, that one comes back first. */
static void failed(struct ct_put *p, struct put *e, int err, struct mono now)
{
	if (!e->destroyed) {
		done(p, e, CT_FAILED, NULL, err, now);
		return;
	}
	e->err = err;
	wants(p, e, PUT_RESTORE);
}

static bool out_of_tries(struct ct_put *p, struct put *e, int err, struct mono now)
{
	if (++e->tries < TRIES)
		return false;
	failed(p, e, err, now);
	return true;
}

/* The entry is there as the kernel has it. After a create without an answer that is the created
 * one. */
static void stays(struct ct_put *p, struct put *e, enum ct_outcome outcome, struct mono now)
{
	if (e->replacing)
		outcome = CT_REPLACED;
	else if (e->unknown)
		outcome = CT_CREATED;
	done(p, e, outcome, &e->old, 0, now);
}

static void on_create(struct ct_put *p, struct put *e, int err, struct mono now)
{
	if (e->state == PUT_RESTORE) {
		e->old.has &= ~FLOW_HAS_ID; /* it has a new one */
		e->destroyed = err != 0;
		done(p, e, CT_FAILED, err ? NULL : &e->old, e->err, now);
		return;
	}
	if (!err) {
		if (e->timeout_s)
			e->f.timeout_s = e->timeout_s;
		e->f.has |= FLOW_HAS_TIMEOUT;
		done(p, e, e->replacing ? CT_REPLACED : CT_CREATED, NULL, 0, now);
		return;
	}
	if (out_of_tries(p, e, err, now))
		return;
	e->exists = err == -EEXIST;
	e->unknown = err == -ENOBUFS;
	if (e->exists || e->unknown) {
		wants(p, e, PUT_GET);
	} else if (err == -ENOENT && ct_build_has_master(&e->f)) {
		e->f.has &= ~MASTER;
		wants(p, e, PUT_CREATE);
	} else if (err == -EOPNOTSUPP && (e->f.has & FLOW_HAS_HELPER)) {
		memcpy(p->no_helper, e->rare.helper, sizeof(p->no_helper));
		e->f.has &= ~FLOW_HAS_HELPER;
		wants(p, e, PUT_CREATE);
	} else {
		failed(p, e, err, now);
	}
}

/* ---- an entry that is there ---- */

static void remember(struct put *e, const struct ct_flow *kernel)
{
	flow_copy(&e->old, kernel);
	if (kernel->rare) {
		e->old_rare = *kernel->rare;
		e->old.rare = &e->old_rare;
	}
}

/* Of the flow; an annotation takes none away that the kernel's entry has. */
static uint32_t labels(const struct put *e, size_t i)
{
	bool both = e->state != PUT_UPDATE && (e->old.has & FLOW_HAS_LABELS);

	return e->rare.labels[i] | (both ? e->old_rare.labels[i] : 0);
}

/* What the kernel's entry lacks: labels, and the mark if it has none (one that it has was set here,
 * and packets may be routed by it). The helper cannot be added: the kernel refuses one for an entry
 * that was born without (seen: EOPNOTSUPP). */
static bool needs_annotation(struct put *e)
{
	bool need;

	if (e->old.has & FLOW_HAS_MARK && e->old.mark != 0)
		e->carries &= ~FLOW_HAS_MARK;
	need = (e->carries & FLOW_HAS_MARK) && e->f.mark != 0;
	for (size_t i = 0; (e->carries & FLOW_HAS_LABELS) && i < FLOW_LABEL_BYTES / 4; i++)
		need |= labels(e, i) != (e->old.has & FLOW_HAS_LABELS ? e->old_rare.labels[i] : 0);
	return need;
}

/* The kernel's entry as the request made it. */
static void annotated(struct put *e)
{
	uint32_t got =
		e->carries & (FLOW_HAS_MARK | FLOW_HAS_LABELS | (e->raise ? FLOW_HAS_TIMEOUT : 0));

	if (e->state == PUT_UPDATE)
		got |= FLOW_HAS_STATUS | (e->carries & FLOW_HAS_PROTO_STATE);
	if (got & FLOW_HAS_TIMEOUT)
		e->old.timeout_s = e->f.timeout_s;
	if (got & FLOW_HAS_PROTO_STATE)
		e->old.proto_state = e->f.proto_state;
	if (got & e->f.has & FLOW_HAS_STATUS)
		e->old.status |= e->f.status & SEEN;
	if (got & FLOW_HAS_MARK)
		e->old.mark = e->f.mark;
	if (got & FLOW_HAS_LABELS) {
		if (!e->old.rare)
			e->old_rare = (struct flow_rare){ .synproxy_set = false };
		for (size_t i = 0; i < FLOW_LABEL_BYTES / 4; i++)
			e->old_rare.labels[i] = labels(e, i);
		e->old.rare = &e->old_rare;
	}
	e->old.has |= got;
}

/* Its life is never shortened while it is as far on as the flow. */
static void prepare_raise(struct put *e)
{
	if ((e->f.has & e->old.has & FLOW_HAS_TIMEOUT) && e->f.timeout_s < e->old.timeout_s)
		e->carries &= ~FLOW_HAS_TIMEOUT;
	e->raise = true;
}

/* The update does not say otherwise than when the entry was made whether it has a master: the
 * kernel refuses that (EBUSY). */
static void prepare_update(struct put *e)
{
	e->carries &= ~MASTER;
	e->raise = true;
	if (e->f.proto_state == e->old.proto_state ||
	    !(e->f.has & e->old.has & FLOW_HAS_PROTO_STATE))
		prepare_raise(e);
}

/* The verdict about an entry of the kernel. */
static enum ct_verdict judge(struct ct_put *p, struct put *e, const struct ct_flow *kernel,
			     struct mono now)
{
	struct ct_evidence ev;

	e->q.now_s = mono_s(now);
	e->q.memory = (struct ct_memory){ 0 };
	if (p->cb.caller.memory)
		p->cb.caller.memory(p->cb.caller.ctx, kernel, &e->q.memory, now);
	ct_batch_tcp_flags(p->batch, e->q.tcp_flags);
	ev = ct_evidence(kernel, &e->q);
	e->hit = ev.packets[0] || ev.packets[1];
	e->loosen =
		e->f.l4 == IPPROTO_TCP && (ct_way_takes_over(e->q.way) ? !ev.windows : p->liberal);
	e->found = true;
	return ct_judge(kernel, &e->f, &e->q, &ev);
}

static void on_found(struct ct_put *p, struct put *e, const struct ct_flow *kernel, struct mono now)
{
	enum ct_verdict verdict = judge(p, e, kernel, now);

	/* that one stays; what had to go before it was found comes back */
	if (verdict != CT_OTHER_FLOW) {
		if (e->destroyed)
			removed(p, e, false, now);
		remember(e, kernel);
	}
	e->raise = false;
	e->carries = e->f.has;
	if (verdict == CT_NEWER || verdict == CT_OTHER_FLOW) {
		flow_copy(&e->in_the_way, kernel);
		e->in_the_way.has &= NAME | FLOW_HAS_REPLY | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE;
	}
	switch (verdict) {
	case CT_UPDATE:
		prepare_update(e);
		wants(p, e, PUT_UPDATE);
		return;
	case CT_KEEP:
		if (needs_annotation(e) || e->loosen)
			wants(p, e, PUT_ANNOTATE);
		else
			stays(p, e, CT_KEPT, now);
		return;
	case CT_RAISE:
		if (e->windows_only)
			e->loosen = true;
		else
			prepare_raise(e);
		needs_annotation(e);
		wants(p, e, PUT_ANNOTATE);
		return;
	case CT_REPLACE:
		if (e->state == PUT_CONFIRM)
			e->state = PUT_REPLACE; /* replace() goes on */
		else
			wants(p, e, PUT_CONFIRM);
		return;
	case CT_NONE:
	case CT_LEAVE:
		stays(p, e, CT_LEFT, now);
		return;
	case CT_NEWER:
		done(p, e, CT_REFUSED, &e->old, -EEXIST, now);
		return;
	case CT_OTHER_FLOW:
		failed(p, e, -EEXIST, now);
		return;
	case CT_REMOVE:
		wants(p, e, PUT_DESTROY);
		return;
	case CT_USED:
		done(p, e, CT_IN_USE, kernel, 0, now);
		return;
	}
}

static void on_get(struct ct_put *p, struct put *e, int err, const struct ct_flow *found,
		   struct mono now)
{
	if (found) {
		on_found(p, e, found, now);
		return;
	}
	if (e->state == PUT_LOOK && err == -ENOENT) {
		done(p, e, CT_GONE, NULL, 0, now);
		return;
	}
	if (out_of_tries(p, e, err == -ENOENT ? -EEXIST : err, now))
		return;
	if (err == -ENOBUFS)
		wants(p, e, e->state);
	else if (err != -ENOENT)
		failed(p, e, err, now);
	else if (e->state == PUT_GET && e->exists)
		wants(p, e, PUT_GET_OTHER);
	else
		wants(p, e, PUT_CREATE);
}

static void on_update(struct ct_put *p, struct put *e, int err, struct mono now)
{
	bool annotate = e->state == PUT_ANNOTATE;

	if (!err) {
		annotated(e);
		stays(p, e, annotate ? CT_KEPT : CT_UPDATED, now);
	} else if (err == -ENOENT) {
		if (!out_of_tries(p, e, err, now))
			wants(p, e, e->q.way == CT_WAY_OWN ? PUT_LOOK : PUT_CREATE);
	} else if (e->carries & FLOW_HAS_LABELS) {
		e->carries &= ~FLOW_HAS_LABELS;
		wants(p, e, e->state);
	} else if (annotate && e->q.way != CT_WAY_OWN) {
		stays(p, e, CT_KEPT, now);
	} else {
		failed(p, e, err, now);
	}
}

static void on_destroy(struct ct_put *p, struct put *e, int err, struct mono now)
{
	if (e->state == PUT_REPLACE) { /* the create that follows in the same send decides */
		e->destroyed |= !err || err == -ENOBUFS;
		e->cleared |= !err;
	} else {
		done(p, e,
		     !err	    ? CT_ENDED :
		     err == -ENOENT ? CT_GONE :
				      CT_FAILED,
		     NULL, err == -ENOENT ? 0 : err, now);
	}
}

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
		      const struct ct_flow *found, struct mono now)
{
	struct ct_put *p = ctx;
	struct put *e = &p->put[cookie];

	switch (op) {
	case CT_OP_CREATE:
		on_create(p, e, err, now);
		return;
	case CT_OP_GET:
		on_get(p, e, err, found, now);
		return;
	case CT_OP_UPDATE:
		on_update(p, e, err, now);
		return;
	case CT_OP_DESTROY:
		on_destroy(p, e, err, now);
		return;
	}
}

/* ---- requests ---- */

/* An update names the entry by the kernel's own original tuple, which may be our reply tuple. What
 * a packet has done to the windows of the entry is of another time, so they judge no longer. */
static int request_update(struct ct_put *p, struct put *e, uint64_t cookie)
{
	const struct ct_build_opts opts = {
		.update = e->state == PUT_UPDATE,
		.annotate = e->state == PUT_ANNOTATE,
		.forget = e->raise || e->windows_only,
		.liberal =
			e->raise ? p->liberal || e->hit || ct_way_takes_over(e->q.way) : e->loosen,
		.expected = e->old.status & IPS_EXPECTED,
		.timeout_s = e->raise && (e->carries & FLOW_HAS_TIMEOUT) ? e->f.timeout_s : 0,
	};
	struct flow_rare rare;
	struct ct_flow u;

	flow_copy(&u, &e->f);
	u.has = (e->old.has & NAME) |
		(e->carries & (opts.update ? ~NAME : FLOW_HAS_MARK | FLOW_HAS_LABELS));
	/* takes nothing back */
	u.status = (u.has & FLOW_HAS_STATUS ? u.status : 0) | (e->old.status & SEEN);
	u.has |= FLOW_HAS_STATUS;
	if (u.has & FLOW_HAS_LABELS) {
		rare = e->rare;
		for (size_t i = 0; i < FLOW_LABEL_BYTES / 4; i++)
			rare.labels[i] = labels(e, i);
		u.rare = &rare;
	}
	memcpy(&u.addr, &e->old.addr, flow_size(&u) - offsetof(struct ct_flow, addr));
	u.orig = e->old.orig;
	u.zone = e->old.zone;
	u.zone_dir = e->old.zone_dir;
	return ct_batch_add(p->batch, CT_OP_UPDATE, &u, &opts, cookie);
}

static int request(struct ct_put *p, struct put *e)
{
	const struct ct_build_opts create = { .liberal = p->liberal || ct_scales_unknown(&e->f),
					      .timeout_s = e->timeout_s };
	uint64_t cookie = (uint64_t)(e - p->put);
	struct ct_flow q;

	switch (e->state) {
	case PUT_CREATE:
		return ct_batch_add(p->batch, CT_OP_CREATE, &e->f, &create, cookie);
	case PUT_GET:
	case PUT_LOOK:
		return ct_batch_add(p->batch, CT_OP_GET, &e->f, NULL, cookie);
	case PUT_GET_OTHER: /* only the answer tells who it is */
		ct_judge_reverse(&q, &e->f);
		return ct_batch_add(p->batch, CT_OP_GET, &q, NULL, cookie);
	case PUT_UPDATE:
	case PUT_ANNOTATE:
		return request_update(p, e, cookie);
	case PUT_CONFIRM:
		return ct_batch_add(p->batch, CT_OP_GET, &e->old, NULL, cookie);
	case PUT_REPLACE:
		e->replacing = true;
		return ct_batch_add_replace(p->batch, &e->old, &e->f, &create, cookie);
	case PUT_RESTORE:
		return ct_batch_add(p->batch, CT_OP_CREATE, &e->old,
				    &(struct ct_build_opts){ .liberal = true }, cookie);
	case PUT_DESTROY:
		return ct_batch_add(p->batch, CT_OP_DESTROY, &e->old, NULL, cookie);
	}
	return -EINVAL;
}

/* Ask once more and act upon the answer at once. */
static void replace(struct ct_put *p, struct put *e, struct mono now)
{
	p->confirming = true;
	ct_batch_run(p->batch, now); /* what waits does not come between */
	list_del(&e->node);
	if (request(p, e) == 0)
		ct_batch_run(p->batch, now);
	if (e->state == PUT_REPLACE && request(p, e) == 0)
		ct_batch_run(p->batch, now);
	p->confirming = false;
}

bool ct_put_step(struct ct_put *p, struct mono now)
{
	while (!list_empty(&p->ready)) {
		struct put *e = container_of(p->ready.next, struct put, node);

		if (e->state == PUT_CONFIRM)
			replace(p, e, now);
		else if (request(p, e) == 0)
			list_del(&e->node);
		else
			return false;
	}
	return true;
}

void ct_put_run(struct ct_put *p, struct mono now)
{
	while (p->n_busy > 0) {
		ct_put_step(p, now);
		ct_batch_run(p->batch, now);
	}
}

/* One that was never used is taken last: its memory has not been touched. */
static struct put *take(struct ct_put *p)
{
	struct list_node *node = p->free.next;

	if (list_empty(&p->free))
		return &p->put[p->n_used++];
	list_del(node);
	return container_of(node, struct put, node);
}

static uint32_t showing(const struct ct_put *p, const struct put *e, uint32_t timeout_s)
{
	return ct_timeouts_showing(&p->timeouts, &e->f, timeout_s,
				   ct_way_takes_over(e->q.way) ? CT_SHOW_COMMIT_S : CT_SHOW_NEWS_S);
}

void ct_put_add(struct ct_put *p, const struct ct_wish *wish)
{
	struct put *e = take(p);

	e->q = (struct ct_question){
		.way = wish->way,
		.timeouts = &p->timeouts,
		.began_s = p->began_s,
		.changed_s = wish->changed_s,
		.active_s = wish->active_s,
		.took_over = wish->took_over,
	};
	e->tries = 0;
	e->exists = e->unknown = e->found = e->hit = e->raise = e->replacing = e->destroyed =
		e->cleared = false;
	e->windows_only = wish->windows_only;
	e->in_the_way.l3 = 0;
	e->token = wish->token;
	flow_copy(&e->f, wish->f);
	if (wish->f->rare) {
		e->rare = *wish->f->rare;
		e->f.rare = &e->rare;
	}
	if (e->f.has & FLOW_HAS_HELPER && p->no_helper[0] &&
	    !memcmp(e->rare.helper, p->no_helper, sizeof(p->no_helper)))
		e->f.has &= ~FLOW_HAS_HELPER;
	if (wish->kept_s) {
		e->f.timeout_s = wish->kept_s;
		e->f.has |= FLOW_HAS_TIMEOUT;
	}
	if (e->f.has & FLOW_HAS_TIMEOUT)
		e->f.timeout_s = showing(p, e, e->f.timeout_s);
	if (wish->exact)
		e->timeout_s = wish->timeout_s;
	else
		e->timeout_s = wish->kept_s && wish->kept_s == wish->timeout_s ?
				       e->f.timeout_s :
				       showing(p, e, wish->timeout_s);
	p->n_busy++;
	wants(p, e, wish->way >= CT_WAY_END ? PUT_LOOK : wish->there ? PUT_GET : PUT_CREATE);
}

size_t ct_put_room(const struct ct_put *p)
{
	size_t room = ct_batch_room(p->batch), free = p->n - p->n_busy;

	return room < free ? room : free;
}

size_t ct_put_busy(const struct ct_put *p)
{
	return p->n_busy;
}

/* ---- lifetime ---- */

void ct_put_timeouts(struct ct_put *p)
{
	ct_timeouts_read(&p->timeouts);
	p->no_helper[0] = '\0';
}

static void on_room(void *ctx, struct mono now)
{
	struct ct_put *p = ctx;

	if (p->confirming)
		return;
	ct_put_step(p, now); /* what an entry was found to be changes with the next packet */
	if (p->cb.room)
		p->cb.room(p->cb.ctx, now);
}

int ct_put_open(struct evloop *loop, const struct ct_put_cb *cb, const char *name, size_t n,
		bool liberal, struct ct_put **out, struct text *err)
{
	struct ct_put *p = calloc(1, sizeof(*p) + n * sizeof(p->put[0]));
	struct ct_batch_cb batch_cb = { .ctx = p, .answer = on_answer, .room = on_room };
	int rc;

	if (!p) {
		text_printf(err, "%s: %s", name, strerror(ENOMEM));
		return -ENOMEM;
	}
	p->cb = *cb;
	p->began_s = mono_s(clock_now());
	p->liberal = liberal;
	p->n = n;
	ct_put_timeouts(p);
	list_init(&p->free);
	list_init(&p->ready);
	rc = ct_batch_open(loop, &batch_cb, name, &p->batch, err);
	if (rc) {
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void ct_put_close(struct ct_put *p)
{
	if (!p)
		return;
	ct_batch_close(p->batch);
	free(p);
}

uint32_t ct_put_portid(const struct ct_put *p)
{
	return ct_batch_portid(p->batch);
}
