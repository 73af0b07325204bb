/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments of every type, from the command line and over the socket: what is declared and nothing
 * else. */
#include "control/args.h"

#include <stdlib.h>
#include <string.h>

#include "control/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const colours[] = { "red", "green", NULL };

static const struct ctl_arg declared[] = {
	{ .name = "fast", .type = CTL_ARG_FLAG },
	{ .name = "count", .type = CTL_ARG_NUMBER, .min = 1, .max = UINT64_C(10000000000) },
	{ .name = "colour", .type = CTL_ARG_WORD, .words = colours },
	{ .name = "name", .type = CTL_ARG_WORD },
	{ .name = NULL }
};

static const struct ctl_command cmd = { .text = "--paint", .args = declared },
				none = { .text = "-k" };

static bool add(struct ctl_args *args, const char *name, const char *value, const char *why)
{
	struct text err = { 0 };
	bool ok = ctl_args_add(args, &cmd, name, value, &err);

	if (why)
		assert_string_equal(err.buf ? err.buf : "", why);
	else
		assert_int_equal(err.len, 0);
	text_free(&err);
	return ok;
}

static void words_and_bytes(void **state)
{
	struct ctl_args in = { 0 }, out;
	uint8_t buf[CTL_ARGS_LEN];
	struct text err = { 0 };
	uint64_t count = 7;
	size_t n;

	(void)state;
	assert_true(add(&in, "count", "10000000000", NULL));
	assert_true(add(&in, "colour", "green", NULL));
	assert_true(add(&in, "name", "a b", NULL));
	assert_true(add(&in, "fast", NULL, NULL));
	n = ctl_args_encode(&in, buf);
	assert_int_equal(n, 4 * 4 + 5 + 8 + 6 + 5 + 4 + 3 + 4);
	assert_memory_equal(buf, "\2\5\0\10count\0\0\0\2T\v\xe4\0\3\6\0\5colourgreen", 17 + 15);
	for (size_t cut = 0; cut <= n; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		bool ok;

		memcpy(copy, buf, cut);
		text_reset(&err);
		ok = ctl_args_decode(&out, &cmd, copy, cut, &err);
		free(copy);
		/* Whole arguments are as good as all of them: their length stands before them. */
		assert_int_equal(ok, cut == 0 || cut == 17 || cut == 32 || cut == 43 || cut == n);
		assert_int_equal(err.len > 0, !ok);
	}
	assert_int_equal(out.n, 4);
	assert_true(ctl_flag(&out, "fast"));
	assert_true(ctl_number(&out, "count", &count));
	assert_true(count == UINT64_C(10000000000));
	assert_string_equal(ctl_word(&out, "colour"), "green");
	assert_string_equal(ctl_word(&out, "name"), "a b");
	out.n = 0;
	count = 7;
	assert_false(ctl_flag(&out, "fast") || ctl_number(&out, "count", &count) ||
		     ctl_word(&out, "name"));
	assert_int_equal(count, 7);
	text_free(&err);
}

static void typed(void **state)
{
	struct ctl_args a = { 0 };
	char lengthy[CTL_WORD_MAX + 2];

	(void)state;
	assert_false(add(
		&a, "size", "1",
		"--paint: unknown argument \"size\" (known: --fast, --count, --colour, --name)"));
	assert_false(add(&a, "count", "0", "--count: \"0\" is no number from 1 to 10000000000"));
	a.n = 0;
	assert_false(add(&a, "count", "10000000001",
			 "--count: \"10000000001\" is no number from 1 to 10000000000"));
	a.n = 0;
	assert_false(add(&a, "count", "1x", "--count: \"1x\" is no number from 1 to 10000000000"));
	a.n = 0;
	assert_false(add(&a, "count", "-1", "--count: \"-1\" is no number from 1 to 10000000000"));
	a.n = 0;
	assert_false(add(&a, "count", "18446744073709551617",
			 "--count: \"18446744073709551617\" is no number from 1 to 10000000000"));
	a.n = 0;
	assert_false(add(&a, "colour", "blue", "--colour: \"blue\" is none of: red, green"));
	a.n = 0;
	assert_true(add(&a, "fast", NULL, NULL));
	assert_false(add(&a, "fast", NULL, "--paint: --fast is given twice"));
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	assert_false(add(&a, "name", lengthy, "--name: more than 255 bytes"));
	assert_null(ctl_arg_find(&none, "fast"));
}

static void from_the_socket(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *why;
	} bad[] = {
		{ "\2\5\0\10count\0\0\0\0\0\0\0\0", 17,
		  "--count: \"0\" is no number from 1 to 10000000000" },
		{ "\2\5\0\4count\0\0\0\1", 13, "--paint: --count is of another type here" },
		{ "\1\5\0\0count", 9, "--paint: --count is of another type here" },
		{ "\1\4\0\1fastx", 9, "--paint: --fast is of another type here" },
		{ "\3\6\0\4colourblue", 14, "--colour: \"blue\" is none of: red, green" },
		{ "\3\6\0\4colour\x1b[0m", 14, "--colour: \"?[0m\" is none of: red, green" },
		{ "\1\0\0\0", 4,
		  "--paint: unknown argument \"\" (known: --fast, --count, --colour, --name)" },
	};
	struct text err = { 0 };
	struct ctl_args a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text_reset(&err);
		assert_false(
			ctl_args_decode(&a, &cmd, (const uint8_t *)bad[i].bytes, bad[i].n, &err));
		assert_string_equal(err.buf, bad[i].why);
	}
	text_reset(&err);
	assert_false(ctl_args_decode(&a, &none, (const uint8_t *)"\1\1\0\0x", 5, &err));
	assert_string_equal(err.buf, "-k: unknown argument \"x\": the command takes none");
	text_free(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_bytes),
		cmocka_unit_test(typed),
		cmocka_unit_test(from_the_socket),
	};

	return cmocka_run_group_tests_name("control/args", tests, NULL, NULL);
}
