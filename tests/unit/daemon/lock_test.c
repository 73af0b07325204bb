/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock file, with real files in a directory of its own and other processes as holders. */
#include "daemon/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
	char dir[64];
	char path[PATH_MAX];
	char other[PATH_MAX];
	struct text err;
	struct lockfile lock;
	unsigned int fds; /* open ones at the start */
};

/* Somebody removes the file in the moment between open() and flock(), so many times. */
static struct {
	const char *path;
	unsigned int times;
	unsigned int calls;
} thief;

int __real_flock(int fd, int op);
int __wrap_flock(int fd, int op);

int __wrap_flock(int fd, int op)
{
	thief.calls++;
	if (thief.times > 0) {
		thief.times--;
		unlink(thief.path);
	}
	return __real_flock(fd, op);
}

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->dir, "/tmp/lock_test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/lock", w->dir);
	snprintf(w->other, sizeof(w->other), "%s/other", w->dir);
	w->lock.fd = -1;
	w->fds = count_fds();
	memset(&thief, 0, sizeof(thief));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->lock.fd != -1)
		close(w->lock.fd);
	unlink(w->path);
	rmdir(w->path);
	unlink(w->other);
	rmdir(w->dir);
	text_free(&w->err);
	free(w);
	return 0;
}

static void put(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static void check_content(const char *path, const char *want)
{
	int fd = open(path, O_RDONLY);
	char buf[128];
	ssize_t n;

	assert_int_not_equal(fd, -1);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, want);
}

static void check_pid(const char *path, pid_t pid)
{
	char want[32];

	snprintf(want, sizeof(want), "%ld\n", (long)pid);
	check_content(path, want);
}

/* Another process that holds the lock until it is killed, as kill -9 kills a daemon. */
static pid_t holder_start(struct world *w, const char *content)
{
	int ready[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct lockfile l;

		alarm(20);
		if (lockfile_take(&l, w->path, &w->err) == 0) {
			if (content)
				put(w->path, content);
			c = 1;
		}
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(c, 1);
	return pid;
}

static void holder_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_taken(void **state)
{
	struct world *w = *state;
	struct lockfile second;
	struct stat st;

	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), 0);
	assert_int_equal(w->err.len, 0);
	check_pid(w->path, getpid());
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* notification scripts must not inherit it */
	assert_true(fcntl(w->lock.fd, F_GETFD) & FD_CLOEXEC);

	assert_int_equal(lockfile_take(&second, w->path, &w->err), -EBUSY);
	assert_int_equal(second.fd, -1);
	lockfile_drop(&second);
	assert_int_equal(access(w->path, F_OK), 0); /* who does not hold it does not remove it */

	lockfile_drop(&w->lock);
	assert_int_equal(w->lock.fd, -1);
	assert_int_equal(access(w->path, F_OK), -1);
	lockfile_drop(&w->lock);
	assert_int_equal(count_fds(), w->fds);
}

static void test_held(void **state)
{
	struct world *w = *state;
	pid_t pid = holder_start(w, NULL);
	char want[PATH_MAX + 128];

	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -EBUSY);
	assert_int_equal(w->lock.fd, -1);
	snprintf(want, sizeof(want),
		 "lock file %s is held by PID %ld: conntrackd is already running", w->path,
		 (long)pid);
	assert_string_equal(w->err.buf, want);
	check_pid(w->path, pid); /* untouched */
	assert_int_equal(count_fds(), w->fds);

	/* A crash leaves the file behind; the lock is gone with the process. */
	holder_kill(pid);
	assert_int_equal(access(w->path, F_OK), 0);
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), 0);
	check_pid(w->path, getpid());
}

static void test_held_unknown(void **state)
{
	static const char *const content[] = { "", "no number\n", "-1\n", "0\n" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(content) / sizeof(content[0]); i++) {
		pid_t pid = holder_start(w, content[i]);

		text_reset(&w->err);
		assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -EBUSY);
		assert_non_null(strstr(w->err.buf, "is held by another process"));
		holder_kill(pid);
	}
}

