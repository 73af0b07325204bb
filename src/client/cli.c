/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. A small parser of our own, because getopt cannot do the one thing that is
 * needed: an optional argument in a word of its own (`-s network`).
 *
 * 1.4.x looks at the second character of each word and nothing else, so `conntrackd start`
 * schedules a flush of the kernel table and `-i -k` kills. Here exactly the documented forms are
 * accepted: arguments attached or in the next word, words abbreviated to a prefix that only one of
 * them has, options without argument joined (`-dC file`), and for each option a long name
 * (`--config file`, `--config=file`), which is not abbreviated, so that a later option can never
 * change what a script means; anything else is an error before anything happens. For
 * users: conntrackd.8.
 *
 * A new general option is one row of `options`. A new word, a command of our own and every argument
 * of a command come from the rows of control/command.c. */
#include "client/cli.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/answer.h"
#include "config.h"

enum arg_kind {
	ARG_NONE,
	ARG_FILE,    /* required */
	ARG_SECONDS, /* required, 1 to CLI_TIMEOUT_MAX */
	ARG_WORD,    /* optional, one of the words of control_command_word() */
};

enum option_kind {
	OPT_GENERAL,
	OPT_COMMAND, /* a request to the daemon */
};

/* Options without a letter get a number above all letters. */
enum {
	LONG_TIMEOUT = 256,
	LONG_DISABLE_HELPERS,
	LONG_NO_MACHINE,
	LONG_EXPLAIN,
};

struct option_row {
	int id;		  /* letter, or LONG_* */
	const char *name; /* long name, without dashes */
	enum arg_kind arg;
	enum option_kind kind;
};

static const struct option_row options[] = {
	{ 'd', "daemon", ARG_NONE, OPT_GENERAL },
	{ 'C', "config", ARG_FILE, OPT_GENERAL },
	{ 'v', "version", ARG_NONE, OPT_GENERAL },
	{ 'h', "help", ARG_NONE, OPT_GENERAL },
	{ 'T', "check", ARG_NONE, OPT_GENERAL },
	{ 'S', "stats-mode", ARG_NONE, OPT_GENERAL },
	{ 'x', "xml", ARG_NONE, OPT_GENERAL },
	{ LONG_TIMEOUT, "timeout", ARG_SECONDS, OPT_GENERAL },
	{ LONG_DISABLE_HELPERS, "disable-helpers", ARG_NONE, OPT_GENERAL },
	{ LONG_NO_MACHINE, "no-machine", ARG_NONE, OPT_GENERAL },
	{ LONG_EXPLAIN, "explain", ARG_NONE, OPT_GENERAL },
	{ 'c', "commit", ARG_WORD, OPT_COMMAND },
	{ 'f', "flush", ARG_WORD, OPT_COMMAND },
	{ 'F', "flush-kernel", ARG_WORD, OPT_COMMAND },
	{ 'i', "internal", ARG_WORD, OPT_COMMAND },
	{ 'e', "external", ARG_WORD, OPT_COMMAND },
	{ 'k', "kill", ARG_NONE, OPT_COMMAND },
	{ 's', "statistics", ARG_WORD, OPT_COMMAND },
	{ 'R', "resync-kernel", ARG_WORD, OPT_COMMAND },
	{ 'n', "request-resync", ARG_NONE, OPT_COMMAND },
	{ 'B', "send-bulk", ARG_NONE, OPT_COMMAND },
	{ 't', "schedule-flush", ARG_NONE, OPT_COMMAND },
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* What has been read so far. */
struct parse {
	struct cli *cli;
	char **argv;
	int argc;
	int at;		  /* index of the word being read */
	char command;	  /* letter of the client command, 0: none yet */
	char second;	  /* of another one; an error, but -h and -v that follow still count */
	const char *word; /* its argument in full, NULL: none */
	const struct ctl_command *own; /* a command of our own, in place of the letter */
	struct {
		const struct ctl_arg *arg; /* as some command declares it: of which type */
		const char *value;
	} args[CTL_ARGS_MAX];
	size_t n_args;
	bool xml, check, disable_helpers;
	bool stop; /* -h, -v or an error: nothing that follows matters */
};

static const struct option_row *find_letter(char c)
{
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		if (options[i].id == (unsigned char)c)
			return &options[i];
	}
	return NULL;
}

static const struct option_row *find_name(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < N_OPTIONS; i++) {
		if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0)
			return &options[i];
	}
	return NULL;
}

