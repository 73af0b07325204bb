/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scanner: words, their kinds and places, and what it refuses. Texts are exact-size heap
 * copies. */
#include "conf/conf_ctx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One line per word: kind, "!" if it is bad, line:column, text. */
static const struct lex_case {
	const char *name;
	const char *text;
	size_t len; /* 0: strlen(text) */
	const char *words;
	unsigned int errors, warnings;
} cases[] = {
	{ "empty", "", 0, "E1:1:", 0, 0 },
	{ "words", "Sync { Mode FTFW{}}", 0,
	  "w1:1:Sync {1:6:{ w1:8:Mode w1:13:FTFW {1:17:{ }1:18:} }1:19:} E1:20:", 0, 0 },
	{ "lines", "a\n\tb\r\n  c", 0, "w1:1:a w2:2:b w3:3:c E3:4:", 0, 0 },
	{ "form feed", "a\fb\vc", 0, "w1:1:a w1:3:b w1:5:c E1:6:", 0, 0 },
	{ "comment", "off#x\n100#y", 0, "w1:1:off w2:1:100 E2:6:", 0, 0 },
	{ "comment with anything", "a # \x80\x01{\"\n b", 0, "w1:1:a w2:2:b E2:3:", 0, 0 },
	{ "NUL in a comment", "a#\0\nb", 5, "w1:1:a w2:1:b E2:2:", 0, 0 },
	{ "byte order mark",
	  "\xef\xbb\xbf"
	  "a",
	  0, "w1:1:a E1:2:", 0, 0 },
	{ "path", "/run/x.ctl }", 0, "p1:1:/run/x.ctl }1:12:} E1:13:", 0, 0 },
	{ "path with brace", "/run/x.ctl}", 0, "p1:1:/run/x.ctl} E1:12:", 0, 1 },
	{ "path with comment sign", "/run/x#y z", 0, "p1:1:/run/x#y w1:10:z E1:11:", 0, 1 },
	{ "path, then tab", "/run/x\t}", 0, "p1:1:/run/x }1:8:} E1:9:", 0, 0 },
	{ "path, then CR", "/run/x\r\n", 0, "p1:1:/run/x E2:1:", 0, 0 },
	{ "path with high bytes", "/run/\xff\xc3\xa9", 0, "p1:1:/run/\xff\xc3\xa9 E1:9:", 0, 0 },
	{ "path with control byte", "/run/\x01", 0, "p!1:1:/run/\x01 E1:7:", 1, 0 },
	{ "quoted path", "\"/run/x y\" a", 0, "p!1:1:/run/x y w1:12:a E1:13:", 1, 0 },
	{ "quoted word", "'on' a", 0, "w!1:1:on w1:6:a E1:7:", 1, 0 },
	{ "empty quotes", "\"\"", 0, "w!1:1: E1:3:", 1, 0 },
	{ "lonely quote", "\"on", 0, "w1:2:on E1:4:", 1, 0 },
	{ "punctuation", "a=1;b,c", 0, "w1:1:a w1:3:1 w1:5:b w1:7:c E1:8:", 3, 0 },
	{ "high byte", "Hash\xe9Size b", 0, "w!1:1:Hash\xe9Size w1:11:b E1:12:", 1, 0 },
	{ "NUL in a word", "a\0b c", 5, "w!1:1:a w1:5:c E1:6:", 1, 0 },
	{ "address", "10.0.0.0/8 fe80::1%eth0", 0, "w1:1:10.0.0.0/8 w1:12:fe80::1%eth0 E1:24:", 0,
	  0 },
};

static void format_words(const struct conf_words *words, char *buf, size_t len)
{
	static const char kind[] = { [CONF_W_WORD] = 'w',
				     [CONF_W_PATH] = 'p',
				     [CONF_W_OPEN] = '{',
				     [CONF_W_CLOSE] = '}',
				     [CONF_W_END] = 'E' };
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < words->n && used < len; i++) {
		const struct conf_word *w = &words->word[i];

		used += (size_t)snprintf(buf + used, len - used, "%s%c%s%u:%u:%s", i ? " " : "",
					 kind[w->kind], w->bad ? "!" : "", w->at.line, w->at.column,
					 w->text);
	}
}

static void run_case(const struct lex_case *c)
{
	struct conf_ctx *ctx = conf_ctx_new("t");
	size_t len = c->len ? c->len : strlen(c->text);
	char *copy = malloc(len ? len : 1), got[1024];
	unsigned int warnings = 0;

	assert_non_null(copy);
	memcpy(copy, c->text, len);
	assert_int_equal(conf_scan(ctx, copy, len), 0);
	free(copy);
	format_words(&ctx->words, got, sizeof(got));
	for (size_t i = 0; i < ctx->n_diags; i++)
		warnings += ctx->diag[i].severity == CONF_WARNING;
	if (strcmp(got, c->words) || ctx->n_errors != c->errors || warnings != c->warnings)
		fail_msg("%s: words \"%s\", %u errors, %u warnings", c->name, got, ctx->n_errors,
			 warnings);
	conf_ctx_free(ctx);
}

static void scan(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
}

static void unclosed_braces(void **state)
{
	static const char text[] = "a { b { c } # }\n /x}";
	struct conf_ctx *ctx = conf_ctx_new("t");

	(void)state;
	assert_int_equal(conf_scan(ctx, text, sizeof(text) - 1), 0);
	assert_int_equal(ctx->unclosed, 1);
	conf_ctx_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan),
		cmocka_unit_test(unclosed_braces),
	};

	return cmocka_run_group_tests_name("conf/lex", tests, NULL, NULL);
}
