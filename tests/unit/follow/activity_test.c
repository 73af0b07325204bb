/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node is, and whether a daemon that starts believes what the last one has written down. */
#include "follow/activity.h"

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

static char dir[] = "/tmp/activity-test-XXXXXX", path[64];
static unsigned int warnings;

void __wrap_log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void __wrap_log_warnx(const char *fmt, ...)
{
	(void)fmt;
	warnings++;
}

static struct activity *begin(struct mono now)
{
	struct activity *a = activity_open(path, now);

	assert_non_null(a);
	return a;
}

static struct mono later(struct mono t, int64_t s)
{
	return mono_add_ms(t, s * 1000);
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	rmdir(path);
	warnings = 0;
	return 0;
}

static void write_text(const char *text, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static size_t read_text(char *text, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, cap - 1, f);
	fclose(f);
	text[n] = '\0';
	return n;
}

static void test_roles(void **state)
{
	struct mono now = clock_now();
	struct activity *a = activity_open(NULL, now);

	(void)state;
	assert_false(activity_active(a));
	assert_null(activity_option(a));
	assert_false(mono_is_set(activity_since(a)));
	assert_false(activity_commit(a, now));
	assert_true(activity_active(a));
	assert_int_equal(activity_since(a).ns, now.ns);
	activity_commit(a, later(now, 5)); /* still the same activity */
	assert_int_equal(activity_since(a).ns, now.ns);
	activity_request(a, later(now, 6));
	assert_false(activity_active(a));
	assert_false(mono_is_set(activity_since(a)));
	assert_string_equal(activity_option(a), "-n");
	activity_commit(a, later(now, 7));
	assert_int_equal(activity_since(a).ns, later(now, 7).ns);
	assert_true(activity_purge(a, later(now, 68), later(now, 8)));
	assert_false(activity_active(a));
	activity_close(a);
}

static void test_purges(void **state)
{
	struct mono now = clock_now(), due = later(now, 60), other = later(now, 90);
	struct activity *a = activity_open(NULL, now);

	(void)state;
	assert_true(activity_purge(a, due, now));
	assert_false(activity_purge(a, other, later(now, 30))); /* one at a time */
	assert_int_equal(activity_purge_due(a).ns, due.ns);
	activity_request(a, now); /* -n leaves it alone */
	assert_int_equal(activity_purge_due(a).ns, due.ns);
	assert_true(activity_commit(a, now));
	assert_false(mono_is_set(activity_purge_due(a)));
	assert_false(activity_commit(a, now));
	/* One that is being carried out is no reason not to schedule the next, and its end does not
	 * end that one. */
	activity_purge(a, due, now);
	assert_true(activity_purge(a, later(due, 61), later(due, 1)));
	activity_purge_done(a, due, later(due, 2));
	assert_int_equal(activity_purge_due(a).ns, later(due, 61).ns);
	activity_purge_done(a, later(due, 61), later(due, 62));
	assert_false(mono_is_set(activity_purge_due(a)));
	assert_false(activity_purge_cancel(a, now));
	activity_close(a);
}

static void assert_near(struct mono a, struct mono b)
{
	int64_t ms = mono_diff_ms(a, b);

	assert_true(ms > -1000 && ms < 1000); /* of a minute; a machine may be busy */
}

static void test_a_restart(void **state)
{
	struct mono now = clock_now(), due = later(now, 60);
	struct activity *a = begin(now);
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), -1); /* nothing to say yet */
	activity_commit(a, now);
	activity_close(a);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	a = begin(clock_now());
	assert_true(activity_active(a));
	assert_near(activity_since(a), now);
	activity_purge(a, due, clock_now());
	activity_close(a);
	a = begin(clock_now());
	assert_int_equal(activity_role(a), ACTIVITY_PURGE);
	assert_near(activity_purge_due(a), due);
	assert_false(activity_purge(a, later(due, 9), clock_now()));
	activity_commit(a, clock_now());
	activity_close(a);
	a = begin(clock_now());
	assert_true(activity_active(a));
	assert_false(mono_is_set(activity_purge_due(a)));
	activity_purge(a, mono_add_ms(clock_now(), 1), clock_now());
	activity_close(a);
	usleep(5000);
	a = begin(clock_now()); /* its time has passed meanwhile: due at once */
	assert_true(mono_is_set(activity_purge_due(a)));
	assert_true(mono_before(activity_purge_due(a), clock_now()));
	activity_close(a);
	assert_int_equal(warnings, 0);
}

static void assert_ignored(const char *text, size_t n, unsigned int said)
{
	struct activity *a;

	warnings = 0;
	write_text(text, n);
	a = begin(clock_now());
	if (activity_role(a) != ACTIVITY_NONE || mono_is_set(activity_purge_due(a)) ||
	    warnings != said)
		fail_msg("believed, or said %u times: %.*s", warnings, (int)n, text);
	activity_commit(a, clock_now()); /* and the file is usable again */
	activity_close(a);
	a = begin(clock_now());
	assert_true(activity_active(a));
	activity_close(a);
}

