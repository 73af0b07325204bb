/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Malformed input: the vectors 1.4.7 was sent by hand, handled as their files say, and the good
 * ones cut and damaged. Every byte the code sees lies on a heap block of exactly its size, so that
 * the sanitizers notice a read past the end.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vector_file.h"
#include "proto/v1/attr.h"
#include "proto/v1/attr_numbers.h"

static const struct proto_rules full_rules = { .full = true, .wscale = true };

static struct vector_set vectors;

static bool is_flow_type(unsigned int type)
{
	return type <= WIRE_CT_DEL;
}

struct outcome {
	struct proto_stats stats;
	size_t n_flows; /* decoded */
	size_t n_other; /* framed and left to the mode: control, expectations, unknown types */
	struct wire_hdr last;
};

/* What a receiver does with a datagram, without the mode's opinion. */
static struct outcome receive(const uint8_t *bytes, size_t n)
{
	struct outcome o = { 0 };
	struct cursor c = cur_init(bytes, n);

	while (c.left > 0) {
		struct cursor body;
		enum proto_err err = wire_next(&c, &o.last, &body);

		if (err == PROTO_OK && is_flow_type(o.last.type)) {
			struct flow_rare rare;
			struct ct_flow f;

			err = wire_get_flow(body, &f, &rare, &o.stats);
			o.n_flows += err == PROTO_OK;
			proto_stats_count(&o.stats, err);
			continue;
		}
		o.n_other += err == PROTO_OK;
		proto_stats_count(&o.stats, err);
		if (err != PROTO_OK && err != PROTO_BAD_VERSION)
			break;
	}
	return o;
}

enum verdict_of {
	WIRE_DECIDES,
	MODE_DECIDES, /* framed and decoded here; sync/ refuses or takes it by type and flags */
};

static const struct bad_case {
	const char *name;
	enum verdict_of who;
	size_t n_flows, n_other;
	struct proto_stats stats;
} bad_cases[] = {
	{ "bad-ack-8-bytes", WIRE_DECIDES, 0, 0, { .truncated = 1 } },
	{ "bad-ack-len-8", WIRE_DECIDES, 0, 0, { .bad_size = 1 } },
	{ "bad-ack-to-before-from", MODE_DECIDES, 0, 1, { 0 } },
	{ "bad-attr-len-0", WIRE_DECIDES, 0, 0, { .bad_payload = 1 } },
	{ "bad-attr-len-3", WIRE_DECIDES, 0, 0, { .bad_payload = 1 } },
	{ "bad-attr-len-past-end", WIRE_DECIDES, 0, 0, { .bad_payload = 1 } },
	{ "bad-attr-order-reversed", WIRE_DECIDES, 1, 0, { 0 } },
	{ "bad-ctl-no-flags", MODE_DECIDES, 0, 1, { 0 } },
	{ "bad-data-flag-ack", MODE_DECIDES, 1, 0, { 0 } },
	{ "bad-data-flag-bit0", MODE_DECIDES, 1, 0, { 0 } },
	{ "bad-data-flag-bit7", MODE_DECIDES, 1, 0, { 0 } },
	{ "bad-data-flag-hello", MODE_DECIDES, 1, 0, { 0 } },
	{ "bad-data-flag-hello-back", MODE_DECIDES, 1, 0, { 0 } },
	{ "bad-duplicate-attr", WIRE_DECIDES, 1, 0, { 0 } },
	{ "bad-empty", WIRE_DECIDES, 0, 0, { 0 } },
	{ "bad-helper-name-nta16", WIRE_DECIDES, 1, 0, { 0 } },
	{ "bad-helper-name-nta17", WIRE_DECIDES, 1, 0, { 0 } },
	{ "bad-labels-1024-bytes", WIRE_DECIDES, 1, 0, { .odd_labels = 1 } },
	{ "bad-labels-1028-bytes", WIRE_DECIDES, 0, 0, { .bad_payload = 1 } },
	{ "bad-labels-3-bytes", WIRE_DECIDES, 1, 0, { .odd_labels = 1 } },
	{ "bad-len-0", WIRE_DECIDES, 0, 0, { .bad_size = 1 } },
	{ "bad-len-4", WIRE_DECIDES, 0, 0, { .bad_size = 1 } },
	{ "bad-len-past-end", WIRE_DECIDES, 0, 0, { .bad_size = 1 } },
	{ "bad-trailing-4-bytes", WIRE_DECIDES, 1, 0, { 0 } },
	{ "bad-truncated-7", WIRE_DECIDES, 0, 0, { .truncated = 1 } },
	{ "bad-two-first-bad-version", WIRE_DECIDES, 1, 0, { .bad_version = 1 } },
	{ "bad-two-first-len-0", WIRE_DECIDES, 0, 0, { .bad_size = 1 } },
	{ "bad-two-first-unknown-attr", WIRE_DECIDES, 2, 0, { .unknown_attr = 1 } },
	{ "bad-two-second-truncated", WIRE_DECIDES, 1, 0, { .bad_size = 1 } },
	{ "bad-type-15", MODE_DECIDES, 0, 1, { 0 } },
	{ "bad-type-6", MODE_DECIDES, 0, 1, { 0 } },
	{ "bad-type-9", MODE_DECIDES, 0, 1, { 0 } },
	{ "bad-u32-attr-len-6", WIRE_DECIDES, 0, 0, { .bad_payload = 1 } },
	{ "bad-u8-attr-len-8", WIRE_DECIDES, 0, 0, { .bad_payload = 1 } },
	{ "bad-udp-cut-l4", WIRE_DECIDES, 0, 0, { .bad_payload = 1, .no_key = 1 } },
	{ "bad-unknown-attr-33", WIRE_DECIDES, 1, 0, { .unknown_attr = 1 } },
	{ "bad-unknown-attr-65535", WIRE_DECIDES, 1, 0, { .unknown_attr = 1 } },
	{ "bad-valid-udp", WIRE_DECIDES, 1, 0, { 0 } },
	{ "bad-version-0", WIRE_DECIDES, 0, 0, { .bad_version = 1 } },
	{ "bad-version-2", WIRE_DECIDES, 0, 0, { .bad_version = 1 } },
};

