/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_CURSOR_H
#define CONNTRACKD_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bounds-checked reading of bytes from outside. A refused read sets `bad`, which is sticky: later
 * reads give 0, so a caller reads a whole record and tests once. Borrows the bytes. */
struct cursor {
	const uint8_t *at; /* next unread byte */
	size_t left;	   /* bytes we may still read */
	bool bad;	   /* a read was refused */
};

static inline struct cursor cur_init(const void *p, size_t n)
{
	return (struct cursor){ .at = p, .left = n };
}

/* Take the next n bytes: the only function that checks the length and moves on, so that both use
 * the same n. NULL when refused. */
static inline const uint8_t *cur_take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->at;

	if (c->bad || n > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	c->left -= n;
	return p;
}

/* The next n bytes as a cursor of their own; on refusal an empty, bad one. */
static inline struct cursor cur_sub(struct cursor *c, size_t n)
{
	const uint8_t *p = cur_take(c, n);

	return (struct cursor){ .at = p, .left = p ? n : 0, .bad = p == NULL };
}

static inline uint8_t cur_u8(struct cursor *c)
{
	const uint8_t *p = cur_take(c, 1);

	return p ? p[0] : 0;
}

static inline uint16_t cur_be16(struct cursor *c)
{
	const uint8_t *p = cur_take(c, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t cur_be32(struct cursor *c)
{
	const uint8_t *p = cur_take(c, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

/* Copy n bytes as they are (addresses, values kept in network order). out is zeroed when
 * refused. */
static inline void cur_bytes(struct cursor *c, void *out, size_t n)
{
	const uint8_t *p = cur_take(c, n);

	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

#endif
