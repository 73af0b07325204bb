/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold at the end (during: watch.c).
 *
 * The external cache holds exactly what the kernels of the others hold, in every attribute that is
 * replicated, and expectations likewise. A cache that is too small for all holds as much as it can,
 * and says that it is not complete; one that is not holds everything, however small it was before.
 *
 * What a message said whose number a forged one had, and which is lost itself, stays unknown:
 * numbers are all that this version of the protocol has to tell.
 *
 * Stale entries may stay where nobody can know better: a 1.4.7 never sweeps, and merges into them;
 * with three nodes nothing is swept while an acknowledgement may have been meant for another node;
 * without external cache what lies in the kernel goes by its timeout. */
#include "sim.h"

#include <arpa/inet.h>
#include <stdio.h>

/* Which flow, and what its owner thinks of it. */
const char *flow_text(const struct sim *sim, const struct ct_flow *f, char *out, size_t n)
{
	unsigned int node;
	int i = kernel_index(f, &node);
	int len = snprintf(out, n, "flow %d of node %u", i, node);

	if (sim->node[node].pipeline) {
		const struct flow_table *t = pipeline_own(sim->node[node].pipeline);
		uint32_t id = table_find(t, f);

		if (id != FLOW_ID_NONE)
			snprintf(out + len, n - (size_t)len,
				 " (id %u, state %u, mark %#x, last sent as %u)", id,
				 table_rec(t, id)->state, table_rec(t, id)->repl.bits,
				 table_rec(t, id)->repl.seq);
	}
	return out;
}

/* Does the entry say everything the kernel says? It may say more. */
static bool flow_covers(const struct ct_flow *entry, const struct ct_flow *f)
{
	struct ct_flow copy = { 0 };
	struct flow_rare rare = { 0 };

	flow_copy(&copy, entry);
	if (entry->rare)
		rare = *entry->rare;
	copy.rare = &rare;
	return !flow_merge(&copy, f);
}

/* May the holder have entries, or parts of them, that are no longer true? */
static bool may_be_merged(const struct sim *sim, const struct node *owner,
			  const struct node *holder)
{
	if (sim->plan.n_nodes > 2 || (owner->old && sim->mode == SYNC_MODE_NOTRACK))
		return true;
	return holder->old &&
	       (sim->plan.restarted || sim->plan.outage || sim->mode != SYNC_MODE_FTFW);
}

static bool may_be_stale(const struct sim *sim, const struct node *holder)
{
	if (sim->plan.n_nodes > 2 && sim->mode == SYNC_MODE_FTFW)
		return true;
	if (holder->no_external) /* an end that could not be repaired is not told again */
		return sim->plan.restarted || sim->plan.outage || sim->plan.disturb == KIND_SMALL ||
		       sim->mode != SYNC_MODE_FTFW;
	if (holder->old && sim->mode == SYNC_MODE_NOTRACK) /* nobody tells it again */
		return true;
	return holder->old && sim->mode == SYNC_MODE_FTFW &&
	       (sim->plan.restarted || sim->plan.outage ||
		holder->conf.resend_queue_size < SIM_RING);
}

/* Does the owner know it itself? Where not all fits, some it does not, and cannot tell about. */
static bool owner_knows(const struct node *owner, const struct sim_flow *sf)
{
	return node_fits_own(owner) ||
	       table_find(pipeline_own(owner->pipeline), &sf->flow) != FLOW_ID_NONE;
}

static const char *outdated_text(const struct sim_flow *sf, const struct ct_flow *entry)
{
	if (!kernel_same_life(sf, entry))
		return "has an earlier life of";
	if (kernel_stamp_of(entry) != kernel_stamp(sf))
		return "has an earlier state of";
	return flow_same_translations(entry, &sf->flow) ? "has other attributes of" :
							  "has another translation of";
}

/* Between an update and a life that it is not of, nobody can tell for a 1.4.7: what is left of that
 * life stays. But a translation does not, in a cache of ours. */
static bool says_all_of(const struct sim *sim, const struct node *owner, const struct node *holder,
			const struct ct_flow *entry, const struct ct_flow *f)
{
	if (sim->mode == SYNC_MODE_FTFW || !(owner->old || holder->old))
		return flow_equal_replicated(entry, f) ||
		       (may_be_merged(sim, owner, holder) && flow_covers(entry, f));
	return holder->old || flow_same_translations(entry, f);
}

/* In NOTRACK a 1.4.7 without flows answers with nothing, and so does one that hears nothing. */
static bool says_nothing(const struct sim *sim, const struct node *owner)
{
	bool any = false;

	for (unsigned int i = 0; i < owner->kernel.n_tuples; i++)
		any = any || owner->kernel.flow[i].alive;
	return owner->old && sim->mode == SYNC_MODE_NOTRACK && !any;
}

