/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow into one conntrack message (doc/protocol.md section 3).
 *
 * What is sent is decided once, as a mask of FLOW_HAS_* bits, from what the flow has and the table
 * of sender rules. The attributes then follow in the fixed order of 1.4.x, straight into the
 * datagram: this runs once per event, so there is no allocation and no check per attribute. The
 * room is checked once instead: every attribute is written at most once, and the sum of all of them
 * is WIRE_FLOW_MAX.
 *
 * Numbers are in network byte order, with one exception: SPAT_PORT, DPAT_PORT and ICMP_ID are
 * swapped once more by hosts that are little-endian (put_swapped16()).
 */
#include "proto/v1/attr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "proto/v1/attr_numbers.h"

#define TLV(n) (WIRE_ATTR_HDR_LEN + (((n) + 3u) & ~3u))

/* The longest message: IPv6 TCP (state and two scales; SCTP's state and two tags are as long) with
 * all rare parts. */
_Static_assert(WIRE_FLOW_MAX == WIRE_HDR_LEN + TLV(32) + TLV(4) + TLV(1) + TLV(4) + 3 * TLV(1) +
					TLV(4) + TLV(4) + TLV(32) + TLV(1) + TLV(4) + 2 * TLV(16) +
					2 * TLV(2) + TLV(24) + TLV(FLOW_HELPER_MAX) +
					TLV(FLOW_LABEL_BYTES) + TLV(12) + TLV(2),
	       "every attribute once");
_Static_assert(TLV(1) + 2 * TLV(4) <= 3 * TLV(1) && TLV(1) + TLV(1) + TLV(2) <= TLV(4) + 3 * TLV(1),
	       "SCTP and ICMP parts are not longer than those of TCP");

/* Circumstances a rule depends on. */
#define WHEN_COMMIT_TIMEOUT (1u << 0)
#define WHEN_NO_WSCALE	    (1u << 1)
#define WHEN_DESTROY	    (1u << 2)
#define WHEN_SYNPROXY_ZERO  (1u << 3)
#define WHEN_LABELS_ZERO    (1u << 4)
#define WHEN_NO_STATE	    (1u << 5)
#define WHEN_NO_PORTS	    (1u << 6)
#define WHEN_LONG_HELPER    (1u << 7)

/* Every rule by which a sender leaves something out that the flow has. `ours`: 1.4.7 sends it, but
 * needs it not. */
static const struct sender_rule {
	uint32_t when;
	uint32_t leave_out;
	bool ours;
} sender_rules[] = {
	/* A receiver with CommitTimeout uses its own; one without commits 60 s when there is
	 * none. */
	{ WHEN_COMMIT_TIMEOUT, FLOW_HAS_TIMEOUT, false },
	{ WHEN_NO_WSCALE, FLOW_HAS_WSCALE, false },
	/* Scales, tags and role follow the state. */
	{ WHEN_NO_STATE, FLOW_HAS_WSCALE | FLOW_HAS_VTAGS | FLOW_HAS_DCCP_ROLE, false },
	{ WHEN_LABELS_ZERO, FLOW_HAS_LABELS, false },
	/* For ICMP 1.4.7 compares unrelated fields and sends two zero ports; no receiver can use
	 * them. */
	{ WHEN_NO_PORTS, FLOW_HAS_SPAT | FLOW_HAS_DPAT, false },
	/* Entries made through ctnetlink report three zeros: 16 bytes that say nothing. */
	{ WHEN_SYNPROXY_ZERO, FLOW_HAS_SYNPROXY, true },
	/* 1.4.x refuses the whole message, so that the flow would be missing there; which nodes
	 * listen is not known. */
	{ WHEN_LONG_HELPER, FLOW_HAS_HELPER, true },
	/* A receiver finds the entry by its tuple and zone; the last state is sent for people who
	 * watch the link. */
	{ WHEN_DESTROY,
	  (uint32_t) ~(FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE | FLOW_HAS_ZONE),
	  true },
};

static inline bool labels_zero(const struct flow_rare *r)
{
	return (r->labels[0] | r->labels[1] | r->labels[2] | r->labels[3]) == 0;
}

