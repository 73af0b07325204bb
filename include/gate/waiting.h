/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_GATE_WAITING_H
#define CONNTRACKD_GATE_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hash.h"
#include "flow/flow.h"

/* Packets that are held, by the tuple of their flow: those of one tuple in the order in which they
 * came, the tuples in the order of their first packet. All memory is allocated at the start. */
struct waiting;

#define WAITING_NONE UINT32_MAX

/* Most packets at a time, of as many tuples as that. NULL without memory. The key is copied. */
struct waiting *waiting_new(uint32_t max, const struct hash_key *key);
void waiting_free(struct waiting *h);

/* One more packet, named by the number of its queue. Gives the place of its tuple, which stays until
 * waiting_end(); WAITING_NONE: there is no room. */
uint32_t waiting_add(struct waiting *h, const struct ct_flow *tuple, uint32_t packet,
		     struct mono now);
/* The place of a tuple of which packets are held, or WAITING_NONE. */
uint32_t waiting_find(const struct waiting *h, const struct ct_flow *tuple);

/* Of a place: the tuple (borrowed), when its first packet came, and a word of the caller's, 0 at
 * first. */
const struct ct_flow *waiting_tuple(const struct waiting *h, uint32_t place);
struct mono waiting_since(const struct waiting *h, uint32_t place);
uint32_t *waiting_word(struct waiting *h, uint32_t place);

/* The place whose first packet came first, and the one after; WAITING_NONE: no more. */
uint32_t waiting_oldest(const struct waiting *h);
uint32_t waiting_after(const struct waiting *h, uint32_t place);

/* Each packet of the place, in order, is given to one(); the place is free then. one() must not
 * call back. Returns how many. */
uint32_t waiting_end(struct waiting *h, uint32_t place, void (*one)(void *ctx, uint32_t packet),
		     void *ctx);

uint32_t waiting_packets(const struct waiting *h);
uint32_t waiting_tuples(const struct waiting *h);

#endif
