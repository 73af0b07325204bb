/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flows of our own kernel: what an event, a dump entry, an answer or our own commit means for
 * the record.
 *
 *           NEW          UPDATE                DESTROY                  dump entry, answer to GET
 *   none    insert       insert                nothing                  insert, silent
 *   alive   replace      merge (other kernel   dead, unless the kernel  merge (other kernel id:
 *                        id: replace)          id is another one        replace); ask first if an
 *                                                                       event was there before
 *   dead    live again   live again (same id:  nothing                  ask first; then live again,
 *                        silent)                                        silent
 *
 * Three sources speak about the same flow over three sockets, so their order is not the order in
 * which things happened:
 *
 *  - A dump entry may be older than an event that was read before it. So during a pass an entry is
 *    believed only if no event touched the record since the pass began (the dump began later, so it
 *    is newer than all events before); otherwise the record is marked REC_I_DOUBT and the kernel is
 *    asked for this one entry.
 *  - Between question and answer events may arrive, or the record may be freed and its slot used
 *    for another flow. Asking sets REC_I_ASKED, everything else about the record clears it, and an
 *    answer counts only while it is set.
 *  - The kernel id tells incarnations of the same tuple apart only when it differs: it is computed
 *    from the address of the kernel's object, which a new flow may get again. Equal ids prove
 *    nothing.
 *  - A commit, or a create for a peer's news (internal_entry_made()), succeeds although the record
 *    is alive when the flow has just ended in the kernel and its DESTROY is still on the way
 *    (REC_I_RECOMMIT). That DESTROY must not end the flow that was put there; since it might
 *    also be the new one's, the record is kept as a silent one and the next pass decides. Where it
 *    was read before the kernel's answer, the answer is newer (internal_committed()).
 *  - While a commit is in flight the id it holds must not be given to another flow (REC_I_COMMIT,
 *    REC_I_RELEASED).
 *
 * A silent record is one whose end the kernel might never report. Any event about it proves the
 * contrary.
 */
#include "cache/internal.h"

#include <errno.h>
#include <stdlib.h>

#define STEP_IDS      256
#define LOOK_AT_MOST  4096u	       /* flows, in one go */
#define RECEIVED_MASK ((1u << 22) - 1) /* of flow_repl.received_s: 48 days */
#define SLACK_S	      2		       /* the kernel counts whole seconds, and so do we */
#define LOOK_MAX      4096	       /* records that one call looks at in search of unseen ones */

/* The flags that each event clears: an event is newer than every dump, answer and commit before. */
#define EVENT_CLEARS (REC_I_SILENT | REC_I_UNDO | REC_I_DOUBT | REC_I_ASKED | REC_I_RECOMMIT)

struct internal {
	struct flow_table *table;
	struct clash *clash; /* NULL: flows are sent to no peer */
	void (*hidden)(void *ctx, uint32_t id, struct mono now);
	void *hidden_ctx;
	bool (*room)(void *ctx, struct mono now); /* may be NULL */
	void *room_ctx;
	uint32_t refused_hash; /* of the last flow that found no place */
	bool refused_limit;
	uint32_t n_silent;
	uint16_t pass; /* never 0; records of other passes are unseen */
	uint32_t unheard, unheard_from_s, unheard_until_s;
	bool received_timeout; /* timeouts are those that were sent to the peers */
	bool quiet;	       /* the pass leaves no trace in records that were right */
};

struct internal *internal_new(uint32_t buckets, uint32_t limit, const struct hash_key *key)
{
	struct internal *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->pass = 1;
	c->table = table_new(buckets, limit, key);
	if (!c->table) {
		free(c);
		return NULL;
	}
	return c;
}

void internal_free(struct internal *c)
{
	if (!c)
		return;
	clash_free(c->clash);
	table_free(c->table);
	free(c);
}

int internal_watch_clashes(struct internal *c, const struct hash_key *key,
			   void (*hidden)(void *ctx, uint32_t id, struct mono now), void *ctx)
{
	c->clash = clash_new(c->table, key);
	c->hidden = hidden;
	c->hidden_ctx = ctx;
	return c->clash ? 0 : -ENOMEM;
}

