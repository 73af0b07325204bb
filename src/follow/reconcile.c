/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internal cache == kernel table, without ever stopping.
 *
 *            start()                     dump ended                 all answers in
 *   IDLE ------------------> DUMPING ------------------> CHECKING ------------------> IDLE
 *    ^  \____ verify timer ___^  \__ overrun meanwhile: another pass follows __/        |
 *    |_________________________________________________________________________________|
 *
 * DUMPING: every entry of the kernel table is merged into the cache; live events go on being
 * applied and count as "seen" too. CHECKING: a dump that runs beside changes can miss entries, so a
 * record it did not show is gone only after a GET says ENOENT, and only if no event touched it in
 * between (internal_gone() looks again). Answers that say nothing (ENOBUFS) leave the record for
 * the next pass.
 *
 * Flows that were there before we listened have no event extension in the kernel
 * (nf_conntrack_events 2): they report neither changes nor their end. The cache knows them
 * (internal_silent()), and while there are any, a paced VERIFY pass is made again and again, at
 * most one twentieth of the time. One follows, too, when the reading at the start left something
 * open.
 *
 * Where events do not tell everything (blind.c) passes are made in the same pace that take over all
 * of the table.
 *
 * With PollSecs there are no events at all: a POLL pass takes the place of the verify pass, at its
 * own interval. */
#include "follow/reconcile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "kernel/ct.h"

#define VERIFY_PAUSE_MS 5000 /* least time between verify passes */
/* a pass of n ms is followed by a pause of at least VERIFY_SHARE * n ms */
#define VERIFY_SHARE   20
#define VERIFY_PACE_MS 2   /* between two reads of a verify dump */
#define EVENT_LATE_S   2   /* an event is read within this time */
#define CHECK_STEP     128 /* records asked about at a time */
#define MAX_REPEATS    16  /* passes in a row for overruns, then a pause as for verify */

enum reconcile_state {
	STATE_IDLE,
	STATE_DUMPING,
	STATE_CHECKING,
};

struct reconcile {
	struct evloop *loop;
	struct pipeline *p;
	struct reconcile_cb cb;
	struct ct_dump *dump;
	struct ct_batch *batch;
	struct ev_timer verify; /* or the next poll */
	int64_t poll_ms;	/* 0: no polling */
	struct ev_work walk;	/* while the search for unseen records has found none yet */
	struct ev_hook watch;
	enum reconcile_state state;
	enum reconcile_reason why;     /* of the running pass */
	bool want[RECONCILE_POLL + 1]; /* passes to follow */
	bool blind;		       /* passes go on and on */
	/* what was found then ought to have been told by an event meanwhile */
	uint32_t heard_from_s, heard_until_s;
	bool walk_done;
	bool unresolved; /* this pass left something uncompared */
	uint64_t pos;	 /* resume point of the walk over unseen records */
	struct mono began;
	struct mono rest; /* no verify pass before */
	unsigned int repeats;
	struct reconcile_stats stats;
};

static void pass_next(struct reconcile *r, struct mono now);

/* Each flow that such passes find is looked at once, when an event has had its time. */
static void unheard_begin(struct reconcile *r, struct mono now)
{
	r->heard_until_s = mono_s(now) - EVENT_LATE_S;
	internal_unheard_begin(pipeline_internal(r->p), r->heard_from_s, r->heard_until_s);
	r->stats.unheard_ends = 0;
}

static void unheard_end(struct reconcile *r)
{
	r->stats.unheard = internal_unheard(pipeline_internal(r->p));
	if (r->heard_from_s <= r->heard_until_s)
		r->heard_from_s = r->heard_until_s + 1;
	internal_unheard_begin(pipeline_internal(r->p), 1, 0);
}

