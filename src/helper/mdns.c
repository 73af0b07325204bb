/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multicast DNS (RFC 6762): whoever knows the answer sends it from its port 5353 to where the
 * question came from, without the multicast group when the question was asked from another port, or
 * wanted it so (sections 5.1, 5.4). The group is no address of a flow that comes back, so
 * connection tracking sees a flow of its own. */
#include "helper/parse.h"

#define MDNS_PORT    5353
#define DNS_HEADER   12u
#define DNS_RESPONSE 0x8000u /* in the flags: is answered by nobody */

void mdns_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	struct helper_expect *e;
	uint16_t flags;

	(void)priv;
	cur_be16(&c);
	flags = cur_be16(&c);
	if (p->reply || p->len < DNS_HEADER || flags & DNS_RESPONSE)
		return;
	e = result_answer(r, p);
	if (!e)
		return;
	e->sport = MDNS_PORT;
	e->anyone = e->permanent = true;
}
