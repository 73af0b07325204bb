/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_EXP_INJECT_H
#define CONNTRACKD_KERNEL_EXP_INJECT_H

#include "base/clock.h"
#include "base/text.h"
#include "flow/expect.h"

/* The expectations of the peers straight into the kernel, without an external cache
 * (DisableExternalCache): what kernel/ct_inject.h is for flows. There are few, so each is carried
 * out at once, some ten microseconds. Their masters must be there already. */
struct exp_inject;

struct exp_inject_stats {
	uint64_t created, create_failed;
	/* there was one with the same tuple: its life was prolonged, or it was replaced */
	uint64_t updated, update_failed;
	uint64_t destroyed, destroy_failed;
	/* ends that were not carried out, because it lives on here */
	uint64_t in_use;
};

struct exp_inject_cb {
	void *ctx; /* borrowed */
	/* Has our own kernel made this one, for a connection that it forwards? Then it stays as it
	 * is. */
	bool (*ours)(void *ctx, const struct ct_expect *e);
	/* We have removed this one from the kernel: no event will tell. Must not call back. */
	void (*removed)(void *ctx, const struct ct_expect *e);
};

/* 0, or -errno with a line in *err. */
int exp_inject_open(const struct exp_inject_cb *cb, struct exp_inject **out, struct text *err)
	__attribute__((warn_unused_result));
void exp_inject_close(struct exp_inject *x);

/* For the filter of the event socket: what we do ourselves is not read back. */
uint32_t exp_inject_portid(const struct exp_inject *x);

/* A peer has it; a peer's has ended (e is the last that was known of it). */
void exp_inject_put(struct exp_inject *x, const struct ct_expect *e, struct mono now);
void exp_inject_end(struct exp_inject *x, const struct ct_expect *e, struct mono now);

const struct exp_inject_stats *exp_inject_stats(const struct exp_inject *x);

#endif
