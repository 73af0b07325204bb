/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_HELPING_H
#define CONNTRACKD_DAEMON_HELPING_H

#include "base/hash.h"
#include "base/log.h"
#include "helper/helper.h"
#include "kernel/exp.h"
#include "queue/queue.h"

/* What happens to a packet of a flow that has a helper. */

/* directions of flows with an unfinished text; a newer one takes the place of an older */
#define HELPING_STREAMS 256u

enum helping_refusal {
	HELPING_TAKEN,	/* expected already for another connection, and no other port will do */
	HELPING_FULL,	/* nf_conntrack_expect_max */
	HELPING_SPLIT,	/* would have to be translated, and part of the text has left already */
	HELPING_NO_NAT, /* the kernel lacks the function that translates it */
	HELPING_OTHER,
	HELPING_REFUSALS
};

struct helping_stats {
	uint64_t made, refreshed, refused[HELPING_REFUSALS];
	uint64_t mangled;   /* packets with another address or port */
	uint64_t no_packet; /* neither TCP nor UDP, or not whole */
};

struct helping_stream {
	uint64_t key[6]; /* of whose direction */
	struct mono at;	 /* since when */
	struct helper_stream s;
};

/* What all helpers share. */
struct helping {
	struct exp_sock *exp;
	struct seqadj_sock *seqadj;
	struct hash_key hash;
	struct log_limit log;
	struct evloop *loop;
	struct helping_stream stream[HELPING_STREAMS];
	struct helper_memory memory;			 /* of flows that were expected */
	uint8_t text[HELPER_CARRY_MAX + QUEUE_COPY_ALL]; /* of a packet, with what came before */
	uint8_t said[HELPER_CARRY_MAX + QUEUE_COPY_ALL + 256]; /* the same, translated */
	uint8_t packet[QUEUE_COPY_ALL];
};

/* One instance. */
struct helping_of {
	struct helping *all;
	const struct helper *helper;
	struct packet_queue *queue;
	uint32_t expect_timeout_s;
	struct helping_stats stats;
};

/* queue_cb.packet; ctx: struct helping_of. */
void helping_packet(void *ctx, const struct queue_packet *p);

/* "table full" and the like. */
const char *helping_refusal_text(enum helping_refusal why);

#endif
