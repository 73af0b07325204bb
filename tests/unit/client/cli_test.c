/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, row by row: what is understood, and every kind of mistake. */
#include "client/cli.h"

#include "flow/select.h"

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
	int number;	   /* CLI_CLIENT: the request */
	const char *error; /* CLI_ERROR: a part of the text */
};

static const struct parse_case cases[] = {
	/* daemon */
	{ "", CLI_DAEMON, 0, NULL },
	{ "-d", CLI_DAEMON, 0, NULL },
	{ "-d -d", CLI_DAEMON, 0, NULL },
	{ "-C /x", CLI_DAEMON, 0, NULL },
	{ "-S", CLI_DAEMON, 0, NULL },
	{ "-d -S", CLI_DAEMON, 0, NULL },
	{ "-T", CLI_CHECK, 0, NULL },
	{ "--check", CLI_CHECK, 0, NULL },
	{ "-T -C /x", CLI_CHECK, 0, NULL },
	{ "-h", CLI_HELP, 0, NULL },
	{ "-v", CLI_VERSION, 0, NULL },
	{ "-i -v", CLI_VERSION, 0, NULL },
	{ "-i -k -h", CLI_HELP, 0, NULL },
	{ "-v -z", CLI_VERSION, 0, NULL },
	{ "-d -x -h start", CLI_HELP, 0, NULL },

	/* every command */
	{ "-i", CLI_CLIENT, 16, NULL },
	{ "-i ct", CLI_CLIENT, 16, NULL },
	{ "-ict", CLI_CLIENT, 16, NULL },
	{ "-i c", CLI_CLIENT, 16, NULL },
	{ "-i expect", CLI_CLIENT, 40, NULL },
	{ "-i e", CLI_CLIENT, 40, NULL },
	{ "-iexp", CLI_CLIENT, 40, NULL },
	{ "-e", CLI_CLIENT, 17, NULL },
	{ "-e ct", CLI_CLIENT, 17, NULL },
	{ "-e expect", CLI_CLIENT, 41, NULL },
	{ "-i -x", CLI_CLIENT, 24, NULL },
	{ "-x -i", CLI_CLIENT, 24, NULL },
	{ "-xi", CLI_CLIENT, 24, NULL },
	{ "-x -x -i", CLI_CLIENT, 24, NULL },
	{ "-i ct -x", CLI_CLIENT, 24, NULL },
	{ "-e -x", CLI_CLIENT, 25, NULL },
	{ "-x -e", CLI_CLIENT, 25, NULL },
	{ "-x -i expect", CLI_CLIENT, 47, NULL },
	{ "-xiexpect", CLI_CLIENT, 47, NULL },
	{ "-e expect -x", CLI_CLIENT, 48, NULL },
	{ "-i --json", CLI_CLIENT, 16, NULL },
	{ "-c", CLI_CLIENT, 46, NULL },
	{ "-c ct", CLI_CLIENT, 18, NULL },
	{ "-c expect", CLI_CLIENT, 42, NULL },
	{ "--json -s", CLI_CLIENT, 21, NULL },
	{ "-c --strict", CLI_CLIENT, 46, NULL },
	{ "--strict -c ct", CLI_CLIENT, 18, NULL },
	{ "-f", CLI_CLIENT, 45, NULL },
	{ "-f internal", CLI_CLIENT, 33, NULL },
	{ "-f i", CLI_CLIENT, 33, NULL },
	{ "-f external", CLI_CLIENT, 34, NULL },
	{ "-fe", CLI_CLIENT, 34, NULL },
	{ "-F", CLI_CLIENT, 43, NULL },
	{ "-F ct", CLI_CLIENT, 0, NULL },
	{ "-F expect", CLI_CLIENT, 38, NULL },
	{ "-R", CLI_CLIENT, 44, NULL },
	{ "-R ct", CLI_CLIENT, 1, NULL },
	{ "-R expect", CLI_CLIENT, 39, NULL },
	{ "-B", CLI_CLIENT, 22, NULL },
	{ "-n", CLI_CLIENT, 23, NULL },
	{ "-t", CLI_CLIENT, 26, NULL },
	{ "-k", CLI_CLIENT, 20, NULL },
	{ "-s", CLI_CLIENT, 21, NULL },
	{ "-s ct", CLI_CLIENT, 21, NULL },
	{ "-s network", CLI_CLIENT, 28, NULL },
	{ "-s n", CLI_CLIENT, 28, NULL },
	{ "-s cache", CLI_CLIENT, 29, NULL },
	{ "-s ca", CLI_CLIENT, 29, NULL },
	{ "-s runtime", CLI_CLIENT, 30, NULL },
	{ "-s ru", CLI_CLIENT, 30, NULL },
	{ "-s link", CLI_CLIENT, 31, NULL },
	{ "-s multicast", CLI_CLIENT, 31, NULL },
	{ "-s rsqueue", CLI_CLIENT, 32, NULL },
	{ "-s peers", CLI_CLIENT, 1000, NULL },
	{ "-s pe", CLI_CLIENT, 1000, NULL },
	{ "-s rs", CLI_CLIENT, 32, NULL },
	{ "-s process", CLI_CLIENT, 35, NULL },
	{ "-s queue", CLI_CLIENT, 36, NULL },
	{ "-s expect", CLI_CLIENT, 37, NULL },
	{ "-snet", CLI_CLIENT, 28, NULL },
	{ "-C /x -i", CLI_CLIENT, 16, NULL },
	{ "-i -C /x", CLI_CLIENT, 16, NULL },
	{ "-S -s", CLI_CLIENT, 21, NULL },

	/* long names: each option, argument attached or in the next word */
	{ "--daemon", CLI_DAEMON, 0, NULL },
	{ "--daemon --config /x", CLI_DAEMON, 0, NULL },
	{ "--config=/x", CLI_DAEMON, 0, NULL },
	{ "--stats-mode", CLI_DAEMON, 0, NULL },
	{ "--check --config /x", CLI_CHECK, 0, NULL },
	{ "--version", CLI_VERSION, 0, NULL },
	{ "--help", CLI_HELP, 0, NULL },
	{ "--internal --kill --help", CLI_HELP, 0, NULL },
	{ "--internal", CLI_CLIENT, 16, NULL },
	{ "--internal ct", CLI_CLIENT, 16, NULL },
	{ "--internal=expect", CLI_CLIENT, 40, NULL },
	{ "--internal --xml", CLI_CLIENT, 24, NULL },
	{ "--xml --internal", CLI_CLIENT, 24, NULL },
	{ "-x --internal=exp", CLI_CLIENT, 47, NULL },
	{ "--external", CLI_CLIENT, 17, NULL },
	{ "--external expect", CLI_CLIENT, 41, NULL },
	{ "--external -x", CLI_CLIENT, 25, NULL },
	{ "--external --json", CLI_CLIENT, 17, NULL },
	{ "--commit", CLI_CLIENT, 46, NULL },
	{ "--commit ct", CLI_CLIENT, 18, NULL },
	{ "--commit=expect", CLI_CLIENT, 42, NULL },
	{ "--commit --strict", CLI_CLIENT, 46, NULL },
	{ "--flush", CLI_CLIENT, 45, NULL },
	{ "--flush=internal", CLI_CLIENT, 33, NULL },
	{ "--flush e", CLI_CLIENT, 34, NULL },
	{ "--flush-kernel", CLI_CLIENT, 43, NULL },
	{ "--flush-kernel ct", CLI_CLIENT, 0, NULL },
	{ "--flush-kernel=expect", CLI_CLIENT, 38, NULL },
	{ "--kill", CLI_CLIENT, 20, NULL },
	{ "--statistics", CLI_CLIENT, 21, NULL },
	{ "--statistics network", CLI_CLIENT, 28, NULL },
	{ "--statistics=cache", CLI_CLIENT, 29, NULL },
	{ "--statistics=ru", CLI_CLIENT, 30, NULL },
	{ "--statistics link", CLI_CLIENT, 31, NULL },
	{ "--statistics=multicast", CLI_CLIENT, 31, NULL },
	{ "--statistics rsqueue", CLI_CLIENT, 32, NULL },
	{ "--statistics process", CLI_CLIENT, 35, NULL },
	{ "--statistics queue", CLI_CLIENT, 36, NULL },
	{ "--statistics expect", CLI_CLIENT, 37, NULL },
	{ "--statistics --config=/x", CLI_CLIENT, 21, NULL },
	{ "--resync-kernel", CLI_CLIENT, 44, NULL },
	{ "--resync-kernel ct", CLI_CLIENT, 1, NULL },
	{ "--resync-kernel=expect", CLI_CLIENT, 39, NULL },
	{ "--request-resync", CLI_CLIENT, 23, NULL },
	{ "--send-bulk", CLI_CLIENT, 22, NULL },
	{ "--schedule-flush", CLI_CLIENT, 26, NULL },

	/* few among many */
	{ "-i --src 10.0.0.1 --proto tcp --dport 80", CLI_CLIENT, 16, NULL },
	{ "-e --count --peer 10.0.0.2", CLI_CLIENT, 17, NULL },
	{ "-x -e --any-nat", CLI_CLIENT, 25, NULL },
	{ "-i --src-nat", CLI_CLIENT, 16, NULL },
	{ "-i --src-nat --count", CLI_CLIENT, 16, NULL },
	{ "-i --src-nat 10.0.0.1", CLI_CLIENT, 16, NULL },
	{ "-i --src-nat=10.0.0.1", CLI_CLIENT, 16, NULL },
	{ "-i --status ASSURED", CLI_CLIENT, 16, NULL }, /* with a value: no command */
	{ "--status=ASSURED -i", CLI_CLIENT, 16, NULL },
	{ "-i --status", CLI_ERROR, 0, "only one command at a time" },
	{ "--status ASSURED", CLI_ERROR, 0, "--status needs -i or -e" },
	{ "-i --peer 10.0.0.2", CLI_ERROR, 0, "--peer needs -e" },
	{ "-i --src", CLI_ERROR, 0, "--src needs a value" },
	{ "-i --src --count", CLI_ERROR, 0, "--src needs a value" },
	{ "-i --count=3", CLI_ERROR, 0, "--count takes no argument" },
	{ "-s --src 10.0.0.1", CLI_ERROR, 0, "--src needs -i or -e" },
	{ "-i --src 10.0.0.1 --src 10.0.0.2", CLI_ERROR, 0, "--src is given twice" },

	/* commands of our own */
	{ "--status", CLI_CLIENT, 1001, NULL },
	{ "--status --json", CLI_CLIENT, 1001, NULL },
	{ "--monitor --json", CLI_CLIENT, 1005, NULL },
	{ "--health", CLI_CLIENT, 1002, NULL },
	{ "--health --json --timeout 3", CLI_CLIENT, 1002, NULL },
	{ "--json --ready", CLI_CLIENT, 1003, NULL },
	{ "--live -C /x", CLI_CLIENT, 1004, NULL },
	{ "--health --live", CLI_ERROR, 0,
	  "only one command at a time, not both --health and --live" },
	{ "--health -s", CLI_ERROR, 0, "only one command at a time, not both --health and -s" },
	{ "--health now", CLI_ERROR, 0, "unexpected argument \"now\"" },
	{ "--health=now", CLI_ERROR, 0, "--health takes no argument" },
	{ "--health --strict", CLI_ERROR, 0, "--strict needs -c" },
	{ "--role", CLI_CLIENT, 1007, NULL },
	{ "--role --json", CLI_CLIENT, 1007, NULL },
	{ "--role primary", CLI_CLIENT, 1008, NULL },
	{ "--role=backup --json", CLI_CLIENT, 1009, NULL },
	{ "--role faulty --timeout 3", CLI_CLIENT, 1010, NULL },
	{ "--log-level notice", CLI_CLIENT, 1013, NULL },
	{ "--log-level=error", CLI_CLIENT, 1013, NULL },
	{ "--log-level", CLI_ERROR, 0, "--log-level needs a value" },
	{ "--log-level loud", CLI_ERROR, 0, "log-level" },
	{ "--role master", CLI_ERROR, 0, "unknown \"master\" (known: primary, backup, faulty)" },
	{ "--role=", CLI_ERROR, 0, "unknown \"\" (known: primary, backup, faulty)" },
	{ "--role primary --role backup", CLI_ERROR, 0, "only one command at a time" },
	{ "--role primary -c", CLI_ERROR, 0, "only one command at a time" },
	{ "--role primary --strict", CLI_ERROR, 0, "--strict needs -c" },
	{ "--wait-sync 30", CLI_CLIENT, 1011, NULL },
	{ "--wait-sync=30 --json", CLI_CLIENT, 1011, NULL },
	{ "--wait-sync", CLI_ERROR, 0, "--wait-sync needs a value" },
	{ "--wait-sync 0", CLI_ERROR, 0, "no number from 1 to 86400" },
	{ "--wait-sync soon", CLI_ERROR, 0, "no number from 1 to 86400" },
	{ "--healthy", CLI_ERROR, 0, "Unknown option: --healthy" },

	/* errors with long names */
	{ "--helpx", CLI_ERROR, 0, "Unknown option: --helpx" },
	{ "--stat", CLI_ERROR, 0, "Unknown option: --stat" },
	{ "--flush-", CLI_ERROR, 0, "Unknown option: --flush-" },
	{ "--=x", CLI_ERROR, 0, "Unknown option: --=x" },
	{ "---help", CLI_ERROR, 0, "Unknown option: ---help" },
	{ "-internal", CLI_ERROR, 0, "unexpected argument \"nternal\"" },
	{ "--kill=now", CLI_ERROR, 0, "--kill takes no argument" },
	{ "--kill=", CLI_ERROR, 0, "--kill takes no argument" },
	{ "--kill now", CLI_ERROR, 0, "unexpected argument \"now\"" },
	{ "--json=yes -i", CLI_ERROR, 0, "--json takes no argument" },
	{ "--config", CLI_ERROR, 0, "Missing config filename after -C, --config" },
	{ "--config=", CLI_ERROR, 0, "Missing config filename" },
	{ "--config --internal", CLI_ERROR, 0, "Missing config filename" },
	{ "--statistics=", CLI_ERROR, 0, "unknown parameter \"\" for option -s, --statistics" },
	{ "--statistics foo", CLI_ERROR, 0, "unknown parameter \"foo\"" },
	{ "--internal=foo", CLI_ERROR, 0,
	  "unexpected argument \"foo\" (known for -i, --internal: ct, expect)" },
	{ "--internal --kill", CLI_ERROR, 0, "only one command" },
	{ "--daemon --kill", CLI_ERROR, 0, "Invalid parameters" },

	{ "-z", CLI_ERROR, 0, "Unknown option: -z" },
	{ "-iz", CLI_ERROR, 0, "\"z\"" },
	{ "-dz", CLI_ERROR, 0, "Unknown option: -dz" },
	{ "--chec", CLI_ERROR, 0, "Unknown option: --chec" },
	{ "-", CLI_ERROR, 0, "Unknown option: -" },
	{ "--", CLI_ERROR, 0, "Unknown option: --" },
	{ "''", CLI_ERROR, 0, "unexpected argument \"\"" },
	/* 147 */
	{ "-C", CLI_ERROR, 0, "Missing config filename" },
	{ "-d -C", CLI_ERROR, 0, "Missing config filename" },
	{ "-C -i", CLI_ERROR, 0, "Missing config filename" },
	{ "-C ''", CLI_ERROR, 0, "Missing config filename" },
	/* 148 */
	{ "start", CLI_ERROR, 0, "unexpected argument \"start\"" },
	{ "stop", CLI_ERROR, 0, "unexpected argument \"stop\"" },
	{ "status", CLI_ERROR, 0, "unexpected argument \"status\"" },
	{ "help", CLI_ERROR, 0, "unexpected argument \"help\"" },
	{ "reload", CLI_ERROR, 0, "unexpected argument \"reload\"" },
	{ "xk", CLI_ERROR, 0, "unexpected argument \"xk\"" },
	{ "-B ct", CLI_ERROR, 0, "unexpected argument \"ct\"" },
	{ "-d start", CLI_ERROR, 0, "unexpected argument \"start\"" },
	{ "-i ct ct", CLI_ERROR, 0, "unexpected argument \"ct\"" },
	/* 149, and other words that do not match */
	{ "-i ctx", CLI_ERROR, 0, "unexpected argument \"ctx\"" },
	{ "-i at", CLI_ERROR, 0, "unexpected argument \"at\"" },
	{ "-i foo", CLI_ERROR, 0, "unexpected argument \"foo\"" },
	{ "-ix", CLI_ERROR, 0, "unexpected argument \"x\"" },
	{ "-i ''", CLI_ERROR, 0, "unexpected argument \"\"" },
	{ "-F foo", CLI_ERROR, 0, "unexpected argument \"foo\"" },
	{ "-s foo", CLI_ERROR, 0, "unknown parameter \"foo\"" },
	{ "-s ''", CLI_ERROR, 0, "unknown parameter \"\"" },
	{ "-s p", CLI_ERROR, 0,
	  "parameter \"p\" for option -s, --statistics is ambiguous: process, peers" },
	{ "-s c", CLI_ERROR, 0, "is ambiguous: cache, ct" },
	{ "-s r", CLI_ERROR, 0, "is ambiguous: runtime, rsqueue" },
	{ "-f ct", CLI_ERROR, 0, "unknown parameter \"ct\"" },
	/* 150 */
	{ "-i -k", CLI_ERROR, 0, "only one command" },
	{ "-s -k", CLI_ERROR, 0, "only one command" },
	{ "-i -i", CLI_ERROR, 0, "only one command" },
	{ "-kB", CLI_ERROR, 0, "only one command" },
	/* combinations */
	{ "-d -i", CLI_ERROR, 0, "Invalid parameters" },
	{ "-i -d", CLI_ERROR, 0, "Invalid parameters" },
	{ "-x", CLI_ERROR, 0, "Invalid parameters" },
	{ "-x -s", CLI_ERROR, 0, "Invalid parameters" },
	{ "-x -d", CLI_ERROR, 0, "Invalid parameters" },
	{ "-c -x", CLI_ERROR, 0, "Invalid parameters" },
	{ "--json", CLI_ERROR, 0, "Invalid parameters" },
	{ "--json -x -i", CLI_ERROR, 0, "Invalid parameters" },
	{ "--json -c", CLI_CLIENT, 46, NULL },
	{ "--json -f", CLI_ERROR, 0, "--json needs -i, -e, -c" },
	{ "--json -d", CLI_ERROR, 0,
	  "Invalid parameters: --json needs -i, -e, -c, -s, --status, " },
	{ "-s --json=x", CLI_ERROR, 0, "--json takes no argument" },
	{ "--strict", CLI_ERROR, 0, "Invalid parameters" },
	{ "--strict -i", CLI_ERROR, 0, "Invalid parameters: --strict needs -c" },
	{ "-T -i", CLI_ERROR, 0, "Invalid parameters" },
	{ "-T -d", CLI_ERROR, 0, "Invalid parameters" },
	{ "--timeout 5", CLI_ERROR, 0, "--timeout needs a command" },
	{ "-T --strict --no-machine --peer x --explain", CLI_CHECK, 0, NULL },
	{ "-i expect --src 10.0.0.1", CLI_ERROR, 0,
	  "--src is about flows, and does not go with -i expect" },
	{ "-e expect --peer 10.0.0.1", CLI_ERROR, 0,
	  "--peer is about flows, and does not go with -e expect" },
	{ "-i --peer 10.0.0.1", CLI_ERROR, 0, "--peer needs -e" },
	{ "-T --json --strict", CLI_CHECK, 0, NULL },
	{ "-T --explain --json", CLI_ERROR, 0, "not both --explain and --json" },
	{ "-T --count", CLI_ERROR, 0, "--count needs -i or -e" },
	{ "-T --peer", CLI_ERROR, 0, "--peer needs a value" },
	{ "--explain", CLI_ERROR, 0, "--explain needs -T" },
	{ "-s --no-machine", CLI_ERROR, 0, "--no-machine needs -T" },
	{ "--strict", CLI_ERROR, 0, "--strict needs" },
	{ "--disable-helpers", CLI_DISABLE_HELPERS, 0, NULL },
	{ "--disable-helpers -C x", CLI_DISABLE_HELPERS, 0, NULL },
	{ "--disable-helpers -k", CLI_ERROR, 0, "--disable-helpers does not go with -k" },
	{ "--disable-helpers -T", CLI_ERROR, 0, "--disable-helpers does not go with -T" },
	{ "-d --disable-helpers", CLI_ERROR, 0, "--disable-helpers does not go with -d" },
	{ "-i --timeout", CLI_ERROR, 0, "--timeout needs a number of seconds" },
	{ "-i --timeout 0", CLI_ERROR, 0, "\"0\" is no number of seconds from 1 to 86400" },
	{ "-i --timeout 86401", CLI_ERROR, 0, "is no number of seconds" },
	{ "-i --timeout=", CLI_ERROR, 0, "is no number of seconds" },
	{ "-i --timeout 5s", CLI_ERROR, 0, "is no number of seconds" },
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
	argv_buf[0] = (char *)(uintptr_t) "conntrackd";
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
			fail_msg("\"%s\": request %d", c->words,
				 cli.cmd ? (int)cli.cmd->number : -1);
		if (c->action != CLI_CLIENT && cli.cmd)
			fail_msg("\"%s\": has a request", c->words);
		if (c->error && !strstr(cli.error, c->error))
			fail_msg("\"%s\": error \"%s\"", c->words, cli.error);
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
	assert_true(ctl_flag(&cli.args, "strict"));
	parse("--stats-mode", &cli);
	assert_true(cli.stats);
	parse("-i", &cli);
	assert_null(cli.config);
	assert_false(cli.args.n > 0 || cli.stats);
	parse("-c --strict", &cli);
	assert_true(ctl_flag(&cli.args, "strict"));
	assert_int_equal(cli.timeout_s, 0);
	parse("--timeout=86400 -c", &cli);
	assert_int_equal(cli.timeout_s, 86400);
	parse("--json -e", &cli);
	assert_true(ctl_flag(&cli.args, "json"));
	parse("--json --json -s", &cli);
	assert_int_equal(cli.args.n, 1);
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
	char *argv[] = { (char *)(uintptr_t) "conntrackd", word, NULL };
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
	assert_int_equal(lines, 70); /* the layout of 1.4.x, and options of our own */
	assert_non_null(
		strstr(out, "\nUsage: conntrackd [commands] [options]\n\nGeneral commands:\n"));
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
		snprintf(want, sizeof(want), "%.*s", (int)strcspn(cases[i].words, " ="),
			 cases[i].words);
		if (!strstr(out, want))
			fail_msg("no line for %s", want);
	}
	assert_int_equal(report("-v", out, err, sizeof(out)), 0);
	assert_string_equal(err, "");
	assert_ptr_equal(strstr(out, "Connection tracking userspace daemon v"), out);
	p = strchr(out, '\n');
	assert_true(p && strchr(p + 1, '\n') == out + strlen(out) - 1);
	assert_int_equal(report("-z", out, err, sizeof(out)), 1);
	assert_string_equal(out, "");
	assert_string_equal(
		err, "conntrackd: Unknown option: -z\n"
		     "Usage: conntrackd [commands] [options]; conntrackd --help tells which\n");
	assert_int_equal(report("-s foo", out, err, sizeof(out)), 1);
	assert_string_equal(out, "");
	assert_non_null(strstr(
		err, "network, cache, runtime, link, rsqueue, process, queue, ct, expect, peers"));
	assert_int_equal(report("-s multicast", out, err, sizeof(out)), 0);
	assert_non_null(strstr(err, "old name"));
	assert_int_equal(report("-i", out, err, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_string_equal(err, "");
}

/* Each option that the table of commands has for flows is one that is understood. */
static void options_for_flows(void **state)
{
	static const int32_t numbers[] = { CTL_REQ_DUMP_INT_CT, CTL_REQ_DUMP_EXT_CT,
					   CTL_REQ_DUMP_INT_CT_XML, CTL_REQ_DUMP_EXT_CT_XML };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct ctl_arg *a = control_command_by_number(numbers[i])->args;

		for (; a->name; a++) {
			struct flow_select s = { 0 };
			struct text err = { 0 };

			if (strcmp(a->name, "json") == 0 || strcmp(a->name, "count") == 0 ||
			    strcmp(a->name, "peer") == 0)
				continue;
			n++;
			if (!flow_select_set(&s, a->name, "-", &err) &&
			    strstr(err.buf, "no such option"))
				fail_msg("%s", err.buf);
			text_free(&err);
		}
	}
	assert_int_equal(n, 4 * 24);
}

