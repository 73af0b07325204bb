/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `-s` prints. Layouts are a contract with monitoring scripts; numbers come from each module's own counters.
 *
 * Counters of 1.4.x that cannot occur here (child processes: there are none; "entry not found") are printed as 0, so
 * that a script finds its line. */
#include "daemon/report.h"

#include <inttypes.h>
#include <string.h>

#include "channel/channel.h"
#include "daemon/blind.h"
#include "daemon/commands.h"
#include "daemon/empty.h"
#include "daemon/jobs.h"
#include "kernel/ct.h"
#include "kernel/ct_inject.h"
#include "kernel/exp_inject.h"

#define TAB1_12 "\t%12" PRIu64
#define TAB2_12 "\t\t%12" PRIu64

/* ---- caches ---- */

static void report_cache_block(struct text *out, const char *name, uint32_t active, const struct table_stats *s)
{
	text_printf(out, "cache %s:\n", name);
	text_printf(out, "current active connections:\t%12" PRIu32 "\n", active);
	text_printf(out, "connections created:" TAB2_12 "\tfailed:" TAB1_12 "\n", s->created,
		    s->create_failed_limit + s->create_failed_memory);
	text_printf(out, "connections updated:" TAB2_12 "\tfailed:" TAB1_12 "\n", s->updated, (uint64_t)0);
	text_printf(out, "connections destroyed:" TAB2_12 "\tfailed:" TAB1_12 "\n\n", s->destroyed, (uint64_t)0);
}

static void report_cache_detail(struct text *out, const char *name, struct flow_table *t)
{
	const struct table_stats *s = table_stats(t);
	const uint64_t none = 0;

	text_printf(out, "cache:%s\tactive objects:" TAB2_12 "\n", name, (uint64_t)table_count(t));
	text_printf(out, "\tactive/total entries:\t\t%12" PRIu32 "/%12" PRIu32 "\n",
		    table_count(t) - table_count_dead(t), table_count(t));
	text_printf(out, "\tcreation OK/failed:\t\t%12" PRIu64 "/%12" PRIu64 "\n", s->created,
		    s->create_failed_limit + s->create_failed_memory);
	text_printf(out, "\t\tno memory available:" TAB1_12 "\n", s->create_failed_memory);
	text_printf(out, "\t\tno space left in cache:" TAB1_12 "\n", s->create_failed_limit);
	text_printf(out, "\tupdate OK/failed:\t\t%12" PRIu64 "/%12" PRIu64 "\n", s->updated, none);
	text_printf(out, "\t\tentry not found:" TAB1_12 "\n", none);
	text_printf(out, "\tdeletion created/failed:\t%12" PRIu64 "/%12" PRIu64 "\n", s->destroyed, none);
	text_printf(out, "\t\tentry not found:" TAB1_12 "\n\n", none);
}

/* In place of the external cache: what the kernel answered. */
static void report_inject(struct text *out, const uint64_t created[2], const uint64_t updated[2], const uint64_t destroyed[2])
{
	text_str(out, "external inject:\n");
	text_printf(out, "connections created:" TAB2_12 "\tfailed:" TAB1_12 "\n", created[0], created[1]);
	text_printf(out, "connections updated:" TAB2_12 "\tfailed:" TAB1_12 "\n", updated[0], updated[1]);
	text_printf(out, "connections destroyed:" TAB2_12 "\tfailed:" TAB1_12 "\n\n", destroyed[0], destroyed[1]);
}

static void report_inject_flows(struct text *out, const struct ct_inject_stats *s)
{
	report_inject(out, (const uint64_t[]){ s->created, s->create_failed },
		      (const uint64_t[]){ s->updated, s->update_failed },
		      (const uint64_t[]){ s->destroyed, s->destroy_failed });
}

static void report_inject_expects(struct text *out, const struct exp_inject_stats *s)
{
	report_inject(out, (const uint64_t[]){ s->created, s->create_failed },
		      (const uint64_t[]){ s->updated, s->update_failed },
		      (const uint64_t[]){ s->destroyed, s->destroy_failed });
}