/* The parts that are sent, as FLOW_HAS_* bits. */
static inline uint32_t parts_to_send(enum wire_type type, const struct ct_flow *f,
				     const struct proto_rules *rules)
{
	uint32_t has = (f->has & ~FLOW_FROM_PEER_NAT) | flow_nat(f), when = 0;

	if (rules->no_timeout)
		when |= WHEN_COMMIT_TIMEOUT;
	if (!rules->wscale)
		when |= WHEN_NO_WSCALE;
	if (type == WIRE_CT_DEL)
		when |= WHEN_DESTROY;
	if (!(has & FLOW_HAS_PROTO_STATE))
		when |= WHEN_NO_STATE;
	if (!(has & FLOW_HAS_PORTS) || !flow_l4_has_ports(f->l4))
		when |= WHEN_NO_PORTS;
	if ((has & FLOW_HAS_SYNPROXY) && !(f->rare && f->rare->synproxy_set))
		when |= WHEN_SYNPROXY_ZERO;
	if ((has & FLOW_HAS_LABELS) && labels_zero(f->rare))
		when |= WHEN_LABELS_ZERO;
	if (wire_helper_too_long(f))
		when |= WHEN_LONG_HELPER;

	for (size_t i = 0; i < sizeof(sender_rules) / sizeof(sender_rules[0]); i++) {
		const struct sender_rule *rule = &sender_rules[i];

		if ((when & rule->when) && !(rule->ours && rules->full))
			has &= ~rule->leave_out;
	}
	return has;
}

/* Attribute header: length with the header and without padding, then the number. */
static inline uint8_t *put_attr(uint8_t *p, enum wire_attr attr, uint32_t value_len)
{
	put_be32(p, (WIRE_ATTR_HDR_LEN + value_len) << 16 | attr);
	return p + WIRE_ATTR_HDR_LEN;
}

static inline uint8_t *put_u8(uint8_t *p, enum wire_attr attr, uint8_t v)
{
	p = put_attr(p, attr, 1);
	put_be32(p, (uint32_t)v << 24); /* and three bytes of padding */
	return p + 4;
}

static inline uint8_t *put_u16(uint8_t *p, enum wire_attr attr, uint16_t v)
{
	p = put_attr(p, attr, 2);
	put_be32(p, (uint32_t)v << 16);
	return p + 4;
}

static inline uint8_t *put_u32(uint8_t *p, enum wire_attr attr, uint32_t v)
{
	p = put_attr(p, attr, 4);
	put_be32(p, v);
	return p + 4;
}

/* n bytes (a multiple of four) without conversion: values that are kept in network byte order. */
static inline uint8_t *put_raw(uint8_t *p, enum wire_attr attr, const void *v, uint32_t n)
{
	p = put_attr(p, attr, n);
	memcpy(p, v, n);
	return p + n;
}

/* 1.4.x converts a port or id it already has in network order once more, so the value lies in the
 * order of the *host*: swapped on little-endian ones. Receivers of the same kind undo it. */
static inline uint8_t *put_swapped16(uint8_t *p, enum wire_attr attr, uint16_t network_order)
{
	uint16_t v = htons(network_order);

	p = put_attr(p, attr, 2);
	memcpy(p, &v, 2);
	memset(p + 2, 0, 2);
	return p + 4;
}

static uint8_t *put_icmp(uint8_t *p, const struct ct_flow *f)
{
	p = put_u8(p, WIRE_ATTR_ICMP_TYPE, flow_icmp_type(&f->orig));
	p = put_u8(p, WIRE_ATTR_ICMP_CODE, flow_icmp_code(&f->orig));
	return put_swapped16(p, WIRE_ATTR_ICMP_ID, f->orig.sport);
}

static uint8_t *put_sctp(uint8_t *p, const struct ct_flow *f, uint32_t send)
{
	if (send & FLOW_HAS_PROTO_STATE)
		p = put_u8(p, WIRE_ATTR_SCTP_STATE, f->proto_state);
	if (send & FLOW_HAS_VTAGS) {
		p = put_u32(p, WIRE_ATTR_SCTP_VTAG_ORIG, f->rare->vtag[0]);
		p = put_u32(p, WIRE_ATTR_SCTP_VTAG_REPL, f->rare->vtag[1]);
	}
	return p;
}

