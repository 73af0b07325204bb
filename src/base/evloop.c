/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: pselect(), a timer heap, work in steps, hooks at the end of each turn.
 *
 * Why pselect: a signal flag can be set just before select() goes to sleep; unmasking signals only
 * inside the call closes that gap. Why not epoll: some seventy descriptors at most, and one call
 * per turn either way.
 *
 * Invariants
 * - A callback may add and remove anything, itself included, and free the memory it was embedded
 *   in. So the loop touches no ev_* object after its callback returned, unless the object is still
 *   registered.
 * - Readiness belongs to a table by fd number and is cleared when the fd is removed: a closed and
 *   reused number is not called on old readiness, because the slot is looked up again right before
 *   each call.
 * - A timer that is set again inside the timer pass, however far in the past, fires in a later
 *   turn: descriptors and work are served in between. A timer that nevertheless does nothing but
 *   fire is slowed down and reported.
 * - A loop with nothing to do sleeps without a timeout.
 *
 * Not done here: threads, nesting, priorities among timers (equal times fire in the order they were
 * set). */
#include "base/evloop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>

#include "base/log.h"

#define RECENT_MAX 32

/* A sane daemon fires some hundred timers per second. More than this many in one second, plus so
 * many per armed timer, is a bug that would burn a CPU: for the rest of that second timers are then
 * held back. */
#define RUNAWAY_BASE	  10000
#define RUNAWAY_PER_TIMER 2000
#define RUNAWAY_HOLD_MS	  10

struct recent {
	const char *name;
	uint32_t us;
};

/* The heap carries the key itself, so that sifting does not touch the timers' memory; seq keeps
 * equal times in order. */
struct heap_ent {
	int64_t due_ns;
	uint64_t seq;
	struct ev_timer *t;
};

struct evloop {
	struct ev_io *slot[FD_SETSIZE];
	uint8_t ready[FD_SETSIZE]; /* EV_* still to be served in this turn */
	fd_set rd, wr;		   /* descriptors to wait for */
	int n_fds;		   /* highest fd in use + 1 */

	struct heap_ent *heap;
	uint32_t n_heap, heap_cap;
	uint64_t timer_seq;
	bool in_timers;
	struct mono pass_now; /* timers due at this time fire in this pass */

	struct ev_work work; /* ring: waiting for its step in the next turn */
	struct ev_work pass; /* ring: still to be stepped in this turn */
	/* whose step() runs now; NULL once it was removed during its step */
	struct ev_work *running;
	bool rearmed; /* `running` was armed again during its step */

	struct ev_hook *hooks, *hook_next;

	struct mono now;
	bool stop;

	struct mono window; /* start of the second in which firings are counted */
	uint64_t fired;
	bool holding;
	struct log_limit runaway_log;

	struct ev_stats stats;
	struct recent recent[RECENT_MAX];
	uint64_t n_recent;
};

struct evloop *evloop_new(void)
{
	struct evloop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	FD_ZERO(&loop->rd);
	FD_ZERO(&loop->wr);
	loop->work.next = loop->work.prev = &loop->work;
	loop->pass.next = loop->pass.prev = &loop->pass;
	loop->now = clock_now();
	loop->window = loop->now;
	return loop;
}

void evloop_free(struct evloop *loop)
{
	if (!loop)
		return;
	free(loop->heap);
	free(loop);
}

/* Call accounting: one clock read per callback, whose end is the next one's start. */
static void call_done(struct evloop *loop, const char *name, struct mono start)
{
	int64_t us;

	loop->now = clock_now();
	us = mono_diff_ns(loop->now, start) / 1000;
	if (us > UINT32_MAX)
		us = UINT32_MAX;
	loop->recent[loop->n_recent++ % RECENT_MAX] =
		(struct recent){ .name = name, .us = (uint32_t)us };
	if (us > EV_SLOW_MS * 1000)
		loop->stats.slow_callbacks++;
	if (us > loop->stats.worst_us || !loop->stats.worst_name) {
		loop->stats.worst_us = (uint32_t)us;
		loop->stats.worst_name = name;
	}
}

/* Descriptors */

