/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock file.
 *
 * flock() rather than the mere existence of the file: what a crash or `kill -9` leaves behind is
 * taken over. Scripts remove the file (`rm -f /var/lock/conntrackd.lock`), so after locking, the
 * path is compared with the descriptor: if somebody removed or replaced it in between, we hold the
 * lock of a file nobody else will find, and try again. */
#include "daemon/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 16

static bool lock_is_at_path(int fd, const char *path)
{
	struct stat by_fd, by_path;

	return fstat(fd, &by_fd) == 0 && lstat(path, &by_path) == 0 &&
	       by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}

static void lock_report_holder(int fd, const char *path, struct text *err)
{
	char buf[32] = "";
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);
	long pid = n > 0 ? strtol(buf, NULL, 10) : 0;

	if (pid > 0)
		text_printf(err, "lock file %s is held by PID %ld: conntrackd is already running",
			    path, pid);
	else
		text_printf(
			err,
			"lock file %s is held by another process: conntrackd is already running",
			path);
}

int lockfile_take(struct lockfile *l, const char *path, struct text *err)
{
	l->fd = -1;
	l->path = path;
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		struct stat st;
		int ret;

		if (fd == -1) {
			ret = -errno;
			text_printf(err, "lock file %s: %s", path,
				    ret == -ELOOP ? "is a symbolic link" : strerror(-ret));
			return ret;
		}
		if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
			text_printf(err, "lock file %s exists and is not a regular file", path);
			close(fd);
			return -EEXIST;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
			ret = errno == EWOULDBLOCK ? -EBUSY : -errno;
			if (ret == -EBUSY)
				lock_report_holder(fd, path, err);
			else
				text_printf(err, "lock file %s: %s", path, strerror(-ret));
			close(fd);
			return ret;
		}
		if (lock_is_at_path(fd, path)) {
			l->fd = fd;
			lockfile_write_pid(l);
			return 0;
		}
		close(fd);
	}
	text_printf(err, "lock file %s: somebody keeps removing it", path);
	return -EAGAIN;
}

void lockfile_write_pid(struct lockfile *l)
{
	char buf[32];
	int n = snprintf(buf, sizeof(buf), "%ld\n", (long)getpid());

	/* The pid is a courtesy to people; the lock itself is the flock. */
	if (ftruncate(l->fd, 0) == -1 || pwrite(l->fd, buf, (size_t)n, 0) == -1)
		return;
}

void lockfile_drop(struct lockfile *l)
{
	if (l->fd == -1)
		return;
	if (lock_is_at_path(l->fd, l->path))
		unlink(l->path);
	close(l->fd);
	l->fd = -1;
}
