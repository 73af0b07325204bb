/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source without internal cache (DisableInternalCache): a record of cache/bypass.c lives
 * from the event to its message, and a full send walks over a dump of the kernel table, which
 * the world feeds in with pipeline_bulk_entry() and what follows it.
 *
 *   kernel event ---> bypass_event ---> filter ---> bypass ---> path_changed ---> sync
 *   full send ------> bypass_walk ----> reader.dump
 *   dump entry -----> pipeline_bulk_entry -------> filter ---> bypass ---> bypass_walk ---> sync
 *
 * What got lost cannot be looked up later: the peers are told that something is missing, and
 * everything is sent. */
#include "node/source.h"

#include "node/path.h"

#define LOST_EVERY_MS 1000 /* the peers are not told more often that something was lost */

static void bypass_changed(struct pipeline *p, enum internal_change change, uint32_t id,
			   struct mono now)
{
	if (change == INTERNAL_FULL) {
		path_full(p, &p->stats.full_internal, "the outgoing queue", now);
		p->lost = true;
	} else {
		path_changed(p, change, id, now);
	}
}

/* Nobody knows here whether the peers have heard of a flow that ends. Its last state may be one
 * that the filter does not want, and does not count; its addresses and protocol are what they
 * were. */
static bool path_end_passes(const struct pipeline *p, const struct ct_flow *f)
{
	struct ct_flow stateless;

	flow_copy(&stateless, f);
	stateless.has &= ~FLOW_HAS_PROTO_STATE;
	return flow_filter_pass(p->filter, &stateless);
}

/* Has the flow a zone of one direction? The peers would take it for another one (cache/clash.c),
 * so they hear nothing of it. */
static bool zoned(struct pipeline *p, const struct ct_flow *f, bool is_new)
{
	if (!flow_zone_is_partial(f))
		return false;
	p->stats.zoned += is_new;
	ambiguous_zone(p);
	return true;
}

static void bypass_event(struct pipeline *p, enum ct_event what, bool packet,
			 const struct ct_flow *f, struct mono now)
{
	enum internal_change change;
	uint32_t id;

	(void)packet;
	if (what == CT_EVENT_DESTROY ? !path_end_passes(p, f) : !flow_filter_pass(p->filter, f)) {
		p->stats.filtered++;
		return;
	}
	if (zoned(p, f, what == CT_EVENT_NEW))
		return;
	if (what == CT_EVENT_DESTROY) {
		change = bypass_destroy(p->bypass, f, now, &id);
		if (change == INTERNAL_DESTROY)
			path_ended(p, f);
	} else {
		change = what == CT_EVENT_NEW ? bypass_new_flow(p->bypass, f, now, &id) :
						bypass_update(p->bypass, f, now, &id);
	}
	bypass_changed(p, change, id, now);
}

static void bypass_seen(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now)
{
	enum internal_change change;
	uint32_t id;

	if (zoned(p, f, false))
		return;
	change = bypass_new_flow(p->bypass, f, now, &id);
	if (announce || change == INTERNAL_FULL)
		bypass_changed(p, change, id, now);
}

static uint32_t bypass_deleted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id = table_find(p->own, f);

	if (id != FLOW_ID_NONE)
		sync_forget(p->sync, id);
	bypass_purge(p->bypass, f, now);
	return FLOW_ID_NONE;
}

/* No record says whether the peers have heard of f, so its end is one like any other: the filter
 * decides. */
static void bypass_displaced(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	bypass_event(p, CT_EVENT_DESTROY, false, f, now);
}

/* What waits to be sent is no record of what our kernel has. */
static uint32_t bypass_find(const struct pipeline *p, const struct ct_flow *f)
{
	(void)p;
	(void)f;
	return FLOW_ID_NONE;
}

static void bypass_entry_made(struct pipeline *p, const struct ct_flow *f)
{
	(void)p;
	(void)f;
}

static void bypass_injected(struct pipeline *p, const struct ct_flow *f, bool written,
			    struct mono now)
{
	(void)p;
	(void)f;
	(void)written;
	(void)now;
}

static void bypass_commit(struct pipeline *p, const struct ct_flow *f, struct mono now,
			  uint32_t *id, bool *inserted)
{
	(void)p;
	(void)f;
	(void)now;
	(void)id;
	(void)inserted;
}

