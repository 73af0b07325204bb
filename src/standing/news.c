/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From states that hold to lines in a log: nothing is told that is about to be over, or that
 * something worse explains, and a peer that goes to and fro is told of in a limited number of
 * lines. What was told to have begun is told to be over, however long that takes. */
#include "standing/news.h"

#include <stddef.h>

#define LINES	5 /* beginnings at once; then one per */
#define LINE_MS 20000

/* Since when it is so. */
static struct mono state_since(enum standing_state state, const struct standing *st,
			       const struct standing_facts *f, struct mono now)
{
	switch (state) {
	case STANDING_SILENT:
		return f->heard;
	case STANDING_FAILING:
		return f->wanted;
	case STANDING_UNSERVED:
		return f->asked.first;
	case STANDING_GAP:
		return st->gap_since;
	case STANDING_TWO_ACTIVE:
		return st->two_since;
	case STANDING_BEHIND:
	case STANDING_DEAF:
		return f->confirmed ? st->checkpoint_at : f->contact;
	default:
		return now;
	}
}

static struct standing_news state_news(struct standing_said *said, enum standing_state state,
				       bool over, const struct standing *st,
				       const struct standing_facts *f, struct mono now)
{
	struct mono end = over && state == STANDING_UNSERVED ? f->asked.last : now;
	struct mono *began = &said->began[state];
	struct standing_news news = { .state = state, .over = over };

	if (!over)
		*began = state_since(state, st, f, now);
	news.ms = mono_is_set(*began) ? mono_diff_ms(end, *began) : 0;
	if (state == STANDING_UNSERVED)
		news.n = f->asked.n;
	else if (state == STANDING_FAILING)
		news.n = f->failed;
	else
		news.n = over ? said->most : st->behind;
	return news;
}

void standing_tell(struct standing_said *said, const struct standing *st,
		   const struct standing_facts *f, struct mono now,
		   void (*tell)(void *ctx, const struct standing_news *news), void *ctx)
{
	uint32_t is = st->is, was = said->states;

	/* that is worse, and nothing else can be known meanwhile */
	if (is & STANDING_IS(STANDING_SILENT)) {
		is = STANDING_IS(STANDING_SILENT);
		was &= is;
	}
	if (is & STANDING_IS(STANDING_DEAF) && was & STANDING_IS(STANDING_BEHIND))
		was &= ~STANDING_IS_LATE; /* it has become worse, which is said */
	else if (is & STANDING_IS_LATE && was & STANDING_IS_LATE) /* one is no end of the other */
		is = (is & ~STANDING_IS_LATE) | (was & STANDING_IS_LATE);
	for (enum standing_state state = STANDING_UNSERVED; state < STANDING_STATES; state++) {
		uint32_t bit = STANDING_IS(state);
		struct standing_news news;

		if (!((is ^ was) & bit) ||
		    (is & bit && !log_limit_pass(&said->limit, LINES, LINE_MS, now, NULL)))
			continue;
		news = state_news(said, state, was & bit, st, f, now);
		tell(ctx, &news);
		was ^= bit;
		if (is & bit & STANDING_IS_LATE)
			said->most = 0;
	}
	said->states = was;
	if (st->behind > said->most)
		said->most = st->behind;
}
