/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_EVLOOP_H
#define CONNTRACKD_BASE_EVLOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* One pselect() loop: descriptors, timers, and work that is done in steps. Not re-entrant, one
 * thread.
 *
 * One turn: (1) pselect with the earliest deadline, or at once when work is waiting, (2) due timers
 * fire, (3) ready descriptors are served in the order of registration priority (low number first),
 * (4) every armed ev_work gets one step, (5) the turn hooks run (e.g. "send what this turn
 * queued"). The sleep comes first so that whatever timers, descriptors and work queue is sent by
 * the hooks of the same turn, never after a sleep. Signals are unmasked only inside pselect().
 *
 * The owner embeds the structs below; they are zeroed before first use. Adding and removing is
 * legal inside any callback, also of the very object whose callback runs, and the memory of a
 * removed object may be freed at once. No callback may block. `name` outlives the loop (a string
 * literal): the ring of recent callbacks keeps it. */
struct evloop;

#define EV_READ	 1u
#define EV_WRITE 2u

struct ev_io {
	int fd;
	unsigned int want; /* EV_READ | EV_WRITE; change only through ev_io_want() */
	/* priority within a turn: 0 is served first; equal ones in the order of descriptors */
	unsigned int prio;
	void (*cb)(void *ctx, unsigned int ready, struct mono now);
	void *ctx;	  /* borrowed */
	const char *name; /* for the slow-callback report */
	/* private: */
	bool added;
};

struct ev_timer {
	void (*cb)(void *ctx, struct mono now);
	void *ctx; /* borrowed */
	const char *name;
	/* private: */
	struct mono due;
	uint32_t heap_pos; /* index + 1; 0 = not armed */
};

/* Long work in steps: step() does a bounded amount and returns true while there is more to do,
 * false to be disarmed. Armed again during its own step, it stays armed whatever the step returns,
 * so no wake-up is lost. Each armed ev_work gets one step per turn; one that is armed during the
 * pass gets its first step in the next turn. */
struct ev_work {
	bool (*step)(void *ctx, struct mono now);
	void *ctx;
	const char *name;
	/* private: */
	struct ev_work *next, *prev;
	bool armed;
};

/* Called once at the end of each turn. */
struct ev_hook {
	void (*cb)(void *ctx, struct mono now);
	void *ctx;
	const char *name;
	/* private: */
	struct ev_hook *next;
};

/* Gives a loop, or NULL without memory. */
struct evloop *evloop_new(void);
void evloop_free(struct evloop *loop);

/* 0; -EMFILE when fd >= FD_SETSIZE; -EEXIST when the fd was added already. */
int ev_io_add(struct evloop *loop, struct ev_io *io) __attribute__((warn_unused_result));
/* Forget the descriptor (before closing it): a closed and reused number is not called on old
 * readiness. Harmless when not added. */
void ev_io_del(struct evloop *loop, struct ev_io *io);
void ev_io_want(struct evloop *loop, struct ev_io *io, unsigned int want);

/* (Re)arm for an absolute time (which must be set). Equal times fire in the order they were armed.
 * Armed from a timer callback for a time that has passed, it fires in the next turn. -ENOMEM leaves
 * it unarmed; re-arming an armed timer cannot fail. */
int ev_timer_set(struct evloop *loop, struct ev_timer *t, struct mono due);
void ev_timer_del(struct evloop *loop, struct ev_timer *t);
static inline bool ev_timer_armed(const struct ev_timer *t)
{
	return t->heap_pos != 0;
}

void ev_work_arm(struct evloop *loop, struct ev_work *w);
void ev_work_del(struct evloop *loop, struct ev_work *w);

void ev_hook_add(struct evloop *loop, struct ev_hook *h);
void ev_hook_del(struct evloop *loop, struct ev_hook *h);

/* Run the hooks once, then turns until evloop_stop(); the turn in which evloop_stop() was called is
 * completed. After an evloop_stop() that came before, evloop_run() returns at once. sigmask is the
 * signal mask in force inside pselect() (NULL: unchanged). after_select, if not NULL, is called
 * right after each pselect, to look at signal flags. 0, or -errno when select itself failed (EINTR
 * does not count). */
int evloop_run(struct evloop *loop, const sigset_t *sigmask, void (*after_select)(void *ctx),
	       void *ctx);
/* One turn only, waiting at most max_wait_ms (-1: no limit): for tests and for start-up. */
int evloop_turn(struct evloop *loop, const sigset_t *sigmask, int64_t max_wait_ms);
void evloop_stop(struct evloop *loop);

/* The time at which this turn began serving; cheap, refreshed after pselect and between
 * callbacks. */
struct mono evloop_now(const struct evloop *loop);

/* Health of the loop, for `-s runtime` and `-s status`. */
struct ev_stats {
	uint64_t turns;
	uint64_t select_failed;
	uint64_t slow_callbacks; /* longer than EV_SLOW_MS */
	uint64_t runaway_timers; /* times a timer fired without pause and was slowed down */
	uint32_t worst_us;	 /* longest callback so far */
	const char *worst_name;	 /* borrowed; NULL while none */
};
#define EV_SLOW_MS 50
const struct ev_stats *evloop_stats(const struct evloop *loop);

/* One of the last 32 callbacks, i = 0 is the newest. False when there is none. */
bool evloop_recent(const struct evloop *loop, unsigned int i, const char **name,
		   uint32_t *duration_us);

#endif
