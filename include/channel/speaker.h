/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_SPEAKER_H
#define CONNTRACKD_CHANNEL_SPEAKER_H

#include "channel/link.h"
#include "channel/udp_sock.h"

/* May this source be heard on a unicast link (l->peer)? Counts and logs when it refuses. */
bool speaker_may(struct link *l, const struct udp_source *from, struct mono now);

#endif
