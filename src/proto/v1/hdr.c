/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes message headers and control messages; frame.c reads headers. So the bytes of
 * doc/protocol.md section 2 stand in one place per direction. */
#include "proto/v1/hdr.h"

#include <assert.h>
#include <errno.h>

void wire_put_header(uint8_t *to, enum wire_type type, uint8_t flags, uint16_t len, uint32_t seq)
{
	to[0] = (uint8_t)(WIRE_VERSION << 4 | type);
	to[1] = flags;
	put_be16(to + 2, len);
	put_be32(to + 4, seq);
}

int wire_put_control(struct writer *w, uint8_t flags, uint32_t seq, uint32_t from, uint32_t to)
{
	uint16_t len = flags & WIRE_F_RANGE_MASK ? WIRE_CTL_LEN : WIRE_HDR_LEN;
	uint8_t *p;

	assert(flags & WIRE_F_CTL_MASK);
	if (w->full || wr_room(w) < len)
		return -ENOSPC;
	p = wr_take(w, len);
	wire_put_header(p, WIRE_CTL, flags, len, seq);
	if (len == WIRE_CTL_LEN) {
		put_be32(p + 8, from);
		put_be32(p + 12, to);
	}
	return 0;
}

int wire_put_complete(struct writer *w, uint32_t seq, uint32_t since, uint32_t incarnation)
{
	uint8_t *p;

	if (w->full || wr_room(w) < WIRE_CTL_LEN)
		return -ENOSPC;
	p = wr_take(w, WIRE_CTL_LEN);
	wire_put_header(p, WIRE_CTL, WIRE_F_ALIVE, WIRE_CTL_LEN, seq);
	put_be32(p + 8, since);
	put_be32(p + 12, incarnation);
	return 0;
}

bool wire_get_complete(const struct wire_hdr *hdr, struct cursor body, uint32_t *since,
		       uint32_t *incarnation)
{
	if (hdr->type != WIRE_CTL || hdr->flags != WIRE_F_ALIVE ||
	    body.left != WIRE_CTL_LEN - WIRE_HDR_LEN)
		return false;
	*since = cur_be32(&body);
	*incarnation = cur_be32(&body);
	return true;
}

#define ACTIVE_LEN (WIRE_HDR_LEN + 4)

int wire_put_active(struct writer *w, uint8_t hello, uint32_t seq)
{
	uint8_t *p;

	if (w->full || wr_room(w) < ACTIVE_LEN)
		return -ENOSPC;
	p = wr_take(w, ACTIVE_LEN);
	wire_put_header(p, WIRE_CTL, WIRE_F_ALIVE | hello, ACTIVE_LEN, seq);
	put_be32(p + WIRE_HDR_LEN, WIRE_ALIVE_ACTIVE);
	return 0;
}

bool wire_is_active(const struct wire_hdr *hdr, struct cursor body)
{
	return hdr->type == WIRE_CTL && (hdr->flags & WIRE_F_CTL_MASK) == WIRE_F_ALIVE &&
	       body.left == ACTIVE_LEN - WIRE_HDR_LEN && cur_be32(&body) == WIRE_ALIVE_ACTIVE;
}
