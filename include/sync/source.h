/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_SOURCE_H
#define CONNTRACKD_SYNC_SOURCE_H

#include "sync/sync.h"

/* Who sends, and with which numbers: what all protocols need to know about the other side. */
struct peer;

#define SYNC_SOURCES 4 /* addresses of one peer: one per link */

/* The same node and link address; the link it came over does not matter. */
bool source_same(const struct peer_addr *a, const struct peer_addr *b);

/* Who that is for people (sync_env.speaks_from), "10.0.0.1", into out (at least SOURCE_NAME bytes);
 * gives out. */
const char *sync_name_of(const struct sync *s, const struct peer_addr *from, char *out);

/* The peers, one after the other: for (p = NULL; (p = peer_next(s, p));) */
struct peer *peer_next(const struct sync *s, const struct peer *p);
/* The one with this address, NULL when there is none. */
struct peer *peer_known(struct sync *s, const struct peer_addr *from);
/* Is that one of its addresses? */
bool peer_has_source(const struct peer *p, const struct peer_addr *from);

/* Messages whose numbers do not fit, as long as they continue each other. */
struct stray {
	uint32_t first, last, n;
	/* one of them was neither overtaken nor doubled: they may be the peer's present numbers */
	bool doubt;
	struct mono since;
};

/* A message whose number does not fit was dropped. True: enough of them, number seq is the peer's
 * true place now. */
bool stray_add(struct stray *s, uint32_t seq, struct mono now);

#endif
