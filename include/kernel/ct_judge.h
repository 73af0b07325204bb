/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_JUDGE_H
#define CONNTRACKD_KERNEL_CT_JUDGE_H

#include "flow/flow.h"

enum ct_verdict {
	CT_KEEP,	/* the kernel's entry stays, with what it lacks added */
	CT_LEAVE,	/* it stays as it is */
	CT_UPDATE,	/* it takes over what the flow has */
	CT_REPLACE,	/* the flow takes its place */
	CT_FOREIGN,	/* the entry is another flow that only shares a tuple: it stays, and ours cannot be committed */
};

/* What to do about the kernel's entry, which shares a tuple with flow f of a peer, at a commit. Never CT_UPDATE. */
enum ct_verdict ct_judge(const struct ct_flow *kernel, const struct ct_flow *f);

/* The same for news of a peer that go straight into the kernel (DisableExternalCache): both nodes may be forwarding the flow,
 * each one direction of it, so an entry is changed rather than replaced. */
enum ct_verdict ct_judge_news(const struct ct_flow *kernel, const struct ct_flow *f);

/* A peer says that flow f has ended. Is the kernel's entry in use all the same, so that it has to stay? ours: packets have been
 * seen here, so that our kernel told about it. */
bool ct_judge_in_use(const struct ct_flow *kernel, const struct ct_flow *f, bool ours);

/* *r becomes a question (for ct_build_get()) for whoever has the reply tuple of f as its original one. */
void ct_judge_reverse(struct ct_flow *r, const struct ct_flow *f);

#endif
