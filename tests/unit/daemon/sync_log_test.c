/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words for what replication reports, and how often they are said. */
#include "daemon/sync_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FTFW (SYNC_ACKS | SYNC_ASKS | SYNC_SPEAKS)

static struct sync_report report(enum sync_reported what)
{
	return (struct sync_report){
		.what = what,
		.at = { .ns = MONO_NS_PER_S },
		.mode = "FTFW",
		.can = FTFW,
		.peer = "10.0.0.2",
		.was = "10.0.0.9",
		.state = STANDING_SILENT,
		.n = 12,
		.ms = 34567,
		.from = 5,
		.to = 6,
		.last = 7,
	};
}

/* What a fresh log says of r. */
static const struct sync_log_line *line_of(const struct sync_report *r)
{
	static struct sync_log_line line;
	struct sync_log l = { 0 };

	assert_true(sync_log_line(&l, r, &line));
	return &line;
}

static void assert_says(const struct sync_report *r, enum log_level level, const char *text)
{
	const struct sync_log_line *line = line_of(r);

	assert_string_equal(line->text, text);
	assert_int_equal(line->level, level);
}

/* Each has a line of its own, and what is about a peer names it. */
static void each_report_has_its_words(void **state)
{
	char seen[SYNC_REPORTS][320];

	(void)state;
	for (int what = 0; what < SYNC_REPORTS; what++) {
		struct sync_report r = report((enum sync_reported)what);
		bool of_us = what == SYNC_PEERS_MANY || what >= SYNC_RING_FULL ||
			     what == SYNC_TABLE_ASKED_FOR || what == SYNC_TABLE_PUT_OFF;

		strcpy(seen[what], line_of(&r)->text);
		assert_int_equal(strstr(seen[what], "peer 10.0.0.2 ") ||
					 strstr(seen[what], "peer 10.0.0.2:") ||
					 !strcmp(seen[what], "new peer 10.0.0.2"),
				 !of_us);
		for (int i = 0; i < what; i++)
			assert_string_not_equal(seen[i], seen[what]);
	}
}

