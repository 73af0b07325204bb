/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_PUT_H
#define CONNTRACKD_KERNEL_CT_PUT_H

#include "kernel/ct.h"

/* The one way of a peer's flow into the kernel, and out of it again: requests, their answers, what is done about an entry that
 * is there already (kernel/ct_judge.h), and what about a request that failed. ct_commit.c and ct_inject.c feed it. */
struct ct_put;

enum ct_way {
	CT_WAY_COMMIT,	/* the flow is the peer's as it was before this node took over */
	CT_WAY_NEWS,	/* the peer has just told, and may be forwarding it */
	CT_WAY_END,	/* the peer has just told its end */
};

/* One flow to be put. Copied. */
struct ct_wish {
	const struct ct_flow *f;
	enum ct_way way;
	bool there;		/* the kernel has an entry most likely: look before creating. Of no other effect */
	bool ours;		/* CT_WAY_END: as far as our kernel's own events tell, the flow lives here */
	uint32_t timeout_s;	/* life of the entry, 0: the flow's own */
	uint64_t token;		/* handed back */
};

enum ct_outcome {
	CT_CREATED,
	CT_UPDATED,	/* the kernel's entry has taken over what the flow says */
	CT_KEPT,	/* the kernel's entry stays, with what it lacked of mark and labels */
	CT_LEFT,	/* it stays as it was */
	CT_REPLACED,
	CT_ENDED,	/* CT_WAY_END: removed */
	CT_GONE,	/* CT_WAY_END: there was none */
	CT_IN_USE,	/* CT_WAY_END: it lives here, and stays */
	CT_FAILED,
};

struct ct_result {
	enum ct_outcome outcome;
	int err;			/* CT_FAILED: -errno; -EEXIST: another flow has its addresses and ports */
	bool found;			/* the kernel had an entry when it was asked */
	uint64_t token;
	const struct ct_flow *f;	/* the flow, without what the kernel would not take of it */
	const struct ct_flow *entry;	/* the kernel's own entry as it is there now, or NULL where the flow is what is there.
					 * CT_FAILED: the one that had to go and came back, else NULL */
};

/* Pointers handed to these are borrowed for the call. None may call back but room. */
struct ct_put_cb {
	void *ctx;
	/* The end of one flow, exactly once for each that was added. */
	void (*done)(void *ctx, const struct ct_result *r, struct mono now);
	/* This entry of the kernel has gone through us, ended or to make room: no event will tell. Before done. */
	void (*removed)(void *ctx, const struct ct_flow *entry, struct mono now);
	/* Answers have come: ct_put_step() may go on. May be NULL where only ct_put_run() is used. */
	void (*room)(void *ctx, struct mono now);
};

/* n: how many flows may be under way, at most CT_BATCH_FLIGHT. liberal: TCP window tracking off (TCPWindowTracking off).
 * 0, or -errno with a line in *err. */
int ct_put_open(struct evloop *loop, const struct ct_put_cb *cb, const char *name, size_t n, bool liberal,
		struct ct_put **out, struct text *err) __attribute__((warn_unused_result));
void ct_put_close(struct ct_put *p);
/* For the filter of the event socket: what we do ourselves is not read back. */
uint32_t ct_put_portid(const struct ct_put *p);

/* How many flows may be added, and how many are under way. */
size_t ct_put_room(const struct ct_put *p);
size_t ct_put_busy(const struct ct_put *p);
void ct_put_add(struct ct_put *p, const struct ct_wish *wish);

/* Make requests for what is ready, as far as there is room. They leave from the next turn of the loop on, answers come
 * meanwhile. True when all were made. */
bool ct_put_step(struct ct_put *p);
/* Everything to its end before this returns: the kernel executes requests inside sendto(). For few flows at a time. */
void ct_put_run(struct ct_put *p, struct mono now);

#endif
