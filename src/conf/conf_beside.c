/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * The files of conntrackd.conf.d beside the configuration file: sections and options that
 * conntrackd 1.4 does not know. It refuses a file that has them, so a generated file cannot contain
 * them, and with a file that does there is no way back to 1.4. For the same reason nothing else may
 * stand in the files of conntrackd.conf.d: without them 1.4 must do the same as this program.
 */
#include "conf/conf_ctx.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".conf"

static int is_wanted(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return entry->d_name[0] != '.' && n > suffix && !strcmp(entry->d_name + n - suffix, SUFFIX);
}

/* Order of files: by the bytes of their names, whatever the locale, so that it is the same on every
 * machine. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* One file, whose text has been read. Its words stay until the end, as values point to them. */
static int parse_file(struct conf_ctx *ctx, struct conf_beside *file, const char *text, size_t len)
{
	const char *first = ctx->file;
	struct conf_words words = ctx->words;
	int err;

	ctx->words = (struct conf_words){ 0 };
	ctx->file = file->path;
	ctx->pos = ctx->depth = ctx->n_args = 0;
	ctx->row = NULL;
	ctx->args_over = ctx->skipping = false;
	ctx->beside = true;
	err = conf_scan(ctx, text, len);
	if (!err)
		err = conf_run_parser(ctx);
	ctx->beside = false;
	ctx->file = first;
	file->words = ctx->words;
	ctx->words = words;
	return err;
}

static int read_one(struct conf_ctx *ctx, const char *dir, const char *name)
{
	struct conf_beside *file = reallocarray(ctx->beside_file, ctx->n_beside + 1, sizeof(*file));
	size_t len = 0;
	char *text = NULL;
	int err;

	if (!file)
		return -ENOMEM;
	ctx->beside_file = file;
	file += ctx->n_beside;
	*file = (struct conf_beside){ .path = NULL };
	if (asprintf(&file->path, "%s/%s", dir, name) == -1)
		return -ENOMEM;
	ctx->n_beside++;
	err = conf_slurp(file->path, &text, &len);
	if (!err) {
		err = parse_file(ctx, file, text, len);
	} else if (err != -ENOMEM) {
		const struct conf_place top = { .file = file->path, .line = 1, .column = 1 };

		conf_error(ctx, &top, "cannot be read: %s", strerror(-err));
		err = 0;
	}
	free(text);
	return err;
}

int conf_read_beside(struct conf_ctx *ctx)
{
	const struct conf_place top = { .file = ctx->file, .line = 1, .column = 1 };
	struct dirent **entry;
	char *dir;
	int n, err = 0;

	if (asprintf(&dir, "%s.d", ctx->file) == -1)
		return -ENOMEM;
	n = scandir(dir, &entry, is_wanted, by_name);
	if (n == -1 && errno != ENOENT && errno != ENOTDIR)
		conf_error(ctx, &top, "cannot read the directory %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!err && !ctx->gave_up)
			err = read_one(ctx, dir, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	free(dir);
	return err;
}

bool conf_refuse_beside(struct conf_ctx *ctx, const struct conf_option *opt,
			const struct conf_place *at)
{
	bool container = opt->child == CONF_SYNC || opt->child == CONF_GENERAL ||
			 opt->child == CONF_OPTIONS || opt->child == CONF_UNIX;

	if (!ctx->beside || opt->ours || (opt->type == CONF_T_BLOCK && container))
		return false;
	conf_error(ctx, at,
		   "%s stands in the configuration file itself: here is only what conntrackd 1.4 "
		   "does not know",
		   opt->name);
	return true;
}

void conf_free_beside(struct conf_ctx *ctx)
{
	for (size_t i = 0; i < ctx->n_beside; i++) {
		conf_words_free(&ctx->beside_file[i].words);
		free(ctx->beside_file[i].path);
	}
	free(ctx->beside_file);
}
