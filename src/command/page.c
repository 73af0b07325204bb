/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a page, cut and wrapped by columns. A byte is a column: what is said here is ASCII but
 * for names from outside, of which no character is cut in two. */
#include "command/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WIDTH (PAGE_COLUMNS - PAGE_LABEL)

static size_t whole_characters(const char *s, size_t n)
{
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* How much of s, which is longer than a row, fits one: up to its last blank. */
static size_t words_that_fit(const char *s)
{
	size_t n = WIDTH;

	while (n > 0 && s[n] != ' ')
		n--;
	return n > 0 ? n : whole_characters(s, WIDTH);
}

static void row(struct page *p, const char *label, const char *s, size_t n, const char *end)
{
	text_printf(p->out, "%-*s%.*s%s\n", PAGE_LABEL, label, (int)n, s, end);
	p->rows++;
}

void page_put(struct page *p, const char *label, unsigned int most, const char *said)
{
	for (; most > 1 && strlen(said) > WIDTH; most--) {
		size_t n = words_that_fit(said);

		row(p, label, said, n, "");
		said += n;
		while (*said == ' ')
			said++;
		label = "";
	}
	if (strlen(said) > WIDTH)
		row(p, label, said, whole_characters(said, WIDTH - 3), "...");
	else
		row(p, label, said, strlen(said), "");
}

void page_span(int64_t s, char span[PAGE_SPAN])
{
	if (s < 60)
		snprintf(span, PAGE_SPAN, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(span, PAGE_SPAN, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(span, PAGE_SPAN, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(span, PAGE_SPAN, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
}
