/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * Braces: what a block's header means, which section the inside of a block is, and reports about
 * braces that are missing, superfluous, or around something unknown.
 */
#include "conf/conf_ctx.h"

#include <string.h>
#include <strings.h>

/* "Mode FTFW", "Multicast": a block as the user wrote it. */
static const char *frame_title(const struct conf_frame *f, char buf[CONF_QUOTED * 2])
{
	char arg[CONF_QUOTED];

	snprintf(buf, CONF_QUOTED * 2, "%s%s%s", f->name, f->arg ? " " : "",
		 f->arg ? conf_quote(f->arg, arg) : "");
	return buf;
}

static void push(struct conf_ctx *ctx, enum conf_section section, const char *name, const char *arg,
		 const struct conf_place *at)
{
	if (ctx->depth == CONF_DEPTH_MAX) {
		conf_error(ctx, at, "blocks are nested too deeply");
		ctx->gave_up = true;
		ctx->pos = ctx->words.n - 1; /* the end of the file is next */
		return;
	}
	ctx->frame[++ctx->depth] =
		(struct conf_frame){ .section = section, .name = name, .arg = arg, .at = *at };
}

/* Words that a header may not have. */
static void refuse_header(struct conf_ctx *ctx, const struct conf_option *opt,
			  const struct conf_args *args, size_t from, const char *expected)
{
	char buf[CONF_QUOTED];

	for (size_t i = from; i < args->n; i++) {
		if (!args->word[i].bad) {
			conf_error(ctx, &args->word[i].at,
				   "unexpected \"%s\" after %s: %s is expected",
				   conf_quote(args->word[i].text, buf), opt->name, expected);
			return;
		}
	}
}

static void remember_section(struct conf_ctx *ctx, enum conf_section section,
			     const struct conf_place *at)
{
	struct conf_place *first = section == CONF_SYNC	  ? &ctx->sync_at :
				   section == CONF_STATS  ? &ctx->stats_at :
				   section == CONF_HELPER ? &ctx->helper_at :
				   section == CONF_ROLE	  ? &ctx->role_at :
							    NULL;

	if (first && !first->line && !ctx->beside)
		*first = *at;
	if (section == CONF_HELPER)
		ctx->conf.helper.present = true;
}

/* clang-format off */
#define ROW(mode, ops, like) ", " #mode
static const char modes_accepted[] = SYNC_MODES(ROW);
#undef ROW
/* clang-format on */

/* The mode of this header, -1 when none can be made of it. */
static int parse_mode(struct conf_ctx *ctx, const struct conf_args *args,
		      const struct conf_place *at)
{
	const char *accepted = modes_accepted + 2, *near;
	char buf[CONF_QUOTED];
	bool old;
	int mode;

	if (!args->n) {
		conf_error(ctx, at, "Mode needs a name (accepted: %s)", accepted);
		return -1;
	}
	mode = conf_mode_find(args->word->text, &old);
	if (mode < 0) {
		near = conf_mode_near(args->word->text);
		if (!args->word->bad)
			conf_error(ctx, &args->word->at, "unknown mode \"%s\"%s%s%s (accepted: %s)",
				   conf_quote(args->word->text, buf),
				   near ? ", did you mean \"" : "", near ? near : "",
				   near ? "\"?" : "", accepted);
		return near ? conf_mode_find(near, &old) : -1;
	}
	if (old)
		conf_warn(ctx, &args->word->at, "Mode %s is obsolete: write Mode %s",
			  args->word->text, conf_mode_name((enum sync_mode)mode));
	return mode;
}

static enum conf_section open_mode(struct conf_ctx *ctx, const struct conf_args *args,
				   const struct conf_place *at)
{
	int parsed = parse_mode(ctx, args, at);
	enum sync_mode mode = (enum sync_mode)parsed, *taken = &ctx->conf.sync.mode;

	if (ctx->mode_given && parsed >= 0 && mode != *taken) {
		/* as in 1.4.x: FTFW before ALARM before NOTRACK (their order as numbers), wherever
		 * they stand */
		if (mode < *taken)
			*taken = mode;
		conf_warn(ctx, at,
			  "Mode %s beside the Mode in line %u: there can be only one, %s is taken",
			  conf_mode_name(mode), ctx->mode_at.line, conf_mode_name(*taken));
	} else if (parsed >= 0) {
		*taken = mode;
	}
	if (!ctx->mode_given)
		ctx->mode_at = *at;
	ctx->mode_given = true;
	return parsed < 0 ? CONF_JUNK : conf_mode_section(mode);
}

static void open_link(struct conf_ctx *ctx, const struct conf_option *opt,
		      const struct conf_args *args, const struct conf_place *at)
{
	struct channel_conf *ch = &ctx->conf.channel;
	struct channel_link_conf *link = &ctx->extra_link;
	bool is_default = args->n && !strcmp(args->word->text, "Default");

	ctx->cur_link = ch->n_links;
	if (ch->n_links < CHANNEL_LINKS_MAX)
		link = &ch->link[ch->n_links++];
	else
		conf_error(ctx, at, "too many links: at most %d are possible", CHANNEL_LINKS_MAX);
	*link = (struct channel_link_conf){
		.type = conf_link_type(opt->name),
		.is_default = is_default,
		.file = ctx->file,
		.line = at->line,
	};
	memset(&ctx->link_state[ctx->cur_link], 0, sizeof(ctx->link_state[0]));
	ctx->link_state[ctx->cur_link].at = *at;
	conf_set_defaults(ctx, CONF_SCOPE_LINK);
	if (!is_default)
		refuse_header(ctx, opt, args, 0, "Default or {");
	if (link->type != ch->link[0].type)
		conf_error(ctx, at,
			   "a %s link beside the %s link in line %u: all links must be of one kind",
			   opt->name, conf_link_name(ch->link[0].type), ch->link[0].line);
}

