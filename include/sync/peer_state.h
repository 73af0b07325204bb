/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_PEER_STATE_H
#define CONNTRACKD_SYNC_PEER_STATE_H

#include "sync/mode.h"

/* How each peer stands (sync/standing.h): the evidence is gathered, a change of the state is logged, and all of it shown.
 * For the files of this folder only. */

#define PEER_LOOK_MS	1000	/* between two looks; no timer of its own, every mode wakes up often enough */

/* The evidence about p. */
void peer_facts(const struct sync *s, const struct peer *p, struct standing_facts *f, struct mono now);
/* Look at p, if it is time, and log what has changed. To be called at every tick. */
void peer_look(struct sync *s, struct peer *p, struct mono now);

/* Whoever speaks from this address has said what only another mode says: counted, and logged at the first time. */
void peer_other_mode(struct sync *s, const struct sync_source *from, struct mono now);

/* The source as people are to read it. */
struct sync_source sync_speaks_from(const struct sync *s, const struct sync_source *from);

/* What the RESYNC of FTFW carries beside the life: the link on which we send and its MTU. Never 0, and told apart from that
 * of NOTRACK, where the number of the request stands. */
#define SYNC_MTU_NOTE	UINT32_C(0x4d000000)
static inline bool sync_is_mtu_note(uint32_t to)
{
	return (to & UINT32_C(0xff000000)) == SYNC_MTU_NOTE;
}
uint32_t sync_mtu_note(const struct sync *s);
/* p has sent one: compared with our own, and said when they differ. */
void peer_mtu(struct sync *s, struct peer *p, uint32_t note, struct mono now);

/* n messages that p had sent and that were lost have been told again, or all of them have (UINT64_MAX). */
void peer_repaired(struct sync *s, struct peer *p, uint64_t n);

/* Ends that are logged: p's whole table is here; p was sent all we have, so many flows since then. */
void peer_say_received(struct sync *s, struct peer *p, struct mono now);
void peer_say_served(struct sync *s, const struct peer *p, uint64_t flows, struct mono since, struct mono now);

#endif
