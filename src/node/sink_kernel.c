/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Without external cache: whose are the flows of our kernel? Those that a peer has told about
 * and no packet has hit here are the peer's (cache/foreign.h), all others are ours, also those
 * that are both's. */
#include "node/path.h"

#include "cache/foreign.h"

/* Our kernel speaks about it: packets have hit it, so it is ours as well, or it has ended. */
uint32_t foreign_path_event(struct pipeline *p, enum ct_event what, const struct ct_flow *f)
{
	uint32_t told_s;

	if (!p->foreign || foreign_count(p->foreign) == 0)
		return 0;
	if (what != CT_EVENT_DESTROY && !flow_filter_pass(p->filter, f))
		return 0;
	if (!foreign_told(p->foreign, f, &told_s))
		return 0;
	foreign_remove(p->foreign, f);
	return told_s;
}

bool foreign_path_dumped(struct pipeline *p, const struct ct_flow *f)
{
	if (!p->foreign || !foreign_has(p->foreign, f))
		return false;
	foreign_pass_seen(p->foreign, f);
	return true;
}

bool pipeline_adopted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	bool wanted = flow_filter_pass(p->filter, f);

	if (p->foreign && wanted)
		foreign_remove(p->foreign, f);
	pipeline_dumped(p, f, true, now);
	return wanted;
}

void pipeline_dump_begin(struct pipeline *p)
{
	if (p->foreign)
		foreign_pass_begin(p->foreign);
}

void pipeline_dump_end(struct pipeline *p)
{
	if (p->foreign)
		foreign_pass_end(p->foreign);
}

/* A node that only receives has no flows of its own to look for. */
static uint32_t own_find(const struct pipeline *p, const struct ct_flow *f)
{
	return p->bypass || table_count(p->own) == 0 ? FLOW_ID_NONE : table_find(p->own, f);
}

static bool lives(const struct pipeline *p, uint32_t id)
{
	return id != FLOW_ID_NONE && table_rec(p->own, id)->state != REC_DEAD;
}

void pipeline_injected(struct pipeline *p, const struct ct_flow *f, bool written, struct mono now)
{
	uint32_t id;

	whole_path_external_found(p, f);
	if (p->bypass)
		return;
	id = own_find(p, f);
	if (lives(p, id))
		internal_told(p->internal, id, f, written, now);
	else
		foreign_add(p->foreign, f, mono_s(now));
}

bool pipeline_in_kernel(const struct pipeline *p, const struct ct_flow *f)
{
	return !p->bypass && (lives(p, own_find(p, f)) || foreign_has(p->foreign, f));
}

void pipeline_memory(const struct pipeline *p, const struct ct_flow *f, struct ct_memory *m,
		     struct mono now)
{
	uint32_t id = own_find(p, f),
		 peers = p->external ? table_find(external_table(p->external), f) : FLOW_ID_NONE;
	const struct flow_rec *rec;

	if (peers != FLOW_ID_NONE)
		m->peers_s = table_rec(external_table(p->external), peers)->peer.changed_s;

	if (!lives(p, id)) {
		if (p->foreign && foreign_told(p->foreign, f, &m->told_s))
			m->last = CT_WRITTEN;
		return;
	}
	rec = table_rec(p->own, id);
	m->told_s = internal_told_s(rec, now);
	switch ((enum internal_word)rec->mark.word) {
	case INTERNAL_WORD_NONE:
		return;
	case INTERNAL_WORD_PACKET:
		m->last = CT_PACKETS;
		m->born_s = rec->created_s;
		return;
	case INTERNAL_WORD_WRITTEN:
		m->last = CT_WRITTEN;
		m->end_s =
			rec->flow.has & FLOW_HAS_TIMEOUT ? rec->updated_s + rec->flow.timeout_s : 0;
		return;
	case INTERNAL_WORD_TOLD:
		m->last = CT_WRITTEN;
		return;
	}
}

uint32_t pipeline_foreign(const struct pipeline *p)
{
	return p->foreign ? foreign_count(p->foreign) : 0;
}

/* A peer's flows are in our kernel only, and it does not tell us when we forward them in the
 * peer's place: TCP that is established is silent. Should the peer come back with an empty table
 * it gets them from us, and our own death kills nothing then. When it has not lost its table it
 * hears of flows that it has: ct_judge() keeps what packets here have taken further. */
static void adopt(struct pipeline *p)
{
	if (p->foreign && foreign_count(p->foreign) > 0 && p->env.adopt)
		p->env.adopt(p->env.ctx);
}

void foreign_path_peer_begins(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	stale_path_peer_begins(p, peer);
	adopt(p);
}

/* As the node that was active before does when its scheduled flush has emptied its table. What
 * it told us when it had heard of our take-over late, after -R had looked for what is to be
 * ours, is nowhere but in our kernel then. A backup keeps the active node's flows apart: that
 * one asks because it misses something of ours. */
void foreign_path_peer_asks(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	(void)peer;
	if (p->env.active && p->env.active(p->env.ctx))
		adopt(p);
}
