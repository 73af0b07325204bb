/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_GATHER_H
#define CONNTRACKD_BASE_GATHER_H

#include "base/clock.h"

/* When to let a descriptor gather before it is read, as network cards moderate their interrupts.
 * Under load a wake-up costs more than what it finds: us, and whoever has to wake us. So while
 * things come faster than one per wait, the descriptor is left alone and a timer collects what has
 * gathered; below that rate each is read at once. */
struct gather {
	struct mono window; /* counted from here on; zero to begin with */
	uint32_t n;	    /* since then */
	bool on;	    /* wait before the next read */
};

/* n more things were read. on becomes true as soon as there were as many as come in one window at
 * the rate of per_s, and false when a whole window had fewer. */
void gather_count(struct gather *g, uint32_t n, uint32_t per_s, struct mono now);

#endif
