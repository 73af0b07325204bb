/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages from libnetfilter_conntrack's builder. Every attribute it can build is set now and then;
 * those only a kernel sends, or only a request holds, are appended by hand.
 */
#include "unit/kernel/oracle.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "unit/kernel/support.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static bool maybe(uint64_t *s)
{
	return rnd(s, 2);
}

static uint32_t u32(uint64_t *s)
{
	return rnd(s, 3) == 0 ? rnd(s, 4) : rnd(s, UINT32_MAX);
}

static void set_address(uint64_t *s, struct nf_conntrack *ct, uint8_t l3, int v4, int v6)
{
	uint32_t a[4] = { u32(s), maybe(s) ? 0 : u32(s), maybe(s) ? 0 : u32(s), u32(s) };

	nfct_set_attr(ct, (enum nf_conntrack_attr)(l3 == AF_INET ? v4 : v6), a);
}

/* ICMP: the library's object has one triple, and makes the counterpart for the reply itself. */
static void set_icmp(uint64_t *s, struct nf_conntrack *ct, uint8_t l4)
{
	static const uint8_t v4[] = { 0, 8, 13, 14, 15, 16, 17, 18 }, v6[] = { 128, 129, 139, 140 };

	nfct_set_attr_u8(ct, ATTR_ICMP_TYPE,
			 l4 == IPPROTO_ICMP ? v4[rnd(s, sizeof(v4))] : v6[rnd(s, sizeof(v6))]);
	nfct_set_attr_u8(ct, ATTR_ICMP_CODE, (uint8_t)rnd(s, 3));
	nfct_set_attr_u16(ct, ATTR_ICMP_ID, (uint16_t)u32(s));
}

static void set_tuples(uint64_t *s, struct nf_conntrack *ct, uint8_t l3, uint8_t l4)
{
	nfct_set_attr_u8(ct, ATTR_ORIG_L3PROTO, l3);
	nfct_set_attr_u8(ct, ATTR_ORIG_L4PROTO, l4);
	set_address(s, ct, l3, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC);
	set_address(s, ct, l3, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST);
	if (l4 == IPPROTO_ICMP || l4 == IPPROTO_ICMPV6) {
		set_icmp(s, ct, l4);
	} else {
		nfct_set_attr_u16(ct, ATTR_ORIG_PORT_SRC, (uint16_t)u32(s));
		nfct_set_attr_u16(ct, ATTR_ORIG_PORT_DST, (uint16_t)u32(s));
	}
	if (rnd(s, 16) == 0)
		return; /* no reply tuple */
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	if (maybe(s))
		set_address(s, ct, l3, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC);
	if (maybe(s))
		set_address(s, ct, l3, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST);
	if (l4 != IPPROTO_ICMP && l4 != IPPROTO_ICMPV6 && maybe(s)) {
		nfct_set_attr_u16(ct, ATTR_REPL_PORT_SRC, (uint16_t)u32(s));
		nfct_set_attr_u16(ct, ATTR_REPL_PORT_DST, (uint16_t)u32(s));
	}
}

static void set_state(uint64_t *s, struct nf_conntrack *ct, uint8_t l4)
{
	if (l4 == IPPROTO_TCP) {
		nfct_set_attr_u8(ct, ATTR_TCP_STATE, (uint8_t)rnd(s, 16));
		if (maybe(s)) {
			nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_ORIG, (uint8_t)rnd(s, 15));
			nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_REPL, (uint8_t)rnd(s, 15));
		}
		for (int a = ATTR_TCP_FLAGS_ORIG; a <= ATTR_TCP_MASK_REPL; a++)
			nfct_set_attr_u8(ct, (enum nf_conntrack_attr)a, (uint8_t)rnd(s, 256));
	} else if (l4 == IPPROTO_SCTP) {
		nfct_set_attr_u8(ct, ATTR_SCTP_STATE, (uint8_t)rnd(s, 12));
		nfct_set_attr_u32(ct, ATTR_SCTP_VTAG_ORIG, u32(s));
		nfct_set_attr_u32(ct, ATTR_SCTP_VTAG_REPL, u32(s));
	} else if (l4 == IPPROTO_DCCP) {
		nfct_set_attr_u8(ct, ATTR_DCCP_STATE, (uint8_t)rnd(s, 12));
		nfct_set_attr_u8(ct, ATTR_DCCP_ROLE, (uint8_t)rnd(s, 2));
		nfct_set_attr_u64(ct, ATTR_DCCP_HANDSHAKE_SEQ, u32(s));
	}
}

