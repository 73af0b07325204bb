/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_HOLD_H
#define CONNTRACKD_SYNC_HOLD_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers of a peer that its acknowledgements must leave out for now, because what they ask for is
 * not answered yet. */

enum hold_until {
	HOLD_QUEUE, /* until the repair queue has passed a place: answer to a NACK */
	HOLD_WHOLE, /* until our cache is complete: everything in it has been sent, for a RESYNC */
	HOLD_BULK,  /* until the peer's bulk request is done: answer to a RESYNC */
	HOLD_BULK_NEXT, /* the same for its second request */
};

#define HOLDS_MAX 4096 /* of one peer */

/* Only numbers that were received, and all of one kind: a range over anything else would
 * acknowledge it when it ends. */
struct hold {
	uint32_t from, to;
	uint32_t place; /* HOLD_QUEUE: of the repair queue */
	uint8_t until;	/* enum hold_until */
	bool passed;	/* an ACK went around it: needs one of its own when it ends */
};

struct holds {
	struct hold *at; /* owned; by number */
	uint32_t n, cap;
};

void hold_free(struct holds *h);

/* Number seq, later than all that are held. False: no room, it is not held. */
bool hold_add(struct holds *h, uint32_t seq, enum hold_until until, uint32_t place)
	__attribute__((warn_unused_result));

/* Hold i ends. */
void hold_drop(struct holds *h, uint32_t i);

#endif
