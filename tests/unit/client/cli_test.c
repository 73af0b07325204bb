/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, row by row: command-line.md sections 1, 2 and 11, errors.md 146-152. */
#include "client/cli.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Words are separated by one space each; "''" is the empty word. */
struct parse_case {
	const char *words;
	enum cli_action action;
	int number;			/* CLI_CLIENT: the request */
	const char *error;		/* CLI_ERROR: a part of the text */
	bool help;			/* CLI_ERROR: with help */
};

static const struct parse_case cases[] = {
	/* daemon */
	{ "", CLI_DAEMON, 0, NULL, false },
	{ "-d", CLI_DAEMON, 0, NULL, false },
	{ "-d -d", CLI_DAEMON, 0, NULL, false },
	{ "-C /x", CLI_DAEMON, 0, NULL, false },
	{ "-S", CLI_DAEMON, 0, NULL, false },
	{ "-d -S", CLI_DAEMON, 0, NULL, false },
	{ "-T", CLI_CHECK, 0, NULL, false },
	{ "--check", CLI_CHECK, 0, NULL, false },
	{ "-T -C /x", CLI_CHECK, 0, NULL, false },
	{ "-h", CLI_HELP, 0, NULL, false },
	{ "-v", CLI_VERSION, 0, NULL, false },
	{ "-i -v", CLI_VERSION, 0, NULL, false },
	{ "-i -k -h", CLI_HELP, 0, NULL, false },
	{ "-v -z", CLI_VERSION, 0, NULL, false },
	{ "-d -x -h start", CLI_HELP, 0, NULL, false },

	/* every command */
	{ "-i", CLI_CLIENT, 16, NULL, false },
	{ "-i ct", CLI_CLIENT, 16, NULL, false },
	{ "-ict", CLI_CLIENT, 16, NULL, false },
	{ "-i c", CLI_CLIENT, 16, NULL, false },
	{ "-i expect", CLI_CLIENT, 40, NULL, false },
	{ "-i e", CLI_CLIENT, 40, NULL, false },
	{ "-iexp", CLI_CLIENT, 40, NULL, false },
	{ "-e", CLI_CLIENT, 17, NULL, false },
	{ "-e ct", CLI_CLIENT, 17, NULL, false },
	{ "-e expect", CLI_CLIENT, 41, NULL, false },
	{ "-i -x", CLI_CLIENT, 24, NULL, false },
	{ "-x -i", CLI_CLIENT, 24, NULL, false },
	{ "-xi", CLI_CLIENT, 24, NULL, false },
	{ "-x -x -i", CLI_CLIENT, 24, NULL, false },
	{ "-i ct -x", CLI_CLIENT, 24, NULL, false },
	{ "-e -x", CLI_CLIENT, 25, NULL, false },
	{ "-x -e", CLI_CLIENT, 25, NULL, false },
	{ "-x -i expect", CLI_CLIENT, 47, NULL, false },
	{ "-xiexpect", CLI_CLIENT, 47, NULL, false },
	{ "-e expect -x", CLI_CLIENT, 48, NULL, false },
	{ "-i --json", CLI_CLIENT, 16, NULL, false },
	{ "-c", CLI_CLIENT, 46, NULL, false },
	{ "-c ct", CLI_CLIENT, 18, NULL, false },
	{ "-c expect", CLI_CLIENT, 42, NULL, false },
	{ "-c --strict", CLI_CLIENT, 46, NULL, false },
	{ "--strict -c ct", CLI_CLIENT, 18, NULL, false },
	{ "-f", CLI_CLIENT, 45, NULL, false },
	{ "-f internal", CLI_CLIENT, 33, NULL, false },
	{ "-f i", CLI_CLIENT, 33, NULL, false },
	{ "-f external", CLI_CLIENT, 34, NULL, false },
	{ "-fe", CLI_CLIENT, 34, NULL, false },
	{ "-F", CLI_CLIENT, 43, NULL, false },
	{ "-F ct", CLI_CLIENT, 0, NULL, false },
	{ "-F expect", CLI_CLIENT, 38, NULL, false },
	{ "-R", CLI_CLIENT, 44, NULL, false },
	{ "-R ct", CLI_CLIENT, 1, NULL, false },
	{ "-R expect", CLI_CLIENT, 39, NULL, false },
	{ "-B", CLI_CLIENT, 22, NULL, false },
	{ "-n", CLI_CLIENT, 23, NULL, false },
	{ "-t", CLI_CLIENT, 26, NULL, false },
	{ "-k", CLI_CLIENT, 20, NULL, false },
	{ "-s", CLI_CLIENT, 21, NULL, false },
	{ "-s ct", CLI_CLIENT, 21, NULL, false },
	{ "-s network", CLI_CLIENT, 28, NULL, false },
	{ "-s n", CLI_CLIENT, 28, NULL, false },
	{ "-s cache", CLI_CLIENT, 29, NULL, false },
	{ "-s c", CLI_CLIENT, 29, NULL, false },
	{ "-s runtime", CLI_CLIENT, 30, NULL, false },
	{ "-s r", CLI_CLIENT, 30, NULL, false },
	{ "-s link", CLI_CLIENT, 31, NULL, false },
	{ "-s multicast", CLI_CLIENT, 31, NULL, false },
	{ "-s rsqueue", CLI_CLIENT, 32, NULL, false },
	{ "-s peers", CLI_CLIENT, 1000, NULL, false },
	{ "-s pe", CLI_CLIENT, 1000, NULL, false },
	{ "-s rs", CLI_CLIENT, 32, NULL, false },
	{ "-s process", CLI_CLIENT, 35, NULL, false },
	{ "-s queue", CLI_CLIENT, 36, NULL, false },
	{ "-s expect", CLI_CLIENT, 37, NULL, false },
	{ "-snet", CLI_CLIENT, 28, NULL, false },
	{ "-C /x -i", CLI_CLIENT, 16, NULL, false },
	{ "-i -C /x", CLI_CLIENT, 16, NULL, false },
	{ "-S -s", CLI_CLIENT, 21, NULL, false },

	/* long names: each option, argument attached or in the next word */
	{ "--daemon", CLI_DAEMON, 0, NULL, false },
	{ "--daemon --config /x", CLI_DAEMON, 0, NULL, false },
	{ "--config=/x", CLI_DAEMON, 0, NULL, false },
	{ "--stats-mode", CLI_DAEMON, 0, NULL, false },
	{ "--check --config /x", CLI_CHECK, 0, NULL, false },
	{ "--version", CLI_VERSION, 0, NULL, false },
	{ "--help", CLI_HELP, 0, NULL, false },
	{ "--internal --kill --help", CLI_HELP, 0, NULL, false },
	{ "--internal", CLI_CLIENT, 16, NULL, false },
	{ "--internal ct", CLI_CLIENT, 16, NULL, false },
	{ "--internal=expect", CLI_CLIENT, 40, NULL, false },
	{ "--internal --xml", CLI_CLIENT, 24, NULL, false },
	{ "--xml --internal", CLI_CLIENT, 24, NULL, false },
	{ "-x --internal=exp", CLI_CLIENT, 47, NULL, false },
	{ "--external", CLI_CLIENT, 17, NULL, false },
	{ "--external expect", CLI_CLIENT, 41, NULL, false },
	{ "--external -x", CLI_CLIENT, 25, NULL, false },
	{ "--external --json", CLI_CLIENT, 17, NULL, false },
	{ "--commit", CLI_CLIENT, 46, NULL, false },
	{ "--commit ct", CLI_CLIENT, 18, NULL, false },
	{ "--commit=expect", CLI_CLIENT, 42, NULL, false },
	{ "--commit --strict", CLI_CLIENT, 46, NULL, false },
	{ "--flush", CLI_CLIENT, 45, NULL, false },
	{ "--flush=internal", CLI_CLIENT, 33, NULL, false },
	{ "--flush e", CLI_CLIENT, 34, NULL, false },
	{ "--flush-kernel", CLI_CLIENT, 43, NULL, false },
	{ "--flush-kernel ct", CLI_CLIENT, 0, NULL, false },
	{ "--flush-kernel=expect", CLI_CLIENT, 38, NULL, false },
	{ "--kill", CLI_CLIENT, 20, NULL, false },
	{ "--statistics", CLI_CLIENT, 21, NULL, false },
	{ "--statistics network", CLI_CLIENT, 28, NULL, false },
	{ "--statistics=cache", CLI_CLIENT, 29, NULL, false },
	{ "--statistics=r", CLI_CLIENT, 30, NULL, false },
	{ "--statistics link", CLI_CLIENT, 31, NULL, false },
	{ "--statistics=multicast", CLI_CLIENT, 31, NULL, false },
	{ "--statistics rsqueue", CLI_CLIENT, 32, NULL, false },
	{ "--statistics process", CLI_CLIENT, 35, NULL, false },
	{ "--statistics queue", CLI_CLIENT, 36, NULL, false },
	{ "--statistics expect", CLI_CLIENT, 37, NULL, false },
	{ "--statistics --config=/x", CLI_CLIENT, 21, NULL, false },
	{ "--resync-kernel", CLI_CLIENT, 44, NULL, false },
	{ "--resync-kernel ct", CLI_CLIENT, 1, NULL, false },
	{ "--resync-kernel=expect", CLI_CLIENT, 39, NULL, false },
	{ "--request-resync", CLI_CLIENT, 23, NULL, false },
	{ "--send-bulk", CLI_CLIENT, 22, NULL, false },
	{ "--schedule-flush", CLI_CLIENT, 26, NULL, false },

	/* errors with long names */
	{ "--helpx", CLI_ERROR, 0, "Unknown option: --helpx", true },
	{ "--stat", CLI_ERROR, 0, "Unknown option: --stat", true },
	{ "--flush-", CLI_ERROR, 0, "Unknown option: --flush-", true },
	{ "--=x", CLI_ERROR, 0, "Unknown option: --=x", true },
	{ "---help", CLI_ERROR, 0, "Unknown option: ---help", true },
	{ "-internal", CLI_ERROR, 0, "unexpected argument \"nternal\"", true },
	{ "--kill=now", CLI_ERROR, 0, "--kill takes no argument", true },
	{ "--kill=", CLI_ERROR, 0, "--kill takes no argument", true },
	{ "--kill now", CLI_ERROR, 0, "unexpected argument \"now\"", true },
	{ "--json=yes -i", CLI_ERROR, 0, "--json takes no argument", true },
	{ "--config", CLI_ERROR, 0, "Missing config filename after -C, --config", true },
	{ "--config=", CLI_ERROR, 0, "Missing config filename", true },
	{ "--config --internal", CLI_ERROR, 0, "Missing config filename", true },
	{ "--statistics=", CLI_ERROR, 0, "unknown parameter \"\" for option -s, --statistics", false },
	{ "--statistics foo", CLI_ERROR, 0, "unknown parameter \"foo\"", false },
	{ "--internal=foo", CLI_ERROR, 0, "unexpected argument \"foo\" (known for -i, --internal: ct, expect)", true },
	{ "--internal --kill", CLI_ERROR, 0, "only one command", true },
	{ "--daemon --kill", CLI_ERROR, 0, "Invalid parameters", true },

	/* errors.md 146 */
	{ "-z", CLI_ERROR, 0, "Unknown option: -z", true },
	{ "-iz", CLI_ERROR, 0, "\"z\"", true },
	{ "-dz", CLI_ERROR, 0, "Unknown option: -dz", true },
	{ "--chec", CLI_ERROR, 0, "Unknown option: --chec", true },
	{ "-", CLI_ERROR, 0, "Unknown option: -", true },
	{ "--", CLI_ERROR, 0, "Unknown option: --", true },
	{ "''", CLI_ERROR, 0, "unexpected argument \"\"", true },
	/* 147 */
	{ "-C", CLI_ERROR, 0, "Missing config filename", true },
	{ "-d -C", CLI_ERROR, 0, "Missing config filename", true },
	{ "-C -i", CLI_ERROR, 0, "Missing config filename", true },
	{ "-C ''", CLI_ERROR, 0, "Missing config filename", true },
	/* 148 */
	{ "start", CLI_ERROR, 0, "unexpected argument \"start\"", true },
	{ "stop", CLI_ERROR, 0, "unexpected argument \"stop\"", true },
	{ "status", CLI_ERROR, 0, "unexpected argument \"status\"", true },
	{ "help", CLI_ERROR, 0, "unexpected argument \"help\"", true },
	{ "reload", CLI_ERROR, 0, "unexpected argument \"reload\"", true },
	{ "xk", CLI_ERROR, 0, "unexpected argument \"xk\"", true },
	{ "-B ct", CLI_ERROR, 0, "unexpected argument \"ct\"", true },
	{ "-d start", CLI_ERROR, 0, "unexpected argument \"start\"", true },
	{ "-i ct ct", CLI_ERROR, 0, "unexpected argument \"ct\"", true },
	/* 149, and other words that do not match */
	{ "-i ctx", CLI_ERROR, 0, "unexpected argument \"ctx\"", true },
	{ "-i at", CLI_ERROR, 0, "unexpected argument \"at\"", true },
	{ "-i foo", CLI_ERROR, 0, "unexpected argument \"foo\"", true },
	{ "-ix", CLI_ERROR, 0, "unexpected argument \"x\"", true },
	{ "-i ''", CLI_ERROR, 0, "unexpected argument \"\"", true },
	{ "-F foo", CLI_ERROR, 0, "unexpected argument \"foo\"", true },
	{ "-s foo", CLI_ERROR, 0, "unknown parameter \"foo\"", false },
	{ "-s ''", CLI_ERROR, 0, "unknown parameter \"\"", false },
	{ "-f ct", CLI_ERROR, 0, "unknown parameter \"ct\"", false },
	/* 150 */
	{ "-i -k", CLI_ERROR, 0, "only one command", true },
	{ "-s -k", CLI_ERROR, 0, "only one command", true },
	{ "-i -i", CLI_ERROR, 0, "only one command", true },
	{ "-kB", CLI_ERROR, 0, "only one command", true },
	/* combinations */
	{ "-d -i", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-i -d", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-x", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-x -s", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-x -d", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-c -x", CLI_ERROR, 0, "Invalid parameters", true },
	{ "--json", CLI_ERROR, 0, "Invalid parameters", true },
	{ "--json -x -i", CLI_ERROR, 0, "Invalid parameters", true },
	{ "--json -s", CLI_ERROR, 0, "Invalid parameters", true },
	{ "--strict", CLI_ERROR, 0, "Invalid parameters", true },
	{ "--strict -i", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-T -i", CLI_ERROR, 0, "Invalid parameters", true },
	{ "-T -d", CLI_ERROR, 0, "Invalid parameters", true },
};

#define WORDS_MAX 16

static char line[512];
static char *argv_buf[WORDS_MAX + 1];

static void parse(const char *words, struct cli *cli)
{
	int argc = 1;
	char *w, *save = NULL;

	assert_true(strlen(words) < sizeof(line));
	strcpy(line, words);
	argv_buf[0] = (char *)(uintptr_t)"conntrackd";
	for (w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS_MAX);
		if (strcmp(w, "''") == 0)
			*w = '\0';
		argv_buf[argc++] = w;
	}
	argv_buf[argc] = NULL;
	cli_parse(argc, argv_buf, cli);
}

static void all_rows(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct parse_case *c = &cases[i];
		struct cli cli;

		parse(c->words, &cli);
		if (cli.action != c->action)
			fail_msg("\"%s\": action %d (%s)", c->words, cli.action, cli.error);
		if (c->action == CLI_CLIENT && (!cli.cmd || (int)cli.cmd->number != c->number))
			fail_msg("\"%s\": request %d", c->words, cli.cmd ? (int)cli.cmd->number : -1);
		if (c->action != CLI_CLIENT && cli.cmd)
			fail_msg("\"%s\": has a request", c->words);
		if (c->error && !strstr(cli.error, c->error))
			fail_msg("\"%s\": error \"%s\"", c->words, cli.error);
		if (c->action == CLI_ERROR && cli.show_help != c->help)
			fail_msg("\"%s\": help %d", c->words, cli.show_help);
	}
}

