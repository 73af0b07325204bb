/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other direction: the text of a packet with the addresses and ports that its receiver has to
 * use. */
#include "helper/helper.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"

#define TEXT_MAX 80

/* The address with dots or colons. */
static const char *addr_text(uint8_t l3, const union flow_addr *a, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(l3, a, text, INET6_ADDRSTRLEN);
}

static size_t form_commas(const struct helper_place *to, char *text)
{
	const uint8_t *a = (const uint8_t *)&to->addr.v4;
	const unsigned int port = to->port;

	return (size_t)snprintf(text, TEXT_MAX, "%u,%u,%u,%u,%u,%u", a[0], a[1], a[2], a[3],
				port >> 8, port & 0xff);
}

/* The delimiter is behind the number that begins what is replaced. */
static size_t form_bars(uint8_t l3, const struct helper_place *to, char delimiter, char *text)
{
	char addr[INET6_ADDRSTRLEN];

	return (size_t)snprintf(text, TEXT_MAX, "%d%c%s%c%u", l3 == AF_INET ? 1 : 2, delimiter,
				addr_text(l3, &to->addr, addr), delimiter, to->port);
}

static size_t form_number(size_t bytes, uint16_t port, char *text)
{
	uint8_t be[4];

	put_be32(be, port);
	memcpy(text, be + sizeof(be) - bytes, bytes);
	return bytes;
}

static size_t form_text(enum helper_form form, uint8_t l3, const struct helper_place *to,
			char delimiter, char *text)
{
	char addr[INET6_ADDRSTRLEN];

	switch (form) {
	case HELPER_COMMAS:
		return form_commas(to, text);
	case HELPER_BARS:
		return form_bars(l3, to, delimiter, text);
	case HELPER_HOST:
		return (size_t)snprintf(text, TEXT_MAX, "%s", addr_text(l3, &to->addr, addr));
	case HELPER_PORT:
		return (size_t)snprintf(text, TEXT_MAX, "%u", to->port);
	case HELPER_BE16:
		return form_number(2, to->port, text);
	case HELPER_BE32:
		return form_number(4, to->port, text);
	case HELPER_RECORD:
		break;
	}
	return 0;
}

/* The whole message, since its length stands before it: mark (TCP), header, length and text of the
 * universal address. */
static void put_record(const struct helper_packet *p, struct cursor old,
		       const struct helper_place *to, struct writer *w)
{
	const size_t mark = p->l4 == IPPROTO_TCP ? 4 : 0,
		     header = 24; /* xid to the verdict; no authentication */
	char addr[INET6_ADDRSTRLEN], text[TEXT_MAX];
	const unsigned int port = to->port;
	size_t n, begin = w->len;
	uint32_t record;
	struct cursor peek = old;
	uint8_t *pad;

	/* The verifier may have a body. */
	cur_take(&peek, mark + 16);
	n = cur_be32(&peek);
	if (peek.bad || n > 400) {
		w->full = true;
		return;
	}
	n = header + ((n + 3) & ~(size_t)3);
	record = mark ? cur_be32(&old) : 0;
	if (mark)
		wr_be32(w, 0);
	wr_bytes(w, old.at, n <= old.left ? n : old.left);
	n = (size_t)snprintf(text, sizeof(text), "%s.%u.%u", addr_text(p->l3, &to->addr, addr),
			     port >> 8, port & 0xff);
	wr_be32(w, (uint32_t)n);
	wr_bytes(w, text, n);
	pad = wr_take(w, -n & 3u);
	if (w->full)
		return;
	if (pad)
		memset(pad, 0, -n & 3u);
	if (mark)
		put_be32(w->buf + begin, (record & 0x80000000u) | (uint32_t)(w->len - begin - 4));
}

static void put_edit(const struct helper_packet *p, const struct helper_edit *e,
		     const struct helper_place *to, struct writer *w)
{
	char text[TEXT_MAX];

	if (e->form == HELPER_RECORD)
		put_record(p, cur_init(p->text + e->at, e->len), to, w);
	else
		wr_bytes(w, text,
			 form_text(e->form, p->l3, to, (char)p->text[e->at + (e->len > 1)], text));
}

size_t helper_rewrite(const struct helper_packet *p, const struct helper_result *r,
		      const struct helper_place *place, uint8_t *out, size_t cap)
{
	struct writer w = wr_init(out, cap);
	bool done[HELPER_EDITS] = { false };
	size_t at = 0;

	/* In the order in which they stand there; they do not overlap. */
	for (size_t k = 0; k < r->n_edits; k++) {
		const struct helper_edit *next = NULL;

		for (size_t i = 0; i < r->n_edits; i++) {
			if (!done[i] && (!next || r->edit[i].at < next->at))
				next = &r->edit[i];
		}
		assert(next && next->at >= at && next->at + next->len <= p->len);
		done[next - r->edit] = true;
		wr_bytes(&w, p->text + at, next->at - at);
		put_edit(p, next, &place[next->expect], &w);
		at = next->at + next->len;
	}
	wr_bytes(&w, p->text + at, p->len - at);
	return w.full ? 0 : w.len;
}
