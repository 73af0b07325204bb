/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who says what we do not know. A place is free again when its address has said no such thing for
 * some minutes. */
#include "standing/strangers.h"

/* a NOTRACK node that is not answered asks again within this time */
#define STRANGE_MS 300000

bool stranger_lately(const struct stranger *g, struct mono now)
{
	return mono_is_set(g->last) && mono_diff_ns(now, g->last) < STRANGE_MS * MONO_NS_PER_MS;
}

/* The place of one, a free one, or NULL. */
static struct stranger *stranger_place(struct strangers *s, const struct peer_addr *from,
				       struct mono now)
{
	struct stranger *found = NULL;

	for (struct stranger *g = s->at; g < s->at + PEERS_MAX; g++) {
		if (!stranger_lately(g, now))
			found = g;
		else if (peer_addr_same(&g->source, from))
			return g;
	}
	return found;
}

bool strangers_heard(struct strangers *s, const struct peer_addr *from, enum standing_state what,
		     struct mono now)
{
	struct stranger *g = stranger_place(s, from, now);
	bool known;

	if (!g) /* so many are shown, and all are said */
		return true;
	known = stranger_lately(g, now) && g->what == what;
	*g = (struct stranger){
		.source = *from, .what = what, .first = known ? g->first : now, .last = now
	};
	return !known;
}