static void set_nat(uint64_t *s, struct nf_conntrack *ct, uint8_t l3)
{
	if (maybe(s)) {
		set_address(s, ct, l3, ATTR_SNAT_IPV4, ATTR_SNAT_IPV6);
		nfct_set_attr_u16(ct, ATTR_SNAT_PORT, (uint16_t)u32(s));
	}
	if (maybe(s)) {
		set_address(s, ct, l3, ATTR_DNAT_IPV4, ATTR_DNAT_IPV6);
		nfct_set_attr_u16(ct, ATTR_DNAT_PORT, (uint16_t)u32(s));
	}
}

static void set_master(uint64_t *s, struct nf_conntrack *ct, uint8_t l3)
{
	nfct_set_attr_u8(ct, ATTR_MASTER_L3PROTO, l3);
	nfct_set_attr_u8(ct, ATTR_MASTER_L4PROTO, maybe(s) ? IPPROTO_TCP : IPPROTO_UDP);
	set_address(s, ct, l3, ATTR_MASTER_IPV4_SRC, ATTR_MASTER_IPV6_SRC);
	set_address(s, ct, l3, ATTR_MASTER_IPV4_DST, ATTR_MASTER_IPV6_DST);
	nfct_set_attr_u16(ct, ATTR_MASTER_PORT_SRC, (uint16_t)u32(s));
	nfct_set_attr_u16(ct, ATTR_MASTER_PORT_DST, (uint16_t)u32(s));
}

static struct nfct_bitmask *random_labels(uint64_t *s)
{
	struct nfct_bitmask *mask = nfct_bitmask_new(127);

	for (uint32_t i = rnd(s, 5); i > 0; i--)
		nfct_bitmask_set_bit(mask, rnd(s, 128));
	return mask;
}

/* The kernel has a zone for both directions or for one of them; two different ones only a message
 * can have. */
static void set_zone(uint64_t *s, struct nf_conntrack *ct)
{
	uint32_t kind = rnd(s, 8);

	if (kind == 0)
		nfct_set_attr_u16(ct, ATTR_ZONE, (uint16_t)(1 + rnd(s, 65535)));
	if (kind == 1 || kind == 2)
		nfct_set_attr_u16(ct, ATTR_ORIG_ZONE, (uint16_t)(1 + rnd(s, 32767)));
	if ((kind == 2 || kind == 3) && nfct_attr_is_set(ct, ATTR_REPL_L4PROTO) > 0)
		nfct_set_attr_u16(ct, ATTR_REPL_ZONE, (uint16_t)(32768 + rnd(s, 32768)));
}

