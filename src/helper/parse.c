/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, addresses and words in packets; what the parsers share. */
#include "helper/parse.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <string.h>

bool parse_number(struct cursor *c, uint32_t max, uint32_t *n)
{
	uint64_t value = 0;
	size_t digits = 0;

	while (c->left > 0 && isdigit(*c->at)) {
		if (++digits > 10)
			return false;
		value = value * 10 + (uint64_t)(cur_u8(c) - '0');
	}
	*n = (uint32_t)value;
	return digits > 0 && value <= max;
}

bool parse_addr(uint8_t l3, const uint8_t *text, size_t n, union flow_addr *addr)
{
	char buf[INET6_ADDRSTRLEN];

	if (n == 0 || n >= sizeof(buf) || memchr(text, 0, n))
		return false;
	memcpy(buf, text, n);
	buf[n] = '\0';
	memset(addr, 0, sizeof(*addr));
	return inet_pton(l3, buf, addr) == 1;
}

bool parse_same_addr(uint8_t l3, const union flow_addr *a, const union flow_addr *b)
{
	return !memcmp(a, b, l3 == AF_INET ? 4 : 16);
}

static bool begins(const struct cursor *c, const char *word, size_t n)
{
	if (c->left < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (tolower(c->at[i]) != tolower((unsigned char)word[i]))
			return false;
	}
	return true;
}

bool parse_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	return begins(c, word, n) && cur_take(c, n);
}

const uint8_t *parse_find(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	for (struct cursor at = *c; at.left >= n; cur_take(&at, 1)) {
		if (begins(&at, word, n)) {
			*c = at;
			return cur_take(c, n);
		}
	}
	return NULL;
}

struct helper_expect *result_expect(struct helper_result *r, uint8_t l4, uint32_t port)
{
	struct helper_expect *e = &r->expect[r->n_expects];

	if (r->n_expects == HELPER_EXPECTS || port == 0 || port > 65535)
		return NULL;
	*e = (struct helper_expect){ .l4 = l4, .port = (uint16_t)port };
	r->n_expects++;
	return e;
}

struct helper_expect *result_answer(struct helper_result *r, const struct helper_packet *p)
{
	struct helper_expect *e = result_expect(r, IPPROTO_UDP, ntohs(p->tuple[p->reply].sport));

	if (e)
		e->own_port = true;
	return e;
}

void result_edit(struct helper_result *r, const struct helper_packet *p, const uint8_t *at,
		 size_t len, enum helper_form form)
{
	assert(r->n_edits < HELPER_EDITS && r->n_expects > 0);
	r->edit[r->n_edits++] = (struct helper_edit){
		.at = (size_t)(at - p->text),
		.len = len,
		.form = form,
		.expect = (uint8_t)(r->n_expects - 1),
	};
}
