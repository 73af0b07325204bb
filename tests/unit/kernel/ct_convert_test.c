/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink messages: requests read back, hostile input, and libnetfilter_conntrack as the judge of
 * what is read (of what is printed and built: the oracle tests). */
#include "kernel/ct.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/kernel/support.h"

#define ROUNDS	3000
#define MSG_MAX 8192

/* ---- what we build, read back ---- */

/* What the request for f says, as a flow. */
static struct ct_flow as_requested(const struct ct_flow *f, const struct ct_build_opts *o)
{
	struct ct_flow e = *f;

	e.has &= ~(FLOW_FROM_PEER_NAT | FLOW_HAS_ID);
	e.status = (f->status & ~(uint32_t)(IPS_EXPECTED | IPS_DYING | FLOW_STATUS_OFFLOAD)) |
		   IPS_CONFIRMED;
	if (o->update) {
		e.status &= ~(uint32_t)(IPS_SRC_NAT | IPS_DST_NAT);
		if (f->has & FLOW_HAS_MASTER)
			e.status |= IPS_EXPECTED;
		e.has &= ~(FLOW_HAS_REPLY | FLOW_HAS_HELPER | FLOW_HAS_MASTER |
			   FLOW_HAS_MASTER_PORTS);
		if (e.zone_dir == FLOW_ZONE_REPLY)
			e.has &= ~FLOW_HAS_ZONE; /* it would be in the reply tuple */
	} else {
		flow_mirror_reply(&e);
		e.has |= FLOW_HAS_REPLY;
	}
	if (!(e.has & FLOW_HAS_PROTO_STATE))
		e.has &= ~FLOW_HAS_WSCALE;
	if (o->timeout_s)
		e.timeout_s = o->timeout_s;
	return e;
}

static void requests_read_back(void **state)
{
	uint64_t s = seed_get();
	uint8_t buf[CT_BUILD_MAX];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct flow_rare rare, got_rare;
		struct ct_build_opts o = { .update = rnd(&s, 3) == 0,
					   .liberal = rnd(&s, 2),
					   .timeout_s = rnd(&s, 2) ? 77 : 0 };
		struct ct_flow f, got, want;
		enum ct_event what;
		const char *diff;
		size_t n;

		random_flow(&s, &f, &rare);
		n = ct_build_create(&f, &o, 1, buf, sizeof(buf));
		assert_true(n > 0);
		assert_int_equal(ct_parse(buf, n, &what, &got, &got_rare), 0);
		assert_int_equal(what, o.update ? CT_EVENT_UPDATE : CT_EVENT_NEW);
		want = as_requested(&f, &o);
		/* GRE and UDP-Lite: mirrored like ports, which flow/ may see differently. */
		diff = flow_difference(&want, &got, FLOW_HAS_ALL);
		if (diff)
			fail_msg("round %d, protocol %u: %s", i, f.l4, diff);
	}
}

static void requests_know_their_room(void **state)
{
	uint64_t s = seed_get();

	(void)state;
	for (int i = 0; i < 50; i++) {
		const struct ct_build_opts o = { .timeout_s = 1 };
		struct flow_rare rare;
		struct ct_flow f;
		uint8_t full[CT_BUILD_MAX];
		size_t n;

		random_flow(&s, &f, &rare);
		n = ct_build_create(&f, &o, 1, full, sizeof(full));
		for (size_t cap = 0; cap <= n; cap++) {
			uint8_t *exact = malloc(cap ? cap : 1);

			assert_non_null(exact);
			assert_int_equal(ct_build_create(&f, &o, 1, exact, cap), cap < n ? 0 : n);
			free(exact);
		}
	}
}

/* ---- events as the kernel makes them, from a second hand ---- */

