/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers: is it this message's turn (doc/protocol.md sections 6 and 10). In all modes the messages
 * of a peer are accepted strictly in the order of their numbers, each number once:
 *
 *   number               action
 *   last + 1             accept, then whatever waited behind it
 *   up to 8192 ahead     keep for a while; then what is missing is lost (sync_ops.missing), and it
 *                        goes on behind
 *   farther              what is missing is lost, go on
 *   beyond jump_max      suspicious: dropped, until three such messages continue each other
 *   before               late, or twice: dropped, counted. When they keep coming and continue each
 *                        other, for longer than the network can hold back a duplicated burst, they
 *                        are the peer's true ones after all: it began anew, or a forged number had
 *                        put us on a wrong track
 *   beyond late_max      the peer began anew: no network holds a message back for so long
 *
 * A number is used up by being passed, also when the mode refuses the message: asking again for
 * what cannot be read would go on for ever. Late messages are never accepted, because what they say
 * may be older than what is known.
 *
 * How long a gap may take to fill itself is learned. At first it is 15 ms; a message that comes
 * later than that was not lost but overtaken, so the next ones are waited for as long as this one
 * took and a half more, 100 ms at most. A minute in which nothing was out of order takes it back.
 * What was counted as lost and came after all is counted as reordered instead. */
#include "sync/track.h"

#include <string.h>

#include "sync/mode.h"

#define PRINT_PART   24 /* bytes */
#define PRINT_FACTOR UINT64_C(0x9e3779b97f4a7c15)
#define JUMP_PROOF   3		/* messages that prove a gap larger than jump_max */
#define LOSS_MAX     (1u << 20) /* a larger gap is not loss but a number from nowhere */
#define WAIT_MIN_MS  15
#define WAIT_MAX_MS  100
/* what comes later than that was not overtaken but held back, or is not the peer's */
#define LATE_MS 1000
#define CALM_MS 60000

static inline uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* What a message was, in one word that is never 0: enough to tell a duplicate from another message
 * of that number. Of its body the beginning (who), the middle and the end; of a short one all, and
 * what its header names. Each message that is accepted pays for it. */
static uint32_t track_print(const struct message *msg, struct cursor body)
{
	uint64_t sum = (uint64_t)body.left << 16 | (uint64_t)msg->tag;
	const uint8_t *at = body.at;

	if (body.left >= PRINT_PART) {
		sum = 9 * sum + word_at(at);
		sum = 9 * sum + word_at(at + 8);
		sum = 9 * sum + word_at(at + 16);
		sum = 9 * sum + word_at(at + body.left / 2);
		sum = 9 * sum + word_at(at + body.left - 16);
		sum = 9 * sum + word_at(at + body.left - 8);
	} else {
		sum = sum * PRINT_FACTOR + ((uint64_t)msg->to << 32 | msg->from);
		/* of nothing, where there may be no pointer */
		for (size_t i = 0; i < body.left; i++)
			sum = sum * PRINT_FACTOR + at[i];
	}
	return (uint32_t)(sum * PRINT_FACTOR >> 32) | 1;
}

/* It is this message's turn. */
static enum sync_verdict track_accept(struct sync *s, struct peer *p, const struct message *msg,
				      struct cursor body, struct mono now)
{
	p->track.last = msg->seq;
	p->track.seen[msg->seq % TRACK_SEEN] = track_print(msg, body);
	p->track.unexpected.n = 0;
	return s->ops->accept(s, p, msg, body, now);
}

/* The gap in front of what is kept has as much time as its evidence leaves it. */
static void track_wait(struct track *t)
{
	struct mono at;

	t->gap_due = (struct mono){ 0 };
	if (t->reorder.n == 0)
		return;
	reorder_lowest(&t->reorder, t->last + 1, &at);
	t->gap_due = mono_add_ms(at, t->wait_ms > WAIT_MIN_MS ? t->wait_ms : WAIT_MIN_MS);
}

