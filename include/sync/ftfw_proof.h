/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_FTFW_PROOF_H
#define CONNTRACKD_SYNC_FTFW_PROOF_H

#include "sync/ftfw_state.h"

/* sync_ops.asked, ask_at, check */
void proof_asked(struct sync *s, struct peer *p, struct mono now);
struct mono proof_ask_at(const struct sync *s, const struct peer *p);
struct mono proof_check(struct sync *s, struct peer *p, struct mono now);
/* Our RESYNC, number seq, is sent once more. */
void proof_again(struct ftfw *f, uint32_t seq);
/* The peer acknowledged from..to. */
void proof_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now);
/* The peer has sent all it has for our RESYNC number seq, and its cache is incomplete. */
void proof_partial(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now);

#endif
