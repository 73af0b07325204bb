/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_TABLE_H
#define CONNTRACKD_CACHE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "cache/slab.h"
#include "flow/flow.h"
#include "flow/hints.h"
#include "flow/repl.h"

/* What we know about a flow of a peer beside what the peer has sent. Mono seconds. */
struct flow_peers_word {
	uint32_t changed_s; /* when a change of the flow was last received */
	/* when our kernel last reported the end of the entry with its original tuple; 0: never */
	uint32_t ended_s;
};

/* The flow table: records in slabs of fixed-size slots (a shorter slot for IPv4), named by 32-bit
 * ids; an index of ids by keyed hash of original tuple + zone that grows bucket by bucket (linear
 * hashing: never a stop-the-world rehash). Ids stay valid until the record is freed. Records never
 * move. */
struct flow_rec {
	uint32_t hash;
	uint32_t chain; /* next id in the bucket */
	union {
		struct flow_repl repl;	     /* internal: replication, see flow/repl.h */
		struct flow_peers_word peer; /* external */
	};
	uint8_t state; /* enum rec_state */
	union {
		uint8_t flags; /* internal: what is known about the entry, REC_I_* (internal.c) */
		uint8_t from;  /* external: id of the peer that sent the flow last */
	};
	/* internal: reconcile pass that last saw it; external: resync that last refreshed it */
	uint16_t pass;
	uint32_t created_s;  /* mono_s() of insertion: "active since" */
	uint32_t updated_s;  /* mono_s() of the last change: age of timeout_s */
	struct ct_flow flow; /* last: cut short for IPv4 */
};

enum rec_state {
	REC_FREE = 0,
	REC_NEW,   /* inserted, never changed: goes out as CT_NEW */
	REC_ALIVE, /* changed at least once: CT_UPD */
	/* gone from the kernel, kept until its CT_DEL is no longer needed */
	REC_DEAD,
};

struct table_stats {
	uint64_t created, create_failed_limit, create_failed_memory;
	/* rare parts of a stored flow left out for want of memory */
	uint64_t parts_lost_memory;
	uint64_t updated, destroyed; /* updated: counted by the cache that has the table */
};

struct flow_table;

/* buckets: size of the index at start (HashSize, rounded up to a power of two); it grows from
 * there. A large one costs at most 4 MiB before flows come. limit: most records, dead ones included
 * (HashLimit). Gives a table, or NULL without memory. The key is copied. */
struct flow_table *table_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void table_free(struct flow_table *t);

/* Change the limit (nf_conntrack_max may change); records beyond it stay. */
void table_set_limit(struct flow_table *t, uint32_t limit);
/* Let dead records not count against the limit, as long as there are no more than it and a
 * sixteenth, and 1024, in all: an end is sent within milliseconds, and must not cost another flow
 * its place in the meantime. A dead record that becomes alive again stays. Off in a new table. */
void table_spare_dead(struct flow_table *t);

/* The record with this key, FLOW_ID_NONE if there is none. Dead records are found too. */
uint32_t table_find(const struct flow_table *t, const struct ct_flow *f);

/* Hints that table_find() for this flow comes soon, so that a batch of lookups overlaps its cache
 * misses: first the index for all of them, a little later, when that has arrived, the first
 * records, by what the first call gave, and then those behind the first ones that are not meant. */
uint32_t table_prefetch_index(const struct flow_table *t, const struct ct_flow *f);
void table_prefetch_rec(const struct flow_table *t, uint32_t hash);
void table_prefetch_chain(const struct flow_table *t, uint32_t hash);
/* The three as hints about the flows of t. */
struct flow_hints table_hints(struct flow_table *t);

/* Insert a record with a copy of f (rare parts copied into memory of the table's own; counters
 * dropped). The key must not be present. The id, or FLOW_ID_NONE with *err (if not NULL) -ENOSPC at
 * the limit or -ENOMEM. state is REC_NEW, repl, flags and pass zero, created and updated now_s.
 * Counts. */
uint32_t table_insert(struct flow_table *t, const struct ct_flow *f, uint32_t now_s, int *err);

/* table_find() and, if there is none, table_insert(), with the key hashed once. *inserted says
 * which; it is false when FLOW_ID_NONE is returned. */
uint32_t table_find_or_insert(struct flow_table *t, const struct ct_flow *f, uint32_t now_s,
			      bool *inserted, int *err);

/* Replace everything but the key with what f has (a new incarnation of the same tuple); state,
 * repl, flags, pass and times of the record stay. 0 or -ENOMEM (rare parts left out then,
 * counted). */
int table_replace(struct flow_table *t, uint32_t id, const struct ct_flow *f);

/* flow_merge() into the record, allocating rare parts when needed. *changed as flow_merge() says. 0
 * or -ENOMEM (rare parts left out then, counted). */
int table_merge(struct flow_table *t, uint32_t id, const struct ct_flow *f, bool *changed);

/* Take the record out of the index and free its slot; the id may be reused at once. Counts as
 * destroyed unless the record was dead. */
void table_remove(struct flow_table *t, uint32_t id);

/* Does the id name a record? For ids kept across a question to the kernel, whose record may have
 * been freed. */
bool table_has_id(const struct flow_table *t, uint32_t id);

/* In an id: the record is one of the slab of IPv6 flows; the other bits are the number of the
 * slot. */
#define TABLE_ID_V6 UINT32_C(0x80000000)

/* The record of a valid id; never NULL. Borrowed, valid until table_remove(). Inline, because an
 * event needs it ten times; for that a table begins with its two slabs. */
static inline struct flow_rec *table_rec(const struct flow_table *t, uint32_t id)
{
	return slab_at((const struct slab *)t + (id >> 31), id & ~TABLE_ID_V6);
}

/* Up to n ids of records in slot order from *pos on (start with 0); *pos is the resume point.
 * Returns how many, 0 at the end. A record that lives throughout the walk is given exactly once,
 * whatever else is inserted or removed between calls. Dead records are included: look at
 * rec->state. */
size_t table_walk(const struct flow_table *t, uint64_t *pos, uint32_t *ids, size_t n);

uint32_t table_count(const struct flow_table *t); /* records, dead ones included */
uint32_t table_count_dead(const struct flow_table *t);
uint32_t table_limit(const struct flow_table *t);
/* bytes allocated for slabs, index and rare parts */
size_t table_memory(const struct flow_table *t);
struct table_stats *table_stats(struct flow_table *t);

/* Change the state (not to REC_FREE); keeps the dead counter right. An end counts as destroyed, a
 * dead one that lives again as created. */
void table_set_state(struct flow_table *t, uint32_t id, enum rec_state state);

/* A record was taken over by a flow that is new, without having ended: counts as one destroyed and
 * one created, as in 1.4.x. */
static inline void table_count_replaced(struct flow_table *t)
{
	table_stats(t)->destroyed++;
	table_stats(t)->created++;
}

/* Whole-structure check for tests: every record is found by its key, counters agree. */
bool table_check(const struct flow_table *t);

#endif
