/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows as values: identity, comparison, merging of knowledge, and the relation between the two
 * tuples of a flow.
 *
 * A record of an IPv4 flow may live in a slot of FLOW_SIZE_V4 bytes, so nothing here touches more
 * than flow_size() bytes of a flow, and addresses are only reached through the member of the union
 * that the family names.
 *
 * Sources: linux/netfilter/nf_conntrack_common.h for the status bits, doc/protocol.md "Reply tuple
 * and NAT" for what is sent to a peer about translations.
 */
#include "flow/flow.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

_Static_assert(offsetof(struct ct_flow, addr) % 8 == 0, "IPv4 slots end on a whole word");
_Static_assert(sizeof(((struct ct_flow *)0)->addr.v6) == 64, "two address pairs without a gap");

_Static_assert(FLOW_STATUS_OFFLOAD == (IPS_OFFLOAD | IPS_HW_OFFLOAD), "bits of the kernel");

/* The rare parts that a cache keeps. */
#define RARE_KEPT (FLOW_RARE_PARTS & ~FLOW_HAS_COUNTERS)

uint32_t flow_key_hash(const struct hash_key *secret, const struct flow_key *key)
{
	return hash_words(secret, key->w, key->n_words);
}

bool flow_has_key(const struct ct_flow *f)
{
	if (f->l3 != AF_INET && f->l3 != AF_INET6)
		return false;
	return (f->has & FLOW_HAS_PORTS) || !(flow_l4_has_ports(f->l4) || flow_is_icmp(f));
}

void flow_settle_offload(struct ct_flow *f)
{
	if (!flow_is_offloaded(f))
		return;
	f->has &= ~FLOW_HAS_TIMEOUT;
	if (f->l4 == IPPROTO_TCP && !(f->has & FLOW_HAS_PROTO_STATE)) {
		f->proto_state = TCP_CONNTRACK_ESTABLISHED;
		f->has |= FLOW_HAS_PROTO_STATE;
	}
}

void flow_copy(struct ct_flow *dst, const struct ct_flow *src)
{
	if (src->l3 == AF_INET)
		/* a size the compiler knows: a few moves instead of a call */
		memcpy(dst, src, FLOW_SIZE_V4);
	else
		memcpy(dst, src, FLOW_SIZE_V6);
}

bool flow_needs_rare(const struct ct_flow *src)
{
	if (src->rare == NULL)
		return false;
	return (src->has & RARE_KEPT) ||
	       ((src->has & FLOW_HAS_SYNPROXY) && src->rare->synproxy_set);
}

/* The four addresses lie side by side in both members of the union, in this order. */
enum addr_index { ORIG_SRC, ORIG_DST, REPLY_SRC, REPLY_DST };

static inline size_t addr_len(const struct ct_flow *f)
{
	return f->l3 == AF_INET ? 4 : 16;
}

static inline const uint8_t *addr_at(const struct ct_flow *f, enum addr_index i)
{
	return (const uint8_t *)&f->addr + i * addr_len(f);
}

static inline uint8_t *addr_of(struct ct_flow *f, enum addr_index i)
{
	return (uint8_t *)&f->addr + i * addr_len(f);
}

static inline bool same_addr(const struct ct_flow *a, enum addr_index i, const struct ct_flow *b,
			     enum addr_index j)
{
	return memcmp(addr_at(a, i), addr_at(b, j), addr_len(a)) == 0;
}

uint32_t flow_nat(const struct ct_flow *f)
{
	bool ports = (f->has & FLOW_HAS_PORTS) && flow_l4_has_ports(f->l4);
	uint32_t nat = 0;

	if (!(f->has & FLOW_HAS_REPLY))
		return f->has & FLOW_FROM_PEER_NAT;
	if (!(f->has & FLOW_HAS_STATUS))
		return 0;
	if (f->status & IPS_SRC_NAT_DONE) {
		if (!same_addr(f, REPLY_DST, f, ORIG_SRC))
			nat |= FLOW_HAS_SNAT;
		if (ports && f->reply.dport != f->orig.sport)
			nat |= FLOW_HAS_SPAT;
	}
	if (f->status & IPS_DST_NAT_DONE) {
		if (!same_addr(f, REPLY_SRC, f, ORIG_DST))
			nat |= FLOW_HAS_DNAT;
		if (ports && f->reply.sport != f->orig.dport)
			nat |= FLOW_HAS_DPAT;
	}
	return nat;
}

