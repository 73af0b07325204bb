/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table: two slabs of records (a short slot for IPv4, a full one for IPv6) and one index
 * over both.
 *
 * An id is the slot number, with the top bit set for IPv6. The index is a linear hash: bucket heads
 * are ids, records are chained through `chain`, and as soon as there are more records than buckets
 * each insert splits one bucket. So it grows with the table, never in one go, and no lookup has to
 * search two indexes. It does not shrink: a table that was large once will be again.
 *
 * It does not begin with HashSize buckets: looking for a thousand flows in a million of them means
 * waiting for memory each time. When there are more flows than it begins with, each bucket is split
 * in as many as HashSize asks for, and that is done before there are twice as many; beyond HashSize
 * buckets are split in two.
 *
 * Heads live in segments of one page. Those of the first million buckets of HashSize are allocated
 * at the start, the others when the first record falls into them, so a HashSize larger than that
 * costs no more by itself.
 *
 * Per IPv4 flow: 96 bytes of slot, 4 of index, 1 bit of the slab's bitmap.
 */
#include "cache/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define ID_V6 TABLE_ID_V6
/* so that no id is FLOW_ID_NONE or that of an expectation */
#define MAX_SLOTS   FLOW_ID_EXPECT
#define SEG_BUCKETS 1024u
/* 4 MiB: HashSize may be a thousand times what is ever used */
#define SEGS_AT_START 1024u
#define MAX_MASK      UINT32_C(0x7fffffff)
#define MASK_AT_START UINT32_C(16383) /* 64 KiB of heads */
#define SPLIT_AHEAD   8u
#define SPARE_MIN     1024u

/* Parts that are lost when there is no memory for struct flow_rare. */
#define RARE_BITS (FLOW_RARE_PARTS | FLOW_HAS_SYNPROXY)

/* The hash of a key that was looked up lately. */
struct hashed {
	uint64_t w[2];
	uint32_t hash;
};

#define HASHED_LATELY 256u /* a power of two */

struct flow_table {
	struct slab slab[2]; /* IPv4, IPv6; first members: see table_rec() */
	struct hash_key key;
	struct hashed *lately; /* owned; HASHED_LATELY of them, by key */
	uint32_t **seg;	       /* owned; n_seg entries, NULL for one without records */
	uint32_t n_seg;
	uint32_t mask;	    /* buckets at the start of this round of splits, minus one */
	uint32_t wide;	    /* and at its end */
	uint32_t split;	    /* buckets already split in this round */
	uint32_t hash_mask; /* HashSize, minus one */
	uint32_t limit, count, dead;
	/* records beyond the limit that dead records may occupy */
	uint32_t spare;
	bool spare_dead;
	uint32_t n_rare;
	struct table_stats stats;
	uint32_t debug_changes; /* since the last debug_check() that looked */
};

_Static_assert(offsetof(struct flow_table, slab) == 0, "table_rec() finds them there");
_Static_assert(offsetof(struct flow_rec, flow) + FLOW_SIZE_V4 <= 96, "memory per IPv4 flow");
_Static_assert(sizeof(struct flow_rec) <= 144, "memory per IPv6 flow");
_Static_assert(offsetof(struct flow_rec, flow) % 8 == 0, "the flow starts on a whole word");

static inline uint32_t bucket_of(const struct flow_table *t, uint32_t hash)
{
	uint32_t b = hash & t->mask;

	return b < t->split ? hash & t->wide : b;
}

/* Number of buckets at the end of the next round, minus one. */
static uint32_t next_wide(const struct flow_table *t)
{
	if (t->mask < t->hash_mask)
		return t->hash_mask;
	return t->mask >= MAX_MASK ? t->mask : t->mask << 1 | 1;
}

/* Once a round that splits each bucket in many has begun, the buckets are split one after the
 * other: those not split yet would get long chains. */
static inline bool index_is_full(const struct flow_table *t)
{
	return t->count > t->mask + t->split || (t->split > 0 && t->wide <= t->hash_mask);
}

static inline uint32_t bucket_head(const struct flow_table *t, uint32_t bucket)
{
	const uint32_t *seg = t->seg[bucket / SEG_BUCKETS];

	return seg ? seg[bucket % SEG_BUCKETS] : FLOW_ID_NONE;
}

bool table_has_id(const struct flow_table *t, uint32_t id)
{
	return slab_is_live(&t->slab[id >> 31], id & ~ID_V6);
}