/* In place of the internal cache: messages made. */
static void report_bypass(struct text *out, uint64_t told_new, uint64_t updated, uint64_t destroyed)
{
	text_str(out, "internal bypass:\n");
	text_printf(out, "connections new:" TAB2_12 "\n", told_new);
	text_printf(out, "connections updated:" TAB2_12 "\n", updated);
	text_printf(out, "connections destroyed:" TAB2_12 "\n\n", destroyed);
}

/* The statistics mode has one cache only, under its own name. */
static void report_caches(const struct daemon *d, struct text *out,
			  void (*one)(struct text *out, const char *name, struct flow_table *t))
{
	struct external *external = pipeline_external(d->pipeline);
	const uint64_t *told = pipeline_stats(d->pipeline)->bypass;

	if (pipeline_internal(d->pipeline))
		one(out, pipeline_sync(d->pipeline) ? "internal" : "stats", pipeline_own(d->pipeline));
	else
		report_bypass(out, told[WIRE_CT_NEW], told[WIRE_CT_UPD], told[WIRE_CT_DEL]);
	if (external)
		one(out, "external", external_table(external));
	else if (d->inject)
		report_inject_flows(out, ct_inject_stats(d->inject));
}

/* Not in 1.4.x, and therefore behind everything else. */
static void report_injected(const struct daemon *d, struct text *out)
{
	text_str(out, "injected flows:\n");
	text_printf(out, "\tof the peers only:\t\t%12" PRIu32 "\n", pipeline_foreign(d->pipeline));
	text_printf(out, "\tended there, in use here:\t%12" PRIu64 "\n\n", ct_inject_stats(d->inject)->in_use);
}

void report_cache(const struct daemon *d, struct text *out)
{
	report_caches(d, out, report_cache_detail);
	if (d->inject)
		report_injected(d, out);
	pipeline_print_whole(d->pipeline, evloop_now(d->loop), out);	/* not in 1.4.x either */
	empty_report(d->empty, evloop_now(d->loop), out);
}

/* ---- links ---- */

static void report_link_counters(struct text *out, const struct channel_link_stats *l)
{
	text_printf(out, "%20" PRIu64 " Bytes sent %20" PRIu64 " Bytes recv\n", l->sent_bytes, l->recv_bytes);
	text_printf(out, "%20" PRIu64 " Pckts sent %20" PRIu64 " Pckts recv\n", l->sent_pkts, l->recv_pkts);
	text_printf(out, "%20" PRIu64 " Error send %20" PRIu64 " Error recv\n\n", l->sent_errors, l->recv_errors);
}

static const char *connection(bool there)
{
	return there ? "connected" : "disconnected";
}

static void report_active_link(const struct daemon *d, struct text *out)
{
	for (size_t i = 0; i < channel_links(d->channel); i++) {
		struct channel_link_stats l;

		channel_link_stats(d->channel, i, &l);
		if (!l.active)
			continue;
		text_printf(out, "%s traffic (active device=%s)", l.kind, l.ifname);
		if (l.connections)
			text_printf(out, " server=%s client=%s", connection(l.server_connected),
				    connection(l.client_connected));
		text_str(out, ":\n");
		report_link_counters(out, &l);
		return;
	}
}

static const char *link_status(const struct channel_link_stats *l)
{
	if (!l->up)
		return "DOWN";
	return l->running ? "RUNNING" : "NO-CARRIER";
}

/* Lines that 1.4.x does not have, and only where something is wrong. */
static void report_link_trouble(struct text *out, const struct channel_link_stats *l)
{
	const struct {
		uint64_t n;
		const char *what;
	} refused[] = {
		{ l->refused_source, "of others than the peer" }, { l->refused_interface, "on other interfaces" },
		{ l->held_back, "of new nodes, until it was clear who they are" }, { l->own, "of this node itself" },
	};
	bool any = false;

	if (l->deaf)
		text_str(out, "\tnothing was ever heard on this link\n");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (refused[i].n > 0)
			text_printf(out, "\trefused: %" PRIu64 " %s\n", refused[i].n, refused[i].what);
		any = any || refused[i].n > 0;
	}
	if (l->unsent_err != 0)
		text_printf(out, "\tdatagrams cannot be sent: %s\n", strerror(l->unsent_err));
	if (any || l->deaf || l->unsent_err != 0)
		text_str(out, "\n");
}

