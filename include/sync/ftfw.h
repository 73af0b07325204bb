/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_FTFW_H
#define CONNTRACKD_SYNC_FTFW_H

#include "sync/mode.h"
#include "sync/reorder.h"
#include "sync/resend.h"
#include "sync/silence.h"
#include "sync/source.h"
#include "sync/txq.h"
#include "sync/walk.h"

/* FTFW inside; NOTRACK and ALARM have files of their own (sync/plain.h). One state for what we send, one per peer for what we receive. Shared by the files of this folder only:
 *
 *   ftfw.c      open, close, timers, reports        peer.c    who is speaking; restarts; picking up lost numbers
 *   transmit.c  what leaves, in which order         recv.c    number tracking, gaps, the reorder allowance
 *   bulk.c      everything we have, paced           ack.c     ACK and NACK, both directions
 *   resync.c    asking for everything they have     resend.c, txq.c, reorder.c: the three containers
 */

#define FTFW_KEEPALIVE_MS	1000	/* fixed by 1.4.x */
#define FTFW_BUSY_ACK_MS	20	/* while a table is coming in */
#define FTFW_ALIVE_MS		3000	/* a peer heard within this time is alive */
#define FTFW_BULK_PEER_MS	5000	/* a bulk send waits while its peer is silent for this long */
#define FTFW_REORDER_MS		10	/* a gap may fill itself within this time */
#define FTFW_HOLD_MS		2000	/* full ring: data waits this long for an acknowledgement */
#define FTFW_SETTLE_MS		3000	/* longest wait for HELLO_BACK before a RESYNC is asked for */
#define FTFW_HOLE_MS		3000	/* a NACK passed over by later ACKs for this long will not be answered */
#define FTFW_ANSWER_MS		10000	/* a RESYNC without answer or data for this long is asked again */
#define FTFW_PATIENCE_MS	60000	/* the same when other data keeps coming but its ACK was passed over */
#define FTFW_STUCK_MS		5000	/* a message passed over by later ACKs for this long is sent again */
#define FTFW_SEEN		64	/* accepted messages remembered per peer */
#define FTFW_HOLDS		16
#define FTFW_CTL_MAX		1024	/* control messages waiting; a power of two */
#define FTFW_PEER_RING_MIN	1024	/* see ftfw_peer_ring() */
#define FTFW_NOTE_MS		1000	/* an answer that is not ended is said to be so this often */
#define FTFW_SPARE		256	/* places of the ring that only control messages may use */

enum hold_until {
	HOLD_QUEUE,	/* until the repair queue has passed a place: answer to a NACK */
	HOLD_WHOLE,	/* until our cache is complete: everything in it has been sent, for a RESYNC */
	HOLD_BULK,	/* until the peer's bulk request is done: answer to a RESYNC */
	HOLD_BULK_NEXT,	/* the same for its second request */
	HOLD_EVER,	/* never acknowledged: a NACK that we could not serve */
};

/* Numbers of a peer that its ACK must leave out for now. */
struct ftfw_hold {
	uint32_t from, to;
	uint32_t place;		/* HOLD_QUEUE: of the repair queue */
	uint8_t until;		/* enum hold_until */
	bool passed;		/* an ACK went around it: needs one of its own when it ends */
};

/* One lap round the table that somebody waits for: from where the walk was to the same place in the next lap. */
struct bulk_req {
	bool active;
	uint32_t lap;
	uint64_t pos;
	uint32_t seq;		/* our next number when it was made */
};

enum resync_state {
	RS_IDLE,
	RS_WANT,	/* to be asked for, not before not_before and when the peer can hear us */
	RS_ASKED,
};

struct resync {
	enum resync_state state;
	bool sent;		/* the RESYNC has its number */
	bool acked;
	bool weak;		/* it carried HELLO: its acknowledgement proves nothing */
	bool unsure;		/* the peer had not heard of us before it, so it would not miss it */
	bool passed_over;	/* a later message was acknowledged, it was not */
	bool late;		/* RS_WANT: only because the answer took too long */
	struct mono partial;	/* when the peer last said that it has answered as far as it can, its cache being incomplete */
	uint32_t seq;
	struct mono not_before, asked, data;	/* data: last state message since */
	uint32_t tries;		/* failures in a row */
};

struct peer {
	bool used;
	uint8_t id;
	uint8_t n_sources;
	struct sync_source source[SYNC_SOURCES];
	struct mono heard;	/* last message */
	struct silence silence;
	struct mono contact;	/* first message of this life of the peer */

	/* receiving */
	uint32_t last;		/* last number accepted or given up */
	struct reorder reorder;
	uint32_t ahead_high;	/* highest number in it */
	struct mono gap_due;	/* when the gap in front of it counts as loss */
	bool in_hello;		/* all messages of this life carried HELLO */
	bool ours;		/* its RESYNC says that it is one of our kind, not a 1.4.x */
	uint32_t hello_first, hello_end;	/* numbers of its handshake: [first, end) */
	uint32_t seen[FTFW_SEEN];	/* what the last numbers were, by number; 0: not accepted */
	struct stray stray;	/* messages whose numbers do not fit */

