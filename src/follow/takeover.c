/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commit, flush and scheduled flush of the kernel table, as jobs; and what is to be told after a
 * commit.
 *
 * The kernel events of a flush are dropped by the socket filter of the event socket (own port id),
 * as those of a commit are (commit.c), and nothing of them goes to the peers: an entry that is
 * flushed leaves the internal cache when the kernel has confirmed it. When a flush has ended, or
 * was stopped, the internal cache is compared with the kernel: events about flows that came and
 * went meanwhile may be read in another order than the answers.
 *
 * Nor does a commit tell the peers what it creates: the scripts of the cluster managers tell
 * everything with the -B that ends them. Where neither that follows nor a peer asks for everything,
 * the backup would never learn of those flows, as long as no packet changes their state. So a bulk
 * update is asked for here when none has begun some seconds after the commit. */
#include "follow/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "follow/exp_flush.h"
#include "follow/windows.h"
#include "kernel/ct_flush.h"
#include "sync/sync.h"
#include "sync/sync_conf.h"

/* from the end of a commit, or of what has followed it, to the bulk update that nobody has asked
 * for */
#define TELL_MS 10000

struct takeover {
	struct evloop *loop;
	const struct sync_conf *conf;
	const struct flow_filter *filter;
	struct activity *activity;
	struct jobs *jobs;
	struct pipeline *p;
	struct commit *commit;
	/* of our own entries, after the commit; DisableExternalCache: in its place */
	struct windows *windows;
	bool follows; /* see takeover_set_pipeline() */
	bool rest;    /* the kernel had entries for the windows when the commit began */
	/* this node was told to be the backup, is active now, and no commit has ended since */
	bool came_back;
	enum commit_what what;	  /* of the commit that runs, ... */
	struct job_result result; /* ... while it waits for the windows */
	struct ct_flush *flush;
	enum job_kind flush_kind; /* of the one that runs: -F or -t */
	struct ev_timer purge;	  /* -t is due */
	struct mono purging;	  /* when the one that runs or waits was due */
	struct ev_timer tell;	  /* armed: what a commit has created is not told yet */
	uint64_t tells;		  /* full sends that had begun when that commit ended */
	struct takeover_stats stats;
};

/* ---- commit ---- */

static void windows_failed(int err)
{
	if (err == -EINTR) {
		log_warnx("%s: their connections may be invalid", WINDOWS_CHANGED);
		return;
	}
	errno = -err;
	log_err("looking for entries of the kernel table that are older than this take-over");
}

static int windows_begin(struct takeover *t, enum windows_when when, struct mono left,
			 struct mono now)
{
	int err = windows_start(t->windows, when, activity_since(t->activity), left, now);

	if (err < 0)
		windows_failed(err);
	return err;
}

/* May the kernel have entries for that walk? To read what a commit has put there takes half as long
 * as the commit did, so it is not done where the cache knows that there was nothing before: as on a
 * node that was the backup for longer than PurgeTimeout. */
static bool may_have_windows(const struct takeover *t)
{
	const struct internal *c = pipeline_internal(t->p);

	return !t->follows || !c || !whole_is(pipeline_whole(t->p)) || internal_may_have_tcp(c);
}

static int commit_begin(void *ctx, unsigned int what, struct mono now)
{
	const struct job_result nothing = { 0 };
	struct takeover *t = ctx;

	t->what = (enum commit_what)what;
	if (!t->conf->disable_external) {
		t->rest = may_have_windows(t);
		return commit_start(t->commit, t->what, now);
	}
	if (what & COMMIT_FLOWS)
		return windows_begin(t, WINDOWS_ALONE, (struct mono){ 0 }, now);
	jobs_ended(t->jobs, JOB_COMMIT, &nothing, now);
	return 0;
}

static void commit_how_far(void *ctx, uint64_t *done, uint64_t *total)
{
	struct takeover *t = ctx;

	if (t->conf->disable_external) {
		*done = *total = windows_progress(t->windows)->total;
		return;
	}
	*done = commit_progress(t->commit)->done;
	*total = table_count(external_table(pipeline_external(t->p)));
}

/* ---- what a commit has created is told ---- */

/* A comparison belongs to a script whose -B is still to come. */
static bool script_goes_on(const struct takeover *t)
{
	return jobs_running(t->jobs, JOB_COMMIT) || jobs_running(t->jobs, JOB_REFRESH) ||
	       jobs_running(t->jobs, JOB_COMPARE) || jobs_running(t->jobs, JOB_COMPARE_EXPECTS);
}

