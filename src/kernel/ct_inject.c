/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the peers straight into the kernel.
 *
 * News wait until the turn ends or CT_INJECT_BATCH of them are there, and are then carried out to the end before anything
 * else happens: the kernel executes requests inside sendto(), so nothing has to be waited for, and no later news about the
 * same flow can overtake a question that is still open. Two news about one flow are never in the same batch.
 *
 *	state	answer			next
 *	CREATE	0			created
 *		EEXIST, ENOBUFS		GET
 *		ENOENT, has master	CREATE without it
 *		EOPNOTSUPP, has helper	CREATE without it
 *		other			failed
 *	GET	found			ct_judge_news(): UPDATE | ANNOTATE | REPLACE | leave | failed
 *		ENOENT			CREATE, or after EEXIST: GET OTHER
 *	GET OTHER			as GET, about whoever has the reply tuple; ENOENT: CREATE
 *	UPDATE	0			updated
 *		ENOENT			CREATE: it has gone meanwhile
 *		other			failed
 *	REPLACE	(destroy, create)	as CREATE, but what would be failed is RESTORE when the destroy has happened
 *	RESTORE	any			failed; the entry that was there before is back, if nobody else has taken its place
 *	LOOK	found			DESTROY, or left because it is in use
 *		ENOENT			nothing: it has gone by itself
 *	DESTROY	0, ENOENT		destroyed
 *
 * A flow is new far more often than it is there on a node that only receives, so CREATE comes first and costs one request.
 * Where both nodes forward, and the caller knows that the entry is there, GET comes first: each round of requests is time in
 * which the next packet may come (asymmetric paths).
 * Rules: replication.md section 7.2, and where they would remove a flow that lives, design section 1. */
#include "kernel/ct_inject.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>

#include "base/log.h"
#include "kernel/ct.h"
#include "kernel/ct_judge.h"

#define TRIES		6u
#define BUCKETS		256u	/* of the check "is this flow in the batch already?"; a false yes costs a system call */

enum news_state { NEWS_CREATE, NEWS_GET, NEWS_GET_OTHER, NEWS_UPDATE, NEWS_ANNOTATE, NEWS_REPLACE, NEWS_RESTORE, NEWS_LOOK,
		  NEWS_DESTROY };

struct news {
	enum news_state state;
	uint32_t tries;
	bool again;		/* its next request is to be made */
	bool clashed;		/* EEXIST, and nobody had the original tuple */
	bool ours;		/* LOOK: the caller's events say that it lives here */
	bool existed;
	bool destroyed;		/* an entry has gone for this one */
	int err;		/* RESTORE: why ours has failed */
	struct ct_flow f;
	struct flow_rare rare;
	struct ct_flow old;	/* the kernel's entry, as found */
	struct flow_rare old_rare;
};

struct ct_inject {
	struct ct_batch *batch;
	struct ct_inject_cb cb;
	bool liberal;
	size_t n;
	uint8_t taken[BUCKETS];		/* flows of the batch by their hash */
	struct hash_key key;
	struct log_limit limit;
	struct ct_inject_stats stats;
	struct news news[CT_INJECT_BATCH];
};

static uint32_t bucket_of(const struct ct_inject *i, const struct ct_flow *f)
{
	struct flow_key key;

	flow_key(f, &key);
	return flow_key_hash(&i->key, &key) % BUCKETS;
}

/* ---- outcomes ---- */

static void again(struct news *w, enum news_state state)
{
	w->state = state;
	w->again = true;
}

static void failed(struct ct_inject *i, uint64_t *counter, int err, struct mono now)
{
	uint64_t suppressed;

	(*counter)++;
	if (!log_limit_pass(&i->limit, 1, 10000, now, &suppressed))
		return;
	errno = -err;
	log_warn("a flow of the peer cannot be put into the kernel (%" PRIu64 " more since the last such line)", suppressed);
}

