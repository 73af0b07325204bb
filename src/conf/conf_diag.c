/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * Reporting. Problems are collected while the file is read and handed over in the order of the
 * file, since the rules across options are checked only at the end. Their number is bounded.
 */
#include "conf/conf_ctx.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void diag_add(struct conf_ctx *ctx, enum conf_severity severity, const struct conf_place *at,
		     char *text)
{
	if (!text) {
		ctx->gave_up = true;
		return;
	}
	if (ctx->n_diags == ctx->diags_cap) {
		size_t cap = ctx->diags_cap ? ctx->diags_cap * 2 : 16;
		struct conf_diag *diag = reallocarray(ctx->diag, cap, sizeof(*diag));

		if (!diag) {
			free(text);
			ctx->gave_up = true;
			return;
		}
		ctx->diag = diag;
		ctx->diags_cap = cap;
	}
	ctx->diag[ctx->n_diags] = (struct conf_diag){
		.severity = severity,
		.at = *at,
		.file_nr = conf_file_nr(ctx, at->file),
		.nr = ctx->n_diags,
		.text = text,
	};
	ctx->n_diags++;
}

static void diag_format(struct conf_ctx *ctx, enum conf_severity severity,
			const struct conf_place *at, const char *fmt, va_list args)
{
	char *text;

	if (severity == CONF_ERROR)
		ctx->n_errors++;
	if (ctx->gave_up || ctx->n_diags > CONF_DIAGS_MAX)
		return;
	if (ctx->n_diags == CONF_DIAGS_MAX) {
		severity = CONF_ERROR;
		ctx->n_errors++;
		text = strdup("too many problems, some of them are not shown");
	} else if (vasprintf(&text, fmt, args) == -1) {
		text = NULL;
	}
	diag_add(ctx, severity, at, text);
}

void conf_error(struct conf_ctx *ctx, const struct conf_place *at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	diag_format(ctx, CONF_ERROR, at, fmt, args);
	va_end(args);
}

void conf_warn(struct conf_ctx *ctx, const struct conf_place *at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	diag_format(ctx, CONF_WARNING, at, fmt, args);
	va_end(args);
}

static int diag_compare(const void *a, const void *b)
{
	const struct conf_diag *x = a, *y = b;

	if (x->file_nr != y->file_nr)
		return x->file_nr < y->file_nr ? -1 : 1;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.column != y->at.column)
		return x->at.column < y->at.column ? -1 : 1;
	return x->nr < y->nr ? -1 : 1;
}

void conf_flush_diags(struct conf_ctx *ctx, conf_report_fn report, void *report_ctx)
{
	if (ctx->n_diags)
		qsort(ctx->diag, ctx->n_diags, sizeof(*ctx->diag), diag_compare);
	for (size_t i = 0; report && i < ctx->n_diags; i++)
		report(report_ctx, ctx->diag[i].severity, &ctx->diag[i].at, ctx->diag[i].text);
}

const char *conf_quote(const char *text, char buf[CONF_QUOTED])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (n + 8 > CONF_QUOTED) { /* room for one escape, dots, NUL */
			memcpy(buf + n, "...", 3);
			n += 3;
			break;
		}
		if (c >= 0x20 && c <= 0x7e) {
			buf[n++] = (char)c;
		} else {
			buf[n++] = '\\';
			buf[n++] = 'x';
			buf[n++] = hex[c >> 4];
			buf[n++] = hex[c & 15];
		}
	}
	buf[n] = '\0';
	return buf;
}

void conf_report_to_file(void *file, enum conf_severity severity, const struct conf_place *place,
			 const char *text)
{
	const char *word = severity == CONF_ERROR ? "error" : "warning";

	if (place && place->line)
		fprintf(file, "%s:%u:%u: %s: %s\n", place->file, place->line, place->column, word,
			text);
	else if (place)
		fprintf(file, "%s: %s: %s\n", place->file, word, text);
	else
		fprintf(file, "%s: %s\n", word, text);
}
