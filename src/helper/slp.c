/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Service Location Protocol (RFC 2608): agents answer a request that was sent to the multicast
 * group, each with its own address, from port 427. */
#include "helper/parse.h"

#define SLP_PORT   427
#define SLP_HEADER 5u /* version, function, length: what both versions begin with */

/* The functions that are answered (RFC 2608 section 8): SrvRqst, SrvReg, SrvDeReg, AttrRqst,
 * SrvTypeRqst. */
static bool is_request(uint8_t function)
{
	return function == 1 || function == 3 || function == 4 || function == 6 || function == 9;
}

void slp_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	uint8_t version = cur_u8(&c), function = cur_u8(&c);
	struct helper_expect *e;

	(void)priv;
	if (p->reply || p->len < SLP_HEADER || version < 1 || version > 2 || !is_request(function))
		return;
	e = result_answer(r, p);
	if (!e)
		return;
	e->sport = SLP_PORT;
	e->anyone = e->permanent = true;
}
