/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A seed becomes a plan: a list of what happens when. The kind is seed % 16 through a table, so that any range of seeds
 * holds all kinds. */
#include "sim.h"

#include <string.h>

#include "wire/hdr.h"

const char *const kind_name[KIND_MAX] = {
	[KIND_LIGHT] = "light", [KIND_ROUGH] = "rough", [KIND_RESTART] = "restart", [KIND_OUTAGE] = "outage",
	[KIND_SMALL] = "small", [KIND_FORGED] = "forged", [KIND_OLD] = "old", [KIND_THREE] = "three",
	[KIND_LIMIT] = "limit",
};

static const enum sim_kind kinds[16] = {
	KIND_LIGHT, KIND_ROUGH, KIND_RESTART, KIND_OUTAGE, KIND_SMALL, KIND_OLD, KIND_LIMIT, KIND_ROUGH,
	KIND_RESTART, KIND_OUTAGE, KIND_SMALL, KIND_OLD, KIND_FORGED, KIND_RESTART, KIND_OLD, KIND_THREE,
};

static void plan_add(struct plan *p, int64_t at_ns, enum action what, unsigned int node, unsigned int other, uint32_t n)
{
	struct step s = { .at_ns = at_ns, .what = what, .node = node, .other = other, .n = n };
	uint32_t i = p->n_steps;

	if (i == SIM_STEPS)
		return;
	for (; i > 0 && p->step[i - 1].at_ns > at_ns; i--)
		p->step[i] = p->step[i - 1];
	p->step[i] = s;
	p->n_steps++;
}

static int64_t ms(struct rng *r, uint32_t from, uint32_t to)
{
	return SIM_MS * (from + rng_below(r, to - from + 1));
}

static void plan_churn(struct sim *sim, int64_t from, int64_t to, uint32_t n)
{
	struct rng *r = &sim->rng;

	for (uint32_t i = 0; i < n; i++) {
		/* In clumps: what comes together shares datagrams. */
		int64_t at = from + (int64_t)(rng_next(r) % (uint64_t)(to - from));

		plan_add(&sim->plan, at, ACT_CHURN, rng_below(r, sim->plan.n_nodes), 0, 1 + rng_below(r, 8));
	}
	for (uint32_t i = 0; i < 3; i++) {
		int64_t at = from + (int64_t)(rng_next(r) % (uint64_t)(to - from));

		plan_add(&sim->plan, at, ACT_BURST, rng_below(r, sim->plan.n_nodes), 0, 50 + rng_below(r, 200));
	}
}

static void plan_restarts(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	sim->plan.restarted = true;
	for (int64_t at = from; at < to - 3 * SIM_S;) {
		unsigned int node = rng_below(r, sim->plan.n_nodes);
		/* Some come back within the second, so that the new numbers touch the old ones. */
		int64_t back = at + (rng_chance(r, 300) ? ms(r, 50, 900) : ms(r, 900, 4000));

		plan_add(&sim->plan, at, ACT_STOP, node, 0, 0);
		if (rng_chance(r, 250))
			plan_add(&sim->plan, at + 1, ACT_REBOOT, node, 0, 0);
		/* Only after a while: a node that comes back at once from another address could be a third one. */
		if (back - at >= 3200 * SIM_MS && sim->seed % 3 == 0)
			plan_add(&sim->plan, at + 1, ACT_LINK, node, 0, 0);
		plan_add(&sim->plan, back, ACT_START, node, 0, 0);
		at = back + ms(r, 500, 9000);
	}
}

static void plan_outages(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	sim->plan.outage = true;
	for (int64_t at = from; at < to - 2 * SIM_S;) {
		unsigned int node = rng_below(r, sim->plan.n_nodes), other = (node + 1) % sim->plan.n_nodes;
		int64_t healed = at + ms(r, 50, 9000);
		bool both = rng_chance(r, 700);

		plan_add(&sim->plan, at, ACT_CUT, node, other, 0);
		plan_add(&sim->plan, healed < to ? healed : to, ACT_HEAL, node, other, 0);
		if (both) {
			plan_add(&sim->plan, at, ACT_CUT, other, node, 0);
			plan_add(&sim->plan, healed < to ? healed : to, ACT_HEAL, other, node, 0);
		}
		at = healed + ms(r, 100, 8000);
	}
}

/* A node sends on another link: its numbers go on, so it is the same node. */
static void plan_links(struct sim *sim, int64_t from, int64_t to)
{
	struct rng r = { .state = ~sim->seed };

	for (int64_t at = from + ms(&r, 0, 5000); at < to; at += ms(&r, 100, 8000))
		plan_add(&sim->plan, at, ACT_LINK, rng_below(&r, sim->plan.n_nodes), 0, 0);
}

