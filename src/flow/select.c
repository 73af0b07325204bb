/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flows the options of `-i` and `-e` select. Each option is a row: its name, how its value is
 * read, and which part of a flow is compared; the options mean what they mean to conntrack(8), with
 * which tests compare them. */
#include "flow/select.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const uint8_t with_states[SELECT_STATES] = { IPPROTO_TCP, IPPROTO_SCTP, IPPROTO_DCCP };

/* ---- values ---- */

/* Is the whole text a number up to max (decimal, octal, or hexadecimal with 0x)? */
static bool read_number(const char *value, unsigned long max, unsigned long *n)
{
	unsigned long long all;
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return false;
	all = strtoull(value, &end, 0); /* an unsigned long may end at max */
	*n = (unsigned long)all;
	return *end == '\0' && all <= max;
}

static void mask_of(unsigned int bits, union flow_addr *mask)
{
	memset(mask, 0, sizeof(*mask));
	for (unsigned int i = 0; i < bits; i++)
		((uint8_t *)mask)[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* "10.0.0.0/8", "2001:db8::1" */
static bool read_net(const char *value, struct flow_net *net)
{
	const char *slash = strchr(value, '/');
	size_t n = slash ? (size_t)(slash - value) : strlen(value);
	char addr[INET6_ADDRSTRLEN];
	unsigned long bits;

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, value, n);
	addr[n] = '\0';
	*net = (struct flow_net){ .l3 = strchr(addr, ':') ? AF_INET6 : AF_INET };
	if (inet_pton(net->l3, addr, &net->addr) != 1)
		return false;
	bits = net->l3 == AF_INET ? 32 : 128;
	if (slash && !read_number(slash + 1, bits, &bits))
		return false;
	mask_of((unsigned int)bits, &net->mask);
	for (int i = 0; i < 4; i++)
		net->addr.v6[i] &= net->mask.v6[i];
	return true;
}

static bool read_l4(const char *value, uint8_t *l4)
{
	unsigned long n;

	if (read_number(value, 255, &n)) {
		*l4 = (uint8_t)n;
		return true;
	}
	for (n = 0; n < 256; n++) {
		if (strcasecmp(value, flow_l4_name((uint8_t)n)) == 0 &&
		    strcmp(flow_l4_name((uint8_t)n), "unknown") != 0) {
			*l4 = (uint8_t)n;
			return true;
		}
	}
	return false;
}

static bool read_state(const char *value, int8_t state[SELECT_STATES])
{
	bool any = false;

	for (int i = 0; i < SELECT_STATES; i++) {
		state[i] = -1;
		for (uint8_t k = 0; k < 10 && state[i] < 0; k++)
			if (strcasecmp(value, flow_state_name(with_states[i], k)) == 0)
				state[i] = (int8_t)k;
		any |= state[i] >= 0;
	}
	return any;
}

static const struct {
	const char *name;
	uint32_t bit;
} statuses[] = {
	{ "EXPECTED", 1u << 0 },       { "SEEN_REPLY", 1u << 1 }, { "ASSURED", 1u << 2 },
	{ "CONFIRMED", 1u << 3 },      { "SRC_NAT", 1u << 4 },	  { "DST_NAT", 1u << 5 },
	{ "FIXED_TIMEOUT", 1u << 10 }, { "HELPER", 1u << 13 },	  { "OFFLOAD", 1u << 14 },
	{ "HW_OFFLOAD", 1u << 15 },
};

/* "ASSURED,SEEN_REPLY" */
static bool read_status(const char *value, uint32_t *status)
{
	*status = 0;
	for (;;) {
		size_t n = strcspn(value, ","), i;

		for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
			if (strlen(statuses[i].name) == n &&
			    strncasecmp(value, statuses[i].name, n) == 0)
				break;
		if (i == sizeof(statuses) / sizeof(statuses[0]))
			return false;
		*status |= statuses[i].bit;
		if (value[n] == '\0')
			return true;
		value += n + 1;
	}
}

/* "7", "0x10/0xf0" */
static bool read_mark(const char *value, uint32_t *mark, uint32_t *mask)
{
	char first[32];
	const char *slash = strchr(value, '/');
	size_t n = slash ? (size_t)(slash - value) : strlen(value);
	unsigned long m, of = UINT32_MAX;

	if (n >= sizeof(first))
		return false;
	memcpy(first, value, n);
	first[n] = '\0';
	if (!read_number(first, UINT32_MAX, &m) ||
	    (slash && !read_number(slash + 1, UINT32_MAX, &of)))
		return false;
	*mark = (uint32_t)m;
	*mask = (uint32_t)of;
	return true;
}

static bool read_port(const char *value, uint16_t *port)
{
	unsigned long n;

	if (!read_number(value, UINT16_MAX, &n))
		return false;
	*port = htons((uint16_t)n);
	return true;
}

static bool read_byte(const char *value, uint8_t *byte)
{
	unsigned long n;

	if (!read_number(value, UINT8_MAX, &n))
		return false;
	*byte = (uint8_t)n;
	return true;
}

/* ---- options ---- */

enum option {
	BY_FAMILY,
	BY_PROTO,
	BY_SRC,
	BY_DST,
	BY_REPLY_SRC,
	BY_REPLY_DST,
	BY_SPORT,
	BY_DPORT,
	BY_REPLY_SPORT,
	BY_REPLY_DPORT,
	BY_ICMP_TYPE,
	BY_ICMP_CODE,
	BY_ICMP_ID,
	BY_STATE,
	BY_STATUS,
	BY_MARK,
	BY_ZONE,
	BY_SRC_NAT,
	BY_DST_NAT,
	BY_ANY_NAT,
};

static const struct {
	const char *name;
	enum option by;
	const char *accepts;
} options[] = {
	{ "family", BY_FAMILY, "ipv4 or ipv6" },
	{ "proto", BY_PROTO, "tcp, udp, icmp, icmpv6, sctp, dccp, gre, udplite or a number" },
	{ "src", BY_SRC, "an address, or a network as 10.0.0.0/8" },
	{ "orig-src", BY_SRC, "an address, or a network as 10.0.0.0/8" },
	{ "dst", BY_DST, "an address, or a network as 10.0.0.0/8" },
	{ "orig-dst", BY_DST, "an address, or a network as 10.0.0.0/8" },
	{ "reply-src", BY_REPLY_SRC, "an address, or a network as 10.0.0.0/8" },
	{ "reply-dst", BY_REPLY_DST, "an address, or a network as 10.0.0.0/8" },
	{ "sport", BY_SPORT, "a port, 0 to 65535" },
	{ "orig-port-src", BY_SPORT, "a port, 0 to 65535" },
	{ "dport", BY_DPORT, "a port, 0 to 65535" },
	{ "orig-port-dst", BY_DPORT, "a port, 0 to 65535" },
	{ "reply-port-src", BY_REPLY_SPORT, "a port, 0 to 65535" },
	{ "reply-port-dst", BY_REPLY_DPORT, "a port, 0 to 65535" },
	{ "icmp-type", BY_ICMP_TYPE, "a number, 0 to 255" },
	{ "icmp-code", BY_ICMP_CODE, "a number, 0 to 255" },
	{ "icmp-id", BY_ICMP_ID, "a number, 0 to 65535" },
	{ "state", BY_STATE, "the name of a state of TCP, SCTP or DCCP" },
	{ "status", BY_STATUS,
	  "EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, SRC_NAT, DST_NAT, FIXED_TIMEOUT, HELPER, "
	  "OFFLOAD, HW_OFFLOAD, or several with commas between" },
	{ "mark", BY_MARK, "a number, or with a mask as 0x10/0xf0" },
	{ "zone", BY_ZONE, "a number, 0 to 65535" },
	{ "src-nat", BY_SRC_NAT, "nothing, or an address" },
	{ "dst-nat", BY_DST_NAT, "nothing, or an address" },
	{ "any-nat", BY_ANY_NAT, "nothing" },
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

#define BIT(by) (1u << (by))

static bool read_family(const char *value, uint8_t *l3)
{
	bool v4 = strcmp(value, "ipv4") == 0;

	*l3 = v4 ? AF_INET : AF_INET6;
	return v4 || strcmp(value, "ipv6") == 0;
}

static bool read_nat(const char *value, struct flow_net *to)
{
	*to = (struct flow_net){ 0 };
	return !*value || read_net(value, to);
}

static bool read_zone(const char *value, uint16_t *zone)
{
	bool ok = read_port(value, zone);

	*zone = ntohs(*zone);
	return ok;
}

static bool read_value(struct flow_select *s, enum option by, const char *value)
{
	switch (by) {
	case BY_FAMILY:
		return read_family(value, &s->l3);
	case BY_PROTO:
		return read_l4(value, &s->l4);
	case BY_SRC:
		return read_net(value, &s->src);
	case BY_DST:
		return read_net(value, &s->dst);
	case BY_REPLY_SRC:
		return read_net(value, &s->reply_src);
	case BY_REPLY_DST:
		return read_net(value, &s->reply_dst);
	case BY_SPORT:
		return read_port(value, &s->sport);
	case BY_DPORT:
		return read_port(value, &s->dport);
	case BY_REPLY_SPORT:
		return read_port(value, &s->reply_sport);
	case BY_REPLY_DPORT:
		return read_port(value, &s->reply_dport);
	case BY_ICMP_TYPE:
		return read_byte(value, &s->icmp_type);
	case BY_ICMP_CODE:
		return read_byte(value, &s->icmp_code);
	case BY_ICMP_ID:
		return read_port(value, &s->icmp_id);
	case BY_STATE:
		return read_state(value, s->state);
	case BY_STATUS:
		return read_status(value, &s->status);
	case BY_MARK:
		return read_mark(value, &s->mark, &s->mark_mask);
	case BY_ZONE:
		return read_zone(value, &s->zone);
	case BY_SRC_NAT:
		return read_nat(value, &s->src_nat);
	case BY_DST_NAT:
		return read_nat(value, &s->dst_nat);
	case BY_ANY_NAT:
		return !*value;
	}
	return false;
}

bool flow_select_set(struct flow_select *s, const char *name, const char *value, struct text *err)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		if (s->wants & BIT(options[i].by)) {
			text_printf(err, "--%s is given twice", name);
			return false;
		}
		s->wants |= BIT(options[i].by);
		if (read_value(s, options[i].by, value ? value : ""))
			return true;
		text_printf(err, "--%s: \"%s\" is not %s", name, value ? value : "",
			    options[i].accepts);
		return false;
	}
	text_printf(err, "--%s: there is no such option", name);
	return false;
}

