/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_WIRE_HDR_H
#define CONNTRACKD_WIRE_HDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/writer.h"
#include "proto/proto.h"

/* Message header and control messages of wire protocol 1 (doc/protocol.md section 2). */
#define WIRE_VERSION 1
#define WIRE_HDR_LEN 8
#define WIRE_CTL_LEN 16 /* ACK, NACK, RESYNC */

enum wire_type {
	WIRE_CT_NEW = 0,
	WIRE_CT_UPD = 1,
	WIRE_CT_DEL = 2,
	WIRE_EXP_NEW = 3,
	WIRE_EXP_UPD = 4,
	WIRE_EXP_DEL = 5,
	WIRE_CTL = 10,
};

#define WIRE_F_RESYNC	  0x02u
#define WIRE_F_NACK	  0x04u
#define WIRE_F_ACK	  0x08u
#define WIRE_F_ALIVE	  0x10u
#define WIRE_F_HELLO	  0x20u
#define WIRE_F_HELLO_BACK 0x40u
#define WIRE_F_CTL_MASK	  (WIRE_F_RESYNC | WIRE_F_NACK | WIRE_F_ACK | WIRE_F_ALIVE)
/* a control message with from and to */
#define WIRE_F_RANGE_MASK (WIRE_F_RESYNC | WIRE_F_NACK | WIRE_F_ACK)
#define WIRE_F_HELLO_MASK (WIRE_F_HELLO | WIRE_F_HELLO_BACK)

struct wire_hdr {
	uint8_t version;
	uint8_t type;
	uint8_t flags;
	uint16_t len; /* whole message, bytes */
	uint32_t seq;
	uint32_t from, to; /* ACK, NACK, RESYNC only; else 0 */
};

/* Take the next message off a datagram: header into *hdr, the attribute bytes into *body
 * (borrowed). On PROTO_OK the cursor stands behind the message. PROTO_BAD_VERSION: this message is
 * skipped, go on with the next. Any other error: the rest of the datagram is to be abandoned. An
 * empty cursor must not be given (an empty datagram is ignored). hdr is filled in whenever there
 * were eight bytes; the mode decides whether type and flags mean anything, and refuses with
 * PROTO_BAD_HEADER or PROTO_BAD_TYPE. */
enum proto_err wire_next(struct cursor *datagram, struct wire_hdr *hdr, struct cursor *body);

/* As wire_next(), for a byte stream: PROTO_MORE while the message is incomplete, the cursor
 * unmoved. PROTO_BAD_SIZE: the stream cannot be trusted any more, close it. */
enum proto_err wire_next_stream(struct cursor *stream, struct wire_hdr *hdr, struct cursor *body);

/* Fill *msg with what a header and a body mean together; MSG_UNKNOWN or MSG_NO_TYPE if nothing. */
void wire_meaning(const struct wire_hdr *hdr, struct cursor body, struct message *msg);

/* proto_ops.next, length */
enum proto_err wire_next_message(struct cursor *datagram, struct message *msg, struct cursor *body);
enum proto_err wire_length(struct cursor stream, size_t *len);

/* Write the eight bytes of a header to `to`. len: whole message, bytes. */
void wire_put_header(uint8_t *to, enum wire_type type, uint8_t flags, uint16_t len, uint32_t seq);

/* Write a control message: flags is one of ALIVE, ACK, NACK, RESYNC plus HELLO bits. from and to
 * are ignored for ALIVE. 0, or -ENOSPC with nothing written. */
int wire_put_control(struct writer *w, uint8_t flags, uint32_t seq, uint32_t from, uint32_t to);

/* A node whose cache is incomplete does not end its answer to a request with "complete", but with
 * an ALIVE of 16 bytes that says so. NOTRACK: "complete" with a number that is WIRE_PARTIAL less
 * than the true one; a receiver that does not know this takes the message for one from before its
 * request, and waits. FTFW: the number of the RESYNC, and WIRE_NOT_WHOLE in place of the
 * incarnation. */
#define WIRE_PARTIAL   UINT32_C(0x40000000)
#define WIRE_NOT_WHOLE 1u

/* An ALIVE of 16 bytes from a node in mode ALARM that has received a message that ALARM does not
 * know: this number stands in place of the incarnation and names the mode. A 1.4.x daemon takes the
 * message for an ALIVE. */
#define WIRE_IN_ALARM 2u

/* An ALIVE of 12 bytes whose last four are this number: the sender is active. A 1.4.x daemon takes
 * the message for an ALIVE, as does a daemon of this program that does not know it. HELLO bits are
 * in the header as usual. 0, or -ENOSPC with nothing written. */
#define WIRE_ALIVE_ACTIVE 1u
int wire_put_active(struct writer *w, uint8_t hello, uint32_t seq);
/* Is this message such an ALIVE? body as from wire_next(). */
bool wire_is_active(const struct wire_hdr *hdr, struct cursor body);

/* ALIVE with the two numbers behind it that 1.4.x skips: all flows of the sender were sent since
 * number `since`, up to this message; the incarnation distinguishes the starts of its daemon
 * (protocol.md section 10). 0, or -ENOSPC with nothing written. */
int wire_put_complete(struct writer *w, uint32_t seq, uint32_t since, uint32_t incarnation);

/* Is this ALIVE one of wire_put_complete()? body as wire_next() gave it. */
bool wire_get_complete(const struct wire_hdr *hdr, struct cursor body, uint32_t *since,
		       uint32_t *incarnation);

#endif
