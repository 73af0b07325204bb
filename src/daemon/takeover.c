/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commit, flush and scheduled flush of the kernel table.
 *
 * The kernel events of all three are dropped by the socket filter of the event socket (own port ids), so a commit
 * cannot overrun it and nothing of it goes back to the peers. The internal cache therefore learns of them here: a flow
 * is inserted before its request leaves, and taken out again if the kernel refuses; an entry that is flushed leaves the
 * cache when the kernel has confirmed it. */
#include "daemon/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
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
	struct ct_commit *commit;
	struct exp_commit *expects;	/* NULL without ExpectationSync */
	enum takeover_what commit_what;	/* of the commit that waits or runs */
	struct ct_commit_result flows_done;
	struct ct_flush *flush;
	struct ev_timer purge;
	struct ev_work purge_cache;	/* emptying the internal cache after an expired -t */
	uint64_t purge_pos;
	bool commit_related;		/* the first pass of the commit has seen a flow with a master */
	bool commit_waits;		/* for the end of a flush, which would delete what the commit creates */
	struct takeover_stats stats;
};

/* ---- commit ---- */

static size_t commit_next(void *ctx, bool related, uint64_t *pos, const struct ct_flow **flows, uint32_t *timeout_s,
			  size_t n)
{
	struct takeover *t = ctx;
	struct flow_table *table = external_table(pipeline_external(t->p));
	struct mono now = evloop_now(t->loop);
	uint32_t ids[CT_COMMIT_LOOK];
	size_t got;

	if (*pos == 0 && !related)
		t->commit_related = false;
	if (related && !t->commit_related)
		return 0;	/* the first pass went by all flows, and none has a master */
	got = table_walk(table, pos, ids, n);
	for (size_t i = 0; i < got; i++) {
		const struct flow_rec *rec = table_rec(table, ids[i]);
		bool has_master = rec->flow.has & FLOW_HAS_MASTER;

		t->commit_related |= has_master;
		flows[i] = rec->state != REC_DEAD && has_master == related ? &rec->flow : NULL;
		timeout_s[i] = external_commit_timeout(rec, t->conf->commit_timeout_s, now);
	}
	return got;
}

/* The flow as our kernel will have it: with a reply tuple of its own (which so far only mirrors the original one and
 * the translations), confirmed, and no longer waiting for its master. */
static void as_in_kernel(struct ct_flow *out, const struct ct_flow *f)
{
	flow_copy(out, f);
	out->has = (out->has & ~FLOW_FROM_PEER_NAT) | FLOW_HAS_REPLY | FLOW_HAS_STATUS;
	if (!(f->has & FLOW_HAS_STATUS))
		out->status = 0;
	out->status = (out->status & ~IPS_EXPECTED) | IPS_CONFIRMED;
}

static uint64_t commit_sending(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct takeover *t = ctx;
	bool inserted = false;
	struct ct_flow ours;
	uint32_t id;

	as_in_kernel(&ours, f);
	if (!flow_filter_pass(t->filter, &ours))
		return 0;
	pipeline_commit(t->p, &ours, now, &id, &inserted);
	return inserted ? (uint64_t)id + 1 : 0;
}

static void commit_refused(void *ctx, uint64_t token, int err, const struct ct_flow *f, struct mono now)
{
	struct takeover *t = ctx;

	(void)err;
	(void)f;
	(void)now;
	if (token != 0)
		pipeline_commit_undo(t->p, (uint32_t)(token - 1));
}

static void commit_settled(void *ctx, uint64_t token, const struct ct_flow *kernel, struct mono now)
{
	struct takeover *t = ctx;

	if (token != 0)
		internal_commit_done(pipeline_internal(t->p), (uint32_t)(token - 1));
	/* The kernel's own entry was kept: what it says is the truth, and the peers may not know it. */
	if (kernel)
		pipeline_dumped(t->p, kernel, true, now);
}

static void commit_log_duration(int64_t us)
{
	log_notice("commit has taken %" PRId64 ".%06" PRId64 " seconds", us / 1000000, us % 1000000);
}

static void commit_log_result(const struct ct_commit_result *res)
{
	log_notice("Committed %" PRIu64 " new entries", res->created + res->replaced);
	if (res->kept > 0)
		log_notice("%" PRIu64 " entries are in the kernel already and were kept", res->kept);
	if (res->replaced > 0)
		log_notice("%" PRIu64 " entries replaced one in the kernel that was less advanced", res->replaced);
	if (res->failed > 0)
		log_warnx("%" PRIu64 " entries can't be committed", res->failed);
	for (int i = 0; i < CT_COMMIT_REASONS && res->reason[i].count > 0; i++)
		log_warnx("  %" PRIu64 " of them: %s", res->reason[i].count, ct_commit_reason(res->reason[i].err));
	commit_log_duration(res->duration_us);
}

/* The flows are done: expectations follow their masters. */
static void commit_done(void *ctx, const struct ct_commit_result *res, struct mono now)
{
	const struct exp_commit_result none = { 0 };
	struct takeover *t = ctx;
	int err = 0;

	commit_log_result(res);
	t->flows_done = *res;
	if (t->expects && t->commit_what & TAKEOVER_EXPECTS) {
		err = exp_commit_start(t->expects, now);
		if (err == 0)
			return;
		log_errx("committing expectations cannot start: %s", strerror(-err));
	}
	t->cb.commit_done(t->cb.ctx, err, res, &none, now);
}

