/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `-s` shows: for each subject the groups of values in their order. A function here gathers a
 * structure from the modules' own counters and hands it over with its group (values.c); how a value
 * is called and laid out is said there. Gathering is cheap and done when asked, never ahead. */
#include "command/report.h"

#include <string.h>

#include "channel/channel.h"
#include "follow/blind.h"
#include "follow/external_flush.h"
#include "follow/jobs.h"
#include "command/values.h"
#include "kernel/ct.h"
#include "kernel/ct_inject.h"
#include "kernel/exp_inject.h"
#include "node/sink.h"

/* ---- caches ---- */

static struct cache_values cache_of(const char *name, uint32_t records, uint32_t active,
				    const struct table_stats *stats)
{
	return (struct cache_values){
		.name = name,
		.records = records,
		.active = active,
		.stats = *stats,
		.memory = -1,
		.ends_of_others = -1,
		.create_failed = stats->create_failed_limit + stats->create_failed_memory,
	};
}

static void flow_cache(struct values *v, const struct value_group *g, const char *name,
		       struct flow_table *t, int64_t ends_of_others)
{
	struct cache_values c = cache_of(name, table_count(t), table_count(t) - table_count_dead(t),
					 table_stats(t));

	c.memory = (int64_t)table_memory(t);
	c.ends_of_others = ends_of_others;
	values_group(v, NULL, g, &c);
}

static void flow_caches(const struct command_env *d, struct values *v, const struct value_group *g)
{
	struct external *external = pipeline_external(d->pipeline);
	const uint64_t *sent = pipeline_stats(d->pipeline)->sent;

	if (!pipeline_internal(d->pipeline))
		values_group(
			v, "bypass", &bypass_group,
			&(struct bypass_values){ sent[MSG_NEW], sent[MSG_UPDATE], sent[MSG_END] });
	values_list(v, "caches");
	if (pipeline_internal(
		    d->pipeline)) /* the statistics mode has one only, under its own name */
		flow_cache(v, g, pipeline_sync(d->pipeline) ? "internal" : "stats",
			   pipeline_own(d->pipeline), -1);
	if (external)
		flow_cache(v, g, "external", external_table(external),
			   (int64_t)external_ends_of_others(external));
	values_list_end(v);
	if (pipeline_sink(d->pipeline)->in_kernel)
		values_group(v, "inject", &inject_group, ct_inject_stats(d->inject));
}

static void injected(const struct command_env *d, struct values *v)
{
	struct injected_values i;

	if (!pipeline_sink(d->pipeline)->in_kernel)
		return;
	i = (struct injected_values){ pipeline_peer_flows(d->pipeline),
				      *ct_inject_stats(d->inject) };
	values_group(v, "injected", &injected_group, &i);
}

static void completeness(const struct command_env *d, struct values *v)
{
	struct completeness_values c;

	values_list(v, "completeness");
	for (unsigned int i = 0; i < PIPELINE_CACHES; i++)
		if (pipeline_completeness(d->pipeline, i, evloop_now(d->loop), &c))
			values_group(v, NULL, &completeness_group, &c);
	values_list_end(v);
}

void report_cache(const struct command_env *d, struct values *v)
{
	struct external_flush_values emptied;

	flow_caches(d, v, &cache_detail_group);
	/* Not in 1.4.x, and therefore behind everything else. */
	injected(d, v);
	completeness(d, v);
	if (external_flush_values(d->external_flush, evloop_now(d->loop), &emptied))
		values_group(v, "emptied", &external_flush_group, &emptied);
}

/* ---- links ---- */

static const char *link_status(const struct channel_link_stats *l)
{
	if (!l->up)
		return "DOWN";
	return l->running ? "RUNNING" : "NO-CARRIER";
}

static const char *connection(const struct channel_link_stats *l, bool there)
{
	if (!l->connections)
		return NULL;
	return there ? "connected" : "disconnected";
}

void report_link_values(const struct command_env *d, size_t i, struct link_values *l)
{
	const struct channel_link_stats *s = &l->stats;

	channel_link_stats(d->channel, i, &l->stats);
	l->status = link_status(s);
	l->role = s->active ? "ACTIVE" : "BACKUP";
	l->server = connection(s, s->server_connected);
	l->client = connection(s, s->client_connected);
	l->unsent = s->unsent_err != 0 ? strerror(s->unsent_err) : NULL;
	l->trouble = s->deaf || l->unsent || s->refused_source > 0 || s->refused_interface > 0 ||
		     s->held_back > 0 || s->own > 0;
}

