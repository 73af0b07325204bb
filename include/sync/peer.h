/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_PEER_H
#define CONNTRACKD_SYNC_PEER_H

#include "base/log.h"
#include "sync/resync.h"
#include "sync/source.h"
#include "standing/news.h"
#include "sync/track.h"

/* The other nodes. For the files of this folder only. */

#define PEER_ALIVE_MS 3000 /* a peer heard within this time is alive */
/* one whose last request is that old has what it asked for: pauses are shorter */
#define PEER_ASKS_MS 90000
/* one that does not ask (1.4.x never does by itself) gets everything after so long */
#define PEER_BULK_MS 1000

struct peer {
	bool used;
	uint8_t id;
	uint8_t n_sources;
	struct peer_addr source[SYNC_SOURCES];
	char name[SOURCE_NAME];	  /* the first of them as people are to read it */
	struct mono heard;	  /* last message */
	struct mono contact;	  /* first message of this incarnation, or since the peer is back */
	struct standing standing; /* as at the last look */
	struct mono look_at;	  /* when to look again */
	/* ALARM: by then the peer has sent everything once more, and what it does not send any more
	 * has expired */
	struct mono pass_end;
	struct standing_said said; /* of that */
	/* of the link it sends on; 0: it has not said, or they are the same */
	uint32_t mtu_there, mtu_here;
	struct mono active_at; /* when it last said that it is active */
	/* messages of the peer that were lost, in all its incarnations (seen by their numbers); of
	 * these repaired since */
	uint64_t lost, repaired;
	uint64_t missing;      /* lost and not repaired yet */
	uint64_t lost_said;    /* in the log, of lost */
	struct mono lost_line; /* when that was */
	uint64_t states;       /* messages about flows and expectations accepted */
	uint32_t with;	       /* bit per peer that was heard beside this one: they are two nodes */
	struct mono beside[PEERS_MAX]; /* since when that is so */
	/* the same node at another address, as far as can be told: this one has fallen silent */
	struct peer *heir;
	uint32_t inherited; /* so many complete answers of the heir */
	bool in_hello;	    /* all messages of this incarnation carried HELLO */
	/* the number that it sends for its incarnation; 0: not received; 1.4.x never sends one */
	uint32_t incarnation;
	struct track track;
	uint32_t nacks_out;	   /* gaps: our NACKs to it that are not acknowledged */
	struct resync rs;	   /* its full table */
	struct mono bulk_at;	   /* ours is sent to it then, unless its RESYNC comes first */
	struct standing_asks asks; /* its requests for ours */
};

/* The peer a message comes from, its time noted; a new one is added if `add`. NULL: not known and
 * not to be added, or no room (counted). */
struct peer *peer_find(struct sync *s, const struct peer_addr *from, const struct message *msg,
		       bool add, struct mono now);
/* A message of p was received. */
void peer_heard(struct sync *s, struct peer *p, struct mono now);
/* A new incarnation of p begins, and its sequence numbers go on. fresh: p was not known before. */
void peer_begins(struct sync *s, struct peer *p, bool fresh, struct mono now);
/* A RESYNC of this peer was received that is no repetition. again: the answer to the one before did
 * not reach the peer completely. */
void peer_asks(struct sync *s, struct peer *p, bool again, struct mono now);
/* A new incarnation of p begins with sequence number seq. hello: the peer has said so with a
 * HELLO. */
void peer_restart(struct sync *s, struct peer *p, uint32_t seq, bool hello, struct mono now);
static inline bool peer_alive(const struct peer *p, struct mono now)
{
	return p->used && mono_is_set(p->heard) &&
	       mono_diff_ns(now, p->heard) < PEER_ALIVE_MS * MONO_NS_PER_MS;
}
bool peer_any_alive(const struct sync *s, struct mono now);
/* Has any other peer been heard within the last ms? */
bool peer_others(const struct sync *s, const struct peer *p, int64_t ms, struct mono now);
/* The number of p's incarnation was received: another peer with the same number is p at another
 * address. */
void peer_set_incarnation(struct sync *s, struct peer *p, uint32_t incarnation, struct mono now);
/* ALARM: what p has sent so far does not count; p sends everything again within so many seconds. */
static inline void peer_pass(struct peer *p, uint32_t within_s, struct mono now)
{
	p->pass_end = mono_add_ms(now, ((int64_t)within_s + 2) * 1000);
}
/* Timers; returns the next. */
struct mono peer_tick(struct sync *s, struct mono now);
void peer_free_all(struct sync *s);

#endif
