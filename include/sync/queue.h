/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_QUEUE_H
#define CONNTRACKD_SYNC_QUEUE_H

#include "sync/mode.h"

/* Flows that wait to be sent: struct sync's live, repair and walk (and sync_local_change(),
 * sync_local_birth(), sync_forget(), sync_make_room()). For the files of this folder only. */

/* Queue a flow for another transmission with its current state, behind the live changes. */
void queue_repair(struct sync *s, uint32_t id, struct mono now);
/* The first flow of q has been sent, or cannot be: it leaves. False: that was its end, it is
 * gone. */
bool queue_leave(struct sync *s, struct txq *q, struct flow_repl *m, uint32_t id);
/* Give a flow back for which is_dead() holds; it is neither queued nor waits for an
 * acknowledgement. */
void queue_release(struct sync *s, uint32_t id);
/* Give every dead flow back that waits. */
void queue_close(struct sync *s);

#endif
