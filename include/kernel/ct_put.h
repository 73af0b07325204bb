/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_PUT_H
#define CONNTRACKD_KERNEL_CT_PUT_H

#include "flow/judge.h"
#include "kernel/ct.h"

/* The one way of a peer's flow into the kernel, and out of it again: requests, their answers, what
 * is done about an entry that is there already (flow/judge.h), and what about a request that
 * failed. ct_commit.c, ct_inject.c and follow/windows.c feed it. */
struct ct_put;

/* One flow to be put. Copied. Times are mono seconds. */
struct ct_wish {
	const struct ct_flow *f;
	enum ct_way way;
	/* the kernel has an entry most likely: look before creating. Of no other effect */
	bool there;
	bool exact;	    /* timeout_s to the second */
	uint32_t timeout_s; /* life of an entry that is created, 0: the flow's own */
	uint32_t kept_s;    /* what the life of one that is there is raised to, 0: the flow's own */
	uint32_t changed_s, active_s; /* CT_WAY_COMMIT, CT_WAY_OWN: as in struct ct_question */
	bool took_over;
	/* of an entry that is kept the life is not raised: what packets have made of it stays to
	 * be seen */
	bool windows_only;
	uint64_t token; /* handed back */
};

enum ct_outcome {
	CT_CREATED,
	CT_UPDATED, /* the kernel's entry has taken over what the flow says */
	CT_KEPT,    /* the kernel's entry stays, with what it lacked of mark and labels */
	CT_LEFT,    /* it stays as it was */
	CT_REFUSED, /* it stays, and is a newer flow of the same original tuple */
	CT_REPLACED,
	CT_ENDED,  /* CT_WAY_END: removed */
	CT_GONE,   /* CT_WAY_END, CT_WAY_OWN: there is none */
	CT_IN_USE, /* CT_WAY_END: it lives here, and stays */
	CT_FAILED,
};

struct ct_result {
	enum ct_outcome outcome;
	int err;       /* CT_FAILED: -errno; -EEXIST: another flow has its addresses and ports */
	bool found;    /* the kernel had an entry when it was asked */
	bool written;  /* state and life of what is there now are as we have written them */
	bool loosened; /* TCP, CT_KEPT: its windows judge no longer */
	bool cleared;  /* CT_REPLACED: by a destroy of ours, whose event nobody reads */
	uint64_t token;
	/* the flow as it is there, with its life; without what the kernel would not take of it */
	const struct ct_flow *f;
	/* the kernel's own entry as it is there now, or NULL where the flow is what is there.
	 * CT_FAILED: the one that had to go and came back, else NULL */
	const struct ct_flow *entry;
	/* CT_REFUSED, CT_FAILED with -EEXIST: the kernel's entry that has a tuple of the flow
	 * and stays: only names, state and status; NULL where it is not known */
	const struct ct_flow *in_the_way;
};

/* Who keeps book of what is in the kernel. Pointers handed to these are borrowed for the call; they
 * must not call back. Both may be NULL. */
struct ct_put_caller {
	void *ctx;
	/* We have removed this entry from the kernel, because its flow has ended or to make room;
	 * there is no event for that. Called before ct_put_cb.done. Not called for an entry that a
	 * commit has replaced by the flow (CT_REPLACED), when both have the same original tuple.
	 * ended: the end was received from a peer (CT_ENDED). */
	void (*removed)(void *ctx, const struct ct_flow *entry, bool ended, struct mono now);
	/* Fill in what is remembered about an entry of the kernel; *m is all zero before. */
	void (*memory)(void *ctx, const struct ct_flow *entry, struct ct_memory *m,
		       struct mono now);
};

struct ct_put_cb {
	void *ctx;
	/* The end of one flow, exactly once for each that was added. Borrows r. Must not call
	 * back. */
	void (*done)(void *ctx, const struct ct_result *r, struct mono now);
	/* Answers have come: ct_put_step() may go on. NULL where only ct_put_run() is used. */
	void (*room)(void *ctx, struct mono now);
	struct ct_put_caller caller;
};

/* n: how many flows may be under way, at most CT_BATCH_FLIGHT. liberal: TCP window tracking off
 * (TCPWindowTracking off). 0, or -errno with a line in *err. */
int ct_put_open(struct evloop *loop, const struct ct_put_cb *cb, const char *name, size_t n,
		bool liberal, struct ct_put **out, struct text *err)
	__attribute__((warn_unused_result));
void ct_put_close(struct ct_put *p);
/* Port id of the socket, for the filter of the event socket: our own changes are not read back. */
uint32_t ct_put_portid(const struct ct_put *p);

/* Read this kernel's timeouts again. */
void ct_put_timeouts(struct ct_put *p);

/* How many flows may be added, and how many are under way. */
size_t ct_put_room(const struct ct_put *p);
size_t ct_put_busy(const struct ct_put *p);
void ct_put_add(struct ct_put *p, const struct ct_wish *wish);

/* Make requests for what is ready, as far as there is room. They leave from the next turn of the
 * loop on, answers come meanwhile; but an entry that is to be replaced is looked at once more and
 * replaced before this returns. True when all were made. */
bool ct_put_step(struct ct_put *p, struct mono now);
/* Everything to its end before this returns: the kernel executes requests inside sendto(). For few
 * flows at a time. */
void ct_put_run(struct ct_put *p, struct mono now);

#endif
