/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOTRACK message by message: the test plays the peer, and looks at every message that leaves. What
 * happens over a bad network, with two whole nodes, is tests/sim. */
#include "unack_world.h"

#define LIFE 0xabcd01u /* the peer's */

static struct world *open_notrack(void)
{
	return world_open((struct sync_conf){ .mode = SYNC_MODE_NOTRACK });
}

/* The first control message from place `from` on with this flag, or -1. */
static int find_flag(const struct world *w, unsigned int from, uint8_t flag)
{
	for (unsigned int i = from; i < w->n_sent; i++)
		if (w->sent[i].hdr.type == WIRE_CTL && (w->sent[i].hdr.flags & flag))
			return (int)i;
	return -1;
}

static int find_complete(const struct world *w, unsigned int from)
{
	for (unsigned int i = from; i < w->n_sent; i++)
		if (w->sent[i].complete)
			return (int)i;
	return -1;
}

static unsigned int count_flag(const struct world *w, uint8_t flag)
{
	unsigned int n = 0;

	for (int i = find_flag(w, 0, flag); i >= 0; i = find_flag(w, (unsigned int)i + 1, flag))
		n++;
	return n;
}

static enum sync_verdict peer_completes(struct world *w, uint32_t since, uint32_t life)
{
	uint8_t buf[WIRE_CTL_LEN];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_complete(&out, w->seq++, since, life), 0);
	return peer_bytes(w, buf, out.len);
}

/* A peer of our kind is there, both have everything. */
static struct world *settled(void)
{
	struct world *w = open_notrack();

	pass_ms(w, 1);
	peer_says(w, WIRE_F_RESYNC, LIFE, 1 << 8);
	pass_ms(w, 10);
	assert_true(find_complete(w, 0) >= 0);
	assert_true(sync_resync_running(w->s));
	peer_completes(w, w->seq, LIFE);
	assert_false(sync_resync_running(w->s));
	assert_int_equal(w->done, 1);
	pass_ms(w, 1500);
	assert_false(sync_bulk_running(w->s));
	w->begun = w->done = w->n_sent = 0;
	return w;
}

static void keepalive_after_a_second_of_silence(void **state)
{
	struct world *w = open_notrack();
	int64_t at;

	(void)state;
	pass_ms(w, 1); /* the first says that we are there */
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(w->sent[0].hdr.seq, FIRST);
	assert_int_equal(w->sent[0].hdr.flags, WIRE_F_ALIVE);
	assert_int_equal(w->sent[0].hdr.len, WIRE_HDR_LEN);
	pass_ms(w, 600);
	change(w, 0);
	pass_ms(w, 1);
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(w->sent[1].flow, 0);
	assert_int_equal(w->sent[1].hdr.seq, FIRST + 1);
	assert_int_equal(w->sent[1].hdr.flags, 0);
	at = w->sent[1].at_ms;
	pass_ms(w, 999);
	assert_int_equal(w->n_sent, 2);
	pass_ms(w, 2);
	assert_int_equal(w->n_sent, 3);
	assert_int_equal(w->sent[2].hdr.flags, WIRE_F_ALIVE);
	assert_in_range(w->sent[2].at_ms - at, 1000, 1001);
	sync_close(w->s);
}

static void changes_collapse_and_an_end_is_told_once(void **state)
{
	struct world *w = settled();

	(void)state;
	change(w, 3);
	change(w, 3);
	pass_ms(w, 1);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(w->sent[0].hdr.type, WIRE_CT_NEW);
	change(w, 3);
	pass_ms(w, 1);
	assert_int_equal(w->sent[1].hdr.type, WIRE_CT_UPD); /* the peer may know this life */
	ends(w, 3);
	assert_int_equal(w->released[3], 0);
	pass_ms(w, 3000);
	assert_int_equal(w->sent[2].hdr.type, WIRE_CT_DEL);
	assert_int_equal(w->released[3], 1);
	for (unsigned int i = 3; i < w->n_sent; i++)
		assert_int_equal(w->sent[i].flow, -1);
	w->dead[3] = false;
	sync_local_birth(w->s, 3, w->now);
	pass_ms(w, 1);
	assert_int_equal(w->sent[w->n_sent - 1].hdr.type, WIRE_CT_NEW);
	sync_close(w->s);
}

