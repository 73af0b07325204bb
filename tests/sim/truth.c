/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node says of itself is true (standing/standing.h), whenever it says something else than
 * before, and now and then:
 *
 *   received   what the owner of a flow has said last, up to the number that the holder has
 *              reached, is what the holder's external cache has, and what has ended is not in it.
 *              Of a life that began before the holder's last request arrived at the owner it has
 *              something.
 *   heard      what a node has said last of a flow, up to the number that the peer has
 *              acknowledged, is what the peer has; and what is not acknowledged is not old.
 *
 * Left out, beside what watch.c leaves out: peers whose present life is not known yet; what no
 * protocol can tell (the same places as in judge.c). */
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define UNHEARD_NS   (30 * SIM_S)
#define NOW_AND_THEN 256 /* steps between two looks at all flows */
/* a mark may be reached just within the patience, and the next one as well */
#define ACK_LATE_NS	(22 * SIM_S)
#define ACK_LATE_OLD_NS (62 * SIM_S)

static bool named(const struct node *n, unsigned int link, const char *name)
{
	char text[32];

	snprintf(text, sizeof(text), "10.9.%u.%u", link, 1 + n->index + SIM_NODES * n->address);
	return strcmp(text, name) == 0;
}

static bool knows_by_link(const struct sim *sim, const struct node *n, const struct node *other)
{
	struct sync_peer_view v;

	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (sync_peer_view(pipeline_sync(n->pipeline), i, sim_now(sim), &v) &&
		    named(other, other->link, v.name))
			return true;
	return false;
}

/* Who of the others that is, if it is there and its present life is known. At first it may be taken
 * for late messages of the one before. A peer on two links has the name of the first one, unless it
 * is taken for another peer there. */
static struct node *peer_of(struct sim *sim, const struct node *n, const struct sync_peer_view *v)
{
	for (unsigned int i = 0; i < sim->plan.n_nodes; i++) {
		struct node *other = &sim->node[i];

		if (other == n || !other->up || v->contact.ns < other->started_ns)
			continue;
		if (named(other, other->link, v->name) ||
		    (named(other, !other->link, v->name) && !knows_by_link(sim, n, other)))
			return other;
	}
	return NULL;
}

/* The entry that n has of a flow of another node, if it is about that life. */
static const struct ct_flow *entry_of(const struct node *n, const struct sim_flow *sf)
{
	return sf->life ? node_external(n, &sf->flow) : NULL;
}

/* Has n this from that peer? A node that comes back with another address is another peer for some
 * time. */
static bool has_from(const struct node *n, const struct ct_flow *entry, unsigned int peer)
{
	const struct flow_table *t = external_table(pipeline_external(n->pipeline));

	return entry && table_rec(t, table_find(t, entry))->from == peer;
}

/* What `owner` has said last of its flow is not what `holder` has, from that peer if it is given:
 * in which way? */
static const char *wrong_about(const struct node *owner, const struct node *holder,
			       const struct sim_flow *sf, int peer)
{
	const struct ct_flow *entry = entry_of(holder, sf);
	bool fits = node_fits(holder, owner);

	if (sf->said_end)
		return entry && kernel_stamp_of(entry) <= sf->said_stamp &&
				       (peer < 0 || has_from(holder, entry, (unsigned int)peer)) ?
			       "still has" :
			       NULL;
	if (!sf->alive) /* its end is not told yet */
		return NULL;
	if (!entry && !owner->old && !owner->no_internal &&
	    table_find(pipeline_own(owner->pipeline), &sf->flow) == FLOW_ID_NONE)
		return NULL; /* known once, and not any more: it cannot be told again */
	if (!entry)
		return fits ? "misses" : NULL;
	return kernel_stamp_of(entry) < sf->said_stamp ? "has an earlier state of" : NULL;
}

/* One of those that stand in "but for the last messages", waiting to be sent? */
static bool admits(const struct node *n, const struct sim_flow *sf)
{
	const struct flow_table *t = n->old ? NULL : pipeline_own(n->pipeline);
	uint32_t id = t ? table_find(t, &sf->flow) : FLOW_ID_NONE;

	return id != FLOW_ID_NONE && (table_rec(t, id)->repl.bits & REPL_QUEUED);
}

