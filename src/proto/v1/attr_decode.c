/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attributes of a conntrack message into a flow (doc/protocol.md sections 3 and 4).
 *
 * All input is from outside, so: bytes are read through a cursor only, a size is checked against
 * one table before the value is looked at, attributes may come in any order and twice (the last one
 * counts), and the caller's flow is written once, when all of it was good.
 *
 * While the attributes are read nothing is known about family and protocol, so values that depend
 * on them wait in struct draft. What applies is decided at the end by `seen`, one bit per attribute
 * number.
 */
#include "proto/v1/attr.h"

#include <arpa/inet.h>
#include <string.h>

#include "proto/v1/attr_numbers.h"

#define SEEN(attr) (UINT64_C(1) << (attr))
#define SEEN_V4 \
	(SEEN(WIRE_ATTR_IPV4) | SEEN(WIRE_ATTR_MASTER_IPV4) | SEEN(WIRE_ATTR_SNAT_IPV4) | \
	 SEEN(WIRE_ATTR_DNAT_IPV4))
#define SEEN_V6 \
	(SEEN(WIRE_ATTR_IPV6) | SEEN(WIRE_ATTR_MASTER_IPV6) | SEEN(WIRE_ATTR_SNAT_IPV6) | \
	 SEEN(WIRE_ATTR_DNAT_IPV6))

_Static_assert(WIRE_ATTR_COUNT <= 64, "one bit per attribute");

/* Size of the value in bytes, padding not included. The loaders check what can still be wrong with
 * a size inside the limits (labels that are no whole words, a name without its NUL). */
static const struct {
	uint16_t min, max;
} value_size[WIRE_ATTR_COUNT] = {
	[WIRE_ATTR_IPV4] = { 8, 8 },
	[WIRE_ATTR_IPV6] = { 32, 32 },
	[WIRE_ATTR_L4PROTO] = { 1, 1 },
	[WIRE_ATTR_PORT] = { 4, 4 },
	[WIRE_ATTR_TCP_STATE] = { 1, 1 },
	[WIRE_ATTR_STATUS] = { 4, 4 },
	[WIRE_ATTR_TIMEOUT] = { 4, 4 },
	[WIRE_ATTR_MARK] = { 4, 4 },
	[WIRE_ATTR_MASTER_IPV4] = { 8, 8 },
	[WIRE_ATTR_MASTER_IPV6] = { 32, 32 },
	[WIRE_ATTR_MASTER_L4PROTO] = { 1, 1 },
	[WIRE_ATTR_MASTER_PORT] = { 4, 4 },
	[WIRE_ATTR_SNAT_IPV4] = { 4, 4 },
	[WIRE_ATTR_DNAT_IPV4] = { 4, 4 },
	[WIRE_ATTR_SPAT_PORT] = { 2, 2 },
	[WIRE_ATTR_DPAT_PORT] = { 2, 2 },
	[WIRE_ATTR_NAT_SEQ_ADJ] = { 24, 24 },
	[WIRE_ATTR_SCTP_STATE] = { 1, 1 },
	[WIRE_ATTR_SCTP_VTAG_ORIG] = { 4, 4 },
	[WIRE_ATTR_SCTP_VTAG_REPL] = { 4, 4 },
	[WIRE_ATTR_DCCP_STATE] = { 1, 1 },
	[WIRE_ATTR_DCCP_ROLE] = { 1, 1 },
	[WIRE_ATTR_ICMP_TYPE] = { 1, 1 },
	[WIRE_ATTR_ICMP_CODE] = { 1, 1 },
	[WIRE_ATTR_ICMP_ID] = { 2, 2 },
	[WIRE_ATTR_TCP_WSCALE_ORIG] = { 1, 1 },
	[WIRE_ATTR_TCP_WSCALE_REPL] = { 1, 1 },
	[WIRE_ATTR_HELPER_NAME] = { 1, FLOW_HELPER_MAX },
	[WIRE_ATTR_LABELS] = { 0, WIRE_ATTR_LABELS_MAX },
	[WIRE_ATTR_SNAT_IPV6] = { 16, 16 },
	[WIRE_ATTR_DNAT_IPV6] = { 16, 16 },
	[WIRE_ATTR_SYNPROXY] = { 12, 12 },
	[WIRE_ATTR_ZONE] = { 2, 2 },
};

/* The attributes of a message, before family and protocol decide which of them apply. */
struct draft {
	struct ct_flow flow;
	uint64_t seen; /* SEEN() bits */
	uint8_t tcp_state, sctp_state, dccp_state;
	uint8_t icmp_type_code[2];
	uint16_t icmp_id;	    /* network order */
	uint8_t snat[16], dnat[16]; /* network order; IPv4 in the first four bytes */
	bool odd_labels;
};