static void set_rest(uint64_t *s, struct nf_conntrack *ct)
{
	static const char *const helpers[] = { "ftp", "sip", "a", "fifteen-letters" };

	if (rnd(s, 8))
		nfct_set_attr_u32(ct, ATTR_STATUS,
				  maybe(s) ? rnd(s, 1 << 16) :
					     IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
	if (rnd(s, 8))
		nfct_set_attr_u32(ct, ATTR_TIMEOUT, u32(s));
	if (maybe(s))
		nfct_set_attr_u32(ct, ATTR_MARK, u32(s));
	set_zone(s, ct);
	if (rnd(s, 4) == 0)
		nfct_set_attr(ct, ATTR_HELPER_NAME, helpers[rnd(s, LEN(helpers))]);
	if (rnd(s, 4) == 0) {
		for (int a = ATTR_ORIG_NAT_SEQ_CORRECTION_POS; a <= ATTR_REPL_NAT_SEQ_OFFSET_AFTER;
		     a++)
			nfct_set_attr_u32(ct, (enum nf_conntrack_attr)a, u32(s));
	}
	if (rnd(s, 4) == 0) {
		nfct_set_attr(ct, ATTR_CONNLABELS, random_labels(s)); /* takes it */
		if (maybe(s))
			nfct_set_attr(ct, ATTR_CONNLABELS_MASK, random_labels(s));
	}
	if (rnd(s, 4) == 0) {
		for (int a = ATTR_SYNPROXY_ISN; a <= ATTR_SYNPROXY_TSOFF; a++)
			nfct_set_attr_u32(ct, (enum nf_conntrack_attr)a, u32(s));
	}
}

/* ---- by hand ---- */

static void put_u64s(struct nlmsghdr *h, uint16_t type, uint64_t a, uint64_t b, bool both)
{
	struct nlattr *n = mnl_attr_nest_start(h, type);

	mnl_attr_put_u64(h, 1, htobe64(a));
	if (both)
		mnl_attr_put_u64(h, 2, htobe64(b));
	mnl_attr_nest_end(h, n);
}

static void put_times(uint64_t *s, struct nlmsghdr *h)
{
	uint64_t start = (1700000000u + (uint64_t)rnd(s, 1000)) * 1000000000u + rnd(s, 1000000000);
	uint64_t life = (uint64_t)rnd(s, 100000) * 1000000u;

	put_u64s(h, CTA_TIMESTAMP, start, start + life, maybe(s));
}

static void put_master(uint64_t *s, struct nlmsghdr *h, uint8_t l3)
{
	struct nlattr *t = mnl_attr_nest_start(h, CTA_TUPLE_MASTER),
		      *n = mnl_attr_nest_start(h, CTA_TUPLE_IP);
	uint32_t a[4] = { u32(s), u32(s), u32(s), u32(s) };
	uint16_t src = l3 == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, id = CTA_PROTO_ICMP_ID;

	mnl_attr_put(h, src, l3 == AF_INET ? 4 : 16, a);
	mnl_attr_put(h, src + 1, l3 == AF_INET ? 4 : 16, a);
	mnl_attr_nest_end(h, n);
	n = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(h, CTA_PROTO_NUM, l3 == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (l3 != AF_INET)
		id = CTA_PROTO_ICMPV6_ID;
	mnl_attr_put_u16(h, id, (uint16_t)u32(s));
	mnl_attr_put_u8(h, id + 1, (uint8_t)u32(s));
	mnl_attr_put_u8(h, id + 2, (uint8_t)u32(s));
	mnl_attr_nest_end(h, n);
	if (maybe(s))
		mnl_attr_put_u16(h, CTA_TUPLE_ZONE, htons(7));
	mnl_attr_nest_end(h, t);
}

/* What the kernel alone knows. */
static void put_kernel(uint64_t *s, struct nlmsghdr *h)
{
	struct nlattr *n;

	if (rnd(s, 4))
		mnl_attr_put_u32(h, CTA_ID, htonl(u32(s)));
	if (maybe(s))
		mnl_attr_put_u32(h, CTA_USE, htonl(1 + rnd(s, 4)));
	if (maybe(s)) {
		put_u64s(h, CTA_COUNTERS_ORIG, u32(s), (uint64_t)u32(s) << rnd(s, 32), true);
		put_u64s(h, CTA_COUNTERS_REPLY, u32(s), u32(s), true);
	}
	if (maybe(s))
		put_times(s, h);
	if (rnd(s, 4) == 0) {
		n = mnl_attr_nest_start(h, CTA_SECCTX);
		mnl_attr_put_strz(h, CTA_SECCTX_NAME, "system_u:object_r:client_packet_t:s0");
		mnl_attr_nest_end(h, n);
	}
	if (rnd(s, 8) == 0) {
		n = mnl_attr_nest_start(h, CTA_HELP);
		mnl_attr_put_strz(h, CTA_HELP_NAME, "h323");
		mnl_attr_put_u32(h, CTA_HELP_INFO, u32(s));
		mnl_attr_nest_end(h, n);
	}
}

/* What requests have and a kernel may one day send back, and what no kernel of today knows. */
static void put_request(uint64_t *s, struct nlmsghdr *h, uint8_t l3)
{
	static const uint16_t translations[] = { CTA_NAT_SRC, CTA_NAT_DST };
	bool v4 = l3 == AF_INET;
	uint32_t a[4] = { u32(s), u32(s), u32(s), u32(s) };
	struct nlattr *n, *p;

	if (rnd(s, 4))
		return;
	mnl_attr_put_u32(h, CTA_MARK_MASK, u32(s));
	mnl_attr_put_u32(h, CTA_STATUS_MASK, u32(s));
	mnl_attr_put(h, CTA_LABELS_MASK, 16, a);
	n = mnl_attr_nest_start(h, CTA_FILTER);
	mnl_attr_put_u32(h, CTA_FILTER_ORIG_FLAGS, u32(s));
	mnl_attr_put_u32(h, CTA_FILTER_REPLY_FLAGS, u32(s));
	mnl_attr_nest_end(h, n);
	for (size_t i = 0; i < LEN(translations); i++) {
		n = mnl_attr_nest_start(h, translations[i]);
		mnl_attr_put(h, v4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, v4 ? 4 : 16, a);
		mnl_attr_put(h, v4 ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, v4 ? 4 : 16, a);
		p = mnl_attr_nest_start(h, CTA_NAT_PROTO);
		mnl_attr_put_u16(h, CTA_PROTONAT_PORT_MIN, (uint16_t)u32(s));
		mnl_attr_put_u16(h, CTA_PROTONAT_PORT_MAX, (uint16_t)u32(s));
		mnl_attr_nest_end(h, p);
		mnl_attr_nest_end(h, n);
	}
	mnl_attr_put_u32(h, 4000, 7);
}

size_t oracle_make(uint64_t *s, void *buf)
{
	static const uint8_t l4s[] = {
		IPPROTO_TCP,  IPPROTO_TCP,  IPPROTO_UDP, IPPROTO_ICMP,
		IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_GRE, IPPROTO_UDPLITE,
		89,	      50,	    0,		 255,
	};
	uint8_t l3 = maybe(s) ? AF_INET : AF_INET6, l4 = l4s[rnd(s, sizeof(l4s))];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nf_conntrack *ct = nfct_new();
	struct nfgenmsg *g;

	assert_non_null(ct);
	if (l4 == IPPROTO_ICMP && l3 == AF_INET6)
		l4 = IPPROTO_ICMPV6;
	h->nlmsg_type =
		NFNL_SUBSYS_CTNETLINK << 8 | (rnd(s, 4) ? IPCTNL_MSG_CT_NEW : IPCTNL_MSG_CT_DELETE);
	h->nlmsg_flags = maybe(s) ? NLM_F_CREATE | NLM_F_EXCL : 0;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = l3;
	set_tuples(s, ct, l3, l4);
	set_state(s, ct, l4);
	set_nat(s, ct, l3);
	set_rest(s, ct);
	if (rnd(s, 6) == 0)
		set_master(s, ct, l3);
	assert_int_equal(nfct_nlmsg_build(h, ct), 0);
	nfct_destroy(ct);
	put_kernel(s, h);
	put_request(s, h, l3);
	if (rnd(s, 16) == 0)
		put_master(s, h, l3);
	assert_true(h->nlmsg_len <= ORACLE_MSG_MAX / 2);
	return h->nlmsg_len;
}
