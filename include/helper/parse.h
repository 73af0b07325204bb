/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_HELPER_PARSE_H
#define CONNTRACKD_HELPER_PARSE_H

#include "base/cursor.h"
#include "helper/helper.h"
#include "helper/helper_conf.h"

/* What the parsers have in common. For use inside helper/ only. */

typedef void helper_parse_fn(const struct helper_packet *p, struct helper_private *priv,
			     struct helper_result *r);

#define ROW(name, parser, ...) helper_parse_fn parser;
HELPER_TABLE(ROW)
#undef ROW

/* A decimal number of at most `max`, without sign. False: none, too many digits, or too large; the
 * cursor has moved then, but not bad. */
bool parse_number(struct cursor *c, uint32_t max, uint32_t *n);

/* An address of this family as text: all n bytes of it. */
bool parse_addr(uint8_t l3, const uint8_t *text, size_t n, union flow_addr *addr);

bool parse_same_addr(uint8_t l3, const union flow_addr *a, const union flow_addr *b);

/* Where word begins in c, whatever the case of letters; the cursor stands behind it. NULL: nowhere,
 * the cursor is as before. */
const uint8_t *parse_find(struct cursor *c, const char *word);

/* Does c begin with word, whatever the case? Moves behind it then. */
bool parse_word(struct cursor *c, const char *word);

/* Adds one; NULL when there is no room or the port is 0. */
struct helper_expect *result_expect(struct helper_result *r, uint8_t l4, uint32_t port);
/* Adds one to the port that the packet comes from. */
struct helper_expect *result_answer(struct helper_result *r, const struct helper_packet *p);
/* The port or address of the last one stands there. */
void result_edit(struct helper_result *r, const struct helper_packet *p, const uint8_t *at,
		 size_t len, enum helper_form form);

static inline struct cursor packet_cursor(const struct helper_packet *p)
{
	return cur_init(p->text, p->len);
}

#endif