/* ---- flows ---- */

enum place {
	SRC,
	DST,
	REPLY_SRC,
	REPLY_DST,
};

/* The first word of an address of either family; in IPv6 the other three are behind it. */
static const uint32_t *address(const struct ct_flow *f, enum place place)
{
	return (const uint32_t *)&f->addr + (f->l3 == AF_INET ? 1 : 4) * (size_t)place;
}

static bool within(const struct flow_net *net, const struct ct_flow *f, enum place place)
{
	const uint32_t *a = address(f, place);
	int words = f->l3 == AF_INET ? 1 : 4;

	if (net->l3 != f->l3)
		return false;
	for (int i = 0; i < words; i++)
		if ((a[i] & net->mask.v6[i]) != net->addr.v6[i])
			return false;
	return true;
}

/* Has the flow ports, which ICMP has not? */
static bool has_ports(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_PORTS) && flow_l4_has_port_attrs(f->l4);
}

static bool in_state(const struct flow_select *s, const struct ct_flow *f)
{
	for (int i = 0; i < SELECT_STATES; i++)
		if (with_states[i] == f->l4)
			return (f->has & FLOW_HAS_PROTO_STATE) && s->state[i] >= 0 &&
			       (uint8_t)s->state[i] == f->proto_state;
	return false;
}

