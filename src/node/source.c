/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our kernel has told otherwise than by an event, and what we did to our kernel ourselves,
 * whatever the source (node/source.h): entries of a dump, answers, our own commits and flushes. */
#include "node/source.h"

#include "cache/peer_flows.h"
#include "node/path.h"
#include "node/sink.h"

#define LATELY_MS 1000 /* the kernel's events about what went along have been read by then */

static bool is_alive(const struct pipeline *p, uint32_t id)
{
	return id != FLOW_ID_NONE && table_rec(p->own, id)->state != REC_DEAD;
}

void pipeline_dumped(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now)
{
	struct ct_flow copy;

	f = path_with_timeout(p, f, &copy);
	if (!peers_flow_dumped(p, f) && flow_filter_pass(p->filter, f))
		p->source->dumped(p, f, announce, now);
}

void pipeline_verified(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	if (!p->sink->in_kernel || table_find(p->own, f) != FLOW_ID_NONE)
		pipeline_dumped(p, f, true, now);
	else
		peers_flow_dumped(p, f);
}

bool pipeline_adopted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	bool wanted = flow_filter_pass(p->filter, f);

	if (wanted)
		peer_flows_remove(p->peer_flows, f);
	pipeline_dumped(p, f, true, now);
	return wanted;
}

void pipeline_dump_begin(struct pipeline *p)
{
	peer_flows_pass_begin(p->peer_flows);
}

void pipeline_dump_end(struct pipeline *p)
{
	peer_flows_pass_end(p->peer_flows);
}

const struct sink_ops *pipeline_sink(const struct pipeline *p)
{
	return p->sink;
}

uint32_t pipeline_peer_flows(const struct pipeline *p)
{
	return peer_flows_count(p->peer_flows);
}

bool pipeline_in_kernel(const struct pipeline *p, const struct ct_flow *f)
{
	return is_alive(p, p->source->find(p, f)) || peer_flows_has(p->peer_flows, f);
}

void pipeline_entry_made(struct pipeline *p, const struct ct_flow *f)
{
	p->source->entry_made(p, f);
}

void pipeline_injected(struct pipeline *p, const struct ct_flow *f, bool written, struct mono now)
{
	complete_external_found(p, f);
	p->source->injected(p, f, written, now);
}

/* What the record says beside what the kernel does. */
static void remembered(const struct flow_rec *rec, struct ct_memory *m, struct mono now)
{
	m->received_s = internal_received_s(rec, now);
	switch ((enum internal_word)rec->repl.word) {
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
	case INTERNAL_WORD_RECEIVED:
		m->last = CT_WRITTEN;
		return;
	}
}

void pipeline_memory(const struct pipeline *p, const struct ct_flow *f, struct ct_memory *m,
		     struct mono now)
{
	uint32_t id = p->source->find(p, f);

	m->peers_s = p->sink->changed_s(p, f);
	if (is_alive(p, id))
		remembered(table_rec(p->own, id), m, now);
	else if (peer_flows_received(p->peer_flows, f, &m->received_s))
		m->last = CT_WRITTEN;
}

/* ---- what we did ourselves ---- */

/* What goes with a flow that we have deleted, beside its record. */
static void goes_with(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	p->purged = now;
	complete_internal_found(p, f);
	/* Also when the cache has been emptied already: the kernel is about to tell their end as
	 * an event. */
	if (p->expects)
		exp_path_master_purged(p->expects, f);
	peer_flows_remove(p->peer_flows, f);
}

static void forget(struct pipeline *p, uint32_t id)
{
	if (id == FLOW_ID_NONE)
		return;
	sync_forget(p->sync, id);
	p->source->release(p, id);
}

void pipeline_purged(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	goes_with(p, f, now);
	forget(p, p->source->deleted(p, f, now));
}

void pipeline_ended(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id;

	goes_with(p, f, now);
	id = p->source->deleted(p, f, now);
	if (id != FLOW_ID_NONE && sync_peers_are_ours(p->sync))
		p->source->changed(p, INTERNAL_DESTROY, id, now);
	else
		forget(p, id);
}

void pipeline_displaced(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	goes_with(p, f, now);
	p->source->displaced(p, f, now);
}

bool pipeline_purged_lately(const struct pipeline *p, struct mono now)
{
	return mono_is_set(p->purged) && mono_diff_ms(now, p->purged) < LATELY_MS;
}

void pipeline_commit(struct pipeline *p, const struct ct_flow *f, struct mono now, uint32_t *id,
		     bool *inserted)
{
	*id = FLOW_ID_NONE;
	*inserted = false;
	p->source->commit(p, f, now, id, inserted);
}

void pipeline_committed(struct pipeline *p, const struct ct_flow *f, uint32_t was, bool cleared,
			struct mono now)
{
	p->source->committed(p, f, was, cleared, now);
}

void pipeline_commit_kept(struct pipeline *p, const struct ct_flow *f, bool written,
			  struct mono now)
{
	uint32_t id = p->source->find(p, f);

	/* The kernel has just answered: this is newer than all events that were read. */
	if (id != FLOW_ID_NONE)
		internal_ask(p->internal, id);
	pipeline_dumped(p, f, true, now);
	if (!written)
		return;
	if (id == FLOW_ID_NONE)
		id = p->source->find(p, f);
	if (is_alive(p, id))
		internal_written(p->internal, id, f, now);
}

void pipeline_commit_undo(struct pipeline *p, uint32_t id)
{
	if (internal_commit_undo(p->internal, id))
		forget(p, id); /* a bulk send came across it */
}
