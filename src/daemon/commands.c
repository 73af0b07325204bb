/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each control request does.
 *
 * A command either answers at once (statistics, -B, -n, -t), or becomes a job:
 *
 *   dump    walks a table with a resume point and writes while the client's queue has room (dump.c)
 *   empty   forgets a cache in steps (-f; empty.c)
 *   waiter  waits for work that goes on without it (-c, -F, -R): the work is not the client's, so it does not stop when
 *           the client leaves
 *
 * Exit status: 0 when it is done or there is nothing to do in this mode; 1 when it was refused, is busy, or failed.
 * Scripts stop at the first non-zero status, so each refusal is deliberate. */
#include "daemon/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "control/server.h"
#include "daemon/dump.h"
#include "daemon/empty.h"
#include "daemon/expecting.h"
#include "daemon/report.h"
#include "flow/flow_print.h"

#define PROGRESS_MS	250

struct commands {
	struct daemon *d;
	struct control_server *server;
	struct list_node waiters;	/* struct waiter */
	uint64_t expect_resyncs;	/* -R with expectations, -R expect */
	struct ev_timer progress;	/* wakes those who wait for a commit, so that they can tell how far it is */
};

/* ---- wait for work that does not belong to the client ---- */

enum wait_for {
	WAIT_COMMIT,
	WAIT_FLUSH,
	WAIT_RESYNC,
	WAIT_RESYNC_EXPECTS,
};

struct waiter {
	struct control_job job;
	struct list_node node;
	struct commands *c;
	enum wait_for what;
	unsigned int rounds;		/* ends still to be seen before it is our turn to be done */
	bool strict;
	int err;
	enum ctl_object object;		/* of a commit */
	struct ct_commit_result commit;
	struct exp_commit_result expects;
	uint64_t deleted, failed;
};

static void waiter_say_expects(const struct waiter *w, struct ctl_out *out)
{
	const struct exp_commit_result *r = &w->expects;

	ctl_note(out, "committed %" PRIu64 " expectations in %" PRId64 ".%03" PRId64 " s: %" PRIu64 " created, %" PRIu64
		 " kept as the kernel had them, %" PRIu64 " failed", r->total, r->duration_us / 1000000,
		 r->duration_us / 1000 % 1000, r->created, r->kept, r->failed);
	for (int i = 0; i < EXP_COMMIT_REASONS && r->reason[i].count > 0; i++)
		ctl_note(out, "  %" PRIu64 " failed: %s", r->reason[i].count, exp_commit_reason(r->reason[i].err));
	if (w->strict && r->failed > 0)
		ctl_end(out, 1);
}

static void waiter_say_commit(const struct waiter *w, struct ctl_out *out)
{
	const struct ct_commit_result *r = &w->commit;

	if (w->object == CTL_OBJ_EXPECT) {
		waiter_say_expects(w, out);
		return;
	}
	ctl_note(out, "committed %" PRIu64 " flows in %" PRId64 ".%03" PRId64 " s: %" PRIu64 " created, %" PRIu64
		 " kept as the kernel had them, %" PRIu64 " replaced, %" PRIu64 " failed", r->total,
		 r->duration_us / 1000000, r->duration_us / 1000 % 1000, r->created, r->kept, r->replaced, r->failed);
	for (int i = 0; i < CT_COMMIT_REASONS && r->reason[i].count > 0; i++)
		ctl_note(out, "  %" PRIu64 " failed: %s", r->reason[i].count, ct_commit_reason(r->reason[i].err));
	ctl_end(out, w->strict && r->failed > 0 ? 1 : 0);
	if (w->object == CTL_OBJ_BOTH && w->c->d->expecting)
		waiter_say_expects(w, out);
}

