/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of replication with one peer; the header has the terms.
 *
 * How far a peer is behind is measured with one checkpoint: a sequence number that was sent at a
 * known time. When the checkpoint is acknowledged, the next one is set at the last number sent so
 * far, and messages that are not acknowledged are no older than the checkpoint before. So a busy
 * pair, which always has unacknowledged messages, is in sync as long as its checkpoints are reached
 * within half the patience; a peer that does not receive any more is noticed within the patience,
 * however little is sent; and a peer that comes back is behind until it has acknowledged all that
 * was sent in the meantime. */
#include "standing/standing.h"

#include "proto/message.h"

#define GAP_MS 5000 /* a gap that is repaired within this time is nothing to talk about */

static void standing_follow_checkpoint(struct standing *st, const struct standing_facts *f,
				       struct mono now)
{
	if (!f->acks || !f->confirmed) {
		st->checkpoint_at = (struct mono){ 0 };
		return;
	}
	if (mono_is_set(st->checkpoint_at) && seq_before(f->acked, st->checkpoint))
		return;
	if (!seq_before(f->acked, f->sent))
		st->checkpoint_at = (struct mono){ 0 };
	else /* messages sent after the last checkpoint are no older than that */
		st->checkpoint_at = mono_is_set(st->checkpoint_at) ? st->sent_at : now;
	st->checkpoint = f->sent;
	st->sent_at = now;
}

int64_t standing_lag_ms(const struct standing *st, struct mono now)
{
	return mono_is_set(st->checkpoint_at) ? mono_diff_ms(now, st->checkpoint_at) : 0;
}

/* While a role moves both nodes may be active for a moment: their scripts run when they like. */
#define TWO_ACTIVE_MS 10000

static bool over(struct mono since, int64_t ms, struct mono now)
{
	return mono_is_set(since) && mono_diff_ms(now, since) >= ms;
}

/* Is the peer late: does it acknowledge nothing, or not what was sent some time ago, though it has
 * been there for as long? */
static bool standing_late(const struct standing *st, const struct standing_facts *f,
			  struct mono now)
{
	if (!f->acks || !over(st->alive_since, f->patience_ms, now))
		return false;
	return f->confirmed ? over(st->checkpoint_at, f->patience_ms, now) :
			      over(f->contact, f->patience_ms, now);
}

static void standing_judge_heard(struct standing *st, const struct standing_facts *f,
				 struct mono now)
{
	if (!f->acks)
		st->heard = STANDING_CANNOT_TELL;
	else if (!f->confirmed || over(f->heard, f->silence_ms, now) ||
		 over(st->checkpoint_at, f->patience_ms, now))
		st->heard = STANDING_NOT_HEARD;
	else
		st->heard = f->owed ? STANDING_NOT_YET : STANDING_HEARD;
	st->behind =
		f->acks && f->confirmed && seq_before(f->acked, f->sent) ? f->sent - f->acked : 0;
	st->behind += f->waiting;
}

static uint32_t if_so(bool so, enum standing_state state)
{
	return so ? STANDING_IS(state) : 0;
}

/* Which states hold? A peer that is about to be silent stays deaf, and a table that failed to come
 * does until it is here. */
static uint32_t standing_holds(const struct standing *st, const struct standing_facts *f,
			       struct mono now)
{
	bool late = standing_late(st, f, now);
	bool acks = f->confirmed && mono_before(st->sent_at, f->ack_heard) &&
		    !over(f->ack_heard, f->patience_ms, now);
	bool coming = f->table == STANDING_LACKS_TABLE || f->table == STANDING_LACKS_ANSWER;

	return STANDING_IS(STANDING_IN_SYNC) | if_so(f->sending || f->owed, STANDING_SENDING) |
	       if_so(f->table != STANDING_LACKS_NOTHING,
		     f->table == STANDING_LACKS_PROOF ? STANDING_UNPROVEN : STANDING_RECEIVING) |
	       if_so(f->asks >= STANDING_OFTEN, STANDING_UNSERVED) |
	       if_so(f->failed >= STANDING_OFTEN, STANDING_FAILING) |
	       (coming ? st->is & STANDING_IS(STANDING_FAILING) : 0) |
	       if_so(over(st->gap_since, GAP_MS, now), STANDING_GAP) |
	       if_so(late, acks ? STANDING_BEHIND : STANDING_DEAF) |
	       (f->alive ? 0 : st->is & STANDING_IS(STANDING_DEAF)) |
	       if_so(f->other_mode, STANDING_OTHER_MODE) |
	       if_so(over(f->heard, f->silence_ms, now), STANDING_SILENT) |
	       if_so(f->other_protocol, STANDING_OTHER_PROTOCOL) |
	       if_so(over(st->two_since, TWO_ACTIVE_MS, now), STANDING_TWO_ACTIVE);
}

/* Since when is that so? */
static void follow(struct mono *since, bool so, struct mono now)
{
	if (!so)
		*since = (struct mono){ 0 };
	else if (!mono_is_set(*since))
		*since = now;
}

void standing_look(struct standing *st, const struct standing_facts *f, struct mono now)
{
	enum standing_state state;

	follow(&st->gap_since, f->open, now);
	follow(&st->alive_since, f->alive, now);
	follow(&st->two_since, f->two_active, now);
	st->lack = f->table == STANDING_LACKS_NOTHING && f->open ? STANDING_LACKS_GAP : f->table;
	standing_follow_checkpoint(st, f, now);
	standing_judge_heard(st, f, now);
	st->is = standing_holds(st, f, now);
	state = (enum standing_state)(31 - __builtin_clz(st->is));
	if (state != st->state)
		st->since = state == STANDING_SILENT	 ? f->heard :
			    state == STANDING_TWO_ACTIVE ? st->two_since :
							   now;
	st->state = state;
}

const char *standing_name(enum standing_state state)
{
	static const char *const name[] = {
		[STANDING_UNKNOWN] = "not known yet",
		[STANDING_IN_SYNC] = "in sync",
		[STANDING_SENDING] = "gets our full table",
		[STANDING_UNPROVEN] = "its full table is not proven to be here",
		[STANDING_RECEIVING] = "its full table is coming",
		[STANDING_UNSERVED] = "asks for our full table again and again",
		[STANDING_FAILING] = "its full table does not come whole",
		[STANDING_GAP] = "something it sent is missing",
		[STANDING_BEHIND] = "behind",
		[STANDING_DEAF] = "does not acknowledge",
		[STANDING_SILENT] = "silent",
		[STANDING_OTHER_MODE] = "speaks another mode",
		[STANDING_OTHER_PROTOCOL] = "speaks another protocol",
		[STANDING_TWO_ACTIVE] = "active as well",
	};

	return name[state];
}
