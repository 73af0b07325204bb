/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our kernel says about expectations.
 *
 * Events. The master of a new expectation may not be in the internal cache yet: a helper that looks
 * at the first packet of a flow (TFTP, SIP) makes the expectation before the flow itself is
 * announced. Such an expectation waits for up to a second. Then it is given up: its master is not
 * replicated (Filter), or is gone.
 *
 * Masters. When NAT rewrites an address inside a packet and the length changes, the kernel adjusts
 * the sequence numbers of the connection from then on. It tells nobody: the adjustment stands in
 * answers and dumps only. A node that takes over without it breaks the control connection. The
 * rewriting follows the expectation within the same packet, so each expectation event asks for the
 * master a moment later, and once more after the packet has surely been sent. The answer counts if
 * no event about the master came in between (cache/internal.c); if one did, it is asked again.
 *
 * Comparison, after each pass of reconcile.c: read the kernel's expectations; ask it about those
 * that the dump shows and we do not know alive, because an event may have overtaken the dump, and
 * about those we know and the dump does not show. The kernel reports no expectation of a master
 * that it has no event extension for (it was there before we listened), so this is also how those
 * are found.
 *
 * Without internal cache the kernel is asked for the master of each as it comes, because nobody
 * else knows whether it is there yet and passes the user's Filter; the answer goes out first. There
 * is nothing to compare; a full send reads the kernel's expectations, and asks about each as it
 * does after a comparison's dump. What the kernel executes inside sendto() is never older than the
 * events read so far, so no event about a master has to be waited for. */
#include "follow/expecting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "follow/exp_watch.h"
#include "kernel/exp.h"

#define ASK_SOON_MS   5	  /* the packet that caused the event is through by then */
#define ASK_LATE_MS   250 /* or by then, on a machine that was stopped for a moment */
#define ASK_TRIES     8
#define ASK_MAX	      1024u /* masters waiting to be asked for, each kind */
#define WAIT_MS	      20    /* between two looks for a master */
#define WAIT_TRIES    50
#define WAIT_MAX      256u	 /* expectations waiting for their master */
#define CHECK_STEP    64	 /* records asked about in one turn */
#define ADOPT	      UINT64_MAX /* as the cookie of a question */
#define ADOPTING      (EXPECTING_ADOPT | EXPECTING_COMMAND | EXPECTING_COMMAND_EXP)
#define TELL_AGAIN_MS 1000 /* after a dump for a full send that failed */

struct ask {
	struct ct_flow master; /* its key */
	uint32_t tries;
	struct mono due;
};

/* First in, first out: the delay is the same for all in a ring, so they come due in order. */
struct ask_ring {
	uint32_t head, tail;
	struct ask ask[ASK_MAX];
};

struct waiting {
	struct ct_expect expect;
	uint32_t tries;
	struct mono due;
	bool ended;
};

/* What differs with and without internal cache. */
struct asking {
	/* A master that is due. */
	void (*ask)(struct expecting *x, const struct ask *a, struct mono now);
	void (*answer)(struct expecting *x, uint64_t cookie, int err, const struct ct_flow *found,
		       struct mono now);
	/* There is room for questions again. */
	void (*room)(struct expecting *x, struct mono now);
	/* Our kernel has made e; a dump has shown it; it has ended, and the peers are not told. */
	enum exp_verdict (*put)(struct expecting *x, const struct ct_expect *e, struct mono now);
	enum exp_verdict (*dumped)(struct expecting *x, const struct ct_expect *e, struct mono now);
	bool (*ends_unsaid)(struct expecting *x, const struct ct_expect *e, struct mono now);
	/* The kernel's expectations are about to be read, and have been. */
	void (*begin)(struct expecting *x);
	void (*all_read)(struct expecting *x, int err, struct mono now);
	/* Our own commit has put some into the kernel. */
	void (*committed)(struct expecting *x);
};

static const struct asking asking_cached, asking_uncached;

struct expecting {
	const struct asking *asking;
	struct evloop *loop;
	struct pipeline *p;
	struct exp_path *path;
	struct expecting_cb cb;
	enum exp_verdict master; /* the last answer to a question that is answered at once */
	struct ct_batch *batch;	 /* asks for masters */
	struct exp_sock *sock;	 /* asks for single expectations */
	struct exp_watch *watch;
	struct ct_dump *dump;
	struct ev_timer timer;
	struct ask_ring soon, late;
	uint32_t wait_head, wait_tail;
	struct waiting wait[WAIT_MAX];
	struct ev_work check, watch_all;
	uint64_t check_pos, watch_pos;
	unsigned int running, wanted; /* enum expecting_reason */
	struct ev_timer tell;	      /* the dump for a full send, again */
};