static enum ctl_step waiter_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct waiter *w = container_of(job, struct waiter, job);
	const struct ct_commit_result *progress;

	(void)now;
	if (w->rounds > 0) {
		if (w->what == WAIT_COMMIT && takeover_committing(w->c->d->takeover)) {
			progress = takeover_progress(w->c->d->takeover);
			ctl_progress(out, progress->done, table_count(external_table(
					     pipeline_external(w->c->d->pipeline))));
		}
		return CTL_WAIT;
	}
	if (w->err < 0) {
		if (w->err == -EBUSY)
			ctl_note(out, "refused: a commit is still running");
		else
			ctl_note(out, "failed: %s", strerror(-w->err));
		ctl_end(out, 1);
	} else if (w->what == WAIT_COMMIT) {
		waiter_say_commit(w, out);
	} else if (w->what == WAIT_FLUSH) {
		ctl_note(out, "deleted %" PRIu64 " flows from the kernel table, %" PRIu64 " could not be deleted",
			 w->deleted, w->failed);
	}
	return CTL_DONE;
}

static void waiter_release(struct control_job *job, bool done)
{
	struct waiter *w = container_of(job, struct waiter, job);

	(void)done;
	list_del(&w->node);
	free(w);
}

static const struct control_job_ops waiter_ops = { .name = "wait", .step = waiter_step, .release = waiter_release };

static struct waiter *waiter_new(struct commands *c, enum wait_for what, unsigned int rounds)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->job.ops = &waiter_ops;
	w->c = c;
	w->what = what;
	w->rounds = rounds;
	list_add_tail(&c->waiters, &w->node);
	return w;
}

/* One piece of work of this kind has ended. Returns the next waiter that is done with it, NULL after the last: the
 * caller fills in the result. */
static struct waiter *waiter_next_done(struct commands *c, struct list_node **at, enum wait_for what)
{
	while (*at != &c->waiters) {
		struct waiter *w = container_of(*at, struct waiter, node);

		*at = (*at)->next;
		if (w->what == what && w->rounds > 0 && --w->rounds == 0) {
			control_job_wake(&w->job);
			return w;
		}
	}
	return NULL;
}

/* Whoever asked while one ran gets one that began after the question. */
static void again_if_awaited(struct commands *c, enum wait_for what, int (*start)(struct takeover *t, struct mono now),
			     struct mono now)
{
	bool awaited = false;
	int err;

	for (struct list_node *at = c->waiters.next; at != &c->waiters; at = at->next) {
		const struct waiter *w = container_of(at, struct waiter, node);

		awaited |= w->what == what && w->rounds > 0;
	}
	if (!awaited)
		return;
	err = start(c->d->takeover, now);
	if (err >= 0)
		return;
	for (struct list_node *at = c->waiters.next; at != &c->waiters; at = at->next) {
		struct waiter *w = container_of(at, struct waiter, node);

		if (w->what != what || w->rounds == 0)
			continue;
		w->rounds = 0;
		w->err = err;
		control_job_wake(&w->job);
	}
}

static int commit_again(struct takeover *t, struct mono now)
{
	return takeover_commit(t, TAKEOVER_ALL, now);
}

void commands_committed(void *ctx, const struct ct_commit_result *res, const struct exp_commit_result *exp,
			struct mono now)
{
	struct commands *c = ctx;
	struct list_node *at = c->waiters.next;
	struct waiter *w;

	ev_timer_del(c->d->loop, &c->progress);
	if (c->d->expecting)
		expecting_committed(c->d->expecting);
	while ((w = waiter_next_done(c, &at, WAIT_COMMIT)) != NULL) {
		w->commit = *res;
		w->expects = *exp;
	}
	again_if_awaited(c, WAIT_COMMIT, commit_again, now);
	if (takeover_committing(c->d->takeover))
		ev_timer_set(c->d->loop, &c->progress, mono_add_ms(now, PROGRESS_MS));
}

void commands_flushed(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now)
{
	struct commands *c = ctx;
	struct list_node *at = c->waiters.next;
	struct waiter *w;

	while ((w = waiter_next_done(c, &at, WAIT_FLUSH)) != NULL) {
		w->err = err;
		w->deleted = deleted;
		w->failed = failed;
	}
	again_if_awaited(c, WAIT_FLUSH, takeover_flush, now);
}

