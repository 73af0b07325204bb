/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_ROUND_H
#define CONNTRACKD_SYNC_ROUND_H

#include "sync/mode.h"
#include "sync/resend.h"

/* One round of sending: datagrams are asked for, filled with messages and handed over, within a
 * budget; then the loop looks at other things. */
#define ROUND_DATAGRAMS 64	      /* about 90 kB */
#define ROUND_TO_ALL	RESEND_TO_ALL /* in place of the id of a peer */
/* batches that it may take from the walk over all flows, for the same reason */
#define ROUND_WALK 128

struct round {
	struct sync *s; /* borrowed */
	struct mono now;
	struct writer *w; /* the datagram under construction */
	uint8_t whom;	  /* it is for this peer alone, or for all: ROUND_TO_ALL */
	uint32_t left;	  /* datagrams of the budget */
	bool out_of_budget;
	bool any; /* something was finished */
};

static inline struct round round_begin(struct sync *s, uint32_t datagrams, struct mono now)
{
	return (struct round){ .s = s, .now = now, .whom = ROUND_TO_ALL, .left = datagrams };
}

/* The current state of flow id as one message with our next number. 0; -EAGAIN: the round is over;
 * -EMSGSIZE: it does not even fit into an empty datagram, which is reported. */
int round_put_flow(struct round *r, uint32_t id, uint8_t hello) __attribute__((warn_unused_result));

/* A control message for peer whom, with our next number. False: the round is over. */
bool round_put_control(struct round *r, enum msg_kind kind, uint8_t hello, uint8_t whom,
		       uint32_t from, uint32_t to);

/* The round is over: send. True when something was sent. */
bool round_end(struct round *r);

#endif
