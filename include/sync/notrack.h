/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_NOTRACK_H
#define CONNTRACKD_SYNC_NOTRACK_H

#include "sync/plain.h"

/* NOTRACK inside: notrack.c sends and receives, notrack_resync.c asks for everything a peer has and knows when it has
 * come. For these two files only. */

#define NT_KEEPALIVE_MS		1000	/* fixed by 1.4.x */
#define NT_NOTE_MS		1000	/* a full send that is not ended is said to be so this often */
#define NT_BULK_MS		1000	/* a peer that does not ask (1.4.x never does by itself) gets everything after so long */

enum nt_state {
	NT_IDLE,
	NT_WANT,	/* to be asked, not before not_before and while it is heard */
	NT_ASKED,
};

/* What we have asked of a peer, and what it asked of us. */
struct nt_peer {
	enum nt_state state;
	struct mono contact;	/* since when it is there */
	struct mono not_before;
	struct mono asked;	/* when the RESYNC left; not set: it has not */
	struct mono marked;	/* when its entries were marked */
	struct mono partial;	/* when it last said that it has answered as far as it can, its cache being incomplete */
	uint32_t base;		/* an answer counts if it began after this number */
	bool spoiled;		/* something was lost since its entries were marked */
	bool gapped;		/* something was lost since we asked */
	bool unread;		/* a state message could not be read since: its flow is not stale */
	bool controls;		/* it has sent a control message */
	bool said_silent;
	uint32_t tries;		/* failures in a row */
	uint32_t slow;		/* steps by which its full sends have to be slower, or part of them is lost */
	uint32_t answers;	/* of a 1.4.x, which cannot prove them: so many in a row */
	unsigned int repeats;	/* the same RESYNC again, so many times more */
	struct mono repeat_at;
	uint32_t life;		/* what it calls its life; 0: has not said, 1.4.x never does */
	uint32_t serial;	/* of its last RESYNC */
	struct mono bulk_at;	/* everything is sent to it then, unless its RESYNC comes first */
};

struct notrack {
	struct plain plain;	/* first */
	uint32_t life;
	struct mono keepalive;	/* when it is due */
	bool alive;		/* it is due */
	bool ask;		/* a RESYNC is to be sent */
	uint32_t serial;	/* of our RESYNCs */
	uint32_t slow;		/* of the full sends we ask for */

	/* the full send under way */
	bool lap, again;	/* again: one more after it, asked for too late to be served by it */
	bool complete;		/* it is over and that has not been said yet */
	bool partial;		/* the same, and it is not to be said before our cache is complete */
	bool note;		/* to be said now that it is so */
	struct mono note_at;	/* and when next */
	uint32_t since;		/* our next number when it began */
	uint32_t pace, pace_next;	/* how slow it is, and the one after it has to be */
	struct mono lap_wait;	/* when one that was not allowed yet may begin */
	struct log_limit lap_limit, hint_limit, request_log;

	struct nt_peer peer[SYNC_MAX_PEERS];
};

/* ---- notrack.c ---- */
/* Send everything we have, slow steps slower than usual; at_once: also if that happens too often (-B). */
void nt_lap_request(struct notrack *n, uint32_t slow, bool at_once, struct mono now);

/* What our RESYNC carries in its second number: which one it is, and how fast the answer may come. */
static inline uint32_t nt_request(uint32_t serial, uint32_t slow)
{
	return serial << 8 | slow;
}

/* ---- notrack_resync.c ---- */
/* The peer is new, began anew or is back: ask. */
void nt_contact(struct plain *s, struct plain_peer *p, bool fresh, struct mono now);
/* Messages of p are lost. */
void nt_missing(struct plain *s, struct plain_peer *p, struct mono now);
/* It says that everything was sent since number `since`, or all it has (NT_PARTIAL); or only that it is there. */
void nt_got_complete(struct notrack *n, struct plain_peer *p, uint32_t since, uint32_t life, struct mono now);
void nt_got_alive(struct notrack *n, struct plain_peer *p, struct mono now);
/* p may have started again, with numbers that go on: ask, but not often. */
void nt_hint(struct notrack *n, struct plain_peer *p, struct mono now);
/* A RESYNC of ours has left. */
void nt_asked(struct notrack *n, struct mono now);
/* Timers; returns the next. */
struct mono nt_resync_tick(struct notrack *n, struct mono now);
void notrack_ask_resync(struct sync *s, struct mono now);
bool notrack_resync_running(const struct sync *s);

#endif
