/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source through the internal cache: what our kernel tells is compared with what is known, and
 * only what is new goes on. In the statistics mode there is nobody to go on to, and what has ended
 * leaves at once. */
#include "node/source.h"

#include "cache/clash.h"
#include "cache/peer_flows.h"
#include "node/path.h"

/* ---- our kernel ---- */

static void cache_event(struct pipeline *p, enum ct_event what, bool packet,
			const struct ct_flow *f, struct mono now)
{
	enum internal_change change = INTERNAL_NOTHING;
	uint32_t id = FLOW_ID_NONE, received_s = 0;

	if (peer_flows_count(p->peer_flows) > 0)
		received_s = peers_flow_heard(p, what, f);
	/* The end of a cached flow is never filtered: its last state may be one the filter does
	 * not want, and it would stay here and at the peers for ever. The cache itself ignores the
	 * end of what it does not know. */
	if (what == CT_EVENT_DESTROY) {
		change = internal_destroy(p->internal, f, now, &id);
		if (change == INTERNAL_DESTROY)
			path_ended(p, f);
		else if (!flow_filter_pass(p->filter, f))
			p->stats.filtered++;
	} else if (!flow_filter_pass(p->filter, f)) {
		p->stats.filtered++;
	} else if (what == CT_EVENT_NEW) {
		change = internal_new_flow(p->internal, f, now, &id);
	} else {
		change = internal_update(p->internal, f, now, &id);
	}
	if (id != FLOW_ID_NONE && what != CT_EVENT_DESTROY)
		internal_heard(p->internal, id, packet, what == CT_EVENT_NEW, received_s);
	if (p->in.whole.n_missing > 0 && change != INTERNAL_FULL)
		complete_internal_found(p, f);
	p->source->changed(p, change, id, now);
}

static void cache_dumped(struct pipeline *p, const struct ct_flow *f, bool announce,
			 struct mono now)
{
	enum internal_change change;
	uint32_t id;

	if (flow_zone_is_partial(f))
		ambiguous_zone(p);
	change = internal_dumped(p->internal, f, now, &id);
	if (change != INTERNAL_FULL)
		complete_internal_found(p, f);
	if (announce || change == INTERNAL_FULL)
		p->source->changed(p, change, id, now);
}

static void cache_changed(struct pipeline *p, enum internal_change change, uint32_t id,
			  struct mono now)
{
	if (clash_any(p->clash) && id != FLOW_ID_NONE && change != INTERNAL_NOTHING &&
	    internal_is_hidden(p->internal, id))
		ambiguous_changed(p, change, id, now);
	else if (change == INTERNAL_FULL)
		complete_internal_full(p, now);
	else
		path_changed(p, change, id, now);
}

/* Nobody waits for a message about it. */
static void stats_changed(struct pipeline *p, enum internal_change change, uint32_t id,
			  struct mono now)
{
	if (change == INTERNAL_FULL)
		complete_internal_full(p, now);
	else if (change == INTERNAL_DESTROY)
		internal_release(p->internal, id);
}

static uint32_t cache_deleted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id;

	if (table_count(p->own) == 0 ||
	    internal_destroy(p->internal, f, now, &id) != INTERNAL_DESTROY)
		return FLOW_ID_NONE;
	path_ended(p, f);
	return id;
}

static uint32_t stats_deleted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id = cache_deleted(p, f, now);

	if (id != FLOW_ID_NONE)
		internal_release(p->internal, id);
	return FLOW_ID_NONE;
}

/* A node that only receives has no flows of its own to look for. */
static uint32_t cache_find(const struct pipeline *p, const struct ct_flow *f)
{
	return table_count(p->own) == 0 ? FLOW_ID_NONE : table_find(p->own, f);
}

static void cache_entry_made(struct pipeline *p, const struct ct_flow *f)
{
	uint32_t id = cache_find(p, f);

	if (id != FLOW_ID_NONE)
		internal_entry_made(p->internal, id);
}

static void cache_injected(struct pipeline *p, const struct ct_flow *f, bool written,
			   struct mono now)
{
	uint32_t id = cache_find(p, f);

	if (id != FLOW_ID_NONE && table_rec(p->own, id)->state != REC_DEAD)
		internal_received(p->internal, id, f, written, now);
	else
		peer_flows_add(p->peer_flows, f, mono_s(now));
}

