/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arbitrary bytes as a configuration file: the reader must end with a configuration or with an
 * error, and what it accepts must survive being printed and read again. For libFuzzer, and replayed
 * by make check (replay.c).
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_error(void *ctx, enum conf_severity severity, const struct conf_place *place,
			const char *text)
{
	if (!place || !place->line || !text[0])
		abort();
	*(unsigned int *)ctx += severity == CONF_ERROR;
}

static char *print(const struct conf *conf, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		abort();
	conf_print(conf, f);
	fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int errors = 0;
	struct conf conf, again;
	char *text1, *text2;
	size_t len1, len2;
	int err;

	if (size > 65536)
		return 0;
	err = conf_parse("fuzz", (const char *)data, size, 0, &conf, count_error, &errors);
	if (err ? err != -EINVAL || !errors : errors != 0)
		abort();
	if (err)
		return 0;
	text1 = print(&conf, &len1);
	if (conf_parse("print", text1, len1, 0, &again, NULL, NULL))
		abort();
	text2 = print(&again, &len2);
	if (strcmp(text1, text2))
		abort();
	free(text1);
	free(text2);
	conf_free(&conf);
	conf_free(&again);
	return 0;
}
