/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_JUDGE_H
#define CONNTRACKD_FLOW_JUDGE_H

#include "flow/flow.h"
#include "flow/timeouts.h"

/* What is to be done about an entry of our kernel that shares a tuple with a flow received from a
 * peer. Pure functions of what is known; kernel/ct_put.c asks the kernel and carries the verdict
 * out. */

enum ct_way {
	CT_WAY_COMMIT, /* the flow is the peer's as it was before this node took over */
	CT_WAY_NEWS,   /* the flow was received just now: the peer may be forwarding it */
	CT_WAY_END,    /* the flow's end was received just now */
	/* nothing was received: the flow is the entry itself, as it was when this node took over,
	 * and a peer may have forwarded it before */
	CT_WAY_OWN,
	CT_WAYS
};

enum ct_verdict {
	CT_NONE,
	CT_KEEP,  /* the entry stays; mark and labels are added where it has none */
	CT_LEAVE, /* the entry stays as it is */
	/* as CT_KEEP; in addition its timeout is raised to the flow's, and its TCP windows become
	 * liberal */
	CT_RAISE,
	CT_UPDATE,  /* the entry gets what the flow has */
	CT_REPLACE, /* the entry is destroyed, and the flow put in its place */
	/* the entry is a newer flow of the same original tuple: it stays, and ours is not put */
	CT_NEWER,
	CT_OTHER_FLOW, /* the entry is another flow: it stays, and ours cannot be put */
	CT_REMOVE,     /* CT_WAY_END */
	CT_USED,       /* CT_WAY_END: the entry is in use here, and stays */
};

/* Does the way concern packets from before this node took over? */
static inline bool ct_way_takes_over(enum ct_way way)
{
	return way == CT_WAY_COMMIT || way == CT_WAY_OWN;
}

/* What we remember about an entry, beside what the kernel reports. All zero: nothing. */
struct ct_memory {
	enum {
		CT_UNKNOWN,
		/* an event of the kernel has shown a packet of the entry, after the last write if
		 * there was one */
		CT_PACKETS,
		/* the last event of the entry was caused by a request, ours or another program's */
		CT_WRITTEN,
	} last;
	uint32_t born_s; /* CT_PACKETS: since when we know the entry; mono seconds */
	/* CT_WRITTEN: when the timeout written then expires, mono seconds; 0: not known */
	uint32_t end_s;
	/* when a peer last changed the flow that a commit would put for the original tuple of this
	 * entry; 0: there is none */
	uint32_t peers_s;
	/* when we last put what a peer had sent about this flow into the kernel; mono seconds, 0:
	 * never */
	uint32_t received_s;
};

/* The circumstances. All times are mono seconds, 0: not known or never. */
struct ct_question {
	enum ct_way way;
	const struct ct_timeouts *timeouts; /* this kernel's */
	struct ct_memory memory;
	/* of the entry, original and reply direction (ct_parse_tcp_flags()) */
	uint8_t tcp_flags[2];
	uint32_t now_s;
	uint32_t began_s; /* since when we remember our own writes */
	/* CT_WAY_COMMIT, CT_WAY_OWN: */
	/* the peer's last change of the flow; where the peer has sent none, when this node took
	 * over */
	uint32_t changed_s;
	uint32_t active_s; /* since when this node is active */
	bool took_over;	   /* the node has become active just now (ct_took_over()) */
};

/* What is known about the packets of an entry. */
struct ct_evidence {
	/* at least one packet has passed in that direction since the entry was made, or written by
	 * us */
	bool packets[2];
	bool ended; /* TCP in TIME_WAIT or CLOSE */
	/* packets in both directions, none of them its end; TCP: beyond the handshake */
	bool established;
	bool since; /* the last packet is newer than what the peer has sent */
	/* TCP: the windows are up to date. They may not be where the peer has forwarded after the
	 * entry was made and before its last packets: then those packets can fit the old windows in
	 * one direction only */
	bool windows;
};

/* Does a job that begins now belong to the take-over of a node that is active since active_s? */
#define CT_TAKES_S 2u
static inline bool ct_took_over(uint32_t active_s, uint32_t now_s)
{
	return active_s + CT_TAKES_S >= now_s;
}

struct ct_evidence ct_evidence(const struct ct_flow *entry, const struct ct_question *q);
enum ct_verdict ct_judge(const struct ct_flow *entry, const struct ct_flow *f,
			 const struct ct_question *q, const struct ct_evidence *ev);

/* The table of ct_judge(), declared for its tests. The verdict is that of the first row whose
 * tuples match, whose facts in `must` all hold, whose facts in `not` all do not, and that has a
 * verdict for the way. */
enum ct_tuples { /* the entry's tuples beside the flow's */
		 CT_SAME = 1,
		 CT_TRANSLATED = 2, /* the same original one, another reply: other translations */
		 CT_REVERSED = 4,   /* the flow's, seen from the other end */
		 CT_ANOTHER = 8,
		 CT_ANY = 15
};
enum ct_fact {
	K_ENDED = 1,
	K_ASSURED = 2,
	K_HIT = 4, /* by a packet */
	K_ESTABLISHED = 8,
	K_FURTHER = 16, /* TCP: in a later state of the connection than the flow */
	SINCE = 32,
	S_ENDED = 64, /* TCP in TIME_WAIT or CLOSE */
	/* the flow has a helper or master that the entry lacks, and no update can add one */
	S_MORE = 128,
	CT_FACTS = 255
};
struct ct_rule {
	uint8_t row; /* of the table in doc/architecture.md; 0: ends */
	uint8_t tuples, must, must_not;
	uint8_t verdict[CT_WAYS];
};
extern const struct ct_rule ct_rules[];
extern const size_t ct_n_rules;
enum ct_verdict ct_judge_facts(enum ct_way way, enum ct_tuples tuples, unsigned int facts);

/* TCP in TIME_WAIT or CLOSE: the connection is over, only its entry is left. */
bool ct_has_ended(const struct ct_flow *f);

/* Is f a TCP flow beyond its handshake whose window scales are unknown? So with an offloaded
 * connection that its node knows from a dump, or one from a node that does not track windows. No
 * kernel can judge the windows of such a flow. */
bool ct_scales_unknown(const struct ct_flow *f);

/* Fills *r with a request (for ct_build_get()) for the entry that has the reply tuple of f as its
 * original tuple. */
void ct_judge_reverse(struct ct_flow *r, const struct ct_flow *f);

#endif
