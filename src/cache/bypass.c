/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes that wait to be sent, where there is no internal cache.
 *
 *             NEW        UPDATE                DESTROY      dump entry
 *   none      insert     insert, ALIVE         insert DEAD  insert
 *   NEW       replace    merge                 DEAD         what the record says over the entry,
 *                                                           NEW
 *   ALIVE     replace    merge                 DEAD         the same
 *   DEAD      replace    replace, NEW          nothing      nothing
 *
 * The kernel makes a part of a dump when the part before it is read, so what we read may be older
 * than an event that was read since, and has been sent. Sent after that event, the entry of a flow
 * that has ended would never be removed at a peer. So while a dump is under way a record stays when
 * its message has been made (BYPASS_HELD), until the next part has been read: a record that exists
 * is always newer than the entry. */
#include "cache/bypass.h"

#include <stdlib.h>

#define BYPASS_HELD   0x01u /* its message has been made; it stays because of a dump */
#define BYPASS_DUMPED 0x02u /* entry of a dump that bypass_take_dumped() has not returned yet */

#define HELD_MIN 256u

struct bypass {
	struct flow_table *table;
	bool dumping;
	/* Ids that may have been freed, or used again, since: what counts is the bit in the record,
	 * if there is one. */
	uint32_t dumped[BYPASS_DUMPED_MAX];
	uint32_t dumped_head, dumped_tail;
	uint32_t *held;
	size_t n_held, cap_held;
};

struct bypass *bypass_new(uint32_t buckets, uint32_t limit, const struct hash_key *key)
{
	struct bypass *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->table = table_new(buckets, limit, key);
	if (!b->table) {
		free(b);
		return NULL;
	}
	return b;
}

void bypass_free(struct bypass *b)
{
	if (!b)
		return;
	table_free(b->table);
	free(b->held);
	free(b);
}

struct flow_table *bypass_table(struct bypass *b)
{
	return b->table;
}

/* ---- events ---- */

static bool other_incarnation(const struct flow_rec *rec, const struct ct_flow *f)
{
	return (rec->flow.has & f->has & FLOW_HAS_ID) && rec->flow.id != f->id;
}

static enum internal_change rec_whole(struct bypass *b, uint32_t id, const struct ct_flow *f)
{
	table_replace(b->table, id, f);
	table_set_state(b->table, id, REC_NEW);
	table_rec(b->table, id)->flags = 0;
	return INTERNAL_NEW;
}

enum internal_change bypass_new_flow(struct bypass *b, const struct ct_flow *f, struct mono now,
				     uint32_t *id)
{
	bool inserted;

	*id = table_find_or_insert(b->table, f, mono_s(now), &inserted, NULL);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	return inserted ? INTERNAL_NEW : rec_whole(b, *id, f);
}

enum internal_change bypass_update(struct bypass *b, const struct ct_flow *f, struct mono now,
				   uint32_t *id)
{
	bool inserted, changed;
	struct flow_rec *rec;

	*id = table_find_or_insert(b->table, f, mono_s(now), &inserted, NULL);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	rec = table_rec(b->table, *id);
	if (inserted) {
		table_set_state(b->table, *id, REC_ALIVE);
		return INTERNAL_UPDATE;
	}
	if (rec->state == REC_DEAD || other_incarnation(rec, f)) /* its NEW was filtered, or lost */
		return rec_whole(b, *id, f);
	table_merge(b->table, *id, f, &changed);
	rec->flags = 0;
	return INTERNAL_UPDATE;
}

enum internal_change bypass_destroy(struct bypass *b, const struct ct_flow *f, struct mono now,
				    uint32_t *id)
{
	bool inserted, changed;
	struct flow_rec *rec;

	*id = table_find_or_insert(b->table, f, mono_s(now), &inserted, NULL);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	rec = table_rec(b->table, *id);
	if (!inserted) {
		if (rec->state == REC_DEAD)
			return INTERNAL_NOTHING;
		if ((rec->flags & BYPASS_DUMPED) && other_incarnation(rec, f))
			/* the dump had the entry before this event was read */
			return INTERNAL_NOTHING;
		table_merge(b->table, *id, f, &changed);
		rec->flags = 0;
	}
	table_set_state(b->table, *id, REC_DEAD);
	return INTERNAL_DESTROY;
}

/* ---- the end of a record ---- */

