/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a file to struct conf: read, scan, parse, check, report. The result is handed over only if
 * there was no error. Also the short cut of the client, which needs nothing but the path of the
 * control socket and takes it even from a file that is full of errors.
 */
#include "conf/conf_ctx.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct conf_ctx *conf_ctx_new(const char *file)
{
	struct conf_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return NULL;
	ctx->file = file;
	ctx->frame[0] = (struct conf_frame){ .section = CONF_TOP, .name = "" };
	ctx->helper = &ctx->extra_helper;
	ctx->policy = &ctx->extra_policy;
	ctx->conf.log.facility = ctx->conf.stats.log.facility = LOG_CONF_NO_SYSLOG;
	conf_set_defaults(ctx, CONF_SCOPE_FILE);
	return ctx;
}

int conf_ctx_read(struct conf_ctx *ctx, const char *text, size_t len, unsigned int flags)
{
	int err;

	if (len > CONF_FILE_MAX)
		return -EFBIG;
	err = conf_scan(ctx, text, len);
	if (!err)
		err = conf_run_parser(ctx);
	if (!err && !ctx->gave_up && (flags & CONF_BESIDE))
		err = conf_read_beside(ctx);
	ctx->prefer_stats = flags & CONF_PREFER_STATS;
	if (!err && !ctx->gave_up)
		conf_check(ctx);
	if (err)
		return err;
	if (ctx->n_errors)
		return -EINVAL;
	return ctx->gave_up ? -ENOMEM : 0;
}

void conf_ctx_free(struct conf_ctx *ctx)
{
	if (!ctx)
		return;
	for (size_t i = 0; i < ctx->n_diags; i++)
		free(ctx->diag[i].text);
	free(ctx->diag);
	free(ctx->helper_seen);
	conf_free_beside(ctx);
	conf_words_free(&ctx->words);
	conf_free(&ctx->conf);
	free(ctx);
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	free(conf->filter.nets);
	free(conf->helper.list);
	*conf = (struct conf){ 0 };
}

__attribute__((format(printf, 3, 4))) static void report_plain(conf_report_fn report,
							       void *report_ctx, const char *fmt,
							       ...)
{
	va_list args;
	char *text;

	if (!report)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) == -1)
		text = NULL;
	va_end(args);
	report(report_ctx, CONF_ERROR, NULL, text ? text : "out of memory");
	free(text);
}

int conf_parse_source(const char *name, const char *text, size_t len, unsigned int flags,
		      struct conf *out, struct conf_ctx **source, conf_report_fn report,
		      void *report_ctx)
{
	struct conf_ctx *ctx = conf_ctx_new(name);
	int err = ctx ? conf_ctx_read(ctx, text, len, flags) : -ENOMEM;

	if (ctx)
		conf_flush_diags(ctx, report, report_ctx);
	if (err && err != -EINVAL)
		report_plain(report, report_ctx, "cannot read %s: %s", name, strerror(-err));
	if (!err) {
		*out = ctx->conf;
		ctx->conf = (struct conf){ 0 };
	}
	if (!err && source)
		*source = ctx;
	else
		conf_ctx_free(ctx);
	return err;
}

int conf_parse(const char *name, const char *text, size_t len, unsigned int flags, struct conf *out,
	       conf_report_fn report, void *report_ctx)
{
	return conf_parse_source(name, text, len, flags, out, NULL, report, report_ctx);
}

void conf_source_free(struct conf_ctx *source)
{
	conf_ctx_free(source);
}

int conf_read(const char *path, unsigned int flags, struct conf *out, conf_report_fn report,
	      void *report_ctx)
{
	return conf_read_source(path, flags, out, NULL, report, report_ctx);
}

int conf_read_source(const char *path, unsigned int flags, struct conf *out,
		     struct conf_ctx **source, conf_report_fn report, void *report_ctx)
{
	size_t len = 0;
	char *text = NULL;
	int err = conf_slurp(path, &text, &len);

	if (err) {
		report_plain(report, report_ctx, "can't open config file %s: %s", path,
			     strerror(-err));
		free(text);
		return err;
	}
	err = conf_parse_source(path, text, len, flags | CONF_BESIDE, out, source, report,
				report_ctx);
	free(text);
	return err;
}

static bool is_near(const struct conf_word *w, const char *name)
{
	return w->kind == CONF_W_WORD && conf_distance(w->text, name, 1) <= 1;
}

static bool place_before(const struct conf_place *a, const struct conf_place *b)
{
	return a->line < b->line || (a->line == b->line && a->column < b->column);
}

