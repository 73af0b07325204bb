/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectation messages of ctnetlink <-> struct ct_expect.
 *
 * By hand, as with flows: nfexp_nlmsg_build() of libnetfilter_conntrack leaves out flags, NAT and
 * the function's name, and without those an expectation of a translated flow is useless; its parser
 * asserts that the function's name is short. The library is the oracle of the tests for what it can
 * do. Total over whatever bytes arrive; a known attribute of a wrong size refuses the message.
 *
 * Sources: linux/netfilter/nfnetlink_conntrack.h for numbers and sizes; what the kernel accepts was
 * tried. */
#include "kernel/exp.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>

#include "kernel/nl_attr.h"

#define MSG_HDR sizeof(struct nl_request)

/* ---- reading ---- */

#define TUPLE_SRC (1u << 0)
#define TUPLE_DST (1u << 1)
#define TUPLE_L4  (1u << 2)
#define TUPLE_ALL (TUPLE_SRC | TUPLE_DST | TUPLE_L4)

#define SEEN_MASTER (1u << 0)
#define SEEN_TUPLE  (1u << 1)
#define SEEN_MASK   (1u << 2)
#define SEEN_ALL    (SEEN_MASTER | SEEN_TUPLE | SEEN_MASK)

struct parse {
	struct ct_expect e;
	unsigned int seen; /* SEEN_* */
	bool bad;	   /* sticky: the message is refused */
};

/* A value of exactly n bytes. */
static bool exact(struct parse *p, const struct cursor *v, size_t n)
{
	if (v->left != n)
		p->bad = true;
	return v->left == n;
}

static uint32_t load_u32(struct parse *p, struct cursor v)
{
	return exact(p, &v, 4) ? cur_be32(&v) : 0;
}

static void load_number(struct parse *p, struct cursor v, uint32_t *to, uint32_t has)
{
	*to = load_u32(p, v);
	p->e.has |= has;
}

static unsigned int load_ip(struct parse *p, struct cursor v, struct expect_tuple *t)
{
	const bool v4 = p->e.l3 == AF_INET;
	const uint16_t src = v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC,
		       dst = v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST;
	const size_t len = v4 ? 4 : 16;
	unsigned int seen = 0;
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if ((type != src && type != dst) || !exact(p, &a, len))
			continue;
		cur_bytes(&a, type == src ? &t->src : &t->dst, len);
		seen |= type == src ? TUPLE_SRC : TUPLE_DST;
	}
	return seen;
}

static unsigned int load_proto(struct parse *p, struct cursor v, struct expect_tuple *t)
{
	unsigned int seen = 0;
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type == CTA_PROTO_NUM && exact(p, &a, 1)) {
			t->l4 = cur_u8(&a);
			seen = TUPLE_L4;
		} else if (type == CTA_PROTO_SRC_PORT && exact(p, &a, 2)) {
			cur_bytes(&a, &t->sport, 2);
		} else if (type == CTA_PROTO_DST_PORT && exact(p, &a, 2)) {
			cur_bytes(&a, &t->dport, 2);
		}
	}
	return seen;
}

/* Is it all there? */
static bool load_tuple(struct parse *p, struct cursor v, struct expect_tuple *t)
{
	unsigned int seen = 0;
	struct cursor a;
	uint16_t type;

	*t = (struct expect_tuple){ 0 };
	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type == CTA_TUPLE_IP)
			seen |= load_ip(p, a, t);
		else if (type == CTA_TUPLE_PROTO)
			seen |= load_proto(p, a, t);
	}
	return seen == TUPLE_ALL;
}

static void load_nat(struct parse *p, struct cursor v)
{
	bool dir = false, tuple = false;
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, &p->bad)) {
		if (type == CTA_EXPECT_NAT_DIR) {
			p->e.nat_dir = load_u32(p, a);
			dir = true;
		} else if (type == CTA_EXPECT_NAT_TUPLE) {
			tuple = load_tuple(p, a, &p->e.nat);
		}
	}
	if (dir && tuple)
		p->e.has |= EXPECT_HAS_NAT;
}

