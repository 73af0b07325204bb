/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See wire_fill(). The protocol has no padding, but a repeated attribute and four bytes at the end
 * of a message change nothing for 1.4.x, nor for us. */
#include "proto/v1/attr.h"
#include "proto/v1/attr_numbers.h"

/* the value is one byte, and three of padding */
#define L4PROTO_SPACE (WIRE_ATTR_HDR_LEN + 4)

static uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The last message of a datagram that this program has written. */
static uint8_t *last_message(const struct writer *w)
{
	uint8_t *at = w->buf, *end = w->buf + w->len;
	uint16_t len;

	while (at + WIRE_HDR_LEN <= end) {
		len = get_be16(at + 2);
		if (len < WIRE_HDR_LEN || len >= end - at)
			return len == end - at ? at : NULL;
		at += len;
	}
	return NULL;
}

static const uint8_t *find_l4proto(const uint8_t *message, const uint8_t *end)
{
	const uint8_t *at = message + WIRE_HDR_LEN;

	while (at + L4PROTO_SPACE <= end) {
		uint16_t len = get_be16(at);

		if (len < WIRE_ATTR_HDR_LEN)
			return NULL;
		if (get_be16(at + 2) == WIRE_ATTR_L4PROTO)
			return at;
		at += (len + 3) & ~3;
	}
	return NULL;
}

void wire_fill(struct writer *w)
{
	uint8_t *last = last_message(w), *end = w->buf + w->len;
	size_t gap = w->cap - w->len;
	const uint8_t *l4;

	if (!last || (last[0] & 0x0f) > WIRE_CT_DEL || gap % 4 != 0 || gap > WIRE_FLOW_MAX)
		return;
	l4 = find_l4proto(last, end);
	if (!l4)
		return;
	put_be16(last + 2, (uint16_t)(end - last + (ptrdiff_t)gap));
	for (; gap >= L4PROTO_SPACE; gap -= L4PROTO_SPACE, end += L4PROTO_SPACE)
		memcpy(end, l4, L4PROTO_SPACE);
	memset(end, 0, gap);
	w->len = w->cap;
}
