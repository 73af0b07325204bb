/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is reported when a peer falls silent and when it is back, in every mode. */
#include "unack_world.h"

#define REFRESH_S 15

static const struct {
	const char *name;
	enum sync_mode mode;
	int64_t silent_ms;
} modes[] = {
	{ "FTFW", SYNC_MODE_FTFW, 10000 },
	{ "NOTRACK", SYNC_MODE_NOTRACK, 10000 },
	{ "ALARM", SYNC_MODE_ALARM, (2 * REFRESH_S + 10) * 1000 },
};

static struct world *open_mode(enum sync_mode mode)
{
	return world_open((struct sync_conf){
		.mode = mode,
		.resend_queue_size = 1024,
		.ack_window = 300,
		.refresh_s = REFRESH_S,
		.cache_timeout_s = 180,
	});
}

/* As often as an idle node of this mode says something at least; in ALARM one with a flow. */
static void peer_is_there(struct world *w, int64_t ms)
{
	int64_t step = w->conf.mode == SYNC_MODE_ALARM ? (REFRESH_S + 1) * 1000 : 1000;

	for (int64_t i = 0; i < ms; i += step) {
		if (w->conf.mode == SYNC_MODE_ALARM)
			peer_tells(w, WIRE_CT_UPD, 1);
		else
			peer_says(w, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, i + step < ms ? step : 1);
	}
}

/* Time passes, and we are woken only when we asked for it. */
static void sleep_until(struct world *w, struct mono end)
{
	struct mono next;

	while ((next = sync_tick(w->s, w->now)), mono_is_set(next) && mono_before(next, end)) {
		w->now = mono_before(w->now, next) ? next : mono_add_ms(w->now, 1);
		turn(w);
	}
	w->now = end;
}

static void said_once_when_it_begins_and_once_when_it_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct world *w = open_mode(modes[i].mode);
		struct mono heard;

		print_message("%s\n", modes[i].name);
		pass_ms(w, 60000);
		assert_int_equal(w->n_silent, 0); /* nobody was there */
		peer_is_there(w, 100000);
		assert_int_equal(w->n_silent, 0);
		heard = mono_add_ms(w->now, -1);
		pass_ms(w, modes[i].silent_ms - 2);
		assert_int_equal(w->n_silent, 0);
		pass_ms(w, 1);
		assert_int_equal(w->n_silent, 1);
		assert_int_equal(w->last_ms, modes[i].silent_ms);
		pass_ms(w, 100000);
		assert_int_equal(w->n_silent, 1);
		assert_int_equal(w->n_again, 0);
		w->now = mono_add_ms(heard, 200000);
		peer_is_there(w, 1);
		assert_int_equal(w->n_again, 1);
		assert_int_equal(w->last_ms / 1000, 200);
		peer_is_there(w, 20000);
		assert_int_equal(w->n_again, 1);
		sync_close(w->s);
	}
}

/* By the timers that every mode has anyway: at the next keepalive, or the next lap. */
static void we_are_woken_in_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct world *w = open_mode(modes[i].mode);

		print_message("%s\n", modes[i].name);
		peer_is_there(w, 1);
		sleep_until(w, mono_add_ms(w->now, modes[i].silent_ms +
							   (modes[i].mode == SYNC_MODE_ALARM ?
								    REFRESH_S + 2 :
								    1) *
								   1000 +
							   1));
		assert_int_equal(w->n_silent, 1);
		sync_close(w->s);
	}
}

static void one_that_comes_and_goes_does_not_fill_the_log(void **state)
{
	struct world *w = open_mode(SYNC_MODE_NOTRACK);

	(void)state;
	for (int i = 0; i < 100; i++) {
		peer_is_there(w, 1);
		w->now = mono_add_ms(w->now, 11000);
		turn(w);
	}
	assert_in_range(w->n_silent + w->n_again, 5, 120); /* of 200 */
	sync_close(w->s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(said_once_when_it_begins_and_once_when_it_ends),
		cmocka_unit_test(we_are_woken_in_time),
		cmocka_unit_test(one_that_comes_and_goes_does_not_fill_the_log),
	};

	return cmocka_run_group_tests_name("silence", tests, NULL, NULL);
}