/* Nobody is to notice: the node asks its kernel. */
static void plan_flushes(struct sim *sim, int64_t from, int64_t to)
{
	struct rng r = { .state = sim->seed };
	unsigned int node = rng_below(&r, sim->plan.n_nodes);

	if (!rng_chance(&r, 500))
		return;
	plan_add(&sim->plan, from + (int64_t)(rng_next(&r) % (uint64_t)(to - from)), ACT_FLUSH, node, 0, 0);
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
		if (i != node)
			plan_add(&sim->plan, from + (int64_t)(rng_next(&r) % (uint64_t)(to - from)), ACT_ASK, i, 0, 0);
}

/* HashLimit (node_limits()), -f, and restarts with another limit; in the end all that lives fits, or not. */
static void plan_limits(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	if (rng_chance(r, 600))
		plan_restarts(sim, from, to);
	for (uint32_t i = 0; i < 4; i++) {
		plan_add(&sim->plan, from + (int64_t)(rng_next(r) % (uint64_t)(to - from)),
			 rng_chance(r, 500) ? ACT_FLUSH : ACT_FORGET, rng_below(r, 2), 0, 0);
		plan_add(&sim->plan, from + (int64_t)(rng_next(r) % (uint64_t)(to - from)), ACT_ASK, rng_below(r, 2), 0, 0);
		plan_add(&sim->plan, from + (int64_t)(rng_next(r) % (uint64_t)(to - from)), ACT_DRAIN, rng_below(r, 2), 0,
			 rng_below(r, SIM_TUPLES / 2));
	}
	for (unsigned int node = 0; node < 2; node++)
		plan_add(&sim->plan, to + 1, ACT_DRAIN, node, 0, rng_below(r, SIM_TUPLES / 2));
	sim->plan.patience_ns = 800 * SIM_S;	/* the pauses between repairs that did not help have grown */
}

static void plan_forgeries(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	for (uint32_t i = 0; i < 20; i++) {
		int64_t at = from + (int64_t)(rng_next(r) % (uint64_t)(to - from));
		unsigned int to_node = rng_below(r, 2);

		plan_add(&sim->plan, at, ACT_FORGE, 1 - to_node, to_node, 1 + rng_below(r, 3));
	}
}

static void plan_faults(struct sim *sim, uint32_t loss, uint32_t late_ms)
{
	struct rng *r = &sim->rng;
	struct net_fault *f = &sim->plan.fault;

	f->loss = rng_below(r, loss + 1);
	f->dup = rng_below(r, 100);
	f->delay_us = rng_below(r, 2000);
	f->jitter_us = rng_chance(r, 500) ? rng_below(r, 5000) : 0;
	f->late = rng_below(r, 100);
	f->late_ms = late_ms;
}

/* Sizes: mostly ample, for some kinds too small. */
static void plan_sizes(struct sim *sim)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;
	bool small = p->kind == KIND_SMALL || (p->kind == KIND_OUTAGE && rng_chance(r, 500)) ||
		     (p->kind == KIND_RESTART && rng_chance(r, 200));
	uint32_t window = rng_chance(r, 500) ? 300 : 1 + rng_below(r, 60);
	uint32_t ring = small ? 40 + rng_below(r, 200) : 4096;

	for (unsigned int i = 0; i < p->n_nodes; i++) {
		struct node *n = &sim->node[i];

		n->conf = (struct sync_conf){
			.mode = sim->mode, .resend_queue_size = ring, .ack_window = window,
			.startup_resync = rng_chance(r, 300), .refresh_s = SIM_REFRESH_S,
			.cache_timeout_s = SIM_CACHE_S,
		};
		kernel_init(&n->kernel, sim, i, 30 + rng_below(r, SIM_TUPLES - 30));
	}
	if (p->kind == KIND_SMALL || rng_chance(r, 100))
		p->tx_limit = 1 + rng_below(r, 4);
	if (p->kind == KIND_SMALL || p->kind == KIND_OLD)
		sim->net.rx_limit = 2 + rng_below(r, 6);
}