static void tell_due(void *ctx, struct mono now)
{
	struct takeover *t = ctx;

	/* A peer has asked for everything since; or our kernel table, which is to be emptied, is
	 * not the truth any more. */
	if (sync_stats(pipeline_sync(t->p))->bulk_started != t->tells ||
	    !activity_active(t->activity))
		return;
	if (script_goes_on(t)) {
		ev_timer_set(t->loop, &t->tell, mono_add_ms(now, TELL_MS));
		return;
	}
	log_notice("the peers are told what the commit has created: no -B has followed it");
	jobs_ask(t->jobs, JOB_BULK, 0, NULL, now);
}

static void tell_later(struct takeover *t, struct mono now)
{
	/* everything is told again and again */
	if (!pipeline_sync(t->p) || !sync_can(t->conf, SYNC_ASKS))
		return;
	t->tells = sync_stats(pipeline_sync(t->p))->bulk_started;
	ev_timer_set(t->loop, &t->tell, mono_add_ms(now, TELL_MS));
}

void takeover_bulk_begins(struct takeover *t)
{
	ev_timer_del(t->loop, &t->tell);
}

/* The windows of the flows that no peer tells about; only of a node that was the backup: one that
 * was active all the time has forwarded for its entries. */
static bool look_at_the_rest(struct takeover *t, struct mono now)
{
	if (!t->came_back || !(t->what & COMMIT_FLOWS))
		return false;
	t->came_back = false;
	return t->rest &&
	       windows_begin(t, WINDOWS_AFTER_COMMIT, activity_left(t->activity), now) == 0;
}

static void on_committed(void *ctx, int err, const struct ct_commit_result *res,
			 const struct exp_commit_result *exp, struct mono now)
{
	struct takeover *t = ctx;

	if (res->created + res->updated + res->replaced + exp->created > 0)
		tell_later(t, now);
	t->result = (struct job_result){ .err = err, .commit = *res, .expects = *exp };
	if (!look_at_the_rest(t, now))
		jobs_ended(t->jobs, JOB_COMMIT, &t->result, now); /* a -B that has waited begins */
}

/* ---- after it, or in its place (DisableExternalCache): windows of another time ---- */

/* A filter by states has nothing to say: the peer may have been told of another state. */
static bool windows_pass(void *ctx, const struct ct_flow *f)
{
	struct takeover *t = ctx;

	return flow_filter_pass(t->filter, f) &&
	       (t->conf->disable_external || !commit_judges(t->commit, f, evloop_now(t->loop)));
}

/* The request is the last word about the entry; later evidence of packets is judged by that. Not
 * called after a commit. */
static void windows_written(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct takeover *t = ctx;

	if (pipeline_in_kernel(t->p, f))
		pipeline_injected(t->p, f, true, now);
}

static void windows_memory(void *ctx, const struct ct_flow *entry, struct ct_memory *m,
			   struct mono now)
{
	struct takeover *t = ctx;

	pipeline_memory(t->p, entry, m, now);
}

static void windows_log(const struct takeover *t, const struct windows_result *res)
{
	if (t->conf->disable_external)
		log_notice("the states of the peer are in the kernel already; of %" PRIu64
			   " entries there %" PRIu64
			   " are older than this take-over, their windows judge no longer (%" PRId64
			   ".%06" PRId64 " seconds)",
			   res->total, res->loosened, res->duration_us / 1000000,
			   res->duration_us % 1000000);
	else if (res->loosened > 0)
		log_notice("%" PRIu64 " entries are older than this take-over, and no peer has "
			   "told of a flow that lives there: their windows judge no longer",
			   res->loosened);
	if (res->failed > 0)
		log_warnx(
			"%" PRIu64
			" older entries still have their windows: their connections may be invalid",
			res->failed);
	if (res->err < 0)
		windows_failed(res->err);
}

/* Whatever comes of it: the states are in the kernel, and the script goes on. */
static void windows_done(void *ctx, const struct windows_result *res, struct mono now)
{
	struct takeover *t = ctx;

	windows_log(t, res);
	if (t->conf->disable_external)
		t->result = (struct job_result){ .windows = *res };
	jobs_ended(t->jobs, JOB_COMMIT, &t->result, now);
}

