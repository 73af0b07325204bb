/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * Gives each word of the file its role: keyword, value, entry of a list. The language has no
 * separators, so only the table knows how many words belong to a keyword; and the same word may be
 * a keyword in one place and an interface name in another.
 *
 * Slips are repaired where it is clear what was meant, so that one slip gives one message:
 *  - a missing opening brace is assumed where the words after it look like the block's inside;
 *  - a missing closing brace is assumed before a word that only an outer block knows, but only in
 *    files that have fewer closing braces than opening ones; otherwise the word just stands in the
 *    wrong place;
 *  - what follows an unknown keyword on its line is skipped, and a block after it as well.
 */
#include "conf/conf_ctx.h"

#include <string.h>

static const size_t value_words[CONF_TYPES] = {
	[CONF_T_NUMBER] = 1,
	[CONF_T_PORT] = 1,
	[CONF_T_BOOL] = 1,
	[CONF_T_PATH] = 1,
	[CONF_T_LOGFILE] = 1,
	[CONF_T_FACILITY] = 1,
	[CONF_T_SECONDS_OR_BOOL] = 1,
	[CONF_T_IPV4] = 1,
	[CONF_T_IPV6] = 1,
	[CONF_T_NET4] = 1,
	[CONF_T_NET6] = 1,
	[CONF_T_PEER] = 1,
	[CONF_T_IFNAME] = 1,
	[CONF_T_NAME] = 1,
	[CONF_T_NAMES] = 1,
	[CONF_T_SCHED] = 1,
	[CONF_T_LEVEL] = 1,
	[CONF_T_RULES] = 1,
	[CONF_T_EXPECT] = 1,
	[CONF_T_OLD_CHECKSUM] = 1,
	[CONF_T_WORD] = 1,
	[CONF_T_STATES] = SIZE_MAX,
};

enum conf_section conf_section_now(const struct conf_ctx *ctx)
{
	return ctx->frame[ctx->depth].section;
}

const struct conf_word *conf_peek(const struct conf_ctx *ctx)
{
	return &ctx->words.word[ctx->pos];
}

static bool is_word(const struct conf_word *w)
{
	return w->kind == CONF_W_WORD || w->kind == CONF_W_PATH;
}

static bool known_in(enum conf_section section, const struct conf_word *w)
{
	return conf_option_find(section, w->text) != NULL;
}

/* Is w one of the values of the keyword being read? A keyword in the place of a value means that
 * the value is missing; only names, which may be anything, win over keywords. */
static bool takes_value(const struct conf_ctx *ctx, const struct conf_word *w)
{
	const struct conf_option *row = ctx->row;

	if (!is_word(w) || ctx->args_over || ctx->n_args >= value_words[row->type])
		return false;
	if (row->type == CONF_T_IFNAME || row->type == CONF_T_NAME || row->type == CONF_T_WORD)
		return true;
	/* Replicate ... for TCP; TCP is a keyword there, too */
	if (ctx->n_args && !strcmp(w[-1].text, "for"))
		return true;
	return w->bad || !known_in(conf_section_now(ctx), w);
}

/* What will be inside the block whose header is being read. */
static enum conf_section header_child(const struct conf_ctx *ctx)
{
	bool old;
	int mode;

	if (ctx->row->child != CONF_JUNK || !ctx->n_args)
		return ctx->row->child;
	mode = conf_mode_find(ctx->words.word[ctx->pos - 1].text, &old);
	return mode < 0 ? CONF_JUNK : conf_mode_section((enum sync_mode)mode);
}

static bool takes_header_word(const struct conf_ctx *ctx, const struct conf_word *w)
{
	if (!is_word(w) || ctx->n_args >= ctx->row->header_words)
		return false;
	if (w->bad)
		return true;
	return !known_in(ctx->row->child, w) &&
	       (ctx->row->child == CONF_HELPER_TYPE || !known_in(conf_section_now(ctx), w));
}

static enum conf_token next_header_token(struct conf_ctx *ctx, const struct conf_word *w)
{
	enum conf_section child = header_child(ctx);

