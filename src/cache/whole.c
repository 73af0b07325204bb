/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a cache incomplete, until it has been repaired. Who asks: the end of a full answer (only a complete internal cache
 * may make a peer sweep), -s cache, and the repair itself (daemon/whole_path.c).
 *
 * The count is one of flows, not of attempts: a flow that finds no place is heard of again with each of its events, so
 * their hashes are kept. There are few slots, because beyond some number only its size matters. */
#include "cache/whole.h"

#include <string.h>

_Static_assert((WHOLE_SLOTS & (WHOLE_SLOTS - 1)) == 0 && WHOLE_COUNTED < WHOLE_SLOTS, "a search ends at a free slot");

bool whole_lack(struct whole *w, enum whole_reason why, struct mono now)
{
	bool known = w->why & why;

	if (w->why == 0) {
		w->since = now;
		w->n_missed = 0;
		w->more = false;
		memset(w->missed, 0, sizeof(w->missed));
	}
	w->why |= (uint8_t)why;
	w->fresh |= (uint8_t)why;
	return !known;
}

void whole_missed(struct whole *w, uint32_t hash)
{
	uint32_t key = hash ? hash : 1, i = key % WHOLE_SLOTS;

	while (w->missed[i] != 0 && w->missed[i] != key)
		i = (i + 1) % WHOLE_SLOTS;
	if (w->missed[i] == key)
		return;
	if (w->n_missed == WHOLE_COUNTED) {
		w->more = true;
		return;
	}
	w->missed[i] = key;
	w->n_missed++;
}

void whole_repair_begin(struct whole *w)
{
	if (w->repairing)
		return;
	w->repairing = true;
	w->fresh = 0;
}

bool whole_repair_end(struct whole *w, bool done)
{
	bool lacked = w->why != 0;

	if (!w->repairing)
		return false;
	w->repairing = false;
	if (!done)
		return false;
	w->why &= w->fresh;
	return lacked && w->why == 0;
}

void whole_reasons(uint8_t why, struct text *out)
{
	static const char *const words[] = {
		"the kernel table is being read", "HashLimit reached", "no memory", "the kernel's table is full",
		"the kernel dropped events", "flushed",
	};
	const char *before = "";

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(why & 1u << i))
			continue;
		text_printf(out, "%s%s", before, words[i]);
		before = ", ";
	}
}
