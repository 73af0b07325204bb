/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_WALK_H
#define CONNTRACKD_SYNC_WALK_H

#include "sync/sync.h"

/* A walk over our own flows with a resume point: a few ids are taken from the table at a time, and
 * some of them may still be at hand when the round or the channel is full. Those carry REPL_BATCH,
 * so that a flow which goes meanwhile is known to be here (the table asks, see
 * internal_commit_undo()). */
#define WALK_BATCH 64

struct walk {
	uint64_t pos; /* of the table walk */
	uint32_t id[WALK_BATCH];
	uint32_t at, n;
};

/* Back to the beginning; what is at hand is put back. */
void walk_rewind(struct walk *w, const struct sync_env *env);

/* Nothing is at hand: take more. False: the table has no more, the walk stands at its end. */
bool walk_load(struct walk *w, const struct sync_env *env) __attribute__((warn_unused_result));

/* The flow at hand, FLOW_ID_NONE when there is none: walk_load(). It stays until walk_done(). */
uint32_t walk_next(struct walk *w);

/* The flow at hand is dealt with. */
void walk_done(struct walk *w, const struct sync_env *env);

/* Forget flow id, whose replication state is m: its record is freed. */
void walk_scrub(struct walk *w, struct flow_repl *m, uint32_t id);

#endif
