/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reorder allowance: one slot per number, addressed by number modulo REORDER_MAX.
 *
 * All kept numbers lie in next .. next + REORDER_MAX - 1, so no two share a slot. The caller (sync/track.c) decides how
 * long to wait and what to do when there is no room. */
#include "sync/reorder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/attr.h"

_Static_assert(REORDER_BODY >= 2 * WIRE_FLOW_MAX - WIRE_HDR_LEN, "a message that was filled is kept as well");

void reorder_free(struct reorder *r)
{
	free(r->slot);
	*r = (struct reorder){ 0 };
}

void reorder_clear(struct reorder *r)
{
	if (r->n == 0)
		return;
	for (unsigned int i = 0; i < REORDER_MAX; i++)
		r->slot[i].used = false;
	r->n = 0;
}

enum reorder_verdict reorder_put(struct reorder *r, uint32_t next, const struct wire_hdr *hdr, struct cursor body)
{
	struct reorder_slot *slot;

	if (hdr->seq - next >= REORDER_MAX || body.left > REORDER_BODY)
		return REORDER_NO_ROOM;
	if (!r->slot)
		r->slot = calloc(REORDER_MAX, sizeof(*r->slot));
	if (!r->slot)
		return REORDER_NO_ROOM;
	slot = &r->slot[hdr->seq % REORDER_MAX];
	if (slot->used)
		return REORDER_TWICE;
	slot->used = true;
	slot->hdr = *hdr;
	slot->len = (uint16_t)body.left;
	if (body.left > 0)
		memcpy(slot->body, body.at, body.left);
	r->n++;
	return REORDER_KEPT;
}

bool reorder_take(struct reorder *r, uint32_t seq, struct wire_hdr *hdr, struct cursor *body)
{
	struct reorder_slot *slot;

	if (r->n == 0)
		return false;
	slot = &r->slot[seq % REORDER_MAX];
	if (!slot->used || slot->hdr.seq != seq)
		return false;
	slot->used = false;
	r->n--;
	*hdr = slot->hdr;
	*body = cur_init(slot->body, slot->len);
	return true;
}

uint32_t reorder_lowest(const struct reorder *r, uint32_t next)
{
	uint32_t seq = next;

	assert(r->n > 0);
	while (!r->slot[seq % REORDER_MAX].used)
		seq++;
	return seq;
}
