/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attributes of an expectation message (doc/protocol.md section "Expectations"): one table, in
 * which each row says how long a value may be and where it goes. Same rules as attr_decode.c: any
 * order, the last of two counts, unknown numbers are skipped and counted, the caller's expectation
 * is written once, when all of it was good. */
#include "proto/v1/attr.h"

#include <string.h>

#include "proto/v1/attr_numbers.h"

#define SEEN(attr) (1u << (attr))

#define SEEN_V4 (SEEN(WIRE_EXP_MASTER_IPV4) | SEEN(WIRE_EXP_TUPLE_IPV4) | SEEN(WIRE_EXP_MASK_IPV4))
#define SEEN_V6 (SEEN(WIRE_EXP_MASTER_IPV6) | SEEN(WIRE_EXP_TUPLE_IPV6) | SEEN(WIRE_EXP_MASK_IPV6))

#define SEEN_L4 \
	(SEEN(WIRE_EXP_MASTER_L4PROTO) | SEEN(WIRE_EXP_TUPLE_L4PROTO) | SEEN(WIRE_EXP_MASK_L4PROTO))
#define SEEN_PORTS \
	(SEEN(WIRE_EXP_MASTER_PORT) | SEEN(WIRE_EXP_TUPLE_PORT) | SEEN(WIRE_EXP_MASK_PORT))

_Static_assert(WIRE_EXP_COUNT <= 32, "one bit per attribute");

enum kind {
	ADDRS, /* struct expect_tuple: two addresses */
	L4,    /* struct expect_tuple: protocol */
	PORTS, /* struct expect_tuple: two ports */
	U32,
	NAME, /* text with a NUL within the value */
};

static const struct row {
	uint8_t min, max; /* bytes of the value */
	uint8_t kind;
	uint32_t has; /* part that is present then */
	size_t to;    /* in struct ct_expect */
} rows[WIRE_EXP_COUNT] = {
#define AT(field) .to = offsetof(struct ct_expect, field)
	[WIRE_EXP_MASTER_IPV4] = { 8, 8, ADDRS, AT(master) },
	[WIRE_EXP_MASTER_IPV6] = { 32, 32, ADDRS, AT(master) },
	[WIRE_EXP_MASTER_L4PROTO] = { 1, 1, L4, AT(master) },
	[WIRE_EXP_MASTER_PORT] = { 4, 4, PORTS, AT(master) },
	[WIRE_EXP_TUPLE_IPV4] = { 8, 8, ADDRS, AT(tuple) },
	[WIRE_EXP_TUPLE_IPV6] = { 32, 32, ADDRS, AT(tuple) },
	[WIRE_EXP_TUPLE_L4PROTO] = { 1, 1, L4, AT(tuple) },
	[WIRE_EXP_TUPLE_PORT] = { 4, 4, PORTS, AT(tuple) },
	[WIRE_EXP_MASK_IPV4] = { 8, 8, ADDRS, AT(mask) },
	[WIRE_EXP_MASK_IPV6] = { 32, 32, ADDRS, AT(mask) },
	[WIRE_EXP_MASK_L4PROTO] = { 1, 1, L4, AT(mask) },
	[WIRE_EXP_MASK_PORT] = { 4, 4, PORTS, AT(mask) },
	[WIRE_EXP_TIMEOUT] = { 4, 4, U32, EXPECT_HAS_TIMEOUT, AT(timeout_s) },
	[WIRE_EXP_FLAGS] = { 4, 4, U32, EXPECT_HAS_FLAGS, AT(flags) },
	[WIRE_EXP_CLASS] = { 4, 4, U32, EXPECT_HAS_CLASS, AT(class) },
	[WIRE_EXP_NAT_IPV4] = { 8, 8, ADDRS, AT(nat) },
	[WIRE_EXP_NAT_PORT] = { 4, 4, PORTS, AT(nat) },
	[WIRE_EXP_NAT_L4PROTO] = { 1, 1, L4, AT(nat) },
	[WIRE_EXP_NAT_DIR] = { 4, 4, U32, EXPECT_HAS_NAT, AT(nat_dir) },
	[WIRE_EXP_HELPER_NAME] = { 1, FLOW_HELPER_MAX, NAME, EXPECT_HAS_HELPER, AT(helper) },
	[WIRE_EXP_FN] = { 1, EXPECT_FN_MAX, NAME, EXPECT_HAS_FN, AT(fn) },
#undef AT
};

