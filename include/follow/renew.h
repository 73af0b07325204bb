/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_RENEW_H
#define CONNTRACKD_FOLLOW_RENEW_H

#include "base/evloop.h"
#include "base/text.h"
#include "node/pipeline.h"

/* Keeps the peers' kernels from forgetting flows of ours that live on without an event: in an
 * external cache a flow stays until its end is told, but in a kernel no longer than we said it has
 * to live. */
struct renew;

/* 0, or -errno with a line in *err. Borrows loop and p. */
int renew_open(struct evloop *loop, struct pipeline *p, struct renew **out, struct text *err)
	__attribute__((warn_unused_result));
void renew_close(struct renew *r);

#endif
