/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node: the real pipeline with a simulated channel, or the model of a 1.4.7 behind the same calls. */
#include "sim.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/log.h"

/* ---- the channel of ours ---- */

static struct writer *channel_datagram(void *ctx)
{
	struct node *n = ctx;
	uint32_t limit = n->sim->plan.tx_limit;
	int64_t slot = n->sim->now_ns / SIM_MS;

	if (n->tx_slot_ns != slot) {
		n->tx_slot_ns = slot;
		n->tx_slot_n = 0;
	}
	if (limit > 0 && n->tx_slot_n >= limit) {
		n->tx_blocked = true;
		return NULL;
	}
	n->writer = wr_init(n->buf, sizeof(n->buf));
	return &n->writer;
}

/* In every other simulation full datagrams are filled. */
static bool channel_fills(void *ctx)
{
	const struct node *n = ctx;

	return n->sim->seed % 2 == 0;
}

static void channel_send(void *ctx)
{
	struct node *n = ctx;

	if (n->writer.len == 0)
		sim_fail(n->sim, "node %u: an empty datagram", n->index);
	n->tx_slot_n++;
	net_send(&n->sim->net, n->index, n->buf, n->writer.len);
	n->writer = wr_init(n->buf, 0);
}

static void channel_flush(void *ctx)
{
	(void)ctx;
}

static void node_log(void *ctx, int level, const char *text)
{
	struct node *n = ctx;

	(void)level;
	sim_trace(n->sim, "node %u: log: %s", n->index, text);
}

/* ---- comparing with the kernel, as reconcile.c does ---- */

#define COMPARE_STEP	40	/* entries */
#define COMPARE_MS	20	/* from part to part: events come in between */

static void compare_begin(void *ctx)
{
	struct node *n = ctx;

	if (n->compare_ns > 0)
		return;
	sim_trace(n->sim, "node %u: compares", n->index);
	n->compare_at = 0;
	n->compare_ns = n->sim->now_ns + COMPARE_MS * SIM_MS;
	pipeline_compare_begin(n->pipeline);
	internal_pass_begin(pipeline_internal(n->pipeline), false);
}

/* Those that the dump did not show are asked about: the truth is at hand. */
static void compare_end(struct node *n)
{
	struct internal *c = pipeline_internal(n->pipeline);
	struct mono now = sim_now(n->sim);
	uint32_t ids[64];
	uint64_t pos = 0;
	bool end = false;

	while (!end) {
		size_t got = internal_pass_unseen(c, &pos, ids, 64, &end);

		for (size_t i = 0; i < got; i++) {
			const struct ct_flow *f = &table_rec(internal_table(c), ids[i])->flow;
			unsigned int owner;
			int k = kernel_index(f, &owner);

			if (k >= 0 && n->kernel.flow[k].alive) {
				internal_pass_seen(c, ids[i]);
				pipeline_dumped(n->pipeline, &n->kernel.flow[k].flow, true, now);
			} else {
				pipeline_gone(n->pipeline, ids[i], now);
			}
		}
	}
	n->compare_ns = 0;
	pipeline_compare_end(n->pipeline, true, now);
}

static void compare_step(struct node *n)
{
	for (unsigned int i = 0; i < COMPARE_STEP; i++, n->compare_at++) {
		const struct sim_flow *sf = &n->kernel.flow[n->compare_at];

		if (n->compare_at == n->kernel.n_tuples) {
			compare_end(n);
			return;
		}
		if (sf->alive)
			pipeline_dumped(n->pipeline, &sf->flow, true, sim_now(n->sim));
	}
	n->compare_ns = n->sim->now_ns + COMPARE_MS * SIM_MS;
}

/* ---- life ---- */