static void nothing_is_lost_while_the_channel_is_full(void **state)
{
	struct world *w = settled();

	(void)state;
	w->full = true;
	for (uint32_t id = 0; id < 5; id++)
		change(w, id);
	ends(w, 2);
	pass_ms(w, 3000);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(w->released[2], 0);
	w->full = false;
	pass_ms(w, 1);
	assert_int_equal(w->n_sent, 5);
	assert_int_equal(w->sent[2].hdr.type, WIRE_CT_DEL);
	assert_int_equal(w->released[2], 1);
	sync_close(w->s);
}

static void full_send_is_paced_and_gives_way(void **state)
{
	struct world *w = settled();
	unsigned int in_ms = 0, most = 0, flows = 0;
	int end, live = -1;

	(void)state;
	w->live = FLOWS - 1;
	/* as slow as one datagram in two milliseconds */
	peer_says(w, WIRE_F_RESYNC, LIFE, 2 << 8 | 4);
	pass_ms(w, 3);
	assert_true(sync_bulk_running(w->s));
	change(w, FLOWS - 1);
	pass_ms(w, 1000);
	assert_false(sync_bulk_running(w->s));
	end = find_complete(w, 0);
	assert_true(end > 0);
	for (int i = 0; i < end; i++) {
		flows += w->sent[i].flow >= 0;
		if (w->sent[i].flow == FLOWS - 1 && live < 0)
			live = i;
		in_ms = i > 0 && w->sent[i].datagram != w->sent[i - 1].datagram ? 1 : in_ms;
		if (i > 0 && w->sent[i].datagram != w->sent[i - 1].datagram &&
		    w->sent[i].at_ms - w->sent[i - 1].at_ms > most)
			most = (unsigned int)(w->sent[i].at_ms - w->sent[i - 1].at_ms);
	}
	assert_int_equal(flows, FLOWS + 1); /* all, and the live change once more */
	assert_in_range(live, 1, 150);	    /* it did not wait for the rest */
	assert_in_range(most, 2, 3);
	assert_int_equal(w->sent[end].since, w->sent[0].hdr.seq);
	assert_int_equal(count_flag(w, WIRE_F_ALIVE), 1 + 0); /* no keepalive in between */
	sync_close(w->s);
}

static void a_request_during_a_full_send_gets_one_of_its_own(void **state)
{
	struct world *w = settled();
	int first, second;

	(void)state;
	w->live = FLOWS;
	peer_says(w, WIRE_F_RESYNC, LIFE, 2 << 8 | 5);
	pass_ms(w, 20);
	/* the same again, because it may be lost: nothing new */
	peer_says(w, WIRE_F_RESYNC, LIFE, 2 << 8 | 5);
	pass_ms(w, 3000);
	first = find_complete(w, 0);
	assert_true(first > 0);
	assert_int_equal(find_complete(w, (unsigned int)first + 1), -1);
	w->n_sent = 0;
	peer_says(w, WIRE_F_RESYNC, LIFE, 3 << 8 | 5);
	pass_ms(w, 20);
	peer_says(w, WIRE_F_RESYNC, LIFE, 4 << 8 | 5);
	pass_ms(w, 3000);
	first = find_complete(w, 0);
	second = find_complete(w, (unsigned int)first + 1);
	assert_true(first > 0 && second > first);
	assert_true(seq_after(w->sent[second].since, w->sent[first].hdr.seq));
	sync_close(w->s);
}

