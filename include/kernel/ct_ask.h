/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_ASK_H
#define CONNTRACKD_KERNEL_CT_ASK_H

#include "base/evloop.h"
#include "base/text.h"
#include "flow/flow.h"

/* What the kernel has for the tuple of a packet: asked and answered at once. */
struct ct_ask;

/* 0, or -errno with a line in *err. Borrows loop. */
int ct_ask_open(struct evloop *loop, struct ct_ask **out, struct text *err);
void ct_ask_close(struct ct_ask *a);

/* The kernel's entry of which tuple (in the place of the original one) is the original or the reply
 * tuple. NULL: there is none. Borrowed until the next question; without what struct flow_rare
 * holds. */
const struct ct_flow *ct_ask_tuple(struct ct_ask *a, const struct ct_flow *tuple, struct mono now);

#endif