static void active_link(const struct command_env *d, struct values *v)
{
	struct link_values l;

	for (size_t i = 0; i < channel_links(d->channel); i++) {
		report_link_values(d, i, &l);
		if (!l.stats.active)
			continue;
		values_group(v, "active_link", &active_link_group, &l);
		return;
	}
}

void report_link(const struct command_env *d, struct values *v)
{
	struct link_values l;

	values_list(v, "links");
	for (size_t i = 0; i < channel_links(d->channel); i++) {
		report_link_values(d, i, &l);
		values_group(v, NULL, &link_group, &l);
	}
	values_list_end(v);
}

/* ---- queues ---- */

static void queue(struct values *v, const struct queue_values *q)
{
	values_group(v, NULL, &queue_group, q);
}

/* In the error queue is what waits for a TCP connection. What a full socket does not take stays in
 * the channel's own batch, and is no error. */
void report_queue(const struct command_env *d, struct values *v)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	struct sync_queues q;
	uint64_t given_up;
	uint32_t waiting;

	sync_queues(s, &q);
	channel_waiting(d->channel, &waiting, &given_up);
	values_group(v, "nodes", &queue_nodes_group, &q);
	values_list(v, "queues");
	queue(v, &(struct queue_values){ "txqueue", q.tx_len, INT32_MAX, 0 });
	queue(v, &(struct queue_values){ "errorq", waiting, d->error_queue_len, given_up });
	if (q.ring_max > 0) /* FTFW */
		queue(v, &(struct queue_values){ "rsqueue", q.ring_len, q.ring_max,
						 sync_stats(s)->ring_overflow });
	values_list_end(v);
}

/* ---- helpers ---- */

void report_helpers(const struct command_env *d, struct values *v)
{
	struct helper_values h;

	values_list(v, "helpers");
	for (size_t i = 0; i < d->helpers.count(d->helpers.ctx); i++) {
		d->helpers.values(d->helpers.ctx, i, &h);
		values_group(v, NULL, &helper_group, &h);
	}
	values_list_end(v);
}

/* ---- the gate ---- */

void report_gate(const struct command_env *d, struct values *v)
{
	struct awaiting_values a;
	struct gating_values g;

	if (d->gate) {
		d->gate(d->ctx, &g);
		values_group(v, "gate", &gate_group, &g);
	} else {
		d->await(d->ctx, &a);
		values_group(v, "wait", &wait_group, &a);
	}
}

/* ---- subjects ---- */

/* What -s shows below its two cache blocks. */
static void common(const struct command_env *d, struct values *v)
{
	const struct sync *s = pipeline_sync(d->pipeline);

	values_group(v, "traffic", &traffic_group, pipeline_stats(d->pipeline));
	if (!s)
		return;
	active_link(d, v);
	values_group(v, "tracking", &tracking_group, sync_stats(s));
}

void report_general(const struct command_env *d, struct values *v)
{
	flow_caches(d, v, &cache_group);
	common(d, v);
}

static void expect_cache(struct values *v, const char *name, struct expects *cache)
{
	struct cache_values c =
		cache_of(name, expects_count(cache), expects_count(cache), expects_stats(cache));

	values_group(v, NULL, &cache_group, &c);
}

/* The counters of both are the same. */
static struct ct_inject_stats injected_expects(const struct exp_inject_stats *s)
{
	return (struct ct_inject_stats){
		s->created,   s->create_failed,	 s->updated, s->update_failed,
		s->destroyed, s->destroy_failed, s->in_use,
	};
}

void report_expect(const struct command_env *d, struct values *v)
{
	struct exp_path *x = pipeline_expects(d->pipeline);
	const struct exp_path_stats *s = exp_path_stats(x);
	bool in_kernel = pipeline_sink(d->pipeline)->in_kernel;

	if (!pipeline_internal(d->pipeline))
		values_group(v, "bypass", &bypass_group,
			     &(struct bypass_values){ s->sent_new, 0, s->sent_end });
	values_list(v, "caches");
	if (pipeline_internal(d->pipeline))
		expect_cache(v, "internal", exp_path_internal(x));
	if (!in_kernel)
		expect_cache(v, "external", exp_path_external(x));
	values_list_end(v);
	if (in_kernel) {
		struct ct_inject_stats i = injected_expects(exp_inject_stats(d->inject_expects));

		values_group(v, "inject", &inject_group, &i);
	}
	common(d, v);
}

static void unsent(const struct command_env *d, struct values *v)
{
	struct internal *internal = pipeline_internal(d->pipeline);
	const struct clash *c = internal ? internal_clash(internal) : NULL;
	const struct pipeline_stats *p = pipeline_stats(d->pipeline);
	struct unsent_values u = {
		.cached = c,
		.helpers = p->helpers_left_out,
		.indistinct = c ? (int64_t)clash_hidden(c) : -1,
		.indistinct_total = c ? clash_total(c) : 0,
		.zoned = c ? (int64_t)clash_zoned(c) : -1,
		.zoned_total = c ? clash_zoned_total(c) : p->zoned,
	};

	values_group(v, "not_replicated", &unsent_group, &u);
}