	/* our acknowledgements to it */
	bool ack_pending;
	uint32_t ack_from;
	struct mono ack_due;	/* set while pending */
	bool ack_soon;		/* with the next transmission, not after a second */
	uint32_t window;	/* state messages until the next ACK */
	struct ftfw_hold hold[FTFW_HOLDS];	/* by number */
	uint8_t n_holds;

	/* its acknowledgements to us */
	bool confirmed;		/* it has acknowledged something in this life, so from there on it NACKs what it misses */
	struct mono ack_heard;	/* its last ACK or NACK; contact when there was none */
	bool said_deaf;		/* that it does not was logged */
	struct mono await_since;	/* since when we wait for one, while it is alive */
	uint32_t nacks_out;	/* our NACKs to it that are not acknowledged */
	uint64_t nack_place;	/* no NACK to it is live before this place of the ring */
	struct mono hole_since;	/* NACK hole_seq was passed over by a later ACK */
	uint32_t hole_seq, ack_high;	/* ack_high: highest number it acknowledged, valid when confirmed */

	/* full tables */
	struct resync rs;	/* from it */
	struct bulk_req req, req_next;	/* to it */
	struct mono bulk_at;	/* a bulk send is due then, unless its RESYNC comes first */
	bool bulk_owed;		/* one began (at number owed_seq) before it was confirmed: part of it may have come */
	uint32_t owed_seq;	/* too early for it, and it will not miss that part */
	struct log_limit bulk_limit, hello_limit;
};

struct ftfw_ctl {
	uint8_t flags;
	uint8_t peer;
	uint32_t from, to;
};

struct ftfw {
	struct sync base;	/* first */

	/* sending */
	uint32_t first_seq, next;	/* next number */
	enum { HELLO_INIT, HELLO_SAY, HELLO_DONE } hello;
	bool say_back;
	struct mono keepalive;	/* when it is due */
	struct ftfw_ctl ctl[FTFW_CTL_MAX];
	uint32_t ctl_head, ctl_tail;
	uint32_t alive_burst;	/* ALIVEs to send, see ftfw_solicit() */
	struct mono solicited;
	uint32_t solicit_ms;	/* pause before the next */
	struct txq live, repair;
	struct resend ring;
	uint32_t ack_window;	/* accepted messages per ACK */
	uint32_t ring_max;	/* ResendQueueSize; the ring has FTFW_SPARE places more */
	struct mono progress;	/* last acknowledgement that settled something */
	bool holding;		/* data waits for room in the ring */
	struct mono stuck_at;	/* when to look for passed-over messages; set while there may be some */
	uint32_t stuck_high, ack_high;	/* highest number acknowledged: at the last look, now */
	bool ack_seen;		/* ack_high is valid */

	uint64_t dead_place;	/* no flow that has ended waits in the ring before this place */
	uint32_t life;		/* drawn at the start, never 0: what our RESYNCs carry and those of a 1.4.x do not */
	struct mono note_at;	/* when to say again that an answer is not ended; set while there is one */

	/* bulk: one walk for all who wait */
	uint32_t lap;
	struct walk walk;
	uint32_t walk_left;	/* batches that this round may still take from the walk */
	struct bulk_req req_all;	/* -B */
	uint32_t window, window_acked;	/* of unacknowledged paced messages */
	bool window_nacked;


	struct peer peer[SYNC_MAX_PEERS];
	unsigned int n_peers;
	bool said_many;
	struct log_limit room_log, overflow_log, mode_log, peer_log, stray_log, foreign_log;
};

