/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The golden vectors: what 1.4.7 sent, decoded field by field against the comments in the files and
 * encoded again byte for byte. Every byte the code sees lies on a heap block of exactly its size,
 * so that the sanitizers notice a read past the end.
 */
#include <arpa/inet.h>
#include <errno.h>
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
static const struct proto_rules our_rules = { .wscale = true };

static struct vector_set vectors;

/* Messages of these files that are skipped: the attributes of expectations are a number space of
 * their own, see expect_test.c. */
static const struct {
	const char *name;
	size_t n_skipped;
} expectations[] = {
	{ "ftp-expectation-new", 1 },	 { "ftp-expectation-del-and-related", 1 },
	{ "ftp6-expectation-new", 1 },	 { "ftp6-expectation-del-and-related", 1 },
	{ "ftpnat-expectation-new", 1 }, { "ftpnat-related-dnat", 1 },
};

static size_t expectations_in(const struct vector *v)
{
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		if (strcmp(expectations[i].name, v->name) == 0)
			return expectations[i].n_skipped;
	}
	return 0;
}

/* ---- what a flow says about one attribute, in the words of the files ---- */

static void text_addr(char *out, size_t cap, uint8_t l3, const void *addr)
{
	assert_non_null(inet_ntop(l3, addr, out, (socklen_t)cap));
}

static void text_pair(char *out, size_t cap, uint8_t l3, const void *src, const void *dst)
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];

	text_addr(a, sizeof(a), l3, src);
	text_addr(b, sizeof(b), l3, dst);
	snprintf(out, cap, "src=%s dst=%s", a, b);
}

static void text_labels(char *out, size_t cap, const struct flow_rare *r)
{
	int n = snprintf(out, cap, "bits set: [");

	for (unsigned int i = 0; i < 128; i++) {
		if (r->labels[i / 32] >> (i % 32) & 1)
			n += snprintf(out + n, cap - (size_t)n, "%u, ", i);
	}
	snprintf(out + n - 2, cap - (size_t)n, "] (4 words)");
}

static void text_seqadj(char *out, size_t cap, const struct flow_seqadj *a)
{
	snprintf(out, cap,
		 "orig: correction_pos=%u before=%d after=%d  repl: correction_pos=%u before=%d "
		 "after=%d",
		 a[0].pos, a[0].before, a[0].after, a[1].pos, a[1].before, a[1].after);
}

static void text_synproxy(char *out, size_t cap, const struct ct_flow *f)
{
	static const uint32_t zero[3];
	const uint32_t *s = f->rare && f->rare->synproxy_set ? f->rare->synproxy : zero;

	snprintf(out, cap, "its=%u isn=%u tsoff=%u", s[0], s[1], s[2]);
}

static const void *reply_addr(const struct ct_flow *f, bool src)
{
	if (f->l3 == AF_INET)
		return src ? &f->addr.v4.reply_src : &f->addr.v4.reply_dst;
	return src ? f->addr.v6.reply_src : f->addr.v6.reply_dst;
}

/* The value of one attribute as the flow has it; gives the FLOW_HAS_* bit it stands for. Switch
 * over all numbers, so that the length of this function is that of the attribute table. */
