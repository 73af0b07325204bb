/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_DAEMON_H
#define CONNTRACKD_DAEMON_DAEMON_H

#include <signal.h>

#include "base/evloop.h"
#include "base/log.h"
#include "base/rate.h"
#include "base/text.h"
#include "command/env.h"
#include "conf/conf.h"
#include "follow/activity.h"
#include "follow/jobs.h"
#include "follow/entry_timeout.h"
#include "daemon/lock.h"
#include "daemon/notify.h"
#include "node/pipeline.h"
#include "follow/reconcile.h"
#include "daemon/sync_log.h"
#include "follow/takeover.h"

struct blind;
struct channel;
struct commands;
struct ct_events;
struct external_flush;
struct expecting;
struct ct_inject;
struct exp_inject;
struct flowlog;
struct awaiting;
struct gating;
struct helpers;
struct jobs;
struct bulk_dump;
struct addrs;
struct leaving;
struct role;
struct roles;
struct job_clients;

/* Every long-lived object of the running daemon, in the order in which they are opened. Closed in
 * reverse. All owned, NULL until opened; conf is borrowed. */
struct daemon {
	const struct conf *conf;
	struct lockfile lock;
	struct evloop *loop;
	struct activity *activity;	 /* is this node active, since when */
	struct role *role;		 /* NULL in the statistics mode */
	struct addrs *addrs;		 /* of this machine; NULL: they cannot be followed */
	struct leaving *leaving;	 /* flows whose address leaves; NULL without addrs */
	struct roles *roles;		 /* who tells it, and is told */
	struct job_clients *job_clients; /* clients that wait for what goes on without them */
	struct jobs *jobs;		 /* long work: what runs and what waits */
	struct last_commit last_commit;
	struct commands *commands;
	struct command_env env; /* of the objects, what commands need; filled by wiring.c */
	struct flow_filter *filter;
	struct takeover *takeover;
	struct timeout_refresh *timeout_refresh; /* with inject and an internal cache */
	struct ct_inject *inject;		 /* NULL unless DisableExternalCache is on */
	struct log_limit refused_log;		 /* of flows that the kernel has not taken */
	struct exp_inject *inject_expects;	 /* the same, with ExpectationSync */
	struct channel *channel;		 /* NULL in the statistics mode */
	struct pipeline *pipeline;
	struct external_flush *external_flush; /* -f external */
	struct sync_log sync_log;	       /* how often what replication reports was said */
	struct reconcile *reconcile;	       /* NULL without internal cache */
	struct bulk_dump *bulk_dump;	       /* NULL with it */
	struct expecting *expecting;	       /* NULL without ExpectationSync */
	struct ct_events *events;
	struct rate intake;		    /* of events */
	struct blind *blind;		    /* NULL with PollSecs */
	struct gating *gating;		    /* NULL without Gate, or without external cache */
	struct awaiting *awaiting;	    /* with Gate, and without external cache */
	struct helpers *helpers;	    /* NULL without section Helper */
	struct flowlog *flowlog;	    /* NULL outside the statistics mode */
	struct ev_timer tick;		    /* next deadline of the pipeline */
	struct ev_hook turn;		    /* end of each loop turn: send what it changed */
	struct ev_work more;		    /* there is more to send or sweep at once */
	struct entry_timeout entry_timeout; /* of what does not pass a commit */
	struct mono timeouts_read;	    /* when its timeouts were */
	struct notify notify;		    /* set by the starter before daemon_run() */
	struct mono started;
	bool stopping;
	bool overrun_said; /* the one line about a buffer that turned out too small */
	bool filled;	   /* the start-up dump has ended */
	int fill_err;
};

/* Open everything and read the kernel table (serving events and peers meanwhile). in_select: signal
 * mask inside pselect(). 0 when the daemon is ready; -errno with a line for people in *err when it
 * cannot run: everything opened so far is closed again then. */
int daemon_open(struct daemon *d, const struct conf *conf, const sigset_t *in_select,
		struct text *err);

/* Run until TERM, INT or -k. 0, or -errno when the loop failed. */
int daemon_run(struct daemon *d, const sigset_t *in_select);

/* Orderly end. Safe on a half-opened daemon. */
void daemon_close(struct daemon *d);

/* End the loop after this turn (-k). */
void daemon_stop(struct daemon *d);

/* Most flows per table: HashLimit, or the larger of 262144 and nf_conntrack_max. */
uint32_t daemon_flow_limit(const struct conf *conf);

#endif
