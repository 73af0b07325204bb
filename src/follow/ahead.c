/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows ahead of the commit.
 *
 * A packet is looked up by its tuple: in the external cache, by original tuple and through the
 * index by reply tuple, and where no peer knows it in our kernel, which finds an entry by either
 * tuple. So the kernel's word is asked for at the price of a request only for packets of flows
 * that no peer has told of.
 *
 * A sweep looks for the flows in whose place a new flow could come to stand: those whose answers
 * come from the same address and port (their reply tuples are what the kernel chooses NAT ports
 * by), and those that are translated and were sent to the same address and port (with the
 * destination translated, too, it is not known yet where to the new one goes). It walks through
 * the whole cache, since it is needed too seldom for an index of its own. */
#include "follow/ahead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/reply_index.h"
#include "kernel/ct_ask.h"

#define FILL_STEP    8192u /* records in one turn of the loop */
#define SWEEP_LOOK   8192u
#define SWEEP_COMMIT 64u
#define STEP_IDS     256u
#define SAME_TUPLE   8u	  /* flows that have one tuple, each in a zone of its own */
#define EXPECTS_MAX  256u /* looked through for each packet of an unknown flow */

/* The destination of a new flow. */
struct remote {
	union flow_addr addr;
	uint16_t port;
	uint8_t l3, l4;
};

struct ahead {
	struct evloop *loop;
	struct commit *commit;
	struct ahead_cb cb;
	struct pipeline *p;
	struct ct_ask *ask;
	bool on;
	struct ev_work fill, sweep;
	uint64_t fill_pos, sweep_pos;
	struct remote remote[AHEAD_SWEEP_MAX];
	size_t n_remotes;
	uint64_t port_bits[1024]; /* of the remotes' ports: most flows have none of them */
	struct ahead_stats stats;
};

static struct external *cache(const struct ahead *a)
{
	return pipeline_external(a->p);
}

static struct reply_index *index_of(const struct ahead *a)
{
	return external_index(cache(a));
}

/* ---- the index ---- */

static bool fill_step(void *ctx, struct mono now)
{
	struct ahead *a = ctx;

	if (reply_index_fill_step(index_of(a), &a->fill_pos, FILL_STEP))
		return true;
	a->cb.sure(a->cb.ctx, now);
	return false;
}

int ahead_begin(struct ahead *a, struct mono now)
{
	int err;

	(void)now;
	if (a->on)
		return 0;
	err = external_index_begin(cache(a));
	if (err < 0)
		return err;
	a->on = true;
	a->fill_pos = 0;
	ev_work_arm(a->loop, &a->fill);
	return 0;
}

void ahead_end(struct ahead *a)
{
	if (!a->on)
		return;
	a->on = false;
	ev_work_del(a->loop, &a->fill);
	ev_work_del(a->loop, &a->sweep);
	external_index_end(cache(a));
}

/* ---- what is known ---- */

static bool masked_equal(const void *a, const void *b, const void *mask, size_t n)
{
	const uint8_t *x = a, *y = b, *m = mask;

	for (size_t i = 0; i < n; i++) {
		if ((x[i] ^ y[i]) & m[i])
			return false;
	}
	return true;
}

static bool expects(const struct ct_expect *e, const struct ct_flow *t)
{
	const bool v4 = t->l3 == AF_INET;
	const size_t n = v4 ? 4 : 16;
	const void *src = v4 ? (const void *)&t->addr.v4.src : t->addr.v6.src;
	const void *dst = v4 ? (const void *)&t->addr.v4.dst : t->addr.v6.dst;

	return e->l3 == t->l3 && e->tuple.l4 == t->l4 &&
	       masked_equal(&e->tuple.src, src, &e->mask.src, n) &&
	       masked_equal(&e->tuple.dst, dst, &e->mask.dst, n) &&
	       masked_equal(&e->tuple.sport, &t->orig.sport, &e->mask.sport, 2) &&
	       masked_equal(&e->tuple.dport, &t->orig.dport, &e->mask.dport, 2);
}