static uint32_t text_of(enum wire_attr number, const struct ct_flow *f, char *out, size_t cap)
{
	const struct flow_rare *r = f->rare;

	switch (number) {
	case WIRE_ATTR_IPV4:
		text_pair(out, cap, f->l3, &f->addr.v4.src, &f->addr.v4.dst);
		return 0;
	case WIRE_ATTR_IPV6:
		text_pair(out, cap, f->l3, f->addr.v6.src, f->addr.v6.dst);
		return 0;
	case WIRE_ATTR_L4PROTO:
		snprintf(out, cap, "%u", f->l4);
		return 0;
	case WIRE_ATTR_PORT:
		snprintf(out, cap, "sport=%u dport=%u", ntohs(f->orig.sport), ntohs(f->orig.dport));
		return FLOW_HAS_PORTS;
	case WIRE_ATTR_TCP_STATE:
	case WIRE_ATTR_SCTP_STATE:
	case WIRE_ATTR_DCCP_STATE:
		snprintf(out, cap, "%u", f->proto_state);
		return FLOW_HAS_PROTO_STATE;
	case WIRE_ATTR_STATUS:
		snprintf(out, cap, "0x%08x", f->status);
		return FLOW_HAS_STATUS;
	case WIRE_ATTR_TIMEOUT:
		snprintf(out, cap, "%u", f->timeout_s);
		return FLOW_HAS_TIMEOUT;
	case WIRE_ATTR_MARK:
		snprintf(out, cap, "%u", f->mark);
		return FLOW_HAS_MARK;
	case WIRE_ATTR_MASTER_IPV4:
	case WIRE_ATTR_MASTER_IPV6:
		text_pair(out, cap, f->l3, &r->master_src, &r->master_dst);
		return FLOW_HAS_MASTER;
	case WIRE_ATTR_MASTER_L4PROTO:
		snprintf(out, cap, "%u", r->master_l4);
		return FLOW_HAS_MASTER;
	case WIRE_ATTR_MASTER_PORT:
		snprintf(out, cap, "sport=%u dport=%u", ntohs(r->master_sport),
			 ntohs(r->master_dport));
		return FLOW_HAS_MASTER_PORTS;
	case WIRE_ATTR_SNAT_IPV4:
	case WIRE_ATTR_SNAT_IPV6:
		text_addr(out, cap, f->l3, reply_addr(f, false));
		return FLOW_HAS_SNAT;
	case WIRE_ATTR_DNAT_IPV4:
	case WIRE_ATTR_DNAT_IPV6:
		text_addr(out, cap, f->l3, reply_addr(f, true));
		return FLOW_HAS_DNAT;
	case WIRE_ATTR_SPAT_PORT:
		snprintf(out, cap, "%u", ntohs(f->reply.dport));
		return FLOW_HAS_SPAT;
	case WIRE_ATTR_DPAT_PORT:
		snprintf(out, cap, "%u", ntohs(f->reply.sport));
		return FLOW_HAS_DPAT;
	case WIRE_ATTR_NAT_SEQ_ADJ:
		text_seqadj(out, cap, r->adj);
		return FLOW_HAS_SEQADJ;
	case WIRE_ATTR_SCTP_VTAG_ORIG:
		snprintf(out, cap, "%u", r->vtag[0]);
		return FLOW_HAS_VTAGS;
	case WIRE_ATTR_SCTP_VTAG_REPL:
		snprintf(out, cap, "%u", r->vtag[1]);
		return FLOW_HAS_VTAGS;
	case WIRE_ATTR_DCCP_ROLE:
		snprintf(out, cap, "%u", r->dccp_role);
		return FLOW_HAS_DCCP_ROLE;
	case WIRE_ATTR_ICMP_TYPE:
		snprintf(out, cap, "%u", flow_icmp_type(&f->orig));
		return FLOW_HAS_PORTS;
	case WIRE_ATTR_ICMP_CODE:
		snprintf(out, cap, "%u", flow_icmp_code(&f->orig));
		return FLOW_HAS_PORTS;
	case WIRE_ATTR_ICMP_ID:
		snprintf(out, cap, "%u", ntohs(f->orig.sport));
		return FLOW_HAS_PORTS;
	case WIRE_ATTR_TCP_WSCALE_ORIG:
		snprintf(out, cap, "%u", f->wscale[0]);
		return FLOW_HAS_WSCALE;
	case WIRE_ATTR_TCP_WSCALE_REPL:
		snprintf(out, cap, "%u", f->wscale[1]);
		return FLOW_HAS_WSCALE;
	case WIRE_ATTR_HELPER_NAME:
		snprintf(out, cap, "\"%s\" (%zu bytes incl. NUL)", r->helper,
			 strlen(r->helper) + 1);
		return FLOW_HAS_HELPER;
	case WIRE_ATTR_LABELS:
		text_labels(out, cap, r);
		return FLOW_HAS_LABELS;
	case WIRE_ATTR_SYNPROXY:
		text_synproxy(out, cap, f);
		return FLOW_HAS_SYNPROXY;
	case WIRE_ATTR_ZONE:
		snprintf(out, cap, "%u", f->zone);
		return FLOW_HAS_ZONE;
	case WIRE_ATTR_COUNT:
		break;
	}
	fail_msg("attribute %d", (int)number);
	return 0;
}

/* Two ports that 1.4.7 sends for ICMP and nobody can use. */
static bool is_icmp_port(const struct ct_flow *f, unsigned int number)
{
	return flow_is_icmp(f) && (number == WIRE_ATTR_SPAT_PORT || number == WIRE_ATTR_DPAT_PORT);
}