static bool error_between(const struct conf_ctx *ctx, const struct conf_place *from,
			  const struct conf_place *to)
{
	for (size_t i = 0; i < ctx->n_diags; i++) {
		const struct conf_diag *d = &ctx->diag[i];

		if (d->severity == CONF_ERROR && place_before(from, &d->at) &&
		    place_before(&d->at, to))
			return true;
	}
	return false;
}

enum control_path {
	CONTROL_PATH_NONE, /* the file does not set the path */
	CONTROL_PATH_FOUND,
	CONTROL_PATH_BROKEN, /* the file sets the path, but cannot be understood there */
};

/* The last UNIX { ... Path p } of a file with errors, wherever its braces may be wrong. A client
 * that used the default path although the file names another one would ask the wrong daemon, so
 * everything that looks like a slip in UNIX { Path } counts. */
static enum control_path find_control_path(const struct conf_ctx *ctx, const char **path)
{
	const struct conf_words *w = &ctx->words;
	const struct conf_place *block = NULL; /* of the UNIX block we are in */
	enum control_path found = CONTROL_PATH_NONE;

	for (size_t i = 0; i + 1 < w->n; i++) {
		const struct conf_word *word = &w->word[i], *next = word + 1;

		if (is_near(word, "UNIX")) {
			block = &word->at;
		} else if (is_near(word, "Path")) {
			bool good = block && !strcmp(word->text, "Path") &&
				    next->kind == CONF_W_PATH &&
				    strlen(next->text) <= CONTROL_PATH_MAX;

			*path = next->text;
			found = good ? CONTROL_PATH_FOUND : CONTROL_PATH_BROKEN;
		} else if (word->kind == CONF_W_CLOSE) {
			if (block && found == CONTROL_PATH_NONE &&
			    error_between(ctx, block, &word->at))
				found = CONTROL_PATH_BROKEN;
			block = NULL;
		}
	}
	return found;
}

/* One warning about a file with errors that do not concern the path. */
static void report_damage(struct conf_ctx *ctx, const char *use, conf_report_fn report,
			  void *report_ctx)
{
	char text[160];

	if (!report)
		return;
	snprintf(text, sizeof(text), "the configuration has %u error%s, the first one here; %s",
		 ctx->n_errors, ctx->n_errors == 1 ? "" : "s", use);
	for (size_t i = 0; i < ctx->n_diags; i++) {
		if (ctx->diag[i].severity == CONF_ERROR) {
			report(report_ctx, CONF_WARNING, &ctx->diag[i].at, text);
			return;
		}
	}
}

/* The path from a file with errors: 0, or -EINVAL if it cannot be known (reported, with the errors
 * of the file). */
static int salvage_control_path(struct conf_ctx *ctx, const char **path, conf_report_fn report,
				void *report_ctx)
{
	conf_flush_diags(ctx, NULL, NULL); /* sorts the problems in the order of the file */
	switch (find_control_path(ctx, path)) {
	case CONTROL_PATH_NONE:
		report_damage(ctx, "it names no control socket, the default path is taken", report,
			      report_ctx);
		*path = CONTROL_PATH_DEFAULT;
		return 0;
	case CONTROL_PATH_FOUND:
		report_damage(ctx, "only the path of the control socket is taken from it", report,
			      report_ctx);
		return 0;
	case CONTROL_PATH_BROKEN:
		break;
	}
	conf_flush_diags(ctx, report, report_ctx);
	report_plain(
		report, report_ctx,
		"%s: the path of the control socket, UNIX { Path }, cannot be read before this is "
		"corrected",
		ctx->file);
	return -EINVAL;
}

int conf_read_control_path(const char *path, char *out, size_t out_len, conf_report_fn report,
			   void *report_ctx)
{
	size_t len = 0;
	char *text = NULL;
	int err = conf_slurp(path, &text, &len);
	struct conf_ctx *ctx = err ? NULL : conf_ctx_new(path);
	const char *found = CONTROL_PATH_DEFAULT;

	if (!err)
		err = ctx ? conf_ctx_read(ctx, text, len, 0) : -ENOMEM;
	if (ctx && err == -EINVAL)
		err = salvage_control_path(ctx, &found, report, report_ctx);
	else if (!err)
		found = ctx->conf.control.path;
	else
		report_plain(report, report_ctx, "can't open config file %s: %s", path,
			     strerror(-err));
	snprintf(out, out_len, "%s", err ? CONTROL_PATH_DEFAULT : found);
	conf_ctx_free(ctx);
	free(text);
	return err;
}