void internal_set_room(struct internal *c, bool (*room)(void *ctx, struct mono now), void *ctx)
{
	c->room = room;
	c->room_ctx = ctx;
	table_spare_dead(c->table);
}

bool internal_refused(const struct internal *c, uint32_t *hash)
{
	*hash = c->refused_hash;
	return c->refused_limit;
}

struct clash *internal_clash(struct internal *c)
{
	return c->clash;
}

struct flow_table *internal_table(struct internal *c)
{
	return c->table;
}

uint32_t internal_silent(const struct internal *c)
{
	return c->n_silent;
}

/* ---- records ---- */

static void rec_clear(struct internal *c, struct flow_rec *rec, uint8_t bits)
{
	if (rec->flags & bits & REC_I_SILENT)
		c->n_silent--;
	rec->flags &= (uint8_t)~bits;
}

static void rec_set(struct internal *c, struct flow_rec *rec, uint8_t bits)
{
	if (bits & ~rec->flags & REC_I_SILENT)
		c->n_silent++;
	rec->flags |= bits;
}

/* No room: a record that has ended and waits for an acknowledgement must not keep out a live
 * flow. */
static uint32_t rec_squeeze_in(struct internal *c, const struct ct_flow *f, struct mono now,
			       bool *inserted, int err)
{
	uint32_t id = FLOW_ID_NONE;

	if (err == -ENOSPC && c->room && table_count_dead(c->table) > 0 &&
	    c->room(c->room_ctx, now)) {
		table_stats(c->table)->create_failed_limit--; /* the insertion has not failed yet */
		id = table_find_or_insert(c->table, f, mono_s(now), inserted, &err);
	}
	if (id == FLOW_ID_NONE) {
		c->refused_hash = table_prefetch_index(c->table, f);
		c->refused_limit = err == -ENOSPC;
	}
	return id;
}

/* The record of f, a new one if there is none. */
static uint32_t rec_find_or_insert(struct internal *c, const struct ct_flow *f, struct mono now,
				   bool *inserted)
{
	int err = 0;
	uint32_t id = table_find_or_insert(c->table, f, mono_s(now), inserted, &err), other;

	if (id == FLOW_ID_NONE)
		id = rec_squeeze_in(c, f, now, inserted, err);
	if (!*inserted || !c->clash)
		return id;
	other = clash_add(c->clash, id);
	if (other != FLOW_ID_NONE)
		c->hidden(c->hidden_ctx, other, now);
	return id;
}

/* Free the slot; the id must not be in use any more. */
static void rec_remove(struct internal *c, uint32_t id)
{
	if (c->clash)
		clash_remove(c->clash, id);
	rec_clear(c, table_rec(c->table, id), REC_I_SILENT);
	table_remove(c->table, id);
}

static enum internal_change rec_end(struct internal *c, uint32_t id, struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);

	rec_clear(c, rec, EVENT_CLEARS);
	rec->updated_s = mono_s(now);
	table_set_state(c->table, id, REC_DEAD);
	return INTERNAL_DESTROY;
}

/* A new incarnation of the same tuple takes over the slot. Its message is a CT_NEW, which replaces
 * the old one at the peers too. */
static enum internal_change rec_restart(struct internal *c, uint32_t id, const struct ct_flow *f,
					struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);

	table_replace(c->table, id, f);
	table_set_state(c->table, id, REC_NEW);
	rec_clear(c, rec, REC_I_RELEASED);
	rec->repl.word = INTERNAL_WORD_NONE;
	rec->repl.received_s = 0;
	rec->created_s = rec->updated_s = mono_s(now);
	return INTERNAL_NEW;
}

static bool other_incarnation(const struct flow_rec *rec, const struct ct_flow *f)
{
	return (rec->flow.has & f->has & FLOW_HAS_ID) && rec->flow.id != f->id;
}

