/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * One option with its value: type, range, the note that it was set before, and where it goes. A
 * value that is refused is reported and remembered as bad, so that later rules do not call it
 * missing. Repeating an option is no error: the last value counts, as in 1.4.x.
 */
#include "conf/conf_ctx.h"

#include "base/log.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#define QUOTE(word, buf) conf_quote((word)->text, buf)
#define TOO_BIG		 (UINT32_MAX + 1ull)
#define AMOUNT_MAX_LEAST (1u << 24) /* of the options that are sizes, counts or times */

static void *scope_base(struct conf_ctx *ctx, enum conf_scope scope)
{
	switch (scope) {
	case CONF_SCOPE_FILE:
		return &ctx->conf;
	case CONF_SCOPE_LINK:
		return ctx->cur_link < CHANNEL_LINKS_MAX ? &ctx->conf.channel.link[ctx->cur_link] :
							   &ctx->extra_link;
	case CONF_SCOPE_HELPER:
		return ctx->helper;
	case CONF_SCOPE_POLICY:
		return ctx->policy;
	}
	return &ctx->conf;
}

static void bad_number(struct conf_ctx *ctx, const struct conf_option *opt,
		       const struct conf_word *word, const char *why)
{
	char buf[CONF_QUOTED];

	conf_error(ctx, &word->at, "%s: \"%s\" %s: %s%u to %u%s%s", opt->name, QUOTE(word, buf),
		   why, opt->type == CONF_T_SECONDS_OR_BOOL ? "on, off, or " : "", opt->min,
		   opt->max, opt->unit ? " " : "", opt->unit ? opt->unit : "");
}

/* Digits only; leading zeros are decimal. What is too big for every option becomes TOO_BIG. */
static bool read_digits(struct conf_ctx *ctx, const struct conf_option *opt,
			const struct conf_word *word, uint64_t *value)
{
	const char *s = word->text;
	uint64_t n = 0;

	if (!*s || s[strspn(s, "0123456789")]) {
		bad_number(ctx, opt, word, "is not a number (only digits, no sign, no unit)");
		return false;
	}
	for (; *s; s++) {
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > TOO_BIG)
			n = TOO_BIG;
	}
	*value = n;
	return true;
}

/* 
 * Sizes, counts and times have ranges that end far beyond any need; a larger number means "very
 * many", and 1.4.x starts with it, so the largest possible value is taken. Elsewhere a number out
 * of range has no such meaning.
 */
static bool parse_number(struct conf_ctx *ctx, const struct conf_option *opt,
			 const struct conf_word *word, uint32_t *value)
{
	char buf[CONF_QUOTED];
	uint64_t n;

	if (!read_digits(ctx, opt, word, &n))
		return false;
	if (n > opt->max && opt->max >= AMOUNT_MAX_LEAST) {
		conf_warn(ctx, &word->at, "%s: \"%s\" is more than is possible: taken as %u%s%s",
			  opt->name, QUOTE(word, buf), opt->max, opt->unit ? " " : "",
			  opt->unit ? opt->unit : "");
		n = opt->max;
	}
	if (n < opt->min || n > opt->max) {
		bad_number(ctx, opt, word, "is out of range");
		return false;
	}
	*value = (uint32_t)n;
	return true;
}

static bool set_number(struct conf_ctx *ctx, const struct conf_option *opt,
		       const struct conf_word *word, void *to)
{
	uint32_t n;

	if (!parse_number(ctx, opt, word, &n))
		return false;
	if (!n && opt->init) /* 0 stands for the default */
		n = (uint32_t)strtoul(opt->init, NULL, 10);
	*(uint32_t *)to = n;
	return true;
}

/* Of a number above the range 1.4.x takes the lower 16 bits, on both nodes; such a pair works, and
 * an upgrade goes node by node, so the same bits are taken here. */
static bool set_port(struct conf_ctx *ctx, const struct conf_option *opt,
		     const struct conf_word *word, void *to)
{
	char buf[CONF_QUOTED];
	uint64_t n;

	if (!read_digits(ctx, opt, word, &n))
		return false;
	if (n < TOO_BIG && n > opt->max && (uint16_t)n) {
		conf_warn(ctx, &word->at,
			  "%s: \"%s\" is out of range: %u to %u; %u is taken, as 1.4.x does",
			  opt->name, QUOTE(word, buf), opt->min, opt->max, (uint16_t)n);
	} else if (n < opt->min || n > opt->max) {
		bad_number(ctx, opt, word, "is out of range");
		return false;
	}
	*(uint16_t *)to = (uint16_t)n;
	return true;
}