/* A name must end within its attribute; a longer one than we can keep is none. */
static void load_name(struct parse *p, struct cursor v, char *to, size_t max, uint32_t has)
{
	const char *name = (const char *)v.at;
	size_t n = strnlen(name, v.left);

	if (n == v.left) {
		p->bad = true;
		return;
	}
	if (n == 0 || n >= max)
		return;
	memset(to, 0, max);
	memcpy(to, name, n);
	p->e.has |= has;
}

static void load_attr(struct parse *p, uint16_t type, struct cursor v)
{
	struct ct_expect *e = &p->e;

	switch (type) {
	case CTA_EXPECT_MASTER:
		p->seen |= load_tuple(p, v, &e->master) ? SEEN_MASTER : 0;
		return;
	case CTA_EXPECT_TUPLE:
		p->seen |= load_tuple(p, v, &e->tuple) ? SEEN_TUPLE : 0;
		return;
	case CTA_EXPECT_MASK:
		p->seen |= load_tuple(p, v, &e->mask) ? SEEN_MASK : 0;
		return;
	case CTA_EXPECT_TIMEOUT:
		load_number(p, v, &e->timeout_s, EXPECT_HAS_TIMEOUT);
		return;
	case CTA_EXPECT_ID:
		load_number(p, v, &e->id, EXPECT_HAS_ID);
		return;
	case CTA_EXPECT_FLAGS:
		load_number(p, v, &e->flags, EXPECT_HAS_FLAGS);
		return;
	case CTA_EXPECT_CLASS:
		load_number(p, v, &e->class, EXPECT_HAS_CLASS);
		return;
	case CTA_EXPECT_ZONE:
		e->zone = exact(p, &v, 2) ? cur_be16(&v) : 0;
		return;
	case CTA_EXPECT_HELP_NAME:
		load_name(p, v, e->helper, sizeof(e->helper), EXPECT_HAS_HELPER);
		return;
	case CTA_EXPECT_FN:
		load_name(p, v, e->fn, sizeof(e->fn), EXPECT_HAS_FN);
		return;
	case CTA_EXPECT_NAT:
		load_nat(p, v);
		return;
	}
}

int exp_parse(const void *nlmsg, size_t n, enum ct_event *what, struct ct_expect *e)
{
	struct cursor c = cur_init(nlmsg, n), v;
	struct parse p = { 0 };
	struct nlmsghdr h;
	uint16_t type;

	cur_bytes(&c, &h, sizeof(h));
	if (c.bad || h.nlmsg_len < MSG_HDR || h.nlmsg_len > n ||
	    h.nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK_EXP)
		return -EPROTO;
	if ((h.nlmsg_type & 0xff) != IPCTNL_MSG_EXP_NEW &&
	    (h.nlmsg_type & 0xff) != IPCTNL_MSG_EXP_DELETE)
		return -EPROTO;
	c.left = h.nlmsg_len - sizeof(h);
	p.e.l3 = cur_u8(&c);
	if (p.e.l3 != AF_INET && p.e.l3 != AF_INET6)
		return -EPROTO;
	cur_take(&c, sizeof(struct nfgenmsg) - 1);
	while (attr_next(&c, &type, &v, &p.bad))
		load_attr(&p, type, v);
	if (p.bad)
		return -EPROTO;
	if (p.seen != SEEN_ALL)
		return -ENOENT;
	*what = (h.nlmsg_type & 0xff) == IPCTNL_MSG_EXP_DELETE ? CT_EVENT_DESTROY : CT_EVENT_NEW;
	*e = p.e;
	return 0;
}

/* ---- writing ---- */

static void put_tuple(struct writer *w, uint16_t type, uint8_t l3, const struct expect_tuple *t)
{
	const bool v4 = l3 == AF_INET;
	const size_t len = v4 ? 4 : 16;
	size_t tuple = nest_begin(w, type), at = nest_begin(w, CTA_TUPLE_IP);

	put_attr(w, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, &t->src, len);
	put_attr(w, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, &t->dst, len);
	nest_end(w, at);
	at = nest_begin(w, CTA_TUPLE_PROTO);
	put_u8(w, CTA_PROTO_NUM, t->l4);
	if (flow_l4_has_port_attrs(t->l4)) {
		put_attr(w, CTA_PROTO_SRC_PORT, &t->sport, 2);
		put_attr(w, CTA_PROTO_DST_PORT, &t->dport, 2);
	}
	nest_end(w, at);
	nest_end(w, tuple);
}