void commands_resynced(struct commands *c, bool expects, int err, struct mono now)
{
	struct list_node *at = c->waiters.next;
	struct waiter *w;

	(void)now;
	while ((w = waiter_next_done(c, &at, expects ? WAIT_RESYNC_EXPECTS : WAIT_RESYNC)) != NULL)
		w->err = err;
}

static void on_progress(void *ctx, struct mono now)
{
	struct commands *c = ctx;

	for (struct list_node *at = c->waiters.next; at != &c->waiters; at = at->next) {
		struct waiter *w = container_of(at, struct waiter, node);

		if (w->what == WAIT_COMMIT)
			control_job_wake(&w->job);
	}
	ev_timer_set(c->d->loop, &c->progress, mono_add_ms(now, PROGRESS_MS));
}

/* ---- one function per command ---- */

static struct control_job *out_of_memory(struct ctl_out *out)
{
	ctl_note(out, "failed: out of memory");
	ctl_end(out, 1);
	return NULL;
}

static struct control_job *cmd_commit(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);
	static const char *const say[] = {
		[CTL_OBJ_CT] = "committing conntrack cache",
		[CTL_OBJ_EXPECT] = "committing expectation cache",
		[CTL_OBJ_BOTH] = "committing all external caches",
	};
	static const enum takeover_what what[] = {
		[CTL_OBJ_CT] = TAKEOVER_FLOWS,
		[CTL_OBJ_EXPECT] = TAKEOVER_EXPECTS,
		[CTL_OBJ_BOTH] = TAKEOVER_ALL,
	};
	struct waiter *w = waiter_new(c, WAIT_COMMIT, 1);

	if (!w)
		return out_of_memory(out);
	w->strict = req->strict;
	w->object = req->cmd->object;
	if (takeover_committing(c->d->takeover)) {
		ctl_note(out, "a commit is already running, another one follows it");
		takeover_cancel_schedule(c->d->takeover);
		w->rounds = 2;
		return &w->job;
	}
	log_notice("%s", say[req->cmd->object]);
	w->err = takeover_commit(c->d->takeover, what[req->cmd->object], now);
	if (w->err < 0)
		w->rounds = 0;
	if (w->rounds > 0)
		ev_timer_set(c->d->loop, &c->progress, mono_add_ms(now, PROGRESS_MS));
	return &w->job;
}

static void cmd_flush_expects(struct commands *c, struct ctl_out *out)
{
	int err;

	log_notice("flushing kernel expect table");
	err = takeover_flush_expects(c->d->takeover);
	if (err < 0) {
		ctl_note(out, "failed: %s", strerror(-err));
		ctl_end(out, 1);
	}
}

static struct control_job *cmd_flush_kernel(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct waiter *w = waiter_new(c, WAIT_FLUSH, 1);

	if (!w)
		return out_of_memory(out);
	if (req->cmd->object == CTL_OBJ_BOTH && c->d->expecting)
		cmd_flush_expects(c, out);
	log_notice("flushing kernel conntrack table");
	if (takeover_flushing(c->d->takeover)) {
		w->rounds = 2;	/* the one that runs may have passed what is to go: one more */
		return &w->job;
	}
	w->err = takeover_flush(c->d->takeover, evloop_now(c->d->loop));
	if (w->err < 0)
		w->rounds = 0;
	return &w->job;
}

/* Says so where there is nothing to compare with the kernel. */
static bool cmd_no_internal(const struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (c->d->reconcile)
		return false;
	log_notice("resync is unsupported in this mode");
	ctl_note(out, "%s: nothing to do, there is no internal cache to compare with the kernel table (DisableInternalCache)",
		 req->cmd->text);
	return true;
}

static struct control_job *cmd_resync_kernel(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct waiter *w;

	if (cmd_no_internal(c, req, out))
		return NULL;
	w = waiter_new(c, WAIT_RESYNC, reconcile_command_running(c->d->reconcile) ? 2 : 1);
	if (!w)
		return out_of_memory(out);
	log_notice("resync with master conntrack table");
	if (req->cmd->object == CTL_OBJ_BOTH && c->d->expecting) {
		log_notice("resync with master expect table");	/* the pass over the flows ends with it */
		c->expect_resyncs++;
	}
	reconcile_start(c->d->reconcile, RECONCILE_COMMAND, evloop_now(c->d->loop));
	return &w->job;
}

