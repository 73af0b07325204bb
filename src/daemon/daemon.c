/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lifetime: opens every object in order, runs, closes in exact reverse. Their callbacks are in
 * wiring.c.
 *
 * What happens in one turn of the loop: descriptors are served (control socket, sync channel, event
 * socket, dump and batch sockets), long jobs get a step each, and then daemon_turn() sends what all
 * of that changed. */
#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "follow/blind.h"
#include "command/commands.h"
#include "daemon/awaiting.h"
#include "daemon/gating.h"
#include "daemon/helpers.h"
#include "follow/jobs.h"
#include "follow/timeout_refresh.h"
#include "daemon/roles.h"
#include "daemon/signals.h"
#include "follow/bulk_dump.h"
#include "command/job_clients.h"
#include "daemon/wiring.h"
#include "kernel/ct_timeouts.h"
#include "stats/flowlog.h"

#define FLOW_LIMIT_DEFAULT 262144u

/* ---- turns and time ---- */

static uint32_t flows_alive(const struct flow_table *t)
{
	return table_count(t) - table_count_dead(t);
}

static void tell_status(struct daemon *d, struct mono now)
{
	uint32_t own = flows_alive(pipeline_own(d->pipeline));
	struct external *external = pipeline_external(d->pipeline);

	if (external && d->bulk_dump)
		notify_status(&d->notify, now, "%" PRIu32 " flows of its peers",
			      flows_alive(external_table(external)));
	else if (d->bulk_dump)
		notify_status(&d->notify, now, "no caches");
	else if (external)
		notify_status(&d->notify, now,
			      "%" PRIu32 " flows of this node, %" PRIu32 " of its peers", own,
			      flows_alive(external_table(external)));
	else if (pipeline_sync(d->pipeline))
		notify_status(&d->notify, now, "%" PRIu32 " flows of this node", own);
	else
		notify_status(&d->notify, now, "statistics of %" PRIu32 " flows", own);
}

static void daemon_turn(void *ctx, struct mono now)
{
	struct daemon *d = ctx;
	bool again = false;
	struct mono next = pipeline_turn(d->pipeline, now, &again);

	if (d->events)
		rate_look(&d->intake, ct_events_stats(d->events)->received, now);
	external_flush_turn(d->external_flush, now);
	if (d->gating)
		gating_turn(d->gating, now);
	if (d->flowlog)
		flowlog_flush(d->flowlog, now);
	if (notify_status_due(&d->notify, now))
		tell_status(d, now);
	if (again)
		ev_work_arm(d->loop, &d->more);
	if (mono_is_set(next))
		ev_timer_set(d->loop, &d->tick, next);
	else
		ev_timer_del(d->loop, &d->tick);
}

static void daemon_turn_injecting(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	ct_inject_flush(d->inject, now);
	daemon_turn(d, now);
	if (d->awaiting)
		awaiting_turn(d->awaiting, now);
	ct_inject_flush(d->inject, now); /* what a gap that was given up has let through */
}

