/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_COMMIT_H
#define CONNTRACKD_KERNEL_CT_COMMIT_H

#include "kernel/ct_put.h"

/* Flows into the kernel by the rules of a commit (flow/judge.h). Masters before related flows: the
 * caller's source is walked twice. Nothing the kernel is forwarding is ever removed without being
 * replaced in the same step, or put back. */
struct ct_commit;

#define CT_COMMIT_REASONS 8
#define CT_COMMIT_LOOK	  64

struct ct_commit_result {
	uint64_t total;				   /* flows given by the source */
	uint64_t done;				   /* so far, for progress */
	uint64_t created, updated, replaced, kept; /* kept: as the kernel had them */
	/* the kernel has a newer flow of the same original tuple: not committed */
	uint64_t newer;
	uint64_t ended_here; /* our kernel has reported their end: not committed */
	uint64_t ended;	     /* their life is over: not committed */
	uint64_t failed;
	struct {
		int err; /* errno value, positive */
		uint64_t count;
	} reason[CT_COMMIT_REASONS]; /* failures by errno, the rest in the last */
	int64_t duration_us;
};

/* A flow of the source. */
struct ct_commit_flow {
	enum {
		CT_COMMIT_NOT_NOW, /* this pass does not want it, or nobody does */
		CT_COMMIT_WANTED,
		CT_COMMIT_ENDED, /* counted and nothing else, as the next */
		CT_COMMIT_ENDED_HERE,
	} is;
	/* CT_COMMIT_WANTED: f (borrowed until the next call), timeout_s, exact, changed_s */
	struct ct_wish wish;
};

struct ct_commit_source {
	void *ctx;
	/* Look at up to n <= CT_COMMIT_LOOK flows from *pos on (0 = start) and fill in flows[];
	 * related says whether this pass wants flows with a master or those without. Returns at how
	 * many it looked; 0 at the end. */
	size_t (*next)(void *ctx, bool related, uint64_t *pos, struct ct_commit_flow *flows,
		       size_t n);
	/* About to be sent: the internal cache learns of it here. Returns a token for settled() (0
	 * = none; below 2^63). */
	uint64_t (*sending)(void *ctx, const struct ct_flow *f, struct mono now);
	/* The outcome, once for each that was sent. Borrows r and what it points to. */
	void (*settled)(void *ctx, const struct ct_result *r, struct mono now);
	struct ct_put_caller caller;
	/* The end of the whole commit. */
	void (*done)(void *ctx, const struct ct_commit_result *res, struct mono now);
};

int ct_commit_open(struct evloop *loop, const struct ct_commit_source *src, bool liberal,
		   struct ct_commit **out, struct text *err);
void ct_commit_close(struct ct_commit *c);
uint32_t ct_commit_portid(const struct ct_commit *c);
/* active: since when this node is active, not set: it is not. 0, or -EBUSY while one runs. */
int ct_commit_start(struct ct_commit *c, struct mono active, struct mono now);
/* One flow at once, whether a commit runs or not: before this returns the kernel has it or has
 * refused it. At most a send's worth of flows of the running commit is carried out first. The
 * source's sending() and settled() are called for it; no result counts it. Not inside a callback of
 * the source. */
enum ct_outcome ct_commit_one(struct ct_commit *c, const struct ct_wish *wish, struct mono now);
bool ct_commit_running(const struct ct_commit *c);
const struct ct_commit_result *ct_commit_progress(const struct ct_commit *c);

#endif
