/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of a packet before connection tracking -> the tuple that connection tracking will look
 * up.
 *
 * Nothing is believed of a packet but what lies within the bytes that came. What is cut short, or is
 * a later fragment (the kernel puts fragments together before this, as long as connection tracking
 * is there), has no tuple; whoever asked must not let it by on the strength of that. */
#include "gate/packet.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define V4_HEADER      20u
#define V6_HEADER      40u
#define EXTENSIONS_MAX 16 /* of IPv6, in a row */
#define ICMP_HEADER    8u

#define ND_FIRST ND_ROUTER_SOLICIT /* 133 */
#define ND_LAST	 ND_REDIRECT	   /* 137 */

/* Of a packet, as far as it has been read. */
struct seen {
	const uint8_t *at; /* the rest */
	size_t left;
	bool later; /* a later fragment: what follows is not a header */
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool skip(struct seen *s, size_t n)
{
	if (s->left < n)
		return false;
	s->at += n;
	s->left -= n;
	return true;
}

static bool read_v4(struct seen *s, struct ct_flow *t)
{
	size_t header;

	if (s->left < V4_HEADER || s->at[0] >> 4 != 4)
		return false;
	header = (size_t)(s->at[0] & 15) * 4;
	t->l4 = s->at[9];
	memcpy(&t->addr.v4.src, s->at + 12, 4);
	memcpy(&t->addr.v4.dst, s->at + 16, 4);
	s->later = be16(s->at + 6) & 0x1fff;
	return header >= V4_HEADER && skip(s, header);
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH || next == IPPROTO_MH;
}

static bool read_v6(struct seen *s, struct ct_flow *t)
{
	uint8_t next;
	size_t header;

	if (s->left < V6_HEADER || s->at[0] >> 4 != 6)
		return false;
	next = s->at[6];
	memcpy(t->addr.v6.src, s->at + 8, 16);
	memcpy(t->addr.v6.dst, s->at + 24, 16);
	t->l4 = next;
	skip(s, V6_HEADER);
	for (int i = 0; is_extension(next); i++) {
		if (i == EXTENSIONS_MAX || s->left < 8)
			return false;
		header = next == IPPROTO_FRAGMENT ? 8 :
			 next == IPPROTO_AH	  ? ((size_t)s->at[1] + 2) * 4 :
						    ((size_t)s->at[1] + 1) * 8;
		s->later |= next == IPPROTO_FRAGMENT && be16(s->at + 2) >> 3;
		t->l4 = next = s->at[0];
		if (s->later || !skip(s, header))
			return s->later;
	}
	return true;
}

static bool read_network(uint8_t l3, struct seen *s, struct ct_flow *t)
{
	*t = (struct ct_flow){ .l3 = l3 };
	if (l3 == AF_INET)
		return read_v4(s, t);
	return l3 == AF_INET6 && read_v6(s, t);
}

static bool is_icmp(const struct ct_flow *t)
{
	return t->l4 == (t->l3 == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static bool is_error(const struct ct_flow *t, uint8_t type)
{
	if (t->l3 == AF_INET6)
		return !(type & ICMP6_INFOMSG_MASK);
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static bool has_icmp_id(const struct ct_flow *t, uint8_t type)
{
	if (t->l3 == AF_INET6)
		return type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY;
	return type == ICMP_ECHO || type == ICMP_ECHOREPLY || type == ICMP_TIMESTAMP ||
	       type == ICMP_TIMESTAMPREPLY || type == ICMP_INFO_REQUEST ||
	       type == ICMP_INFO_REPLY || type == ICMP_ADDRESS || type == ICMP_ADDRESSREPLY;
}

/* Ports, or id, type and code, of the header that comes now. */
static bool read_transport(const struct seen *s, struct ct_flow *t)
{
	uint8_t *type_code = (uint8_t *)&t->orig.dport;

	if (s->later)
		return false;
	if (is_icmp(t)) {
		if (s->left < ICMP_HEADER)
			return false;
		type_code[0] = s->at[0];
		type_code[1] = s->at[1];
		if (has_icmp_id(t, s->at[0]))
			memcpy(&t->orig.sport, s->at + 4, 2);
	} else if (flow_l4_has_ports(t->l4)) {
		if (s->left < 4)
			return false;
		memcpy(&t->orig.sport, s->at, 2);
		memcpy(&t->orig.dport, s->at + 2, 2);
	} else {
		return true;
	}
	t->has |= FLOW_HAS_PORTS;
	return true;
}

/* The other way. */
static void turn(struct ct_flow *t)
{
	struct ct_flow m = *t;

	flow_mirror_reply(&m);
	t->orig = m.reply;
	if (t->l3 == AF_INET) {
		t->addr.v4.src = m.addr.v4.reply_src;
		t->addr.v4.dst = m.addr.v4.reply_dst;
		return;
	}
	memcpy(t->addr.v6.src, m.addr.v6.reply_src, 16);
	memcpy(t->addr.v6.dst, m.addr.v6.reply_dst, 16);
}

/* The packet inside an error left this node before; the error comes from where that went, as an
 * answer would. */
static enum gate_packet_kind read_error(struct seen s, struct ct_flow *t)
{
	struct ct_flow inner;

	skip(&s, ICMP_HEADER);
	if (!read_network(t->l3, &s, &inner) || !read_transport(&s, &inner))
		return GATE_PACKET_UNREADABLE;
	if (is_icmp(&inner) && is_error(&inner, flow_icmp_type(&inner.orig)))
		return GATE_PACKET_UNREADABLE; /* an error about an error: there is none */
	turn(&inner);
	*t = inner;
	return GATE_PACKET_ERROR;
}

static bool is_exempt(const struct seen *s, const struct ct_flow *t)
{
	const uint8_t *dst = gate_packet_dst(t);

	if (t->l3 == AF_INET)
		return dst[0] >= 224 && (dst[0] < 240 || t->addr.v4.dst == INADDR_BROADCAST);
	return dst[0] == 0xff || (is_icmp(t) && !s->later && s->left > 0 && s->at[0] >= ND_FIRST &&
				  s->at[0] <= ND_LAST);
}

enum gate_packet_kind gate_packet_read(uint8_t l3, const uint8_t *bytes, size_t n,
				       struct ct_flow *tuple)
{
	struct seen s = { .at = bytes, .left = n };

	if (!read_network(l3, &s, tuple))
		return GATE_PACKET_UNREADABLE;
	if (is_exempt(&s, tuple))
		return GATE_PACKET_EXEMPT;
	if (!read_transport(&s, tuple))
		return GATE_PACKET_UNREADABLE;
	if (is_icmp(tuple) && is_error(tuple, flow_icmp_type(&tuple->orig)))
		return read_error(s, tuple);
	return GATE_PACKET_TUPLE;
}

uint8_t gate_packet_tcp_flags(uint8_t l3, const uint8_t *bytes, size_t n)
{
	struct seen s = { .at = bytes, .left = n };
	struct ct_flow t;

	if (!read_network(l3, &s, &t) || s.later || t.l4 != IPPROTO_TCP || s.left < 14)
		return 0;
	return s.at[13];
}
