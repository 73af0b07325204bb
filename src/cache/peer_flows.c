/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flows of our kernel were received from peers: a set of hashes.
 *
 * Open addressing with linear probing, in shards that grow on their own, so that nothing ever takes
 * as long as moving the whole set. The hash chooses the shard by its top bits and the place by its
 * low ones. The lowest bit is not part of the hash: it says in which pass the member was last seen.
 * 0 is an empty place. */
#include "cache/peer_flows.h"

#include <stdlib.h>

#define SHARDS	     256u
#define CAP_MIN	     16u /* a power of two */
#define SWEEP_SHARDS 8u	 /* per step: some thirty thousand places of a set of a million */
#define PASS_BIT     UINT64_C(1)

struct shard {
	uint64_t *place;
	uint32_t *received_s; /* of each place; the same allocation */
	uint32_t cap, n;
};

struct peer_flows {
	struct hash_key low, high;
	uint32_t n;
	uint64_t pass;	/* 0 or PASS_BIT */
	uint32_t sweep; /* next shard to sweep; SHARDS: none */
	struct shard shard[SHARDS];
};

struct peer_flows *peer_flows_new(const struct hash_key *key)
{
	struct peer_flows *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->low = *key;
	s->high = (struct hash_key){ .k0 = ~key->k1, .k1 = key->k0 };
	s->sweep = SHARDS;
	return s;
}

void peer_flows_free(struct peer_flows *s)
{
	if (!s)
		return;
	peer_flows_clear(s);
	free(s);
}

void peer_flows_clear(struct peer_flows *s)
{
	for (uint32_t i = 0; i < SHARDS; i++) {
		free(s->shard[i].place);
		s->shard[i] = (struct shard){ 0 };
	}
	s->n = 0;
	s->sweep = SHARDS;
}

static uint64_t hash_of(const struct peer_flows *s, const struct ct_flow *f)
{
	struct flow_key key;
	uint64_t hash;

	flow_key(f, &key);
	hash = (uint64_t)flow_key_hash(&s->high, &key) << 32 | flow_key_hash(&s->low, &key);
	hash &= ~PASS_BIT;
	return hash ? hash : 2;
}

static uint32_t shard_of(uint64_t hash)
{
	return (uint32_t)(hash >> 56);
}

static uint32_t home_of(const struct shard *d, uint64_t hash)
{
	return (uint32_t)(hash >> 1) & (d->cap - 1);
}

/* Where the hash is, or the hole in which it would be. There is always a hole. */
static uint32_t place_of(const struct shard *d, uint64_t hash)
{
	uint32_t at = home_of(d, hash);

	while (d->place[at] != 0 && (d->place[at] & ~PASS_BIT) != hash)
		at = (at + 1) & (d->cap - 1);
	return at;
}

static bool shard_grow(struct shard *d)
{
	struct shard to = { .cap = d->cap ? 2 * d->cap : CAP_MIN, .n = d->n };

	to.place = calloc(to.cap, sizeof(*to.place) + sizeof(*to.received_s));
	if (!to.place)
		return false;
	to.received_s = (uint32_t *)(to.place + to.cap);
	for (uint32_t i = 0; i < d->cap; i++) {
		uint32_t at;

		if (d->place[i] == 0)
			continue;
		at = place_of(&to, d->place[i] & ~PASS_BIT);
		to.place[at] = d->place[i];
		to.received_s[at] = d->received_s[i];
	}
	free(d->place);
	*d = to;
	return true;
}

/* The members behind the hole move up, so that no search ends there too early. */
static void shard_take_out(struct shard *d, uint32_t hole)
{
	uint32_t mask = d->cap - 1;

	for (uint32_t at = (hole + 1) & mask; d->place[at] != 0; at = (at + 1) & mask) {
		if (((at - home_of(d, d->place[at])) & mask) < ((at - hole) & mask))
			continue; /* the hole is before its home */
		d->place[hole] = d->place[at];
		d->received_s[hole] = d->received_s[at];
		hole = at;
	}
	d->place[hole] = 0;
	d->n--;
}

bool peer_flows_add(struct peer_flows *s, const struct ct_flow *f, uint32_t now_s)
{
	uint64_t hash = hash_of(s, f);
	struct shard *d = &s->shard[shard_of(hash)];
	uint32_t at;

	if (4 * (uint64_t)d->n >= 3 * (uint64_t)d->cap && !shard_grow(d))
		return false;
	at = place_of(d, hash);
	if (d->place[at] == 0) {
		d->n++;
		s->n++;
	}
	d->place[at] = hash | s->pass;
	d->received_s[at] = now_s;
	return true;
}

bool peer_flows_remove(struct peer_flows *s, const struct ct_flow *f)
{
	struct shard *d;
	uint64_t hash;
	uint32_t at;

	if (s->n == 0)
		return false;
	hash = hash_of(s, f);
	d = &s->shard[shard_of(hash)];
	if (d->n == 0)
		return false;
	at = place_of(d, hash);
	if (d->place[at] == 0)
		return false;
	shard_take_out(d, at);
	s->n--;
	return true;
}

bool peer_flows_received(const struct peer_flows *s, const struct ct_flow *f, uint32_t *received_s)
{
	const struct shard *d;
	uint64_t hash;
	uint32_t at;

	if (s->n == 0)
		return false;
	hash = hash_of(s, f);
	d = &s->shard[shard_of(hash)];
	if (d->n == 0)
		return false;
	at = place_of(d, hash);
	if (received_s)
		*received_s = d->received_s[at];
	return d->place[at] != 0;
}

bool peer_flows_has(const struct peer_flows *s, const struct ct_flow *f)
{
	return peer_flows_received(s, f, NULL);
}

uint32_t peer_flows_count(const struct peer_flows *s)
{
	return s->n;
}

/* ---- passes ---- */

void peer_flows_pass_begin(struct peer_flows *s)
{
	/* The sweep of the last pass is completed first: its bit for unseen means seen in this
	 * pass. */
	while (peer_flows_sweep_step(s))
		;
	s->pass ^= PASS_BIT;
}

void peer_flows_pass_seen(struct peer_flows *s, const struct ct_flow *f)
{
	uint64_t hash = hash_of(s, f);
	struct shard *d = &s->shard[shard_of(hash)];
	uint32_t at;

	if (d->n == 0)
		return;
	at = place_of(d, hash);
	if (d->place[at] != 0)
		d->place[at] = hash | s->pass;
}

void peer_flows_pass_end(struct peer_flows *s)
{
	s->sweep = s->n > 0 ? 0 : SHARDS;
}

static void shard_sweep(struct peer_flows *s, struct shard *d)
{
	for (uint32_t at = 0; at < d->cap; at++) {
		while (d->place[at] != 0 && (d->place[at] & PASS_BIT) != s->pass) {
			shard_take_out(d, at); /* another member may have moved here */
			s->n--;
		}
	}
}

bool peer_flows_sweep_step(struct peer_flows *s)
{
	for (uint32_t i = 0; i < SWEEP_SHARDS && s->sweep < SHARDS; i++)
		shard_sweep(s, &s->shard[s->sweep++]);
	return s->sweep < SHARDS;
}
