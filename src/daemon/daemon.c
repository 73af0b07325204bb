/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wiring and lifetime: opens every object in order, connects their callbacks, closes in exact reverse.
 *
 * What happens in one turn of the loop: descriptors are served (control socket, sync channel, event socket, dump and
 * batch sockets), long jobs get a step each, and then daemon_turn() sends what all of that changed. */
#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "channel/channel.h"
#include "daemon/commands.h"
#include "daemon/expecting.h"
#include "daemon/renew.h"
#include "daemon/signals.h"
#include "daemon/teller.h"
#include "kernel/ct.h"
#include "kernel/ct_inject.h"
#include "kernel/exp_inject.h"
#include "stats/flowlog.h"
#include "wire/hdr.h"

#define FLOW_LIMIT_DEFAULT 262144u

_Static_assert((int)PIPELINE_FLOW_NEW == (int)CT_EVENT_NEW && (int)PIPELINE_FLOW_UPDATE == (int)CT_EVENT_UPDATE &&
	       (int)PIPELINE_FLOW_DESTROY == (int)CT_EVENT_DESTROY, "events are handed through");

/* ---- kernel -> pipeline ---- */

static void on_event(void *ctx, enum ct_event what, const struct ct_flow *f, struct mono now)
{
	struct daemon *d = ctx;

	pipeline_event(d->pipeline, (enum pipeline_event)what, f, now);
}

static uint32_t on_ahead(void *ctx, const struct ct_flow *f)
{
	const struct daemon *d = ctx;

	return pipeline_ahead(d->pipeline, f);
}

static void on_next(void *ctx, uint32_t hint)
{
	const struct daemon *d = ctx;

	pipeline_next(d->pipeline, hint);
}

static void on_expect(void *ctx, enum ct_event what, const struct ct_expect *e, struct mono now)
{
	struct daemon *d = ctx;

	expecting_event(d->expecting, what, e, now);
}

static void on_overrun(void *ctx, struct mono now)
{
	struct daemon *d = ctx;
	const struct ct_events_stats *s = ct_events_stats(d->events);

	if (!d->overrun_said) {
		d->overrun_said = true;
		log_warnx("the kernel dropped events: the netlink buffer of %" PRIu32 " bytes is too small, %" PRIu32
			  " would have done (NetlinkBufferSize); %s", s->buffer_bytes, s->wanted_bytes,
			  d->reconcile ? "comparing with the kernel table" : "the peers are told all flows anew, but a "
			  "1.4.x keeps those whose end was lost");
	}
	if (d->conf->kernel.overrun_resync_s == 0)
		return;
	if (d->reconcile)
		reconcile_start(d->reconcile, RECONCILE_OVERRUN, now);
	else
		pipeline_lost(d->pipeline);
}

static void on_filled(struct daemon *d, int err)
{
	d->filled = true;
	d->fill_err = err;
}

/* The cache of flows has been compared with the kernel. Expectations are looked at after it, when their masters are
 * known. */
static void on_reconciled(void *ctx, enum reconcile_reason why, int err, struct mono now)
{
	static const enum expecting_reason follow[] = {
		[RECONCILE_START] = EXPECTING_START,
		[RECONCILE_OVERRUN] = EXPECTING_COMPARE,
		[RECONCILE_COMMAND] = EXPECTING_COMMAND,
		[RECONCILE_VERIFY] = EXPECTING_COMPARE,
		[RECONCILE_ADOPT] = EXPECTING_ADOPT,
		[RECONCILE_POLL] = EXPECTING_COMPARE,
	};
	struct daemon *d = ctx;

	if (d->expecting && err == 0)
		expecting_compare(d->expecting, follow[why], now);
	else if (why == RECONCILE_START)
		on_filled(d, err);
	else if (why == RECONCILE_COMMAND)
		commands_resynced(d->commands, false, err, now);
}

static void on_expects_compared(void *ctx, unsigned int why, int err, struct mono now)
{
	struct daemon *d = ctx;

	if (why & EXPECTING_START)
		on_filled(d, err);
	if (why & EXPECTING_COMMAND)
		commands_resynced(d->commands, false, err, now);
	if (why & EXPECTING_COMMAND_EXP)
		commands_resynced(d->commands, true, err, now);
}

/* ---- network -> pipeline ---- */

/* A message of a stream. One whose length cannot be ends the connection, so it is counted here. */
static ssize_t on_frame(void *ctx, const uint8_t *bytes, size_t n)
{
	struct daemon *d = ctx;
	struct cursor stream = cur_init(bytes, n), body;
	struct wire_hdr hdr;
	enum wire_err err = wire_next_stream(&stream, &hdr, &body);

	if (err == WIRE_MORE)
		return 0;
	if (err == WIRE_OK || err == WIRE_BAD_VERSION)	/* that one is skipped, as in a datagram */
		return hdr.len;
	sync_count_refused(pipeline_sync(d->pipeline), err);
	return -1;
}

