/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of sent messages (doc/protocol.md section 6, ResendQueueSize).
 *
 * Numbers in the ring grow but have holes: an ALIVE takes a number and is not remembered. Since the
 * holes are rare, the place of a number is known up to the number of holes, and a search inside
 * these bounds takes one or two steps.
 *
 * Invariants: first <= live <= end; end - first <= cap; no RESEND_LIVE entry before `live`; n_live
 * counts them. It knows nothing of flows: what a settled entry means for its flow is the caller's
 * business (sync/transmit.c, sync/ack.c). */
#include "sync/resend.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proto/proto.h"

int resend_init(struct resend *r, uint32_t cap, uint32_t first_seq)
{
	*r = (struct resend){ .cap = cap, .first = 1, .live = 1, .end = 1, .base = first_seq };
	r->entry = calloc(cap, sizeof(*r->entry));
	return r->entry ? 0 : -ENOMEM;
}

void resend_free(struct resend *r)
{
	free(r->entry);
	*r = (struct resend){ 0 };
}

struct resend_entry *resend_at(const struct resend *r, uint64_t place)
{
	return &r->entry[place % r->cap];
}

bool resend_full(const struct resend *r)
{
	return r->end - r->live == r->cap;
}

uint64_t resend_push(struct resend *r, const struct resend_entry *e)
{
	assert(!resend_full(r));
	if (r->end - r->first == r->cap) {
		r->base = resend_at(r, r->first)->seq + 1;
		r->first++;
	}
	*resend_at(r, r->end) = *e;
	if (e->state == RESEND_LIVE) {
		r->n_live++;
		r->n_paced += e->paced;
		r->n_control += msg_is_control(e->kind);
	} else if (r->live == r->end) {
		r->live++;
	}
	return r->end++;
}

uint64_t resend_find_from(const struct resend *r, uint32_t seq)
{
	uint64_t lo = r->first, hi = r->end;
	uint32_t ahead, behind;

	if (lo == hi || seq_after(seq, resend_at(r, hi - 1)->seq))
		return r->end;
	if (!seq_after(seq, resend_at(r, lo)->seq))
		return lo;
	/* Each place holds at least one number: this far from either end at most. */
	ahead = seq - resend_at(r, lo)->seq;
	behind = resend_at(r, hi - 1)->seq - seq;
	if (ahead < hi - lo)
		hi = lo + ahead + 1;
	if (behind < r->end - r->first && r->end - 1 - behind > lo)
		lo = r->end - 1 - behind;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (seq_before(resend_at(r, mid)->seq, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct resend_entry *resend_find(const struct resend *r, uint32_t seq)
{
	uint64_t place = resend_find_from(r, seq);
	struct resend_entry *e;

	if (place == r->end)
		return NULL;
	e = resend_at(r, place);
	return e->seq == seq ? e : NULL;
}

void resend_settle(struct resend *r, struct resend_entry *e, enum resend_state state)
{
	assert(e->state == RESEND_LIVE && state != RESEND_LIVE);
	e->state = (uint8_t)state;
	r->n_live--;
	r->n_paced -= e->paced;
	r->n_control -= msg_is_control(e->kind);
	while (r->live < r->end && resend_at(r, r->live)->state != RESEND_LIVE)
		r->live++;
}

struct resend_entry *resend_oldest(const struct resend *r)
{
	return r->live < r->end ? resend_at(r, r->live) : NULL;
}
