/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_WRITER_H
#define CONNTRACKD_BASE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bounds-checked writing. A refused write sets `full`, which is sticky, and writes nothing: a full
 * writer is an error the caller sees, never a truncated message. Borrows the buffer. */
struct writer {
	uint8_t *buf;
	size_t len; /* bytes written */
	size_t cap; /* bytes that fit */
	bool full;
};

static inline struct writer wr_init(void *buf, size_t cap)
{
	return (struct writer){ .buf = buf, .cap = cap };
}

static inline size_t wr_room(const struct writer *w)
{
	return w->cap - w->len;
}

/* Reserve n bytes, contents undefined. NULL when they do not fit. */
static inline uint8_t *wr_take(struct writer *w, size_t n)
{
	uint8_t *p = w->buf + w->len;

	if (w->full || n > w->cap - w->len) {
		w->full = true;
		return NULL;
	}
	w->len += n;
	return p;
}

static inline void wr_u8(struct writer *w, uint8_t v)
{
	uint8_t *p = wr_take(w, 1);

	if (p)
		p[0] = v;
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline void wr_be16(struct writer *w, uint16_t v)
{
	uint8_t *p = wr_take(w, 2);

	if (p)
		put_be16(p, v);
}

static inline void wr_be32(struct writer *w, uint32_t v)
{
	uint8_t *p = wr_take(w, 4);

	if (p)
		put_be32(p, v);
}

static inline void wr_bytes(struct writer *w, const void *v, size_t n)
{
	uint8_t *p = wr_take(w, n);

	if (p)
		memcpy(p, v, n);
}

#endif
