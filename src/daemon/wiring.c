/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who calls whom: what the objects of the daemon tell each other goes through the callbacks here,
 * one section for each way. An event of the kernel passes on_event(), a datagram of a peer
 * on_datagram(). */
#include "daemon/wiring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "command/commands.h"
#include "command/job_clients.h"
#include "daemon/awaiting.h"
#include "daemon/gating.h"
#include "daemon/helpers.h"
#include "daemon/roles.h"
#include "follow/jobs.h"
#include "follow/leaving.h"
#include "follow/refused.h"
#include "follow/role.h"
#include "follow/bulk_dump.h"
#include "flow/filter_conf.h"
#include "kernel/ct_timeouts.h"
#include "stats/flowlog.h"

#define TIMEOUTS_READ_MS 60000

/* ---- kernel -> pipeline ---- */

static void on_event(void *ctx, enum ct_event what, const struct ct_flow *f, struct mono now)
{
	struct daemon *d = ctx;

	if (d->leaving && leaving_event(d->leaving, what, f, now))
		return;
	pipeline_event(d->pipeline, what, f, now);
}

static void on_expect(void *ctx, enum ct_event what, const struct ct_expect *e, struct mono now)
{
	struct daemon *d = ctx;

	expecting_event(d->expecting, what, e, now);
}

static void say_overrun(struct daemon *d, const char *repair)
{
	const struct ct_events_stats *s = ct_events_stats(d->events);

	if (!d->overrun_said)
		log_warnx("the kernel dropped events: the netlink buffer of %" PRIu32
			  " bytes is too small, %" PRIu32
			  " would have done (NetlinkBufferSize); %s",
			  s->buffer_bytes, s->wanted_bytes, repair);
	d->overrun_said = true;
}

static void on_overrun(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	say_overrun(d, "comparing with the kernel table");
	pipeline_lack(d->pipeline, WHOLE_OVERRUN, now);
	if (d->conf->kernel.overrun_resync_s > 0)
		reconcile_start(d->reconcile, RECONCILE_OVERRUN, now);
}

static void on_overrun_without_cache(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	(void)now;
	say_overrun(
		d, "the peers are told all flows anew, but a 1.4.x keeps those whose end was lost");
	if (d->conf->kernel.overrun_resync_s > 0)
		pipeline_lost(d->pipeline);
}

static void on_filled(struct daemon *d, int err)
{
	d->filled = true;
	d->fill_err = err;
}

static void compared(struct daemon *d, enum job_kind kind, int err, struct mono now)
{
	const struct job_result res = { .err = err };

	jobs_ended(d->jobs, kind, &res, now);
}

/* The cache of flows has been compared with the kernel. Expectations are looked at after it, when
 * their masters are known. */
static void on_reconciled(void *ctx, enum reconcile_reason why, int err, struct mono now)
{
	static const enum expecting_reason follow[] = {
		[RECONCILE_START] = EXPECTING_START,	 [RECONCILE_OVERRUN] = EXPECTING_COMPARE,
		[RECONCILE_COMMAND] = EXPECTING_COMMAND, [RECONCILE_REFRESH] = EXPECTING_REFRESH,
		[RECONCILE_VERIFY] = EXPECTING_COMPARE,	 [RECONCILE_ADOPT] = EXPECTING_ADOPT,
		[RECONCILE_REPAIR] = EXPECTING_COMPARE,	 [RECONCILE_BLIND] = EXPECTING_COMPARE,
		[RECONCILE_POLL] = EXPECTING_COMPARE,
	};
	struct daemon *d = ctx;

	if (why == RECONCILE_BLIND && d->blind)
		blind_compared(d->blind, err == 0, reconcile_stats(d->reconcile)->unheard,
			       reconcile_stats(d->reconcile)->unheard_ends, now);
	if (d->expecting && err == 0)
		expecting_compare(d->expecting, follow[why], now);
	else if (why == RECONCILE_START)
		on_filled(d, err);
	else if (why == RECONCILE_COMMAND)
		compared(d, JOB_COMPARE, err, now);
	else if (why == RECONCILE_REFRESH)
		compared(d, JOB_REFRESH, err, now);
}