static void a_flood_of_requests_does_not_flood_the_link(void **state)
{
	struct world *w = settled();
	unsigned int laps = 0;

	(void)state;
	w->live = 10;
	for (uint32_t i = 0; i < 1000; i++) {
		peer_says(w, WIRE_F_RESYNC, 0, 0);
		pass_ms(w, 10);
	}
	for (int i = find_complete(w, 0); i >= 0; i = find_complete(w, (unsigned int)i + 1))
		laps++;
	assert_in_range(laps, 2, 10);
	sync_close(w->s);
}

static void a_gap_is_counted_and_repaired_by_asking(void **state)
{
	struct world *w = settled();
	uint32_t since;
	int at;

	(void)state;
	peer_tells(w, WIRE_CT_NEW, 1);
	w->seq += 3;
	assert_int_equal(peer_tells(w, WIRE_CT_NEW, 2), SYNC_HELD);
	assert_int_equal(w->n_applied, 1);
	pass_ms(w, 20); /* the reorder allowance */
	assert_int_equal(w->n_applied, 2);
	assert_int_equal(sync_stats(w->s)->lost, 3);
	pass_ms(w, 300);
	at = find_flag(w, 0, WIRE_F_RESYNC);
	assert_true(at >= 0);
	assert_int_equal(w->begun, 1);
	since = w->seq;
	for (uint32_t id = 0; id < 4; id++)
		peer_tells(w, WIRE_CT_NEW, id);
	pass_ms(w, 1);
	assert_int_equal(w->done, 0);
	peer_completes(w, since, LIFE);
	assert_int_equal(w->done, 1);
	assert_false(sync_resync_running(w->s));
	sync_close(w->s);
}

static void what_began_before_the_question_is_no_answer(void **state)
{
	struct world *w = settled();
	uint32_t before = w->seq;

	(void)state;
	peer_tells(w, WIRE_CT_NEW, 1);
	sync_ask_resync(w->s, w->now);
	pass_ms(w, 1);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	peer_completes(w, before, LIFE);
	assert_int_equal(w->done, 0);
	assert_true(sync_resync_running(w->s));
	peer_completes(w, w->seq, LIFE); /* an empty table is an answer too */
	assert_int_equal(w->done, 1);
	sync_close(w->s);
}

/* While our cache is incomplete its end is not said, and keepalives say so; a request meanwhile is
 * served; the end comes by itself. */
static void an_incomplete_cache_ends_no_full_send(void **state)
{
	struct world *w = settled();
	uint32_t since;
	unsigned int notes = 0;

	(void)state;
	w->live = 3;
	w->incomplete = true;
	peer_says(w, WIRE_F_RESYNC, LIFE, 2 << 8);
	since = FIRST;
	for (int i = 0; i < 11; i++) {
		pass_ms(w, 500);
		peer_tells(w, WIRE_CT_NEW, 9);
	}
	for (unsigned int i = 0; i < w->n_sent; i++) {
		if (w->sent[i].flow == 0)
			since = w->sent[i].hdr.seq;
		if (!w->sent[i].complete)
			continue;
		assert_true(w->sent[i].hdr.seq - w->sent[i].since >= WIRE_PARTIAL);
		assert_int_equal(w->sent[i].since + WIRE_PARTIAL, since);
		notes++;
	}
	assert_in_range(notes, 5, 6);
	/* no ordinary one, which would say more */
	assert_int_equal(count_flag(w, WIRE_F_ALIVE), notes);
	assert_false(sync_bulk_running(w->s));
	w->n_sent = 0;
	peer_says(w, WIRE_F_RESYNC, LIFE, 3 << 8);
	pass_ms(w, 5);
	assert_int_equal(w->sent[0].flow, 0);
	since = w->sent[0].hdr.seq;
	w->n_sent = 0;
	w->incomplete = false;
	pass_ms(w, 5);
	assert_true(find_complete(w, 0) >= 0);
	assert_int_equal(w->sent[find_complete(w, 0)].since, since);
	w->n_sent = 0;
	pass_ms(w, 1500);
	assert_int_equal(find_complete(w, 0), -1);
	sync_close(w->s);
}