/* If an entry had to go for it, that one comes back first. */
static void put_failed(struct ct_inject *i, struct news *w, int err, struct mono now)
{
	if (w->destroyed) {
		w->destroyed = false;
		w->err = err;
		again(w, NEWS_RESTORE);
		return;
	}
	failed(i, w->existed ? &i->stats.update_failed : &i->stats.create_failed, err, now);
}

static bool out_of_tries(struct ct_inject *i, struct news *w, int err, struct mono now)
{
	if (++w->tries < TRIES)
		return false;
	put_failed(i, w, err, now);
	return true;
}

/* What of the news the kernel has now. */
static void stored(struct ct_inject *i, struct news *w, struct mono now)
{
	const uint32_t name = FLOW_HAS_PORTS | FLOW_HAS_ZONE;
	struct ct_flow f;

	flow_copy(&f, &w->f);
	if (w->state == NEWS_ANNOTATE)
		f.has &= name | FLOW_HAS_MARK | FLOW_HAS_LABELS;
	else if (w->state == NEWS_GET)
		f.has &= name;		/* nothing: its own entry stays as it is */
	i->cb.stored(i->cb.ctx, &f, now);
}

static void on_create(struct ct_inject *i, struct news *w, int err, struct mono now)
{
	if (w->state == NEWS_RESTORE) {
		put_failed(i, w, w->err, now);
		return;
	}
	if (err == 0) {
		i->stats.created += !w->existed;
		i->stats.updated += w->existed;
		stored(i, w, now);
		return;
	}
	if (out_of_tries(i, w, err, now))
		return;
	if (err == -EEXIST || err == -ENOBUFS) {
		again(w, w->clashed ? NEWS_GET_OTHER : NEWS_GET);
	} else if (err == -ENOENT && ct_build_has_master(&w->f)) {
		w->f.has &= ~(FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS);
		again(w, NEWS_CREATE);
	} else if (err == -EOPNOTSUPP && (w->f.has & FLOW_HAS_HELPER)) {
		w->f.has &= ~FLOW_HAS_HELPER;
		again(w, NEWS_CREATE);
	} else {
		put_failed(i, w, err, now);
	}
}

/* Whether an entry has a master was settled when it was made, and an update that says otherwise is refused (EBUSY). */
static void keep_master(struct news *w)
{
	const uint32_t bits = FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS;

	w->f.has = (w->f.has & ~bits) | (w->old.has & bits);
	if (!(w->old.has & FLOW_HAS_MASTER))
		return;
	w->rare.master_l4 = w->old_rare.master_l4;
	w->rare.master_src = w->old_rare.master_src;
	w->rare.master_dst = w->old_rare.master_dst;
	w->rare.master_sport = w->old_rare.master_sport;
	w->rare.master_dport = w->old_rare.master_dport;
	w->f.rare = &w->rare;
}

/* The update must not take anything back that the kernel has seen itself (it refuses that with EBUSY), nor shorten the life
 * of an entry that is as far on as the news. */
static void prepare_update(struct news *w)
{
	bool same_state = w->f.proto_state == w->old.proto_state || !(w->f.has & w->old.has & FLOW_HAS_PROTO_STATE);

	w->f.status |= w->old.status & (IPS_SEEN_REPLY | IPS_ASSURED);
	w->f.has |= FLOW_HAS_STATUS;
	if (same_state && (w->old.has & FLOW_HAS_TIMEOUT) &&
	    (!(w->f.has & FLOW_HAS_TIMEOUT) || w->f.timeout_s < w->old.timeout_s)) {
		w->f.timeout_s = w->old.timeout_s;
		w->f.has |= FLOW_HAS_TIMEOUT;
	}
}

static void remember(struct news *w, const struct ct_flow *kernel)
{
	flow_copy(&w->old, kernel);
	if (kernel->rare) {
		w->old_rare = *kernel->rare;
		w->old.rare = &w->old_rare;
	}
}

