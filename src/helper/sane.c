/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SANE network protocol 1.03: the answer to SANE_NET_START names the port that the image is to be
 * fetched from.
 *
 *   request  word 7, word handle
 *   answer   word status (0: good), word port, word byte order, ...
 *
 * The private data remember that a START waits for its answer. */
#include "helper/parse.h"

#define NET_START 7
#define WAITS	  0x53 /* not what 1.4.7 keeps in this byte */

void sane_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	uint32_t word = cur_be32(&c), port;
	const uint8_t *at;

	if (p->len == 0)
		return;
	if (!p->reply) {
		cur_be32(&c);
		priv->bytes[0] = word == NET_START && !c.bad && c.left == 0 ? WAITS : 0;
		return;
	}
	if (priv->bytes[0] != WAITS)
		return;
	at = c.at;
	port = cur_be32(&c);
	if (c.bad) { /* the rest comes in another segment */
		r->unfinished = p->len;
		return;
	}
	priv->bytes[0] = 0;
	if (word == 0 && result_expect(r, IPPROTO_TCP, port))
		result_edit(r, p, at, 4, HELPER_BE32);
}
