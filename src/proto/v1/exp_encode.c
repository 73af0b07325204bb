/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An expectation into one message (doc/protocol.md section "Expectations"), in the order of 1.4.x.
 * Expectations are rare, so unlike a flow this is written through the bounded writer, attribute by
 * attribute.
 *
 * Whether ports are sent depends on the protocol of the *master*, as in 1.4.x; the keys of expected
 * GRE flows are sent as ports. */
#include "proto/v1/attr.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "proto/v1/attr_numbers.h"

static uint8_t *put_attr(struct writer *w, enum wire_exp_attr attr, size_t n)
{
	size_t padded = (n + 3) & ~(size_t)3;
	uint8_t *p = wr_take(w, WIRE_ATTR_HDR_LEN + padded);

	if (!p)
		return NULL;
	put_be16(p, (uint16_t)(WIRE_ATTR_HDR_LEN + n));
	put_be16(p + 2, (uint16_t)attr);
	memset(p + WIRE_ATTR_HDR_LEN, 0, padded);
	return p + WIRE_ATTR_HDR_LEN;
}

static void put_u8(struct writer *w, enum wire_exp_attr attr, uint8_t v)
{
	uint8_t *p = put_attr(w, attr, 1);

	if (p)
		*p = v;
}

static void put_u32(struct writer *w, enum wire_exp_attr attr, uint32_t v)
{
	uint8_t *p = put_attr(w, attr, 4);

	if (p)
		put_be32(p, v);
}

static void put_addrs(struct writer *w, enum wire_exp_attr attr, const struct expect_tuple *t,
		      size_t n)
{
	uint8_t *p = put_attr(w, attr, 2 * n);

	if (!p)
		return;
	memcpy(p, &t->src, n);
	memcpy(p + n, &t->dst, n);
}

static void put_ports(struct writer *w, enum wire_exp_attr attr, const struct expect_tuple *t)
{
	uint8_t *p = put_attr(w, attr, 4);

	if (!p)
		return;
	memcpy(p, &t->sport, 2);
	memcpy(p + 2, &t->dport, 2);
}

static void put_name(struct writer *w, enum wire_exp_attr attr, const char *name, size_t max)
{
	size_t n = strnlen(name, max - 1);
	uint8_t *p = put_attr(w, attr, n + 1);

	if (p)
		memcpy(p, name, n);
}

/* The attributes of a tuple follow each other: IPv4, IPv6, protocol, ports. */
static void put_tuple(struct writer *w, enum wire_exp_attr first, const struct ct_expect *e,
		      const struct expect_tuple *t)
{
	if (e->l3 == AF_INET)
		put_addrs(w, first, t, 4);
	else
		put_addrs(w, first + 1, t, 16);
	put_u8(w, first + 2, t->l4);
	if (flow_l4_has_ports(e->master.l4))
		put_ports(w, first + 3, t);
}

/* The saved NAT address is sent for IPv4 only: the protocol has no attribute for an IPv6 one.
 * Helpers that follow the master (FTP) save only port and direction, which are sent for both
 * families; a helper that saves an IPv6 address loses that address. */
static void put_nat(struct writer *w, const struct ct_expect *e)
{
	static const uint32_t zero[4];

	if (e->l3 == AF_INET)
		put_addrs(w, WIRE_EXP_NAT_IPV4, &e->nat, 4);
	else if (memcmp(&e->nat.src, zero, 16) != 0)
		return;
	put_u8(w, WIRE_EXP_NAT_L4PROTO, e->nat.l4);
	if (flow_l4_has_ports(e->master.l4))
		put_ports(w, WIRE_EXP_NAT_PORT, &e->nat);
	put_u32(w, WIRE_EXP_NAT_DIR, e->nat_dir);
}

int wire_put_expect(struct writer *w, enum wire_type type, uint8_t flags, uint32_t seq,
		    const struct ct_expect *e, const struct proto_rules *rules)
{
	uint8_t buf[WIRE_EXPECT_MAX];
	struct writer m = wr_init(buf, sizeof(buf));

	assert(type >= WIRE_EXP_NEW && type <= WIRE_EXP_DEL);
	wr_take(&m, WIRE_HDR_LEN);
	put_tuple(&m, WIRE_EXP_MASTER_IPV4, e, &e->master);
	put_tuple(&m, WIRE_EXP_TUPLE_IPV4, e, &e->tuple);
	put_tuple(&m, WIRE_EXP_MASK_IPV4, e, &e->mask);
	if ((e->has & EXPECT_HAS_TIMEOUT) && (!rules->no_timeout || type == WIRE_EXP_DEL))
		put_u32(&m, WIRE_EXP_TIMEOUT, e->timeout_s);
	put_u32(&m, WIRE_EXP_FLAGS, e->has & EXPECT_HAS_FLAGS ? e->flags : 0);
	if (e->has & EXPECT_HAS_CLASS)
		put_u32(&m, WIRE_EXP_CLASS, e->class);
	if (e->has & EXPECT_HAS_NAT)
		put_nat(&m, e);
	/* 1.4.x refuses a message with a longer name; the kernel takes the helper of the master
	 * then. */
	if ((e->has & EXPECT_HAS_HELPER) &&
	    strnlen(e->helper, sizeof(e->helper)) <= WIRE_HELPER_MAX)
		put_name(&m, WIRE_EXP_HELPER_NAME, e->helper, sizeof(e->helper));
	if (e->has & EXPECT_HAS_FN)
		put_name(&m, WIRE_EXP_FN, e->fn, sizeof(e->fn));
	assert(!m.full);
	if (w->full || wr_room(w) < m.len)
		return -ENOSPC;
	wire_put_header(buf, type, flags, (uint16_t)m.len, seq);
	wr_bytes(w, buf, m.len);
	return 0;
}