_Static_assert((ASK_MAX & (ASK_MAX - 1)) == 0 && (WAIT_MAX & (WAIT_MAX - 1)) == 0,
	       "indices wrap around");

/* ---- masters ---- */

static struct mono ring_due(const struct ask_ring *r)
{
	return r->head != r->tail ? r->ask[r->head % ASK_MAX].due : (struct mono){ 0 };
}

static void arm(struct expecting *x)
{
	struct mono due = mono_min(ring_due(&x->soon), ring_due(&x->late));

	if (x->wait_head != x->wait_tail)
		due = mono_min(due, x->wait[x->wait_head % WAIT_MAX].due);
	if (mono_is_set(due))
		ev_timer_set(x->loop, &x->timer, due);
	else
		ev_timer_del(x->loop, &x->timer);
}

/* When there is no room the next event of the same master asks as well. */
static void ring_push(struct ask_ring *r, const struct ct_flow *master, uint32_t tries,
		      struct mono due)
{
	struct ask *a = &r->ask[r->tail % ASK_MAX];

	if (r->tail - r->head == ASK_MAX)
		return;
	*a = (struct ask){ .tries = tries, .due = due };
	flow_copy(&a->master, master);
	r->tail++;
}

static void ask_for_master(struct expecting *x, const struct ct_expect *e, struct mono now)
{
	struct ct_flow master;

	expect_master_flow(e, &master);
	ring_push(&x->soon, &master, 0, mono_add_ms(now, ASK_SOON_MS));
	ring_push(&x->late, &master, 0, mono_add_ms(now, ASK_LATE_MS));
}

/* Without internal cache: what the kernel has at this moment goes to the peers. EXP_STORED, or why
 * not. */
static enum exp_verdict ask_now(struct expecting *x, const struct ct_flow *master,
				bool only_adjusted, struct mono now)
{
	x->master = EXP_NO_MASTER;
	if (ct_batch_add(x->batch, CT_OP_GET, master, NULL, only_adjusted) == 0)
		ct_batch_run(x->batch, now);
	return x->master;
}

/* With it: the answer counts if the cache still wants it when it comes. */
static void ask_later(struct expecting *x, const struct ask *a, struct mono now)
{
	struct internal *c = pipeline_internal(x->p);
	uint32_t id = table_find(internal_table(c), &a->master);

	(void)now;
	if (id != FLOW_ID_NONE && internal_ask(c, id) &&
	    ct_batch_add(x->batch, CT_OP_GET, &a->master, NULL, (uint64_t)a->tries << 32 | id) < 0)
		internal_ask_over(c, id);
}

static void ask_adjusted(struct expecting *x, const struct ask *a, struct mono now)
{
	ask_now(x, &a->master, true, now);
}

/* Ask for those that are due, as far as there is room; the rest when there is room again. */
static void ask_due(struct expecting *x, struct ask_ring *r, struct mono now)
{
	while (r->head != r->tail && ct_batch_room(x->batch) > 0) {
		const struct ask *a = &r->ask[r->head % ASK_MAX];

		if (mono_before(now, a->due))
			break;
		r->head++;
		x->asking->ask(x, a, now);
	}
}

static void cached_answer(struct expecting *x, uint64_t cookie, int err,
			  const struct ct_flow *found, struct mono now)
{
	struct internal *c = pipeline_internal(x->p);
	uint32_t id = (uint32_t)cookie, tries = (uint32_t)(cookie >> 32);

	if (err == -ENOENT) { /* the event of its end is on the way */
		internal_ask_over(c, id);
		return;
	}
	if (err == 0 && found && internal_asked(c, id) &&
	    flow_same_key(&table_rec(internal_table(c), id)->flow, found)) {
		pipeline_answered(x->p, found, now);
		return;
	}
	internal_ask_over(c, id);
	/* an event came between, or the answer was lost */
	if (tries < ASK_TRIES && table_has_id(internal_table(c), id)) {
		ring_push(&x->late, &table_rec(internal_table(c), id)->flow, tries + 1,
			  mono_add_ms(now, ASK_LATE_MS));
		arm(x);
	}
}

static void uncached_answer(struct expecting *x, uint64_t cookie, int err,
			    const struct ct_flow *found, struct mono now)
{
	if (err == 0 && found)
		x->master =
			pipeline_master(x->p, found, cookie != 0, now) ? EXP_STORED : EXP_FILTERED;
}

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
		      const struct ct_flow *found, struct mono now)
{
	struct expecting *x = ctx;

	(void)op;
	if (cookie == ADOPT && found)
		x->master = pipeline_adopted(x->p, found, now) ? EXP_STORED : EXP_FILTERED;
	else if (cookie != ADOPT)
		x->asking->answer(x, cookie, err, found, now);
}

