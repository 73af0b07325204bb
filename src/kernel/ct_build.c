/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct ct_flow -> ctnetlink requests: create, update, destroy, get (the way back is
 * ct_convert.c).
 *
 * Rules: doc/architecture.md section 7, checked against what the kernel accepts. The reply tuple of
 * a create is the mirror image of the original one; translations are requested as NAT ranges of one
 * address and one port, and the kernel makes the real reply tuple of them. The port is always
 * named, also where it is not translated: without it the kernel may choose the port of another
 * mapping of the same source, and the answer of the other end would then miss the flow. For the
 * same reason the source is named with a translated destination: left to itself the kernel takes
 * another source port when the reply tuple is taken, instead of saying so (seen: a flow picked up
 * from the server's side in mid-stream).
 *
 * A value is left out when the kernel would refuse the whole request because of it: an incomplete
 * SCTP or DCCP state, a master without ports. Not done here: what to do about a refusal
 * (ct_commit.c).
 */
#include "kernel/ct.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/writer.h"
#include "kernel/nl_attr.h"

/* The kernel refuses to create an entry without a timeout. This is what 1.4.x asks for when it has
 * lapsed. */
#define TIMEOUT_FALLBACK_S 60

/* Bits a request must not carry: the kernel answers EBUSY when they differ from what it has.
 * EXPECTED comes with the master, DYING never. CONFIRMED must be there for the same reason. That a
 * flow is offloaded says only the kernel whose flow table it is in. */
#define STATUS_NOT_ASKED (IPS_EXPECTED | IPS_DYING | FLOW_STATUS_OFFLOAD)

/* Indices of the four addresses of a flow, which lie side by side. */
enum { ORIG_SRC, ORIG_DST, REPLY_SRC, REPLY_DST };

static const uint8_t *addr_at(const struct ct_flow *f, unsigned int i)
{
	return (const uint8_t *)&f->addr + i * (f->l3 == AF_INET ? 4u : 16u);
}

/* ---- tuples ---- */

static void put_tuple_proto(struct writer *w, uint8_t l4, const struct flow_ports *ports)
{
	size_t at = nest_begin(w, CTA_TUPLE_PROTO);

	put_u8(w, CTA_PROTO_NUM, l4);
	if (l4 == IPPROTO_ICMP || l4 == IPPROTO_ICMPV6) {
		bool v4 = l4 == IPPROTO_ICMP;

		put_attr(w, v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, &ports->sport, 2);
		put_u8(w, v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, flow_icmp_type(ports));
		put_u8(w, v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, flow_icmp_code(ports));
	} else if (flow_l4_has_port_attrs(l4)) {
		put_attr(w, CTA_PROTO_SRC_PORT, &ports->sport, 2);
		put_attr(w, CTA_PROTO_DST_PORT, &ports->dport, 2);
	}
	nest_end(w, at);
}

static void put_tuple(struct writer *w, uint16_t type, uint8_t l3, const void *src, const void *dst,
		      uint8_t l4, const struct flow_ports *ports, uint16_t zone)
{
	bool v4 = l3 == AF_INET;
	size_t len = v4 ? 4 : 16, at = nest_begin(w, type), ip = nest_begin(w, CTA_TUPLE_IP);

	put_attr(w, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, src, len);
	put_attr(w, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, dst, len);
	nest_end(w, ip);
	put_tuple_proto(w, l4, ports);
	if (zone)
		put_u16(w, CTA_TUPLE_ZONE, zone);
	nest_end(w, at);
}

/* The zone for one direction only, else 0. */
static uint16_t dir_zone(const struct ct_flow *f, enum flow_zone_dir dir)
{
	return (f->has & FLOW_HAS_ZONE) && f->zone_dir == dir ? f->zone : 0;
}

static void put_orig(struct writer *w, const struct ct_flow *f)
{
	static const struct flow_ports none;

	put_tuple(w, CTA_TUPLE_ORIG, f->l3, addr_at(f, ORIG_SRC), addr_at(f, ORIG_DST), f->l4,
		  f->has & FLOW_HAS_PORTS ? &f->orig : &none, dir_zone(f, FLOW_ZONE_ORIG));
}

/* The mirror image of the original tuple, whatever the translations are. */
static void put_mirror(struct writer *w, const struct ct_flow *f)
{
	struct ct_flow m = { 0 };

	flow_copy(&m, f);
	m.has &= ~(FLOW_FROM_PEER_NAT | FLOW_HAS_REPLY);
	m.reply = (struct flow_ports){ 0 };
	flow_mirror_reply(&m);
	put_tuple(w, CTA_TUPLE_REPLY, f->l3, addr_at(&m, REPLY_SRC), addr_at(&m, REPLY_DST), f->l4,
		  &m.reply, dir_zone(f, FLOW_ZONE_REPLY));
}

static void put_master(struct writer *w, const struct ct_flow *f)
{
	struct flow_ports ports = { 0 };
	const struct flow_rare *r = f->rare;

	if (!ct_build_has_master(f))
		return;
	if (f->has & FLOW_HAS_MASTER_PORTS) {
		ports.sport = r->master_sport;
		ports.dport = r->master_dport;
	}
	put_tuple(w, CTA_TUPLE_MASTER, f->l3, &r->master_src, &r->master_dst, r->master_l4, &ports,
		  0);
}

bool ct_build_has_master(const struct ct_flow *f)
{
	if (!(f->has & FLOW_HAS_MASTER))
		return false;
	return (f->has & FLOW_HAS_MASTER_PORTS) || !flow_l4_has_port_attrs(f->rare->master_l4);
}

static void put_zone(struct writer *w, const struct ct_flow *f)
{
	uint16_t zone = dir_zone(f, FLOW_ZONE_BOTH);

	if (zone)
		put_u16(w, CTA_ZONE, zone);
}

/* ---- NAT ---- */

static void put_nat_range(struct writer *w, uint16_t type, const struct ct_flow *f,
			  const void *addr, uint16_t port)
{
	bool v4 = f->l3 == AF_INET;
	size_t len = v4 ? 4 : 16, at = nest_begin(w, type), proto;

	/* Without a maximum it is the minimum. */
	put_attr(w, v4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, addr, len);
	if ((f->has & FLOW_HAS_PORTS) && flow_l4_has_ports(f->l4)) {
		proto = nest_begin(w, CTA_NAT_PROTO);
		put_attr(w, CTA_PROTONAT_PORT_MIN, &port, 2);
		put_attr(w, CTA_PROTONAT_PORT_MAX, &port, 2);
		nest_end(w, proto);
	}
	nest_end(w, at);
}

static void put_nat(struct writer *w, const struct ct_flow *f)
{
	uint32_t nat = flow_nat(f);

	if (flow_is_icmp(f))
		/* 1.4.x peers send meaningless ports with ICMP */
		nat &= FLOW_HAS_SNAT | FLOW_HAS_DNAT;
	if (nat != 0)
		put_nat_range(w, CTA_NAT_SRC, f,
			      addr_at(f, nat & FLOW_HAS_SNAT ? REPLY_DST : ORIG_SRC),
			      nat & FLOW_HAS_SPAT ? f->reply.dport : f->orig.sport);
	if (nat & (FLOW_HAS_DNAT | FLOW_HAS_DPAT))
		put_nat_range(w, CTA_NAT_DST, f,
			      addr_at(f, nat & FLOW_HAS_DNAT ? REPLY_SRC : ORIG_DST),
			      nat & FLOW_HAS_DPAT ? f->reply.sport : f->orig.dport);
}

/* ---- state ---- */

static void put_status(struct writer *w, const struct ct_flow *f, const struct ct_build_opts *o)
{
	uint32_t status = f->has & FLOW_HAS_STATUS ? f->status : 0;

	status = (status & ~(uint32_t)STATUS_NOT_ASKED) | IPS_CONFIRMED;
	if (o->update) {
		status &= ~(uint32_t)(IPS_SRC_NAT | IPS_DST_NAT);
		if (o->expected || ct_build_has_master(f))
			status |= IPS_EXPECTED; /* as the create made it */
	}
	put_u32(w, CTA_STATUS, status);
}

static void put_timeout(struct writer *w, const struct ct_flow *f, const struct ct_build_opts *o)
{
	uint32_t s = o->timeout_s;

	if (!s && (f->has & FLOW_HAS_TIMEOUT))
		s = f->timeout_s;
	if (!s && o->update)
		return;
	put_u32(w, CTA_TIMEOUT, s ? s : TIMEOUT_FALLBACK_S);
}

/* The kernel sets them with packets, the first with an acknowledgement, the second with data that
 * waits for one. Both are facts of this kernel only: taken back, they come again with the next
 * packet. */
#define TCP_FLAGS_OF_PACKETS (IP_CT_TCP_FLAG_MAXACK_SET | IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED)

/* Be liberal: window tracking no longer judges. Without the flag of the scales the kernel ignores
 * these (seen: it dumps them back as 0). */
static void put_tcp_flags(struct writer *w, const struct ct_flow *f, const struct ct_build_opts *o)
{
	struct nf_ct_tcp_flags flags = {
		.flags = o->liberal				    ? IP_CT_TCP_FLAG_BE_LIBERAL :
			 !o->annotate && (f->has & FLOW_HAS_WSCALE) ? IP_CT_TCP_FLAG_WINDOW_SCALE :
								      0,
	};

	flags.mask = (uint8_t)(flags.flags | (o->forget ? TCP_FLAGS_OF_PACKETS : 0));
	if (!flags.mask)
		return;
	put_attr(w, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags, sizeof(flags));
	put_attr(w, CTA_PROTOINFO_TCP_FLAGS_REPLY, &flags, sizeof(flags));
}

static void put_tcp(struct writer *w, const struct ct_flow *f, const struct ct_build_opts *o)
{
	size_t at = nest_begin(w, CTA_PROTOINFO_TCP);

	if (!o->annotate && (f->has & FLOW_HAS_PROTO_STATE))
		put_u8(w, CTA_PROTOINFO_TCP_STATE, f->proto_state);
	if (!o->annotate && (f->has & FLOW_HAS_WSCALE)) {
		put_u8(w, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, f->wscale[0]);
		put_u8(w, CTA_PROTOINFO_TCP_WSCALE_REPLY, f->wscale[1]);
	}
	put_tcp_flags(w, f, o);
	nest_end(w, at);
}

static void put_sctp(struct writer *w, const struct ct_flow *f)
{
	size_t at = nest_begin(w, CTA_PROTOINFO_SCTP);

	put_u8(w, CTA_PROTOINFO_SCTP_STATE, f->proto_state);
	put_u32(w, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, f->rare->vtag[0]);
	put_u32(w, CTA_PROTOINFO_SCTP_VTAG_REPLY, f->rare->vtag[1]);
	nest_end(w, at);
}

static void put_dccp(struct writer *w, const struct ct_flow *f)
{
	size_t at = nest_begin(w, CTA_PROTOINFO_DCCP);

	put_u8(w, CTA_PROTOINFO_DCCP_STATE, f->proto_state);
	put_u8(w, CTA_PROTOINFO_DCCP_ROLE, f->rare->dccp_role);
	nest_end(w, at);
}

static void put_protoinfo(struct writer *w, const struct ct_flow *f, const struct ct_build_opts *o)
{
	size_t at;

	/* A TCP flow of which the peer told no state is not judged either. */
	if (!(f->has & FLOW_HAS_PROTO_STATE) &&
	    !(f->l4 == IPPROTO_TCP && (o->liberal || o->forget)))
		return;
	if (f->l4 == IPPROTO_SCTP ? !(f->has & FLOW_HAS_VTAGS) :
	    f->l4 == IPPROTO_DCCP ? !(f->has & FLOW_HAS_DCCP_ROLE) :
				    f->l4 != IPPROTO_TCP)
		return;
	at = nest_begin(w, CTA_PROTOINFO);
	if (f->l4 == IPPROTO_TCP)
		put_tcp(w, f, o);
	else if (f->l4 == IPPROTO_SCTP)
		put_sctp(w, f);
	else
		put_dccp(w, f);
	nest_end(w, at);
}

/* ---- the rest ---- */

static void put_helper(struct writer *w, const struct ct_flow *f)
{
	size_t at;

	if (!(f->has & FLOW_HAS_HELPER) || !f->rare->helper[0])
		return;
	at = nest_begin(w, CTA_HELP);
	put_attr(w, CTA_HELP_NAME, f->rare->helper,
		 strnlen(f->rare->helper, FLOW_HELPER_MAX - 1) + 1);
	nest_end(w, at);
}

static void put_seqadj_dir(struct writer *w, uint16_t type, const struct flow_seqadj *adj)
{
	size_t at = nest_begin(w, type);

	put_u32(w, CTA_SEQADJ_CORRECTION_POS, adj->pos);
	put_u32(w, CTA_SEQADJ_OFFSET_BEFORE, (uint32_t)adj->before);
	put_u32(w, CTA_SEQADJ_OFFSET_AFTER, (uint32_t)adj->after);
	nest_end(w, at);
}

static void put_seqadj(struct writer *w, const struct ct_flow *f)
{
	if (!(f->has & FLOW_HAS_SEQADJ))
		return;
	put_seqadj_dir(w, CTA_SEQ_ADJ_ORIG, &f->rare->adj[0]);
	put_seqadj_dir(w, CTA_SEQ_ADJ_REPLY, &f->rare->adj[1]);
}

static void put_synproxy(struct writer *w, const struct ct_flow *f)
{
	size_t at;

	if (!(f->has & FLOW_HAS_SYNPROXY) || !f->rare || !f->rare->synproxy_set)
		return; /* three zeros are what the kernel has anyway */
	at = nest_begin(w, CTA_SYNPROXY);
	put_u32(w, CTA_SYNPROXY_ITS, f->rare->synproxy[0]);
	put_u32(w, CTA_SYNPROXY_ISN, f->rare->synproxy[1]);
	put_u32(w, CTA_SYNPROXY_TSOFF, f->rare->synproxy[2]);
	nest_end(w, at);
}

static void put_mark_labels(struct writer *w, const struct ct_flow *f)
{
	if (f->has & FLOW_HAS_MARK)
		put_u32(w, CTA_MARK, f->mark);
	if (f->has & FLOW_HAS_LABELS)
		put_attr(w, CTA_LABELS, f->rare->labels, sizeof(f->rare->labels));
}

/* ---- messages ---- */

static struct writer msg_begin(void *buf, size_t cap, const struct ct_flow *f, unsigned int type,
			       unsigned int flags, uint32_t seq)
{
	const struct nl_request r =
		nl_request(NFNL_SUBSYS_CTNETLINK << 8 | type, flags, f->l3, seq);
	struct writer w = wr_init(buf, cap);

	wr_bytes(&w, &r, sizeof(r));
	return w;
}

size_t ct_build_create(const struct ct_flow *f, const struct ct_build_opts *o, uint32_t seq,
		       void *buf, size_t cap)
{
	unsigned int flags = NLM_F_ACK | (o->update || o->annotate ? 0 : NLM_F_CREATE | NLM_F_EXCL);
	struct writer w = msg_begin(buf, cap, f, IPCTNL_MSG_CT_NEW, flags, seq);

	put_orig(&w, f);
	put_zone(&w, f);
	put_mark_labels(&w, f);
	if (o->annotate) {
		if (o->timeout_s)
			put_u32(&w, CTA_TIMEOUT, o->timeout_s);
		if ((o->liberal || o->forget) && f->l4 == IPPROTO_TCP)
			put_protoinfo(&w, f, o);
		return nl_end(&w);
	}
	if (!o->update) {
		put_mirror(&w, f);
		put_master(&w, f);
		put_helper(&w, f);
		put_nat(&w, f);
	}
	put_status(&w, f, o);
	put_timeout(&w, f, o);
	put_protoinfo(&w, f, o);
	put_seqadj(&w, f);
	put_synproxy(&w, f);
	return nl_end(&w);
}

size_t ct_build_destroy(const struct ct_flow *f, uint32_t seq, void *buf, size_t cap)
{
	struct writer w = msg_begin(buf, cap, f, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, seq);

	put_orig(&w, f);
	put_zone(&w, f);
	if (f->has & FLOW_HAS_ID)
		put_u32(&w, CTA_ID, f->id);
	return nl_end(&w);
}

size_t ct_build_get(const struct ct_flow *f, uint32_t seq, void *buf, size_t cap)
{
	/* No NLM_F_ACK: the entry or an error is the one answer. */
	struct writer w = msg_begin(buf, cap, f, IPCTNL_MSG_CT_GET, 0, seq);

	put_orig(&w, f);
	put_zone(&w, f);
	return nl_end(&w);
}
