/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nobody sent, from an address of the link: something plausible with a number, or a range,
 * that nobody used. Of states those of the right number are the worst, so most have one that is
 * near. */
#include "sim.h"

#include "proto/v1/attr.h"

#define FAR (1u << 28) /* no loss explains such a gap */

/* A number near those that the forged sender uses now, or just a number. */
static uint32_t forged_seq(struct sim *sim, unsigned int from)
{
	struct rng *r = &sim->rng;
	uint32_t base = sim_wall_s(sim), span = rng_chance(r, 500) ? 4000 : UINT32_MAX;
	struct sync_stats s = node_stats(&sim->node[from]);

	if (sim->node[from].lives == 1 && rng_chance(r, 600))
		return (uint32_t)(sim->node[from].first_seq + s.sent_msgs + rng_below(r, 8) - 2);
	return base + rng_below(r, span) - span / 2;
}

static void forge_control(struct sim *sim, struct writer *w)
{
	static const uint8_t flags[] = {
		WIRE_F_ALIVE,  WIRE_F_ALIVE | WIRE_F_HELLO,    WIRE_F_ACK, WIRE_F_NACK,
		WIRE_F_RESYNC, WIRE_F_ACK | WIRE_F_HELLO_BACK,
	};
	struct rng *r = &sim->rng;
	uint32_t base = sim_wall_s(sim), span = rng_chance(r, 500) ? 4000 : UINT32_MAX;
	uint32_t seq = base + rng_below(r, span) - span / 2;
	uint32_t first = base + rng_below(r, span) - span / 2;
	uint8_t flag = flags[rng_below(r, sizeof(flags))];
	uint32_t last;

	if (sim->plan.lossless) {
		seq = base + FAR + rng_below(r, FAR);
		flag &= (uint8_t)~WIRE_F_HELLO_MASK;
	}
	last = first + rng_below(r, 5000);
	wire_put_control(w, flag, seq, first, last);
	sim_trace(sim, "forged: number %u, flags %#x, range %u..%u", seq, flag, first, last);
}

/* About a flow that is there, or was, or never. */
static void forge_data(struct sim *sim, unsigned int from, struct writer *w)
{
	static const struct proto_rules rules = { 0 };
	struct kernel *k = &sim->node[from].kernel;
	struct rng *r = &sim->rng;
	const struct sim_flow *sf = &k->flow[rng_below(r, k->n_tuples)];
	struct ct_flow f;
	uint32_t seq = forged_seq(sim, from);

	if (sf->life == 0)
		return;
	flow_copy(&f, &sf->flow);
	f.rare = NULL;
	f.has &= ~(FLOW_HAS_HELPER | FLOW_HAS_LABELS);
	f.has |= FLOW_HAS_MARK;
	f.mark = 0xf0f0f0f0;
	wire_put_flow(w, (enum wire_type)rng_below(r, 3), 0, seq, &f, &rules);
	sim_trace(sim, "forged: state with number %u", seq);
}

void forge(struct sim *sim, unsigned int from, unsigned int to, bool data)
{
	uint8_t buf[SIM_MTU];
	struct writer w = wr_init(buf, sizeof(buf));
	struct peer_addr source;

	if (!sim->node[to].up)
		return;
	if (data)
		forge_data(sim, from, &w);
	else
		forge_control(sim, &w);
	net_source(&sim->node[from], &source);
	if (w.len == 0)
		return;
	watch_forged(sim, to, buf, w.len);
	node_datagram(&sim->node[to], &source, buf, w.len);
}