static void put_tuple(struct nlmsghdr *h, uint16_t type, const struct ct_flow *f, int reply,
		      uint16_t zone)
{
	struct nlattr *t = mnl_attr_nest_start(h, type), *ip = mnl_attr_nest_start(h, CTA_TUPLE_IP),
		      *p;
	const struct flow_ports *ports = reply ? &f->reply : &f->orig;
	size_t len = f->l3 == AF_INET ? 4 : 16;
	const uint8_t *addr = (const uint8_t *)&f->addr + (reply ? 2 * len : 0);

	mnl_attr_put(h, f->l3 == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, len, addr);
	mnl_attr_put(h, f->l3 == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST, len, addr + len);
	mnl_attr_nest_end(h, ip);
	p = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, f->l4);
	if (flow_is_icmp(f)) {
		uint16_t base = f->l4 == IPPROTO_ICMP ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID;

		mnl_attr_put_u16(h, base, ports->sport);
		mnl_attr_put_u8(h, base + 1, flow_icmp_type(ports));
		mnl_attr_put_u8(h, base + 2, flow_icmp_code(ports));
	} else if (f->has & FLOW_HAS_PORTS) {
		mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, ports->sport);
		mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, ports->dport);
	}
	mnl_attr_nest_end(h, p);
	if (zone)
		mnl_attr_put_u16(h, CTA_TUPLE_ZONE, htons(zone));
	mnl_attr_nest_end(h, t);
}

static void put_master(struct nlmsghdr *h, const struct ct_flow *f)
{
	struct ct_flow m = { .has = f->has & FLOW_HAS_MASTER_PORTS ? FLOW_HAS_PORTS : 0,
			     .l3 = f->l3,
			     .l4 = f->rare->master_l4,
			     .orig = { .sport = f->rare->master_sport,
				       .dport = f->rare->master_dport } };
	size_t len = f->l3 == AF_INET ? 4 : 16;

	memcpy(&m.addr, &f->rare->master_src, len);
	memcpy((uint8_t *)&m.addr + len, &f->rare->master_dst, len);
	put_tuple(h, CTA_TUPLE_MASTER, &m, 0, 0);
}

static void put_three(struct nlmsghdr *h, uint16_t type, uint16_t a, uint32_t va, uint32_t vb,
		      uint32_t vc)
{
	struct nlattr *n = mnl_attr_nest_start(h, type);

	mnl_attr_put_u32(h, a, htonl(va));
	mnl_attr_put_u32(h, a + 1, htonl(vb));
	mnl_attr_put_u32(h, a + 2, htonl(vc));
	mnl_attr_nest_end(h, n);
}

static void put_u64s(struct nlmsghdr *h, uint16_t type, uint64_t a, uint64_t b)
{
	struct nlattr *n = mnl_attr_nest_start(h, type);

	mnl_attr_put_u64(h, 1, htobe64(a));
	mnl_attr_put_u64(h, 2, htobe64(b));
	mnl_attr_nest_end(h, n);
}

static void put_proto(struct nlmsghdr *h, const struct ct_flow *f)
{
	struct nlattr *n, *t;

	if (!(f->has & FLOW_HAS_PROTO_STATE))
		return;
	n = mnl_attr_nest_start(h, CTA_PROTOINFO);
	if (f->l4 == IPPROTO_TCP) {
		t = mnl_attr_nest_start(h, CTA_PROTOINFO_TCP);
		mnl_attr_put_u8(h, CTA_PROTOINFO_TCP_STATE, f->proto_state);
		if (f->has & FLOW_HAS_WSCALE) {
			mnl_attr_put_u8(h, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, f->wscale[0]);
			mnl_attr_put_u8(h, CTA_PROTOINFO_TCP_WSCALE_REPLY, f->wscale[1]);
		}
		mnl_attr_put_u16(h, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, 0x1234);
		mnl_attr_put_u16(h, CTA_PROTOINFO_TCP_FLAGS_REPLY, 0);
		mnl_attr_nest_end(h, t);
	} else {
		t = mnl_attr_nest_start(h, CTA_PROTOINFO_SCTP);
		mnl_attr_put_u8(h, CTA_PROTOINFO_SCTP_STATE, f->proto_state);
		mnl_attr_put_u32(h, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, htonl(f->rare->vtag[0]));
		mnl_attr_put_u32(h, CTA_PROTOINFO_SCTP_VTAG_REPLY, htonl(f->rare->vtag[1]));
		mnl_attr_nest_end(h, t);
	}
	mnl_attr_nest_end(h, n);
}

