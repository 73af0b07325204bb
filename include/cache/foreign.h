/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_FOREIGN_H
#define CONNTRACKD_CACHE_FOREIGN_H

#include "base/hash.h"
#include "flow/flow.h"

/* Without external cache the flows of the peers lie in our kernel beside our own. This set
 * remembers which they are and when they were told, in 12 bytes per flow (24 with the holes of the
 * table): a dump of the kernel does not tell. Of the flow only a hash is kept, so the question "is
 * it one?" can be answered and no other. Two flows of one 64-bit hash are one: that is rarer than a
 * flipped bit. */
struct foreign;

/* NULL without memory. */
struct foreign *foreign_new(const struct hash_key *key);
void foreign_free(struct foreign *s);

/* A peer has told about it at now_s (mono seconds). False without memory: the flow then counts as
 * ours, which costs messages and nothing else. */
bool foreign_add(struct foreign *s, const struct ct_flow *f, uint32_t now_s);
/* Was it one? */
bool foreign_remove(struct foreign *s, const struct ct_flow *f);
bool foreign_has(const struct foreign *s, const struct ct_flow *f);
/* Is it one, and when did a peer last tell about it? *told_s may be NULL. */
bool foreign_told(const struct foreign *s, const struct ct_flow *f, uint32_t *told_s);
uint32_t foreign_count(const struct foreign *s);
void foreign_clear(struct foreign *s);

/* The kernel's table is about to be dumped. Members that are not seen or added until
 * foreign_pass_end() have ended without our hearing of it, and are removed by foreign_sweep_step(),
 * which is to be called until it says false. */
void foreign_pass_begin(struct foreign *s);
void foreign_pass_seen(struct foreign *s, const struct ct_flow *f);
void foreign_pass_end(struct foreign *s);
bool foreign_sweep_step(struct foreign *s);

#endif
