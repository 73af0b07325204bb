/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_GATHER_H
#define CONNTRACKD_BASE_GATHER_H

#include "base/clock.h"

/* When to read a descriptor later, so that messages gather in its socket: the interrupt moderation
 * of network cards, for sockets. Under load a wake-up costs more than the message it brings, for
 * this process and for the kernel, which has to wake it. So while messages come faster than one per
 * wait, the descriptor is not polled, and a timer reads all that have gathered; below that rate
 * each message is read at once. */
struct gather {
	/* start of the window in which messages are counted; zero to begin with */
	struct mono window;
	uint32_t n; /* messages since then */
	bool on;    /* wait before the next read */
};

/* n more messages were read. g->on becomes true as soon as a window has as many as come in one
 * window at the rate of per_s (messages per second), and false when a whole window had fewer. */
void gather_count(struct gather *g, uint32_t n, uint32_t per_s, struct mono now);

#endif