/* A message as the kernel would make it of f, in a buffer of MSG_MAX bytes. */
static struct nlmsghdr *kernel_message(void *buf, const struct ct_flow *f, enum ct_event what)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;
	struct nlattr *n;

	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 |
			(what == CT_EVENT_DESTROY ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW);
	h->nlmsg_flags = what == CT_EVENT_NEW ? NLM_F_CREATE | NLM_F_EXCL : 0;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = f->l3;
	put_tuple(h, CTA_TUPLE_ORIG, f, 0,
		  f->has & FLOW_HAS_ZONE && f->zone_dir == FLOW_ZONE_ORIG ? f->zone : 0);
	put_tuple(h, CTA_TUPLE_REPLY, f, 1,
		  f->has & FLOW_HAS_ZONE && f->zone_dir == FLOW_ZONE_REPLY ? f->zone : 0);
	if (f->has & FLOW_HAS_ZONE && f->zone_dir == FLOW_ZONE_BOTH)
		mnl_attr_put_u16(h, CTA_ZONE, htons(f->zone));
	if (f->has & FLOW_HAS_ID)
		mnl_attr_put_u32(h, CTA_ID, htonl(f->id));
	mnl_attr_put_u32(h, CTA_STATUS, htonl(f->status));
	mnl_attr_put_u32(h, CTA_USE, htonl(1));
	if (f->has & FLOW_HAS_TIMEOUT)
		mnl_attr_put_u32(h, CTA_TIMEOUT, htonl(f->timeout_s));
	if (f->has & FLOW_HAS_MARK)
		mnl_attr_put_u32(h, CTA_MARK, htonl(f->mark));
	put_proto(h, f);
	if (f->has & FLOW_HAS_COUNTERS) {
		put_u64s(h, CTA_COUNTERS_ORIG, f->rare->packets[0], f->rare->bytes[0]);
		put_u64s(h, CTA_COUNTERS_REPLY, f->rare->packets[1], f->rare->bytes[1]);
	}
	if (f->has & FLOW_HAS_TIMES)
		put_u64s(h, CTA_TIMESTAMP, f->rare->start_ns, f->rare->stop_ns);
	if (f->has & FLOW_HAS_HELPER) {
		n = mnl_attr_nest_start(h, CTA_HELP);
		mnl_attr_put_strz(h, CTA_HELP_NAME, f->rare->helper);
		mnl_attr_put_u32(h, CTA_HELP_INFO, 5);
		mnl_attr_nest_end(h, n);
	}
	if (f->has & FLOW_HAS_LABELS)
		mnl_attr_put(h, CTA_LABELS, sizeof(f->rare->labels), f->rare->labels);
	if (f->has & FLOW_HAS_SYNPROXY)
		put_three(h, CTA_SYNPROXY, CTA_SYNPROXY_ISN, f->rare->synproxy[1],
			  f->rare->synproxy[0], f->rare->synproxy[2]);
	if (f->has & FLOW_HAS_SEQADJ) {
		for (int d = 0; d < 2; d++)
			put_three(h, CTA_SEQ_ADJ_ORIG + d, CTA_SEQADJ_CORRECTION_POS,
				  f->rare->adj[d].pos, (uint32_t)f->rare->adj[d].before,
				  (uint32_t)f->rare->adj[d].after);
	}
	if (f->has & FLOW_HAS_MASTER)
		put_master(h, f);
	mnl_attr_put_u32(h, 4000, 7); /* a newer kernel's */
	return h;
}

/* A flow as the kernel has them. */
static void random_kernel_flow(uint64_t *s, struct ct_flow *f, struct flow_rare *rare)
{
	random_flow(s, f, rare);
	f->has &= ~FLOW_FROM_PEER_NAT;
	f->has |= FLOW_HAS_REPLY | FLOW_HAS_ID;
	f->id = rnd(s, UINT32_MAX);
	if (f->rare && rnd(s, 2))
		f->has |= FLOW_HAS_COUNTERS;
	if (f->rare && rnd(s, 2))
		f->has |= FLOW_HAS_TIMES;
	if (f->l4 == IPPROTO_SCTP && !(f->has & FLOW_HAS_VTAGS))
		f->has &= ~FLOW_HAS_PROTO_STATE;
}

static void events_are_read(void **state)
{
	uint64_t s = seed_get();
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct flow_rare rare, got_rare;
		struct ct_flow f, got;
		enum ct_event what = (enum ct_event)rnd(&s, 3), got_what;
		struct nlmsghdr *h;
		const char *diff;

		random_kernel_flow(&s, &f, &rare);
		h = kernel_message(buf, &f, what);
		assert_int_equal(ct_parse(h, h->nlmsg_len, &got_what, &got, &got_rare), 0);
		assert_int_equal(got_what, what);
		diff = flow_difference(&f, &got, FLOW_HAS_ALL);
		if (diff)
			fail_msg("round %d, protocol %u: %s", i, f.l4, diff);
		assert_true(!(got.has & FLOW_RARE_PARTS) || got.rare == &got_rare);
	}
}

