/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_TELLER_H
#define CONNTRACKD_FOLLOW_TELLER_H

#include "base/evloop.h"
#include "base/text.h"
#include "node/pipeline.h"

/* Without internal cache: reads the kernel table when the pipeline has to tell the peers
 * everything, in steps, again until it has been read whole. It is what reconcile is where there is
 * a cache. */
struct teller;

/* It becomes the reader of p. poll_s: there are no events, so everything is told every so many
 * seconds; 0: there are. Borrows loop and p. 0, or -errno with a line in *err. */
int teller_open(struct evloop *loop, struct pipeline *p, uint32_t poll_s, struct teller **out,
		struct text *err);
void teller_close(struct teller *t);

#endif
