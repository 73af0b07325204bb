/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_STANDING_STRANGERS_H
#define CONNTRACKD_STANDING_STRANGERS_H

#include "base/peer_addr.h"
#include "flow/peers.h"
#include "standing/standing.h"

/* Addresses that say what our mode, or our version of the protocol, does not know. */
struct strangers {
	struct stranger {
		struct peer_addr source;
		enum standing_state what; /* STANDING_OTHER_MODE, STANDING_OTHER_PROTOCOL */
		/* of a time in which it did so again and again; last not set: a free place */
		struct mono first, last;
	} at[PEERS_MAX];
};

/* Such a message has come. True: that is news, or nobody is remembered any more, there being so
 * many. */
bool strangers_heard(struct strangers *s, const struct peer_addr *from, enum standing_state what,
		     struct mono now);

/* Did it say so within the last minutes? */
bool stranger_lately(const struct stranger *g, struct mono now);

#endif
