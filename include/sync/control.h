/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_CONTROL_H
#define CONNTRACKD_SYNC_CONTROL_H

#include "sync/ftfw_state.h"

/* Queue a control message; false when there is no room. */
bool control_queue(struct ftfw *f, enum msg_kind kind, uint8_t peer, uint32_t from, uint32_t to);
static inline bool control_waits(const struct ftfw *f)
{
	return f->ctl_head != f->ctl_tail;
}

/* A message was sent: into the ring; the oldest is given up if there is no room. */
void settle_remember(struct ftfw *f, const struct resend_entry *e, struct mono now);
/* The oldest message that is not acknowledged is given up for room. */
void settle_give_up(struct ftfw *f, struct mono now);
/* A live message is given up: each peer may have heard it or not. */
void settle_given_up(struct ftfw *f, struct resend_entry *e, struct mono now);

/* A live message of the ring is settled; what that means for its flow, or for the request it was,
 * is done here. */
void settle(struct ftfw *f, struct resend_entry *e, enum resend_state state, struct mono now);
/* A live message is acknowledged by p, or will never be. A 1.4.x that has heard us gets everything
 * again (ftfw_recv.c, bulk.c), which does not tell what has ended, and may have missed this
 * message: if that was the end of a flow, it is told once more. False: it was not, and is not
 * settled. */
bool settle_end_again(struct ftfw *f, const struct peer *p, struct resend_entry *e,
		      struct mono now);
/* p acknowledges from..to, in its message number in. */
void settle_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, uint32_t in,
		  struct mono now);
/* Part of what p sent does not come again: it is asked for everything. A 1.4.x repeats no NACK, and
 * that part may have been one: it gets everything. */
void settle_missed(struct ftfw *f, struct peer *p, struct mono now);
/* Our NACK to a peer, number seq, will not be answered. */
void settle_nack_lost(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now);
/* Everything that only p could acknowledge is given up. */
void settle_forget_peer(struct ftfw *f, struct peer *p);
/* sync_ops.skipped, give_up_dead, forget */
void ftfw_skipped(struct sync *s, uint32_t seq, struct mono now);
bool ftfw_give_up_dead(struct sync *s, struct mono now);
void ftfw_forget(struct sync *s, uint32_t seq);

#endif
