/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_CLOCK_H
#define CONNTRACKD_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A point on the monotonic clock, in nanoseconds. A struct, so that it cannot be mixed with
 * wall-clock seconds or bare integers. The zero value is "never / not set"; clock_now() never
 * returns it. */
struct mono {
	int64_t ns;
};

#define MONO_NS_PER_MS INT64_C(1000000)
#define MONO_NS_PER_S  INT64_C(1000000000)

/* The monotonic clock now (CLOCK_MONOTONIC). */
struct mono clock_now(void);

/* Wall-clock seconds since 1970: for output and for the first sequence number only, never for
 * timers. */
int64_t clock_wall_s(void);

static inline bool mono_is_set(struct mono t)
{
	return t.ns != 0;
}

static inline struct mono mono_add_ms(struct mono t, int64_t ms)
{
	return (struct mono){ .ns = t.ns + ms * MONO_NS_PER_MS };
}

static inline struct mono mono_add_ns(struct mono t, int64_t ns)
{
	return (struct mono){ .ns = t.ns + ns };
}

/* a - b in whole milliseconds, rounded towards zero; negative when a is earlier. */
static inline int64_t mono_diff_ms(struct mono a, struct mono b)
{
	return (a.ns - b.ns) / MONO_NS_PER_MS;
}

static inline int64_t mono_diff_ns(struct mono a, struct mono b)
{
	return a.ns - b.ns;
}

static inline bool mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

/* The earlier of two points, where "not set" counts as "never". */
static inline struct mono mono_min(struct mono a, struct mono b)
{
	if (!mono_is_set(a))
		return b;
	if (!mono_is_set(b))
		return a;
	return a.ns < b.ns ? a : b;
}

/* Whole seconds on the monotonic clock: what table records store (32 bits last for 136 years of
 * uptime). */
static inline uint32_t mono_s(struct mono t)
{
	return (uint32_t)(t.ns / MONO_NS_PER_S);
}

#endif
