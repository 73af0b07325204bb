/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a cache incomplete, until it has been repaired. Used by the end of a bulk send (only a
 * complete internal cache may make a peer sweep), by -s cache, and by the repair itself
 * (node/complete.c).
 *
 * The count is one of flows, not of attempts, and of those that are missing now: a flow that finds
 * no place is reported again by each of its events, and may end, or find a place later. So their
 * hashes are kept. There are few slots, because beyond some number only its size matters. An end
 * without an event is noticed by the next repair that goes over everything. */
#include "cache/whole.h"

#include <string.h>

_Static_assert((WHOLE_SLOTS & (WHOLE_SLOTS - 1)) == 0 && WHOLE_COUNTED < WHOLE_SLOTS,
	       "a search ends at a free slot");

bool whole_lack(struct whole *w, enum whole_reason why, struct mono now)
{
	bool known = w->why & why;

	if (w->why == 0) {
		w->since = now;
		w->n_missed = w->n_missing = 0;
		w->more = w->fresh_more = w->missed_more = false;
		memset(w->missing, 0, sizeof(w->missing));
	}
	w->why |= (uint8_t)why;
	w->fresh |= (uint8_t)why;
	return !known;
}

/* ---- the flows that are missing ---- */

/* missed since the last repair began; the other bits of a slot are the hash's */
#define FRESH UINT32_C(1)

static uint32_t key_of(uint32_t hash)
{
	return hash & ~FRESH ? hash & ~FRESH : 2;
}

/* Where the search for a key begins: the lowest bit says nothing. */
static uint32_t home(uint32_t slot)
{
	return (slot >> 1) % WHOLE_SLOTS;
}

/* The slot that has the key, or the free one where it belongs. */
static uint32_t slot_find(const struct whole *w, uint32_t key)
{
	uint32_t i = home(key);

	while (w->missing[i] != 0 && (w->missing[i] & ~FRESH) != key)
		i = (i + 1) % WHOLE_SLOTS;
	return i;
}

/* Free a slot. Those behind it that a search would not reach any more move up. */
static void slot_free(struct whole *w, uint32_t hole)
{
	for (uint32_t i = (hole + 1) % WHOLE_SLOTS; w->missing[i] != 0; i = (i + 1) % WHOLE_SLOTS) {
		uint32_t from_home = (i - home(w->missing[i])) % WHOLE_SLOTS;

		if (from_home < (i - hole) % WHOLE_SLOTS)
			continue;
		w->missing[hole] = w->missing[i];
		hole = i;
	}
	w->missing[hole] = 0;
	w->n_missing--;
}

void whole_missed(struct whole *w, uint32_t hash)
{
	uint32_t key = key_of(hash), i = slot_find(w, key);

	if (w->missing[i] == 0) {
		if (w->n_missing == WHOLE_COUNTED) {
			w->more = w->fresh_more = w->missed_more = true;
			return;
		}
		w->n_missing++;
		w->n_missed++;
	}
	w->missing[i] = key | FRESH;
}

void whole_found(struct whole *w, uint32_t hash)
{
	uint32_t i = slot_find(w, key_of(hash));

	if (w->missing[i] != 0)
		slot_free(w, i);
}

/* A slot that moves up comes from further on and is checked too, or, beyond the end of the slots,
 * is fresh. */
static void forget_others_than_fresh(struct whole *w)
{
	for (uint32_t i = 0; i < WHOLE_SLOTS; i++)
		while (w->missing[i] != 0 && !(w->missing[i] & FRESH))
			slot_free(w, i);
	w->more = w->fresh_more;
}

/* ---- repairs ---- */

void whole_repair_begin(struct whole *w)
{
	if (w->repairing)
		return;
	w->repairing = true;
	w->fresh = 0;
	w->fresh_more = false;
	if (w->n_missing == 0)
		return;
	for (uint32_t i = 0; i < WHOLE_SLOTS; i++)
		w->missing[i] &= ~FRESH;
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
	forget_others_than_fresh(w);
	return lacked && w->why == 0;
}

bool whole_settle(struct whole *w, enum whole_reason why)
{
	bool lacked = w->why != 0;

	w->why &= (uint8_t)~why;
	w->fresh &= (uint8_t)~why;
	return lacked && w->why == 0;
}

const char *const whole_words[] = { "the kernel table is being read",
				    "HashLimit reached",
				    "no memory",
				    "the kernel's table is full",
				    "the kernel dropped events",
				    "flushed",
				    "expectations found no place",
				    NULL };

void whole_reasons(uint8_t why, struct text *out)
{
	const char *before = "";

	for (unsigned int i = 0; whole_words[i]; i++) {
		if (!(why & 1u << i))
			continue;
		text_printf(out, "%s%s", before, whole_words[i]);
		before = ", ";
	}
}
