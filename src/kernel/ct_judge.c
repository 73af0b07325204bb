/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow is to be committed and the kernel already has an entry with one of its tuples: which of the two stays?
 *
 * The kernel's entry may be the same flow, being forwarded right now; or the same flow as a packet in mid-stream began it,
 * because packets were here before the commit; or what is left of the last time this node was active; or another flow.
 *
 *	kernel's entry					verdict
 *	same original tuple, or the other end's, and
 *	  it lives, ours has ended (1)			LEAVE	it may be the next connection of the same two ends
 *	  it has ended (1), ours lives			REPLACE	the peer has the next connection
 *	  other translations (2)			REPLACE	answers would miss the connection
 *	  assured					KEEP	it is being forwarded as it is, or was
 *	  ours has seen an answer, or is assured	REPLACE	picked up in mid-stream
 *	  ours is further on (3)			REPLACE	only its beginning has been seen here
 *	  else						KEEP
 *	another flow, which shares a tuple
 *	  it has ended, ours lives			REPLACE	as the kernel does when it needs the port of such an entry
 *	  else						FOREIGN
 *
 * (1) TCP in TIME_WAIT or CLOSE. (2) With the entry the other way round (the other end spoke first) an assured one is
 * FOREIGN: both directions work, so it is no pickup. (3) TCP: SYN_SENT < SYN_RECV < ESTABLISHED < all that follow. */
#include "kernel/ct_judge.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#define LIFE_LEFT_S 3	/* news take less than this, and UDP entries live for ten times as long */

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

/* Has the connection ended, so that only its entry is left? */
static bool finished(const struct ct_flow *f)
{
	return f->l4 == IPPROTO_TCP && (f->has & FLOW_HAS_PROTO_STATE) &&
	       (f->proto_state == TCP_CONNTRACK_TIME_WAIT || f->proto_state == TCP_CONNTRACK_CLOSE);
}

/* Both entries are about the same two ends. */
static enum ct_verdict judge_same(const struct ct_flow *kernel, const struct ct_flow *f)
{
	if (finished(kernel) && !finished(f))
		return CT_REPLACE;
	return less_advanced(kernel, f) ? CT_REPLACE : CT_KEEP;
}

enum ct_verdict ct_judge(const struct ct_flow *kernel, const struct ct_flow *f)
{
	bool new_life = finished(kernel) && !finished(f), old_life = finished(f) && !finished(kernel);
	struct tuple orig, reply, k_orig, k_reply;

	tuple_orig(&orig, f);
	tuple_reply(&reply, f);
	tuple_orig(&k_orig, kernel);
	tuple_reply(&k_reply, kernel);
	if (tuple_equal(&k_orig, &orig)) {
		if (old_life)
			return CT_LEAVE;
		if (!tuple_equal(&k_reply, &reply))
			return CT_REPLACE;	/* other translations: answers would miss the flow */
		return judge_same(kernel, f);
	}
	if (!tuple_equal(&k_orig, &reply))
		return new_life ? CT_REPLACE : CT_FOREIGN;
	/* The other end spoke first: picked up from a packet of the reply direction. */
	if (old_life)
		return CT_LEAVE;
	if (tuple_equal(&k_reply, &orig))
		return judge_same(kernel, f);
	return (kernel->status & IPS_ASSURED) && !new_life ? CT_FOREIGN : CT_REPLACE;
}

/* News for an entry that lives: what they say holds unless the kernel is further on itself.
 *
 *	kernel's entry					verdict
 *	the other way round, not assured		REPLACE	picked up in mid-stream from the other end
 *	another flow, it has ended, the news are of a life	REPLACE	a port used again
 *	another flow, else				FOREIGN
 *	it has ended, the news are of a life		REPLACE	the next connection
 *	other translations, assured			FOREIGN	it is being forwarded as it is
 *	other translations, else			REPLACE
 *	a handshake, the news are of an end		LEAVE	it may be the next connection
 *	TCP, further on than the news			KEEP
 *	else						UPDATE */
enum ct_verdict ct_judge_news(const struct ct_flow *kernel, const struct ct_flow *f)
{
	struct tuple orig, reply, k_orig, k_reply;
	bool tcp = f->l4 == IPPROTO_TCP && (f->has & kernel->has & FLOW_HAS_PROTO_STATE);

	tuple_orig(&orig, f);
	tuple_reply(&reply, f);
	tuple_orig(&k_orig, kernel);
	tuple_reply(&k_reply, kernel);
	if (!tuple_equal(&k_orig, &orig) && finished(kernel) && !finished(f))
		return CT_REPLACE;
	if (!tuple_equal(&k_orig, &orig))
		return !(kernel->status & IPS_ASSURED) && tuple_equal(&k_orig, &reply) && tuple_equal(&k_reply, &orig) ?
			       CT_REPLACE : CT_FOREIGN;
	if (finished(kernel) && !finished(f))
		return CT_REPLACE;
	if (!tuple_equal(&k_reply, &reply))
		return kernel->status & IPS_ASSURED ? CT_FOREIGN : CT_REPLACE;
	if (!tcp)
		return CT_UPDATE;
	if (finished(f) && tcp_age(kernel->proto_state) < tcp_age(TCP_CONNTRACK_ESTABLISHED))
		return CT_LEAVE;
	return tcp_age(kernel->proto_state) > tcp_age(f->proto_state) ? CT_KEEP : CT_UPDATE;
}

/* Packets renew the life of an entry. One that nobody has used since the peer told about it is as old as the peer's was, and
 * that one has just ended; one with much life left has been used here, or the peer's was removed by hand. Keeping it costs
 * an entry until it times out, removing it could cost a connection.
 *
 *	the peer's entry	our kernel's entry				in use?
 *	any TCP			in TIME_WAIT, CLOSE				no
 *				half closed, ours, life left			yes: the other half may go on for hours
 *				half closed, else				no
 *	TCP on its way out	handshake, life left				yes: the next connection of the same two ends, whose
 *										news and the end of the old one have crossed, or which
 *										we have not read yet; if it is none it costs little
 *				ESTABLISHED, ours, life left			yes, the same
 *				ESTABLISHED, not ours				no: the news in between were lost
 *	TCP, else		ESTABLISHED, or handshake and ours, life left	yes
 *				else						no
 *	other			ours, or life left				yes, also without an answer: a stream may go one
 *										way, or the other way through the other node */
bool ct_judge_in_use(const struct ct_flow *kernel, const struct ct_flow *f, bool ours)
{
	bool life = (kernel->has & FLOW_HAS_TIMEOUT) && kernel->timeout_s > LIFE_LEFT_S;
	unsigned int age;

	if (f->l4 != IPPROTO_TCP || !(kernel->has & FLOW_HAS_PROTO_STATE))
		return ours || life;
	if (finished(kernel))
		return false;
	age = tcp_age(kernel->proto_state);
	if (age > tcp_age(TCP_CONNTRACK_ESTABLISHED))
		return ours && life;
	if ((f->has & FLOW_HAS_PROTO_STATE) && tcp_age(f->proto_state) > tcp_age(TCP_CONNTRACK_ESTABLISHED))
		return life && (ours || age < tcp_age(TCP_CONNTRACK_ESTABLISHED));
	return life && (ours || age == tcp_age(TCP_CONNTRACK_ESTABLISHED));
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