static void on_room(void *ctx, struct mono now)
{
	struct expecting *x = ctx;

	x->asking->room(x, now);
}

static void cached_room(struct expecting *x, struct mono now)
{
	ask_due(x, &x->soon, now);
	ask_due(x, &x->late, now);
	arm(x);
}

/* ---- events ---- */

static void wait_for_master(struct expecting *x, const struct ct_expect *e, uint32_t tries,
			    struct mono now)
{
	if (tries >= WAIT_TRIES || x->wait_tail - x->wait_head == WAIT_MAX) {
		exp_path_stats(x->path)->filtered++;
		return;
	}
	x->wait[x->wait_tail++ % WAIT_MAX] = (struct waiting){
		.expect = *e,
		.tries = tries,
		.due = mono_add_ms(now, WAIT_MS),
	};
}

/* Without internal cache the master goes first, if it is there and replicated. */
static enum exp_verdict put_uncached(struct expecting *x, const struct ct_expect *e,
				     struct mono now)
{
	enum exp_verdict verdict;
	struct ct_flow master;

	if (!exp_path_wants(x->path, e))
		return EXP_FILTERED;
	expect_master_flow(e, &master);
	verdict = ask_now(x, &master, false, now);
	if (verdict == EXP_FILTERED)
		exp_path_stats(x->path)->filtered++;
	return verdict == EXP_STORED ? exp_path_put(x->path, e, true, now) : verdict;
}

/* Without external cache the master may be a peer's, which was put into the kernel and has caused
 * no event since. What our kernel expects of it proves that it goes through us now. */
static enum exp_verdict put_cached(struct expecting *x, const struct ct_expect *e, struct mono now)
{
	enum exp_verdict verdict = exp_path_put(x->path, e, true, now);
	struct ct_flow master;

	if (verdict != EXP_NO_MASTER || pipeline_external(x->p))
		return verdict;
	expect_master_flow(e, &master);
	x->master = EXP_NO_MASTER;
	if (ct_batch_add(x->batch, CT_OP_GET, &master, NULL, ADOPT) == 0)
		ct_batch_run(x->batch, now);
	if (x->master != EXP_FILTERED)
		return exp_path_put(x->path, e, true, now);
	exp_path_stats(x->path)->filtered++;
	return EXP_FILTERED;
}

static void put(struct expecting *x, const struct ct_expect *e, uint32_t tries, struct mono now)
{
	switch (x->asking->put(x, e, now)) {
	case EXP_STORED:
		exp_watch_add(x->watch, e, now);
		ask_for_master(x, e, now);
		break;
	case EXP_NO_MASTER:
		wait_for_master(x, e, tries, now);
		break;
	case EXP_FILTERED:
		break;
	}
}

static void look_for_masters(struct expecting *x, struct mono now)
{
	for (uint32_t n = x->wait_tail - x->wait_head; n > 0; n--) {
		struct waiting w = x->wait[x->wait_head % WAIT_MAX];

		if (mono_before(now, w.due))
			break;
		x->wait_head++;
		if (!w.ended)
			put(x, &w.expect, w.tries + 1, now);
	}
}

static void stop_waiting(struct expecting *x, const struct ct_expect *e)
{
	for (uint32_t i = x->wait_head; i != x->wait_tail; i++) {
		struct waiting *w = &x->wait[i % WAIT_MAX];

		w->ended |= expect_same_key(&w->expect, e);
	}
}

/* When we delete a flow its expectations go with it, and the kernel says so as if it had been its
 * own idea. A peer is told of neither. */
static bool purged_along(struct expecting *x, const struct ct_expect *e, struct mono now)
{
	struct ct_flow master;

	if (!pipeline_purged_lately(x->p, now))
		return false;
	expect_master_flow(e, &master);
	return ask_now(x, &master, true, now) == EXP_NO_MASTER;
}

static bool uncached_ends_unsaid(struct expecting *x, const struct ct_expect *e, struct mono now)
{
	return !exp_path_wants(x->path, e) || purged_along(x, e, now);
}

/* What goes with its master has left the cache with it (exp_path_master_purged()). */
static bool cached_ends_unsaid(struct expecting *x, const struct ct_expect *e, struct mono now)
{
	(void)x;
	(void)e;
	(void)now;
	return false;
}

