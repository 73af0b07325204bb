/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_JUDGE_H
#define CONNTRACKD_KERNEL_CT_JUDGE_H

#include "flow/flow.h"

enum ct_verdict {
	CT_KEEP,	/* the kernel's entry stays, with what it lacks added */
	CT_LEAVE,	/* it stays as it is */
	CT_REPLACE,	/* the flow takes its place */
	CT_FOREIGN,	/* the entry is another flow that only shares a tuple: it stays, and ours cannot be committed */
};

/* What to do about the kernel's entry, which shares a tuple with flow f of a peer. */
enum ct_verdict ct_judge(const struct ct_flow *kernel, const struct ct_flow *f);

/* *r becomes a question (for ct_build_get()) for whoever has the reply tuple of f as its original one. */
void ct_judge_reverse(struct ct_flow *r, const struct ct_flow *f);

#endif
