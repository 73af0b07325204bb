/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing text buffer. Running out of memory or of the text's own limit is remembered in the text
 * itself, so that a report is written in straight lines and tested once at the end. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Make room for n more bytes and the NUL; as many as the limit and memory allow. Returns how many
 * of the n fit. */
static size_t text_room(struct text *t, size_t n)
{
	size_t want, cap;
	char *p;

	if (t->truncated)
		return 0; /* a later, shorter piece must not follow a gap */
	if (t->limit > 0 && n > t->limit - t->len) {
		n = t->limit - t->len;
		t->truncated = true;
	}
	want = t->len + n + 1;
	if (want <= t->cap)
		return n;
	cap = t->cap > 0 ? t->cap : 128;
	while (cap < want)
		cap *= 2;
	p = realloc(t->buf, cap);
	if (!p) {
		t->truncated = true;
		return 0;
	}
	t->buf = p;
	t->cap = cap;
	return n;
}

void text_add(struct text *t, const void *bytes, size_t n)
{
	n = text_room(t, n);
	if (!t->buf)
		return;
	if (n > 0)
		memcpy(t->buf + t->len, bytes, n);
	t->len += n;
	t->buf[t->len] = '\0';
}

void text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char small[256];
	char *big;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		t->truncated = true;
		return;
	}
	if ((size_t)n < sizeof(small)) {
		text_add(t, small, (size_t)n);
		return;
	}
	big = malloc((size_t)n + 1);
	if (!big) {
		t->truncated = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	text_add(t, big, (size_t)n);
	free(big);
}

void text_reset(struct text *t)
{
	t->len = 0;
	t->truncated = false;
	if (t->buf)
		t->buf[0] = '\0';
}

void text_free(struct text *t)
{
	free(t->buf);
	*t = (struct text){ .limit = t->limit };
}
