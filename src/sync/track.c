/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers: is it this message's turn (doc/protocol.md sections 6 and 10). In all modes the messages of a peer are accepted
 * strictly in the order of their numbers, each number once:
 *
 *   number               action
 *   last + 1             accept, then whatever waited behind it
 *   up to 128 ahead      keep for at most 10 ms; then what is missing is lost (sync_ops.missing), and it goes on behind
 *   farther              what is missing is lost, go on
 *   beyond jump_max      suspicious: dropped, until three such messages continue each other
 *   before               late, or twice: dropped, counted. When they keep coming and continue each other, for longer than
 *                        the network can hold back a duplicated burst, they are the peer's true ones after all: it began
 *                        anew, or a forged number had put us on a wrong track
 *   beyond late_max      the peer began anew: no network holds a message back for so long
 *
 * A number is used up by being passed, also when the mode refuses the message: asking again for what cannot be read would
 * go on for ever. Late messages are never accepted, because what they say may be older than what is known. */
#include "sync/track.h"

#include <string.h>

#include "sync/mode.h"

#define JUMP_PROOF	3	/* messages that prove a gap larger than jump_max */
#define LOSS_MAX	(1u << 20)	/* a larger gap is not loss but a number from nowhere */
#define GAP_MS		10	/* a gap may fill itself within this time */

void track_restart(struct track *t, uint32_t seq)
{
	reorder_clear(&t->reorder);
	t->gap_due = (struct mono){ 0 };
	t->stray.n = 0;
	t->last = seq - 1;
	memset(t->seen, 0, sizeof(t->seen));
}

/* What a message was, in one word that is never 0: enough to tell a duplicate from another message of that number. */
static uint32_t track_print(const struct wire_hdr *hdr)
{
	return (uint32_t)(hdr->len << 16 | hdr->flags << 8 | hdr->type << 1 | 1) ^ (hdr->from << 1) ^ (hdr->to << 5);
}

/* It is this message's turn. */
static enum sync_verdict track_accept(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				      struct mono now)
{
	p->track.last = hdr->seq;
	p->track.seen[hdr->seq % TRACK_SEEN] = track_print(hdr);
	p->track.stray.n = 0;
	return s->ops->accept(s, p, hdr, body, now);
}

/* Accept what was kept and is in sequence now. */
static void track_drain(struct sync *s, struct peer *p, struct mono now)
{
	struct track *t = &p->track;
	struct wire_hdr hdr;
	struct cursor body;

	while (reorder_take(&t->reorder, t->last + 1, &hdr, &body))
		track_accept(s, p, &hdr, body, now);
	t->gap_due = (struct mono){ 0 };
	if (t->reorder.n > 0)
		t->gap_due = mono_add_ms(now, GAP_MS);
}

/* What is between the last number and seq is lost: go on with seq. */
static void track_skip(struct sync *s, struct peer *p, uint32_t seq, struct mono now)
{
	struct track *t = &p->track;
	uint32_t from = t->last + 1, missing = seq - from;

	if (missing == 0)
		return;
	if (missing <= LOSS_MAX)
		s->stats.lost += missing;
	for (uint32_t i = missing < TRACK_SEEN ? missing : TRACK_SEEN; i > 0; i--)
		t->seen[(seq - i) % TRACK_SEEN] = 0;
	t->last = seq - 1;
	s->ops->missing(s, p, from, seq - 1, now);
}

static void track_gap_due(struct sync *s, struct peer *p, struct mono now)
{
	track_skip(s, p, reorder_lowest(&p->track.reorder, p->track.last + 1), now);
	track_drain(s, p, now);
}

void track_tick(struct sync *s, struct peer *p, struct mono now)
{
	if (sync_due(p->track.gap_due, now))
		track_gap_due(s, p, now);
}

