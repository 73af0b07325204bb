/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of --status. Each item is one question of somebody who has been called at night: what is
 * this node, is it well, are the nodes in sync, who is there, does the kernel tell, is there room,
 * what came of the last take-over, what was said. The lines of the log get the rows that are
 * left. */
#include "command/status_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/evloop.h"
#include "cache/whole.h"
#include "channel/channel.h"
#include "control/verdict.h"
#include "command/ask.h"
#include "follow/blind.h"
#include "command/page.h"
#include "command/report.h"
#include "command/role_command.h"
#include "command/status.h"
#include "command/values.h"
#include "kernel/ct.h"

#define PEERS_SHOWN 2u /* with two rows each */
#define LINKS_SHOWN 2u

static void put_text(struct page *p, const char *label, unsigned int most, struct text *said)
{
	page_put(p, label, most, said->buf ? said->buf : "");
	text_free(said);
}

static void stamp(int64_t wall_s, const char *layout, char *buf, size_t cap)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(buf, cap, layout, &tm) == 0)
		snprintf(buf, cap, "?");
}

/* ---- the node ---- */

static void put_head(struct page *p, const struct command_env *d, const struct status_values *s,
		     struct mono now)
{
	char when[64], up[PAGE_SPAN];
	struct text t = { 0 };

	stamp(s->time_s, "%F %T %Z", when, sizeof(when));
	page_span(mono_diff_ms(now, d->started) / 1000, up);
	text_printf(&t, "%s, %s, up %s, %s", s->version, s->mode, up, when);
	put_text(p, "daemon", 1, &t);
}

static void put_node(struct page *p, const struct command_env *d)
{
	struct node_values n;
	struct role_values r;
	char span[PAGE_SPAN];
	struct text t = { 0 };

	report_node_values(d, &n);
	if (!d->role) {
		text_str(&t, "has no role in this mode");
	} else {
		role_values(d, &r);
		text_str(&t, r.role);
		if (r.doubt)
			text_printf(&t, ": %s", r.doubt);
		if (r.since_s >= 0) {
			page_span(r.since_s, span);
			text_printf(&t, "%s for %s, by %s", r.doubt ? "; told" : "", span, r.by);
		} else {
			text_str(&t, ": it was not told a role (--role, -c, -t, -n) yet");
		}
	}
	if (n.purge_s >= 0) {
		page_span(n.purge_s, span);
		text_printf(&t, "; flush of the kernel table (-t) in %s", span);
	}
	put_text(p, "node", 2, &t);
}

static void put_health(struct page *p, const struct command_env *d)
{
	struct text t = { 0 };
	struct verdict v;

	ask_daemon(d, CTL_ASKS_HEALTH, &v);
	text_printf(&t, "%s: ", verdict_word(&v));
	verdict_why(&v, &t);
	put_text(p, "health", 2, &t);
}

/* ---- the peers ---- */

/* What the peers have told is not all here: only because it was thrown away on purpose? */
static bool was_emptied(const struct command_env *d, struct mono now)
{
	struct completeness_values c;

	return pipeline_completeness(d->pipeline, 1, now, &c) && c.why == WHOLE_FLUSHED;
}

static void put_standing(struct page *p, const struct command_env *d, struct mono now)
{
	struct sync_standing st;
	struct text t = { 0 };

	sync_standing(pipeline_sync(d->pipeline), now, &st);
	text_printf(&t, "received: %s", st.received ? "yes" : "no");
	if (st.peers == 0)
		text_str(&t, " (no peer was heard)");
	else if (!st.whole)
		text_str(&t, " (our own cache is incomplete)");
	else if (!st.kept)
		text_str(&t,
			 was_emptied(d, now) ? " (emptied by -f)" : " (part of it found no place)");
	else if (!st.received)
		text_str(&t, " (-s peers tells why)");
	text_printf(&t, ", heard: %s",
		    !st.acks ? "not known in this mode" :
		    st.heard ? "yes" :
			       "no");
	put_text(p, "in sync", 1, &t);
}

static void put_peer(struct page *p, const struct sync_peer_view *v, bool acks, struct mono now)
{
	const struct standing *st = &v->standing;
	char span[PAGE_SPAN];
	struct text t = { 0 };

	page_span(mono_is_set(st->since) ? mono_diff_ms(now, st->since) / 1000 : 0, span);
	text_printf(&t, "%s: %s for %s", v->name, standing_name(st->state), span);
	text_printf(&t, "; heard %" PRId64 ".%" PRId64 " s ago", v->silent_ms / 1000,
		    v->silent_ms / 100 % 10);
	if (acks)
		text_printf(&t, "; lag %" PRIu32 " messages, %" PRId64 " s", st->behind,
			    standing_lag_ms(st, now) / 1000);
	put_text(p, "peer", 2, &t);
}

