/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_ENV_H
#define CONNTRACKD_COMMAND_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/evloop.h"
#include "base/rate.h"
#include "base/text.h"
#include "control/server.h"
#include "follow/activity.h"
#include "follow/jobs.h"
#include "follow/reconcile.h"
#include "follow/takeover.h"
#include "node/pipeline.h"
#include "sync/sync_conf.h"

struct blind;
struct channel;
struct ct_events;
struct ct_inject;
struct external_flush;
struct exp_inject;
struct expecting;
struct role;
struct awaiting_values; /* command/gate_values.h */
struct gating_values;
struct helper_values; /* command/values.h */
struct job_clients;

/* What commands have counted themselves. */
struct command_counts {
	uint64_t resyncs;	 /* -R, each, also one that joins a comparison under way */
	uint64_t expect_resyncs; /* -R with expectations, -R expect */
	uint64_t purges_ignored; /* -t in the statistics mode */
};

/* Helpers in user space, of which commands know no more than this. */
struct command_helpers {
	void *ctx;
	bool named; /* the configuration has section Helper with something in it */
	/* How many are served, and what the i-th has done. */
	size_t (*count)(void *ctx);
	void (*values)(void *ctx, size_t i, struct helper_values *out);
	/* A line about the i-th that the configuration names and nobody serves. False: there are
	 * no more. */
	bool (*unserved)(void *ctx, size_t i, struct text *line);
};

/* All that the commands need of the daemon. Filled by daemon/wiring.c as the objects are opened,
 * and borrowed; so are all pointers. A member is NULL where its object does not exist in this
 * mode. */
struct command_env {
	struct evloop *loop;
	struct pipeline *pipeline;
	struct activity *activity;
	struct role *role; /* NULL in the statistics mode */
	struct jobs *jobs;
	struct job_clients *job_clients;
	struct takeover *takeover;
	struct external_flush *external_flush;
	struct channel *channel;	  /* NULL in the statistics mode */
	struct expecting *expecting;	  /* NULL without ExpectationSync */
	const struct flow_filter *filter; /* of `-i` without internal cache */
	const struct last_commit *last_commit;

	/* ---- for their counters ---- */

	const struct reconcile *reconcile; /* NULL without internal cache */
	const struct ct_inject *inject;	   /* NULL unless the sink is in the kernel */
	const struct exp_inject *inject_expects;
	const struct ct_events *events;	    /* NULL while polling */
	const struct blind *blind;	    /* NULL while polling */
	const struct rate *intake;	    /* of events */
	const struct control_stats *socket; /* of the control socket */
	const struct command_counts *counts;
	struct command_helpers helpers;

	/* ---- facts ---- */

	const struct sync_conf *sync;
	struct mono started;
	const bool *filled;	  /* the kernel table has been read for the internal cache */
	bool only_helpers;	  /* there is neither section Sync nor Stats */
	uint32_t poll_s;	  /* PollSecs; 0: events */
	uint32_t error_queue_len; /* ErrorQueueLength */

	uint32_t listen_s; /* so long a node listens before it is ready for a role */

	void *ctx;
	/* keepalived is to tell the role by a FIFO, and that cannot be read. */
	bool (*role_deaf)(void *ctx);
	/* What the gate has done: packets that wait for the commit, or for the states of their
	 * flows; each NULL where the other one is configured, or no block Gate. */
	void (*gate)(void *ctx, struct gating_values *out);
	void (*await)(void *ctx, struct awaiting_values *out);
	/* End the daemon after this turn of the loop (-k). */
	void (*stop)(void *ctx);
};

#endif