/* For messages: the long name of a letter. */
static const char *name_of(char letter)
{
	const struct option_row *o = find_letter(letter);

	assert(o);
	return o->name;
}

static void fail(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->cli->error, sizeof(p->cli->error), fmt, ap);
	va_end(ap);
	p->cli->action = CLI_ERROR;
	p->cli->cmd = NULL;
	p->stop = true;
}

static void finish(struct parse *p, enum cli_action action)
{
	p->cli->action = action;
	p->stop = true;
}

/* "ct, expect", for messages: the words that begin with start. Old names are left out. */
static void list_words(char letter, const char *start, char *buf, size_t cap)
{
	const char *old, *w;
	size_t i, n = 0;

	buf[0] = '\0';
	for (i = 0; (w = control_command_word(letter, i)) && n < cap; i++) {
		control_command_expand(letter, w, &old, NULL);
		if (!old && strncmp(w, start, strlen(start)) == 0)
			n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", w);
	}
}

static void set_command(struct parse *p, char letter, const char *value)
{
	char words[128];
	const char *old = NULL;
	bool ambiguous;

	if (p->command)
		p->second = letter;
	else
		p->command = letter;
	if (!value)
		return;
	p->word = control_command_expand(letter, value, &old, &ambiguous);
	if (!p->word) {
		list_words(letter, ambiguous ? value : "", words, sizeof(words));
		if (ambiguous)
			fail(p, "parameter \"%.40s\" for option -%c, --%s is ambiguous: %s", value,
			     letter, name_of(letter), words);
		else if (letter == 's' || letter == 'f')
			fail(p, "unknown parameter \"%.40s\" for option -%c, --%s (known: %s)",
			     value, letter, name_of(letter), words);
		else
			fail(p, "unexpected argument \"%.40s\" (known for -%c, --%s: %s)", value,
			     letter, name_of(letter), words);
		return;
	}
	if (old)
		snprintf(p->cli->warning, sizeof(p->cli->warning),
			 "\"-%c %s\" is an old name, use \"-%c %s\"", letter, old, letter, p->word);
}

static void set_timeout(struct parse *p, const char *value)
{
	unsigned long n = 0;
	size_t digits;

	assert(value); /* the option has an argument */
	digits = strspn(value, "0123456789");
	if (digits > 0 && digits <= 6 && !value[digits])
		n = strtoul(value, NULL, 10);
	if (n == 0 || n > CLI_TIMEOUT_MAX)
		fail(p, "--timeout: \"%.40s\" is no number of seconds from 1 to %d", value,
		     CLI_TIMEOUT_MAX);
	else
		p->cli->timeout_s = (unsigned int)n;
}

static void apply(struct parse *p, const struct option_row *o, const char *value)
{
	if (o->kind == OPT_COMMAND) {
		set_command(p, (char)o->id, value);
		return;
	}
	switch (o->id) {
	case 'd':
		p->cli->background = true;
		break;
	case 'C':
		p->cli->config = value; /* the last one counts */
		break;
	case 'v':
		finish(p, CLI_VERSION);
		break;
	case 'h':
		finish(p, CLI_HELP);
		break;
	case 'T':
		p->check = true;
		break;
	case 'S':
		p->cli->stats = true;
		break;
	case 'x':
		p->xml = true;
		break;
	case LONG_DISABLE_HELPERS:
		p->disable_helpers = true;
		break;
	case LONG_NO_MACHINE:
		p->cli->check.no_machine = true;
		break;
	case LONG_EXPLAIN:
		p->cli->check.explain = true;
		break;
	case LONG_TIMEOUT:
		set_timeout(p, value);
		break;
	}
}

/* The next word, if it can be an argument; it is used up then. */
static const char *take_word(struct parse *p)
{
	if (p->at + 1 >= p->argc || p->argv[p->at + 1][0] == '-')
		return NULL;
	return p->argv[++p->at];
}

/* The argument of o: attached, or (attached NULL) in the next word. False when a required one is
 * missing, or when there is one too many. */
static bool take_value(struct parse *p, const struct option_row *o, const char *attached,
		       const char **value)
{
	*value = NULL;
	if (o->arg == ARG_NONE) {
		if (attached)
			fail(p, "option --%s takes no argument", o->name);
		return !attached;
	}
	*value = attached ? attached : take_word(p);
	if (o->arg == ARG_SECONDS && !*value) {
		fail(p, "--%s needs a number of seconds", o->name);
		return false;
	}
	if (o->arg == ARG_FILE && (!*value || !(*value)[0])) {
		fail(p, "Missing config filename after -%c, --%s", o->id, o->name);
		return false;
	}
	return true;
}