static void check_fields(const struct vector *v, const struct vector_msg *m,
			 const struct ct_flow *f)
{
	uint32_t expected_has = 0;

	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct vector_attr *a = &m->attrs[i];
		char text[256];
		size_t n;

		if (is_icmp_port(f, a->number))
			continue;
		expected_has |= text_of((enum wire_attr)a->number, f, text, sizeof(text));
		n = strlen(text);
		/* The files add a name or a unit behind the value. */
		if (strncmp(text, a->value, n) != 0 || (a->value[n] != '\0' && a->value[n] != ' '))
			fail_msg("%s @%zu %s: got \"%s\", file says \"%s\"", v->name, m->offset,
				 a->name, text, a->value);
		if (strcmp(a->name, "IPV4") == 0)
			assert_int_equal(f->l3, AF_INET);
		if (strcmp(a->name, "IPV6") == 0)
			assert_int_equal(f->l3, AF_INET6);
	}
	if (f->has != expected_has)
		fail_msg("%s @%zu: has %#x, expected %#x", v->name, m->offset, f->has,
			 expected_has);
}

/* ---- encoding again ---- */

/* Is this attribute of a captured message to be expected in ours? The rules of doc/protocol.md,
 * written down once more on the side of the bytes. */
static bool expected_in_ours(const struct ct_flow *f, unsigned int type, unsigned int number,
			     const uint8_t *value, const struct proto_rules *rules)
{
	static const uint8_t zero[12];

	if (is_icmp_port(f, number))
		return false;
	if (rules->full)
		return true;
	if (number == WIRE_ATTR_SYNPROXY && memcmp(value, zero, sizeof(zero)) == 0)
		return false;
	if (type != WIRE_CT_DEL)
		return true;
	switch (number) {
	case WIRE_ATTR_IPV4:
	case WIRE_ATTR_IPV6:
	case WIRE_ATTR_STATUS:
	case WIRE_ATTR_L4PROTO:
	case WIRE_ATTR_PORT:
	case WIRE_ATTR_TCP_STATE:
	case WIRE_ATTR_SCTP_STATE:
	case WIRE_ATTR_DCCP_STATE:
	case WIRE_ATTR_ICMP_TYPE:
	case WIRE_ATTR_ICMP_CODE:
	case WIRE_ATTR_ICMP_ID:
	case WIRE_ATTR_ZONE:
		return true;
	}
	return false;
}

static size_t expected_bytes(const struct vector *v, const struct vector_msg *m,
			     const struct ct_flow *f, const struct proto_rules *rules, uint8_t *out)
{
	const uint8_t *msg = v->payload + m->offset;
	size_t len = WIRE_HDR_LEN;

	memcpy(out, msg, WIRE_HDR_LEN);
	for (size_t i = 0; i < m->n_attrs; i++) {
		const struct vector_attr *a = &m->attrs[i];
		size_t n = (a->nta_len + 3) & ~3u;

		if (!expected_in_ours(f, m->type, a->number, msg + a->offset + 4, rules))
			continue;
		memcpy(out + len, msg + a->offset, n);
		len += n;
	}
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	return len;
}

static void check_reencoding(const struct vector *v, const struct vector_msg *m,
			     const struct ct_flow *f, const struct proto_rules *rules)
{
	uint8_t expected[2048];
	size_t n = expected_bytes(v, m, f, rules, expected);

	/* With just enough room, with one byte too little, and with plenty. */
	for (size_t cap = n - 1; cap <= WIRE_FLOW_MAX + 8;
	     cap += cap == n ? WIRE_FLOW_MAX + 8 - n : 1) {
		uint8_t *buf = malloc(cap);
		struct writer w = wr_init(buf, cap);
		int err;

		assert_non_null(buf);
		memset(buf, 0xee, cap);
		err = wire_put_flow(&w, m->type, (uint8_t)m->flags, m->seq, f, rules);
		if (cap < n) {
			assert_int_equal(err, -ENOSPC);
			assert_int_equal(w.len, 0);
			assert_false(w.full);
		} else {
			assert_int_equal(err, 0);
			if (w.len != n || memcmp(buf, expected, n) != 0)
				fail_msg("%s @%zu: other bytes (%zu instead of %zu)", v->name,
					 m->offset, w.len, n);
		}
		free(buf);
	}
}