/* Merge into an alive record. */
static enum internal_change rec_merge(struct internal *c, uint32_t id, const struct ct_flow *f,
				      struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);
	uint64_t timeout_s = rec->flow.has & FLOW_HAS_TIMEOUT ? rec->flow.timeout_s : 0;
	bool changed;

	table_merge(c->table, id, f, &changed);
	if (f->has & FLOW_HAS_TIMEOUT) {
		rec->updated_s = mono_s(now);
		changed |= f->timeout_s > timeout_s + timeout_s / 2;
	}
	if (!changed)
		return INTERNAL_NOTHING;
	table_set_state(c->table, id, REC_ALIVE);
	return INTERNAL_UPDATE;
}

/* ---- events ---- */

enum internal_change internal_new_flow(struct internal *c, const struct ct_flow *f, struct mono now,
				       uint32_t *id)
{
	bool inserted;
	struct flow_rec *rec;

	*id = rec_find_or_insert(c, f, now, &inserted);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	rec = table_rec(c->table, *id);
	rec->pass = c->pass;
	if (inserted)
		return INTERNAL_NEW;
	rec_clear(c, rec, EVENT_CLEARS);
	if (rec->state != REC_DEAD)
		table_count_replaced(c->table); /* its DESTROY was missed */
	return rec_restart(c, *id, f, now);
}

enum internal_change internal_update(struct internal *c, const struct ct_flow *f, struct mono now,
				     uint32_t *id)
{
	enum internal_change change;
	bool inserted, other;
	struct flow_rec *rec;

	*id = rec_find_or_insert(c, f, now, &inserted);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	rec = table_rec(c->table, *id);
	rec->pass = c->pass;
	if (inserted)
		return INTERNAL_NEW;
	other = other_incarnation(rec, f);
	/* With the kernel id that we know already this may be the predecessor's last UPDATE. */
	if ((rec->flags & REC_I_RECOMMIT) && (rec->flow.has & f->has & FLOW_HAS_ID) && !other)
		rec_clear(c, rec, EVENT_CLEARS & ~REC_I_RECOMMIT);
	else
		rec_clear(c, rec, EVENT_CLEARS);
	if (rec->state == REC_DEAD) {
		/* Usually the NEW was filtered or lost. But another CPU may have overtaken the dead
		 * flow's last UPDATE with its DESTROY, and then nothing would ever end this record:
		 * let a pass look at it. */
		change = rec_restart(c, *id, f, now);
		if (!other)
			rec_set(c, rec, REC_I_SILENT);
		return change;
	}
	table_stats(c->table)->updated++;
	return other ? rec_restart(c, *id, f, now) : rec_merge(c, *id, f, now);
}

enum internal_change internal_destroy(struct internal *c, const struct ct_flow *f, struct mono now,
				      uint32_t *id)
{
	struct flow_rec *rec;

	*id = table_find(c->table, f);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_NOTHING;
	rec = table_rec(c->table, *id);
	if (rec->state == REC_DEAD) {
		rec_clear(c, rec, EVENT_CLEARS);
		return INTERNAL_NOTHING;
	}
	if (rec->flags & REC_I_RECOMMIT) {
		if (other_incarnation(rec, f))
			return rec_end(c, *id, now);
		/* Most likely the predecessor's end. It cannot be known: a flow that a commit has
		 * put there, and of which there was no event since, has no id. The id is cleared,
		 * so the next DESTROY counts. */
		rec_clear(c, rec, REC_I_RECOMMIT);
		rec_set(c, rec, REC_I_SILENT);
		rec->flow.has &= ~FLOW_HAS_ID;
		return INTERNAL_NOTHING;
	}
	if (other_incarnation(rec, f))
		/* a dump was read before this event: the record is the next incarnation */
		return INTERNAL_NOTHING;
	return rec_end(c, *id, now);
}

static void set_received(struct flow_rec *rec, uint32_t received_s)
{
	rec->repl.received_s = received_s & RECEIVED_MASK ? received_s & RECEIVED_MASK : 1;
}

