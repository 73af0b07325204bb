/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kind and a seed become a plan: a list of what happens when. */
#include "sim.h"

#include <arpa/inet.h>
#include <string.h>

#include "flow/filter.h"

#define JITTER_US 9500 /* what is late by no more is never to be taken for lost */

const char *const kind_name[KIND_MAX] = {
	[KIND_LIGHT] = "light",	  [KIND_ROUGH] = "rough",     [KIND_RESTART] = "restart",
	[KIND_OUTAGE] = "outage", [KIND_SMALL] = "small",     [KIND_FORGED] = "forged",
	[KIND_OLD] = "old",	  [KIND_THREE] = "three",     [KIND_LIMIT] = "limit",
	[KIND_JITTER] = "jitter", [KIND_ADDRESS] = "address", [KIND_LONG] = "long",
	[KIND_LARGE] = "large",	  [KIND_CROWD] = "crowd",     [KIND_DATA] = "data",
	[KIND_STREAM] = "stream", [KIND_INJECT] = "inject",   [KIND_DIRECT] = "direct",
	[KIND_EXPECT] = "expect", [KIND_FILTER] = "filter",
};

static void plan_add(struct plan *p, int64_t at_ns, enum action what, unsigned int node,
		     unsigned int other, uint32_t n)
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

static int64_t between(struct rng *r, int64_t from, int64_t to)
{
	return from + (int64_t)(rng_next(r) % (uint64_t)(to - from));
}

static void plan_churn(struct sim *sim, int64_t from, int64_t to, uint32_t n)
{
	struct rng *r = &sim->rng;

	for (uint32_t i = 0; i < n; i++) {
		/* In clumps: what comes together shares datagrams. */
		int64_t at = between(r, from, to);
		uint32_t changes = 1 + rng_below(r, 8);

		plan_add(&sim->plan, at, ACT_CHURN, rng_below(r, sim->plan.n_nodes), 0, changes);
	}
	for (uint32_t i = 0; i < 3 && n > 100; i++) {
		int64_t at = between(r, from, to);
		uint32_t flows = 50 + rng_below(r, 200);

		plan_add(&sim->plan, at, ACT_BURST, rng_below(r, sim->plan.n_nodes), 0, flows);
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
		if (sim->seed % 3 == 0 || sim->plan.kind == KIND_ADDRESS) {
			sim->plan.moved = true;
			plan_add(&sim->plan, at + 1, at / SIM_MS % 2 ? ACT_ADDRESS : ACT_LINK, node,
				 0, 0);
		}
		plan_add(&sim->plan, back, ACT_START, node, 0, 0);
		at = back + ms(r, 500, 9000);
	}
}