/* The bucket heads of a segment, allocated if need be; NULL without memory. */
static uint32_t *segment_get(struct flow_table *t, uint32_t i)
{
	if (!t->seg[i]) {
		t->seg[i] = malloc(SEG_BUCKETS * sizeof(**t->seg));
		if (t->seg[i])
			memset(t->seg[i], 0xff, SEG_BUCKETS * sizeof(**t->seg)); /* FLOW_ID_NONE */
	}
	return t->seg[i];
}

/* Allocate the segments at the start, not when the first flow needs one: the first flows of a quiet
 * node would be sent a tenth later, after the kernel has mapped a page. */
static bool segments_get(struct flow_table *t)
{
	for (uint32_t i = 0; i < t->n_seg && i < SEGS_AT_START; i++) {
		if (!segment_get(t, i))
			return false;
	}
	return true;
}

struct flow_table *table_new(uint32_t buckets, uint32_t limit, const struct hash_key *key)
{
	struct flow_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	while (t->hash_mask + 1 < buckets && t->hash_mask < MAX_MASK)
		t->hash_mask = t->hash_mask << 1 | 1;
	t->mask = t->hash_mask < MASK_AT_START ? t->hash_mask : MASK_AT_START;
	t->wide = next_wide(t);
	t->n_seg = t->hash_mask / SEG_BUCKETS + 1;
	t->seg = calloc(t->n_seg, sizeof(*t->seg));
	t->lately = calloc(HASHED_LATELY, sizeof(*t->lately));
	if (!t->seg || !t->lately || !segments_get(t)) {
		table_free(t);
		return NULL;
	}
	/* No key is all zeros but that of protocol 0 without addresses: one whose hash is known. */
	t->lately[0].hash = flow_key_hash(key, &(struct flow_key){ .n_words = 2 });
	slab_init(&t->slab[0], offsetof(struct flow_rec, flow) + FLOW_SIZE_V4, MAX_SLOTS);
	slab_init(&t->slab[1], sizeof(struct flow_rec), MAX_SLOTS);
	t->key = *key;
	t->limit = limit;
	return t;
}

void table_free(struct flow_table *t)
{
	if (!t)
		return;
	for (uint32_t fam = 0; fam < 2 && t->n_rare > 0; fam++) {
		uint32_t slot = slab_next_live(&t->slab[fam], 0);

		for (; slot != SLAB_NONE; slot = slab_next_live(&t->slab[fam], slot + 1))
			free(((struct flow_rec *)slab_at(&t->slab[fam], slot))->flow.rare);
	}
	for (uint32_t i = 0; t->seg && i < t->n_seg; i++)
		free(t->seg[i]);
	free(t->seg);
	free(t->lately);
	slab_free_all(&t->slab[0]);
	slab_free_all(&t->slab[1]);
	free(t);
}

void table_set_limit(struct flow_table *t, uint32_t limit)
{
	t->limit = limit;
	t->spare = !t->spare_dead	  ? 0 :
		   limit > UINT32_MAX / 2 ? UINT32_MAX - limit :
					    limit / 16 + SPARE_MIN;
}

void table_spare_dead(struct flow_table *t)
{
	t->spare_dead = true;
	table_set_limit(t, t->limit);
}

/* ---- index ---- */

/* A flow is looked up to prefetch it and once more when its turn comes, and a connection that opens
 * is asked for three times within milliseconds. So the hashes of the last IPv4 keys are kept:
 * finding one costs a tenth of computing it. */
static uint32_t hash_of(const struct flow_table *t, const struct ct_flow *f)
{
	struct hashed *h;
	struct flow_key key;
	uint64_t mix;

	flow_key(f, &key);
	if (key.n_words != 2)
		return flow_key_hash(&t->key, &key);
	/* Addresses and ports that count up together must not cancel each other. */
	mix = (key.w[0] ^ (key.w[1] << 7 | key.w[1] >> 57)) * UINT64_C(0x9e3779b97f4a7c15);
	h = &t->lately[mix >> 32 & (HASHED_LATELY - 1)];
	if (h->w[0] != key.w[0] || h->w[1] != key.w[1])
		*h = (struct hashed){ { key.w[0], key.w[1] }, flow_key_hash(&t->key, &key) };
	return h->hash;
}

static uint32_t find_hashed(const struct flow_table *t, const struct ct_flow *f, uint32_t hash)
{
	uint32_t id = bucket_head(t, bucket_of(t, hash));

	while (id != FLOW_ID_NONE) {
		const struct flow_rec *rec = table_rec(t, id);

		if (rec->hash == hash && flow_same_key(&rec->flow, f))
			return id;
		id = rec->chain;
	}
	return FLOW_ID_NONE;
}