static void ended(struct expecting *x, const struct ct_expect *e, struct mono now)
{
	if (x->asking->ends_unsaid(x, e, now))
		return;
	exp_path_end(x->path, e, now);
	ask_for_master(x, e, now);
}

void expecting_event(struct expecting *x, enum ct_event what, const struct ct_expect *e,
		     struct mono now)
{
	exp_path_stats(x->path)->events++;
	stop_waiting(x, e);
	exp_watch_del(x->watch, e);
	if (what != CT_EVENT_DESTROY) {
		exp_path_born(x->path, e);
		put(x, e, 0, now);
	} else {
		ended(x, e, now);
	}
	arm(x);
}

static void on_timer(void *ctx, struct mono now)
{
	struct expecting *x = ctx;

	look_for_masters(x, now);
	ask_due(x, &x->soon, now);
	ask_due(x, &x->late, now);
	if (ct_batch_room(x->batch) > 0) /* else on_room() goes on */
		arm(x);
}

/* ---- comparison ---- */

static void compare_next(struct expecting *x, struct mono now);

static void compare_end(struct expecting *x, int err, struct mono now)
{
	unsigned int why = x->running;

	x->running = 0;
	if (err < 0) {
		errno = -err;
		log_err("reading the kernel's expectations");
	}
	if (why & EXPECTING_TELL) {
		if (err == 0)
			exp_path_bulk_end(x->path);
		else
			ev_timer_set(x->loop, &x->tell, mono_add_ms(now, TELL_AGAIN_MS));
	} else {
		pipeline_expects_compare_end(x->p, err == 0, now);
		x->cb.done(x->cb.ctx, why, err, now);
	}
	compare_next(x, now);
}

static void compare_next(struct expecting *x, struct mono now)
{
	int err;

	if (x->running != 0 || x->wanted == 0)
		return;
	x->running = x->wanted;
	x->wanted = 0;
	x->asking->begin(x);
	err = ct_dump_start(x->dump, 0);
	if (err < 0)
		compare_end(x, err, now);
}

/* Is it in the cache as it is shown? */
static bool is_known(struct expecting *x, const struct ct_expect *e)
{
	struct expects *cache = exp_path_internal(x->path);

	return exp_path_knows(x->path, e) &&
	       expect_equal_replicated(&expects_rec(cache, expects_find(cache, e))->expect, e);
}

static void on_dumped(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct expecting *x = ctx;
	struct ct_expect sure = *e;

	/* Not known: an event may have overtaken the dump, so the kernel's word of now counts. */
	if (!is_known(x, e) && (exp_sock_get(x->sock, e, &sure) < 0 || !expect_same_key(&sure, e)))
		return;
	if (exp_path_theirs(x->path, &sure) && !exp_path_knows(x->path, &sure) &&
	    !(x->running & ADOPTING))
		return;
	if (x->asking->dumped(x, &sure, now) == EXP_STORED)
		exp_watch_add(x->watch, &sure, now);
}

static void on_dump_done(void *ctx, int err, struct mono now)
{
	struct expecting *x = ctx;

	x->asking->all_read(x, err, now);
}

static void cached_begin(struct expecting *x)
{
	expects_pass_begin(exp_path_internal(x->path));
	pipeline_expects_compare_begin(x->p);
}

static enum exp_verdict cached_dumped(struct expecting *x, const struct ct_expect *e,
				      struct mono now)
{
	return exp_path_put(x->path, e, x->running != EXPECTING_START, now);
}

static void cached_all_read(struct expecting *x, int err, struct mono now)
{
	if (err < 0 && err != -EINTR) {
		compare_end(x, err, now);
		return;
	}
	x->check_pos = 0;
	ev_work_arm(x->loop, &x->check);
}

/* Those that the dump did not show: are they gone? */
static bool check_step(void *ctx, struct mono now)
{
	struct expecting *x = ctx;
	struct expects *cache = exp_path_internal(x->path);
	uint32_t ids[CHECK_STEP];
	size_t n = expects_pass_unseen(cache, &x->check_pos, ids, CHECK_STEP);

	for (size_t i = 0; i < n; i++) {
		struct ct_expect known = expects_rec(cache, ids[i])->expect, found;
		int err = exp_sock_get(x->sock, &known, &found);

		if (err == -ENOENT || (err == 0 && !expect_same_key(&found, &known)))
			exp_path_end(x->path, &known, now);
	}
	if (n == 0)
		compare_end(x, 0, now);
	return n > 0;
}