/* The ICMP type that answers a request, and the other way round, as the kernel pairs them. */
static uint8_t icmp_counterpart(uint8_t l4, uint8_t type)
{
	static const uint8_t pairs[][3] = {
		{ IPPROTO_ICMP, 8, 0 },	      /* echo */
		{ IPPROTO_ICMP, 13, 14 },     /* timestamp */
		{ IPPROTO_ICMP, 15, 16 },     /* information */
		{ IPPROTO_ICMP, 17, 18 },     /* address mask */
		{ IPPROTO_ICMPV6, 128, 129 }, /* echo */
		{ IPPROTO_ICMPV6, 139, 140 }, /* node information */
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0] != l4)
			continue;
		if (pairs[i][1] == type)
			return pairs[i][2];
		if (pairs[i][2] == type)
			return pairs[i][1];
	}
	return type;
}

static void mirror_ports(struct ct_flow *f)
{
	if (flow_is_icmp(f)) {
		uint8_t type_code[2] = { icmp_counterpart(f->l4, flow_icmp_type(&f->orig)),
					 flow_icmp_code(&f->orig) };

		f->reply.sport = f->orig.sport;
		memcpy(&f->reply.dport, type_code, sizeof(type_code));
		return;
	}
	if (!(f->has & FLOW_HAS_DPAT))
		f->reply.sport = f->orig.dport;
	if (!(f->has & FLOW_HAS_SPAT))
		f->reply.dport = f->orig.sport;
}

void flow_mirror_reply(struct ct_flow *f)
{
	if (f->has & FLOW_HAS_PORTS)
		mirror_ports(f);
	if (f->l3 == AF_INET) {
		if (!(f->has & FLOW_HAS_DNAT))
			f->addr.v4.reply_src = f->addr.v4.dst;
		if (!(f->has & FLOW_HAS_SNAT))
			f->addr.v4.reply_dst = f->addr.v4.src;
		return;
	}
	if (!(f->has & FLOW_HAS_DNAT))
		memcpy(f->addr.v6.reply_src, f->addr.v6.dst, 16);
	if (!(f->has & FLOW_HAS_SNAT))
		memcpy(f->addr.v6.reply_dst, f->addr.v6.src, 16);
}

/* Store n bytes; true if that is a change. */
static bool store(void *to, const void *from, size_t n, bool known)
{
	bool news = !known || memcmp(to, from, n) != 0;

	if (news)
		memcpy(to, from, n);
	return news;
}

static bool store_u32(uint32_t *to, uint32_t v, bool known)
{
	bool news = !known || *to != v;

	*to = v;
	return news;
}

static bool merge_status(struct ct_flow *dst, const struct ct_flow *src)
{
	uint32_t news =
		dst->has & FLOW_HAS_STATUS ? dst->status ^ src->status : ~FLOW_STATUS_OFFLOAD;

	dst->status = src->status;
	return news & ~FLOW_STATUS_OFFLOAD;
}

/* The tuples of both flows are of the same family, that of the key. */
static bool merge_reply(struct ct_flow *dst, const struct ct_flow *src)
{
	bool known = dst->has & FLOW_HAS_REPLY, changed;

	changed = store(addr_of(dst, REPLY_SRC), addr_at(src, REPLY_SRC), 2 * addr_len(dst), known);
	if (src->has & FLOW_HAS_PORTS)
		changed |= store(&dst->reply, &src->reply, sizeof(dst->reply), known);
	return changed;
}

/* Merge the translations that a peer has sent. The rest of the reply tuple mirrors the key and
 * cannot differ. */
/* Translations of an earlier flow of the same tuple are dropped: a message has all translations of
 * its flow, and the status says whether there are any. */