static void pass_begin(struct reconcile *r, enum reconcile_reason why, struct mono now)
{
	int err;

	ev_timer_del(r->loop, &r->verify);
	r->why = why;
	r->began = now;
	r->state = STATE_DUMPING;
	r->want[why] = false;
	if (why == RECONCILE_REPAIR) /* it does the same, for another reason */
		r->want[RECONCILE_OVERRUN] = false;
	r->stats.passes++;
	if (why == RECONCILE_OVERRUN)
		r->stats.for_overrun++;
	if (why == RECONCILE_START)
		pipeline_lack(r->p, WHOLE_START, now);
	pipeline_compare_begin(r->p);
	pipeline_dump_begin(r->p);
	internal_pass_begin(pipeline_internal(r->p),
			    why == RECONCILE_START || why == RECONCILE_VERIFY ||
				    why == RECONCILE_ADOPT || why == RECONCILE_REFRESH ||
				    why == RECONCILE_BLIND);
	if (why == RECONCILE_BLIND)
		unheard_begin(r, now);
	err = ct_dump_start(r->dump,
			    why == RECONCILE_VERIFY || why == RECONCILE_BLIND ? VERIFY_PACE_MS : 0);
	if (err < 0) {
		errno = -err;
		log_err("reading the kernel table");
		r->state = STATE_IDLE;
		pipeline_compare_end(r->p, false, now);
		if (why == RECONCILE_START || why == RECONCILE_COMMAND || why == RECONCILE_REFRESH)
			r->cb.done(r->cb.ctx, why, err, now);
		else
			r->want[why] = true;
		ev_timer_set(r->loop, &r->verify, mono_add_ms(now, VERIFY_PAUSE_MS));
	}
}

static void pass_end(struct reconcile *r, int err, struct mono now)
{
	enum reconcile_reason why = r->why;
	int64_t pause = mono_diff_ms(now, r->began) * VERIFY_SHARE;

	/* A verify pass leaves alone what it does not know, where the peers' flows are in the
	 * kernel too. */
	bool all = err == 0 && !r->unresolved &&
		   (why != RECONCILE_VERIFY || pipeline_compares_all(r->p));

	r->state = STATE_IDLE;
	pipeline_compare_end(r->p, all, now);
	r->rest = mono_add_ms(now, pause < VERIFY_PAUSE_MS ? VERIFY_PAUSE_MS : pause);
	/* What could not be compared is compared by another pass. */
	if (r->unresolved && why != RECONCILE_POLL)
		r->want[why == RECONCILE_START ? RECONCILE_VERIFY : RECONCILE_OVERRUN] = true;
	if (why == RECONCILE_BLIND)
		unheard_end(r);
	r->unresolved = false;
	r->cb.done(r->cb.ctx, why, err, now);
	pass_next(r, now);
}

/* What follows: a pass somebody asked for, else a pause before the next look at silent flows. */
static void pass_next(struct reconcile *r, struct mono now)
{
	struct mono due;

	if (r->state != STATE_IDLE)
		return;
	if (r->want[RECONCILE_COMMAND]) {
		pass_begin(r, RECONCILE_COMMAND, now);
	} else if (r->want[RECONCILE_REFRESH]) {
		pass_begin(r, RECONCILE_REFRESH, now);
	} else if (r->want[RECONCILE_ADOPT]) {
		pass_begin(r, RECONCILE_ADOPT, now);
	} else if (r->want[RECONCILE_REPAIR]) {
		pass_begin(r, RECONCILE_REPAIR, now);
	} else if (r->want[RECONCILE_OVERRUN] && r->repeats++ < MAX_REPEATS) {
		pass_begin(r, RECONCILE_OVERRUN, now);
	} else if (r->poll_ms > 0) {
		due = mono_add_ms(r->began, r->poll_ms);
		ev_timer_set(r->loop, &r->verify, mono_before(due, now) ? now : due);
	} else {
		r->repeats = 0;
		if (r->want[RECONCILE_OVERRUN] || r->want[RECONCILE_VERIFY] || r->blind ||
		    internal_silent(pipeline_internal(r->p)) > 0)
			ev_timer_set(r->loop, &r->verify, r->rest);
	}
}

