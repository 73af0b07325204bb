/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Amanda: a server that is ready to dump answers with the ports that its client (the backup server)
 * has to connect to.
 *
 *   ... CONNECT DATA 11111 MESG 22222 INDEX 33333 <newline> ... */
#include "helper/parse.h"

static void read_service(const struct helper_packet *p, struct cursor line, const char *service,
			 struct helper_result *r)
{
	const uint8_t *at;
	uint32_t port;

	if (!parse_find(&line, service))
		return;
	at = line.at;
	if (parse_number(&line, 65535, &port) && result_expect(r, IPPROTO_TCP, port))
		result_edit(r, p, at, (size_t)(line.at - at), HELPER_PORT);
}

void amanda_parse(const struct helper_packet *p, struct helper_private *priv,
		  struct helper_result *r)
{
	static const char *const services[] = { "DATA ", "MESG ", "INDEX " };
	struct cursor c = packet_cursor(p);
	const uint8_t *end;

	(void)priv;
	if (!p->reply || !parse_find(&c, "CONNECT "))
		return;
	end = memchr(c.at, '\n', c.left);
	if (end)
		c.left = (size_t)(end - c.at);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		read_service(p, c, services[i], r);
}
