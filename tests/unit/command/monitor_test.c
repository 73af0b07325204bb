/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --monitor: each line of the log reaches each who looks on, and no sleeper costs more than it
 * may. */
#include "command/monitor.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

/* What a step of the job writes, as an old client would get it. */
static const char *step(struct control_job *job)
{
	static char said[1 << 18];
	struct ctl_out *out = ctl_out_new();
	size_t n;

	ctl_out_begin(out, 0, 0, 0);
	assert_int_equal(job->ops->step(job, out, clock_now()), CTL_WAIT);
	n = ctl_out_queued(out);
	assert_true(n < sizeof(said));
	memcpy(said, n ? (const char *)ctl_out_bytes(out) : "", n);
	said[n] = '\0';
	ctl_out_free(out);
	return said;
}

static void both_forms(void **state)
{
	struct monitors *all = monitors_new();
	struct control_job *text, *json;

	(void)state;
	log_notice("before anybody looks");
	text = monitors_add(all, false);
	json = monitors_add(all, true);
	assert_string_equal(step(text), "");
	log_warnx("peer \"%s\" is silent", "x");
	log_info("of no interest");
	assert_non_null(strstr(step(text), " [warning] peer \"x\" is silent\n"));
	assert_string_equal(step(text), "");
	log_notice("again");
	assert_non_null(strstr(
		step(json),
		",\"level\":\"warning\",\"text\":\"peer \\\"x\\\" is silent\"}\n{\"schema\":1,"
		"\"kind\":\"event\",\"time_s\":"));
	text->ops->release(text, false);
	log_notice("nobody but one");
	assert_non_null(strstr(step(json), "nobody but one"));
	json->ops->release(json, false);
	log_notice("nobody");
	monitors_free(all);
	log_notice("after the end");
}

static void sleeper(void **state)
{
	struct monitors *all = monitors_new();
	struct control_job *job = monitors_add(all, false);
	const char *said, *missing;
	unsigned int lost, n = 0;

	(void)state;
	for (int i = 0; i < 5000; i++)
		log_notice("one of very many lines");
	said = step(job);
	assert_true(strlen(said) < 70000);
	for (const char *at = said; (at = strstr(at, "very many")); at++)
		n++;
	missing = strstr(said, "[warning] ");
	assert_non_null(missing);
	assert_int_equal(sscanf(missing, "[warning] %u lines are missing here", &lost), 1);
	assert_int_equal(n + lost, 5000);
	assert_true(n > 500);
	log_notice("awake");
	said = step(job);
	assert_non_null(strstr(said, "awake"));
	assert_null(strstr(said, "missing"));
	job->ops->release(job, false);
	monitors_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(both_forms),
					    cmocka_unit_test(sleeper) };

	log_detach(); /* thousands of lines are of no use on a terminal */
	return cmocka_run_group_tests_name("command/monitor", tests, NULL, NULL);
}