static void look_at_received(struct sim *sim, const struct node *holder, struct node *owner,
			     unsigned int peer, const struct sync_peer_view *v)
{
	int64_t asked_ns = sim->watch.asked[owner->index][holder->index].at_ns;
	char text[160];

	for (unsigned int i = 0; i < owner->kernel.n_tuples && !sim->failed; i++) {
		const struct sim_flow *sf = &owner->kernel.flow[i];
		const char *what = NULL;

		if (sf->said && !seq_after(sf->said_seq, v->number))
			what = wrong_about(owner, holder, sf, (int)peer);
		else if (!sf->said && sf->alive && !admits(owner, sf) && sf->born_ns < asked_ns &&
			 node_wants(owner, &sf->flow) && node_fits_own(owner) &&
			 node_fits(holder, owner) && !entry_of(holder, sf))
			what = "was never told of";
		else if (!sf->said && !sf->alive && has_from(holder, entry_of(holder, sf), peer))
			what = "still has from an earlier life of its owner";
		if (what)
			sim_fail(sim,
				 "node %u says that it has received all that node %u has told, and "
				 "%s %s",
				 holder->index, owner->index, what,
				 flow_text(sim, &sf->flow, text, sizeof(text)));
	}
}

/* From whom does the peer have it? It may know n by an address that n has left, for some time. */
static bool other_address(const struct sim *sim, const struct node *n, const struct node *peer,
			  const struct sim_flow *sf)
{
	const struct ct_flow *entry = peer->old || peer->no_external ? NULL : entry_of(peer, sf);
	struct sync_peer_view v;

	for (unsigned int i = 0; entry && i < PEERS_MAX; i++)
		if (has_from(peer, entry, i) &&
		    sync_peer_view(pipeline_sync(peer->pipeline), i, sim_now(sim), &v))
			return peer_of((struct sim *)sim, peer, &v) != n;
	return false;
}

static void look_at_heard(struct sim *sim, struct node *n, const struct node *peer,
			  const struct sync_peer_view *v)
{
	int64_t late_ns = peer->old ? ACK_LATE_OLD_NS : ACK_LATE_NS;
	/* What had ended before its last request it is not told, but it removes that; a 1.4.7
	 * neither asks nor removes. */
	bool asked = sim->watch.asked[n->index][peer->index].open;
	int64_t asked_ns = asked ? sim->watch.asked[n->index][peer->index].at_ns : INT64_MAX;
	char text[160];

	for (unsigned int i = 0; i < n->kernel.n_tuples && !sim->failed; i++) {
		const struct sim_flow *sf = &n->kernel.flow[i];
		const char *what = NULL;

		if (!sf->said || (sf->said_end && sf->said_ns <= asked_ns))
			continue;
		if (!seq_after(sf->said_seq, v->acked))
			what = admits(n, sf) || other_address(sim, n, peer, sf) ?
				       NULL :
				       wrong_about(n, peer, sf, -1);
		else if (sim->now_ns - sf->said_ns > late_ns)
			what = "has not acknowledged for long what was said of";
		if (what)
			sim_fail(sim,
				 "node %u says that node %u has heard all that it was told up to "
				 "%u, which %s %s",
				 n->index, peer->index, v->acked, what,
				 flow_text(sim, &sf->flow, text, sizeof(text)));
	}
}

/* In NOTRACK one that has been silent, and then does not answer for half a minute, is taken for a
 * 1.4.x until its life has a name again. What it tells without having heard us then counts as an
 * answer as far as that of a 1.4.x does, which proves nothing. That it does not hear us is said by
 * the other node. */
static bool unheard(const struct sim *sim, const struct node *holder, const struct node *owner)
{
	const struct net_pipe *pipe = &sim->net.pipe[holder->index][owner->index];
	bool cut = sim->net.cut[holder->index][owner->index];
	int64_t until = cut ? sim->now_ns : pipe->healed_ns;

	return until - pipe->cut_ns >= UNHEARD_NS && sim->now_ns - until < 2 * SIM_S;
}