/* Entries of a flow table, as the kernel's dumps and events tell them: without state and life, or
 * with a lifted life. */
static void offloaded_flows(void **state)
{
	static const struct {
		const char *name;
		uint8_t l4, told_state;	 /* 0: none */
		uint32_t status, told_s; /* 0: none */
		enum ct_event what;
		uint8_t want_state;
		bool want_life;
	} cases[] = {
		{ "TCP, dump", IPPROTO_TCP, 0, IPS_OFFLOAD, 0, CT_EVENT_UPDATE,
		  TCP_CONNTRACK_ESTABLISHED, false },
		{ "TCP, in hardware", IPPROTO_TCP, 0, IPS_HW_OFFLOAD, 0, CT_EVENT_UPDATE,
		  TCP_CONNTRACK_ESTABLISHED, false },
		{ "TCP, event", IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, IPS_OFFLOAD, 86400,
		  CT_EVENT_UPDATE, TCP_CONNTRACK_ESTABLISHED, false },
		{ "TCP, going back", IPPROTO_TCP, TCP_CONNTRACK_FIN_WAIT, 0, 120, CT_EVENT_UPDATE,
		  TCP_CONNTRACK_FIN_WAIT, true },
		{ "TCP, end", IPPROTO_TCP, 0, IPS_OFFLOAD, 0, CT_EVENT_DESTROY, 0, false },
		{ "UDP, dump", IPPROTO_UDP, 0, IPS_OFFLOAD, 0, CT_EVENT_UPDATE, 0, false },
		{ "UDP, event", IPPROTO_UDP, 0, IPS_OFFLOAD, 86399, CT_EVENT_UPDATE, 0, false },
		{ "TCP without state", IPPROTO_TCP, 0, 0, 50, CT_EVENT_UPDATE, 0, true },
	};
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ct_flow f = tcp_flow(1), got;
		struct flow_rare rare = { .synproxy_set = false };
		enum ct_event what;
		struct nlmsghdr *h;

		f.l4 = cases[i].l4;
		f.has &= ~(FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT | FLOW_HAS_WSCALE);
		f.status = IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | cases[i].status;
		f.proto_state = cases[i].told_state;
		f.timeout_s = cases[i].told_s;
		f.has |= (f.proto_state ? FLOW_HAS_PROTO_STATE : 0u) |
			 (f.timeout_s ? FLOW_HAS_TIMEOUT : 0u);
		flow_mirror_reply(&f);
		h = kernel_message(buf, &f, cases[i].what);
		print_message("%s\n", cases[i].name);
		assert_int_equal(ct_read(h, h->nlmsg_len, &what, &got, &rare), 0);
		assert_int_equal(!!(got.has & FLOW_HAS_PROTO_STATE), cases[i].want_state != 0);
		if (cases[i].want_state)
			assert_int_equal(got.proto_state, cases[i].want_state);
		assert_int_equal(!!(got.has & FLOW_HAS_TIMEOUT), cases[i].want_life);
		assert_int_equal(got.status, f.status); /* what is printed of it */
	}
}

/* A zone for each direction cannot be in one kernel entry, but a message can say so. */
static void both_tuple_zones(void **state)
{
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];
	struct ct_flow f = tcp_flow(1), got;
	struct flow_rare rare;
	enum ct_event what;
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	(void)state;
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = AF_INET;
	put_tuple(h, CTA_TUPLE_ORIG, &f, 0, 3);
	put_tuple(h, CTA_TUPLE_REPLY, &f, 1, 4);
	assert_int_equal(ct_parse(h, h->nlmsg_len, &what, &got, &rare), 0);
	assert_true(got.has & FLOW_HAS_ZONE && got.has & FLOW_HAS_REPLY_ZONE);
	assert_int_equal(got.zone, 3);
	assert_int_equal(got.zone_dir, FLOW_ZONE_ORIG);
	assert_int_equal(got.rare->reply_zone, 4);
}

/* Of two of a kind the last one counts, even if there is nothing in it that we know: what the first
 * one told is gone. */
