/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations as values: identity, comparison, and their records on the control socket. */
#include "flow/expect.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool same_addr(uint8_t l3, const union flow_addr *a, const union flow_addr *b)
{
	return l3 == AF_INET ? a->v4 == b->v4 : memcmp(a->v6, b->v6, sizeof(a->v6)) == 0;
}

static bool same_tuple(uint8_t l3, const struct expect_tuple *a, const struct expect_tuple *b)
{
	return a->l4 == b->l4 && a->sport == b->sport && a->dport == b->dport &&
	       same_addr(l3, &a->src, &b->src) && same_addr(l3, &a->dst, &b->dst);
}

bool expect_same_key(const struct ct_expect *a, const struct ct_expect *b)
{
	return a->l3 == b->l3 && a->zone == b->zone && same_tuple(a->l3, &a->tuple, &b->tuple) &&
	       same_tuple(a->l3, &a->mask, &b->mask);
}

static size_t tuple_words(uint8_t l3, const struct expect_tuple *t, uint64_t *w)
{
	size_t n = l3 == AF_INET ? 4 : 16;

	w[0] = (uint64_t)t->l4 << 32 | (uint64_t)t->dport << 16 | t->sport;
	w[1] = w[2] = w[3] = w[4] = 0;
	memcpy(&w[1], &t->src, n);
	memcpy(&w[3], &t->dst, n);
	return 5;
}

uint32_t expect_key_hash(const struct hash_key *secret, const struct ct_expect *e)
{
	uint64_t w[11];
	size_t n = tuple_words(e->l3, &e->tuple, w);

	n += tuple_words(e->l3, &e->mask, w + n);
	w[n++] = (uint64_t)e->l3 << 16 | e->zone;
	return hash_words(secret, w, n);
}

bool expect_same_master(const struct ct_expect *a, const struct ct_expect *b)
{
	return a->l3 == b->l3 && a->zone == b->zone && same_tuple(a->l3, &a->master, &b->master);
}

static bool same_nat(const struct ct_expect *a, const struct ct_expect *b)
{
	return a->nat_dir == b->nat_dir && same_tuple(a->l3, &a->nat, &b->nat);
}

bool expect_equal_replicated(const struct ct_expect *a, const struct ct_expect *b)
{
	const uint32_t parts = EXPECT_HAS_NAT | EXPECT_HAS_HELPER | EXPECT_HAS_FN;

	if (!expect_same_key(a, b) || !expect_same_master(a, b) || ((a->has ^ b->has) & parts))
		return false;
	if ((a->has & EXPECT_HAS_FLAGS ? a->flags : 0) !=
		    (b->has & EXPECT_HAS_FLAGS ? b->flags : 0) ||
	    (a->has & EXPECT_HAS_CLASS ? a->class : 0) !=
		    (b->has & EXPECT_HAS_CLASS ? b->class : 0))
		return false;
	if ((a->has & EXPECT_HAS_NAT) && !same_nat(a, b))
		return false;
	if ((a->has & EXPECT_HAS_HELPER) && strncmp(a->helper, b->helper, sizeof(a->helper)) != 0)
		return false;
	return !(a->has & EXPECT_HAS_FN) || strncmp(a->fn, b->fn, sizeof(a->fn)) == 0;
}

void expect_master_flow(const struct ct_expect *e, struct ct_flow *f)
{
	*f = (struct ct_flow){
		.has = FLOW_HAS_PORTS, .l3 = e->l3, .l4 = e->master.l4, .zone = e->zone
	};
	if (e->zone != 0)
		f->has |= FLOW_HAS_ZONE;
	f->orig = (struct flow_ports){ .sport = e->master.sport, .dport = e->master.dport };
	if (e->l3 == AF_INET) {
		f->addr.v4.src = e->master.src.v4;
		f->addr.v4.dst = e->master.dst.v4;
	} else {
		memcpy(f->addr.v6.src, e->master.src.v6, sizeof(f->addr.v6.src));
		memcpy(f->addr.v6.dst, e->master.dst.v6, sizeof(f->addr.v6.dst));
	}
}

bool expect_is_master(const struct ct_expect *e, const struct ct_flow *f)
{
	struct ct_flow master;

	expect_master_flow(e, &master);
	return flow_same_key(&master, f);
}

bool expect_helper_matches(const struct ct_expect *e, const char *prefix)
{
	const char *name = e->has & EXPECT_HAS_HELPER ? e->helper : "";

	return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

/* ---- control socket ---- */

size_t expect_record_pack(const struct ct_expect *e, const struct expect_print_opts *opts,
			  uint8_t *out)
{
	memcpy(out, opts, sizeof(*opts));
	memcpy(out + sizeof(*opts), e, sizeof(*e));
	return EXPECT_RECORD_MAX;
}

int expect_record_unpack(const uint8_t *bytes, size_t n, struct ct_expect *e,
			 struct expect_print_opts *opts)
{
	struct ct_expect got;

	/* The byte that is copied into a bool must be 0 or 1. */
	if (n != EXPECT_RECORD_MAX || bytes[offsetof(struct expect_print_opts, timeout)] > 1)
		return -EINVAL;
	memcpy(&got, bytes + sizeof(*opts), sizeof(got));
	if ((got.l3 != AF_INET && got.l3 != AF_INET6) || (got.has & ~EXPECT_HAS_ALL) ||
	    !memchr(got.helper, '\0', sizeof(got.helper)) || !memchr(got.fn, '\0', sizeof(got.fn)))
		return -EINVAL;
	memcpy(opts, bytes, sizeof(*opts));
	*e = got;
	return 0;
}