/* False when there is no NUL within the value. An empty name is no name. */
static bool load_name(struct ct_expect *e, const struct row *row, struct cursor *val)
{
	char *to = (char *)e + row->to;
	const char *end = memchr(val->at, '\0', val->left);
	size_t n;

	if (!end)
		return false;
	n = (size_t)(end - (const char *)val->at);
	memset(to, 0, row->max);
	cur_bytes(val, to, n);
	if (n == 0)
		e->has &= ~row->has;
	else
		e->has |= row->has;
	return true;
}

/* The size has been checked. */
static bool load(struct ct_expect *e, const struct row *row, struct cursor *val)
{
	struct expect_tuple *t = (struct expect_tuple *)((char *)e + row->to);
	uint32_t v;

	switch ((enum kind)row->kind) {
	case ADDRS:
		memset(&t->src, 0, sizeof(t->src));
		memset(&t->dst, 0, sizeof(t->dst));
		cur_bytes(val, &t->src, row->min / 2);
		cur_bytes(val, &t->dst, row->min / 2);
		break;
	case L4:
		t->l4 = cur_u8(val);
		break;
	case PORTS:
		cur_bytes(val, &t->sport, 2);
		cur_bytes(val, &t->dport, 2);
		break;
	case U32:
		v = cur_be32(val);
		memcpy((char *)e + row->to, &v, sizeof(v));
		e->has |= row->has;
		break;
	case NAME:
		return load_name(e, row, val);
	}
	return !val->bad;
}

/* All attributes are read: do they make an expectation, and which of them apply? */
static enum proto_err settle(struct ct_expect *e, uint32_t seen)
{
	if ((seen & SEEN_V4) && (seen & SEEN_V6))
		return PROTO_BAD_PAYLOAD;
	if (((seen & SEEN_V4) != SEEN_V4 && (seen & SEEN_V6) != SEEN_V6) ||
	    (seen & SEEN_L4) != SEEN_L4)
		return PROTO_NO_KEY;
	if (flow_l4_has_ports(e->master.l4) && (seen & SEEN_PORTS) != SEEN_PORTS)
		return PROTO_NO_KEY;
	e->l3 = seen & SEEN_V4 ? AF_INET : AF_INET6;
	/* A saved NAT tuple without its protocol is useless, and one of IPv6 has no address, since
	 * the protocol has no attribute for it. */
	if (!(seen & SEEN(WIRE_EXP_NAT_L4PROTO)))
		e->has &= ~EXPECT_HAS_NAT;
	if (!(e->has & EXPECT_HAS_NAT)) {
		e->nat = (struct expect_tuple){ 0 };
		e->nat_dir = 0;
	} else if (e->l3 == AF_INET6) {
		memset(&e->nat.src, 0, sizeof(e->nat.src));
		memset(&e->nat.dst, 0, sizeof(e->nat.dst));
	}
	return PROTO_OK;
}

static enum proto_err next_attr(struct cursor *body, uint16_t *number, struct cursor *val)
{
	uint16_t len = cur_be16(body); /* header included, padding not */

	*number = cur_be16(body);
	if (body->bad || len < WIRE_ATTR_HDR_LEN)
		return PROTO_BAD_PAYLOAD;
	*val = cur_sub(body, len - WIRE_ATTR_HDR_LEN);
	cur_take(body, -(unsigned int)len & 3);
	return body->bad ? PROTO_BAD_PAYLOAD : PROTO_OK;
}

enum proto_err wire_get_expect(struct cursor body, struct ct_expect *out, struct proto_stats *stats)
{
	struct ct_expect e = { 0 };
	enum proto_err err;
	uint32_t seen = 0;

	/* one to four trailing bytes are ignored, as 1.4.x does */
	while (body.left > WIRE_ATTR_HDR_LEN) {
		struct cursor val;
		uint16_t number;

		err = next_attr(&body, &number, &val);
		if (err != PROTO_OK)
			return err;
		if (number >= WIRE_EXP_COUNT) {
			stats->unknown_attr++;
			continue;
		}
		if (val.left < rows[number].min || val.left > rows[number].max ||
		    !load(&e, &rows[number], &val))
			return PROTO_BAD_PAYLOAD;
		seen |= SEEN(number);
	}
	err = settle(&e, seen);
	if (err == PROTO_OK)
		*out = e;
	return err;
}
