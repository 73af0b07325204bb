/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_SPEAKER_H
#define CONNTRACKD_CHANNEL_SPEAKER_H

#include "channel/link.h"
#include "channel/udp_sock.h"

/* May this source be heard on a unicast link, and as whom (*as, rest zero)? Counts and logs when it
 * may not. */
bool speaker_may(struct link *l, const struct udp_source *from, struct mono now,
		 union channel_addr *as);
/* The address from which whoever is heard as the configured peer speaks: that one, or of who stands
 * in for it. */
const union channel_addr *speaker_of_dest(const struct link *l);
/* Has it been heard on this link before? */
bool speaker_known(const struct link *l, const union channel_addr *addr);

#endif
