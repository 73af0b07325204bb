/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_REORDER_H
#define CONNTRACKD_SYNC_REORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "proto/proto.h"

/* Messages of one peer that came before their turn, kept for a moment: a reordered datagram then
 * costs a few milliseconds instead of a NACK and a retransmission. Holds copies. */
#define REORDER_MIN 128 /* room at first; powers of two */
/* messages ahead of the one we wait for: the fastest full send of some 20 ms */
#define REORDER_MAX  8192
#define REORDER_BODY PROTO_BODY_MAX /* longer ones are not kept */

struct reorder_slot {
	bool used;
	uint16_t len;
	struct mono at; /* when it came */
	struct message msg;
	uint8_t body[REORDER_BODY];
};

struct reorder {
	struct reorder_slot *slot; /* owned; made at the first use, doubles */
	uint32_t cap;
	uint32_t n;
};

enum reorder_verdict {
	REORDER_KEPT,
	REORDER_TWICE,	 /* was there already */
	REORDER_OTHER,	 /* another one with that number was */
	REORDER_NO_ROOM, /* too far ahead, too long, or no memory */
};

void reorder_free(struct reorder *r);
void reorder_clear(struct reorder *r);

/* Keep a copy of a message that came now; next is the number we wait for, msg->seq comes after
 * it. */
enum reorder_verdict reorder_put(struct reorder *r, uint32_t next, const struct message *msg,
				 struct cursor body, struct mono now);

/* The kept message with number seq, and its contents, borrowed until the next reorder_put(); it is
 * no longer kept. False when it is not there. */
bool reorder_take(struct reorder *r, uint32_t seq, struct message *msg, struct cursor *body);

/* The lowest number kept, at or after next, and when it came. There must be one (r->n > 0). */
uint32_t reorder_lowest(const struct reorder *r, uint32_t next, struct mono *at);

#endif
