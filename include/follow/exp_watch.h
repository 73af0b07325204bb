/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_EXP_WATCH_H
#define CONNTRACKD_FOLLOW_EXP_WATCH_H

#include "base/evloop.h"
#include "kernel/exp.h"

/* Expectations of our kernel that change without an event: those that are inactive until something
 * is confirmed, and those that stay for more than one connection and whose life somebody else sets
 * (SIP). The kernel is asked about each again and again. */
struct exp_watch;

struct exp_watch_cb {
	void *ctx;
	/* It has been found changed, or with another life than it had left. Borrows e. Must not
	 * call back. */
	void (*changed)(void *ctx, const struct ct_expect *e, struct mono now);
};

/* Borrows loop and sock. NULL without memory. */
struct exp_watch *exp_watch_new(struct evloop *loop, struct exp_sock *sock,
				const struct exp_watch_cb *cb);
void exp_watch_free(struct exp_watch *w);

/* It is in the kernel: watched from now on if it is one of those. */
void exp_watch_add(struct exp_watch *w, const struct ct_expect *e, struct mono now);
/* It has ended. */
void exp_watch_del(struct exp_watch *w, const struct ct_expect *e);

#endif
