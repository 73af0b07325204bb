/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of TCP on asymmetric paths, each of which may be ahead of the state that it needs.
 *
 * A SYN begins a flow and needs none. An answer to it needs that the SYN is known here, everything
 * else that the answer is, too: to an entry of which only the SYN was seen an ACK is invalid. What
 * has once been found to be there is not asked for again for a second. The worst that can come of
 * anything here is that a packet passes as if nobody had looked: the kernel's rules judge it. */
#include "gate/await.h"

#include <stdlib.h>
#include <string.h>

#include "gate/packet.h"
#include "gate/waiting.h"

#define RECENT	  1024u /* a power of two */
#define RECENT_MS 1000
#define STEP	  64u /* tuples asked about in one step */

#define SYN 0x02u
#define RST 0x04u
#define ACK 0x10u

/* A tuple that was there. */
struct recent {
	struct flow_key key;
	struct mono at;
};

struct await {
	struct gate_conf conf;
	struct await_env env;
	struct hash_key key;
	struct waiting *held; /* the word: the entry may have begun only */
	struct await_stats stats;
	struct recent recent[RECENT];
};

struct await *await_new(const struct gate_conf *conf, const struct await_env *env,
			const struct hash_key *key)
{
	struct await *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->conf = *conf;
	a->env = *env;
	a->key = *key;
	a->held = waiting_new(conf->queue_len, key);
	if (!a->held) {
		free(a);
		return NULL;
	}
	return a;
}

void await_free(struct await *a)
{
	if (!a)
		return;
	waiting_free(a->held);
	free(a);
}

/* ---- what is there ---- */

static struct recent *recent_of(struct await *a, const struct ct_flow *tuple, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	flow_key(tuple, key);
	return &a->recent[flow_key_hash(&a->key, key) & (RECENT - 1)];
}

/* begun: it is enough that the SYN is known. */
static bool is_there(struct await *a, const struct ct_flow *tuple, bool begun, struct mono now)
{
	struct flow_key key;
	struct recent *r = recent_of(a, tuple, &key);
	enum await_entry entry;

	if (mono_is_set(r->at) && mono_diff_ms(now, r->at) < RECENT_MS &&
	    memcmp(&r->key, &key, sizeof(key)) == 0)
		return true;
	a->stats.asked++;
	entry = a->env.entry(a->env.ctx, tuple, now);
	if (entry == AWAIT_THERE)
		*r = (struct recent){ .key = key, .at = now };
	return entry == AWAIT_THERE || (begun && entry == AWAIT_BEGUN);
}

/* ---- packets ---- */

static void pass(void *ctx, uint32_t packet)
{
	struct await *a = ctx;

	a->env.verdict(a->env.ctx, packet, true);
}

static void hold(struct await *a, const struct ct_flow *tuple, uint32_t packet, bool begun,
		 struct mono now)
{
	bool first = waiting_find(a->held, tuple) == WAITING_NONE;
	uint32_t place = waiting_add(a->held, tuple, packet, now);

	if (place == WAITING_NONE) {
		a->stats.no_room++;
		pass(a, packet);
		return;
	}
	a->stats.waited++;
	if (first)
		*waiting_word(a->held, place) = begun;
}

void await_packet(struct await *a, uint32_t packet, uint8_t l3, const uint8_t *bytes, size_t n,
		  struct mono now)
{
	struct ct_flow tuple;
	enum gate_packet_kind kind = gate_packet_read(l3, bytes, n, &tuple);
	uint8_t flags = kind == GATE_PACKET_TUPLE ? gate_packet_tcp_flags(l3, bytes, n) : 0;
	bool begun = (flags & (SYN | ACK)) == (SYN | ACK);

	a->stats.packets++;
	if (tuple.l4 != IPPROTO_TCP || !(flags & ACK) || flags & RST) {
		pass(a, packet);
		return;
	}
	if (waiting_find(a->held, &tuple) == WAITING_NONE && is_there(a, &tuple, begun, now))
		pass(a, packet);
	else
		hold(a, &tuple, packet, begun, now);
}

void await_step(struct await *a, struct mono now)
{
	uint32_t place = waiting_oldest(a->held), next, asked = 0;

	for (; place != WAITING_NONE; place = next) {
		bool late = mono_diff_ms(now, waiting_since(a->held, place)) >= a->conf.wait_ms;

		next = waiting_after(a->held, place);
		if (late) {
			a->stats.late += waiting_end(a->held, place, pass, a);
			continue;
		}
		if (asked++ == STEP)
			break; /* nor are those late that came later */
		if (is_there(a, waiting_tuple(a->held, place), *waiting_word(a->held, place), now))
			a->stats.in_time += waiting_end(a->held, place, pass, a);
	}
}

void await_end(struct await *a)
{
	while (waiting_oldest(a->held) != WAITING_NONE)
		waiting_end(a->held, waiting_oldest(a->held), pass, a);
}

uint32_t await_holds(const struct await *a)
{
	return waiting_packets(a->held);
}

const struct await_stats *await_stats(const struct await *a)
{
	return &a->stats;
}
