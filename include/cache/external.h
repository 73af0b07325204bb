/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_EXTERNAL_H
#define CONNTRACKD_CACHE_EXTERNAL_H

#include "base/clock.h"
#include "cache/table.h"

/* The flows of the peers: the source of a commit. */
struct external;

struct external *external_new(uint32_t buckets, uint32_t limit, const struct hash_key *key);
void external_free(struct external *c);
struct flow_table *external_table(struct external *c);

/* A message from `peer` (small id). NEW replaces, UPDATE merges or inserts, DESTROY removes. 0, or -ENOSPC / -ENOMEM:
 * counted, not stored. The entry counts as refreshed in the peer's current resync. */
int external_new_flow(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now);
int external_update(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now);
void external_destroy(struct external *c, uint8_t peer, const struct ct_flow *f);

/* Resync with one peer: begin marks all its entries as not refreshed; sweep removes, in steps, those that still are
 * not. A flow that was refreshed by another peer meanwhile belongs to that peer and stays. external_sweep_step returns
 * true while there is more. *removed counts up. */
void external_resync_begin(struct external *c, uint8_t peer);
bool external_sweep_step(struct external *c, uint8_t peer, uint64_t *pos, size_t n, uint32_t *removed);

/* Forget up to n entries from *pos on; true while there is more. */
bool external_flush_step(struct external *c, uint64_t *pos, size_t n);

/* The timeout in seconds with which the entry is to be put into the kernel (replication.md section 9.3):
 * commit_timeout_s if not 0; else the received one minus its age, 60 if that is not positive or none was received. */
uint32_t external_commit_timeout(const struct flow_rec *rec, uint32_t commit_timeout_s, struct mono now);

#endif