/* Undo the second conversion of 1.4.x, see put_swapped16() in attr_encode.c. Gives network
 * order. */
static inline uint16_t get_swapped16(struct cursor *val)
{
	uint16_t v;

	cur_bytes(val, &v, 2);
	return ntohs(v);
}

static void get_words(struct cursor *val, uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		words[i] = cur_be32(val);
}

static void get_seqadj(struct cursor *val, struct flow_seqadj adj[2])
{
	for (size_t i = 0; i < 2; i++) {
		adj[i].pos = cur_be32(val);
		adj[i].before = (int32_t)cur_be32(val);
		adj[i].after = (int32_t)cur_be32(val);
	}
}

static void get_synproxy(struct cursor *val, struct flow_rare *rare)
{
	get_words(val, rare->synproxy, 3);
	rare->synproxy_set = (rare->synproxy[0] | rare->synproxy[1] | rare->synproxy[2]) != 0;
}

/* False when there is no NUL within the value. An empty name is no name. */
static bool get_helper(struct cursor *val, struct draft *d, struct flow_rare *rare)
{
	size_t n = val->left;
	char name[FLOW_HELPER_MAX] = "";
	const char *end;

	cur_bytes(val, name, n);
	end = memchr(name, '\0', n);
	if (end == NULL)
		return false;
	memset(rare->helper, 0, sizeof(rare->helper));
	memcpy(rare->helper, name, (size_t)(end - name));
	if (end == name)
		d->flow.has &= ~FLOW_HAS_HELPER;
	else
		d->flow.has |= FLOW_HAS_HELPER;
	return true;
}

/* Labels that are no whole words are ignored as 1.4.x does; of more than the kernel's 128 the first
 * 128 are kept. */
static void get_labels(struct cursor *val, struct draft *d, struct flow_rare *rare)
{
	size_t n = val->left / 4;

	if (val->left % 4 != 0 || n == 0) {
		d->odd_labels = true;
		return;
	}
	if (n > FLOW_LABEL_BYTES / 4) {
		d->odd_labels = true;
		n = FLOW_LABEL_BYTES / 4;
	}
	memset(rare->labels, 0, sizeof(rare->labels));
	get_words(val, rare->labels, n);
	d->flow.has |= FLOW_HAS_LABELS;
}

/* The attributes few messages have. The size is checked; false: refuse the message. */
static bool load_rare(struct draft *d, struct flow_rare *rare, enum wire_attr attr,
		      struct cursor *val)
{
	switch (attr) {
	case WIRE_ATTR_IPV6:
		cur_bytes(val, &d->flow.addr, 32);
		break;
	case WIRE_ATTR_MASTER_IPV4:
		cur_bytes(val, &rare->master_src, 4);
		cur_bytes(val, &rare->master_dst, 4);
		break;
	case WIRE_ATTR_MASTER_IPV6:
		cur_bytes(val, &rare->master_src, 16);
		cur_bytes(val, &rare->master_dst, 16);
		break;
	case WIRE_ATTR_MASTER_L4PROTO:
		rare->master_l4 = cur_u8(val);
		break;
	case WIRE_ATTR_MASTER_PORT:
		cur_bytes(val, &rare->master_sport, 2);
		cur_bytes(val, &rare->master_dport, 2);
		break;
	case WIRE_ATTR_NAT_SEQ_ADJ:
		get_seqadj(val, rare->adj);
		d->flow.has |= FLOW_HAS_SEQADJ;
		break;
	case WIRE_ATTR_SCTP_STATE:
		d->sctp_state = cur_u8(val);
		break;
	case WIRE_ATTR_SCTP_VTAG_ORIG:
		rare->vtag[0] = cur_be32(val);
		break;
	case WIRE_ATTR_SCTP_VTAG_REPL:
		rare->vtag[1] = cur_be32(val);
		break;
	case WIRE_ATTR_DCCP_STATE:
		d->dccp_state = cur_u8(val);
		break;
	case WIRE_ATTR_DCCP_ROLE:
		rare->dccp_role = cur_u8(val);
		break;
	case WIRE_ATTR_HELPER_NAME:
		return get_helper(val, d, rare);
	case WIRE_ATTR_LABELS:
		get_labels(val, d, rare);
		break;
	case WIRE_ATTR_SNAT_IPV6:
		cur_bytes(val, d->snat, 16);
		break;
	case WIRE_ATTR_DNAT_IPV6:
		cur_bytes(val, d->dnat, 16);
		break;
	case WIRE_ATTR_SYNPROXY:
		get_synproxy(val, rare);
		d->flow.has |= FLOW_HAS_SYNPROXY;
		break;
	default:
		return false; /* a row in value_size without a case here: tests find that */
	}
	return true;
}