static bool in_zone(const struct flow_select *s, const struct ct_flow *f)
{
	uint16_t zone = (f->has & FLOW_HAS_ZONE) && f->zone_dir == FLOW_ZONE_BOTH ? f->zone : 0;

	return zone == s->zone && !flow_zone_is_partial(f);
}

/* Is the flow translated, and, where an address was given, to that address? The translated
 * addresses are in the reply tuple. */
static bool translated(const struct ct_flow *f, uint32_t parts, const struct flow_net *to,
		       enum place place)
{
	return (flow_nat(f) & parts) && (to->l3 == 0 || within(to, f, place));
}

static bool passes(const struct flow_select *s, enum option by, const struct ct_flow *f)
{
	bool reply = f->has & FLOW_HAS_REPLY;
	bool icmp = flow_is_icmp(f) && (f->has & FLOW_HAS_PORTS);

	switch (by) {
	case BY_FAMILY:
		return f->l3 == s->l3;
	case BY_PROTO:
		return f->l4 == s->l4;
	case BY_SRC:
		return within(&s->src, f, SRC);
	case BY_DST:
		return within(&s->dst, f, DST);
	case BY_REPLY_SRC:
		return reply && within(&s->reply_src, f, REPLY_SRC);
	case BY_REPLY_DST:
		return reply && within(&s->reply_dst, f, REPLY_DST);
	case BY_SPORT:
		return has_ports(f) && f->orig.sport == s->sport;
	case BY_DPORT:
		return has_ports(f) && f->orig.dport == s->dport;
	case BY_REPLY_SPORT:
		return reply && has_ports(f) && f->reply.sport == s->reply_sport;
	case BY_REPLY_DPORT:
		return reply && has_ports(f) && f->reply.dport == s->reply_dport;
	case BY_ICMP_TYPE:
		return icmp && flow_icmp_type(&f->orig) == s->icmp_type;
	case BY_ICMP_CODE:
		return icmp && flow_icmp_code(&f->orig) == s->icmp_code;
	case BY_ICMP_ID:
		return icmp && f->orig.sport == s->icmp_id;
	case BY_STATE:
		return in_state(s, f);
	case BY_STATUS:
		return (f->has & FLOW_HAS_STATUS) && (f->status & s->status) == s->status;
	case BY_MARK:
		return ((f->has & FLOW_HAS_MARK ? f->mark : 0) & s->mark_mask) == s->mark;
	case BY_ZONE:
		return in_zone(s, f);
	case BY_SRC_NAT:
		return translated(f, FLOW_HAS_SNAT | FLOW_HAS_SPAT, &s->src_nat, REPLY_DST);
	case BY_DST_NAT:
		return translated(f, FLOW_HAS_DNAT | FLOW_HAS_DPAT, &s->dst_nat, REPLY_SRC);
	case BY_ANY_NAT:
		return flow_nat(f) != 0;
	}
	return false;
}

bool flow_select_pass(const struct flow_select *s, const struct ct_flow *f)
{
	for (uint32_t wants = s->wants; wants; wants &= wants - 1)
		if (!passes(s, (enum option)__builtin_ctz(wants), f))
			return false;
	return true;
}