static void last_of_two_counts(void **state)
{
	static const uint16_t kinds[] = { CTA_PROTOINFO,     CTA_HELP,		CTA_TUPLE_MASTER,
					  CTA_SEQ_ADJ_ORIG,  CTA_SEQ_ADJ_REPLY, CTA_COUNTERS_ORIG,
					  CTA_COUNTERS_REPLY };
	static const uint32_t told[] = { FLOW_HAS_PROTO_STATE | FLOW_HAS_WSCALE | FLOW_HAS_VTAGS |
						 FLOW_HAS_DCCP_ROLE,
					 FLOW_HAS_HELPER,
					 FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS,
					 FLOW_HAS_SEQADJ,
					 FLOW_HAS_SEQADJ,
					 FLOW_HAS_COUNTERS,
					 FLOW_HAS_COUNTERS };
	uint64_t s = seed_get();

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		_Alignas(struct nlmsghdr) char buf[MSG_MAX];
		size_t k = rnd(&s, sizeof(kinds) / sizeof(kinds[0]));
		struct flow_rare rare, got_rare;
		struct ct_flow f, got;
		enum ct_event what;
		struct nlmsghdr *h;
		struct nlattr *n;

		random_kernel_flow(&s, &f, &rare);
		h = kernel_message(buf, &f, CT_EVENT_NEW);
		n = mnl_attr_nest_start(h, kinds[k]);
		mnl_attr_put_u32(h, 4000, 7);
		mnl_attr_nest_end(h, n);
		assert_int_equal(ct_parse(h, h->nlmsg_len, &what, &got, &got_rare), 0);
		if (got.has != (f.has & ~told[k]))
			fail_msg("attribute %u twice: %x, not %x", kinds[k], got.has,
				 f.has & ~told[k]);
	}
}

/* ---- hostile input ---- */

/* Parse an exact copy on the heap, so that a byte too far is seen by the address sanitizer. */
static int parse_copy(const void *msg, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	struct flow_rare rare;
	enum ct_event what;
	struct ct_flow f, before;
	int rc;

	assert_non_null(exact);
	memcpy(exact, msg, n);
	memset(&f, 0x5a, sizeof(f));
	before = f;
	rc = ct_parse(exact, n, &what, &f, &rare);
	assert_true(rc == 0 || rc == -EPROTO || rc == -ENOENT);
	if (rc)
		assert_memory_equal(&f, &before, sizeof(f));
	free(exact);
	return rc;
}

static void hostile_bytes(void **state)
{
	uint64_t s = seed_get();
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct flow_rare rare;
		struct ct_flow f;
		struct nlmsghdr *h;
		uint32_t len;

		random_kernel_flow(&s, &f, &rare);
		h = kernel_message(buf, &f, CT_EVENT_NEW);
		len = h->nlmsg_len;
		for (uint32_t cut = 0; cut < len; cut++) {
			assert_int_equal(parse_copy(buf, cut), -EPROTO);
			h->nlmsg_len = cut; /* and the header agreeing with it */
			parse_copy(buf, cut);
			h->nlmsg_len = len;
		}
		for (uint32_t at = 0; at < len; at++) {
			char old = buf[at];

			for (int bit = 0; bit < 8; bit++) {
				buf[at] = (char)(old ^ 1 << bit);
				parse_copy(buf, len);
			}
			buf[at] = (char)~old;
			parse_copy(buf, len);
			buf[at] = (char)rnd(&s, 256);
			parse_copy(buf, len);
			buf[at] = old;
		}
		assert_int_equal(parse_copy(buf, len), 0);
	}
}

/* A known attribute of another size than the kernel's refuses the message. */
static void wrong_sizes(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		uint16_t len;
		int want;
	} cases[] = {
		{ "status too short", CTA_STATUS, 3, -EPROTO },
		{ "status too long", CTA_STATUS, 5, -EPROTO },
		{ "status", CTA_STATUS, 4, 0 },
		{ "empty mark", CTA_MARK, 0, -EPROTO },
		{ "zone of four bytes", CTA_ZONE, 4, -EPROTO },
		{ "labels no words", CTA_LABELS, 7, -EPROTO },
		{ "no labels", CTA_LABELS, 0, -EPROTO },
		{ "one word of labels", CTA_LABELS, 4, 0 },
		{ "more labels than we keep", CTA_LABELS, 32, 0 },
		{ "long id", CTA_ID, 8, -EPROTO },
		{ "unknown attribute", 99, 3, 0 },
		{ "one byte in a nest", CTA_PROTOINFO, 1, -EPROTO },
		{ "empty nest", CTA_SYNPROXY, 0, 0 },
	};
	static const uint8_t zeros[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[MSG_MAX];
		struct ct_flow f = tcp_flow(1);
		struct nlmsghdr *h = kernel_message(buf, &f, CT_EVENT_NEW);

		mnl_attr_put(h, cases[i].type, cases[i].len, zeros);
		if (parse_copy(buf, h->nlmsg_len) != cases[i].want)
			fail_msg("%s", cases[i].name);
	}
}

