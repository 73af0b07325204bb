/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each control request does.
 *
 * A command either answers at once (statistics, -B, -n, -t), or becomes a job:
 *
 *   dump    walks a table with a resume point and writes while the client's queue has room (dump.c)
 *   empty   forgets a cache in steps (-f; empty.c)
 *   waiter  waits for work that goes on without it (-c, -F, -R): the work is not the client's, so it does not stop when
 *           the client leaves (waiters.c)
 *
 * Exit status: 0 when it is done or there is nothing to do in this mode; 1 when it was refused, is busy, or failed.
 * Scripts stop at the first non-zero status, so each refusal is deliberate. */
#include "daemon/commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/server.h"
#include "daemon/dump.h"
#include "daemon/empty.h"
#include "daemon/expecting.h"
#include "daemon/jobs.h"
#include "daemon/report.h"
#include "daemon/waiters.h"
#include "flow/flow_print.h"

struct commands {
	struct daemon *d;
	struct control_server *server;
	uint64_t expect_resyncs;	/* -R with expectations, -R expect */
	uint64_t purges_ignored;	/* -t in the statistics mode */
};

/* ---- one function per command ---- */

static struct control_job *out_of_memory(struct ctl_out *out)
{
	ctl_note(out, "failed: out of memory");
	ctl_end(out, 1);
	return NULL;
}

