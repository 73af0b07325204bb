/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two active nodes where one is meant: what an active node says of itself, in each mode, and what
 * comes of hearing that while this node is active. */
#include "unack_world.h"

static bool active;

static bool env_active(void *ctx)
{
	(void)ctx;
	return active;
}

static struct world *begin(enum sync_mode mode, bool meant)
{
	struct world *w = world_open((struct sync_conf){
		.mode = mode,
		.resend_queue_size = 1024,
		.ack_window = 300,
		.refresh_s = 60,
		.cache_timeout_s = 180,
		.active_active = meant,
	});

	w->env.active = env_active;
	active = true;
	return w;
}

static unsigned int notes(const struct world *w)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->n_sent; i++)
		n += w->sent[i].hdr.type == WIRE_CTL && w->sent[i].hdr.len == 12 &&
		     w->sent[i].hdr.flags & WIRE_F_ALIVE;
	return n;
}

/* Each second, whether the link is idle or busy; not by a node that is not active, and never in
 * ALARM, where nobody would understand. */
static void an_active_node_says_so(void **state)
{
	static const enum sync_mode modes[] = { SYNC_MODE_FTFW, SYNC_MODE_NOTRACK,
						SYNC_MODE_ALARM };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = begin(modes[i], false);
		unsigned int most = modes[i] == SYNC_MODE_ALARM ? 0 : 12;

		pass_ms(w, 10000);
		assert_in_range(notes(w), most * 3 / 4, most);
		w->n_sent = 0;
		for (unsigned int k = 0; k < 100; k++) {
			change(w, k);
			pass_ms(w, 100);
		}
		assert_in_range(notes(w), most * 3 / 4, most);
		active = false;
		w->n_sent = 0;
		pass_ms(w, 10000);
		assert_int_equal(notes(w), 0);
		sync_close(w->s);
	}
}

static void peer_is_active(struct world *w)
{
	uint8_t buf[WIRE_CTL_LEN];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_active(&out, 0, w->seq++), 0);
	peer_bytes(w, buf, out.len);
}

/* So many seconds of a peer that says it is active, or not. */
static bool judged(struct world *w, unsigned int seconds, bool says)
{
	struct sync_peer_view v;

	for (unsigned int i = 0; i < seconds; i++) {
		if (says)
			peer_is_active(w);
		else
			peer_says(w, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, 1000);
	}
	assert_true(sync_peer_view(w->s, 0, w->now, &v));
	return v.standing.is & STANDING_IS(STANDING_TWO_ACTIVE);
}

static void two_are_found_out(void **state)
{
	(void)state;
	for (enum sync_mode mode = SYNC_MODE_FTFW; mode <= SYNC_MODE_NOTRACK; mode++) {
		struct world *w;
		struct sync_peer_view v;

		if (mode == SYNC_MODE_ALARM)
			continue;
		w = begin(mode, false);
		assert_false(judged(w, 9, true)); /* a role that moves */
		assert_true(judged(w, 3, true));
		sync_peer_view(w->s, 0, w->now, &v);
		assert_int_equal(v.standing.state, STANDING_TWO_ACTIVE);
		assert_in_range(mono_diff_ms(w->now, v.standing.since), 11000, 13000);
		assert_true(judged(w, 3, false)); /* some may get lost */
		assert_false(judged(w, 2, false));
		assert_true(judged(w, 20, true));
		active = false; /* now we are told to be the backup */
		assert_false(judged(w, 1, true));
		sync_close(w->s);
	}
}

static void no_false_alarm(void **state)
{
	struct world *w = begin(SYNC_MODE_FTFW, true);

	(void)state;
	assert_false(judged(w, 60, true)); /* meant */
	sync_close(w->s);
	w = begin(SYNC_MODE_FTFW, false);
	active = false;
	assert_false(judged(w, 60, true)); /* a backup and its primary */
	active = true;
	assert_false(judged(w, 9, true)); /* a planned change: the other one follows */
	assert_false(judged(w, 60, false));
	sync_close(w->s);
	w = begin(SYNC_MODE_ALARM, false); /* has no word for it */
	for (unsigned int i = 0; i < 60; i++) {
		peer_tells(w, WIRE_CT_NEW, i);
		peer_is_active(w);
		pass_ms(w, 1000);
	}
	assert_false(judged(w, 1, true));
	sync_close(w->s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_active_node_says_so),
		cmocka_unit_test(two_are_found_out),
		cmocka_unit_test(no_false_alarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
