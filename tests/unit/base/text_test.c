/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The growing text: contents, growth, limit, what truncation means. */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void text_appends(void **state)
{
	struct text t = { 0 };

	(void)state;
	assert_null(t.buf);
	text_str(&t, "");
	assert_non_null(t.buf);
	assert_string_equal(t.buf, "");
	text_printf(&t, "%s-%d", "a", 7);
	text_add(&t, "xyz", 2);
	assert_string_equal(t.buf, "a-7xy");
	assert_int_equal(t.len, 5);
	text_reset(&t);
	assert_int_equal(t.len, 0);
	assert_string_equal(t.buf, "");
	text_str(&t, "again");
	assert_string_equal(t.buf, "again");
	text_free(&t);
	assert_null(t.buf);
	text_free(&t);
}

/* Pieces around the size of the internal buffer, and NUL bytes. */
static void text_grows(void **state)
{
	static const int sizes[] = { 1, 127, 128, 129, 254, 255, 256, 257, 5000 };
	struct text t = { 0 };
	size_t sum = 0, i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		text_printf(&t, "%0*d", sizes[i], 0);
		sum += (size_t)sizes[i];
		assert_int_equal(t.len, sum);
		assert_int_equal(strlen(t.buf), sum);
		assert_int_equal(strspn(t.buf, "0"), sum);
	}
	text_add(&t, "a\0b", 3);
	assert_int_equal(t.len, sum + 3);
	assert_memory_equal(t.buf + sum, "a\0b", 4);
	assert_false(t.truncated);
	text_free(&t);
}

/* At the limit the text ends, and a shorter piece does not sneak in behind the gap. */
static void text_limit(void **state)
{
	struct text t = { .limit = 10 };

	(void)state;
	text_str(&t, "1234567");
	assert_false(t.truncated);
	text_printf(&t, "%s", "89012");
	assert_true(t.truncated);
	assert_string_equal(t.buf, "1234567890");
	text_str(&t, "z");
	assert_string_equal(t.buf, "1234567890");
	text_reset(&t);
	assert_false(t.truncated);
	text_str(&t, "1234567890");
	assert_false(t.truncated);
	text_str(&t, "");
	assert_false(t.truncated);
	text_free(&t);
	assert_int_equal(t.limit, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_appends),
		cmocka_unit_test(text_grows),
		cmocka_unit_test(text_limit),
	};

	return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