static const struct bad_case *bad_case_of(const char *name)
{
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		if (strcmp(bad_cases[i].name, name) == 0)
			return &bad_cases[i];
	}
	fail_msg("no row for %s", name);
	return NULL;
}

static unsigned int reaction(const char *line, const char *counter)
{
	const char *at = strstr(line, counter);

	return at ? (unsigned int)strtoul(at + strlen(counter) + 2, NULL, 10) : 0;
}

/* The row against what 1.4.7 was seen to do, as far as the file says that we do the same. */
static void check_row(const struct vector *v, const struct bad_case *row)
{
	const char *line;

	if (strcmp(vector_header(v, "expected-ours"), "as 1.4.7 in the same mode") != 0)
		return;
	line = vector_header(v, "reaction-ftfw");
	if (row->who == MODE_DECIDES) {
		assert_true(strstr(line, "bad_header +1") || strstr(line, "entries stored +1"));
		return;
	}
	assert_int_equal(reaction(line, "truncated"), row->stats.truncated);
	assert_int_equal(reaction(line, "bad_size"), row->stats.bad_size);
	assert_int_equal(reaction(line, "bad_version"), row->stats.bad_version);
	assert_int_equal(reaction(line, "bad_payload"), row->stats.bad_payload);
	assert_int_equal(reaction(line, "entries stored"), row->n_flows);
}

static void bad_vectors_are_handled_as_their_files_say(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];
		const struct bad_case *row;
		struct proto_stats expected;
		struct outcome o;
		uint8_t *bytes;

		if (!vector_is_bad(v))
			continue;
		row = bad_case_of(v->name);
		check_row(v, row);
		bytes = heap_copy(v->payload, v->len);
		o = receive(bytes, v->len);
		free(bytes);
		expected = row->stats;
		expected.malformed = expected.truncated + expected.bad_size + expected.bad_version +
				     expected.bad_payload;
		if (memcmp(&o.stats, &expected, sizeof(expected)) != 0 ||
		    o.n_flows != row->n_flows || o.n_other != row->n_other)
			fail_msg("%s: %zu flows, %zu others, malformed %llu", v->name, o.n_flows,
				 o.n_other, (unsigned long long)o.stats.malformed);
		if (row->who == MODE_DECIDES) {
			assert_int_equal(o.last.type, v->msgs[0].type);
			assert_int_equal(o.last.flags, v->msgs[0].flags);
		}
		n++;
	}
	assert_int_equal(n, sizeof(bad_cases) / sizeof(bad_cases[0]));
}

