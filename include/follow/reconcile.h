/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_RECONCILE_H
#define CONNTRACKD_FOLLOW_RECONCILE_H

#include "base/evloop.h"
#include "base/text.h"
#include "node/pipeline.h"

/* Makes the internal cache equal to the kernel table, in the background and beside live events:
 * dump in steps, then ask the kernel about every record the dump did not show. Serves start-up,
 * lost events, `-R`, and the re-verification of flows whose end the kernel never reports (born
 * before we listened). Never two passes at a time. */
struct reconcile;

enum reconcile_reason {
	RECONCILE_START, /* fill the empty cache; nothing is announced to the peers */
	/* events were lost; repeated until a whole pass saw no further loss */
	RECONCILE_OVERRUN,
	RECONCILE_COMMAND, /* -R */
	/* -f internal, and after a flush of the kernel table: changes only are announced */
	RECONCILE_REFRESH,
	RECONCILE_VERIFY, /* paced: flows known from a dump only */
	/* a peer begins anew: what it has told and we have in the kernel is announced as ours */
	RECONCILE_ADOPT,
	RECONCILE_REPAIR, /* flows found no room in the cache, and there is some now */
	RECONCILE_BLIND,  /* paced, again and again: events do not tell everything */
	/* PollSecs: there are no events, so every pass announces what changed */
	RECONCILE_POLL,
};

struct reconcile_cb {
	void *ctx;
	/* A pass has ended. 0 or -errno of the dump. */
	void (*done)(void *ctx, enum reconcile_reason why, int err, struct mono now);
};

struct reconcile_stats {
	uint64_t passes;
	uint64_t for_overrun;
	uint64_t gone; /* records found to have ended unseen */
	/* by the last RECONCILE_BLIND pass: what earlier ones of the run had found, and no event
	 * has */
	uint32_t unheard;
	uint32_t unheard_ends; /*	told since; and ends of flows that do tell */
};

/* It becomes the reader of p. poll_s: make a pass every so many seconds, in place of the verify
 * passes; 0: there are events. 0, or -errno with a line in *err. */
int reconcile_open(struct evloop *loop, struct pipeline *p, uint32_t poll_s,
		   const struct reconcile_cb *cb, struct reconcile **out, struct text *err);
void reconcile_close(struct reconcile *r);

/* Ask for a pass. While one runs another one follows it; a verify pass gives way. */
void reconcile_start(struct reconcile *r, enum reconcile_reason why, struct mono now);
/* Make RECONCILE_BLIND passes again and again, at most a twentieth of the time; or no longer. */
void reconcile_blind(struct reconcile *r, bool on, struct mono now);
const struct reconcile_stats *reconcile_stats(const struct reconcile *r);

#endif
