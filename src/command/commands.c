/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each control request does.
 *
 * A command either answers at once (statistics, -B, -n, -t), or becomes a job:
 *
 *   dump    walks a table with a resume point and writes while the client's queue has room (dump.c)
 *   empty   forgets a cache in steps (-f; empty.c)
 *   waiter  waits for work that goes on without it (-c, -F, -R): the work is not the client's, so
 *           it does not stop when the client leaves (job_clients.c)
 *
 * Exit status: 0 when it is done or there is nothing to do in this mode; 1 when it was refused, is
 * busy, or failed. Scripts stop at the first non-zero status, so each refusal is deliberate. */
#include "command/commands.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/server.h"
#include "command/ask.h"
#include "command/dump.h"
#include "follow/expecting.h"
#include "follow/external_flush.h"
#include "follow/jobs.h"
#include "command/monitor.h"
#include "command/report.h"
#include "command/role_command.h"
#include "command/job_clients.h"
#include "flow/flow_json.h"
#include "flow/flow_print.h"

struct commands {
	const struct command_env *d;
	struct control_server *server;
	struct monitors *monitors;
	struct command_counts counts;
};

/* ---- one function per command ---- */

static struct control_job *out_of_memory(struct ctl_out *out)
{
	ctl_note(out, "failed: out of memory");
	ctl_end(out, 1);
	return NULL;
}

