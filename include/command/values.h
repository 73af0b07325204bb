/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_VALUES_H
#define CONNTRACKD_COMMAND_VALUES_H

#include "base/evloop.h"
#include "base/values.h"
#include "cache/table.h"
#include "channel/channel.h"
#include "command/env.h"
#include "command/gate_values.h"
#include "node/exp_path.h"
#include "node/pipeline.h"
#include "follow/reconcile.h"
#include "follow/takeover.h"
#include "kernel/ct.h"
#include "kernel/ct_inject.h"
#include "sync/sync.h"

/* The values that `-s` shows: one structure for each group, made when somebody asks (report.c), and
 * its table of rows (values.c). Counters of other modules are taken as they are: whoever adds one
 * to such a structure adds one row, and every answer in every format has it. */

struct cache_values {
	const char *name; /* "internal", "external", "stats" */
	uint32_t active;  /* flows that live */
	uint32_t records; /* and those that wait for their end to be acknowledged */
	uint64_t create_failed;
	int64_t memory;		/* bytes; -1: not known */
	int64_t ends_of_others; /* -1: not the external cache */
	struct table_stats stats;
};
extern const struct value_group cache_group; /* -s, -s expect */
extern const struct value_group
	cache_detail_group; /* -s cache: the same values, laid out otherwise */

/* In place of the internal cache: messages made. */
struct bypass_values {
	uint64_t created, updated, destroyed;
};
extern const struct value_group bypass_group;

/* In place of the external cache: what the kernel answered. */
extern const struct value_group inject_group; /* of struct ct_inject_stats */

struct injected_values {
	uint32_t peer_flows; /* flows of the peers only */
	struct ct_inject_stats stats;
};
extern const struct value_group injected_group;

extern const struct value_group traffic_group; /* of struct pipeline_stats */

struct link_values {
	const char *status, *role;
	const char *server, *client; /* TCP only, else NULL */
	const char *unsent;	     /* why datagrams do not leave; NULL: they do */
	bool trouble;		     /* any of what is shown only then */
	struct channel_link_stats stats;
};
extern const struct value_group link_group;	   /* -s link */
extern const struct value_group active_link_group; /* -s, -s network: the same values */

extern const struct value_group tracking_group; /* of struct sync_stats: -s */
extern const struct value_group received_group; /* the same: -s network */
extern const struct value_group sequence_group;
extern const struct value_group repair_group;
extern const struct value_group replication_group;

struct unsent_values {
	bool cached;	    /* there is an internal cache */
	int64_t indistinct; /* now; -1: not known */
	uint64_t indistinct_total;
	uint64_t helpers;
	int64_t zoned; /* now; -1: not known */
	uint64_t zoned_total;
};
extern const struct value_group unsent_group;

struct queue_values {
	const char *name;
	uint32_t length, max;
	uint64_t refused;
};
extern const struct value_group queue_group;
extern const struct value_group queue_nodes_group; /* of struct sync_queues */

struct helper_values {
	const char *name, *family, *protocol;
	uint32_t queue_num;
	uint64_t packets, mangled, unreadable, verdicts;
	uint64_t made, refreshed, refused;
	/* by reason */
	uint64_t taken, full, split, no_nat, other;
	uint32_t waiting; /* the kernel's figures about the queue */
	uint64_t dropped_length, dropped_socket;
};
extern const struct value_group helper_group;
extern const struct value_group wait_group; /* -s gate, of struct awaiting_values */
extern const struct value_group gate_group; /* -s gate, of struct gating_values */

struct uptime_values {
	int64_t seconds;
};
extern const struct value_group uptime_group;

struct runtime_values {
	uint64_t filtered; /* of flows and expectations */
	uint64_t resyncs;  /* with the kernel, of both */
	struct ct_events_stats events;
	struct pipeline_stats pipeline;
	struct reconcile_stats reconcile;
	struct takeover_stats takeover;
	struct ev_stats loop;
	struct command_counts counts;
	struct control_stats socket;
};
extern const struct value_group netlink_group, loop_group;

struct node_values {
	bool active;
	int64_t active_s; /* -1: it is not */
	const char *by;	  /* option of the last role command; NULL: none */
	int64_t purge_s;  /* until the flush that -t has scheduled; -1: none is */
	uint64_t purges_ignored;
};
extern const struct value_group node_group;

struct job_values {
	const char *name, *state; /* "runs", "waits" */
	int64_t done, total;	  /* -1: not known */
};
extern const struct value_group job_group;

extern const struct value_group
	external_flush_group; /* of struct external_flush_values (follow/external_flush.h) */

extern const struct value_group standing_group, peer_group, stranger_group; /* -s peers */

/* All groups, for doc/json.md; ends with NULL. */
extern const struct value_group *const value_groups[];

#endif
