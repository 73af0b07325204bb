/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_ROUND_H
#define CONNTRACKD_SYNC_ROUND_H

#include "sync/sync.h"

/* One round of sending: datagrams are asked for, filled with messages and handed over, within a budget; then the loop
 * looks at other things. */
#define ROUND_DATAGRAMS 64	/* about 90 kB */
#define ROUND_WALK	128	/* batches that it may take from the walk over all flows, for the same reason */

struct round {
	const struct sync_env *env;	/* borrowed */
	struct writer *w;	/* the datagram under construction */
	uint32_t left;		/* datagrams of the budget */
	bool out_of_budget;
	bool any;		/* something was finished */
};

static inline struct round round_begin(const struct sync_env *env, uint32_t datagrams)
{
	return (struct round){ .env = env, .left = datagrams };
}

/* There is a datagram to write to. False: the budget or the channel has none. */
bool round_open(struct round *r);

/* The datagram under construction is finished. */
void round_close(struct round *r);

/* The current state of flow id as one message. 0; -EAGAIN: the round is over; -EMSGSIZE: it does not even fit into an
 * empty datagram. */
int round_put_flow(struct round *r, uint32_t id, uint32_t seq, uint8_t flags) __attribute__((warn_unused_result));

/* A control message; results as above. */
int round_put_control(struct round *r, uint8_t flags, uint32_t seq, uint32_t from, uint32_t to)
	__attribute__((warn_unused_result));

/* "Everything was sent since" (wire_put_complete()); results as above. */
int round_put_complete(struct round *r, uint32_t seq, uint32_t since, uint32_t life)
	__attribute__((warn_unused_result));

#endif