/* ---- ftfw.c ---- */
/* A line for the log; limit (may be NULL) lets five pass and one more per 10 s. */
void ftfw_log(struct ftfw *f, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* How many of its last messages a peer can probably send again: as many as we, since both ends usually have the same
 * configuration. Only a 1.4.x needs this guess, a peer of our kind says when it cannot; so with very small rings, where
 * the guess would be wrong all the time, it is not made. */
static inline uint32_t ftfw_peer_ring(const struct ftfw *f)
{
	return f->ring_max > FTFW_PEER_RING_MIN ? f->ring_max : FTFW_PEER_RING_MIN;
}

/* ---- peer.c ---- */
/* The peer a message comes from; a new one is added. NULL: not known and not to be added, or no room (counted). */
struct peer *peer_find(struct ftfw *f, const struct sync_source *from, const struct wire_hdr *hdr, bool add,
		       struct mono now);
/* Does this HELLO begin a new life of a known peer? */
bool peer_hello_is_restart(const struct peer *p, uint32_t seq, struct mono now);
/* The peer's numbers begin anew with seq. */
void peer_restart(struct ftfw *f, struct peer *p, uint32_t seq, bool hello, struct mono now);
static inline bool peer_alive(const struct peer *p, struct mono now)
{
	return p->used && sync_within(p->heard, FTFW_ALIVE_MS, now);
}
bool peer_any_alive(const struct ftfw *f, struct mono now);
/* Has any other peer been heard within the last ms? Then acknowledgements may be meant for that one. */
bool peer_others(const struct ftfw *f, const struct peer *p, int64_t ms, struct mono now);
/* "10.0.0.1" into out (at least SOURCE_NAME bytes); gives out. */
const char *peer_name(const struct peer *p, char *out);

/* ---- recv.c ---- */
enum sync_verdict ftfw_recv(struct sync *s, const struct sync_source *from, const struct wire_hdr *hdr,
			    struct cursor body, struct mono now);
/* The reorder allowance of p is over. */
void recv_gap_due(struct ftfw *f, struct peer *p, struct mono now);

/* ---- ack.c ---- */
/* Number seq of p was accepted; state: it was about a flow. */
void ack_accepted(struct ftfw *f, struct peer *p, uint32_t seq, bool state, struct mono now);
/* Acknowledge what is pending, around the holds. */
void ack_flush(struct ftfw *f, struct peer *p);
/* from..to are missing: acknowledge what came before, ask for them. */
void ack_nack(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now);
void ack_hold(struct peer *p, uint32_t seq, enum hold_until until, uint32_t place);
/* The peer's holds of one kind end: HOLD_QUEUE those that the repair queue has passed. */
void ack_release(struct ftfw *f, struct peer *p, enum hold_until until);
/* Digest. */
void ack_got_ack(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now);
void ack_got_nack(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now);
/* Timers: NACKs that were passed over; messages that were passed over. */
void ack_check_hole(struct ftfw *f, struct peer *p, struct mono now);
void ack_check_stuck(struct ftfw *f, struct mono now);
/* Everything in the ring that only p could acknowledge is given up. */
void ack_forget_peer(struct ftfw *f, struct peer *p);

/* ---- transmit.c ---- */
bool ftfw_transmit(struct sync *s, struct mono now);
bool ftfw_make_room(struct sync *s, struct mono now);
void ftfw_local_change(struct sync *s, uint32_t id, bool born, struct mono now);
void ftfw_forget(struct sync *s, uint32_t id);
/* Queue a control message; false when there is no room. */
bool tx_control(struct ftfw *f, uint8_t flags, uint8_t peer, uint32_t from, uint32_t to);
/* Our NACK to a peer, number seq, will not be answered. */
void tx_nack_lost(struct ftfw *f, uint8_t peer, uint32_t seq, struct mono now);
/* Queue a flow for another transmission with its current state. */
void tx_repair(struct ftfw *f, uint32_t id, struct mono now);
/* A live ring entry is settled; what that means for its flow, or for the request it was, is done here. */
void tx_settle(struct ftfw *f, struct resend_entry *e, enum resend_state state, struct mono now);

/* ---- bulk.c ---- */
void bulk_init(struct ftfw *f);
void bulk_request(struct ftfw *f, struct peer *p, struct mono now);
/* Our cache may have become complete: end the answers that waited for it, or say that they wait. */
void bulk_check_whole(struct ftfw *f, struct mono now);
/* Its RESYNC number seq: acknowledged when the table has been sent. */
void bulk_asked(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now);
/* The next flow to send, FLOW_ID_NONE when nobody waits; bulk_sent() when it is on its way. */
uint32_t bulk_next(struct ftfw *f, struct mono now);
void bulk_sent(struct ftfw *f);
/* May one more paced message (bulk or repair) go? */
bool bulk_window_open(const struct ftfw *f);
void bulk_acked(struct ftfw *f, uint32_t n_paced);
void bulk_nacked(struct ftfw *f);
/* Flow id goes: it must not be sent from the batch. */
void bulk_scrub(struct ftfw *f, uint32_t id);
/* The peer's first acknowledgement of its life begins with number from. */
void bulk_confirmed(struct ftfw *f, struct peer *p, uint32_t from, struct mono now);
void ftfw_bulk(struct sync *s, struct mono now);
bool ftfw_bulk_running(const struct sync *s);

/* ---- resync.c ---- */
/* Something of p is missing that will not come by itself. */
void resync_want(struct ftfw *f, struct peer *p, struct mono now);
/* The peer is new or began a new life. */
void resync_contact(struct ftfw *f, struct peer *p, struct mono now);
/* Ask for what is due, give up on what is not answered, finish what is complete. Returns when to look again. */
struct mono resync_run(struct ftfw *f, struct mono now);
/* Our RESYNC got number seq; hello: it carries HELLO. */
void resync_sent(struct ftfw *f, uint32_t seq, bool hello);
/* Our RESYNC is queued once more. */
void resync_again(struct ftfw *f, uint32_t seq);
/* The peer has sent all it has for our RESYNC number seq, and its cache is incomplete. */
void resync_partial(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now);
/* The peer acknowledged from..to. */
void resync_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now);
void ftfw_ask_resync(struct sync *s, struct mono now);
bool ftfw_resync_running(const struct sync *s);

#endif