void internal_heard(struct internal *c, uint32_t id, bool packet, bool birth, uint32_t received_s)
{
	struct flow_rec *rec = table_rec(c->table, id);

	if (received_s)
		set_received(rec, received_s);
	if (packet)
		rec->repl.word = INTERNAL_WORD_PACKET;
	else if (birth)
		rec->repl.word = INTERNAL_WORD_WRITTEN;
	else if (received_s)
		rec->repl.word = INTERNAL_WORD_RECEIVED;
}

/* ---- dump entries and answers ---- */

/* If an entry that was written expires at another time than was written, a packet has passed
 * since. */
static void dump_look_for_packets(struct flow_rec *rec, const struct ct_flow *f, struct mono now)
{
	uint64_t end_s = (uint64_t)mono_s(now) + f->timeout_s,
		 was_s = (uint64_t)rec->updated_s + rec->flow.timeout_s;

	if (rec->repl.word == INTERNAL_WORD_WRITTEN &&
	    (rec->flow.has & f->has & FLOW_HAS_TIMEOUT) &&
	    (end_s > was_s + SLACK_S || was_s > end_s + SLACK_S))
		rec->repl.word = INTERNAL_WORD_PACKET;
}

/* A believed entry for an alive record. A dump has the seconds left, which become fewer all the
 * time: the timeout is taken over only if it expires later than the one we know, so that passes do
 * not make idle flows look short-lived. */
static enum internal_change dump_merge(struct internal *c, uint32_t id, const struct ct_flow *f,
				       struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);
	enum internal_change change;
	struct ct_flow news;

	if (other_incarnation(rec, f)) {
		change = rec_restart(c, id, f, now);
		if (!(rec->flags & REC_I_RECOMMIT))
			rec_set(c, rec, REC_I_SILENT); /* we missed its start */
		rec_clear(c, rec, REC_I_RECOMMIT);
		return change;
	}
	dump_look_for_packets(rec, f, now);
	flow_copy(&news, f);
	if ((rec->flow.has & f->has & FLOW_HAS_TIMEOUT) &&
	    (c->received_timeout || (uint64_t)mono_s(now) + f->timeout_s <=
					    (uint64_t)rec->updated_s + rec->flow.timeout_s))
		news.has &= ~FLOW_HAS_TIMEOUT;
	/* A dump has a ct mark for every flow, an event only if the mark is not 0. */
	if (c->quiet && !(rec->flow.has & FLOW_HAS_MARK) && f->mark == 0)
		news.has &= ~FLOW_HAS_MARK;
	if (c->quiet && !(rec->flow.has & FLOW_HAS_TIMES))
		news.has &= ~FLOW_HAS_TIMES;
	rec_clear(c, rec, REC_I_RECOMMIT);
	change = rec_merge(c, id, &news, now);
	table_stats(c->table)->updated += !c->quiet || change == INTERNAL_UPDATE;
	return change;
}

/* May the entry of a dump be older than the record? Not if the record has not changed since the
 * pass began, nor if the entry is the answer to a question and no event came in between, nor if the
 * kernel has not reported the record yet. */
static bool dump_may_be_stale(const struct internal *c, const struct flow_rec *rec)
{
	if (rec->flags & (REC_I_ASKED | REC_I_RECOMMIT))
		return false;
	return rec->state == REC_DEAD || (rec->pass == c->pass && (rec->flow.has & FLOW_HAS_ID));
}

enum internal_change internal_dumped(struct internal *c, const struct ct_flow *f, struct mono now,
				     uint32_t *id)
{
	enum internal_change change;
	struct flow_rec *rec;
	bool inserted, stale;

	*id = rec_find_or_insert(c, f, now, &inserted);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	rec = table_rec(c->table, *id);
	stale = !inserted && dump_may_be_stale(c, rec);
	rec->pass = c->pass;
	if (inserted) {
		rec_set(c, rec, REC_I_SILENT);
		return INTERNAL_NEW;
	}
	if (stale) {
		if (rec->state == REC_DEAD || other_incarnation(rec, f) ||
		    !flow_equal_replicated(&rec->flow, f))
			rec_set(c, rec, REC_I_DOUBT);
		return INTERNAL_NOTHING;
	}
	rec_clear(c, rec, REC_I_ASKED | REC_I_DOUBT | REC_I_UNDO);
	if (rec->state == REC_DEAD) {
		change = rec_restart(c, *id, f, now);
		rec_set(c, rec, REC_I_SILENT);
		return change;
	}
	return dump_merge(c, *id, f, now);
}

