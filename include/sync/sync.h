/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_SYNC_H
#define CONNTRACKD_SYNC_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/outlet.h"
#include "base/text.h"
#include "base/writer.h"
#include "flow/expect.h"
#include "flow/flow.h"
#include "flow/repl.h"
#include "flow/peers.h"
#include "standing/standing.h"
#include "proto/proto.h"

/* Replication as a state machine: (change | message | tick, now) -> (send | apply). Owns no socket,
 * reads no clock. */
struct sync;
struct sync_conf; /* sync/sync_conf.h */

/* What a mode does beside sending changes. Whatever depends on it asks for this, never for the
 * mode. */
enum sync_can {
	SYNC_ACKS = 1, /* messages are kept until they are acknowledged: there is a resend queue */
	SYNC_ASKS = 2, /* a node asks for everything a peer has, and gives it */
	SYNC_SPEAKS = 4, /* a node says something every second: silence means something */
	/* everything is sent again within RefreshTime; what was not received for CacheTimeout is
	 * removed */
	SYNC_EXPIRES = 8,
};

#define SOURCE_NAME 48 /* bytes of an address as text */

enum sync_change {
	SYNC_NEW, /* the whole flow: replaces what is known of it */
	/* the same, of a flow that was received from the peer before: counts as an update */
	SYNC_REPLACE,
	SYNC_UPDATE, /* merges */
	SYNC_DESTROY,
};

/* That the answer to a RESYNC is whole. */
enum sync_proof {
	/* a 1.4.x has acknowledged it, and does not know whether its own cache was complete */
	SYNC_ACKED,
	/* one of our kind says so, which ends no answer while its own cache is incomplete */
	SYNC_SURE,
	SYNC_SEEMS, /* a 1.4.x has come to rest: the RESYNC may not have arrived at all */
};

/* What replication reports of itself, for the log and whoever else wants to know. Members that are
 * not named are not set. */
enum sync_reported {
	SYNC_PEER_NEW,	  /* peer: is heard for the first time */
	SYNC_PEER_MOVED,  /* peer: is taken for the one that had the address was */
	SYNC_PEERS_MANY,  /* there is more than one, and acknowledgements name no addressee */
	SYNC_STATE_BEGAN, /* peer, state: ms ago; n messages or requests; DEAF: sign */
	SYNC_STATE_OVER,  /* peer, state: is over after ms; n of them at the most */
	SYNC_OTHER_MODE,  /* peer (NULL: somebody): speaks another mode, by sign */
	SYNC_MTU_DIFFERS, /* peer: its link takes packets of from bytes, ours of to */
	SYNC_MTU_SAME,	  /* peer: no longer; to bytes */
	/* peer: n messages were lost since the last of these reports, and have been repaired */
	SYNC_LOSSES_REPAIRED,
	SYNC_TABLE_CAME,      /* peer: its full table is here, n states in ms */
	SYNC_TABLE_SENT,      /* peer (NULL: all): ours was sent, n flows in ms */
	SYNC_TABLE_ASKED_FOR, /* somebody asks for ours (NOTRACK) */
	/* several peers ask for ours so often that not all are answered at once */
	SYNC_TABLE_PUT_OFF,
	SYNC_NUMBER_TWICE, /* peer: two different messages have number from */
	/* peer: its numbers did not fit any more, and are followed from from on */
	SYNC_NUMBERS_ANEW,
	/* peer: acknowledges or misses from..to, of which none or not all were sent; last was */
	SYNC_ACK_OF_NOTHING,
	SYNC_RING_FULL, /* messages that were not acknowledged were given up, n so far */
	/* messages about ends of flows were given up for room in the table, n so far */
	SYNC_TABLE_FULL,
	SYNC_TOO_LARGE, /* a flow fits into no datagram */
	SYNC_REPORTS
};