/* A word of letters: those without argument may be joined, the first with one takes the rest. */
static void read_letters(struct parse *p, const char *word)
{
	const char *at = word + 1, *value;

	while (*at && !p->stop) {
		const struct option_row *o = find_letter(*at++);

		if (!o) {
			fail(p, "Unknown option: %.60s", word);
			return;
		}
		if (!take_value(p, o, o->arg != ARG_NONE && *at ? at : NULL, &value))
			return;
		apply(p, o, value);
		if (o->arg != ARG_NONE)
			return; /* the rest of the word, if any, was its argument */
	}
}

/* An argument of this name, of whichever command, or NULL. */
static const struct ctl_arg *find_arg(const char *name)
{
	const struct ctl_command *cmd;
	const struct ctl_arg *a;

	for (size_t i = 0; (cmd = control_command_at(i)); i++) {
		a = ctl_arg_find(cmd, name);
		if (a)
			return a;
	}
	return NULL;
}

/* Whose it is, and whether its value is one, is known when all words have been read. */
static void read_arg(struct parse *p, const struct ctl_arg *a, const char *value)
{
	bool flag = a->type == CTL_ARG_FLAG;

	if (flag && value)
		fail(p, "option --%s takes no argument", a->name);
	if (!flag && !value)
		value = take_word(p);
	if (a->optional && !value)
		value = "";
	else if (!flag && (!value || !value[0]))
		fail(p, "--%s needs a value", a->name);
	if (p->stop)
		return;
	for (size_t i = 0; i < p->n_args; i++)
		if (strcmp(p->args[i].arg->name, a->name) == 0 && flag)
			return; /* said twice, meant once */
	if (p->n_args == CTL_ARGS_MAX) {
		fail(p, "more than %d arguments", CTL_ARGS_MAX);
		return;
	}
	p->args[p->n_args].arg = a;
	p->args[p->n_args++].value = value;
}

/* A name that is an argument as well (--status) is one if it has a value. */
static bool means_own(const struct parse *p, const struct ctl_command *own, bool attached,
		      const struct ctl_arg *a)
{
	bool follows = p->at + 1 < p->argc && p->argv[p->at + 1][0] != '-';

	return !a || (!attached && !follows) || ctl_arg_find(own, own->name);
}

/* "primary, backup": what may stand behind an option of our own. */
static void list_own_words(const char *name, char *buf, size_t cap)
{
	const char *w;
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; (w = control_command_own_word(name, i)) && n < cap; i++)
		n += (size_t)snprintf(buf + n, cap - n, "%s%s", i ? ", " : "", w);
}

/* The word behind it, if there may be one, makes another command of it; a number is an argument of
 * its name. NULL: an error. */
static const struct ctl_command *with_value(struct parse *p, const struct ctl_command *cmd,
					    const char **value)
{
	const struct ctl_arg *a = ctl_arg_find(cmd, cmd->name);
	const struct ctl_command *found;
	char words[128];

	if (a) {
		read_arg(p, a, *value);
		*value = NULL;
		return p->stop ? NULL : cmd;
	}
	if (!control_command_own_word(cmd->name, 0))
		return cmd;
	*value = *value ? *value : take_word(p);
	if (!*value)
		return cmd;
	found = control_command_with_word(cmd->name, *value);
	list_own_words(cmd->name, words, sizeof(words));
	if (!found)
		fail(p, "--%s: unknown \"%.40s\" (known: %s)", cmd->name, *value, words);
	*value = NULL;
	return found;
}

static void read_own(struct parse *p, const struct ctl_command *cmd, const char *value)
{
	cmd = with_value(p, cmd, &value);
	if (!cmd)
		return;
	if (value)
		fail(p, "option --%s takes no argument", cmd->name);
	else if (p->own || p->command)
		fail(p, "Invalid parameters: only one command at a time, not both %s and %s",
		     p->own ? p->own->text : "another", cmd->text);
	else
		p->own = cmd;
}