static uint8_t *put_dccp(uint8_t *p, const struct ct_flow *f, uint32_t send)
{
	if (send & FLOW_HAS_PROTO_STATE)
		p = put_u8(p, WIRE_ATTR_DCCP_STATE, f->proto_state);
	if (send & FLOW_HAS_DCCP_ROLE)
		p = put_u8(p, WIRE_ATTR_DCCP_ROLE, f->rare->dccp_role);
	return p;
}

/* The part that depends on the protocol. GRE, UDP-Lite and others have none: 1.4.x would not use
 * their ports. */
static inline uint8_t *put_proto(uint8_t *p, const struct ct_flow *f, uint32_t send)
{
	if ((send & FLOW_HAS_PORTS) && flow_l4_has_ports(f->l4))
		p = put_raw(p, WIRE_ATTR_PORT, &f->orig, 4);
	switch (f->l4) {
	case IPPROTO_TCP:
		if (send & FLOW_HAS_PROTO_STATE)
			p = put_u8(p, WIRE_ATTR_TCP_STATE, f->proto_state);
		if (send & FLOW_HAS_WSCALE) {
			p = put_u8(p, WIRE_ATTR_TCP_WSCALE_ORIG, f->wscale[0]);
			p = put_u8(p, WIRE_ATTR_TCP_WSCALE_REPL, f->wscale[1]);
		}
		return p;
	case IPPROTO_SCTP:
		return put_sctp(p, f, send);
	case IPPROTO_DCCP:
		return put_dccp(p, f, send);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return send & FLOW_HAS_PORTS ? put_icmp(p, f) : p;
	}
	return p;
}

static uint8_t *put_master(uint8_t *p, const struct ct_flow *f, uint32_t send)
{
	const struct flow_rare *r = f->rare;
	bool v4 = f->l3 == AF_INET;
	uint32_t n = v4 ? 4 : 16;

	p = put_attr(p, v4 ? WIRE_ATTR_MASTER_IPV4 : WIRE_ATTR_MASTER_IPV6, 2 * n);
	memcpy(p, &r->master_src, n);
	memcpy(p + n, &r->master_dst, n);
	p = put_u8(p + 2 * n, WIRE_ATTR_MASTER_L4PROTO, r->master_l4);
	if (send & FLOW_HAS_MASTER_PORTS) {
		p = put_attr(p, WIRE_ATTR_MASTER_PORT, 4);
		memcpy(p, &r->master_sport, 2);
		memcpy(p + 2, &r->master_dport, 2);
		p += 4;
	}
	return p;
}

/* Translations: the translated source is the destination of the reply tuple, and the other way
 * round. */
static uint8_t *put_nat(uint8_t *p, const struct ct_flow *f, uint32_t send)
{
	if (f->l3 == AF_INET) {
		if (send & FLOW_HAS_SNAT)
			p = put_raw(p, WIRE_ATTR_SNAT_IPV4, &f->addr.v4.reply_dst, 4);
		if (send & FLOW_HAS_DNAT)
			p = put_raw(p, WIRE_ATTR_DNAT_IPV4, &f->addr.v4.reply_src, 4);
	} else {
		if (send & FLOW_HAS_SNAT)
			p = put_raw(p, WIRE_ATTR_SNAT_IPV6, f->addr.v6.reply_dst, 16);
		if (send & FLOW_HAS_DNAT)
			p = put_raw(p, WIRE_ATTR_DNAT_IPV6, f->addr.v6.reply_src, 16);
	}
	if (send & FLOW_HAS_SPAT)
		p = put_swapped16(p, WIRE_ATTR_SPAT_PORT, f->reply.dport);
	if (send & FLOW_HAS_DPAT)
		p = put_swapped16(p, WIRE_ATTR_DPAT_PORT, f->reply.sport);
	return p;
}

static uint8_t *put_seqadj(uint8_t *p, const struct flow_seqadj adj[2])
{
	p = put_attr(p, WIRE_ATTR_NAT_SEQ_ADJ, 24);
	for (size_t i = 0; i < 2; i++, p += 12) {
		put_be32(p, adj[i].pos);
		put_be32(p + 4, (uint32_t)adj[i].before);
		put_be32(p + 8, (uint32_t)adj[i].after);
	}
	return p;
}

