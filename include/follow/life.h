/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_LIFE_H
#define CONNTRACKD_FOLLOW_LIFE_H

#include "flow/timeouts.h"

/* How long a flow of a peer is to live in our kernel. A pure function of what is known; the rules
 * stand in life.c. */
struct life {
	struct ct_timeouts own;	   /* of our kernel */
	uint32_t commit_timeout_s; /* CommitTimeout; 0: not given */
	uint32_t refresh_s;	   /* ALARM: RefreshTime; 0 in the other modes */
};

/* How many seconds at least an entry that our kernel has is to live for flow f, which its owner has
 * told age_s seconds ago; the owner itself was heard silent_s seconds ago. 0: no longer than it
 * does. */
uint32_t life_kept(const struct life *l, const struct ct_flow *f, uint32_t age_s,
		   uint32_t silent_s);

/* The same for an entry that is created, of what life_kept() gives. 0: the flow has ended meanwhile
 * and is not to be created. */
uint32_t life_created(const struct life *l, uint32_t kept_s);

#endif