/* `--name`, `--name=value`, `--name value`. */
static void read_name(struct parse *p, const char *word)
{
	const char *name = word + 2, *equals = strchr(name, '='), *value;
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *o = find_name(name, n);
	const struct ctl_command *own = control_command_by_name(name, n);
	char plain[CTL_NAME_MAX + 1];
	const struct ctl_arg *a;

	snprintf(plain, sizeof(plain), "%.*s", (int)n, name);
	a = n <= CTL_NAME_MAX ? find_arg(plain) : NULL;
	if (o) {
		if (take_value(p, o, equals ? equals + 1 : NULL, &value))
			apply(p, o, value);
	} else if (own && means_own(p, own, equals, a)) {
		read_own(p, own, equals ? equals + 1 : NULL);
	} else if (a) {
		read_arg(p, a, equals ? equals + 1 : NULL);
	} else {
		fail(p, "Unknown option: %.60s", word);
	}
}

static void read_word(struct parse *p, const char *word)
{
	if (word[0] != '-')
		fail(p, "unexpected argument \"%.60s\": options begin with \"-\"", word);
	else if (word[1] == '-')
		read_name(p, word);
	else if (word[1])
		read_letters(p, word);
	else
		fail(p, "Unknown option: -");
}

/* Is row i the first with its option that takes an argument of this name? */
static bool is_taker(size_t i, const char *name)
{
	const struct ctl_command *cmd = control_command_at(i);

	if (!ctl_arg_find(cmd, name) || (cmd->name && cmd->arg))
		return false; /* with a word behind it: the row without says it for all */
	for (size_t k = 0; cmd->option && k < i; k++)
		if (control_command_at(k)->option == cmd->option &&
		    ctl_arg_find(control_command_at(k), name))
			return false;
	return true;
}

/* "-i, -e or -s": the commands that take an argument of this name. */
static void takers(const char *name, char *buf, size_t cap)
{
	const struct ctl_command *cmd;
	size_t all = 0, nth = 0, n = 0;

	for (size_t i = 0; control_command_at(i); i++)
		all += is_taker(i, name);
	buf[0] = '\0';
	for (size_t i = 0; (cmd = control_command_at(i)) && n < cap; i++) {
		const char *before = nth == 0 ? "" : nth + 1 < all ? ", " : " or ";

		if (!is_taker(i, name))
			continue;
		n += cmd->option ?
			     (size_t)snprintf(buf + n, cap - n, "%s-%c", before, cmd->option) :
			     (size_t)snprintf(buf + n, cap - n, "%s%s", before, cmd->text);
		nth++;
	}
}

static void needs_command(struct parse *p, const char *name)
{
	char commands[160];

	takers(name, commands, sizeof(commands));
	fail(p, "Invalid parameters: --%s needs %s", name, commands);
}

/* Does the option take it without its word: -i, where -i expect does not? */
static bool is_about_flows(const struct parse *p, const char *name)
{
	const struct ctl_command *flows =
		p->own ? NULL : control_command_find(p->command, NULL, p->xml);

	return p->word && flows && ctl_arg_find(flows, name);
}

/* The arguments, now that it is known of which command. */
static void check_args(struct parse *p)
{
	struct cli *cli = p->cli;
	struct text err = { 0 };

	for (size_t i = 0; i < p->n_args && !p->stop; i++) {
		const char *name = p->args[i].arg->name;

		if (!ctl_arg_find(cli->cmd, name) && is_about_flows(p, name))
			fail(p, "Invalid parameters: --%s is about flows, and does not go with %s",
			     name, cli->cmd->text);
		else if (!ctl_arg_find(cli->cmd, name))
			needs_command(p, name);
		else if (!ctl_args_add(&cli->args, cli->cmd, name, p->args[i].value, &err))
			fail(p, "%s", err.buf ? err.buf : "out of memory");
	}
	text_free(&err);
}

static void needs_check(struct parse *p)
{
	const struct cli_check *c = &p->cli->check;

	if (!p->check && (c->no_machine || c->explain))
		fail(p, "Invalid parameters: --%s needs -T", c->explain ? "explain" : "no-machine");
	else if (c->explain && p->cli->json)
		fail(p, "Invalid parameters: not both --explain and --json");
}

