/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_BATCH_H
#define CONNTRACKD_CHANNEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/writer.h"

/* Datagrams between "being filled" and "taken by the socket": a ring of buffers, in order, so that
 * several leave with one system call and a full socket keeps them all. */
#define BATCH_SLOTS	64u /* at least */
#define BATCH_SLOTS_MAX 65536u

struct batch {
	/* slots buffers of `stride` bytes, owned; touched as far as used */
	uint8_t *mem;
	size_t *len;	     /* of each, bytes; owned */
	uint32_t slots;	     /* a power of two */
	size_t stride;	     /* bytes */
	size_t cap;	     /* payload limit of a datagram, bytes; at most stride */
	uint32_t head, tail; /* finished datagrams: head .. tail - 1, modulo the ring */
	struct writer cur;   /* the one being filled; its buffer is slot `tail` */
	bool filling;
};

/* Buffers of cap bytes, at least slots of them (but at most BATCH_SLOTS_MAX). 0 or -ENOMEM. */
int batch_init(struct batch *b, size_t cap, uint32_t slots) __attribute__((warn_unused_result));
void batch_free(struct batch *b);

/* The payload limit of the next datagrams; not more than batch_init() was given. */
void batch_set_cap(struct batch *b, size_t cap);

/* The datagram being filled, or a new empty one; NULL when every slot waits for the socket. */
struct writer *batch_current(struct batch *b);
/* The current one is finished; an empty one is dropped. True when the ring is full: send now. */
bool batch_finish(struct batch *b);

static inline unsigned int batch_waiting(const struct batch *b)
{
	return b->tail - b->head;
}

static inline bool batch_full(const struct batch *b)
{
	return batch_waiting(b) == b->slots;
}

/* The oldest finished datagrams, at most n, as io vectors into the ring. Returns how many. */
unsigned int batch_peek(const struct batch *b, struct iovec *iov, unsigned int n);
/* The oldest n have left (or were given up). */
void batch_drop(struct batch *b, unsigned int n);

#endif