/* Take the line of this word out of the file, put another one in its place. */
static size_t with_line(char *out, const char *text, const char *word, const char *line)
{
	const char *at = strstr(text, word), *end;

	assert_non_null(at);
	end = strchr(at, '\n');
	assert_non_null(end);
	return (size_t)sprintf(out, "%.*s%s%s", (int)(at - text), text, line, end);
}

static void test_what_is_not_believed(void **state)
{
	char good[512], bad[600];
	struct mono now = clock_now();
	struct activity *a = begin(now);
	size_t n;

	(void)state;
	activity_purge(a, later(now, 60), now);
	activity_close(a);
	n = read_text(good, sizeof(good));
	for (size_t i = 0; i < n; i++) /* cut off anywhere */
		assert_ignored(good, i, 1);
	sprintf(bad, "%s\n", good);
	assert_ignored(bad, n + 1, 1);
	memcpy(bad, good, n);
	bad[n / 2] = '\0';
	assert_ignored(bad, n, 1);
	memset(bad, 'x', sizeof(bad));
	assert_ignored(bad, sizeof(bad), 1);
	assert_ignored(bad, with_line(bad, good, "conntrackd-state", "conntrackd-state 3"), 1);
	assert_ignored(bad, with_line(bad, good, "netns", "netns 4:1"), 1);
	assert_ignored(bad, with_line(bad, good, "role", "role 4"), 1);
	assert_ignored(bad, with_line(bad, good, "role", "role -1"), 1);
	assert_ignored(bad, with_line(bad, good, "role", "role 1"),
		       1); /* active, and a purge is pending */
	assert_ignored(bad, with_line(bad, good, "since", "since 1"), 1);
	assert_ignored(bad, with_line(bad, good, "purge", "purge 9223372036854775807"), 1);
	assert_ignored(bad, with_line(bad, good, "purge", "purge -1"), 1);
	/* Of another boot: void, and nothing to wonder about. */
	assert_ignored(
		bad, with_line(bad, good, "boot", "boot 00000000-0000-0000-0000-000000000000"), 0);
}

/* Asked by a client while no daemon answers. */
static void test_while_no_daemon_runs(void **state)
{
	struct mono now = clock_now();
	struct activity *a;

	(void)state;
	assert_false(activity_was_active(path, now));
	a = begin(now);
	activity_commit(a, now);
	activity_close(a);
	assert_true(activity_was_active(path, later(now, 5)));
	activity_missed_standby(path, now);
	assert_false(activity_was_active(path, now));
	write_text("anything", 8);
	assert_false(activity_was_active(path, now));
}

static void test_who_may_write_it(void **state)
{
	char good[512], target[80];
	struct mono now = clock_now();
	struct activity *a = begin(now);
	size_t n;

	(void)state;
	activity_purge(a, later(now, 60), now);
	activity_close(a);
	n = read_text(good, sizeof(good));
	assert_int_equal(chmod(path, 0666), 0);
	a = begin(now);
	assert_int_equal(activity_role(a), ACTIVITY_NONE);
	assert_int_equal(warnings, 1);
	activity_close(a);
	/* Not through a link. */
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(chmod(target, 0600), 0);
	assert_int_equal(symlink(target, path), 0);
	a = begin(now);
	assert_int_equal(activity_role(a), ACTIVITY_NONE);
	assert_int_equal(warnings, 2);
	activity_commit(a, now); /* replaces the link, not what it points to */
	activity_close(a);
	unlink(path);
	assert_int_equal(rename(target, path), 0);
	assert_int_equal(read_text(good, sizeof(good)), n);
}

static void test_a_place_that_cannot_be_written(void **state)
{
	struct mono now = clock_now();
	struct activity *a;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	a = begin(now);
	assert_int_equal(warnings, 1); /* not a file */
	activity_commit(a, now);
	assert_int_equal(warnings, 2);
	activity_purge(a, later(now, 60), now);
	activity_commit(a, now);
	assert_int_equal(warnings, 2); /* said once */
	assert_true(activity_active(a));
	activity_close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roles, clean, clean),
		cmocka_unit_test_setup_teardown(test_purges, clean, clean),
		cmocka_unit_test_setup_teardown(test_a_restart, clean, clean),
		cmocka_unit_test_setup_teardown(test_what_is_not_believed, clean, clean),
		cmocka_unit_test_setup_teardown(test_while_no_daemon_runs, clean, clean),
		cmocka_unit_test_setup_teardown(test_who_may_write_it, clean, clean),
		cmocka_unit_test_setup_teardown(test_a_place_that_cannot_be_written, clean, clean),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/ctl.state", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