static void on_found(struct ct_inject *i, struct news *w, const struct ct_flow *kernel, struct mono now)
{
	enum ct_verdict verdict = ct_judge_news(kernel, &w->f);

	if (verdict != CT_FOREIGN)	/* that one stays; what had to go before it was found comes back */
		remember(w, kernel);
	w->existed = true;
	switch (verdict) {
	case CT_UPDATE:
		prepare_update(w);
		keep_master(w);
		again(w, NEWS_UPDATE);
		return;
	case CT_KEEP:
		/* A mark that was set here stays. The windows may be those of one direction only. */
		if ((w->old.has & FLOW_HAS_MARK) && w->old.mark != 0)
			w->f.has &= ~FLOW_HAS_MARK;
		w->f.has &= ~FLOW_HAS_LABELS;
		again(w, NEWS_ANNOTATE);
		return;
	case CT_REPLACE:
		again(w, NEWS_REPLACE);
		return;
	case CT_LEAVE:
		i->stats.updated++;
		w->state = NEWS_GET;
		stored(i, w, now);
		return;
	case CT_FOREIGN:
		put_failed(i, w, -EEXIST, now);
		return;
	}
}

static void on_get(struct ct_inject *i, struct news *w, int err, const struct ct_flow *found, struct mono now)
{
	if (w->state == NEWS_LOOK) {
		if (found && ct_judge_in_use(found, &w->f, w->ours)) {
			i->stats.in_use++;
		} else if (found) {
			flow_copy(&w->old, found);	/* with its id: this one and no other */
			w->old.rare = NULL;
			w->old.has &= FLOW_HAS_PORTS | FLOW_HAS_ZONE | FLOW_HAS_ID;
			again(w, NEWS_DESTROY);
		} else if (err != -ENOENT) {
			failed(i, &i->stats.destroy_failed, err, now);
		}
		return;
	}
	w->clashed = !found && err == -ENOENT && w->state == NEWS_GET;	/* if CREATE then says EEXIST again */
	if (found)
		on_found(i, w, found, now);
	else if (!out_of_tries(i, w, err, now))
		again(w, err == -ENOBUFS ? w->state : NEWS_CREATE);
}

/* No rule here uses labels: then the entry has no place for them. */
static void update_without_labels(struct news *w)
{
	w->f.has &= ~FLOW_HAS_LABELS;
	again(w, NEWS_UPDATE);
}

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err, const struct ct_flow *found, struct mono now)
{
	struct ct_inject *i = ctx;
	struct news *w = &i->news[cookie];

	switch (op) {
	case CT_OP_CREATE:
		on_create(i, w, err, now);
		return;
	case CT_OP_GET:
		on_get(i, w, err, found, now);
		return;
	case CT_OP_UPDATE:
		if (err == 0) {
			i->stats.updated++;
			stored(i, w, now);
		} else if (err == -ENOENT && !out_of_tries(i, w, err, now)) {
			again(w, NEWS_CREATE);
		} else if (err != -ENOENT && (w->f.has & FLOW_HAS_LABELS)) {
			update_without_labels(w);
		} else if (err != -ENOENT) {
			put_failed(i, w, err, now);
		}
		return;
	case CT_OP_DESTROY:
		if (w->state == NEWS_REPLACE) {
			w->destroyed = w->destroyed || err == 0 || err == -ENOBUFS;
			if (err == 0)
				i->cb.removed(i->cb.ctx, &w->old, now);
			return;		/* the create that follows in the same send decides */
		}
		if (err == 0) {
			i->stats.destroyed++;
			i->cb.removed(i->cb.ctx, &w->f, now);
		} else if (err != -ENOENT) {
			failed(i, &i->stats.destroy_failed, err, now);
		}
		return;
	}
}

/* ---- requests ---- */

/* Only the answer tells who it is. */
static int request_other(struct ct_inject *i, const struct news *w, uint64_t cookie)
{
	struct ct_flow reverse;

	ct_judge_reverse(&reverse, &w->f);
	return ct_batch_add(i->batch, CT_OP_GET, &reverse, NULL, cookie);
}

