/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -f external: the external cache is emptied, in steps, and fills again by itself.
 *
 *   this node		the peers are asked for everything
 *   not active		at once
 *   active		after twice PurgeTimeout, or at once when it is active no longer (-t, -n),
 * 			or when a peer begins anew or a link comes back
 *   ALARM		never: each state is sent again within RefreshTime
 *
 * On an active node, because of what the old primary still has: until its own purge (-t) it would
 * give us the flows that we have just taken over from it. The purge is sent to no peer, so nothing
 * would ever end them here, and the next commit would bring them back. And it may come later than
 * that: -t was typed late, a big table takes its time, or the cache was filled before twice
 * PurgeTimeout. So an active node that has received flows asks again, AGAIN times with longer and
 * longer pauses, and goes on as long as an answer has removed flows: those that the peer does not
 * send any more are removed. */
#include "follow/external_flush.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "follow/jobs.h"
#include "sync/sync_conf.h"

#define FLUSH_STEP 4096
#define AGAIN	   3 /* after twice PurgeTimeout more, then four times, then eight times */

struct external_flush {
	struct external_flush_conf conf;
	struct ev_work work;
	uint64_t pos;
	struct ev_timer fill;  /* armed: the cache is empty until then */
	struct ev_timer again; /* armed: what has filled it may have been flushed since */
	unsigned int n_again;
	uint64_t swept;	     /* by answers, until the last time they were asked */
	struct mono emptied; /* since then */
	unsigned int links;  /* that were usable in the last turn */
};

/* ---- filling ---- */

static int64_t twice_purge_ms(const struct external_flush *e)
{
	return 2000 * (int64_t)e->conf.sync->purge_timeout_s;
}

static void ask_again_later(struct external_flush *e, struct mono now)
{
	uint64_t swept = pipeline_stats(e->conf.pipeline)->swept;
	bool goes_on = swept != e->swept;

	e->swept = swept;
	if (!activity_active(e->conf.activity) || (e->n_again == AGAIN && !goes_on))
		return;
	if (e->n_again < AGAIN)
		e->n_again++;
	ev_timer_set(e->conf.loop, &e->again,
		     mono_add_ms(now, twice_purge_ms(e) << (e->n_again - 1)));
}

static void again_due(void *ctx, struct mono now)
{
	struct external_flush *e = ctx;
	uint32_t n = table_count(external_table(pipeline_external(e->conf.pipeline)));

	if (!activity_active(e->conf.activity) || n == 0)
		return;
	log_notice("asking the peers once more: %" PRIu32
		   " flows have come since the external cache was emptied %" PRId64 " s ago, and "
		   "their node may have flushed them",
		   n, mono_diff_ms(now, e->emptied) / 1000);
	pipeline_ask(e->conf.pipeline, now);
	ask_again_later(e, now);
}

static void fill_due(void *ctx, struct mono now)
{
	struct external_flush *e = ctx;

	log_notice("asking the peers for everything: the external cache was emptied %" PRId64
		   " s ago",
		   mono_diff_ms(now, e->emptied) / 1000);
	pipeline_ask(e->conf.pipeline, now);
	ask_again_later(e, now);
}

static void fill_again(struct external_flush *e, struct mono now)
{
	const struct sync_conf *conf = e->conf.sync;

	ev_timer_del(e->conf.loop, &e->again);
	e->n_again = 0;
	pipeline_lack_external(e->conf.pipeline, WHOLE_FLUSHED, now);
	e->emptied = now;
	if (!activity_active(e->conf.activity) || !sync_can(conf, SYNC_ASKS)) {
		pipeline_ask(e->conf.pipeline, now);
		return;
	}
	e->links = e->conf.links(e->conf.ctx);
	ev_timer_set(e->conf.loop, &e->fill, mono_add_ms(now, twice_purge_ms(e)));
	log_notice("the external cache stays empty for %" PRId64
		   " secs: this node is active, and a peer may still have what was taken over from "
		   "it",
		   2 * (int64_t)conf->purge_timeout_s);
}

void external_flush_fill(struct external_flush *e, struct mono now)
{
	if (ev_timer_armed(&e->fill))
		ev_timer_set(e->conf.loop, &e->fill, now);
}

void external_flush_asked(struct external_flush *e)
{
	ev_timer_del(e->conf.loop, &e->fill);
}

void external_flush_turn(struct external_flush *e, struct mono now)
{
	unsigned int links;

	if (!ev_timer_armed(&e->fill))
		return;
	links = e->conf.links(e->conf.ctx);
	if (links > e->links)
		external_flush_fill(e, now);
	e->links = links;
}

bool external_flush_values(const struct external_flush *e, struct mono now,
			   struct external_flush_values *out)
{
	struct mono due;

	if (!ev_timer_armed(&e->fill))
		return false;
	due = mono_add_ms(e->emptied, twice_purge_ms(e));
	*out = (struct external_flush_values){
		.ago_s = mono_diff_ms(now, e->emptied) / 1000,
		.asks_s = mono_before(now, due) ? (mono_diff_ms(due, now) + 999) / 1000 : 0,
	};
	return true;
}

/* ---- emptying ---- */

static void finish(struct external_flush *e, int err, struct mono now)
{
	const struct job_result res = { .err = err };

	ev_work_del(e->conf.loop, &e->work);
	fill_again(e, now);
	jobs_ended(e->conf.jobs, JOB_CACHE_FLUSH, &res, now);
}

static bool flush_step(void *ctx, struct mono now)
{
	struct external_flush *e = ctx;

	if (external_flush_step(pipeline_external(e->conf.pipeline), &e->pos, FLUSH_STEP))
		return true;
	finish(e, 0, now);
	return false;
}

static int flush_start(void *ctx, unsigned int what, struct mono now)
{
	struct external_flush *e = ctx;
	struct exp_path *x = pipeline_expects(e->conf.pipeline);

	(void)now;
	if (x && what & FLUSH_EXPECTS)
		exp_path_flush_external(x); /* few: at once, and before the masters */
	e->pos = 0;
	ev_work_arm(e->conf.loop, &e->work);
	return 0;
}

static void flush_stop(void *ctx, struct mono now)
{
	finish(ctx, -ECANCELED, now);
}

/* ---- lifetime ---- */

struct external_flush *external_flush_new(const struct external_flush_conf *conf)
{
	struct external_flush *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->conf = *conf;
	e->work = (struct ev_work){ .step = flush_step,
				    .ctx = e,
				    .name = "flush of the external cache" };
	e->fill = (struct ev_timer){ .cb = fill_due, .ctx = e, .name = "fill again" };
	e->again = (struct ev_timer){ .cb = again_due, .ctx = e, .name = "ask again" };
	jobs_set_ops(conf->jobs, JOB_CACHE_FLUSH,
		     &(struct job_ops){ .ctx = e, .start = flush_start, .stop = flush_stop });
	return e;
}

void external_flush_free(struct external_flush *e)
{
	if (!e)
		return;
	ev_timer_del(e->conf.loop, &e->fill);
	ev_timer_del(e->conf.loop, &e->again);
	ev_work_del(e->conf.loop, &e->work);
	free(e);
}
