/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_COMMIT_H
#define CONNTRACKD_KERNEL_CT_COMMIT_H

#include "kernel/ct_put.h"

/* Flows into the kernel by the rules of a commit (kernel/ct_judge.h). Masters before related flows: the caller's source is
 * walked twice. Nothing the kernel is forwarding is ever removed without being replaced in the same step, or put back. */
struct ct_commit;

#define CT_COMMIT_REASONS 8
#define CT_COMMIT_LOOK 64

struct ct_commit_result {
	uint64_t total;		/* flows given by the source */
	uint64_t done;		/* so far, for progress */
	uint64_t created, kept, replaced, failed;
	struct {
		int err;		/* errno value, positive */
		uint64_t count;
	} reason[CT_COMMIT_REASONS];	/* failures by errno, the rest in the last */
	int64_t duration_us;
};

struct ct_commit_source {
	void *ctx;
	/* Look at up to n <= CT_COMMIT_LOOK flows from *pos on (0 = start); related says whether this pass wants flows
	 * with a master or those without. Sets flows[i] and timeout_s[i]; flows[i] is NULL for one that this pass does
	 * not want. Returns at how many it looked; 0 at the end. The pointers are borrowed until the next call. */
	size_t (*next)(void *ctx, bool related, uint64_t *pos, const struct ct_flow **flows, uint32_t *timeout_s,
		       size_t n);
	/* About to be sent: the internal cache learns of it here. Returns a token for undo/settled (0 = none). */
	uint64_t (*sending)(void *ctx, const struct ct_flow *f, struct mono now);
	/* The kernel refused it: roll back. */
	void (*refused)(void *ctx, uint64_t token, int err, const struct ct_flow *f, struct mono now);
	/* It is in the kernel; kernel is the entry as found when one existed and was kept (or was put back because the
	 * kernel refused ours), else NULL. */
	void (*settled)(void *ctx, uint64_t token, const struct ct_flow *kernel, struct mono now);
	/* The end of the whole commit. */
	void (*done)(void *ctx, const struct ct_commit_result *res, struct mono now);
};

/* What a failure (positive errno of ct_commit_result) means, for a person. Static text. */
const char *ct_commit_reason(int err);

int ct_commit_open(struct evloop *loop, const struct ct_commit_source *src, bool liberal, struct ct_commit **out,
		   struct text *err);
void ct_commit_close(struct ct_commit *c);
uint32_t ct_commit_portid(const struct ct_commit *c);
/* 0, or -EBUSY while one runs. */
int ct_commit_start(struct ct_commit *c, struct mono now);
/* One flow at once, whether a commit runs or not: before this returns the kernel has it or has refused it. At most a send's
 * worth of flows of the running commit is carried out first. The source's sending(), and refused() or settled(), are called for
 * it; no result counts it. Not inside a callback of the source. */
enum ct_outcome ct_commit_one(struct ct_commit *c, const struct ct_flow *f, uint32_t timeout_s, struct mono now);
bool ct_commit_running(const struct ct_commit *c);
const struct ct_commit_result *ct_commit_progress(const struct ct_commit *c);

#endif
