/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_PLAIN_H
#define CONNTRACKD_SYNC_PLAIN_H

#include "sync/mode.h"
#include "sync/round.h"

/* What the two modes without acknowledgements share (notrack.c, alarm.c): how live changes are
 * sent, and the pace of a full send. For the files of this folder only. */

/* When a full send may put its next datagrams on the link: there is no acknowledgement to wait
 * for. */
struct pace {
	uint32_t n, every_ms; /* so many datagrams each time */
	uint32_t tokens;
	struct mono at; /* tokens are counted up to then */
};

/* All live changes; false when the round is over before the last. sent(): a message about a live
 * flow is in the datagram. */
bool plain_put_live(struct round *r,
		    void (*sent)(struct sync *s, struct flow_repl *m, struct mono now));
/* One flow as one message. False when the round is over. One that fits into no datagram is
 * skipped. */
bool plain_put_flow(struct round *r, uint32_t id);

#define PACE_SLOWEST 5
/* 0: full speed; each step halves it. */
void pace_set(struct pace *p, uint32_t slow);
/* What of the round may be used by a full send now: the rest of its budget is put aside until
 * pace_end(), which also counts what was used. */
uint32_t pace_begin(struct pace *p, struct round *r, struct mono now);
void pace_end(struct pace *p, struct round *r, uint32_t aside);

/* A message that the mode knows: whose is it, and is it its turn? */
enum sync_verdict plain_recv(struct sync *s, const struct peer_addr *from,
			     const struct message *msg, struct cursor body, struct mono now);
/* A message that the mode does not know: count it, say once per peer that it speaks another one.
 * Its number is used up if it is the next one. meant_for_others: its sender is of this mode all the
 * same. */
void plain_foreign(struct sync *s, const struct peer_addr *from, const struct message *msg,
		   bool meant_for_others, struct mono now);

#endif