/* Whoever asks a question reads the answer on standard output, and the status is that of the
 * question. */
static void questions(void **state)
{
	char out[8192], err[8192];

	(void)state;
	assert_int_equal(report("--health -z", out, err, sizeof(out)), 3);
	assert_string_equal(out, "CONNTRACKD UNKNOWN - Unknown option: -z\n");
	assert_non_null(strstr(err, "conntrackd: Unknown option: -z\n"));
	assert_int_equal(report("-z --ready", out, err, sizeof(out)), 1);
	assert_string_equal(out, "CONNTRACKD NOT READY - Unknown option: -z\n");
	assert_int_equal(report("--live --timeout", out, err, sizeof(out)), 1);
	assert_int_equal(report("--json -z --health", out, err, sizeof(out)), 3);
	assert_ptr_equal(strstr(out, "{\"schema\":1,\"kind\":\"health\",\"verdict\":{\"word\":"
				     "\"UNKNOWN\",\"status\":3,"),
			 out);
	assert_int_equal(report("--health", out, err, sizeof(out)), 0); /* the caller goes on */
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_rows),   cmocka_unit_test(details),
		cmocka_unit_test(long_words), cmocka_unit_test(reports),
		cmocka_unit_test(questions),  cmocka_unit_test(options_for_flows),
	};

	return cmocka_run_group_tests_name("client/cli", tests, NULL, NULL);
}
