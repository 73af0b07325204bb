/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_REPLY_INDEX_H
#define CONNTRACKD_CACHE_REPLY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/table.h"

/* The flows of a table by the tuples that packets have, which the table itself cannot find: by the
 * reply tuple, and flows of a zone by the original one too, because a packet does not tell its
 * zone. Exists only while packets are asked about. Beside each flow a bit of the caller's: the
 * flow is in the kernel (placed).
 *
 * Memory: 8 bytes for each slot of the table in pieces of 1024, and 4 for each bucket. */
struct reply_index;

/* Empty. Borrows the table, whose records it reads; the key is copied. NULL without memory. */
struct reply_index *reply_index_new(const struct flow_table *t, const struct hash_key *key);
void reply_index_free(struct reply_index *x);

/* Take in up to n records from *pos on (0: begin); true while there is more. Records that come
 * meanwhile are put in by whoever inserts them. */
bool reply_index_fill_step(struct reply_index *x, uint64_t *pos, size_t n);
/* Is every flow of the table in it? Not before reply_index_fill_step() has said that there is no
 * more, nor after memory was lacking: then a packet that is not found may be a flow's all the
 * same. */
bool reply_index_is_whole(const struct reply_index *x);

/* The record is new, or says something else now. */
void reply_index_put(struct reply_index *x, uint32_t id);
/* The record is about to be removed. */
void reply_index_remove(struct reply_index *x, uint32_t id);

/* Ids of up to n flows that a packet with this tuple (in the place of the original one, without
 * zone) may belong to, in either direction. Returns how many. Dead records are left out. */
size_t reply_index_find(const struct reply_index *x, const struct ct_flow *packet, uint32_t *ids,
			size_t n);

/* For a record that is in it; false and without effect for others. */
bool reply_index_is_placed(const struct reply_index *x, uint32_t id);
void reply_index_set_placed(struct reply_index *x, uint32_t id, bool placed);

void reply_index_unplace(struct reply_index *x); /* all */

size_t reply_index_memory(const struct reply_index *x); /* bytes */
/* Whole-structure check for tests. */
bool reply_index_check(const struct reply_index *x);

/* The reply tuple of a flow, of our kernel or of a peer, in the place of the original one, without
 * zone: what a packet of that direction shows before translation. */
void flow_reply_as_packet(struct ct_flow *out, const struct ct_flow *f);

#endif