/* Room in the directory for segment i. */
static bool segment_reserve(struct flow_table *t, uint32_t i)
{
	uint32_t n = t->n_seg;
	uint32_t **grown;

	if (i < n)
		return true;
	grown = realloc(t->seg, 2 * (size_t)n * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + n, 0, n * sizeof(*grown));
	t->seg = grown;
	t->n_seg = 2 * n;
	return true;
}

/* Hash and key lie in the first two cache lines of a record. */
static inline void prefetch_rec(const struct flow_table *t, uint32_t id)
{
	if (id == FLOW_ID_NONE)
		return;
	__builtin_prefetch(table_rec(t, id));
	__builtin_prefetch((const char *)table_rec(t, id) + 64);
}

/* The first record of a bucket. */
static inline void prefetch_head(const struct flow_table *t, uint32_t bucket)
{
	prefetch_rec(t, bucket_head(t, bucket));
}

/* Put the records of the list into the buckets of the end of the round. False without memory for
 * their heads: the list is as it was. */
static bool split_list(struct flow_table *t, uint32_t list)
{
	uint32_t id, next;

	for (id = list; id != FLOW_ID_NONE; id = table_rec(t, id)->chain)
		if (!segment_get(t, (table_rec(t, id)->hash & t->wide) / SEG_BUCKETS))
			return false;
	for (id = list; id != FLOW_ID_NONE; id = next) {
		struct flow_rec *rec = table_rec(t, id);
		uint32_t to = rec->hash & t->wide;
		uint32_t *head = &t->seg[to / SEG_BUCKETS][to % SEG_BUCKETS];

		next = rec->chain;
		rec->chain = *head;
		*head = id;
	}
	return true;
}

/* Split the next bucket. Without memory the index just stays as it is: chains get longer, nothing
 * is lost. */
static void index_split(struct flow_table *t)
{
	uint32_t from = t->split, last = from + (t->wide - t->mask), list;

	if (t->wide == t->mask || !segment_reserve(t, last / SEG_BUCKETS))
		return;
	/* the records of a bucket are not in the processor's cache */
	prefetch_head(t, (from + SPLIT_AHEAD) & t->mask);
	list = bucket_head(t, from);
	if (list != FLOW_ID_NONE) {
		t->seg[from / SEG_BUCKETS][from % SEG_BUCKETS] = FLOW_ID_NONE;
		if (!split_list(t, list)) {
			t->seg[from / SEG_BUCKETS][from % SEG_BUCKETS] = list;
			return;
		}
	}
	if (++t->split > t->mask) {
		t->mask = t->wide;
		t->split = 0;
		t->wide = next_wide(t);
	}
}

/* Where the id of this record is stored: a bucket head or the chain of its predecessor. */
static uint32_t *index_link(struct flow_table *t, uint32_t id, uint32_t hash)
{
	uint32_t bucket = bucket_of(t, hash);
	uint32_t *link = &t->seg[bucket / SEG_BUCKETS][bucket % SEG_BUCKETS];

	while (*link != id) {
		assert(*link != FLOW_ID_NONE);
		link = &table_rec(t, *link)->chain;
	}
	return link;
}

uint32_t table_find(const struct flow_table *t, const struct ct_flow *f)
{
	return find_hashed(t, f, hash_of(t, f));
}

uint32_t table_prefetch_index(const struct flow_table *t, const struct ct_flow *f)
{
	uint32_t hash = hash_of(t, f), bucket = bucket_of(t, hash);
	const uint32_t *seg = t->seg[bucket / SEG_BUCKETS];

	if (seg)
		__builtin_prefetch(&seg[bucket % SEG_BUCKETS]);
	return hash;
}

void table_prefetch_rec(const struct flow_table *t, uint32_t hash)
{
	prefetch_head(t, bucket_of(t, hash));
}

void table_prefetch_chain(const struct flow_table *t, uint32_t hash)
{
	uint32_t id = bucket_head(t, bucket_of(t, hash));
	const struct flow_rec *rec;

	if (id == FLOW_ID_NONE)
		return;
	rec = table_rec(t, id);
	if (rec->hash != hash)
		prefetch_rec(t, rec->chain);
}

static uint32_t hint_ahead(void *ctx, const struct ct_flow *f)
{
	return table_prefetch_index(ctx, f);
}

static void hint_next(void *ctx, uint32_t hint)
{
	table_prefetch_rec(ctx, hint);
}

static void hint_chain(void *ctx, uint32_t hint)
{
	table_prefetch_chain(ctx, hint);
}

struct flow_hints table_hints(struct flow_table *t)
{
	return (struct flow_hints){
		.ctx = t,
		.ahead = hint_ahead,
		.next = hint_next,
		.chain = hint_chain,
	};
}

