/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow between two ends, as the parsers see it. */
#include "talk.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static union flow_addr addr_of(uint8_t l3, const char *v4, const char *v6)
{
	union flow_addr a = { 0 };

	if (inet_pton(l3, l3 == AF_INET ? v4 : v6, &a) != 1)
		abort();
	return a;
}

void talk_begin(struct talk *t, const char *helper, uint8_t l3, uint8_t l4, uint16_t server_port,
		bool nat)
{
	const union flow_addr client = addr_of(l3, "10.1.0.2", "fd01::2"),
			      server = addr_of(l3, "10.2.0.2", "fd02::2");

	*t = (struct talk){ .helper = helper_find(helper),
			    .l3 = l3,
			    .l4 = l4,
			    .nat = nat,
			    .seq = { 0xfffffff0u, 77 } };
	assert(t->helper);
	t->tuple[0] =
		(struct helper_tuple){ client, nat ? addr_of(l3, "192.0.2.2", "fd09::2") : server,
				       htons(40000), htons(server_port) };
	t->tuple[1] =
		(struct helper_tuple){ server, nat ? addr_of(l3, "192.0.2.1", "fd09::1") : client,
				       htons(server_port), htons(40000) };
}

void talk_to(struct talk *t, const char *server)
{
	t->tuple[0].dst = t->tuple[1].src = addr_of(t->l3, server, server);
}

void talk_between(struct talk *t, const char *client, const char *server)
{
	t->tuple[0].src = addr_of(t->l3, client, client);
	t->tuple[1].src = addr_of(t->l3, server, server);
	if (!t->nat) {
		t->tuple[0].dst = t->tuple[1].src;
		t->tuple[1].dst = t->tuple[0].src;
	}
}

void talk_end(struct talk *t)
{
	text_free(&t->out[0]);
	text_free(&t->out[1]);
}

static const char *describe(const struct helper_result *r)
{
	static char all[256];
	size_t n = 0;

	all[0] = '\0';
	for (size_t i = 0; i < r->n_expects; i++) {
		const struct helper_expect *e = &r->expect[i];
		char from[16] = "", to[INET6_ADDRSTRLEN + 8] = "";

		if (e->sport)
			snprintf(from, sizeof(from), "%u>", e->sport);
		if (e->elsewhere)
			snprintf(to, sizeof(to), " elsewhere");
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s %s%u%s%s%s", i ? "; " : "",
				      e->l4 == IPPROTO_TCP ? "tcp" : "udp", from, e->port,
				      e->anyone ? " any" : "", e->permanent ? " permanent" : "",
				      to);
	}
	return all;
}

/* What passes of it: translated, and without what is held back. */
static void pass(struct talk *t, const struct helper_packet *p, const struct helper_result *r,
		 size_t passed, size_t held)
{
	struct helper_place place[HELPER_EXPECTS];
	uint8_t out[70000];
	size_t n = p->len;

	for (size_t i = 0; i < r->n_expects; i++)
		place[i] = (struct helper_place){ t->tuple[!p->reply].dst,
						  (uint16_t)(r->expect[i].port + 1) };
	for (size_t i = 0; i < r->n_edits; i++)
		t->untold |= t->nat && r->edit[i].at < passed;
	if (t->nat && r->n_edits > 0 && !t->untold) {
		n = helper_rewrite(p, r, place, out, sizeof(out));
		assert(n > 0);
	} else {
		memcpy(out, p->text, n);
	}
	text_add(&t->out[p->reply], out + passed, n - passed - held);
}

const char *talk_say(struct talk *t, bool reply, const void *bytes, size_t n)
{
	struct helper_stream *s = &t->stream[reply];
	struct helper_result r = { .n_expects = 0 };
	bool more = t->l4 == IPPROTO_TCP && helper_stream_continues(s, t->seq[reply]);
	size_t carried = more ? s->len : 0, passed = more ? s->passed : 0, held = 0;
	uint8_t *text = malloc(carried + n + !n);
	struct helper_packet p = {
		.l3 = t->l3,
		.l4 = t->l4,
		.reply = reply,
		.seq = t->seq[reply],
		.tuple = t->tuple,
		.text = text,
		.len = carried + n,
		.carried = carried,
	};

	assert(text);
	memcpy(text, s->text, carried);
	memcpy(text + carried, bytes, n);
	t->helper->parse(&p, &t->priv, &r);
	if (t->l4 == IPPROTO_TCP)
		held = helper_stream_keep(s, &p, &r, passed, t->nat);
	pass(t, &p, &r, passed, held);
	t->seq[reply] += (uint32_t)n;
	free(text);
	return describe(&r);
}
