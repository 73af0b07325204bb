/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows by the tuples of their packets.
 *
 * Two lists of entries, each as long as the table has slots: one by reply tuple, for all flows, one
 * by original tuple without zone, for flows that have one. An entry is a hash and the id of the
 * next one in its bucket; pieces of a list that nobody needs do not exist. The number of buckets
 * follows the table's limit and stays: pages of buckets that were never touched cost nothing. */
#include "cache/reply_index.h"

#include <stdlib.h>
#include <string.h>

#define PIECE	    1024u
#define STEP_IDS    256u
#define BUCKETS_MIN 1024u
#define BUCKETS_MAX (UINT32_C(1) << 22)

#define PLACED 1u /* in hash */

/* All zero: the flow is not in the list. */
struct entry {
	uint32_t hash; /* without its lowest bit, which is PLACED; never 0 */
	uint32_t next; /* as in a bucket */
};

/* Of one family. */
struct pieces {
	struct entry **piece; /* owned; n of them, NULL for one without entries */
	uint32_t n;
};

enum list { BY_REPLY, BY_ORIG, LISTS };

struct reply_index {
	const struct flow_table *table;
	struct hash_key key;
	struct pieces pieces[LISTS][2];
	uint32_t *bucket[LISTS]; /* owned; ~id, so that what was never touched is empty */
	uint32_t mask;
	uint32_t count;
	bool filled, lacks;
	size_t memory;
};

#define NOBODY 0u

struct reply_index *reply_index_new(const struct flow_table *t, const struct hash_key *key)
{
	struct reply_index *x = calloc(1, sizeof(*x));
	uint32_t want = table_limit(t) / 2, n = BUCKETS_MIN;

	if (!x)
		return NULL;
	while (n < want && n < BUCKETS_MAX)
		n *= 2;
	x->table = t;
	x->key = *key;
	x->mask = n - 1;
	for (int l = 0; l < LISTS; l++)
		x->bucket[l] = calloc(n, sizeof(**x->bucket));
	if (!x->bucket[BY_REPLY] || !x->bucket[BY_ORIG]) {
		reply_index_free(x);
		return NULL;
	}
	return x;
}

void reply_index_free(struct reply_index *x)
{
	if (!x)
		return;
	for (int l = 0; l < LISTS; l++) {
		for (int fam = 0; fam < 2; fam++) {
			for (uint32_t i = 0; i < x->pieces[l][fam].n; i++)
				free(x->pieces[l][fam].piece[i]);
			free(x->pieces[l][fam].piece);
		}
		free(x->bucket[l]);
	}
	free(x);
}

/* ---- entries ---- */

static struct entry *entry_of(const struct reply_index *x, enum list l, uint32_t id)
{
	const struct pieces *p = &x->pieces[l][id >> 31];
	uint32_t slot = id & ~TABLE_ID_V6, i = slot / PIECE;

	return i < p->n && p->piece[i] ? &p->piece[i][slot % PIECE] : NULL;
}

/* The same, made if need be; NULL without memory. */
static struct entry *entry_make(struct reply_index *x, enum list l, uint32_t id)
{
	struct pieces *p = &x->pieces[l][id >> 31];
	uint32_t slot = id & ~TABLE_ID_V6, i = slot / PIECE, n = p->n ? p->n : 16;
	struct entry **grown;

	while (i >= n)
		n *= 2;
	if (n > p->n) {
		grown = realloc(p->piece, n * sizeof(*grown));
		if (!grown)
			return NULL;
		memset(grown + p->n, 0, (n - p->n) * sizeof(*grown));
		p->piece = grown;
		p->n = n;
	}
	if (!p->piece[i]) {
		p->piece[i] = calloc(PIECE, sizeof(struct entry));
		x->memory += p->piece[i] ? PIECE * sizeof(struct entry) : 0;
	}
	return p->piece[i] ? &p->piece[i][slot % PIECE] : NULL;
}

static uint32_t hash_of(const struct reply_index *x, const struct ct_flow *tuple)
{
	struct flow_key key;
	uint32_t hash;

	flow_key(tuple, &key);
	hash = flow_key_hash(&x->key, &key) & ~PLACED;
	return hash ? hash : PLACED << 1;
}

static uint32_t *bucket_of(const struct reply_index *x, enum list l, uint32_t hash)
{
	return &x->bucket[l][hash >> 1 & x->mask];
}

void flow_reply_as_packet(struct ct_flow *out, const struct ct_flow *f)
{
	struct ct_flow m = { 0 };

	flow_copy(&m, f);
	if (!(f->has & FLOW_HAS_REPLY))
		flow_mirror_reply(&m);
	*out = (struct ct_flow){
		.has = m.has & FLOW_HAS_PORTS, .l3 = m.l3, .l4 = m.l4, .orig = m.reply
	};
	if (m.l3 == AF_INET) {
		out->addr.v4.src = m.addr.v4.reply_src;
		out->addr.v4.dst = m.addr.v4.reply_dst;
		return;
	}
	memcpy(out->addr.v6.src, m.addr.v6.reply_src, 16);
	memcpy(out->addr.v6.dst, m.addr.v6.reply_dst, 16);
}

static void orig_as_packet(struct ct_flow *out, const struct ct_flow *f)
{
	*out = (struct ct_flow){
		.has = f->has & FLOW_HAS_PORTS, .l3 = f->l3, .l4 = f->l4, .orig = f->orig
	};
	memcpy(&out->addr, &f->addr, f->l3 == AF_INET ? 8 : 32);
}