static void a_partial_answer_is_waited_for(void **state)
{
	struct world *w = settled();
	uint64_t asked = sync_stats(w->s)->resync_asked;
	uint32_t since;

	(void)state;
	sync_ask_resync(w->s, w->now);
	pass_ms(w, 500);
	since = w->seq;
	peer_tells(w, WIRE_CT_NEW, 1);
	for (int i = 0; i < 300; i++) {
		pass_ms(w, 1000);
		peer_completes(w, since - WIRE_PARTIAL, LIFE);
	}
	assert_int_equal(sync_stats(w->s)->resync_asked, asked + 1);
	assert_int_equal(w->done, 0);
	peer_completes(w, since, LIFE);
	assert_int_equal(w->done, 1);
	assert_true(w->sure);
	/* One about a send before the question is none. */
	sync_ask_resync(w->s, w->now);
	for (int i = 0; i < 17; i++) {
		pass_ms(w, 1000);
		peer_completes(w, since - WIRE_PARTIAL, LIFE);
	}
	assert_int_equal(sync_stats(w->s)->resync_failed, 1);
	assert_int_equal(w->done, 1);
	/* Nor does it mend a gap. */
	pass_ms(w, 1000);
	peer_tells(w, WIRE_CT_NEW, 1);
	since = w->seq;
	w->seq++;
	peer_tells(w, WIRE_CT_NEW, 1);
	pass_ms(w, 20);
	peer_completes(w, since - WIRE_PARTIAL, LIFE);
	assert_int_equal(sync_stats(w->s)->resync_failed, 2);
	assert_int_equal(w->done, 1);
	sync_close(w->s);
}

/* An end is given up for room: its peers see a gap. */
static void the_oldest_end_makes_room(void **state)
{
	struct world *w = settled();
	uint32_t next;

	(void)state;
	w->live = 3;
	pass_ms(w, 1001);
	next = w->sent[w->n_sent - 1].hdr.seq + 1;
	w->full = true;
	change(w, 0);
	ends(w, 1);
	ends(w, 2);
	assert_true(sync_make_room(w->s, w->now));
	assert_int_equal(w->released[1], 1);
	assert_int_equal(w->released[2], 0);
	w->n_sent = 0;
	w->full = false;
	turn(w);
	assert_int_equal(w->sent[0].hdr.seq, next + 1);
	assert_int_equal(w->released[2], 1);
	assert_false(sync_make_room(w->s, w->now));
	sync_close(w->s);
}

static void an_answer_with_a_gap_is_no_answer(void **state)
{
	struct world *w = settled();
	uint32_t since;

	(void)state;
	sync_ask_resync(w->s, w->now);
	pass_ms(w, 100);
	since = w->seq;
	peer_tells(w, WIRE_CT_NEW, 1);
	w->seq++;
	peer_tells(w, WIRE_CT_NEW, 2);
	pass_ms(w, 20);
	w->n_sent = 0;
	peer_completes(w, since, LIFE);
	assert_int_equal(w->done, 0);
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	pass_ms(w, 900);
	assert_int_equal(find_flag(w, 0, WIRE_F_RESYNC), -1); /* not at once */
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	pass_ms(w, 200);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	/* slower this time */
	assert_int_equal(w->sent[find_flag(w, 0, WIRE_F_RESYNC)].hdr.to & 0xff, 1);
	peer_completes(w, w->seq, LIFE);
	assert_int_equal(w->done, 1);
	sync_close(w->s);
}

/* The answer begins when we have stopped waiting for it, and part of it is lost: the next one is to
 * be slower all the same. */
