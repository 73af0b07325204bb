/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of IP, TCP and UDP in packets from the kernel. Sequence numbers stay: the kernel keeps
 * their adjustment itself. */
#include "queue/packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"

#define IP4_HEADER     20u
#define IP6_HEADER     40u
#define TCP_HEADER     20u
#define UDP_HEADER     8u
#define IP_MAX	       65535u
#define EXTENSIONS_MAX 16

/* Where the header behind that of IPv4 begins; the cursor ends with the packet. */
static int parse_ip4(struct cursor *c, struct packet_parts *parts)
{
	const uint8_t *ip = cur_take(c, IP4_HEADER);
	size_t header, total;

	if (!ip || ip[0] >> 4 != 4)
		return -EPROTO;
	header = (size_t)(ip[0] & 15) * 4;
	total = (size_t)(ip[2] << 8 | ip[3]);
	if (header < IP4_HEADER || total < header || total > IP4_HEADER + c->left ||
	    (ip[6] << 8 | ip[7]) & 0x3fff)
		return -EPROTO;
	cur_take(c, header - IP4_HEADER);
	c->left = total - header;
	parts->l4 = ip[9];
	parts->l4_at = header;
	return 0;
}

/* One extension header: its length, 0 when nothing more can be said. */
static size_t extension(uint8_t type, const struct cursor *c)
{
	if (c->left < 8)
		return 0;
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return ((size_t)c->at[1] + 1) * 8;
	case IPPROTO_AH:
		return ((size_t)c->at[1] + 2) * 4;
	default: /* fragments among them */
		return 0;
	}
}

static int parse_ip6(struct cursor *c, struct packet_parts *parts)
{
	const uint8_t *ip = cur_take(c, IP6_HEADER);
	size_t total, n;

	if (!ip || ip[0] >> 4 != 6)
		return -EPROTO;
	total = (size_t)(ip[4] << 8 | ip[5]);
	if (total == 0 || total > c->left)
		return -EPROTO;
	c->left = total;
	parts->l4 = ip[6];
	parts->l4_at = IP6_HEADER;
	for (int i = 0; i < EXTENSIONS_MAX && parts->l4 != IPPROTO_TCP && parts->l4 != IPPROTO_UDP;
	     i++) {
		n = extension(parts->l4, c);
		if (n == 0 || n > c->left)
			return -EPROTO;
		parts->l4 = c->at[0];
		parts->l4_at += n;
		cur_take(c, n);
	}
	return 0;
}

static int parse_l4(struct cursor c, struct packet_parts *parts)
{
	const uint8_t *l4 = c.at;
	size_t header;

	if (parts->l4 == IPPROTO_TCP) {
		if (c.left < TCP_HEADER)
			return -EPROTO;
		header = (size_t)(l4[12] >> 4) * 4;
		if (header < TCP_HEADER || header > c.left)
			return -EPROTO;
		parts->text_len = c.left - header;
		cur_take(&c, 4);
		parts->seq = cur_be32(&c);
		if (l4[13] & 0x02) /* SYN: what comes with it follows its number */
			parts->seq++;
	} else if (parts->l4 == IPPROTO_UDP) {
		size_t length;

		if (c.left < UDP_HEADER)
			return -EPROTO;
		header = UDP_HEADER;
		length = (size_t)(l4[4] << 8 | l4[5]);
		if (length < UDP_HEADER || length > c.left)
			return -EPROTO;
		parts->text_len = length - UDP_HEADER;
	} else {
		return -EPROTO;
	}
	parts->text_at = parts->l4_at + header;
	return 0;
}

int packet_parse(uint8_t l3, const uint8_t *bytes, size_t n, struct packet_parts *parts)
{
	struct cursor c = cur_init(bytes, n);
	int err;

	*parts = (struct packet_parts){ .l3 = l3 };
	err = l3 == AF_INET ? parse_ip4(&c, parts) : parse_ip6(&c, parts);
	return err < 0 ? err : parse_l4(c, parts);
}

/* ---- checksums (RFC 1071) ---- */

static uint32_t sum(uint32_t so_far, const uint8_t *p, size_t n)
{
	uint64_t s = so_far;

	for (; n >= 2; n -= 2, p += 2)
		s += (uint32_t)(p[0] << 8 | p[1]);
	if (n > 0)
		s += (uint32_t)(p[0] << 8);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint32_t)s;
}

static void close_ip4(uint8_t *ip, size_t header, size_t len)
{
	put_be16(ip + 2, (uint16_t)len);
	put_be16(ip + 10, 0);
	put_be16(ip + 10, (uint16_t)~sum(0, ip, header));
}

/* Addresses, protocol, length: what TCP and UDP sum up beside themselves. */
static uint32_t pseudo(const struct packet_parts *parts, const uint8_t *ip, size_t l4_len)
{
	uint32_t s = parts->l3 == AF_INET ? sum(0, ip + 12, 8) : sum(0, ip + 8, 32);

	return s + parts->l4 + (uint32_t)(l4_len >> 16) + (uint32_t)(l4_len & 0xffff);
}

static void close_l4(const struct packet_parts *parts, uint8_t *ip, size_t l4_len)
{
	uint8_t *l4 = ip + parts->l4_at, *check = l4 + (parts->l4 == IPPROTO_TCP ? 16 : 6);
	bool none = parts->l4 == IPPROTO_UDP && check[0] == 0 && check[1] == 0;
	uint16_t v;

	if (parts->l4 == IPPROTO_UDP)
		put_be16(l4 + 4, (uint16_t)l4_len);
	put_be16(check, 0);
	if (none)
		return;
	v = (uint16_t)~sum(pseudo(parts, ip, l4_len), l4, l4_len);
	put_be16(check, parts->l4 == IPPROTO_UDP && v == 0 ? 0xffff : v);
}

size_t packet_build(const struct packet_parts *parts, const uint8_t *bytes, const uint8_t *text,
		    size_t text_len, uint8_t *out, size_t cap)
{
	size_t len = parts->text_at + text_len;

	if (len > cap || len > IP_MAX)
		return 0;
	memcpy(out, bytes, parts->text_at);
	memcpy(out + parts->text_at, text, text_len);
	if (parts->l3 == AF_INET)
		close_ip4(out, (size_t)(out[0] & 15) * 4, len);
	else
		put_be16(out + 4, (uint16_t)(len - IP6_HEADER));
	close_l4(parts, out, len - parts->l4_at);
	return len;
}