static bool set_bool(struct conf_ctx *ctx, const struct conf_option *opt,
		     const struct conf_word *word, void *to)
{
	char buf[CONF_QUOTED];
	bool on;

	if (!conf_bool_find(word->text, &on)) {
		conf_error(ctx, &word->at, "%s: \"%s\" is not a boolean: use on, off, yes or no",
			   opt->name, QUOTE(word, buf));
		return false;
	}
	*(bool *)to = on;
	return true;
}

static bool set_seconds_or_bool(struct conf_ctx *ctx, const struct conf_option *opt,
				const struct conf_word *word, void *to)
{
	bool on;

	if (!conf_bool_find(word->text, &on))
		return set_number(ctx, opt, word, to);
	*(uint32_t *)to = on ? (uint32_t)strtoul(opt->init, NULL, 10) : 0;
	return true;
}

static bool set_path(struct conf_ctx *ctx, const struct conf_option *opt,
		     const struct conf_word *word, void *to)
{
	char buf[CONF_QUOTED];
	size_t len = strlen(word->text);

	if (word->kind != CONF_W_PATH) {
		conf_error(ctx, &word->at,
			   "%s: \"%s\": an absolute path is expected, without quotes%s", opt->name,
			   QUOTE(word, buf),
			   opt->type == CONF_T_LOGFILE ? ", or on, off, yes or no" : "");
		return false;
	}
	if (len > opt->max) {
		conf_error(ctx, &word->at, "%s: the path has %zu bytes, at most %u are possible",
			   opt->name, len, opt->max);
		return false;
	}
	memcpy(to, word->text, len + 1);
	return true;
}

static bool set_logfile(struct conf_ctx *ctx, const struct conf_option *opt,
			const struct conf_word *word, void *to)
{
	struct log_conf *log = to;
	bool on;

	if (!conf_bool_find(word->text, &on)) {
		if (!set_path(ctx, opt, word, log->path))
			return false;
		log->to_file = true;
		return true;
	}
	log->to_file = on;
	memset(log->path, 0, sizeof(log->path));
	if (on)
		memcpy(log->path, opt->on_path, strlen(opt->on_path) + 1);
	return true;
}

