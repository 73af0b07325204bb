/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_TRANSMIT_H
#define CONNTRACKD_SYNC_TRANSMIT_H

#include "sync/ftfw_state.h"

bool ftfw_transmit(struct sync *s, struct mono now);

#endif