/* In some lives the dump at the start has gaps, because the table changed under it. */
static void node_populate(struct node *n)
{
	struct rng r = { .state = n->sim->seed * 31 + n->lives };
	bool gaps = n->sim->plan.kind == KIND_LIMIT && rng_chance(&r, 400);

	pipeline_lack(n->pipeline, WHOLE_START, sim_now(n->sim));
	pipeline_compare_begin(n->pipeline);
	for (unsigned int i = 0; i < n->kernel.n_tuples; i++) {
		const struct sim_flow *sf = &n->kernel.flow[i];

		if (sf->alive && !(gaps && rng_chance(&r, 500)))
			pipeline_dumped(n->pipeline, &sf->flow, false, sim_now(n->sim));
	}
	pipeline_compare_end(n->pipeline, !gaps, sim_now(n->sim));
}

/* What there is room for is another matter in each life. */
static void node_limits(struct node *n)
{
	struct rng r = { .state = n->sim->seed * 37 + n->lives * 2 + n->index };

	n->limit_internal = n->limit_external = 100000;
	if (n->sim->plan.kind != KIND_LIMIT)
		return;
	if (rng_chance(&r, 600))
		n->limit_internal = 10 + rng_below(&r, SIM_TUPLES / 2);
	if (rng_chance(&r, 500))
		n->limit_external = 10 + rng_below(&r, SIM_TUPLES / 2);
}

void node_start(struct node *n)
{
	struct pipeline_conf conf = {
		.sync = &n->conf, .buckets = 256,
		.key = { 1, 2 }, .first_seq = sim_wall_s(n->sim),
	};

	sim_trace(n->sim, "node %u: starts", n->index);
	n->lives++;
	n->forgot = false;
	n->compare_ns = 0;
	node_limits(n);
	conf.limit_internal = n->limit_internal;
	conf.limit_external = n->limit_external;
	n->due_ns = n->sim->now_ns;
	if (n->old) {
		old_start(n);
		n->up = true;
		return;
	}
	n->env = (struct pipeline_env){
		.ctx = n, .datagram = channel_datagram, .even = channel_fills, .send = channel_send, .flush = channel_flush,
		.log = node_log, .compare = compare_begin,
	};
	n->pipeline = pipeline_new(&conf, &n->env, sim_now(n->sim));
	if (!n->pipeline) {
		sim_fail(n->sim, "no pipeline");
		return;
	}
	n->up = true;
	node_populate(n);
}

static void stats_add(struct sync_stats *sum, const struct sync_stats *s)
{
	sum->lost += s->lost;
	sum->before += s->before;
	sum->reordered += s->reordered;
	sum->resent += s->resent;
	sum->ring_overflow += s->ring_overflow;
	sum->nack_sent += s->nack_sent;
	sum->nack_recv += s->nack_recv;
	sum->resync_asked += s->resync_asked;
	sum->resync_done += s->resync_done;
	sum->resync_failed += s->resync_failed;
	sum->bulk_started += s->bulk_started;
	sum->bulk_flows += s->bulk_flows;
	sum->unrepairable += s->unrepairable;
	sum->restarts += s->restarts;
	sum->wire.malformed += s->wire.malformed;
}

void node_stop(struct node *n)
{
	sim_trace(n->sim, "node %u: stops", n->index);
	n->up = false;
	n->due_ns = INT64_MAX;
	if (n->old) {
		old_stop(n);
		return;
	}
	stats_add(&n->ended, sync_stats(pipeline_sync(n->pipeline)));
	pipeline_free(n->pipeline);
	n->pipeline = NULL;
}

struct sync_stats node_stats(const struct node *n)
{
	struct sync_stats s = n->ended;

	if (n->pipeline)
		stats_add(&s, sync_stats(pipeline_sync(n->pipeline)));
	return s;
}

bool node_busy(const struct node *n)
{
	bool open = false;

	if (!n->pipeline)
		return false;
	for (unsigned int i = 0; i < n->sim->plan.n_nodes; i++)	/* an answer that is not ended, because there is no room */
		open = open || (i != n->index && !node_fits_own(&n->sim->node[i]));
	return sync_bulk_running(pipeline_sync(n->pipeline)) || n->compare_ns > 0 ||
	       (!open && sync_resync_running(pipeline_sync(n->pipeline)));
}

/* ---- what happens to it ---- */