static struct control_job *cmd_flush_caches(struct commands *c, struct ctl_out *out, bool internal, bool external)
{
	struct control_job *job;

	external = external && pipeline_external(c->d->pipeline);	/* there may be none */
	if (external && takeover_committing(c->d->takeover)) {
		log_errx("ignoring flush command, commit still in progress");
		ctl_note(out, "refused: a commit is still running");
		ctl_end(out, 1);
		return NULL;
	}
	if (internal)
		takeover_cancel_schedule(c->d->takeover);
	if (internal && !pipeline_internal(c->d->pipeline)) {
		ctl_note(out, "%s: nothing to do, there is no internal cache, and the kernel table is not touched "
			 "(DisableInternalCache)", external ? "internal cache" : "-f");
		internal = false;
	}
	if (!internal && !external)
		return NULL;
	log_notice(internal && external ? "flushing caches" :
		   internal ? "flushing internal cache" : "flushing external cache");
	job = empty_caches(c->d, internal, external);
	return job ? job : out_of_memory(out);
}

/* Without internal cache: what the kernel has. */
static struct control_job *cmd_dump_kernel(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct control_job *job;
	struct text err = { 0 };

	job = dump_kernel(c->d, req->cmd->object == CTL_OBJ_EXPECT, req->cmd->xml, &err);
	if (!job) {
		ctl_note(out, "failed: %s", err.buf ? err.buf : "out of memory");
		ctl_end(out, 1);
	}
	text_free(&err);
	return job;
}

static struct control_job *cmd_dump(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	bool external = req->cmd->option == 'e';
	struct control_job *job;

	if (!external && !pipeline_internal(c->d->pipeline))
		return cmd_dump_kernel(c, req, out);
	job = dump_flows(c->d, external, req->cmd->xml);
	return job ? job : out_of_memory(out);
}

static void cmd_report(struct commands *c, struct ctl_out *out,
		       void (*report)(const struct daemon *d, struct text *text))
{
	struct text text = { 0 };

	report(c->d, &text);
	if (text.truncated) {
		out_of_memory(out);
	} else {
		ctl_text(out, text.buf, text.len);
	}
	text_free(&text);
}

static void cmd_purge(struct commands *c, struct ctl_out *out)
{
	if (!takeover_schedule(c->d->takeover, evloop_now(c->d->loop)))
		ctl_note(out, "a flush is scheduled already");
}

static void cmd_kill(struct commands *c, struct ctl_out *out)
{
	ctl_hold_until_exit(out);	/* -k returns when lock and socket are gone */
	daemon_stop(c->d);
}

/* ALARM sends everything again anyway and has no word for asking. */
static bool cmd_no_request(const struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (c->d->conf->sync.mode != SYNC_MODE_ALARM)
		return false;
	ctl_note(out, "%s: nothing to do in mode ALARM, every state is sent again within RefreshTime", req->cmd->text);
	return true;
}

static void cmd_bulk(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (cmd_no_request(c, req, out))
		return;
	log_notice("sending bulk update");
	sync_bulk(pipeline_sync(c->d->pipeline), evloop_now(c->d->loop));
}

static void cmd_ask_resync(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (cmd_no_request(c, req, out))
		return;
	log_notice("resync requested");
	sync_ask_resync(pipeline_sync(c->d->pipeline), evloop_now(c->d->loop));
}

static struct control_job *cmd_resync_expects(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct waiter *w;

	if (cmd_no_internal(c, req, out))
		return NULL;
	w = waiter_new(c, WAIT_RESYNC_EXPECTS, expecting_comparing(c->d->expecting) ? 2 : 1);
	if (!w)
		return out_of_memory(out);
	log_notice("resync with master expect table");
	c->expect_resyncs++;
	expecting_compare(c->d->expecting, EXPECTING_COMMAND_EXP, evloop_now(c->d->loop));
	return &w->job;
}

