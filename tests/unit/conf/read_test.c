/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: what cannot be read, what stays untouched, and the short cut of the client. */
#include "conf/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct reports {
	unsigned int errors, warnings, placeless;
	uint32_t line;	/* of the last one with a place */
	char text[512]; /* of the last one */
};

static void collect(void *ctx, enum conf_severity severity, const struct conf_place *place,
		    const char *text)
{
	struct reports *r = ctx;

	if (severity == CONF_ERROR)
		r->errors++;
	else
		r->warnings++;
	if (place)
		r->line = place->line;
	else
		r->placeless++;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

/* A file with that text; the caller removes it. */
static void make_file(char path[32], const char *text, size_t len)
{
	int fd;

	strcpy(path, "/tmp/conf-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd != -1);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

#define GOOD \
	"Sync { Mode FTFW { } Multicast { IPv4_address 225.0.0.50 Group 3780\n" \
	"IPv4_interface 192.168.100.1 Interface eth2 } }\n"

static void unreadable(void **state)
{
	struct conf conf, before;
	struct reports r = { 0 };

	(void)state;
	memset(&conf, 0x5a, sizeof(conf));
	memcpy(&before, &conf, sizeof(conf));
	assert_int_equal(conf_read("/nonexistent/file", 0, &conf, collect, &r), -ENOENT);
	assert_non_null(strstr(r.text, "/nonexistent/file: No such file"));
	assert_int_equal(conf_read("/tmp", 0, &conf, collect, &r), -EISDIR);
	assert_non_null(strstr(r.text, "/tmp: Is a directory"));
	assert_int_equal(r.errors, 2);
	assert_int_equal(r.placeless, 2);
	assert_int_equal(conf_read("/nonexistent/file", 0, &conf, NULL, NULL), -ENOENT);
	assert_memory_equal(&conf, &before, sizeof(conf));
}

static void too_large(void **state)
{
	size_t len = CONF_FILE_MAX + 1;
	char *text = malloc(len), path[32];
	struct reports r = { 0 };
	struct conf conf;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', len);
	make_file(path, text, len);
	assert_int_equal(conf_read(path, 0, &conf, collect, &r), -EFBIG);
	assert_int_equal(r.errors, 1);
	assert_int_equal(truncate(path, CONF_FILE_MAX), 0);
	memset(&r, 0, sizeof(r));
	assert_int_equal(conf_read(path, 0, &conf, collect, &r), -EINVAL);
	assert_int_equal(r.placeless, 0);
	unlink(path);
	free(text);
}

static void good_and_bad(void **state)
{
	static const char bad[] = GOOD "General { HashSize x\nNice 5\nHashLimit y }\n";
	char path[32];
	struct reports r = { 0 };
	struct conf conf, before;

	(void)state;
	make_file(path, bad, strlen(bad));
	memset(&conf, 0x5a, sizeof(conf));
	memcpy(&before, &conf, sizeof(conf));
	assert_int_equal(conf_read(path, 0, &conf, collect, &r), -EINVAL);
	assert_memory_equal(&conf, &before, sizeof(conf));
	assert_int_equal(r.errors, 2);
	assert_int_equal(r.warnings, 1);
	assert_int_equal(r.line, 5);
	assert_int_equal(conf_read(path, 0, &conf, NULL, NULL), -EINVAL);
	unlink(path);

	make_file(path, GOOD, strlen(GOOD));
	memset(&r, 0, sizeof(r));
	assert_int_equal(conf_read(path, 0, &conf, collect, &r), 0);
	assert_int_equal(r.errors + r.warnings, 0);
	conf_free(&conf);
	conf_free(&conf);
	conf_free(NULL);
	unlink(path);
}

/* path NULL: it cannot be known */
static const struct {
	const char *name, *text, *path;
	unsigned int warnings, errors;
} control_cases[] = {
	{ "good", GOOD "General { UNIX { Path /run/a.ctl } }", "/run/a.ctl", 0, 0 },
	{ "good, not built yet", "Stats { } General { UNIX { Path /run/a.ctl } }", "/run/a.ctl", 0,
	  0 },
	{ "warnings are not repeated", GOOD "General { Nice 5 UNIX { Backlog 5 Path /run/a.ctl } }",
	  "/run/a.ctl", 0, 0 },
	{ "no path", GOOD, "/var/run/conntrackd.ctl", 0, 0 },
	{ "empty", "", "/var/run/conntrackd.ctl", 1, 0 },
	{ "other errors", "Sync { Foo } General { HashSize x UNIX { Path /run/a.ctl } }",
	  "/run/a.ctl", 1, 0 },
	{ "other errors, no path", "Sync { Foo } General { HashSize x UNIX { Backlog 5 } }",
	  "/var/run/conntrackd.ctl", 1, 0 },
	{ "other errors, no block", "Sync { Foo } General { HashSize x }",
	  "/var/run/conntrackd.ctl", 1, 0 },
	{ "brace missing", "Sync { Mode FTFW { General { UNIX { Path /run/a.ctl } }", "/run/a.ctl",
	  1, 0 },
	{ "brace too many", "Sync { } } } General { UNIX { Path /run/a.ctl } }", "/run/a.ctl", 1,
	  0 },
	{ "wrong section", GOOD "UNIX { Path /run/a.ctl }", "/run/a.ctl", 1, 0 },
	{ "case", GOOD "General { Unix { Path /run/a.ctl } }", "/run/a.ctl", 1, 0 },
	{ "last one counts", "UNIX { Path /run/a.ctl } UNIX { Path /run/b.ctl } x", "/run/b.ctl", 1,
	  0 },
	{ "comment", "x\n# UNIX { Path /run/a.ctl }\n", "/var/run/conntrackd.ctl", 1, 0 },
	{ "bytes", "\xff\xff UNIX { Path /run/a.ctl }", "/run/a.ctl", 1, 0 },
	{ "other Path", GOOD "Foo { Path /run/a.ctl }", NULL, 0, 2 },
	{ "Path after the block", GOOD "General { UNIX { } Path /run/a.ctl }", NULL, 0, 2 },
	{ "relative", GOOD "General { UNIX { Path a.ctl } }", NULL, 0, 2 },
	{ "last one relative", GOOD "General { UNIX { Path /run/a.ctl Path b.ctl } }", NULL, 1, 2 },
	{ "quoted", GOOD "General { UNIX { Path \"/run/a.ctl\" } }", "/run/a.ctl", 1, 0 },
	{ "no value", GOOD "General { UNIX { Path } }", NULL, 0, 2 },
	{ "misspelt", GOOD "General { UNIX { Patch /run/a.ctl } }", NULL, 0, 2 },
	{ "unknown word", GOOD "General { UNIX { Socket /run/a.ctl } }", NULL, 0, 2 },
	{ "all told", GOOD "General { HashSize x UNIX { Path a.ctl } }", NULL, 0, 3 },
};

static void control_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(control_cases) / sizeof(control_cases[0]); i++) {
		char file[32], out[CONTROL_PATH_MAX + 1];
		const char *want = control_cases[i].path;
		struct reports r = { 0 };
		int err;

		make_file(file, control_cases[i].text, strlen(control_cases[i].text));
		err = conf_read_control_path(file, out, sizeof(out), collect, &r);
		unlink(file);
		if (err != (want ? 0 : -EINVAL) ||
		    strcmp(out, want ? want : CONTROL_PATH_DEFAULT) ||
		    r.warnings != control_cases[i].warnings ||
		    r.errors != control_cases[i].errors || r.placeless != (want ? 0 : 1))
			fail_msg("%s: %d, %s, %u warnings, %u errors", control_cases[i].name, err,
				 out, r.warnings, r.errors);
	}
}

static void control_path_unreadable(void **state)
{
	char out[CONTROL_PATH_MAX + 1];
	struct reports r = { 0 };

	(void)state;
	assert_int_equal(conf_read_control_path("/nonexistent/file", out, sizeof(out), collect, &r),
			 -ENOENT);
	assert_int_equal(r.errors, 1);
	assert_string_equal(out, CONTROL_PATH_DEFAULT);
	assert_int_equal(conf_read_control_path("/nonexistent/file", out, sizeof(out), NULL, NULL),
			 -ENOENT);
}

static void too_long_control_path(void **state)
{
	char file[32], out[CONTROL_PATH_MAX + 1], text[256], path[CONTROL_PATH_MAX + 2];
	struct reports r = { 0 };

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[CONTROL_PATH_MAX + 1] = '\0';
	snprintf(text, sizeof(text), "General { UNIX { Path %s } }", path);
	make_file(file, text, strlen(text));
	assert_int_equal(conf_read_control_path(file, out, sizeof(out), collect, &r), -EINVAL);
	assert_string_equal(out, CONTROL_PATH_DEFAULT);
	assert_true(r.errors > 1);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unreadable),
		cmocka_unit_test(too_large),
		cmocka_unit_test(good_and_bad),
		cmocka_unit_test(control_path),
		cmocka_unit_test(control_path_unreadable),
		cmocka_unit_test(too_long_control_path),
	};

	return cmocka_run_group_tests_name("conf/read", tests, NULL, NULL);
}
