/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world: time goes from one thing that happens to the next, and nothing happens in between, so
 * an hour of protocol takes as long as its messages. Everything comes from kind, mode and seed.
 *
 *   sim [first [count]]        run so many seeds of each kind in each mode, from the first on
 *                              (default 0 and SIM_SEEDS; of kinds that take long, unless named,
 *                              only a part), stop at the first that fails
 *   SIM_SEED=n sim             run one; SIM_TRACE=1 prints what happens
 *   SIM_MODE=name sim ...      only that mode
 *   SIM_KIND=name,... sim ...  only these kinds
 *   SIM_OPEN=1 sim ...         also what is known to fail (opens[])
 *   SIM_GO_ON=1 sim ...        not only to the first that fails; a line for each
 *   SIM_PART=i/n sim ...       only each n-th seed, the i-th of them (check)
 *   SIM_STATS=1 sim ...        what happened, added up by kind
 *   SIM_DIGEST=1 sim ...       a number for all that was sent and drawn, by kind: the same on every
 *                              machine (same) */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* how often the judge looks whether all is equal at last */
#define LOOK_NS	   (250 * SIM_MS)
#define SETTLED_NS (12 * SIM_S) /* equal for this long counts */
#define SEEDS	   50		/* of each kind in each mode, unless said otherwise */

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return n ? (uint32_t)(rng_next(r) % n) : 0;
}

bool rng_chance(struct rng *r, uint32_t per_mille)
{
	return rng_below(r, 1000) < per_mille;
}

/* Some worlds live where the numbers wrap. */
uint32_t sim_wall_s(const struct sim *sim)
{
	uint32_t base = sim->seed % 5 == 4 ? UINT32_MAX - 200 : 1700000000u;

	return base + (uint32_t)(sim->now_ns / SIM_S);
}

/* Of the seeds of a kind: all that was sent, from where, when, and the last random number
 * (FNV-1a). */
static struct {
	bool on;
	uint64_t sum;
} digest;

static void digest_add(uint64_t byte)
{
	digest.sum = (digest.sum ^ (byte & 0xff)) * UINT64_C(0x100000001b3);
}

static void digest_add_u64(uint64_t n)
{
	for (unsigned int i = 0; i < 64; i += 8)
		digest_add(n >> i);
}

void sim_sent(const struct sim *sim, unsigned int from, const uint8_t *bytes, size_t len)
{
	if (!digest.on)
		return;
	digest_add_u64((uint64_t)sim->now_ns);
	digest_add(from);
	for (size_t i = 0; i < len; i++)
		digest_add(bytes[i]);
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	if (sim->failed)
		return;
	sim->failed = true;
	va_start(ap, fmt);
	vsnprintf(sim->why, sizeof(sim->why), fmt, ap);
	va_end(ap);
	sim_trace(sim, "FAILED: %s", sim->why);
}