static struct control_job *cmd_dump_expects(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	bool external = req->cmd->option == 'e';
	struct control_job *job;

	if (!external && !pipeline_internal(c->d->pipeline))
		return cmd_dump_kernel(c, req, out);
	job = dump_expects(c->d, external, req->cmd->xml);
	return job ? job : out_of_memory(out);
}

static void cmd_no_expect(struct ctl_out *out, const struct ctl_request *req)
{
	ctl_note(out, "%s: nothing to do, expectations are not synchronised (ExpectationSync)", req->cmd->text);
}

static struct control_job *cmd_rsqueue(struct commands *c, struct ctl_out *out)
{
	struct control_job *job;

	if (c->d->conf->sync.mode != SYNC_MODE_FTFW) {
		ctl_note(out, "there is no resend queue in this mode");
		return NULL;
	}
	job = dump_ring(c->d);
	return job ? job : out_of_memory(out);
}

/* What needs the external cache. */
static bool needs_external(enum ctl_req number)
{
	return number == CTL_REQ_DUMP_EXT_CT || number == CTL_REQ_DUMP_EXT_CT_XML || number == CTL_REQ_COMMIT ||
	       number == CTL_REQ_COMMIT_CT || number == CTL_REQ_FLUSH_EXT_CT;
}

static bool needs_external_expects(enum ctl_req number)
{
	return number == CTL_REQ_DUMP_EXT_EXP || number == CTL_REQ_DUMP_EXT_EXP_XML || number == CTL_REQ_COMMIT_EXP;
}

/* The states of the peers are not in a cache. */
static void cmd_no_external(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	ctl_note(out, "%s: nothing to do, states of the peer are in the kernel already (DisableExternalCache)",
		 req->cmd->text);
	if (req->cmd->option == 'c')
		takeover_cancel_schedule(c->d->takeover);
}

/* What needs peers; without them (statistics mode) there is nothing to do. */
static bool needs_peers(enum ctl_req number)
{
	static const enum ctl_req list[] = {
		CTL_REQ_BULK, CTL_REQ_REQUEST_RESYNC, CTL_REQ_STATS_NETWORK, CTL_REQ_STATS_LINK, CTL_REQ_STATS_QUEUE,
		CTL_REQ_STATS_RSQUEUE, CTL_REQ_STATS_PEERS,
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i] == number)
			return true;
	return needs_external(number);
}

/* The requests about expectations alone. */
static struct control_job *on_expect_request(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (!c->d->expecting) {
		cmd_no_expect(out, req);
		return NULL;
	}
	if (!pipeline_external(c->d->pipeline) && needs_external_expects(req->cmd->number)) {
		cmd_no_external(c, req, out);
		return NULL;
	}
	switch (req->cmd->option) {
	case 'i':
	case 'e':
		return cmd_dump_expects(c, req, out);
	case 'c':
		return cmd_commit(c, req, out);
	case 'R':
		return cmd_resync_expects(c, req, out);
	case 'F':
		cmd_flush_expects(c, out);
		return NULL;
	case 's':
		cmd_report(c, out, report_expect);
		return NULL;
	}
	return NULL;	/* there are no others */
}