static bool merge_peer_nat(struct ct_flow *dst, const struct ct_flow *src)
{
	const uint32_t snat = FLOW_HAS_SNAT | FLOW_HAS_SPAT, dnat = FLOW_HAS_DNAT | FLOW_HAS_DPAT;
	uint32_t denied = src->has & FLOW_HAS_STATUS ? ~src->status : 0, gone = 0;
	size_t n = addr_len(dst);
	bool changed;

	if ((src->has & snat) || (denied & IPS_SRC_NAT))
		gone |= snat & ~src->has;
	if ((src->has & dnat) || (denied & IPS_DST_NAT))
		gone |= dnat & ~src->has;
	changed = dst->has & gone;
	dst->has &= ~gone;
	if (src->has & FLOW_HAS_SNAT)
		changed |= store(addr_of(dst, REPLY_DST), addr_at(src, REPLY_DST), n,
				 dst->has & FLOW_HAS_SNAT);
	if (src->has & FLOW_HAS_DNAT)
		changed |= store(addr_of(dst, REPLY_SRC), addr_at(src, REPLY_SRC), n,
				 dst->has & FLOW_HAS_DNAT);
	if (src->has & FLOW_HAS_SPAT)
		changed |= store(&dst->reply.dport, &src->reply.dport, 2, dst->has & FLOW_HAS_SPAT);
	if (src->has & FLOW_HAS_DPAT)
		changed |= store(&dst->reply.sport, &src->reply.sport, 2, dst->has & FLOW_HAS_DPAT);
	return changed;
}

static bool merge_labels(struct flow_rare *to, const struct flow_rare *from, bool known)
{
	static const uint32_t none[FLOW_LABEL_BYTES / 4];

	if (!known)
		memcpy(to->labels, none, sizeof(none));
	return store(to->labels, from->labels, sizeof(to->labels), true);
}

static bool merge_master(struct ct_flow *dst, const struct ct_flow *src)
{
	struct flow_rare *to = dst->rare;
	const struct flow_rare *from = src->rare;
	bool known = dst->has & FLOW_HAS_MASTER;
	size_t n = addr_len(dst);
	bool changed = store(&to->master_src, &from->master_src, n, known);

	changed |= store(&to->master_dst, &from->master_dst, n, known);
	changed |= store(&to->master_l4, &from->master_l4, 1, known);
	return changed;
}

static bool merge_synproxy(struct ct_flow *dst, const struct ct_flow *src)
{
	static const uint32_t zero[3];
	bool is_set = src->rare != NULL && src->rare->synproxy_set;
	bool was_set =
		(dst->has & FLOW_HAS_SYNPROXY) && dst->rare != NULL && dst->rare->synproxy_set;

	if (is_set && dst->rare == NULL)
		return false;
	dst->has |= FLOW_HAS_SYNPROXY;
	if (dst->rare == NULL)
		return false; /* three zeros on both sides */
	dst->rare->synproxy_set = is_set;
	return store(dst->rare->synproxy, is_set ? src->rare->synproxy : zero, sizeof(zero),
		     was_set) &&
	       (is_set || was_set);
}

/* Both flows have their struct flow_rare. */
static bool merge_rare(struct ct_flow *dst, const struct ct_flow *src)
{
	struct flow_rare *to = dst->rare;
	const struct flow_rare *from = src->rare;
	uint32_t has = src->has & RARE_KEPT, known = dst->has;
	bool changed = false;

	if (has & FLOW_HAS_SEQADJ)
		changed |= store(to->adj, from->adj, sizeof(to->adj), known & FLOW_HAS_SEQADJ);
	if (has & FLOW_HAS_HELPER)
		changed |= store(to->helper, from->helper, sizeof(to->helper),
				 known & FLOW_HAS_HELPER);
	if (has & FLOW_HAS_LABELS)
		changed |= merge_labels(to, from, known & FLOW_HAS_LABELS);
	if (has & FLOW_HAS_VTAGS)
		changed |= store(to->vtag, from->vtag, sizeof(to->vtag), known & FLOW_HAS_VTAGS);
	if (has & FLOW_HAS_MASTER)
		changed |= merge_master(dst, src);
	if (has & FLOW_HAS_MASTER_PORTS) {
		changed |= store(&to->master_sport, &from->master_sport, 2,
				 known & FLOW_HAS_MASTER_PORTS);
		changed |= store(&to->master_dport, &from->master_dport, 2,
				 known & FLOW_HAS_MASTER_PORTS);
	}
	if (has & FLOW_HAS_DCCP_ROLE)
		changed |= store(&to->dccp_role, &from->dccp_role, 1, known & FLOW_HAS_DCCP_ROLE);
	if (has & FLOW_HAS_REPLY_ZONE)
		to->reply_zone = from->reply_zone;
	if (has & FLOW_HAS_TIMES) {
		to->start_ns = from->start_ns;
		to->stop_ns = from->stop_ns;
	}
	dst->has |= has;
	return changed;
}

