/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a page: wrapped between words, cut at the end, never wider than a terminal. */
#include "command/page.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void put(const char *label, unsigned int most, const char *said, unsigned int rows,
		const char *should)
{
	struct text out = { 0 };
	struct page p = { .out = &out };

	page_put(&p, label, most, said);
	assert_string_equal(out.buf, should);
	assert_int_equal(p.rows, rows);
	text_free(&out);
}

#define TEN	"123456789 "
#define SEVENTY "1234567890123456789012345678901234567890123456789012345678901234567890"

static void rows(void **state)
{
	(void)state;
	put("node", 1, "", 1, "node      \n");
	put("node", 1, "active", 1, "node      active\n");
	put("node", 1, SEVENTY, 1, "node      " SEVENTY "\n");
	put("node", 1, SEVENTY "1", 1,
	    "node      1234567890123456789012345678901234567890123456789012345678901234567...\n");
	put("node", 2, SEVENTY " and more", 2, "node      " SEVENTY "\n          and more\n");
	put("node", 2, TEN TEN TEN TEN TEN TEN "word-of-twelve", 2,
	    "node      " TEN TEN TEN TEN TEN "123456789\n          word-of-twelve\n");
	put("node", 2, SEVENTY SEVENTY "1", 2,
	    "node      " SEVENTY "\n          "
	    "1234567890123456789012345678901234567890123456789012345678901234567...\n");
	put("node", 3, TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "end", 3,
	    "node      " TEN TEN TEN TEN TEN TEN "123456789\n          " TEN TEN TEN TEN TEN TEN
	    "123456789\n"
	    "          "
	    "123456789 end\n");
}

/* No character of more than one byte is cut in two, at whatever place it stands. */
static void characters(void **state)
{
	char said[200];

	(void)state;
	for (size_t at = 0; at < 100; at++) {
		struct text out = { 0 };
		struct page p = { .out = &out };
		const char *euro;

		memset(said, 'x', 120);
		memcpy(said + at, "\xe2\x82\xac", 3);
		said[120] = '\0';
		page_put(&p, "log", 1 + at % 2, said);
		euro = strstr(out.buf, "\xe2\x82\xac");
		if (!euro &&
		    (strchr(out.buf, '\xe2') || strchr(out.buf, '\x82') || strchr(out.buf, '\xac')))
			fail_msg("cut at %zu: %s", at, out.buf);
		text_free(&out);
	}
}

static void spans(void **state)
{
	static const struct {
		int64_t s;
		const char *text;
	} all[] = {
		{ 0, "0 s" },	       { 59, "59 s" },
		{ 60, "1 min 0 s" },   { 3599, "59 min 59 s" },
		{ 3600, "1 h 0 min" }, { 86399, "23 h 59 min" },
		{ 86400, "1 d 0 h" },  { INT64_MAX, "106751991167300 d 15 h" },
	};
	char span[PAGE_SPAN];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		page_span(all[i].s, span);
		assert_string_equal(span, all[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(characters),
		cmocka_unit_test(spans),
	};

	return cmocka_run_group_tests_name("command/page", tests, NULL, NULL);
}
