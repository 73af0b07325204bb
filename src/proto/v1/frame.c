/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams and streams into whole messages.
 *
 * A datagram is a plain concatenation of messages, so one wrong length makes the rest of it
 * unreadable and it is abandoned. The checks and their order are those of 1.4.x (doc/protocol.md
 * section 4), because the counters show which one refused. Nothing is copied: header values go out
 * by value, contents as a cursor into the caller's bytes. There is no state here: a stream keeps
 * its incomplete tail where its bytes are, one buffer per connection.
 */
#include "proto/v1/hdr.h"

/* The first eight bytes, which must be there. */
static struct wire_hdr peek_header(const struct cursor *at)
{
	struct cursor c = *at;
	uint8_t version_type = cur_u8(&c);
	struct wire_hdr hdr = { .version = version_type >> 4, .type = version_type & 0x0f };

	hdr.flags = cur_u8(&c);
	hdr.len = cur_be16(&c);
	hdr.seq = cur_be32(&c);
	return hdr;
}

/* Acknowledgements and requests carry a range. 1.4.x decides that before it looks at the
 * version. */
static bool has_range(const struct wire_hdr *hdr)
{
	return hdr->type == WIRE_CTL && (hdr->flags & WIRE_F_RANGE_MASK);
}

/* The whole message is there: move over it. */
static enum wire_err take_message(struct cursor *from, struct wire_hdr *hdr, struct cursor *body)
{
	struct cursor c = cur_sub(from, hdr->len);

	cur_take(&c, WIRE_HDR_LEN);
	if (has_range(hdr)) {
		hdr->from = cur_be32(&c);
		hdr->to = cur_be32(&c);
	}
	*body = c;
	return hdr->version == WIRE_VERSION ? WIRE_OK : WIRE_BAD_VERSION;
}

enum wire_err wire_next(struct cursor *datagram, struct wire_hdr *hdr, struct cursor *body)
{
	if (datagram->bad || datagram->left < WIRE_HDR_LEN)
		return WIRE_TRUNCATED;
	*hdr = peek_header(datagram);
	if (hdr->len == 0 || hdr->len > datagram->left)
		return WIRE_BAD_SIZE;
	if (has_range(hdr) && datagram->left < WIRE_CTL_LEN)
		return WIRE_TRUNCATED;
	if (hdr->len < (has_range(hdr) ? WIRE_CTL_LEN : WIRE_HDR_LEN))
		return WIRE_BAD_SIZE;
	return take_message(datagram, hdr, body);
}

enum wire_err wire_next_stream(struct cursor *stream, struct wire_hdr *hdr, struct cursor *body)
{
	if (stream->bad || stream->left < WIRE_HDR_LEN)
		return WIRE_MORE;
	*hdr = peek_header(stream);
	/* A length that no message can have is known at once; 1.4.x would first wait for bytes that
	 * mean nothing. */
	if (hdr->len < (has_range(hdr) ? WIRE_CTL_LEN : WIRE_HDR_LEN))
		return WIRE_BAD_SIZE;
	if (hdr->len > stream->left)
		return WIRE_MORE;
	return take_message(stream, hdr, body);
}
