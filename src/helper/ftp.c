/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTP (RFC 959, 2428): the client says where it listens (PORT, EPRT), or the server does (227,
 * 229).
 *
 *   PORT h,h,h,h,p,p            any case; of IPv4 only, as 227
 *   EPRT |proto|address|port|   any delimiter
 *   227 text h,h,h,h,p,p text   RFC 1123 4.1.2.6: whatever stands around the numbers
 *   229 text (|||port|) text
 *
 * The address must be the sender's own: an expectation for a third host would let anybody in there
 * ("bounce"). Numbers have to end within the packet, the line need not, as some servers leave its
 * end for later.
 *
 * Only the beginning of a line counts. Where a segment begins within one, the private data say so:
 * the number of the byte that follows what has been read. Nothing is known about a flow that is
 * new, that another node has served until now, or of which a segment was lost or came twice; then a
 * line is taken to begin with the segment. Therefore the private data stay zeros as long as
 * segments end with lines, and the kernel need not be told. The text of an unfinished line is
 * handed back, to be put before the next segment. */
#include <ctype.h>
#include <string.h>

#include "base/writer.h"
#include "helper/parse.h"

#define TAG_0	 0xfa
#define TAG_1	 0x21
#define FLAGS_AT 2 /* bit n: direction n is within a line */
#define NEXT_AT	 4 /* two numbers of 32 bits */

/* Longest command and reply up to the end of its numbers. */
#define LINE_MAX_LEN 256u
#define FIXED_LEN    4u /* "PORT", "EPRT", "227 ", "229 " */

/* ---- where lines begin ---- */

static bool within_line(const struct helper_packet *p, const struct helper_private *priv)
{
	struct cursor c = cur_init(priv->bytes + NEXT_AT + 4 * (size_t)p->reply, 4);

	return priv->bytes[0] == TAG_0 && priv->bytes[1] == TAG_1 &&
	       priv->bytes[FLAGS_AT] >> p->reply & 1 && cur_be32(&c) == p->seq;
}

static void remember(const struct helper_packet *p, struct helper_private *priv, bool within)
{
	uint8_t flags =
		priv->bytes[0] == TAG_0 && priv->bytes[1] == TAG_1 ? priv->bytes[FLAGS_AT] : 0;
	uint8_t *next = priv->bytes + NEXT_AT + 4 * (size_t)p->reply;

	flags = (uint8_t)((flags & ~(1u << p->reply)) | (unsigned int)within << p->reply);
	if (flags == 0) {
		*priv = (struct helper_private){ 0 };
		return;
	}
	priv->bytes[0] = TAG_0;
	priv->bytes[1] = TAG_1;
	priv->bytes[FLAGS_AT] = flags;
	put_be32(next, within ? p->seq + (uint32_t)(p->len - p->carried) : 0);
}

/* ---- what a line says ---- */

/* Six numbers with commas; *ok: an address of ours and a port. False: these are not six numbers.
 * *cut: they may go on. */
static bool read_commas(struct cursor *c, const union flow_addr *own, uint32_t *port, bool *ok)
{
	uint32_t n[6];
	uint8_t addr[4];

	for (size_t i = 0; i < 6; i++) {
		if (i > 0 && cur_u8(c) != ',')
			return false;
		if (!parse_number(c, 255, &n[i]))
			return false;
	}
	if (c->left == 0 || c->bad) /* another digit may follow */
		return false;
	for (size_t i = 0; i < 4; i++)
		addr[i] = (uint8_t)n[i];
	*port = n[4] << 8 | n[5];
	*ok = !memcmp(addr, own, sizeof(addr)) && *port > 0;
	return true;
}

static void skip_blanks(struct cursor *c)
{
	while (c->left > 0 && *c->at == ' ')
		cur_take(c, 1);
}

static bool read_port(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	const uint8_t *at;
	uint32_t port;
	bool ok;

	skip_blanks(&c);
	at = c.at;
	if (p->l3 != AF_INET || !read_commas(&c, helper_own(p), &port, &ok) || !ok)
		return false;
	result_expect(r, IPPROTO_TCP, port);
	result_edit(r, p, at, (size_t)(c.at - at), HELPER_COMMAS);
	return true;
}

static bool read_227(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	uint32_t port;
	bool ok;

	if (p->l3 != AF_INET)
		return false;
	while (c.left > 0) {
		struct cursor try = c;

		if (!isdigit(*c.at)) {
			cur_take(&c, 1);
			continue;
		}
		if (read_commas(&try, helper_own(p), &port, &ok)) {
			if (!ok)
				return false;
			result_expect(r, IPPROTO_TCP, port);
			result_edit(r, p, c.at, (size_t)(try.at - c.at), HELPER_COMMAS);
			return true;
		}
		while (c.left > 0 && isdigit(*c.at))
			cur_take(&c, 1);
	}
	return false;
}