/* ---- passes ---- */

/* The number has gone round: make sure that no record of 65535 passes ago looks as if it had been
 * seen. At most once while a daemon runs. */
static void pass_renumber(struct internal *c)
{
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	while ((n = table_walk(c->table, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++)
			table_rec(c->table, ids[i])->pass = 0;
	}
	c->pass = 1;
}

void internal_pass_begin(struct internal *c, bool quiet)
{
	c->quiet = quiet;
	if (++c->pass == 0)
		pass_renumber(c);
}

void internal_unheard_begin(struct internal *c, uint32_t from_s, uint32_t until_s)
{
	c->unheard = 0;
	c->unheard_from_s = from_s;
	c->unheard_until_s = until_s;
}

uint32_t internal_unheard(const struct internal *c)
{
	return c->unheard;
}

static bool is_unheard(const struct internal *c, const struct flow_rec *rec)
{
	return rec->state != REC_DEAD && (rec->flags & REC_I_SILENT) &&
	       rec->created_s >= c->unheard_from_s && rec->created_s <= c->unheard_until_s;
}

static bool pass_wants(const struct internal *c, const struct flow_rec *rec)
{
	if (rec->flags & REC_I_DOUBT)
		return true;
	return rec->state != REC_DEAD && rec->pass != c->pass;
}

size_t internal_pass_unseen(struct internal *c, uint64_t *pos, uint32_t *ids, size_t n, bool *end)
{
	size_t got, looked = 0, n_unseen = 0;

	do {
		got = table_walk(c->table, pos, ids + n_unseen, n - n_unseen);
		for (size_t i = 0, first = n_unseen; i < got; i++) {
			uint32_t id = ids[first + i];
			struct flow_rec *rec = table_rec(c->table, id);

			c->unheard += is_unheard(c, rec);
			if (!pass_wants(c, rec))
				continue;
			rec_set(c, rec, REC_I_ASKED);
			ids[n_unseen++] = id;
		}
		looked += got;
	} while (got > 0 && n_unseen < n && looked < LOOK_MAX);
	*end = got == 0;
	return n_unseen;
}

bool internal_pass_is_unseen(const struct internal *c, uint32_t id)
{
	const struct flow_rec *rec;

	if (!table_has_id(c->table, id))
		return false;
	rec = table_rec(c->table, id);
	return (rec->flags & REC_I_ASKED) && pass_wants(c, rec);
}

enum internal_change internal_gone(struct internal *c, uint32_t id, struct mono now)
{
	if (!internal_pass_is_unseen(c, id))
		return INTERNAL_NOTHING;
	if (table_rec(c->table, id)->state == REC_DEAD) {
		rec_clear(c, table_rec(c->table, id), REC_I_ASKED | REC_I_DOUBT);
		return INTERNAL_NOTHING;
	}
	return rec_end(c, id, now);
}

void internal_pass_seen(struct internal *c, uint32_t id)
{
	struct flow_rec *rec;

	if (!internal_pass_is_unseen(c, id))
		return;
	rec = table_rec(c->table, id);
	rec->pass = c->pass;
	/* still REC_I_ASKED: the kernel's answer follows and is believed */
	rec_clear(c, rec, REC_I_DOUBT);
}

/* ---- a question about one record, outside of a pass ---- */

bool internal_ask(struct internal *c, uint32_t id)
{
	struct flow_rec *rec;

	if (!table_has_id(c->table, id))
		return false;
	rec = table_rec(c->table, id);
	if (rec->state == REC_DEAD)
		return false;
	rec_set(c, rec, REC_I_ASKED);
	return true;
}

bool internal_asked(const struct internal *c, uint32_t id)
{
	const struct flow_rec *rec;

	if (!table_has_id(c->table, id))
		return false;
	rec = table_rec(c->table, id);
	return rec->state != REC_DEAD && (rec->flags & REC_I_ASKED);
}

enum internal_change internal_answered(struct internal *c, const struct ct_flow *f, struct mono now,
				       uint32_t *id)
{
	bool quiet = c->quiet;
	enum internal_change change;

	c->quiet = true;
	change = internal_dumped(c, f, now, id);
	c->quiet = quiet;
	return change;
}

void internal_ask_over(struct internal *c, uint32_t id)
{
	/* A pass may have asked too: then its answer is still wanted. */
	if (internal_asked(c, id) && !pass_wants(c, table_rec(c->table, id)))
		rec_clear(c, table_rec(c->table, id), REC_I_ASKED);
}

/* ---- our own commit ---- */

enum internal_change internal_commit(struct internal *c, const struct ct_flow *f, struct mono now,
				     uint32_t *id, bool *inserted)
{
	struct flow_rec *rec;

	*id = rec_find_or_insert(c, f, now, inserted);
	if (*id == FLOW_ID_NONE)
		return INTERNAL_FULL;
	rec = table_rec(c->table, *id);
	rec->pass = c->pass; /* an ENOENT on its way is older than what the commit is about to do */
	rec_clear(c, rec, REC_I_ASKED | REC_I_DOUBT);
	if (*inserted) {
		rec_set(c, rec, REC_I_COMMIT | REC_I_UNDO);
		return INTERNAL_NEW;
	}
	if (rec->state == REC_DEAD) {
		rec_restart(c, *id, f, now);
		rec_set(c, rec, REC_I_SILENT);
	} else if (!(rec->flags & REC_I_COMMIT)) {
		rec_set(c, rec, REC_I_RECOMMIT);
	}
	return INTERNAL_NOTHING;
}

/* From now on only sync/ may hold the id. */
static void commit_unpin(struct internal *c, uint32_t id)
{
	struct flow_rec *rec = table_rec(c->table, id);
	bool released = rec->flags & REC_I_RELEASED;

	rec_clear(c, rec, REC_I_COMMIT | REC_I_UNDO | REC_I_RELEASED);
	if (released)
		rec_remove(c, id);
}

bool internal_commit_undo(struct internal *c, uint32_t id)
{
	struct flow_rec *rec = table_rec(c->table, id);
	bool undo = (rec->flags & REC_I_UNDO) && rec->state != REC_DEAD;

	if (!(rec->flags & REC_I_COMMIT))
		return false;
	commit_unpin(c, id);
	if (!undo)
		return false;
	if (rec->repl.bits == 0) {
		rec_remove(c, id);
		return false;
	}
	table_set_state(c->table, id, REC_DEAD);
	return true;
}

void internal_commit_done(struct internal *c, uint32_t id)
{
	if (table_rec(c->table, id)->flags & REC_I_COMMIT)
		commit_unpin(c, id);
}

void internal_written(struct internal *c, uint32_t id, const struct ct_flow *f, struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);

	if (f->has & FLOW_HAS_TIMEOUT) {
		rec->flow.timeout_s = f->timeout_s;
		rec->flow.has |= FLOW_HAS_TIMEOUT;
		rec->updated_s = mono_s(now);
	}
	rec->repl.word = INTERNAL_WORD_WRITTEN;
}