/* Combinations, once all words are known. */
static void check_client(struct parse *p)
{
	struct cli *cli = p->cli;
	bool dump = p->command == 'i' || p->command == 'e', json = false;

	needs_check(p);
	if (p->stop)
		return;

	for (size_t i = 0; i < p->n_args; i++)
		json = json || strcmp(p->args[i].arg->name, "json") == 0;
	if (p->second)
		fail(p, "Invalid parameters: only one command at a time, not both -%c and -%c",
		     p->command, p->second);
	else if (p->own && p->command)
		fail(p, "Invalid parameters: only one command at a time, not both %s and -%c",
		     p->own->text, p->command);
	else if (cli->background || p->check)
		fail(p, "Invalid parameters: -%c does not go with %s", cli->background ? 'd' : 'T',
		     p->own ? p->own->text : (const char[]){ '-', p->command, '\0' });
	else if (p->disable_helpers)
		fail(p, "Invalid parameters: --disable-helpers does not go with %s",
		     p->own ? p->own->text : (const char[]){ '-', p->command, '\0' });
	else if (p->xml && !dump)
		fail(p, "Invalid parameters: -x needs -i or -e");
	else if (p->xml && json)
		fail(p, "Invalid parameters: not both -x and --json");
	if (p->stop)
		return;
	if (cli->stats)
		snprintf(cli->warning, sizeof(cli->warning),
			 "-S has no effect on a client command");
	cli->action = CLI_CLIENT;
	cli->cmd = p->own ? p->own : control_command_find(p->command, p->word, p->xml);
	if (!cli->cmd)
		fail(p, "Invalid parameters: there is no such command");
	else
		check_args(p);
}

/* -T takes words that commands take, too: --strict, --json, --peer. False: one that it does not. */
static bool take_check_args(struct parse *p)
{
	for (size_t i = 0; i < p->n_args; i++) {
		const char *name = p->args[i].arg->name;

		if (strcmp(name, "strict") == 0)
			p->cli->check.strict = true;
		else if (strcmp(name, "peer") == 0)
			p->cli->check.peer = p->args[i].value;
		else if (strcmp(name, "json") != 0)
			return false;
	}
	return true;
}

static void check_daemon(struct parse *p)
{
	struct cli *cli = p->cli;

	needs_check(p);
	if (p->stop)
		return;
	if (p->xml)
		fail(p, "Invalid parameters: -x needs -i or -e");
	else if (p->n_args > 0 && !(p->check && take_check_args(p)))
		needs_command(p, p->args[0].arg->name);
	else if (cli->timeout_s)
		fail(p, "Invalid parameters: --timeout needs a command for a running daemon");
	else if (p->check && cli->background)
		fail(p, "Invalid parameters: -d does not go with -T");
	else if (p->disable_helpers && (p->check || cli->background))
		fail(p, "Invalid parameters: --disable-helpers does not go with -%c",
		     p->check ? 'T' : 'd');
	else
		cli->action = p->disable_helpers ? CLI_DISABLE_HELPERS :
			      p->check		 ? CLI_CHECK :
						   CLI_DAEMON;
}

/* Whoever asks a question is answered in its form, whatever is wrong with the other words. */
static void find_question(int argc, char **argv, struct cli *cli)
{
	for (int i = 1; i < argc; i++) {
		const struct ctl_command *cmd = NULL;

		if (strncmp(argv[i], "--", 2) == 0)
			cmd = control_command_by_name(argv[i] + 2, strlen(argv[i] + 2));
		if (cmd && cli->question == CTL_ASKS_NOTHING)
			cli->question = cmd->question;
		if (strcmp(argv[i], "--json") == 0)
			cli->json = true;
	}
}

void cli_parse(int argc, char **argv, struct cli *cli)
{
	struct parse p = { .cli = cli, .argv = argv, .argc = argc };

	*cli = (struct cli){ .argv0 = argc > 0 ? argv[0] : "conntrackd" };
	find_question(argc, argv, cli);
	for (p.at = 1; p.at < argc && !p.stop; p.at++)
		read_word(&p, argv[p.at]);
	if (p.stop)
		return;
	if (p.command || p.own)
		check_client(&p);
	else
		check_daemon(&p);
}

/* What stands behind a command that is an argument as well. */
static const char *own_word(const struct ctl_command *cmd)
{
	const struct ctl_arg *own = ctl_arg_find(cmd, cmd->name);

	return !own ? "" : own->type == CTL_ARG_NUMBER ? " SECONDS" : " WORD";
}