/* The kernel's names have 15 letters at most; with or without the closing NUL. */
static void helper_names(void **state)
{
	static const struct {
		size_t len;
		int want;
	} cases[] = { { 0, 0 },	       { 1, 0 },	{ 15, 0 },
		      { 16, -EPROTO }, { 17, -EPROTO }, { 60, -EPROTO } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[MSG_MAX];
		char name[64] = "";
		struct ct_flow f = tcp_flow(1), got;
		struct nlmsghdr *h = kernel_message(buf, &f, CT_EVENT_NEW);
		struct nlattr *n = mnl_attr_nest_start(h, CTA_HELP);
		struct flow_rare rare;
		enum ct_event what;

		memset(name, 'h', cases[i].len);
		mnl_attr_put(h, CTA_HELP_NAME, cases[i].len + i % 2, name);
		mnl_attr_nest_end(h, n);
		if (parse_copy(buf, h->nlmsg_len) != cases[i].want)
			fail_msg("%zu letters", cases[i].len);
		if (cases[i].want)
			continue;
		assert_int_equal(ct_parse(buf, h->nlmsg_len, &what, &got, &rare), 0);
		assert_int_equal(!!(got.has & FLOW_HAS_HELPER), cases[i].len > 0);
		if (got.has & FLOW_HAS_HELPER)
			assert_string_equal(rare.helper, name);
	}
}

static void refused_messages(void **state)
{
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];
	struct ct_flow f = tcp_flow(1);
	struct nlmsghdr *h = kernel_message(buf, &f, CT_EVENT_NEW);
	struct nfgenmsg *g = mnl_nlmsg_get_payload(h);

	(void)state;
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8;
	assert_int_equal(parse_copy(buf, h->nlmsg_len), -EPROTO);
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	assert_int_equal(parse_copy(buf, h->nlmsg_len), -EPROTO);
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8;
	g->nfgen_family = AF_UNIX;
	assert_int_equal(parse_copy(buf, h->nlmsg_len), -EPROTO);
	g->nfgen_family = AF_INET6; /* its tuples are IPv4 */
	assert_int_equal(parse_copy(buf, h->nlmsg_len), -ENOENT);
	g->nfgen_family = AF_INET;
	h->nlmsg_len = 20;
	assert_int_equal(parse_copy(buf, 20), -ENOENT);
}

/* ---- libnetfilter_conntrack as the judge ---- */

static void check_u32(const struct nf_conntrack *ct, int attr, bool have, uint32_t val,
		      const char *name, int round)
{
	if (nfct_attr_is_set(ct, (enum nf_conntrack_attr)attr) != have)
		fail_msg("round %d: %s: presence", round, name);
	if (have && nfct_get_attr_u32(ct, (enum nf_conntrack_attr)attr) != val)
		fail_msg("round %d: %s", round, name);
}

static void check_u8(const struct nf_conntrack *ct, int attr, bool have, uint8_t val,
		     const char *name, int round)
{
	if (nfct_attr_is_set(ct, (enum nf_conntrack_attr)attr) != have)
		fail_msg("round %d: %s: presence", round, name);
	if (have && nfct_get_attr_u8(ct, (enum nf_conntrack_attr)attr) != val)
		fail_msg("round %d: %s", round, name);
}

static void check_addr(const struct nf_conntrack *ct, int v4, int v6, const struct ct_flow *f,
		       int index, int round)
{
	size_t len = f->l3 == AF_INET ? 4 : 16;
	const void *p = nfct_get_attr(ct, (enum nf_conntrack_attr)(f->l3 == AF_INET ? v4 : v6));

	if (!p || memcmp(p, (const uint8_t *)&f->addr + (size_t)index * len, len) != 0)
		fail_msg("round %d: address %d", round, index);
}

