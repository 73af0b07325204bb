/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer of JSON: commas, numbers at their ends, strings of any bytes. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void commas_and_numbers(void **state)
{
	struct text t = { 0 };
	struct json j = json_begin(&t);

	(void)state;
	json_object(&j, NULL);
	json_uint(&j, "a", 0);
	json_object(&j, "empty");
	json_object_end(&j);
	json_array(&j, "list");
	json_array_end(&j);
	json_array(&j, "more");
	json_uint(&j, NULL, UINT64_MAX);
	json_int(&j, NULL, INT64_MIN);
	json_object(&j, NULL);
	json_int(&j, "n", -1);
	json_object_end(&j);
	json_object(&j, NULL);
	json_object_end(&j);
	json_array_end(&j);
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_str(&j, "s", "x", SIZE_MAX);
	json_object_end(&j);
	assert_string_equal(t.buf, "{\"a\":0,\"empty\":{},\"list\":[],\"more\":["
				   "18446744073709551615,-9223372036854775808,"
				   "{\"n\":-1},{}],\"yes\":true,\"no\":false,\"s\":\"x\"}");
	text_free(&t);
}

static void strings_of_any_bytes(void **state)
{
	static const struct {
		const char *bytes, *json;
	} rows[] = {
		{ "", "" },
		{ "plain words", "plain words" },
		{ "\"\\/", "\\\"\\\\/" },
		{ "\x01\t\n\r\x1b[2J\x7f", "\\u0001\\u0009\\u000a\\u000d\\u001b[2J\\u007f" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5" },
		{ "\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0" }, /* C1 is for terminals */
		{ "\xef\xbf\xbf\xf4\x8f\xbf\xbf", "\xef\xbf\xbf\xf4\x8f\xbf\xbf" },
		{ "a\xff"
		  "b\x80",
		  "a\\ufffdb\\ufffd" },
		{ "\xc0\xaf", "\\ufffd\\ufffd" }, /* more bytes than needed */
		{ "\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd" },
		{ "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd" }, /* a surrogate */
		/* beyond the last character */
		{ "\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd" },
		{ "\xc3", "\\ufffd" },
		{ "\xe2\x82", "\\ufffd\\ufffd" },
		{ "\xe2\x82x", "\\ufffd\\ufffdx" },
		{ "\xf0\x9f\x94", "\\ufffd\\ufffd\\ufffd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].bytes);
		/* without its NUL, so that ASan sees who reads behind it */
		char *copy = malloc(n ? n : 1);
		struct text t = { 0 }, want = { 0 };
		struct json j = json_begin(&t);

		memcpy(copy, rows[i].bytes, n);
		json_str(&j, NULL, copy, n);
		text_printf(&want, "\"%s\"", rows[i].json);
		assert_string_equal(t.buf, want.buf);
		text_free(&want);
		text_free(&t);
		free(copy);
	}
}

/* Every pair of bytes: the result has no control character, and each quote and backslash inside is
 * escaped. */
static void no_byte_gets_out(void **state)
{
	(void)state;
	for (unsigned int pair = 0; pair < 65536; pair++) {
		const char in[2] = { (char)(pair >> 8), (char)pair };
		struct text t = { 0 };
		struct json j = json_begin(&t);

		json_str(&j, NULL, in, sizeof(in));
		assert_true(t.len >= 2 && t.buf[0] == '"' && t.buf[t.len - 1] == '"');
		for (size_t i = 1; i < t.len - 1; i++) {
			assert_true((unsigned char)t.buf[i] >= ' ' && t.buf[i] != 0x7f &&
				    t.buf[i] != '"');
			if (t.buf[i] == '\\') {
				i++;
				assert_non_null(strchr("\"\\u", t.buf[i]));
				assert_true(i < t.len - 1);
			}
		}
		text_free(&t);
	}
}

static void a_text_that_is_full_says_so(void **state)
{
	struct text t = { .limit = 10 };
	struct json j = json_begin(&t);

	(void)state;
	json_object(&j, NULL);
	json_str(&j, "name", "value", SIZE_MAX);
	json_object_end(&j);
	assert_true(t.truncated);
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_numbers),
		cmocka_unit_test(strings_of_any_bytes),
		cmocka_unit_test(no_byte_gets_out),
		cmocka_unit_test(a_text_that_is_full_says_so),
	};

	return cmocka_run_group_tests_name("base json", tests, NULL, NULL);
}
