/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_PEERS_H
#define CONNTRACKD_FLOW_PEERS_H

/* How many other nodes are known at a time. Their small ids, 0 to PEERS_MAX - 1, say in the caches
 * who has told a flow, and are bits of a 32-bit word. This is the only limit of its kind. */
#define PEERS_MAX 8

_Static_assert(PEERS_MAX <= 32, "a bit per peer");

#endif