/* By what it is known. */
enum sync_sign {
	/* DEAF: nothing else; OTHER_MODE: it says what this mode does not know */
	SYNC_SIGN_UNKNOWN,
	SYNC_SIGN_ACKED,     /* DEAF: it has acknowledged before */
	SYNC_SIGN_SAME_MODE, /* DEAF: it has not, but what it says is of this mode */
	SYNC_SIGN_ALARM,     /* OTHER_MODE: it says so */
	SYNC_SIGN_MUTE,	     /* OTHER_MODE: no keepalive and no answer, but states */
};

struct sync_report {
	enum sync_reported what;
	struct mono at;	  /* now */
	const char *mode; /* its name, and what it does (enum sync_can) */
	uint32_t can;
	const char *peer, *was; /* addresses; borrowed */
	enum standing_state state;
	enum sync_sign sign;
	uint64_t n;
	int64_t ms;
	uint32_t from, to, last;
};

/* What a protocol may ask of the world. Pointers are borrowed and outlive the sync object. Flows
 * are named by table id; the bytes are made only when the datagram is being filled. */
struct sync_env {
	void *ctx;
	/* Which bytes the messages are. */
	const struct proto_ops *proto;
	struct outlet out; /* where the datagrams leave */
	/* The replication state of flow id (or of an expectation, see flow/repl.h). Never NULL for
	 * an id that sync/ was given. */
	struct flow_repl *(*repl)(void *ctx, uint32_t id);
	/* Is there still a flow with this id, and is it replicated? Any id that was ever given may
	 * be asked. NULL: not known. */
	bool (*has)(void *ctx, uint32_t id);
	/* Does the flow end with its next message: does it need release() then? Where there is no
	 * cache each one does, otherwise those that are dead. */
	bool (*is_dead)(void *ctx, uint32_t id);
	/* Write the current state of flow id as one message with number seq and MSG_HELLO bits into
	 * out. 0, or -ENOSPC: the datagram is full, nothing written. */
	int (*encode)(void *ctx, uint32_t id, uint32_t seq, uint8_t hello, struct writer *out);
	/* The next message does not fit into that datagram, which has at least one, and is given to
	 * send() after this: the datagram may be made as long as its cap. NULL: it stays as it
	 * is. */
	void (*fill)(void *ctx, struct writer *out);
	/* The peer's view of a flow changed. Borrows flow and its rare parts. Must not call back
	 * into sync, with the exception of sync_forget(). */
	void (*apply)(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow,
		      struct mono now);
	/* The same for an expectation: it is there (all of it, replaces what is known), or gone.
	 * NULL: not wanted, the messages are taken in their turn and forgotten. */
	void (*expect)(void *ctx, uint8_t peer, bool gone, const struct ct_expect *e,
		       struct mono now);
	/* The last message of a flow that is_dead() is acknowledged or given up: its slot may
	 * go. */
	void (*release)(void *ctx, uint32_t id);
	/* Up to n ids of our own live flows from *pos on (0 = start). Returns how many; 0 at the
	 * end. An id may be FLOW_ID_NONE, where there was nothing alive: so a call looks at no more
	 * than n records. *pos never decreases, and a flow that lives throughout is given exactly
	 * once between 0 and the end. */
	size_t (*walk)(void *ctx, uint64_t *pos, uint32_t *ids, size_t n);
	/* A peer begins a life: it is new, or has started again, or is back after a silence in
	 * which it may have. NULL: not wanted. Must not call back into sync. */
	void (*peer_begins)(void *ctx, uint8_t peer);
	/* A peer asks for everything we have. NULL: not wanted. Must not call back into sync. */
	void (*peer_asks)(void *ctx, uint8_t peer);
	/* We ask the peer for everything: entries of this peer that are not refreshed until
	 * resync_done() are stale. */
	void (*resync_begin)(void *ctx, uint8_t peer);
	/* A node has sent everything and nothing is missing: sweep what was not refreshed, as far
	 * as the proof goes. peers: a bit for each address from which it has sent something. */
	void (*resync_done)(void *ctx, uint32_t peers, enum sync_proof proof);
	/* Is our own cache complete? While it is not, no answer of ours is ended in a way that
	 * makes a peer sweep; sync looks again with each tick. NULL: always. */
	bool (*whole)(void *ctx);
	/* Is all that the peers have told, as far as it has come, where it belongs? NULL:
	 * always. */
	bool (*kept)(void *ctx);
	/* Is this node active? The peers are told so each second. NULL: no. */
	bool (*active)(void *ctx);
	/* Something has happened that people may want to know. Borrows r. */
	void (*report)(void *ctx, const struct sync_report *r);
};