static void check_rare(const struct nf_conntrack *ct, const struct ct_flow *f, int round)
{
	const struct flow_rare *r = f->rare;

	if (!r)
		return;
	for (int d = 0; d < 2; d++) {
		bool adj = f->has & FLOW_HAS_SEQADJ;
		int base = d ? ATTR_REPL_NAT_SEQ_CORRECTION_POS : ATTR_ORIG_NAT_SEQ_CORRECTION_POS;

		check_u32(ct, base, adj, r->adj[d].pos, "position", round);
		check_u32(ct, base + 1, adj, (uint32_t)r->adj[d].before, "before", round);
		check_u32(ct, base + 2, adj, (uint32_t)r->adj[d].after, "after", round);
		if (f->has & FLOW_HAS_COUNTERS) {
			assert_int_equal(nfct_get_attr_u64(ct, ATTR_ORIG_COUNTER_BYTES + d),
					 r->bytes[d]);
			assert_int_equal(nfct_get_attr_u64(ct, ATTR_ORIG_COUNTER_PACKETS + d),
					 r->packets[d]);
		}
	}
	check_u32(ct, ATTR_SYNPROXY_ITS, f->has & FLOW_HAS_SYNPROXY, r->synproxy[0], "its", round);
	check_u32(ct, ATTR_SYNPROXY_ISN, f->has & FLOW_HAS_SYNPROXY, r->synproxy[1], "isn", round);
	check_u32(ct, ATTR_SYNPROXY_TSOFF, f->has & FLOW_HAS_SYNPROXY, r->synproxy[2], "tsoff",
		  round);
	if (f->has & FLOW_HAS_HELPER)
		assert_string_equal(nfct_get_attr(ct, ATTR_HELPER_NAME), r->helper);
	if (f->has & FLOW_HAS_VTAGS) {
		check_u32(ct, ATTR_SCTP_VTAG_ORIG, true, r->vtag[0], "vtag", round);
		check_u32(ct, ATTR_SCTP_VTAG_REPL, true, r->vtag[1], "vtag", round);
	}
	if (f->has & FLOW_HAS_LABELS) {
		const struct nfct_bitmask *mask = nfct_get_attr(ct, ATTR_CONNLABELS);

		assert_non_null(mask);
		for (unsigned int bit = 0; bit < 128; bit++)
			assert_int_equal(!!nfct_bitmask_test_bit(mask, bit),
					 r->labels[bit / 32] >> bit % 32 & 1);
	}
	if (f->has & FLOW_HAS_MASTER) {
		check_u8(ct, ATTR_MASTER_L4PROTO, true, r->master_l4, "master protocol", round);
		assert_int_equal(nfct_get_attr_u16(ct, ATTR_MASTER_PORT_SRC), r->master_sport);
		assert_int_equal(nfct_get_attr_u16(ct, ATTR_MASTER_PORT_DST), r->master_dport);
		assert_memory_equal(nfct_get_attr(ct, f->l3 == AF_INET ? ATTR_MASTER_IPV4_SRC :
									 ATTR_MASTER_IPV6_SRC),
				    &r->master_src, f->l3 == AF_INET ? 4 : 16);
		assert_memory_equal(nfct_get_attr(ct, f->l3 == AF_INET ? ATTR_MASTER_IPV4_DST :
									 ATTR_MASTER_IPV6_DST),
				    &r->master_dst, f->l3 == AF_INET ? 4 : 16);
	}
}

static void check_ports(const struct nf_conntrack *ct, const struct ct_flow *f, int round)
{
	if (!(f->has & FLOW_HAS_PORTS))
		return;
	if (flow_is_icmp(f)) {
		/* Its parser takes the reply's values over those of the original tuple; only the id
		 * is in both. */
		if (nfct_get_attr_u16(ct, ATTR_ICMP_ID) != f->orig.sport &&
		    nfct_get_attr_u16(ct, ATTR_ICMP_ID) != f->reply.sport)
			fail_msg("round %d: icmp id", round);
		return;
	}
	assert_int_equal(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_SRC), f->orig.sport);
	assert_int_equal(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_DST), f->orig.dport);
	assert_int_equal(nfct_get_attr_u16(ct, ATTR_REPL_PORT_SRC), f->reply.sport);
	assert_int_equal(nfct_get_attr_u16(ct, ATTR_REPL_PORT_DST), f->reply.dport);
}

