/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_BYPASS_H
#define CONNTRACKD_CACHE_BYPASS_H

#include "cache/internal.h"

/* In place of the internal cache (DisableInternalCache): what our kernel has said and was not sent
 * yet, one record per flow. The caller passes the id on to sync/ and gives the record back with
 * bypass_release() when its message has been made, whatever its state. So the table is empty when
 * nothing waits.
 *
 * State of a record: REC_NEW, all of the flow is known, its message replaces what a peer has;
 * REC_ALIVE, only what an update said; REC_DEAD. */
struct bypass;

/* NULL without memory. buckets, limit and key as for table_new(). */
struct bypass *bypass_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void bypass_free(struct bypass *b);
struct flow_table *bypass_table(struct bypass *b);

/* Kernel events. *id is the record, FLOW_ID_NONE with INTERNAL_FULL. INTERNAL_NOTHING: it says
 * nothing new. */
enum internal_change bypass_new_flow(struct bypass *b, const struct ct_flow *f, struct mono now,
				     uint32_t *id);
enum internal_change bypass_update(struct bypass *b, const struct ct_flow *f, struct mono now,
				   uint32_t *id);
enum internal_change bypass_destroy(struct bypass *b, const struct ct_flow *f, struct mono now,
				    uint32_t *id);

/* The message about the record has been made: it goes. Not before the next part of the kernel dump
 * under way, which may be older than what the record says. */
void bypass_release(struct bypass *b, uint32_t id);

/* ---- a full send: the kernel table is dumped, and what it shows is taken from here piece by piece
 * ---- */

/* The most entries that may wait in here, and where there is room for another part of a dump. */
#define BYPASS_TOLD_MAX	 4096u
#define BYPASS_TOLD_HIGH 2048u

void bypass_dump_begin(struct bypass *b);
/* One entry. What events said of it is newer and goes over it. False: there was no room, the dump
 * has to be made again. */
bool bypass_dumped(struct bypass *b, const struct ct_flow *f, struct mono now);
/* A part of the dump has been given to bypass_dumped(). The kernel makes the next part when it is
 * asked for this one. */
void bypass_dump_part(struct bypass *b);
void bypass_dump_end(struct bypass *b);
/* Up to n ids of entries that wait, the first first. They are the caller's until
 * bypass_release(). */
size_t bypass_told(struct bypass *b, uint32_t *ids, size_t n);
uint32_t bypass_n_told(const struct bypass *b);

/* We deleted it from the kernel ourselves, and nobody is to be told. The record that sync/ must
 * forget before this call is what table_find() gives. */
void bypass_purge(struct bypass *b, const struct ct_flow *f, struct mono now);

#endif