void sim_trace(const struct sim *sim, const char *fmt, ...)
{
	va_list ap;

	if (!sim->trace)
		return;
	printf("%10.4f  ", (double)sim->now_ns / SIM_S);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void trace_datagram(const struct sim *sim, const struct packet *p)
{
	struct cursor c = cur_init(p->bytes, p->len);

	while (sim->trace && c.left > 0) {
		static const char *const type[] = { "NEW", "UPD", "DEL" };
		struct proto_stats stats = { 0 };
		struct flow_rare rare;
		struct ct_flow f;
		struct wire_hdr h;
		struct cursor body;
		unsigned int node;

		if (wire_next(&c, &h, &body) != PROTO_OK)
			return;
		if (h.type == WIRE_CTL)
			sim_trace(sim, "%u -> %u: #%u%s%s%s%s%s%s %u..%u", p->from, p->to, h.seq,
				  h.flags & WIRE_F_ACK ? " ACK" : "",
				  h.flags & WIRE_F_NACK ? " NACK" : "",
				  h.flags & WIRE_F_RESYNC ? " RESYNC" : "",
				  h.flags & WIRE_F_ALIVE ? " ALIVE" : "",
				  h.flags & WIRE_F_HELLO ? " HELLO" : "",
				  h.flags & WIRE_F_HELLO_BACK ? " HELLO_BACK" : "", h.from, h.to);
		else if (wire_get_flow(body, &f, &rare, &stats) == PROTO_OK)
			sim_trace(sim, "%u -> %u: #%u %s flow %d%s%s", p->from, p->to, h.seq,
				  type[h.type % 3], kernel_index(&f, &node),
				  h.flags & WIRE_F_HELLO ? " HELLO" : "",
				  h.flags & WIRE_F_HELLO_BACK ? " HELLO_BACK" : "");
	}
}

/* ---- what happens ---- */

static void do_step(struct sim *sim, const struct step *s)
{
	struct node *n = &sim->node[s->node];

	switch (s->what) {
	case ACT_CHURN:
		for (uint32_t i = 0; i < s->n; i++)
			kernel_churn(&n->kernel);
		break;
	case ACT_BURST:
		kernel_burst(&n->kernel, s->n);
		break;
	case ACT_START:
		if (!n->up)
			node_start(n);
		break;
	case ACT_STOP:
		if (n->up)
			node_stop(n);
		break;
	case ACT_REBOOT:
		if (!n->up)
			kernel_reboot(&n->kernel);
		break;
	case ACT_CUT:
	case ACT_HEAL:
		sim_trace(sim, "link %u -> %u %s", s->node, s->other,
			  s->what == ACT_CUT ? "breaks" : "is back");
		net_set_cut(&sim->net, s->node, s->other, s->what == ACT_CUT);
		break;
	case ACT_FAULT:
		sim->net.fault = sim->plan.fault;
		break;
	case ACT_CALM:
		sim_trace(sim, "calm");
		/* Where nothing is to be taken for lost, what comes later must not overtake by more
		 * than before. */
		sim->net.fault = (struct net_fault){ .delay_us = sim->plan.lossless ?
									 sim->plan.fault.delay_us :
									 100 };
		for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
			if (!sim->node[i].up)
				node_start(&sim->node[i]);
		for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
			for (unsigned int k = 0; k < sim->plan.n_nodes; k++)
				net_set_cut(&sim->net, i, k, false);
		break;
	case ACT_FORGE:
	case ACT_FORGE_DATA:
		for (uint32_t i = 0; i < s->n; i++)
			forge(sim, s->node, s->other, s->what == ACT_FORGE_DATA);
		break;
	case ACT_BULK:
		if (n->pipeline)
			sync_bulk(pipeline_sync(n->pipeline), sim_now(sim));
		break;
	case ACT_ASK:
		node_ask(n);
		break;
	case ACT_LINK:
		sim_trace(sim, "node %u sends on its other link", s->node);
		n->link = !n->link;
		break;
	case ACT_ADDRESS:
		sim_trace(sim, "node %u has another address", s->node);
		n->address++;
		break;
	case ACT_FLUSH:
		node_flush(n);
		break;
	case ACT_FORGET:
		node_forget(n);
		break;
	case ACT_DRAIN:
		kernel_drain(&n->kernel, s->n);
		break;
	}
}

/* What came before a node was there has been lost, as that node sees it, when it had overtaken what
 * comes now. */
static void look_for_loss(struct sim *sim, const struct packet *p)
{
	uint64_t *missed = &sim->net.missed[p->from][p->to];

	if (sim->node[p->to].up)
		sim->plan.lossless = sim->plan.lossless && (sim->net.stream || p->order > *missed);
	else if (p->order > *missed)
		*missed = p->order;
}

static void world_step(struct sim *sim)
{
	struct plan *plan = &sim->plan;
	struct packet p;

	while (plan->at < plan->n_steps && plan->step[plan->at].at_ns <= sim->now_ns)
		do_step(sim, &plan->step[plan->at++]);
	while (net_pop(&sim->net, &p)) {
		look_for_loss(sim, &p);
		if (sim->node[p.to].up) {
			trace_datagram(sim, &p);
			watch_arrived(sim, &p);
			node_datagram(&sim->node[p.to], &p.source, p.bytes, p.len);
		}
		free(p.bytes);
	}
	for (unsigned int i = 0; i < plan->n_nodes; i++)
		if (sim->node[i].up && sim->node[i].due_ns <= sim->now_ns)
			node_run(&sim->node[i]);
	truth_look(sim);
}

static int64_t min_ns(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t world_next(const struct sim *sim)
{
	int64_t next = net_due(&sim->net);

	if (sim->plan.at < sim->plan.n_steps)
		next = min_ns(next, sim->plan.step[sim->plan.at].at_ns);
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
		if (sim->node[i].up)
			next = min_ns(next, sim->node[i].due_ns);
	return next > sim->now_ns ? next : sim->now_ns + 1;
}

static bool world_busy(const struct sim *sim)
{
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
		if (node_busy(&sim->node[i]))
			return true;
	return false;
}

/* An idle pair wakes up for the keepalives, its own and the other's, and for nothing else. ALARM
 * has its repetitions, and three nodes of FTFW ask once more for what may have been acknowledged to
 * another one. */
static void check_idle(struct sim *sim, const uint64_t *turns)
{
	if (sim->mode == SYNC_MODE_FTFW && sim->plan.n_nodes > 2)
		return;
	for (unsigned int i = 0; sim->mode != SYNC_MODE_ALARM && i < sim->plan.n_nodes; i++) {
		uint64_t n = sim->node[i].turns - turns[i];

		if (!sim->node[i].old && n > 5 * 3 * sim->plan.n_nodes + 10)
			sim_fail(sim, "node %u: %" PRIu64 " turns in five idle seconds", i, n);
	}
}

/* Where everything may be asked for once more after all was well:
 *
 *   - In FTFW an acknowledgement names nobody. A node that knows several addresses, be they of
 *     several nodes or left by one, asks 20 s, 40 s ... after one that may have been meant for
 *     another.
 *   - What a 1.4.7 answers is doubted when it lacks most, or repeats nothing: it is asked again
 *     after 10 s, and 60 s.
 *   - A cache that has no room is tried to be completed after pauses that grow. */
static bool world_doubts(const struct sim *sim)
{
	struct sync_peer_view v;

	if (sim->plan.kind == KIND_OLD || sim->plan.kind == KIND_LIMIT)
		return true;
	for (unsigned int i = 0; sim->mode == SYNC_MODE_FTFW && i < sim->plan.n_nodes; i++) {
		const struct node *n = &sim->node[i];
		unsigned int known = 0;

		for (unsigned int k = 0; !n->old && k < PEERS_MAX; k++)
			known += sync_peer_view(pipeline_sync(n->pipeline), k, sim_now(sim), &v);
		if (known > 1)
			return true;
	}
	return false;
}

/* After the last disturbance: have the caches become equal, and stayed so? True when that is
 * decided. */
struct settling {
	int64_t equal_since, idle_from;
	/* when they were found busy once more, which happens once, and where there are doubts */
	int64_t again_ns;
	uint64_t turns[SIM_NODES];
};

static bool world_settled(struct sim *sim, struct settling *s)
{
	const struct plan *plan = &sim->plan;

	/* What is equal can only change where watch.c looks, or by a message; so that it has stayed
	 * so is seen at the end. */
	if (!s->equal_since && judge_equal(sim, false) && !world_busy(sim) &&
	    judge_acknowledged(sim, false))
		s->equal_since = sim->now_ns;
	if (!s->equal_since) {
		if (sim->now_ns < (s->again_ns ? s->again_ns : plan->quiet_ns) + plan->patience_ns)
			return false;
		judge_equal(sim, true);
		judge_acknowledged(sim, true);
		sim_fail(sim, "a bulk send or resync never ends");
		return true;
	}
	if (sim->now_ns >= s->equal_since + SETTLED_NS - 5 * SIM_S &&
	    s->idle_from < s->equal_since) {
		s->idle_from = sim->now_ns;
		for (unsigned int i = 0; i < plan->n_nodes; i++)
			s->turns[i] = sim->node[i].turns;
	}
	if (sim->now_ns < s->equal_since + SETTLED_NS)
		return false;
	if (!judge_equal(sim, false) || world_busy(sim) || !judge_acknowledged(sim, false)) {
		s->equal_since = 0;
		if (!world_doubts(sim))
			sim_fail(sim,
				 "all was well, and is not any more, with no disturbance between");
		if (!s->again_ns)
			s->again_ns = sim->now_ns;
		return false;
	}
	check_idle(sim, s->turns);
	judge_end(sim);
	return true;
}

static void world_run(struct sim *sim)
{
	struct settling settling = { 0 };
	int64_t look = LOOK_NS;

	while (!sim->failed) {
		sim->now_ns = min_ns(world_next(sim), look);
		world_step(sim);
		if (sim->now_ns < look)
			continue;
		look += LOOK_NS;
		if (sim->now_ns >= sim->plan.quiet_ns && world_settled(sim, &settling))
			return;
	}
}

static struct {
	uint32_t seeds;
	struct sync_stats s;
	int64_t worst_ns;
	uint64_t sent, flows, msgs, events;
	double most;
} sums[KIND_MAX];

static void sum_up(const struct sim *sim)
{
	enum sim_kind k = sim->plan.kind;
	int64_t took = sim->now_ns - sim->plan.quiet_ns - SETTLED_NS;

	sums[k].seeds++;
	sums[k].sent += sim->net.count.sent;
	if (took > sums[k].worst_ns)
		sums[k].worst_ns = took;
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++) {
		struct sync_stats s = node_stats(&sim->node[i]);
		double share =
			(double)sim->watch.node[i].all_flows /
			(double)(sim->watch.node[i].all_events + sim->node[i].kernel.n_tuples);

		sums[k].flows += sim->watch.node[i].all_flows;
		sums[k].msgs += sim->watch.node[i].all_msgs;
		sums[k].events += sim->watch.node[i].all_events;
		if (share > sums[k].most)
			sums[k].most = share;
		sums[k].s.lost += s.lost;
		sums[k].s.resent += s.resent;
		sums[k].s.reordered += s.reordered;
		sums[k].s.ring_overflow += s.ring_overflow;
		sums[k].s.unrepairable += s.unrepairable;
		sums[k].s.resync_asked += s.resync_asked;
		sums[k].s.resync_failed += s.resync_failed;
		sums[k].s.bulk_flows += s.bulk_flows;
	}
}

static void print_sums(void)
{
	printf("%-8s %6s %9s %8s %9s %9s %6s %8s %8s %8s %8s %7s %7s %8s\n", "kind", "seeds",
	       "datagrams", "events", "flows", "messages", "most", "lost", "resent", "reorderd",
	       "overflow", "resyncs", "failed", "worst/s");
	for (int k = 0; k < KIND_MAX; k++)
		if (sums[k].seeds > 0)
			printf("%-8s %6u %9" PRIu64 " %8" PRIu64 " %9" PRIu64 " %9" PRIu64
			       " %6.1f %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
			       " %7" PRIu64 " %7" PRIu64 " %8.1f\n",
			       kind_name[k], sums[k].seeds, sums[k].sent, sums[k].events,
			       sums[k].flows, sums[k].msgs, sums[k].most, sums[k].s.lost,
			       sums[k].s.resent, sums[k].s.reordered, sums[k].s.ring_overflow,
			       sums[k].s.resync_asked, sums[k].s.resync_failed,
			       (double)sums[k].worst_ns / SIM_S);
}

static const char *const mode_name[] = {
	[SYNC_MODE_FTFW] = "FTFW",
	[SYNC_MODE_ALARM] = "ALARM",
	[SYNC_MODE_NOTRACK] = "NOTRACK",
};

/* What fails with the engine as it is. Not run unless SIM_OPEN is set or the kind is named: an
 * entry goes when its cause has been mended. The number of a mode is that of enum sync_mode; -1:
 * all. */
static const struct {
	enum sim_kind kind;
	int mode;
	const char *why;
} opens[] = {
	{ KIND_MAX, -1, "nothing is known to fail" },
};

/* Seeds that have found something, and are run always; those that find it still are left out,
 * unless SIM_OPEN is set. */
static const struct {
	enum sync_mode mode;
	enum sim_kind kind;
	uint64_t seed;
	bool open;
	const char *what;
} known[] = {
	{ SYNC_MODE_FTFW, KIND_OUTAGE, 1030425, false,
	  "a repeated RESYNC kept its old mark: a flow that had ended stayed" },
	{ SYNC_MODE_FTFW, KIND_OLD, 1064606, false, "a resync with a 1.4.7 that never ended" },
	{ SYNC_MODE_FTFW, KIND_LARGE, 109, false,
	  "more than 16 held ranges: what had not arrived was acknowledged" },
	{ SYNC_MODE_FTFW, KIND_LARGE, 115, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_LARGE, 2774, false,
	  "nine messages that were sent again came on top of a window that had doubled" },
	{ SYNC_MODE_FTFW, KIND_FORGED, 5425, false,
	  "a forged message with the next number swallowed the true one" },
	{ SYNC_MODE_FTFW, KIND_FORGED, 2396, false, "one that was kept for its turn did" },
	{ SYNC_MODE_FTFW, KIND_DATA, 281, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_DATA, 2459, false,
	  "an ACK of a forged number was sent again when that was the number of a RESYNC" },
	{ SYNC_MODE_FTFW, KIND_ROUGH, 433, false,
	  "a late message with HELLO was taken for a new life" },
	{ SYNC_MODE_FTFW, KIND_THREE, 108, false,
	  "an ACK for another node ended the repair of a loss" },
	{ SYNC_MODE_FTFW, KIND_THREE, 2057, false, "the same, for numbers that were never sent" },
	{ SYNC_MODE_FTFW, KIND_THREE, 3154, false, "the same, with the numbers in step" },
	{ SYNC_MODE_FTFW, KIND_LIMIT, 1332, false,
	  "places of peers that were never used had the number of the first" },
	{ SYNC_MODE_FTFW, KIND_JITTER, 5605, false,
	  "a HELLO_BACK that had waited for a message was taken for a late one" },
	{ SYNC_MODE_FTFW, KIND_OUTAGE, 8194, false,
	  "what was given up for room was said to have been heard" },
	{ SYNC_MODE_FTFW, KIND_OUTAGE, 7679, false,
	  "the same, of the end of a flow, the NACK for it being lost" },
	{ SYNC_MODE_FTFW, KIND_OUTAGE, 6540, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_OUTAGE, 8295, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_OUTAGE, 15560, false,
	  "an answer that began after three seconds was not taken, and asked for again" },
	{ SYNC_MODE_FTFW, KIND_RESTART, 7054, false,
	  "a table was said to have been heard whose beginning had come too early" },
	{ SYNC_MODE_FTFW, KIND_ADDRESS, 410, false,
	  "what an address that was forgotten had acknowledged was doubted for ever" },
	{ SYNC_MODE_FTFW, KIND_JITTER, 9043, false,
	  "what had come before the start, and overtaken the rest, is a loss" },
	{ SYNC_MODE_FTFW, KIND_ADDRESS, 8826, false,
	  "a node that went to and fro between addresses was taken for two, for ever" },
	{ SYNC_MODE_FTFW, KIND_ADDRESS, 10460, false,
	  "an address that was left, and a pause between answers, take 16 s together" },
	{ SYNC_MODE_NOTRACK, KIND_ADDRESS, 264, false,
	  "an address that was left was judged as the node that came back to it" },
	{ SYNC_MODE_ALARM, KIND_RESTART, 42, false,
	  "a peer that had been away went on with the numbers it had ended with: no restart" },
	{ SYNC_MODE_ALARM, KIND_RESTART, 74, false,
	  "after a restart with lower numbers what came was dropped for some seconds, and said to "
	  "be all" },
	{ SYNC_MODE_ALARM, KIND_OLD, 46, false, "the same" },
	{ SYNC_MODE_ALARM, KIND_RESTART, 2257, false,
	  "a new life that began word for word as the old one ended was taken for known" },
	{ SYNC_MODE_ALARM, KIND_RESTART, 3527, false,
	  "a new life that went on from the numbers of the old one was taken for known" },
	{ SYNC_MODE_ALARM, KIND_DATA, 701, false,
	  "what waited for its turn was passed by numbers of another mode: a loop without an end" },
	{ SYNC_MODE_ALARM, KIND_LIMIT, 83, false,
	  "a flow that its owner had no room for any more was missed" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 9, false,
	  "keepalives of a node that could not hear us ended an answer" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 405, false, "the same, after minutes" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 557, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 562, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 1361, false,
	  "what no answer showed was kept, and said to be all" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 3021, false,
	  "what no answer showed was kept, and said to be all" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 6946, false,
	  "taken for a 1.4.x, as it did not hear us, it was not asked when it did" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 9174, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 9485, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 10973, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 12048, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 12970, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_LONG, 16822, false,
	  "taken for a 1.4.x, as it did not hear us, it was said to have told all" },
	{ SYNC_MODE_NOTRACK, KIND_RESTART, 12906, false,
	  "a request that was overtaken turned the numbers of the new life back" },
	{ SYNC_MODE_NOTRACK, KIND_SMALL, 3370, false,
	  "answers that began late were too fast each time, and nobody said so" },
	{ SYNC_MODE_NOTRACK, KIND_CROWD, 4767, false,
	  "a control message came on top of the largest burst" },
	{ SYNC_MODE_NOTRACK, KIND_CROWD, 73, false,
	  "two nodes that were started together called their lives the same" },
	{ SYNC_MODE_FTFW, KIND_LIMIT, 105, false,
	  "a resync from an address that the peer had left never ended" },
	{ SYNC_MODE_FTFW, KIND_LIMIT, 276, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_LIMIT, 18001, false,
	  "what a comparison with the kernel finds is told beside the window" },
	{ SYNC_MODE_FTFW, KIND_LIMIT, 14082, false,
	  "an incomplete cache was tried to be completed after all was well" },
	{ SYNC_MODE_NOTRACK, KIND_OLD, 0, false,
	  "a translation of an earlier life of the tuple stayed" },
	{ SYNC_MODE_NOTRACK, KIND_OLD, 327, false,
	  "three keepalives of a 1.4.7 that could not hear us ended an answer" },
	{ SYNC_MODE_NOTRACK, KIND_OLD, 692, false, "the same" },
	{ SYNC_MODE_NOTRACK, KIND_OLD, 14692, false,
	  "a 1.4.7 whose answer was doubted was asked again after all was well" },
	{ SYNC_MODE_NOTRACK, KIND_OLD, 952, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_FORGED, 507, false,
	  "a forged ALIVE had the number of a state that was lost: nothing can tell" },
	{ SYNC_MODE_FTFW, KIND_RESTART, 756, false,
	  "an acknowledgement for an address that was left covered a RESYNC from the new one" },
	{ SYNC_MODE_FTFW, KIND_RESTART, 3675, false,
	  "so did the end of an answer for the address that was left" },
	{ SYNC_MODE_FTFW, KIND_OLD, 3898, false, "a 1.4.7 acknowledged across the end of a flow" },
	{ SYNC_MODE_FTFW, KIND_OLD, 5465, false,
	  "a 1.4.7 restarted twice: its ACK covers what was lost, live flows are swept" },
	{ SYNC_MODE_FTFW, KIND_OLD, 1930, false,
	  "a 1.4.7 acknowledged across the end of a flow, told with HELLO and lost" },
	{ SYNC_MODE_FTFW, KIND_OLD, 2800, false,
	  "the first acknowledgement of a 1.4.7 began behind the end of a flow" },
	{ SYNC_MODE_FTFW, KIND_OLD, 12988, false,
	  "a late message of a long handshake was taken for a new life" },
	{ SYNC_MODE_FTFW, KIND_OLD, 13654, false,
	  "a late HELLO emptied the list of a 1.4.7: its ACK covers what was lost" },
	{ SYNC_MODE_FTFW, KIND_OLD, 16030, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_OLD, 16828, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_OLD, 19, false,
	  "a 1.4.7 with a small list drops what it is asked for, and acknowledges" },
	{ SYNC_MODE_FTFW, KIND_OLD, 39, false, "the same" },
	{ SYNC_MODE_FTFW, KIND_OLD, 411, false,
	  "a NACK of a 1.4.7 that was lost with part of what it sent is not repeated" },
};

static bool seed_open(enum sim_kind kind, enum sync_mode mode, uint64_t seed)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].open && known[i].kind == kind && known[i].mode == mode &&
		    known[i].seed == seed)
			return !getenv("SIM_OPEN") && !getenv("SIM_SEED");
	return false;
}