enum internal_change internal_committed(struct internal *c, uint32_t id, const struct ct_flow *f,
					bool cleared, struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);
	uint32_t kernel_id = rec->flow.has & FLOW_HAS_ID ? rec->flow.id : 0;
	/* that was the predecessor: the answer to the commit is newer */
	bool ended = rec->state == REC_DEAD;
	enum internal_change change = INTERNAL_NOTHING;

	if (ended || !flow_equal_replicated(&rec->flow, f)) {
		change = rec_restart(c, id, f, now);
		if (ended)
			rec_set(c, rec, REC_I_SILENT);
		/* The DESTROY of the predecessor may still come, and is recognized by this. */
		if (kernel_id && !cleared && !ended) {
			rec->flow.id = kernel_id;
			rec->flow.has |= FLOW_HAS_ID;
		}
	}
	if (cleared) {
		rec_clear(c, rec, REC_I_RECOMMIT);
		rec->flow.has &= ~FLOW_HAS_ID;
	}
	internal_written(c, id, f, now);
	return change;
}

/* ---- timeouts that were sent ---- */

void internal_keep_received_timeout(struct internal *c)
{
	c->received_timeout = true;
}

enum internal_change internal_timeout_refreshed(struct internal *c, const struct ct_flow *f,
						struct mono now, uint32_t *id)
{
	enum internal_change change = internal_answered(c, f, now, id);
	struct flow_rec *rec;

