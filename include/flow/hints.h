/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_HINTS_H
#define CONNTRACKD_FLOW_HINTS_H

#include "flow/flow.h"

/* Where flows are looked up: who reads several of them says so ahead, so that the cache misses of
 * the look-ups overlap. None of the functions, the first two, or all; ctx is borrowed. */
struct flow_hints {
	void *ctx;
	/* f (borrowed) is looked up soon. Returns the hint for the others. */
	uint32_t (*ahead)(void *ctx, const struct ct_flow *f);
	/* The flow of this hint is one of the next few. */
	void (*next)(void *ctx, uint32_t hint);
	/* The same once more, when next() was called for all of these few: worth it where each is
	 * a stranger to the processor's cache, as in a dump. */
	void (*chain)(void *ctx, uint32_t hint);
};

#endif