static void io_apply(struct evloop *loop, const struct ev_io *io)
{
	if (io->want & EV_READ)
		FD_SET(io->fd, &loop->rd);
	else
		FD_CLR(io->fd, &loop->rd);
	if (io->want & EV_WRITE)
		FD_SET(io->fd, &loop->wr);
	else
		FD_CLR(io->fd, &loop->wr);
}

int ev_io_add(struct evloop *loop, struct ev_io *io)
{
	assert(!io->added && io->cb);
	if (io->fd < 0)
		return -EBADF;
	if (io->fd >= FD_SETSIZE)
		return -EMFILE;
	if (loop->slot[io->fd])
		return -EEXIST;
	loop->slot[io->fd] = io;
	loop->ready[io->fd] = 0;
	io->added = true;
	io_apply(loop, io);
	if (io->fd >= loop->n_fds)
		loop->n_fds = io->fd + 1;
	return 0;
}

void ev_io_del(struct evloop *loop, struct ev_io *io)
{
	if (!io->added)
		return;
	assert(loop->slot[io->fd] == io);
	loop->slot[io->fd] = NULL;
	loop->ready[io->fd] = 0;
	io->added = false;
	FD_CLR(io->fd, &loop->rd);
	FD_CLR(io->fd, &loop->wr);
	while (loop->n_fds > 0 && !loop->slot[loop->n_fds - 1])
		loop->n_fds--;
}

void ev_io_want(struct evloop *loop, struct ev_io *io, unsigned int want)
{
	io->want = want;
	if (io->added) {
		loop->ready[io->fd] &= (uint8_t)want;
		io_apply(loop, io);
	}
}

/* Collect what is ready in the order of priority; equal priorities by fd. Insertion sort: mostly
 * one or two. */
static unsigned int io_collect(struct evloop *loop, const fd_set *rd, const fd_set *wr, int *order)
{
	unsigned int n = 0, i;
	int fd;

	for (fd = 0; fd < loop->n_fds; fd++) {
		const struct ev_io *io = loop->slot[fd];

		if (!io)
			continue;
		loop->ready[fd] = (uint8_t)((FD_ISSET(fd, rd) ? EV_READ : 0) |
					    (FD_ISSET(fd, wr) ? EV_WRITE : 0));
		if (!loop->ready[fd])
			continue;
		for (i = n++; i > 0 && loop->slot[order[i - 1]]->prio > io->prio; i--)
			order[i] = order[i - 1];
		order[i] = fd;
	}
	return n;
}

static void io_serve(struct evloop *loop, const fd_set *rd, const fd_set *wr)
{
	int order[FD_SETSIZE];
	unsigned int n = io_collect(loop, rd, wr, order), i;

	for (i = 0; i < n; i++) {
		struct ev_io *io = loop->slot[order[i]];
		unsigned int ready = loop->ready[order[i]];
		struct mono start = loop->now;
		const char *name;

		if (!io || !ready)
			continue; /* removed by an earlier callback of this turn */
		loop->ready[order[i]] = 0;
		name = io->name;
		io->cb(io->ctx, ready, start);
		call_done(loop, name, start);
	}
}

/* Timers: a binary heap; ev_timer.heap_pos is the index + 1 */

