/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_HINTS_H
#define CONNTRACKD_FLOW_HINTS_H

#include "flow/flow.h"

/* Prefetching of look-ups: a reader of several flows announces them to the table before it looks
 * them up, so that the processor's cache misses overlap. All functions NULL, the first two set, or
 * all set; ctx is borrowed. */
struct flow_hints {
	void *ctx;
	/* f (borrowed) is looked up soon. Returns the hint for next() and chain(). */
	uint32_t (*ahead)(void *ctx, const struct ct_flow *f);
	/* The flow of this hint is one of the next few. */
	void (*next)(void *ctx, uint32_t hint);
	/* A second prefetch for the flow of this hint, after next() was called for all of the
	 * group: pays where no record is in the processor's cache, as in a dump. */
	void (*chain)(void *ctx, uint32_t hint);
};

#endif
