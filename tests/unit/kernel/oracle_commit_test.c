/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of a commit against what libnetfilter_conntrack builds from an object that is set up as
 * 1.4.x does it (tests/unit/follow/commit_request_test.c compares with what 1.4.7 really sent).
 */
#include "kernel/ct.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "unit/kernel/attrs.h"
#include "unit/kernel/commit_rules.h"
#include "unit/kernel/support.h"

#define ROUNDS	6000
#define MSG_MAX 8192

static void set_addr(struct nf_conntrack *ct, int v4, int v6, const struct ct_flow *f,
		     const void *addr)
{
	nfct_set_attr(ct, (enum nf_conntrack_attr)(f->l3 == AF_INET ? v4 : v6), addr);
}

static const uint8_t *flow_addr_at(const struct ct_flow *f, int i)
{
	return (const uint8_t *)&f->addr + (size_t)i * (f->l3 == AF_INET ? 4 : 16);
}

/* NAT as received: each part that is translated. */
static void nfct_nat(struct nf_conntrack *ct, const struct ct_flow *f)
{
	if (f->has & FLOW_HAS_SNAT)
		set_addr(ct, ATTR_SNAT_IPV4, ATTR_SNAT_IPV6, f, flow_addr_at(f, 3));
	if (f->has & FLOW_HAS_DNAT)
		set_addr(ct, ATTR_DNAT_IPV4, ATTR_DNAT_IPV6, f, flow_addr_at(f, 2));
	if (f->has & FLOW_HAS_SPAT)
		nfct_set_attr_u16(ct, ATTR_SNAT_PORT, f->reply.dport);
	if (f->has & FLOW_HAS_DPAT)
		nfct_set_attr_u16(ct, ATTR_DNAT_PORT, f->reply.sport);
}

static void nfct_rare(struct nf_conntrack *ct, const struct ct_flow *f)
{
	const struct flow_rare *r = f->rare;

	if (!r)
		return;
	if (f->has & FLOW_HAS_SEQADJ) {
		for (int d = 0; d < 2; d++) {
			int base = d ? ATTR_REPL_NAT_SEQ_CORRECTION_POS :
				       ATTR_ORIG_NAT_SEQ_CORRECTION_POS;

			nfct_set_attr_u32(ct, base, r->adj[d].pos);
			nfct_set_attr_u32(ct, base + 1, (uint32_t)r->adj[d].before);
			nfct_set_attr_u32(ct, base + 2, (uint32_t)r->adj[d].after);
		}
	}
	if (f->has & FLOW_HAS_HELPER)
		nfct_set_attr(ct, ATTR_HELPER_NAME, r->helper);
	if (f->has & FLOW_HAS_SYNPROXY) {
		nfct_set_attr_u32(ct, ATTR_SYNPROXY_ITS, r->synproxy[0]);
		nfct_set_attr_u32(ct, ATTR_SYNPROXY_ISN, r->synproxy[1]);
		nfct_set_attr_u32(ct, ATTR_SYNPROXY_TSOFF, r->synproxy[2]);
	}
	if (f->has & FLOW_HAS_LABELS) {
		struct nfct_bitmask *mask = nfct_bitmask_new(127);

		for (unsigned int bit = 0; bit < 128; bit++) {
			if (r->labels[bit / 32] >> bit % 32 & 1)
				nfct_bitmask_set_bit(mask, bit);
		}
		nfct_set_attr(ct, ATTR_CONNLABELS, mask);
	}
	if (f->has & FLOW_HAS_MASTER) {
		set_addr(ct, ATTR_MASTER_IPV4_SRC, ATTR_MASTER_IPV6_SRC, f, &r->master_src);
		set_addr(ct, ATTR_MASTER_IPV4_DST, ATTR_MASTER_IPV6_DST, f, &r->master_dst);
		nfct_set_attr_u8(ct, ATTR_MASTER_L3PROTO, f->l3);
		nfct_set_attr_u8(ct, ATTR_MASTER_L4PROTO, r->master_l4);
		nfct_set_attr_u16(ct, ATTR_MASTER_PORT_SRC, r->master_sport);
		nfct_set_attr_u16(ct, ATTR_MASTER_PORT_DST, r->master_dport);
	}
	if (f->has & FLOW_HAS_DCCP_ROLE) {
		nfct_set_attr_u8(ct, ATTR_DCCP_STATE, f->proto_state);
		nfct_set_attr_u8(ct, ATTR_DCCP_ROLE, r->dccp_role);
	}
	if (f->has & FLOW_HAS_VTAGS) {
		nfct_set_attr_u8(ct, ATTR_SCTP_STATE, f->proto_state);
		nfct_set_attr_u32(ct, ATTR_SCTP_VTAG_ORIG, r->vtag[0]);
		nfct_set_attr_u32(ct, ATTR_SCTP_VTAG_REPL, r->vtag[1]);
	}
}

static void nfct_tcp(struct nf_conntrack *ct, const struct ct_flow *f,
		     const struct ct_build_opts *o)
{
	if (f->has & FLOW_HAS_PROTO_STATE)
		nfct_set_attr_u8(ct, ATTR_TCP_STATE, f->proto_state);
	if (f->has & FLOW_HAS_WSCALE) {
		nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_ORIG, f->wscale[0]);
		nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_REPL, f->wscale[1]);
	}
	for (int a = ATTR_TCP_FLAGS_ORIG; o->liberal && a <= ATTR_TCP_MASK_REPL; a++)
		nfct_set_attr_u8(ct, (enum nf_conntrack_attr)a, IP_CT_TCP_FLAG_BE_LIBERAL);
}

