/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_TRACK_H
#define CONNTRACKD_SYNC_TRACK_H

#include "sync/reorder.h"
#include "sync/source.h"

/* The numbers of one peer: which message's turn it is. For the files of this folder only. */
struct peer;

#define TRACK_SEEN	64	/* accepted messages remembered */

struct track {
	uint32_t last;		/* last number accepted or given up */
	struct reorder reorder;
	uint32_t ahead_high;	/* highest number in it */
	struct mono gap_due;	/* when the gap in front of it counts as loss */
	struct stray stray;	/* messages whose numbers do not fit */
	uint32_t seen[TRACK_SEEN];	/* what the last messages were, by number; 0: not accepted */
};

/* Follow the numbers of one message of p: accept it (sync_ops.accept), keep it, drop it. */
enum sync_verdict track_message(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				struct mono now);

/* Gaps that have had their time are losses. */
void track_tick(struct sync *s, struct peer *p, struct mono now);

/* The numbers begin anew with seq. */
void track_restart(struct track *t, uint32_t seq);

#endif
