/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_CACHE_FLOWS_H
#define CONNTRACKD_TESTS_CACHE_FLOWS_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow.h"

/* Repeatable random numbers (xorshift64*). */
static inline uint32_t rnd(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static inline uint32_t rnd_below(uint64_t *state, uint32_t n)
{
	return rnd(state) % n;
}

/* Flow number i of a universe in which every number has another key: every third is IPv6, some
 * differ from a neighbour in nothing but the zone or its direction. */
static inline struct ct_flow make_flow(uint32_t i)
{
	uint32_t tuple = i / 3;
	struct ct_flow f = {
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_PROTO_STATE,
		.l3 = i % 3 == 2 ? AF_INET6 : AF_INET,
		.l4 = IPPROTO_TCP,
		.status = 0x0e,
		.timeout_s = 100,
		.proto_state = 3,
		.orig = { .sport = htons((uint16_t)(tuple & 0xffff)), .dport = htons(80) },
	};

	if (i % 3 == 1) {
		f.has |= FLOW_HAS_ZONE;
		f.zone = (uint16_t)(1 + tuple % 3);
		f.zone_dir = (uint8_t)(tuple % 2 ? FLOW_ZONE_BOTH : FLOW_ZONE_ORIG);
	}
	if (f.l3 == AF_INET) {
		f.addr.v4.src = htonl(0x0a000000 + (tuple >> 16));
		f.addr.v4.dst = htonl(0xc0a80001);
	} else {
		f.addr.v6.src[0] = htonl(0x20010db8);
		f.addr.v6.src[3] = htonl(tuple >> 16);
		f.addr.v6.dst[0] = htonl(0x20010db8);
		f.addr.v6.dst[3] = htonl(1);
	}
	return f;
}

/* An exact-size heap copy, so that the sanitizer sees every read beyond the end of an IPv4 flow.
 * Free it. */
static inline struct ct_flow *exact_copy(const struct ct_flow *f)
{
	struct ct_flow *p = malloc(flow_size(f));

	flow_copy(p, f);
	return p;
}

#endif
