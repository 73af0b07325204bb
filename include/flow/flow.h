/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_FLOW_H
#define CONNTRACKD_FLOW_FLOW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"

/* struct ct_flow, the value that all modules share: one tracked flow as the kernel, the wire and
 * the caches have it. No I/O, no clock.
 *
 * Layout: everything common to both families comes first and the addresses last, so that a record
 * of an IPv4 flow can be stored in a shorter slot (FLOW_SIZE_V4) without paying for IPv6 addresses.
 * Therefore never assign a whole struct ct_flow through a pointer that may be such a slot: use
 * flow_copy(). A local variable is always full size.
 *
 * Byte order: addresses, ports and the ICMP id are kept in network byte order, as the kernel and
 * the wire have them; everything else is in host order. */

/* Which parts of the struct are known. A part that is not present has undefined contents and must
 * not be read. */
#define FLOW_HAS_PORTS	 (1u << 0) /* orig ports, or ICMP type/code/id */
#define FLOW_HAS_STATUS	 (1u << 1)
#define FLOW_HAS_TIMEOUT (1u << 2)
#define FLOW_HAS_MARK	 (1u << 3)
/* reply tuple as the kernel reported it (never for flows received from a peer) */
#define FLOW_HAS_REPLY (1u << 4)
/* from a peer: translated source address, in the reply destination */
#define FLOW_HAS_SNAT (1u << 5)
/* from a peer: translated destination, in the reply source */
#define FLOW_HAS_DNAT (1u << 6)
/* from a peer: translated source port, in the reply dport */
#define FLOW_HAS_SPAT (1u << 7)
/* from a peer: translated destination port, in the reply sport */
#define FLOW_HAS_DPAT	     (1u << 8)
#define FLOW_HAS_PROTO_STATE (1u << 9)	/* tcp, sctp, dccp state */
#define FLOW_HAS_WSCALE	     (1u << 10) /* tcp window scales, both directions */
/* zone != 0 in both directions, or in the one zone_dir names */
#define FLOW_HAS_ZONE (1u << 11)
#define FLOW_HAS_ID   (1u << 12) /* the kernel's conntrack id */
/* The parts below are stored in struct flow_rare. */
#define FLOW_HAS_SEQADJ (1u << 13)
#define FLOW_HAS_HELPER (1u << 14)
#define FLOW_HAS_LABELS (1u << 15)
/* present with rare->synproxy_set false: three zeros */
#define FLOW_HAS_SYNPROXY     (1u << 16)
#define FLOW_HAS_VTAGS	      (1u << 17) /* sctp verification tags */
#define FLOW_HAS_MASTER	      (1u << 18) /* master addresses and protocol */
#define FLOW_HAS_MASTER_PORTS (1u << 19)
/* bytes and packets (destroy events, dumps with accounting) */
#define FLOW_HAS_COUNTERS  (1u << 20)
#define FLOW_HAS_TIMES	   (1u << 21) /* kernel time stamps */
#define FLOW_HAS_DCCP_ROLE (1u << 22)
/* the reply direction has another zone than the original (in rare) */
#define FLOW_HAS_REPLY_ZONE (1u << 23)

/* Status bits (IPS_OFFLOAD, IPS_HW_OFFLOAD) of a flow whose packets pass a flow table instead of
 * connection tracking. They describe one kernel: they are sent to no peer and put into no other
 * kernel, and a change of nothing else is not replicated. */
#define FLOW_STATUS_OFFLOAD (1u << 14 | 1u << 15)

/* Parts that need a struct flow_rare. FLOW_HAS_SYNPROXY needs one only when a value is not zero. */
#define FLOW_RARE_PARTS \
	(FLOW_HAS_SEQADJ | FLOW_HAS_HELPER | FLOW_HAS_LABELS | FLOW_HAS_VTAGS | FLOW_HAS_MASTER | \
	 FLOW_HAS_MASTER_PORTS | FLOW_HAS_COUNTERS | FLOW_HAS_TIMES | FLOW_HAS_DCCP_ROLE | \
	 FLOW_HAS_REPLY_ZONE)
#define FLOW_HAS_ALL	   ((1u << 24) - 1)
#define FLOW_FROM_PEER_NAT (FLOW_HAS_SNAT | FLOW_HAS_DNAT | FLOW_HAS_SPAT | FLOW_HAS_DPAT)

/* zone_dir: to which direction the zone belongs (a flow may have a zone in one direction only). */
enum flow_zone_dir {
	FLOW_ZONE_BOTH = 0,
	FLOW_ZONE_ORIG = 1,
	FLOW_ZONE_REPLY = 2,
};

#define FLOW_HELPER_MAX 16 /* kernel NF_CT_HELPER_NAME_LEN, with the NUL */
/* the kernel's 128 labels; more from a peer are dropped and counted by proto/ */
#define FLOW_LABEL_BYTES 16

struct flow_seqadj {
	uint32_t pos;
	int32_t before;
	int32_t after;
};

