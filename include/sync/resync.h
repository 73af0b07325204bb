/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_RESYNC_H
#define CONNTRACKD_SYNC_RESYNC_H

#include "sync/sync.h"

/* Asking a peer for everything it has. What proves that everything has come is each mode's own
 * business (sync_ops.check). For the files of this folder only. */
struct peer;

#define RESYNC_MAX_TRIES 9 /* the pause after a failure has doubled so often at most */

enum resync_state {
	RS_IDLE,
	RS_WANT, /* to be asked for, not before not_before and when the peer can hear us */
	RS_ASKED,
};

struct resync {
	enum resync_state state;
	struct mono not_before;
	struct mono asked; /* when the RESYNC left; not set: it has not */
	struct mono begun; /* when the peer's entries became not refreshed */
	uint32_t base;	   /* its last number then: an answer that began before says nothing */
	bool stale;	   /* a message was missing since: the resync has to begin anew */
	bool gapped;	   /* something was missing since we asked */
	/* a state message since then could not be read: its flow is not stale */
	bool unread;
	bool unproven; /* the last answer was not one that tells what is stale */
	/* when the peer last said that it has answered as far as it can, its cache being
	 * incomplete */
	struct mono partial;
	bool late;	   /* RS_WANT: only because the answer took too long */
	uint32_t tries;	   /* failures in a row */
	struct mono began; /* when it was first wanted, since RS_IDLE */
	uint64_t states;   /* of the peer's, when it was asked */
};

/* Ask p, after a pause; earlier requests are forgotten, and what was refreshed stays so. */
void resync_want(struct peer *p, int64_t pause_ms, struct mono now);
/* Something of p is missing that will not come by itself: ask, or ask again. */
void resync_need(struct sync *s, struct peer *p, struct mono now);
/* The answer did not come, or not whole: ask again after a pause that grows. */
void resync_failed(struct sync *s, struct peer *p, struct mono now);
/* Everything has come; sweep: and what was not refreshed is stale. */
void resync_done(struct sync *s, struct peer *p, bool sweep, struct mono now);
/* From now on all entries of p count as not refreshed. */
void resync_begin(struct sync *s, struct peer *p, struct mono now);
/* A RESYNC of ours has left: everybody who is to be asked is. */
void resync_left(struct sync *s, struct mono now);

/* Ask for what is due, give up on what is not answered, finish what is complete. Returns when to
 * look again. */
struct mono resync_run(struct sync *s, struct mono now);

#endif
