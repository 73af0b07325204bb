/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_INJECT_H
#define CONNTRACKD_KERNEL_CT_INJECT_H

#include "base/evloop.h"
#include "base/text.h"
#include "flow/flow.h"
#include "kernel/ct_put.h"

/* News of the peers straight into the kernel, without an external cache (DisableExternalCache). In
 * the order in which they come, a batch at a time; what is in the kernel already is changed and not
 * replaced wherever that is possible, and a flow that this kernel is forwarding is never removed
 * because a peer's entry has ended (flow/judge.h). */
struct ct_inject;

struct ct_inject_stats {
	uint64_t created, create_failed;
	/* entries that were there: changed, left as they were further on, or replaced */
	uint64_t updated, update_failed;
	uint64_t destroyed, destroy_failed;
	/* ends that were not carried out, because the flow is in use here */
	uint64_t in_use;
};

struct ct_inject_cb {
	void *ctx; /* borrowed */
	/* The kernel has this flow now. f says with which of the news' attributes: where its own
	 * entry was further on, those are fewer, or none. r->outcome and r->written say how the
	 * news came there. Borrows f and r. Must not call back. */
	void (*stored)(void *ctx, const struct ct_flow *f, const struct ct_result *r,
		       struct mono now);
	/* The kernel has not taken this flow (or its end), or another one is in its place. Counted
	 * already. Borrows r. Must not call back. NULL: not wanted. */
	void (*failed)(void *ctx, const struct ct_result *r, bool end, struct mono now);
	struct ct_put_caller caller; /* called inside ct_inject_put(), _end() and _flush() */
};

/* liberal: TCP window tracking off for these flows (TCPWindowTracking off). 0, or -errno with a
 * line in *err. Borrows loop. */
int ct_inject_open(struct evloop *loop, bool liberal, const struct ct_inject_cb *cb,
		   struct ct_inject **out, struct text *err) __attribute__((warn_unused_result));
void ct_inject_close(struct ct_inject *i);

/* For the filter of the event socket: what we do ourselves is not read back. */
uint32_t ct_inject_portid(const struct ct_inject *i);

/* The flow is new or has changed; the flow has ended. Copied; they are in the kernel at the latest
 * after ct_inject_flush(). there: the kernel has it most likely, so look before creating; of no
 * other effect. */
void ct_inject_put(struct ct_inject *i, const struct ct_flow *f, bool there, struct mono now);
void ct_inject_end(struct ct_inject *i, const struct ct_flow *f, struct mono now);

/* Carry out what is waiting: at most CT_INJECT_BATCH flows, less than a few milliseconds. */
void ct_inject_flush(struct ct_inject *i, struct mono now);
#define CT_INJECT_BATCH 128

const struct ct_inject_stats *ct_inject_stats(const struct ct_inject *i);

#endif