static int request(struct ct_inject *i, struct news *w)
{
	const struct ct_build_opts create = { .liberal = i->liberal };
	const struct ct_build_opts update = { .update = true, .liberal = i->liberal };
	const struct ct_build_opts restore = { .liberal = true };
	const struct ct_build_opts annotate = { .annotate = true, .liberal = i->liberal };
	uint64_t cookie = (uint64_t)(w - i->news);

	w->again = false;
	switch (w->state) {
	case NEWS_CREATE:
		return ct_batch_add(i->batch, CT_OP_CREATE, &w->f, &create, cookie);
	case NEWS_GET:
	case NEWS_LOOK:
		return ct_batch_add(i->batch, CT_OP_GET, &w->f, NULL, cookie);
	case NEWS_GET_OTHER:
		return request_other(i, w, cookie);
	case NEWS_UPDATE:
		return ct_batch_add(i->batch, CT_OP_UPDATE, &w->f, &update, cookie);
	case NEWS_ANNOTATE:
		return ct_batch_add(i->batch, CT_OP_UPDATE, &w->f, &annotate, cookie);
	case NEWS_REPLACE:
		return ct_batch_add_replace(i->batch, &w->old, &w->f, &create, cookie);
	case NEWS_RESTORE:
		return ct_batch_add(i->batch, CT_OP_CREATE, &w->old, &restore, cookie);
	case NEWS_DESTROY:
		return ct_batch_add(i->batch, CT_OP_DESTROY, &w->old, NULL, cookie);
	}
	return -EINVAL;
}

/* Every round makes one request for each of the news that is not settled, and every round uses up a try of it. */
void ct_inject_flush(struct ct_inject *i, struct mono now)
{
	bool more = i->n > 0;

	while (more) {
		more = false;
		for (size_t k = 0; k < i->n; k++) {
			if (!i->news[k].again)
				continue;
			more = true;
			if (request(i, &i->news[k]) < 0)
				put_failed(i, &i->news[k], -ENOBUFS, now);
		}
		ct_batch_run(i->batch, now);
	}
	for (size_t k = 0; k < i->n; k++)
		i->taken[bucket_of(i, &i->news[k].f)] = 0;
	i->n = 0;
}

static void on_room(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

static void add(struct ct_inject *i, const struct ct_flow *f, enum news_state state, bool ours, struct mono now)
{
	uint32_t bucket = bucket_of(i, f);
	struct news *w;

	if (i->taken[bucket] || i->n == CT_INJECT_BATCH)
		ct_inject_flush(i, now);
	w = &i->news[i->n++];
	*w = (struct news){ .state = state, .again = true, .ours = ours };
	flow_copy(&w->f, f);
	if (f->rare) {
		w->rare = *f->rare;
		w->f.rare = &w->rare;
	}
	i->taken[bucket] = 1;
}

void ct_inject_put(struct ct_inject *i, const struct ct_flow *f, bool there, struct mono now)
{
	add(i, f, there ? NEWS_GET : NEWS_CREATE, false, now);
}

void ct_inject_end(struct ct_inject *i, const struct ct_flow *f, bool ours, struct mono now)
{
	add(i, f, NEWS_LOOK, ours, now);
}

/* ---- lifetime ---- */

int ct_inject_open(struct evloop *loop, bool liberal, const struct ct_inject_cb *cb, struct ct_inject **out,
		   struct text *err)
{
	struct ct_inject *i = calloc(1, sizeof(*i));
	struct ct_batch_cb batch_cb = { .ctx = i, .answer = on_answer, .room = on_room };
	int ret;

	if (!i)
		return -ENOMEM;
	i->cb = *cb;
	i->liberal = liberal;
	ret = hash_key_random(&i->key);
	if (ret == 0)
		ret = ct_batch_open(loop, &batch_cb, "inject", &i->batch, err);
	if (ret < 0) {
		free(i);
		return ret;
	}
	*out = i;
	return 0;
}

void ct_inject_close(struct ct_inject *i)
{
	if (!i)
		return;
	ct_batch_close(i->batch);
	free(i);
}

uint32_t ct_inject_portid(const struct ct_inject *i)
{
	return ct_batch_portid(i->batch);
}

const struct ct_inject_stats *ct_inject_stats(const struct ct_inject *i)
{
	return &i->stats;
}