struct sync_stats {
	struct proto_stats wire; /* refused messages by reason */
	uint64_t lost;		 /* messages found missing by their numbers */
	uint64_t repaired;	 /* of these, told again: by a repetition, or in a full table */
	uint64_t before;	 /* messages with an old number, dropped */
	uint64_t reordered;	 /* messages that were late but in time for the reorder allowance */
	uint64_t sent_msgs, recv_msgs;
	uint64_t resent;	/* messages sent again for a NACK */
	uint64_t ring_overflow; /* unacknowledged messages given up for room */
	uint64_t given_up_dead; /* messages about ends given up for room in the table */
	uint64_t nack_sent, nack_recv;
	uint64_t resync_asked, resync_done, resync_failed; /* by us */
	uint64_t bulk_started, bulk_done, bulk_flows;	   /* for others */
	uint64_t peers_refused;				   /* more than PEERS_MAX sources */
	uint64_t other_mode; /* messages of a peer that speaks another mode */
	/* ACK and NACK of numbers we never sent: forged, or meant for another node */
	uint64_t acks_for_others;
	uint64_t unrepairable; /* NACKs for messages we could not send again */
	uint64_t restarts; /* peers that started again, or whose numbers had to be picked up anew */
};

enum sync_verdict {
	SYNC_ACCEPTED,
	SYNC_HELD,    /* kept for the reorder allowance */
	SYNC_DROPPED, /* old or duplicate */
	SYNC_REFUSED, /* malformed; counted by reason */
};

/* Queue lengths for -s queue and -s rsqueue. */
struct sync_queues {
	uint32_t tx_len; /* flows and control messages waiting to be sent */
	uint32_t ring_len, ring_max;
	uint32_t control; /* of both, control messages */
};

/* Is each peer of our kind, which looks for packets before it carries out an end? A 1.4.x deletes a
 * flow that it forwards. */
bool sync_peers_are_ours(const struct sync *s);

/* What is known of one peer: how it stands, and what else there is to see. */
struct sync_peer_view {
	char name[SOURCE_NAME];
	struct standing standing; /* as of now */
	bool left;		  /* it speaks from another address now, as far as can be told */
	struct mono contact;	  /* since when it is there, in this incarnation */
	int64_t silent_ms;	  /* since its last message */
	uint32_t number;	  /* of that */
	uint32_t acked;		  /* the highest of ours that it has acknowledged, where it does */
	enum standing_lack table; /* of its full table, whether or not a gap is open */
	/* its answer is all that is missing: what it has told since env.resync_begin() is whole */
	bool fresh;
	uint64_t states; /* of its full table so far, and since when that is wanted, if it is */
	struct mono table_since;
	uint32_t failed; /* answers in a row that did not come, or not whole */
	bool sending;	 /* our full table is on its way to it */
	uint32_t nacks;	 /* open requests to repeat */
	/* messages of the peer that were lost, in all its incarnations; repaired since */
	uint64_t lost, repaired;
	uint32_t mtu_there, mtu_here; /* of the link it sends on, if they differ; else 0 */
};

/* Does the mode of conf do this? */
bool sync_can(const struct sync_conf *conf, enum sync_can what);

/* The protocol of conf->mode; gives NULL without memory, or when the mode is not built. Borrows env
 * and conf. first_seq: wall-clock seconds (protocol.md 2.5). */