static void done_note(struct ctl_out *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
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

/* Nothing to do, and that is no failure. A question is answered by nothing and leaves no line:
 * monitoring asks all day. */
static void idle_note(const struct ctl_request *req, struct ctl_out *out, const char *why)
{
	bool asks = strchr("sie", req->cmd->option);

	if (asks)
		ctl_result(out, "%s: nothing to do, %s", req->cmd->text, why);
	else
		done_note(out, "%s: nothing to do, %s", req->cmd->text, why);
}

/* How an answer is to look. */
static const struct values_backend *wanted(const struct ctl_request *req)
{
	return ctl_flag(&req->args, "json") ? &values_json : &values_text;
}

static void send_document(struct ctl_out *out, struct text *text)
{
	if (text->truncated)
		out_of_memory(out);
	else
		ctl_text(out, text->buf, text->len);
	text_free(text);
}

static struct control_job *job_or_note(struct control_job *job, struct ctl_out *out)
{
	return job ? job : out_of_memory(out);
}

static struct commit_wish commit_wish(const struct ctl_request *req, bool in_kernel)
{
	return (struct commit_wish){
		.object = req->cmd->object,
		.strict = ctl_flag(&req->args, "strict"),
		.json = ctl_flag(&req->args, "json"),
		.in_kernel = in_kernel,
	};
}

static struct control_job *cmd_commit(struct commands *c, const struct ctl_request *req,
				      enum job_kind job, struct ctl_out *out)
{
	static const char *const say[] = {
		[CTL_OBJ_CT] = "committing conntrack cache",
		[CTL_OBJ_EXPECT] = "committing expectation cache",
		[CTL_OBJ_BOTH] = "committing all external caches",
	};
	struct commit_wish wish = commit_wish(req, false);

	/* Now, not when the one that follows begins: a -t that comes in between is newer. */
	takeover_active(c->d->takeover, evloop_now(c->d->loop));
	if (jobs_running(c->d->jobs, job))
		done_note(out, "a commit is already running, another one follows it");
	else
		log_notice("%s", say[req->cmd->object]);
	return job_or_note(job_clients_commit(c->d->job_clients, &wish, evloop_now(c->d->loop)),
			   out);
}

static struct control_job *cmd_flush_expects(struct commands *c, const struct ctl_request *req,
					     enum job_kind job, struct ctl_out *out)
{
	int err;

	(void)req, (void)job;
	done_note(out, "flushing kernel expect table");
	err = takeover_flush_expects(c->d->takeover);
	if (err < 0) {
		ctl_note(out, "failed: %s", strerror(-err));
		ctl_end(out, 1);
	}
	return NULL;
}

static struct control_job *cmd_flush_kernel(struct commands *c, const struct ctl_request *req,
					    enum job_kind kind, struct ctl_out *out)
{
	struct control_job *job;

	log_notice("flushing kernel conntrack table");
	job = job_clients_ask(c->d->job_clients, kind, 0, evloop_now(c->d->loop));
	if (!job)
		return out_of_memory(out);
	/* Refused while a commit runs, which has put expectations there as well. */
	if (req->cmd->object == CTL_OBJ_BOTH && c->d->expecting &&
	    !jobs_running(c->d->jobs, JOB_COMMIT))
		cmd_flush_expects(c, req, kind, out);
	return job;
}

/* Says so where there is nothing to compare with the kernel. */
static bool no_internal(const struct commands *c, const struct ctl_request *req,
			struct ctl_out *out)
{
	if (pipeline_internal(c->d->pipeline))
		return false;
	log_notice("resync is unsupported in this mode");
	ctl_result(out,
		   "%s: nothing to do, there is no internal cache to compare with the kernel table "
		   "(DisableInternalCache)",
		   req->cmd->text);
	return true;
}

static struct control_job *cmd_resync_kernel(struct commands *c, const struct ctl_request *req,
					     enum job_kind job, struct ctl_out *out)
{
	if (no_internal(c, req, out))
		return NULL;
	done_note(out, "resync with master conntrack table");
	c->counts.resyncs++;
	if (req->cmd->object == CTL_OBJ_BOTH && c->d->expecting) {
		/* the pass over the flows ends with it */
		log_notice("resync with master expect table");
		c->counts.expect_resyncs++;
	}
	/* What a peer has told is ours from now on where it is in our kernel, and -f does not look
	 * at that. */
	return job_or_note(job_clients_ask(c->d->job_clients, job,
					   pipeline_peer_flows(c->d->pipeline) > 0 ? JOB_ALONE : 0,
					   evloop_now(c->d->loop)),
			   out);
}

static struct control_job *cmd_resync_expects(struct commands *c, const struct ctl_request *req,
					      enum job_kind job, struct ctl_out *out)
{
	if (no_internal(c, req, out))
		return NULL;
	done_note(out, "resync with master expect table");
	c->counts.expect_resyncs++;
	return job_or_note(job_clients_ask(c->d->job_clients, job, 0, evloop_now(c->d->loop)), out);
}

/* The internal cache is compared with the kernel, which goes on when the client has left; -R joins
 * it. */
static void flush_internal(struct commands *c, bool external, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	takeover_cancel_schedule(c->d->takeover, now);
	if (pipeline_internal(c->d->pipeline))
		jobs_ask(c->d->jobs, JOB_REFRESH, 0, NULL, now);
	else
		done_note(out,
			  "%s: nothing to do, there is no internal cache, and the kernel table is "
			  "not touched (DisableInternalCache)",
			  external ? "internal cache" : "-f");
}

static struct control_job *flush_caches(struct commands *c, struct ctl_out *out, bool internal,
					bool external)
{
	bool both = internal && external, cached = internal && pipeline_internal(c->d->pipeline);

	external = external && pipeline_external(c->d->pipeline); /* there may be none */
	if (external && jobs_running(c->d->jobs, JOB_COMMIT)) {
		log_errx("ignoring flush command, commit still in progress");
		ctl_note(out, "refused: a commit is still running");
		ctl_end(out, 1);
		return NULL;
	}
	if (cached || external)
		done_note(out, "%s",
			  cached && external ? "flushing caches" :
			  cached	     ? "flushing internal cache" :
					       "flushing external cache");
	if (internal)
		flush_internal(c, external, out);
	if (!external)
		return NULL;
	return job_or_note(job_clients_ask(c->d->job_clients, JOB_CACHE_FLUSH,
					   both ? FLUSH_EXPECTS : 0, evloop_now(c->d->loop)),
			   out);
}

static struct control_job *cmd_flush_caches(struct commands *c, const struct ctl_request *req,
					    enum job_kind job, struct ctl_out *out)
{
	(void)req, (void)job;
	return flush_caches(c, out, true, true);
}

static struct control_job *cmd_flush_internal(struct commands *c, const struct ctl_request *req,
					      enum job_kind job, struct ctl_out *out)
{
	(void)req, (void)job;
	return flush_caches(c, out, true, false);
}

static struct control_job *cmd_flush_external(struct commands *c, const struct ctl_request *req,
					      enum job_kind job, struct ctl_out *out)
{
	(void)req, (void)job;
	return flush_caches(c, out, false, true);
}

/* Without internal cache: what the kernel has. */
static struct control_job *cmd_dump_kernel(struct commands *c, const struct ctl_request *req,
					   enum job_kind kind, struct ctl_out *out)
{
	struct control_job *job = NULL;
	struct text err = { 0 };
	struct dump_wish w;

	(void)kind;
	if (dump_wish(c->d, req, &w, &err))
		job = dump_kernel(c->d, req->cmd->object == CTL_OBJ_EXPECT, &w, &err);
	if (!job) {
		ctl_note(out, "failed: %s", err.buf ? err.buf : "out of memory");
		ctl_end(out, 1);
	}
	text_free(&err);
	return job;
}

static struct control_job *cmd_dump(struct commands *c, const struct ctl_request *req,
				    enum job_kind job, struct ctl_out *out)
{
	bool external = req->cmd->option == 'e';
	struct text err = { 0 };
	struct dump_wish w;

	if (!external && !pipeline_internal(c->d->pipeline))
		return cmd_dump_kernel(c, req, job, out);
	if (req->cmd->object == CTL_OBJ_EXPECT)
		return job_or_note(dump_expects(c->d, external, req->cmd->xml), out);
	if (dump_wish(c->d, req, &w, &err))
		return job_or_note(dump_flows(c->d, &w), out);
	ctl_note(out, "%s", err.buf ? err.buf : "out of memory");
	ctl_end(out, 1);
	text_free(&err);
	return NULL;
}

static struct control_job *cmd_rsqueue(struct commands *c, const struct ctl_request *req,
				       enum job_kind job, struct ctl_out *out)
{
	(void)job;
	return job_or_note(dump_ring(c->d, ctl_flag(&req->args, "json")), out);
}

static struct control_job *cmd_monitor(struct commands *c, const struct ctl_request *req,
				       enum job_kind job, struct ctl_out *out)
{
	(void)job;
	return job_or_note(monitors_add(c->monitors, ctl_flag(&req->args, "json")), out);
}

/* --health, --ready, --live: the verdict is the exit status. */
static struct control_job *cmd_ask(struct commands *c, const struct ctl_request *req,
				   enum job_kind job, struct ctl_out *out)
{
	struct text text = { 0 };
	struct verdict v;

	(void)job;
	ask_daemon(c->d, req->cmd->question, &v);
	ctl_end(out, (int)v.status);
	verdict_print(&v, wanted(req), JSON_SCHEMA, &text);
	send_document(out, &text);
	return NULL;
}

static struct control_job *cmd_role(struct commands *c, const struct ctl_request *req,
				    enum job_kind job, struct ctl_out *out)
{
	(void)job;
	return job_or_note(role_change_job(c->d, req), out);
}

static struct control_job *cmd_wait_sync(struct commands *c, const struct ctl_request *req,
					 enum job_kind job, struct ctl_out *out)
{
	(void)job;
	return job_or_note(wait_sync_job(c->d, req), out);
}

/* Said in any case: whoever reads the log later wants to know why lines are missing. */
static struct control_job *cmd_log_level(struct commands *c, const struct ctl_request *req,
					 enum job_kind job, struct ctl_out *out)
{
	const char *word = ctl_word(&req->args, "log-level");
	int level = word ? log_level_find(word) : -1;

	(void)c, (void)job;
	if (level == -1) {
		ctl_note(out, "--log-level needs a level: info, notice, warning or error");
		ctl_end(out, 1);
		return NULL;
	}
	log_set_level(LOG_LVL_INFO);
	done_note(out, "lines below level %s are not written from now on", word);
	log_set_level((enum log_level)level);
	return NULL;
}

static struct control_job *cmd_purge(struct commands *c, const struct ctl_request *req,
				     enum job_kind job, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	(void)req, (void)job;
	if (takeover_schedule(c->d->takeover, now)) /* which is in the log */
		ctl_result(out, "flushing conntrack table in %u secs", c->d->sync->purge_timeout_s);
	else
		done_note(out, "a flush is scheduled already");
	external_flush_fill(c->d->external_flush, now);
	return NULL;
}

static struct control_job *cmd_kill(struct commands *c, const struct ctl_request *req,
				    enum job_kind job, struct ctl_out *out)
{
	(void)req, (void)job;
	ctl_hold_until_exit(out); /* -k returns when lock and socket are gone */
	c->d->stop(c->d->ctx);
	return NULL;
}

/* ALARM sends everything again anyway and has no word for asking. */
static bool no_request(const struct commands *c, const struct ctl_request *req, struct ctl_out *out)
{
	if (sync_can(c->d->sync, SYNC_ASKS))
		return false;
	idle_note(req, out, "mode ALARM sends every state again within RefreshTime");
	return true;
}

static struct control_job *cmd_bulk(struct commands *c, const struct ctl_request *req,
				    enum job_kind job, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	if (no_request(c, req, out))
		return NULL;
	jobs_ask(c->d->jobs, job, 0, NULL, now);
	if (jobs_waiting(c->d->jobs, job))
		done_note(out, "the bulk update follows what is still running");
	else /* as the log says when it begins */
		ctl_result(out, "sending bulk update");
	return NULL;
}

static struct control_job *cmd_ask_resync(struct commands *c, const struct ctl_request *req,
					  enum job_kind job, struct ctl_out *out)
{
	struct mono now = evloop_now(c->d->loop);

	(void)job;
	activity_request(c->d->activity, now);
	if (!no_request(c, req, out)) {
		done_note(out, "resync requested");
		external_flush_asked(c->d->external_flush);
		pipeline_ask(c->d->pipeline, now);
	}
	return NULL;
}

/* ---- which command is which ---- */

enum needs {
	NEEDS_NOTHING = 0,
	NEEDS_PEERS = 1,    /* there are none in the statistics mode */
	NEEDS_EXTERNAL = 2, /* the states of the peers in a cache: DisableExternalCache is off */
	NEEDS_EXPECTS = 4,  /* ExpectationSync */
	NEEDS_ACKS = 8,	    /* FTFW */
	NEEDS_HELPERS = 16, /* section Helper, and a kernel that can */
	NEEDS_GATE = 32,    /* a block Gate */
};

/* By what one types, as in control/command.c: the kind of job that it asks for, by the table of who
 * stops, joins or waits for whom (jobs.c), and either what it does, or what it shows. */
struct what {
	const char *text;
	enum needs needs;
	enum job_kind job; /* JOB_KINDS: it is answered at once, or it is a dump */
	struct control_job *(*run)(struct commands *c, const struct ctl_request *req,
				   enum job_kind job, struct ctl_out *out);
	void (*report)(const struct command_env *d, struct values *v);
	const char *kind; /* of the JSON document */
};

#define NO_JOB JOB_KINDS

static const struct what table[] = {
	{ "-i", NEEDS_NOTHING, NO_JOB, cmd_dump, NULL, NULL },
	{ "-i -x", NEEDS_NOTHING, NO_JOB, cmd_dump, NULL, NULL },
	{ "-e", NEEDS_EXTERNAL, NO_JOB, cmd_dump, NULL, NULL },
	{ "-e -x", NEEDS_EXTERNAL, NO_JOB, cmd_dump, NULL, NULL },
	{ "-i expect", NEEDS_EXPECTS, NO_JOB, cmd_dump, NULL, NULL },
	{ "-i expect -x", NEEDS_EXPECTS, NO_JOB, cmd_dump, NULL, NULL },
	{ "-e expect", NEEDS_EXPECTS | NEEDS_EXTERNAL, NO_JOB, cmd_dump, NULL, NULL },
	{ "-e expect -x", NEEDS_EXPECTS | NEEDS_EXTERNAL, NO_JOB, cmd_dump, NULL, NULL },
	{ "-c", NEEDS_EXTERNAL, JOB_COMMIT, cmd_commit, NULL, "commit_result" },
	{ "-c ct", NEEDS_EXTERNAL, JOB_COMMIT, cmd_commit, NULL, "commit_result" },
	{ "-c expect", NEEDS_EXPECTS | NEEDS_EXTERNAL, JOB_COMMIT, cmd_commit, NULL,
	  "commit_result" },
	{ "-F", NEEDS_NOTHING, JOB_FLUSH, cmd_flush_kernel, NULL, NULL },
	{ "-F ct", NEEDS_NOTHING, JOB_FLUSH, cmd_flush_kernel, NULL, NULL },
	{ "-F expect", NEEDS_EXPECTS, NO_JOB, cmd_flush_expects, NULL, NULL },
	{ "-R", NEEDS_NOTHING, JOB_COMPARE, cmd_resync_kernel, NULL, NULL },
	{ "-R ct", NEEDS_NOTHING, JOB_COMPARE, cmd_resync_kernel, NULL, NULL },
	{ "-R expect", NEEDS_EXPECTS, JOB_COMPARE_EXPECTS, cmd_resync_expects, NULL, NULL },
	{ "-f", NEEDS_NOTHING, JOB_CACHE_FLUSH, cmd_flush_caches, NULL, NULL },
	{ "-f internal", NEEDS_NOTHING, JOB_REFRESH, cmd_flush_internal, NULL, NULL },
	{ "-f external", NEEDS_EXTERNAL, JOB_CACHE_FLUSH, cmd_flush_external, NULL, NULL },
	{ "-B", NEEDS_PEERS, JOB_BULK, cmd_bulk, NULL, NULL },
	{ "-n", NEEDS_PEERS, NO_JOB, cmd_ask_resync, NULL, NULL },
	{ "-t", NEEDS_PEERS, NO_JOB, cmd_purge, NULL, NULL },
	{ "-k", NEEDS_NOTHING, NO_JOB, cmd_kill, NULL, NULL },
	{ "-s", NEEDS_NOTHING, NO_JOB, NULL, report_general, "statistics" },
	{ "-s network", NEEDS_PEERS, NO_JOB, NULL, report_network, "network" },
	{ "-s cache", NEEDS_NOTHING, NO_JOB, NULL, report_cache, "cache" },
	{ "-s runtime", NEEDS_NOTHING, NO_JOB, NULL, report_runtime, "runtime" },
	{ "-s link", NEEDS_PEERS, NO_JOB, NULL, report_link, "link" },
	{ "-s queue", NEEDS_PEERS, NO_JOB, NULL, report_queue, "queue" },
	{ "-s rsqueue", NEEDS_PEERS | NEEDS_ACKS, NO_JOB, cmd_rsqueue, NULL, "rsqueue" },
	{ "-s expect", NEEDS_EXPECTS, NO_JOB, NULL, report_expect, "expect" },
	{ "-s process", NEEDS_NOTHING, NO_JOB, NULL, report_process, "processes" },
	{ "-s peers", NEEDS_PEERS, NO_JOB, NULL, report_peers, "peers" },
	{ "--status", NEEDS_NOTHING, NO_JOB, NULL, report_status, "status" },
	{ "--monitor", NEEDS_NOTHING, NO_JOB, cmd_monitor, NULL, NULL },
	{ "--health", NEEDS_NOTHING, NO_JOB, cmd_ask, NULL, NULL },
	{ "--ready", NEEDS_NOTHING, NO_JOB, cmd_ask, NULL, NULL },
	{ "--live", NEEDS_NOTHING, NO_JOB, cmd_ask, NULL, NULL },
	{ "-s helper", NEEDS_HELPERS, NO_JOB, NULL, report_helpers, "helpers" },
	{ "-s gate", NEEDS_PEERS | NEEDS_GATE, NO_JOB, NULL, report_gate, "gate" },
	{ "--role", NEEDS_PEERS, NO_JOB, NULL, report_role, "role" },
	{ "--role primary", NEEDS_PEERS, NO_JOB, cmd_role, NULL, "role" },
	{ "--role backup", NEEDS_PEERS, NO_JOB, cmd_role, NULL, "role" },
	{ "--role faulty", NEEDS_PEERS, NO_JOB, cmd_role, NULL, "role" },
	{ "--wait-sync", NEEDS_NOTHING, NO_JOB, cmd_wait_sync, NULL, NULL },
	{ "--log-level", NEEDS_NOTHING, NO_JOB, cmd_log_level, NULL, NULL },
};

/* -c, and the states are in the kernel already: this node is active now, no flush goes on, and
 * entries of another time have to stop judging by their windows (takeover.c). */
static struct control_job *no_commit(struct commands *c, const struct ctl_request *req,
				     struct ctl_out *out)
{
	struct commit_wish wish = commit_wish(req, true);
	struct mono now = evloop_now(c->d->loop);

	takeover_active(c->d->takeover, now);
	return job_or_note(job_clients_commit(c->d->job_clients, &wish, now), out);
}

/* -t, and there is no role that this node could give up: nothing is scheduled. */
static void no_purge(struct commands *c, struct ctl_out *out)
{
	done_note(out, "ignoring -t: nothing is scheduled in the statistics mode");
	c->counts.purges_ignored++;
}

/* What a command is about and this daemon has not got. */
enum lack {
	LACKS_NOTHING,
	LACKS_EXPECTS,
	LACKS_PEERS,
	LACKS_EXTERNAL,
	LACKS_ACKS,
	LACKS_SYNC,
	LACKS_HELPER,
	LACKS_HELPERS,
	LACKS_GATE,
};

static const char *const lack_words[] = {
	[LACKS_EXPECTS] = "expectations are not synchronised (ExpectationSync)",
	[LACKS_PEERS] = "this is the statistics mode",
	[LACKS_EXTERNAL] = "states of the peer are in the kernel already (DisableExternalCache)",
	[LACKS_ACKS] = "there is no resend queue in this mode",
	[LACKS_SYNC] = "there is no section Sync",
	[LACKS_HELPER] = "there is no section Helper",
	[LACKS_HELPERS] = "no helper is served: the log says why",
	[LACKS_GATE] = "there is no block Gate",
};

static enum lack lacks(const struct commands *c, enum needs needs)
{
	if (needs & NEEDS_EXPECTS && !c->d->expecting)
		return LACKS_EXPECTS;
	if (needs & (NEEDS_PEERS | NEEDS_EXTERNAL) && !pipeline_sync(c->d->pipeline))
		return c->d->only_helpers ? LACKS_SYNC : LACKS_PEERS;
	if (needs & NEEDS_EXTERNAL && !pipeline_external(c->d->pipeline))
		return LACKS_EXTERNAL;
	if (needs & NEEDS_ACKS && !sync_can(c->d->sync, SYNC_ACKS))
		return LACKS_ACKS;
	if (needs & NEEDS_HELPERS && c->d->helpers.count(c->d->helpers.ctx) == 0)
		return c->d->helpers.named ? LACKS_HELPERS : LACKS_HELPER;
	if (needs & NEEDS_GATE && !c->d->gate && !c->d->await)
		return LACKS_GATE;
	return LACKS_NOTHING;
}

/* A program that asked for a document gets one, and reads there why nothing is in it. */
static void flush_document(const struct ctl_request *req, const char *kind, const char *why,
			   struct ctl_out *out)
{
	struct text text = { 0 };
	struct values v;

	values_begin(&v, wanted(req), kind, JSON_SCHEMA, &text);
	values_word(&v, "nothing", why);
	values_end(&v);
	send_document(out, &text);
}

static struct control_job *nothing_to_do(struct commands *c, const struct what *what,
					 const struct ctl_request *req, enum lack lack,
					 struct ctl_out *out)
{
	bool windows = lack == LACKS_EXTERNAL && what->job == JOB_COMMIT;

	if ((lack == LACKS_PEERS || lack == LACKS_SYNC) && req->cmd->number == CTL_REQ_PURGE) {
		no_purge(c, out);
		return NULL;
	}
	idle_note(req, out, lack_words[lack]);
	if (what->kind && !windows)
		flush_document(req, what->kind, lack_words[lack], out);
	return windows ? no_commit(c, req, out) : NULL;
}

static void print_report(struct commands *c, const struct what *what, const struct ctl_request *req,
			 struct ctl_out *out)
{
	struct text text = { 0 };
	struct values v;

	values_begin(&v, wanted(req), what->kind, JSON_SCHEMA, &text);
	what->report(c->d, &v);
	values_end(&v);
	send_document(out, &text);
}

/* What the file asks for and nobody does: for the person who looks, not for the program that parses
 * -s. */
static void note_unserved_helpers(const struct commands *c, struct ctl_out *out)
{
	const struct command_helpers *h = &c->d->helpers;
	struct text line = { 0 };

	for (size_t i = 0; h->unserved(h->ctx, i, &line); i++) {
		ctl_result(out, "%s", line.buf ? line.buf : "");
		text_reset(&line);
	}
	text_free(&line);
}

/* Every command has its row; commands_open() has looked. */
static const struct what *row_of(const struct ctl_command *cmd)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].text, cmd->text) == 0)
			return &table[i];
	return NULL;
}