/* ---- records ---- */

/* dst was copied from src: give it rare parts of its own, in `mem` if that is not NULL. */
static int rare_own(struct flow_table *t, struct ct_flow *dst, struct flow_rare *mem,
		    const struct ct_flow *src)
{
	dst->has &= ~FLOW_HAS_COUNTERS;
	dst->rare = NULL;
	if (!flow_needs_rare(src)) {
		if (mem)
			t->n_rare--;
		free(mem);
		return 0;
	}
	if (!mem) {
		mem = malloc(sizeof(*mem));
		if (!mem) {
			dst->has &= ~RARE_BITS;
			return -ENOMEM;
		}
		t->n_rare++;
	}
	*mem = *src->rare;
	memset(mem->bytes, 0, sizeof(mem->bytes));
	memset(mem->packets, 0, sizeof(mem->packets));
	dst->rare = mem;
	return 0;
}

static uint32_t insert_hashed(struct flow_table *t, const struct ct_flow *f, uint32_t hash,
			      uint32_t now_s, int *err)
{
	uint32_t fam = f->l3 == AF_INET6, bucket, slot, id;
	struct flow_rec *rec;
	uint32_t *seg;

	if (t->count >= t->limit &&
	    (t->count - t->dead >= t->limit || t->count - t->limit >= t->spare)) {
		t->stats.create_failed_limit++;
		*err = -ENOSPC;
		return FLOW_ID_NONE;
	}
	if (index_is_full(t))
		index_split(t);
	bucket = bucket_of(t, hash);
	seg = segment_get(t, bucket / SEG_BUCKETS);
	slot = seg ? slab_take(&t->slab[fam]) : SLAB_NONE;
	if (slot == SLAB_NONE)
		goto no_memory;
	id = slot | (fam ? ID_V6 : 0);
	rec = table_rec(t, id);
	memset(rec, 0, offsetof(struct flow_rec, flow));
	flow_copy(&rec->flow, f);
	if (rare_own(t, &rec->flow, NULL, f) < 0) {
		slab_give(&t->slab[fam], slot);
		goto no_memory;
	}
	rec->hash = hash;
	rec->state = REC_NEW;
	rec->created_s = rec->updated_s = now_s;
	rec->chain = seg[bucket % SEG_BUCKETS];
	seg[bucket % SEG_BUCKETS] = id;
	t->count++;
	t->stats.created++;
	return id;

no_memory:
	t->stats.create_failed_memory++;
	*err = -ENOMEM;
	return FLOW_ID_NONE;
}

/* With --enable-debug a table is checked as a whole whenever as many records have been inserted and
 * removed as it has, and a thousand more: so the cost per record is constant. */
static void debug_check(struct flow_table *t)
{
#ifdef CONNTRACKD_DEBUG
	if (++t->debug_changes > t->count + 1000) {
		t->debug_changes = 0;
		assert(table_check(t));
	}
#else
	(void)t;
#endif
}

uint32_t table_insert(struct flow_table *t, const struct ct_flow *f, uint32_t now_s, int *err)
{
	int ignored;
	uint32_t id = insert_hashed(t, f, hash_of(t, f), now_s, err ? err : &ignored);

	debug_check(t);
	return id;
}

uint32_t table_find_or_insert(struct flow_table *t, const struct ct_flow *f, uint32_t now_s,
			      bool *inserted, int *err)
{
	uint32_t hash = hash_of(t, f);
	uint32_t id = find_hashed(t, f, hash);
	int ignored;

	*inserted = false;
	if (id == FLOW_ID_NONE) {
		id = insert_hashed(t, f, hash, now_s, err ? err : &ignored);
		*inserted = id != FLOW_ID_NONE;
		debug_check(t);
	}
	return id;
}

int table_replace(struct flow_table *t, uint32_t id, const struct ct_flow *f)
{
	struct flow_rec *rec = table_rec(t, id);
	struct flow_rare *mem = rec->flow.rare;
	int err;

	flow_copy(&rec->flow, f);
	err = rare_own(t, &rec->flow, mem, f);
	if (err < 0)
		t->stats.parts_lost_memory++;
	return err;
}

int table_merge(struct flow_table *t, uint32_t id, const struct ct_flow *f, bool *changed)
{
	struct flow_rec *rec = table_rec(t, id);
	int err = 0;

	if (!rec->flow.rare && flow_needs_rare(f)) {
		rec->flow.rare = calloc(1, sizeof(*rec->flow.rare));
		if (rec->flow.rare) {
			t->n_rare++;
		} else {
			t->stats.parts_lost_memory++;
			err = -ENOMEM;
		}
	}
	*changed = flow_merge(&rec->flow, f);
	return err;
}