static void details(void **state)
{
	struct cli cli;

	(void)state;
	parse("-d -C /a -C /b", &cli);
	assert_true(cli.background);
	assert_string_equal(cli.config, "/b");
	parse("-dC /c", &cli);
	assert_true(cli.background);
	assert_string_equal(cli.config, "/c");
	parse("-C/d -i", &cli);
	assert_string_equal(cli.config, "/d");
	assert_false(cli.background);
	parse("--daemon --config=/e", &cli);
	assert_true(cli.background);
	assert_string_equal(cli.config, "/e");
	parse("--config /f --config=-g=h --commit --strict", &cli);
	assert_string_equal(cli.config, "-g=h");
	assert_true(cli.strict);
	parse("--stats-mode", &cli);
	assert_true(cli.stats);
	parse("-i", &cli);
	assert_null(cli.config);
	assert_false(cli.strict || cli.json || cli.stats);
	parse("-c --strict", &cli);
	assert_true(cli.strict);
	parse("--json -e", &cli);
	assert_true(cli.json);
	parse("-d -S", &cli);
	assert_true(cli.stats);
	assert_string_equal(cli.warning, "");
	parse("-S -s", &cli);
	assert_non_null(strstr(cli.warning, "-S has no effect"));
	parse("-s m", &cli);
	assert_non_null(strstr(cli.warning, "-s multicast"));
	assert_non_null(strstr(cli.warning, "-s link"));
	parse("-s l", &cli);
	assert_string_equal(cli.warning, "");
	cli_parse(0, argv_buf, &cli);
	assert_int_equal(cli.action, CLI_DAEMON);
}