static void on_request(void *ctx, const struct ctl_request *req, struct ctl_out *out,
		       struct control_job **job)
{
	struct commands *c = ctx;
	const struct what *what = row_of(req->cmd);
	enum lack lack = lacks(c, what->needs);

	if (lack != LACKS_NOTHING) {
		*job = nothing_to_do(c, what, req, lack, out);
		return;
	}
	if (req->cmd->number == CTL_REQ_STATS)
		note_unserved_helpers(c, out);
	if (what->report)
		print_report(c, what, req, out);
	else
		*job = what->run(c, req, what->job, out);
}

/* ---- lifetime ---- */

const struct command_counts *commands_counts(const struct commands *c)
{
	return &c->counts;
}

const struct control_stats *commands_socket(const struct commands *c)
{
	return control_server_stats(c->server);
}

int commands_open(const struct command_env *d, const struct control_conf *conf,
		  struct commands **out, struct text *err)
{
	static const struct control_ops ops = { .start = on_request };
	struct commands *c = calloc(1, sizeof(*c));
	int ret;

	for (size_t i = 0; control_command_at(i); i++)
		assert(row_of(control_command_at(i)));
	if (!c)
		return -ENOMEM;
	c->d = d;
	c->monitors = monitors_new();
	ret = c->monitors ? control_server_open(d->loop, conf, &ops, c, FLOW_RECORD_VERSION,
						&c->server, err) :
			    -ENOMEM;
	if (ret < 0) {
		monitors_free(c->monitors);
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
	monitors_free(c->monitors);
	c->monitors = NULL;
}

void commands_free(struct commands *c)
{
	if (!c)
		return;
	control_server_free(c->server);
	free(c);
}
