/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file for keepalived: what it says, that there is never a moment without it, and that what
 * others do to it is mended. */
#include "follow/track_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static char dir[] = "/tmp/track-file-test-XXXXXX", path[64];
static unsigned int warnings;

void __wrap_log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void __wrap_log_warnx(const char *fmt, ...)
{
	(void)fmt;
	warnings++;
}

static void says(const char *text)
{
	FILE *f = fopen(path, "re");
	char is[16] = "";

	assert_non_null(f);
	assert_non_null(fgets(is, sizeof(is), f));
	fclose(f);
	assert_string_equal(is, text);
}

static ino_t inode(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void test_says(void **state)
{
	struct track_file t = { .path = path };
	ino_t first;

	(void)state;
	assert_int_equal(track_file_set(&t, false), 0);
	says("1\n");
	first = inode();
	assert_int_equal(track_file_set(&t, false), 0);
	assert_int_equal(inode(), first); /* nothing new, nothing written */
	assert_int_equal(track_file_set(&t, true), 0);
	says("0\n");
	assert_int_equal(truncate(path, 0), 0); /* an empty one counts as ready */
	assert_int_equal(track_file_set(&t, true), 0);
	says("0\n");
	unlink(path);
	assert_int_equal(track_file_set(&t, true), 0);
	says("0\n");
	/* The next daemon does not know what the last one wrote. */
	t = (struct track_file){ .path = path };
	assert_int_equal(track_file_set(&t, false), 0);
	says("1\n");
	unlink(path);
}

/* keepalived sees a move into the place, and neither a removal nor a half-written file. */
static void test_never_missing(void **state)
{
	struct track_file t = { .path = path };
	int fd = inotify_init1(IN_NONBLOCK);
	union {
		struct inotify_event event;
		char bytes[4096];
	} buf;
	unsigned int moved = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(track_file_set(&t, true), 0);
	assert_true(inotify_add_watch(fd, dir, IN_ALL_EVENTS) >= 0);
	assert_int_equal(track_file_set(&t, false), 0);
	n = read(fd, &buf, sizeof(buf));
	assert_true(n > 0);
	for (ssize_t at = 0; at < n;) {
		struct inotify_event e;
		char name[16] = "";

		memcpy(&e, buf.bytes + at, sizeof(e));
		snprintf(name, sizeof(name), "%s", buf.bytes + at + sizeof(e));
		if (e.len > 0 && strcmp(name, "ready") == 0) {
			assert_false(e.mask & (IN_DELETE | IN_MODIFY | IN_CREATE | IN_MOVED_FROM));
			moved += (e.mask & IN_MOVED_TO) != 0;
		}
		at += (ssize_t)sizeof(e) + e.len;
	}
	assert_int_equal(moved, 1);
	close(fd);
	unlink(path);
}

static void test_no_place(void **state)
{
	struct track_file t = { .path = "/nowhere/at/all" };

	(void)state;
	assert_true(track_file_set(&t, true) < 0);
	assert_true(track_file_set(&t, true) < 0);
	assert_int_equal(warnings, 1); /* once */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says),
		cmocka_unit_test(test_never_missing),
		cmocka_unit_test(test_no_place),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/ready", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
