/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets with another text: lengths and checksums, headers of all kinds, everything that is no
 * whole packet. */
#include "queue/packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct made {
	uint8_t b[512];
	size_t n, l4_at, text_at;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void set16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The sum over everything that a checksum covers, itself included: 0xffff when it is right. Written
 * without regard to what is tested: bit by bit of RFC 1071. */
static uint16_t ones_sum(uint32_t s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s += (uint32_t)p[i] << (i % 2 ? 0 : 8);
		s = (s & 0xffff) + (s >> 16);
	}
	return (uint16_t)s;
}

static uint16_t l4_sum(const struct made *m, uint8_t l3, uint8_t l4)
{
	size_t len = m->n - m->l4_at;
	uint32_t s = (uint32_t)(l4 + len);

	s = ones_sum(s, m->b + (l3 == AF_INET ? 12 : 8), l3 == AF_INET ? 8 : 32);
	return ones_sum(s, m->b + m->l4_at, len);
}

static struct made make(uint8_t l3, uint8_t l4, size_t options, const char *text)
{
	struct made m = { .n = 0 };
	size_t text_len = strlen(text), header = l4 == IPPROTO_TCP ? 20 + options : 8,
	       ip = l3 == AF_INET ? 20 + options : 40;
	uint8_t *p = m.b;

	for (size_t i = 0; i < ip; i++)
		p[i] = (uint8_t)(i * 7);
	m.l4_at = ip;
	if (l3 == AF_INET) {
		p[0] = (uint8_t)(0x40 | ip / 4);
		p[6] = 0x40;
		p[7] = 0;
		p[9] = l4;
		set16(p + 2, ip + header + text_len);
	} else {
		p[0] = 0x60;
		p[6] = l4;
		if (options) { /* an extension header of 8 or 16 bytes */
			p[6] = IPPROTO_DSTOPTS;
			memset(p + ip, 0, options * 2);
			p[ip] = l4;
			p[ip + 1] = (uint8_t)(options / 4 - 1);
			m.l4_at = ip += options * 2;
		}
		set16(p + 4, ip - 40 + header + text_len);
	}
	for (size_t i = 0; i < header; i++)
		p[ip + i] = (uint8_t)(i * 13 + 1);
	if (l4 == IPPROTO_TCP) {
		p[ip + 12] = (uint8_t)(header / 4 << 4);
		p[ip + 13] = 0x18;
	} else {
		set16(p + ip + 4, header + text_len);
	}
	m.text_at = ip + header;
	memcpy(p + m.text_at, text, text_len);
	m.n = m.text_at + text_len;
	return m;
}

static const struct {
	uint8_t l3, l4;
	size_t options;
} kinds[] = {
	{ AF_INET, IPPROTO_TCP, 0 },  { AF_INET, IPPROTO_TCP, 4 },  { AF_INET, IPPROTO_UDP, 0 },
	{ AF_INET, IPPROTO_UDP, 8 },  { AF_INET6, IPPROTO_TCP, 0 }, { AF_INET6, IPPROTO_TCP, 4 },
	{ AF_INET6, IPPROTO_UDP, 0 }, { AF_INET6, IPPROTO_UDP, 8 },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void other_text(void **state)
{
	static const char *const texts[] = { "", "x", "longer than before", "odd" };

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		for (size_t t = 0; t < 4; t++) {
			struct made m = make(kinds[i].l3, kinds[i].l4, kinds[i].options,
					     "the text"),
				    out = m;
			struct packet_parts parts;

			assert_int_equal(packet_parse(kinds[i].l3, m.b, m.n, &parts), 0);
			assert_int_equal(parts.l4, kinds[i].l4);
			assert_int_equal(parts.text_at, m.text_at);
			assert_int_equal(parts.text_len, 8);
			out.n = packet_build(&parts, m.b, (const uint8_t *)texts[t],
					     strlen(texts[t]), out.b, sizeof(out.b));
			assert_int_equal(out.n, m.text_at + strlen(texts[t]));
			assert_memory_equal(out.b + out.text_at, texts[t], strlen(texts[t]));
			assert_int_equal(l4_sum(&out, kinds[i].l3, kinds[i].l4), 0xffff);
			if (kinds[i].l3 == AF_INET) {
				assert_int_equal(get16(out.b + 2), out.n);
				assert_int_equal(ones_sum(0, out.b, out.l4_at), 0xffff);
			} else {
				assert_int_equal(get16(out.b + 4), out.n - 40);
			}
			if (kinds[i].l4 == IPPROTO_UDP)
				assert_int_equal(get16(out.b + out.l4_at + 4), out.n - out.l4_at);
			else /* all but the checksum stays, the numbers too */
				assert_memory_equal(out.b + out.l4_at, m.b + m.l4_at, 16);
		}
	}
}

