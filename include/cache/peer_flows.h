/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_PEER_FLOWS_H
#define CONNTRACKD_CACHE_PEER_FLOWS_H

#include "base/hash.h"
#include "flow/flow.h"

/* The flows of peers in our kernel. Without external cache they are injected into the kernel's
 * table, where a dump does not distinguish them from our own. This set remembers which flows they
 * are and when each was received, in 12 bytes per flow (24 with the holes of the table). Only a
 * hash of the flow is kept, enough to find out whether a given flow is in the set. Two flows with
 * the same 64-bit hash count as one: that is rarer than a flipped bit. */
struct peer_flows;

/* NULL without memory. */
struct peer_flows *peer_flows_new(const struct hash_key *key);
void peer_flows_free(struct peer_flows *s);

/* Flow f was received from a peer at now_s (mono seconds). False without memory: the flow then
 * counts as ours, which costs messages and nothing else. */
bool peer_flows_add(struct peer_flows *s, const struct ct_flow *f, uint32_t now_s);
/* Remove f from the set. Was it in the set? */
bool peer_flows_remove(struct peer_flows *s, const struct ct_flow *f);
bool peer_flows_has(const struct peer_flows *s, const struct ct_flow *f);
/* Is f in the set? *received_s (may be NULL): when it was last received from a peer, mono
 * seconds. */
bool peer_flows_received(const struct peer_flows *s, const struct ct_flow *f, uint32_t *received_s);
uint32_t peer_flows_count(const struct peer_flows *s);
void peer_flows_clear(struct peer_flows *s);

/* A pass: the kernel's table is dumped, and each entry reported with peer_flows_pass_seen(). Flows
 * that are neither seen nor added until peer_flows_pass_end() have ended without an event, and are
 * removed by peer_flows_sweep_step(), which is to be called until it returns false. */
void peer_flows_pass_begin(struct peer_flows *s);
void peer_flows_pass_seen(struct peer_flows *s, const struct ct_flow *f);
void peer_flows_pass_end(struct peer_flows *s);
bool peer_flows_sweep_step(struct peer_flows *s);

#endif