/* Our reading of a message against the library's. */
static void parser_agrees(void **state)
{
	uint64_t s = seed_get();
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct nf_conntrack *ct = nfct_new();
		struct flow_rare rare, got_rare;
		struct ct_flow f, got;
		enum ct_event what;
		struct nlmsghdr *h;
		bool zone;

		random_kernel_flow(&s, &f, &rare);
		h = kernel_message(buf, &f, CT_EVENT_UPDATE);
		assert_int_equal(nfct_nlmsg_parse(h, ct), 0);
		assert_int_equal(ct_parse(h, h->nlmsg_len, &what, &got, &got_rare), 0);
		check_addr(ct, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, &got, 0, i);
		check_addr(ct, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, &got, 1, i);
		check_addr(ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, &got, 2, i);
		check_addr(ct, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST, &got, 3, i);
		check_u8(ct, ATTR_ORIG_L3PROTO, true, got.l3, "family", i);
		check_u8(ct, ATTR_ORIG_L4PROTO, true, got.l4, "protocol", i);
		check_ports(ct, &got, i);
		check_u32(ct, ATTR_STATUS, got.has & FLOW_HAS_STATUS, got.status, "status", i);
		check_u32(ct, ATTR_TIMEOUT, got.has & FLOW_HAS_TIMEOUT, got.timeout_s, "timeout",
			  i);
		check_u32(ct, ATTR_MARK, got.has & FLOW_HAS_MARK, got.mark, "mark", i);
		check_u32(ct, ATTR_ID, got.has & FLOW_HAS_ID, got.id, "id", i);
		zone = got.has & FLOW_HAS_ZONE;
		if (zone && got.zone_dir == FLOW_ZONE_BOTH)
			assert_int_equal(nfct_get_attr_u16(ct, ATTR_ZONE), got.zone);
		if (zone && got.zone_dir == FLOW_ZONE_ORIG)
			assert_int_equal(nfct_get_attr_u16(ct, ATTR_ORIG_ZONE), got.zone);
		if (zone && got.zone_dir == FLOW_ZONE_REPLY)
			assert_int_equal(nfct_get_attr_u16(ct, ATTR_REPL_ZONE), got.zone);
		check_u8(ct, got.l4 == IPPROTO_SCTP ? ATTR_SCTP_STATE : ATTR_TCP_STATE,
			 got.has & FLOW_HAS_PROTO_STATE, got.proto_state, "state", i);
		check_u8(ct, ATTR_TCP_WSCALE_ORIG, got.has & FLOW_HAS_WSCALE, got.wscale[0],
			 "wscale", i);
		check_u8(ct, ATTR_TCP_WSCALE_REPL, got.has & FLOW_HAS_WSCALE, got.wscale[1],
			 "wscale", i);
		check_rare(ct, &got, i);
		nfct_destroy(ct);
	}
}

/* ---- what it costs ---- */

static void reading_is_cheap(void **state)
{
	_Alignas(struct nlmsghdr) char buf[MSG_MAX];
	struct ct_flow f = tcp_flow(1), got;
	struct flow_rare rare = { .synproxy_set = false };
	struct nlmsghdr *h;
	enum ct_event what;
	struct mono start;
	const int rounds = 200000;

	(void)state;
	f.has |= FLOW_HAS_ID | FLOW_HAS_MARK | FLOW_HAS_WSCALE;
	f.rare = &rare;
	h = kernel_message(buf, &f, CT_EVENT_NEW);
	start = clock_now();
	for (int i = 0; i < rounds; i++)
		assert_int_equal(ct_parse(h, h->nlmsg_len, &what, &got, &rare), 0);
	print_message("a message of %u bytes: %lld ns\n", h->nlmsg_len,
		      (long long)(mono_diff_ns(clock_now(), start) / rounds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_read_back), cmocka_unit_test(requests_know_their_room),
		cmocka_unit_test(events_are_read),    cmocka_unit_test(offloaded_flows),
		cmocka_unit_test(both_tuple_zones),   cmocka_unit_test(last_of_two_counts),
		cmocka_unit_test(hostile_bytes),      cmocka_unit_test(wrong_sizes),
		cmocka_unit_test(helper_names),	      cmocka_unit_test(refused_messages),
		cmocka_unit_test(parser_agrees),      cmocka_unit_test(reading_is_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