static const char *is_open(enum sim_kind kind, enum sync_mode mode)
{
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
		if (opens[i].kind == kind &&
		    (opens[i].mode < 0 || (enum sync_mode)opens[i].mode == mode))
			return opens[i].why;
	return NULL;
}

static bool run_seed(uint64_t seed, enum sync_mode mode, enum sim_kind kind, bool trace)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	bool good;

	if (!sim)
		abort();
	sim->seed = seed;
	sim->mode = mode;
	sim->trace = trace;
	sim->open = getenv("SIM_OPEN") != NULL;
	sim->rng.state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	sim->net.sim = sim;
	sim->net.fault.delay_us = 100;
	for (unsigned int i = 0; i < SIM_NODES; i++) {
		sim->node[i].sim = sim;
		sim->node[i].index = i;
		sim->node[i].due_ns = INT64_MAX;
	}
	watch_begin(sim);
	plan_make(sim, kind);
	world_run(sim);
	sum_up(sim);
	digest_add_u64(sim->rng.state);
	good = !sim->failed;
	if (!good)
		printf("%s, %s, seed %" PRIu64 " failed at %.3f s (calm since %.3f): %s\nreplay: "
		       "SIM_MODE=%s SIM_KIND=%s SIM_SEED=%" PRIu64 " SIM_TRACE=1 sim\n",
		       mode_name[mode], kind_name[kind], seed, (double)sim->now_ns / SIM_S,
		       (double)sim->plan.quiet_ns / SIM_S, sim->why, mode_name[mode],
		       kind_name[kind], seed);
	watch_end(sim);
	for (unsigned int i = 0; i < SIM_NODES; i++)
		node_end(&sim->node[i]);
	net_free(&sim->net);
	free(sim);
	return good;
}