	if (*id == FLOW_ID_NONE || change == INTERNAL_NEW || !(f->has & FLOW_HAS_TIMEOUT))
		return change;
	rec = table_rec(c->table, *id);
	/* The kernel and we count whole seconds: a difference of one second is none. */
	if (rec->state == REC_DEAD || (uint64_t)mono_s(now) + f->timeout_s <=
					      (uint64_t)rec->updated_s + rec->flow.timeout_s + 1)
		return change;
	rec->flow.timeout_s = f->timeout_s;
	rec->flow.has |= FLOW_HAS_TIMEOUT;
	rec->updated_s = mono_s(now);
	table_set_state(c->table, *id, REC_ALIVE);
	return INTERNAL_UPDATE;
}

/* ---- changes received from peers and put into our kernel ---- */

uint32_t internal_received_s(const struct flow_rec *rec, struct mono now)
{
	uint32_t ago = (mono_s(now) - rec->repl.received_s) & RECEIVED_MASK;

	return rec->repl.received_s ? mono_s(now) - ago : 0;
}

void internal_entry_made(struct internal *c, uint32_t id)
{
	struct flow_rec *rec = table_rec(c->table, id);

	if (rec->state != REC_DEAD)
		rec_set(c, rec, REC_I_RECOMMIT);
}

void internal_received(struct internal *c, uint32_t id, const struct ct_flow *f, bool written,
		       struct mono now)
{
	struct flow_rec *rec = table_rec(c->table, id);
	struct ct_flow news;
	bool changed;

	flow_copy(&news, f);
	news.has &= FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT | FLOW_HAS_MARK |
		    FLOW_HAS_LABELS;
	/* The timeout of a record is the one we have sent. Another state has another timeout;
	 * otherwise the timeout of f is what our kernel has made of the peer's, and the peer's
	 * kernel does not know that. */
	if (f->l4 != IPPROTO_TCP || !(news.has & FLOW_HAS_PROTO_STATE) ||
	    news.proto_state == rec->flow.proto_state)
		news.has &= ~FLOW_HAS_TIMEOUT;
	if ((news.has & FLOW_HAS_STATUS) && (rec->flow.has & FLOW_HAS_STATUS))
		/* the kernel takes nothing back that it has seen itself */
		news.status |= rec->flow.status;
	if (news.has & FLOW_HAS_TIMEOUT)
		rec->updated_s = mono_s(now);
	rec->pass = c->pass;
	set_received(rec, mono_s(now));
	if (written)
		rec->repl.word = INTERNAL_WORD_RECEIVED;
	table_merge(c->table, id, &news, &changed);
}

bool internal_may_have_tcp(const struct internal *c)
{
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	if (table_count(c->table) > LOOK_AT_MOST)
		return true;
	while ((n = table_walk(c->table, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct flow_rec *rec = table_rec(c->table, ids[i]);

			if (rec->state != REC_DEAD && rec->flow.l4 == IPPROTO_TCP)
				return true;
		}
	}
	return false;
}

/* ---- the end ---- */

void internal_release(struct internal *c, uint32_t id)
{
	struct flow_rec *rec = table_rec(c->table, id);

	if (rec->state != REC_DEAD)
		return; /* it has become alive again */
	if (rec->flags & REC_I_COMMIT)
		rec_set(c, rec, REC_I_RELEASED);
	else
		rec_remove(c, id);
}
