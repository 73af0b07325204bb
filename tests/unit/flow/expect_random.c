/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "expect_random.h"

#include <arpa/inet.h>
#include <string.h>

static void random_addr(struct rng *r, uint8_t l3, union flow_addr *a)
{
	if (l3 == AF_INET) {
		a->v4 = rng_one_in(r, 4) ? 0 : rng_u32(r);
		return;
	}
	for (int i = 0; i < 4; i++)
		a->v6[i] = rng_one_in(r, 2) ? 0 : rng_u32(r);
}

static void random_tuple(struct rng *r, uint8_t l3, uint8_t l4, struct expect_tuple *t)
{
	random_addr(r, l3, &t->src);
	random_addr(r, l3, &t->dst);
	t->l4 = l4;
	t->sport = rng_one_in(r, 2) ? 0 : (uint16_t)rng_u32(r);
	t->dport = (uint16_t)rng_u32(r);
}

static void random_name(struct rng *r, char *to, size_t max)
{
	uint32_t n = 1 + rng_below(r, (uint32_t)max - 1);

	for (uint32_t i = 0; i < n; i++)
		to[i] = "abcdefghijklmnopqrstuvwxyzQ.0123456789-_"[rng_below(r, 40)];
}

void random_expect(struct rng *r, struct ct_expect *e)
{
	static const uint8_t expected[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP,
					    IPPROTO_GRE };
	uint8_t l3 = rng_one_in(r, 2) ? AF_INET : AF_INET6;
	uint8_t l4 = expected[rng_below(r, sizeof(expected))];
	uint8_t master = rng_one_in(r, 2) ? IPPROTO_TCP : IPPROTO_UDP;

	memset(e, 0, sizeof(*e));
	e->l3 = l3;
	e->has = rng_u32(r) & EXPECT_HAS_ALL & ~EXPECT_HAS_ID;
	random_tuple(r, l3, master, &e->master);
	random_tuple(r, l3, l4, &e->tuple);
	random_tuple(r, l3, l4, &e->mask);
	if (e->has & EXPECT_HAS_TIMEOUT)
		e->timeout_s = rng_u32(r);
	if (e->has & EXPECT_HAS_FLAGS)
		e->flags = rng_below(r, 9);
	if (e->has & EXPECT_HAS_CLASS)
		e->class = rng_below(r, 4);
	if (e->has & EXPECT_HAS_NAT) {
		random_tuple(r, l3, l4, &e->nat);
		e->nat_dir = rng_below(r, 2);
	}
	if (e->has & EXPECT_HAS_HELPER)
		random_name(r, e->helper, sizeof(e->helper));
	if (e->has & EXPECT_HAS_FN)
		random_name(r, e->fn, sizeof(e->fn));
}
