/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow that comes with a packet: attributes as the kernel of Debian 12 sends them, and all that
 * is none. */
#include "queue/queue.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/nl_attr.h"

static void put_tuple(struct writer *w, uint16_t type, bool v6, uint8_t n)
{
	uint8_t addr[16] = { 10, n, 0, 2 };
	size_t tuple = nest_begin(w, type), at = nest_begin(w, CTA_TUPLE_IP);

	put_attr(w, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, addr, v6 ? 16 : 4);
	addr[3] = 3;
	put_attr(w, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, addr, v6 ? 16 : 4);
	nest_end(w, at);
	at = nest_begin(w, CTA_TUPLE_PROTO);
	put_u8(w, CTA_PROTO_NUM, IPPROTO_TCP);
	put_u16(w, CTA_PROTO_SRC_PORT, (uint16_t)(1000 + n));
	put_u16(w, CTA_PROTO_DST_PORT, 21);
	nest_end(w, at);
	nest_end(w, tuple);
}

static size_t build(uint8_t *buf, size_t cap, bool v6)
{
	struct writer w = wr_init(buf, cap);
	size_t at;

	put_tuple(&w, CTA_TUPLE_ORIG, v6, 1);
	put_tuple(&w, CTA_TUPLE_REPLY, v6, 2);
	put_u32(&w, CTA_ID, 77);
	put_u32(&w, CTA_STATUS, 0x18a);
	put_u32(&w, CTA_TIMEOUT, 300);
	at = nest_begin(&w, CTA_HELP);
	put_attr(&w, CTA_HELP_NAME, "ftp", 4);
	put_attr(&w, CTA_HELP_INFO, "0123456789abcdef01234567", 24);
	nest_end(&w, at);
	put_u16(&w, CTA_ZONE, 9);
	assert_false(w.full);
	return w.len;
}

static void whole(void **state)
{
	uint8_t buf[512];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct queue_ct ct = { .l3 = v6 ? AF_INET6 : AF_INET };
		size_t n = build(buf, sizeof(buf), v6);
		struct writer w;

		assert_int_equal(queue_parse_ct(buf, n, &ct), 0);
		assert_int_equal(ct.l4, IPPROTO_TCP);
		assert_int_equal(ct.status, 0x18a);
		assert_int_equal(ct.zone, 9);
		assert_int_equal(ct.info_len, 24);
		assert_memory_equal(ct.info, "0123456789abcdef01234567", 24);
		assert_memory_equal(&ct.tuple[0].src, "\12\1\0\2", 4);
		assert_memory_equal(&ct.tuple[1].dst, "\12\2\0\3", 4);
		assert_int_equal(ntohs(ct.tuple[0].sport), 1001);
		assert_int_equal(ntohs(ct.tuple[1].sport), 1002);
		assert_int_equal(ntohs(ct.tuple[1].dport), 21);
		assert_int_equal(ct.master_dport, 0);
		assert_int_equal(ct.id, 77);

		w = wr_init(buf + n, sizeof(buf) - n);
		put_tuple(&w, CTA_TUPLE_MASTER, v6, 3);
		assert_int_equal(queue_parse_ct(buf, n + w.len, &ct), 0);
		assert_int_equal(ntohs(ct.master_dport), 21);
		assert_int_equal(ntohs(ct.tuple[0].sport), 1001);
	}
}

static void hostile(void **state)
{
	uint8_t buf[512];
	size_t n = build(buf, sizeof(buf), false);

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct queue_ct ct = { .l3 = AF_INET };
			uint8_t *copy = malloc(n);

			assert_non_null(copy);
			memcpy(copy, buf, n);
			queue_parse_ct(copy + n - cut, cut, &ct);
			copy[cut] ^= (uint8_t)(1u << bit);
			queue_parse_ct(copy, n, &ct);
			assert_true(ct.info_len <= QUEUE_INFO_MAX);
			free(copy);
		}
	}
}

/* One tuple alone is no flow. */
static void incomplete(void **state)
{
	struct queue_ct ct = { .l3 = AF_INET };
	uint8_t buf[256];
	struct writer w = wr_init(buf, sizeof(buf));

	(void)state;
	put_tuple(&w, CTA_TUPLE_ORIG, false, 1);
	assert_int_equal(queue_parse_ct(buf, w.len, &ct), -EPROTO);
	put_tuple(&w, CTA_TUPLE_REPLY, false, 1);
	assert_int_equal(queue_parse_ct(buf, w.len, &ct), 0);
	assert_int_equal(queue_parse_ct(buf, w.len - 3, &ct), -EPROTO);
}

/* The kernel's rule: a segment that comes again changes nothing, the next one goes on from
 * there. */
static void adjustment(void **state)
{
	struct queue_adj a = { 0 };

	(void)state;
	seqadj_next(&a, 0xfffffff0u, 5);
	assert_int_equal(a.pos, 0xfffffff0u);
	assert_int_equal(a.before, 0);
	assert_int_equal(a.after, 5);
	seqadj_next(&a, 0xfffffff0u, 5);
	assert_int_equal(a.after, 5);
	seqadj_next(&a, 0xfffffff0u, 9); /* with more behind it */
	assert_int_equal(a.after, 9);
	seqadj_next(&a, 0xfffffff0u, 5);
	assert_int_equal(a.after, 5);
	seqadj_next(&a, 0xffffff00u, 5);
	assert_int_equal(a.after, 5);
	seqadj_next(&a, 10, -7);
	assert_int_equal(a.pos, 10);
	assert_int_equal(a.before, 5);
	assert_int_equal(a.after, -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(hostile),
		cmocka_unit_test(incomplete),
		cmocka_unit_test(adjustment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
