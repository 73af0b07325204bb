/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of ended flows: the line to the letter, file and syslog each by its own setting,
 * rotation, a file that takes nothing. */
#include "stats/flowlog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log_conf.h"
#include "unit/cache/flows.h"

#define WALL  1764053123 /* 2025-11-25 06:45:23 UTC */
#define STAMP "Tue Nov 25 06:45:23 2025\t"
#define LINE \
	"tcp      6 ESTABLISHED src=10.0.0.0 dst=192.168.0.1 sport=0 dport=80 packets=3 " \
	"bytes=180 " \
	"src=192.168.0.1 dst=10.0.0.0 sport=80 dport=0 packets=2 bytes=120 [ASSURED]"

static char dir[64];
static struct log_conf conf;
static struct flowlog *flowlog;
static char said[256];
static int said_priority, n_said;

static int syslog_result; /* what log_syslog() is to say */

int __wrap_log_syslog(int priority, const char *text);
int __wrap_log_syslog(int priority, const char *text)
{
	snprintf(said, sizeof(said), "%s", text);
	said_priority = priority;
	n_said++;
	return syslog_result;
}

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	strcpy(dir, "/tmp/flowlog_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	conf = (struct log_conf){ .to_file = true, .facility = LOG_CONF_NO_SYSLOG };
	snprintf(conf.path, sizeof(conf.path), "%s/flows", dir);
	n_said = 0;
	flowlog = NULL;
	return 0;
}

static int teardown(void **state)
{
	char old[sizeof(conf.path) + 4];

	(void)state;
	flowlog_close(flowlog);
	snprintf(old, sizeof(old), "%s/flows.1", dir);
	unlink(old);
	snprintf(old, sizeof(old), "%s/flows", dir);
	unlink(old);
	return rmdir(dir);
}

static size_t read_file(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n;
}

static const struct ct_flow *ended_flow(void)
{
	static struct flow_rare rare;
	static struct ct_flow f;

	f = make_flow(0);
	rare = (struct flow_rare){ .packets = { 3, 2 }, .bytes = { 180, 120 } };
	f.has |= FLOW_HAS_COUNTERS;
	f.rare = &rare;
	flow_mirror_reply(&f);
	f.has |= FLOW_HAS_REPLY;
	return &f;
}

static struct mono at(int64_t s)
{
	return (struct mono){ .ns = s * MONO_NS_PER_S };
}