bool flow_merge(struct ct_flow *dst, const struct ct_flow *src)
{
	const uint32_t simple = FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_MARK |
				FLOW_HAS_REPLY | FLOW_FROM_PEER_NAT | FLOW_HAS_PROTO_STATE |
				FLOW_HAS_WSCALE | FLOW_HAS_ID;
	uint32_t has = src->has, known = dst->has;
	bool changed = false;

	if (has & FLOW_HAS_STATUS)
		changed |= merge_status(dst, src);
	if (has & FLOW_HAS_TIMEOUT)
		dst->timeout_s = src->timeout_s;
	if (has & FLOW_HAS_MARK) {
		if (!(known & FLOW_HAS_MARK))
			dst->mark = 0;
		changed |= store_u32(&dst->mark, src->mark, true);
	}
	if (has & FLOW_HAS_ID)
		dst->id = src->id;
	if (has & FLOW_HAS_PROTO_STATE)
		changed |= store(&dst->proto_state, &src->proto_state, 1,
				 known & FLOW_HAS_PROTO_STATE);
	if (has & FLOW_HAS_WSCALE) {
		if (!(known & FLOW_HAS_WSCALE))
			memset(dst->wscale, 0, sizeof(dst->wscale));
		changed |= store(dst->wscale, src->wscale, sizeof(dst->wscale), true);
	}
	if (has & FLOW_HAS_REPLY)
		changed |= merge_reply(dst, src);
	else if (has & (FLOW_FROM_PEER_NAT | FLOW_HAS_STATUS))
		changed |= merge_peer_nat(dst, src);
	dst->has |= has & simple;
	if (src->rare && dst->rare && (has & RARE_KEPT))
		changed |= merge_rare(dst, src);
	if (has & FLOW_HAS_SYNPROXY)
		changed |= merge_synproxy(dst, src);
	return changed;
}

bool flow_same_translations(const struct ct_flow *a, const struct ct_flow *b)
{
	uint32_t nat = flow_nat(a);

	if (nat != flow_nat(b))
		return false;
	if ((nat & FLOW_HAS_SNAT) && !same_addr(a, REPLY_DST, b, REPLY_DST))
		return false;
	if ((nat & FLOW_HAS_DNAT) && !same_addr(a, REPLY_SRC, b, REPLY_SRC))
		return false;
	if ((nat & FLOW_HAS_SPAT) && a->reply.dport != b->reply.dport)
		return false;
	return !(nat & FLOW_HAS_DPAT) || a->reply.sport == b->reply.sport;
}

/* The replicated rare parts in one comparable value: zero where the flow has none. */
struct rare_view {
	struct flow_seqadj adj[2];
	uint32_t labels[FLOW_LABEL_BYTES / 4];
	uint32_t synproxy[3];
	uint32_t vtag[2];
	union flow_addr master_src, master_dst;
	uint16_t master_sport, master_dport;
	uint8_t master_l4, dccp_role;
	char helper[FLOW_HELPER_MAX + 2]; /* up to a whole word */
};

_Static_assert(sizeof(struct rare_view) == 24 + 16 + 12 + 8 + 32 + 4 + 2 + FLOW_HELPER_MAX + 2,
	       "no padding to compare");

static void view_rare(const struct ct_flow *f, struct rare_view *v)
{
	const struct flow_rare *r = f->rare;
	size_t n = addr_len(f);

	*v = (struct rare_view){ 0 };
	if (r == NULL)
		return;
	if (f->has & FLOW_HAS_SEQADJ)
		memcpy(v->adj, r->adj, sizeof(v->adj));
	if (f->has & FLOW_HAS_LABELS)
		memcpy(v->labels, r->labels, sizeof(v->labels));
	if ((f->has & FLOW_HAS_SYNPROXY) && r->synproxy_set)
		memcpy(v->synproxy, r->synproxy, sizeof(v->synproxy));
	if (f->has & FLOW_HAS_VTAGS)
		memcpy(v->vtag, r->vtag, sizeof(v->vtag));
	if (f->has & FLOW_HAS_MASTER) {
		memcpy(&v->master_src, &r->master_src, n);
		memcpy(&v->master_dst, &r->master_dst, n);
		v->master_l4 = r->master_l4;
	}
	if (f->has & FLOW_HAS_MASTER_PORTS) {
		v->master_sport = r->master_sport;
		v->master_dport = r->master_dport;
	}
	if (f->has & FLOW_HAS_DCCP_ROLE)
		v->dccp_role = r->dccp_role;
	if (f->has & FLOW_HAS_HELPER)
		strncpy(v->helper, r->helper, FLOW_HELPER_MAX);
}