static void cache_commit(struct pipeline *p, const struct ct_flow *f, struct mono now, uint32_t *id,
			 bool *inserted)
{
	if (internal_commit(p->internal, f, now, id, inserted) == INTERNAL_FULL)
		complete_internal_full(p, now);
	else
		complete_internal_found(p, f);
}

static void cache_committed(struct pipeline *p, const struct ct_flow *f, uint32_t was, bool cleared,
			    struct mono now)
{
	enum internal_change change;
	uint32_t id;

	if (was != FLOW_ID_NONE && table_has_id(p->own, was) &&
	    flow_same_key(&table_rec(p->own, was)->flow, f))
		id = was;
	else
		id = table_find(p->own, f);
	if (id != FLOW_ID_NONE) {
		change = internal_committed(p->internal, id, f, cleared, now);
		p->source->changed(p, change, id, now);
		return;
	}
	/* Its record has gone since the request was made: the end of the predecessor was read in
	 * between. Or there is no room, which was said then. */
	if (table_count(p->own) >= table_limit(p->own))
		return;
	change = internal_answered(p->internal, f, now, &id);
	if (id == FLOW_ID_NONE)
		return;
	internal_written(p->internal, id, f, now);
	p->source->changed(p, change, id, now);
}

/* ---- for who compares the cache with the kernel ---- */

void pipeline_answered(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	enum internal_change change;
	struct ct_flow copy;
	uint32_t id;

	change = internal_answered(p->internal, path_with_timeout(p, f, &copy), now, &id);
	p->source->changed(p, change, id, now);
}

void pipeline_timeout_refreshed(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	enum internal_change change;
	struct ct_flow copy;
	uint32_t id;

	change = internal_timeout_refreshed(p->internal, path_with_timeout(p, f, &copy), now, &id);
	p->source->changed(p, change, id, now);
}

void pipeline_gone(struct pipeline *p, uint32_t id, struct mono now)
{
	enum internal_change change = internal_gone(p->internal, id, now);

	if (change == INTERNAL_DESTROY)
		path_ended(p, &table_rec(p->own, id)->flow);
	p->source->changed(p, change, id, now);
}

/* ---- the peers ---- */

static bool cache_has(const struct pipeline *p, uint32_t id)
{
	return table_has_id(p->own, id) && !internal_is_hidden(p->internal, id);
}

static bool cache_is_dead(const struct pipeline *p, uint32_t id)
{
	return table_rec(p->own, id)->state == REC_DEAD;
}

static void cache_release(struct pipeline *p, uint32_t id)
{
	internal_release(p->internal, id);
}

static size_t cache_walk(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n)
{
	size_t got = table_walk(p->own, pos, ids, n);

	for (size_t i = 0; i < got; i++)
		if (cache_is_dead(p, ids[i]) || internal_is_hidden(p->internal, ids[i]))
			ids[i] = FLOW_ID_NONE;
	return got;
}

static enum msg_change cache_change(const struct flow_rec *rec)
{
	if (rec->repl.bits & REPL_REPEAT)
		return MSG_UPDATE;
	return rec->state == REC_NEW || !(rec->repl.bits & REPL_KNOWN) ? MSG_NEW : MSG_UPDATE;
}

static struct mono cache_turn(struct pipeline *p, struct mono now)
{
	ambiguous_step(p, now);
	return (struct mono){ 0 };
}

/* What was acknowledged or sent has made room. */
static bool cache_more(const struct pipeline *p)
{
	return clash_pending(p->clash);
}

static void cache_displaced(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id = cache_deleted(p, f, now);

	if (id != FLOW_ID_NONE)
		cache_changed(p, INTERNAL_DESTROY, id, now);
}

const struct source_ops source_cache = {
	.cache = "internal cache",
	.event = cache_event,
	.dumped = cache_dumped,
	.changed = cache_changed,
	.deleted = cache_deleted,
	.displaced = cache_displaced,
	.find = cache_find,
	.entry_made = cache_entry_made,
	.injected = cache_injected,
	.commit = cache_commit,
	.committed = cache_committed,
	.has = cache_has,
	.is_dead = cache_is_dead,
	.release = cache_release,
	.walk = cache_walk,
	.change = cache_change,
	.turn = cache_turn,
	.more = cache_more,
};

const struct source_ops source_stats = {
	.cache = "statistics cache",
	.event = cache_event,
	.dumped = cache_dumped,
	.changed = stats_changed,
	.deleted = stats_deleted,
	.find = cache_find,
};