static bool pair_equal(struct sim *sim, const struct node *owner, const struct node *holder,
		       bool explain)
{
	bool stale = may_be_stale(sim, holder) || says_nothing(sim, owner), equal = true;
	bool fits = node_fits(holder, owner);
	char text[128];

	for (unsigned int i = 0; i < owner->kernel.n_tuples; i++) {
		const struct sim_flow *sf = &owner->kernel.flow[i];
		const struct ct_flow *entry =
			node_external(holder, sf->life ? &sf->flow : &(struct ct_flow){ 0 });
		bool alive = sf->alive;
		const char *what = NULL;

		if (alive &&
		    ((!entry && !fits) || !owner_knows(owner, sf) || !node_wants(owner, &sf->flow)))
			continue;
		if (alive && !entry)
			what = "misses";
		else if (alive && (!kernel_same_life(sf, entry) ||
				   !says_all_of(sim, owner, holder, entry, &sf->flow)))
			what = outdated_text(sf, entry);
		else if (!alive && entry && !stale && node_fits_own(owner))
			what = "still has";
		if (!what || watch_swallowed(sim, owner->index, holder->index, sf))
			continue;
		equal = false;
		if (explain)
			sim_fail(sim, "node %u %s %s", holder->index, what,
				 flow_text(sim, &sf->flow, text, sizeof(text)));
	}
	return equal;
}

static bool expects_equal(struct sim *sim, const struct node *owner, const struct node *holder,
			  bool explain)
{
	struct exp_path *x = holder->old ? NULL : pipeline_expects(holder->pipeline);
	uint32_t alive = 0;

	if (!x || owner->kernel.n_expects == 0)
		return true;
	for (unsigned int i = 0; i < owner->kernel.n_expects; i++) {
		const struct sim_expect *e = &owner->kernel.expect[i];
		uint32_t id = e->alive ? expects_find(exp_path_external(x), &e->e) : FLOW_ID_NONE;

		alive += e->alive;
		if (!e->alive || (id != FLOW_ID_NONE &&
				  expect_equal_replicated(
					  &expects_rec(exp_path_external(x), id)->expect, &e->e)))
			continue;
		if (explain)
			sim_fail(sim, "node %u %s expectation %u of node %u", holder->index,
				 id == FLOW_ID_NONE ? "misses" : "has outdated", i, owner->index);
		return false;
	}
	if (expects_count(exp_path_external(x)) == alive || may_be_stale(sim, holder))
		return true;
	if (explain)
		sim_fail(sim, "node %u has %u expectations of node %u, which has %u", holder->index,
			 expects_count(exp_path_external(x)), owner->index, alive);
	return false;
}

/* Nothing but flows of the others. */
struct foreign {
	const struct node *holder;
	uint32_t n;
};

static void count_foreign(void *ctx, const struct ct_flow *f)
{
	struct foreign *foreign = ctx;
	unsigned int node;

	if (kernel_index(f, &node) < 0 || node == foreign->holder->index)
		foreign->n++;
}

static bool internal_equal(struct sim *sim, const struct node *n, bool explain)
{
	const struct flow_table *t = n->old || n->no_internal ? NULL : pipeline_own(n->pipeline);
	bool fits = node_fits_own(n);
	uint32_t alive = 0, stored = t ? table_count(t) - table_count_dead(t) : 0;
	char text[128];

	for (unsigned int i = 0; t && i < n->kernel.n_tuples; i++) {
		const struct sim_flow *sf = &n->kernel.flow[i];
		uint32_t id = sf->alive ? table_find(t, &sf->flow) : FLOW_ID_NONE;

		if (sf->alive && !node_wants(n, &sf->flow)) { /* it may be known from before */
			stored -= id != FLOW_ID_NONE;
			continue;
		}
		alive += sf->alive;
		if (sf->alive && id == FLOW_ID_NONE && !fits)
			continue;
		if (sf->alive && (id == FLOW_ID_NONE ||
				  !flow_equal_replicated(&table_rec(t, id)->flow, &sf->flow))) {
			if (explain)
				sim_fail(sim, "node %u does not know its own %s", n->index,
					 flow_text(sim, &sf->flow, text, sizeof(text)));
			return false;
		}
	}
	if (t && (fits ? !whole_is(pipeline_whole(n->pipeline)) :
			 stored < alive && whole_is(pipeline_whole(n->pipeline)))) {
		if (explain)
			sim_fail(sim, "node %u has %u flows, room for %u, and says that this is %s",
				 n->index, alive, n->limit_internal, fits ? "not all" : "all");
		return false;
	}
	/* A flow whose tuple was used again before its end was settled keeps its place, beyond the
	 * limit if need be. */
	if (!fits && stored >= n->limit_internal && stored <= alive)
		return true;
	if (sim->plan.injects) /* it may have taken over those of the other one */
		return true;
	if (t && stored != alive && explain)
		sim_fail(sim, "node %u has %u flows of its own, not %u", n->index, stored,
			 fits ? alive : n->limit_internal);
	return !t || stored == alive;
}