/* The attributes of an ordinary message, inline; the others cost a call of load_rare(). */
static inline bool load_attr(struct draft *d, struct flow_rare *rare, enum wire_attr attr,
			     struct cursor *val)
{
	struct ct_flow *f = &d->flow;

	switch (attr) {
	case WIRE_ATTR_IPV4:
		cur_bytes(val, &f->addr, 8);
		return true;
	case WIRE_ATTR_L4PROTO:
		f->l4 = cur_u8(val);
		return true;
	case WIRE_ATTR_PORT:
		cur_bytes(val, &f->orig, 4);
		return true;
	case WIRE_ATTR_TCP_STATE:
		d->tcp_state = cur_u8(val);
		return true;
	case WIRE_ATTR_STATUS:
		f->status = cur_be32(val);
		f->has |= FLOW_HAS_STATUS;
		return true;
	case WIRE_ATTR_TIMEOUT:
		f->timeout_s = cur_be32(val);
		f->has |= FLOW_HAS_TIMEOUT;
		return true;
	case WIRE_ATTR_MARK:
		f->mark = cur_be32(val);
		f->has |= FLOW_HAS_MARK;
		return true;
	case WIRE_ATTR_SNAT_IPV4:
		cur_bytes(val, d->snat, 4);
		return true;
	case WIRE_ATTR_DNAT_IPV4:
		cur_bytes(val, d->dnat, 4);
		return true;
	case WIRE_ATTR_SPAT_PORT:
		f->reply.dport = get_swapped16(val);
		return true;
	case WIRE_ATTR_DPAT_PORT:
		f->reply.sport = get_swapped16(val);
		return true;
	case WIRE_ATTR_ICMP_TYPE:
		d->icmp_type_code[0] = cur_u8(val);
		return true;
	case WIRE_ATTR_ICMP_CODE:
		d->icmp_type_code[1] = cur_u8(val);
		return true;
	case WIRE_ATTR_ICMP_ID:
		d->icmp_id = get_swapped16(val);
		return true;
	case WIRE_ATTR_TCP_WSCALE_ORIG:
		f->wscale[0] = cur_u8(val);
		return true;
	case WIRE_ATTR_TCP_WSCALE_REPL:
		f->wscale[1] = cur_u8(val);
		return true;
	case WIRE_ATTR_ZONE:
		f->zone = cur_be16(val);
		return true;
	default:
		return load_rare(d, rare, attr, val);
	}
}

static inline bool saw_all(const struct draft *d, uint64_t attrs)
{
	return (d->seen & attrs) == attrs;
}

static void take_state(struct ct_flow *f, uint8_t state)
{
	f->proto_state = state;
	f->has |= FLOW_HAS_PROTO_STATE;
}

/* Keep the values that belong to the protocol of the flow; others are ignored, as are translated
 * ports where there are no ports. */
static inline void settle_proto(struct draft *d)
{
	struct ct_flow *f = &d->flow;

	if (flow_l4_has_ports(f->l4) && saw_all(d, SEEN(WIRE_ATTR_PORT))) {
		f->has |= FLOW_HAS_PORTS;
		f->has |= saw_all(d, SEEN(WIRE_ATTR_SPAT_PORT)) ? FLOW_HAS_SPAT : 0;
		f->has |= saw_all(d, SEEN(WIRE_ATTR_DPAT_PORT)) ? FLOW_HAS_DPAT : 0;
	}
	switch (f->l4) { /* scales, tags and role come with a state or not at all */
	case IPPROTO_TCP:
		if (!saw_all(d, SEEN(WIRE_ATTR_TCP_STATE)))
			break;
		take_state(f, d->tcp_state);
		if (saw_all(d, SEEN(WIRE_ATTR_TCP_WSCALE_ORIG) | SEEN(WIRE_ATTR_TCP_WSCALE_REPL)))
			f->has |= FLOW_HAS_WSCALE;
		break;
	case IPPROTO_SCTP:
		if (!saw_all(d, SEEN(WIRE_ATTR_SCTP_STATE)))
			break;
		take_state(f, d->sctp_state);
		if (saw_all(d, SEEN(WIRE_ATTR_SCTP_VTAG_ORIG) | SEEN(WIRE_ATTR_SCTP_VTAG_REPL)))
			f->has |= FLOW_HAS_VTAGS;
		break;
	case IPPROTO_DCCP:
		if (!saw_all(d, SEEN(WIRE_ATTR_DCCP_STATE)))
			break;
		take_state(f, d->dccp_state);
		if (saw_all(d, SEEN(WIRE_ATTR_DCCP_ROLE)))
			f->has |= FLOW_HAS_DCCP_ROLE;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (!saw_all(d, SEEN(WIRE_ATTR_ICMP_TYPE) | SEEN(WIRE_ATTR_ICMP_CODE) |
					SEEN(WIRE_ATTR_ICMP_ID)))
			break;
		f->orig.sport = d->icmp_id;
		memcpy(&f->orig.dport, d->icmp_type_code, 2);
		f->has |= FLOW_HAS_PORTS;
		break;
	}
}

