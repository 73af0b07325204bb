/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_RATE_H
#define CONNTRACKD_BASE_RATE_H

#include "base/clock.h"

/* How fast a counter grows, over the last five to ten seconds; over a longer time if the counter
 * was not sampled because nothing happened. The holder of the counter samples it now and then, at
 * the cost of a comparison. All zeros at first. */
#define RATE_MS 5000

struct rate {
	struct mono from, last; /* times of the two samples */
	uint64_t from_count, last_count;
};

static inline void rate_look(struct rate *r, uint64_t count, struct mono now)
{
	if (mono_is_set(r->last) && mono_diff_ms(now, r->last) < RATE_MS)
		return;
	r->from = mono_is_set(r->last) ? r->last : now;
	r->from_count = mono_is_set(r->last) ? r->last_count : count;
	r->last = now;
	r->last_count = count;
}

/* Growth per second of a counter whose value now is count. What grew within less than a second is
 * no rate yet: it counts as that second's. */
static inline uint64_t rate_per_s(const struct rate *r, uint64_t count, struct mono now)
{
	int64_t ms = mono_diff_ms(now, r->from);

	if (!mono_is_set(r->from))
		return 0;
	return (count - r->from_count) * 1000 / (ms > 1000 ? (uint64_t)ms : 1000);
}

#endif
