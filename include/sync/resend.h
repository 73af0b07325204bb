/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_RESEND_H
#define CONNTRACKD_SYNC_RESEND_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"

/* What was sent and may have to be sent again: a ring of (sequence number, flow or control message)
 * in the order of sending. What is settled stays readable until newer messages need its place, so
 * that a NACK can be told "already acknowledged" from "sent again meanwhile" from "given up". */

enum resend_state {
	RESEND_LIVE, /* waiting for its acknowledgement */
	RESEND_ACKED,
	RESEND_MOOT, /* the same flow or request went out again under a newer number, or is gone */
	RESEND_LOST, /* given up: a peer that misses it needs a resync */
};

#define RESEND_TO_ALL UINT8_MAX

struct resend_entry {
	uint32_t seq;
	uint32_t id;	   /* flow; for a control message the end of its range */
	uint32_t from;	   /* control: begin of its range */
	uint8_t kind : 6;  /* enum msg_kind: MSG_FLOW for any state */
	uint8_t hello : 2; /* MSG_HELLO bits, as sent */
	uint8_t state;	   /* enum resend_state */
	uint8_t peer;	   /* control: whom it is for, RESEND_TO_ALL for everybody */
	bool paced;	   /* sent for a bulk or a repair: counts against their window */
};

/* Places in the ring are counted from the start of time, so they never wrap. */
struct resend {
	struct resend_entry *entry; /* owned */
	uint32_t cap;
	uint64_t first; /* oldest readable place */
	uint64_t live;	/* oldest place that may be RESEND_LIVE */
	uint64_t end;	/* behind the newest */
	uint32_t n_live;
	uint32_t n_paced;   /* of these, sent for a bulk or a repair */
	uint32_t n_control; /* of these, control messages */
	uint32_t base; /* every number sent from here on is in the ring, unless it was an ALIVE */
};

/* Can this peer acknowledge it? */
static inline bool resend_is_for(const struct resend_entry *e, uint8_t peer)
{
	return !msg_is_control(e->kind) || e->peer == peer || e->peer == RESEND_TO_ALL;
}

/* first_seq: the first number that will be used. 0 or -ENOMEM. */
int resend_init(struct resend *r, uint32_t cap, uint32_t first_seq);
void resend_free(struct resend *r);

/* Every place is between the oldest live message and the newest: that one must be settled before
 * the next push. */
bool resend_full(const struct resend *r);

/* Append; numbers grow. Gives its place. The ring must not be full. */
uint64_t resend_push(struct resend *r, const struct resend_entry *e);

struct resend_entry *resend_at(const struct resend *r, uint64_t place);

/* The place of the first message with this number or a later one; r->end when there is none. */
uint64_t resend_find_from(const struct resend *r, uint32_t seq);

/* The message with exactly this number, NULL when it is not in the ring. */
struct resend_entry *resend_find(const struct resend *r, uint32_t seq);

/* A live message is no longer waiting. Moves r->live on. */
void resend_settle(struct resend *r, struct resend_entry *e, enum resend_state state);

/* The oldest live message, NULL when there is none. */
struct resend_entry *resend_oldest(const struct resend *r);

#endif