static struct ct_flow decode_first(const char *name, struct flow_rare *rare)
{
	for (size_t i = 0; i < vectors.n; i++) {
		struct proto_stats stats = { 0 };
		struct cursor c, body;
		struct wire_hdr hdr;
		struct ct_flow f;

		if (strcmp(vectors.v[i].name, name) != 0)
			continue;
		c = cur_init(vectors.v[i].payload, vectors.v[i].len);
		assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
		assert_int_equal(wire_get_flow(body, &f, rare, &stats), PROTO_OK);
		return f;
	}
	fail_msg("no vector %s", name);
	return (struct ct_flow){ 0 };
}

/* Not only accepted: with the right contents. */
static void odd_but_accepted_vectors_keep_their_contents(void **state)
{
	struct flow_rare rare;
	struct ct_flow f;

	(void)state;
	f = decode_first("bad-duplicate-attr", &rare);
	assert_int_equal(f.status, 0x0e);
	f = decode_first("bad-helper-name-nta16", &rare);
	assert_string_equal(f.rare->helper, "abcdefghijk");
	f = decode_first("bad-helper-name-nta17", &rare);
	assert_string_equal(f.rare->helper, "abcdefghijkl");
	f = decode_first("bad-labels-3-bytes", &rare);
	assert_false(f.has & FLOW_HAS_LABELS);
	f = decode_first("bad-labels-1024-bytes", &rare); /* label 8160 only */
	assert_true(f.has & FLOW_HAS_LABELS);
	assert_int_equal(
		f.rare->labels[0] | f.rare->labels[1] | f.rare->labels[2] | f.rare->labels[3], 0);
	f = decode_first("bad-unknown-attr-33", &rare);
	assert_int_equal(f.timeout_s, 100);
	f = decode_first("bad-attr-order-reversed", &rare);
	assert_int_equal(ntohs(f.orig.dport), 53);
	assert_int_equal(f.timeout_s, 100);
	f = decode_first("flow-icmp-null-binding", &rare);
	assert_false(f.has & FLOW_FROM_PEER_NAT);
	assert_int_equal(flow_icmp_type(&f.reply), 0);
	f = decode_first("attr-snat-dnat-tcp", &rare);
	assert_int_equal(f.addr.v4.reply_src, inet_addr("10.2.0.2"));
	assert_int_equal(f.addr.v4.reply_dst, inet_addr("10.2.0.1"));
	assert_int_equal(ntohs(f.reply.sport), 4660);
	assert_int_equal(ntohs(f.reply.dport), 22136);
}

/* ---- cut ---- */

/* A datagram that ends early: messages before the cut arrive, the one with the cut is refused. */
static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];

		if (vector_is_bad(v))
			continue;
		for (size_t cut = 0; cut < v->len; cut++) {
			uint8_t *bytes = heap_copy(v->payload, cut);
			struct outcome o = receive(bytes, cut);
			size_t whole = 0, left = cut;

			free(bytes);
			while (whole < v->n_msgs &&
			       v->msgs[whole].offset + v->msgs[whole].len <= cut)
				left = cut - (v->msgs[whole].offset + v->msgs[whole].len), whole++;
			assert_int_equal(o.n_flows + o.n_other, whole);
			assert_int_equal(o.stats.malformed, left > 0 ? 1 : 0);
			assert_int_equal(o.stats.truncated,
					 left > 0 && left < WIRE_HDR_LEN ? 1 :
					 left >= WIRE_HDR_LEN		 ? o.stats.truncated :
									   0);
			assert_int_equal(o.stats.truncated + o.stats.bad_size, o.stats.malformed);
		}
	}
}

/* Does a message whose first n bytes of attributes are left still identify a flow? */
static bool key_within(const struct vector_msg *m, size_t n)
{
	bool addr = false, l4 = false, ports = false;
	unsigned int proto = 0, icmp = 0;

	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct vector_attr *a = &m->attrs[i];

		if (a->offset - WIRE_HDR_LEN + ((a->nta_len + 3) & ~3u) > n)
			break;
		addr |= a->number == WIRE_ATTR_IPV4 || a->number == WIRE_ATTR_IPV6;
		ports |= a->number == WIRE_ATTR_PORT;
		icmp += a->number >= WIRE_ATTR_ICMP_TYPE && a->number <= WIRE_ATTR_ICMP_ID;
		if (a->number == WIRE_ATTR_L4PROTO) {
			l4 = true;
			proto = (unsigned int)strtoul(a->value, NULL, 10);
		}
	}
	if (!addr || !l4)
		return false;
	if (proto == 1 || proto == 58)
		return icmp == 3;
	return ports || !(proto == 6 || proto == 17 || proto == 132 || proto == 33);
}

