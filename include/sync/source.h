/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_SOURCE_H
#define CONNTRACKD_SYNC_SOURCE_H

#include "sync/sync.h"

/* Who sends, and with which numbers: what all protocols need to know about the other side. */
struct peer;

#define SYNC_SOURCES 4 /* addresses of one peer: one per link */

/* The address of a node as people are to read it (sync_env.speaks_from), "10.0.0.1", into out (at
 * least SOURCE_NAME bytes). Returns out. */
const char *sync_name_of(const struct sync *s, const struct peer_addr *from, char *out);

/* Iterates over the peers: for (p = NULL; (p = peer_next(s, p));) */
struct peer *peer_next(const struct sync *s, const struct peer *p);
/* The peer with this address, NULL when there is none. */
struct peer *peer_known(struct sync *s, const struct peer_addr *from);
/* Is from one of p's addresses? */
bool peer_has_source(const struct peer *p, const struct peer_addr *from);

/* Messages with unexpected sequence numbers, as long as each continues the one before. */
struct unexpected {
	uint32_t first, last, n;
	/* at least one of them was neither reordered nor duplicated: the numbers may be the peer's
	 * current ones */
	bool doubt;
	struct mono since;
};

/* A message with an unexpected sequence number was dropped. True: so many of them continue each
 * other that the peer's current number is seq. */
bool unexpected_add(struct unexpected *s, uint32_t seq, struct mono now);

#endif
