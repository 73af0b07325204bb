/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_TIMEOUT_REFRESH_H
#define CONNTRACKD_FOLLOW_TIMEOUT_REFRESH_H

#include "base/evloop.h"
#include "base/text.h"
#include "node/pipeline.h"

/* Refreshes the timeouts of our flows in the kernels of peers, for flows that go on without an
 * event: in an external cache a flow stays until its end is sent, but in a kernel only until the
 * timeout that we have sent expires. */
struct timeout_refresh;

/* 0, or -errno with a line in *err. Borrows loop and p. */
int timeout_refresh_open(struct evloop *loop, struct pipeline *p, struct timeout_refresh **out,
			 struct text *err) __attribute__((warn_unused_result));
void timeout_refresh_close(struct timeout_refresh *r);

#endif
