/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_BULK_DUMP_H
#define CONNTRACKD_FOLLOW_BULK_DUMP_H

#include "base/evloop.h"
#include "base/text.h"
#include "node/pipeline.h"

/* Without internal cache: the kernel dump that feeds a bulk send. Reads the kernel table in steps
 * into pipeline_bulk_entry(), and again from the beginning until it was read completely. (With an
 * internal cache the cache feeds a bulk send, and follow/reconcile.h reads the kernel table.) */
struct bulk_dump;

/* The dump becomes the reader of p. poll_s: there are no events (PollSecs), so all flows are sent
 * every so many seconds; 0: there are events. Borrows loop and p. 0, or -errno with a line in
 * *err. */
int bulk_dump_open(struct evloop *loop, struct pipeline *p, uint32_t poll_s, struct bulk_dump **out,
		   struct text *err);
void bulk_dump_close(struct bulk_dump *t);

#endif
