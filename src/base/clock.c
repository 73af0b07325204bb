/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two clocks. Everything that waits or ages uses the monotonic one, so that a step of the wall
 * clock (NTP at boot, an administrator) can neither fire all timers at once nor stop them. */
#include "base/clock.h"

#include <time.h>

struct mono clock_now(void)
{
	struct timespec ts;
	struct mono now;

	/* Cannot fail for this clock with a valid pointer. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now.ns = ts.tv_sec * MONO_NS_PER_S + ts.tv_nsec;
	if (now.ns == 0)
		now.ns = 1; /* 0 means "not set"; possible in a time namespace */
	return now;
}

int64_t clock_wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}