static enum proto_err expected_of_cut(const struct vector_msg *m, size_t n)
{
	size_t end = 0;

	for (size_t i = 0; i < m->n_attrs; i++) {
		size_t next = m->attrs[i].offset - WIRE_HDR_LEN + ((m->attrs[i].nta_len + 3) & ~3u);

		if (next > n)
			break;
		end = next;
	}
	if (n - end > WIRE_ATTR_HDR_LEN)
		return PROTO_BAD_PAYLOAD;
	return key_within(m, n) ? PROTO_OK : PROTO_NO_KEY;
}

/* The attributes end early and the header says so. */
static void every_cut_of_the_attributes_has_the_right_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];

		for (size_t k = 0; k < v->n_msgs && !vector_is_bad(v); k++) {
			const struct vector_msg *m = &v->msgs[k];

			for (size_t n = 0; is_flow_type(m->type) && n < m->len - WIRE_HDR_LEN;
			     n++) {
				uint8_t *body = heap_copy(v->payload + m->offset + WIRE_HDR_LEN, n);
				struct ct_flow f = { .mark = 0x5a5a5a5a }, before = f;
				struct proto_stats stats = { 0 };
				struct flow_rare rare;
				enum proto_err err =
					wire_get_flow(cur_init(body, n), &f, &rare, &stats);

				free(body);
				if (err != expected_of_cut(m, n))
					fail_msg("%s @%zu cut at %zu: %d", v->name, m->offset, n,
						 (int)err);
				if (err != PROTO_OK)
					assert_memory_equal(&f, &before, sizeof(f));
			}
		}
	}
}

/* ---- damaged ---- */

/* Whatever is accepted must identify a flow, fit into a message, and mean the same after another
 * trip. */
static void check_accepted(const struct ct_flow *f)
{
	struct proto_stats stats = { 0 };
	uint8_t buf[WIRE_FLOW_MAX];
	struct writer w = wr_init(buf, sizeof(buf));
	struct cursor c, body;
	struct flow_rare rare;
	struct wire_hdr hdr;
	struct ct_flow again;

	assert_true(flow_has_key(f));
	assert_int_equal(wire_put_flow(&w, WIRE_CT_NEW, 0, 1, f, &full_rules), 0);
	c = cur_init(buf, w.len);
	assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
	assert_int_equal(c.left, 0);
	assert_int_equal(wire_get_flow(body, &again, &rare, &stats), PROTO_OK);
	assert_true(flow_equal_replicated(f, &again));
	assert_int_equal(f->has & FLOW_HAS_TIMEOUT ? f->timeout_s : 0,
			 again.has & FLOW_HAS_TIMEOUT ? again.timeout_s : 0);
}

static void receive_damaged(const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_init(bytes, n);

	while (c.left > 0) {
		struct proto_stats stats = { 0 };
		struct flow_rare rare;
		struct cursor body;
		struct wire_hdr hdr;
		struct ct_flow f;
		enum proto_err err = wire_next(&c, &hdr, &body);

		if (err == PROTO_BAD_VERSION)
			continue;
		if (err != PROTO_OK)
			return;
		if (is_flow_type(hdr.type) && wire_get_flow(body, &f, &rare, &stats) == PROTO_OK)
			check_accepted(&f);
	}
}

static void every_flipped_byte_gets_a_verdict(void **state)
{
	static const uint8_t patterns[] = { 0xff, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80 };

	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];
		uint8_t *bytes = heap_copy(v->payload, v->len);

		/* The two long ones repeat one message; their first 400 bytes say it all. */
		for (size_t at = 0; at < v->len && at < 400; at++) {
			for (size_t p = 0; p < sizeof(patterns); p++) {
				bytes[at] ^= patterns[p];
				receive_damaged(bytes, v->len);
				bytes[at] ^= patterns[p];
			}
		}
		free(bytes);
	}
}

static int load(void **state)
{
	(void)state;
	vectors = vectors_load();
	return 0;
}

static int unload(void **state)
{
	(void)state;
	vectors_free(&vectors);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_vectors_are_handled_as_their_files_say),
		cmocka_unit_test(odd_but_accepted_vectors_keep_their_contents),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_cut_of_the_attributes_has_the_right_verdict),
		cmocka_unit_test(every_flipped_byte_gets_a_verdict),
	};

	return cmocka_run_group_tests_name("malformed wire input", tests, load, unload);
}
