/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named values as text and as JSON: every type, known and not known. */
#include "base/values.h"

#include <string.h>

#include "base/value_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct thing {
	uint64_t big;
	uint32_t middle;
	uint16_t small;
	uint8_t tiny, set;
	bool yes, no;
	int8_t maybe, unknown;
	int64_t seconds, never;
	const char *word, *none;
	char chars[8];
	struct value_histogram histogram;
};

#define S struct thing
static const struct value_row more[] = { GAUGE(S, middle, "middle", "apples", "middle=%12|", "m"),
					 VALUE_END };

static const char *const names[] = { "ONE", "TWO", "FOUR", NULL };

static const struct value_row rows[] = { TEXT("head\n"),
					 COUNTER(S, big, "big", "apples", "big=%|", "b"),
					 ROWS(more),
					 GAUGE(S, small, "small", NULL, NULL, "in JSON only"),
					 AGAIN(S, tiny, "tiny=%3|"),
					 YES_NO(S, yes, "yes", "yes=%|", "y"),
					 QUIET_YES_NO(S, no, "no", "never seen|", "n"),
					 YES_NO_IF_KNOWN(S, maybe, "maybe", NULL, "m"),
					 YES_NO_IF_KNOWN(S, unknown, "unknown", "unknown=%|", "u"),
					 GAUGE_IF_KNOWN(S, seconds, "time_s", "s", "% s|", "s"),
					 GAUGE_IF_KNOWN(S, never, "never_s", "s", "%12 s|", "n"),
					 WORD(S, word, "word", "word=%|", "w"),
					 WORD_IF_KNOWN(S, none, "none", "none=%|", "w"),
					 QUIET_WORD(S, none, "quiet", "never seen|", "w"),
					 CHARS(S, chars, "chars", "%|", "c"),
					 BITS(S, set, "set", names, "s"),
					 HISTOGRAM(S, histogram, "hist", "ms", "h"),
					 QUIET_COUNTER(S, middle, "again", "apples", "again=%",
						       "a"),
					 VALUE_END };
#undef S

static const struct value_group group = { .name = "thing", .help = "A thing.", .rows = rows };

static const uint64_t bounds[] = { 1, 10 }, counts[] = { 4, 5, 6 };

static const struct thing thing = {
	.big = UINT64_MAX,
	.middle = 4000000000u,
	.small = 65535,
	.tiny = 7,
	.set = 5,
	.yes = true,
	.maybe = 1,
	.unknown = -1,
	.seconds = 0,
	.never = -1,
	.word = "a \"b\"",
	.chars = { '1', '2', '3', '4', '5', '6', '7', '8' },
	.histogram = { bounds, counts, 2, 99 },
};

static void as_text(void **state)
{
	struct thing t = thing;
	struct text out = { 0 };
	struct values v;

	(void)state;
	t.chars[2] = '\0';
	values_begin(&v, &values_text, "things", 1, &out);
	assert_true(values_for_people(&v));
	values_list(&v, "list");
	values_group(&v, NULL, &group, &t);
	values_list_end(&v);
	values_word(&v, "nothing", "said");
	values_end(&v);
	assert_string_equal(
		out.buf,
		"head\nbig=18446744073709551615|middle=  4000000000|tiny=  7|yes=1|unknown=|0 s| s|"
		"word=a \"b\"|none=|12|again=4000000000");
	text_free(&out);
}

static void as_json(void **state)
{
	struct text out = { 0 };
	struct values v;

	(void)state;
	values_begin(&v, &values_json, "things", 3, &out);
	assert_false(values_for_people(&v));
	values_group(&v, "one", &group, &thing);
	values_list(&v, "list");
	values_list_end(&v);
	values_word(&v, "nothing", "said");
	values_end(&v);
	assert_string_equal(
		out.buf,
		"{\"schema\":3,\"kind\":\"things\",\"one\":{\"big\":18446744073709551615,"
		"\"middle\":4000000000,"
		"\"small\":65535,\"yes\":true,\"no\":false,\"maybe\":true,\"time_s\":0,\"word\":"
		"\"a \\\"b\\\"\","
		"\"chars\":\"12345678\",\"set\":[\"ONE\",\"FOUR\"],"
		"\"hist\":{\"bounds\":[1,10],\"counts\":[4,5,6],\"sum\":99},\"again\":4000000000},"
		"\"list\":[],\"nothing\":\"said\"}\n");
	text_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_text),
		cmocka_unit_test(as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