static void verify_due(void *ctx, struct mono now)
{
	struct reconcile *r = ctx;

	if (r->state != STATE_IDLE)
		return;
	if (r->poll_ms > 0)
		pass_begin(r, RECONCILE_POLL, now);
	else if (r->want[RECONCILE_OVERRUN])
		pass_begin(r, RECONCILE_OVERRUN, now);
	else if (r->blind)
		pass_begin(r, RECONCILE_BLIND, now);
	else if (r->want[RECONCILE_VERIFY] || internal_silent(pipeline_internal(r->p)) > 0)
		pass_begin(r, RECONCILE_VERIFY, now);
	else /* each has been heard of since; a pass may wait whose own beginning failed */
		pass_next(r, now);
}

/* ---- DUMPING ---- */

static void dump_flow(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct reconcile *r = ctx;

	if (r->why == RECONCILE_VERIFY)
		pipeline_verified(r->p, f, now);
	else if (r->why == RECONCILE_COMMAND || r->why == RECONCILE_ADOPT)
		pipeline_adopted(r->p, f, now);
	else
		pipeline_dumped(r->p, f, r->why != RECONCILE_START, now);
}

static void check_more(struct reconcile *r, struct mono now);

static void dump_done(void *ctx, int err, struct mono now)
{
	struct reconcile *r = ctx;

	/* A table that changed under the dump may hide entries (EINTR): the GETs below find those
	 * out as well. */
	if (err < 0 && err != -EINTR) {
		errno = -err;
		log_err("reading the kernel table");
		r->unresolved = true;
		pass_end(r, err, now);
		return;
	}
	if (err == 0)
		pipeline_dump_end(r->p);
	else if (r->why == RECONCILE_START || !whole_is(pipeline_whole(r->p)))
		r->unresolved = true; /* of what is hidden nothing may be in the cache either */
	r->state = STATE_CHECKING;
	r->pos = 0;
	r->walk_done = false;
	check_more(r, now);
}

/* ---- CHECKING ---- */

static void check_more(struct reconcile *r, struct mono now)
{
	struct internal *c = pipeline_internal(r->p);
	uint32_t ids[CHECK_STEP];

	while (!r->walk_done && ct_batch_room(r->batch) >= CHECK_STEP) {
		size_t n = internal_pass_unseen(c, &r->pos, ids, CHECK_STEP, &r->walk_done);

		for (size_t i = 0; i < n; i++) {
			const struct flow_rec *rec = table_rec(internal_table(c), ids[i]);

			if (ct_batch_add(r->batch, CT_OP_GET, &rec->flow, NULL, ids[i]) < 0)
				r->unresolved = true; /* the next pass asks again */
		}
		/* it has looked at many that were seen: others' turn */
		if (n < CHECK_STEP && !r->walk_done) {
			ev_work_arm(r->loop, &r->walk);
			return;
		}
	}
	if (r->walk_done && ct_batch_in_flight(r->batch) == 0)
		pass_end(r, 0, now);
}

static void check_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
			 const struct ct_flow *found, struct mono now)
{
	struct reconcile *r = ctx;
	struct internal *c = pipeline_internal(r->p);
	uint32_t id = (uint32_t)cookie;

	(void)op;
	/* The id may have been freed and used again since: then the record was seen, and nothing
	 * happens here. */
	if (!internal_pass_is_unseen(c, id))
		return;
	if (err == -ENOENT) {
		r->stats.gone++;
		r->stats.unheard_ends += !(table_rec(internal_table(c), id)->flags & REC_I_SILENT);
		pipeline_gone(r->p, id, now);
	} else if (err == 0) {
		internal_pass_seen(c, id);
		if (found)
			pipeline_dumped(r->p, found, true, now);
	} else {
		r->unresolved = true;
	}
}