bool judge_equal(struct sim *sim, bool explain)
{
	bool equal = true;

	for (unsigned int a = 0; a < sim->plan.n_nodes; a++) {
		struct foreign foreign = { .holder = &sim->node[a] };

		node_external_walk(&sim->node[a], count_foreign, &foreign);
		if (foreign.n > 0 && !sim->plan.injects) {
			equal = false;
			if (explain)
				sim_fail(sim, "node %u has %u entries that are nobody's", a,
					 foreign.n);
		}
		equal = internal_equal(sim, &sim->node[a], explain) && equal;
		for (unsigned int b = 0; b < sim->plan.n_nodes; b++)
			if (a != b)
				equal = pair_equal(sim, &sim->node[a], &sim->node[b], explain) &&
					expects_equal(sim, &sim->node[a], &sim->node[b], explain) &&
					equal;
	}
	return equal;
}

/* ---- counters ---- */

/* What a repair within the window of FTFW is good for: no resync but the first. NOTRACK has to ask
 * for each loss, but for nothing else. */
static void judge_light(struct sim *sim, unsigned int i, const struct sync_stats *s)
{
	uint64_t lost = 0;

	for (unsigned int k = 0; k < sim->plan.n_nodes; k++)
		lost += node_stats(&sim->node[k]).lost;
	if (sim->mode == SYNC_MODE_ALARM || (sim->mode == SYNC_MODE_NOTRACK && lost > 0))
		return;
	if (s->resync_asked > 1 || s->resync_failed != 0 || s->unrepairable != 0 ||
	    s->ring_overflow != 0)
		sim_fail(sim, "node %u: %u resyncs, %u failed, where repair was enough", i,
			 (unsigned int)s->resync_asked, (unsigned int)s->resync_failed);
	if (s->resync_done != 1 || s->restarts != 0)
		sim_fail(sim, "node %u: the first resync did not end", i);
}

/* So many messages about flows may be sent for each change of the kernel and each flow there is:
 * with acknowledgements nothing is sent twice but what was lost, and for peers that have lost
 * everything. About twice what has been seen. */
static void judge_cost(struct sim *sim, unsigned int i)
{
	static const uint8_t most[KIND_MAX] = {
		[KIND_LIGHT] = 2,   [KIND_JITTER] = 3, [KIND_SMALL] = 4,  [KIND_STREAM] = 8,
		[KIND_OUTAGE] = 6,  [KIND_LONG] = 5,   [KIND_ROUGH] = 6,  [KIND_RESTART] = 12,
		[KIND_FORGED] = 14, [KIND_DATA] = 14,  [KIND_LARGE] = 12,
	};
	const struct watch *w = &sim->watch;
	uint64_t base = w->node[i].all_events + sim->node[i].kernel.n_tuples + 100;
	uint32_t m = most[sim->plan.disturb];

	if (sim->mode == SYNC_MODE_FTFW && m > 0 && w->node[i].all_flows > m * base)
		sim_fail(sim, "node %u sends %u messages about flows, after %u changes of %u flows",
			 i, (unsigned int)w->node[i].all_flows, (unsigned int)w->node[i].all_events,
			 sim->node[i].kernel.n_tuples);
}

/* Late is not lost. */
static void judge_lossless(struct sim *sim, unsigned int i, const struct sync_stats *s)
{
	if (s->lost + s->resent + s->nack_sent + s->resync_failed + s->unrepairable > 0 ||
	    s->resync_asked > 1)
		sim_fail(sim,
			 "node %u takes %u messages for lost, sends %u again and asks %u times for "
			 "everything, and nothing was lost",
			 i, (unsigned int)s->lost, (unsigned int)s->resent,
			 (unsigned int)s->resync_asked);
}

/* What is left unacknowledged is the last keepalive. A peer of 1.4.7 leaves more: it may not have
 * heard the beginning. */
bool judge_acknowledged(struct sim *sim, bool explain)
{
	for (unsigned int i = 0; i < sim->plan.n_nodes && sim->plan.n_nodes == 2; i++) {
		struct sync_queues q;

		if (sim->node[i].old)
			continue;
		sync_queues(pipeline_sync(sim->node[i].pipeline), &q);
		if (q.ring_len <= 8)
			continue;
		if (explain)
			sim_fail(sim, "node %u: %u messages were never acknowledged", i,
				 q.ring_len);
		return false;
	}
	return true;
}

void judge_end(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++) {
		const struct node *n = &sim->node[i];
		struct sync_stats s = node_stats(n);
		struct sync_queues q;

		if (n->old)
			continue;
		sync_queues(pipeline_sync(n->pipeline), &q);
		if (q.tx_len > 0)
			sim_fail(sim, "node %u: %u messages were never sent", i, q.tx_len);
		if (sim->plan.n_nodes == 2 && table_count_dead(pipeline_own(n->pipeline)) > 0)
			sim_fail(sim, "node %u: dead flows were never released", i);
		judge_cost(sim, i);
		if (sim->plan.lossless)
			judge_lossless(sim, i, &s);
		if (sim->plan.kind == KIND_LIGHT)
			judge_light(sim, i, &s);
	}
}
