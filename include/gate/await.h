/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_GATE_AWAIT_H
#define CONNTRACKD_GATE_AWAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hash.h"
#include "flow/flow.h"
#include "gate/gate_conf.h"

/* Both nodes forward: a packet of TCP that needs a state which the other node is telling just now
 * waits for it, a few milliseconds at most. Then it passes, whatever becomes of it. A state machine
 * of values, as gate/gate.h. */
struct await;

/* What the kernel has for a tuple, in either direction. */
enum await_entry {
	AWAIT_NONE,
	AWAIT_BEGUN, /* a SYN, and no answer: an ACK would be invalid */
	AWAIT_THERE,
};

struct await_env {
	void *ctx;
	enum await_entry (*entry)(void *ctx, const struct ct_flow *tuple, struct mono now);
	void (*verdict)(void *ctx, uint32_t packet, bool pass);
};

struct await_stats {
	uint64_t packets; /* that came */
	uint64_t asked;	  /* questions to the kernel */
	uint64_t waited;  /* packets that did not pass at once */
	uint64_t in_time; /* of these, passed because the state came */
	uint64_t late;	  /* passed because it did not */
	uint64_t no_room; /* passed because as many as QueueLen waited */
};

/* conf: queue_len, wait_ms. NULL without memory. */
struct await *await_new(const struct gate_conf *conf, const struct await_env *env,
			const struct hash_key *key);
void await_free(struct await *a);

/* A packet came: its number in the queue, and n bytes from its network header on. */
void await_packet(struct await *a, uint32_t packet, uint8_t l3, const uint8_t *bytes, size_t n,
		  struct mono now);
/* States may have come, or time has passed: called after the one, and every AWAIT_TICK_MS while
 * something is held. */
void await_step(struct await *a, struct mono now);
#define AWAIT_TICK_MS 1
/* All that waits passes. */
void await_end(struct await *a);

uint32_t await_holds(const struct await *a); /* packets */
const struct await_stats *await_stats(const struct await *a);

#endif