static bool rec_hold(struct bypass *b, uint32_t id)
{
	struct flow_rec *rec = table_rec(b->table, id);

	if (b->n_held == b->cap_held) {
		size_t cap = b->cap_held ? b->cap_held * 2 : HELD_MIN;
		uint32_t *held = realloc(b->held, cap * sizeof(*held));

		if (!held)
			return false;
		b->held = held;
		b->cap_held = cap;
	}
	b->held[b->n_held++] = id;
	rec->flags = BYPASS_HELD;
	if (rec->state == REC_NEW) /* from now on changes are updates of what was sent */
		table_set_state(b->table, id, REC_ALIVE);
	return true;
}

void bypass_release(struct bypass *b, uint32_t id)
{
	if (!b->dumping || !rec_hold(b, id))
		table_remove(b->table, id);
}

void bypass_dump_part(struct bypass *b)
{
	for (size_t i = 0; i < b->n_held; i++) {
		uint32_t id = b->held[i];

		if (table_has_id(b->table, id) && (table_rec(b->table, id)->flags & BYPASS_HELD))
			table_remove(b->table, id);
	}
	b->n_held = 0;
}

void bypass_purge(struct bypass *b, const struct ct_flow *f, struct mono now)
{
	uint32_t id = table_find(b->table, f);

	if (id == FLOW_ID_NONE && b->dumping)
		id = table_insert(b->table, f, mono_s(now), NULL);
	if (id == FLOW_ID_NONE)
		return;
	table_set_state(b->table, id, REC_DEAD);
	bypass_release(b, id);
}

/* ---- bulk sends ---- */

void bypass_dump_begin(struct bypass *b)
{
	b->dumping = true;
}

void bypass_dump_end(struct bypass *b)
{
	bypass_dump_part(b);
	b->dumping = false;
}

static bool rec_dumped(struct bypass *b, uint32_t id)
{
	struct flow_rec *rec = table_rec(b->table, id);

	if (rec->flags & BYPASS_DUMPED)
		return true;
	if (bypass_n_dumped(b) == BYPASS_DUMPED_MAX)
		return false;
	rec->flags = BYPASS_DUMPED;
	b->dumped[b->dumped_tail++ % BYPASS_DUMPED_MAX] = id;
	return true;
}

/* The record becomes the entry of the dump, with what events have reported since merged over it. */
static void rec_rebase(struct bypass *b, uint32_t id, const struct ct_flow *f)
{
	const struct flow_rec *rec = table_rec(b->table, id);
	struct ct_flow said;
	struct flow_rare rare;
	bool changed;

	flow_copy(&said, &rec->flow);
	if (said.rare) {
		rare = *said.rare;
		said.rare = &rare;
	}
	table_replace(b->table, id, f);
	table_merge(b->table, id, &said, &changed);
	table_set_state(b->table, id, REC_NEW);
}

bool bypass_dumped(struct bypass *b, const struct ct_flow *f, struct mono now)
{
	bool inserted;
	uint32_t id = table_find_or_insert(b->table, f, mono_s(now), &inserted, NULL);
	struct flow_rec *rec;

	if (id == FLOW_ID_NONE)
		return false;
	rec = table_rec(b->table, id);
	if (!inserted) {
		if (rec->state == REC_DEAD || other_incarnation(rec, f))
			return true;
		rec_rebase(b, id, f);
		if (rec->repl.bits & (REPL_QUEUED | REPL_BATCH))
			return true; /* it is about to be sent anyway */
	}
	if (rec_dumped(b, id))
		return true;
	if (inserted)
		table_remove(b->table, id);
	return false;
}

uint32_t bypass_n_dumped(const struct bypass *b)
{
	return b->dumped_tail - b->dumped_head;
}

size_t bypass_take_dumped(struct bypass *b, uint32_t *ids, size_t n)
{
	size_t got = 0;

	while (got < n && bypass_n_dumped(b) > 0) {
		uint32_t id = b->dumped[b->dumped_head++ % BYPASS_DUMPED_MAX];

		if (!table_has_id(b->table, id) ||
		    !(table_rec(b->table, id)->flags & BYPASS_DUMPED))
			/* an event has put it into the other queue, and it has been sent, or
			 * will be */
			continue;
		table_rec(b->table, id)->flags = 0;
		ids[got++] = id;
	}
	return got;
}
