/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_PLAIN_H
#define CONNTRACKD_SYNC_PLAIN_H

#include "sync/mode.h"
#include "sync/reorder.h"
#include "sync/round.h"
#include "sync/silence.h"
#include "sync/source.h"
#include "sync/txq.h"
#include "sync/walk.h"

/* What the two protocols without acknowledgements share: plain_send.c is the queue of live changes and the pace of a
 * full send, plain_recv.c knows the peers and follows their numbers. What a message or its loss means is said by the
 * protocol (notrack.c, alarm.c) through plain_ops. For the files of this folder only. */

#define PLAIN_REORDER_MS	10	/* a gap may fill itself within this time */
#define PLAIN_SILENCE_MS	2500	/* a peer with keepalives that is not heard for so long was away */

struct plain_peer {
	bool used;
	uint8_t id;
	uint8_t n_sources;
	struct sync_source source[SYNC_SOURCES];
	struct mono heard;	/* last message */
	struct silence silence;
	uint32_t last;		/* last number accepted or given up */
	struct reorder reorder;
	uint32_t ahead_high;	/* highest number in it */
	struct mono gap_due;	/* when the gap in front of it counts as loss */
	struct stray stray;
};

/* When a full send may put its next datagrams on the link: there is no acknowledgement to wait for. */
struct pace {
	uint32_t n, every_ms;	/* so many datagrams each time */
	uint32_t tokens;
	struct mono at;		/* tokens are counted up to then */
};

struct plain;

struct plain_ops {
	/* A message whose turn it is; it has been counted, its number is p->last. */
	enum sync_verdict (*accept)(struct plain *s, struct plain_peer *p, const struct wire_hdr *hdr,
				    struct cursor body, struct mono now);
	/* What came before number p->last + 1 is lost. */
	void (*missing)(struct plain *s, struct plain_peer *p, struct mono now);
	/* The peer is new (fresh: forget what was known of its place), began anew (its next number is p->last + 1), or is
	 * back after silence. */
	void (*contact)(struct plain *s, struct plain_peer *p, bool fresh, struct mono now);
	/* A message about a live flow of ours is in the datagram. May be NULL. */
	void (*sent)(struct plain *s, uint32_t id, struct flow_mark *m, struct mono now);
	/* There was no memory to queue a change: the peers have to get it some other way. */
	void (*not_queued)(struct plain *s, struct mono now);
};

struct plain {
	struct sync base;	/* first */
	const struct plain_ops *ops;
	uint32_t next;		/* next number */
	struct txq live;
	struct walk walk;
	struct pace pace;
	struct plain_peer peer[SYNC_MAX_PEERS];
	struct sync_source foreign[SYNC_MAX_PEERS];	/* of whom it was said that they speak another mode */
	unsigned int n_foreign;
	struct log_limit peer_log, mode_log, size_log, room_log;
};

void plain_init(struct plain *s, const struct plain_ops *ops, const struct sync_env *env, const struct sync_conf *conf,
		uint32_t first_seq);
/* Gives every dead flow back and frees what s owns, not s. */
void plain_fini(struct plain *s);
void plain_log(struct plain *s, struct log_limit *limit, struct mono now, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- plain_send.c ---- */
void plain_local_change(struct sync *s, uint32_t id, bool born, struct mono now);
void plain_forget(struct sync *s, uint32_t id);
bool plain_make_room(struct sync *s, struct mono now);
/* Changes of ours are missing: the peers notice, and get everything. */
void plain_lost(struct sync *s, struct mono now);
/* Give a flow back for which is_dead() holds; it is not queued any more. */
void plain_release(struct plain *s, uint32_t id);
/* All live changes; false when the round is over before the last. */
bool plain_put_live(struct plain *s, struct round *r, struct mono now);
/* One flow as one message. False when the round is over. One that fits into no datagram is said and skipped. */
bool plain_put_flow(struct plain *s, struct round *r, uint32_t id, struct mono now);
/* A control message. False when the round is over. */
bool plain_put_control(struct plain *s, struct round *r, uint8_t flags, uint32_t from, uint32_t to);
/* The round is over: send. True when something was sent. */
bool plain_end_round(struct plain *s, struct round *r);

#define PACE_SLOWEST 5
/* 0: full speed; each step halves it. */
void pace_set(struct pace *p, uint32_t slow);
/* What of the round may be used by a full send now: the rest of its budget is put aside until pace_end(), which also
 * counts what was used. */
uint32_t pace_begin(struct pace *p, struct round *r, struct mono now);
void pace_end(struct pace *p, struct round *r, uint32_t aside);
/* ---- plain_recv.c ---- */
/* The peer with this address, NULL when there is none. */
struct plain_peer *plain_peer_known(struct plain *s, const struct sync_source *from);
static inline bool plain_peer_alive(const struct plain_peer *p, struct mono now)
{
	return p->used && sync_within(p->heard, PLAIN_SILENCE_MS, now);
}
/* Follow the numbers of one message: accept it, keep it, drop it. */
enum sync_verdict plain_track(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr,
			      struct cursor body, struct mono now);
/* A message that the protocol does not know: count it, say once per peer that it speaks another mode than `mode`. Its
 * number is used up if it is the next one. */
void plain_foreign(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr, const char *mode,
		   struct mono now);
/* The peer's numbers begin anew; seq is the next. */
void plain_restart(struct plain *s, struct plain_peer *p, uint32_t seq, struct mono now);
/* Timers; returns the next. */
struct mono plain_tick_peers(struct plain *s, struct mono now);
void plain_queues(const struct sync *s, struct sync_queues *q);
/* No resend queue. */
bool plain_print_ring(const struct sync *s, uint32_t *pos, size_t n, struct text *out);

#endif