/* Translated addresses wait until the family is known: they lie at different places of the
 * union. */
static inline void settle_nat(struct draft *d)
{
	struct ct_flow *f = &d->flow;
	bool v4 = f->l3 == AF_INET;

	if (d->seen & (SEEN(WIRE_ATTR_SNAT_IPV4) | SEEN(WIRE_ATTR_SNAT_IPV6))) {
		memcpy(v4 ? &f->addr.v4.reply_dst : f->addr.v6.reply_dst, d->snat, v4 ? 4 : 16);
		f->has |= FLOW_HAS_SNAT;
	}
	if (d->seen & (SEEN(WIRE_ATTR_DNAT_IPV4) | SEEN(WIRE_ATTR_DNAT_IPV6))) {
		memcpy(v4 ? &f->addr.v4.reply_src : f->addr.v6.reply_src, d->dnat, v4 ? 4 : 16);
		f->has |= FLOW_HAS_DNAT;
	}
}

/* All attributes are read: is it a flow, and which of them apply? */
static inline enum proto_err settle(struct draft *d)
{
	struct ct_flow *f = &d->flow;

	/* One flow has one family, and so have its translations and its master. */
	if ((d->seen & SEEN_V4) && (d->seen & SEEN_V6))
		return PROTO_BAD_PAYLOAD;
	if (!(d->seen & (SEEN(WIRE_ATTR_IPV4) | SEEN(WIRE_ATTR_IPV6))) ||
	    !saw_all(d, SEEN(WIRE_ATTR_L4PROTO)))
		return PROTO_NO_KEY;
	f->l3 = d->seen & SEEN(WIRE_ATTR_IPV4) ? AF_INET : AF_INET6;
	settle_proto(d);
	if (!flow_has_key(f))
		return PROTO_NO_KEY;
	settle_nat(d);
	if ((d->seen & (SEEN(WIRE_ATTR_MASTER_IPV4) | SEEN(WIRE_ATTR_MASTER_IPV6))) &&
	    saw_all(d, SEEN(WIRE_ATTR_MASTER_L4PROTO))) {
		f->has |= FLOW_HAS_MASTER;
		f->has |= saw_all(d, SEEN(WIRE_ATTR_MASTER_PORT)) ? FLOW_HAS_MASTER_PORTS : 0;
	}
	if (saw_all(d, SEEN(WIRE_ATTR_ZONE)) && f->zone != 0)
		f->has |= FLOW_HAS_ZONE; /* in both directions: a message has no other zone */
	flow_mirror_reply(f);
	return PROTO_OK;
}

/* Take one attribute off the body: its number, its value as a cursor of its own. The padding goes
 * with it. Header, value and padding are one piece, checked and taken at once: this runs seven
 * times per message. */
static inline enum proto_err next_attr(struct cursor *body, uint16_t *number, struct cursor *val)
{
	struct cursor header = *body;
	size_t len = cur_be16(&header); /* header included, padding not */
	const uint8_t *at;

	*number = cur_be16(&header);
	if (len < WIRE_ATTR_HDR_LEN)
		return PROTO_BAD_PAYLOAD;
	at = cur_take(body, (len + 3) & ~(size_t)3);
	if (!at)
		return PROTO_BAD_PAYLOAD;
	*val = cur_init(at + WIRE_ATTR_HDR_LEN, len - WIRE_ATTR_HDR_LEN);
	return PROTO_OK;
}

enum proto_err wire_get_flow(struct cursor body, struct ct_flow *out, struct flow_rare *rare,
			     struct proto_stats *stats)
{
	struct draft d = { 0 };
	enum proto_err err;

	/* one to four trailing bytes are ignored, as 1.4.x does */
	while (body.left > WIRE_ATTR_HDR_LEN) {
		struct cursor val;
		uint16_t number;

		err = next_attr(&body, &number, &val);
		if (err != PROTO_OK)
			return err;
		if (number >= WIRE_ATTR_COUNT) {
			/* an attribute of a newer peer: skip it, and read on */
			stats->unknown_attr++;
			continue;
		}
		if (val.left < value_size[number].min || val.left > value_size[number].max)
			return PROTO_BAD_PAYLOAD;
		if (!load_attr(&d, rare, number, &val) || val.bad)
			return PROTO_BAD_PAYLOAD;
		d.seen |= SEEN(number);
	}
	err = settle(&d);
	if (err != PROTO_OK)
		return err;
	if (d.odd_labels)
		stats->odd_labels++;
	d.flow.rare = rare;
	if (!flow_needs_rare(&d.flow))
		d.flow.rare = NULL;
	*out = d.flow;
	return PROTO_OK;
}
