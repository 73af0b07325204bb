/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts: the worst reason decides and comes first, and both forms say the same. */
#include "control/verdict.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void prints(const struct verdict *v, const struct values_backend *as, const char *should)
{
	struct text text = { 0 };

	verdict_print(v, as, 7, &text);
	assert_string_equal(text.buf, should);
	text_free(&text);
}

static void nothing_is_wrong(void **state)
{
	struct verdict v = { .asked = CTL_ASKS_HEALTH };

	(void)state;
	verdict_good(&v, "%d peers", 1);
	prints(&v, &values_text, "CONNTRACKD OK - 1 peers\n");
	prints(&v, &values_json,
	       "{\"schema\":7,\"kind\":\"health\",\"verdict\":{\"word\":\"OK\",\"status\":0,"
	       "\"text\":\"1 peers\"},\"reasons\":[]}\n");
}

static void worst_first(void **state)
{
	struct verdict v = { .asked = CTL_ASKS_HEALTH };

	(void)state;
	verdict_good(&v, "not said");
	verdict_add(&v, VERDICT_WARNING, "a", "one");
	verdict_add(&v, VERDICT_UNKNOWN, "b", "two");
	assert_int_equal(v.status, VERDICT_UNKNOWN);
	verdict_add(&v, VERDICT_CRITICAL, "c", "three %d", 3);
	verdict_add(&v, VERDICT_UNKNOWN, "d", "four");
	verdict_add(&v, VERDICT_WARNING, "e", "five");
	assert_int_equal(v.status, VERDICT_CRITICAL);
	prints(&v, &values_text, "CONNTRACKD CRITICAL - three 3; two; four; one; five\n");
}

static void words(void **state)
{
	static const struct {
		enum ctl_question asked;
		enum verdict_status status;
		const char *text, *kind;
	} rows[] = {
		{ CTL_ASKS_HEALTH, VERDICT_OK, "CONNTRACKD OK - why\n", "health" },
		{ CTL_ASKS_HEALTH, VERDICT_WARNING, "CONNTRACKD WARNING - why\n", "health" },
		{ CTL_ASKS_HEALTH, VERDICT_CRITICAL, "CONNTRACKD CRITICAL - why\n", "health" },
		{ CTL_ASKS_HEALTH, VERDICT_UNKNOWN, "CONNTRACKD UNKNOWN - why\n", "health" },
		{ CTL_ASKS_READY, VERDICT_YES, "CONNTRACKD READY - why\n", "ready" },
		{ CTL_ASKS_READY, VERDICT_NO, "CONNTRACKD NOT READY - why\n", "ready" },
		{ CTL_ASKS_LIVE, VERDICT_YES, "CONNTRACKD LIVE - why\n", "live" },
		{ CTL_ASKS_LIVE, VERDICT_NO, "CONNTRACKD NOT LIVE - why\n", "live" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdict v = { .asked = rows[i].asked };
		struct text text = { 0 };
		char kind[32];

		if (rows[i].status == VERDICT_OK)
			verdict_good(&v, "why");
		else
			verdict_add(&v, rows[i].status, "name", "why");
		prints(&v, &values_text, rows[i].text);
		verdict_print(&v, &values_json, 7, &text);
		snprintf(kind, sizeof(kind), "\"kind\":\"%s\"", rows[i].kind);
		assert_non_null(strstr(text.buf, kind));
		text_free(&text);
	}
}

/* More reasons than there is room for, and longer ones: nothing is overrun, and it is said. */
static void limits(void **state)
{
	struct verdict v = { .asked = CTL_ASKS_HEALTH };
	struct text text = { 0 };
	char longest[2 * VERDICT_TEXT];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < VERDICT_REASONS; i++)
		verdict_add(&v, VERDICT_WARNING, "n", "%s", longest);
	assert_false(v.more);
	verdict_add(&v, VERDICT_CRITICAL, "last", "it counts");
	assert_true(v.more);
	assert_int_equal(v.status, VERDICT_CRITICAL);
	verdict_print(&v, &values_text, 7, &text);
	assert_non_null(strstr(text.buf, "; and more\n"));
	assert_int_equal(strlen(v.reason[0].text), VERDICT_TEXT - 1);
	text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_wrong),
		cmocka_unit_test(worst_first),
		cmocka_unit_test(words),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("control/verdict", tests, NULL, NULL);
}
