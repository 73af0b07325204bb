/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the peers straight into the kernel, by way of ct_put.c.
 *
 * News wait until the turn ends or CT_INJECT_BATCH of them are there, and are then carried out to
 * the end before anything else happens: the kernel executes requests inside sendto(), so nothing
 * has to be waited for, and no later news about the same flow can overtake a question that is still
 * open. Two news about one flow are never in the same batch. */
#include "kernel/ct_inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/ct_put.h"

/* Of the check "is this flow in the batch already?". A false yes ends the batch, so there are many
 * more than flows. */
#define BUCKETS	    16384u
#define END	    1u	  /* token of an end */
#define TIMEOUTS_MS 60000 /* between two looks at this kernel's timeouts */

struct ct_inject {
	struct ct_put *put;
	struct ct_inject_cb cb;
	uint64_t taken[BUCKETS / 64]; /* a bit per bucket that has a flow of the batch */
	struct mono timeouts_due;     /* read them again */
	struct hash_key key;
	struct ct_inject_stats stats;
};

/* What of the news the kernel has now: where its own entry stays as it is, nothing but the name. */
static void stored(struct ct_inject *i, const struct ct_result *r, struct mono now)
{
	struct ct_flow f;

	flow_copy(&f, r->f);
	if (r->outcome == CT_KEPT)
		f.has &= FLOW_HAS_PORTS | FLOW_HAS_ZONE | FLOW_HAS_MARK | FLOW_HAS_LABELS;
	else if (r->outcome == CT_LEFT)
		f.has &= FLOW_HAS_PORTS | FLOW_HAS_ZONE;
	i->cb.stored(i->cb.ctx, &f, r, now);
}

static void on_done(void *ctx, const struct ct_result *r, struct mono now)
{
	struct ct_inject *i = ctx;
	struct ct_inject_stats *s = &i->stats;
	uint64_t *const counters[] = {
		[CT_CREATED] = &s->created, [CT_UPDATED] = &s->updated,	 [CT_KEPT] = &s->updated,
		[CT_LEFT] = &s->updated,    [CT_REPLACED] = &s->updated, [CT_ENDED] = &s->destroyed,
		[CT_IN_USE] = &s->in_use,
	};

	if (r->outcome == CT_GONE)
		return;
	if (r->outcome == CT_FAILED || r->outcome == CT_REFUSED) {
		++*(r->token == END ? &s->destroy_failed :
		    r->found	    ? &s->update_failed :
				      &s->create_failed);
		if (i->cb.failed)
			i->cb.failed(i->cb.ctx, r, r->token == END, now);
		return;
	}
	++*counters[r->outcome];
	if (r->token != END)
		stored(i, r, now);
}

void ct_inject_flush(struct ct_inject *i, struct mono now)
{
	if (ct_put_busy(i->put) == 0)
		return;
	if (!mono_is_set(i->timeouts_due) || mono_before(i->timeouts_due, now)) {
		ct_put_timeouts(i->put);
		i->timeouts_due = mono_add_ms(now, TIMEOUTS_MS);
	}
	ct_put_run(i->put, now);
	memset(i->taken, 0, sizeof(i->taken));
}

static void add(struct ct_inject *i, const struct ct_wish *wish, struct mono now)
{
	struct flow_key key;
	uint32_t bucket;

	flow_key(wish->f, &key);
	bucket = flow_key_hash(&i->key, &key) % BUCKETS;
	if ((i->taken[bucket / 64] >> bucket % 64 & 1) || ct_put_room(i->put) == 0)
		ct_inject_flush(i, now);
	ct_put_add(i->put, wish);
	i->taken[bucket / 64] |= UINT64_C(1) << bucket % 64;
}

void ct_inject_put(struct ct_inject *i, const struct ct_flow *f, bool there, struct mono now)
{
	add(i, &(struct ct_wish){ .f = f, .way = CT_WAY_NEWS, .there = there }, now);
}

void ct_inject_end(struct ct_inject *i, const struct ct_flow *f, struct mono now)
{
	add(i, &(struct ct_wish){ .f = f, .way = CT_WAY_END, .token = END }, now);
}

/* ---- lifetime ---- */

int ct_inject_open(struct evloop *loop, bool liberal, const struct ct_inject_cb *cb,
		   struct ct_inject **out, struct text *err)
{
	struct ct_inject *i = calloc(1, sizeof(*i));
	struct ct_put_cb put_cb = { .ctx = i, .done = on_done, .caller = cb->caller };
	int ret;

	if (!i)
		return -ENOMEM;
	i->cb = *cb;
	ret = hash_key_random(&i->key);
	if (ret == 0)
		ret = ct_put_open(loop, &put_cb, "inject", CT_INJECT_BATCH, liberal, &i->put, err);
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
	ct_put_close(i->put);
	free(i);
}

uint32_t ct_inject_portid(const struct ct_inject *i)
{
	return ct_put_portid(i->put);
}

const struct ct_inject_stats *ct_inject_stats(const struct ct_inject *i)
{
	return &i->stats;
}
