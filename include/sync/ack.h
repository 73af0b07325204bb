/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_ACK_H
#define CONNTRACKD_SYNC_ACK_H

#include "sync/ftfw_state.h"

/* Number seq of p was accepted; state: it was about a flow. */
void ack_accepted(struct ftfw *f, struct peer *p, uint32_t seq, bool state, struct mono now);
/* The message at hand is never acknowledged. Before ack_accepted(). */
void ack_never(struct ftfw *f, struct peer *p);
/* Acknowledge what is pending, around the holds. */
void ack_flush(struct ftfw *f, struct peer *p);
/* The same as it is due, if p is heard. */
void ack_due(struct ftfw *f, struct peer *p, struct mono now);
/* from..to are missing: acknowledge what came before, ask for them. */
void ack_nack(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now);
/* The peer's holds end that waited for what the repair queue has passed. */
void ack_release(struct ftfw *f, struct peer *p);
/* p begins a new life. */
void ack_forget_peer(struct ftfw *f, struct peer *p);
/* Digest. */
void ack_got_ack(struct ftfw *f, struct peer *p, const struct message *msg, struct mono now);
void ack_got_nack(struct ftfw *f, struct peer *p, const struct message *msg, struct mono now);
/* Timer: what p has passed over with its acknowledgements. Returns when to look again. */
struct mono ack_check_passed(struct ftfw *f, struct peer *p, struct mono now);

#endif
