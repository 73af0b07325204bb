/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_TRACK_H
#define CONNTRACKD_SYNC_TRACK_H

#include "sync/reorder.h"
#include "sync/source.h"

/* The numbers of one peer: which message's turn it is. For the files of this folder only. */
struct peer;

#define TRACK_JUMP 65536 /* a gap up to this size is always believed */
#define TRACK_SEEN 64	 /* accepted messages remembered */
#define TRACK_GAPS 32	 /* gaps that were taken for losses, remembered */

/* Numbers that were given up, in case they were only late. */
struct track_gap {
	uint32_t from, n;
	uint32_t late;	   /* of these, came after all */
	struct mono since; /* when what is behind the gap came */
};

struct track {
	uint32_t last; /* last number accepted or given up */
	struct reorder reorder;
	uint32_t high;	     /* highest number in it */
	struct mono gap_due; /* when the gap in front of it counts as loss */
	uint32_t wait_ms;    /* how long a gap may take to fill itself */
	struct mono kept;    /* when a message last had to be */
	struct mono jitter;  /* when something last came out of order */
	struct track_gap gap[TRACK_GAPS];
	uint32_t n_gaps;	      /* counted on; the oldest is forgotten */
	struct unexpected unexpected; /* messages with unexpected sequence numbers */
	uint32_t seen[TRACK_SEEN];    /* what the last messages were, by number; 0: not accepted */
};

/* Follow the numbers of one message of p: accept it (sync_ops.accept), keep it, drop it. */
enum sync_verdict track_message(struct sync *s, struct peer *p, const struct message *msg,
				struct cursor body, struct mono now);

/* A message that this mode does not read has used up number seq, if it is the next one. */
void track_pass(struct sync *s, struct peer *p, uint32_t seq, struct mono now);

/* Gaps that have had their time are losses. Returns when the next one has. */
struct mono track_tick(struct sync *s, struct mono now);

#endif