static void put_peers(struct page *p, const struct command_env *d, struct mono now)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	bool acks = sync_can(d->sync, SYNC_ACKS);
	struct sync_peer_view v;
	unsigned int n = 0;
	struct text t = { 0 };

	put_standing(p, d, now);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (sync_peer_view(s, i, now, &v) && !v.left && n++ < PEERS_SHOWN)
			put_peer(p, &v, acks, now);
	if (n <= PEERS_SHOWN)
		return;
	text_printf(&t, "and %u more (-s peers)", n - PEERS_SHOWN);
	put_text(p, "", 1, &t);
}

static void put_messages(struct page *p, const struct command_env *d, struct mono now)
{
	const struct sync_stats *s = sync_stats(pipeline_sync(d->pipeline));
	char up[PAGE_SPAN];
	struct text t = { 0 };

	page_span(mono_diff_ms(now, d->started) / 1000, up);
	text_printf(&t, "lost %" PRIu64 ", repaired %" PRIu64 ", reordered %" PRIu64 ", in %s",
		    s->lost, s->repaired, s->reordered, up);
	put_text(p, "messages", 1, &t);
}

static void put_links(struct page *p, const struct command_env *d)
{
	size_t n = channel_links(d->channel);
	struct link_values l;
	struct text t = { 0 };

	for (size_t i = 0; i < n && i < LINKS_SHOWN; i++) {
		report_link_values(d, i, &l);
		text_printf(&t,
			    "%s %s %s %s: sent %" PRIu64 ", received %" PRIu64 ", errors %" PRIu64,
			    l.stats.ifname, l.stats.kind, l.status, l.role, l.stats.sent_pkts,
			    l.stats.recv_pkts, l.stats.sent_errors + l.stats.recv_errors);
		put_text(p, "link", 1, &t);
	}
	if (n <= LINKS_SHOWN)
		return;
	text_printf(&t, "and %zu more (-s link)", n - LINKS_SHOWN);
	put_text(p, "", 1, &t);
}

static void put_queues(struct page *p, const struct command_env *d)
{
	struct sync_queues q;
	struct text t = { 0 };

	sync_queues(pipeline_sync(d->pipeline), &q);
	text_printf(&t, "%" PRIu32 " to be sent", q.tx_len);
	if (q.ring_max > 0)
		text_printf(&t, ", %" PRIu32 " of %" PRIu32 " not acknowledged", q.ring_len,
			    q.ring_max);
	put_text(p, "queues", 1, &t);
}

/* ---- the kernel ---- */

static const char *blind_to(const struct command_env *d, struct mono now)
{
	int64_t for_s;

	for (enum blind_reason why = 0; d->blind && why < BLIND_REASONS; why++)
		if (blind_is(d->blind, why, now, &for_s))
			return blind_name(why);
	return NULL;
}

static void put_events(struct page *p, const struct command_env *d, const struct status_values *s,
		       struct mono now)
{
	const char *blind = blind_to(d, now);
	struct text t = { 0 };

	if (!d->events) {
		text_printf(&t, "none: the table is read every %u s (PollSecs)", d->poll_s);
	} else {
		const struct ct_events_stats *e = ct_events_stats(d->events);

		text_printf(&t, "%s: %" PRIu64 " (%" PRIu64 " a second), %" PRIu64 " overruns",
			    blind ? blind : "on", e->received, s->events_per_s, e->overruns);
	}
	if (d->reconcile)
		text_printf(&t, ", %" PRIu64 " comparisons", reconcile_stats(d->reconcile)->passes);
	put_text(p, "events", 2, &t);
}

static void say_table(struct text *t, const char *name, struct flow_table *table)
{
	text_printf(t, ", %s %" PRIu32 " of %" PRIu32, name,
		    table_count(table) - table_count_dead(table), table_limit(table));
}

static void put_tables(struct page *p, const struct command_env *d, const struct status_values *s)
{
	struct external *external = pipeline_external(d->pipeline);
	struct text t = { 0 };

	text_printf(&t, "kernel %" PRId64 " of %" PRId64, s->table, s->table_max);
	if (pipeline_internal(d->pipeline))
		say_table(&t, pipeline_sync(d->pipeline) ? "internal" : "stats",
			  pipeline_own(d->pipeline));
	if (external)
		say_table(&t, "external", external_table(external));
	put_text(p, "tables", 2, &t);
}