static void done_note(struct ctl_out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What a command that succeeds has to say: into the log, and for a person who has typed it. */
static void done_note(struct ctl_out *out, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_notice("%s", line);
	ctl_result(out, "%s", line);
}

/* Nothing to do, and that is no failure. A question is answered by nothing and leaves no line: monitoring asks all day. */
static void idle_note(const struct ctl_request *req, struct ctl_out *out, const char *why)
{
	bool asks = strchr("sie", req->cmd->option);

	if (asks)
		ctl_result(out, "%s: nothing to do, %s", req->cmd->text, why);
	else
		done_note(out, "%s: nothing to do, %s", req->cmd->text, why);
}

static struct control_job *job_or_note(struct control_job *job, struct ctl_out *out)
{
	return job ? job : out_of_memory(out);
}

static struct control_job *cmd_commit(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	static const char *const say[] = {
		[CTL_OBJ_CT] = "committing conntrack cache",
		[CTL_OBJ_EXPECT] = "committing expectation cache",
		[CTL_OBJ_BOTH] = "committing all external caches",
	};

	/* Now, not when the one that follows begins: a -t that comes in between is newer. */
	takeover_active(c->d->takeover, evloop_now(c->d->loop));
	if (jobs_running(c->d->jobs, JOB_COMMIT))
		done_note(out, "a commit is already running, another one follows it");
	else
		log_notice("%s", say[req->cmd->object]);
	return job_or_note(waiters_commit(c->d->waiters, req->cmd->object, req->strict, false,
					  evloop_now(c->d->loop)), out);
}

static struct control_job *cmd_flush_expects(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	int err;

	(void)req;
	done_note(out, "flushing kernel expect table");
	err = takeover_flush_expects(c->d->takeover);
	if (err < 0) {
		ctl_note(out, "failed: %s", strerror(-err));
		ctl_end(out, 1);
	}
	return NULL;
}

static struct control_job *cmd_flush_kernel(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct control_job *job;

	log_notice("flushing kernel conntrack table");
	job = waiters_ask(c->d->waiters, JOB_FLUSH, 0, evloop_now(c->d->loop));
	if (!job)
		return out_of_memory(out);
	/* Refused while a commit runs, which has put expectations there as well. */
	if (req->cmd->object == CTL_OBJ_BOTH && c->d->expecting && !jobs_running(c->d->jobs, JOB_COMMIT))
		cmd_flush_expects(c, req, out);
	return job;
}

/* Says so where there is nothing to compare with the kernel. */
static bool no_internal(const struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (c->d->reconcile)
		return false;
	log_notice("resync is unsupported in this mode");
	ctl_result(out, "%s: nothing to do, there is no internal cache to compare with the kernel table (DisableInternalCache)",
		   req->cmd->text);
	return true;
}

static struct control_job *cmd_resync_kernel(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (no_internal(c, req, out))
		return NULL;
	done_note(out, "resync with master conntrack table");
	if (req->cmd->object == CTL_OBJ_BOTH && c->d->expecting) {
		log_notice("resync with master expect table");	/* the pass over the flows ends with it */
		c->expect_resyncs++;
	}
	/* What a peer has told is ours from now on where it is in our kernel, and -f does not look at that. */
	return job_or_note(waiters_ask(c->d->waiters, JOB_COMPARE, pipeline_foreign(c->d->pipeline) > 0 ? JOB_ALONE : 0,
				       evloop_now(c->d->loop)), out);
}

static struct control_job *cmd_resync_expects(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (no_internal(c, req, out))
		return NULL;
	done_note(out, "resync with master expect table");
	c->expect_resyncs++;
	return job_or_note(waiters_ask(c->d->waiters, JOB_COMPARE_EXPECTS, 0, evloop_now(c->d->loop)), out);
}

/* The internal cache is compared with the kernel, which goes on when the client has left; -R joins it. */
static void flush_internal(struct commands *c, bool external, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	takeover_cancel_schedule(c->d->takeover, now);
	if (c->d->reconcile)
		jobs_ask(c->d->jobs, JOB_REFRESH, 0, NULL, now);
	else
		done_note(out, "%s: nothing to do, there is no internal cache, and the kernel table is not touched "
			  "(DisableInternalCache)", external ? "internal cache" : "-f");
}

static struct control_job *flush_caches(struct commands *c, struct ctl_out *out, bool internal, bool external)
{
	bool both = internal && external, cached = internal && c->d->reconcile;

	external = external && pipeline_external(c->d->pipeline);	/* there may be none */
	if (external && jobs_running(c->d->jobs, JOB_COMMIT)) {
		log_errx("ignoring flush command, commit still in progress");
		ctl_note(out, "refused: a commit is still running");
		ctl_end(out, 1);
		return NULL;
	}
	if (cached || external)
		done_note(out, "%s", cached && external ? "flushing caches" :
			  cached ? "flushing internal cache" : "flushing external cache");
	if (internal)
		flush_internal(c, external, out);
	if (!external)
		return NULL;
	return job_or_note(waiters_ask(c->d->waiters, JOB_EMPTY, both ? EMPTY_EXPECTS : 0, evloop_now(c->d->loop)), out);
}

static struct control_job *cmd_flush_caches(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	(void)req;
	return flush_caches(c, out, true, true);
}

static struct control_job *cmd_flush_internal(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	(void)req;
	return flush_caches(c, out, true, false);
}

static struct control_job *cmd_flush_external(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	(void)req;
	return flush_caches(c, out, false, true);
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

	if (!external && !pipeline_internal(c->d->pipeline))
		return cmd_dump_kernel(c, req, out);
	if (req->cmd->object == CTL_OBJ_EXPECT)
		return job_or_note(dump_expects(c->d, external, req->cmd->xml), out);
	return job_or_note(dump_flows(c->d, external, req->cmd->xml), out);
}

static struct control_job *cmd_rsqueue(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	(void)req;
	if (!sync_can(&c->d->conf->sync, SYNC_ACKS)) {
		ctl_result(out, "there is no resend queue in this mode");
		return NULL;
	}
	return job_or_note(dump_ring(c->d), out);
}

static struct control_job *cmd_purge(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	(void)req;
	if (takeover_schedule(c->d->takeover, now))	/* which is in the log */
		ctl_result(out, "flushing conntrack table in %u secs", c->d->conf->sync.purge_timeout_s);
	else
		done_note(out, "a flush is scheduled already");
	empty_fill(c->d->empty, now);
	return NULL;
}

static struct control_job *cmd_kill(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	(void)req;
	ctl_hold_until_exit(out);	/* -k returns when lock and socket are gone */
	daemon_stop(c->d);
	return NULL;
}

/* ALARM sends everything again anyway and has no word for asking. */
static bool no_request(const struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (sync_can(&c->d->conf->sync, SYNC_ASKS))
		return false;
	idle_note(req, out, "mode ALARM sends every state again within RefreshTime");
	return true;
}

static struct control_job *cmd_bulk(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	if (no_request(c, req, out))
		return NULL;
	jobs_ask(c->d->jobs, JOB_TELL, 0, NULL, now);
	if (jobs_waiting(c->d->jobs, JOB_TELL))
		done_note(out, "the bulk update follows what is still running");
	else		/* as the log says when it begins */
		ctl_result(out, "sending bulk update");
	return NULL;
}

static struct control_job *cmd_ask_resync(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	activity_request(c->d->activity, now);
	if (!no_request(c, req, out)) {
		done_note(out, "resync requested");
		empty_asked(c->d->empty);
		pipeline_ask(c->d->pipeline, now);
	}
	return NULL;
}

/* ---- which command is which ---- */

enum needs {
	NEEDS_NOTHING = 0,
	NEEDS_PEERS = 1,	/* there are none in the statistics mode */
	NEEDS_EXTERNAL = 2,	/* the states of the peers in a cache: DisableExternalCache is off */
	NEEDS_EXPECTS = 4,	/* ExpectationSync */
};

/* By its number: either what it does, or the report it prints; neither: it is accepted and says nothing. */
static const struct what {
	enum needs needs;
	struct control_job *(*run)(struct commands *c, const struct ctl_request *req, struct ctl_out *out);
	void (*report)(const struct daemon *d, struct values *v);
} table[] = {
	[CTL_REQ_DUMP_INT_CT] = { NEEDS_NOTHING, .run = cmd_dump },
	[CTL_REQ_DUMP_INT_CT_XML] = { NEEDS_NOTHING, .run = cmd_dump },
	[CTL_REQ_DUMP_EXT_CT] = { NEEDS_EXTERNAL, .run = cmd_dump },
	[CTL_REQ_DUMP_EXT_CT_XML] = { NEEDS_EXTERNAL, .run = cmd_dump },
	[CTL_REQ_DUMP_INT_EXP] = { NEEDS_EXPECTS, .run = cmd_dump },
	[CTL_REQ_DUMP_INT_EXP_XML] = { NEEDS_EXPECTS, .run = cmd_dump },
	[CTL_REQ_DUMP_EXT_EXP] = { NEEDS_EXPECTS | NEEDS_EXTERNAL, .run = cmd_dump },
	[CTL_REQ_DUMP_EXT_EXP_XML] = { NEEDS_EXPECTS | NEEDS_EXTERNAL, .run = cmd_dump },
	[CTL_REQ_COMMIT] = { NEEDS_EXTERNAL, .run = cmd_commit },
	[CTL_REQ_COMMIT_CT] = { NEEDS_EXTERNAL, .run = cmd_commit },
	[CTL_REQ_COMMIT_EXP] = { NEEDS_EXPECTS | NEEDS_EXTERNAL, .run = cmd_commit },
	[CTL_REQ_FLUSH_KERNEL] = { NEEDS_NOTHING, .run = cmd_flush_kernel },
	[CTL_REQ_FLUSH_KERNEL_CT] = { NEEDS_NOTHING, .run = cmd_flush_kernel },
	[CTL_REQ_FLUSH_KERNEL_EXP] = { NEEDS_EXPECTS, .run = cmd_flush_expects },
	[CTL_REQ_RESYNC_KERNEL] = { NEEDS_NOTHING, .run = cmd_resync_kernel },
	[CTL_REQ_RESYNC_KERNEL_CT] = { NEEDS_NOTHING, .run = cmd_resync_kernel },
	[CTL_REQ_RESYNC_KERNEL_EXP] = { NEEDS_EXPECTS, .run = cmd_resync_expects },
	[CTL_REQ_FLUSH_CACHES] = { NEEDS_NOTHING, .run = cmd_flush_caches },
	[CTL_REQ_FLUSH_CACHES_OLD] = { NEEDS_NOTHING, .run = cmd_flush_caches },
	[CTL_REQ_FLUSH_INT_CT] = { NEEDS_NOTHING, .run = cmd_flush_internal },
	[CTL_REQ_FLUSH_EXT_CT] = { NEEDS_EXTERNAL, .run = cmd_flush_external },
	[CTL_REQ_BULK] = { NEEDS_PEERS, .run = cmd_bulk },
	[CTL_REQ_REQUEST_RESYNC] = { NEEDS_PEERS, .run = cmd_ask_resync },
	[CTL_REQ_PURGE] = { NEEDS_PEERS, .run = cmd_purge },
	[CTL_REQ_KILL] = { NEEDS_NOTHING, .run = cmd_kill },
	[CTL_REQ_STATS] = { NEEDS_NOTHING, .report = report_general },
	[CTL_REQ_STATS_NETWORK] = { NEEDS_PEERS, .report = report_network },
	[CTL_REQ_STATS_CACHE] = { NEEDS_NOTHING, .report = report_cache },
	[CTL_REQ_STATS_RUNTIME] = { NEEDS_NOTHING, .report = report_runtime },
	[CTL_REQ_STATS_LINK] = { NEEDS_PEERS, .report = report_link },
	[CTL_REQ_STATS_QUEUE] = { NEEDS_PEERS, .report = report_queue },
	[CTL_REQ_STATS_RSQUEUE] = { NEEDS_PEERS, .run = cmd_rsqueue },
	[CTL_REQ_STATS_EXPECT] = { NEEDS_EXPECTS, .report = report_expect },
	[CTL_REQ_STATS_PROCESS] = { NEEDS_NOTHING, .report = report_process },
	[CTL_REQ_STATS_PEERS] = { NEEDS_PEERS, .report = report_peers },
};

/* -c, and the states are in the kernel already: this node is active now, no flush goes on, and entries of another time have to
 * stop judging by their windows (takeover.c). */
static struct control_job *no_commit(struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	takeover_active(c->d->takeover, now);
	return job_or_note(waiters_commit(c->d->waiters, req->cmd->object, req->strict, true, now), out);
}

/* -t, and there is no role that this node could give up: nothing is scheduled. */
static void no_purge(struct commands *c, struct ctl_out *out)
{
	done_note(out, "ignoring -t: nothing is scheduled in the statistics mode");
	c->purges_ignored++;
}

/* Says so where the daemon has not got what the command is about. */
static bool cannot(struct commands *c, enum needs needs, const struct ctl_request *req, struct ctl_out *out,
		   struct control_job **job)
{
	if (needs & NEEDS_EXPECTS && !c->d->expecting) {
		idle_note(req, out, "expectations are not synchronised (ExpectationSync)");
		return true;
	}
	if (needs & (NEEDS_PEERS | NEEDS_EXTERNAL) && !pipeline_sync(c->d->pipeline)) {
		if (req->cmd->number == CTL_REQ_PURGE)
			no_purge(c, out);
		else
			idle_note(req, out, "this is the statistics mode");
		return true;
	}
	if (needs & NEEDS_EXTERNAL && !pipeline_external(c->d->pipeline)) {
		idle_note(req, out, "states of the peer are in the kernel already (DisableExternalCache)");
		if (req->cmd->option == 'c')
			*job = no_commit(c, req, out);
		return true;
	}
	return false;
}

static void print_report(struct commands *c, struct ctl_out *out,
			 void (*report)(const struct daemon *d, struct values *v))
{
	struct text text = { 0 };
	struct values v;

	values_begin(&v, &values_text, NULL, 0, &text);
	report(c->d, &v);
	values_end(&v);
	if (text.truncated) {
		out_of_memory(out);
	} else {
		ctl_text(out, text.buf, text.len);
	}
	text_free(&text);
}

/* What the file asks for and nobody does: for the person who looks, not for the program that parses -s. */
static void note_unserved_helpers(const struct commands *c, struct ctl_out *out)
{
	const struct conf_helpers *h = &c->d->conf->helper;

	for (size_t i = 0; i < h->n; i++)
		ctl_result(out, "helper %s %s %s (line %u of the configuration) is not served by this version",
			   h->list[i].name, h->list[i].l3proto == AF_INET ? "inet" : "inet6",
			   h->list[i].l4proto == IPPROTO_TCP ? "tcp" : "udp", h->list[i].line);
}

static void on_request(void *ctx, const struct ctl_request *req, struct ctl_out *out, struct control_job **job)
{
	struct commands *c = ctx;
	const struct what *what = &table[req->cmd->number];

	if (cannot(c, what->needs, req, out, job))
		return;
	if (req->cmd->number == CTL_REQ_STATS)
		note_unserved_helpers(c, out);
	if (what->report)
		print_report(c, out, what->report);
	else if (what->run)
		*job = what->run(c, req, out);
}

/* ---- lifetime ---- */

void commands_stats(const struct commands *c, struct commands_stats *out)
{
	const struct control_stats *s = control_server_stats(c->server);

	*out = (struct commands_stats){
		.read_failed = s->no_request, .unknown_request = s->unknown_request,
		.expect_resyncs = c->expect_resyncs, .purges_ignored = c->purges_ignored,
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
	control_server_stop(c->server);
}

void commands_free(struct commands *c)
{
	if (!c)
		return;
	control_server_free(c->server);
	free(c);
}