static void no_checksum(void **state)
{
	struct made m = make(AF_INET, IPPROTO_UDP, 0, "the text");
	struct packet_parts parts;
	uint8_t out[512];

	(void)state;
	set16(m.b + m.l4_at + 6, 0);
	assert_int_equal(packet_parse(AF_INET, m.b, m.n, &parts), 0);
	assert_true(packet_build(&parts, m.b, (const uint8_t *)"abc", 3, out, sizeof(out)) > 0);
	assert_int_equal(get16(out + m.l4_at + 6), 0);
	assert_int_equal(
		packet_build(&parts, m.b, (const uint8_t *)"abc", 3, out, parts.text_at + 2), 0);
}

static void sequence(void **state)
{
	struct made m = make(AF_INET, IPPROTO_TCP, 0, "the text");
	struct packet_parts parts;

	(void)state;
	memcpy(m.b + m.l4_at + 4, "\xff\xff\xff\xff", 4);
	assert_int_equal(packet_parse(AF_INET, m.b, m.n, &parts), 0);
	assert_int_equal(parts.seq, 0xffffffffu);
	m.b[m.l4_at + 13] |= 0x02;
	assert_int_equal(packet_parse(AF_INET, m.b, m.n, &parts), 0);
	assert_int_equal(parts.seq, 0);
	/* what stands behind the packet does not belong to it */
	assert_int_equal(packet_parse(AF_INET, m.b, m.n + 6, &parts), 0);
	assert_int_equal(parts.text_len, 8);
}

/* On exact copies, so that the sanitizers see a read outside. */
static void hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		struct made m = make(kinds[i].l3, kinds[i].l4, kinds[i].options, "the text");
		struct packet_parts parts;

		for (size_t n = 0; n < m.n; n++) {
			uint8_t *cut = malloc(n + !n);

			assert_non_null(cut);
			memcpy(cut, m.b, n);
			assert_int_equal(packet_parse(kinds[i].l3, cut, n, &parts), -EPROTO);
			free(cut);
		}
		for (size_t at = 0; at < m.n; at++) {
			for (unsigned int bit = 0; bit < 8; bit++) {
				uint8_t *copy = malloc(m.n);

				assert_non_null(copy);
				memcpy(copy, m.b, m.n);
				copy[at] ^= (uint8_t)(1u << bit);
				if (packet_parse(kinds[i].l3, copy, m.n, &parts) == 0)
					assert_true(parts.text_at + parts.text_len <= m.n);
				free(copy);
			}
		}
	}
}

static void fragments(void **state)
{
	struct made m = make(AF_INET, IPPROTO_UDP, 0, "the text"),
		    six = make(AF_INET6, IPPROTO_UDP, 4, "the text");
	struct packet_parts parts;

	(void)state;
	m.b[6] = 0x20;
	assert_int_equal(packet_parse(AF_INET, m.b, m.n, &parts), -EPROTO);
	m.b[6] = 0;
	m.b[7] = 1;
	assert_int_equal(packet_parse(AF_INET, m.b, m.n, &parts), -EPROTO);
	six.b[6] = IPPROTO_FRAGMENT;
	assert_int_equal(packet_parse(AF_INET6, six.b, six.n, &parts), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_text), cmocka_unit_test(no_checksum),
		cmocka_unit_test(sequence),   cmocka_unit_test(hostile),
		cmocka_unit_test(fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
