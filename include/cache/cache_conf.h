/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_CACHE_CONF_H
#define CONNTRACKD_CACHE_CACHE_CONF_H

#include <stdint.h>

/* Sizes of the flow tables (General: HashSize, HashLimit). Plain data, no pointers. */
struct cache_conf {
	/* Buckets the index of each table starts with; it grows by itself. Never 0 after
	 * reading. */
	uint32_t hash_size;
	/* Most flows per table. 0: not given; the daemon then takes the larger of 262144 and
	 * nf_conntrack_max, and reads the latter again as it changes. */
	uint32_t hash_limit;
};

#endif
