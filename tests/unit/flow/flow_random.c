/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random flows. Values are drawn from few choices where equality matters (addresses, ports), so
 * that "translated" and "not translated", "same" and "other" both come up often.
 */
#include "flow_random.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* splitmix64 */
uint64_t rng_u64(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t rng_u32(struct rng *r)
{
	return (uint32_t)(rng_u64(r) >> 32);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((uint64_t)rng_u32(r) * n >> 32);
}

bool rng_one_in(struct rng *r, uint32_t n)
{
	return rng_below(r, n) == 0;
}

struct rng rng_from_env(const char *test)
{
	const char *env = getenv("TEST_SEED");
	struct rng r = { .state = env ? strtoull(env, NULL, 0) :
					(uint64_t)time(NULL) << 20 ^ (uint64_t)getpid() };

	printf("%s: TEST_SEED=%llu\n", test, (unsigned long long)r.state);
	return r;
}

static void random_bytes(struct rng *r, void *to, size_t n)
{
	uint8_t *p = to;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_u32(r);
}

static uint32_t random_v4(struct rng *r)
{
	return rng_one_in(r, 4) ? rng_u32(r) : htonl(0x0a010000u + rng_below(r, 4));
}

static void random_v6(struct rng *r, uint32_t a[4])
{
	if (rng_one_in(r, 4)) {
		random_bytes(r, a, 16);
		if (rng_one_in(r, 2))
			a[1] = a[2] = 0; /* a run of zeros, as most addresses have */
		return;
	}
	a[0] = htonl(0xfd000000u);
	a[1] = a[2] = 0;
	a[3] = htonl(rng_below(r, 4));
}

static uint16_t random_port(struct rng *r)
{
	return rng_one_in(r, 4) ? (uint16_t)rng_u32(r) :
				  htons((uint16_t)(0x1234 + rng_below(r, 3)));
}

static void random_addresses(struct rng *r, struct ct_flow *f)
{
	if (rng_one_in(r, 2)) {
		f->l3 = AF_INET;
		f->addr.v4.src = random_v4(r);
		f->addr.v4.dst = random_v4(r);
		f->addr.v4.reply_src = random_v4(r);
		f->addr.v4.reply_dst = random_v4(r);
		return;
	}
	f->l3 = AF_INET6;
	random_v6(r, f->addr.v6.src);
	random_v6(r, f->addr.v6.dst);
	random_v6(r, f->addr.v6.reply_src);
	random_v6(r, f->addr.v6.reply_dst);
}

static void set_icmp(struct rng *r, struct ct_flow *f)
{
	static const uint8_t v4_types[] = { 8, 0, 13, 14, 15, 16, 17, 18 };
	static const uint8_t v6_types[] = { 128, 129, 139, 140 };
	uint8_t type_code[2];

	if (f->l4 == IPPROTO_ICMP)
		type_code[0] = v4_types[rng_below(r, sizeof(v4_types))];
	else
		type_code[0] = v6_types[rng_below(r, sizeof(v6_types))];
	type_code[1] = (uint8_t)rng_below(r, 3);
	memcpy(&f->orig.dport, type_code, 2);
}

static void random_proto(struct rng *r, struct ct_flow *f)
{
	static const uint8_t protos[] = { IPPROTO_TCP,
					  IPPROTO_TCP,
					  IPPROTO_UDP,
					  IPPROTO_SCTP,
					  IPPROTO_DCCP,
					  IPPROTO_ICMP,
					  IPPROTO_ICMPV6,
					  IPPROTO_GRE,
					  IPPROTO_UDPLITE,
					  50,
					  2,
					  0,
					  255 };

	f->l4 = protos[rng_below(r, sizeof(protos))];
	f->orig = (struct flow_ports){ random_port(r), random_port(r) };
	f->reply = (struct flow_ports){ random_port(r), random_port(r) };
	if (flow_is_icmp(f)) {
		f->l4 = f->l3 == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		set_icmp(r, f);
	}
	f->has |= flow_l4_has_ports(f->l4) || flow_is_icmp(f) ? FLOW_HAS_PORTS : 0;
	f->proto_state = (uint8_t)rng_below(r, 12);
	if (flow_state_name(f->l4, 0) && !rng_one_in(r, 8))
		f->has |= FLOW_HAS_PROTO_STATE;
	random_bytes(r, f->wscale, 2);
	if (f->l4 == IPPROTO_TCP && rng_one_in(r, 2))
		f->has |= FLOW_HAS_WSCALE;
}

static void random_common(struct rng *r, struct ct_flow *f)
{
	static const uint32_t statuses[] = { 0x8,   0xa,   0xe,	  0x188, 0x18a,	      0x18e,
					     0x19e, 0x1ae, 0x1be, 0x20e, 0x1be | 0x40 };

	if (!rng_one_in(r, 16)) {
		f->status = rng_one_in(r, 4) ? rng_u32(r) :
					       statuses[rng_below(r, sizeof(statuses) / 4)];
		f->has |= FLOW_HAS_STATUS;
	}
	f->timeout_s = rng_one_in(r, 4) ? rng_u32(r) : rng_below(r, 432000);
	f->has |= rng_one_in(r, 8) ? 0 : FLOW_HAS_TIMEOUT;
	f->mark = rng_one_in(r, 2) ? 0 : rng_u32(r);
	f->has |= rng_one_in(r, 2) ? FLOW_HAS_MARK : 0;
	if (rng_one_in(r, 4)) {
		f->zone = (uint16_t)(1 + rng_below(r, 65535));
		f->zone_dir = FLOW_ZONE_BOTH;
		f->has |= FLOW_HAS_ZONE;
	}
}

static void random_helper(struct rng *r, char helper[FLOW_HELPER_MAX])
{
	size_t len = 1 + rng_below(r, FLOW_HELPER_MAX - 1);

	memset(helper, 0, FLOW_HELPER_MAX);
	for (size_t i = 0; i < len; i++)
		helper[i] = (char)('a' + rng_below(r, 26));
}

/* The kernel keeps unused bytes of an address zero, and so do we. */
static void random_master(struct rng *r, const struct ct_flow *f, struct flow_rare *rare)
{
	rare->master_src = rare->master_dst = (union flow_addr){ .v6 = { 0 } };
	if (f->l3 == AF_INET) {
		rare->master_src.v4 = random_v4(r);
		rare->master_dst.v4 = random_v4(r);
	} else {
		random_v6(r, rare->master_src.v6);
		random_v6(r, rare->master_dst.v6);
	}
	rare->master_l4 = IPPROTO_TCP;
	rare->master_sport = random_port(r);
	rare->master_dport = random_port(r);
}

static void random_rare(struct rng *r, struct ct_flow *f, struct flow_rare *rare)
{
	random_bytes(r, rare, sizeof(*rare));
	rare->synproxy_set = false;
	if (rng_one_in(r, 8))
		f->has |= FLOW_HAS_SEQADJ;
	if (rng_one_in(r, 8)) {
		random_helper(r, rare->helper);
		f->has |= FLOW_HAS_HELPER;
	}
	if (rng_one_in(r, 8)) {
		if (rng_one_in(r, 4))
			memset(rare->labels, 0, sizeof(rare->labels));
		f->has |= FLOW_HAS_LABELS;
	}
	if (rng_one_in(r, 4)) {
		rare->synproxy_set = rng_one_in(r, 2);
		f->has |= FLOW_HAS_SYNPROXY;
	}
	if (f->l4 == IPPROTO_SCTP && (f->has & FLOW_HAS_PROTO_STATE) && !rng_one_in(r, 4))
		f->has |= FLOW_HAS_VTAGS;
	if (f->l4 == IPPROTO_DCCP && (f->has & FLOW_HAS_PROTO_STATE) && !rng_one_in(r, 4))
		f->has |= FLOW_HAS_DCCP_ROLE;
	if (rng_one_in(r, 8)) {
		random_master(r, f, rare);
		f->has |= FLOW_HAS_MASTER;
		f->has |= rng_one_in(r, 4) ? 0 : FLOW_HAS_MASTER_PORTS;
	}
}

static void settle_rare(struct ct_flow *f, struct flow_rare *rare)
{
	bool needed =
		(f->has & FLOW_RARE_PARTS) || ((f->has & FLOW_HAS_SYNPROXY) && rare->synproxy_set);

	f->rare = needed ? rare : NULL;
}

static void random_flow(struct rng *r, struct ct_flow *f, struct flow_rare *rare)
{
	random_bytes(r, f, sizeof(*f));
	f->has = 0;
	random_addresses(r, f);
	random_proto(r, f);
	random_common(r, f);
	random_rare(r, f, rare);
}

/* The reply tuple without translation, or with some. */
static void random_reply(struct rng *r, struct ct_flow *f)
{
	struct ct_flow mirror = *f;

	if (!(f->has & FLOW_HAS_PORTS))
		f->reply = f->orig;
	flow_mirror_reply(&mirror);
	if (flow_is_icmp(f) || rng_one_in(r, 2))
		f->reply = mirror.reply;
	if (rng_one_in(r, 2))
		f->addr = mirror.addr;
	f->has |= FLOW_HAS_REPLY;
}

static void random_zone_direction(struct rng *r, struct ct_flow *f, struct flow_rare *rare)
{
	if (!(f->has & FLOW_HAS_ZONE) || rng_one_in(r, 2))
		return;
	f->zone_dir = (uint8_t)(1 + rng_below(r, 2));
	if (f->zone_dir != FLOW_ZONE_ORIG || rng_one_in(r, 2))
		return;
	rare->reply_zone = (uint16_t)(1 + rng_below(r, 65535));
	f->has |= FLOW_HAS_REPLY_ZONE;
}

void random_kernel_flow(struct rng *r, struct ct_flow *f, struct flow_rare *rare)
{
	random_flow(r, f, rare);
	/* GRE and UDP-Lite have keys and ports in the kernel, though not on the wire. */
	if ((f->l4 == IPPROTO_GRE || f->l4 == IPPROTO_UDPLITE) && rng_one_in(r, 2))
		f->has |= FLOW_HAS_PORTS;
	random_reply(r, f);
	random_zone_direction(r, f, rare);
	f->has |= rng_one_in(r, 4) ? 0 : FLOW_HAS_ID;
	if (rng_one_in(r, 4))
		f->has |= FLOW_HAS_COUNTERS;
	if (rng_one_in(r, 4)) {
		rare->start_ns = (uint64_t)(1700000000u + rng_below(r, 1000)) * 1000000000u;
		rare->start_ns += rng_below(r, 999999999);
		rare->stop_ns = rng_one_in(r, 2) ? 0 : rare->start_ns + rng_u64(r) % 100000000000u;
		f->has |= FLOW_HAS_TIMES;
	}
	settle_rare(f, rare);
}

void random_peer_flow(struct rng *r, struct ct_flow *f, struct flow_rare *rare)
{
	random_flow(r, f, rare);
	f->has |= rng_one_in(r, 4) ? FLOW_HAS_SNAT : 0;
	f->has |= rng_one_in(r, 4) ? FLOW_HAS_DNAT : 0;
	if (flow_l4_has_ports(f->l4)) {
		f->has |= rng_one_in(r, 4) ? FLOW_HAS_SPAT : 0;
		f->has |= rng_one_in(r, 4) ? FLOW_HAS_DPAT : 0;
	}
	flow_mirror_reply(f);
	settle_rare(f, rare);
}