/* What of it can be judged? */
static bool judges_received(const struct sim *sim, const struct node *holder,
			    const struct node *owner)
{
	/* what lies in a kernel goes by its timeout */
	if (holder->no_external || sim->plan.injects)
		return false;
	/* an acknowledgement may have been meant for another node */
	if (sim->plan.n_nodes > 2 && sim->mode == SYNC_MODE_FTFW)
		return false;
	if (sim->mode == SYNC_MODE_NOTRACK)
		return !owner->old && !unheard(sim, holder, owner);
	return true;
}

/* A 1.4.7 with a small list acknowledges what it asked for in vain; and while all is on its way
 * again, because its first acknowledgement shows that it had not heard the beginning, that is not
 * heard yet. */
static bool knows_heard(const struct node *n, const struct node *peer)
{
	return !peer->old || (peer->conf.resend_queue_size >= SIM_RING &&
			      !sync_bulk_running(pipeline_sync(n->pipeline)));
}

/* In ALARM nothing tells of a restart but the numbers and a long silence. Numbers that stand where
 * they stood, or that go on from there after no longer a pause than lies between two repetitions,
 * are those of one life as far as anybody can tell. What the life before had told, and nobody
 * repeats, goes when CacheTimeout is over. */
static bool unnoticed(const struct sim *sim, const struct node *n, unsigned int place,
		      const struct node *peer, const struct sync_peer_view *v)
{
	uint32_t number = sim->watch.claims[n->index][place].number;

	if (sim->mode != SYNC_MODE_ALARM)
		return false;
	return v->number == number || (peer->first_seq == number + 1 &&
				       sim->now_ns - peer->started_ns < SIM_CACHE_S * SIM_S);
}

static void look(struct sim *sim, struct node *n, bool all)
{
	struct sync_standing node;

	sync_standing(pipeline_sync(n->pipeline), sim_now(sim), &node);
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct sync_peer_view v;
		struct node *peer;
		bool received, heard;

		if (!sync_peer_view(pipeline_sync(n->pipeline), i, sim_now(sim), &v))
			continue;
		/* Of an address that was left nothing is said but that; its node may be back there
		 * in this moment. */
		peer = v.left ? NULL : peer_of(sim, n, &v);
		received = v.standing.lack == STANDING_LACKS_NOTHING && node.whole && node.kept;
		heard = v.standing.heard == STANDING_HEARD;
		/* Where nothing tells of a restart, numbers that are those of the life before; it
		 * may say under them what that said. */
		received = received && peer &&
			   !seq_after(v.number, sim->watch.node[peer->index].seq) &&
			   !unnoticed(sim, n, i, peer, &v);
		if (received && (all || !sim->watch.claims[n->index][i].received) &&
		    judges_received(sim, n, peer))
			look_at_received(sim, n, peer, i, &v);
		if (peer && heard && sim->plan.kind != KIND_LIMIT &&
		    (all || !sim->watch.claims[n->index][i].heard) &&
		    judges_received(sim, peer, n) && knows_heard(n, peer))
			look_at_heard(sim, n, peer, &v);
		sim->watch.claims[n->index][i].received = received;
		sim->watch.claims[n->index][i].heard = heard;
	}
}

void truth_started(struct sim *sim)
{
	struct sync_peer_view v;

	for (unsigned int i = 0; i < sim->plan.n_nodes; i++)
		for (unsigned int k = 0; sim->node[i].up && !sim->node[i].old && k < PEERS_MAX; k++)
			if (sync_peer_view(pipeline_sync(sim->node[i].pipeline), k, sim_now(sim),
					   &v))
				sim->watch.claims[i][k].number = v.number;
}

void truth_look(struct sim *sim)
{
	bool all = ++sim->watch.looks % NOW_AND_THEN == 0;

	if (sim->plan.kind == KIND_FORGED || sim->plan.kind == KIND_DATA)
		return;
	for (unsigned int i = 0; i < sim->plan.n_nodes && !sim->failed; i++)
		if (sim->node[i].up && !sim->node[i].old)
			look(sim, &sim->node[i], all);
}
