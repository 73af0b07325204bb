/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commit, flush and scheduled flush of the kernel table.
 *
 * The kernel events of a flush are dropped by the socket filter of the event socket (own port id), as those of a commit
 * are (commit.c), and nothing of them goes to the peers: an entry that is flushed leaves the internal cache when the kernel
 * has confirmed it. */
#include "daemon/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/ct_flush.h"
#include "sync/sync_conf.h"

#define PURGE_STEP	8192
#define PURGE_RETRY_MS	1000

struct takeover {
	struct evloop *loop;
	const struct sync_conf *conf;
	const struct flow_filter *filter;
	struct takeover_cb cb;
	struct pipeline *p;
	struct activity *activity;
	struct commit *commit;
	enum commit_what commit_what;	/* of the commit that waits */
	struct ct_flush *flush;
	struct ev_timer purge;
	struct ev_work purge_cache;	/* emptying the internal cache after an expired -t */
	uint64_t purge_pos;
	bool commit_waits;		/* for the end of a flush, which would delete what the commit creates */
	struct takeover_stats stats;
};

/* ---- commit ---- */

static void on_committed(void *ctx, int err, const struct ct_commit_result *res, const struct exp_commit_result *exp,
			 struct mono now)
{
	struct takeover *t = ctx;

	t->cb.commit_done(t->cb.ctx, err, res, exp, now);
}

int takeover_commit(struct takeover *t, enum commit_what what, struct mono now)
{
	if (takeover_committing(t))
		return -EBUSY;
	if (ct_flush_running(t->flush)) {
		t->commit_what = what;
		t->commit_waits = true;
		return 0;
	}
	return commit_start(t->commit, what, now);
}

bool takeover_committing(const struct takeover *t)
{
	return t->commit_waits || commit_running(t->commit);
}

const struct ct_commit_result *takeover_progress(const struct takeover *t)
{
	return commit_progress(t->commit);
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

static void flush_done(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now)
{
	struct takeover *t = ctx;

	if (err < 0) {
		errno = -err;
		log_err("flushing the kernel conntrack table");
	} else if (failed > 0) {
		log_warnx("%" PRIu64 " entries of the kernel table could not be deleted", failed);
	}
	if (t->commit_waits) {
		const struct ct_commit_result no_flows = { 0 };
		const struct exp_commit_result none = { 0 };
		int start;

		t->commit_waits = false;
		start = commit_start(t->commit, t->commit_what, now);
		if (start < 0) {
			log_errx("the commit that waited for the flush cannot start: %s", strerror(-start));
			t->cb.commit_done(t->cb.ctx, start, &no_flows, &none, now);
		}
	}
	/* Without external cache the states of the peers were in that table too: let them tell again. */
	if (pipeline_sync(t->p) && !pipeline_external(t->p))
		sync_ask_resync(pipeline_sync(t->p), now);
	t->cb.flush_done(t->cb.ctx, err, deleted, failed, now);
}

int takeover_flush(struct takeover *t, struct mono now)
{
	int err;

	(void)now;
	if (takeover_committing(t))
		return -EBUSY;
	err = ct_flush_start(t->flush);
	if (err == 0)
		t->stats.kernel_flushes++;
	return err;
}

int takeover_flush_expects(struct takeover *t)
{
	int err = exp_sock_flush(commit_exp_sock(t->commit));

	if (err < 0) {
		errno = -err;
		log_err("flushing the kernel expect table");
		return err;
	}
	t->stats.kernel_flushes++;
	exp_path_flush_internal(pipeline_expects(t->p));
	return 0;
}

bool takeover_flushing(const struct takeover *t)
{
	return ct_flush_running(t->flush);
}

/* ---- scheduled flush ---- */

static bool purge_cache_step(void *ctx, struct mono now)
{
	struct takeover *t = ctx;

	(void)now;
	return pipeline_flush_internal_step(t->p, &t->purge_pos, PURGE_STEP);
}

static void purge_due(void *ctx, struct mono now)
{
	struct takeover *t = ctx;

	int err = takeover_flush(t, now);

	if (err == -EBUSY) {	/* what is under way may have passed what is to go: when it is over */
		ev_timer_set(t->loop, &t->purge, mono_add_ms(now, PURGE_RETRY_MS));
		return;
	}
	activity_purge_cancel(t->activity);
	log_notice("flushing kernel conntrack table (scheduled)");
	if (err < 0) {
		errno = -err;
		log_err("flushing the kernel conntrack table");
		return;
	}
	t->purge_pos = 0;
	ev_work_arm(t->loop, &t->purge_cache);
}

bool takeover_schedule(struct takeover *t, struct mono now)
{
	if (mono_is_set(activity_purge_due(t->activity)))
		return false;
	log_notice("flushing conntrack table in %u secs", t->conf->purge_timeout_s);
	activity_purge_set(t->activity, mono_add_ms(now, (int64_t)t->conf->purge_timeout_s * 1000));
	ev_timer_set(t->loop, &t->purge, activity_purge_due(t->activity));
	return true;
}

bool takeover_cancel_schedule(struct takeover *t)
{
	bool was = activity_purge_cancel(t->activity);

	ev_timer_del(t->loop, &t->purge);
	ev_work_del(t->loop, &t->purge_cache);	/* one that has just fired: the commit fills the cache again */
	return was;
}

/* ---- lifetime ---- */

const struct takeover_stats *takeover_stats(const struct takeover *t)
{
	return &t->stats;
}

size_t takeover_portids(const struct takeover *t, uint32_t *ids)
{
	ids[0] = ct_flush_portid(t->flush);
	return 1 + commit_portids(t->commit, ids + 1);
}

void takeover_set_pipeline(struct takeover *t, struct pipeline *p)
{
	t->p = p;
	commit_set_pipeline(t->commit, p);
}

int takeover_open(struct evloop *loop, const struct sync_conf *conf, const struct flow_filter *filter,
		  struct activity *activity, const struct takeover_cb *cb, struct takeover **out, struct text *err)
{
	struct takeover *t = calloc(1, sizeof(*t));
	struct commit_cb commit_cb = { .ctx = t, .done = on_committed };
	struct ct_flush_cb flush_cb = { .ctx = t, .pass = flush_pass, .gone = flush_gone, .done = flush_done };
	int ret;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->conf = conf;
	t->filter = filter;
	t->activity = activity;
	t->cb = *cb;
	t->purge = (struct ev_timer){ .cb = purge_due, .ctx = t, .name = "purge" };
	t->purge_cache = (struct ev_work){ .step = purge_cache_step, .ctx = t, .name = "purge cache" };
	ret = commit_open(loop, conf, filter, activity, &commit_cb, &t->commit, err);
	if (ret == 0)
		ret = ct_flush_open(loop, &flush_cb, &t->flush, err);
	if (ret < 0) {
		takeover_close(t);
		return ret;
	}
	*out = t;
	return 0;
}

void takeover_close(struct takeover *t)
{
	if (!t)
		return;
	ev_timer_del(t->loop, &t->purge);
	ev_work_del(t->loop, &t->purge_cache);
	ct_flush_close(t->flush);
	commit_close(t->commit);
	free(t);
}
