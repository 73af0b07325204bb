/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Good files, damaged at random: whatever happens to the text, the reader ends, stays within its
 * memory, says at least one error if it refuses, names places inside the file, and what it accepts
 * can be printed and read again. CONF_SEED and CONF_ROUNDS choose another run; the seed is printed.
 */
#include "conf/conf.h"

#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define FILE_CAP 8192

struct sample {
	char text[FILE_CAP];
	size_t len;
};

struct seen {
	unsigned int errors, lines;
};

static uint64_t rng;

static uint32_t draw(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 32) % below);
}

static void check_report(void *ctx, enum conf_severity severity, const struct conf_place *place,
			 const char *text)
{
	struct seen *s = ctx;

	assert_non_null(place);
	assert_true(place->line >= 1 && place->line <= s->lines);
	assert_true(place->column >= 1 && place->column <= FILE_CAP + 1);
	assert_true(text[0] && text[strlen(text) - 1] != '\n');
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || *p == '\t' ||
			    ((unsigned char)*p >= 0x20 && (unsigned char)*p <= 0x7e));
	s->errors += severity == CONF_ERROR;
}

static char *print(const struct conf *conf, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	assert_non_null(f);
	conf_print(conf, f);
	fclose(f);
	return text;
}

/* What was accepted must survive being printed and read. */
static void check_again(const struct conf *conf)
{
	struct conf again;
	size_t len1, len2;
	char *text1 = print(conf, &len1), *text2;

	if (conf_parse("print", text1, len1, 0, &again, conf_report_to_file, stderr))
		fail_msg("what was printed is refused:\n%s", text1);
	text2 = print(&again, &len2);
	assert_string_equal(text1, text2);
	conf_free(&again);
	free(text1);
	free(text2);
}

static void try_text(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1); /* exact size: an overrun is seen */
	struct seen seen = { .lines = 1 };
	struct conf conf;
	int err;

	assert_non_null(copy);
	memcpy(copy, text, len);
	for (size_t i = 0; i < len; i++)
		seen.lines += text[i] == '\n';
	err = conf_parse("t", copy, len, 0, &conf, check_report, &seen);
	free(copy);
	assert_true(err == 0 || err == -EINVAL);
	assert_int_equal(err == -EINVAL, seen.errors > 0);
	if (!err) {
		check_again(&conf);
		conf_free(&conf);
	}
}

static const char *const salt[] = {
	"{",
	"}",
	" { ",
	" } ",
	"\n",
	"\"",
	"#",
	"/",
	"/x}",
	"0",
	"4294967296",
	"off",
	"Sync",
	"General",
	"Mode",
	"FTFW",
	"Multicast",
	"Filter",
	"Address",
	"Accept",
	"for TCP",
	"for",
	"IPv4_address",
	"\xef\xbb\xbf",
	"\xff",
	"{{{{{{{{",
	"ExpectationSync",
	"Helper",
	"Type",
	"Policy",
	"Default",
	"From",
	"UNIX",
	"Path",
	"Replicate",
	"IgnoreProtocol",
};

static void mutate(struct sample *s, const struct sample *other)
{
	uint32_t at = draw((uint32_t)s->len + 1), n;
	const char *word = salt[draw(sizeof(salt) / sizeof(salt[0]))];

	switch (draw(6)) {
	case 0: /* another byte */
		if (at < s->len)
			s->text[at] = (char)draw(256);
		break;
	case 1: /* cut out */
		n = draw(40);
		n = at + n > s->len ? (uint32_t)s->len - at : n;
		memmove(s->text + at, s->text + at + n, s->len - at - n);
		s->len -= n;
		break;
	case 2: /* a meaningful word */
		n = (uint32_t)strlen(word);
		if (s->len + n > FILE_CAP)
			break;
		memmove(s->text + at + n, s->text + at, s->len - at);
		memcpy(s->text + at, word, n);
		s->len += n;
		break;
	case 3: /* a piece of another file */
		n = draw(200);
		n = n > other->len ? (uint32_t)other->len : n;
		if (s->len + n > FILE_CAP)
			break;
		memmove(s->text + at + n, s->text + at, s->len - at);
		memcpy(s->text + at, other->text + draw((uint32_t)(other->len - n) + 1), n);
		s->len += n;
		break;
	case 4: /* the end is missing */
		if (!draw(4))
			s->len = at;
		break;
	case 5: /* one brace less */
		for (; at < s->len; at++) {
			if (s->text[at] == '{' || s->text[at] == '}') {
				s->text[at] = ' ';
				break;
			}
		}
		break;
	}
}

static size_t load(struct sample *samples, size_t max)
{
	static const char *const patterns[] = { "/conf/*.conf", "/conf/rejected/*.conf",
						"/conf/errors/*.conf" };
	glob_t g = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < 3; i++) {
		char pattern[512];

		snprintf(pattern, sizeof(pattern), "%s%s", TESTS_SRCDIR, patterns[i]);
		assert_int_equal(glob(pattern, i ? GLOB_APPEND : 0, NULL, &g), 0);
	}
	for (size_t i = 0; i < g.gl_pathc && n < max; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");

		assert_non_null(f);
		samples[n].len = fread(samples[n].text, 1, FILE_CAP, f);
		n += samples[n].len < FILE_CAP;
		fclose(f);
	}
	globfree(&g);
	assert_true(n > 50);
	return n;
}

static void damaged(void **state)
{
	static struct sample samples[256], work;
	const char *seed = getenv("CONF_SEED"), *rounds_env = getenv("CONF_ROUNDS");
	unsigned long rounds = rounds_env ? strtoul(rounds_env, NULL, 10) : 3000;
	size_t n = load(samples, 256);

	(void)state;
	rng = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;
	print_message("CONF_SEED=%llu\n", (unsigned long long)rng);
	rng |= 1;
	for (unsigned long i = 0; i < rounds; i++) {
		uint32_t times = 1 + draw(8);

		work = samples[draw((uint32_t)n)];
		for (uint32_t j = 0; j < times; j++)
			mutate(&work, &samples[draw((uint32_t)n)]);
		try_text(work.text, work.len);
	}
}

static void cut_everywhere(void **state)
{
	static struct sample samples[256];
	size_t n = load(samples, 256);

	(void)state;
	for (size_t i = 0; i < n; i += 9) {
		for (size_t len = 0; len <= samples[i].len; len++)
			try_text(samples[i].text, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("conf/mutate", tests, NULL, NULL);
}
