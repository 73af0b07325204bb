/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shape of a configuration file: keywords with values, blocks, lists. Which keyword may stand
 * where, and how many words belong to it, is known by the table; conf_token.c gives each word its
 * role with its help. What is missing (a brace) arrives as a token of its own, so that one slip is
 * reported once and the rest is still read: every sequence of tokens is a sentence of this grammar.
 *
 * Every action behind a brace runs before the next token is asked for (the parser needs no
 * look-ahead there), so conf_token.c always knows which section it is in.
 */
%define api.pure full
%define api.prefix {conf_yy}
%define api.location.type {struct conf_place}
%locations
%parse-param { struct conf_ctx *ctx }
%lex-param { struct conf_ctx *ctx }

%code requires {
#include "conf/conf_ctx.h"
}

%code top {
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
}

%code {
#include <errno.h>

/* Places are points: a rule is where its first part is. */
#define YYLLOC_DEFAULT(cur, rhs, n) ((cur) = YYRHSLOC(rhs, (n) ? 1 : 0))

static int conf_yylex(YYSTYPE *val, struct conf_place *at, struct conf_ctx *ctx);
static void conf_yyerror(const struct conf_place *at, struct conf_ctx *ctx, const char *text);
}

%union {
	const struct conf_option *opt;
	const struct conf_word *word;
	struct conf_args args;
}

%token <opt> KEY BLOCK
%token <word> ARG ITEM
%token UNKNOWN OPEN CLOSE NO_OPEN NO_BODY NO_CLOSE
%type <args> args

%%

file:	%empty
	| file line
	| file CLOSE			{ conf_report_surplus(ctx, &@2); }
	;

body:	%empty
	| body line
	;

line:	KEY args			{ conf_set_line(ctx, $1, &$2, &@1); }
	| ITEM				{ conf_add_item(ctx, $1); }
	| UNKNOWN
	| BLOCK args OPEN		{ conf_open_block(ctx, $1, &$2, &@1); }
	  body close			{ conf_close_block(ctx); }
	| BLOCK args NO_OPEN		{ conf_report_no_open(ctx, $1, &$2);
					  conf_open_block(ctx, $1, &$2, &@1); }
	  body close			{ conf_close_block(ctx); }
	| BLOCK args NO_BODY		{ conf_report_no_open(ctx, $1, &$2);
					  conf_open_block(ctx, $1, &$2, &@1);
					  conf_close_block(ctx); }
	| OPEN				{ conf_open_surplus(ctx, &@1); }
	  body close			{ conf_close_block(ctx); }
	;

close:	CLOSE
	| NO_CLOSE			{ conf_report_no_close(ctx); }
	;

args:	%empty				{ $$ = (struct conf_args){ 0 }; }
	| args ARG			{ $$ = $1; if (!$$.n++) $$.word = $2; }
	;

%%

static int conf_yylex(YYSTYPE *val, struct conf_place *at, struct conf_ctx *ctx)
{
	static const int number[] = {
		[CONF_TOK_END] = CONF_YYEOF,
		[CONF_TOK_KEY] = KEY,
		[CONF_TOK_BLOCK] = BLOCK,
		[CONF_TOK_ARG] = ARG,
		[CONF_TOK_ITEM] = ITEM,
		[CONF_TOK_UNKNOWN] = UNKNOWN,
		[CONF_TOK_OPEN] = OPEN,
		[CONF_TOK_CLOSE] = CLOSE,
		[CONF_TOK_NO_OPEN] = NO_OPEN,
		[CONF_TOK_NO_BODY] = NO_BODY,
		[CONF_TOK_NO_CLOSE] = NO_CLOSE,
	};
	const struct conf_option *opt = NULL;
	const struct conf_word *word = NULL;
	enum conf_token token = conf_next_token(ctx, &opt, &word);

	*at = word->at;
	if (token == CONF_TOK_KEY || token == CONF_TOK_BLOCK)
		val->opt = opt;
	else
		val->word = word;
	return number[token];
}

/* Only memory can fail here, see above; should the grammar and conf_token.c ever disagree, that is
 * reported, too. */
static void conf_yyerror(const struct conf_place *at, struct conf_ctx *ctx, const char *text)
{
	conf_error(ctx, at, "%s", text);
}

int conf_run_parser(struct conf_ctx *ctx)
{
	return conf_yyparse(ctx) == 2 ? -ENOMEM : 0;
}
