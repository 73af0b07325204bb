/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_CHECK_READ_H
#define CONNTRACKD_TESTS_CHECK_READ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "check/check.h"

/* A configuration of a test, and what is said about it: lines as "line: error: text". */

struct said {
	struct conf conf;
	struct conf_ctx *source;
	struct check check;
	struct text lines;
};

static inline void on_said(void *ctx, enum conf_severity severity, const struct conf_place *place,
			   const char *text)
{
	struct said *s = ctx;

	text_printf(&s->lines, "%u: %s: %s\n", place ? place->line : 0,
		    severity == CONF_ERROR ? "error" : "warning", text);
}

static inline void said_read(struct said *s, const char *name, const char *text)
{
	*s = (struct said){ 0 };
	assert_int_equal(
		conf_parse_source(name, text, strlen(text), 0, &s->conf, &s->source, on_said, s),
		0);
	text_reset(&s->lines); /* what the reader says is another test's */
	s->check = (struct check){ .conf = &s->conf,
				   .source = s->source,
				   .file = name,
				   .root = "",
				   .report = on_said,
				   .ctx = s };
}

static inline void said_free(struct said *s)
{
	conf_source_free(s->source);
	conf_free(&s->conf);
	text_free(&s->lines);
}

/* Each line of `wanted` ("line: severity: beginning of the text") is one that was said, in order,
 * and there are no others. */
static inline void said_is(const struct said *s, const char *wanted)
{
	const char *got = s->lines.buf ? s->lines.buf : "";

	for (const char *w = wanted; *w; w += strcspn(w, "\n") + 1) {
		size_t n = strcspn(w, "\n");

		if (strncmp(got, w, n) != 0)
			fail_msg("wanted \"%.*s\", said:\n%s", (int)n, w,
				 s->lines.buf ? s->lines.buf : "nothing");
		got += strcspn(got, "\n") + 1;
	}
	if (*got)
		fail_msg("not wanted:\n%s", got);
}

/* The first nine lines of every file here; what a test is about follows. */
#define HEAD(mode) \
	"Sync {\nMode " mode " {\n}\nUDP {\nIPv4_address 10.9.0.1\n" \
	"IPv4_Destination_Address 10.9.0.2\nInterface eth9\nPort 3780\n}\n"

#endif
