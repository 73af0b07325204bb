/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The request table against what 1.4.x sends, written out once more here: a
 * number that moves breaks every old client. */
#include "control/command.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	int number;
	char option;
	const char *arg;
	bool xml;
} want[] = {
	{ 0, 'F', "ct", false },	{ 1, 'R', "ct", false },
	{ 16, 'i', NULL, false },	{ 16, 'i', "ct", false },
	{ 17, 'e', NULL, false },	{ 17, 'e', "ct", false },
	{ 18, 'c', "ct", false },	{ 20, 'k', NULL, false },
	{ 21, 's', NULL, false },	{ 21, 's', "ct", false },
	{ 22, 'B', NULL, false },	{ 23, 'n', NULL, false },
	{ 24, 'i', NULL, true },	{ 24, 'i', "ct", true },
	{ 25, 'e', NULL, true },	{ 26, 't', NULL, false },
	{ 28, 's', "network", false },	{ 29, 's', "cache", false },
	{ 30, 's', "runtime", false },	{ 31, 's', "link", false },
	{ 32, 's', "rsqueue", false },	{ 33, 'f', "internal", false },
	{ 34, 'f', "external", false }, { 35, 's', "process", false },
	{ 36, 's', "queue", false },	{ 37, 's', "expect", false },
	{ 38, 'F', "expect", false },	{ 39, 'R', "expect", false },
	{ 40, 'i', "expect", false },	{ 41, 'e', "expect", false },
	{ 42, 'c', "expect", false },	{ 43, 'F', NULL, false },
	{ 44, 'R', NULL, false },	{ 45, 'f', NULL, false },
	{ 46, 'c', NULL, false },	{ 47, 'i', "expect", true },
	{ 48, 'e', "expect", true },	{ 1000, 's', "peers", false },
	{ 1006, 's', "helper", false }, { 1012, 's', "gate", false },
};

static void numbers_as_ever(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct ctl_command *c =
			control_command_find(want[i].option, want[i].arg, want[i].xml);

		if (!c || (int)c->number != want[i].number)
			fail_msg("-%c %s", want[i].option, want[i].arg ? want[i].arg : "");
		assert_ptr_equal(control_command_by_number(want[i].number), c);
		assert_int_equal(c->text[1], want[i].option);
	}
	/* The one number no client of ours sends. */
	assert_non_null(control_command_by_number(19));
	assert_int_equal(control_command_by_number(19)->option, 0);
}

/* Whoever may only look gives nothing but these. */
static void who_may(void **state)
{
	const struct ctl_command *c;

	(void)state;
	for (size_t i = 0; (c = control_command_at(i)); i++) {
		bool looks = c->option != 0 && strchr("sie", c->option);

		if (!c->name && looks != (c->right == CTL_READS))
			fail_msg("%s: who may?", c->text);
	}
}

/* A number twice would be a command that is never found. */
static void numbers_are_unique(void **state)
{
	const struct ctl_command *c;

	(void)state;
	for (size_t i = 0; (c = control_command_at(i)); i++)
		if (control_command_by_number((int32_t)c->number) != c)
			fail_msg("%s: its number is that of another", c->text);
}

static void no_such_command(void **state)
{
	(void)state;
	for (int i = -5; i < CTL_REQ_OWN; i++) {
		const struct ctl_command *c = control_command_by_number(i);
		bool known = i == 0 || i == 1 || (i >= 16 && i <= 48 && i != 27);

		if (known != (c != NULL))
			fail_msg("number %d", i);
	}
	assert_null(control_command_find('s', NULL, true));
	assert_null(control_command_find('c', NULL, true));
	assert_null(control_command_find('s', "nothing", false));
	assert_null(control_command_find('B', "ct", false));
	assert_null(control_command_find('z', NULL, false));
	assert_null(control_command_find(0, NULL, false));
}

static void abbreviations(void **state)
{
	static const struct {
		char option;
		const char *abbrev, *full, *old;
	} cases[] = {
		{ 's', "ca", "cache", NULL },
		{ 's', "ct", "ct", NULL },
		{ 's', "ru", "runtime", NULL },
		{ 's', "rs", "rsqueue", NULL },
		{ 's', "n", "network", NULL },
		{ 's', "network", "network", NULL },
		{ 's', "m", "link", "multicast" },
		{ 's', "multicast", "link", "multicast" },
		{ 's', "l", "link", NULL },
		{ 's', "pr", "process", NULL },
		{ 's', "pe", "peers", NULL },
		{ 's', "h", "helper", NULL },
		{ 's', "q", "queue", NULL },
		{ 's', "e", "expect", NULL },
		{ 'i', "c", "ct", NULL },
		{ 'i', "e", "expect", NULL },
		{ 'i', "exp", "expect", NULL },
		{ 'e', "expect", "expect", NULL },
		{ 'c', "e", "expect", NULL },
		{ 'F', "ct", "ct", NULL },
		{ 'R', "e", "expect", NULL },
		{ 'f', "i", "internal", NULL },
		{ 'f', "ext", "external", NULL },
		{ 's', "", NULL, NULL },
		{ 's', "foo", NULL, NULL },
		{ 's', "networks", NULL, NULL },
		{ 'i', "ctx", NULL, NULL },
		{ 'i', "internal", NULL, NULL },
		{ 'f', "ct", NULL, NULL },
		{ 'i', "E", NULL, NULL },
		{ 'B', "c", NULL, NULL },
		/* several words begin like that; 1.4.x takes the first */
		{ 's', "c", NULL, NULL },
		{ 's', "r", NULL, NULL },
		{ 's', "p", NULL, NULL },
	};
	bool ambiguous;
	const char *old;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *full =
			control_command_expand(cases[i].option, cases[i].abbrev, &old, &ambiguous);

		if (!full != !cases[i].full || (full && strcmp(full, cases[i].full) != 0))
			fail_msg("-%c %s: %s", cases[i].option, cases[i].abbrev,
				 full ? full : "(none)");
		if (!old != !cases[i].old || (old && strcmp(old, cases[i].old) != 0))
			fail_msg("-%c %s: old name", cases[i].option, cases[i].abbrev);
		if (ambiguous != (i >= sizeof(cases) / sizeof(cases[0]) - 3))
			fail_msg("-%c %s: ambiguous", cases[i].option, cases[i].abbrev);
	}
}

/* Every word leads to a command, with its prefix order kept. */
static void words_lead_to_commands(void **state)
{
	static const char options[] = "sfiecFR";
	size_t n = 0;

	(void)state;
	for (const char *o = options; *o; o++) {
		const char *w;

		for (size_t i = 0; (w = control_command_word(*o, i)); i++, n++) {
			const char *full = control_command_expand(*o, w, NULL, NULL);

			assert_non_null(full);
			assert_non_null(control_command_find(*o, full, false));
		}
	}
	assert_int_equal(n, 25);
	assert_string_equal(control_command_word('s', 0), "network");
	assert_null(control_command_word('B', 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_as_ever),    cmocka_unit_test(who_may),
		cmocka_unit_test(numbers_are_unique), cmocka_unit_test(no_such_command),
		cmocka_unit_test(abbreviations),      cmocka_unit_test(words_lead_to_commands),
	};

	return cmocka_run_group_tests_name("control/command", tests, NULL, NULL);
}