static void plan_outages(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	sim->plan.outage = true;
	for (int64_t at = from; at < to - 2 * SIM_S;) {
		unsigned int node = rng_below(r, sim->plan.n_nodes),
			     other = (node + 1) % sim->plan.n_nodes;
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

/* A node sends on another link, or from another address: its numbers go on, so it is the same
 * node. */
static void plan_moves(struct sim *sim, int64_t from, int64_t to)
{
	struct rng r = { .state = ~sim->seed };
	bool address = sim->plan.kind == KIND_ADDRESS;

	sim->plan.moved = true;
	for (int64_t at = from + ms(&r, 0, 5000); at < to; at += ms(&r, 100, 8000)) {
		unsigned int node = rng_below(&r, sim->plan.n_nodes);

		plan_add(&sim->plan, at, address && rng_chance(&r, 500) ? ACT_ADDRESS : ACT_LINK,
			 node, 0, 0);
	}
}

/* Of minutes: nobody is heard, or one of the two. */
static void plan_partitions(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	sim->plan.outage = true;
	for (int64_t at = from; at < to - 30 * SIM_S;) {
		unsigned int node = rng_below(r, sim->plan.n_nodes),
			     other = (node + 1) % sim->plan.n_nodes;
		int64_t healed = at + ms(r, 20000, 200000);
		bool both = rng_chance(r, 700);

		plan_add(&sim->plan, at, ACT_CUT, node, other, 0);
		plan_add(&sim->plan, healed < to ? healed : to, ACT_HEAL, node, other, 0);
		if (both) {
			plan_add(&sim->plan, at, ACT_CUT, other, node, 0);
			plan_add(&sim->plan, healed < to ? healed : to, ACT_HEAL, other, node, 0);
		}
		at = healed + ms(r, 100, 60000);
	}
}

/* Nobody is to notice: the node asks its kernel. */
static void plan_flushes(struct sim *sim, int64_t from, int64_t to)
{
	struct rng r = { .state = sim->seed };
	unsigned int node = rng_below(&r, sim->plan.n_nodes);

	if (!rng_chance(&r, 500))
		return;
	plan_add(&sim->plan, between(&r, from, to), ACT_FLUSH, node, 0, 0);
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
		if (i != node)
			plan_add(&sim->plan, between(&r, from, to), ACT_ASK, i, 0, 0);
}

/* HashLimit (node_limits()), -f, and restarts with another limit; in the end all that lives fits,
 * or not. */
static void plan_limits(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	if (rng_chance(r, 600))
		plan_restarts(sim, from, to);
	for (uint32_t i = 0; i < 4; i++) {
		unsigned int node = rng_below(r, 2);
		enum action what = rng_chance(r, 500) ? ACT_FLUSH : ACT_FORGET;
		uint32_t left;

		plan_add(&sim->plan, between(r, from, to), what, node, 0, 0);
		node = rng_below(r, 2);
		plan_add(&sim->plan, between(r, from, to), ACT_ASK, node, 0, 0);
		left = rng_below(r, SIM_TUPLES / 2);
		node = rng_below(r, 2);
		plan_add(&sim->plan, between(r, from, to), ACT_DRAIN, node, 0, left);
	}
	for (unsigned int node = 0; node < 2; node++)
		plan_add(&sim->plan, to + 1, ACT_DRAIN, node, 0, rng_below(r, SIM_TUPLES / 2));
}

static void plan_forgeries(struct sim *sim, int64_t from, int64_t to)
{
	struct rng *r = &sim->rng;

	for (uint32_t i = 0; i < 20; i++) {
		int64_t at = between(r, from, to);
		unsigned int to_node = rng_below(r, 2);

		plan_add(&sim->plan, at,
			 sim->plan.kind == KIND_DATA && i % 4 ? ACT_FORGE_DATA : ACT_FORGE,
			 1 - to_node, to_node, 1 + rng_below(r, 3));
	}
	/* What was forged about flows stays until the next full answer. */
	for (unsigned int node = 0; sim->plan.kind == KIND_DATA && node < 2; node++)
		plan_add(&sim->plan, to + 1500 * SIM_MS, ACT_ASK, node, 0, 0);
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

/* ---- what the nodes are like ---- */

/* By address, protocol or state; an address filter lets half of the sources through. */
static void plan_filter(struct sim *sim)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;
	struct filter_conf *f = &p->filter;

	f->nets = p->net;
	if (rng_chance(r, 500)) {
		f->addr_policy = rng_chance(r, 500) ? FILTER_ACCEPT : FILTER_IGNORE;
		f->n_nets = 1;
		p->net[0] = (struct filter_net){ .family = AF_INET,
						 .prefix = 15,
						 .addr.v4.s_addr = htonl(0x0a000000u) };
		if (rng_chance(r, 500))
			p->net[0].addr.v4.s_addr = htonl(0x0a020000u);
	}
	if (rng_chance(r, 400)) {
		f->proto_policy = rng_chance(r, 500) ? FILTER_ACCEPT : FILTER_IGNORE;
		f->proto[0] =
			1u << IPPROTO_UDP | 1u << (rng_chance(r, 500) ? IPPROTO_TCP : IPPROTO_ICMP);
	}
	if (f->n_nets == 0 || rng_chance(r, 500)) {
		f->state_policy = rng_chance(r, 500) ? FILTER_ACCEPT : FILTER_IGNORE;
		f->tcp_states = 1u << 3 | 1u << (1 + rng_below(r, 7));
	}
	for (unsigned int i = 0; i < p->n_nodes; i++)
		sim->node[i].filter = flow_filter_new(f);
}

/* One of the two, or both. */
static unsigned int some_nodes(struct rng *r)
{
	return 1 + rng_below(r, 3);
}

static void plan_caches(struct sim *sim)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;
	unsigned int direct = p->kind == KIND_DIRECT ? some_nodes(r) : 0;
	unsigned int injecting =
		p->kind == KIND_INJECT || (p->kind == KIND_DIRECT && rng_chance(r, 300)) ?
			some_nodes(r) :
			0;

	p->injects = injecting != 0;
	for (unsigned int i = 0; i < p->n_nodes; i++) {
		struct node *n = &sim->node[i];

		n->no_internal = n->conf.disable_internal = direct >> i & 1;
		n->no_external = n->conf.disable_external = injecting >> i & 1;
		n->conf.expect.on = p->kind == KIND_EXPECT;
		n->kernel.stamp_marks = p->kind == KIND_INJECT || p->kind == KIND_DIRECT;
		n->kernel.n_expects = p->kind == KIND_EXPECT ? SIM_EXPECTS : 0;
	}
}

/* Sizes: mostly ample, for some kinds too small. */
static void plan_sizes(struct sim *sim)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;
	/* A 1.4.7 with a small list has forgotten what it is asked for, and says nothing. */
	bool small_old = p->kind == KIND_OLD && sim->seed % 4 == 3;
	bool small = p->disturb == KIND_SMALL ||
		     (p->disturb == KIND_OUTAGE && rng_chance(r, 500)) ||
		     (p->disturb == KIND_RESTART && rng_chance(r, 200)) || small_old;
	uint32_t window = rng_chance(r, 500) ? 300 : 1 + rng_below(r, 60);
	uint32_t ring = small ? 40 + rng_below(r, 200) : SIM_RING;
	bool large = p->kind == KIND_LARGE || p->kind == KIND_CROWD;

	/* Without repair all of it is sent for each loss. */
	bool full = p->kind == KIND_LARGE && (sim->mode == SYNC_MODE_FTFW || sim->seed % 8 == 1);
	uint32_t n_large = full ? SIM_LARGE : SIM_LARGE / 4;

	if (large)
		ring = 131072;
	for (unsigned int i = 0; i < p->n_nodes; i++) {
		struct node *n = &sim->node[i];

		n->conf = (struct sync_conf){
			.mode = sim->mode,
			.resend_queue_size = ring,
			.ack_window = window,
			.startup_resync = rng_chance(r, 300),
			.refresh_s = SIM_REFRESH_S,
			.cache_timeout_s = SIM_CACHE_S,
		};
		kernel_init(&n->kernel, sim, i,
			    large ? n_large : 30 + rng_below(r, SIM_TUPLES - 30));
		if (large)
			kernel_burst(&n->kernel, n_large);
	}
	if (p->disturb == KIND_SMALL || (rng_chance(r, 100) && !large))
		p->tx_limit = 1 + rng_below(r, 4);
	/* In NOTRACK a 1.4.7 would never get all of a full send. */
	if (p->disturb == KIND_SMALL || (p->kind == KIND_OLD && sim->mode == SYNC_MODE_FTFW))
		sim->net.rx_limit = 2 + rng_below(r, 6);
	if (small_old) /* the same part of a table that is sent at once would be lost each time */
		sim->net.rx_limit = 0;
	plan_caches(sim);
}