/* ---- flush ---- */

static bool flush_pass(void *ctx, const struct ct_flow *f)
{
	struct takeover *t = ctx;

	return flow_filter_pass(t->filter, f);
}

static void flush_gone(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct takeover *t = ctx;

	pipeline_purged(t->p, f, now);
}

static void flush_log(const struct takeover *t, const struct ct_flush_result *res)
{
	if (res->err == -ECANCELED) {
		log_notice("%s stopped by a commit: %" PRIu64 " of %" PRIu64 " flows deleted",
			   jobs_name(t->flush_kind), res->deleted, res->total);
	} else if (res->err < 0) {
		errno = -res->err;
		log_err("flushing the kernel conntrack table");
	} else { /* a client that waits for it shows it to a terminal only */
		log_notice("%s: %" PRIu64 " of %" PRIu64 " flows deleted", jobs_name(t->flush_kind),
			   res->deleted, res->total);
	}
	if (res->failed > 0)
		log_warnx("%" PRIu64 " entries of the kernel table could not be deleted",
			  res->failed);
}

static void flush_done(void *ctx, const struct ct_flush_result *res, struct mono now)
{
	struct job_result result = { .err = res->err, .flush = *res };
	struct takeover *t = ctx;

	flush_log(t, res);
	if (t->flush_kind == JOB_PURGE)
		activity_purge_done(t->activity, t->purging, now);
	if (pipeline_internal(t->p))
		jobs_ask(t->jobs, JOB_REFRESH, 0, NULL, now);
	/* Without external cache the states of the peers were in that table too: let them tell
	 * again. */
	if (pipeline_sync(t->p) && !pipeline_external(t->p))
		pipeline_ask(t->p, now);
	jobs_ended(t->jobs, t->flush_kind, &result, now);
}

static int flush_begin(struct takeover *t, enum job_kind kind)
{
	int err = ct_flush_start(t->flush);

	if (err < 0) {
		errno = -err;
		log_err("flushing the kernel conntrack table");
		return err;
	}
	t->flush_kind = kind;
	t->stats.kernel_flushes++;
	return 0;
}

static int flush_begin_now(void *ctx, unsigned int what, struct mono now)
{
	(void)what;
	(void)now;
	return flush_begin(ctx, JOB_FLUSH);
}

static int flush_begin_purge(void *ctx, unsigned int what, struct mono now)
{
	struct takeover *t = ctx;
	int err;

	(void)what;
	log_notice("flushing kernel conntrack table (scheduled)");
	err = flush_begin(t, JOB_PURGE);
	if (err < 0)
		activity_purge_done(t->activity, t->purging, now);
	return err;
}

static void flush_stop(void *ctx, struct mono now)
{
	struct takeover *t = ctx;

	ct_flush_stop(t->flush, now);
}

static void flush_how_far(void *ctx, uint64_t *done, uint64_t *total)
{
	const struct takeover *t = ctx;

	*done = ct_flush_progress(t->flush)->deleted;
	*total = ct_flush_progress(t->flush)->total;
}

int takeover_flush_expects(struct takeover *t)
{
	struct exp_flush_result res;
	int err = exp_flush(commit_exp_sock(t->commit), t->filter, &t->conf->expect, &res);

	log_notice("%" PRIu32 " expectations deleted from the kernel table, %" PRIu32
		   " left that are not replicated",
		   res.deleted, res.left);
	if (err < 0) {
		errno = -err;
		log_err("flushing the kernel expect table");
		return err;
	}
	t->stats.kernel_flushes++;
	exp_path_flush_internal(pipeline_expects(t->p));
	return 0;
}

/* ---- scheduled flush ---- */

static void purge_due(void *ctx, struct mono now)
{
	struct takeover *t = ctx;

	t->purging = activity_purge_due(t->activity);
	jobs_ask(t->jobs, JOB_PURGE, 0, NULL, now);
}

bool takeover_schedule(struct takeover *t, struct mono now)
{
	struct mono due = mono_add_ms(now, (int64_t)t->conf->purge_timeout_s * 1000);

	if (!activity_purge(t->activity, due, now))
		return false;
	log_notice("flushing conntrack table in %u secs", t->conf->purge_timeout_s);
	ev_timer_set(t->loop, &t->purge, due);
	return true;
}

