/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads one file into memory, and finds the file to which a place belongs. */
#include "conf/conf_ctx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Reads until the end of the file, but not much more than CONF_FILE_MAX bytes. 0 or -errno. *text
 * is the caller's to free in any case. */
static int read_all(int fd, char **text, size_t *len)
{
	size_t cap = 0;

	while (*len <= CONF_FILE_MAX) {
		ssize_t n;

		if (*len == cap) {
			char *more = realloc(*text, cap ? cap * 2 : 16384);

			if (!more)
				return -ENOMEM;
			*text = more;
			cap = cap ? cap * 2 : 16384;
		}
		n = read(fd, *text + *len, cap - *len);
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -errno;
		*len += n > 0 ? (size_t)n : 0;
	}
	return -EFBIG;
}

int conf_slurp(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd == -1)
		return -errno;
	err = read_all(fd, text, len); /* a directory can be opened, but not read: EISDIR */
	close(fd);
	return err;
}

size_t conf_file_nr(const struct conf_ctx *ctx, const char *file)
{
	for (size_t i = 0; i < ctx->n_beside; i++)
		if (file == ctx->beside_file[i].path)
			return i + 1;
	return 0;
}