static bool ent_before(const struct heap_ent *a, const struct heap_ent *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void heap_put(struct evloop *loop, uint32_t i, struct heap_ent ent)
{
	loop->heap[i] = ent;
	ent.t->heap_pos = i + 1;
}

/* Let ent find its place, starting from the hole at i. */
static void heap_sift(struct evloop *loop, uint32_t i, struct heap_ent ent)
{
	uint32_t child;

	while (i > 0 && ent_before(&ent, &loop->heap[(i - 1) / 2])) {
		heap_put(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	while ((child = 2 * i + 1) < loop->n_heap) {
		if (child + 1 < loop->n_heap &&
		    ent_before(&loop->heap[child + 1], &loop->heap[child]))
			child++;
		if (!ent_before(&loop->heap[child], &ent))
			break;
		heap_put(loop, i, loop->heap[child]);
		i = child;
	}
	heap_put(loop, i, ent);
}

static int heap_grow(struct evloop *loop)
{
	uint32_t cap = loop->heap_cap ? loop->heap_cap * 2 : 32;
	struct heap_ent *p;

	if (loop->n_heap < loop->heap_cap)
		return 0;
	p = realloc(loop->heap, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	loop->heap = p;
	loop->heap_cap = cap;
	return 0;
}

int ev_timer_set(struct evloop *loop, struct ev_timer *t, struct mono due)
{
	uint32_t i;
	int err;

	assert(t->cb && mono_is_set(due));
	if (loop->in_timers && !mono_before(loop->pass_now, due))
		due.ns = loop->pass_now.ns + 1; /* not again in this pass */
	if (loop->holding)
		due = mono_before(due, mono_add_ms(loop->now, RUNAWAY_HOLD_MS)) ?
			      mono_add_ms(loop->now, RUNAWAY_HOLD_MS) :
			      due;
	if (t->heap_pos) {
		i = t->heap_pos - 1;
		assert(i < loop->n_heap && loop->heap[i].t == t);
	} else {
		err = heap_grow(loop);
		if (err)
			return err;
		i = loop->n_heap++;
	}
	t->due = due;
	heap_sift(loop, i, (struct heap_ent){ .due_ns = due.ns, .seq = loop->timer_seq++, .t = t });
	return 0;
}

void ev_timer_del(struct evloop *loop, struct ev_timer *t)
{
	uint32_t i = t->heap_pos - 1;
	struct heap_ent last;

	if (!t->heap_pos)
		return;
	assert(i < loop->n_heap && loop->heap[i].t == t);
	t->heap_pos = 0;
	last = loop->heap[--loop->n_heap];
	if (i < loop->n_heap)
		heap_sift(loop, i, last);
}

/* Count a firing; too many in one second start the hold. */
static void runaway_check(struct evloop *loop, const char *name)
{
	uint64_t skipped;

	if (mono_diff_ms(loop->now, loop->window) >= 1000) {
		loop->window = loop->now;
		loop->fired = 0;
		loop->holding = false;
	}
	loop->fired++;
	if (loop->holding ||
	    loop->fired <= RUNAWAY_BASE + (uint64_t)RUNAWAY_PER_TIMER * loop->n_heap)
		return;
	loop->holding = true;
	loop->stats.runaway_timers++;
	if (log_limit_pass(&loop->runaway_log, 1, 60000, loop->now, &skipped))
		log_errx("timer \"%s\" fires without pause; timers are slowed down",
			 name ? name : "?");
}

static void timers_fire(struct evloop *loop)
{
	loop->in_timers = true;
	loop->pass_now = loop->now;
	while (loop->n_heap > 0 && loop->heap[0].due_ns <= loop->pass_now.ns) {
		struct ev_timer *t = loop->heap[0].t;
		struct mono start = loop->now;
		const char *name = t->name;

		ev_timer_del(loop, t);
		runaway_check(loop, name);
		t->cb(t->ctx, start);
		call_done(loop, name, start);
	}
	loop->in_timers = false;
}

/* Work in steps */

static void work_unlink(struct ev_work *w)
{
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->next = w->prev = NULL;
	w->armed = false;
}

static void work_link(struct ev_work *ring, struct ev_work *w)
{
	w->prev = ring->prev;
	w->next = ring;
	ring->prev->next = w;
	ring->prev = w;
	w->armed = true;
}

void ev_work_arm(struct evloop *loop, struct ev_work *w)
{
	assert(w->step);
	if (w == loop->running)
		loop->rearmed = true; /* a wake-up during the step outweighs its "nothing left" */
	if (!w->armed)
		work_link(&loop->work, w);
}

void ev_work_del(struct evloop *loop, struct ev_work *w)
{
	if (w == loop->running)
		loop->running = NULL;
	if (w->armed)
		work_unlink(w);
}

/* One step for everything that was armed when the pass began; what is armed meanwhile waits for the
 * next turn. */
static void works_step(struct evloop *loop)
{
	struct ev_work *w;

	while ((w = loop->work.next) != &loop->work) {
		work_unlink(w);
		work_link(&loop->pass, w);
	}
	while ((w = loop->pass.next) != &loop->pass) {
		struct mono start = loop->now;
		const char *name = w->name;
		bool more;

		work_unlink(w);
		work_link(&loop->work, w);
		loop->running = w;
		loop->rearmed = false;
		more = w->step(w->ctx, start);
		if (loop->running == w && !more && !loop->rearmed && w->armed)
			work_unlink(w);
		loop->running = NULL;
		call_done(loop, name, start);
	}
}

/* Hooks */

void ev_hook_add(struct evloop *loop, struct ev_hook *h)
{
	struct ev_hook **at = &loop->hooks;

	assert(h->cb);
	while (*at) {
		assert(*at != h);
		at = &(*at)->next;
	}
	h->next = NULL;
	*at = h;
}

void ev_hook_del(struct evloop *loop, struct ev_hook *h)
{
	struct ev_hook **at = &loop->hooks;

	while (*at && *at != h)
		at = &(*at)->next;
	if (!*at)
		return;
	if (loop->hook_next == h)
		loop->hook_next = h->next;
	*at = h->next;
	h->next = NULL;
}

static void hooks_run(struct evloop *loop)
{
	struct ev_hook *h = loop->hooks;

	while (h) {
		struct mono start = loop->now;
		const char *name = h->name;

		loop->hook_next = h->next;
		h->cb(h->ctx, start);
		call_done(loop, name, start);
		h = loop->hook_next;
	}
	loop->hook_next = NULL;
}

/* Turns */

/* How long pselect may sleep. NULL: until something happens. */
static const struct timespec *turn_timeout(const struct evloop *loop, int64_t max_wait_ms,
					   struct timespec *ts)
{
	int64_t ns = max_wait_ms < 0 ? INT64_MAX : max_wait_ms * MONO_NS_PER_MS;

	if (loop->work.next != &loop->work)
		ns = 0;
	if (ns > 0 && loop->n_heap > 0) {
		int64_t until = loop->heap[0].due_ns - clock_now().ns;

		if (until < ns)
			ns = until > 0 ? until : 0;
	}
	if (ns == INT64_MAX)
		return NULL;
	*ts = (struct timespec){ .tv_sec = ns / MONO_NS_PER_S, .tv_nsec = ns % MONO_NS_PER_S };
	return ts;
}

/* One turn: sleep, then after_select, timers, descriptors, work, hooks. */
static int turn(struct evloop *loop, const sigset_t *sigmask, int64_t max_wait_ms,
		void (*after_select)(void *ctx), void *ctx)
{
	fd_set rd = loop->rd, wr = loop->wr;
	struct timespec ts;
	int n, err = 0;

	n = pselect(loop->n_fds, &rd, &wr, NULL, turn_timeout(loop, max_wait_ms, &ts), sigmask);
	if (n == -1 && errno != EINTR) {
		err = -errno;
		loop->stats.select_failed++;
	}
	loop->stats.turns++;
	loop->now = clock_now();
	if (after_select)
		after_select(ctx);
	if (err)
		return err;
	timers_fire(loop);
	if (n > 0)
		io_serve(loop, &rd, &wr);
	works_step(loop);
	hooks_run(loop);
	return 0;
}

int evloop_turn(struct evloop *loop, const sigset_t *sigmask, int64_t max_wait_ms)
{
	return turn(loop, sigmask, max_wait_ms, NULL, NULL);
}

int evloop_run(struct evloop *loop, const sigset_t *sigmask, void (*after_select)(void *ctx),
	       void *ctx)
{
	int err = 0;

	loop->now = clock_now();
	hooks_run(loop); /* messages queued during the start must not wait for the first event */
	while (!loop->stop && !err)
		err = turn(loop, sigmask, -1, after_select, ctx);
	loop->stop = false;
	return err;
}

void evloop_stop(struct evloop *loop)
{
	loop->stop = true;
}

struct mono evloop_now(const struct evloop *loop)
{
	return loop->now;
}

const struct ev_stats *evloop_stats(const struct evloop *loop)
{
	return &loop->stats;
}

bool evloop_recent(const struct evloop *loop, unsigned int i, const char **name,
		   uint32_t *duration_us)
{
	const struct recent *r;

	if (i >= RECENT_MAX || i >= loop->n_recent)
		return false;
	r = &loop->recent[(loop->n_recent - 1 - i) % RECENT_MAX];
	*name = r->name;
	*duration_us = r->us;
	return true;
}
