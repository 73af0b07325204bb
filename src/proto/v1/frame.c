/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams and streams into whole messages, and what their headers mean.
 *
 * A datagram is a plain concatenation of messages, so one wrong length makes the rest of it
 * unreadable and it is abandoned. The checks and their order are those of 1.4.x (doc/protocol.md
 * section 4), because the counters show which check refused a message. Nothing is copied: header
 * values go out by value, contents as a cursor into the caller's bytes. There is no state here: a
 * stream keeps its incomplete tail where its bytes are, one buffer per connection.
 */
#include "proto/v1/hdr.h"

_Static_assert((int)WIRE_CT_NEW == MSG_NEW && (int)WIRE_CT_UPD == MSG_UPDATE &&
		       (int)WIRE_CT_DEL == MSG_END &&
		       WIRE_EXP_NEW == WIRE_CT_NEW + (int)MSG_CHANGES &&
		       WIRE_EXP_DEL == WIRE_CT_DEL + (int)MSG_CHANGES,
	       "types of states are changes, of flows and then of expectations");

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
static enum proto_err take_message(struct cursor *from, struct wire_hdr *hdr, struct cursor *body)
{
	struct cursor c = cur_sub(from, hdr->len);

	cur_take(&c, WIRE_HDR_LEN);
	if (has_range(hdr)) {
		hdr->from = cur_be32(&c);
		hdr->to = cur_be32(&c);
	}
	*body = c;
	return hdr->version == WIRE_VERSION ? PROTO_OK : PROTO_BAD_VERSION;
}

enum proto_err wire_next(struct cursor *datagram, struct wire_hdr *hdr, struct cursor *body)
{
	if (datagram->bad || datagram->left < WIRE_HDR_LEN)
		return PROTO_TRUNCATED;
	*hdr = peek_header(datagram);
	if (hdr->len == 0 || hdr->len > datagram->left)
		return PROTO_BAD_SIZE;
	if (has_range(hdr) && datagram->left < WIRE_CTL_LEN)
		return PROTO_TRUNCATED;
	if (hdr->len < (has_range(hdr) ? WIRE_CTL_LEN : WIRE_HDR_LEN))
		return PROTO_BAD_SIZE;
	return take_message(datagram, hdr, body);
}

enum proto_err wire_next_stream(struct cursor *stream, struct wire_hdr *hdr, struct cursor *body)
{
	if (stream->bad || stream->left < WIRE_HDR_LEN)
		return PROTO_MORE;
	*hdr = peek_header(stream);
	/* A length that no message can have is known at once; 1.4.x would first wait for bytes that
	 * mean nothing. */
	if (hdr->len < (has_range(hdr) ? WIRE_CTL_LEN : WIRE_HDR_LEN))
		return PROTO_BAD_SIZE;
	if (hdr->len > stream->left)
		return PROTO_MORE;
	return take_message(stream, hdr, body);
}

/* ---- messages as values (proto/message.h) ---- */

/* The meanings of an ALIVE with two numbers behind it, which only this program sends. */
static void complete_meaning(uint32_t since, uint32_t incarnation, struct message *msg)
{
	msg->from = since;
	msg->to = incarnation;
	if (incarnation == WIRE_NOT_WHOLE) {
		msg->kind = MSG_NOT_WHOLE;
	} else if (incarnation == WIRE_IN_ALARM) {
		msg->kind = MSG_IN_ALARM;
	} else if (msg->seq - since >= WIRE_PARTIAL) {
		msg->kind = MSG_PARTIAL;
		msg->from = since + WIRE_PARTIAL;
	} else {
		msg->kind = MSG_COMPLETE;
	}
}

/* The meaning of a message that is not about a flow or expectation. Should several flags be set,
 * the first counts: ACK, NACK, RESYNC, ALIVE. */
static __attribute__((noinline)) void control_meaning(const struct wire_hdr *hdr,
						      struct cursor body, struct message *msg)
{
	uint32_t since, incarnation;

	if (hdr->type != WIRE_CTL || !(hdr->flags & WIRE_F_CTL_MASK))
		msg->kind = hdr->flags == 0 ? MSG_NO_TYPE : MSG_UNKNOWN;
	else if (hdr->flags & (WIRE_F_ACK | WIRE_F_NACK))
		msg->kind = seq_before(hdr->to, hdr->from) ? MSG_UNKNOWN :
			    hdr->flags & WIRE_F_ACK	   ? MSG_ACK :
							     MSG_NACK;
	else if (hdr->flags & WIRE_F_RESYNC)
		msg->kind = MSG_RESYNC;
	else if (wire_get_complete(hdr, body, &since, &incarnation))
		complete_meaning(since, incarnation, msg);
	else
		msg->kind = wire_is_active(hdr, body) ? MSG_ACTIVE : MSG_ALIVE;
}

void wire_meaning(const struct wire_hdr *hdr, struct cursor body, struct message *msg)
{
	*msg = (struct message){
		.kind = MSG_FLOW,
		.change = hdr->type,
		.hello = (hdr->flags & WIRE_F_HELLO_MASK) >> 5,
		.version = hdr->version,
		.tag = (uint16_t)(hdr->flags << 8 | hdr->type),
		.seq = hdr->seq,
		.from = hdr->from,
		.to = hdr->to,
	};
	if (hdr->type > WIRE_EXP_DEL) {
		control_meaning(hdr, body, msg);
		return;
	}
	if (hdr->flags & ~WIRE_F_HELLO_MASK) {
		msg->kind = MSG_UNKNOWN;
	} else if (hdr->type > WIRE_CT_DEL) {
		msg->kind = MSG_EXPECT;
		msg->change -= MSG_CHANGES;
	}
}

/* All calls inline: this function runs for each message. */
__attribute__((flatten)) enum proto_err wire_next_message(struct cursor *datagram,
							  struct message *msg, struct cursor *body)
{
	struct wire_hdr hdr;
	enum proto_err err = wire_next(datagram, &hdr, body);

	if (err == PROTO_OK)
		wire_meaning(&hdr, *body, msg);
	else if (err == PROTO_BAD_VERSION)
		*msg = (struct message){ .version = hdr.version };
	return err;
}

enum proto_err wire_length(struct cursor stream, size_t *len)
{
	struct wire_hdr hdr;
	struct cursor body;
	enum proto_err err = wire_next_stream(&stream, &hdr, &body);

	if (err == PROTO_OK || err == PROTO_BAD_VERSION)
		*len = hdr.len;
	return err;
}
