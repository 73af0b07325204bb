/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_MODE_H
#define CONNTRACKD_SYNC_MODE_H

#include "base/log.h"
#include "standing/strangers.h"
#include "sync/peer.h"
#include "sync/sync.h"
#include "sync/sync_conf.h"
#include "sync/txq.h"
#include "sync/walk.h"

/* What the object of every mode begins with: who speaks, with which numbers, and whether we have
 * all it told (peer.c, track.c, resync.c). A mode adds what it does beyond that, through sync_ops.
 * For the files of this folder only. */
struct sync {
	const struct sync_ops *ops;
	const struct sync_env *env;   /* borrowed */
	const struct sync_conf *conf; /* borrowed */
	struct sync_stats stats;
	/* drawn at the start, never 0: what our RESYNCs carry and those of a 1.4.x do not */
	uint32_t incarnation;
	uint32_t first_seq, next; /* our numbers; the next one */
	struct mono said_active;  /* when we last said that we are */
	bool ask;		  /* a RESYNC is to be sent */
	/* flows that wait to be sent; repair: behind the live ones (FTFW) */
	struct txq live, repair;
	struct walk walk; /* over all flows, for a full send */

	struct peer peer[PEERS_MAX];
	unsigned int n_peers;
	/* a number up to so far before the last is late; beyond, the peer has started anew */
	uint32_t late_max;
	uint32_t jump_max; /* one up to so far ahead is believed at once */
	/* one up to so far ahead, from an address nobody knows, may continue a known peer's */
	uint32_t continue_max;
	struct strangers strangers; /* who says what this mode, or this protocol, does not know */
};

/* One mode. A member that may be NULL says so. */
struct sync_ops {
	const char *name;	 /* as written in the config */
	uint32_t can;		 /* enum sync_can */
	int64_t resync_pause_ms; /* longest pause between two requests */

	size_t size; /* of its object, whose first member is a struct sync */
	/* That one is set, the rest is zero. 0, or -ENOMEM and nothing stays open. */
	int (*open)(struct sync *s, struct mono now);
	/* What it has beside struct sync; no flow waits in its queues any more. May be NULL. */
	void (*close)(struct sync *s);
	enum sync_verdict (*recv)(struct sync *s, const struct peer_addr *from,
				  const struct message *msg, struct cursor body, struct mono now);
	struct mono (*tick)(struct sync *s, struct mono now);
	bool (*transmit)(struct sync *s, struct mono now);
	/* Number seq is used for nothing: the peers miss it, and nobody can repeat it. NULL without
	 * acknowledgements. */
	void (*skipped)(struct sync *s, uint32_t seq, struct mono now);
	/* A flow leaves, whose last message has number seq and is not acknowledged. NULL without
	 * acknowledgements. */
	void (*forget)(struct sync *s, uint32_t seq);
	/* The same of the oldest message about a flow that has ended. False: there is none. NULL
	 * without acknowledgements. */
	bool (*give_up_dead)(struct sync *s, struct mono now);
	/* Send everything to p, NULL: to all. at_once: also if that happens too often. */
	void (*bulk)(struct sync *s, struct peer *p, bool at_once, struct mono now);
	bool (*bulk_running)(const struct sync *s);
	/* Add what waits beside the flows, and the ring. NULL without acknowledgements. */
	void (*queues)(const struct sync *s, struct sync_queues *q);
	/* NULL without a ring. */
	bool (*ring_next)(const struct sync *s, uint32_t *pos, struct sync_sent *out);
	/* What the mode knows of how p stands, beside what peer_state.c does. May be NULL. */
	void (*facts)(const struct sync *s, const struct peer *p, struct standing_facts *f);

	/* What peer.c and track.c tell the mode. */
	/* A message whose turn it is; its number is p->track.last. */
	enum sync_verdict (*accept)(struct sync *s, struct peer *p, const struct message *msg,
				    struct cursor body, struct mono now);
	/* from..to are lost. NULL where everything comes again by itself. */
	void (*missing)(struct sync *s, struct peer *p, uint32_t from, uint32_t to,
			struct mono now);
	/* The peer is new (fresh: forget what was known of its place), began anew, or is back after
	 * silence. May be NULL. */
	void (*contact)(struct sync *s, struct peer *p, bool fresh, struct mono now);
	/* The place of the peer is given up. May be NULL. */
	void (*gone)(struct sync *s, struct peer *p);

	/* What resync.c asks the mode. All NULL where nothing can be asked for. */
	/* How many requests are on their way: a new one is made. May be NULL. */
	void (*ask)(struct sync *s, struct mono now);
	/* The RESYNC to p has left as number s->next. May be NULL. */
	void (*asked)(struct sync *s, struct peer *p, struct mono now);
	/* The earliest time at which p may be asked. May be NULL. */
	struct mono (*ask_at)(const struct sync *s, const struct peer *p);
	/* p is RS_ASKED: has everything come, or is it overdue? Returns when to look again. */
	struct mono (*check)(struct sync *s, struct peer *p, struct mono now);
};

/* clang-format off */
#define ROW(mode, ops, like) extern const struct sync_ops ops;
SYNC_MODES(ROW)
#undef ROW
/* clang-format on */

static inline bool sync_does(const struct sync *s, enum sync_can what)
{
	return s->ops->can & what;
}

/* A message about a flow: decode it and hand it on. Gives SYNC_ACCEPTED, or SYNC_REFUSED (counted).
 * whole: this mode always sends whole flows, so that an update replaces too; merging would keep
 * what a tuple had in its life before, if the messages in between are missing or were folded into
 * one. */
enum sync_verdict sync_digest(struct sync *s, struct peer *p, const struct message *msg,
			      struct cursor body, bool whole, struct mono now);

/* Report what has happened to p, NULL: to none in particular; what of r is the same for all is
 * set. */
void sync_report_of(const struct sync *s, const struct peer *p, struct mono now,
		    struct sync_report r);
/* The same in one line: sync_report(s, p, now, SYNC_RING_FULL, .n = n). */
#define sync_report(s, p, now, ...) \
	sync_report_of(s, p, now, (struct sync_report){ .what = __VA_ARGS__ })

/* Is our own cache complete? */
static inline bool sync_whole(const struct sync *s)
{
	return !s->env->whole || s->env->whole(s->env->ctx);
}

/* Said so often; and so long it holds, some of which may get lost. */
#define SYNC_ACTIVE_MS	     1000
#define SYNC_ACTIVE_HOLDS_MS 5000

/* Is this node active? */
static inline bool sync_active(const struct sync *s)
{
	return s->env->active && s->env->active(s->env->ctx);
}

static inline bool sync_within(struct mono since, int64_t ms, struct mono now)
{
	return mono_is_set(since) && mono_diff_ns(now, since) < ms * MONO_NS_PER_MS;
}

static inline bool sync_due(struct mono t, struct mono now)
{
	return mono_is_set(t) && !mono_before(now, t);
}

/* Is it time to say again that this node is active? */
static inline bool sync_says_active(const struct sync *s, struct mono now)
{
	return !sync_within(s->said_active, SYNC_ACTIVE_MS, now) && sync_active(s);
}

#endif