static void states_in_words(void **state)
{
	static const struct {
		enum standing_state state;
		const char *began, *over;
	} cases[] = {
		{ STANDING_SILENT, "peer 10.0.0.2 has fallen silent: nothing heard for 34 s",
		  "peer 10.0.0.2 is heard again, after 34 s" },
		{ STANDING_BEHIND,
		  "peer 10.0.0.2 is behind: of what it was told 12 messages are not acknowledged, "
		  "the oldest for 34 s",
		  "peer 10.0.0.2 acknowledges what it is told again, after 34 s; up to 12 messages "
		  "had not been acknowledged" },
		{ STANDING_GAP,
		  "something that peer 10.0.0.2 has sent is missing, for 34 s: it is asked for",
		  "what peer 10.0.0.2 had sent and was missing has come, after 34 s" },
		{ STANDING_FAILING,
		  "the full table of peer 10.0.0.2 was asked for 12 times in 34 s and has not come "
		  "whole: it is asked for again and again",
		  "the full table of peer 10.0.0.2 has come at last, after 34 s" },
		{ STANDING_UNSERVED,
		  "peer 10.0.0.2 has asked for our full table 12 times in 34 s: what is sent does "
		  "not reach it whole",
		  "peer 10.0.0.2 does not ask for our full table any more: it did 12 times in 34 "
		  "s" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sync_report r = report(SYNC_STATE_BEGAN);

		r.state = cases[i].state;
		assert_says(&r, LOG_LVL_WARNING, cases[i].began);
		r.what = SYNC_STATE_OVER;
		assert_says(&r, LOG_LVL_NOTICE, cases[i].over);
	}
}

/* What the peer has said is reported with its message; the state adds nothing, but its end does. */
static void another_mode_is_said_once(void **state)
{
	struct sync_report r = report(SYNC_STATE_BEGAN);
	struct sync_log_line line;
	struct sync_log l = { 0 };

	(void)state;
	r.state = STANDING_OTHER_MODE;
	assert_false(sync_log_line(&l, &r, &line));
	r.what = SYNC_STATE_OVER;
	assert_says(&r, LOG_LVL_NOTICE,
		    "peer 10.0.0.2 sends nothing any more that FTFW does not know, after 34 s");
}

/* Where a mode says nothing every second, silence is nothing bad; where nothing tells of a restart,
 * new numbers are none. */
static void alarm_knows_less(void **state)
{
	struct sync_report r = report(SYNC_STATE_BEGAN);

	(void)state;
	r.can = SYNC_EXPIRES;
	assert_says(&r, LOG_LVL_NOTICE,
		    "peer 10.0.0.2 has fallen silent: nothing heard for 34 s; it is away, or has "
		    "no flow to repeat");
	r.what = SYNC_NUMBERS_ANEW;
	assert_says(&r, LOG_LVL_NOTICE,
		    "numbers of peer 10.0.0.2 do not fit any more, picked up at 5");
	r.can = FTFW;
	assert_says(&r, LOG_LVL_WARNING,
		    "numbers of peer 10.0.0.2 do not fit any more, picked up at 5");
}

static void signs_make_the_difference(void **state)
{
	static const struct {
		enum sync_reported what;
		enum sync_sign sign;
		const char *words;
	} cases[] = {
		{ SYNC_STATE_BEGAN, SYNC_SIGN_ACKED,
		  "acknowledged nothing for 34 s, 12 messages: it does not hear us" },
		{ SYNC_STATE_BEGAN, SYNC_SIGN_SAME_MODE,
		  "speaks FTFW but has acknowledged nothing for 34 s: it does not hear us" },
		{ SYNC_STATE_BEGAN, SYNC_SIGN_UNKNOWN,
		  "either it speaks another mode (NOTRACK, ALARM), or it does not hear us" },
		{ SYNC_OTHER_MODE, SYNC_SIGN_UNKNOWN,
		  "peer 10.0.0.2 speaks another mode: it sends what FTFW does not know" },
		{ SYNC_OTHER_MODE, SYNC_SIGN_ALARM,
		  "peer 10.0.0.2 speaks another mode: it is in ALARM" },
		{ SYNC_OTHER_MODE, SYNC_SIGN_MUTE, "sends states but no keepalive" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sync_report r = report(cases[i].what);

		r.state = STANDING_DEAF;
		r.sign = cases[i].sign;
		assert_non_null(strstr(line_of(&r)->text, cases[i].words));
	}
}

/* Whatever somebody else can cause any number of times is said some times, and how often it was
 * not. */
static void a_flood_is_said_some_times(void **state)
{
	(void)state;
	for (int what = 0; what < SYNC_REPORTS; what++) {
		struct sync_report r = report((enum sync_reported)what);
		struct sync_log l = { 0 };
		struct sync_log_line line;
		unsigned int said = 0;

		if (what == SYNC_STATE_BEGAN || what == SYNC_STATE_OVER ||
		    what == SYNC_LOSSES_REPAIRED)
			continue; /* reported seldom */
		for (int i = 0; i < 1000; i++)
			said += sync_log_line(&l, &r, &line);
		assert_in_range(said, 1, 5);
		r.at = mono_add_ms(r.at, 60000);
		if (!sync_log_line(&l, &r, &line)) {
			assert_int_equal(what, SYNC_PEERS_MANY); /* once for all */
			continue;
		}
		assert_non_null(strstr(line.text, " (995 more like this)"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_report_has_its_words),
		cmocka_unit_test(states_in_words),
		cmocka_unit_test(another_mode_is_said_once),
		cmocka_unit_test(alarm_knows_less),
		cmocka_unit_test(signs_make_the_difference),
		cmocka_unit_test(a_flood_is_said_some_times),
	};

	return cmocka_run_group_tests_name("sync_log", tests, NULL, NULL);
}
