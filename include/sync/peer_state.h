/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_PEER_STATE_H
#define CONNTRACKD_SYNC_PEER_STATE_H

#include "sync/mode.h"

/* How each peer stands (standing/standing.h): the evidence is gathered, a change of the state is
 * reported, and all of it shown. For the files of this folder only. */

/* Look at everybody whose time it is, and report what has changed. To be called at every tick. */
void peer_look_all(struct sync *s, struct mono now);

/* Whoever speaks from this address, p if it is known, has said what only another mode says:
 * counted, and reported at the first time. */
void peer_other_mode(struct sync *s, struct peer *p, const struct peer_addr *from,
		     enum sync_sign sign, struct mono now);

/* What the RESYNC of FTFW carries beside the life: the link on which we send and its MTU. Never 0,
 * and told apart from that of NOTRACK, where the number of the request stands. */
#define SYNC_MTU_NOTE  UINT32_C(0x4d000000)
#define SYNC_MTU_BYTES UINT32_C(0xfffff) /* the link stands above them, in four bits */
static inline bool sync_is_mtu_note(uint32_t to)
{
	return (to & UINT32_C(0xff000000)) == SYNC_MTU_NOTE;
}
uint32_t sync_mtu_note(const struct sync *s);
/* p has said the MTU of its link: compared with our own, and reported when they differ. */
void peer_mtu(struct sync *s, struct peer *p, uint32_t link, uint32_t there, struct mono now);

/* n messages that p had sent and that were lost have been told again, or all of them have
 * (UINT64_MAX). */
void peer_repaired(struct sync *s, struct peer *p, uint64_t n);

#endif