/* ---- what goes wrong ---- */

/* Faults of the link from `when` on, in so many of a thousand seeds. */
static void plan_faulty(struct sim *sim, uint32_t loss, uint32_t late_ms, int64_t when,
			uint32_t per_mille)
{
	plan_faults(sim, loss, late_ms);
	if (per_mille == 1000 || rng_chance(&sim->rng, per_mille))
		plan_add(&sim->plan, when, ACT_FAULT, 0, 0, 0);
}

static void plan_jitter(struct sim *sim, int64_t calm)
{
	struct rng *r = &sim->rng;
	struct net_fault *f = &sim->plan.fault;

	f->delay_us = 5000 + rng_below(r, 30000);
	f->jitter_us = rng_chance(r, 700) ? JITTER_US : 1000 + rng_below(r, 15000);
	f->dup = rng_chance(r, 300) ? rng_below(r, 50) : 0;
	if (rng_chance(r, 400))
		f->loss = rng_below(r, 100);
	sim->plan.lossless = f->loss == 0 && f->jitter_us <= JITTER_US;
	plan_add(&sim->plan, sim->plan.lossless || rng_chance(r, 500) ? 0 : calm, ACT_FAULT, 0, 0,
		 0);
}

/* For some seconds after its start a node of ours hears, and is not heard: it goes on to say HELLO,
 * and asks all the same. */
