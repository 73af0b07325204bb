/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TFTP (RFC 1350): the server answers a request from a port of its own choice. */
#include "helper/parse.h"

#define RRQ 1
#define WRQ 2

void tftp_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	uint16_t op = cur_be16(&c);

	(void)priv;
	if (!p->reply && !c.bad && (op == RRQ || op == WRQ))
		result_answer(r, p);
}
