/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SSDP and GENA (UPnP Device Architecture 1.1).
 *
 *   UDP  M-SEARCH to the multicast group: every device answers from its own address, and from any
 *        port; asked by itself, a device may answer from another port as well
 *   TCP  SUBSCRIBE with CALLBACK: <http://address:port/path>...: the device will connect there with
 *        each event */
#include "helper/parse.h"

#include <string.h>

static bool is_multicast(uint8_t l3, const union flow_addr *a)
{
	return l3 == AF_INET ? (ntohl(a->v4) & 0xf0000000u) == 0xe0000000u :
			       ((const uint8_t *)a)[0] == 0xff;
}

static void read_search(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	struct helper_expect *e;

	if (!parse_word(&c, "M-SEARCH "))
		return;
	e = result_answer(r, p);
	if (!e)
		return;
	e->anyone = is_multicast(p->l3, &p->tuple[0].dst);
	e->permanent = true;
}

/* "http://host:port", host of IPv6 in brackets. */
static bool read_url(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	union flow_addr addr;
	const uint8_t *host, *at;
	uint32_t port = 80;
	bool bracket;
	size_t len;

	bracket = c.left > 0 && *c.at == '[';
	if (bracket)
		cur_take(&c, 1);
	host = c.at;
	/* No longer than an address: there may be as many URLs as fit into the packet. */
	for (len = 0;
	     len < INET6_ADDRSTRLEN && c.left > 0 && !strchr(bracket ? "]>" : ":/>", *c.at); len++)
		cur_take(&c, 1);
	if (bracket && cur_u8(&c) != ']')
		return false;
	if (!parse_addr(p->l3, host, len, &addr) || !parse_same_addr(p->l3, &addr, helper_own(p)))
		return false;
	if (c.left > 0 && *c.at == ':') {
		cur_take(&c, 1);
		at = c.at;
		if (!parse_number(&c, 65535, &port) || !result_expect(r, IPPROTO_TCP, port))
			return false;
		result_edit(r, p, host, len, HELPER_HOST);
		result_edit(r, p, at, (size_t)(c.at - at), HELPER_PORT);
		return true;
	}
	/* Without a port there is no place for another one, so this one has to be free. */
	if (!result_expect(r, IPPROTO_TCP, port))
		return false;
	result_edit(r, p, host, len, HELPER_HOST);
	return true;
}

static void read_subscribe(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	struct cursor whole = c;
	const uint8_t *end;

	if (!parse_find(&whole, "\r\n\r\n")) {
		r->unfinished = p->len <= HELPER_CARRY_MAX ? p->len : 0;
		return;
	}
	c.left -= whole.left;
	if (!parse_find(&c, "\nCALLBACK:"))
		return;
	end = memchr(c.at, '\n', c.left);
	if (end)
		c.left = (size_t)(end - c.at);
	while (parse_find(&c, "<http://") &&
	       !read_url(p, c, r)) /* the first with an address of the sender */
		;
}

void ssdp_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p), word = c;

	(void)priv;
	if (p->reply)
		return;
	if (p->l4 == IPPROTO_UDP)
		read_search(p, c, r);
	else if (parse_word(&word, "SUBSCRIBE "))
		read_subscribe(p, c, r);
}
