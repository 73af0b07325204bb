/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file for keepalived's track_file. keepalived takes a file that is missing or empty for ready,
 * so there is never a moment without one, and it is never removed, not even at the end. */
#include "follow/track_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Does it say so already? */
static bool says(const char *path, bool ready)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[4];
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text));
	close(fd);
	return n == 2 && text[0] == (ready ? '0' : '1') && text[1] == '\n';
}

static int write_file(const char *path, bool ready)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int err = 0;

	if (fd == -1)
		return -errno;
	if (write(fd, ready ? "0\n" : "1\n", 2) != 2)
		err = errno ? -errno : -EIO;
	if (close(fd) == -1 && err == 0)
		err = -errno;
	return err;
}

int track_file_set(struct track_file *t, bool ready)
{
	char temp[256];
	int err;

	if (t->known && t->ready == ready && says(t->path, ready))
		return 0;
	snprintf(temp, sizeof(temp), "%s.new", t->path);
	unlink(temp); /* of a daemon that was killed */
	err = write_file(temp, ready);
	if (err == 0 && rename(temp, t->path) == -1)
		err = -errno;
	if (err < 0) {
		unlink(temp);
		if (!t->said)
			log_warnx("cannot write %s: %s; keepalived does not learn whether this "
				  "node is ready",
				  t->path, strerror(-err));
		t->said = true;
		return err;
	}
	t->said = false;
	t->known = true;
	t->ready = ready;
	return 0;
}
