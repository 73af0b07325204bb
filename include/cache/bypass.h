/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_BYPASS_H
#define CONNTRACKD_CACHE_BYPASS_H

#include "cache/internal.h"

/* In place of the internal cache (DisableInternalCache): changes that our kernel has reported and
 * that were not sent yet, one record per flow. The caller passes the id on to sync/ and gives the
 * record back with bypass_release() when its message has been made, whatever its state. So the
 * table is empty when nothing waits.
 *
 * State of a record: REC_NEW: all of the flow is known, its message replaces what a peer has;
 * REC_ALIVE: only the contents of an update are known; REC_DEAD: the flow was destroyed. */
struct bypass;

/* NULL without memory. buckets, limit and key as for table_new(). */
struct bypass *bypass_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void bypass_free(struct bypass *b);
struct flow_table *bypass_table(struct bypass *b);

/* Kernel events. *id is the record, FLOW_ID_NONE with INTERNAL_FULL. INTERNAL_NOTHING: the event
 * changes nothing. */
enum internal_change bypass_new_flow(struct bypass *b, const struct ct_flow *f, struct mono now,
				     uint32_t *id);
enum internal_change bypass_update(struct bypass *b, const struct ct_flow *f, struct mono now,
				   uint32_t *id);
enum internal_change bypass_destroy(struct bypass *b, const struct ct_flow *f, struct mono now,
				    uint32_t *id);

/* The message about the record has been made: the record is freed, while a kernel dump is under way
 * not before its next part, which may be older than the record. */
void bypass_release(struct bypass *b, uint32_t id);

/* ---- bulk send: the kernel table is dumped, and its entries wait here to be sent ---- */

/* How many entries of a dump may wait, and below which number there is room for another part of the
 * dump. */
#define BYPASS_DUMPED_MAX  4096u
#define BYPASS_DUMPED_HIGH 2048u

void bypass_dump_begin(struct bypass *b);
/* An entry of the dump. If an event has reported the flow, that is newer and stays. False: there
 * was no room, the dump has to be made again. */
bool bypass_dumped(struct bypass *b, const struct ct_flow *f, struct mono now);
/* A part of the dump has been given to bypass_dumped(). The kernel makes the next part when the
 * daemon reads this one. */
void bypass_dump_part(struct bypass *b);
void bypass_dump_end(struct bypass *b);
/* Take up to n ids of entries that wait, in their order. They are the caller's until
 * bypass_release(). */
size_t bypass_take_dumped(struct bypass *b, uint32_t *ids, size_t n);
uint32_t bypass_n_dumped(const struct bypass *b);

/* We have deleted the flow from our kernel ourselves, which is not to be sent. Before this call
 * sync/ must forget the record of the flow (table_find()). */
void bypass_purge(struct bypass *b, const struct ct_flow *f, struct mono now);

#endif