/* How many of n seeds: in ALARM, and of large tables, each takes ten times as long and more. */
static uint64_t seeds_of(uint64_t n, enum sim_kind kind, enum sync_mode mode)
{
	return mode == SYNC_MODE_ALARM || kind == KIND_LARGE || kind == KIND_CROWD ? (n + 9) / 10 :
										     n;
}

/* Is the name in the list, or is there none? */
static bool listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; at; at = strchr(at, ','), at += at != NULL)
		if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
			return true;
	return !list;
}

/* One of several processes that share the seeds. */
static struct {
	unsigned int part, parts;
} share = { 0, 1 };

static uint64_t n_runs;

static bool run_one(enum sync_mode mode, enum sim_kind kind, uint64_t seed)
{
	if (seed_open(kind, mode, seed) || seed % share.parts != share.part)
		return true;
	n_runs++;
	return run_seed(seed, mode, kind, getenv("SIM_TRACE") != NULL);
}

/* Those that have found something once. */
static uint64_t run_known(bool go_on)
{
	uint64_t bad = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && (bad == 0 || go_on); i++)
		bad += !run_one(known[i].mode, known[i].kind, known[i].seed);
	return bad;
}

static uint64_t run_kind(enum sync_mode mode, enum sim_kind kind, uint64_t first, uint64_t n,
			 bool go_on)
{
	uint64_t bad = 0;

	digest.sum = UINT64_C(0xcbf29ce484222325);
	for (uint64_t seed = first; (bad == 0 || go_on) && seed < first + n; seed++)
		bad += !run_one(mode, kind, seed);
	if (digest.on)
		printf("digest: %s %s %016" PRIx64 "\n", mode_name[mode], kind_name[kind],
		       digest.sum);
	return bad;
}

