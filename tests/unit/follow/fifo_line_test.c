/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of keepalived: whole, in pieces, beside garbage, and what an instance or a group
 * decides. What keepalived 2.2.7 writes is given as it was seen. */
#include "follow/fifo_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct heard {
	struct fifo_reader r;
	char text[8192]; /* "I lan4 MASTER 1;": kind, name, state, role; "bad;" */
	char start[64];	 /* of the last bad one */
};

static void on_line(void *ctx, const struct fifo_line *l)
{
	struct heard *h = ctx;
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%c %s %s %d;", l->group ? 'G' : 'I', l->name,
		 l->state, (int)l->role);
}

static void on_bad(void *ctx, const char *start)
{
	struct heard *h = ctx;

	strcat(h->text, "bad;");
	snprintf(h->start, sizeof(h->start), "%s", start);
}

static void hear(struct heard *h, const char *bytes, size_t n, size_t piece)
{
	const struct fifo_lines_cb cb = { .ctx = h, .line = on_line, .bad = on_bad };

	memset(h, 0, sizeof(*h));
	for (size_t at = 0; at < n; at += piece) {
		/* Of its own size, for the sanitizer. */
		size_t left = n - at < piece ? n - at : piece;
		char *copy = malloc(left);

		assert_non_null(copy);
		memcpy(copy, bytes + at, left);
		fifo_feed(&h->r, copy, left, &cb);
		free(copy);
	}
}

static void expect(const char *bytes, size_t n, const char *what)
{
	struct heard h;

	for (size_t piece = 1; piece <= n; piece++) {
		hear(&h, bytes, n, piece);
		if (strcmp(h.text, what) != 0)
			fail_msg("in pieces of %zu: %s, not %s", piece, h.text, what);
	}
}

#define EXPECT(bytes, what) expect(bytes, sizeof(bytes) - 1, what)

static void test_lines(void **state)
{
	(void)state;
	EXPECT("INSTANCE \"lan4\" MASTER 150\n", "I lan4 MASTER 1;");
	EXPECT("GROUP \"G1\" BACKUP 0\nINSTANCE \"VI_1\" BACKUP 100\n",
	       "G G1 BACKUP 2;I VI_1 BACKUP 2;");
	EXPECT("INSTANCE \"VI_1\" FAULT 100\nINSTANCE \"VI_1\" STOP 100\n",
	       "I VI_1 FAULT 3;I VI_1 STOP 3;");
	/* No change of the role. */
	EXPECT("INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 100\n", "I VI_1 MASTER_RX_LOWER_PRI 0;");
	EXPECT("INSTANCE \"VI_1\" MASTER_PRIORITY 90\n", "I VI_1 MASTER_PRIORITY 0;");
	EXPECT("INSTANCE \"a name\" MASTER\n", "I a name MASTER 1;");
	/* About others: no line of ours, and none that is wrong. */
	EXPECT("VS [192.0.2.1]:tcp:80 UP\nRS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 DOWN\n", "");
	EXPECT("", "");
	EXPECT("INSTANCE \"VI_1\" MASTER 1", ""); /* no end yet */
}

static void test_garbage(void **state)
{
	(void)state;
	EXPECT("\n", "bad;");
	EXPECT("hello\nINSTANCE \"a\" MASTER 1\n", "bad;I a MASTER 1;");
	EXPECT("INSTANCE a MASTER 1\n", "bad;");
	EXPECT("INSTANCE \"a MASTER 1\n", "bad;");
	EXPECT("INSTANCE \"\" MASTER 1\n", "bad;");
	EXPECT("INSTANCE \"a\"MASTER 1\n", "bad;");
	EXPECT("INSTANCE \"a\" \n", "bad;");
	EXPECT("INSTANCE \"a\" Master 1\n", "bad;");
	EXPECT("INSTANCE \"a\" MASTER x\n", "bad;");
	EXPECT("INSTANCE \"a\" MASTER 1 \n", "bad;");
	EXPECT("INSTANCE \"a\" MASTER\0 1\n", "bad;");
	EXPECT("INSTANCE \"a\" ABCDEFGHIJKLMNOPQRSTUVWXYZ 1\n", "bad;");
	EXPECT("INSTANCE \"a-name-that-is-longer-than-any-instance-has-ever-had-"
	       "anywhere-in-the-world\" MASTER 1\n",
	       "bad;");
	/* The state stands at the beginning of a line, nowhere else. */
	EXPECT("x INSTANCE \"a\" MASTER 1\n", "bad;");
}

