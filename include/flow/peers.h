/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_PEERS_H
#define CONNTRACKD_FLOW_PEERS_H

/* How many other nodes are known at a time. Their ids, 0 to PEERS_MAX - 1, name in the caches the
 * peer that sent a flow, and are bit numbers of a 32-bit word. */
#define PEERS_MAX 8

_Static_assert(PEERS_MAX <= 32, "a bit per peer");

#endif
