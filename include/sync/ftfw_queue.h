/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_FTFW_QUEUE_H
#define CONNTRACKD_SYNC_FTFW_QUEUE_H

#include "sync/ftfw_state.h"

void ftfw_local_change(struct sync *s, uint32_t id, bool born, struct mono now);
void ftfw_forget(struct sync *s, uint32_t id);
bool ftfw_make_room(struct sync *s, struct mono now);
/* Queue a flow for another transmission with its current state. */
void queue_repair(struct ftfw *f, uint32_t id, struct mono now);
/* Use a number for nothing: peers miss it, cannot get it, and ask for everything. */
void queue_burn(struct ftfw *f, struct mono now);

#endif
