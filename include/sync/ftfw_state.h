/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_FTFW_STATE_H
#define CONNTRACKD_SYNC_FTFW_STATE_H

#include "sync/hold.h"
#include "sync/mode.h"
#include "sync/resend.h"

/* What FTFW has beside struct sync: acknowledgements. One state for what we send, one per peer for
 * what they mean. For its files only, each of which calls none but those below it:
 *
 *   ftfw.c         open, close, timers, reports
 *   transmit.c     what leaves, in which order
 *   ftfw_recv.c    what a message says; HELLO
 *   ack.c          ACK and NACK, both directions
 *   bulk.c         everything we have, paced
 *   ftfw_proof.c   is the answer to our RESYNC whole?
 *   control.c      control messages, and what it means that a message is settled
 *   queue.c        flows that wait to be sent, as in all modes
 *   hold.c, resend.c, txq.c, walk.c: containers
 */

#define FTFW_KEEPALIVE_MS 1000 /* fixed by 1.4.x */
#define FTFW_BUSY_ACK_MS  20   /* while a table is coming in */
/* a bulk send waits while its peer is silent for this long */
#define FTFW_BULK_PEER_MS 5000
#define FTFW_HOLD_MS	  2000 /* full ring: data waits this long for an acknowledgement */
/* what is passed over by later ACKs for this long will not be acknowledged */
#define FTFW_PASSED_MS 3000
/* a RESYNC without answer or data for this long is asked again */
#define FTFW_ANSWER_MS	   10000
#define FTFW_CTL_MAX	   1024 /* control messages waiting; a power of two */
#define FTFW_PEER_RING_MIN 1024 /* see ftfw_peer_ring() */
#define FTFW_NOTE_MS	   1000 /* an answer that is not ended is said to be so this often */
/* several peers: what was acknowledged, perhaps not to us, is asked for with everything this
 * late */
#define FTFW_DOUBT_MS	20000
#define FTFW_DOUBTS_MAX 5
#define FTFW_SPARE	256 /* places of the ring that only control messages may use */

/* A bulk send that a peer waits for: one pass over the table, from where the walk was to the same
 * place of the next pass. */
struct bulk_req {
	bool active;
	uint32_t pass;
	uint64_t pos;
	uint32_t seq;	/* our next number when it was made */
	struct mono at; /* when that was */
	uint64_t flows; /* sent by such walks until then */
};

/* Beside peer->rs: what is known about our RESYNC. */
struct ftfw_proof {
	uint32_t seq; /* its number; valid when rs.asked is set */
	bool acked;
	bool weak; /* it carried HELLO: its acknowledgement proves nothing */
	/* one of ours may still have been under way: a 1.4.x empties its list at each */
	bool early;
	bool unsure;	  /* the peer had not heard of us before it, so it would not miss it */
	bool passed_over; /* a later message was acknowledged, it was not */
	struct mono data; /* last state message */
};

struct ftfw_peer {
	/* our acknowledgements to it */
	bool ack_pending;
	bool ack_never; /* the message at hand must not be acknowledged */
	uint32_t ack_from;
	struct mono ack_due; /* set while pending */
	bool ack_soon;	     /* with the next transmission, not after a second */
	uint32_t window;     /* state messages until the next ACK */
	struct holds holds;

	/* its acknowledgements to us */
	/* it has acknowledged something in this life, so from there on it NACKs what it misses */
	bool confirmed;
	struct mono ack_heard;	 /* its last ACK or NACK; contact when there was none */
	bool speaks;		 /* it has said what only FTFW says: HELLO, ACK or NACK */
	struct mono await_since; /* since when we wait for one, while it is alive */
	struct mono doubt;	 /* when to ask for everything, an acknowledgement being in doubt */
	/* so often, FTFW_DOUBTS_MAX at most: the pause doubles, a full table loses something
	 * each time */
	unsigned int doubts;
	uint32_t ack_high; /* highest number it acknowledged, valid when confirmed */
	/* when to look for what it has passed over; set while there may be something */
	struct mono passed_at;
	uint32_t high_then; /* ack_high at the last look, valid with passed_at */

	uint32_t hello_first, hello_end; /* numbers of its handshake: [first, end) */
	struct mono hello_at;		 /* when the last of them came */
	struct ftfw_proof proof;
	struct bulk_req req, req_next; /* our full table to it */
	/* one began (at number owed_seq) before it was confirmed: part of it may have come */
	bool bulk_owed;
	uint32_t owed_seq; /* too early for it, and it will not miss that part */
	/* What is to come before it has our full table: its request (only then it removes what it
	 * is not shown), the table, the rest in the queue, its acknowledgement. */
	enum { OWED_NOTHING, OWED_REQUEST, OWED_TABLE, OWED_QUEUE, OWED_ACK } owed;
	uint32_t owed_to; /* place of the repair queue; our number that it has to acknowledge */
	/* State messages that were given up lie between these numbers. Whether it has heard them is
	 * open until it acknowledges them, or says that it has not. */
	bool given_up;
	uint32_t given_from, given_to;
	struct log_limit bulk_limit, hello_limit;
};

struct ftfw_ctl {
	uint8_t kind; /* enum msg_kind; MSG_NONE: its peer has restarted */
	uint8_t peer;
	uint32_t from, to;
};

struct ftfw {
	struct sync base; /* first */

	/* sending */
	enum { HELLO_INIT, HELLO_SAY, HELLO_DONE } hello;
	struct mono hello_done; /* when it was */
	bool say_back;
	struct mono keepalive; /* when it is due */
	struct ftfw_ctl ctl[FTFW_CTL_MAX];
	uint32_t ctl_head, ctl_tail;
	uint32_t alive_burst; /* ALIVEs to send, see ftfw_solicit() */
	struct mono solicited;
	uint32_t solicit_ms; /* pause before the next */
	struct resend ring;
	uint32_t ack_window;  /* accepted messages per ACK */
	uint32_t ring_max;    /* ResendQueueSize; the ring has FTFW_SPARE places more */
	struct mono progress; /* last acknowledgement that settled something */
	bool holding;	      /* data waits for room in the ring */
	uint32_t serve_left;  /* messages that may be looked at for NACKs; counted up to serve_at */
	struct mono serve_at;
	uint64_t dead_place; /* no flow that has ended waits in the ring before this place */
	/* when to say again that an answer is not ended; set while there is one */
	struct mono note_at;

	/* bulk: one walk for all who wait */
	uint32_t pass;
	uint32_t walk_left;	       /* batches that this round may still take from the walk */
	uint32_t window, window_acked; /* of unacknowledged paced messages */
	bool window_nacked;

	struct ftfw_peer peer[PEERS_MAX];
	/* of passes, in place of the peers' own, when there are several */
	struct log_limit many_limit;
};

static inline struct ftfw_peer *ftfw_peer(struct ftfw *f, const struct peer *p)
{
	return &f->peer[p->id];
}

/* How many of its last messages a peer can probably send again: as many as we, since both ends
 * usually have the same configuration. Only a 1.4.x, which drops the oldest and says nothing, needs
 * this guess. A peer of our kind says when it cannot, so with very small rings, where the guess
 * would be wrong all the time, it is not made. */
static inline uint32_t ftfw_peer_ring(const struct ftfw *f, const struct peer *p)
{
	return p->incarnation != 0 && f->ring_max < FTFW_PEER_RING_MIN ? FTFW_PEER_RING_MIN :
									 f->ring_max;
}

#endif