union flow_addr {
	uint32_t v4;	/* network order */
	uint32_t v6[4]; /* network order */
};

/* Rare parts, outside the common record. All host order but addresses and ports. */
struct flow_rare {
	struct flow_seqadj adj[2];	       /* original, reply direction */
	uint32_t labels[FLOW_LABEL_BYTES / 4]; /* label n is bit n % 32 of word n / 32 */
	uint32_t synproxy[3];		       /* its, isn, tsoff */
	bool synproxy_set;
	uint8_t dccp_role;
	uint8_t master_l4;
	uint16_t reply_zone;			/* with FLOW_HAS_REPLY_ZONE */
	uint32_t vtag[2];			/* original, reply; host order */
	union flow_addr master_src, master_dst; /* family of the flow */
	uint16_t master_sport, master_dport;	/* network order */
	char helper[FLOW_HELPER_MAX];
	uint64_t bytes[2], packets[2];
	uint64_t start_ns, stop_ns; /* wall clock, 0 = unknown */
};

/* Ports, or for ICMP: sport is the id, dport holds type (first byte) and code (second byte), as in
 * the kernel. */
struct flow_ports {
	uint16_t sport; /* network order */
	uint16_t dport; /* network order */
};

struct ct_flow {
	uint32_t has; /* FLOW_HAS_* */
	uint8_t l3;   /* AF_INET or AF_INET6 */
	uint8_t l4;   /* IPPROTO_* */
	uint16_t zone;
	uint32_t status;    /* IPS_* bits, linux/netfilter/nf_conntrack_common.h */
	uint32_t timeout_s; /* seconds left when it was learned */
	uint32_t mark;
	uint32_t id; /* the kernel's id, as in `conntrack -o id` */
	struct flow_ports orig, reply;
	uint8_t proto_state; /* TCP_CONNTRACK_*, SCTP_CONNTRACK_*, CT_DCCP_* */
	uint8_t wscale[2];   /* original, reply */
	uint8_t zone_dir;    /* enum flow_zone_dir */
	/* NULL when no FLOW_RARE_PARTS and no synproxy: borrowed in a local value, owned by the
	 * table in a record */
	struct flow_rare *rare;
	union {
		struct {
			uint32_t src, dst, reply_src, reply_dst;
		} v4;
		struct {
			uint32_t src[4], dst[4], reply_src[4], reply_dst[4];
		} v6;
	} addr; /* network order */
};

#define FLOW_SIZE_V4 (offsetof(struct ct_flow, addr) + 4 * sizeof(uint32_t))
#define FLOW_SIZE_V6 sizeof(struct ct_flow)

static inline size_t flow_size(const struct ct_flow *f)
{
	return f->l3 == AF_INET ? FLOW_SIZE_V4 : FLOW_SIZE_V6;
}

static inline bool flow_is_icmp(const struct ct_flow *f)
{
	return f->l4 == IPPROTO_ICMP || f->l4 == IPPROTO_ICMPV6;
}

static inline uint8_t flow_icmp_type(const struct flow_ports *p)
{
	return ((const uint8_t *)&p->dport)[0];
}

static inline uint8_t flow_icmp_code(const struct flow_ports *p)
{
	return ((const uint8_t *)&p->dport)[1];
}

/* What identifies a flow: original tuple and zone (and the direction of the zone). Whole 64-bit
 * words, so that hashing and comparing are a few instructions; unused bytes are zero. */
struct flow_key {
	/* w[0]: from bit 0 on: source port (16), destination port (16), protocol (8), 1 for IPv6
	 * (1), zone direction (2), nothing (5), zone (16), ports as they lie in memory; IPv4:
	 * w[1] is source and destination address; IPv6: w[1..2] source, w[3..4] destination, as
	 * they lie in memory */
	uint64_t w[5];
	uint32_t n_words; /* 2 for IPv4, 5 for IPv6 */
};

/* Word 0 of the key of f (struct flow_key). */
static inline uint64_t flow_key_word0(const struct ct_flow *f)
{
	uint64_t w = (uint64_t)f->l4 << 32 | (uint64_t)(f->l3 == AF_INET6) << 40;

	if (f->has & FLOW_HAS_PORTS)
		w |= f->orig.sport | (uint64_t)f->orig.dport << 16;
	if (f->has & FLOW_HAS_ZONE)
		w |= (uint64_t)(f->zone_dir & 3) << 41 | (uint64_t)f->zone << 48;
	return w;
}

/* Fill *key; only w[0..n_words-1] are written. Inline, as flow_same_key() is, because each event
 * needs keys several times. */
static inline void flow_key(const struct ct_flow *f, struct flow_key *key)
{
	key->w[0] = flow_key_word0(f);
	if (f->l3 == AF_INET) {
		memcpy(&key->w[1], &f->addr, 8);
		key->n_words = 2;
	} else {
		memcpy(&key->w[1], &f->addr, 32);
		key->n_words = 5;
	}
}

/* Keyed hash over the words of the key; the secret keeps peers and clients from choosing
 * collisions. */