/* Up to the delimiter, which is taken as well; *len bytes from *at on. */
static bool read_field(struct cursor *c, uint8_t delimiter, const uint8_t **at, size_t *len)
{
	*at = c->at;
	while (c->left > 0 && *c->at != delimiter)
		cur_take(c, 1);
	*len = (size_t)(c->at - *at);
	return cur_take(c, 1) != NULL;
}

static bool is_delimiter(uint8_t d)
{
	return d >= 33 && d <= 126 && !isalnum(d);
}

/* The last number, and the delimiter behind it. */
static bool read_last(struct cursor *c, uint8_t delimiter, uint32_t *port)
{
	return parse_number(c, 65535, port) && *port > 0 && cur_u8(c) == delimiter && !c->bad;
}

static bool read_eprt(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	const uint8_t *at, *addr_at;
	union flow_addr addr;
	uint32_t proto, port;
	uint8_t delimiter;
	size_t len;

	skip_blanks(&c);
	delimiter = cur_u8(&c);
	at = c.at;
	if (!is_delimiter(delimiter) || !parse_number(&c, 2, &proto) ||
	    proto != (p->l3 == AF_INET ? 1 : 2) || cur_u8(&c) != delimiter ||
	    !read_field(&c, delimiter, &addr_at, &len) || !parse_addr(p->l3, addr_at, len, &addr) ||
	    !parse_same_addr(p->l3, &addr, helper_own(p)) || !read_last(&c, delimiter, &port))
		return false;
	result_expect(r, IPPROTO_TCP, port);
	result_edit(r, p, at, (size_t)(c.at - at - 1), HELPER_BARS);
	return true;
}

static bool read_229(const struct helper_packet *p, struct cursor c, struct helper_result *r)
{
	while (c.left >= 3) {
		struct cursor try = c;
		uint8_t delimiter = cur_u8(&try);
		const uint8_t *at;
		uint32_t port;

		if (is_delimiter(delimiter) && cur_u8(&try) == delimiter &&
		    cur_u8(&try) == delimiter) {
			at = try.at;
			if (read_last(&try, delimiter, &port)) {
				result_expect(r, IPPROTO_TCP, port);
				result_edit(r, p, at, (size_t)(try.at - at - 1), HELPER_PORT);
				return true;
			}
		}
		cur_take(&c, 1);
	}
	return false;
}

static const struct form {
	const char *word;
	bool reply;
	bool (*read)(const struct helper_packet *p, struct cursor c, struct helper_result *r);
} forms[] = {
	{ "port ", false, read_port },
	{ "eprt ", false, read_eprt },
	{ "227 ", true, read_227 },
	{ "229 ", true, read_229 },
};

#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

/* One line, or what there is of it. True: something was announced. */
static bool read_line(const struct helper_packet *p, struct cursor line, struct helper_result *r)
{
	if (line.left > LINE_MAX_LEN)
		line.left = LINE_MAX_LEN;
	for (size_t i = 0; i < N_FORMS; i++) {
		struct cursor c = line;

		if (forms[i].reply == p->reply && parse_word(&c, forms[i].word))
			return forms[i].read(p, c, r);
	}
	return false;
}

/* May one of the words that begin like this be coming? */
static bool may_become(const struct helper_packet *p, struct cursor line)
{
	for (size_t i = 0; i < N_FORMS; i++) {
		size_t n = strlen(forms[i].word);
		char word[8] = { 0 };

		memcpy(word, forms[i].word, n < line.left ? n : line.left);
		if (forms[i].reply == p->reply && parse_word(&line, word))
			return true;
	}
	return false;
}

void ftp_parse(const struct helper_packet *p, struct helper_private *priv, struct helper_result *r)
{
	struct cursor c = packet_cursor(p);
	bool within = p->carried == 0 && within_line(p, priv), ended = true;

	if (p->len == 0)
		return;
	while (c.left > 0) {
		const uint8_t *end = memchr(c.at, '\n', c.left);
		struct cursor line = cur_init(c.at, end ? (size_t)(end + 1 - c.at) : c.left);

		ended = end != NULL;
		cur_take(&c, line.left);
		/* A client waits for the answer before it opens the next one: of several the last
		 * counts. */
		if (!within && r->n_expects < HELPER_EXPECTS && !read_line(p, line, r) && !ended &&
		    line.left < LINE_MAX_LEN && may_become(p, line)) {
			r->unfinished = line.left;
			r->fixed = FIXED_LEN;
		}
		within = false;
	}
	remember(p, priv, !ended);
}