static void as_packet(enum list l, struct ct_flow *out, const struct ct_flow *f)
{
	if (l == BY_REPLY)
		flow_reply_as_packet(out, f);
	else
		orig_as_packet(out, f);
}

static void take_out(struct reply_index *x, enum list l, uint32_t id)
{
	struct entry *e = entry_of(x, l, id);
	uint32_t *link;

	if (!e || !e->hash)
		return;
	link = bucket_of(x, l, e->hash & ~PLACED);
	while (*link != ~id)
		link = &entry_of(x, l, ~*link)->next;
	*link = e->next;
	*e = (struct entry){ 0 };
	x->count -= l == BY_REPLY;
}

static void put_in(struct reply_index *x, enum list l, uint32_t id)
{
	struct entry *e = entry_make(x, l, id);
	struct ct_flow tuple;
	uint32_t hash, *link;
	bool placed;

	if (!e) {
		x->lacks = true;
		return;
	}
	as_packet(l, &tuple, &table_rec(x->table, id)->flow);
	hash = hash_of(x, &tuple);
	if ((e->hash & ~PLACED) == hash)
		return;
	placed = e->hash & PLACED;
	take_out(x, l, id);
	link = bucket_of(x, l, hash);
	*e = (struct entry){ .hash = hash | (placed ? PLACED : 0), .next = *link };
	*link = ~id;
	x->count += l == BY_REPLY;
}

void reply_index_put(struct reply_index *x, uint32_t id)
{
	put_in(x, BY_REPLY, id);
	if (table_rec(x->table, id)->flow.has & FLOW_HAS_ZONE)
		put_in(x, BY_ORIG, id);
}

void reply_index_remove(struct reply_index *x, uint32_t id)
{
	take_out(x, BY_REPLY, id);
	take_out(x, BY_ORIG, id);
}

bool reply_index_fill_step(struct reply_index *x, uint64_t *pos, size_t n)
{
	uint32_t ids[STEP_IDS];

	while (n > 0) {
		size_t got = table_walk(x->table, pos, ids, n < STEP_IDS ? n : STEP_IDS);

		if (got == 0) {
			x->filled = true;
			return false;
		}
		for (size_t i = 0; i < got; i++)
			reply_index_put(x, ids[i]);
		n -= got;
	}
	return true;
}

bool reply_index_is_whole(const struct reply_index *x)
{
	return x->filled && !x->lacks;
}

/* ---- questions ---- */

static size_t find_in(const struct reply_index *x, enum list l, const struct ct_flow *packet,
		      uint32_t *ids, size_t n)
{
	uint32_t hash = hash_of(x, packet), at = *bucket_of(x, l, hash);
	const struct entry *e;
	struct ct_flow tuple;
	size_t got = 0;

	for (; at != NOBODY && got < n; at = e->next) {
		const struct flow_rec *rec = table_rec(x->table, ~at);

		e = entry_of(x, l, ~at);
		if ((e->hash & ~PLACED) != hash || rec->state == REC_DEAD)
			continue;
		as_packet(l, &tuple, &rec->flow);
		if (flow_same_key(&tuple, packet))
			ids[got++] = ~at;
	}
	return got;
}

size_t reply_index_find(const struct reply_index *x, const struct ct_flow *packet, uint32_t *ids,
			size_t n)
{
	uint32_t id = table_find(x->table, packet);
	size_t got = 0;

	if (id != FLOW_ID_NONE && n > 0 && table_rec(x->table, id)->state != REC_DEAD)
		ids[got++] = id;
	got += find_in(x, BY_ORIG, packet, ids + got, n - got);
	return got + find_in(x, BY_REPLY, packet, ids + got, n - got);
}

bool reply_index_is_placed(const struct reply_index *x, uint32_t id)
{
	const struct entry *e = entry_of(x, BY_REPLY, id);

	return e && e->hash & PLACED;
}

void reply_index_set_placed(struct reply_index *x, uint32_t id, bool placed)
{
	struct entry *e = entry_of(x, BY_REPLY, id);

	if (e && e->hash)
		e->hash = (e->hash & ~PLACED) | (placed ? PLACED : 0);
}

void reply_index_unplace(struct reply_index *x)
{
	for (int fam = 0; fam < 2; fam++) {
		const struct pieces *p = &x->pieces[BY_REPLY][fam];

		for (uint32_t i = 0; i < p->n; i++) {
			for (uint32_t k = 0; p->piece[i] && k < PIECE; k++)
				p->piece[i][k].hash &= ~PLACED;
		}
	}
}

size_t reply_index_memory(const struct reply_index *x)
{
	return sizeof(*x) + x->memory + LISTS * ((size_t)x->mask + 1) * sizeof(**x->bucket);
}

bool reply_index_check(const struct reply_index *x)
{
	uint32_t seen = 0, id;
	struct ct_flow tuple;

	for (uint32_t b = 0; b <= x->mask; b++) {
		for (uint32_t at = x->bucket[BY_REPLY][b]; at != NOBODY;
		     at = entry_of(x, BY_REPLY, id)->next) {
			id = ~at;
			if (seen++ > x->count || !table_has_id(x->table, id))
				return false;
			flow_reply_as_packet(&tuple, &table_rec(x->table, id)->flow);
			if ((entry_of(x, BY_REPLY, id)->hash & ~PLACED) != hash_of(x, &tuple))
				return false;
		}
	}
	return seen == x->count && (!reply_index_is_whole(x) || seen == table_count(x->table));
}