static void a_late_answer_with_a_gap_was_too_fast(void **state)
{
	(void)state;
	for (uint32_t lost = 0; lost < 2; lost++) {
		struct world *w = settled();

		peer_says(w, WIRE_F_ALIVE, 0, 0);
		sync_ask_resync(w->s, w->now);
		pass_ms(w, 1000);
		peer_says(w, WIRE_F_ALIVE, 0, 0);
		w->n_sent = 0;
		pass_ms(w, 200);
		for (int i = 0; i < 3; i++) {
			peer_tells(w, WIRE_CT_NEW, 1);
			w->seq += lost;
			peer_tells(w, WIRE_CT_NEW, 2);
			pass_ms(w, 20);
		}
		assert_int_equal(find_flag(w, 0, WIRE_F_RESYNC), -1);
		pass_ms(w, 1000);
		assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
		assert_int_equal(w->sent[find_flag(w, 0, WIRE_F_RESYNC)].hdr.to & 0xff, lost);
		sync_close(w->s);
	}
}

static void a_lost_request_is_repeated_and_an_alive_proves_nothing(void **state)
{
	struct world *w = settled();

	(void)state;
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	sync_ask_resync(w->s, w->now);
	pass_ms(w, 1000);
	assert_int_equal(count_flag(w, WIRE_F_RESYNC), 3);
	w->n_sent = 0;
	peer_tells(w, WIRE_CT_UPD, 1); /* a live change */
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	assert_int_equal(w->done, 0);
	pass_ms(w, 1100);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	assert_int_equal(w->done, 0);
	assert_int_equal(sync_stats(w->s)->resync_failed, 1);
	sync_close(w->s);
}

static void late_messages_change_nothing(void **state)
{
	struct world *w = settled();

	(void)state;
	peer_tells(w, WIRE_CT_UPD, 1);
	peer_tells(w, WIRE_CT_UPD, 1);
	assert_int_equal(peer_tells_at(w, w->seq - 2, WIRE_CT_UPD, 0, 1), SYNC_DROPPED);
	assert_int_equal(peer_tells_at(w, w->seq - 1, WIRE_CT_UPD, 0, 1), SYNC_DROPPED);
	assert_int_equal(w->applied[1], 2);
	assert_int_equal(sync_stats(w->s)->before, 2);
	/* In time for the allowance it is taken, in its turn. */
	peer_tells_at(w, w->seq + 1, WIRE_CT_UPD, 0, 2);
	peer_tells_at(w, w->seq, WIRE_CT_NEW, 0, 2);
	assert_int_equal(w->applied[2], 2);
	assert_int_equal(w->last_change[2], SYNC_UPDATE);
	assert_int_equal(sync_stats(w->s)->lost, 0);
	pass_ms(w, 500);
	assert_int_equal(w->begun, 0);
	sync_close(w->s);
}

/* Two messages of one number that are not the same: one was not the peer's, and it took the place
 * of what the peer said. */
static void a_number_twice_is_asked_about(void **state)
{
	struct world *w = settled();

	(void)state;
	peer_tells(w, WIRE_CT_UPD, 1);
	assert_int_equal(peer_tells_at(w, w->seq - 1, WIRE_CT_DEL, 0, 1), SYNC_DROPPED);
	assert_int_equal(w->last_change[1], SYNC_UPDATE);
	pass_ms(w, 500);
	assert_int_equal(w->begun, 1);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	sync_close(w->s);
}

/* 1.4.x begins anew with lower numbers and says nothing. */
static void lower_numbers_that_go_on_are_a_new_life(void **state)
{
	struct world *w = settled();
	uint32_t seq = w->seq - 300;

	(void)state;
	for (int i = 0; i < 30; i++) {
		pass_ms(w, 100);
		peer_tells_at(w, seq++, WIRE_CT_UPD, 0, 4);
	}
	assert_true(w->applied[4] > 0);
	assert_int_equal(sync_stats(w->s)->restarts, 1);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	/* Far lower ones need no proof. */
	w->n_sent = 0;
	assert_int_equal(peer_tells_at(w, seq - 100000, WIRE_CT_UPD, 0, 5), SYNC_ACCEPTED);
	assert_int_equal(w->applied[5], 1);
	assert_int_equal(sync_stats(w->s)->restarts, 2);
	sync_close(w->s);
}

