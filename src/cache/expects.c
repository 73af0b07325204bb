/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations of our kernel, or received from peers. One kind of table serves both; expects.h says
 * which members mean something else in each.
 *
 * Records lie in a slab, so an id stays valid until its record is freed and a walk has a resume
 * point. The kernel allows a few thousand expectations; a peer could send as many as the limit lets
 * through, so the index is keyed like that of the flows and large enough for chains of some ten
 * records then. */
#include "cache/expects.h"

#include <stdlib.h>

#include "cache/slab.h"
#include "flow/peers.h"

#define BUCKETS	    16384u	   /* a power of two; 64 KiB, untouched until used */
#define MAX_RECORDS FLOW_ID_EXPECT /* the bit is set in the ids that replication knows */
#define STEP_IDS    64

struct expects {
	struct slab slab;
	struct hash_key key;
	uint32_t *bucket; /* owned; BUCKETS heads of chains, ids + 1, 0: empty */
	uint32_t limit, count, dead;
	uint16_t pass;		       /* internal */
	uint16_t peer_pass[PEERS_MAX]; /* external: number of the current resync */
	struct table_stats stats;
};

struct expects *expects_new(uint32_t limit, const struct hash_key *key)
{
	struct expects *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->bucket = calloc(BUCKETS, sizeof(*x->bucket));
	if (!x->bucket) {
		free(x);
		return NULL;
	}
	slab_init(&x->slab, sizeof(struct expect_rec), MAX_RECORDS);
	x->key = *key;
	x->limit = limit;
	return x;
}

void expects_free(struct expects *x)
{
	if (!x)
		return;
	slab_free_all(&x->slab);
	free(x->bucket);
	free(x);
}

void expects_set_limit(struct expects *x, uint32_t limit)
{
	x->limit = limit;
}

uint32_t expects_limit(const struct expects *x)
{
	return x->limit;
}

uint32_t expects_room(const struct expects *x)
{
	return x->count < x->limit ? x->limit - x->count : 0;
}

uint32_t expects_count(const struct expects *x)
{
	return x->count - x->dead;
}

struct table_stats *expects_stats(struct expects *x)
{
	return &x->stats;
}

bool expects_has_id(const struct expects *x, uint32_t id)
{
	return slab_is_live(&x->slab, id);
}

struct expect_rec *expects_rec(const struct expects *x, uint32_t id)
{
	return slab_at(&x->slab, id);
}

/* ---- index ---- */

static uint32_t *bucket_of(const struct expects *x, const struct ct_expect *e)
{
	return &x->bucket[expect_key_hash(&x->key, e) & (BUCKETS - 1)];
}

uint32_t expects_find(const struct expects *x, const struct ct_expect *e)
{
	for (uint32_t at = *bucket_of(x, e); at != 0;) {
		const struct expect_rec *rec = expects_rec(x, at - 1);

		if (expect_same_key(&rec->expect, e))
			return at - 1;
		at = rec->chain;
	}
	return FLOW_ID_NONE;
}

size_t expects_walk(const struct expects *x, uint64_t *pos, uint32_t *ids, size_t n)
{
	size_t got = 0;

	while (got < n) {
		uint32_t id = slab_next_live(&x->slab, (uint32_t)*pos);

		if (id == SLAB_NONE)
			break;
		ids[got++] = id;
		*pos = (uint64_t)id + 1;
	}
	return got;
}

static void set_state(struct expects *x, struct expect_rec *rec, enum rec_state state)
{
	if (rec->state != REC_DEAD && state == REC_DEAD) {
		x->dead++;
		x->stats.destroyed++;
	} else if (rec->state == REC_DEAD && state != REC_DEAD) {
		x->dead--;
		x->stats.created++;
	}
	rec->state = (uint8_t)state;
}

void expects_remove(struct expects *x, uint32_t id)
{
	struct expect_rec *rec = expects_rec(x, id);
	uint32_t *at = bucket_of(x, &rec->expect);

	while (*at != id + 1)
		at = &expects_rec(x, *at - 1)->chain;
	*at = rec->chain;
	if (rec->state == REC_DEAD)
		x->dead--;
	else
		x->stats.destroyed++;
	x->count--;
	slab_give(&x->slab, id);
}

/* ---- both sides ---- */

static uint32_t insert(struct expects *x, const struct ct_expect *e, struct mono now)
{
	struct expect_rec *rec;
	uint32_t *head, id;

	if (x->count >= x->limit) {
		x->stats.create_failed_limit++;
		return FLOW_ID_NONE;
	}
	id = slab_take(&x->slab);
	if (id == SLAB_NONE) {
		x->stats.create_failed_memory++;
		return FLOW_ID_NONE;
	}
	rec = expects_rec(x, id);
	head = bucket_of(x, e);
	*rec = (struct expect_rec){
		.chain = *head,
		.state = REC_NEW,
		.pass = x->pass,
		.created_s = mono_s(now),
		.updated_s = mono_s(now),
		.expect = *e,
	};
	*head = id + 1;
	x->count++;
	x->stats.created++;
	return id;
}

