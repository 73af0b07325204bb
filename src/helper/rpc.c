/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ONC RPC (RFC 5531): the answer of the portmapper tells where a program listens.
 *
 *   GETPORT  of version 2 (RFC 1833 section 3): program, version, protocol -> port
 *   GETADDR  of versions 3 and 4 (section 2): program, version, netid, address, owner -> universal
 *            address, which is
 *            "192.168.1.2.8.1" or "fd01::2.8.1", or empty
 *
 * Over TCP each message is a record of one fragment; several may stand in a segment, and one in
 * several. The protocol of the expected flow is the one asked about, whatever the question came
 * over. The private data remember the question that waits:
 *
 *   u8 tag, u8 protocol, u8 procedure's form, u8, be32 xid */
#include "helper/parse.h"

#include <string.h>

#include "base/writer.h"

#define CALL	     0
#define REPLY	     1
#define RPC_VERSION  2
#define PORTMAPPER   100000
#define PROC_GET     3 /* GETPORT and GETADDR */
#define AUTH_MAX     400u
#define NAME_MAX_LEN 64u

#define LAST_FRAGMENT 0x80000000u
#define MARK	      4u

#define TAG 0xc9
enum form { FORM_PORT = 1, FORM_ADDR = 2 };

/* An opaque of XDR, of at most max bytes. */
static struct cursor take_opaque(struct cursor *c, size_t max)
{
	uint32_t n = cur_be32(c);
	struct cursor v;

	if (n > max)
		c->bad = true;
	v = cur_sub(c, c->bad ? 0 : n);
	if (!c->bad)
		cur_take(c, -n & 3u);
	return v;
}

static void skip_auth(struct cursor *c)
{
	cur_be32(c);
	take_opaque(c, AUTH_MAX);
}

/* The protocol that a netid stands for; 0: none of ours. */
static uint8_t netid_proto(struct cursor v, uint8_t l3)
{
	static const struct {
		const char *name;
		uint8_t l3, l4;
	} netids[] = {
		{ "tcp", AF_INET, IPPROTO_TCP },
		{ "udp", AF_INET, IPPROTO_UDP },
		{ "tcp6", AF_INET6, IPPROTO_TCP },
		{ "udp6", AF_INET6, IPPROTO_UDP },
	};

	for (size_t i = 0; i < sizeof(netids) / sizeof(netids[0]); i++) {
		if (strlen(netids[i].name) == v.left && !memcmp(netids[i].name, v.at, v.left))
			return netids[i].l3 == l3 ? netids[i].l4 : 0;
	}
	return 0;
}

static void remember(struct helper_private *priv, uint8_t proto, enum form form, uint32_t xid)
{
	*priv = (struct helper_private){ .bytes = { TAG, proto, (uint8_t)form } };
	put_be32(priv->bytes + 4, xid);
}

static void read_call(const struct helper_packet *p, struct cursor c, struct helper_private *priv)
{
	uint32_t xid = cur_be32(&c), type = cur_be32(&c), rpc = cur_be32(&c),
		 program = cur_be32(&c), version = cur_be32(&c);
	uint32_t proc = cur_be32(&c), proto;
	enum form form = version == 2 ? FORM_PORT : FORM_ADDR;

	skip_auth(&c);
	skip_auth(&c);
	cur_be32(&c); /* program */
	cur_be32(&c); /* and version that are looked for */
	proto = form == FORM_PORT ? cur_be32(&c) :
				    netid_proto(take_opaque(&c, NAME_MAX_LEN), p->l3);
	if (c.bad || type != CALL || rpc != RPC_VERSION || program != PORTMAPPER || version < 2 ||
	    version > 4 || proc != PROC_GET || (proto != IPPROTO_TCP && proto != IPPROTO_UDP)) {
		*priv = (struct helper_private){ 0 };
		return;
	}
	remember(priv, (uint8_t)proto, form, xid);
}

/* "address.p.p": the sender's own address and a port. */
static bool read_universal(const struct helper_packet *p, struct cursor v, uint32_t *port)
{
	union flow_addr addr;
	uint32_t high, low;
	struct cursor c;
	size_t dots = 0, n = v.left;

	while (n > 0 && dots < 2)
		dots += v.at[--n] == '.';
	if (dots < 2)
		return false;
	c = cur_init(v.at + n + 1, v.left - n - 1);
	if (!parse_number(&c, 255, &high) || cur_u8(&c) != '.' || !parse_number(&c, 255, &low) ||
	    c.left > 0)
		return false;
	*port = high << 8 | low;
	return parse_addr(p->l3, v.at, n, &addr) && parse_same_addr(p->l3, &addr, helper_own(p));
}

/* c: the message; whole: with its record mark over TCP. */
static void read_reply(const struct helper_packet *p, struct cursor c, struct cursor whole,
		       struct helper_private *priv, struct helper_result *r)
{
	struct cursor mine = cur_init(priv->bytes + 4, 4), name;
	uint32_t xid = cur_be32(&c), type = cur_be32(&c), accepted = cur_be32(&c), success,
		 port = 0;
	const uint8_t l4 = priv->bytes[1];
	const uint8_t *at;
	bool good;

	if (c.bad || type != REPLY || priv->bytes[0] != TAG || xid != cur_be32(&mine))
		return;
	skip_auth(&c);
	success = cur_be32(&c);
	at = c.at;
	if (priv->bytes[2] == FORM_PORT) {
		port = cur_be32(&c);
		good = true;
	} else {
		name = take_opaque(&c, NAME_MAX_LEN);
		good = !c.bad && read_universal(p, name, &port);
	}
	*priv = (struct helper_private){ 0 };
	if (c.bad || accepted != 0 || success != 0 || !good || r->n_edits == HELPER_EDITS ||
	    !result_expect(r, l4, port))
		return;
	r->expect[r->n_expects - 1].permanent = true;
	if (at == c.at - 4)
		result_edit(r, p, at, 4, HELPER_BE32);
	else
		result_edit(r, p, whole.at, (size_t)(c.at - whole.at), HELPER_RECORD);
}

static void read_message(const struct helper_packet *p, struct cursor c, struct cursor whole,
			 struct helper_private *priv, struct helper_result *r)
{
	if (p->reply)
		read_reply(p, c, whole, priv, r);
	else
		read_call(p, c, priv);
}

/* Is this the beginning of a record, and not the middle of a long one? */
static bool may_begin(const struct helper_packet *p, struct cursor c)
{
	if (c.left > HELPER_CARRY_MAX)
		return false;
	if (c.left < MARK + 8)
		return true;
	cur_take(&c, MARK + 4);
	return cur_be32(&c) == (p->reply ? REPLY : CALL);
}

void rpc_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);

	if (p->l4 == IPPROTO_UDP) {
		read_message(p, c, c, priv, r);
		return;
	}
	while (c.left > 0) {
		struct cursor whole = c, record;
		uint32_t mark = cur_be32(&c);

		record = cur_sub(&c, mark & ~LAST_FRAGMENT);
		if (c.bad) {
			if (may_begin(p, whole))
				r->unfinished = whole.left;
			return;
		}
		if (mark & LAST_FRAGMENT)
			read_message(p, record, whole, priv, r);
	}
}
