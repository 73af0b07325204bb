/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reaches the internal cache otherwise than by an event: entries of a dump, answers of the
 * kernel, and what we did to the kernel ourselves, which is told to no peer. */
#include "node/path.h"

#include "cache/foreign.h"

#define LATELY_MS 1000 /* the kernel's events about what went along have been read by then */

void pipeline_dumped(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now)
{
	enum internal_change change;
	struct ct_flow copy;
	uint32_t id;

	f = path_with_life(p, f, &copy);
	if (foreign_path_dumped(p, f) || !flow_filter_pass(p->filter, f))
		return;
	if (p->sync && flow_zone_is_partial(f)) {
		clash_path_zoned(p);
		if (p->bypass)
			return;
	}
	change = p->bypass ? bypass_new_flow(p->bypass, f, now, &id) :
			     internal_dumped(p->internal, f, now, &id);
	if (change != INTERNAL_FULL)
		whole_path_internal_found(p, f);
	if (announce || change == INTERNAL_FULL)
		path_changed(p, change, id, now);
}

void pipeline_verified(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	bool injecting = p->sync && !p->external;

	if (!injecting || table_find(p->own, f) != FLOW_ID_NONE)
		pipeline_dumped(p, f, true, now);
	else
		foreign_path_dumped(p, f);
}

void pipeline_answered(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	enum internal_change change;
	struct ct_flow copy;
	uint32_t id;

	change = internal_answered(p->internal, path_with_life(p, f, &copy), now, &id);
	path_changed(p, change, id, now);
}

void pipeline_renewed(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	struct ct_flow copy;
	uint32_t id;
	enum internal_change change =
		internal_renewed(p->internal, path_with_life(p, f, &copy), now, &id);

	path_changed(p, change, id, now);
}

void pipeline_gone(struct pipeline *p, uint32_t id, struct mono now)
{
	enum internal_change change = internal_gone(p->internal, id, now);

	if (change == INTERNAL_DESTROY)
		path_ended(p, &table_rec(internal_table(p->internal), id)->flow);
	path_changed(p, change, id, now);
}

static void bypass_purged(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id = table_find(p->own, f);

	if (id != FLOW_ID_NONE)
		sync_forget(p->sync, id);
	bypass_purge(p->bypass, f, now);
}

/* The id of the record that has died; FLOW_ID_NONE: there is none. */
static uint32_t deleted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id;

	p->purged = now;
	whole_path_internal_found(p, f);
	/* Also when the cache has been emptied already: the kernel is about to tell their end as
	 * an event. */
	if (p->expects)
		exp_path_master_purged(p->expects, f);
	if (p->foreign)
		foreign_remove(p->foreign, f);
	if (p->bypass)
		bypass_purged(p, f, now);
	if (p->bypass || table_count(p->own) == 0 ||
	    internal_destroy(p->internal, f, now, &id) != INTERNAL_DESTROY)
		return FLOW_ID_NONE;
	path_ended(p, f);
	return id;
}

static void forget(struct pipeline *p, uint32_t id)
{
	if (id == FLOW_ID_NONE)
		return;
	if (p->sync)
		sync_forget(p->sync, id);
	internal_release(p->internal, id);
}

void pipeline_purged(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	forget(p, deleted(p, f, now));
}

void pipeline_ended(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id = deleted(p, f, now);

	if (id != FLOW_ID_NONE && sync_peers_are_ours(p->sync))
		path_changed(p, INTERNAL_DESTROY, id, now);
	else
		forget(p, id);
}

void pipeline_displaced(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id = deleted(p, f, now);

	if (id != FLOW_ID_NONE)
		path_changed(p, INTERNAL_DESTROY, id, now);
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
	if (!p->internal)
		return;
	if (internal_commit(p->internal, f, now, id, inserted) == INTERNAL_FULL)
		whole_path_internal_full(p, now);
	else
		whole_path_internal_found(p, f);
}

void pipeline_committed(struct pipeline *p, const struct ct_flow *f, uint32_t was, bool cleared,
			struct mono now)
{
	enum internal_change change;
	uint32_t id;

	if (!p->internal)
		return;
	if (was != FLOW_ID_NONE && table_has_id(p->own, was) &&
	    flow_same_key(&table_rec(p->own, was)->flow, f))
		id = was;
	else
		id = table_find(p->own, f);
	if (id != FLOW_ID_NONE) {
		path_changed(p, internal_committed(p->internal, id, f, cleared, now), id, now);
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
	path_changed(p, change, id, now);
}

void pipeline_commit_kept(struct pipeline *p, const struct ct_flow *f, bool written,
			  struct mono now)
{
	uint32_t id = p->internal ? table_find(p->own, f) : FLOW_ID_NONE;

	/* The kernel has just answered: this is newer than all events that were read. */
	if (id != FLOW_ID_NONE)
		internal_ask(p->internal, id);
	pipeline_dumped(p, f, true, now);
	if (!p->internal || !written)
		return;
	if (id == FLOW_ID_NONE)
		id = table_find(p->own, f);
	if (id != FLOW_ID_NONE && table_rec(p->own, id)->state != REC_DEAD)
		internal_written(p->internal, id, f, now);
}

void pipeline_commit_undo(struct pipeline *p, uint32_t id)
{
	if (!internal_commit_undo(p->internal, id))
		return;
	sync_forget(p->sync, id); /* a bulk send came across it */
	internal_release(p->internal, id);
}