void table_remove(struct flow_table *t, uint32_t id)
{
	struct flow_rec *rec = table_rec(t, id);

	assert(rec->state != REC_FREE);
	*index_link(t, id, rec->hash) = rec->chain;
	if (rec->state == REC_DEAD)
		t->dead--;
	else
		t->stats.destroyed++;
	if (rec->flow.rare)
		t->n_rare--;
	free(rec->flow.rare);
	rec->flow.rare = NULL;
	rec->state = REC_FREE;
	t->count--;
	slab_give(&t->slab[id >> 31], id & ~ID_V6);
	debug_check(t);
}

void table_set_state(struct flow_table *t, uint32_t id, enum rec_state state)
{
	struct flow_rec *rec = table_rec(t, id);

	assert(state != REC_FREE && rec->state != REC_FREE);
	if (state == REC_DEAD && rec->state != REC_DEAD) {
		t->dead++;
		t->stats.destroyed++;
	} else if (state != REC_DEAD && rec->state == REC_DEAD) {
		t->dead--;
		t->stats.created++;
	}
	rec->state = state;
}

/* *pos: slot number, plus 2^32 once the IPv4 slab is through. */
size_t table_walk(const struct flow_table *t, uint64_t *pos, uint32_t *ids, size_t n)
{
	size_t got = 0;

	while (got < n) {
		uint32_t fam = *pos >> 32 != 0;
		uint32_t slot = slab_next_live(&t->slab[fam], (uint32_t)*pos);

		if (slot != SLAB_NONE) {
			ids[got] = slot | (fam ? ID_V6 : 0);
			__builtin_prefetch(table_rec(t, ids[got]));
			got++;
			*pos = (uint64_t)fam << 32 | (slot + 1);
		} else if (fam == 0) {
			*pos = UINT64_C(1) << 32;
		} else {
			break;
		}
	}
	return got;
}

uint32_t table_count(const struct flow_table *t)
{
	return t->count;
}

uint32_t table_count_dead(const struct flow_table *t)
{
	return t->dead;
}

uint32_t table_limit(const struct flow_table *t)
{
	return t->limit;
}

size_t table_memory(const struct flow_table *t)
{
	size_t n = sizeof(*t) + t->n_seg * sizeof(*t->seg) + t->n_rare * sizeof(struct flow_rare);

	for (uint32_t i = 0; i < t->n_seg; i++) {
		if (t->seg[i])
			n += SEG_BUCKETS * sizeof(**t->seg);
	}
	return n + slab_memory(&t->slab[0]) + slab_memory(&t->slab[1]);
}

struct table_stats *table_stats(struct flow_table *t)
{
	return &t->stats;
}

/* ---- check ---- */

struct tally {
	uint32_t count, dead, rare;
};

static bool check_chain(const struct flow_table *t, uint32_t bucket, struct tally *sum)
{
	uint32_t id;

	for (id = bucket_head(t, bucket); id != FLOW_ID_NONE; id = table_rec(t, id)->chain) {
		const struct slab *slab = &t->slab[id >> 31];
		const struct flow_rec *rec = table_rec(t, id);

		if (sum->count++ > t->count || !slab_is_live(slab, id & ~ID_V6))
			return false;
		if (rec->state == REC_FREE || rec->hash != hash_of(t, &rec->flow) ||
		    bucket_of(t, rec->hash) != bucket)
			return false;
		if ((rec->flow.l3 == AF_INET6) != (id >> 31) || table_find(t, &rec->flow) != id)
			return false;
		sum->dead += rec->state == REC_DEAD;
		sum->rare += rec->flow.rare != NULL;
	}
	return true;
}

bool table_check(const struct flow_table *t)
{
	struct tally sum = { 0 };
	uint32_t live = 0;

	for (uint64_t b = 0; b <= t->wide && b / SEG_BUCKETS < t->n_seg; b++) {
		if (b % SEG_BUCKETS == 0 && !t->seg[b / SEG_BUCKETS])
			b += SEG_BUCKETS - 1;
		else if (!check_chain(t, (uint32_t)b, &sum))
			return false;
	}
	for (uint32_t fam = 0; fam < 2; fam++) {
		uint32_t slot = slab_next_live(&t->slab[fam], 0);

		for (; slot != SLAB_NONE; slot = slab_next_live(&t->slab[fam], slot + 1))
			live++;
	}
	return sum.count == t->count && sum.dead == t->dead && sum.rare == t->n_rare &&
	       live == t->count;
}