/* A number from nowhere is believed when others go on from there. */
static void one_number_from_nowhere_moves_nothing(void **state)
{
	struct world *w = settled();
	uint32_t far = w->seq + (1u << 28);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(peer_tells_at(w, far + 5000 * i, WIRE_CT_UPD, 0, 1), SYNC_DROPPED);
	assert_int_equal(peer_tells_at(w, w->seq++, WIRE_CT_UPD, 0, 2), SYNC_ACCEPTED);
	pass_ms(w, 500);
	assert_int_equal(w->begun, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(peer_tells_at(w, far + i, WIRE_CT_UPD, 0, 3),
				 i < 2 ? SYNC_DROPPED : SYNC_ACCEPTED);
	pass_ms(w, 500);
	assert_int_equal(w->begun, 1);
	sync_close(w->s);
}

static void a_new_life_says_so(void **state)
{
	struct world *w = settled();

	(void)state;
	assert_int_equal(peer_says_at(w, w->seq - 2, WIRE_F_RESYNC, LIFE + 2, 0), SYNC_ACCEPTED);
	assert_int_equal(sync_stats(w->s)->restarts, 1);
	pass_ms(w, 1100);
	assert_true(find_complete(w, 0) >= 0);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	assert_int_equal(w->begun, 1);
	sync_close(w->s);
}

/* Its first request has the number that the last one of the life before had. */
static void a_new_life_is_answered_whatever_it_counts(void **state)
{
	struct world *w = settled();

	(void)state;
	w->live = 3;
	peer_says(w, WIRE_F_RESYNC, LIFE + 2, 1 << 8);
	pass_ms(w, 100);
	assert_true(find_complete(w, 0) >= 3);
	sync_close(w->s);
}

/* A node is downgraded: its numbers are lower, and the request that the administrator typed is
 * among the late ones. */
static void a_peer_that_becomes_1_4_x_gets_everything(void **state)
{
	struct world *w = settled();
	uint32_t seq = w->seq - 300;
	int restarted = 0;

	(void)state;
	w->live = 7;
	assert_int_equal(peer_says_at(w, seq++, WIRE_F_RESYNC, 0, 0), SYNC_DROPPED);
	for (int i = 0; i < 10 && !restarted; i++) {
		pass_ms(w, 1000);
		peer_says_at(w, seq++, WIRE_F_ALIVE, 0, 0);
		restarted = (int)sync_stats(w->s)->restarts;
	}
	assert_int_equal(restarted, 1);
	assert_int_equal(find_complete(w, 0), -1);
	pass_ms(w, 1100);
	assert_true(find_complete(w, 0) >= 7);
	sync_close(w->s);
}

static void a_peer_that_was_away_is_asked(void **state)
{
	struct world *w = settled();

	(void)state;
	pass_ms(w, 4000);
	assert_int_equal(find_flag(w, 0, WIRE_F_RESYNC), -1);
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	pass_ms(w, 1);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	sync_close(w->s);
}

/* 1.4.x never says "complete" and never asks by itself. */
static void a_peer_of_1_4_x_gets_everything_and_is_asked_three_times(void **state)
{
	struct world *w = open_notrack();
	unsigned int rounds = 0;

	(void)state;
	w->live = 7;
	pass_ms(w, 1);
	for (; w->done == 0 && rounds < 20; rounds++) {
		peer_tells(w, WIRE_CT_NEW, 1);
		pass_ms(w, 1000);
		peer_says(w, WIRE_F_ALIVE, 0, 0);
	}
	assert_in_range(rounds, 7, 12);
	assert_int_equal(w->begun, 1); /* what any of the answers refreshed stays */
	assert_in_range(count_flag(w, WIRE_F_RESYNC), 3, 8);
	assert_true(find_complete(w, 0) >= 7);
	assert_false(sync_resync_running(w->s));
	sync_close(w->s);
}

/* It did not hear us, so that it was taken for a 1.4.x: whose answers are doubted, and which is
 * asked ever less often. Once its life has a name again it is asked at once. */
static void a_peer_that_hears_us_again_is_asked_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct world *w = settled();
		bool waits = i & 1, complete = i & 2; /* or it seems that all has come */

		pass_ms(w, 4000);
		for (int s = 0; s < 150; s++) {
			w->seq += waits && s > 40; /* so much is lost */
			peer_says(w, WIRE_F_ALIVE, 0, 0);
			pass_ms(w, 1000);
			if (s == 145)
				w->n_sent = 0;
		}
		assert_int_equal(w->done, !waits);
		assert_int_equal(sync_resync_running(w->s), waits);
		assert_int_equal(find_flag(w, 0, WIRE_F_RESYNC), -1);
		if (complete)
			peer_completes(w, PEER, LIFE);
		else
			peer_says(w, WIRE_F_RESYNC, LIFE, 9 << 8);
		pass_ms(w, 10);
		assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
		peer_completes(w, w->seq, LIFE);
		assert_true(w->sure);
		assert_false(sync_resync_running(w->s));
		sync_close(w->s);
	}
}

