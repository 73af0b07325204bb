/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_PATH_H
#define CONNTRACKD_DAEMON_PATH_H

#include "base/log.h"
#include "daemon/pipeline.h"

/* The pipeline inside: pipeline.c, and bypass_path.c for what is different without internal cache. For these two only. */

struct pipeline {
	struct internal *internal;
	struct bypass *bypass;		/* one of the two */
	struct flow_table *own;		/* of either */
	struct clash *clash;	/* of the internal cache; NULL without sync */
	struct external *external;
	struct exp_path *expects;	/* NULL without ExpectationSync */
	struct sync *sync;
	const struct flow_filter *filter;
	struct wire_rules rules;
	struct pipeline_env env;
	struct sync_env sync_env;
	struct pipeline_stats stats;
	struct log_limit full_log, full_call, version_log, clash_log;
	struct mono silence_due;	/* when to say that no peer was heard; not set: one was, or it was said */
	uint32_t sweep_peers;	/* bit per peer whose resync is complete and whose stale entries are to go */
	uint64_t sweep_pos;	/* resume point of the lowest of them */
	uint32_t swept;
	uint32_t life_s;	/* ALARM: entries without news for longer expire; 0: none does */
	struct mono expire_due;	/* when to look for some */
	bool expiring;		/* at that, from expire_pos on */
	uint64_t expire_pos;
	uint32_t oldest_s;
	bool dumping, paused;	/* without internal cache: the kernel dump of a full send, and whether it waits for room */
	bool no_room;		/* part of it found none */
	bool lost;		/* states were lost before they got here: to be said at lost_due */
	struct mono lost_due;
};

/* ---- pipeline.c ---- */
/* A table is full or memory is short: that one flow is dropped and counted. */
void path_full(struct pipeline *p, uint64_t *counter, const char *cache, struct mono now);
/* The table has changed: hand the record on to sync/. */
void path_changed(struct pipeline *p, enum internal_change change, uint32_t id, struct mono now);
/* A flow has ended; f says what is known of its last moment. */
void path_ended(struct pipeline *p, const struct ct_flow *f);

/* ---- bypass_path.c ---- */
void bypass_path_event(struct pipeline *p, enum pipeline_event what, const struct ct_flow *f, struct mono now);
/* sync_env.walk */
size_t bypass_path_walk(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n);
/* Tell the peers if something was lost. Returns when to come back. */
struct mono bypass_path_say_lost(struct pipeline *p, struct mono now);

#endif