/* The timer only has to end the sleep: daemon_turn() runs at the end of the turn anyway. */
static void on_tick(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

static bool on_more(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
	return false; /* one more turn, which ends in daemon_turn() */
}

/* ---- opening ---- */

uint32_t daemon_flow_limit(const struct conf *conf)
{
	unsigned int max = 0;
	FILE *f;

	if (conf->cache.hash_limit > 0)
		return conf->cache.hash_limit;
	f = fopen("/proc/sys/net/netfilter/nf_conntrack_max", "re");
	if (f) {
		if (fscanf(f, "%u", &max) != 1)
			max = 0;
		fclose(f);
	}
	return max > FLOW_LIMIT_DEFAULT ? max : FLOW_LIMIT_DEFAULT;
}

static void open_scheduler(const struct conf_sched *sched)
{
	struct sched_param param = { .sched_priority = (int)sched->priority };
	int policy = sched->type == CONF_SCHED_RR ? SCHED_RR : SCHED_FIFO;

	if (sched->type == CONF_SCHED_UNSET)
		return;
	if (sched_setscheduler(0, policy, &param) == -1)
		log_warn("cannot set the scheduler to %s, priority %u",
			 policy == SCHED_RR ? "RR" : "FIFO", sched->priority);
}

static int open_empty(struct daemon *d)
{
	const struct external_flush_conf conf = wiring_empty(d);

	d->external_flush = external_flush_new(&conf);
	return d->external_flush ? 0 : -ENOMEM;
}

static int open_pipeline(struct daemon *d, struct mono now, struct text *err)
{
	const struct conf *conf = d->conf;
	struct pipeline_conf pconf = {
		.sync = conf->mode == CONF_MODE_SYNC ? &conf->sync : NULL,
		.filter = d->filter,
		.no_external = conf->sync.disable_external,
		.no_internal = conf->mode == CONF_MODE_SYNC && conf->sync.disable_internal,
		.proto = &proto_v1,
		.rules = {
			.no_timeout = conf->sync.commit_timeout_s > 0,
			.wscale = conf->sync.tcp_window_tracking,
		},
		.buckets = conf->cache.hash_size,
		.limit_internal = daemon_flow_limit(conf),
		.limit_external = daemon_flow_limit(conf),
		.first_seq = (uint32_t)clock_wall_s(),
	};
	struct pipeline_env env = wiring_pipeline(d);
	int ret = hash_key_random(&pconf.key);

	if (ret < 0) {
		text_printf(err, "no random numbers: %s", strerror(-ret));
		return ret;
	}
	d->pipeline = pipeline_new(&pconf, &env, now);
	if (!d->pipeline) {
		text_str(err, "not enough memory for the flow tables (HashSize) or the resend "
			      "queue (ResendQueueSize)");
		return -ENOMEM;
	}
	takeover_set_pipeline(d->takeover, d->pipeline,
			      conf->kernel.poll_s == 0 && conf->filter.state_policy == FILTER_NONE);
	return open_empty(d);
}

/* In doubt it does. */
static bool kernel_counts(void)
{
	FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_acct", "re");
	int c = f ? fgetc(f) : '1';

	if (f)
		fclose(f);
	return c != '0';
}

/* What keeps the peers' idea of our kernel table right. */
static int open_table(struct daemon *d, struct text *err)
{
	struct reconcile_cb cb = wiring_reconcile(d);
	uint32_t poll_s = d->conf->kernel.poll_s;

	if (pipeline_internal(d->pipeline))
		return reconcile_open(d->loop, d->pipeline, poll_s, &cb, &d->reconcile, err);
	log_notice("disabling internal cache");
	return bulk_dump_open(d->loop, d->pipeline, poll_s, &d->bulk_dump, err);
}

static int open_kernel(struct daemon *d, struct text *err)
{
	struct ct_events_cb cb;
	struct expecting_cb xcb = wiring_expecting(d);
	uint32_t own[TAKEOVER_SOCKETS + 3];
	size_t n_own = takeover_portids(d->takeover, own);
	int ret = open_table(d, err);

	if (ret == 0 && d->inject && d->reconcile)
		ret = timeout_refresh_open(d->loop, d->pipeline, &d->timeout_refresh, err);
	if (ret == 0 && pipeline_expects(d->pipeline))
		ret = expecting_open(d->loop, d->pipeline, &xcb, &d->expecting, err);
	if (d->inject)
		own[n_own++] = ct_inject_portid(d->inject);
	if (d->inject_expects)
		own[n_own++] = exp_inject_portid(d->inject_expects);
	if (d->helpers)
		own[n_own++] = helpers_portid(d->helpers);
	if (ret < 0)
		return ret;
	if (d->conf->mode == CONF_MODE_STATS && !kernel_counts())
		log_warnx("nf_conntrack_acct is 0: the kernel does not count, so ended flows are "
			  "logged without packets and bytes, and \"traffic processed\" stays 0 "
			  "(sysctl net.netfilter.nf_conntrack_acct=1)");
	if (d->conf->kernel.poll_s > 0) {
		log_notice("running in polling mode");
		return 0;
	}
	if (d->conf->kernel.events_sysctl && ct_events_ensure_enabled() == 2)
		log_notice("nf_conntrack_events set from 2 (automatic) to 1, so that every flow "
			   "reports its end");
	cb = wiring_events(d);
	ret = ct_events_open(&d->conf->kernel, &d->conf->filter, d->loop, &cb, own, n_own,
			     &d->events, err);
	if (ret == 0 && d->inject)
		ct_events_set_prompt(d->events);
	return ret;
}

static int open_channel(struct daemon *d, struct text *err)
{
	struct channel_cb cb = wiring_channel(d);
	int ret;

	if (d->conf->mode != CONF_MODE_SYNC)
		return 0;
	ret = channel_open(&d->conf->channel, d->loop, &cb, &d->channel, err);
	/* a flow costs some 15 us in the kernel, against less than one in a cache */
	if (ret == 0 && d->inject)
		channel_set_rounds(d->channel, 1);
	return ret;
}

static int open_inject(struct daemon *d, struct text *err)
{
	const struct sync_conf *sync = &d->conf->sync;
	struct ct_inject_cb cb = wiring_inject(d);
	struct exp_inject_cb exp_cb = wiring_inject_expects(d);
	int ret;

	if (d->conf->mode != CONF_MODE_SYNC || !sync->disable_external)
		return 0;
	log_notice("disabling external cache");
	ret = ct_inject_open(d->loop, !sync->tcp_window_tracking, &cb, &d->inject, err);
	if (ret == 0 && sync->expect.on)
		ret = exp_inject_open(&exp_cb, &d->inject_expects, err);
	return ret;
}

static int open_flowlog(struct daemon *d, struct text *err)
{
	const struct log_conf *log = &d->conf->stats.log;
	int ret;

	if (d->conf->mode != CONF_MODE_STATS)
		return 0;
	ret = flowlog_open(log, &d->flowlog);
	if (ret < 0)
		text_printf(err, "cannot open the log of flows %s: %s", log->path, strerror(-ret));
	return ret;
}

static int open_takeover(struct daemon *d, struct text *err)
{
	d->filter = flow_filter_new(&d->conf->filter);
	if (!d->filter)
		return -ENOMEM;
	return takeover_open(d->loop, &d->conf->sync, d->filter, d->activity, d->jobs, &d->takeover,
			     err);
}

/* Without external cache there is nothing to commit; what a packet may wait for is under way. */
static int open_gate(struct daemon *d, struct text *err)
{
	int ret;

	if (!d->conf->gate.on || d->conf->mode != CONF_MODE_SYNC)
		return 0;
	if (d->inject)
		return awaiting_open(d->loop, &d->conf->gate, &d->awaiting, err);
	ret = gating_open(d->loop, &d->conf->gate, &d->conf->channel, d->activity, d->jobs,
			  takeover_commit(d->takeover), &d->gating, err);
	if (ret == 0)
		gating_set_pipeline(d->gating, d->pipeline);
	return ret;
}

/* Read the kernel table; events and peers are served meanwhile. The event socket is open already,
 * so what changes during the dump is not missed. */
static int fill_cache(struct daemon *d, const sigset_t *in_select, struct text *err)
{
	if (!d->reconcile)
		return 0;
	reconcile_start(d->reconcile, RECONCILE_START, evloop_now(d->loop));
	while (!d->filled && !d->stopping) {
		int ret = evloop_turn(d->loop, in_select, -1);

		if (ret < 0) {
			text_printf(err, "the event loop failed: %s", strerror(-ret));
			return ret;
		}
		if (signals_take_stop())
			daemon_stop(d);
	}
	if (d->fill_err < 0)
		text_printf(err, "cannot read the kernel's conntrack table: %s",
			    strerror(-d->fill_err));
	return d->fill_err;
}

/* Statistics know no role. */
static int open_jobs(struct daemon *d)
{
	const char *socket_path = d->conf->control.path;
	char path[sizeof(d->conf->control.path) + sizeof(ACTIVITY_SUFFIX)];

	snprintf(path, sizeof(path), "%s" ACTIVITY_SUFFIX, socket_path);
	d->activity = activity_open(d->conf->mode == CONF_MODE_SYNC ? path : NULL, d->started);
	d->job_clients = job_clients_new(&d->env);
	if (!d->activity || !d->job_clients)
		return -ENOMEM;
	d->jobs = jobs_new(wiring_job_ended, d);
	if (!d->jobs)
		return -ENOMEM;
	wiring_jobs(d);
	return 0;
}

/* After the cache has been filled: there is something to compare from the first look on. */
static int open_blind(struct daemon *d)
{
	struct blind_cb cb = wiring_blind(d);

	return blind_open(d->loop, &cb, d->conf->kernel.events_sysctl, &d->blind);
}

static int open_all(struct daemon *d, const sigset_t *in_select, struct text *err)
{
	int ret = lockfile_take(&d->lock, d->conf->lockfile, err);

	if (ret < 0)
		return ret;
	open_scheduler(&d->conf->sched);
	d->loop = evloop_new();
	if (!d->loop)
		return -ENOMEM;
	d->started = clock_now();
	wiring_commands(d);
	ret = open_jobs(d);
	if (ret == 0)
		ret = commands_open(&d->env, &d->conf->control, &d->commands, err);
	if (ret == 0)
		ret = open_takeover(d, err);
	if (ret == 0)
		ret = open_inject(d, err);
	if (ret == 0)
		ret = open_channel(d, err);
	if (ret == 0)
		ret = open_pipeline(d, d->started, err);
	if (ret == 0)
		ret = open_gate(d, err);
	if (ret == 0)
		ret = helpers_open(d->loop, &d->conf->helper, &d->helpers, err);
	if (ret == 0)
		ret = open_kernel(d, err);
	wiring_commands(d); /* the role asks whether this node is ready */
	if (ret == 0)
		ret = roles_open(d);
	if (ret == 0) /* last: what fails before leaves no file behind */
		ret = open_flowlog(d, err);
	if (ret < 0)
		return ret;
	d->tick = (struct ev_timer){ .cb = on_tick, .ctx = d, .name = "tick" };
	d->more = (struct ev_work){ .step = on_more, .ctx = d, .name = "more" };
	d->turn = (struct ev_hook){ .cb = d->inject ? daemon_turn_injecting : daemon_turn,
				    .ctx = d,
				    .name = "transmit" };
	wiring_commands(d); /* from here on the loop turns */
	ret = fill_cache(d, in_select, err);
	if (ret == 0 && d->events)
		ret = open_blind(d);
	wiring_commands(d);
	/* Nothing is sent before the cache is complete: a peer removes what an answer to its RESYNC
	 * does not show. */
	ev_hook_add(d->loop, &d->turn);
	if (ret == 0)
		takeover_resume(d->takeover, evloop_now(d->loop));
	return ret;
}

int daemon_open(struct daemon *d, const struct conf *conf, const sigset_t *in_select,
		struct text *err)
{
	int ret;

	*d = (struct daemon){ .conf = conf, .lock = { .fd = -1 } };
	ret = open_all(d, in_select, err);
	if (ret < 0) {
		if (err->len == 0)
			text_printf(err, "%s", strerror(-ret));
		daemon_close(d);
	}
	return ret;
}

/* ---- running and closing ---- */

static void look_at_signals(void *ctx)
{
	struct daemon *d = ctx;

	if (signals_take_stop())
		daemon_stop(d);
	if (signals_take_reopen()) {
		int ret = log_reopen();

		if (ret < 0) {
			errno = -ret;
			log_err("cannot reopen the log file, the old one stays");
		} else {
			log_notice("log file reopened");
		}
		ret = d->flowlog ? flowlog_reopen(d->flowlog) : 0;
		if (ret < 0) {
			errno = -ret;
			log_err("cannot reopen the log of flows, the old one stays");
		}
	}
}

int daemon_run(struct daemon *d, const sigset_t *in_select)
{
	if (d->stopping)
		return 0;
	notify_begin(&d->notify, d->loop, evloop_now(d->loop));
	return evloop_run(d->loop, in_select, look_at_signals, d);
}

void daemon_stop(struct daemon *d)
{
	d->stopping = true;
	evloop_stop(d->loop);
}

void daemon_close(struct daemon *d)
{
	if (d->loop) {
		ev_hook_del(d->loop, &d->turn);
		ev_work_del(d->loop, &d->more);
		ev_timer_del(d->loop, &d->tick);
	}
	roles_close(d);
	flowlog_close(d->flowlog);
	blind_close(d->blind);
	ct_events_close(d->events);
	expecting_close(d->expecting);
	timeout_refresh_close(d->timeout_refresh);
	bulk_dump_close(d->bulk_dump);
	reconcile_close(d->reconcile);
	external_flush_free(d->external_flush);
	helpers_close(d->helpers);
	gating_close(d->gating);
	awaiting_close(d->awaiting);
	pipeline_free(d->pipeline);
	channel_close(d->channel);
	exp_inject_close(d->inject_expects);
	ct_inject_close(d->inject);
	takeover_close(d->takeover);
	flow_filter_free(d->filter);
	commands_stop(d->commands);
	jobs_free(d->jobs);
	job_clients_free(d->job_clients);
	activity_close(d->activity);
	evloop_free(d->loop);
	lockfile_drop(&d->lock);
	commands_free(d->commands); /* `-k` returns now: neither socket nor lock exists any more */
	*d = (struct daemon){ .lock = { .fd = -1 } };
}