static size_t expects_next(void *ctx, uint64_t *pos, struct ct_expect *out, size_t n)
{
	struct takeover *t = ctx;
	struct expects *cache = exp_path_external(pipeline_expects(t->p));
	struct mono now = evloop_now(t->loop);
	uint32_t ids[CT_COMMIT_LOOK];

	n = expects_walk(cache, pos, ids, n < CT_COMMIT_LOOK ? n : CT_COMMIT_LOOK);
	for (size_t i = 0; i < n; i++) {
		const struct expect_rec *rec = expects_rec(cache, ids[i]);
		uint32_t age_s = mono_s(now) - rec->updated_s;

		out[i] = rec->expect;
		if (out[i].timeout_s > age_s)
			out[i].timeout_s -= age_s;
		else		/* its owner says that it lives: as long as a new one */
			out[i].has &= ~EXPECT_HAS_TIMEOUT;
	}
	return n;
}

static void expects_created(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct takeover *t = ctx;

	exp_path_committed(pipeline_expects(t->p), e, now);
}

static void expects_done(void *ctx, const struct exp_commit_result *res, struct mono now)
{
	struct takeover *t = ctx;

	log_notice("Committed %" PRIu64 " new expectations", res->created);
	if (res->kept > 0)
		log_notice("%" PRIu64 " expectations are in the kernel already and were kept", res->kept);
	if (res->failed > 0)
		log_warnx("%" PRIu64 " expectations can't be committed", res->failed);
	for (int i = 0; i < EXP_COMMIT_REASONS && res->reason[i].count > 0; i++)
		log_warnx("  %" PRIu64 " of them: %s", res->reason[i].count, exp_commit_reason(res->reason[i].err));
	commit_log_duration(res->duration_us);
	t->cb.commit_done(t->cb.ctx, 0, &t->flows_done, res, now);
}

static int commit_start(struct takeover *t, struct mono now)
{
	t->flows_done = (struct ct_commit_result){ 0 };
	if (!(t->commit_what & TAKEOVER_FLOWS))
		return exp_commit_start(t->expects, now);
	return ct_commit_start(t->commit, now);
}

int takeover_commit(struct takeover *t, enum takeover_what what, struct mono now)
{
	if (takeover_committing(t))
		return -EBUSY;
	t->commit_what = what;
	if (ct_flush_running(t->flush)) {
		t->commit_waits = true;
		return 0;
	}
	return commit_start(t, now);
}

bool takeover_committing(const struct takeover *t)
{
	return t->commit_waits || ct_commit_running(t->commit) || (t->expects && exp_commit_running(t->expects));
}

const struct ct_commit_result *takeover_progress(const struct takeover *t)
{
	return ct_commit_progress(t->commit);
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
		const struct exp_commit_result none = { 0 };
		int start;

		t->commit_waits = false;
		start = commit_start(t, now);
		if (start < 0) {
			log_errx("the commit that waited for the flush cannot start: %s", strerror(-start));
			t->cb.commit_done(t->cb.ctx, start, &t->flows_done, &none, now);
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
	int err = exp_sock_flush(exp_commit_sock(t->expects));

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
	if (ev_timer_armed(&t->purge))
		return false;
	log_notice("flushing conntrack table in %u secs", t->conf->purge_timeout_s);
	ev_timer_set(t->loop, &t->purge, mono_add_ms(now, (int64_t)t->conf->purge_timeout_s * 1000));
	return true;
}

bool takeover_cancel_schedule(struct takeover *t)
{
	bool was = ev_timer_armed(&t->purge);

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
	ids[0] = ct_commit_portid(t->commit);
	ids[1] = ct_flush_portid(t->flush);
	if (!t->expects)
		return 2;
	ids[2] = exp_commit_portid(t->expects);
	return 3;
}

void takeover_set_pipeline(struct takeover *t, struct pipeline *p)
{
	t->p = p;
}

int takeover_open(struct evloop *loop, const struct sync_conf *conf, const struct flow_filter *filter,
		  const struct takeover_cb *cb, struct takeover **out, struct text *err)
{
	struct takeover *t = calloc(1, sizeof(*t));
	struct ct_commit_source src = {
		.ctx = t,
		.next = commit_next,
		.sending = commit_sending,
		.refused = commit_refused,
		.settled = commit_settled,
		.done = commit_done,
	};
	struct exp_commit_source exp_src = {
		.ctx = t,
		.next = expects_next,
		.created = expects_created,
		.done = expects_done,
	};
	struct ct_flush_cb flush_cb = { .ctx = t, .pass = flush_pass, .gone = flush_gone, .done = flush_done };
	int ret;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->conf = conf;
	t->filter = filter;
	t->cb = *cb;
	t->purge = (struct ev_timer){ .cb = purge_due, .ctx = t, .name = "purge" };
	t->purge_cache = (struct ev_work){ .step = purge_cache_step, .ctx = t, .name = "purge cache" };
	ret = ct_commit_open(loop, &src, !conf->tcp_window_tracking, &t->commit, err);
	if (ret == 0 && conf->expect.on)
		ret = exp_commit_open(loop, &exp_src, &t->expects, err);
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
	exp_commit_close(t->expects);
	ct_commit_close(t->commit);
	free(t);
}
