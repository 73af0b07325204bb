/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See the header. The window is long enough to distinguish a rate of a few messages per wait from
 * as many messages at once, and short enough that the end of a burst is noticed before any message
 * has waited for long. */
#include "base/gather.h"

#define WINDOW_NS (16 * MONO_NS_PER_MS)

void gather_count(struct gather *g, uint32_t n, uint32_t per_s, struct mono now)
{
	int64_t span = mono_diff_ns(now, g->window);
	bool over = span >= WINDOW_NS;
	int64_t enough = (over ? span : WINDOW_NS) / 1000 * per_s / (MONO_NS_PER_S / 1000);

	g->n += n;
	if (g->n >= enough)
		g->on = true;
	else if (over)
		g->on = false;
	if (over) {
		g->window = now;
		g->n = 0;
	}
}