void report_network(const struct command_env *d, struct values *v)
{
	const struct sync_stats *s = sync_stats(pipeline_sync(d->pipeline));

	values_group(v, "received", &received_group, s);
	values_group(v, "sequence", &sequence_group, s);
	active_link(d, v);
	/* Not in 1.4.x, and therefore behind everything else, and for people only where there is
	 * something to say. */
	if (!values_for_people(v) || s->lost > 0 || s->reordered > 0)
		values_group(v, "repair", &repair_group, s);
	unsent(d, v);
	values_group(v, "replication", &replication_group, s);
}

/* One line for each child process; there are none. */
void report_process(const struct command_env *d, struct values *v)
{
	(void)d;
	values_list(v, "processes");
	values_list_end(v);
}

/* ---- runtime ---- */

static int64_t purge_s(const struct command_env *d, struct mono now)
{
	struct mono due = activity_purge_due(d->activity);

	if (!mono_is_set(due))
		return -1;
	return mono_before(now, due) ? (mono_diff_ms(due, now) + 999) / 1000 : 0;
}

static void jobs(const struct command_env *d, struct values *v)
{
	values_list(v, "jobs");
	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		enum job_kind kind = (enum job_kind)k;
		struct job_values j = { .name = jobs_name(kind), .state = "runs", -1, -1 };
		uint64_t done, total;

		if (jobs_progress(d->jobs, kind, &done, &total) && total > 0) {
			j.done = (int64_t)done;
			j.total = (int64_t)total;
		}
		if (jobs_running(d->jobs, kind))
			values_group(v, NULL, &job_group, &j);
		if (jobs_waiting(d->jobs, kind))
			values_group(v, NULL, &job_group,
				     &(struct job_values){ jobs_name(kind), "waits", -1, -1 });
	}
	values_list_end(v);
}

void report_node_values(const struct command_env *d, struct node_values *n)
{
	struct mono now = evloop_now(d->loop);
	bool active = activity_active(d->activity);

	*n = (struct node_values){
		.active = active,
		.by = activity_option(d->activity),
		.purge_s = purge_s(d, now),
		.active_s = active ? mono_diff_ms(now, activity_since(d->activity)) / 1000 : -1,
		.purges_ignored = d->counts->purges_ignored,
	};
}

static void node(const struct command_env *d, struct values *v)
{
	struct node_values n;

	report_node_values(d, &n);
	values_group(v, "node", &node_group, &n);
	jobs(d, v);
}

/* For people behind everything else, and only where there is something to say. */
static void node_for_people(const struct command_env *d, struct text *out)
{
	struct text lines = { 0 };
	struct values v;

	values_begin(&v, &values_text, "node", 0, &lines);
	node(d, &v);
	values_end(&v);
	if (lines.len > 0)
		text_printf(out, "this node:\n%s\n", lines.buf);
	text_free(&lines);
}

static void runtime_of(const struct command_env *d, struct runtime_values *r)
{
	*r = (struct runtime_values){
		.pipeline = *pipeline_stats(d->pipeline),
		.takeover = *takeover_stats(d->takeover),
		.loop = *evloop_stats(d->loop),
	};
	if (d->events) /* else polling */
		r->events = *ct_events_stats(d->events);
	if (d->reconcile)
		r->reconcile = *reconcile_stats(d->reconcile);
	r->counts = *d->counts;
	r->socket = *d->socket;
	r->filtered = r->pipeline.filtered;
	if (pipeline_expects(d->pipeline))
		r->filtered += exp_path_stats(pipeline_expects(d->pipeline))->filtered;
	r->resyncs = r->reconcile.for_overrun + r->counts.resyncs + r->counts.expect_resyncs;
}

void report_runtime(const struct command_env *d, struct values *v)
{
	struct mono now = evloop_now(d->loop);
	struct uptime_values up = { mono_diff_ms(now, d->started) / 1000 };
	struct runtime_values r;

	runtime_of(d, &r);
	values_group(v, "process", &uptime_group, &up);
	values_group(v, "netlink", &netlink_group, &r);
	values_group(v, "loop", &loop_group, &r);
	values_list(v, "events");
	if (d->blind)
		blind_values(d->blind, now, v);
	values_list_end(v);
	if (values_for_people(v))
		node_for_people(d, v->out);
	else
		node(d, v);
}
