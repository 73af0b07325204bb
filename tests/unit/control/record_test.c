/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests: round trip, old clients, cut at every length, every byte changed, other versions. On
 * exact-size copies. */
#include "control/record.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define REC_VERSION 7

static enum ctl_parse decode(const uint8_t *bytes, size_t n, struct ctl_wire_request *req)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum ctl_parse ret;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	ret = ctl_request_decode(copy, n, REC_VERSION, req);
	free(copy);
	return ret;
}

static const uint8_t args[] = { 1, 6, 0, 0, 's', 't', 'r', 'i', 'c', 't' };
#define WHOLE (CTL_REQUEST_LEN + 2 + sizeof(args))

static const struct ctl_wire_request sample = {
	.number = 46,
	.version = CTL_VERSION,
	.flags = CTL_F_PROGRESS,
	.args = args,
	.args_len = sizeof(args),
};

static void request_round_trip(void **state)
{
	struct ctl_wire_request in, got = { 0 };
	uint8_t buf[CTL_REQUEST_MAX];
	int number = 46;

	(void)state;
	assert_int_equal(ctl_request_encode(&sample, REC_VERSION, buf), WHOLE);
	assert_memory_equal(buf, &number, 4);
	assert_memory_equal(buf + 4,
			    "\xff"
			    "ctd\0\3\0\7\0\0\0\1\0\12",
			    14);
	assert_int_equal(ctl_request_decode(buf, WHOLE, REC_VERSION, &got), CTL_PARSE_DONE);
	assert_int_equal(got.number, 46);
	assert_int_equal(got.version, CTL_VERSION);
	assert_int_equal(got.flags, CTL_F_PROGRESS);
	assert_int_equal(got.args_len, sizeof(args));
	assert_memory_equal(got.args, args, sizeof(args));

	/* As before arguments: 16 bytes, the same as ever. */
	in = (struct ctl_wire_request){ .number = 46,
					.version = CTL_VERSION_FLAGS,
					.flags = CTL_F_STRICT };
	assert_int_equal(ctl_request_encode(&in, REC_VERSION, buf), CTL_REQUEST_LEN);
	assert_memory_equal(buf + 4,
			    "\xff"
			    "ctd\0\2\0\7\0\0\0\2",
			    12);
	assert_int_equal(decode(buf, CTL_REQUEST_LEN, &got), CTL_PARSE_DONE);
	assert_int_equal(got.version, CTL_VERSION_FLAGS);
	assert_int_equal(got.flags, CTL_F_STRICT);
	assert_int_equal(got.args_len, 0);

	in = (struct ctl_wire_request){ .number = -3 };
	assert_int_equal(ctl_request_encode(&in, REC_VERSION, buf), CTL_REQUEST_OLD_LEN);
	assert_int_equal(decode(buf, 4, &got), CTL_PARSE_DONE);
	assert_int_equal(got.number, -3);
	assert_int_equal(got.version, 0);
	assert_int_equal(got.flags, 0);
}

/* Cut short, a framed request is never taken for a complete one, except at 4 bytes, where it is an
 * old client's. */
static void request_cut(void **state)
{
	struct ctl_wire_request got;
	uint8_t buf[CTL_REQUEST_MAX];

	(void)state;
	ctl_request_encode(&sample, REC_VERSION, buf);
	for (size_t n = 0; n < WHOLE; n++) {
		enum ctl_parse ret;

		got = (struct ctl_wire_request){ .number = 99 };
		ret = decode(buf, n, &got);
		if (ret != (n == 4 ? CTL_PARSE_DONE : CTL_PARSE_MORE))
			fail_msg("%zu bytes: %d", n, ret);
		assert_int_equal(got.number, n == 4 ? 46 : 99);
		assert_int_equal(got.version, 0);
	}
}

static void request_byte_changed(void **state)
{
	struct ctl_wire_request got;
	uint8_t buf[CTL_REQUEST_MAX];

	(void)state;
	for (size_t at = 0; at < CTL_REQUEST_LEN + 2; at++) {
		for (int flip = 1; flip < 256; flip++) {
			enum ctl_parse ret;

			ctl_request_encode(&sample, REC_VERSION, buf);
			buf[at] ^= (uint8_t)flip;
			ret = decode(buf, WHOLE, &got);
			if (at < 4)
				assert_true(ret == CTL_PARSE_DONE && got.version == CTL_VERSION &&
					    got.number != 46);
			else if (at <
				 8) /* not our magic: an old client with something behind the int */
				assert_true(ret == CTL_PARSE_DONE && got.version == 0 &&
					    got.number == 46);
			else if (at == 9 && buf[at] == CTL_VERSION_FLAGS)
				assert_true(ret == CTL_PARSE_DONE &&
					    got.version == CTL_VERSION_FLAGS);
			else if (at < 12)
				assert_int_equal(ret, CTL_PARSE_OTHER_VERSION);
			else if (at < 16)
				assert_true(ret == CTL_PARSE_DONE && got.flags != CTL_F_PROGRESS);
			else if (at == 16 && buf[at] > CTL_ARGS_LEN >> 8)
				assert_int_equal(ret, CTL_PARSE_TOO_LONG);
			else if (at == 16 || buf[at] > sizeof(args))
				assert_true(ret == CTL_PARSE_MORE || ret == CTL_PARSE_TOO_LONG);
			else
				assert_true(ret == CTL_PARSE_DONE && got.args_len == buf[at]);
		}
	}
}

/* Another version may have a longer or a shorter request: it is told apart as soon as its version
 * is there. The version to answer in is the newest, but for clients from before. */
static void request_of_another_version(void **state)
{
	uint8_t buf[64] = { 16, 0,	    0, 0, 0xff, 'c', 't', 'd', 0, CTL_VERSION_FLAGS - 1,
			    0,	REC_VERSION };
	struct ctl_wire_request got;

	(void)state;
	assert_int_equal(decode(buf, 12, &got), CTL_PARSE_OTHER_VERSION);
	assert_int_equal(decode(buf, 64, &got), CTL_PARSE_OTHER_VERSION);
	assert_int_equal(got.version, CTL_VERSION_FLAGS);
	buf[9] = CTL_VERSION + 1;
	assert_int_equal(decode(buf, 12, &got), CTL_PARSE_OTHER_VERSION);
	assert_int_equal(got.version, CTL_VERSION);
	buf[9] = CTL_VERSION;
	buf[11] = REC_VERSION + 1;
	assert_int_equal(decode(buf, 12, &got), CTL_PARSE_OTHER_VERSION);
	assert_int_equal(got.version, CTL_VERSION);
	buf[9] = CTL_VERSION_FLAGS;
	assert_int_equal(decode(buf, 12, &got), CTL_PARSE_OTHER_VERSION);
	assert_int_equal(got.version, CTL_VERSION_FLAGS);
}

static void heads(void **state)
{
	uint8_t h[CTL_HEADER_LEN], r[CTL_RECORD_HDR_LEN];

	(void)state;
	ctl_header_encode(2, 0x0102, h);
	assert_memory_equal(h,
			    "\xff"
			    "ctd\0\2\1\2",
			    8);
	ctl_record_head(CTL_REC_FLOW, 0xabcd, r);
	assert_memory_equal(r, "\xab\xcd\0\3", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_round_trip),
		cmocka_unit_test(request_cut),
		cmocka_unit_test(request_byte_changed),
		cmocka_unit_test(request_of_another_version),
		cmocka_unit_test(heads),
	};

	return cmocka_run_group_tests_name("control/record", tests, NULL, NULL);
}
