/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ALARM message by message: the test plays the peer, and looks at every message that leaves. What
 * happens over a bad network, with two whole nodes, is tests/sim. */
#include "unack_world.h"

#define REFRESH_S 3

static struct world *open_alarm(uint32_t refresh_s)
{
	return world_open((struct sync_conf){
		.mode = SYNC_MODE_ALARM,
		.refresh_s = refresh_s,
		.cache_timeout_s = 180,
	});
}

static unsigned int count_flow(const struct world *w, int flow)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->n_sent; i++)
		n += w->sent[i].flow == flow;
	return n;
}

static void a_flow_is_sent_again_and_again(void **state)
{
	struct world *w = open_alarm(REFRESH_S);
	int64_t least = INT64_MAX, most = 0, last = 0;
	unsigned int n = 0;

	(void)state;
	change(w, 0);
	pass_ms(w, 100000);
	assert_in_range(count_flow(w, 0), 100 / (REFRESH_S + 1), 100);
	assert_int_equal(w->n_sent, count_flow(w, 0)); /* and nothing else is ever sent */
	for (unsigned int i = 0; i < w->n_sent; i++) {
		int64_t gap = w->sent[i].at_ms - last;

		assert_int_equal(w->sent[i].hdr.seq, FIRST + i);
		assert_int_equal(w->sent[i].hdr.flags, 0);
		/* The first two of a life replace what the peer may have; after that it is only
		 * kept alive. */
		assert_int_equal(w->sent[i].hdr.type, i < 2 ? WIRE_CT_NEW : WIRE_CT_UPD);
		last = w->sent[i].at_ms;
		if (i == 0)
			continue;
		n++;
		least = gap < least ? gap : least;
		most = gap > most ? gap : most;
	}
	assert_in_range(least, 1180, 1800);
	assert_in_range(most, 3000, (REFRESH_S + 1) * 1000 + 40);
	assert_true(n > 20);
	sync_close(w->s);
}

static void what_was_there_before_is_out_within_refresh_time(void **state)
{
	struct world *w = open_alarm(5);
	unsigned int early = 0;

	(void)state;
	w->live = 500;
	pass_ms(w, 5100);
	for (int f = 0; f < 500; f++)
		assert_true(count_flow(w, f) >= 1);
	for (unsigned int i = 0; i < w->n_sent; i++)
		early += w->sent[i].at_ms < 3000; /* spread, not all at once */
	assert_in_range(early, 100, 400);
	sync_close(w->s);
}

static void committed_flows_are_found(void **state)
{
	struct world *w = open_alarm(2);

	(void)state;
	pass_ms(w, 20000);
	assert_int_equal(w->n_sent, 0);
	w->live = 3; /* nobody said a word */
	pass_ms(w, 5000);
	for (int f = 0; f < 3; f++)
		assert_true(count_flow(w, f) >= 1);
	sync_close(w->s);
}

static void a_change_is_sent_at_once_and_an_end_once(void **state)
{
	struct world *w = open_alarm(REFRESH_S);
	unsigned int n;

	(void)state;
	change(w, 0);
	pass_ms(w, 1);
	assert_int_equal(w->n_sent, 1);
	pass_ms(w, 10000);
	n = w->n_sent;
	change(w, 0);
	pass_ms(w, 1);
	assert_int_equal(w->n_sent, n + 1);
	ends(w, 0);
	pass_ms(w, 1);
	assert_int_equal(w->sent[n + 1].hdr.type, WIRE_CT_DEL);
	assert_int_equal(w->released[0], 1);
	pass_ms(w, 20000);
	assert_int_equal(w->n_sent, n + 2);
	/* The tuple comes back. */
	w->dead[0] = false;
	sync_local_birth(w->s, 0, w->now);
	pass_ms(w, 1);
	assert_int_equal(w->sent[n + 2].hdr.type, WIRE_CT_NEW);
	sync_close(w->s);
}

static void an_end_waits_for_the_channel(void **state)
{
	struct world *w = open_alarm(REFRESH_S);

	(void)state;
	change(w, 0);
	pass_ms(w, 5000);
	w->n_sent = 0;
	w->full = true;
	ends(w, 0);
	pass_ms(w, 5000);
	assert_int_equal(w->released[0], 0);
	w->full = false;
	pass_ms(w, 1);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(w->sent[0].hdr.type, WIRE_CT_DEL);
	assert_int_equal(w->released[0], 1);
	sync_close(w->s);
}