static void on_expects_compared(void *ctx, unsigned int why, int err, struct mono now)
{
	struct daemon *d = ctx;

	if (why & EXPECTING_START)
		on_filled(d, err);
	if (why & EXPECTING_COMMAND)
		compared(d, JOB_COMPARE, err, now);
	if (why & EXPECTING_REFRESH)
		compared(d, JOB_REFRESH, err, now);
	if (why & EXPECTING_COMMAND_EXP)
		compared(d, JOB_COMPARE_EXPECTS, err, now);
}

/* ---- is everything told? ---- */

static void on_look(void *ctx, struct blind_look *look)
{
	const struct daemon *d = ctx;

	look->heard = ct_events_stats(d->events)->received;
	look->busy = jobs_running(d->jobs, JOB_COMMIT) || jobs_running(d->jobs, JOB_FLUSH) ||
		     jobs_running(d->jobs, JOB_PURGE);
}

static void on_look_with_cache(void *ctx, struct blind_look *look)
{
	const struct daemon *d = ctx;
	const struct flow_table *own = pipeline_own(d->pipeline);

	on_look(ctx, look);
	if (!filter_conf_any(&d->conf->filter) && whole_is(pipeline_whole(d->pipeline)))
		look->known = (int64_t)table_count(own) - table_count_dead(own) +
			      pipeline_peer_flows(d->pipeline);
}

static void on_comparing(void *ctx, bool on, struct mono now)
{
	struct daemon *d = ctx;

	reconcile_blind(d->reconcile, on, now);
}

struct blind_cb wiring_blind(struct daemon *d)
{
	struct blind_cb cb = { .ctx = d, .look = on_look, .injects = d->inject };

	if (d->reconcile) {
		cb.look = on_look_with_cache;
		cb.comparing = on_comparing;
	}
	return cb;
}

/* ---- network -> pipeline ---- */

static ssize_t on_frame(void *ctx, const uint8_t *bytes, size_t n)
{
	struct daemon *d = ctx;

	return pipeline_frame(d->pipeline, bytes, n);
}

static void on_datagram(void *ctx, const struct peer_addr *from, const uint8_t *bytes, size_t n,
			struct mono now)
{
	struct daemon *d = ctx;

	pipeline_datagram(d->pipeline, from, bytes, n, now);
}

/* Our kernel's timeouts, of the last minute. */
static const struct entry_timeout *our_timeouts(struct daemon *d)
{
	struct mono now = evloop_now(d->loop);

	if (!mono_is_set(d->timeouts_read) ||
	    mono_diff_ms(now, d->timeouts_read) >= TIMEOUTS_READ_MS) {
		ct_timeouts_read(&d->entry_timeout.own);
		d->timeouts_read = now;
	}
	return &d->entry_timeout;
}

static uint32_t on_timeout(void *ctx, const struct ct_flow *f)
{
	return ct_timeouts_of(&our_timeouts(ctx)->own, f);
}

/* ---- network -> pipeline -> kernel, without external cache ---- */

/* the kernel may have lifted one of that length for a flow table */
#define LONG_TIMEOUT_S 43200

/* What is told without a life, or with one that is not its own, gets that of its state here. */
static const struct ct_flow *with_timeout(struct daemon *d, const struct ct_flow *f,
					  struct ct_flow *copy)
{
	if ((f->has & FLOW_HAS_TIMEOUT) && f->timeout_s < LONG_TIMEOUT_S)
		return f;
	flow_copy(copy, f);
	copy->timeout_s = entry_timeout_kept(our_timeouts(d), f, 0, 0);
	copy->has |= FLOW_HAS_TIMEOUT;
	return copy;
}