/* A word as long as you like. */
static void long_words(void **state)
{
	char *word = malloc(100000);
	char *argv[] = { (char *)(uintptr_t)"conntrackd", word, NULL };
	static const char *const begin[] = { "", "-z", "--", "-i", "-s", "-C" };
	struct cli cli;
	size_t i;

	(void)state;
	assert_non_null(word);
	for (i = 0; i < sizeof(begin) / sizeof(begin[0]); i++) {
		memset(word, 'y', 99999);
		word[99999] = '\0';
		memcpy(word, begin[i], strlen(begin[i]));
		cli_parse(2, argv, &cli);
		assert_int_equal(cli.action, i == 5 ? CLI_DAEMON : CLI_ERROR);
	}
	free(word);
}

static int report(const char *words, char *out, char *err, size_t cap)
{
	FILE *o = fmemopen(out, cap, "w"), *e = fmemopen(err, cap, "w");
	struct cli cli;
	int ret;

	assert_true(o && e);
	out[0] = err[0] = '\0';
	parse(words, &cli);
	ret = cli_report(&cli, o, e);
	fclose(o);
	fclose(e);
	return ret;
}

static void reports(void **state)
{
	char out[8192], err[8192], *p;
	int lines = 0;

	(void)state;
	assert_int_equal(report("-h", out, err, sizeof(out)), 0);
	assert_string_equal(err, "");
	for (p = out; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 27);		/* the layout of 1.4.x, four options more */
	assert_non_null(strstr(out, "\nUsage: conntrackd [commands] [options]\n\nGeneral commands:\n"));
	assert_non_null(strstr(out, "\n\nClient mode commands:\n"));
	assert_non_null(strstr(out, "process"));
	assert_string_equal(p - 2, "\n\n");
	for (const char *o = "dCvhcfFiekRnBxts"; *o; o++) {
		char want[8];

		snprintf(want, sizeof(want), "\n  -%c", *o);
		if (!strstr(out, want))
			fail_msg("no line for -%c", *o);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[32];

		/* every long name that is accepted above */
		if (strncmp(cases[i].words, "--", 2) != 0 || cases[i].action == CLI_ERROR)
			continue;
		snprintf(want, sizeof(want), "%.*s", (int)strcspn(cases[i].words, " ="), cases[i].words);
		if (!strstr(out, want))
			fail_msg("no line for %s", want);
	}
	assert_int_equal(report("-v", out, err, sizeof(out)), 0);
	assert_string_equal(err, "");
	assert_ptr_equal(strstr(out, "Connection tracking userspace daemon v"), out);
	p = strchr(out, '\n');
	assert_true(p && strchr(p + 1, '\n') == out + strlen(out) - 1);
	assert_int_equal(report("-z", out, err, sizeof(out)), 1);
	assert_non_null(strstr(out, "Usage:"));
	assert_string_equal(err, "conntrackd: Unknown option: -z\n");
	assert_int_equal(report("-s foo", out, err, sizeof(out)), 1);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "network, cache, runtime, link, rsqueue, process, queue, ct, expect, peers"));
	assert_int_equal(report("-s multicast", out, err, sizeof(out)), 0);
	assert_non_null(strstr(err, "old name"));
	assert_int_equal(report("-i", out, err, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_string_equal(err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_rows),
		cmocka_unit_test(details),
		cmocka_unit_test(long_words),
		cmocka_unit_test(reports),
	};

	return cmocka_run_group_tests_name("client/cli", tests, NULL, NULL);
}