static void track_kept(struct sync *s, struct track *t, uint32_t seq, struct mono now)
{
	if (t->reorder.n == 1)
		t->gap_due = mono_add_ms(now, GAP_MS);
	else if (seq_before(seq, t->ahead_high))
		s->stats.reordered++;
	if (t->reorder.n == 1 || seq_after(seq, t->ahead_high))
		t->ahead_high = seq;
}

/* Ahead of its turn. */
static enum sync_verdict track_ahead(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				     struct mono now)
{
	struct track *t = &p->track;
	enum sync_verdict verdict;

	while (hdr->seq != t->last + 1) {
		uint32_t next = t->last + 1;

		switch (reorder_put(&t->reorder, next, hdr, body)) {
		case REORDER_KEPT:
			track_kept(s, t, hdr->seq, now);
			return SYNC_HELD;
		case REORDER_TWICE:
			s->stats.before++;
			return SYNC_DROPPED;
		case REORDER_NO_ROOM:
			break;
		}
		/* No room: the oldest gap is loss after all, be it in front of what is kept or of this one. */
		if (t->reorder.n > 0 && seq_before(reorder_lowest(&t->reorder, next), hdr->seq))
			track_gap_due(s, p, now);
		else
			track_skip(s, p, hdr->seq, now);
	}
	verdict = track_accept(s, p, hdr, body, now);
	track_drain(s, p, now);
	return verdict;
}

/* So much was lost: an outage. */
static enum sync_verdict track_jump(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				    struct mono now)
{
	stray_add(&p->track.stray, hdr->seq, now);
	if (p->track.stray.n < JUMP_PROOF)
		return SYNC_DROPPED;
	track_skip(s, p, hdr->seq, now);
	reorder_clear(&p->track.reorder);
	p->track.gap_due = (struct mono){ 0 };
	return track_accept(s, p, hdr, body, now);
}

/* A number that was accepted comes again. When it is not the same message, one of the two was not the peer's, and what
 * the other one said is missing, though it is acknowledged. */
static void track_twice(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct mono now)
{
	uint32_t print = p->track.seen[hdr->seq % TRACK_SEEN];
	char name[SOURCE_NAME];

	if (p->track.last - hdr->seq >= TRACK_SEEN || print == 0 || print == track_print(hdr))
		return;
	s->stats.restarts++;
	sync_log(s, &s->stray_log, now, LOG_LVL_WARNING, "two different messages of peer %s have number %u",
		 peer_name(p, name), hdr->seq);
	resync_need(s, p, now);
}

static enum sync_verdict track_before(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				      struct mono now)
{
	struct track *t = &p->track;
	uint32_t first = hdr->seq;
	char name[SOURCE_NAME];

	if (t->last - hdr->seq < s->late_max) {
		s->stats.before++;
		track_twice(s, p, hdr, now);
		if (!stray_add(&t->stray, hdr->seq, now))
			return SYNC_DROPPED;
		first = t->stray.first;
		sync_log(s, &s->stray_log, now, LOG_LVL_WARNING, "numbers of peer %s do not fit any more, picked up at %u",
			 peer_name(p, name), hdr->seq);
	}
	peer_restart(s, p, first, false, now);
	/* What was dropped meanwhile was genuine, and may be what nobody repeats. */
	if (first != hdr->seq) {
		t->last = hdr->seq - 1;
		s->ops->missing(s, p, first, hdr->seq - 1, now);
	}
	return track_accept(s, p, hdr, body, now);
}

enum sync_verdict track_message(struct sync *s, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				struct mono now)
{
	struct track *t = &p->track;
	uint32_t ahead = hdr->seq - t->last - 1;
	enum sync_verdict verdict;

	if ((int32_t)ahead < 0)
		return track_before(s, p, hdr, body, now);
	if (ahead > s->jump_max)
		return track_jump(s, p, hdr, body, now);
	if (ahead > 0)
		return track_ahead(s, p, hdr, body, now);
	if (t->reorder.n > 0)
		s->stats.reordered++;
	verdict = track_accept(s, p, hdr, body, now);
	if (t->reorder.n > 0)
		track_drain(s, p, now);
	return verdict;
}