/* The first message of a new life comes behind the next ones, which went on from the numbers of the
 * life before: what is older than they are must not replace what they have told. */
static void an_overtaken_request_does_not_turn_back(void **state)
{
	struct world *w = settled();
	uint32_t seq = w->seq;

	(void)state;
	pass_ms(w, 4000);
	assert_int_equal(peer_tells_at(w, seq, WIRE_CT_UPD, 0, 1), SYNC_ACCEPTED);
	pass_ms(w, 2);
	peer_says_at(w, seq - 3, WIRE_F_RESYNC, LIFE + 2, 1 << 8);
	assert_int_equal(peer_tells_at(w, seq - 2, WIRE_CT_NEW, 0, 1), SYNC_DROPPED);
	assert_int_equal(w->applied[1], 1);
	/* It is answered, and what it told in between is asked for. */
	w->n_sent = 0;
	pass_ms(w, 1100);
	assert_true(find_complete(w, 0) >= 0);
	w->seq = seq + 1;
	peer_completes(w, w->seq, LIFE + 2);
	assert_false(sync_resync_running(w->s));
	assert_true(w->sure);
	sync_close(w->s);
}

static void startup_resync_comes_first(void **state)
{
	struct world *w =
		world_open((struct sync_conf){ .mode = SYNC_MODE_NOTRACK, .startup_resync = true });

	(void)state;
	change(w, 1);
	pass_ms(w, 1);
	assert_int_equal(w->sent[0].hdr.flags, WIRE_F_RESYNC);
	assert_int_equal(w->sent[0].hdr.len, WIRE_CTL_LEN);
	assert_int_equal(w->sent[1].flow, 1);
	sync_close(w->s);
}

static void commands(void **state)
{
	struct world *w = open_notrack();

	(void)state;
	w->live = 3;
	sync_ask_resync(w->s, w->now); /* nobody is there: asked all the same */
	turn(w);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	sync_bulk(w->s, w->now);
	pass_ms(w, 5);
	assert_int_equal(find_complete(w, 0), (int)w->n_sent - 1);
	assert_int_equal(w->n_sent, 1 + 3 + 1);
	sync_close(w->s);
}

