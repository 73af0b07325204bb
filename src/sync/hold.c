/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An array that doubles, in the order of the numbers. */
#include "sync/hold.h"

#include <stdlib.h>

#define HOLDS_MIN 16

void hold_free(struct holds *h)
{
	free(h->at);
	*h = (struct holds){ 0 };
}

static bool hold_grow(struct holds *h)
{
	uint32_t cap = h->cap ? 2 * h->cap : HOLDS_MIN;
	struct hold *at = cap > HOLDS_MAX ? NULL : realloc(h->at, cap * sizeof(*at));

	if (!at)
		return false;
	h->at = at;
	h->cap = cap;
	return true;
}

bool hold_add(struct holds *h, uint32_t seq, enum hold_until until, uint32_t place)
{
	struct hold *last = h->n > 0 ? &h->at[h->n - 1] : NULL;

	if (last && !last->passed && last->until == until && last->to + 1 == seq) {
		last->to = seq;
		last->place = place;
		return true;
	}
	if (h->n == h->cap && !hold_grow(h))
		return false;
	h->at[h->n++] =
		(struct hold){ .from = seq, .to = seq, .until = (uint8_t)until, .place = place };
	return true;
}

void hold_drop(struct holds *h, uint32_t i)
{
	h->n--;
	for (; i < h->n; i++)
		h->at[i] = h->at[i + 1];
}