int main(int argc, char **argv)
{
	const char *one = getenv("SIM_SEED"), *kinds = getenv("SIM_KIND"),
		   *modes = getenv("SIM_MODE");
	const char *seeds = argc > 2 ? argv[2] : getenv("SIM_SEEDS"), *part = getenv("SIM_PART");
	uint64_t first = strtoull(one ? one : argc > 1 ? argv[1] : "0", NULL, 10), bad = 0;
	uint64_t n = one ? 1 : seeds ? strtoull(seeds, NULL, 10) : SEEDS;
	bool go_on = getenv("SIM_GO_ON") != NULL, open = getenv("SIM_OPEN") != NULL;

	digest.on = getenv("SIM_DIGEST") != NULL;
	if (part && (sscanf(part, "%u/%u", &share.part, &share.parts) != 2 || share.parts == 0))
		return 2;
	if (!one && !kinds && !modes)
		bad = run_known(go_on);
	for (enum sync_mode mode = 0;
	     mode < sizeof(mode_name) / sizeof(mode_name[0]) && (bad == 0 || go_on); mode++) {
		if (!mode_name[mode] || !listed(modes, mode_name[mode]))
			continue;
		for (enum sim_kind kind = 0; kind < KIND_MAX && (bad == 0 || go_on); kind++) {
			if (!listed(kinds, kind_name[kind]) || !plan_exists(kind, mode))
				continue;
			if (!kinds && !open && is_open(kind, mode))
				printf("%s, %s: left out: %s\n", mode_name[mode], kind_name[kind],
				       is_open(kind, mode));
			else
				bad += run_kind(mode, kind, first,
						kinds ? n : seeds_of(n, kind, mode), go_on);
		}
		if (getenv("SIM_STATS")) {
			printf("%s\n", mode_name[mode]);
			print_sums();
		}
		memset(sums, 0, sizeof(sums));
		if (bad == 0)
			printf("%s, %" PRIu64 " seeds of each kind from %" PRIu64 " on: all well\n",
			       mode_name[mode], n, first);
	}
	printf("runs: %" PRIu64 "\n", n_runs);
	return bad > 0;
}