static struct writer begin(void *buf, size_t cap, unsigned int msg, unsigned int flags, uint8_t l3,
			   uint32_t seq)
{
	const struct nl_request r =
		nl_request(NFNL_SUBSYS_CTNETLINK_EXP << 8 | msg, flags, l3, seq);
	struct writer w = wr_init(buf, cap);

	wr_bytes(&w, &r, sizeof(r));
	return w;
}

static void put_zone(struct writer *w, const struct ct_expect *e)
{
	if (e->zone != 0)
		put_u16(w, CTA_EXPECT_ZONE, e->zone);
}

/* What the kernel wants to see in every request about a single one that is to be there. */
static void put_identity(struct writer *w, const struct ct_expect *e)
{
	put_tuple(w, CTA_EXPECT_MASTER, e->l3, &e->master);
	put_tuple(w, CTA_EXPECT_TUPLE, e->l3, &e->tuple);
	put_tuple(w, CTA_EXPECT_MASK, e->l3, &e->mask);
}

size_t exp_build_prolong(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap)
{
	struct writer w = begin(buf, cap, IPCTNL_MSG_EXP_NEW, NLM_F_ACK, e->l3, seq);

	put_identity(&w, e);
	put_u32(&w, CTA_EXPECT_TIMEOUT, e->timeout_s);
	put_zone(&w, e);
	return nl_end(&w);
}

size_t exp_build_create(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap)
{
	struct writer w = begin(buf, cap, IPCTNL_MSG_EXP_NEW, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
				e->l3, seq);
	size_t at;

	put_identity(&w, e);
	if (e->has & EXPECT_HAS_TIMEOUT)
		put_u32(&w, CTA_EXPECT_TIMEOUT, e->timeout_s);
	if (e->has & EXPECT_HAS_FLAGS)
		put_u32(&w, CTA_EXPECT_FLAGS, e->flags);
	if (e->has & EXPECT_HAS_CLASS)
		put_u32(&w, CTA_EXPECT_CLASS, e->class);
	if (e->has & EXPECT_HAS_HELPER)
		put_attr(&w, CTA_EXPECT_HELP_NAME, e->helper,
			 strnlen(e->helper, sizeof(e->helper) - 1) + 1);
	if (e->has & EXPECT_HAS_FN)
		put_attr(&w, CTA_EXPECT_FN, e->fn, strnlen(e->fn, sizeof(e->fn) - 1) + 1);
	if (e->has & EXPECT_HAS_NAT) {
		at = nest_begin(&w, CTA_EXPECT_NAT);
		put_u32(&w, CTA_EXPECT_NAT_DIR, e->nat_dir);
		put_tuple(&w, CTA_EXPECT_NAT_TUPLE, e->l3, &e->nat);
		nest_end(&w, at);
	}
	put_zone(&w, e);
	return nl_end(&w);
}

size_t exp_build_destroy(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap)
{
	struct writer w = begin(buf, cap, IPCTNL_MSG_EXP_DELETE, NLM_F_ACK, e->l3, seq);

	put_tuple(&w, CTA_EXPECT_TUPLE, e->l3, &e->tuple);
	if (e->has & EXPECT_HAS_ID)
		put_u32(&w, CTA_EXPECT_ID, e->id);
	put_zone(&w, e);
	return nl_end(&w);
}

size_t exp_build_get(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap)
{
	struct writer w = begin(buf, cap, IPCTNL_MSG_EXP_GET, 0, e->l3, seq);

	put_tuple(&w, CTA_EXPECT_TUPLE, e->l3, &e->tuple);
	put_zone(&w, e);
	return nl_end(&w);
}

size_t exp_build_list(uint32_t seq, void *buf, size_t cap)
{
	struct writer w = begin(buf, cap, IPCTNL_MSG_EXP_GET, NLM_F_DUMP, AF_UNSPEC, seq);

	return nl_end(&w);
}