void report_link(const struct daemon *d, struct text *out)
{
	for (size_t i = 0; i < channel_links(d->channel); i++) {
		struct channel_link_stats l;

		channel_link_stats(d->channel, i, &l);
		text_printf(out, "%s traffic device=%s status=%s role=%s:\n", l.kind, l.ifname, link_status(&l),
			    l.active ? "ACTIVE" : "BACKUP");
		report_link_counters(out, &l);
		report_link_trouble(out, &l);
	}
}

/* ---- queues ---- */

static void report_queue_block(struct text *out, const char *name, uint32_t len, uint32_t max, uint64_t refused)
{
	text_printf(out, "queue %s:\n", name);
	text_printf(out, "current elements:\t\t%12" PRIu32 "\n", len);
	text_printf(out, "maximum elements:\t\t%12" PRIu32 "\n", max);
	text_printf(out, "not enough space errors:" TAB1_12 "\n\n", refused);
}

/* In the error queue is what waits for a TCP connection. What a full socket does not take stays in the channel's own
 * batch, and is no error. */
void report_queue(const struct daemon *d, struct text *out)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	struct sync_queues q;
	uint64_t given_up;
	uint32_t waiting;

	sync_queues(s, &q);
	channel_waiting(d->channel, &waiting, &given_up);
	text_printf(out, "allocated queue nodes:" TAB2_12 "\n\n", (uint64_t)q.control);
	report_queue_block(out, "txqueue", q.tx_len, INT32_MAX, 0);
	report_queue_block(out, "errorq", waiting, d->conf->channel.error_queue_len, given_up);
	if (q.ring_max > 0)	/* FTFW */
		report_queue_block(out, "rsqueue", q.ring_len, q.ring_max, sync_stats(s)->ring_overflow);
}

/* ---- subjects ---- */

/* Not in 1.4.x. */
void report_peers(const struct daemon *d, struct text *out)
{
	sync_report(pipeline_sync(d->pipeline), evloop_now(d->loop), out);
}

/* What -s shows below its two cache blocks. */
static void report_common(const struct daemon *d, struct text *out)
{
	const struct pipeline_stats *p = pipeline_stats(d->pipeline);
	const struct sync_stats *s;

	text_printf(out, "traffic processed:\n%20" PRIu64 " Bytes      %20" PRIu64 " Pckts\n\n", p->traffic_bytes,
		    p->traffic_packets);
	if (!pipeline_sync(d->pipeline))
		return;
	s = sync_stats(pipeline_sync(d->pipeline));
	report_active_link(d, out);
	text_printf(out, "message tracking:\n%20" PRIu64 " Malformed msgs %20" PRIu64 " Lost msgs\n\n",
		    s->wire.malformed, s->lost);
}

static void report_flows(struct text *out, const char *name, struct flow_table *t)
{
	report_cache_block(out, name, table_count(t) - table_count_dead(t), table_stats(t));
}

void report_general(const struct daemon *d, struct text *out)
{
	report_caches(d, out, report_flows);
	report_common(d, out);
}

void report_expect(const struct daemon *d, struct text *out)
{
	struct exp_path *x = pipeline_expects(d->pipeline);
	struct expects *in = exp_path_internal(x), *ex = exp_path_external(x);

	if (pipeline_internal(d->pipeline))
		report_cache_block(out, "internal", expects_count(in), expects_stats(in));
	else
		report_bypass(out, exp_path_stats(x)->told_new, 0, exp_path_stats(x)->told_end);
	if (!d->inject_expects)
		report_cache_block(out, "external", expects_count(ex), expects_stats(ex));
	else
		report_inject_expects(out, exp_inject_stats(d->inject_expects));
	report_common(d, out);
}

