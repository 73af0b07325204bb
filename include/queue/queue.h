/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_QUEUE_QUEUE_H
#define CONNTRACKD_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/evloop.h"
#include "base/text.h"
#include "flow/expect.h"
#include "flow/flow.h"

/* A packet queue of the kernel (nfnetlink_queue): packets come, each gets a verdict, in the order
 * in which they came. One socket for each queue. Needs libnetfilter_queue; built without it every
 * open fails with -EOPNOTSUPP. */
struct packet_queue;

#define QUEUE_COPY_ALL 0xffffu /* bytes; the kernel gives no more of a packet */

struct queue_conf {
	uint16_t num;
	uint32_t max_len; /* packets; 0: the kernel's 1024 */
	/* Bytes of each packet from its network header on, up to QUEUE_COPY_ALL. */
	uint32_t copy_range;
	bool conntrack; /* the flow of each packet comes along */
	bool gso; /* packets come as large as the network stack has them; else they are cut first */
	bool passing;	/* what is new passes, until packet_queue_hold() */
	bool fail_open; /* what finds the queue full passes; not with packet_queue_hold() */
};

#define QUEUE_INFO_MAX 32 /* private data of a helper */

/* Sequence numbers up to pos are moved by `before`, those above by `after`. */
struct queue_adj {
	uint32_t pos;
	int32_t before, after;
};

/* The flow of a packet. Addresses and ports in network order. */
struct queue_ct {
	uint8_t l3, l4;
	struct {
		union flow_addr src, dst;
		uint16_t sport, dport;
	} tuple[2];		 /* original, reply */
	uint16_t master_dport;	 /* where the flow's master goes; 0: it has none */
	uint32_t status;	 /* IPS_* */
	uint32_t id;		 /* the kernel's, opaque */
	struct queue_adj adj[2]; /* original, reply */
	uint16_t zone;
	uint8_t info_len; /* 0: the helper has none */
	uint8_t info[QUEUE_INFO_MAX];
};

struct queue_packet {
	uint32_t id;
	uint8_t l3;	      /* AF_* */
	const uint8_t *bytes; /* from the network header on */
	size_t len;
	size_t full_len; /* of the packet: more than len when it was cut */
	bool has_ct;
	bool reply; /* in the reply direction of its flow */
	struct queue_ct ct;
};

/* What a verdict may change. */
struct queue_change {
	const uint8_t *bytes; /* the new packet; NULL: as it is */
	size_t len;
	const char *helper; /* its private data become info; NULL: they stay */
	const uint8_t *info;
	size_t info_len;
	/* Nothing is told about the flow: the adjustment of sequence numbers is set already. */
	bool bare;
	/* Made with the flow of this packet, which is in no table yet; NULL: none. */
	const struct ct_expect *expect;
};

struct queue_cb {
	void *ctx;
	/* Give a verdict, now or later. *p is valid during the call. */
	void (*packet)(void *ctx, const struct queue_packet *p);
};

struct queue_stats {
	uint64_t packets;
	uint64_t verdicts; /* messages; one may be for many packets */
	uint64_t changed;  /* packets that left with other bytes */
	/* Times that the kernel's messages found no room: packets were dropped. */
	uint64_t overruns;
	/* Messages that could not be read: the packet waits for the verdict of a later one. */
	uint64_t malformed;
};

/* 0; or -errno with a line in *err: -EBUSY another program has this queue. */
int packet_queue_open(struct evloop *loop, const struct queue_conf *conf, const struct queue_cb *cb,
		      struct packet_queue **out, struct text *err);
/* Packets that wait are dropped by the kernel; see packet_queue_drain(). NULL is harmless. */
void packet_queue_close(struct packet_queue *q);
/* Serves what waits, for the end: nothing new must come meanwhile. */
void packet_queue_drain(struct packet_queue *q);

/* Verdicts. A packet that passes may be told together with those after it, at the latest when the
 * descriptor has been served. */
void packet_queue_pass(struct packet_queue *q, uint32_t id);
/* At once, and everything before it. 0 or -errno: the packet passes as it was then. */
int packet_queue_pass_changed(struct packet_queue *q, uint32_t id, uint8_t l3,
			      const struct queue_change *change);

void packet_queue_drop(struct packet_queue *q, uint32_t id);

/* For packets that wait while later ones pass: a verdict for this one alone. Many leave together,
 * at the latest with packet_queue_flush() or when the descriptor has been served. Not to be mixed
 * with the verdicts above in one queue. */
void packet_queue_verdict(struct packet_queue *q, uint32_t id, bool pass);
void packet_queue_flush(struct packet_queue *q);

/* From now on: hold, packets come as the queue was opened for; else what is new passes without
 * coming here, and those that came before wait for their verdicts as ever. 0 or -errno. */
int packet_queue_hold(struct packet_queue *q, bool hold);

const struct queue_stats *packet_queue_stats(const struct packet_queue *q);

/* ---- sequence numbers of a flow (seqadj.c) ---- */

struct seqadj_sock;

int seqadj_open(struct seqadj_sock **out, struct text *err);
void seqadj_close(struct seqadj_sock *s);
/* Its changes cause events of this port id. */
uint32_t seqadj_portid(const struct seqadj_sock *s);
/* The adjustment after a segment that begins with seq becomes longer by diff. */
void seqadj_next(struct queue_adj *a, uint32_t seq, int32_t diff);
/* Sets it for one direction of a flow that is in the table; with help->helper its private data,
 * too. 0 or -errno. */
int seqadj_set(struct seqadj_sock *s, const struct queue_ct *ct, bool reply,
	       const struct queue_adj *a, const struct queue_change *help);

/* What the kernel says of a queue of this network namespace. */
struct queue_kernel {
	uint32_t waiting;
	uint64_t dropped_full;	 /* by the length of the queue */
	uint64_t dropped_socket; /* because the socket had no room */
};
/* False: it is not there. */
bool queue_kernel_read(uint16_t num, struct queue_kernel *out);

/* ---- parts, for tests ---- */

/* A packet message of nfnetlink_queue without its headers (the attributes): 0, or -EPROTO. */
int queue_parse_ct(const uint8_t *attr, size_t n, struct queue_ct *ct);

#endif