static void on_request(void *ctx, const struct ctl_request *req, struct ctl_out *out, struct control_job **job)
{
	struct commands *c = ctx;

	if (!pipeline_sync(c->d->pipeline) && needs_peers(req->cmd->number)) {
		ctl_note(out, "%s: nothing to do in the statistics mode", req->cmd->text);
		return;
	}
	if (!pipeline_external(c->d->pipeline) && needs_external(req->cmd->number)) {
		cmd_no_external(c, req, out);
		return;
	}
	switch (req->cmd->number) {
	case CTL_REQ_DUMP_INT_CT:
	case CTL_REQ_DUMP_INT_CT_XML:
	case CTL_REQ_DUMP_EXT_CT:
	case CTL_REQ_DUMP_EXT_CT_XML:
		*job = cmd_dump(c, req, out);
		return;
	case CTL_REQ_COMMIT:
	case CTL_REQ_COMMIT_CT:
		*job = cmd_commit(c, req, out);
		return;
	case CTL_REQ_FLUSH_KERNEL:
	case CTL_REQ_FLUSH_KERNEL_CT:
		*job = cmd_flush_kernel(c, req, out);
		return;
	case CTL_REQ_RESYNC_KERNEL:
	case CTL_REQ_RESYNC_KERNEL_CT:
		*job = cmd_resync_kernel(c, req, out);
		return;
	case CTL_REQ_FLUSH_CACHES:
	case CTL_REQ_FLUSH_CACHES_OLD:
		*job = cmd_flush_caches(c, out, true, true);
		return;
	case CTL_REQ_FLUSH_INT_CT:
		*job = cmd_flush_caches(c, out, true, false);
		return;
	case CTL_REQ_FLUSH_EXT_CT:
		*job = cmd_flush_caches(c, out, false, true);
		return;
	case CTL_REQ_BULK:
		cmd_bulk(c, req, out);
		return;
	case CTL_REQ_REQUEST_RESYNC:
		cmd_ask_resync(c, req, out);
		return;
	case CTL_REQ_PURGE:
		cmd_purge(c, out);
		return;
	case CTL_REQ_KILL:
		cmd_kill(c, out);
		return;
	case CTL_REQ_STATS:
		cmd_report(c, out, report_general);
		return;
	case CTL_REQ_STATS_NETWORK:
		cmd_report(c, out, report_network);
		return;
	case CTL_REQ_STATS_CACHE:
		cmd_report(c, out, report_cache);
		return;
	case CTL_REQ_STATS_RUNTIME:
		cmd_report(c, out, report_runtime);
		return;
	case CTL_REQ_STATS_LINK:
		cmd_report(c, out, report_link);
		return;
	case CTL_REQ_STATS_QUEUE:
		cmd_report(c, out, report_queue);
		return;
	case CTL_REQ_STATS_RSQUEUE:
		*job = cmd_rsqueue(c, out);
		return;
	case CTL_REQ_STATS_PROCESS:
		return;	/* one line per child process; there are none */
	case CTL_REQ_STATS_EXPECT:
	case CTL_REQ_FLUSH_KERNEL_EXP:
	case CTL_REQ_RESYNC_KERNEL_EXP:
	case CTL_REQ_DUMP_INT_EXP:
	case CTL_REQ_DUMP_EXT_EXP:
	case CTL_REQ_COMMIT_EXP:
	case CTL_REQ_DUMP_INT_EXP_XML:
	case CTL_REQ_DUMP_EXT_EXP_XML:
		*job = on_expect_request(c, req, out);
		return;
	case CTL_REQ_STATS_PEERS:
		cmd_report(c, out, report_peers);
		return;
	}
}

/* ---- lifetime ---- */

void commands_stats(const struct commands *c, struct commands_stats *out)
{
	const struct control_stats *s = control_server_stats(c->server);

	*out = (struct commands_stats){
		.read_failed = s->no_request, .unknown_request = s->unknown_request,
		.expect_resyncs = c->expect_resyncs,
	};
}

int commands_open(struct daemon *d, const struct control_conf *conf, struct commands **out, struct text *err)
{
	static const struct control_ops ops = { .start = on_request };
	struct commands *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->d = d;
	list_init(&c->waiters);
	c->progress = (struct ev_timer){ .cb = on_progress, .ctx = c, .name = "progress" };
	ret = control_server_open(d->loop, conf, &ops, c, FLOW_RECORD_VERSION, &c->server, err);
	if (ret < 0) {
		free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void commands_stop(struct commands *c)
{
	if (!c)
		return;
	ev_timer_del(c->d->loop, &c->progress);
	control_server_stop(c->server);
}

void commands_free(struct commands *c)
{
	if (!c)
		return;
	control_server_free(c->server);
	free(c);
}
