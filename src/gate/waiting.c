/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that are held. Two pools of one size, of packets and of tuples, each with a list of what
 * is free; tuples are found by a hash and stand in a list by age as well. Nothing is allocated after
 * the start, and everything but waiting_end() takes the same time however many there are. */
#include "gate/waiting.h"

#include <stdlib.h>
#include <string.h>

struct held {
	uint32_t packet;
	uint32_t next; /* of the same tuple; of the free ones */
};

struct place {
	struct ct_flow tuple;
	struct mono since;
	uint32_t word;
	uint32_t first, last; /* packets */
	uint32_t chain;	      /* next in the bucket; of the free ones */
	uint32_t older, newer;
};

struct waiting {
	struct hash_key key;
	struct held *held;
	struct place *place;
	uint32_t *bucket;
	uint32_t mask;
	uint32_t free_held, free_place;
	uint32_t oldest, newest;
	uint32_t packets, tuples;
};

static void make_free(struct waiting *h, uint32_t max)
{
	for (uint32_t i = 0; i < max; i++) {
		h->held[i].next = i + 1 < max ? i + 1 : WAITING_NONE;
		h->place[i].chain = i + 1 < max ? i + 1 : WAITING_NONE;
	}
	memset(h->bucket, 0xff, ((size_t)h->mask + 1) * sizeof(*h->bucket)); /* WAITING_NONE */
	h->free_held = h->free_place = 0;
	h->oldest = h->newest = WAITING_NONE;
}

struct waiting *waiting_new(uint32_t max, const struct hash_key *key)
{
	struct waiting *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	while (h->mask + 1 < max)
		h->mask = h->mask << 1 | 1;
	h->key = *key;
	h->held = calloc(max, sizeof(*h->held));
	h->place = calloc(max, sizeof(*h->place));
	h->bucket = calloc((size_t)h->mask + 1, sizeof(*h->bucket));
	if (!h->held || !h->place || !h->bucket) {
		waiting_free(h);
		return NULL;
	}
	make_free(h, max);
	return h;
}

void waiting_free(struct waiting *h)
{
	if (!h)
		return;
	free(h->held);
	free(h->place);
	free(h->bucket);
	free(h);
}

/* ---- tuples ---- */

static uint32_t *bucket_of(const struct waiting *h, const struct ct_flow *tuple)
{
	struct flow_key key;

	flow_key(tuple, &key);
	return &h->bucket[flow_key_hash(&h->key, &key) & h->mask];
}

uint32_t waiting_find(const struct waiting *h, const struct ct_flow *tuple)
{
	uint32_t i = *bucket_of(h, tuple);

	while (i != WAITING_NONE && !flow_same_key(&h->place[i].tuple, tuple))
		i = h->place[i].chain;
	return i;
}

static uint32_t begin(struct waiting *h, const struct ct_flow *tuple, struct mono now)
{
	uint32_t i = h->free_place, *bucket = bucket_of(h, tuple);
	struct place *p = &h->place[i];

	h->free_place = p->chain;
	*p = (struct place){ .since = now,
			     .first = WAITING_NONE,
			     .last = WAITING_NONE,
			     .chain = *bucket,
			     .older = h->newest,
			     .newer = WAITING_NONE };
	flow_copy(&p->tuple, tuple);
	*bucket = i;
	if (h->newest == WAITING_NONE)
		h->oldest = i;
	else
		h->place[h->newest].newer = i;
	h->newest = i;
	h->tuples++;
	return i;
}

static void forget(struct waiting *h, uint32_t i)
{
	struct place *p = &h->place[i];
	uint32_t *link = bucket_of(h, &p->tuple);

	while (*link != i)
		link = &h->place[*link].chain;
	*link = p->chain;
	if (p->older == WAITING_NONE)
		h->oldest = p->newer;
	else
		h->place[p->older].newer = p->newer;
	if (p->newer == WAITING_NONE)
		h->newest = p->older;
	else
		h->place[p->newer].older = p->older;
	p->chain = h->free_place;
	h->free_place = i;
	h->tuples--;
}

/* ---- packets ---- */

uint32_t waiting_add(struct waiting *h, const struct ct_flow *tuple, uint32_t packet,
		     struct mono now)
{
	uint32_t i, k = h->free_held;

	if (k == WAITING_NONE)
		return WAITING_NONE;
	i = waiting_find(h, tuple);
	if (i == WAITING_NONE)
		i = begin(h, tuple, now);
	h->free_held = h->held[k].next;
	h->held[k] = (struct held){ .packet = packet, .next = WAITING_NONE };
	if (h->place[i].last == WAITING_NONE)
		h->place[i].first = k;
	else
		h->held[h->place[i].last].next = k;
	h->place[i].last = k;
	h->packets++;
	return i;
}

uint32_t waiting_end(struct waiting *h, uint32_t place, void (*one)(void *ctx, uint32_t packet),
		     void *ctx)
{
	uint32_t k = h->place[place].first, next, n = 0;

	for (; k != WAITING_NONE; k = next, n++) {
		next = h->held[k].next;
		one(ctx, h->held[k].packet);
		h->held[k].next = h->free_held;
		h->free_held = k;
	}
	h->packets -= n;
	forget(h, place);
	return n;
}

/* ---- questions ---- */

const struct ct_flow *waiting_tuple(const struct waiting *h, uint32_t place)
{
	return &h->place[place].tuple;
}

struct mono waiting_since(const struct waiting *h, uint32_t place)
{
	return h->place[place].since;
}

uint32_t *waiting_word(struct waiting *h, uint32_t place)
{
	return &h->place[place].word;
}

uint32_t waiting_oldest(const struct waiting *h)
{
	return h->oldest;
}

uint32_t waiting_after(const struct waiting *h, uint32_t place)
{
	return h->place[place].newer;
}

uint32_t waiting_packets(const struct waiting *h)
{
	return h->packets;
}

uint32_t waiting_tuples(const struct waiting *h)
{
	return h->tuples;
}