/* ---- what was done and said ---- */

static void say_windows(struct text *t, const struct windows_result *w)
{
	text_printf(t,
		    "nothing to put into the kernel; the windows of %" PRIu64
		    " older entries judge no longer",
		    w->loosened);
	if (w->failed > 0)
		text_printf(t, ", %" PRIu64 " could not be changed", w->failed);
}

static void say_commit(struct text *t, const struct commit_values *c)
{
	const struct ct_commit_result *r = &c->flows;
	struct refusal_values why;

	if (c->failed) {
		text_printf(t, "failed: %s", c->failed);
		return;
	}
	text_printf(t,
		    "%" PRIu64 " flows in %" PRId64 " ms: %" PRIu64 " created, %" PRIu64
		    " kept, %" PRIu64 " updated, %" PRIu64 " replaced, %" PRIu64 " failed",
		    r->total, r->duration_us / 1000, r->created, r->kept, r->updated, r->replaced,
		    r->failed);
	if (r->newer > 0)
		text_printf(t, "; %" PRIu64 " refused: newer here", r->newer);
	if (r->ended_here + r->ended > 0)
		text_printf(t, "; %" PRIu64 " had ended", r->ended_here + r->ended);
	for (int i = 0; commit_refusal(c, i, &why); i++)
		text_printf(t, "; %" PRIu64 " failed: %s", why.count, why.why);
	if (c->expects.total > 0)
		text_printf(t, "; %" PRIu64 " of %" PRIu64 " expectations failed",
			    c->expects.failed, c->expects.total);
}

static void put_commit(struct page *p, const struct command_env *d)
{
	struct commit_values c;
	struct text t = { 0 };
	char when[64];

	if (!status_commit(d, &c)) {
		page_put(p, "commit", 1, "none (-c) since the start");
		return;
	}
	stamp(c.at_s, "%F %T", when, sizeof(when));
	text_printf(&t, "%s, by -c: ", when);
	if (d->last_commit->in_kernel)
		say_windows(&t, &c.windows);
	else
		say_commit(&t, &c);
	put_text(p, "commit", 3, &t);
}

static void put_jobs(struct page *p, const struct command_env *d)
{
	struct text t = { 0 };

	for (unsigned int k = 0; k < JOB_KINDS; k++) {
		enum job_kind kind = (enum job_kind)k;
		uint64_t done, total;

		if (jobs_progress(d->jobs, kind, &done, &total) && total > 0)
			text_printf(&t, "%s%s %" PRIu64 " of %" PRIu64, t.len ? ", " : "",
				    jobs_name(kind), done, total);
		else if (jobs_running(d->jobs, kind))
			text_printf(&t, "%s%s runs", t.len ? ", " : "", jobs_name(kind));
		if (jobs_waiting(d->jobs, kind))
			text_printf(&t, "%s%s waits", t.len ? ", " : "", jobs_name(kind));
	}
	if (t.len > 0)
		put_text(p, "jobs", 1, &t);
}

/* The newest, as many as there is room for. */
static void put_log(struct page *p)
{
	unsigned int room = p->rows < STATUS_ROWS ? STATUS_ROWS - p->rows : 0, n = 0;
	struct line_values l;
	struct text t = { 0 };
	char when[32];

	while (status_line(n, &l))
		n++;
	for (unsigned int i = n > room ? n - room : 0, first = i; i < n; i++) {
		status_line(i, &l);
		stamp(l.time_s, "%H:%M:%S", when, sizeof(when));
		text_printf(&t, "%s %s %s", when, l.level, l.text);
		put_text(p, i == first ? "log" : "", 1, &t);
	}
}

void status_page(const struct command_env *d, struct text *out)
{
	struct mono now = evloop_now(d->loop);
	struct page p = { .out = out };
	struct status_values s;

	status_values(d, &s);
	put_head(&p, d, &s, now);
	put_node(&p, d);
	put_health(&p, d);
	if (pipeline_sync(d->pipeline)) {
		put_peers(&p, d, now);
		put_messages(&p, d, now);
		put_links(&p, d);
		put_queues(&p, d);
	}
	put_events(&p, d, &s, now);
	put_tables(&p, d, &s);
	if (pipeline_sync(d->pipeline))
		put_commit(&p, d);
	put_jobs(&p, d);
	put_log(&p);
}