static void check_room(void *ctx, struct mono now)
{
	struct reconcile *r = ctx;

	if (r->state == STATE_CHECKING)
		check_more(r, now);
}

static bool check_walk(void *ctx, struct mono now)
{
	check_room(ctx, now);
	return false;
}

/* ---- public ---- */

void reconcile_start(struct reconcile *r, enum reconcile_reason why, struct mono now)
{
	if (r->state == STATE_IDLE && (why != RECONCILE_OVERRUN || r->repeats < MAX_REPEATS))
		pass_begin(r, why, now);
	else
		r->want[why] = true;
}

/* At the end of each turn: records may have become silent since the last pass (a commit over a live
 * one, a revived one), and need a verify pass. */
static void watch_silent(void *ctx, struct mono now)
{
	struct reconcile *r = ctx;
	struct mono soon = mono_add_ms(now, VERIFY_PAUSE_MS);

	if (r->poll_ms == 0 && r->state == STATE_IDLE && !ev_timer_armed(&r->verify) &&
	    internal_silent(pipeline_internal(r->p)) > 0)
		ev_timer_set(r->loop, &r->verify, mono_before(soon, r->rest) ? r->rest : soon);
}

void reconcile_blind(struct reconcile *r, bool on, struct mono now)
{
	if (on && !r->blind)
		r->heard_from_s = mono_s(now);
	r->blind = on;
	if (on && r->poll_ms == 0 && r->state == STATE_IDLE)
		ev_timer_set(r->loop, &r->verify, mono_before(now, r->rest) ? r->rest : now);
}

const struct reconcile_stats *reconcile_stats(const struct reconcile *r)
{
	return &r->stats;
}

static void compare(void *ctx)
{
	struct reconcile *r = ctx;

	reconcile_start(r, RECONCILE_REPAIR, evloop_now(r->loop));
}

static void adopt(void *ctx)
{
	struct reconcile *r = ctx;

	reconcile_start(r, RECONCILE_ADOPT, evloop_now(r->loop));
}

int reconcile_open(struct evloop *loop, struct pipeline *p, uint32_t poll_s,
		   const struct reconcile_cb *cb, struct reconcile **out, struct text *err)
{
	struct reconcile *r = calloc(1, sizeof(*r));
	struct ct_dump_cb dump_cb = {
		.ctx = r,
		.hints = table_hints(pipeline_own(p)),
		.flow = dump_flow,
		.done = dump_done,
	};
	struct ct_batch_cb batch_cb = { .ctx = r, .answer = check_answer, .room = check_room };
	int ret;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->p = p;
	r->poll_ms = (int64_t)poll_s * 1000;
	r->cb = *cb;
	r->verify = (struct ev_timer){ .cb = verify_due, .ctx = r, .name = "verify" };
	r->watch = (struct ev_hook){ .cb = watch_silent, .ctx = r, .name = "reconcile" };
	r->walk = (struct ev_work){ .step = check_walk, .ctx = r, .name = "reconcile walk" };
	ret = ct_dump_open(loop, &dump_cb, &r->dump, err);
	if (ret == 0)
		ret = ct_batch_open(loop, &batch_cb, "reconcile", &r->batch, err);
	if (ret < 0) {
		reconcile_close(r);
		return ret;
	}
	ev_hook_add(loop, &r->watch);
	pipeline_set_reader(
		p, &(struct pipeline_reader){ .ctx = r, .compare = compare, .adopt = adopt });
	*out = r;
	return 0;
}

void reconcile_close(struct reconcile *r)
{
	if (!r)
		return;
	ev_hook_del(r->loop, &r->watch);
	ev_timer_del(r->loop, &r->verify);
	ev_work_del(r->loop, &r->walk);
	ct_batch_close(r->batch);
	ct_dump_close(r->dump);
	free(r);
}
