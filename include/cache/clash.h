/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_CLASH_H
#define CONNTRACKD_CACHE_CLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/table.h"

/* Which flows of the internal cache cannot be told apart by a peer, because the protocol names them
 * by less than the kernel does. They are hidden: their records carry REC_I_CLASH, and none of them
 * is sent. So are, always, flows with a zone of one direction: the peer would take each for one of
 * the default zone. Costs flows of other kinds nothing as long as there is none of these. */
struct clash;

/* Watches over a table, which is borrowed and must be empty. Gives it, or NULL without memory. */
struct clash *clash_new(struct flow_table *flows, const struct hash_key *key);
void clash_free(struct clash *c);

/* A record was inserted. It may be hidden now, and another one too: the id of a live one that was
 * sent until now and must leave the queues, else FLOW_ID_NONE. */
uint32_t clash_add(struct clash *c, uint32_t id);
/* A record is about to be removed. */
void clash_remove(struct clash *c, uint32_t id);

/* The next live flow that was hidden and is not any more: it is to be sent. False when there is
 * none. */
bool clash_next(struct clash *c, uint32_t *id);
/* Is there possibly one? */
bool clash_pending(const struct clash *c);

/* May peers know this hidden flow from before it was hidden? Its end has to be told to them
 * then. */
bool clash_known(const struct clash *c, uint32_t id);

uint32_t clash_hidden(const struct clash *c); /* now */
uint64_t clash_total(const struct clash *c);  /* since the start */
/* Those with a zone of one direction, which the two above do not count. */
uint32_t clash_zoned(const struct clash *c);
uint64_t clash_zoned_total(const struct clash *c);

/* Is there a hidden flow of either kind? */
bool clash_any(const struct clash *c);

#endif
