/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_PROTO_MESSAGE_H
#define CONNTRACKD_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/* A message between two nodes as a value, in whichever version of the protocol it was sent: all
 * that replication knows of a message. Its bytes are known to the version only (proto/proto.h);
 * what the messages mean is in doc/protocol.md. */

enum msg_kind {
	MSG_NONE,

	/* states */
	MSG_FLOW,   /* change; the flow is in the body */
	MSG_EXPECT, /* change; the expectation is in the body */

	/* control messages that are not acknowledged */
	MSG_ALIVE,  /* the sender is there */
	MSG_ACTIVE, /* the sender is there and active (-c) */
	/* all flows of the sender were sent since number from; to: its incarnation (NOTRACK) */
	MSG_COMPLETE,
	MSG_PARTIAL,   /* as MSG_COMPLETE, but the sender's cache is incomplete (NOTRACK) */
	MSG_NOT_WHOLE, /* the answer to the RESYNC of number from was incomplete (FTFW) */
	/* the sender is in mode ALARM, which does not know the message it has received */
	MSG_IN_ALARM,

	/* control messages that are kept until they are acknowledged */
	MSG_ACK,  /* from..to were received */
	MSG_NACK, /* from..to are missing */
	/* request for all flows; from: incarnation of the sender, to: depends on the mode */
	MSG_RESYNC,

	/* Refused messages. */
	MSG_UNKNOWN, /* type and flags that mean nothing together */
	MSG_NO_TYPE, /* a type that the version does not have, without flags */
};

/* What has happened to a flow or an expectation. */
enum msg_change {
	MSG_NEW,
	MSG_UPDATE,
	MSG_END,
	MSG_CHANGES,
};

/* Bits of any message: the sender has just started; the sender has received a HELLO. */
#define MSG_HELLO      0x1u
#define MSG_HELLO_BACK 0x2u

struct message {
	uint8_t kind;	 /* enum msg_kind */
	uint8_t change;	 /* enum msg_change */
	uint8_t hello;	 /* MSG_HELLO bits */
	uint8_t version; /* of the protocol, also of a message of another one */
	/* Further bits of the header. Two messages with one sequence number whose tags differ are
	 * not the same message; the tag has no other use. */
	uint16_t tag;
	uint32_t seq;
	uint32_t from, to; /* meaning: see the kind; else 0 */
};

static inline bool msg_is_state(uint8_t kind)
{
	return kind == MSG_FLOW || kind == MSG_EXPECT;
}

static inline bool msg_is_control(uint8_t kind)
{
	return kind >= MSG_ALIVE && kind <= MSG_RESYNC;
}

/* Is a control message of that kind kept until it is acknowledged? */
static inline bool msg_is_kept(uint8_t kind)
{
	return kind >= MSG_ACK && kind <= MSG_RESYNC;
}

/* Is a message of that kind refused? */
static inline bool msg_is_refused(uint8_t kind)
{
	return kind >= MSG_UNKNOWN;
}

/* Does a precede b on the circle of sequence numbers? */
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

#endif
