/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_JUDGE_H
#define CONNTRACKD_FLOW_JUDGE_H

#include "flow/flow.h"
#include "flow/timeouts.h"

/* What is to be done about an entry that our kernel has, and that shares a tuple with a flow of
 * which a peer has told. Pure functions of what is known; who asks the kernel, and does it, is
 * kernel/ct_put.c. */

enum ct_way {
	CT_WAY_COMMIT, /* the flow is the peer's as it was before this node took over */
	CT_WAY_NEWS,   /* the peer has just told about it, and may be forwarding it */
	CT_WAY_END,    /* the peer has just told its end */
	/* no peer says anything: the flow is the entry itself, as it was seen when this node
	 * took over, and a peer may have forwarded it before */
	CT_WAY_OWN,
	CT_WAYS
};

enum ct_verdict {
	CT_NONE,
	CT_KEEP,  /* the entry stays; mark and labels are added where it has none */
	CT_LEAVE, /* the entry stays as it is */
	/* as CT_KEEP, and its life is raised to the flow's, its windows judge no longer */
	CT_RAISE,
	CT_UPDATE,  /* the entry takes over what the flow has */
	CT_REPLACE, /* the flow takes its place */
	/* the entry is a newer flow of the same original tuple: it stays, and ours is not put */
	CT_NEWER,
	CT_FOREIGN, /* the entry is another flow: it stays, and ours cannot be put */
	CT_REMOVE,  /* CT_WAY_END */
	CT_USED,    /* CT_WAY_END: the entry is in use here, and stays */
};

/* Is it about the time before this node took over? */
static inline bool ct_way_takes_over(enum ct_way way)
{
	return way == CT_WAY_COMMIT || way == CT_WAY_OWN;
}

/* What we remember of an entry beside what the kernel tells. All zero: nothing. */
struct ct_memory {
	enum {
		CT_UNKNOWN,
		/* the kernel has told of a packet in it, by an event, since it was last written
		 * if ever */
		CT_PACKETS,
		CT_WRITTEN, /* the last word about it was a request, ours or somebody else's */
	} last;
	uint32_t born_s; /* CT_PACKETS: since when we know it; mono seconds */
	uint32_t end_s;	 /* CT_WRITTEN: when its life then ended, mono seconds; 0: not known */
	/* when a peer last changed the flow of its original tuple that a commit would put; 0:
	 * there is none */
	uint32_t peers_s;
	/* when a peer last told about it and we put that into the kernel; mono seconds, 0: never */
	uint32_t told_s;
};

/* The circumstances. All times are mono seconds, 0: not known or never. */
struct ct_question {
	enum ct_way way;
	const struct ct_timeouts *timeouts; /* this kernel's */
	struct ct_memory memory;
	/* of the entry, original and reply direction (ct_parse_tcp_flags()) */
	uint8_t tcp_flags[2];
	uint32_t now_s;
	uint32_t began_s; /* since when we remember what we write */
	/* CT_WAY_COMMIT, CT_WAY_OWN: */
	/* the peer's last change of the flow; where it tells none, when this node took over */
	uint32_t changed_s;
	uint32_t active_s; /* since when this node is active */
	bool took_over;	   /* it has only just become so (ct_took_over()) */
};

/* What is known about the packets of an entry. */
struct ct_evidence {
	/* at least one has passed in that direction since the entry was made, or written by us */
	bool packets[2];
	bool ended; /* TCP in TIME_WAIT or CLOSE */
	/* packets in both directions, none of them its end; TCP: beyond the handshake */
	bool established;
	bool since; /* the last packet is newer than what the peer says */
	/* of TCP: those of today. Where the peer may have forwarded after the entry was made,
	 * and before its last packets, those can lie in the windows of then in one direction
	 * only */
	bool windows;
};

/* Does what begins now belong to the take-over itself, of a node that is active since active_s? */
#define CT_TAKES_S 2u
static inline bool ct_took_over(uint32_t active_s, uint32_t now_s)
{
	return active_s + CT_TAKES_S >= now_s;
}

struct ct_evidence ct_evidence(const struct ct_flow *entry, const struct ct_question *q);
enum ct_verdict ct_judge(const struct ct_flow *entry, const struct ct_flow *f,
			 const struct ct_question *q, const struct ct_evidence *ev);

/* The table by which ct_judge() judges, for its tests. The first row whose tuples match, whose
 * facts in `must` all hold and of whose facts in `not` none does, and that has a verdict for the
 * way. */
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
	K_FURTHER = 16, /* TCP: later in the life of a connection than the flow */
	SINCE = 32,
	S_ENDED = 64, /* TCP in TIME_WAIT or CLOSE */
	/* it has a helper or master that the entry lacks, and no update can add one */
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

/* TCP beyond its handshake of which nobody has told the window scales: an offloaded connection that
 * its owner knows from a dump, or one whose owner does not track windows. No kernel can judge its
 * windows. */
bool ct_scales_unknown(const struct ct_flow *f);

/* *r becomes a question (for ct_build_get()) for whoever has the reply tuple of f as its original
 * one. */
void ct_judge_reverse(struct ct_flow *r, const struct ct_flow *f);

#endif