static void line_in_the_file(void **state)
{
	char text[1024];
	struct stat st;

	(void)state;
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	/* waits for the end of the turn */
	assert_int_equal(read_file(conf.path, text, sizeof(text)), 0);
	flowlog_flow(flowlog, ended_flow(), WALL + 1);
	flowlog_flush(flowlog, at(1));
	read_file(conf.path, text, sizeof(text));
	assert_string_equal(text, STAMP LINE "\n"
					     "Tue Nov 25 06:45:24 2025\t" LINE "\n");
	assert_int_equal(stat(conf.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(n_said, 0);

	/* Appended to what was there, and nothing is lost at the end. */
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_close(flowlog);
	flowlog = NULL;
	read_file(conf.path, text, sizeof(text));
	assert_string_equal(text + strlen(STAMP LINE "\n") * 2, STAMP LINE "\n");
}

static void syslog_alone_and_beside(void **state)
{
	char text[1024];

	(void)state;
	conf.facility = LOG_LOCAL3;
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	assert_int_equal(n_said, 1);
	assert_int_equal(said_priority, LOG_LOCAL3 | LOG_INFO);
	assert_string_equal(said, LINE);
	flowlog_close(flowlog);
	read_file(conf.path, text, sizeof(text));
	assert_string_equal(text, STAMP LINE "\n");

	conf.to_file = false;
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(1));
	assert_int_equal(flowlog_reopen(flowlog), 0);
	assert_int_equal(n_said, 2);
	assert_string_equal(said, LINE);
	assert_int_equal(flowlog_lost(flowlog), 0);
}

/* A log daemon that does not keep up is not waited for, and that is said. */
static void syslog_sleeps(void **state)
{
	(void)state;
	conf.to_file = false;
	conf.facility = LOG_LOCAL3;
	syslog_result = -EAGAIN;
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flow(flowlog, ended_flow(), WALL);
	assert_int_equal(flowlog_lost(flowlog), 2);
	flowlog_flush(flowlog, at(1));
	syslog_result = 0;
	flowlog_flow(flowlog, ended_flow(), WALL);
	assert_int_equal(flowlog_lost(flowlog), 2);
}

static void neither(void **state)
{
	char path[sizeof(conf.path)];

	(void)state;
	strcpy(path, conf.path);
	conf = (struct log_conf){ .facility = LOG_CONF_NO_SYSLOG };
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(1));
	assert_int_equal(n_said, 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void rotation(void **state)
{
	char text[1024], old[sizeof(conf.path) + 4];

	(void)state;
	snprintf(old, sizeof(old), "%s/flows.1", dir);
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	assert_int_equal(rename(conf.path, old), 0);
	assert_int_equal(flowlog_reopen(flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL + 1);
	flowlog_flush(flowlog, at(1));
	read_file(old, text, sizeof(text));
	assert_string_equal(text, STAMP LINE "\n"); /* what waited belongs to the old file */
	read_file(conf.path, text, sizeof(text));
	assert_string_equal(text, "Tue Nov 25 06:45:24 2025\t" LINE "\n");
}

/* More than the buffer holds, in one turn: every line whole, none lost. */
static void many_in_a_turn(void **state)
{
	const size_t n = 3000, line = strlen(STAMP LINE "\n");
	char *text = malloc(n * line + 2);

	(void)state;
	assert_non_null(text);
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	for (size_t i = 0; i < n; i++)
		flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(1));
	assert_int_equal(read_file(conf.path, text, n * line + 2), n * line);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(text + i * line, STAMP LINE "\n", line);
	free(text);
}

static void disk_full(void **state)
{
	(void)state;
	strcpy(conf.path, "/dev/full");
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(1));
	assert_int_equal(flowlog_lost(flowlog), 2);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(2));
	assert_int_equal(flowlog_lost(flowlog), 3);
}

/* Room for `bytes` in the file, as on a disk that gets full. */
static void room(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Three lines, of which the second is cut. */
static void cut_a_line(void)
{
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(flowlog_open(&conf, &flowlog), 0);
	room(strlen(STAMP LINE "\n") + 20);
	for (int i = 0; i < 3; i++)
		flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(1));
	assert_int_equal(flowlog_lost(flowlog), 1);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(2));
	assert_int_equal(flowlog_lost(flowlog), 2);
}

/* When there is room again the line that was cut is made whole first. */
static void cut_line_goes_on(void **state)
{
	char text[1024];

	(void)state;
	cut_a_line();
	room(RLIM_INFINITY);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(3));
	read_file(conf.path, text, sizeof(text));
	assert_string_equal(text, STAMP LINE "\n" STAMP LINE "\n" STAMP LINE "\n");
	assert_int_equal(flowlog_lost(flowlog), 2);
}

static void cut_line_and_rotation(void **state)
{
	char text[1024], old[sizeof(conf.path) + 4];

	(void)state;
	snprintf(old, sizeof(old), "%s/flows.1", dir);
	cut_a_line();
	assert_int_equal(rename(conf.path, old), 0);
	assert_int_equal(flowlog_reopen(flowlog), 0);
	room(RLIM_INFINITY);
	flowlog_flow(flowlog, ended_flow(), WALL);
	flowlog_flush(flowlog, at(3));
	read_file(conf.path, text, sizeof(text));
	assert_string_equal(text, STAMP LINE "\n");
	assert_int_equal(flowlog_lost(flowlog), 3);
}

static void cannot_open(void **state)
{
	(void)state;
	snprintf(conf.path, sizeof(conf.path), "%s/no/flows", dir);
	assert_int_equal(flowlog_open(&conf, &flowlog), -ENOENT);
	assert_null(flowlog);
	flowlog_close(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(line_in_the_file),
		T(syslog_alone_and_beside),
		T(syslog_sleeps),
		T(neither),
		T(rotation),
		T(many_in_a_turn),
		T(disk_full),
		T(cannot_open),
		T(cut_line_goes_on),
		T(cannot_open),
		T(cut_line_and_rotation),
		T(cannot_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