enum expects_change expects_put(struct expects *x, const struct ct_expect *e, struct mono now,
				uint32_t *id)
{
	struct expect_rec *rec;
	bool same;

	*id = expects_find(x, e);
	if (*id == FLOW_ID_NONE) {
		*id = insert(x, e, now);
		return *id == FLOW_ID_NONE ? EXPECTS_FULL : EXPECTS_NEW;
	}
	rec = expects_rec(x, *id);
	same = rec->state != REC_DEAD && expect_equal_replicated(&rec->expect, e);
	rec->expect = *e;
	rec->pass = x->pass;
	rec->updated_s = mono_s(now);
	if (same)
		return EXPECTS_NOTHING;
	if (rec->state != REC_DEAD)
		x->stats.updated++;
	set_state(x, rec, REC_NEW);
	rec->created_s = mono_s(now);
	return EXPECTS_NEW;
}

/* ---- internal ---- */

bool expects_end(struct expects *x, const struct ct_expect *e, uint32_t *id)
{
	struct expect_rec *rec;

	*id = expects_find(x, e);
	if (*id == FLOW_ID_NONE)
		return false;
	rec = expects_rec(x, *id);
	if (rec->state == REC_DEAD)
		return false;
	if ((rec->expect.has & e->has & EXPECT_HAS_ID) && rec->expect.id != e->id)
		return false;
	if (e->has & EXPECT_HAS_TIMEOUT) { /* 0: it has expired, which is sent to the peers */
		rec->expect.has |= EXPECT_HAS_TIMEOUT;
		rec->expect.timeout_s = e->timeout_s;
	}
	set_state(x, rec, REC_DEAD);
	return true;
}

void expects_release(struct expects *x, uint32_t id)
{
	if (expects_rec(x, id)->state == REC_DEAD)
		expects_remove(x, id);
}

void expects_pass_begin(struct expects *x)
{
	x->pass++;
}

size_t expects_pass_unseen(struct expects *x, uint64_t *pos, uint32_t *ids, size_t n)
{
	size_t got, n_unseen = 0;

	do {
		got = expects_walk(x, pos, ids + n_unseen, n - n_unseen);
		for (size_t i = 0, first = n_unseen; i < got; i++) {
			const struct expect_rec *rec = expects_rec(x, ids[first + i]);

			if (rec->state != REC_DEAD && rec->pass != x->pass)
				ids[n_unseen++] = ids[first + i];
		}
	} while (got > 0 && n_unseen < n);
	return n_unseen;
}

/* ---- external ---- */

int expects_peer_new(struct expects *x, uint8_t peer, const struct ct_expect *e, struct mono now)
{
	struct expect_rec *rec;
	uint32_t id;

	switch (expects_put(x, e, now, &id)) {
	case EXPECTS_FULL:
		return -1;
	case EXPECTS_NEW:
	case EXPECTS_NOTHING:
		break;
	}
	rec = expects_rec(x, id);
	rec->from = peer;
	rec->pass = x->peer_pass[peer];
	return 0;
}

void expects_peer_end(struct expects *x, uint8_t peer, const struct ct_expect *e)
{
	uint32_t id = expects_find(x, e);

	if (id != FLOW_ID_NONE && expects_rec(x, id)->from == peer)
		expects_remove(x, id);
}

void expects_resync_begin(struct expects *x, uint8_t peer)
{
	x->peer_pass[peer]++;
}

uint32_t expects_resync_done(struct expects *x, uint8_t peer)
{
	uint32_t ids[STEP_IDS], removed = 0;
	uint64_t pos = 0;
	size_t n;

	while ((n = expects_walk(x, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct expect_rec *rec = expects_rec(x, ids[i]);

			if (rec->from != peer || rec->pass == x->peer_pass[peer])
				continue;
			expects_remove(x, ids[i]);
			removed++;
		}
	}
	return removed;
}

uint32_t expects_expire(struct expects *x, uint32_t timeout_s, struct mono now, uint32_t *oldest_s)
{
	uint32_t ids[STEP_IDS], removed = 0;
	uint64_t pos = 0;
	size_t n;

	while ((n = expects_walk(x, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct expect_rec *rec = expects_rec(x, ids[i]);

			if (mono_s(now) - rec->updated_s > timeout_s) {
				expects_remove(x, ids[i]);
				removed++;
			} else if (rec->updated_s < *oldest_s) {
				*oldest_s = rec->updated_s;
			}
		}
	}
	return removed;
}
