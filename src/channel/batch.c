/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of finished datagrams. Nothing is ever dropped for lack of room: when all slots wait,
 * there is no new one to fill, and whoever sends keeps its queue. */
#include "channel/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

_Static_assert((BATCH_SLOTS & (BATCH_SLOTS - 1)) == 0 &&
		       (BATCH_SLOTS_MAX & (BATCH_SLOTS_MAX - 1)) == 0,
	       "slots are addressed by a wrapping counter");

static uint8_t *slot(const struct batch *b, uint32_t i)
{
	return b->mem + (i % b->slots) * b->stride;
}

void batch_free(struct batch *b)
{
	free(b->mem);
	free(b->len);
	*b = (struct batch){ 0 };
}

int batch_init(struct batch *b, size_t cap, uint32_t slots)
{
	*b = (struct batch){ .stride = (cap + 63) & ~(size_t)63, .cap = cap, .slots = BATCH_SLOTS };
	while (b->slots < slots && b->slots < BATCH_SLOTS_MAX)
		b->slots *= 2;
	b->mem = malloc(b->slots * b->stride);
	b->len = calloc(b->slots, sizeof(*b->len));
	if (b->mem && b->len)
		return 0;
	batch_free(b);
	return -ENOMEM;
}

void batch_set_cap(struct batch *b, size_t cap)
{
	b->cap = cap < b->stride ? cap : b->stride;
}

struct writer *batch_current(struct batch *b)
{
	if (b->filling)
		return &b->cur;
	if (batch_full(b))
		return NULL;
	b->cur = wr_init(slot(b, b->tail), b->cap);
	b->filling = true;
	return &b->cur;
}

bool batch_finish(struct batch *b)
{
	if (b->filling && b->cur.len > 0)
		b->len[b->tail++ % b->slots] = b->cur.len;
	b->filling = false;
	return batch_full(b);
}

unsigned int batch_peek(const struct batch *b, struct iovec *iov, unsigned int n)
{
	unsigned int have = batch_waiting(b);

	if (n > have)
		n = have;
	for (unsigned int i = 0; i < n; i++)
		iov[i] = (struct iovec){ .iov_base = slot(b, b->head + i),
					 .iov_len = b->len[(b->head + i) % b->slots] };
	return n;
}

void batch_drop(struct batch *b, unsigned int n)
{
	assert(n <= batch_waiting(b));
	b->head += n;
}
