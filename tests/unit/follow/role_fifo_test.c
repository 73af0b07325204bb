/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The FIFO itself: who makes it, what is read of it, what happens when another file takes its name,
 * and which files are not read at all. Real files, a real loop. */
#include "follow/role_fifo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static char dir[] = "/tmp/role-fifo-test-XXXXXX";
static struct role_conf conf;
static struct evloop *loop;
static unsigned int warnings, told;
static enum role_kind role;
static bool crossed;
static char by[ROLE_BY_MAX];

void __wrap_log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void __wrap_log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void __wrap_log_warnx(const char *fmt, ...)
{
	(void)fmt;
	warnings++;
}

void __wrap_log_notice(const char *fmt, ...)
{
	(void)fmt;
}

static void on_told(void *ctx, enum role_kind r, bool c, const char *who, struct mono now)
{
	(void)ctx, (void)now;
	told++;
	role = r;
	crossed = c;
	snprintf(by, sizeof(by), "%s", who);
}

static struct role_fifo *begin(void)
{
	const struct role_fifo_cb cb = { .told = on_told };
	struct role_fifo *f;

	loop = evloop_new();
	assert_non_null(loop);
	f = role_fifo_open(loop, &conf, &cb);
	assert_non_null(f);
	warnings = told = 0;
	return f;
}

static void finish(struct role_fifo *f)
{
	role_fifo_close(f);
	evloop_free(loop);
	unlink(conf.fifo);
}

static void turns(int64_t ms)
{
	struct mono end = mono_add_ms(clock_now(), ms);

	while (mono_before(clock_now(), end))
		assert_int_equal(evloop_turn(loop, NULL, 20), 0);
}

static void until_open(const struct role_fifo *f)
{
	struct role_fifo_stats s;

	for (unsigned int i = 0; i < 600; i++) {
		role_fifo_stats(f, &s);
		if (s.open)
			return;
		turns(20);
	}
	fail_msg("it is not opened");
}

/* As keepalived does; it keeps the FIFO open. */
static int writer(void)
{
	int fd = open(conf.fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd != -1);
	return fd;
}

static void put(int fd, const char *lines)
{
	assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
}

static void test_it_is_made(void **state)
{
	struct role_fifo *f = begin();
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(stat(conf.fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = writer();
	put(fd, "INSTANCE \"lan4\" MASTER 150\n");
	turns(100);
	assert_int_equal(told, 1);
	assert_int_equal(role, ROLE_PRIMARY);
	assert_false(crossed);
	assert_string_equal(by, "keepalived: instance lan4 is MASTER");
	close(fd); /* keepalived ends: no end of file, and nothing said */
	turns(100);
	fd = writer();
	put(fd, "GROUP \"firewall\" FAULT 0\n");
	turns(100);
	assert_int_equal(told, 2);
	assert_int_equal(role, ROLE_FAULTY);
	close(fd);
	finish(f);
}

/* Only the last of those that waited counts; lines of others and bad ones do not. */
static void test_what_waited(void **state)
{
	struct role_fifo *f;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(conf.fifo, 0600), 0);
	fd = writer();
	put(fd, "INSTANCE \"lan4\" BACKUP 150\nINSTANCE \"lan4\" MASTER 150\nwhat\n"
		"INSTANCE \"other\" FAULT 150\nINSTANCE \"lan4\" MASTER_RX_LOWER_PRI 150\n");
	strcpy(conf.instances.name[0], "lan4");
	conf.instances.n = 1;
	f = begin();
	turns(100);
	assert_int_equal(told, 1);
	assert_int_equal(role, ROLE_PRIMARY);
	assert_true(crossed);
	put(fd, "INSTANCE \"lan4\" MASTER 150\nINSTANCE \"lan4\" MASTER 150\n");
	turns(100);
	assert_int_equal(told, 2);
	assert_false(crossed);
	conf.instances.n = 0;
	close(fd);
	finish(f);
}

/* As a keepalived that has made the file itself does at its reload. */
static void test_another_file(void **state)
{
	struct role_fifo *f = begin();
	struct role_fifo_stats s;
	int old = writer(), fd;

	(void)state;
	put(old, "INSTANCE \"lan4\" BACK"); /* a line that will not end */
	turns(50);
	assert_int_equal(unlink(conf.fifo), 0);
	assert_int_equal(mkfifo(conf.fifo, 0600), 0);
	fd = writer();
	put(fd, "INSTANCE \"lan4\" MASTER 150\n");
	for (unsigned int i = 0; i < 600 && told == 0; i++)
		turns(20);
	assert_int_equal(role, ROLE_PRIMARY);
	role_fifo_stats(f, &s);
	assert_int_equal(s.bad, 0);
	close(old);
	close(fd);
	unlink(conf.fifo); /* and it is made again */
	turns(100);
	for (unsigned int i = 0; i < 600 && access(conf.fifo, F_OK) == -1; i++)
		turns(20);
	assert_int_equal(access(conf.fifo, F_OK), 0);
	finish(f);
}

static void test_bad_lines_do_not_flood_the_log(void **state)
{
	struct role_fifo *f = begin();
	struct role_fifo_stats s;
	int fd = writer();

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		put(fd, "nonsense\n");
		if (i % 100 == 0)
			turns(1);
	}
	turns(100);
	role_fifo_stats(f, &s);
	assert_int_equal(s.bad, 2000);
	assert_true(warnings > 0 && warnings <= 4);
	put(fd, "INSTANCE \"lan4\" MASTER 150\n");
	turns(100);
	assert_int_equal(role, ROLE_PRIMARY);
	close(fd);
	finish(f);
}

/* Whoever may write to it decides the role. */
static void test_files_that_are_not_read(void **state)
{
	struct role_fifo_stats s;
	char target[160];
	struct role_fifo *f;
	int fd;

	(void)state;
	fd = open(conf.fifo, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	put(fd, "INSTANCE \"lan4\" MASTER 150\n");
	close(fd);
	f = begin();
	turns(50);
	role_fifo_stats(f, &s);
	assert_false(s.open);
	unlink(conf.fifo);
	assert_int_equal(mkfifo(conf.fifo, 0600), 0);
	assert_int_equal(chmod(conf.fifo, 0622), 0);
	for (unsigned int i = 0; i < 600 && warnings == 0; i++)
		turns(20);
	assert_int_equal(warnings, 1);
	role_fifo_stats(f, &s);
	assert_false(s.open);
	assert_int_equal(chmod(conf.fifo, 0600), 0);
	until_open(f);
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(rename(conf.fifo, target), 0);
	assert_int_equal(symlink(target, conf.fifo), 0);
	turns(50);
	for (unsigned int i = 0; i < 600 && warnings == 1; i++)
		turns(20);
	role_fifo_stats(f, &s);
	assert_false(s.open);
	assert_int_equal(told, 0);
	unlink(target);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_made),
		cmocka_unit_test(test_what_waited),
		cmocka_unit_test(test_another_file),
		cmocka_unit_test(test_bad_lines_do_not_flood_the_log),
		cmocka_unit_test(test_files_that_are_not_read),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(conf.fifo, sizeof(conf.fifo), "%s/fifo", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
