/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of words: protocols, TCP states, helpers whose expectations are wanted; and the policies in
 * front of the first two. Blocks of the same set add up; of Accept and Ignore for the same set the
 * last one counts, with a warning.
 */
#include "conf/conf_ctx.h"

#include <string.h>
#include <strings.h>

static void add_proto(struct conf_ctx *ctx, const struct conf_word *word)
{
	static const char expected[] = "\n\t(a name such as tcp, udp, icmp, ipv6-icmp, sctp, gre, "
				       "esp is expected, or a number from 0 to 255)";
	const char *near = conf_proto_near(word->text);
	int proto = conf_proto_find(word->text);
	char buf[CONF_QUOTED];

	if (word->text[0] && !word->text[strspn(word->text, "0123456789")]) {
		proto = 0;
		for (const char *s = word->text; *s && proto <= 255; s++)
			proto = proto * 10 + (*s - '0');
		if (proto > 255)
			proto = -1;
	}
	if (proto == -1 && word->text[0] >= '0' && word->text[0] <= '9') {
		conf_error(ctx, &word->at, "unknown protocol \"%s\"%s", conf_quote(word->text, buf),
			   expected);
		ctx->proto_bad = true;
	} else if (proto == -1) { /* 1.4.x leaves such a name out */
		conf_warn(ctx, &word->at, "unknown protocol \"%s\" has no effect%s%s%s%s",
			  conf_quote(word->text, buf), near ? ", did you mean \"" : "",
			  near ? near : "", near ? "\"?" : "", expected);
	}
	if (proto == -1)
		return;
	ctx->conf.filter.proto[proto / 32] |= 1u << (proto % 32);
}

static void add_expect(struct conf_ctx *ctx, const struct conf_word *word)
{
	struct sync_expect_conf *expect = &ctx->conf.sync.expect;
	char name[SYNC_EXPECT_NAME_LEN + 1] = { 0 };

	memcpy(name, word->text, strnlen(word->text, SYNC_EXPECT_NAME_LEN));
	for (uint32_t i = 0; i < expect->n_names; i++) {
		if (!strcasecmp(expect->name[i], name))
			return;
	}
	if (expect->n_names == SYNC_EXPECT_NAMES_MAX) {
		conf_error(ctx, &word->at,
			   "ExpectationSync: more than %d names; leave out the list to get all "
			   "helpers",
			   SYNC_EXPECT_NAMES_MAX);
		return;
	}
	memcpy(expect->name[expect->n_names++], name, sizeof(name));
}

static void report_state(struct conf_ctx *ctx, const struct conf_word *word)
{
	const char *near = conf_tcp_state_near(word->text);
	char buf[CONF_QUOTED];

	conf_error(ctx, &word->at,
		   "unknown TCP state \"%s\"%s%s%s\n"
		   "\t(accepted: SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, "
		   "TIME_WAIT, CLOSED, "
		   "LISTEN, then \"for TCP\")",
		   conf_quote(word->text, buf), near ? ", did you mean \"" : "", near ? near : "",
		   near ? "\"?" : "");
	ctx->state_bad = true;
}

static void report_no_for(struct conf_ctx *ctx)
{
	conf_error(ctx, &ctx->states_at, "\"for TCP\" is missing after the states");
	ctx->state_bad = true;
}

/* "A B for TCP": states, then the word, then the protocol. */
static void add_state(struct conf_ctx *ctx, const struct conf_word *word)
{
	int state = conf_tcp_state_find(word->text);
	char buf[CONF_QUOTED];

	if (ctx->states_for) {
		ctx->states_for = false;
		if (!strcmp(word->text, "TCP"))
			return;
		conf_error(ctx, &word->at,
			   "\"for %s\": only TCP has states here, write \"for TCP\"",
			   conf_quote(word->text, buf));
		ctx->state_bad = true;
		return;
	}
	if (!strcmp(word->text, "for")) {
		ctx->states_open = false;
		ctx->states_for = true;
		return;
	}
	ctx->states_open = true;
	ctx->states_at = word->at;
	if (state == -1)
		report_state(ctx, word);
	else
		ctx->conf.filter.tcp_states |= 1u << state;
}

