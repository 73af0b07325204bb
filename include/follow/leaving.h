/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_LEAVING_H
#define CONNTRACKD_FOLLOW_LEAVING_H

#include <stdbool.h>

#include "base/evloop.h"
#include "flow/ct_event.h"
#include "flow/flow.h"
#include "follow/activity.h"
#include "kernel/addrs.h"
#include "node/pipeline.h"

/* Flows that the kernel deletes because the address they were masqueraded by has left: the address
 * is on its way to another node, and the flows with it. */
struct leaving;

/* Borrows all. NULL without memory. */
struct leaving *leaving_open(struct evloop *loop, struct addrs *addrs, struct pipeline *p,
			     const struct activity *activity);
void leaving_close(struct leaving *l);

/* An event of the kernel. True: this node has lost the flow, it has not ended, and no peer is told;
 * the event is done with. */
bool leaving_event(struct leaving *l, unsigned int what, const struct ct_flow *f, struct mono now);

#endif
