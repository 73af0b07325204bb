/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow is to be committed and the kernel already has an entry with one of its tuples: which of the two stays? */
#include "kernel/ct_judge.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

/* One direction of a flow in comparable form. */
struct tuple {
	uint8_t src[16], dst[16];
	struct flow_ports ports;
	uint32_t l4;
};

_Static_assert(sizeof(struct tuple) == 40, "compared as bytes: no padding");

static void tuple_orig(struct tuple *t, const struct ct_flow *f)
{
	const uint8_t *addr = (const uint8_t *)&f->addr;
	size_t len = f->l3 == AF_INET ? 4 : 16;

	*t = (struct tuple){ .l4 = f->l4 };
	memcpy(t->src, addr, len);
	memcpy(t->dst, addr + len, len);
	if (f->has & FLOW_HAS_PORTS)
		t->ports = f->orig;
}

/* The reply tuple: the kernel's own, or what the kernel will make of the translations a peer told. */
static void tuple_reply(struct tuple *t, const struct ct_flow *f)
{
	const uint8_t *addr;
	size_t len = f->l3 == AF_INET ? 4 : 16;
	struct ct_flow m;

	flow_copy(&m, f);
	if (!(m.has & FLOW_HAS_REPLY))
		flow_mirror_reply(&m);
	addr = (const uint8_t *)&m.addr;
	*t = (struct tuple){ .l4 = m.l4 };
	memcpy(t->src, addr + 2 * len, len);
	memcpy(t->dst, addr + 3 * len, len);
	if (m.has & FLOW_HAS_PORTS)
		t->ports = m.reply;
}

static bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Where a TCP connection stands in its life. */
static unsigned int tcp_age(uint8_t state)
{
	switch (state) {
	case TCP_CONNTRACK_NONE:
		return 0;
	case TCP_CONNTRACK_SYN_SENT:
	case TCP_CONNTRACK_SYN_SENT2:
		return 1;
	case TCP_CONNTRACK_SYN_RECV:
		return 2;
	case TCP_CONNTRACK_ESTABLISHED:
		return 3;
	default:
		return 4;	/* on its way out; CLOSE after a reset may come from any state */
	}
}

/* Does the kernel know less about the flow than we do? That is a flow picked up in mid-stream, or one that the kernel
 * has seen the beginning of. An assured one is never less advanced: it is being forwarded as it is. */
static bool less_advanced(const struct ct_flow *kernel, const struct ct_flow *f)
{
	uint32_t ours = f->has & FLOW_HAS_STATUS ? f->status : 0;
	uint32_t theirs = kernel->has & FLOW_HAS_STATUS ? kernel->status : 0;

	if (theirs & IPS_ASSURED)
		return false;
	if (ours & ~theirs & (IPS_ASSURED | IPS_SEEN_REPLY))
		return true;
	if (f->l4 != IPPROTO_TCP || !(f->has & kernel->has & FLOW_HAS_PROTO_STATE))
		return false;
	return tcp_age(f->proto_state) > tcp_age(kernel->proto_state);
}

enum ct_verdict ct_judge(const struct ct_flow *kernel, const struct ct_flow *f)
{
	struct tuple orig, reply, k_orig, k_reply;

	tuple_orig(&orig, f);
	tuple_reply(&reply, f);
	tuple_orig(&k_orig, kernel);
	tuple_reply(&k_reply, kernel);
	if (tuple_equal(&k_orig, &orig)) {
		if (!tuple_equal(&k_reply, &reply))
			return CT_REPLACE;		/* other translations: answers would miss the flow */
		return less_advanced(kernel, f) ? CT_REPLACE : CT_KEEP;
	}
	if (!tuple_equal(&k_orig, &reply))
		return CT_FOREIGN;		/* another flow that only shares a tuple: not ours to remove */
	/* The other end spoke first: picked up from a packet of the reply direction. */
	if (tuple_equal(&k_reply, &orig))
		return less_advanced(kernel, f) ? CT_REPLACE : CT_KEEP;
	return kernel->status & IPS_ASSURED ? CT_FOREIGN : CT_REPLACE;
}

void ct_judge_reverse(struct ct_flow *r, const struct ct_flow *f)
{
	size_t len = f->l3 == AF_INET ? 4 : 16;
	struct tuple t;

	tuple_reply(&t, f);
	*r = (struct ct_flow){ .l3 = f->l3, .l4 = f->l4, .zone = f->zone, .orig = t.ports };
	r->has = f->has & (FLOW_HAS_PORTS | FLOW_HAS_ZONE);
	memcpy(&r->addr, t.src, len);
	memcpy((uint8_t *)&r->addr + len, t.dst, len);
	if (f->zone_dir == FLOW_ZONE_ORIG)
		r->has &= ~FLOW_HAS_ZONE;	/* the reply direction has none */
	else if (f->zone_dir == FLOW_ZONE_REPLY)
		r->zone_dir = FLOW_ZONE_ORIG;	/* the direction that is asked about */
}
