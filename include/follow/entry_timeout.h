/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_ENTRY_TIMEOUT_H
#define CONNTRACKD_FOLLOW_ENTRY_TIMEOUT_H

#include "flow/timeouts.h"

/* The timeout of a flow received from a peer when it is put into our kernel. A pure function of
 * what is known; entry_timeout.c has the rules. */
struct entry_timeout {
	struct ct_timeouts own;	   /* of our kernel */
	uint32_t commit_timeout_s; /* CommitTimeout; 0: not given */
	uint32_t refresh_s;	   /* ALARM: RefreshTime; 0 in the other modes */
};

/* The least timeout in seconds of an entry that our kernel already has for flow f. The flow was
 * received age_s seconds ago, and the last message of its peer silent_s seconds ago. 0: the entry's
 * timeout is not raised. */
uint32_t entry_timeout_kept(const struct entry_timeout *l, const struct ct_flow *f, uint32_t age_s,
			    uint32_t silent_s);

/* The timeout of an entry that is created, from the result of entry_timeout_kept(). 0: the flow has
 * ended meanwhile, and no entry is to be created. */
uint32_t entry_timeout_created(const struct entry_timeout *l, uint32_t kept_s);

#endif