static void nfct_only_what_changes(struct nf_conntrack *ct, const struct ct_flow *f)
{
	nfct_attr_unset(ct, ATTR_HELPER_NAME);
	nfct_attr_unset(ct, f->l3 == AF_INET ? ATTR_MASTER_IPV4_SRC : ATTR_MASTER_IPV6_SRC);
	nfct_attr_unset(ct, f->l3 == AF_INET ? ATTR_MASTER_IPV4_DST : ATTR_MASTER_IPV6_DST);
	for (int a = ATTR_MASTER_PORT_SRC; a <= ATTR_MASTER_L4PROTO; a++)
		nfct_attr_unset(ct, (enum nf_conntrack_attr)a);
}

/* The library's object as 1.4.x sets it up for f. */
static struct nf_conntrack *nfct_of(const struct ct_flow *f, const struct ct_build_opts *o)
{
	struct nf_conntrack *ct = nfct_new();
	uint32_t status =
		(f->status & ~(uint32_t)(IPS_EXPECTED | FLOW_STATUS_OFFLOAD)) | IPS_CONFIRMED;

	nfct_set_attr_u8(ct, ATTR_L3PROTO, f->l3);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, f->l4);
	set_addr(ct, ATTR_IPV4_SRC, ATTR_IPV6_SRC, f, flow_addr_at(f, 0));
	set_addr(ct, ATTR_IPV4_DST, ATTR_IPV6_DST, f, flow_addr_at(f, 1));
	if (flow_is_icmp(f)) {
		nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, flow_icmp_type(&f->orig));
		nfct_set_attr_u8(ct, ATTR_ICMP_CODE, flow_icmp_code(&f->orig));
		nfct_set_attr_u16(ct, ATTR_ICMP_ID, f->orig.sport);
	} else if (f->has & FLOW_HAS_PORTS) {
		nfct_set_attr_u16(ct, ATTR_PORT_SRC, f->orig.sport);
		nfct_set_attr_u16(ct, ATTR_PORT_DST, f->orig.dport);
	}
	if (!o->update) {
		nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
		nfct_nat(ct, f);
	}
	if (o->update) {
		status &= ~(uint32_t)(IPS_SRC_NAT | IPS_DST_NAT);
		if (f->has & FLOW_HAS_MASTER)
			status |= IPS_EXPECTED;
	}
	nfct_set_attr_u32(ct, ATTR_STATUS, status);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, o->timeout_s ? o->timeout_s : f->timeout_s);
	if (f->has & FLOW_HAS_MARK)
		nfct_set_attr_u32(ct, ATTR_MARK, f->mark);
	if (f->has & FLOW_HAS_ZONE)
		nfct_set_attr_u16(ct,
				  f->zone_dir == FLOW_ZONE_BOTH ? ATTR_ZONE :
				  f->zone_dir == FLOW_ZONE_ORIG ? ATTR_ORIG_ZONE :
								  ATTR_REPL_ZONE,
				  f->zone);
	if (f->l4 == IPPROTO_TCP)
		nfct_tcp(ct, f, o);
	nfct_rare(ct, f);
	if (o->update)
		nfct_only_what_changes(ct, f);
	return ct;
}

/* What peers send, DCCP too. */
static void random_request(uint64_t *s, struct ct_flow *f, struct flow_rare *rare,
			   struct ct_build_opts *o)
{
	*o = (struct ct_build_opts){ .update = rnd(s, 3) == 0,
				     .liberal = rnd(s, 2),
				     .timeout_s = rnd(s, 2) ? 77 : 0 };
	random_flow(s, f, rare);
	if (f->l4 == IPPROTO_UDP && rnd(s, 2)) {
		f->l4 = IPPROTO_DCCP;
		f->has |= FLOW_HAS_PROTO_STATE | FLOW_HAS_DCCP_ROLE;
		f->proto_state = (uint8_t)rnd(s, 9);
		if (!f->rare)
			*rare = (struct flow_rare){ .synproxy_set = false };
		rare->dccp_role = (uint8_t)rnd(s, 2);
		f->rare = rare;
	}
	if (o->update && f->zone_dir == FLOW_ZONE_REPLY)
		f->has &= ~FLOW_HAS_ZONE; /* the library builds nothing without the other tuple */
}

static void requests_agree(void **state)
{
	uint64_t s = seed_get();
	_Alignas(struct nlmsghdr) uint8_t ours[CT_BUILD_MAX], theirs[MSG_MAX];
	static struct ct_flat a, b;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct nlmsghdr *h = mnl_nlmsg_put_header(theirs);
		struct nf_conntrack *ct;
		struct ct_build_opts o;
		struct flow_rare rare;
		struct ct_flow f;
		struct nfgenmsg *g;
		const char *diff;

		random_request(&s, &f, &rare, &o);
		ct = nfct_of(&f, &o);
		h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
		g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
		g->nfgen_family = f.l3;
		if (nfct_nlmsg_build(h, ct) != 0)
			fail_msg("round %d, protocol %u, parts %x: the library builds nothing", i,
				 f.l4, f.has);
		nfct_destroy(ct);
		assert_true(ct_build_create(&f, &o, 1, ours, sizeof(ours)) > 0);
		ct_flatten(&a, (const struct nlmsghdr *)ours);
		ct_flatten(&b, h);
		commit_rules_apply(&f, &o, &a, &b);
		diff = ct_flat_difference(&a, &b);
		if (diff)
			fail_msg("round %d, protocol %u, zone direction %u%s: %s (+ is ours)", i,
				 f.l4, f.zone_dir, o.update ? ", update" : "", diff);
	}
	commit_rules_report();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
