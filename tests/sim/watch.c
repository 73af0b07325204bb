/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold at every step, seen where it happens: the calls by which an external cache is
 * changed go through here (the linker's --wrap, tests.mk), and so do all datagrams.
 *
 *   live flows      An entry of a flow that lives at its owner, and is about this life of it, is
 *                   never removed. No resync, sweep, gap, flush, full table or restart of the owner
 *                   is an excuse; a flush of the holder's external cache is, and in ALARM that
 *                   nobody has spoken of the flow for CacheTimeout.
 *   only forward    What an entry says is never older than what the holder has been told before,
 *                   nor is it ever anything that the owner did not say.
 *   true ACKs       A node acknowledges no number that has not arrived (two nodes: an ACK names no
 *                   addressee).
 *   whole answers   A RESYNC is acknowledged, and NOTRACK's "complete" said, when everything that
 *                   lives has been sent.
 *   slow start      Messages about flows that were sent without hearing anything are at most twice
 *                   as many as were sent before, or 600, and twice the changes of the kernel
 *                   since (two nodes: what a third one acknowledges opens the window as well).
 *                   NOTRACK: 60 datagrams of them in a millisecond.
 *
 * Left out for forged messages (whoever forges an acknowledgement may end a resync early), and for
 * what the model of 1.4.7 is known to do. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define SLOW_START 600 /* messages: the first window */
/* datagrams in a millisecond: NOTRACK sends 12 of a full send, and saves up four times as many */
#define BURST 60

static struct sim *watched;

void watch_begin(struct sim *sim)
{
	watched = sim;
}

void watch_end(struct sim *sim)
{
	for (unsigned int i = 0; i < SIM_NODES; i++)
		for (unsigned int k = 0; k < SIM_NODES; k++)
			free(sim->watch.arrived[i][k]);
	watched = NULL;
}

static bool trusts(const struct sim *sim)
{
	return sim->plan.kind != KIND_FORGED && sim->plan.kind != KIND_DATA;
}

/* A 1.4.7 takes everything in NOTRACK and ALARM, however late, and in FTFW what carries HELLO. */
static bool takes_late(const struct node *holder)
{
	return holder->old && (holder->sim->mode != SYNC_MODE_FTFW || old_hears_hello(holder));
}

void watch_started(struct sim *sim, unsigned int node)
{
	struct watch *w = &sim->watch;

	memset(&w->node[node], 0, offsetof(__typeof__(w->node[0]), all_flows));
	for (unsigned int f = 0; f < sim->node[node].kernel.n_tuples; f++)
		sim->node[node].kernel.flow[f].said = false;
	for (unsigned int i = 0; i < SIM_NODES; i++) {
		struct kernel *k = &sim->node[i].kernel;

		w->asked[i][node].open = w->asked[node][i].open = false;
		free(w->arrived[node][i]);
		w->arrived[node][i] = NULL;
		for (unsigned int f = 0; i != node && k->flow && f < k->n_tuples; f++)
			k->flow[f].told[node] = 0;
	}
}

void watch_event(struct sim *sim, unsigned int node)
{
	sim->watch.node[node].events++;
	sim->watch.node[node].all_events++;
	sim->watch.node[node].event_ns = sim->now_ns;
}

/* ---- the external caches ---- */

static struct sim_flow *flow_of(struct node *holder, const struct ct_flow *entry)
{
	unsigned int owner;
	int i = kernel_index(entry, &owner);
	struct kernel *k;

	if (i < 0 || owner == holder->index || owner >= holder->sim->plan.n_nodes)
		return NULL;
	k = &holder->sim->node[owner].kernel;
	return (unsigned int)i < k->n_tuples ? &k->flow[i] : NULL;
}

void watch_removed(struct node *holder, const struct ct_flow *entry)
{
	struct sim_flow *sf = flow_of(holder, entry);
	char text[160];

	if (!sf || !sf->alive || !kernel_same_life(sf, entry) || holder->forgetting)
		return;
	/* What its filter does not want any more its owner does not know after a restart. */
	if (!trusts(holder->sim) || takes_late(holder) || !node_wants(holder, &sf->flow))
		return;
	sim_fail(holder->sim, "node %u loses %s, which lives", holder->index,
		 flow_text(holder->sim, &sf->flow, text, sizeof(text)));
}

void watch_stored(struct node *holder, const struct ct_flow *entry)
{
	struct sim_flow *sf = flow_of(holder, entry);
	struct sim *sim = holder->sim;
	uint32_t stamp = kernel_stamp_of(entry);
	char text[160];

	if (!sf) {
		if (trusts(sim) && !sim->plan.injects)
			sim_fail(sim, "node %u stores a flow that is nobody's", holder->index);
		return;
	}
	sf->told_ns[holder->index] = sim->now_ns;
	if (!trusts(sim) || takes_late(holder))
		return;
	if (stamp < sf->told[holder->index] || stamp > kernel_stamp(sf))
		sim_fail(sim,
			 "node %u takes back what it knew of %s: life and change %u, but %u was "
			 "told",
			 holder->index, flow_text(sim, &sf->flow, text, sizeof(text)), stamp,
			 sf->told[holder->index]);
	sf->told[holder->index] = stamp;
	/* In NOTRACK an update may merge into what is known of an earlier life, until the next full
	 * answer. */
	if (sim->mode != SYNC_MODE_NOTRACK && sf->alive && stamp == kernel_stamp(sf) &&
	    !holder->old && !flow_equal_replicated(entry, &sf->flow))
		sim_fail(sim, "node %u stores %s otherwise than it was told", holder->index,
			 flow_text(sim, &sf->flow, text, sizeof(text)));
}

static struct node *holder_of(const struct external *c)
{
	for (unsigned int i = 0; watched && i < watched->plan.n_nodes; i++)
		if (node_has_external(&watched->node[i], external_table((struct external *)c)))
			return &watched->node[i];
	return NULL;
}

static void stored(const struct external *c, const struct ct_flow *f)
{
	struct flow_table *t = external_table((struct external *)c);
	struct node *holder = holder_of(c);
	uint32_t id = table_find(t, f);

	if (holder && id != FLOW_ID_NONE)
		watch_stored(holder, &table_rec(t, id)->flow);
}

int __real_external_new_flow(struct external *c, uint8_t peer, const struct ct_flow *f,
			     struct mono now);
int __wrap_external_new_flow(struct external *c, uint8_t peer, const struct ct_flow *f,
			     struct mono now);
int __wrap_external_new_flow(struct external *c, uint8_t peer, const struct ct_flow *f,
			     struct mono now)
{
	int err = __real_external_new_flow(c, peer, f, now);

	stored(c, f);
	return err;
}

int __real_external_replace(struct external *c, uint8_t peer, const struct ct_flow *f,
			    struct mono now);
int __wrap_external_replace(struct external *c, uint8_t peer, const struct ct_flow *f,
			    struct mono now);
int __wrap_external_replace(struct external *c, uint8_t peer, const struct ct_flow *f,
			    struct mono now)
{
	int err = __real_external_replace(c, peer, f, now);

	stored(c, f);
	return err;
}

int __real_external_update(struct external *c, uint8_t peer, const struct ct_flow *f,
			   struct mono now);
int __wrap_external_update(struct external *c, uint8_t peer, const struct ct_flow *f,
			   struct mono now);
int __wrap_external_update(struct external *c, uint8_t peer, const struct ct_flow *f,
			   struct mono now)
{
	int err = __real_external_update(c, peer, f, now);

	stored(c, f);
	return err;
}

/* In ALARM: has nobody spoken of it for so long that it may go? */
static bool expires(const struct node *holder, const struct ct_flow *entry)
{
	const struct sim_flow *sf = flow_of((struct node *)holder, entry);

	return holder->sim->mode == SYNC_MODE_ALARM && sf &&
	       holder->sim->now_ns - sf->told_ns[holder->index] >= SIM_CACHE_S * SIM_S;
}

/* Chance comes from the seed, also that of the engine. */
int __wrap_hash_key_random(struct hash_key *key);
int __wrap_hash_key_random(struct hash_key *key)
{
	struct rng r = { .state = watched->seed * 43 + watched->watch.keys++ };

	key->k0 = rng_next(&r);
	key->k1 = rng_next(&r);
	return 0;
}

void __real_table_remove(struct flow_table *t, uint32_t id);
void __wrap_table_remove(struct flow_table *t, uint32_t id);
void __wrap_table_remove(struct flow_table *t, uint32_t id)
{
	for (unsigned int i = 0; watched && i < watched->plan.n_nodes; i++) {
		struct node *holder = &watched->node[i];
		const struct ct_flow *entry = &table_rec(t, id)->flow;

		if (node_has_external(holder, t) && !expires(holder, entry))
			watch_removed(holder, entry);
	}
	__real_table_remove(t, id);
}

/* ---- datagrams ---- */

static void mark_arrived(struct sim *sim, unsigned int to, unsigned int from, uint32_t seq)
{
	uint32_t **slots = &sim->watch.arrived[to][from];

	if (!*slots)
		*slots = calloc(WATCH_SLOTS, sizeof(**slots));
	if (!*slots)
		abort();
	(*slots)[seq % WATCH_SLOTS] = seq;
}

void watch_arrived(struct sim *sim, const struct packet *p)
{
	struct cursor c = cur_init(p->bytes, p->len), body;
	struct watch *w = &sim->watch;
	struct wire_hdr h;

	w->node[p->to].before = w->node[p->to].flows;
	w->node[p->to].events_before = w->node[p->to].events;
	while (c.left > 0 && wire_next(&c, &h, &body) == PROTO_OK) {
		mark_arrived(sim, p->to, p->from, h.seq);
		if (h.type != WIRE_CTL || !(h.flags & WIRE_F_RESYNC) ||
		    p->from_life != sim->node[p->from].lives)
			continue;
		if (w->asked[p->to][p->from].open &&
		    !seq_after(h.seq, w->asked[p->to][p->from].seq))
			continue;
		w->asked[p->to][p->from].open = true;
		w->asked[p->to][p->from].seq = h.seq;
		w->asked[p->to][p->from].at_ns = sim->now_ns;
	}
}

void watch_forged(struct sim *sim, unsigned int to, const uint8_t *bytes, size_t len)
{
	struct cursor c = cur_init(bytes, len), body;
	struct wire_hdr h;

	if (wire_next(&c, &h, &body) == PROTO_OK)
		sim->watch.forged[to].seq[sim->watch.forged[to].n++ % WATCH_FORGED] = h.seq;
}

bool watch_swallowed(const struct sim *sim, unsigned int owner, unsigned int holder,
		     const struct sim_flow *sf)
{
	const uint32_t *slots = sim->watch.arrived[holder][owner];
	bool forged = false;

	/* A full answer tells of all that was said before it was asked for. */
	if (sim->watch.asked[owner][holder].open &&
	    sf->said_ns <= sim->watch.asked[owner][holder].at_ns)
		return false;

	for (uint32_t i = 0; i < sim->watch.forged[holder].n && i < WATCH_FORGED; i++)
		forged = forged || sim->watch.forged[holder].seq[i] == sf->said_seq;
	return forged && sf->said && (!slots || slots[sf->said_seq % WATCH_SLOTS] != sf->said_seq);
}

/* Everything that lives at the node, and would fit, was sent at or after: a time, or a number. */
static void check_whole(struct sim *sim, const struct node *n, int64_t ns, const uint32_t *seq,
			const char *what)
{
	char text[160];

	if (sim->plan.kind == KIND_LIMIT || !trusts(sim))
		return;
	for (unsigned int i = 0; i < n->kernel.n_tuples; i++) {
		const struct sim_flow *sf = &n->kernel.flow[i];

		int64_t least = ns > n->started_ns ? ns : n->started_ns;

		if (!sf->alive || !node_wants(n, &sf->flow) ||
		    sf->born_ns >= (seq ? sim->now_ns : ns))
			continue;
		if (sf->sent_ns >= least && sf->sent_ns >= sf->born_ns &&
		    (!seq || !seq_before(sf->sent_seq, *seq)))
			continue;
		sim_fail(sim, "node %u says that %s, and has not sent %s", n->index, what,
			 flow_text(sim, &sf->flow, text, sizeof(text)));
		return;
	}
}

static void check_ack(struct sim *sim, unsigned int from, const struct wire_hdr *h)
{
	unsigned int to = from == 0;
	const struct watch *w = &sim->watch;
	const uint32_t *slots = w->arrived[from][to];
	uint32_t n = h->to - h->from;

	if (sim->plan.n_nodes != 2 || sim->node[from].old || !trusts(sim))
		return;
	for (uint32_t i = 0; slots && i <= n && i < WATCH_SLOTS / 2; i++)
		if (slots[(h->to - i) % WATCH_SLOTS] != h->to - i) {
			sim_fail(sim, "node %u acknowledges %u..%u, and %u has not arrived", from,
				 h->from, h->to, h->to - i);
			return;
		}
	if (w->asked[from][to].open && w->asked[from][to].seq - h->from <= n)
		check_whole(sim, &sim->node[from], w->asked[from][to].at_ns, NULL,
			    "it has answered a RESYNC");
}

/* paced: the datagram was begun by a message about a flow, and not by a control message, behind
 * which some may have found room. */
static void check_pace(struct sim *sim, const struct node *n, bool paced)
{
	struct watch *w = &sim->watch;
	uint64_t before = w->node[n->index].before, burst = w->node[n->index].flows - before;
	uint64_t events = w->node[n->index].events - w->node[n->index].events_before;
	/* No changes of the kernel wait, nor flows that were taken over. */
	bool calm = sim->now_ns - w->node[n->index].event_ns > 100 * SIM_MS && !sim->plan.injects;
	int64_t slot = sim->now_ns / SIM_MS;

	if (w->node[n->index].slot_ns != slot) {
		w->node[n->index].slot_ns = slot;
		w->node[n->index].slot_n = 0;
	}
	w->node[n->index].slot_n += paced;
	/* A change of the kernel is sent beside the window. It takes the place of what was sent of
	 * its flow, which leaves room for one more message in the window. */
	/* So does what a comparison with the kernel finds, which may be all it has. */
	if (sim->plan.kind == KIND_LIMIT || n->compared)
		events += n->kernel.n_tuples;
	if (sim->mode == SYNC_MODE_FTFW && sim->plan.n_nodes == 2 &&
	    burst > SLOW_START + 2 * events && burst > 2 * before + 2 * events)
		sim_fail(
			sim,
			"node %u sends %u messages about flows, after %u before, and hears nothing",
			n->index, (unsigned int)burst, (unsigned int)before);
	if (sim->mode == SYNC_MODE_NOTRACK && calm && w->node[n->index].slot_n > BURST)
		sim_fail(sim, "node %u sends %u datagrams in a millisecond", n->index,
			 w->node[n->index].slot_n);
}

static void sent_flow(struct sim *sim, unsigned int from, const struct wire_hdr *h,
		      struct cursor body)
{
	struct proto_stats stats = { 0 };
	struct flow_rare rare;
	struct sim_flow *sf;
	struct ct_flow f;
	unsigned int owner;
	int i;

	sim->watch.node[from].flows++;
	sim->watch.node[from].all_flows++;
	if (wire_get_flow(body, &f, &rare, &stats) != PROTO_OK)
		return;
	i = kernel_index(&f, &owner);
	if (i < 0 || owner != from || (unsigned int)i >= sim->node[from].kernel.n_tuples)
		return;
	sf = &sim->node[from].kernel.flow[i];
	if (!sf->said || seq_after(h->seq, sf->said_seq)) {
		sf->said = true;
		sf->said_end = h->type == WIRE_CT_DEL;
		sf->said_seq = h->seq;
		sf->said_ns = sim->now_ns;
		/* An end does not say of which life it is: of the last one that was told. */
		sf->said_stamp = !sf->said_end ? kernel_stamp_of(&f) :
				 sf->alive     ? 1000 * sf->life - 1 :
						 kernel_stamp(sf);
	}
	if (h->type == WIRE_CT_DEL)
		return;
	sf->sent_ns = sim->now_ns;
	sf->sent_seq = h->seq;
}

void watch_sent(struct sim *sim, unsigned int from, const uint8_t *bytes, size_t len)
{
	struct cursor c = cur_init(bytes, len), body;
	const struct node *n = &sim->node[from];
	struct wire_hdr h;
	uint32_t since, life;
	bool first = true, paced = false;

	while (c.left > 0 && wire_next(&c, &h, &body) == PROTO_OK) {
		sim->watch.node[from].all_msgs++;
		sim->watch.node[from].seq = h.seq;
		paced = paced || (first && h.type <= WIRE_CT_DEL);
		first = false;
		if (h.type <= WIRE_CT_DEL)
			sent_flow(sim, from, &h, body);
		else if (h.type == WIRE_CTL && (h.flags & WIRE_F_ACK))
			check_ack(sim, from, &h);
		else if (h.type == WIRE_CTL && sim->mode == SYNC_MODE_NOTRACK && !n->old &&
			 wire_get_complete(&h, body, &since, &life) && h.seq - since < WIRE_PARTIAL)
			check_whole(sim, n, 0, &since, "it has sent everything");
	}
	if (!n->old)
		check_pace(sim, n, paced);
}