void plan_make(struct sim *sim)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;
	int64_t calm = 5 * SIM_S + ms(r, 0, 2000), end = calm + ms(r, 5000, 20000);

	p->kind = kinds[sim->seed % 16];
	p->n_nodes = p->kind == KIND_THREE ? 3 : 2;
	p->patience_ns = sim->mode == SYNC_MODE_ALARM ? (SIM_REFRESH_S + SIM_CACHE_S + 5) * SIM_S : 120 * SIM_S;
	plan_sizes(sim);
	if (p->kind == KIND_OLD && sim->mode == SYNC_MODE_FTFW)	/* the model knows no other mode */
		sim->node[rng_below(r, 2)].old = true;
	for (unsigned int i = 0; i < p->n_nodes; i++)
		plan_add(p, SIM_S + (i ? ms(r, 0, 3000) : 0), ACT_START, i, 0, 0);
	plan_churn(sim, SIM_S / 2, end, 150 + rng_below(r, 150));
	switch (p->kind) {
	case KIND_LIGHT:
		plan_faults(sim, 40, 8);
		plan_add(p, calm, ACT_FAULT, 0, 0, 0);
		if (sim->mode == SYNC_MODE_FTFW)
			p->patience_ns = 4 * SIM_S;	/* a repair takes no longer, not even that of the last message */
		break;
	case KIND_ROUGH:
		plan_faults(sim, 300, 200);
		plan_add(p, 0, ACT_FAULT, 0, 0, 0);
		break;
	case KIND_RESTART:
		plan_faults(sim, 100, 50);
		if (rng_chance(r, 700))
			plan_add(p, 0, ACT_FAULT, 0, 0, 0);
		plan_restarts(sim, calm - ms(r, 0, 4000), end);
		break;
	case KIND_OUTAGE:
		plan_faults(sim, 50, 20);
		if (rng_chance(r, 500))
			plan_add(p, 0, ACT_FAULT, 0, 0, 0);
		plan_outages(sim, calm - ms(r, 0, 4000), end);
		break;
	case KIND_SMALL:
		plan_faults(sim, 100, 20);
		if (rng_chance(r, 600))
			plan_add(p, 0, ACT_FAULT, 0, 0, 0);
		break;
	case KIND_FORGED:
		plan_forgeries(sim, calm, end);
		/* A forged acknowledgement of what is lost is the worst: it cannot be sent again. */
		plan_faults(sim, 100, 20);
		plan_add(p, calm, ACT_FAULT, 0, 0, 0);
		break;
	case KIND_OLD:
		plan_faults(sim, 100, 50);
		if (rng_chance(r, 700))
			plan_add(p, calm, ACT_FAULT, 0, 0, 0);
		if (rng_chance(r, 500))
			plan_restarts(sim, calm, end);
		else if (rng_chance(r, 500))
			plan_outages(sim, calm, end);
		break;
	case KIND_THREE:
		plan_faults(sim, 50, 20);
		plan_add(p, calm, ACT_FAULT, 0, 0, 0);
		break;
	case KIND_LIMIT:
		plan_faults(sim, 50, 20);
		if (rng_chance(r, 500))
			plan_add(p, calm, ACT_FAULT, 0, 0, 0);
		plan_limits(sim, calm, end);
		break;
	case KIND_MAX:
		break;
	}
	if (p->kind != KIND_LIGHT && rng_chance(r, 300)) {
		plan_add(p, calm + ms(r, 0, 4000), ACT_BULK, rng_below(r, p->n_nodes), 0, 0);
		plan_add(p, calm + ms(r, 0, 4000), ACT_ASK, rng_below(r, p->n_nodes), 0, 0);
	}
	if (sim->seed % 16 >= 14 || sim->seed % 16 == 7 || sim->seed % 16 == 10)
		plan_flushes(sim, calm, end);
	if ((p->kind == KIND_LIGHT || p->kind == KIND_OUTAGE || p->kind == KIND_SMALL) && sim->seed % 3 == 1)
		plan_links(sim, calm, end);
	plan_add(p, end, ACT_CALM, 0, 0, 0);
	p->quiet_ns = end;
}

/* Something plausible with a number, or a range, that nobody used. */
void plan_forge(struct sim *sim, unsigned int from, unsigned int to)
{
	static const uint8_t flags[] = {
		WIRE_F_ALIVE, WIRE_F_ALIVE | WIRE_F_HELLO, WIRE_F_ACK, WIRE_F_NACK, WIRE_F_RESYNC,
		WIRE_F_ACK | WIRE_F_HELLO_BACK,
	};
	struct rng *r = &sim->rng;
	uint8_t buf[WIRE_CTL_LEN];
	struct writer w = wr_init(buf, sizeof(buf));
	uint32_t base = sim_wall_s(sim), span = rng_chance(r, 500) ? 4000 : UINT32_MAX;
	uint32_t seq = base + rng_below(r, span) - span / 2;
	uint32_t first = base + rng_below(r, span) - span / 2;

	if (!sim->node[to].up)
		return;
	wire_put_control(&w, flags[rng_below(r, sizeof(flags))], seq, first, first + rng_below(r, 5000));
	sim_trace(sim, "forged message to node %u: number %u, range from %u", to, seq, first);
	node_datagram(&sim->node[to], from, sim->node[from].link, buf, w.len);
}