static void on_datagram(void *ctx, const struct channel_from *from, const uint8_t *bytes, size_t n, struct mono now)
{
	struct daemon *d = ctx;
	struct sync_source source = { .family = from->family, .link = from->link };

	memcpy(source.addr, from->addr, sizeof(source.addr));
	pipeline_datagram(d->pipeline, &source, bytes, n, now);
}

/* ---- network -> pipeline -> kernel, without external cache ---- */

static void on_inject(void *ctx, enum sync_change what, const struct ct_flow *flow, struct mono now)
{
	struct daemon *d = ctx;

	switch (what) {
	case SYNC_NEW:
		ct_inject_put(d->inject, flow, pipeline_in_kernel(d->pipeline, flow), now);
		return;
	case SYNC_UPDATE:
	case SYNC_REPLACE:
		ct_inject_put(d->inject, flow, true, now);
		return;
	case SYNC_DESTROY:
		ct_inject_end(d->inject, flow, pipeline_lives_here(d->pipeline, flow), now);
		return;
	}
}

static void on_stored(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct daemon *d = ctx;

	pipeline_injected(d->pipeline, f, now);
}

static void on_adopt(void *ctx)
{
	struct daemon *d = ctx;

	if (d->reconcile)
		reconcile_start(d->reconcile, RECONCILE_ADOPT, evloop_now(d->loop));
}

/* Its master may be among the news that wait. */
static void on_inject_expect(void *ctx, bool gone, const struct ct_expect *e)
{
	struct daemon *d = ctx;
	struct mono now = evloop_now(d->loop);

	ct_inject_flush(d->inject, now);
	if (gone)
		exp_inject_end(d->inject_expects, e, now);
	else
		exp_inject_put(d->inject_expects, e, now);
}

static bool is_our_expect(void *ctx, const struct ct_expect *e)
{
	struct daemon *d = ctx;

	return exp_path_ours(pipeline_expects(d->pipeline), e);
}

static void on_removed_expect(void *ctx, const struct ct_expect *e)
{
	struct daemon *d = ctx;

	exp_path_removed(pipeline_expects(d->pipeline), e);
}

/* Its event is filtered, and the peer that told us need not hear it again. */
static void on_removed(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct daemon *d = ctx;

	pipeline_purged(d->pipeline, f, now);
}

/* ---- pipeline -> network ---- */

static struct writer *net_datagram(void *ctx)
{
	struct daemon *d = ctx;

	return channel_datagram(d->channel);
}

static bool net_even(void *ctx)
{
	struct daemon *d = ctx;

	return channel_even(d->channel);
}

static void net_send(void *ctx)
{
	struct daemon *d = ctx;

	channel_send(d->channel);
}

static void net_flush(void *ctx)
{
	struct daemon *d = ctx;

	channel_flush(d->channel);
}

/* ---- kernel -> network, without internal cache ---- */

static void on_dump(void *ctx)
{
	struct daemon *d = ctx;

	teller_start(d->teller);
}

static void on_dump_pause(void *ctx, bool pause)
{
	struct daemon *d = ctx;

	teller_pause(d->teller, pause);
}

static void on_dump_expects(void *ctx)
{
	struct daemon *d = ctx;

	expecting_compare(d->expecting, EXPECTING_TELL, evloop_now(d->loop));
}

static void on_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	switch ((enum log_level)level) {
	case LOG_LVL_INFO:
		log_info("%s", text);
		return;
	case LOG_LVL_NOTICE:
		log_notice("%s", text);
		return;
	case LOG_LVL_WARNING:
		log_warnx("%s", text);
		return;
	case LOG_LVL_ERROR:
		log_errx("%s", text);
		return;
	}
}

/* nf_conntrack_max may have been raised since the start. */
static void on_full(void *ctx)
{
	struct daemon *d = ctx;
	uint32_t limit = daemon_flow_limit(d->conf);

	table_set_limit(pipeline_own(d->pipeline), limit);
	if (pipeline_external(d->pipeline))
		table_set_limit(external_table(pipeline_external(d->pipeline)), limit);
	if (pipeline_expects(d->pipeline))
		exp_path_set_limit(pipeline_expects(d->pipeline), limit);
}

/* ---- pipeline -> flow log ---- */