void expecting_compare(struct expecting *x, enum expecting_reason why, struct mono now)
{
	x->wanted |= why;
	compare_next(x, now);
}

/* In steps, because each is looked for among those that are watched. */
static bool watch_step(void *ctx, struct mono now)
{
	struct expecting *x = ctx;
	struct expects *cache = exp_path_internal(x->path);
	uint32_t ids[CHECK_STEP];
	size_t n = expects_walk(cache, &x->watch_pos, ids, CHECK_STEP);

	for (size_t i = 0; i < n; i++)
		if (expects_rec(cache, ids[i])->state != REC_DEAD)
			exp_watch_add(x->watch, &expects_rec(cache, ids[i])->expect, now);
	return n > 0;
}

void expecting_committed(struct expecting *x)
{
	x->asking->committed(x);
}

static void cached_committed(struct expecting *x)
{
	x->watch_pos = 0;
	ev_work_arm(x->loop, &x->watch_all);
}

static const struct asking asking_cached = {
	.ask = ask_later,
	.answer = cached_answer,
	.room = cached_room,
	.put = put_cached,
	.dumped = cached_dumped,
	.ends_unsaid = cached_ends_unsaid,
	.begin = cached_begin,
	.all_read = cached_all_read,
	.committed = cached_committed,
};

/* There never is none: each is answered at once. */
static void uncached_room(struct expecting *x, struct mono now)
{
	(void)x;
	(void)now;
}

static void uncached_nothing(struct expecting *x)
{
	(void)x;
}

static const struct asking asking_uncached = {
	.ask = ask_adjusted,
	.answer = uncached_answer,
	.room = uncached_room,
	.put = put_uncached,
	.dumped = put_uncached,
	.ends_unsaid = uncached_ends_unsaid,
	.begin = uncached_nothing,
	.all_read = compare_end,
	.committed = uncached_nothing,
};

static void on_changed(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct expecting *x = ctx;

	exp_path_refreshed(x->path, e, now);
}

static void on_tell_again(void *ctx, struct mono now)
{
	expecting_compare(ctx, EXPECTING_TELL, now);
}

/* ---- lifetime ---- */

static void tell_kernels(void *ctx)
{
	struct expecting *x = ctx;

	expecting_compare(x, EXPECTING_TELL, evloop_now(x->loop));
}

int expecting_open(struct evloop *loop, struct pipeline *p, const struct expecting_cb *cb,
		   struct expecting **out, struct text *err)
{
	struct expecting *x = calloc(1, sizeof(*x));
	struct ct_batch_cb batch_cb = { .ctx = x, .answer = on_answer, .room = on_room };
	struct ct_dump_cb dump_cb = { .ctx = x, .expect = on_dumped, .done = on_dump_done };
	struct exp_watch_cb watch_cb = { .ctx = x, .changed = on_changed };
	int ret;

	if (!x)
		return -ENOMEM;
	x->loop = loop;
	x->p = p;
	x->path = pipeline_expects(p);
	x->asking = pipeline_internal(p) ? &asking_cached : &asking_uncached;
	x->tell = (struct ev_timer){ .cb = on_tell_again,
				     .ctx = x,
				     .name = "expectations (full send)" };
	x->cb = *cb;
	x->timer = (struct ev_timer){ .cb = on_timer, .ctx = x, .name = "expectations" };
	x->check =
		(struct ev_work){ .step = check_step, .ctx = x, .name = "expectations (compare)" };
	x->watch_all = (struct ev_work){ .step = watch_step,
					 .ctx = x,
					 .name = "expectations (committed)" };
	ret = ct_batch_open(loop, &batch_cb, "masters", &x->batch, err);
	if (ret == 0)
		ret = exp_sock_open(&x->sock, err);
	if (ret == 0)
		ret = ct_dump_open(loop, &dump_cb, &x->dump, err);
	if (ret == 0) {
		x->watch = exp_watch_new(loop, x->sock, &watch_cb);
		ret = x->watch ? 0 : -ENOMEM;
	}
	if (ret < 0) {
		expecting_close(x);
		return ret;
	}
	exp_path_set_reader(x->path, tell_kernels, x);
	*out = x;
	return 0;
}

void expecting_close(struct expecting *x)
{
	if (!x)
		return;
	ev_work_del(x->loop, &x->check);
	ev_work_del(x->loop, &x->watch_all);
	ev_timer_del(x->loop, &x->timer);
	ev_timer_del(x->loop, &x->tell);
	exp_watch_free(x->watch);
	ct_dump_close(x->dump);
	exp_sock_close(x->sock);
	ct_batch_close(x->batch);
	free(x);
}
