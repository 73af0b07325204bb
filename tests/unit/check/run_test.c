/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -T as a command: exit status, what --strict, --no-machine, --explain, --peer and --json make of
 * it. */
#include "check/run.h"

#include "read.h"

#include <unistd.h>

static char out[16384], err[4096];

/* Status of a check of text with these options; out and err have what was printed. */
static int run(struct check_run r, const char *text)
{
	struct conf_ctx *source = NULL;
	struct conf conf = { 0 };
	int status, ret;

	memset(out, 0, sizeof(out));
	memset(err, 0, sizeof(err));
	r.out = fmemopen(out, sizeof(out), "w");
	r.err = fmemopen(err, sizeof(err), "w");
	ret = conf_parse_source("f", text, strlen(text), 0, &conf, &source, check_run_report, &r);
	status = check_run_end(&r, "f", ret == 0 ? &conf : NULL, source);
	conf_source_free(source);
	conf_free(&conf);
	fclose(r.out);
	fclose(r.err);
	return status;
}

#define GOOD HEAD("FTFW") "}\n"
#define ODD  GOOD "General {\nPollSecs 5\n}\n"
#define BAD  GOOD "General {\nPollSecs five\n}\n"

static void statuses(void **state)
{
	const struct check_run file = { .no_machine = true },
			       strict = { .no_machine = true, .strict = true };

	(void)state;
	assert_int_equal(run(file, GOOD), 0);
	assert_string_equal(out, "f: ok\n");
	assert_string_equal(err, "");
	assert_int_equal(run(strict, GOOD), 0);
	assert_int_equal(run(file, ODD), 0);
	assert_non_null(strstr(err, "f:12:1: warning: PollSecs"));
	assert_int_equal(run(strict, ODD), 1);
	assert_string_equal(out, "");
	assert_int_equal(run(file, BAD), 1);
	assert_non_null(strstr(err, "f:12:"));
	/* this machine has no eth9 */
	assert_int_equal(run((struct check_run){ 0 }, GOOD), 0);
	assert_non_null(strstr(err, "f:7:1: warning: there is no interface eth9"));
	assert_int_equal(run((struct check_run){ .strict = true }, GOOD), 1);
}

static void as_json(void **state)
{
	const struct check_run json = { .no_machine = true, .json = true };

	(void)state;
	assert_int_equal(run(json, GOOD), 0);
	assert_string_equal(out, "{\"schema\":1,\"kind\":\"check\",\"file\":\"f\",\"ok\":true,"
				 "\"errors\":0,\"warnings\":0,\"problems\":[]}\n");
	assert_int_equal(run(json, ODD), 0);
	assert_non_null(strstr(out, "\"ok\":true,\"errors\":0,\"warnings\":1,\"problems\":[{"
				    "\"severity\":\"warning\",\"file\":\"f\",\"line\":12,"
				    "\"column\":1,\"text\":\"PollSecs"));
	assert_int_equal(run(json, BAD), 1);
	assert_non_null(strstr(out, "\"ok\":false,\"errors\":1"));
	assert_string_equal(err, "");
}

static void explained(void **state)
{
	const struct check_run explain = { .no_machine = true, .explain = true };
	struct conf again;
	char first[sizeof(out)];
	const char *a, *b;

	(void)state;
	assert_int_equal(
		run(explain, GOOD
		    "General {\nFilter {\nAddress Ignore {\nIPv4_address 10.0.0.1\n}\n}\n}\n"
		    "Helper {\nType ftp inet tcp {\nQueueNum 7\nPolicy ftp {\nExpectMax 9\n}\n}\n"
		    "Type tftp inet udp {\nQueueNum 8\n}\n}\n"),
		0);
	assert_non_null(strstr(out, "\t\tPort 3780\t# f:8\n"));
	assert_non_null(strstr(out, "\tHashSize 65536\t# default\n"));
	assert_non_null(strstr(out, "Address Ignore {\t# f:13\n"));
	assert_non_null(strstr(out, "QueueNum 7\t# f:20\n"));
	assert_non_null(strstr(out, "ExpectMax 9\t# f:22\n"));
	assert_non_null(strstr(out, "ExpectTimeout 300\t# default\n"));
	assert_non_null(strstr(out, "QueueNum 8\t# f:26\n"));
	assert_null(strstr(out, "f: ok"));
	/* and is read as the same */
	strcpy(first, out);
	assert_int_equal(conf_parse("g", first, strlen(first), 0, &again, NULL, NULL), 0);
	conf_free(&again);
	assert_int_equal(run(explain, first), 0);
	for (a = first, b = out; *a && *b;) {
		assert_int_equal(strcspn(a, "\n#"), strcspn(b, "\n#"));
		assert_memory_equal(a, b, strcspn(a, "\n#"));
		a += strcspn(a, "\n") + 1;
		b += strcspn(b, "\n") + 1;
	}
	assert_int_equal(*a, *b);
}

static void with_the_peer(void **state)
{
	char path[] = "/tmp/check-peer-XXXXXX";
	const struct check_run peer = { .no_machine = true, .peer = path };
	FILE *f = fdopen(mkstemp(path), "w");

	(void)state;
	fputs(HEAD("NOTRACK") "}\n", f);
	fclose(f);
	assert_int_equal(run(peer, GOOD), 1);
	assert_non_null(strstr(err, "error: the mode is FTFW here and NOTRACK in /tmp/check-"));
	remove(path);
	assert_int_equal(run(peer, GOOD), 1);
	assert_non_null(strstr(err, "can't open config file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(as_json),
		cmocka_unit_test(explained),
		cmocka_unit_test(with_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