static void plan_unheard(struct sim *sim, unsigned int node)
{
	plan_add(&sim->plan, 0, ACT_CUT, node, !node, 0);
	plan_add(&sim->plan, 5 * SIM_S + ms(&sim->rng, 0, 4000), ACT_HEAL, node, !node, 0);
}

static void plan_disturb(struct sim *sim, int64_t calm, int64_t end)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;

	switch (p->disturb) {
	case KIND_LIGHT:
		plan_faulty(sim, 40, 8, calm, 1000);
		break;
	case KIND_ROUGH:
		plan_faulty(sim, 300, 200, 0, 1000);
		break;
	case KIND_RESTART:
		plan_faulty(sim, 100, 50, 0, 700);
		plan_restarts(sim, calm - ms(r, 0, 4000), end);
		break;
	case KIND_OUTAGE:
		plan_faulty(sim, 50, 20, 0, 500);
		plan_outages(sim, calm - ms(r, 0, 4000), end);
		break;
	case KIND_SMALL:
		plan_faulty(sim, 100, 20, 0, 600);
		break;
	case KIND_FORGED:
	case KIND_DATA:
		plan_forgeries(sim, calm, end);
		/* Numbers from nowhere, in bundles of up to three that do not go on from each
		 * other, move nothing. */
		p->lossless =
			p->kind == KIND_FORGED && sim->mode == SYNC_MODE_FTFW && sim->seed % 4 == 1;
		if (p->lossless)
			break;
		/* A forged acknowledgement of what is lost is the worst: it cannot be sent
		 * again. */
		plan_faulty(sim, 100, 20, calm, 1000);
		break;
	case KIND_OLD:
		plan_faulty(sim, 100, 50, sim->seed % 6 == 4 ? 0 : calm, 700);
		if (sim->seed % 6 == 4)
			plan_unheard(sim, !sim->node[1].old);
		if (rng_chance(r, 500))
			plan_restarts(sim, calm, end);
		else if (rng_chance(r, 500))
			plan_outages(sim, calm, end);
		/* It does not repeat what it asks for, and in NOTRACK nothing else repairs what it
		 * missed. */
		for (unsigned int i = 1; i < 4 && sim->mode == SYNC_MODE_NOTRACK; i++)
			plan_add(p, end + i * 2 * SIM_S, ACT_ASK, sim->node[1].old, 0, 0);
		break;
	case KIND_THREE:
		plan_faulty(sim, 50, 20, calm, 1000);
		break;
	case KIND_LIMIT:
		plan_faulty(sim, 50, 20, calm, 500);
		plan_limits(sim, calm, end);
		break;
	case KIND_JITTER:
		plan_jitter(sim, calm);
		break;
	case KIND_ADDRESS:
		plan_faulty(sim, 100, 20, 0, 500);
		if (rng_chance(r, 700))
			plan_restarts(sim, calm, end);
		else
			plan_moves(sim, calm, end);
		break;
	case KIND_LONG:
		plan_faulty(sim, 50, 20, 0, 500);
		plan_partitions(sim, calm, end);
		break;
	case KIND_LARGE:
		plan_faulty(sim, 500, 20, 0, 1000);
		break;
	case KIND_CROWD:
		plan_faults(sim, 10, 5);
		p->fault.loss = 10;
		p->fault.dup = p->fault.late = 0;
		plan_add(p, 0, ACT_FAULT, 0, 0, 0);
		break;
	default:
		break;
	}
}

/* ---- */

bool plan_exists(enum sim_kind kind, enum sync_mode mode)
{
	switch (kind) {
	case KIND_DIRECT:
		return mode == SYNC_MODE_NOTRACK;
	case KIND_INJECT:
	case KIND_LARGE: /* which repeats all of it, so its size only costs time */
	case KIND_CROWD:
		return mode != SYNC_MODE_ALARM;
	default:
		return true;
	}
}