/* Expectations are committed after all flows. */
static bool may_be_expected(const struct ahead *a, const struct ct_flow *tuple)
{
	struct exp_path *x = pipeline_expects(a->p);
	struct expects *all = x ? exp_path_external(x) : NULL;
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	if (!all || expects_count(all) == 0)
		return false;
	if (expects_count(all) > EXPECTS_MAX)
		return true;
	while ((n = expects_walk(all, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (expects(&expects_rec(all, ids[i])->expect, tuple))
				return true;
		}
	}
	return false;
}

enum ahead_known ahead_known(struct ahead *a, const struct ct_flow *tuple, struct mono now)
{
	const struct reply_index *x = index_of(a);
	uint32_t ids[SAME_TUPLE];
	size_t n = a->on ? reply_index_find(x, tuple, ids, SAME_TUPLE) : 0;

	for (size_t i = 0; i < n; i++) {
		if (!reply_index_is_placed(x, ids[i]))
			return AHEAD_MISSING;
	}
	/* What was put there before the commit may have lapsed since. */
	if (n > 0 && commit_running(a->commit))
		return AHEAD_THERE;
	if (ct_ask_tuple(a->ask, tuple, now))
		return AHEAD_THERE;
	if (n > 0) {
		for (size_t i = 0; i < n; i++)
			reply_index_set_placed(index_of(a), ids[i], false);
		return AHEAD_MISSING;
	}
	if (!a->on || !reply_index_is_whole(x) || may_be_expected(a, tuple))
		return AHEAD_UNSURE;
	return AHEAD_UNKNOWN;
}

/* ---- into the kernel ---- */

static uint32_t master_of(const struct ahead *a, uint32_t id)
{
	const struct ct_flow *f = &table_rec(external_table(cache(a)), id)->flow;
	const bool ports = (f->has & FLOW_HAS_MASTER_PORTS) != 0;
	struct ct_flow m = { .l3 = f->l3 };

	if (!(f->has & FLOW_HAS_MASTER))
		return FLOW_ID_NONE;
	m.l4 = f->rare->master_l4;
	m.has = (ports && flow_l4_has_ports(m.l4) ? FLOW_HAS_PORTS : 0) | (f->has & FLOW_HAS_ZONE);
	m.zone = f->zone;
	m.zone_dir = f->zone_dir;
	m.orig = (struct flow_ports){ f->rare->master_sport, f->rare->master_dport };
	if (f->l3 == AF_INET) {
		m.addr.v4.src = f->rare->master_src.v4;
		m.addr.v4.dst = f->rare->master_dst.v4;
	} else {
		memcpy(m.addr.v6.src, &f->rare->master_src, 16);
		memcpy(m.addr.v6.dst, &f->rare->master_dst, 16);
	}
	return table_find(external_table(cache(a)), &m);
}

/* The flow is in the kernel, or need not be there. */
static bool place_one(struct ahead *a, uint32_t id, struct mono now)
{
	bool there;

	if (reply_index_is_placed(index_of(a), id))
		return true;
	there = commit_one(a->commit, id, now) != CT_FAILED;
	a->stats.committed += there;
	a->stats.failed += !there;
	/* It may have left the cache: it has ended here. */
	if (there && table_has_id(external_table(cache(a)), id))
		reply_index_set_placed(index_of(a), id, true);
	return there;
}

static bool place(struct ahead *a, uint32_t id, struct mono now)
{
	uint32_t master = master_of(a, id);

	if (master != FLOW_ID_NONE && master != id)
		place_one(a, master, now);
	return !table_has_id(external_table(cache(a)), id) || place_one(a, id, now);
}

bool ahead_commit(struct ahead *a, const struct ct_flow *tuple, struct mono now)
{
	uint32_t ids[SAME_TUPLE];
	size_t n = a->on ? reply_index_find(index_of(a), tuple, ids, SAME_TUPLE) : 0;
	bool all = true;

	for (size_t i = 0; i < n; i++)
		all &= place(a, ids[i], now);
	return all;
}

/* ---- sweeps ---- */

static bool has_port(const struct ahead *a, uint16_t port)
{
	return a->port_bits[port / 64] >> port % 64 & 1;
}

static bool is_remote(const struct remote *r, const struct ct_flow *f, const void *addr,
		      uint16_t port)
{
	return r->port == port && r->l4 == f->l4 && r->l3 == f->l3 &&
	       memcmp(&r->addr, addr, f->l3 == AF_INET ? 4 : 16) == 0;
}

static bool is_in_the_way(const struct ahead *a, const struct ct_flow *f)
{
	const bool v4 = f->l3 == AF_INET, ports = f->has & FLOW_HAS_PORTS;
	const bool translated = flow_nat(f) & (FLOW_HAS_SNAT | FLOW_HAS_SPAT);
	struct ct_flow reply;

	if (ports && !flow_is_icmp(f) && !has_port(a, f->orig.dport) &&
	    !has_port(a, f->reply.sport))
		return false;
	flow_reply_as_packet(&reply, f);
	for (size_t i = 0; i < a->n_remotes; i++) {
		const struct remote *r = &a->remote[i];
		uint16_t to = ports ? f->orig.dport : 0, from = ports ? reply.orig.sport : 0;

		/* ICMP: by the address alone, the ids are the ports. */
		if (flow_is_icmp(f))
			to = from = r->port;
		if (is_remote(r, f, v4 ? (void *)&reply.addr.v4.src : reply.addr.v6.src, from) ||
		    (translated &&
		     is_remote(r, f, v4 ? (const void *)&f->addr.v4.dst : f->addr.v6.dst, to)))
			return true;
	}
	return false;
}

static bool sweep_step(void *ctx, struct mono now)
{
	struct ahead *a = ctx;
	const struct flow_table *t = external_table(cache(a));
	uint32_t ids[STEP_IDS], looked = 0, committed = 0;
	size_t n = 1;

	while (looked < SWEEP_LOOK && committed < SWEEP_COMMIT) {
		n = table_walk(t, &a->sweep_pos, ids,
			       SWEEP_COMMIT < STEP_IDS ? SWEEP_COMMIT : STEP_IDS);
		if (n == 0)
			break;
		looked += (uint32_t)n;
		for (size_t i = 0; i < n; i++) {
			if (!table_has_id(t, ids[i]) || table_rec(t, ids[i])->state == REC_DEAD ||
			    reply_index_is_placed(index_of(a), ids[i]) ||
			    !is_in_the_way(a, &table_rec(t, ids[i])->flow))
				continue;
			place(a, ids[i], now);
			committed++;
		}
	}
	if (n > 0)
		return true;
	a->cb.swept(a->cb.ctx, now); /* may begin the next one */
	return false;
}

void ahead_sweep(struct ahead *a, const struct ct_flow *const *tuples, size_t n, struct mono now)
{
	(void)now;
	memset(a->port_bits, 0, sizeof(a->port_bits));
	for (size_t i = 0; i < n; i++) {
		const struct ct_flow *t = tuples[i];
		struct remote *r = &a->remote[i];

		*r = (struct remote){ .l3 = t->l3, .l4 = t->l4 };
		r->port = t->has & FLOW_HAS_PORTS ? t->orig.dport : 0;
		if (t->l3 == AF_INET)
			r->addr.v4 = t->addr.v4.dst;
		else
			memcpy(&r->addr, t->addr.v6.dst, 16);
		a->port_bits[r->port / 64] |= UINT64_C(1) << r->port % 64;
	}
	a->n_remotes = n;
	a->sweep_pos = 0;
	ev_work_arm(a->loop, &a->sweep);
}

void ahead_stats(const struct ahead *a, struct ahead_stats *out)
{
	*out = a->stats;
	out->index_bytes = a->on ? reply_index_memory(index_of(a)) : 0;
}

/* ---- lifetime ---- */

int ahead_open(struct evloop *loop, struct commit *commit, const struct ahead_cb *cb,
	       struct ahead **out, struct text *err)
{
	struct ahead *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->commit = commit;
	a->cb = *cb;
	a->fill = (struct ev_work){ .step = fill_step, .ctx = a, .name = "index by reply tuple" };
	a->sweep = (struct ev_work){ .step = sweep_step, .ctx = a, .name = "flows in the way" };
	rc = ct_ask_open(loop, &a->ask, err);
	if (rc < 0) {
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void ahead_close(struct ahead *a)
{
	if (!a)
		return;
	ahead_end(a);
	ct_ask_close(a->ask);
	free(a);
}

void ahead_set_pipeline(struct ahead *a, struct pipeline *p)
{
	a->p = p;
}