/* Accept what was kept and is in sequence now. */
static void track_drain(struct sync *s, struct peer *p, struct mono now)
{
	struct track *t = &p->track;
	struct message msg;
	struct cursor body;
	bool took = false;

	while (reorder_take(&t->reorder, t->last + 1, &msg, &body)) {
		track_accept(s, p, &msg, body, now);
		took = true;
	}
	if (took)
		track_wait(t);
}

/* What is between the last number and seq is lost: go on with seq, which came at `at`. */
static void track_skip(struct sync *s, struct peer *p, uint32_t seq, struct mono at,
		       struct mono now)
{
	struct track *t = &p->track;
	uint32_t from = t->last + 1, missing = seq - from;

	if (missing == 0)
		return;
	if (missing <= LOSS_MAX) {
		s->stats.lost += missing;
		p->lost += missing;
		p->missing += missing;
	}
	for (uint32_t i = missing < TRACK_SEEN ? missing : TRACK_SEEN; i > 0; i--)
		t->seen[(seq - i) % TRACK_SEEN] = 0;
	t->gap[t->n_gaps++ % TRACK_GAPS] =
		(struct track_gap){ .from = from, .n = missing, .since = at };
	t->last = seq - 1;
	if (s->ops->missing)
		s->ops->missing(s, p, from, seq - 1, now);
}

static void track_gap_due(struct sync *s, struct peer *p, struct mono now)
{
	struct mono at;
	uint32_t seq = reorder_lowest(&p->track.reorder, p->track.last + 1, &at);

	track_skip(s, p, seq, at, now);
	track_drain(s, p, now);
}

struct mono track_tick(struct sync *s, struct mono now)
{
	struct mono next = { 0 };

	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		struct track *t = &p->track;

		while (sync_due(t->gap_due, now))
			track_gap_due(s, p, now);
		next = mono_min(next, t->gap_due);
		if (!sync_within(t->jitter, CALM_MS, now))
			t->wait_ms = WAIT_MIN_MS;
		if (!sync_within(t->kept, CALM_MS, now))
			reorder_free(&t->reorder);
	}
	return next;
}

/* Overtaken: by what came before it, or already taken for lost. Loss alone keeps messages as well,
 * but fills no gap. */
static void track_reordered(struct sync *s, struct track *t, struct mono now)
{
	s->stats.reordered++;
	t->jitter = now;
}

/* A number of before: of a gap that was given up too early? */
static bool track_late(struct sync *s, struct peer *p, uint32_t seq, struct mono now)
{
	struct track *t = &p->track;

	for (uint32_t i = 0; i < TRACK_GAPS && i < t->n_gaps; i++) {
		struct track_gap *gap = &t->gap[i];
		int64_t took_ms = mono_diff_ms(now, gap->since) + 1;

		if (seq - gap->from >= gap->n || gap->late == gap->n || took_ms > LATE_MS)
			continue;
		gap->late++;
		if (gap->n <= LOSS_MAX) {
			s->stats.lost--;
			p->lost--;
			p->missing -= p->missing > 0;
		}
		track_reordered(s, t, now);
		took_ms += took_ms / 2;
		if (took_ms > t->wait_ms)
			t->wait_ms = took_ms < WAIT_MAX_MS ? (uint32_t)took_ms : WAIT_MAX_MS;
		return true;
	}
	return false;
}

/* Two messages of one number: one of them was not the peer's, and what the other one said is
 * missing, though it is, or will be, acknowledged. */
static void track_two(struct sync *s, struct peer *p, uint32_t seq, struct mono now)
{
	s->stats.restarts++;
	sync_report(s, p, now, SYNC_NUMBER_TWICE, .from = seq);
	resync_need(s, p, now);
}

/* Ahead of its turn. */
static enum sync_verdict track_ahead(struct sync *s, struct peer *p, const struct message *msg,
				     struct cursor body, struct mono now)
{
	struct track *t = &p->track;
	enum sync_verdict verdict;

