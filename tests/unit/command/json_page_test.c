/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of doc/json.md about what -s shows are those of the values: made of the rows, between
 * the marks in the page. UPDATE=1 writes them anew; look at the difference before committing. */
#include "command/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PAGE  TESTS_SRCDIR "/../doc/json.md"
#define BEGIN "<!-- BEGIN values -->\n"
#define END   "<!-- END values -->\n"

static const char *type_of(const struct value_row *r)
{
	switch (r->type) {
	case VALUE_BITS:
		return "names";
	case VALUE_STRING:
	case VALUE_CHARS:
		return "string";
	case VALUE_BUCKETS:
		return "histogram";
	default:
		return r->kind == VALUE_INFO ? "bool" : "uint";
	}
}

static bool is_optional(const struct value_row *r)
{
	return r->optional || r->type == VALUE_OPTIONAL || r->type == VALUE_MAYBE;
}

static void print_row(struct text *out, const struct value_row *r)
{
	static const char *const kinds[] = {
		[VALUE_INFO] = "",
		[VALUE_GAUGE] = "gauge",
		[VALUE_COUNTER] = "counter",
		[VALUE_HISTOGRAM] = "histogram",
	};

	text_printf(out, "| `%s` | `%s` | %s | ", r->name, type_of(r),
		    is_optional(r) ? "if known" : "always");
	if (r->kind != VALUE_INFO)
		text_printf(out, "%s%s%s: ", kinds[r->kind], r->unit ? ", " : "",
			    r->unit ? r->unit : "");
	text_printf(out, "%s |\n", r->help);
}

static void print_rows(struct text *out, const struct value_row *r)
{
	for (; r->name || r->text || r->rows; r++) {
		if (r->rows)
			print_rows(out, r->rows);
		else if (r->name)
			print_row(out, r);
	}
}

static void print_groups(struct text *out)
{
	text_str(out, BEGIN);
	for (size_t i = 0; value_groups[i]; i++) {
		text_printf(
			out,
			"\n## %s\n\n%s\n\n| name | type | there | meaning |\n|---|---|---|---|\n",
			value_groups[i]->name, value_groups[i]->help);
		print_rows(out, value_groups[i]->rows);
	}
	text_str(out, "\n" END);
}

static void read_page(struct text *page)
{
	FILE *f = fopen(PAGE, "r");
	char buf[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		text_add(page, buf, n);
	fclose(f);
}

static void write_page(const struct text *page)
{
	FILE *f = fopen(PAGE, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(page->buf, 1, page->len, f), page->len);
	assert_int_equal(fclose(f), 0);
}

static void page(void **state)
{
	struct text is = { 0 }, should = { 0 };
	const char *begin, *end;

	(void)state;
	read_page(&is);
	begin = strstr(is.buf, BEGIN);
	end = strstr(is.buf, END);
	assert_true(begin && end && begin < end);
	text_add(&should, is.buf, (size_t)(begin - is.buf));
	print_groups(&should);
	text_str(&should, end + strlen(END));
	if (getenv("UPDATE"))
		write_page(&should);
	else if (strcmp(is.buf, should.buf) != 0)
		fail_msg(
			"doc/json.md does not agree with the values: UPDATE=1 writes their tables");
	text_free(&is);
	text_free(&should);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