struct sync *sync_open(const struct sync_env *env, const struct sync_conf *conf, uint32_t first_seq,
		       struct mono now);
/* Gives every slot back through release(). */
void sync_close(struct sync *s);

/* Flow id of ours changed (new, updated, or dead): it is marked pending and queued once; changes
 * before transmission collapse. */
void sync_local_change(struct sync *s, uint32_t id, struct mono now);

/* The same for a flow that was born: new in the table, or its tuple begins a new life with other
 * attributes. */
void sync_local_birth(struct sync *s, uint32_t id, struct mono now);

/* Flow id is about to be freed without a message (flush): leave queue and ring. */
void sync_forget(struct sync *s, uint32_t id);

/* One message from the peer. */
enum sync_verdict sync_recv(struct sync *s, const struct peer_addr *from, const struct message *msg,
			    struct cursor body, struct mono now);

/* Timers: do what is due; returns when to be called next (not set: no need). */
struct mono sync_tick(struct sync *s, struct mono now);

/* Send what is waiting, live changes before bulk, within a budget. True while there is more that
 * could go now; false also when the channel is full (then it is called again on sync_writable).
 * Call at the end of every loop turn in which something changed or arrived. */
bool sync_transmit(struct sync *s, struct mono now);

/* -B: send every flow we have. -n: ask the peers for theirs. */
void sync_bulk(struct sync *s, struct mono now);
void sync_ask_resync(struct sync *s, struct mono now);

/* Our table is full, and there are flows in it that have ended: give up the message of the oldest
 * that waits to be sent or acknowledged. Its peers notice that one is missing, and ask for
 * everything. True when release() was called for one. */
bool sync_make_room(struct sync *s, struct mono now);

/* Changes of ours were lost before they got here: the peers notice a gap, and get everything. */
void sync_lost(struct sync *s, struct mono now);

/* Is a bulk send of ours, or a resync we asked for, still going on? For commands that wait, for
 * tests. */
bool sync_bulk_running(const struct sync *s);
bool sync_resync_running(const struct sync *s);

const struct sync_stats *sync_stats(const struct sync *s);

/* A message was refused before it reached sync_recv() (framing): count it with its kind. */
void sync_count_refused(struct sync *s, enum proto_err err);
/* It was of another version of the protocol, and came from there. */
void sync_other_protocol(struct sync *s, const struct peer_addr *from, struct mono now);

/* Is this node in sync? Two facts that are never mixed, of all peers together. */
struct sync_standing {
	unsigned int peers;	 /* known */
	bool whole;		 /* our own cache is complete */
	bool kept;		 /* what the peers have told has found its place */
	enum standing_lack lack; /* of a peer, the worst */
	/* there is a peer, none lacks anything, and both of the above: this node is fit to take
	 * over */
	bool received;
	/* the mode knows acknowledgements; without them nobody knows whether we are heard */
	bool acks;
	/* there is a peer, and all of them have acknowledged what we told, but for the last
	 * moments */
	bool heard;
};
void sync_standing(const struct sync *s, struct mono now, struct sync_standing *out);

/* Of the peer in this place, PEERS_MAX at most. False: there is none. */
bool sync_peer_view(const struct sync *s, unsigned int peer, struct mono now,
		    struct sync_peer_view *out);
/* Of one of whom nothing was understood: name, and what it speaks since when (standing.state,
 * standing.since). */
bool sync_stranger_view(const struct sync *s, unsigned int i, struct mono now,
			struct sync_peer_view *out);

void sync_queues(const struct sync *s, struct sync_queues *q);

/* A message that is not acknowledged yet. */
struct sync_sent {
	uint32_t seq;
	uint8_t kind;  /* enum msg_kind: MSG_FLOW for any state */
	uint8_t hello; /* MSG_HELLO bits */
};
/* The first of them from *pos on (0: the oldest), and *pos behind it. False: that was the last. */
bool sync_ring_next(const struct sync *s, uint32_t *pos, struct sync_sent *out);

#endif
