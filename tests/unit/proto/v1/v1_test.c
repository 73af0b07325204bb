/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Version 1 behind the seam: which value a type and flags are, and that each value that is said
 * comes out as what it was. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/v1/hdr.h"

/* Every header there is: what it means does not depend on more than type, flags and, for a range,
 * its order. */
static uint8_t kind_of(uint8_t type, uint8_t flags, uint32_t from, uint32_t to)
{
	const struct wire_hdr hdr = {
		.version = 1, .type = type, .flags = flags, .seq = 7, .from = from, .to = to
	};
	struct message msg;

	wire_meaning(&hdr, cur_init(NULL, 0), &msg);
	assert_int_equal(msg.seq, 7);
	assert_int_equal(msg.hello & MSG_HELLO ? WIRE_F_HELLO : 0, flags & WIRE_F_HELLO);
	assert_int_equal(msg.hello & MSG_HELLO_BACK ? WIRE_F_HELLO_BACK : 0,
			 flags & WIRE_F_HELLO_BACK);
	return msg.kind;
}

/* doc/protocol.md 5.2, in words of its own. */
static uint8_t kind_wanted(unsigned int type, unsigned int flags)
{
	if (type <= WIRE_EXP_DEL && (flags & ~WIRE_F_HELLO_MASK) != 0)
		return MSG_UNKNOWN;
	if (type <= WIRE_EXP_DEL)
		return type <= WIRE_CT_DEL ? MSG_FLOW : MSG_EXPECT;
	if (flags == 0)
		return MSG_NO_TYPE;
	if (type != WIRE_CTL)
		return MSG_UNKNOWN;
	if (flags & WIRE_F_ACK)
		return MSG_ACK;
	if (flags & WIRE_F_NACK)
		return MSG_NACK;
	if (flags & WIRE_F_RESYNC)
		return MSG_RESYNC;
	return flags & WIRE_F_ALIVE ? MSG_ALIVE : MSG_UNKNOWN;
}

static void every_type_and_flags(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 16; type++)
		for (unsigned int flags = 0; flags < 256; flags++)
			assert_int_equal(kind_of((uint8_t)type, (uint8_t)flags, 3, 9),
					 kind_wanted(type, flags));
	assert_int_equal(kind_of(WIRE_CTL, WIRE_F_ACK, 9, 3), MSG_UNKNOWN);
	assert_int_equal(kind_of(WIRE_CTL, WIRE_F_NACK, 9, 3), MSG_UNKNOWN);
	assert_int_equal(kind_of(WIRE_CTL, WIRE_F_RESYNC, 9, 3), MSG_RESYNC);
	assert_int_equal(kind_of(WIRE_CTL, WIRE_F_ACK, UINT32_MAX, 3), MSG_ACK);
}

static struct message said(const struct message *msg, size_t *len)
{
	uint8_t bytes[64];
	struct writer w = wr_init(bytes, sizeof(bytes));
	struct message heard;
	struct cursor c, body;
	size_t n;

	assert_int_equal(proto_v1.put_control(&w, msg), 0);
	for (size_t cap = 0; cap < w.len; cap++) {
		struct writer small = wr_init(bytes + 32, cap);

		assert_int_equal(proto_v1.put_control(&small, msg), -ENOSPC);
		assert_int_equal(small.len, 0);
	}
	c = cur_init(bytes, w.len);
	assert_int_equal(proto_v1.length(c, &n), PROTO_OK);
	assert_int_equal(n, w.len);
	assert_int_equal(proto_v1.next(&c, &heard, &body), PROTO_OK);
	assert_int_equal(c.left, 0);
	*len = w.len;
	return heard;
}

static void control_values_come_back(void **state)
{
	static const struct {
		uint8_t kind, hello;
		uint32_t seq, from, to;
		size_t len;
	} rows[] = {
		{ MSG_ALIVE, 0, 5, 0, 0, 8 },
		{ MSG_ALIVE, MSG_HELLO | MSG_HELLO_BACK, 5, 0, 0, 8 },
		{ MSG_ACTIVE, 0, 5, 0, 0, 12 },
		{ MSG_ACTIVE, MSG_HELLO | MSG_HELLO_BACK, 5, 0, 0, 12 },
		{ MSG_COMPLETE, 0, 5, 2, 77, 16 },
		{ MSG_COMPLETE, 0, 5, UINT32_MAX - 9, 77, 16 },
		{ MSG_PARTIAL, 0, 5, 2, 77, 16 },
		{ MSG_PARTIAL, 0, 5, UINT32_MAX - 9, 77, 16 },
		{ MSG_NOT_WHOLE, 0, 5, 9, WIRE_NOT_WHOLE, 16 },
		{ MSG_IN_ALARM, 0, 5, 0, WIRE_IN_ALARM, 16 },
		{ MSG_ACK, 0, 5, 1, 4, 16 },
		{ MSG_ACK, MSG_HELLO_BACK, 5, 1, 4, 16 },
		{ MSG_NACK, MSG_HELLO, 5, UINT32_MAX, 4, 16 },
		{ MSG_RESYNC, MSG_HELLO, 5, 99, 0xf0123456, 16 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct message msg = { .kind = rows[i].kind,
					     .hello = rows[i].hello,
					     .seq = rows[i].seq,
					     .from = rows[i].from,
					     .to = rows[i].to };
		size_t len;
		struct message heard = said(&msg, &len);

		assert_int_equal(len, rows[i].len);
		assert_int_equal(heard.kind, msg.kind);
		assert_int_equal(heard.hello, msg.hello);
		assert_int_equal(heard.version, 1);
		assert_int_equal(heard.seq, msg.seq);
		assert_int_equal(heard.from, msg.from);
		assert_int_equal(heard.to, msg.to);
	}
}

/* It has no room for HELLO, which is more urgent. */
static void a_note_gives_way_to_hello(void **state)
{
	const struct message msg = {
		.kind = MSG_NOT_WHOLE, .hello = MSG_HELLO, .seq = 5, .from = 9
	};
	size_t len;
	struct message heard = said(&msg, &len);

	(void)state;
	assert_int_equal(heard.kind, MSG_ALIVE);
	assert_int_equal(heard.hello, MSG_HELLO);
}

static void another_version_is_skipped(void **state)
{
	const struct message msg = { .kind = MSG_ALIVE, .seq = 5 };
	uint8_t bytes[64];
	struct writer w = wr_init(bytes, sizeof(bytes));
	struct cursor c, body;
	struct message heard;
	size_t n = 0;

	(void)state;
	assert_int_equal(proto_v1.put_control(&w, &msg), 0);
	assert_int_equal(proto_v1.put_control(&w, &msg), 0);
	bytes[0] = (uint8_t)(3 << 4 | (bytes[0] & 0xf));
	c = cur_init(bytes, w.len);
	assert_int_equal(proto_v1.length(c, &n), PROTO_BAD_VERSION);
	assert_int_equal(n, 8);
	assert_int_equal(proto_v1.next(&c, &heard, &body), PROTO_BAD_VERSION);
	assert_int_equal(heard.version, 3);
	assert_int_equal(proto_v1.next(&c, &heard, &body), PROTO_OK);
	assert_int_equal(heard.kind, MSG_ALIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_and_flags),
		cmocka_unit_test(control_values_come_back),
		cmocka_unit_test(a_note_gives_way_to_hello),
		cmocka_unit_test(another_version_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