static void what_notrack_does_not_know_is_refused(void **state)
{
	static const struct {
		uint8_t flags;
		bool good;
	} control[] = {
		{ WIRE_F_ACK, false },
		{ WIRE_F_NACK, false },
		{ WIRE_F_ACK | WIRE_F_HELLO, false },
		{ WIRE_F_ACK | WIRE_F_RESYNC, false },
		{ WIRE_F_ALIVE | WIRE_F_HELLO, true },
		{ WIRE_F_ALIVE, true },
	};
	struct world *w = settled();
	unsigned int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++) {
		enum sync_verdict v = peer_says(w, control[i].flags, w->seq, w->seq);

		bad += !control[i].good;
		assert_int_equal(v, control[i].good ? SYNC_ACCEPTED : SYNC_REFUSED);
		assert_int_equal(sync_stats(w->s)->wire.bad_header, bad);
	}
	assert_int_equal(sync_stats(w->s)->other_mode, bad);
	assert_int_equal(w->n_other_mode, 1);
	assert_int_equal(sync_stats(w->s)->lost, 0); /* their numbers are used up */
	/* State messages of FTFW are taken. */
	assert_int_equal(peer_tells_at(w, w->seq++, WIRE_CT_NEW, WIRE_F_HELLO, 9), SYNC_ACCEPTED);
	assert_int_equal(w->applied[9], 1);
	sync_close(w->s);
}

static void a_flow_that_goes_leaves_queue_and_walk(void **state)
{
	struct world *w = settled();

	(void)state;
	w->live = 70;
	w->full = true;
	change(w, 60);
	sync_bulk(w->s, w->now);
	pass_ms(w, 5);
	w->full = false;
	sync_forget(w->s, 60);
	w->dead[60] = true;
	assert_int_equal(w->repl[60].bits, 0);
	turn(w);
	pass_ms(w, 50);
	for (unsigned int i = 0; i < w->n_sent; i++)
		assert_int_not_equal(w->sent[i].flow, 60);
	sync_close(w->s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keepalive_after_a_second_of_silence),
		cmocka_unit_test(changes_collapse_and_an_end_is_told_once),
		cmocka_unit_test(nothing_is_lost_while_the_channel_is_full),
		cmocka_unit_test(full_send_is_paced_and_gives_way),
		cmocka_unit_test(a_request_during_a_full_send_gets_one_of_its_own),
		cmocka_unit_test(a_flood_of_requests_does_not_flood_the_link),
		cmocka_unit_test(a_gap_is_counted_and_repaired_by_asking),
		cmocka_unit_test(what_began_before_the_question_is_no_answer),
		cmocka_unit_test(an_incomplete_cache_ends_no_full_send),
		cmocka_unit_test(a_partial_answer_is_waited_for),
		cmocka_unit_test(the_oldest_end_makes_room),
		cmocka_unit_test(an_answer_with_a_gap_is_no_answer),
		cmocka_unit_test(a_late_answer_with_a_gap_was_too_fast),
		cmocka_unit_test(a_lost_request_is_repeated_and_an_alive_proves_nothing),
		cmocka_unit_test(late_messages_change_nothing),
		cmocka_unit_test(a_number_twice_is_asked_about),
		cmocka_unit_test(lower_numbers_that_go_on_are_a_new_life),
		cmocka_unit_test(one_number_from_nowhere_moves_nothing),
		cmocka_unit_test(a_new_life_says_so),
		cmocka_unit_test(a_new_life_is_answered_whatever_it_counts),
		cmocka_unit_test(a_peer_that_becomes_1_4_x_gets_everything),
		cmocka_unit_test(a_peer_that_was_away_is_asked),
		cmocka_unit_test(a_peer_of_1_4_x_gets_everything_and_is_asked_three_times),
		cmocka_unit_test(a_peer_that_hears_us_again_is_asked_at_once),
		cmocka_unit_test(an_overtaken_request_does_not_turn_back),
		cmocka_unit_test(startup_resync_comes_first),
		cmocka_unit_test(commands),
		cmocka_unit_test(what_notrack_does_not_know_is_refused),
		cmocka_unit_test(a_flow_that_goes_leaves_queue_and_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
