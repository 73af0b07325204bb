/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TNS, the transport of Oracle's databases: a listener redirects a client to the address and port
 * where the database serves it.
 *
 *   be16 length, be16 checksum, u8 type (5: REDIRECT), u8, be16 checksum of the header; be16 length
 *   of the text, text with
 *   (ADDRESS=(PROTOCOL=tcp)(HOST=192.168.1.2)(PORT=2049))
 *
 * A listener may send header and text in two segments: the private byte remembers that a header
 * without text has passed. With a cluster the text names another machine: that address is expected
 * as it is written. */
#include "helper/parse.h"

#define TNS_HEADER   8u
#define TNS_REDIRECT 5
#define TEXT_COMES   0x54

/* The value behind "(KEY=", up to the bracket. Blanks may stand around the sign. */
static bool read_value(struct cursor c, const char *key, const uint8_t **at, size_t *len)
{
	while (parse_find(&c, key)) {
		while (c.left > 0 && *c.at == ' ')
			cur_take(&c, 1);
		if (c.left == 0 || *c.at != '=')
			continue;
		cur_take(&c, 1);
		while (c.left > 0 && *c.at == ' ')
			cur_take(&c, 1);
		*at = c.at;
		while (c.left > 0 && *c.at != ')' && *c.at != ' ')
			cur_take(&c, 1);
		*len = (size_t)(c.at - *at);
		return c.left > 0;
	}
	return false;
}

/* False: the end of it is missing. */
static bool read_text(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	const uint8_t *host, *number;
	struct helper_expect *e;
	size_t host_len, len;
	union flow_addr addr;
	struct cursor digits;
	uint32_t port;

	if (!read_value(c, "(HOST", &host, &host_len) || !read_value(c, "(PORT", &number, &len))
		return false;
	digits = cur_init(number, len);
	if (!parse_addr(p->l3, host, host_len, &addr) || !parse_number(&digits, 65535, &port) ||
	    digits.left > 0)
		return true;
	e = result_expect(r, IPPROTO_TCP, port);
	if (!e)
		return true;
	e->elsewhere = !parse_same_addr(p->l3, &addr, helper_own(p));
	e->addr = addr;
	if (e->elsewhere)
		return true;
	result_edit(r, p, host, host_len, HELPER_HOST);
	result_edit(r, p, number, len, HELPER_PORT);
	return true;
}

void tns_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	bool text_comes = priv->bytes[0] == TEXT_COMES;
	uint8_t type;

	if (!p->reply || p->len == 0)
		return;
	cur_take(&c, 4);
	type = cur_u8(&c);
	if (!text_comes && (c.bad || p->len < TNS_HEADER || type != TNS_REDIRECT))
		return;
	priv->bytes[0] = 0;
	if (read_text(p, packet_cursor(p), r))
		return;
	if (!text_comes && p->len <= TNS_HEADER + 2)
		priv->bytes[0] = TEXT_COMES;
	else if (p->len <= HELPER_CARRY_MAX)
		r->unfinished = p->len;
	if (text_comes && r->unfinished > 0)
		priv->bytes[0] = TEXT_COMES;
}
