/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_STANDING_NEWS_H
#define CONNTRACKD_STANDING_NEWS_H

#include "base/log.h"
#include "standing/standing.h"

/* Which changes of a peer's states people are told, and with what. An end is told whenever its
 * beginning was. */

/* What they have been told of one peer; all zeros: nothing. */
struct standing_said {
	/* STANDING_IS() of those that were told to have begun, and not to be over */
	uint32_t states;
	struct mono began[STANDING_STATES];
	uint32_t most; /* messages that were not acknowledged since */
	struct log_limit limit;
};

struct standing_news {
	enum standing_state state;
	bool over; /* it is over; else it has begun */
	/* requests, failed answers, or messages not acknowledged: at the most, if over */
	uint64_t n;
	int64_t ms; /* since when it is so; over: how long it was */
};

/* After a look: tell() for each change. Borrows news. */
void standing_tell(struct standing_said *said, const struct standing *st,
		   const struct standing_facts *f, struct mono now,
		   void (*tell)(void *ctx, const struct standing_news *news), void *ctx);

#endif