static void on_inject(void *ctx, enum sync_change what, const struct ct_flow *flow, struct mono now)
{
	struct daemon *d = ctx;
	struct ct_flow copy;

	if (what != SYNC_DESTROY)
		flow = with_timeout(d, flow, &copy);

	switch (what) {
	case SYNC_NEW:
		ct_inject_put(d->inject, flow, pipeline_in_kernel(d->pipeline, flow), now);
		return;
	case SYNC_UPDATE:
	case SYNC_REPLACE:
		ct_inject_put(d->inject, flow, true, now);
		return;
	case SYNC_DESTROY:
		ct_inject_end(d->inject, flow, now);
		return;
	}
}

static void on_stored(void *ctx, const struct ct_flow *f, const struct ct_result *r,
		      struct mono now)
{
	struct daemon *d = ctx;

	if (r->outcome == CT_CREATED)
		pipeline_entry_made(d->pipeline, f);
	/* The dump of the start takes all for ours that it shows, and what is stored beside it may
	 * be older than this daemon. */
	if (d->filled || pipeline_in_kernel(d->pipeline, f))
		pipeline_injected(d->pipeline, f, r->written, now);
}

static void on_memory(void *ctx, const struct ct_flow *entry, struct ct_memory *m, struct mono now)
{
	const struct daemon *d = ctx;

	pipeline_memory(d->pipeline, entry, m, now);
}

static bool is_active(void *ctx)
{
	const struct daemon *d = ctx;

	return activity_active(d->activity);
}