	while (msg->seq != t->last + 1) {
		uint32_t next = t->last + 1;
		struct mono at;

		switch (reorder_put(&t->reorder, next, msg, body, now)) {
		case REORDER_KEPT:
			t->kept = now;
			if (t->reorder.n == 1) {
				track_wait(t);
			} else if (seq_before(msg->seq, t->high)) {
				track_reordered(s, t, now);
				if (msg->seq == reorder_lowest(&t->reorder, next, &at))
					track_wait(t);
			}
			if (t->reorder.n == 1 || seq_after(msg->seq, t->high))
				t->high = msg->seq;
			return SYNC_HELD;
		case REORDER_OTHER:
			track_two(s, p, msg->seq, now);
			/* fall through */
		case REORDER_TWICE:
			s->stats.before++;
			return SYNC_DROPPED;
		case REORDER_NO_ROOM:
			break;
		}
		/* No room: the oldest gap is loss after all, be it in front of what is kept or of
		 * this one. */
		if (t->reorder.n > 0 &&
		    seq_before(reorder_lowest(&t->reorder, next, &at), msg->seq))
			track_gap_due(s, p, now);
		else
			track_skip(s, p, msg->seq, now, now);
	}
	verdict = track_accept(s, p, msg, body, now);
	track_drain(s, p, now);
	return verdict;
}

/* So much was lost: an outage. */
static enum sync_verdict track_jump(struct sync *s, struct peer *p, const struct message *msg,
				    struct cursor body, struct mono now)
{
	unexpected_add(&p->track.unexpected, msg->seq, now);
	p->track.unexpected.doubt = true;
	if (p->track.unexpected.n < JUMP_PROOF)
		return SYNC_DROPPED;
	track_skip(s, p, msg->seq, now, now);
	reorder_clear(&p->track.reorder);
	p->track.gap_due = (struct mono){ 0 };
	return track_accept(s, p, msg, body, now);
}

/* A number that was accepted comes again: the same message? */
static bool track_twice(struct sync *s, struct peer *p, const struct message *msg,
			struct cursor body, struct mono now)
{
	uint32_t print = p->track.seen[msg->seq % TRACK_SEEN];

	if (p->track.last - msg->seq >= TRACK_SEEN || print == 0)
		return false;
	if (print == track_print(msg, body))
		return true;
	track_two(s, p, msg->seq, now);
	return false;
}

static enum sync_verdict track_before(struct sync *s, struct peer *p, const struct message *msg,
				      struct cursor body, struct mono now)
{
	struct track *t = &p->track;
	uint32_t first = msg->seq;

	if (t->last - msg->seq < s->late_max) {
		bool late = track_late(s, p, msg->seq, now),
		     twice = track_twice(s, p, msg, body, now);
		bool doubt = (t->unexpected.n > 0 && t->unexpected.doubt) || !(late || twice);

		s->stats.before++;
		if (!unexpected_add(&t->unexpected, msg->seq, now)) {
			t->unexpected.doubt = doubt;
			return SYNC_DROPPED;
		}
		first = t->unexpected.first;
		sync_report(s, p, now, SYNC_NUMBERS_ANEW, .from = msg->seq);
	}
	peer_restart(s, p, first, false, now);
	/* What was dropped meanwhile was genuine, and may be what nobody repeats. */
	if (first != msg->seq) {
		t->last = msg->seq - 1;
		if (s->ops->missing)
			s->ops->missing(s, p, first, msg->seq - 1, now);
	}
	return track_accept(s, p, msg, body, now);
}

enum sync_verdict track_message(struct sync *s, struct peer *p, const struct message *msg,
				struct cursor body, struct mono now)
{
	struct track *t = &p->track;
	uint32_t ahead = msg->seq - t->last - 1;
	enum sync_verdict verdict;

	if ((int32_t)ahead < 0)
		return track_before(s, p, msg, body, now);
	if (ahead > s->jump_max)
		return track_jump(s, p, msg, body, now);
	if (ahead > 0)
		return track_ahead(s, p, msg, body, now);
	if (t->reorder.n > 0)
		track_reordered(s, t, now);
	verdict = track_accept(s, p, msg, body, now);
	if (t->reorder.n > 0)
		track_drain(s, p, now);
	return verdict;
}

void track_pass(struct sync *s, struct peer *p, uint32_t seq, struct mono now)
{
	if (seq != p->track.last + 1)
		return;
	p->track.last = seq;
	track_drain(s, p, now);
}