static void on_ended(void *ctx, const struct ct_flow *f)
{
	struct daemon *d = ctx;

	if (d->flowlog)
		flowlog_flow(d->flowlog, f, clock_wall_s());
}

/* ---- turns and time ---- */

static uint32_t flows_alive(const struct flow_table *t)
{
	return table_count(t) - table_count_dead(t);
}

static void tell_status(struct daemon *d, struct mono now)
{
	uint32_t own = flows_alive(pipeline_own(d->pipeline));
	struct external *external = pipeline_external(d->pipeline);

	if (external && d->teller)
		notify_status(&d->notify, now, "%" PRIu32 " flows of its peers", flows_alive(external_table(external)));
	else if (d->teller)
		notify_status(&d->notify, now, "no caches");
	else if (external)
		notify_status(&d->notify, now, "%" PRIu32 " flows of this node, %" PRIu32 " of its peers", own,
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
	struct mono next;

	if (d->inject)
		ct_inject_flush(d->inject, now);
	next = pipeline_turn(d->pipeline, now, &again);
	if (d->inject)
		ct_inject_flush(d->inject, now);	/* what a gap that was given up has let through */

	if (d->reconcile)
		reconcile_watch(d->reconcile, now);
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

/* The timer only has to end the sleep: daemon_turn() runs at the end of the turn anyway. */
static void on_tick(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

static void on_writable(void *ctx, struct mono now)
{
	on_tick(ctx, now);
}

static bool on_more(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
	return false;	/* one more turn, which ends in daemon_turn() */
}

static void on_batch_end(void *ctx, struct mono now)
{
	on_tick(ctx, now);
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
		log_warn("cannot set the scheduler to %s, priority %u", policy == SCHED_RR ? "RR" : "FIFO",
			 sched->priority);
}

static int open_pipeline(struct daemon *d, struct mono now, struct text *err)
{
	const struct conf *conf = d->conf;
	struct pipeline_conf pconf = {
		.sync = conf->mode == CONF_MODE_SYNC ? &conf->sync : NULL,
		.filter = d->filter,
		.no_external = conf->sync.disable_external,
		.no_internal = conf->mode == CONF_MODE_SYNC && conf->sync.disable_internal,
		.rules = {
			.no_timeout = conf->sync.commit_timeout_s > 0,
			.wscale = conf->sync.tcp_window_tracking,
		},
		.buckets = conf->cache.hash_size,
		.limit_internal = daemon_flow_limit(conf),
		.limit_external = daemon_flow_limit(conf),
		.first_seq = (uint32_t)clock_wall_s(),
	};
	struct pipeline_env env = {
		.ctx = d,
		.datagram = net_datagram,
		.even = net_even,
		.send = net_send,
		.flush = net_flush,
		.log = on_log,
		.full = on_full,
		.ended = on_ended,
		.inject = on_inject,
		.adopt = on_adopt,
		.inject_expect = on_inject_expect,
		.dump = on_dump,
		.dump_pause = on_dump_pause,
		.dump_expects = on_dump_expects,
	};
	int ret = hash_key_random(&pconf.key);

	if (ret < 0) {
		text_printf(err, "no random numbers: %s", strerror(-ret));
		return ret;
	}
	d->pipeline = pipeline_new(&pconf, &env, now);
	if (!d->pipeline) {
		text_str(err, "not enough memory for the flow tables (HashSize) or the resend queue (ResendQueueSize)");
		return -ENOMEM;
	}
	takeover_set_pipeline(d->takeover, d->pipeline);
	return 0;
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
	struct reconcile_cb cb = { .ctx = d, .done = on_reconciled };
	uint32_t poll_s = d->conf->kernel.poll_s;

	if (pipeline_internal(d->pipeline))
		return reconcile_open(d->loop, d->pipeline, poll_s, &cb, &d->reconcile, err);
	log_notice("disabling internal cache");
	return teller_open(d->loop, d->pipeline, poll_s, &d->teller, err);
}

static int open_kernel(struct daemon *d, struct text *err)
{
	struct ct_events_cb cb = {
		.ctx = d,
		.event = on_event,
		.ahead = on_ahead,
		.next = on_next,
		.batch_end = on_batch_end,
		.overrun = on_overrun,
	};
	struct expecting_cb xcb = { .ctx = d, .done = on_expects_compared };
	uint32_t own[TAKEOVER_SOCKETS + 2];
	size_t n_own = takeover_portids(d->takeover, own);
	int ret = open_table(d, err);

	if (ret == 0 && d->inject && d->reconcile)
		ret = renew_open(d->loop, d->pipeline, &d->renew, err);
	if (ret == 0 && pipeline_expects(d->pipeline))
		ret = expecting_open(d->loop, d->pipeline, &xcb, &d->expecting, err);
	if (d->inject)
		own[n_own++] = ct_inject_portid(d->inject);
	if (d->inject_expects)
		own[n_own++] = exp_inject_portid(d->inject_expects);
	if (ret < 0)
		return ret;
	if (d->conf->mode == CONF_MODE_STATS && !kernel_counts())
		log_warnx("nf_conntrack_acct is 0: the kernel does not count, so ended flows are logged without packets and "
			  "bytes, and \"traffic processed\" stays 0 (sysctl net.netfilter.nf_conntrack_acct=1)");
	if (d->conf->kernel.poll_s > 0) {
		log_notice("running in polling mode");
		return 0;
	}
	if (d->expecting)
		cb.expect = on_expect;
	if (d->conf->kernel.events_sysctl && ct_events_ensure_enabled() == 2)
		log_notice("nf_conntrack_events set from 2 (automatic) to 1, so that every flow reports its end");
	ret = ct_events_open(&d->conf->kernel, &d->conf->filter, d->loop, &cb, own, n_own, &d->events, err);
	if (ret == 0 && d->inject)
		ct_events_set_prompt(d->events);
	return ret;
}

static int open_channel(struct daemon *d, struct text *err)
{
	struct channel_cb cb = { .ctx = d, .datagram = on_datagram, .frame = on_frame, .writable = on_writable };
	int ret;

	if (d->conf->mode != CONF_MODE_SYNC)
		return 0;
	ret = channel_open(&d->conf->channel, d->loop, &cb, &d->channel, err);
	if (ret == 0 && d->inject)	/* a flow costs some 15 us in the kernel, against less than one in a cache */
		channel_set_rounds(d->channel, 1);
	return ret;
}

static int open_inject(struct daemon *d, struct text *err)
{
	const struct sync_conf *sync = &d->conf->sync;
	struct ct_inject_cb cb = { .ctx = d, .stored = on_stored, .removed = on_removed };
	struct exp_inject_cb exp_cb = { .ctx = d, .ours = is_our_expect, .removed = on_removed_expect };
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
	struct takeover_cb cb = {
		.ctx = d->commands,
		.commit_done = commands_committed,
		.flush_done = commands_flushed,
	};

	d->filter = flow_filter_new(&d->conf->filter);
	if (!d->filter)
		return -ENOMEM;
	return takeover_open(d->loop, &d->conf->sync, d->filter, &cb, &d->takeover, err);
}

/* Read the kernel table; events and peers are served meanwhile. The event socket is open already, so what changes
 * during the dump is not missed. */
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
		text_printf(err, "cannot read the kernel's conntrack table: %s", strerror(-d->fill_err));
	return d->fill_err;
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
	ret = commands_open(d, &d->conf->control, &d->commands, err);
	if (ret == 0)
		ret = open_takeover(d, err);
	if (ret == 0)
		ret = open_inject(d, err);
	if (ret == 0)
		ret = open_channel(d, err);
	if (ret == 0)
		ret = open_pipeline(d, d->started, err);
	if (ret == 0)
		ret = open_kernel(d, err);
	if (ret == 0)		/* last: what fails before leaves no file behind */
		ret = open_flowlog(d, err);
	if (ret < 0)
		return ret;
	d->tick = (struct ev_timer){ .cb = on_tick, .ctx = d, .name = "tick" };
	d->more = (struct ev_work){ .step = on_more, .ctx = d, .name = "more" };
	d->turn = (struct ev_hook){ .cb = daemon_turn, .ctx = d, .name = "transmit" };
	ret = fill_cache(d, in_select, err);
	/* Nothing is sent before the cache is complete: a peer removes what an answer to its RESYNC does not show. */
	ev_hook_add(d->loop, &d->turn);
	return ret;
}

int daemon_open(struct daemon *d, const struct conf *conf, const sigset_t *in_select, struct text *err)
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
	flowlog_close(d->flowlog);
	ct_events_close(d->events);
	expecting_close(d->expecting);
	renew_close(d->renew);
	teller_close(d->teller);
	reconcile_close(d->reconcile);
	pipeline_free(d->pipeline);
	channel_close(d->channel);
	exp_inject_close(d->inject_expects);
	ct_inject_close(d->inject);
	takeover_close(d->takeover);
	flow_filter_free(d->filter);
	commands_stop(d->commands);
	evloop_free(d->loop);
	lockfile_drop(&d->lock);
	commands_free(d->commands);	/* `-k` returns now: neither socket nor lock exists any more */
	*d = (struct daemon){ .lock = { .fd = -1 } };
}
