/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client that waits for a job is told at its end, and with which exit status. */
#include "command/job_clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/out.h"
#include "control/server.h"

static int start(void *ctx, unsigned int what, struct mono now)
{
	(void)what;
	(void)now;
	return *(int *)ctx;
}

static const struct row {
	const char *name;
	bool strict, in_kernel;
	int start_err;
	struct job_result res;
	const char *says; /* part of a note; NULL: nothing */
	int status;
	bool json;
} rows[] = {
	{ "committed",
	  false,
	  false,
	  0,
	  { .commit = { .total = 7, .created = 7 } },
	  "committed 7 flows",
	  0,
	  false },
	{ "one failed",
	  false,
	  false,
	  0,
	  { .commit = { .total = 7, .failed = 1 } },
	  " 1 failed",
	  0,
	  false },
	{ "one failed, strict",
	  true,
	  false,
	  0,
	  { .commit = { .total = 7, .failed = 1 } },
	  " 1 failed",
	  1,
	  false },
	{ "it could not begin",
	  false,
	  false,
	  -ENOMEM,
	  { 0 },
	  "failed: Cannot allocate memory",
	  1,
	  false },
	{ "in the kernel",
	  true,
	  true,
	  0,
	  { .windows = { .total = 9, .loosened = 3 } },
	  NULL,
	  0,
	  false },
	{ "read in vain",
	  false,
	  true,
	  0,
	  { .windows = { .err = -EINTR } },
	  "has changed under every reading",
	  0,
	  false },
	{ "read in vain, strict",
	  true,
	  true,
	  0,
	  { .windows = { .err = -EINTR } },
	  "may still have",
	  1,
	  false },
	{ "no reading",
	  false,
	  true,
	  0,
	  { .windows = { .err = -EPERM } },
	  "Operation not permitted",
	  0,
	  false },
	{ "no beginning", false, true, -ENOMEM, { 0 }, "Cannot allocate memory", 0, false },
	{ "no beginning, strict", true, true, -ENOMEM, { 0 }, "Cannot allocate memory", 1, false },
	{ "some refused",
	  false,
	  true,
	  0,
	  { .windows = { .failed = 4 } },
	  "4 older entries still have",
	  0,
	  false },
	{ "some refused, strict",
	  true,
	  true,
	  0,
	  { .windows = { .failed = 4 } },
	  "4 older entries",
	  1,
	  false },
	{ "JSON",
	  false,
	  false,
	  0,
	  { .commit = { .total = 7, .created = 7 } },
	  "\"total\":7,\"created\":7,",
	  0,
	  true },
	{ "JSON, failed",
	  false,
	  false,
	  0,
	  { .commit = { .total = 7, .failed = 2, .reason = { { ENOMEM, 2 } } } },
	  "\"count\":2}]}",
	  0,
	  true },
	{ "JSON, failed, strict",
	  true,
	  false,
	  0,
	  { .commit = { .total = 7, .failed = 1 } },
	  "\"failed\":1,",
	  1,
	  true },
	{ "JSON, it could not begin",
	  false,
	  false,
	  -ENOMEM,
	  { 0 },
	  "\"failed_whole\":\"Cannot allocate memory\"",
	  1,
	  true },
	{ "JSON, in the kernel",
	  false,
	  true,
	  0,
	  { .windows = { .loosened = 3 } },
	  "\"loosened\":3,",
	  0,
	  true },
	{ "JSON, read in vain",
	  false,
	  true,
	  0,
	  { .windows = { .err = -EINTR } },
	  "\"failed_whole\":",
	  0,
	  true },
	{ "JSON, read in vain, strict",
	  true,
	  true,
	  0,
	  { .windows = { .err = -EINTR } },
	  "\"failed_whole\":",
	  1,
	  true },
};

/* The reply is in records: does it hold this text? */
static bool says(const struct ctl_out *out, const char *text)
{
	return memmem(ctl_out_bytes(out), ctl_out_queued(out), text, strlen(text));
}

static void run_row(const struct row *r)
{
	struct command_env d = { .loop = evloop_new() };
	int start_err = r->start_err;
	const struct job_ops ops = { .ctx = &start_err, .start = start };
	struct ctl_out *out = ctl_out_new();
	struct mono now = clock_now();
	struct control_job *job;
	size_t begun;

	d.job_clients = job_clients_new(&d);
	d.jobs = jobs_new(job_clients_ended, d.job_clients);
	jobs_set_ops(d.jobs, JOB_COMMIT, &ops);
	ctl_out_begin(out, CTL_VERSION, 0, 1);
	begun = ctl_out_queued(out);
	job = job_clients_commit(
		d.job_clients,
		&(struct commit_wish){ CTL_OBJ_CT, r->strict, r->json, r->in_kernel }, now);
	assert_non_null(job);
	if (!r->start_err) {
		assert_int_equal(job->ops->step(job, out, now), CTL_WAIT);
		assert_int_equal(ctl_out_queued(out), begun);
		jobs_ended(d.jobs, JOB_COMMIT, &r->res, now);
	}
	assert_int_equal(job->ops->step(job, out, now), CTL_DONE);
	if (r->says ? !says(out, r->says) : ctl_out_queued(out) != begun)
		fail_msg("%s: not what was to be said", r->name);
	if (ctl_out_status(out) != r->status)
		fail_msg("%s: status %d", r->name, ctl_out_status(out));
	job->ops->release(job, true);
	ctl_out_free(out);
	jobs_free(d.jobs);
	job_clients_free(d.job_clients);
	evloop_free(d.loop);
}

static void the_end_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_end_is_told) };

	return cmocka_run_group_tests_name("command/job_clients", tests, NULL, NULL);
}