static void test_stale(void **state)
{
	struct world *w = *state;

	/* Longer than a pid: nothing of it may stay behind ours. */
	put(w->path, "99999999999999999999\nleft by somebody else\n");
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), 0);
	check_pid(w->path, getpid());
}

static void test_after_fork(void **state)
{
	struct world *w = *state;
	struct lockfile second;
	int status;
	pid_t pid;

	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		lockfile_write_pid(&w->lock);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	check_pid(w->path, pid);
	assert_int_equal(lockfile_take(&second, w->path, &w->err), -EBUSY); /* still held */
}

static void test_symlink(void **state)
{
	struct world *w = *state;

	put(w->other, "precious\n");
	assert_int_equal(symlink(w->other, w->path), 0);
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -ELOOP);
	assert_non_null(strstr(w->err.buf, w->path));
	assert_non_null(strstr(w->err.buf, "symbolic link"));
	check_content(w->other, "precious\n");
	assert_int_equal(w->lock.fd, -1);

	/* One that points nowhere must not create what it points to either. */
	assert_int_equal(unlink(w->other), 0);
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -ELOOP);
	assert_int_equal(access(w->other, F_OK), -1);
	assert_int_equal(count_fds(), w->fds);
}

static void test_not_a_file(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdir(w->path, 0700), 0);
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -EISDIR);
	assert_non_null(strstr(w->err.buf, w->path));
	assert_int_equal(rmdir(w->path), 0);

	text_reset(&w->err);
	assert_int_equal(mkfifo(w->path, 0600), 0);
	alarm(20); /* a fifo must not make it wait for a reader */
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -EEXIST);
	alarm(0);
	assert_non_null(strstr(w->err.buf, "not a regular file"));
	assert_int_equal(w->lock.fd, -1);
	assert_int_equal(count_fds(), w->fds);
}

static void test_no_directory(void **state)
{
	struct world *w = *state;
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/missing/lock", w->dir);
	assert_int_equal(lockfile_take(&w->lock, path, &w->err), -ENOENT);
	assert_non_null(strstr(w->err.buf, path));
	assert_non_null(strstr(w->err.buf, strerror(ENOENT)));
}

/* `rm -f` of the lock of a running daemon, and another one started: the first must leave the
 * second's file alone. */
static void test_recreated(void **state)
{
	struct world *w = *state;
	struct lockfile second, third;

	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), 0);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(lockfile_take(&second, w->path, &w->err), 0);
	lockfile_drop(&w->lock);
	assert_int_equal(access(w->path, F_OK), 0);
	assert_int_equal(lockfile_take(&third, w->path, &w->err), -EBUSY);
	lockfile_drop(&second);
	assert_int_equal(access(w->path, F_OK), -1);
	assert_int_equal(count_fds(), w->fds);
}

static void test_removed_meanwhile(void **state)
{
	struct world *w = *state;
	struct lockfile second;

	thief.path = w->path;
	thief.times = 3;
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), 0);
	assert_int_equal(thief.calls, 4);
	check_pid(w->path, getpid());
	/* What it holds is what others find. */
	assert_int_equal(lockfile_take(&second, w->path, &w->err), -EBUSY);
	assert_int_equal(count_fds(), w->fds + 1);
}

static void test_removed_always(void **state)
{
	struct world *w = *state;

	thief.path = w->path;
	thief.times = UINT_MAX;
	assert_int_equal(lockfile_take(&w->lock, w->path, &w->err), -EAGAIN);
	assert_true(thief.calls > 1 && thief.calls < 1000);
	assert_non_null(strstr(w->err.buf, "keeps removing it"));
	assert_int_equal(w->lock.fd, -1);
	assert_int_equal(count_fds(), w->fds);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_taken),		T(test_held),
		T(test_held_unknown),	T(test_stale),
		T(test_after_fork),	T(test_symlink),
		T(test_not_a_file),	T(test_no_directory),
		T(test_recreated),	T(test_removed_meanwhile),
		T(test_removed_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
