/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log file and syslog: layout, rotation, failures, what ends up on which descriptor; and the
 * rate limit. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char dir[64];
static struct log_conf conf; /* borrowed by the sink while open */

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/log_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	conf = (struct log_conf){ .to_file = true, .facility = LOG_CONF_NO_SYSLOG };
	snprintf(conf.path, sizeof(conf.path), "%s/log", dir);
	return 0;
}

static int teardown(void **state)
{
	char old[sizeof(conf.path) + 4];

	(void)state;
	log_close();
	snprintf(old, sizeof(old), "%s.1", conf.path);
	unlink(old);
	unlink(conf.path);
	return rmdir(dir);
}

static void read_file(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	fclose(f);
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" does not match \"%s\"", text, pattern);
	regfree(&re);
}

#define STAMP \
	"\\[[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}[+-][0-9]{2}:[0-9]{2}" \
	"\\] " \
	"\\(pid=[0-9]+\\) "

static void lines_in_file(void **state)
{
	char buf[8192];
	struct stat st;

	(void)state;
	assert_int_equal(log_open(&conf, NULL), 0);
	log_info("one %d", 1);
	log_notice("two");
	log_warnx("three");
	errno = ENOENT;
	log_warn("four");
	assert_int_equal(errno, ENOENT); /* preserved */
	errno = EPERM;
	log_err("five");
	log_errx("six\nforged \033[1m");
	read_file(conf.path, buf, sizeof(buf));
	assert_matches(buf, "^" STAMP "\\[info\\] one 1\n" STAMP "\\[notice\\] two\n" STAMP
			    "\\[warning\\] three\n" STAMP
			    "\\[warning\\] four: No such file or directory\n" STAMP
			    "\\[ERROR\\] five: Operation not permitted\n" STAMP
			    "\\[ERROR\\] six\\?forged \\?\\[1m\n$");
	assert_int_equal(stat(conf.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* A line longer than the buffer is cut, but it is still one line. */
static void long_line(void **state)
{
	char buf[8192];

	(void)state;
	assert_int_equal(log_open(&conf, NULL), 0);
	errno = ENOENT;
	log_warn("%05000d", 1);
	log_info("next");
	read_file(conf.path, buf, sizeof(buf));
	assert_true(strchr(buf, '\n') > buf + 2000 && strchr(buf, '\n') < buf + 2100);
	assert_matches(strchr(buf, '\n') + 1, "^" STAMP "\\[info\\] next\n$");
}

static void reopen_after_rotation(void **state)
{
	char old[sizeof(conf.path) + 4], buf[1024];

	(void)state;
	snprintf(old, sizeof(old), "%s.1", conf.path);
	assert_int_equal(log_open(&conf, NULL), 0);
	log_info("before");
	assert_int_equal(rename(conf.path, old), 0);
	log_info("still old");
	assert_int_equal(log_reopen(), 0);
	log_info("after");
	read_file(old, buf, sizeof(buf));
	assert_matches(buf, "before\n.*still old\n$");
	read_file(conf.path, buf, sizeof(buf));
	assert_matches(buf, "^" STAMP "\\[info\\] after\n$");
	/* The new file cannot be made: the old one is written on. */
	assert_int_equal(unlink(conf.path), 0);
	assert_int_equal(mkdir(conf.path, 0700), 0);
	assert_int_equal(log_reopen(), -EISDIR);
	log_info("kept");
	assert_int_equal(rmdir(conf.path), 0);
}

/* After a failed start: only what log_open() made goes. */
static void discard_own_file_only(void **state)
{
	char buf[1024];

	(void)state;
	assert_int_equal(log_open(&conf, NULL), 0);
	log_errx("in vain");
	log_discard();
	assert_int_equal(access(conf.path, F_OK), -1);
	assert_int_equal(log_open(&conf, NULL), 0);
	log_info("first");
	log_close();
	assert_int_equal(log_open(&conf, NULL), 0);
	log_errx("second");
	log_discard();
	read_file(conf.path, buf, sizeof(buf));
	assert_matches(buf, "first\n.*second\n$");
	/* Rotated meanwhile: what stands there now is not ours. */
	assert_int_equal(unlink(conf.path), 0);
	assert_int_equal(log_open(&conf, NULL), 0);
	assert_int_equal(unlink(conf.path), 0);
	assert_int_equal(mkfifo(conf.path, 0600), 0);
	log_discard();
	assert_int_equal(access(conf.path, F_OK), 0);
}

static void open_failures(void **state)
{
	struct log_conf bad = conf;
	const char *path = NULL;

	(void)state;
	snprintf(bad.path, sizeof(bad.path), "%s/none/log", dir);
	assert_int_equal(log_open(&bad, &path), -ENOENT);
	assert_ptr_equal(path, bad.path);
	assert_int_equal(log_open(&bad, NULL), -ENOENT);
	snprintf(bad.path, sizeof(bad.path), "%s", dir);
	assert_int_equal(log_open(&bad, NULL), -EISDIR);
	/* A FIFO that nobody reads must not block. */
	assert_int_equal(mkfifo(conf.path, 0600), 0);
	assert_int_equal(log_open(&conf, NULL), -ENXIO);
}

/* Redirect descriptors 1 and 2 to pipes, log, look. */
static void terminal_sides(void **state)
{
	int saved[2], out[2], err[2];
	char buf[512] = { 0 };

	(void)state;
	fflush(NULL);
	saved[0] = dup(1);
	saved[1] = dup(2);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	assert_int_equal(pipe2(err, O_NONBLOCK), 0);
	dup2(out[1], 1);
	dup2(err[1], 2);
	log_notice("to stdout");
	log_errx("to stderr");
	log_warn_said("heard already");
	for (int i = 0; i < 5000; i++)
		log_notice("nobody reads this, and nobody waits");
	log_detach();
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	assert_true(read(out[0], buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "[notice] to stdout\n"));
	memset(buf, 0, sizeof(buf));
	assert_true(read(err[0], buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "[ERROR] to stderr\n"));
	assert_null(strstr(buf, "heard"));
	dup2(err[1], 2);
	log_errx("detached");
	dup2(saved[1], 2);
	assert_int_equal(read(err[0], buf, sizeof(buf)), -1);
	for (int i = 0; i < 2; i++) {
		close(saved[i]);
		close(out[i]);
		close(err[i]);
	}
}

/* ---- syslog ---- */

static char log_daemon[80]; /* its socket, in place of /dev/log */

int __real_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	assert_in_range(len, 1, sizeof(to));
	assert_string_equal(((const struct sockaddr_un *)addr)->sun_path, "/dev/log");
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", log_daemon);
	return __real_connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

static int log_daemon_start(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(log_daemon, sizeof(log_daemon), "%s/daemon", dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", log_daemon);
	unlink(log_daemon);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* A log daemon that sleeps is not waited for, one that begins anew is found, none is no trouble. */
static void syslog_is_not_waited_for(void **state)
{
	char buf[512] = { 0 }, pattern[128];
	int fd;

	(void)state;
	fd = log_daemon_start();
	conf.to_file = false;
	conf.facility = LOG_LOCAL3;
	assert_int_equal(log_open(&conf, NULL), 0);
	log_warnx("the first %s", "line");
	assert_true(read(fd, buf, sizeof(buf) - 1) > 0);
	snprintf(pattern, sizeof(pattern),
		 "^<156>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} conntrack-tools\\[%d\\]: the first "
		 "line$",
		 (int)getpid());
	assert_matches(buf, pattern);

	alarm(20);
	for (int i = 0; i < 5000; i++)
		log_info("nobody reads this, and nobody waits");
	assert_int_equal(log_syslog(LOG_LOCAL3 | LOG_INFO, "dropped"), -EAGAIN);
	alarm(0);

	close(fd);
	fd = log_daemon_start();
	assert_int_equal(log_syslog(LOG_LOCAL3 | LOG_INFO, "again"), 0);
	memset(buf, 0, sizeof(buf));
	assert_true(read(fd, buf, sizeof(buf) - 1) > 0);
	assert_matches(buf, "^<158>.*: again$");

	close(fd);
	unlink(log_daemon);
	assert_true(log_syslog(LOG_LOCAL3 | LOG_INFO, "nobody") < 0);
	log_info("nobody");
}

/* The last lines that somebody should know of, as they were said. */
static void the_last_are_kept(void **state)
{
	char want[16], longest[1000];

	(void)state;
	assert_int_equal(log_open(&conf, NULL), 0);
	for (int i = 0; i < 3 * LOG_KEPT + 2; i++) {
		log_notice("line %d", i);
		log_info("nothing");
	}
	for (unsigned int i = 0; i < LOG_KEPT; i++) {
		snprintf(want, sizeof(want), "line %u", 2 * LOG_KEPT + 2 + i);
		assert_string_equal(log_kept(i)->text, want);
		assert_int_equal(log_kept(i)->level, LOG_LVL_NOTICE);
		assert_in_range(clock_wall_s() - log_kept(i)->wall_s, 0, 60);
	}
	assert_null(log_kept(LOG_KEPT));
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	errno = ENOENT;
	log_warn("a\nb");
	log_errx("%s", longest);
	assert_string_equal(log_kept(LOG_KEPT - 2)->text, "a?b: No such file or directory");
	assert_string_equal(log_level_word(log_kept(LOG_KEPT - 2)->level), "warning");
	assert_string_equal(log_level_word(log_kept(LOG_KEPT - 1)->level), "ERROR");
	assert_int_equal(strlen(log_kept(LOG_KEPT - 1)->text), sizeof(log_kept(0)->text) - 1);
}

static void limit_passes_and_counts(void **state)
{
	struct log_limit l = { 0 };
	struct mono t = { .ns = MONO_NS_PER_S };
	uint64_t dropped = 99;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(log_limit_pass(&l, 3, 1000, t, NULL));
	for (i = 0; i < 5; i++)
		assert_false(log_limit_pass(&l, 3, 1000, t, NULL));
	t = mono_add_ms(t, 999);
	assert_false(log_limit_pass(&l, 3, 1000, t, NULL));
	t = mono_add_ms(t, 1);
	assert_true(log_limit_pass(&l, 3, 1000, t, &dropped));
	assert_int_equal(dropped, 6);
	assert_false(log_limit_pass(&l, 3, 1000, t, NULL));
	t = mono_add_ms(t, 3600 * 1000); /* a long pause refills no more than the burst */
	for (i = 0; i < 3; i++)
		assert_true(log_limit_pass(&l, 3, 1000, t, NULL));
	assert_false(log_limit_pass(&l, 3, 1000, t, NULL));
}

/* What is below the level goes nowhere, nor to whoever shows the last lines. */
static void levels_are_left_out(void **state)
{
	static const char *const words[] = { "info", "NOTICE", "warning", "error" };
	char buf[8192];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(log_level_find(words[i]), i);
	assert_int_equal(log_level_find("loud"), -1);
	conf.level = LOG_LVL_WARNING;
	assert_int_equal(log_open(&conf, NULL), 0);
	log_notice("not this");
	log_warnx("but this");
	log_set_level(LOG_LVL_ERROR);
	log_warnx("nor that");
	log_errx("but that");
	log_set_level(LOG_LVL_INFO);
	log_info("all");
	read_file(conf.path, buf, sizeof(buf));
	assert_matches(buf, "^" STAMP "\\[warning\\] but this\n" STAMP
			    "\\[ERROR\\] but that\n" STAMP "\\[info\\] all\n$");
	assert_string_equal(log_kept(LOG_KEPT - 1)->text, "but that");
}

/* What a service manager that keeps standard error in its journal gets of one line. */
static size_t journal_gets(char *buf, size_t cap, bool its_journal)
{
	int fds[2], saved = dup(2);
	char name[64];
	struct stat st;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(fstat(fds[1], &st), 0);
	snprintf(name, sizeof(name), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + !its_journal);
	setenv("JOURNAL_STREAM", name, 1);
	fflush(stderr);
	dup2(fds[1], 2);
	log_warnx("one line");
	dup2(saved, 2);
	close(saved);
	unsetenv("JOURNAL_STREAM");
	n = read(fds[0], buf, cap - 1);
	close(fds[0]);
	close(fds[1]);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Priority and text: the journal has a time of its own. With syslog the line is there already. */
static void journal(void **state)
{
	char buf[512];

	(void)state;
	assert_int_equal(log_open(&conf, NULL), 0);
	assert_true(journal_gets(buf, sizeof(buf), true) > 0);
	assert_string_equal(buf, "<4>one line\n");
	assert_true(journal_gets(buf, sizeof(buf), false) > 0);
	assert_matches(buf, "^" STAMP "\\[warning\\] one line\n$");
	conf.facility = LOG_LOCAL3;
	assert_int_equal(journal_gets(buf, sizeof(buf), true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_in_file, setup, teardown),
		cmocka_unit_test_setup_teardown(long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(reopen_after_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(discard_own_file_only, setup, teardown),
		cmocka_unit_test_setup_teardown(open_failures, setup, teardown),
		cmocka_unit_test(limit_passes_and_counts),
		cmocka_unit_test_setup_teardown(the_last_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(levels_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(journal, setup, teardown),
		cmocka_unit_test(terminal_sides), /* detaches */
		cmocka_unit_test_setup_teardown(syslog_is_not_waited_for, setup, teardown),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
