/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCPv6 (RFC 8415): a client asks the group of all servers and relays, and is answered by the
 * address of one, from any port. Only for what clients say: the messages of servers and relays are
 * none of ours. */
#include "helper/parse.h"

static bool is_of_a_client(uint8_t type)
{
	switch (type) {
	case 1:
	case 3:
	case 4:
	case 5:
	case 6: /* SOLICIT, REQUEST, CONFIRM, RENEW, REBIND */
	case 8:
	case 9:
	case 11: /* RELEASE, DECLINE, INFORMATION-REQUEST */
		return true;
	default:
		return false;
	}
}

void dhcpv6_parse(const struct helper_packet *p, struct helper_private *priv,
		  struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	uint8_t type = cur_u8(&c);
	struct helper_expect *e;

	(void)priv;
	cur_take(&c, 3); /* the number of the transaction */
	if (p->l3 != AF_INET6 || p->reply || c.bad || !is_of_a_client(type))
		return;
	e = result_answer(r, p);
	if (e)
		e->anyone = e->permanent = true;
}
