/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several links, one of which sends.
 *
 *   the active one is not usable            the first usable one in the order of the file, at once
 *   nothing was heard on the active one     that other one: the path is dead for one of the two, or
 *   for a while, but several times on       the peer has moved
 *   another
 *   the preferred one has been usable       the preferred one, unless it was left because nothing
 *   again for a while                       was heard and has not been heard there several times
 *                                           since
 *   else                                    stay
 *
 * What is received on another link changes nothing by itself: a stray datagram must not move the
 * pair, and 1.4.x, which does move, follows us. */
#include "channel/multi.h"

void multi_set_usable(struct multi *m, size_t i, bool usable, struct mono now)
{
	struct multi_link *l = &m->link[i];

	if (usable && !l->usable) {
		l->usable_since = now;
		l->silent = false;
	}
	l->usable = usable;
}

void multi_heard(struct multi *m, size_t i, struct mono now)
{
	m->link[i].heard = now;
	m->link[i].heard_n++;
	if (i != m->active) {
		/* The peer is back on it. Waiting until the active one has been silent, as for a
		 * link nobody prefers, would let the two sides leave each other at the same moment
		 * and chase each other. */
		if (m->link[i].heard_n >= MULTI_HEARD)
			m->link[i].silent = false;
		return;
	}
	for (size_t k = 0; k < m->n; k++)
		m->link[k].heard_n = 0;
}

static bool within(struct mono then, int64_t ms, struct mono now)
{
	return mono_is_set(then) && mono_diff_ms(now, then) < ms;
}

/* The peer is heard, but not where we send. The number of the active link if it is. */
static size_t where_heard(const struct multi *m, struct mono now)
{
	if (within(m->since, MULTI_SILENT_MS, now) ||
	    within(m->link[m->active].heard, MULTI_SILENT_MS, now))
		return m->active;
	for (size_t i = 0; i < m->n; i++) {
		const struct multi_link *l = &m->link[i];

		if (l->usable && l->heard_n >= MULTI_HEARD &&
		    within(l->heard, MULTI_RECENT_MS, now))
			return i;
	}
	return m->active;
}

size_t multi_choose(const struct multi *m, struct mono now)
{
	const struct multi_link *preferred = &m->link[m->preferred];
	size_t heard;

	if (!m->link[m->active].usable) {
		for (size_t i = 0; i < m->n; i++)
			if (m->link[i].usable)
				return i;
		return m->active;
	}
	heard = where_heard(m, now);
	if (heard != m->active)
		return heard;
	if (preferred->usable && !preferred->silent &&
	    !within(preferred->usable_since, MULTI_RETURN_MS, now))
		return m->preferred;
	return m->active;
}

void multi_switch(struct multi *m, size_t to, struct mono now)
{
	struct multi_link *old = &m->link[m->active];

	old->silent = old->usable && to != m->preferred;
	m->link[to].silent = false;
	for (size_t i = 0; i < m->n; i++)
		m->link[i].heard_n = 0;
	m->active = to;
	m->since = now;
}

bool multi_none(const struct multi *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->link[i].usable)
			return false;
	return true;
}
