/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes in the kernel's expectations without an event. SIP's helper expects calls for a
 * telephone when it sees the REGISTER, inactive at first; the registrar's answer makes the
 * expectation active and sets its life, and the kernel tells nobody. A replica that only heard of
 * its birth would commit one that lets no call in.
 *
 * So the kernel is asked: soon after the birth and then less and less often, but at least every
 * LOOK_MAX_MS. There are as many of these as there are registered telephones, a question costs
 * about 10 us, and each is one of a list that is looked through for those that are due. */
#include "follow/exp_watch.h"

#include <errno.h>
#include <stdlib.h>

#define WATCHED_MAX 4096u /* as many as the kernel keeps by default, or more */
#define LOOK_MIN_MS 10
#define LOOK_MAX_MS 10000
#define LOOKS	    64u /* in one turn: less than a millisecond */
#define ROUNDING_S  2	/* two looks at one life may differ by less */

struct watched {
	struct ct_expect known;
	struct mono learned, due;
	int64_t pause_ms;
};

struct exp_watch {
	struct evloop *loop;
	struct exp_sock *sock;
	struct exp_watch_cb cb;
	struct ev_timer timer;
	struct mono due; /* of the timer while it is armed; not later than the first one's */
	size_t n, cap;
	struct watched *list;
};

static size_t find(const struct exp_watch *w, const struct ct_expect *e)
{
	size_t i = 0;

	while (i < w->n && !expect_same_key(&w->list[i].known, e))
		i++;
	return i;
}

static bool changes_silently(const struct ct_expect *e)
{
	return (e->has & EXPECT_HAS_FLAGS) && (e->flags & (EXPECT_F_PERMANENT | EXPECT_F_INACTIVE));
}

static void arm_by(struct exp_watch *w, struct mono due)
{
	if (ev_timer_armed(&w->timer) && !mono_before(due, w->due))
		return;
	w->due = due;
	ev_timer_set(w->loop, &w->timer, due);
}

static void arm_again(struct exp_watch *w)
{
	struct mono due = { 0 };

	for (size_t i = 0; i < w->n; i++)
		due = mono_min(due, w->list[i].due);
	ev_timer_del(w->loop, &w->timer);
	if (mono_is_set(due))
		arm_by(w, due);
}

static void drop(struct exp_watch *w, size_t i)
{
	w->list[i] = w->list[--w->n];
}

static void learn(struct watched *s, const struct ct_expect *e, int64_t pause_ms, struct mono now)
{
	*s = (struct watched){
		.known = *e, .learned = now, .due = mono_add_ms(now, pause_ms), .pause_ms = pause_ms
	};
}

static bool has_changed(const struct watched *s, const struct ct_expect *found, struct mono now)
{
	int64_t left_s = (int64_t)s->known.timeout_s - mono_diff_ms(now, s->learned) / 1000;

	return !expect_equal_replicated(&s->known, found) ||
	       found->timeout_s > left_s + ROUNDING_S || found->timeout_s + ROUNDING_S < left_s;
}

/* False: it need not be watched any more. */
static bool look(struct exp_watch *w, struct watched *s, struct mono now)
{
	struct ct_expect found;
	int err = exp_sock_get(w->sock, &s->known, &found);

	if (err == -ENOENT || (err == 0 && (!expect_same_key(&s->known, &found) ||
					    !expect_same_master(&s->known, &found))))
		return false;
	if (err == 0 && has_changed(s, &found, now)) {
		w->cb.changed(w->cb.ctx, &found, now);
		learn(s, &found, LOOK_MAX_MS, now);
		return changes_silently(&found);
	}
	s->pause_ms = s->pause_ms * 2 < LOOK_MAX_MS ? s->pause_ms * 2 : LOOK_MAX_MS;
	s->due = mono_add_ms(now, s->pause_ms);
	return true;
}

static void on_timer(void *ctx, struct mono now)
{
	struct exp_watch *w = ctx;
	size_t i = 0;

	for (size_t looks = 0; i < w->n && looks < LOOKS;) {
		if (mono_before(now, w->list[i].due)) {
			i++;
			continue;
		}
		looks++;
		if (look(w, &w->list[i], now))
			i++;
		else
			drop(w, i);
	}
	arm_again(w);
}

static bool grow(struct exp_watch *w)
{
	size_t cap = w->cap ? w->cap * 2 : 16;
	struct watched *list;

	if (w->n < w->cap)
		return true;
	if (w->n == WATCHED_MAX)
		return false;
	list = realloc(w->list, cap * sizeof(*list));
	if (!list)
		return false;
	w->list = list;
	w->cap = cap;
	return true;
}

void exp_watch_add(struct exp_watch *w, const struct ct_expect *e, struct mono now)
{
	size_t i;

	if (!changes_silently(e))
		return;
	i = find(w, e);
	if (i == w->n && !grow(w))
		return;
	w->n += i == w->n;
	learn(&w->list[i], e, LOOK_MIN_MS, now);
	arm_by(w, w->list[i].due);
}

void exp_watch_del(struct exp_watch *w, const struct ct_expect *e)
{
	size_t i = find(w, e);

	if (i < w->n)
		drop(w, i);
}

struct exp_watch *exp_watch_new(struct evloop *loop, struct exp_sock *sock,
				const struct exp_watch_cb *cb)
{
	struct exp_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = loop;
	w->sock = sock;
	w->cb = *cb;
	w->timer = (struct ev_timer){ .cb = on_timer, .ctx = w, .name = "silent expectations" };
	return w;
}

void exp_watch_free(struct exp_watch *w)
{
	if (!w)
		return;
	ev_timer_del(w->loop, &w->timer);
	free(w->list);
	free(w);
}