static void check_control(const struct vector_msg *m, const struct wire_hdr *hdr,
			  const struct vector *v)
{
	uint8_t buf[WIRE_CTL_LEN];
	struct writer w = wr_init(buf, sizeof(buf));

	assert_int_equal(hdr->from, m->has_range ? m->from : 0);
	assert_int_equal(hdr->to, m->has_range ? m->to : 0);
	assert_int_equal(wire_put_control(&w, hdr->flags, hdr->seq, hdr->from, hdr->to), 0);
	assert_int_equal(w.len, m->len);
	assert_memory_equal(buf, v->payload + m->offset, m->len);
}

static bool is_flow_type(unsigned int type)
{
	return type <= WIRE_CT_DEL;
}

static bool is_expectation_type(unsigned int type)
{
	return type >= WIRE_EXP_NEW && type <= WIRE_EXP_DEL;
}

/* Gives 1 for a message that is skipped. */
static size_t check_message(const struct vector *v, const struct vector_msg *m,
			    const struct wire_hdr *hdr, struct cursor body)
{
	struct proto_stats stats = { 0 }, none = { 0 };
	struct flow_rare rare;
	struct ct_flow f;

	assert_int_equal(hdr->version, m->version);
	assert_int_equal(hdr->type, m->type);
	assert_int_equal(hdr->flags, m->flags);
	assert_int_equal(hdr->len, m->len);
	assert_int_equal(hdr->seq, m->seq);
	if (hdr->type == WIRE_CTL) {
		check_control(m, hdr, v);
		return 0;
	}
	if (is_expectation_type(hdr->type))
		return 1;
	assert_true(is_flow_type(hdr->type));
	memset(&rare, 0xa5, sizeof(rare));
	assert_int_equal(wire_get_flow(body, &f, &rare, &stats), PROTO_OK);
	assert_memory_equal(&stats, &none, sizeof(stats));
	check_fields(v, m, &f);
	check_reencoding(v, m, &f, &full_rules);
	check_reencoding(v, m, &f, &our_rules);
	return 0;
}

static void good_vectors_decode_and_encode(void **state)
{
	size_t n_files = 0, n_msgs = 0;

	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];
		uint8_t *bytes;
		struct cursor c;
		size_t skipped = 0, n = 0;

		if (vector_is_bad(v))
			continue;
		bytes = heap_copy(v->payload, v->len);
		for (c = cur_init(bytes, v->len); c.left > 0; n++) {
			struct wire_hdr hdr;
			struct cursor body;

			assert_true(n < v->n_msgs);
			assert_int_equal(v->len - c.left, v->msgs[n].offset);
			assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
			skipped += check_message(v, &v->msgs[n], &hdr, body);
		}
		free(bytes);
		assert_int_equal(n, v->n_msgs);
		assert_int_equal(n, v->n_declared);
		assert_int_equal(skipped, expectations_in(v));
		n_files++;
		n_msgs += n;
	}
	printf("%zu files, %zu messages\n", n_files, n_msgs);
	assert_true(n_files > 200);
}

/* ---- streams ---- */

/* However a stream is cut into segments, the same messages come out. */
static void streams_give_the_same_messages_in_any_pieces(void **state)
{
	static const size_t steps[] = { 1, 3, 7, 76, 1448, 100000 };

	(void)state;
	for (size_t i = 0; i < vectors.n; i++) {
		const struct vector *v = &vectors.v[i];

		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]) && !vector_is_bad(v); s++) {
			size_t have = 0, done = 0, n = 0;

			while (have < v->len) {
				uint8_t *tail;
				struct cursor c, body;
				struct wire_hdr hdr;

				have = have + steps[s] < v->len ? have + steps[s] : v->len;
				tail = heap_copy(v->payload + done, have - done);
				c = cur_init(tail, have - done);
				while (wire_next_stream(&c, &hdr, &body) == PROTO_OK) {
					assert_int_equal(hdr.seq, v->msgs[n].seq);
					assert_int_equal(hdr.len, v->msgs[n].len);
					n++;
				}
				done = have - c.left;
				free(tail);
			}
			assert_int_equal(n, v->n_msgs);
			assert_int_equal(done, v->len);
		}
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
		cmocka_unit_test(good_vectors_decode_and_encode),
		cmocka_unit_test(streams_give_the_same_messages_in_any_pieces),
	};

	return cmocka_run_group_tests_name("wire vectors", tests, load, unload);
}
