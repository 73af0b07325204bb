/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node: the real pipeline with a simulated channel, or the model of a 1.4.7 behind the same
 * calls.
 *
 * Without external cache what a peer says goes into a table that stands for its part of our
 * kernel's, at once and whatever else is there: what a kernel entry may be replaced by is another
 * test's matter (flow/judge.h). */
#include "sim.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "flow/filter.h"

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
	if ((limit > 0 && n->tx_slot_n >= limit) || net_blocked(&n->sim->net, n->index)) {
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

static void node_report(void *ctx, const struct sync_report *r)
{
	struct node *n = ctx;

	sim_trace(
		n->sim,
		"node %u: report %d: peer %s, state %d, sign %d, n %llu, %lld ms, numbers %u %u %u",
		n->index, (int)r->what, r->peer ? r->peer : "-", (int)r->state, (int)r->sign,
		(unsigned long long)r->n, (long long)r->ms, r->from, r->to, r->last);
}

/* ---- comparing with the kernel, as reconcile.c does ---- */

#define COMPARE_STEP 40 /* entries */
#define COMPARE_MS   20 /* from part to part: events come in between */

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

/* What the node's kernel has of this tuple, be it a flow of a peer's; NULL: nothing. */
static const struct ct_flow *kernel_entry(const struct node *n, const struct ct_flow *f)
{
	unsigned int owner;
	int i = kernel_index(f, &owner);
	uint32_t id = n->injected ? table_find(n->injected, f) : FLOW_ID_NONE;

	if (id != FLOW_ID_NONE)
		return &table_rec(n->injected, id)->flow;
	if (i < 0 || owner != n->index || (unsigned int)i >= n->kernel.n_tuples ||
	    !n->kernel.flow[i].alive)
		return NULL;
	return &n->kernel.flow[i].flow;
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
			const struct ct_flow *f =
				kernel_entry(n, &table_rec(internal_table(c), ids[i])->flow);

			if (f) {
				internal_pass_seen(c, ids[i]);
				pipeline_dumped(n->pipeline, f, true, now);
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

/* ---- without external cache ---- */

static void inject(void *ctx, enum sync_change what, const struct ct_flow *f, struct mono now)
{
	struct node *n = ctx;
	uint32_t id = table_find(n->injected, f);
	bool inserted, changed;
	unsigned int owner;
	int i = kernel_index(f, &owner), err = 0;

	if (what == SYNC_DESTROY) {
		if (id == FLOW_ID_NONE)
			return;
		watch_removed(n, &table_rec(n->injected, id)->flow);
		table_remove(n->injected, id);
		return;
	}
	/* A peer that has taken our flows over tells us of them: what we have ourselves is
	 * newer. */
	if (i >= 0 && owner == n->index && n->kernel.flow[i].alive)
		return;
	id = table_find_or_insert(n->injected, f, mono_s(now), &inserted, &err);
	if (id == FLOW_ID_NONE)
		abort();
	if (!inserted && what == SYNC_UPDATE)
		table_merge(n->injected, id, f, &changed);
	else if (!inserted)
		table_replace(n->injected, id, f);
	watch_stored(n, &table_rec(n->injected, id)->flow);
	pipeline_injected(n->pipeline, f, true, now);
}

static void inject_expect(void *ctx, bool gone, const struct ct_expect *e)
{
	(void)ctx;
	(void)gone;
	(void)e;
}

static void adopt(void *ctx)
{
	struct node *n = ctx;
	uint32_t ids[64];
	uint64_t pos = 0;
	size_t got;

	sim_trace(n->sim, "node %u: takes over what its kernel has", n->index);
	pipeline_dump_begin(n->pipeline);
	for (unsigned int i = 0; i < n->kernel.n_tuples; i++)
		if (n->kernel.flow[i].alive)
			pipeline_adopted(n->pipeline, &n->kernel.flow[i].flow, sim_now(n->sim));
	while ((got = table_walk(n->injected, &pos, ids, 64)) > 0)
		for (size_t i = 0; i < got; i++)
			pipeline_adopted(n->pipeline, &table_rec(n->injected, ids[i])->flow,
					 sim_now(n->sim));
	pipeline_dump_end(n->pipeline);
	n->due_ns = n->sim->now_ns;
}

/* ---- without internal cache: a full send is a dump of the kernel ---- */

static void dump_begin(void *ctx)
{
	struct node *n = ctx;

	sim_trace(n->sim, "node %u: dumps", n->index);
	n->dump_at = 0;
	n->dump_paused = false;
	n->dump_ns = n->sim->now_ns + SIM_MS;
}

static void dump_pause(void *ctx, bool pause)
{
	struct node *n = ctx;

	n->dump_paused = pause;
	if (!pause)
		n->dump_ns = n->sim->now_ns + SIM_MS;
}

static void dump_expects(void *ctx)
{
	struct node *n = ctx;

	for (unsigned int i = 0; i < n->kernel.n_expects; i++)
		if (n->kernel.expect[i].alive)
			exp_path_put(pipeline_expects(n->pipeline), &n->kernel.expect[i].e, true,
				     sim_now(n->sim));
	exp_path_bulk_end(pipeline_expects(n->pipeline));
}

static void dump_step(struct node *n)
{
	for (unsigned int i = 0;
	     i < COMPARE_STEP && n->dump_at < n->kernel.n_tuples && !n->dump_paused;
	     i++, n->dump_at++)
		if (n->kernel.flow[n->dump_at].alive)
			pipeline_bulk_entry(n->pipeline, &n->kernel.flow[n->dump_at].flow,
					    sim_now(n->sim));
	pipeline_bulk_part(n->pipeline);
	n->dump_ns = n->dump_paused ? 0 : n->sim->now_ns + COMPARE_MS * SIM_MS / 10;
	if (n->dump_at < n->kernel.n_tuples)
		return;
	n->dump_ns = 0;
	if (!pipeline_bulk_end(n->pipeline))
		dump_begin(n);
}

/* ---- life ---- */

/* In some lives the dump at the start has gaps, because the table changed under it. */
static void node_populate(struct node *n)
{
	struct rng r = { .state = n->sim->seed * 31 + n->lives };
	bool gaps = n->sim->plan.kind == KIND_LIMIT && rng_chance(&r, 400);

	if (n->no_internal)
		return;
	pipeline_lack(n->pipeline, WHOLE_START, sim_now(n->sim));
	pipeline_compare_begin(n->pipeline);
	for (unsigned int i = 0; i < n->kernel.n_tuples; i++) {
		const struct sim_flow *sf = &n->kernel.flow[i];

		if (sf->alive && !(gaps && rng_chance(&r, 500)))
			pipeline_dumped(n->pipeline, &sf->flow, false, sim_now(n->sim));
	}
	pipeline_compare_end(n->pipeline, !gaps, sim_now(n->sim));
	for (unsigned int i = 0; i < n->kernel.n_expects; i++)
		if (n->kernel.expect[i].alive)
			exp_path_put(pipeline_expects(n->pipeline), &n->kernel.expect[i].e, false,
				     sim_now(n->sim));
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
		.proto = &proto_v1,
		.sync = &n->conf,
		.buckets = 256,
		.filter = n->filter,
		.no_internal = n->no_internal,
		.no_external = n->no_external,
		.key = { 1, 2 },
		.first_seq = sim_wall_s(n->sim),
	};

	sim_trace(n->sim, "node %u: starts", n->index);
	n->lives++;
	n->started_ns = n->sim->now_ns;
	n->compare_ns = n->dump_ns = 0;
	n->first_seq = conf.first_seq;
	watch_started(n->sim, n->index);
	truth_started(n->sim);
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
		.ctx = n, .out = {
			.ctx = n, .datagram = channel_datagram, .even = channel_fills,
			.send = channel_send, .flush = channel_flush,
		},
		.log = node_log, .report = node_report, .inject = inject,
		.inject_expect = inject_expect,
	};
	if (n->no_external && !n->injected)
		n->injected = table_new(256, 100000, &conf.key);
	n->pipeline = pipeline_new(&conf, &n->env, sim_now(n->sim));
	if (!n->pipeline) {
		sim_fail(n->sim, "no pipeline");
		return;
	}
	pipeline_set_reader(n->pipeline, &(struct pipeline_reader){
						 .ctx = n,
						 .compare = compare_begin,
						 .adopt = adopt,
						 .dump = dump_begin,
						 .dump_pause = dump_pause,
					 });
	if (pipeline_expects(n->pipeline))
		exp_path_set_reader(pipeline_expects(n->pipeline), dump_expects, n);
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
	sum->sent_msgs += s->sent_msgs;
	sum->wire.malformed += s->wire.malformed;
}

void node_stop(struct node *n)
{
	sim_trace(n->sim, "node %u: stops", n->index);
	n->up = false;
	n->due_ns = INT64_MAX;
	net_closed(&n->sim->net, n->index);
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
	/* an answer that is not ended, because there is no room */
	for (unsigned int i = 0; i < n->sim->plan.n_nodes; i++)
		open = open || (i != n->index && !node_fits_own(&n->sim->node[i]));
	return sync_bulk_running(pipeline_sync(n->pipeline)) || n->compare_ns > 0 ||
	       n->dump_ns > 0 || (!open && sync_resync_running(pipeline_sync(n->pipeline)));
}

/* ---- what happens to it ---- */

void node_event(struct node *n, enum ct_event what, const struct ct_flow *f)
{
	uint32_t told = n->injected ? table_find(n->injected, f) : FLOW_ID_NONE;

	/* An entry that a peer had told us of, our own from before, gives way. */
	if (told != FLOW_ID_NONE)
		table_remove(n->injected, told);
	if (n->old)
		old_event(n, what, f);
	else
		pipeline_event(n->pipeline, what, f, sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

/* The daemon asks again for one whose master was not known yet; here masters come first. */
void node_expect_event(struct node *n, bool gone, const struct ct_expect *e)
{
	struct exp_path *x = n->old ? NULL : pipeline_expects(n->pipeline);

	if (!x)
		return;
	if (gone)
		exp_path_end(x, e, sim_now(n->sim));
	else if (exp_path_put(x, e, true, sim_now(n->sim)) == EXP_STORED)
		exp_path_born(x, e);
	n->due_ns = n->sim->now_ns;
}

void node_datagram(struct node *n, const struct peer_addr *from, const uint8_t *bytes, size_t len)
{
	if (n->old)
		old_datagram(n, bytes, len);
	else
		pipeline_datagram(n->pipeline, from, bytes, len, sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

void node_ask(struct node *n)
{
	if (n->old && n->o)
		old_ask(n);
	else if (n->pipeline)
		sync_ask_resync(pipeline_sync(n->pipeline), sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

/* Nothing of our own is forgotten: it is compared, and no answer is ended before that. */
void node_flush(struct node *n)
{
	if (!n->pipeline || n->no_internal)
		return;
	pipeline_lack(n->pipeline, WHOLE_FLUSHED, sim_now(n->sim));
	compare_begin(n);
	n->compared = true;
	n->due_ns = n->sim->now_ns;
}

/* On a node that is not active: the peers are asked at once. */
void node_forget(struct node *n)
{
	uint64_t pos = 0;

	if (!n->pipeline || n->no_external)
		return;
	sim_trace(n->sim, "node %u: empties its external cache", n->index);
	n->forgetting = true;
	while (external_flush_step(pipeline_external(n->pipeline), &pos, 64))
		;
	n->forgetting = false;
	pipeline_lack_external(n->pipeline, WHOLE_FLUSHED, sim_now(n->sim));
	pipeline_ask(n->pipeline, sim_now(n->sim));
	n->due_ns = n->sim->now_ns;
}

bool node_fits_own(const struct node *n)
{
	return n->old || kernel_count(&n->kernel) <= n->limit_internal;
}

bool node_wants(const struct node *n, const struct ct_flow *f)
{
	return flow_filter_pass(n->filter, f);
}

bool node_fits(const struct node *holder, const struct node *owner)
{
	return node_fits_own(owner) &&
	       (holder->old || kernel_count(&owner->kernel) <= holder->limit_external);
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
	if (n->dump_ns > 0 && n->dump_ns <= n->sim->now_ns)
		dump_step(n);
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
		n->due_ns = (n->sim->now_ns / SIM_MS + (n->sim->net.stream ? 20 : 1)) * SIM_MS;
	/* What a turn did after its timers may have made one due at once; a timer that stays in the
	 * past is a bug. */
	if (n->due_ns <= n->sim->now_ns) {
		next = pipeline_turn(n->pipeline, sim_now(n->sim), &again);
		if (mono_is_set(next) && next.ns <= n->sim->now_ns)
			sim_fail(n->sim, "node %u: a timer stands in the past", n->index);
		n->due_ns = mono_is_set(next) ? next.ns : INT64_MAX;
	}
	if (n->compare_ns > 0 && n->compare_ns < n->due_ns)
		n->due_ns = n->compare_ns;
	if (n->dump_ns > 0 && n->dump_ns < n->due_ns)
		n->due_ns = n->dump_ns;
}

/* ---- what it has of the others ---- */

static struct flow_table *node_table(const struct node *n)
{
	if (n->no_external)
		return n->injected;
	return external_table(n->old ? old_external(n) : pipeline_external(n->pipeline));
}

bool node_has_external(const struct node *n, const struct flow_table *t)
{
	return n->up && (n->old || (n->pipeline && !n->no_external)) && node_table(n) == t;
}

const struct ct_flow *node_external(const struct node *n, const struct ct_flow *f)
{
	uint32_t id = table_find(node_table(n), f);

	return id == FLOW_ID_NONE ? NULL : &table_rec(node_table(n), id)->flow;
}

void node_external_walk(const struct node *n, void (*cb)(void *ctx, const struct ct_flow *f),
			void *ctx)
{
	struct flow_table *t = node_table(n);
	uint32_t ids[64];
	uint64_t pos = 0;
	size_t got;

	while ((got = table_walk(t, &pos, ids, 64)) > 0)
		for (size_t i = 0; i < got; i++)
			cb(ctx, &table_rec(t, ids[i])->flow);
}

void node_end(struct node *n)
{
	if (n->up)
		node_stop(n);
	table_free(n->injected);
	kernel_free(&n->kernel);
	flow_filter_free(n->filter);
}