static void purge_cancelled(struct takeover *t, bool was, const char *option)
{
	bool due = !ev_timer_armed(&t->purge);

	ev_timer_del(t->loop, &t->purge);
	if (was && !due) /* one that has begun tells its own end */
		log_notice("the scheduled flush of the kernel table (-t) is cancelled by %s",
			   option);
}

void takeover_active(struct takeover *t, struct mono now)
{
	t->came_back |=
		!activity_active(t->activity) && activity_role(t->activity) != ACTIVITY_NONE;
	purge_cancelled(t, activity_commit(t->activity, now), "-c");
}

void takeover_cancel_schedule(struct takeover *t, struct mono now)
{
	if (ev_timer_armed(&t->purge))
		purge_cancelled(t, activity_purge_cancel(t->activity, now), "-f");
}

void takeover_resume(struct takeover *t, struct mono now)
{
	struct mono due = activity_purge_due(t->activity);
	int64_t left_ms = mono_diff_ms(due, now);

	if (!mono_is_set(due) || ev_timer_armed(&t->purge))
		return;
	log_notice("flushing conntrack table in %" PRId64 " secs, as scheduled before the restart",
		   left_ms > 0 ? (left_ms + 999) / 1000 : 0);
	ev_timer_set(t->loop, &t->purge, left_ms > 0 ? due : now);
}

/* ---- lifetime ---- */

struct commit *takeover_commit(struct takeover *t)
{
	return t->commit;
}

const struct takeover_stats *takeover_stats(const struct takeover *t)
{
	return &t->stats;
}

size_t takeover_portids(const struct takeover *t, uint32_t *ids)
{
	size_t n = commit_portids(t->commit, ids);

	ids[n++] = ct_flush_portid(t->flush);
	ids[n++] = windows_portid(t->windows);
	return n;
}

void takeover_set_pipeline(struct takeover *t, struct pipeline *p, bool follows)
{
	t->p = p;
	t->follows = follows;
	commit_set_pipeline(t->commit, p);
}

static void set_ops(struct takeover *t)
{
	jobs_set_ops(
		t->jobs, JOB_COMMIT,
		&(struct job_ops){ .ctx = t, .start = commit_begin, .progress = commit_how_far });
	jobs_set_ops(t->jobs, JOB_FLUSH,
		     &(struct job_ops){ .ctx = t,
					.start = flush_begin_now,
					.stop = flush_stop,
					.progress = flush_how_far });
	jobs_set_ops(t->jobs, JOB_PURGE,
		     &(struct job_ops){ .ctx = t,
					.start = flush_begin_purge,
					.stop = flush_stop,
					.progress = flush_how_far });
}

int takeover_open(struct evloop *loop, const struct sync_conf *conf,
		  const struct flow_filter *filter, struct activity *activity, struct jobs *jobs,
		  struct takeover **out, struct text *err)
{
	struct takeover *t = calloc(1, sizeof(*t));
	struct commit_cb commit_cb = { .ctx = t, .done = on_committed };
	struct windows_cb windows_cb = { .ctx = t,
					 .pass = windows_pass,
					 .written = windows_written,
					 .done = windows_done,
					 .caller = { .ctx = t, .memory = windows_memory } };
	struct ct_flush_cb flush_cb = {
		.ctx = t, .pass = flush_pass, .gone = flush_gone, .done = flush_done
	};
	int ret;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->conf = conf;
	t->filter = filter;
	t->activity = activity;
	t->jobs = jobs;
	t->purge = (struct ev_timer){ .cb = purge_due, .ctx = t, .name = "purge" };
	t->tell = (struct ev_timer){ .cb = tell_due, .ctx = t, .name = "tell" };
	ret = commit_open(loop, conf, filter, activity, &commit_cb, &t->commit, err);
	if (ret == 0)
		ret = ct_flush_open(loop, &flush_cb, &t->flush, err);
	if (ret == 0)
		ret = windows_open(loop, &windows_cb, &t->windows, err);
	if (ret < 0) {
		takeover_close(t);
		return ret;
	}
	set_ops(t);
	*out = t;
	return 0;
}

void takeover_close(struct takeover *t)
{
	if (!t)
		return;
	ev_timer_del(t->loop, &t->purge);
	ev_timer_del(t->loop, &t->tell);
	windows_close(t->windows);
	ct_flush_close(t->flush);
	commit_close(t->commit);
	free(t);
}