/* Commands of our own, and the arguments of all. */
static void print_own(FILE *out)
{
	const struct ctl_command *cmd, *before;
	char commands[160];

	for (size_t i = 0; (cmd = control_command_at(i)); i++)
		if (cmd->name)
			fprintf(out, "      %s%s, %s\n", cmd->text, own_word(cmd), cmd->help);
	for (size_t i = 0; (cmd = control_command_at(i)); i++) {
		for (const struct ctl_arg *a = cmd->args; a && a->name; a++) {
			size_t k = 0;

			if (cmd->name && strcmp(a->name, cmd->name) == 0)
				continue; /* it stands behind the option itself */
			while ((before = control_command_at(k)) != cmd &&
			       !ctl_arg_find(before, a->name))
				k++;
			takers(a->name, commands, sizeof(commands));
			if (before == cmd) /* the first that takes it */
				fprintf(out, "      --%s%s, with %s: %s\n", a->name,
					a->type == CTL_ARG_FLAG	  ? "" :
					a->type == CTL_ARG_NUMBER ? " NUMBER" :
								    " WORD",
					commands, a->help);
		}
	}
}

static void print_help(const char *argv0, FILE *out)
{
	fprintf(out, "Connection tracking userspace daemon v%s\n", PACKAGE_VERSION);
	fprintf(out, "Usage: %s [commands] [options]\n\n", argv0);
	fputs("General commands:\n"
	      "  -d, --daemon, run in the background\n"
	      "  -C, --config [configfile], use this configuration file\n"
	      "  -S, --stats-mode, statistics mode, where the file has both sections, Sync and "
	      "Stats\n"
	      "  -T, --check, check the configuration file and what this machine would make of "
	      "it, then exit\n"
	      "      --strict, with -T: warnings are failures\n"
	      "      --no-machine, with -T: only what does not depend on this machine\n"
	      "      --peer FILE, with -T: do both files make a pair?\n"
	      "      --explain, with -T: print the effective configuration, and where each value "
	      "comes from\n"
	      "      --disable-helpers, disable the helpers that a daemon which has crashed left "
	      "enabled in the kernel, then exit\n"
	      "      --timeout SECONDS, with a client command: give up when the daemon is silent "
	      "for so long (30)\n"
	      "  -v, --version, show the version\n"
	      "  -h, --help, show this help\n"
	      "\n"
	      "Client mode commands:\n"
	      "  -c, --commit [ct|expect], put the states of the peer into the kernel\n"
	      "  -f, --flush [internal|external], compare the internal cache with the kernel, "
	      "empty the external one\n"
	      "  -F, --flush-kernel [ct|expect], empty the kernel table\n"
	      "  -i, --internal [ct|expect], show the internal cache: the states of this node\n"
	      "  -e, --external [ct|expect], show the external cache: the states of the peer\n"
	      "  -x, --xml, with -i or -e: as XML\n"
	      "  -k, --kill, end the daemon\n"
	      "  -s, --statistics "
	      "[network|cache|runtime|link|rsqueue|process|queue|ct|expect|peers|helper|gate], "
	      "show "
	      "statistics\n"
	      "  -R, --resync-kernel [ct|expect], read the kernel table again\n"
	      "  -n, --request-resync, ask the peer to send all its states (FTFW and NOTRACK)\n"
	      "  -B, --send-bulk, send all our states to the peer (FTFW and NOTRACK)\n"
	      "  -t, --schedule-flush, empty the kernel table after PurgeTimeout\n",
	      out);
	print_own(out);
	fputs("\n", out);
}

int cli_report(const struct cli *cli, FILE *out, FILE *err)
{
	if (cli->warning[0])
		fprintf(err, "%s: %s\n", cli->argv0, cli->warning);
	switch (cli->action) {
	case CLI_HELP:
		print_help(cli->argv0, out);
		return 0;
	case CLI_VERSION:
		fprintf(out,
			"Connection tracking userspace daemon v%s. Licensed under GPLv2 or later.\n"
			"(C) 2026 the authors of this conntrackd\n",
			PACKAGE_VERSION);
		return 0;
	case CLI_ERROR:
		fprintf(err, "%s: %s\nUsage: %s [commands] [options]; %s --help tells which\n",
			cli->argv0, cli->error, cli->argv0, cli->argv0);
		if (cli->question == CTL_ASKS_NOTHING)
			return 1;
		return client_answer(&(struct client_answer){ .asked = cli->question,
							      .json = cli->json,
							      .end = CLIENT_NOT_KNOWN,
							      .why = cli->error },
				     out);
	case CLI_DAEMON:
	case CLI_CLIENT:
	case CLI_CHECK:
	case CLI_DISABLE_HELPERS:
		break;
	}
	return 0;
}