static void an_idle_node_sleeps(void **state)
{
	struct world *w = open_alarm(60);
	struct mono next;
	unsigned int wakes = 0;
	int64_t end;

	(void)state;
	change(w, 0);
	turn(w);
	for (end = w->now.ns + 100 * MONO_NS_PER_S; w->now.ns < end; wakes++) {
		next = sync_tick(w->s, w->now);
		while (sync_transmit(w->s, w->now))
			next = sync_tick(w->s, w->now);
		assert_true(mono_is_set(next) && mono_before(w->now, next));
		w->now = next;
	}
	assert_in_range(wakes, 20, 120);
	sync_close(w->s);
}

static void messages_are_taken_in_their_order(void **state)
{
	struct world *w = open_alarm(REFRESH_S);

	(void)state;
	assert_int_equal(peer_tells(w, WIRE_CT_UPD, 1), SYNC_ACCEPTED);
	assert_int_equal(w->last_change[1], SYNC_REPLACE); /* whole flows: an update replaces */
	assert_int_equal(peer_tells(w, WIRE_CT_DEL, 1), SYNC_ACCEPTED);
	assert_int_equal(w->last_change[1], SYNC_DESTROY);
	assert_int_equal(peer_tells_at(w, w->seq - 2, WIRE_CT_UPD, 0, 1), SYNC_DROPPED);
	assert_int_equal(w->applied[1], 2);
	w->seq += 4;
	peer_tells(w, WIRE_CT_NEW, 2);
	pass_ms(w, 20);
	assert_int_equal(w->applied[2], 1);
	assert_int_equal(sync_stats(w->s)->lost, 4);
	assert_int_equal(sync_stats(w->s)->before, 1);
	assert_int_equal(w->begun + w->done, 0);
	sync_close(w->s);
}

/* A number that is used up by what this mode does not read makes it the turn of what waits behind
 * it. What stayed behind the numbers would be looked for without an end. */
static void what_is_swallowed_gives_way(void **state)
{
	struct world *w = open_alarm(REFRESH_S);
	uint32_t seq = w->seq + 1;

	(void)state;
	peer_tells(w, WIRE_CT_NEW, 1);
	assert_int_equal(peer_tells_at(w, seq + 1, WIRE_CT_NEW, 0, 2), SYNC_HELD);
	assert_int_equal(peer_says_at(w, seq, WIRE_F_ALIVE, 0, 0), SYNC_DROPPED);
	assert_int_equal(w->applied[2], 1);
	assert_int_equal(peer_says_at(w, seq + 1, WIRE_F_ALIVE, 0, 0), SYNC_DROPPED);
	pass_ms(w, 20);
	assert_int_equal(sync_stats(w->s)->lost, 0);
	sync_close(w->s);
}

static void what_has_a_flag_is_swallowed(void **state)
{
	struct world *w = open_alarm(REFRESH_S);
	static const uint8_t flags[] = {
		WIRE_F_ALIVE, WIRE_F_RESYNC, WIRE_F_ACK, WIRE_F_NACK, WIRE_F_ALIVE | WIRE_F_HELLO,
	};

	(void)state;
	w->live = 3;
	for (size_t i = 0; i < sizeof(flags); i++)
		assert_int_equal(peer_says(w, flags[i], 9, 5), SYNC_DROPPED);
	assert_int_equal(peer_tells_at(w, w->seq++, WIRE_CT_NEW, WIRE_F_HELLO, 3), SYNC_DROPPED);
	assert_int_equal(w->n_applied, 0);
	assert_int_equal(sync_stats(w->s)->wire.malformed, 0);
	assert_int_equal(sync_stats(w->s)->other_mode, 6);
	assert_int_equal(w->n_other_mode, 1);
	turn(w);
	/* A RESYNC is not answered, but who sends such a thing is told once which mode this is. */
	assert_int_equal(w->n_sent, 1);
	assert_true(w->sent[0].complete && w->sent[0].life == WIRE_IN_ALARM);
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	turn(w);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(peer_tells(w, WIRE_CT_NEW, 3), SYNC_ACCEPTED);
	sync_close(w->s);
}

static void an_unknown_type_is_a_bad_type(void **state)
{
	static const uint8_t message[] = {
		WIRE_VERSION << 4 | WIRE_CTL, 0, 0, 8, 0, 0, 0x13, 0x88
	};
	struct world *w = open_alarm(REFRESH_S);

	(void)state;
	assert_int_equal(peer_bytes(w, message, sizeof(message)), SYNC_REFUSED);
	assert_int_equal(sync_stats(w->s)->wire.bad_type, 1);
	sync_close(w->s);
}