static void on_peer_begins(void *ctx)
{
	struct daemon *d = ctx;

	external_flush_fill(d->external_flush, evloop_now(d->loop));
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

/* The kernel's table is full, or its memory short: the peers are asked for everything when there is
 * room again. */
static void on_failed(void *ctx, const struct ct_result *r, bool end, struct mono now)
{
	struct daemon *d = ctx;

	if (r->err == -ENOMEM && !end)
		pipeline_refused(d->pipeline, r->f, now);
	refused_log(&d->refused_log, r, end, now);
}

/* Its event is filtered. */
static void on_removed(void *ctx, const struct ct_flow *f, bool ended, struct mono now)
{
	struct daemon *d = ctx;

	if (ended)
		pipeline_ended(d->pipeline, f, now);
	else
		pipeline_purged(d->pipeline, f, now);
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

static void on_report(void *ctx, const struct sync_report *r)
{
	struct daemon *d = ctx;
	struct sync_log_line line;

	if (sync_log_line(&d->sync_log, r, &line))
		on_log(d, line.level, line.text);
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

/* ---- a cache is incomplete ---- */

static uint32_t read_number(const char *path)
{
	unsigned int n = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	if (fscanf(f, "%u", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static bool on_kernel_room(void *ctx, uint32_t n)
{
	uint32_t max = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
	uint32_t count = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	uint32_t left = count < max ? max - count : 0;

	(void)ctx;
	return max == 0 || (left > 0 && (left >= n || left >= max / 20));
}

/* ---- pipeline -> flow log ---- */

static void on_ended(void *ctx, const struct ct_flow *f)
{
	struct daemon *d = ctx;

	if (d->flowlog)
		flowlog_flow(d->flowlog, f, clock_wall_s());
}

/* ---- what is only to end the sleep: the end of the turn does the work ---- */

static void on_writable(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

static void on_batch_end(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

/* ---- an empty external cache ---- */

static unsigned int usable_links(void *ctx)
{
	const struct daemon *d = ctx;
	unsigned int n = 0;

	for (size_t i = 0; i < channel_links(d->channel); i++) {
		struct channel_link_stats l;

		channel_link_stats(d->channel, i, &l);
		n += l.up && l.running &&
		     (!l.connections || (l.server_connected && l.client_connected));
	}
	return n;
}

struct external_flush_conf wiring_empty(struct daemon *d)
{
	return (struct external_flush_conf){
		.sync = &d->conf->sync,
		.loop = d->loop,
		.pipeline = d->pipeline,
		.activity = d->activity,
		.jobs = d->jobs,
		.links = usable_links,
		.ctx = d,
	};
}

/* ---- jobs that others carry out ---- */

static int begin_refresh(void *ctx, unsigned int what, struct mono now)
{
	struct daemon *d = ctx;

	(void)what;
	/* until it has been compared no answer of ours is the whole */
	pipeline_lack(d->pipeline, WHOLE_FLUSHED, now);
	reconcile_start(d->reconcile, RECONCILE_REFRESH, now);
	return 0;
}

static int begin_compare(void *ctx, unsigned int what, struct mono now)
{
	struct daemon *d = ctx;

	(void)what;
	reconcile_start(d->reconcile, RECONCILE_COMMAND, now);
	return 0;
}

static int begin_compare_expects(void *ctx, unsigned int what, struct mono now)
{
	struct daemon *d = ctx;

	(void)what;
	expecting_compare(d->expecting, EXPECTING_COMMAND_EXP, now);
	return 0;
}

static int begin_tell(void *ctx, unsigned int what, struct mono now)
{
	const struct job_result begun = { 0 };
	struct daemon *d = ctx;

	(void)what;
	log_notice("sending bulk update");
	takeover_bulk_begins(d->takeover);
	sync_bulk(pipeline_sync(d->pipeline), now);
	jobs_ended(d->jobs, JOB_BULK, &begun, now);
	return 0;
}

void wiring_jobs(struct daemon *d)
{
	jobs_set_ops(d->jobs, JOB_REFRESH, &(struct job_ops){ .ctx = d, .start = begin_refresh });
	jobs_set_ops(d->jobs, JOB_COMPARE, &(struct job_ops){ .ctx = d, .start = begin_compare });
	jobs_set_ops(d->jobs, JOB_COMPARE_EXPECTS,
		     &(struct job_ops){ .ctx = d, .start = begin_compare_expects });
	jobs_set_ops(d->jobs, JOB_BULK, &(struct job_ops){ .ctx = d, .start = begin_tell });
}

void wiring_job_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		      struct mono now)
{
	struct daemon *d = ctx;

	if (kind == JOB_COMMIT)
		d->last_commit = (struct last_commit){
			.any = true,
			.in_kernel = d->inject,
			.at = now,
			.wall_s = clock_wall_s(),
			.res = *res,
		};
	if (kind == JOB_COMMIT && d->expecting)
		expecting_committed(d->expecting);
	job_clients_ended(d->job_clients, kind, run, res, now);
	if (d->role)
		role_job_ended(d->role, kind, run, res, now);
}

/* ---- the commands ---- */

static size_t helpers_served(void *ctx)
{
	const struct daemon *d = ctx;

	return helpers_count(d->helpers);
}

static void helper_did(void *ctx, size_t i, struct helper_values *out)
{
	const struct daemon *d = ctx;

	helpers_values(d->helpers, i, out);
}

static bool helper_unserved(void *ctx, size_t i, struct text *line)
{
	const struct daemon *d = ctx;
	const struct conf_helpers *h = &d->conf->helper;

	if (d->helpers || i >= h->n)
		return false;
	text_printf(line, "helper %s %s %s (line %u of the configuration) is not served",
		    h->list[i].name, h->list[i].l3proto == AF_INET ? "inet" : "inet6",
		    h->list[i].l4proto == IPPROTO_TCP ? "tcp" : "udp", h->list[i].line);
	return true;
}

static bool role_deaf(void *ctx)
{
	return roles_deaf(ctx);
}

static void gate_did(void *ctx, struct gating_values *out)
{
	const struct daemon *d = ctx;

	gating_values(d->gating, out);
}

static void await_did(void *ctx, struct awaiting_values *out)
{
	const struct daemon *d = ctx;

	awaiting_values(d->awaiting, out);
}

static void on_stop(void *ctx)
{
	daemon_stop(ctx);
}

void wiring_commands(struct daemon *d)
{
	d->env = (struct command_env){
		.loop = d->loop,
		.pipeline = d->pipeline,
		.activity = d->activity,
		.role = d->role,
		.jobs = d->jobs,
		.job_clients = d->job_clients,
		.takeover = d->takeover,
		.external_flush = d->external_flush,
		.channel = d->channel,
		.expecting = d->expecting,
		.filter = d->filter,
		.last_commit = &d->last_commit,
		.reconcile = d->reconcile,
		.inject = d->inject,
		.inject_expects = d->inject_expects,
		.events = d->events,
		.blind = d->blind,
		.intake = &d->intake,
		.socket = d->commands ? commands_socket(d->commands) : NULL,
		.counts = d->commands ? commands_counts(d->commands) : NULL,
		.helpers = {
			.ctx = d,
			.named = d->conf->helper.n > 0,
			.count = helpers_served,
			.values = helper_did,
			.unserved = helper_unserved,
		},
		.sync = &d->conf->sync,
		.started = d->started,
		.filled = &d->filled,
		.only_helpers = d->conf->mode == CONF_MODE_HELPER_ONLY,
		.poll_s = d->conf->kernel.poll_s,
		.error_queue_len = d->conf->channel.error_queue_len,
		.listen_s = d->conf->role.listen_s,
		.ctx = d,
		.role_deaf = role_deaf,
		.gate = d->gating ? gate_did : NULL,
		.await = d->awaiting ? await_did : NULL,
		.stop = on_stop,
	};
}

/* ---- the tables ---- */

struct ct_events_cb wiring_events(struct daemon *d)
{
	return (struct ct_events_cb){
		.ctx = d,
		.event = on_event,
		.hints = table_hints(pipeline_own(d->pipeline)),
		.batch_end = on_batch_end,
		.overrun = d->reconcile ? on_overrun : on_overrun_without_cache,
		.expect = d->expecting ? on_expect : NULL,
	};
}

struct reconcile_cb wiring_reconcile(struct daemon *d)
{
	return (struct reconcile_cb){ .ctx = d, .done = on_reconciled };
}

struct expecting_cb wiring_expecting(struct daemon *d)
{
	return (struct expecting_cb){ .ctx = d, .done = on_expects_compared };
}

struct channel_cb wiring_channel(struct daemon *d)
{
	return (struct channel_cb){
		.ctx = d,
		.datagram = on_datagram,
		.frame = on_frame,
		.writable = on_writable,
		/* else one without flows says nothing */
		.peers_speak = sync_can(&d->conf->sync, SYNC_SPEAKS),
	};
}

struct ct_inject_cb wiring_inject(struct daemon *d)
{
	return (struct ct_inject_cb){
		.ctx = d,
		.stored = on_stored,
		.failed = on_failed,
		.caller = { .ctx = d, .removed = on_removed, .memory = on_memory },
	};
}

struct exp_inject_cb wiring_inject_expects(struct daemon *d)
{
	return (struct exp_inject_cb){ .ctx = d,
				       .ours = is_our_expect,
				       .removed = on_removed_expect };
}

struct pipeline_env wiring_pipeline(struct daemon *d)
{
	return (struct pipeline_env){
		.ctx = d,
		.out = {
			.ctx = d->channel,
			.datagram = channel_datagram,
			.even = channel_even,
			.send = channel_send,
			.flush = channel_flush,
			.speaks_from = channel_speaks_from,
			.mtu = channel_mtu,
		},
		.log = on_log,
		.report = on_report,
		.full = on_full,
		.kernel_room = on_kernel_room,
		.timeout = on_timeout,
		.ended = on_ended,
		.active = is_active,
		.inject = on_inject,
		.peer_begins = on_peer_begins,
		.inject_expect = on_inject_expect,
	};
}
