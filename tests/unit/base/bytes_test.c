/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cursor, writer, list, and the arithmetic of struct mono: the header-only helpers. Buffers are
 * exact-size heap copies, so that the address sanitizer sees a read past the end. */
#include "base/cursor.h"
#include "base/list.h"
#include "base/writer.h"
#include "base/clock.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void cursor_reads_in_order(void **state)
{
	static const uint8_t src[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	uint8_t *p = malloc(sizeof(src));
	struct cursor c, sub;
	uint8_t raw[2];

	(void)state;
	assert_non_null(p);
	memcpy(p, src, sizeof(src));
	c = cur_init(p, sizeof(src));
	assert_int_equal(cur_u8(&c), 1);
	assert_int_equal(cur_be16(&c), 0x0203);
	assert_int_equal(cur_be32(&c), 0x04050607);
	sub = cur_sub(&c, 2);
	assert_false(c.bad);
	assert_int_equal(c.left, 0);
	cur_bytes(&sub, raw, 2);
	assert_int_equal(raw[0], 8);
	assert_int_equal(raw[1], 9);
	assert_false(sub.bad);
	free(p);
}

/* A refused read gives zero, moves nothing, and every later read is refused too, even one that
 * would fit. */
static void cursor_refusal_is_sticky(void **state)
{
	uint8_t *p = malloc(3);
	struct cursor c, sub;
	uint8_t raw[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_non_null(p);
	memset(p, 0xff, 3);
	c = cur_init(p, 3);
	assert_int_equal(cur_be32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(c.left, 3);
	assert_int_equal(cur_u8(&c), 0);
	cur_bytes(&c, raw, 1);
	assert_int_equal(raw[0], 0);
	sub = cur_sub(&c, 1);
	assert_true(sub.bad);
	assert_int_equal(sub.left, 0);
	c = cur_init(p, 3);
	sub = cur_sub(&c, 4);
	assert_true(sub.bad && c.bad);
	free(p);
}

static void writer_full_writes_nothing(void **state)
{
	uint8_t *p = malloc(7);
	struct writer w;

	(void)state;
	assert_non_null(p);
	memset(p, 0xee, 7);
	w = wr_init(p, 7);
	wr_u8(&w, 1);
	wr_be16(&w, 0x0203);
	assert_int_equal(wr_room(&w), 4);
	wr_be32(&w, 0x04050607);
	assert_false(w.full);
	assert_int_equal(w.len, 7);
	assert_memory_equal(p, "\1\2\3\4\5\6\7", 7);
	wr_u8(&w, 8);
	assert_true(w.full);
	assert_int_equal(w.len, 7);

	memset(p, 0xee, 7);
	w = wr_init(p, 7);
	wr_be32(&w, 0);
	wr_be32(&w, 0); /* does not fit: no byte of it */
	assert_true(w.full);
	assert_int_equal(p[4], 0xee);
	wr_u8(&w, 1); /* would fit, but there is a gap now */
	assert_int_equal(w.len, 4);
	free(p);
}

static void list_keeps_order(void **state)
{
	struct list_node head, n[3];

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_add_tail(&head, &n[i]);
	assert_ptr_equal(head.next, &n[0]);
	assert_ptr_equal(head.prev, &n[2]);
	list_del(&n[1]);
	assert_ptr_equal(n[0].next, &n[2]);
	assert_ptr_equal(n[2].prev, &n[0]);
	list_del(&n[1]); /* twice is harmless: it points at itself */
	list_del(&n[0]);
	list_del(&n[2]);
	assert_true(list_empty(&head));
}

static void mono_arithmetic(void **state)
{
	struct mono t = { .ns = 5 * MONO_NS_PER_S }, never = { 0 };

	(void)state;
	assert_true(mono_is_set(clock_now()));
	assert_false(mono_is_set(never));
	assert_int_equal(mono_diff_ms(mono_add_ms(t, 1500), t), 1500);
	assert_int_equal(mono_diff_ms(t, mono_add_ms(t, 1500)), -1500);
	assert_int_equal(mono_s(mono_add_ms(t, 999)), 5);
	assert_int_equal(mono_min(t, never).ns, t.ns);
	assert_int_equal(mono_min(never, t).ns, t.ns);
	assert_int_equal(mono_min(t, mono_add_ns(t, -1)).ns, t.ns - 1);
	assert_true(mono_before(t, mono_add_ns(t, 1)));
	assert_false(mono_before(t, t));
	assert_true(clock_wall_s() > 1600000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_reads_in_order),
		cmocka_unit_test(cursor_refusal_is_sticky),
		cmocka_unit_test(writer_full_writes_nothing),
		cmocka_unit_test(list_keeps_order),
		cmocka_unit_test(mono_arithmetic),
	};

	return cmocka_run_group_tests_name("base/bytes", tests, NULL, NULL);
}
