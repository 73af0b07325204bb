/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reply queue: what an old client and ours get of the same writing, room, growth, the end. */
#include "control/out.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void write_everything(struct ctl_out *out)
{
	uint8_t *p;

	ctl_text(out, "one\n", 4);
	ctl_note(out, "note %d", 1);
	ctl_result(out, "result %d", 2);
	ctl_record(out, CTL_REC_FLOW, "abc", 3);
	p = ctl_record_reserve(out, CTL_REC_FLOW, 100);
	if (p) {
		memcpy(p, "de", 2);
		ctl_record_commit(out, 2);
	}
	ctl_printf(out, "%s%c", "two", '\n');
	ctl_end(out, 1);
	ctl_out_finish(out);
	ctl_out_finish(out); /* once */
}

static void old_client_gets_text_only(void **state)
{
	struct ctl_out *out = ctl_out_new();

	(void)state;
	ctl_out_begin(out, 0, 0, 7);
	assert_true(ctl_out_is_text(out));
	ctl_progress(out, 1, 2);
	write_everything(out);
	assert_int_equal(ctl_out_queued(out), 8);
	assert_memory_equal(ctl_out_bytes(out), "one\ntwo\n", 8);
	assert_int_equal(ctl_out_status(out), 1);
	ctl_out_free(out);
}

static void our_client_gets_records(void **state)
{
	static const char want[] = "\xff"
				   "ctd\0\3\0\7"
				   "\0\4\0\1one\n"
				   "\0\6\0\2note 1"
				   "\0\10\0\7result 2"
				   "\0\3\0\3abc"
				   "\0\2\0\3de"
				   "\0\4\0\1two\n"
				   "\0\4\0\5\0\0\0\1";
	struct ctl_out *out = ctl_out_new();

	(void)state;
	ctl_out_begin(out, CTL_VERSION, 0, 7);
	assert_false(ctl_out_is_text(out));
	write_everything(out);
	assert_int_equal(ctl_out_queued(out), sizeof(want) - 1);
	assert_memory_equal(ctl_out_bytes(out), want, sizeof(want) - 1);
	assert_false(ctl_out_broken(out));
	ctl_out_free(out);
}

/* Only to those who show it, and only when nothing else waits. */
static void progress_when_asked_and_idle(void **state)
{
	struct ctl_out *out = ctl_out_new();

	(void)state;
	ctl_out_begin(out, CTL_VERSION, CTL_F_PROGRESS, 7);
	ctl_progress(out, 1, 2);
	assert_int_equal(ctl_out_queued(out), CTL_HEADER_LEN);
	ctl_out_consume(out, CTL_HEADER_LEN);
	ctl_progress(out, UINT64_C(0x100000002), 5);
	ctl_progress(out, 3, 5);
	assert_int_equal(ctl_out_queued(out), CTL_RECORD_HDR_LEN + CTL_PROGRESS_LEN);
	assert_memory_equal(ctl_out_bytes(out), "\0\20\0\4\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\5", 20);
	ctl_out_free(out);

	out = ctl_out_new();
	ctl_out_begin(out, CTL_VERSION, 0, 7);
	ctl_out_consume(out, CTL_HEADER_LEN);
	ctl_progress(out, 1, 2);
	assert_int_equal(ctl_out_queued(out), 0);
	ctl_out_free(out);
}

static void long_text_is_split(void **state)
{
	struct ctl_out *out = ctl_out_new();
	size_t n = 2 * CTL_RECORD_MAX + 10;
	char *text = malloc(n);
	const uint8_t *p;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', n);
	ctl_out_begin(out, CTL_VERSION, 0, 7);
	ctl_text(out, text, n);
	assert_int_equal(ctl_out_queued(out), CTL_HEADER_LEN + 3 * CTL_RECORD_HDR_LEN + n);
	assert_int_equal(ctl_room(out), 0);
	p = ctl_out_bytes(out) + CTL_HEADER_LEN;
	assert_memory_equal(p, "\xff\xff\0\1x", 5);
	p += CTL_RECORD_HDR_LEN + CTL_RECORD_MAX;
	assert_memory_equal(p, "\xff\xff\0\1x", 5);
	p += CTL_RECORD_HDR_LEN + CTL_RECORD_MAX;
	assert_memory_equal(p, "\0\12\0\1x", 5);
	ctl_printf(out, "%03000d", 0); /* beyond its local buffer */
	assert_int_equal(ctl_out_queued(out), CTL_HEADER_LEN + 4 * CTL_RECORD_HDR_LEN + n + 3000);
	free(text);
	ctl_out_free(out);
}

/* Write and consume in odd pieces for long; what comes out is what went in, and memory stays
 * small. */
static void order_survives_moving(void **state)
{
	struct ctl_out *out = ctl_out_new();
	uint32_t put = 0, got = 0;

	(void)state;
	srand(5);
	while (got < 400000) {
		while (ctl_room(out) >= sizeof(put) && rand() % 1000)
			ctl_text(out, &put, sizeof(put)), put++;
		while (ctl_out_queued(out) >= sizeof(got) && rand() % 1000) {
			uint32_t v;

			memcpy(&v, ctl_out_bytes(out), sizeof(v));
			assert_int_equal(v, got);
			got++;
			ctl_out_consume(out, sizeof(v));
		}
		assert_true(ctl_out_queued(out) <= CTL_QUEUE_SOFT);
	}
	ctl_out_free(out);
}

static void far_too_long_breaks(void **state)
{
	struct ctl_out *out = ctl_out_new();
	char *mib = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(mib);
	for (int i = 0; i < 64; i++)
		ctl_text(out, mib, 1 << 20);
	assert_false(ctl_out_broken(out));
	ctl_text(out, mib, 1);
	assert_true(ctl_out_broken(out));
	assert_int_equal(ctl_room(out), 0);
	ctl_text(out, mib, 1);
	assert_int_equal(ctl_out_queued(out), CTL_QUEUE_MAX);
	free(mib);
	ctl_out_free(out);
	ctl_out_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_client_gets_text_only),
		cmocka_unit_test(our_client_gets_records),
		cmocka_unit_test(progress_when_asked_and_idle),
		cmocka_unit_test(long_text_is_split),
		cmocka_unit_test(order_survives_moving),
		cmocka_unit_test(far_too_long_breaks),
	};

	return cmocka_run_group_tests_name("control/out", tests, NULL, NULL);
}
