/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a question is answered where no daemon does it: the table in client/answer.c. */
#include "client/answer.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct row {
	enum ctl_question asked;
	enum client_end end;
	bool active;
	int status;
	const char *text, *name;
} rows[] = {
	{ CTL_ASKS_HEALTH, CLIENT_ABSENT, false, 2, "CRITICAL - why", "not_running" },
	{ CTL_ASKS_HEALTH, CLIENT_SILENT, false, 2, "CRITICAL - why", "not_answering" },
	{ CTL_ASKS_HEALTH, CLIENT_NOT_KNOWN, false, 3, "UNKNOWN - why", "not_known" },
	{ CTL_ASKS_READY, CLIENT_ABSENT, false, 1, "NOT READY - why", "not_running" },
	{ CTL_ASKS_READY, CLIENT_SILENT, false, 1, "NOT READY - why", "not_answering" },
	{ CTL_ASKS_READY, CLIENT_NOT_KNOWN, false, 1, "NOT READY - why", "not_known" },
	{ CTL_ASKS_READY, CLIENT_ABSENT, true, 0, "READY - this node is active; but why", NULL },
	{ CTL_ASKS_READY, CLIENT_SILENT, true, 0, "READY - this node is active; but why", NULL },
	{ CTL_ASKS_READY, CLIENT_NOT_KNOWN, true, 0, "READY - this node is active; but why", NULL },
	{ CTL_ASKS_LIVE, CLIENT_ABSENT, false, 1, "NOT LIVE - why", "not_running" },
	{ CTL_ASKS_LIVE, CLIENT_SILENT, false, 1, "NOT LIVE - why", "not_answering" },
	{ CTL_ASKS_LIVE, CLIENT_NOT_KNOWN, false, 1, "NOT LIVE - why", "not_known" },
};

static int answer(const struct row *r, bool json, char *said, size_t cap)
{
	struct client_answer a = { r->asked, json, r->active, r->end, "why" };
	FILE *f = fmemopen(said, cap, "w");
	int status;

	assert_non_null(f);
	memset(said, 0, cap);
	status = client_answer(&a, f);
	fclose(f);
	return status;
}

static void all(void **state)
{
	char said[512], should[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		snprintf(should, sizeof(should), "CONNTRACKD %s\n", r->text);
		assert_int_equal(answer(r, false, said, sizeof(said)), r->status);
		assert_string_equal(said, should);
		assert_int_equal(answer(r, true, said, sizeof(said)), r->status);
		snprintf(should, sizeof(should), "\"reasons\":[{\"name\":\"%s\"", r->name);
		assert_non_null(strstr(said, r->name ? should : "\"reasons\":[]"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all) };

	return cmocka_run_group_tests_name("client/answer", tests, NULL, NULL);
}