static void open_gate(struct conf_ctx *ctx, const struct conf_place *at)
{
	ctx->conf.gate.on = true;
	ctx->conf.gate.file = at->file;
	ctx->conf.gate.line = at->line;
	ctx->conf.gate.column = at->column;
	ctx->gate_at = *at;
}

static void open_filter(struct conf_ctx *ctx, const struct conf_option *opt,
			const struct conf_args *args, const struct conf_place *at)
{
	bool kernel = false;
	char buf[CONF_QUOTED];

	if (args->n && (args->n < 2 || strcmp(args->word[0].text, "From")))
		refuse_header(ctx, opt, args, 0, "{, From Userspace { or From Kernelspace {");
	else if (args->n == 2) {
		kernel = !strcmp(args->word[1].text, "Kernelspace");
		if (!kernel && strcmp(args->word[1].text, "Userspace") && !args->word[1].bad)
			conf_error(ctx, &args->word[1].at,
				   "\"From %s\": Userspace or Kernelspace is expected",
				   conf_quote(args->word[1].text, buf));
	}
	if (ctx->filter_given && kernel != ctx->conf.filter.kernelspace)
		conf_warn(ctx, at,
			  "this Filter block is From %s, the one in line %u is not; this one "
			  "counts for all",
			  kernel ? "Kernelspace" : "Userspace", ctx->filter_at.line);
	ctx->conf.filter.kernelspace = kernel;
	ctx->filter_given = true;
	ctx->filter_at = *at;
}

static enum conf_section open_section(struct conf_ctx *ctx, const struct conf_option *opt,
				      const struct conf_args *args, const struct conf_place *at)
{
	if (conf_refuse_beside(ctx, opt, at))
		return CONF_JUNK;
	if (opt->use == CONF_RENAMED)
		conf_warn(ctx, at, "%s is obsolete: write %s", opt->name, opt->instead);
	remember_section(ctx, opt->child, at);
	if (opt->child == CONF_JUNK)
		return open_mode(ctx, args, at);
	if (CONF_IN(opt->child) & CONF_IN_LINKS)
		open_link(ctx, opt, args, at);
	else if (opt->child == CONF_GATE)
		open_gate(ctx, at);
	else if (opt->child == CONF_FILTER)
		open_filter(ctx, opt, args, at);
	else if (conf_section_is_list(opt->child) || opt->child == CONF_FILTER_ADDR)
		conf_open_list(ctx, opt, args, at);
	else if (opt->child == CONF_HELPER_TYPE)
		conf_open_helper(ctx, args, at);
	else if (opt->child == CONF_HELPER_POLICY)
		conf_open_policy(ctx, args, at);
	return opt->child;
}

void conf_open_block(struct conf_ctx *ctx, const struct conf_option *opt,
		     const struct conf_args *args, const struct conf_place *at)
{
	push(ctx, open_section(ctx, opt, args, at), opt->name, args->n ? args->word->text : NULL,
	     at);
}

void conf_open_surplus(struct conf_ctx *ctx, const struct conf_place *at)
{
	if (!ctx->skipping && conf_section_now(ctx) != CONF_JUNK) {
		conf_error(ctx, at, "unexpected \"{\": no block can start here");
		conf_set_not_understood(ctx);
	}
	push(ctx, CONF_JUNK, "{", NULL, at);
}

void conf_close_block(struct conf_ctx *ctx)
{
	if (conf_section_now(ctx) == CONF_FILTER_STATE)
		conf_end_states(ctx);
	if (ctx->depth)
		ctx->depth--;
	ctx->skipping = false;
}

void conf_report_no_open(struct conf_ctx *ctx, const struct conf_option *opt,
			 const struct conf_args *args)
{
	const struct conf_frame f = { .name = opt->name, .arg = args->n ? args->word->text : NULL };
	const struct conf_word *next = conf_peek(ctx);
	char title[CONF_QUOTED * 2], buf[CONF_QUOTED];

	if (next->kind == CONF_W_END)
		conf_error(ctx, &next->at, "expected \"{\" after %s, found the end of the file",
			   frame_title(&f, title));
	else
		conf_error(ctx, &next->at, "expected \"{\" after %s, found \"%s\"",
			   frame_title(&f, title), conf_quote(next->text, buf));
}

void conf_report_no_close(struct conf_ctx *ctx)
{
	const struct conf_frame *f = &ctx->frame[ctx->depth];
	const struct conf_word *next = conf_peek(ctx);
	char title[CONF_QUOTED * 2], buf[CONF_QUOTED];

	if (next->kind == CONF_W_END)
		conf_error(ctx, &next->at,
			   "missing \"}\" at the end of the file: %s of line %u is not closed",
			   frame_title(f, title), f->at.line);
	else
		conf_error(ctx, &next->at,
			   "missing \"}\" before \"%s\": %s of line %u is not closed",
			   conf_quote(next->text, buf), frame_title(f, title), f->at.line);
}

void conf_report_surplus(struct conf_ctx *ctx, const struct conf_place *at)
{
	conf_error(ctx, at, "unexpected \"}\": no block is open here");
}