/* Not in 1.4.x, and therefore behind everything else, and only where there is something to say. */
static void report_not_said(const struct daemon *d, struct text *out)
{
	struct internal *internal = pipeline_internal(d->pipeline);
	const struct clash *c = internal ? internal_clash(internal) : NULL;
	uint64_t total = c ? clash_total(c) : 0, zoned = c ? clash_zoned_total(c) : pipeline_stats(d->pipeline)->zoned;

	if (total == 0 && zoned == 0 && pipeline_stats(d->pipeline)->helpers_left_out == 0)
		return;
	text_str(out, "not replicated:\n\tsend:\n");
	text_printf(out, "\t\tIndistinct flows now:\t%20" PRIu64 "\n", (uint64_t)(c ? clash_hidden(c) : 0));
	text_printf(out, "\t\tIndistinct flows so far:%20" PRIu64 "\n", total);
	text_printf(out, "\t\tLong helper names:\t%20" PRIu64 "\n",
		    pipeline_stats(d->pipeline)->helpers_left_out);
	if (c)
		text_printf(out, "\t\tZones of one direction now:\t%12" PRIu32 "\n", clash_zoned(c));
	text_printf(out, "\t\tZones of one direction so far:\t%12" PRIu64 "\n\n", zoned);
}

/* The same. */
static void report_repaired(const struct sync_stats *s, struct text *out)
{
	if (s->lost == 0 && s->reordered == 0)
		return;
	text_str(out, "sequence repair statistics:\n\trecv:\n");
	text_printf(out, "\t\tPackets repaired:\t%20" PRIu64 "\n", s->repaired);
	text_printf(out, "\t\tPackets reordered:\t%20" PRIu64 "\n\n", s->reordered);
}

void report_network(const struct daemon *d, struct text *out)
{
	const struct sync_stats *s = sync_stats(pipeline_sync(d->pipeline));
	const struct wire_stats *w = &s->wire;

	text_str(out, "network statistics:\n\trecv:\n");
	text_printf(out, "\t\tMalformed messages:\t%20" PRIu64 "\n", w->malformed);
	text_printf(out, "\t\tWrong protocol version:\t%20" PRIu64 "\n", w->bad_version);
	text_printf(out, "\t\tMalformed header:\t%20" PRIu64 "\n", w->bad_header);
	text_printf(out, "\t\tMalformed payload:\t%20" PRIu64 "\n", w->bad_payload);
	text_printf(out, "\t\tBad message type:\t%20" PRIu64 "\n", w->bad_type);
	text_printf(out, "\t\tTruncated message:\t%20" PRIu64 "\n", w->truncated);
	text_printf(out, "\t\tBad message size:\t%20" PRIu64 "\n", w->bad_size);
	text_printf(out, "\tsend:\n\t\tMalformed messages:\t%20" PRIu64 "\n\n", (uint64_t)0);
	text_str(out, "sequence tracking statistics:\n\trecv:\n");
	text_printf(out, "\t\tPackets lost:\t\t%20" PRIu64 "\n", s->lost);
	text_printf(out, "\t\tPackets before:\t\t%20" PRIu64 "\n\n", s->before);
	report_active_link(d, out);
	report_repaired(s, out);
	report_not_said(d, out);
}

static void report_uptime(struct text *out, int64_t seconds)
{
	int64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;

	text_str(out, "daemon uptime: ");
	if (days > 0)
		text_printf(out, "%" PRId64 " day%s ", days, days == 1 ? "" : "s");
	if (hours > 0)
		text_printf(out, "%" PRId64 " h ", hours);
	text_printf(out, "%" PRId64 " min\n\n", minutes);
}

static void report_purge(const struct daemon *d, struct text *out)
{
	struct mono due = activity_purge_due(d->activity), now = evloop_now(d->loop);

	if (!mono_is_set(due))
		return;
	if (mono_before(now, due))
		text_printf(out, "\tflush of the kernel table (-t):\tin %" PRId64 " s\n", (mono_diff_ms(due, now) + 999) / 1000);
	else
		text_str(out, "\tflush of the kernel table (-t):\tdue\n");
}

static void report_jobs(const struct daemon *d, struct text *out)
{
	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		enum job_kind kind = (enum job_kind)k;
		uint64_t done, total;

		if (jobs_progress(d->jobs, kind, &done, &total) && total > 0)
			text_printf(out, "\t%s:\t%" PRIu64 " of %" PRIu64 "\n", jobs_name(kind), done, total);
		else if (jobs_running(d->jobs, kind))
			text_printf(out, "\t%s:\truns\n", jobs_name(kind));
		if (jobs_waiting(d->jobs, kind))
			text_printf(out, "\t%s:\twaits\n", jobs_name(kind));
	}
}

