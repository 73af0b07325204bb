/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_SILENCE_H
#define CONNTRACKD_SYNC_SILENCE_H

#include "base/log.h"
#include "sync/source.h"

/* Of one peer. For the files of this folder only. */
struct silence {
	bool said;	/* that it is not heard any more */
	struct log_limit limit;
};

/* Says it when the peer `who`, last heard then, has been silent for long enough. To be called at every tick. */
void silence_check(struct sync *s, struct silence *q, const struct sync_source *who, struct mono heard, struct mono now);

/* A message of that peer has come, of whom silence was said; heard: the one before. */
void silence_over(struct sync *s, struct silence *q, const struct sync_source *who, struct mono heard, struct mono now);

#endif
