/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_UNACK_H
#define CONNTRACKD_SYNC_UNACK_H

#include "sync/mode.h"
#include "sync/round.h"

/* What the two modes without acknowledgements (notrack.c, alarm.c) share: how live changes are
 * sent, and the pace of a bulk send. For the files of this folder only. */

/* When a bulk send may put its next datagrams on the link: there is no acknowledgement to wait
 * for. */
struct pace {
	uint32_t n, every_ms; /* so many datagrams each time */
	uint32_t tokens;
	struct mono at; /* tokens are counted up to then */
};

/* Send all live changes; false when the round is over before the last. sent(): a message about a
 * live flow is in the datagram. */
bool unack_put_live(struct round *r,
		    void (*sent)(struct sync *s, struct flow_repl *m, struct mono now));
/* Send flow id as one message. False when the round is over. A message that fits into no datagram
 * is skipped. */
bool unack_put_flow(struct round *r, uint32_t id);

#define PACE_SLOWEST 5
/* 0: full speed; each step halves it. */
void pace_set(struct pace *p, uint32_t slow);
/* The part of the round's budget that a bulk send may use now: the rest is put aside until
 * pace_end(), which also counts what was used. */
uint32_t pace_begin(struct pace *p, struct round *r, struct mono now);
void pace_end(struct pace *p, struct round *r, uint32_t aside);

/* Receive a message that the mode knows: finds its peer, and decides by its sequence number. */
enum sync_verdict unack_recv(struct sync *s, const struct peer_addr *from,
			     const struct message *msg, struct cursor body, struct mono now);
/* Refuse a message that the mode does not know: count it, and log once per peer that the peer is in
 * another mode. The message's sequence number is used up if it is the next one. meant_for_others:
 * the sender is in this mode nevertheless. */
void unack_refuse(struct sync *s, const struct peer_addr *from, const struct message *msg,
		  bool meant_for_others, struct mono now);

#endif