/* How long after the last disturbance the caches may differ. */
static int64_t plan_patience(const struct sim *sim)
{
	const struct plan *p = &sim->plan;

	/* Most of what a 1.4.7 has told goes on its third word only, 70 s after the first. */
	if (p->kind == KIND_OLD)
		return 120 * SIM_S; /* and 10 s before that until it is known at another address */
	if (p->kind == KIND_LIMIT)
		return 120 * SIM_S; /* the pauses between repairs that did not help have grown */
	if (sim->mode == SYNC_MODE_ALARM)
		return (SIM_REFRESH_S + SIM_CACHE_S + 5) * SIM_S;
	if (p->kind == KIND_FORGED || p->kind == KIND_DATA)
		return 60 * SIM_S;
	if (sim->mode == SYNC_MODE_FTFW && p->n_nodes > 2)
		/* what was acknowledged to another one, by chance, is asked for 20 s, 40 s ...
		 * later */
		return 100 * SIM_S;
	if (sim->mode == SYNC_MODE_NOTRACK)
		return 40 * SIM_S; /* asks again after 1, 2, 4 ... 20 s */
	if (p->disturb == KIND_LIGHT)
		return 4 * SIM_S; /* a repair takes no longer, not even that of the last message */
	/* That an address was left is known when it has been silent for 10 s. Then everything is
	 * asked for, which is answered up to 5 s later when that has happened often. */
	return (p->kind == KIND_ADDRESS ? 18 : 15) * SIM_S;
}

void plan_make(struct sim *sim, enum sim_kind kind)
{
	struct rng *r = &sim->rng;
	struct plan *p = &sim->plan;
	int64_t calm = 5 * SIM_S + ms(r, 0, 2000), end = calm + ms(r, 5000, 20000);
	bool idle = (kind == KIND_RESTART || kind == KIND_OLD) && sim->seed % 5 == 2;

	p->kind = p->disturb = kind;
	if (kind >= KIND_STREAM)
		p->disturb = rng_below(r, KIND_SMALL + 1);
	/* One that has used far more begins it far before. */
	if (kind == KIND_RESTART && sim->seed % 8 == 5) {
		calm += ms(r, 100000, 500000);
		end = calm + ms(r, 5000, 20000);
	}
	if (kind == KIND_LONG)
		end = calm + ms(r, 60000, 600000);
	p->n_nodes = kind == KIND_THREE || kind == KIND_CROWD ? 3 : 2;
	plan_sizes(sim);
	if (kind == KIND_OLD)
		sim->node[rng_below(r, 2)].old = true;
	if (kind == KIND_FILTER)
		plan_filter(sim);
	sim->net.stream = kind == KIND_STREAM;
	for (unsigned int i = 0; i < p->n_nodes; i++)
		plan_add(p, SIM_S + (i ? ms(r, 0, 3000) : 0), ACT_START, i, 0, 0);
	/* A node that has used about one number per second begins its next life where it has
	 * ended. */
	plan_churn(sim, SIM_S / 2, end, idle ? 10 + rng_below(r, 15) : 150 + rng_below(r, 150));
	plan_disturb(sim, calm, end);
	p->patience_ns = plan_patience(sim);
	if (kind != KIND_LIGHT && !p->lossless && rng_chance(r, 300)) {
		unsigned int node = rng_below(r, p->n_nodes);

		plan_add(p, calm + ms(r, 0, 4000), ACT_BULK, node, 0, 0);
		node = rng_below(r, p->n_nodes);
		plan_add(p, calm + ms(r, 0, 4000), ACT_ASK, node, 0, 0);
	}
	if (kind != KIND_LIGHT && !p->lossless &&
	    (sim->seed % 16 >= 14 || sim->seed % 16 == 7 || sim->seed % 16 == 10))
		plan_flushes(sim, calm, end);
	if ((kind == KIND_LIGHT || kind == KIND_OUTAGE || kind == KIND_SMALL) && sim->seed % 3 == 1)
		plan_moves(sim, calm, end);
	plan_add(p, end, ACT_CALM, 0, 0, 0);
	p->quiet_ns = end;
}