	if (w->kind == CONF_W_OPEN) {
		ctx->row = NULL;
		ctx->pos++;
		return CONF_TOK_OPEN;
	}
	if (takes_header_word(ctx, w)) {
		ctx->n_args++;
		ctx->pos++;
		return CONF_TOK_ARG;
	}
	ctx->row = NULL;
	if (is_word(w) && (known_in(child, w) ||
			   (conf_section_is_list(child) && !known_in(conf_section_now(ctx), w)))) {
		ctx->unclosed++; /* one block more to be closed than the file has opening braces */
		return CONF_TOK_NO_OPEN;
	}
	return CONF_TOK_NO_BODY;
}

/* ExpectationSync is an option or a block. */
static bool row_is_block(const struct conf_ctx *ctx, const struct conf_word *next)
{
	return ctx->row->type == CONF_T_BLOCK ||
	       (ctx->row->type == CONF_T_EXPECT && !ctx->n_args && next->kind == CONF_W_OPEN);
}

static enum conf_token start_row(struct conf_ctx *ctx, const struct conf_option *row)
{
	ctx->row = row;
	ctx->n_args = 0;
	ctx->args_over = false;
	ctx->skipping = false;
	ctx->pos++;
	return row_is_block(ctx, conf_peek(ctx)) ? CONF_TOK_BLOCK : CONF_TOK_KEY;
}

/* Would an outer block know the word? */
static bool known_outside(const struct conf_ctx *ctx, const struct conf_word *w)
{
	for (size_t i = ctx->depth; i-- > 0;) {
		if (known_in(ctx->frame[i].section, w))
			return true;
	}
	return false;
}

static enum conf_token next_unknown_token(struct conf_ctx *ctx, const struct conf_word *w,
					  const struct conf_option **opt)
{
	const struct conf_option *meant = w->bad ? NULL : conf_report_unknown(ctx, w);

	if (meant) {
		*opt = meant;
		return start_row(ctx, meant);
	}
	ctx->skipping = true;
	ctx->skip_line = w->at.line;
	conf_set_not_understood(ctx);
	ctx->pos++;
	return CONF_TOK_UNKNOWN;
}

/* A word where a keyword or an entry of a list is expected. False: it was skipped. */
static bool next_line_token(struct conf_ctx *ctx, const struct conf_word *w,
			    const struct conf_option **opt, enum conf_token *token)
{
	enum conf_section section = conf_section_now(ctx);
	const struct conf_option *row = w->bad ? NULL : conf_option_find(section, w->text);

	if (row) {
		*opt = row;
		*token = start_row(ctx, row);
		return true;
	}
	if (!w->bad && ctx->unclosed > 0 && section != CONF_JUNK && known_outside(ctx, w)) {
		ctx->unclosed--;
		*token = CONF_TOK_NO_CLOSE;
		return true;
	}
	if (conf_section_is_list(section)) {
		ctx->pos++;
		*token = CONF_TOK_ITEM;
		return true;
	}
	if (section == CONF_JUNK || (ctx->skipping && w->at.line == ctx->skip_line)) {
		ctx->pos++;
		return false;
	}
	*token = next_unknown_token(ctx, w, opt);
	return true;
}

enum conf_token conf_next_token(struct conf_ctx *ctx, const struct conf_option **opt,
				const struct conf_word **word)
{
	enum conf_token token;

	for (;;) {
		const struct conf_word *w = conf_peek(ctx);

		*word = w;
		*opt = ctx->row;
		if (ctx->row && row_is_block(ctx, w))
			return next_header_token(ctx, w);
		if (ctx->row && takes_value(ctx, w)) {
			ctx->args_over = ctx->n_args && !strcmp(w[-1].text, "for");
			ctx->n_args++;
			ctx->pos++;
			return CONF_TOK_ARG;
		}
		/* the setter will complain about the value */
		if (ctx->row && w->kind == CONF_W_OPEN) {
			ctx->skipping = true;
			ctx->skip_line = w->at.line;
		}
		ctx->row = NULL;
		switch (w->kind) {
		case CONF_W_END:
			return ctx->depth ? CONF_TOK_NO_CLOSE : CONF_TOK_END;
		case CONF_W_OPEN:
			ctx->pos++;
			return CONF_TOK_OPEN;
		case CONF_W_CLOSE:
			ctx->pos++;
			ctx->skipping = false;
			return CONF_TOK_CLOSE;
		case CONF_W_WORD:
		case CONF_W_PATH:
			if (next_line_token(ctx, w, opt, &token))
				return token;
		}
	}
}
