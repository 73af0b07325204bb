/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_NOTRACK_H
#define CONNTRACKD_SYNC_NOTRACK_H

#include "sync/peer_state.h"
#include "sync/unack.h"

/* NOTRACK inside: notrack.c sends and receives, notrack_proof.c knows whether the answer to our
 * RESYNC is whole. For these two files only. */

#define NT_KEEPALIVE_MS 1000 /* fixed by 1.4.x */
#define NT_NOTE_MS	1000 /* a full send that is not ended is said to be so this often */

/* Beside struct peer: what we have asked of a peer, and what it asked of us. */
struct nt_peer {
	bool controls; /* it has sent a control message */
	bool said_silent;
	/* it began anew, or was away, since its last "complete": it may be a 1.4.x now */
	bool anew;
	/* steps by which its full sends have to be slower, or part of them is lost */
	uint32_t slow;
	uint32_t answers;     /* of a 1.4.x, which cannot prove them: so many in a row */
	unsigned int repeats; /* the same RESYNC again, so many times more */
	struct mono repeat_at;
	uint32_t serial; /* of its last RESYNC */
	uint32_t before; /* its last number when it last began, or was back */
	bool unnamed;	 /* the number of its incarnation was not received since */
};

struct notrack {
	struct sync base; /* first */
	struct pace pace;
	struct mono keepalive; /* when it is due */
	bool alive;	       /* it is due */
	uint32_t serial;       /* of our RESYNCs */
	uint32_t slow;	       /* of the full sends we ask for */

	/* the full send under way */
	enum { PASS_NONE, PASS_WALK, PASS_OVER } pass; /* over: and that has not been said yet */
	bool again;	     /* one more after it, asked for too late to be served by it */
	struct mono note_at; /* when to say that everything was sent, and our cache is incomplete */
	uint32_t since;	     /* our next number when it began */
	struct mono began;
	uint64_t sent;		       /* flows sent in this way until then */
	uint32_t pass_slow, slow_next; /* how slow it is, and the one after it has to be */
	struct mono pass_wait;	       /* when one that was not allowed yet may begin */
	struct log_limit pass_limit, hint_limit;

	struct nt_peer peer[PEERS_MAX];
};

static inline struct nt_peer *nt_peer(struct sync *s, const struct peer *p)
{
	return &((struct notrack *)s)->peer[p->id];
}

/* What our RESYNC carries in its second number: how fast the answer may come (4 bits), the link on
 * which we send (4), which RESYNC it is (8), and the MTU of that link (16; 0: not known, or what
 * would look like the note of FTFW). */
static inline uint32_t nt_request(uint32_t serial, uint32_t slow, uint32_t note)
{
	uint32_t mtu = note & SYNC_MTU_BYTES;

	if (mtu > UINT16_MAX || sync_is_mtu_note(mtu << 16))
		mtu = 0;
	return mtu << 16 | (serial & 0xff) << 8 | (note >> 20 & 0xf) << 4 | slow;
}

/* sync_ops.missing, ask, asked, check; the part of contact that is about asking */
void nt_missing(struct sync *s, struct peer *p, uint32_t from, uint32_t to, struct mono now);
void nt_contact(struct sync *s, struct peer *p, bool fresh, struct mono now);
void nt_ask(struct sync *s, struct mono now);
void nt_asked(struct sync *s, struct peer *p, struct mono now);
struct mono nt_check(struct sync *s, struct peer *p, struct mono now);
/* It says that everything was sent since number `since`, or all it has (MSG_PARTIAL); or only that
 * it is there. */
void nt_got_complete(struct sync *s, struct peer *p, const struct message *msg, struct mono now);
void nt_got_alive(struct sync *s, struct peer *p, struct mono now);
/* It says what it calls its life, which a 1.4.x never does. */
void nt_set_incarnation(struct sync *s, struct peer *p, uint32_t incarnation, struct mono now);
/* p may have started again, with numbers that go on: ask, but not often. */
void nt_hint(struct sync *s, struct peer *p, struct mono now);

#endif
