/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_EXPECTING_H
#define CONNTRACKD_FOLLOW_EXPECTING_H

#include "base/evloop.h"
#include "base/text.h"
#include "node/pipeline.h"
#include "kernel/ct.h"

/* The expectations of our kernel (ExpectationSync): takes their events, compares the internal cache
 * with the kernel, and asks for the master of each, because what a helper's rewriting does to the
 * sequence numbers of a translated master causes no event of its own. */
struct expecting;

enum expecting_reason {
	/* fill the empty cache; nothing is announced to the peers */
	EXPECTING_START = 1 << 0,
	EXPECTING_COMPARE = 1 << 1,	/* events were lost, or may never come */
	EXPECTING_COMMAND = 1 << 2,	/* -R */
	EXPECTING_COMMAND_EXP = 1 << 3, /* -R expect */
	/* without internal cache: a full send; the path is told the end, not the callback */
	EXPECTING_TELL = 1 << 4,
	EXPECTING_REFRESH = 1 << 6, /* -f internal: as EXPECTING_COMPARE */
	/* as EXPECTING_COMPARE, and as a command: also what a peer has told about */
	EXPECTING_ADOPT = 1 << 5,
};

struct expecting_cb {
	void *ctx;
	/* A comparison for these reasons has ended. 0 or -errno of the dump. */
	void (*done)(void *ctx, unsigned int why, int err, struct mono now);
};

int expecting_open(struct evloop *loop, struct pipeline *p, const struct expecting_cb *cb,
		   struct expecting **out, struct text *err);
void expecting_close(struct expecting *x);

/* One event. */
void expecting_event(struct expecting *x, enum ct_event what, const struct ct_expect *e,
		     struct mono now);

/* Compare with the kernel. While one comparison runs another one follows it. */
void expecting_compare(struct expecting *x, enum expecting_reason why, struct mono now);
/* A commit has put expectations into the kernel and the internal cache. */
void expecting_committed(struct expecting *x);

#endif