void conf_end_states(struct conf_ctx *ctx)
{
	if (ctx->states_open || ctx->states_for)
		report_no_for(ctx);
	ctx->states_open = ctx->states_for = false;
}

void conf_add_item(struct conf_ctx *ctx, const struct conf_word *word)
{
	enum conf_section section = conf_section_now(ctx);

	if (section == CONF_FILTER_STATE)
		ctx->states_at = word->at;
	if (word->bad) {
		ctx->proto_bad = ctx->state_bad = true;
		return;
	}
	if (section == CONF_FILTER_PROTO)
		add_proto(ctx, word);
	else if (section == CONF_EXPECT)
		add_expect(ctx, word);
	else if (section == CONF_FILTER_STATE)
		add_state(ctx, word);
}

static enum filter_policy parse_policy(struct conf_ctx *ctx, const struct conf_option *opt,
				       const struct conf_args *args, const struct conf_place *at)
{
	char buf[CONF_QUOTED];

	if (!args->n) {
		conf_error(ctx, at, "%s needs a policy: Accept or Ignore", opt->name);
		return FILTER_NONE;
	}
	if (!strcmp(args->word->text, "Accept"))
		return FILTER_ACCEPT;
	if (!strcmp(args->word->text, "Ignore"))
		return FILTER_IGNORE;
	if (!args->word->bad)
		conf_error(ctx, &args->word->at,
			   "%s: unknown policy \"%s\": Accept or Ignore is expected", opt->name,
			   conf_quote(args->word->text, buf));
	return FILTER_NONE;
}

static void set_policy(struct conf_ctx *ctx, const struct conf_option *opt,
		       enum filter_policy policy, enum filter_policy *current,
		       struct conf_place *first, const struct conf_place *at)
{
	if (policy == FILTER_NONE)
		return;
	if (*current == FILTER_NONE) {
		*first = *at;
		*current = policy;
	} else if (*current != policy) { /* 1.4.x: one list, and the last policy */
		conf_warn(ctx, at,
			  "%s: Accept and Ignore for the same set contradict each other (see line "
			  "%u): %s counts, for what both lists hold",
			  opt->name, first->line, policy == FILTER_ACCEPT ? "Accept" : "Ignore");
		*current = policy;
	}
}

void conf_open_list(struct conf_ctx *ctx, const struct conf_option *opt,
		    const struct conf_args *args, const struct conf_place *at)
{
	struct filter_conf *f = &ctx->conf.filter;
	enum filter_policy policy;

	if (opt->child == CONF_EXPECT) {
		ctx->conf.sync.expect.on = true; /* several blocks add up */
		ctx->expect_at = *at;
		return;
	}
	policy = opt->use == CONF_RENAMED ? FILTER_IGNORE : parse_policy(ctx, opt, args, at);
	if (opt->child == CONF_FILTER_PROTO)
		set_policy(ctx, opt, policy, &f->proto_policy, &ctx->proto_at, at);
	else if (opt->child == CONF_FILTER_ADDR)
		set_policy(ctx, opt, policy, &f->addr_policy, &ctx->addr_at, at);
	else
		set_policy(ctx, opt, policy, &f->state_policy, &ctx->state_at, at);
}

bool conf_set_old_states(struct conf_ctx *ctx, const struct conf_args *args,
			 const struct conf_place *at)
{
	const struct conf_option *opt = conf_option_find(CONF_FILTER, "State");

	set_policy(ctx, opt, FILTER_ACCEPT, &ctx->conf.filter.state_policy, &ctx->state_at, at);
	for (size_t i = 0; i < args->n; i++) {
		ctx->states_at = args->word[i].at;
		add_state(ctx, &args->word[i]);
	}
	conf_end_states(ctx);
	return !ctx->state_bad;
}
