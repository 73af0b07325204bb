/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_GATE_GATE_H
#define CONNTRACKD_GATE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hash.h"
#include "flow/flow.h"
#include "gate/gate_conf.h"

/* The gate: which packets wait for the state of their flow, and for how long. A state machine of
 * values; the packets themselves wait in a queue of the kernel, and everything is asked and told
 * through callbacks. */
struct gate;

enum gate_state {
	GATE_OPEN,     /* nothing is held */
	GATE_CLOSED,   /* the node is backup: everything is held, for the deadline */
	GATE_OPENING,  /* the commit runs: a flow that talks is committed ahead of the others */
	GATE_DRAINING, /* the commit is through: what is in the kernel's queue still passes */
};

/* What is known of the flow of a packet. */
enum gate_known {
	GATE_UNKNOWN, /* a new flow */
	GATE_UNSURE,  /* it may be one that is not known yet */
	GATE_MISSING, /* a peer has told of it, and it was not committed yet */
	GATE_THERE,   /* the kernel has it */
};

#define GATE_SWEEP_MAX 64

struct gate_env {
	void *ctx;
	/* Tuples are those of gate_packet_read(), borrowed for the call. No callback may call the
	 * gate. */
	enum gate_known (*known)(void *ctx, const struct ct_flow *tuple, struct mono now);
	/* Put every flow with this tuple into the kernel, with its master, before this returns.
	 * False: the kernel does not have it. */
	bool (*commit)(void *ctx, const struct ct_flow *tuple, struct mono now);
	/* Begin to put all flows into the kernel whose NAT ports new flows to the destinations of
	 * these n <= GATE_SWEEP_MAX tuples could take. gate_swept() tells the end. */
	void (*sweep)(void *ctx, const struct ct_flow *const *tuples, size_t n, struct mono now);
	/* A packet to this address (network order) never waits. */
	bool (*own)(void *ctx, uint8_t l3, const uint8_t *addr);
	void (*verdict)(void *ctx, uint32_t packet, bool pass);
};

struct gate_stats {
	uint64_t packets;      /* that came */
	uint64_t exempt;       /* to this node's own addresses, multicast and the like */
	uint64_t held;	       /* of those that came: packets that had to wait */
	uint64_t ahead;	       /* times that a flow was committed because its packet waited */
	uint64_t refused;      /* times that the kernel would not have that flow */
	uint64_t sweeps;       /* see gate_env.sweep */
	uint64_t passed_new;   /* held packets of flows that nobody knew */
	uint64_t dropped_full; /* there was no room */
	uint64_t dropped_late; /* the deadline had passed */
	uint64_t dropped_refused;
	int64_t longest_ms; /* that a packet which passed had waited, since the gate was closed */
};

/* NULL without memory. */
struct gate *gate_new(const struct gate_conf *conf, const struct gate_env *env,
		      const struct hash_key *key);
/* What is held gets no verdict. */
void gate_free(struct gate *g);

enum gate_state gate_state(const struct gate *g);
void gate_close(struct gate *g);      /* from any state */
void gate_begin_open(struct gate *g); /* the commit has begun */
void gate_all_there(struct gate *g);  /* the commit is through */
void gate_drained(struct gate *g);    /* the kernel's queue is empty */

/* A packet came: its number in the queue, and n bytes from its network header on. */
void gate_packet(struct gate *g, uint32_t packet, uint8_t l3, const uint8_t *bytes, size_t n,
		 struct mono now);
void gate_swept(struct gate *g, struct mono now);

/* What was GATE_UNSURE may be sure now. */
void gate_sure(struct gate *g);

/* Settle what can be settled, a bounded part of it; true while there is more to do at once. Called
 * after everything that is told here, and because of the deadlines every GATE_TICK_MS while something
 * is held. */
bool gate_step(struct gate *g, struct mono now);
#define GATE_TICK_MS 10

uint32_t gate_holds(const struct gate *g); /* packets */
uint32_t gate_holds_tuples(const struct gate *g);
const struct gate_stats *gate_stats(const struct gate *g);
const char *gate_state_name(enum gate_state state);

#endif