uint32_t flow_key_hash(const struct hash_key *secret, const struct flow_key *key);

/* Have both flows the same key? Reads the members directly, without building keys. */
static inline bool flow_same_key(const struct ct_flow *a, const struct ct_flow *b)
{
	if (flow_key_word0(a) != flow_key_word0(b))
		return false; /* the family is part of that word */
	if (a->l3 == AF_INET)
		return memcmp(&a->addr, &b->addr, 8) == 0;
	return memcmp(&a->addr, &b->addr, 32) == 0;
}

/* Do ports of this protocol travel between the nodes and belong to the identity of a flow: TCP,
 * UDP, SCTP, DCCP? */
static inline bool flow_l4_has_ports(uint8_t l4)
{
	return l4 == IPPROTO_TCP || l4 == IPPROTO_UDP || l4 == IPPROTO_SCTP || l4 == IPPROTO_DCCP;
}

/* Does the kernel's tuple of this protocol have a port pair? GRE and UDP-Lite too, whose ports are
 * not replicated. */
static inline bool flow_l4_has_port_attrs(uint8_t l4)
{
	return flow_l4_has_ports(l4) || l4 == IPPROTO_UDPLITE || l4 == IPPROTO_GRE;
}

/* Can the flow be identified: family, and ports or ICMP triple where the protocol has them (TCP,
 * UDP, SCTP, DCCP, ICMP, ICMPv6)? The protocol has no presence bit (0 is a valid one): a decoder
 * must itself have seen it. */
bool flow_has_key(const struct ct_flow *f);

/* Copy a flow of either family into dst, which must have room for flow_size(src). The rare pointer
 * is copied as it is (shared, not owned). */
void flow_copy(struct ct_flow *dst, const struct ct_flow *src);

/* Merge newer knowledge (src) into a record with the same key (the key of src is not read): parts
 * present in src overwrite, others stay, a part never disappears. Counters are not taken over.
 * dst->rare must already exist if src has rare parts that are to be stored (see flow_needs_rare());
 * otherwise they are left out. Returns true when anything but timeout, id, times or the zone of the
 * reply direction has changed, that is when the change must be sent to the peers. Learning that a
 * mark, the window scales, the labels or the synproxy values are zero is no change: a peer assumes
 * zero anyway. */
bool flow_merge(struct ct_flow *dst, const struct ct_flow *src);

/* Does the flow's zone belong to one direction only, or have the two directions different zones? No
 * message of the protocol can express either. */
static inline bool flow_zone_is_partial(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_ZONE) && f->zone_dir != FLOW_ZONE_BOTH;
}

static inline bool flow_is_offloaded(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_STATUS) && (f->status & FLOW_STATUS_OFFLOAD);
}

/* For an offloaded flow the kernel reports no state, and no timeout or one that it raises to a day
 * again and again: neither describes the connection. But only established connections are
 * offloaded. So the state becomes ESTABLISHED where the kernel reported none (TCP), and the timeout
 * unknown. Flows that are not offloaded stay as they are. */
void flow_settle_offload(struct ct_flow *f);

/* Has src parts that a cache stores in struct flow_rare (all rare parts but counters)? */
bool flow_needs_rare(const struct ct_flow *src);

/* Set the reply tuple to the mirror image of the original one, with the translations of
 * FLOW_FROM_PEER_NAT kept as they are. For ICMP the reply type is the counterpart of the request
 * (echo, timestamp, info, address, ICMPv6 echo and node information), the type itself where there
 * is none. Does not set FLOW_HAS_REPLY. */
void flow_mirror_reply(struct ct_flow *f);

/* Which translations the flow has, as FLOW_HAS_SNAT... bits: from the difference of the tuples and
 * the status bits for a kernel flow (doc/protocol.md "Reply tuple and NAT"; port translation only
 * where flow_l4_has_ports()), from the presence bits for a flow received from a peer. The
 * translated addresses and ports are in the reply tuple, see FLOW_HAS_SNAT. */
uint32_t flow_nat(const struct ct_flow *f);

/* Have two flows with the same key the same translations, to the same addresses and ports? */
bool flow_same_translations(const struct ct_flow *a, const struct ct_flow *b);

/* Are the two equal in everything that is replicated: key, status, protocol state, mark,
 * translations, labels, helper, seqadj, master, synproxy, vtags, DCCP role; not timeout, id,
 * counters, times, window scales? All-zero mark, labels and synproxy count as absent. One may come
 * from our kernel and the other from a peer. For tests, and for the question whether a dump has
 * shown a change. */
bool flow_equal_replicated(const struct ct_flow *a, const struct ct_flow *b);

/* Protocol and state names as libnetfilter_conntrack prints them: "unknown" for a protocol it has
 * no name for, "NONE" for a state number nobody knows, NULL for the state of a protocol without
 * states. */
const char *flow_l4_name(uint8_t l4);
const char *flow_state_name(uint8_t l4, uint8_t state);

#endif
