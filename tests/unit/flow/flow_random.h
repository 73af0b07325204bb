/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_FLOW_RANDOM_H
#define CONNTRACKD_TESTS_FLOW_RANDOM_H

#include "flow/flow.h"

/* Random flows for property tests, repeatable from a seed. */
struct rng {
	uint64_t state;
};

/* The seed of this run: TEST_SEED from the environment, else fresh. It is printed. */
struct rng rng_from_env(const char *test);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* 0 to n - 1. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* True once in n times. */
bool rng_one_in(struct rng *r, uint32_t n);

/* A flow that is consistent with itself: as the kernel tells it (reply tuple, id, now and then
 * counters and times), or as a peer does (original tuple and translations). Every optional part is
 * there or not; bytes of absent parts are random. rare is used when there are rare parts, f->rare
 * is NULL otherwise. */
void random_kernel_flow(struct rng *r, struct ct_flow *f, struct flow_rare *rare);
void random_peer_flow(struct rng *r, struct ct_flow *f, struct flow_rare *rare);

#endif