static bool set_facility(struct conf_ctx *ctx, const struct conf_option *opt,
			 const struct conf_word *word, void *to)
{
	struct log_conf *log = to;
	char buf[CONF_QUOTED];
	int facility = conf_facility_find(word->text);
	const char *near;
	bool on;

	if (conf_bool_find(word->text, &on))
		facility = on ? LOG_DAEMON : LOG_CONF_NO_SYSLOG;
	else if (facility == -1) {
		/* 1.4.x starts with any name, and stays silent */
		bool name = isalpha((unsigned char)word->text[0]);

		near = conf_facility_near(word->text);
		(name ? conf_warn : conf_error)(
			ctx, &word->at,
			"%s: \"%s\" is not a usable facility%s%s%s%s\n"
			"\t(accepted: on, off, yes, no, daemon, local0 to local7, in lower case)",
			opt->name, QUOTE(word, buf), name ? ", daemon is taken" : "",
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		if (!name)
			return false;
		facility = LOG_DAEMON;
	}
	log->facility = facility;
	return true;
}

static bool set_ifname(struct conf_ctx *ctx, const struct conf_option *opt,
		       const struct conf_word *word, void *to)
{
	const char *name = word->text;
	size_t len = strlen(name);
	char buf[CONF_QUOTED];

	if (len >= IF_NAMESIZE)
		conf_error(ctx, &word->at, "%s: \"%s\" has %zu bytes, at most %d are possible",
			   opt->name, QUOTE(word, buf), len, IF_NAMESIZE - 1);
	else if (strchr(name, ':'))
		conf_error(ctx, &word->at, "%s: \"%s\" is the label of an address: write %.*s",
			   opt->name, QUOTE(word, buf), (int)strcspn(name, ":"), name);
	else if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		conf_error(ctx, &word->at, "%s: \"%s\" is not an interface name", opt->name,
			   QUOTE(word, buf));
	else {
		memset(to, 0, IF_NAMESIZE);
		memcpy(to, name, len);
		return true;
	}
	return false;
}

static bool set_name(struct conf_ctx *ctx, const struct conf_option *opt,
		     const struct conf_word *word, void *to)
{
	size_t len = strlen(word->text);
	char buf[CONF_QUOTED];

	if (len == 0 || len > opt->max) {
		conf_error(ctx, &word->at, "%s: \"%s\" has %zu bytes, 1 to %u are possible",
			   opt->name, QUOTE(word, buf), len, opt->max);
		return false;
	}
	memcpy(to, word->text, len + 1);
	return true;
}

/* One that is there already is no second one. */
static bool set_names(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_word *word, void *to)
{
	struct role_names *names = to;
	char name[ROLE_NAME_MAX + 1];

	if (!set_name(ctx, opt, word, name))
		return false;
	for (uint32_t i = 0; i < names->n; i++)
		if (strcmp(names->name[i], name) == 0)
			return true;
	if (names->n == ROLE_NAMES_MAX) {
		conf_error(ctx, &word->at, "%s: more than %d names", opt->name, ROLE_NAMES_MAX);
		return false;
	}
	memcpy(names->name[names->n++], name, sizeof(name));
	return true;
}

static bool set_sched(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_word *word, void *to)
{
	enum conf_sched_type *type = to;
	char buf[CONF_QUOTED];

	if (!strcasecmp(word->text, "RR"))
		*type = CONF_SCHED_RR;
	else if (!strcasecmp(word->text, "FIFO"))
		*type = CONF_SCHED_FIFO;
	else {
		conf_error(ctx, &word->at, "%s: \"%s\" is not a scheduler for this: use RR or FIFO",
			   opt->name, QUOTE(word, buf));
		return false;
	}
	return true;
}

static bool set_level(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_word *word, void *to)
{
	int level = log_level_find(word->text);
	char buf[CONF_QUOTED];

	if (level == -1) {
		conf_error(ctx, &word->at,
			   "%s: \"%s\" is not a level: use info, notice, warning or error",
			   opt->name, QUOTE(word, buf));
		return false;
	}
	*(int *)to = level;
	return true;
}

static bool set_rules(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_word *word, void *to)
{
	char buf[CONF_QUOTED];

	if (!strcasecmp(word->text, "external")) {
		*(enum gate_rules *)to = GATE_RULES_EXTERNAL;
	} else if (!strcasecmp(word->text, "native")) {
		*(enum gate_rules *)to = GATE_RULES_NATIVE;
	} else {
		conf_error(ctx, &word->at, "%s: \"%s\": use native or external", opt->name,
			   QUOTE(word, buf));
		return false;
	}
	return true;
}

static bool set_expect(struct conf_ctx *ctx, const struct conf_option *opt,
		       const struct conf_word *word, void *to)
{
	struct sync_expect_conf *expect = to;
	char buf[CONF_QUOTED];
	bool on;

	if (!conf_bool_find(word->text, &on)) {
		conf_error(ctx, &word->at,
			   "%s: \"%s\": use on, off, yes, no, or { names of helpers }", opt->name,
			   QUOTE(word, buf));
		return false;
	}
	*expect = (struct sync_expect_conf){ .on = on };
	return true;
}

static bool set_old_checksum(struct conf_ctx *ctx, const struct conf_option *opt,
			     const struct conf_word *word, void *to)
{
	(void)to;
	ctx->old_checksum_given =
		set_bool(ctx, opt, word, &ctx->old_checksum) || ctx->old_checksum_given;
	return true;
}

static bool set_net(struct conf_ctx *ctx, const struct conf_option *opt,
		    const struct conf_word *word, void *to)
{
	(void)to;
	return conf_set_net(ctx, opt, word);
}

/* Setters by type; NULL: the type has no single value. */
static bool (*const setters[CONF_TYPES])(struct conf_ctx *ctx, const struct conf_option *opt,
					 const struct conf_word *word, void *to) = {
	[CONF_T_NUMBER] = set_number,
	[CONF_T_PORT] = set_port,
	[CONF_T_BOOL] = set_bool,
	[CONF_T_PATH] = set_path,
	[CONF_T_LOGFILE] = set_logfile,
	[CONF_T_FACILITY] = set_facility,
	[CONF_T_SECONDS_OR_BOOL] = set_seconds_or_bool,
	[CONF_T_IPV4] = conf_set_addr,
	[CONF_T_IPV6] = conf_set_addr,
	[CONF_T_NET4] = set_net,
	[CONF_T_NET6] = set_net,
	[CONF_T_PEER] = conf_set_peer,
	[CONF_T_IFNAME] = set_ifname,
	[CONF_T_NAME] = set_name,
	[CONF_T_NAMES] = set_names,
	[CONF_T_SCHED] = set_sched,
	[CONF_T_LEVEL] = set_level,
	[CONF_T_RULES] = set_rules,
	[CONF_T_EXPECT] = set_expect,
	[CONF_T_OLD_CHECKSUM] = set_old_checksum,
};

static void report_no_value(struct conf_ctx *ctx, const struct conf_option *opt,
			    const struct conf_place *at)
{
	switch (opt->type) {
	case CONF_T_NUMBER:
	case CONF_T_PORT:
		conf_error(ctx, at, "%s needs a number from %u to %u%s%s", opt->name, opt->min,
			   opt->max, opt->unit ? " " : "", opt->unit ? opt->unit : "");
		break;
	case CONF_T_BOOL:
	case CONF_T_OLD_CHECKSUM:
		conf_error(ctx, at, "%s needs a value: on, off, yes or no", opt->name);
		break;
	default:
		conf_error(ctx, at, "%s needs a value (%s)", opt->name, conf_type_name(opt->type));
		break;
	}
}

/* Warns if an option is set a second time to another value, unless the option may occur several
 * times. */
static void note_again(struct conf_ctx *ctx, const struct conf_option *opt,
		       const struct conf_seen *seen, const struct conf_word *word,
		       const struct conf_place *at)
{
	if (!seen->given || seen->bad || opt->type == CONF_T_NET4 || opt->type == CONF_T_NET6 ||
	    opt->type == CONF_T_PEER || opt->type == CONF_T_NAMES ||
	    !strcmp(seen->text, word->text))
		return;
	if (seen->at.file == at->file)
		conf_warn(ctx, at, "%s was already set in line %u; this value counts", opt->name,
			  seen->at.line);
	else
		conf_warn(ctx, at, "%s was already set in %s, line %u; this value counts",
			  opt->name, seen->at.file, seen->at.line);
}

static void set_value(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_args *args, const struct conf_place *at)
{
	struct conf_seen *seen = conf_seen(ctx, opt);
	const struct conf_word *word = args->word;
	char *base = scope_base(ctx, conf_option_scope(opt));
	bool ok;

	if (!args->n) {
		report_no_value(ctx, opt, at);
		*seen = (struct conf_seen){ .given = true, .bad = true, .text = "", .at = *at };
		return;
	}
	note_again(ctx, opt, seen, word, at);
	ok = !word->bad && setters[opt->type](ctx, opt, word, base + opt->at);
	*seen = (struct conf_seen){ .given = true, .bad = !ok, .text = word->text, .at = *at };
	if (conf_option_scope(opt) == CONF_SCOPE_HELPER ||
	    conf_option_scope(opt) == CONF_SCOPE_POLICY)
		conf_seen_helper(ctx, opt, at);
}

void conf_set_line(struct conf_ctx *ctx, const struct conf_option *opt,
		   const struct conf_args *args, const struct conf_place *at)
{
	if (conf_refuse_beside(ctx, opt, at))
		return;
	if (opt->use == CONF_IGNORED) {
		conf_warn(ctx, at, "%s is obsolete and ignored: %s", opt->name, opt->instead);
		return;
	}
	if (opt->use == CONF_RENAMED)
		conf_warn(ctx, at, "%s is obsolete: write %s", opt->name, opt->instead);
	opt = conf_option_canonical(conf_section_now(ctx), opt);
	if (opt->type == CONF_T_STATES)
		conf_set_old_states(ctx, args, at);
	else
		set_value(ctx, opt, args, at);
}

void conf_set_defaults(struct conf_ctx *ctx, enum conf_scope scope)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];
		struct conf_word word = {
			.kind = opt->init && opt->init[0] == '/' ? CONF_W_PATH : CONF_W_WORD,
			.text = opt->init,
		};
		char *base = scope_base(ctx, scope);

		if (opt->init && conf_option_scope(opt) == scope)
			setters[opt->type](ctx, opt, &word, base + opt->at);
	}
}