static void bypass_committed(struct pipeline *p, const struct ct_flow *f, uint32_t was,
			     bool cleared, struct mono now)
{
	(void)p;
	(void)f;
	(void)was;
	(void)cleared;
	(void)now;
}

/* A full send without internal cache: the walk follows the kernel dump that its beginning
 * starts. */
static size_t bypass_walk(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n)
{
	size_t got;

	if (*pos == 0) {
		*pos = 1;
		p->dumping = true;
		p->paused = p->no_room = false;
		bypass_dump_begin(p->bypass);
		p->reader.dump(p->reader.ctx);
	}
	got = bypass_take_dumped(p->bypass, ids, n);
	if (p->paused && bypass_n_dumped(p->bypass) < BYPASS_DUMPED_HIGH / 2) {
		p->paused = false;
		p->reader.dump_pause(p->reader.ctx, false);
	}
	if (got == 0 && p->dumping)
		ids[got++] = FLOW_ID_NONE; /* nothing yet */
	return got;
}

void pipeline_bulk_entry(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	struct ct_flow copy;

	if (!flow_filter_pass(p->filter, f) || zoned(p, f, false))
		return;
	if (!bypass_dumped(p->bypass, path_with_timeout(p, f, &copy), now)) {
		path_full(p, &p->stats.full_internal, "the outgoing queue", now);
		p->no_room = true;
	}
	if (bypass_n_dumped(p->bypass) >= BYPASS_DUMPED_HIGH) {
		p->paused = true;
		p->reader.dump_pause(p->reader.ctx, true);
	}
}

bool pipeline_master(struct pipeline *p, const struct ct_flow *f, bool only_adjusted,
		     struct mono now)
{
	enum internal_change change;
	uint32_t id;

	if (!flow_filter_pass(p->filter, f) || zoned(p, f, false))
		return false;
	if (only_adjusted && !(f->has & FLOW_HAS_SEQADJ))
		return true;
	change = bypass_new_flow(p->bypass, f, now, &id);
	bypass_changed(p, change, id, now);
	return true;
}

void pipeline_bulk_part(struct pipeline *p)
{
	bypass_dump_part(p->bypass);
}

bool pipeline_bulk_end(struct pipeline *p)
{
	bool complete = !p->no_room;

	p->paused = p->no_room = false;
	if (complete) {
		p->dumping = false;
		bypass_dump_end(p->bypass);
	}
	return complete;
}

void pipeline_lost(struct pipeline *p)
{
	p->lost = true;
}

/* Losses come in bursts: they are said together. */
static struct mono bypass_turn(struct pipeline *p, struct mono now)
{
	if (!p->lost)
		return (struct mono){ 0 };
	if (mono_is_set(p->lost_due) && mono_before(now, p->lost_due))
		return p->lost_due;
	p->lost = false;
	p->lost_due = mono_add_ms(now, LOST_EVERY_MS);
	sync_lost(p->sync, now);
	return (struct mono){ 0 };
}

static bool bypass_has(const struct pipeline *p, uint32_t id)
{
	return table_has_id(p->own, id);
}

static bool bypass_is_dead(const struct pipeline *p, uint32_t id)
{
	(void)p;
	(void)id;
	return true;
}

static void bypass_sent(struct pipeline *p, uint32_t id)
{
	bypass_release(p->bypass, id);
}

/* Nobody knows what the peers have: only what is whole may replace it. */
static enum msg_change bypass_change(const struct flow_rec *rec)
{
	return rec->state == REC_NEW ? MSG_NEW : MSG_UPDATE;
}

static bool bypass_more(const struct pipeline *p)
{
	(void)p;
	return false;
}

const struct source_ops source_bypass = {
	.event = bypass_event,
	.dumped = bypass_seen,
	.changed = bypass_changed,
	.deleted = bypass_deleted,
	.displaced = bypass_displaced,
	.find = bypass_find,
	.entry_made = bypass_entry_made,
	.injected = bypass_injected,
	.commit = bypass_commit,
	.committed = bypass_committed,
	.has = bypass_has,
	.is_dead = bypass_is_dead,
	.release = bypass_sent,
	.walk = bypass_walk,
	.change = bypass_change,
	.turn = bypass_turn,
	.more = bypass_more,
};