/* Not in 1.4.x, and therefore behind everything else, and only where there is something to say. */
static void report_node(const struct daemon *d, uint64_t purges_ignored, struct text *out)
{
	struct text node = { 0 };

	if (activity_active(d->activity))
		text_printf(&node, "\tactive:\t\t\t\tfor %" PRId64 " s\n",
			    mono_diff_ms(evloop_now(d->loop), activity_since(d->activity)) / 1000);
	else if (activity_option(d->activity))
		text_printf(&node, "\tactive:\t\t\t\tno, by %s\n", activity_option(d->activity));
	report_purge(d, &node);
	report_jobs(d, &node);
	if (purges_ignored > 0)
		text_printf(&node, "\tflush of the kernel table (-t):\tnever in the statistics mode, %" PRIu64 " ignored\n",
			    purges_ignored);
	if (node.len > 0)
		text_printf(out, "this node:\n%s\n", node.buf);
	text_free(&node);
}

void report_runtime(const struct daemon *d, struct text *out)
{
	const struct ct_events_stats none = { 0 };	/* polling */
	const struct ct_events_stats *e = d->events ? ct_events_stats(d->events) : &none;
	const struct pipeline_stats *p = pipeline_stats(d->pipeline);
	const struct reconcile_stats no_passes = { 0 };
	const struct reconcile_stats *r = d->reconcile ? reconcile_stats(d->reconcile) : &no_passes;
	const struct ev_stats *loop = evloop_stats(d->loop);
	uint64_t filtered = p->filtered;
	struct commands_stats c;

	if (pipeline_expects(d->pipeline))
		filtered += exp_path_stats(pipeline_expects(d->pipeline))->filtered;
	commands_stats(d->commands, &c);
	report_uptime(out, mono_diff_ms(evloop_now(d->loop), d->started) / 1000);
	text_str(out, "netlink stats:\n");
	text_printf(out, "\tevents received:\t%20" PRIu64 "\n", e->received);
	text_printf(out, "\tevents filtered:\t%20" PRIu64 "\n", filtered);
	text_printf(out, "\tevents unknown type:\t\t%12" PRIu64 "\n", e->unknown_type);
	text_printf(out, "\tcatch event failed:\t\t%12" PRIu64 "\n", e->read_failed);
	text_printf(out, "\tdump unknown type:\t\t%12" PRIu64 "\n", (uint64_t)0);
	text_printf(out, "\tnetlink overrun:\t\t%12" PRIu64 "\n", e->overruns);
	text_printf(out, "\tflush kernel table:\t\t%12" PRIu64 "\n", takeover_stats(d->takeover)->kernel_flushes);
	text_printf(out, "\tresync with kernel table:\t%12" PRIu64 "\n", r->for_overrun + r->for_command + c.expect_resyncs);
	text_printf(out, "\tcurrent buffer size (in bytes):\t%12" PRIu32 "\n\n", e->buffer_bytes);
	text_str(out, "runtime stats:\n");
	text_printf(out, "\tchild process failed:\t\t%12" PRIu64 "\n", (uint64_t)0);
	text_printf(out, "\t\tchild process segfault:\t%12" PRIu64 "\n", (uint64_t)0);
	text_printf(out, "\t\tchild process termsig:\t%12" PRIu64 "\n", (uint64_t)0);
	text_printf(out, "\tselect failed:\t\t\t%12" PRIu64 "\n", loop->select_failed);
	text_printf(out, "\twait failed:\t\t\t%12" PRIu64 "\n", (uint64_t)0);
	text_printf(out, "\tlocal read failed:\t\t%12" PRIu64 "\n", c.read_failed);
	text_printf(out, "\tlocal unknown request:\t\t%12" PRIu64 "\n\n", c.unknown_request);
	if (d->blind)
		blind_report(d->blind, evloop_now(d->loop), out);
	report_node(d, c.purges_ignored, out);
}
