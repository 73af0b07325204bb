/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reorder allowance: one slot per number, addressed by number modulo the room there is.
 *
 * All kept numbers lie in next .. next + cap - 1, so no two share a slot. The caller (sync/track.c)
 * decides how long to wait and what to do when there is no room. */
#include "sync/reorder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

void reorder_free(struct reorder *r)
{
	free(r->slot);
	*r = (struct reorder){ 0 };
}

void reorder_clear(struct reorder *r)
{
	for (uint32_t i = 0; r->n > 0 && i < r->cap; i++) {
		r->n -= r->slot[i].used;
		r->slot[i].used = false;
	}
}

/* Room for the number `ahead` places behind the next one. */
static bool reorder_grow(struct reorder *r, uint32_t ahead)
{
	uint32_t cap = r->cap ? r->cap : REORDER_MIN;
	struct reorder_slot *slot;

	while (cap <= ahead)
		cap *= 2;
	slot = calloc(cap, sizeof(*slot));
	if (!slot)
		return false;
	for (uint32_t i = 0; i < r->cap; i++)
		if (r->slot[i].used)
			slot[r->slot[i].msg.seq % cap] = r->slot[i];
	free(r->slot);
	r->slot = slot;
	r->cap = cap;
	return true;
}

static bool slot_is(const struct reorder_slot *slot, const struct message *msg, struct cursor body)
{
	return slot->len == body.left && slot->msg.tag == msg->tag && slot->msg.from == msg->from &&
	       slot->msg.to == msg->to &&
	       (body.left == 0 || memcmp(slot->body, body.at, body.left) == 0);
}

enum reorder_verdict reorder_put(struct reorder *r, uint32_t next, const struct message *msg,
				 struct cursor body, struct mono now)
{
	uint32_t ahead = msg->seq - next;
	struct reorder_slot *slot;

	if (ahead >= REORDER_MAX || body.left > REORDER_BODY)
		return REORDER_NO_ROOM;
	if (ahead >= r->cap && !reorder_grow(r, ahead))
		return REORDER_NO_ROOM;
	slot = &r->slot[msg->seq % r->cap];
	if (slot->used)
		return slot_is(slot, msg, body) ? REORDER_TWICE : REORDER_OTHER;
	slot->used = true;
	slot->at = now;
	slot->msg = *msg;
	slot->len = (uint16_t)body.left;
	if (body.left > 0)
		memcpy(slot->body, body.at, body.left);
	r->n++;
	return REORDER_KEPT;
}

bool reorder_take(struct reorder *r, uint32_t seq, struct message *msg, struct cursor *body)
{
	struct reorder_slot *slot;

	if (r->n == 0)
		return false;
	slot = &r->slot[seq % r->cap];
	if (!slot->used || slot->msg.seq != seq)
		return false;
	slot->used = false;
	r->n--;
	*msg = slot->msg;
	*body = cur_init(slot->body, slot->len);
	return true;
}

uint32_t reorder_lowest(const struct reorder *r, uint32_t next, struct mono *at)
{
	uint32_t seq = next;

	assert(r->n > 0);
	while (!r->slot[seq % r->cap].used)
		seq++;
	*at = r->slot[seq % r->cap].at;
	return seq;
}
