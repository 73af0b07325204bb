/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_CLASH_H
#define CONNTRACKD_CACHE_CLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/table.h"

/* Ambiguous flows: flows of the internal cache that a peer cannot distinguish, because the protocol
 * identifies them by less than the kernel does. They are hidden: their records carry REC_I_CLASH,
 * and none of them is sent. Flows with a zone of one direction are always hidden: the peer would
 * take each for a flow of the default zone. As long as there are no such flows, others cost nothing
 * here. */
struct clash;

/* Begin to watch a table of flows, which is borrowed and must be empty. NULL without memory. */
struct clash *clash_new(struct flow_table *flows, const struct hash_key *key);
void clash_free(struct clash *c);

/* Record id was inserted, and may now be hidden. Returns the id of another live record that is
 * hidden from now on and must leave the queues of sync/, else FLOW_ID_NONE. */
uint32_t clash_add(struct clash *c, uint32_t id);
/* Record id is about to be removed. */
void clash_remove(struct clash *c, uint32_t id);

/* The next live flow that was hidden and is not any more: it is to be sent. False when there is
 * none. */
bool clash_next(struct clash *c, uint32_t *id);
/* May clash_next() find a flow? */
bool clash_pending(const struct clash *c);

/* May peers have received this hidden flow before it was hidden? Then its end has to be sent. */
bool clash_known(const struct clash *c, uint32_t id);

uint32_t clash_hidden(const struct clash *c); /* now */
uint64_t clash_total(const struct clash *c);  /* since the start */
/* Hidden flows with a zone of one direction, which clash_hidden() and clash_total() do not
 * count. */
uint32_t clash_zoned(const struct clash *c);
uint64_t clash_zoned_total(const struct clash *c);

/* Is there a hidden flow of either kind? */
bool clash_any(const struct clash *c);

#endif