static void test_huge_lines(void **state)
{
	static const char tail[] = "\nINSTANCE \"VI_1\" BACKUP 100\n";
	static char huge[100000];
	struct heard h;

	(void)state;
	memset(huge, 'A', sizeof(huge));
	memcpy(huge + sizeof(huge) - sizeof(tail), tail, sizeof(tail));
	hear(&h, huge, sizeof(huge) - 1, 4096);
	assert_string_equal(h.text, "bad;I VI_1 BACKUP 2;"); /* the end of it is no line */
	assert_int_equal(h.r.bad, 1);
	assert_int_equal(h.r.lines, 1);
	/* One byte too many, and none too many. */
	memset(huge, ' ', 300);
	memcpy(huge, "INSTANCE \"a\" MASTER 1", 21);
	for (size_t n = FIFO_LINE_MAX - 1; n <= FIFO_LINE_MAX + 1; n++) {
		memset(huge + 20, '1', n - 20);
		huge[n] = '\n';
		hear(&h, huge, n + 1, 64);
		assert_string_equal(h.text, n <= FIFO_LINE_MAX ? "I a MASTER 1;" : "bad;");
	}
}

static void test_what_is_said_of_it(void **state)
{
	struct heard h;

	(void)state;
	hear(&h, "a\x1b[31m\x80\tb\n", 10, 10);
	assert_string_equal(h.start, "a?[31m??b"); /* nothing for a terminal */
}

/* Any bytes: neither a crash nor more than a line a newline. */
static void test_random(void **state)
{
	static const char alphabet[] = "INSTANCE \"GROUP\"\n\0 MASTER 1";
	uint64_t random = 1;
	char bytes[512];
	struct heard h;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		size_t newlines = 0;

		for (size_t k = 0; k < sizeof(bytes); k++) {
			random = random * UINT64_C(6364136223846793005) + 1;
			bytes[k] = i % 4 ? alphabet[(random >> 33) % sizeof(alphabet)] :
					   (char)(random >> 40);
			newlines += bytes[k] == '\n';
		}
		hear(&h, bytes, sizeof(bytes), 1 + (random >> 33) % sizeof(bytes));
		assert_true(h.r.lines + h.r.bad <= newlines);
	}
}

static void test_who_decides(void **state)
{
	static struct role_conf conf;
	struct fifo_line l = { .name = "lan4", .role = ROLE_PRIMARY };

	(void)state;
	assert_true(fifo_decides(&conf, &l)); /* nobody is named: all */
	conf.groups.n = 1;
	strcpy(conf.groups.name[0], "lan4");
	assert_false(fifo_decides(&conf, &l)); /* a group of that name is another one */
	l.group = true;
	assert_true(fifo_decides(&conf, &l));
	conf.instances.n = 2;
	strcpy(conf.instances.name[0], "wan4");
	strcpy(conf.instances.name[1], "wan6");
	l.group = false;
	assert_false(fifo_decides(&conf, &l));
	strcpy(l.name, "wan6");
	assert_true(fifo_decides(&conf, &l));
	strcpy(l.name, "wan");
	assert_false(fifo_decides(&conf, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	   cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_huge_lines), cmocka_unit_test(test_what_is_said_of_it),
		cmocka_unit_test(test_random),	   cmocka_unit_test(test_who_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