static void commands_do_nothing(void **state)
{
	struct world *w = open_alarm(60);
	struct sync_queues q;
	struct sync_sent sent;
	uint32_t pos = 0;

	(void)state;
	sync_bulk(w->s, w->now);
	sync_ask_resync(w->s, w->now);
	turn(w);
	assert_int_equal(w->n_sent, 0);
	assert_false(sync_bulk_running(w->s) || sync_resync_running(w->s));
	sync_queues(w->s, &q);
	assert_int_equal(q.tx_len + q.ring_len + q.ring_max, 0);
	assert_false(sync_ring_next(w->s, &pos, &sent));
	sync_close(w->s);
}

static void a_flow_that_goes_is_not_sent(void **state)
{
	struct world *w = open_alarm(1);

	(void)state;
	w->live = 200;
	w->full = true;
	pass_ms(w, 4000); /* all are due, some are at hand */
	for (uint32_t id = 0; id < 100; id++) {
		sync_forget(w->s, id);
		w->dead[id] = true;
	}
	w->full = false;
	pass_ms(w, 3000);
	for (int id = 0; id < 100; id++)
		assert_int_equal(count_flow(w, id), 0);
	for (int id = 100; id < 200; id++)
		assert_true(count_flow(w, id) > 0);
	sync_close(w->s);
}

static bool received_all(const struct world *w)
{
	struct sync_standing st;

	sync_standing(w->s, w->now, &st);
	return st.received;
}

/* The peer is new and has told all: RefreshTime is over. */
static struct world *received(void)
{
	struct world *w = open_alarm(REFRESH_S);

	for (int i = 0; i < 7; i++) {
		peer_tells(w, WIRE_CT_NEW, 1);
		pass_ms(w, 1000);
	}
	assert_true(received_all(w));
	return w;
}

/* Nothing else than numbers tells of a restart. What comes with a number of before, and was neither
 * overtaken nor doubled, may be the first of a new life. */
static void what_does_not_fit_is_doubted(void **state)
{
	static const struct {
		uint32_t back, flow;
		bool doubt;
	} cases[] = {
		{ 1, 1, false }, { 1, 2, true }, { 3, 1, false }, { 3, 2, true }, { 2000, 2, true }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = received();

		assert_int_equal(
			peer_tells_at(w, w->seq - cases[i].back, WIRE_CT_NEW, 0, cases[i].flow),
			SYNC_DROPPED);
		assert_int_equal(received_all(w), !cases[i].doubt);
		if (cases[i].flow == 2 && cases[i].back < 2000) { /* two messages of one number */
			sync_close(w->s);
			continue;
		}
		peer_tells(w, WIRE_CT_UPD, 1); /* it was late after all */
		assert_true(received_all(w));
		sync_close(w->s);
	}
}

/* What a peer has is repeated within RefreshTime and a second: one that said nothing for longer was
 * away, whatever its numbers. */
static void a_silence_is_doubted(void **state)
{
	static const struct {
		int64_t silent_ms;
		bool doubt;
	} cases[] = { { 1000 * REFRESH_S, false },
		      { 1000 * (REFRESH_S + 1), false },
		      { 1000 * (REFRESH_S + 2), true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = received();

		pass_ms(w, cases[i].silent_ms - 1000);
		peer_tells(w, WIRE_CT_NEW, 2);
		assert_int_equal(received_all(w), !cases[i].doubt);
		for (int k = 0; k < 184; k++) { /* CacheTimeout */
			assert_int_equal(received_all(w), !cases[i].doubt || k >= 182);
			peer_tells(w, WIRE_CT_UPD, 2);
			pass_ms(w, 1000);
		}
		assert_true(received_all(w));
		sync_close(w->s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_sent_again_and_again),
		cmocka_unit_test(what_was_there_before_is_out_within_refresh_time),
		cmocka_unit_test(committed_flows_are_found),
		cmocka_unit_test(a_change_is_sent_at_once_and_an_end_once),
		cmocka_unit_test(an_end_waits_for_the_channel),
		cmocka_unit_test(an_idle_node_sleeps),
		cmocka_unit_test(messages_are_taken_in_their_order),
		cmocka_unit_test(what_is_swallowed_gives_way),
		cmocka_unit_test(what_has_a_flag_is_swallowed),
		cmocka_unit_test(an_unknown_type_is_a_bad_type),
		cmocka_unit_test(commands_do_nothing),
		cmocka_unit_test(a_flow_that_goes_is_not_sent),
		cmocka_unit_test(what_does_not_fit_is_doubted),
		cmocka_unit_test(a_silence_is_doubted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
