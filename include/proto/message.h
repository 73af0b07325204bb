/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_PROTO_MESSAGE_H
#define CONNTRACKD_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/* A message between two nodes as a value, whichever version of the protocol carries it: all that
 * replication knows of it. How it looks in bytes is the version's business (proto/proto.h); what
 * the messages mean is in doc/protocol.md. */

enum msg_kind {
	MSG_NONE,

	/* states */
	MSG_FLOW,   /* change; the flow is in the body */
	MSG_EXPECT, /* change; the expectation is in the body */

	/* control messages that nobody acknowledges */
	MSG_ALIVE,     /* the sender is there */
	MSG_COMPLETE,  /* everything it has was sent since number from; to: its life (NOTRACK) */
	MSG_PARTIAL,   /* the same, but its cache is incomplete: that was not all (NOTRACK) */
	MSG_NOT_WHOLE, /* nor was what answered the RESYNC of number from (FTFW) */
	MSG_IN_ALARM,  /* the sender is in mode ALARM, which does not know what it was told */

	/* control messages that are kept until they are acknowledged */
	MSG_ACK,    /* from..to have come */
	MSG_NACK,   /* from..to are missing */
	MSG_RESYNC, /* everything is asked for; from: life of who asks, to: as the mode has it */

	/* Not for this mode, or from nowhere. */
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

/* Bits of any message: the sender begins a life; it has heard that of somebody else. */
#define MSG_HELLO      0x1u
#define MSG_HELLO_BACK 0x2u

struct message {
	uint8_t kind;	 /* enum msg_kind */
	uint8_t change;	 /* enum msg_change */
	uint8_t hello;	 /* MSG_HELLO bits */
	uint8_t version; /* of the protocol, also of a message of another one */
	/* What else its header says. Two messages of one number whose tags differ are not the same
	 * message; nothing else is made of it. */
	uint16_t tag;
	uint32_t seq;
	uint32_t from, to; /* as the kind has them, else 0 */
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

/* Does it mean nothing at all? */
static inline bool msg_is_refused(uint8_t kind)
{
	return kind >= MSG_UNKNOWN;
}

/* a precedes b on the circle of sequence numbers. */
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

#endif