/* Most flows that are compared are equal member by member: no need then to work out
 * translations. */
static bool same_values(const struct ct_flow *a, const struct ct_flow *b)
{
	return !a->rare && !b->rare && !((a->has ^ b->has) & ~(FLOW_HAS_TIMEOUT | FLOW_HAS_ID)) &&
	       a->l3 == b->l3 && a->l4 == b->l4 && a->zone == b->zone &&
	       a->zone_dir == b->zone_dir && a->status == b->status && a->mark == b->mark &&
	       a->proto_state == b->proto_state &&
	       memcmp(&a->orig, &b->orig, sizeof(a->orig)) == 0 &&
	       memcmp(&a->reply, &b->reply, sizeof(a->reply)) == 0 &&
	       (a->l3 == AF_INET ? memcmp(&a->addr, &b->addr, sizeof(a->addr.v4)) == 0 :
				   memcmp(&a->addr, &b->addr, sizeof(a->addr.v6)) == 0);
}

bool flow_equal_replicated(const struct ct_flow *a, const struct ct_flow *b)
{
	/* For these parts present and absent differ; for the others an absent value equals zero. */
	const uint32_t presence = FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE | FLOW_HAS_SEQADJ |
				  FLOW_HAS_HELPER | FLOW_HAS_VTAGS | FLOW_HAS_MASTER |
				  FLOW_HAS_MASTER_PORTS | FLOW_HAS_DCCP_ROLE;
	struct rare_view va, vb;

	if (same_values(a, b))
		return true;
	if (!flow_same_key(a, b) || ((a->has ^ b->has) & presence))
		return false;
	if ((a->has & FLOW_HAS_STATUS) && ((a->status ^ b->status) & ~FLOW_STATUS_OFFLOAD))
		return false;
	if ((a->has & FLOW_HAS_PROTO_STATE) && a->proto_state != b->proto_state)
		return false;
	if ((a->has & FLOW_HAS_MARK ? a->mark : 0) != (b->has & FLOW_HAS_MARK ? b->mark : 0))
		return false;
	if (!flow_same_translations(a, b))
		return false;
	if (a->rare == NULL && b->rare == NULL)
		return true;
	view_rare(a, &va);
	view_rare(b, &vb);
	return memcmp(&va, &vb, sizeof(va)) == 0;
}

const char *flow_l4_name(uint8_t l4)
{
	switch (l4) {
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_DCCP:
		return "dccp";
	case IPPROTO_GRE:
		return "gre";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_UDPLITE:
		return "udplite";
	}
	return "unknown";
}

const char *flow_state_name(uint8_t l4, uint8_t state)
{
	static const char *const tcp[] = { "NONE",     "SYN_SENT",   "SYN_RECV", "ESTABLISHED",
					   "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
					   "CLOSE",    "SYN_SENT2" };
	static const char *const sctp[] = { "NONE",	      "CLOSED",
					    "COOKIE_WAIT",    "COOKIE_ECHOED",
					    "ESTABLISHED",    "SHUTDOWN_SENT",
					    "SHUTDOWN_RECD",  "SHUTDOWN_ACK_SENT",
					    "HEARTBEAT_SENT", "HEARTBEAT_ACKED" };
	static const char *const dccp[] = {
		"NONE",	    "REQUEST", "RESPOND",  "PARTOPEN", "OPEN",
		"CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",   "INVALID"
	};
	static const uint8_t n_states = 10;

	_Static_assert(sizeof(tcp) / sizeof(tcp[0]) == 10 && sizeof(sctp) / sizeof(sctp[0]) == 10 &&
			       sizeof(dccp) / sizeof(dccp[0]) == 10,
		       "one count for all three");
	if (state >= n_states)
		state = 0;
	switch (l4) {
	case IPPROTO_TCP:
		return tcp[state];
	case IPPROTO_SCTP:
		return sctp[state];
	case IPPROTO_DCCP:
		return dccp[state];
	}
	return NULL;
}
