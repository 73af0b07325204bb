/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_PLAIN_H
#define CONNTRACKD_SYNC_PLAIN_H

#include "sync/mode.h"
#include "sync/round.h"
#include "sync/txq.h"
#include "sync/walk.h"

/* What the two modes without acknowledgements share: the queue of live changes and the pace of a full send. What it means
 * that a message has left is said by the mode (notrack.c, alarm.c) through plain_ops. For the files of this folder only. */

/* When a full send may put its next datagrams on the link: there is no acknowledgement to wait for. */
struct pace {
	uint32_t n, every_ms;	/* so many datagrams each time */
	uint32_t tokens;
	struct mono at;		/* tokens are counted up to then */
};

struct plain;

struct plain_ops {
	/* A message about a live flow of ours is in the datagram. May be NULL. */
	void (*sent)(struct plain *s, uint32_t id, struct flow_mark *m, struct mono now);
	/* There was no memory to queue a change: the peers have to get it some other way. */
	void (*not_queued)(struct plain *s, struct mono now);
};

struct plain {
	struct sync base;	/* first */
	const struct plain_ops *ops;
	struct txq live;
	struct walk walk;
	struct pace pace;
};

void plain_init(struct plain *s, const struct sync_ops *sync_ops, const struct plain_ops *ops, const struct sync_env *env,
		const struct sync_conf *conf, uint32_t first_seq, struct mono now);
/* Gives every dead flow back and frees s. */
void plain_close(struct sync *s);

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
bool plain_put_complete(struct plain *s, struct round *r, uint32_t since, uint32_t life);
/* The round is over: send. True when something was sent. */
bool plain_end_round(struct plain *s, struct round *r);

#define PACE_SLOWEST 5
/* 0: full speed; each step halves it. */
void pace_set(struct pace *p, uint32_t slow);
/* What of the round may be used by a full send now: the rest of its budget is put aside until pace_end(), which also
 * counts what was used. */
uint32_t pace_begin(struct pace *p, struct round *r, struct mono now);
void pace_end(struct pace *p, struct round *r, uint32_t aside);

/* A message that the mode knows: whose is it, and is it its turn? */
enum sync_verdict plain_recv(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr,
			     struct cursor body, struct mono now);
/* A message that the mode does not know: count it, say once per peer that it speaks another one. Its number is used up if
 * it is the next one. meant_for_others: its sender is of this mode all the same. */
void plain_foreign(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr, bool meant_for_others,
		   struct mono now);
void plain_queues(const struct sync *s, struct sync_queues *q);

#endif