void node_event(struct node *n, enum pipeline_event what, const struct ct_flow *f)
{
	if (n->old)
		old_event(n, what, f);
	else
		pipeline_event(n->pipeline, what, f, sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

void node_datagram(struct node *n, unsigned int from, uint8_t link, const uint8_t *bytes, size_t len)
{
	struct sync_source source = { .family = AF_INET, .link = link, .addr = { 10, 9, link, (uint8_t)(1 + from) } };

	if (n->old)
		old_datagram(n, bytes, len);
	else
		pipeline_datagram(n->pipeline, &source, bytes, len, sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

/* Nothing of our own is forgotten: it is compared, and no answer is ended before that. */
void node_flush(struct node *n)
{
	if (!n->pipeline)
		return;
	pipeline_lack(n->pipeline, WHOLE_FLUSHED, sim_now(n->sim));
	compare_begin(n);
	n->due_ns = n->sim->now_ns;
}

/* On a node that is not active: the peers are asked at once. */
void node_forget(struct node *n)
{
	uint64_t pos = 0;

	if (!n->pipeline)
		return;
	sim_trace(n->sim, "node %u: empties its external cache", n->index);
	n->forgot = true;
	while (pipeline_flush_external_step(n->pipeline, &pos, 64))
		;
	pipeline_lack_external(n->pipeline, WHOLE_FLUSHED, sim_now(n->sim));
	pipeline_ask(n->pipeline, sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

bool node_fits_own(const struct node *n)
{
	return n->old || kernel_count(&n->kernel) <= n->limit_internal;
}

bool node_fits(const struct node *holder, const struct node *owner)
{
	return node_fits_own(owner) && (holder->old || kernel_count(&owner->kernel) <= holder->limit_external);
}

/* One loop turn after another until there is nothing to do now. */
void node_run(struct node *n)
{
	bool again = true;
	struct mono next = { 0 };

	if (n->old) {
		old_run(n);
		return;
	}
	n->tx_blocked = false;
	if (n->compare_ns > 0 && n->compare_ns <= n->sim->now_ns)
		compare_step(n);
	for (unsigned int i = 0; again; i++) {
		next = pipeline_turn(n->pipeline, sim_now(n->sim), &again);
		n->turns++;
		if (i > 10000) {
			sim_fail(n->sim, "node %u: works for ever", n->index);
			break;
		}
	}
	n->due_ns = mono_is_set(next) ? next.ns : INT64_MAX;
	if (n->tx_blocked)
		n->due_ns = (n->sim->now_ns / SIM_MS + 1) * SIM_MS;
	/* What a turn did after its timers may have made one due at once; a timer that stays in the past is a bug. */
	if (n->due_ns <= n->sim->now_ns) {
		next = pipeline_turn(n->pipeline, sim_now(n->sim), &again);
		if (mono_is_set(next) && next.ns <= n->sim->now_ns)
			sim_fail(n->sim, "node %u: a timer stands in the past", n->index);
		n->due_ns = mono_is_set(next) ? next.ns : INT64_MAX;
	}
	if (n->compare_ns > 0 && n->compare_ns < n->due_ns)
		n->due_ns = n->compare_ns;
}

/* ---- its external cache ---- */

static struct flow_table *node_table(const struct node *n)
{
	return external_table(n->old ? old_external(n) : pipeline_external(n->pipeline));
}

const struct ct_flow *node_external(const struct node *n, const struct ct_flow *f)
{
	uint32_t id = table_find(node_table(n), f);

	return id == FLOW_ID_NONE ? NULL : &table_rec(node_table(n), id)->flow;
}

uint32_t node_external_count(const struct node *n)
{
	return table_count(node_table(n));
}

void node_external_walk(const struct node *n, void (*cb)(void *ctx, const struct ct_flow *f), void *ctx)
{
	struct flow_table *t = node_table(n);
	uint32_t ids[64];
	uint64_t pos = 0;
	size_t got;

	while ((got = table_walk(t, &pos, ids, 64)) > 0)
		for (size_t i = 0; i < got; i++)
			cb(ctx, &table_rec(t, ids[i])->flow);
}