static uint8_t *put_helper(uint8_t *p, const char helper[FLOW_HELPER_MAX])
{
	size_t len = strnlen(helper, FLOW_HELPER_MAX - 1);
	uint32_t padded = (uint32_t)(len + 4) & ~3u; /* with the NUL, up to a whole word */

	if (len == 0)
		return p;
	p = put_attr(p, WIRE_ATTR_HELPER_NAME, (uint32_t)len + 1);
	memset(p, 0, padded);
	memcpy(p, helper, len);
	return p + padded;
}

static uint8_t *put_words(uint8_t *p, enum wire_attr attr, const uint32_t *words, size_t n)
{
	p = put_attr(p, attr, (uint32_t)n * 4);
	for (size_t i = 0; i < n; i++, p += 4)
		put_be32(p, words[i]);
	return p;
}

static uint8_t *put_synproxy(uint8_t *p, const struct flow_rare *r)
{
	static const uint32_t zero[3];

	return put_words(p, WIRE_ATTR_SYNPROXY, r && r->synproxy_set ? r->synproxy : zero, 3);
}

/* Write the attributes to p, where at least WIRE_FLOW_MAX - WIRE_HDR_LEN bytes are free. Returns
 * the end. */
static uint8_t *put_attributes(uint8_t *p, const struct ct_flow *f, uint32_t send)
{
	if (f->l3 == AF_INET)
		p = put_raw(p, WIRE_ATTR_IPV4, &f->addr, 8);
	else
		p = put_raw(p, WIRE_ATTR_IPV6, &f->addr, 32);
	if (send & FLOW_HAS_STATUS)
		p = put_u32(p, WIRE_ATTR_STATUS, f->status & ~FLOW_STATUS_OFFLOAD);
	p = put_u8(p, WIRE_ATTR_L4PROTO, f->l4);
	p = put_proto(p, f, send);
	if (send & FLOW_HAS_TIMEOUT)
		p = put_u32(p, WIRE_ATTR_TIMEOUT, f->timeout_s);
	if (send & FLOW_HAS_MARK)
		p = put_u32(p, WIRE_ATTR_MARK, f->mark);
	if (send & FLOW_HAS_MASTER)
		p = put_master(p, f, send);
	if (send & FLOW_FROM_PEER_NAT)
		p = put_nat(p, f, send);
	if (send & FLOW_HAS_SEQADJ)
		p = put_seqadj(p, f->rare->adj);
	if (send & FLOW_HAS_HELPER)
		p = put_helper(p, f->rare->helper);
	if (send & FLOW_HAS_LABELS)
		p = put_words(p, WIRE_ATTR_LABELS, f->rare->labels, FLOW_LABEL_BYTES / 4);
	if (send & FLOW_HAS_SYNPROXY)
		p = put_synproxy(p, f->rare);
	/* A zone of one direction cannot be expressed; 1.4.7 sends none then, and our flows that
	 * have one are not sent. */
	if ((send & FLOW_HAS_ZONE) && f->zone_dir == FLOW_ZONE_BOTH)
		p = put_u16(p, WIRE_ATTR_ZONE, f->zone);
	return p;
}

int wire_put_flow(struct writer *w, enum wire_type type, uint8_t flags, uint32_t seq,
		  const struct ct_flow *f, const struct proto_rules *rules)
{
	uint8_t spare[WIRE_FLOW_MAX]; /* the end of the datagram: the message may fit or not */
	size_t room = wr_room(w), len;
	uint8_t *at = room < WIRE_FLOW_MAX ? spare : w->buf + w->len;

	assert(type <= WIRE_CT_DEL && flow_has_key(f));
	if (w->full)
		return -ENOSPC;
	len = (size_t)(put_attributes(at + WIRE_HDR_LEN, f, parts_to_send(type, f, rules)) - at);
	if (len > room)
		return -ENOSPC;
	wire_put_header(at, type, flags, (uint16_t)len, seq);
	if (at == spare)
		memcpy(w->buf + w->len, spare, len);
	wr_take(w, len);
	return 0;
}
