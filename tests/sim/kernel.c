/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A firewall's connection table, and what happens in it. It is the truth: at the end the internal
 * cache of its node and the external caches of the others must hold exactly this.
 *
 * As in the kernel an attribute never disappears while a flow lives, and a tuple used again starts
 * from nothing. */
#include "sim.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>

/* marks of one life; the mark tells which life an entry is about */
#define KERNEL_MARKS 1000

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP,
				     IPPROTO_TCP };

/* The tuple says which flow it is: node in the source network, index in the port (ICMP: id). */
static void flow_tuple(struct ct_flow *f, unsigned int node, unsigned int i)
{
	f->l4 = protocols[i % (sizeof(protocols) / sizeof(protocols[0]))];
	f->l3 = i % 7 == 3 ? AF_INET6 : AF_INET;
	if (f->l4 == IPPROTO_ICMP && f->l3 == AF_INET6)
		f->l4 = IPPROTO_ICMPV6;
	f->has = FLOW_HAS_PORTS | FLOW_HAS_REPLY | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_ID;
	if (i % 11 == 5) {
		f->zone = 7;
		f->has |= FLOW_HAS_ZONE;
	}
	f->orig.sport = htons((uint16_t)(1000 + i));
	f->orig.dport = htons(443);
	if (f->l4 == IPPROTO_ICMP)
		f->orig.dport = htons(8 << 8);
	if (f->l4 == IPPROTO_ICMPV6)
		f->orig.dport = htons(128 << 8);
	if (f->l3 == AF_INET) {
		f->addr.v4.src = htonl(0x0a010001u + (node << 16));
		f->addr.v4.dst = htonl(0x0a640001u);
	} else {
		f->addr.v6.src[0] = f->addr.v6.dst[0] = htonl(0xfd000000u);
		f->addr.v6.src[3] = htonl(0x0a010001u + (node << 16));
		f->addr.v6.dst[3] = htonl(0x0a640001u);
	}
	flow_mirror_reply(f);
}

int kernel_index(const struct ct_flow *f, unsigned int *node)
{
	uint32_t src = ntohl(f->l3 == AF_INET ? f->addr.v4.src : f->addr.v6.src[3]);
	unsigned int i = ntohs(f->orig.sport) - 1000u;

	*node = (src - 0x0a010001u) >> 16;
	return *node < SIM_NODES && i < SIM_LARGE ? (int)i : -1;
}

#define STAMPED 0x80000000u /* in a mark: what follows is a stamp */

uint32_t kernel_stamp_of(const struct ct_flow *entry)
{
	if ((entry->has & FLOW_HAS_MARK) && (entry->mark & STAMPED))
		return entry->mark & ~STAMPED;
	return entry->has & FLOW_HAS_TIMEOUT ? entry->timeout_s : 0;
}

bool kernel_same_life(const struct sim_flow *sf, const struct ct_flow *entry)
{
	return kernel_stamp_of(entry) / 1000 == sf->life;
}

/* The stamp travels as the timeout; where that shrinks while a flow waits (DisableExternalCache),
 * as the mark. */
static void kernel_set_stamp(struct kernel *k, struct sim_flow *sf)
{
	sf->flow.timeout_s = kernel_stamp(sf);
	if (k->stamp_marks) {
		sf->flow.has |= FLOW_HAS_MARK;
		sf->flow.mark = STAMPED | kernel_stamp(sf);
	}
}

static void flow_set_rare(struct sim_flow *sf, uint32_t part)
{
	sf->flow.rare = &sf->rare;
	sf->flow.has |= part;
}

static void flow_nat_source(struct ct_flow *f, struct rng *rng)
{
	if (f->l3 != AF_INET)
		return;
	f->status |= IPS_SRC_NAT | IPS_SRC_NAT_DONE;
	f->addr.v4.reply_dst = htonl(0xc6336401u + rng_below(rng, 4));
	if (f->l4 != IPPROTO_ICMP && rng_chance(rng, 500))
		f->reply.dport = htons((uint16_t)(20000 + rng_below(rng, 1000)));
}

static void kernel_tell(struct kernel *k, enum ct_event what, const struct sim_flow *sf)
{
	struct node *n = &k->sim->node[k->node];

	if (!n->up)
		return;
	watch_event(k->sim, k->node);
	node_event(n, what, &sf->flow);
}

/* ---- expectations: the first flows are masters, each of one ---- */

static void kernel_expect_end(struct kernel *k, unsigned int i)
{
	struct node *n = &k->sim->node[k->node];

	if (i >= k->n_expects || !k->expect[i].alive)
		return;
	k->expect[i].alive = false;
	if (n->up)
		node_expect_event(n, true, &k->expect[i].e);
}

static void kernel_expect_birth(struct kernel *k, unsigned int i)
{
	const struct ct_flow *f = &k->flow[i].flow;
	struct node *n = &k->sim->node[k->node];
	struct ct_expect *e = &k->expect[i].e;
	bool v4 = f->l3 == AF_INET;

	if (i >= k->n_expects || !k->flow[i].alive || f->zone != 0 ||
	    (f->l4 != IPPROTO_TCP && f->l4 != IPPROTO_UDP))
		return;
	*e = (struct ct_expect){
		.has = EXPECT_HAS_TIMEOUT | EXPECT_HAS_FLAGS | EXPECT_HAS_CLASS | EXPECT_HAS_ID |
		       EXPECT_HAS_HELPER,
		.l3 = f->l3,
		.timeout_s = 30,
		.class = rng_below(&k->sim->rng, 4),
		.id = k->next_id++,
		.helper = "ftp",
	};
	if (v4) {
		e->master.src.v4 = f->addr.v4.src;
		e->master.dst.v4 = f->addr.v4.dst;
		e->mask.src.v4 = e->mask.dst.v4 = UINT32_MAX;
	} else {
		memcpy(e->master.src.v6, f->addr.v6.src, sizeof(e->master.src.v6));
		memcpy(e->master.dst.v6, f->addr.v6.dst, sizeof(e->master.dst.v6));
		memset(e->mask.src.v6, 0xff, sizeof(e->mask.src.v6));
		memset(e->mask.dst.v6, 0xff, sizeof(e->mask.dst.v6));
	}
	e->master.sport = f->orig.sport;
	e->master.dport = f->orig.dport;
	e->master.l4 = f->l4;
	e->tuple = e->master;
	e->tuple.dport = htons((uint16_t)(30000 + i));
	e->tuple.sport = 0;
	e->tuple.l4 = e->mask.l4 = IPPROTO_TCP;
	e->mask.dport = UINT16_MAX;
	k->expect[i].alive = true;
	if (n->up)
		node_expect_event(n, false, e);
}

static void kernel_expect_churn(struct kernel *k)
{
	unsigned int i = rng_below(&k->sim->rng, k->n_expects);

	if (k->expect[i].alive)
		kernel_expect_end(k, i);
	else
		kernel_expect_birth(k, i);
}

/* ---- flows ---- */

static void kernel_birth(struct kernel *k, unsigned int i)
{
	struct rng *rng = &k->sim->rng;
	struct sim_flow *sf = &k->flow[i];

	sf->alive = true;
	k->n_alive++;
	sf->life++;
	sf->version = 0;
	sf->born_ns = k->sim->now_ns;
	sf->flow = (struct ct_flow){ 0 };
	sf->rare = (struct flow_rare){ 0 };
	flow_tuple(&sf->flow, k->node, i);
	sf->flow.id = k->next_id++;
	sf->flow.status = IPS_CONFIRMED;
	if (sf->flow.l4 == IPPROTO_TCP) {
		sf->flow.has |= FLOW_HAS_PROTO_STATE;
		sf->flow.proto_state = 1;
	}
	if (rng_chance(rng, 300))
		flow_nat_source(&sf->flow, rng);
	if (rng_chance(rng, 100)) {
		flow_set_rare(sf, FLOW_HAS_HELPER);
		strcpy(sf->rare.helper, rng_chance(rng, 500) ? "ftp" : "sip");
	}
	if (rng_chance(rng, 700)) {
		sf->flow.has |= FLOW_HAS_MARK;
		sf->flow.mark = sf->life * KERNEL_MARKS;
	}
	kernel_set_stamp(k, sf);
	kernel_tell(k, CT_EVENT_NEW, sf);
}

static void kernel_change(struct kernel *k, unsigned int i)
{
	struct rng *rng = &k->sim->rng;
	struct sim_flow *sf = &k->flow[i];

	if (sf->version < 999)
		sf->version++;
	sf->flow.status |= IPS_SEEN_REPLY;
	if (rng_chance(rng, 500))
		sf->flow.status |= IPS_ASSURED;
	if (sf->flow.l4 == IPPROTO_TCP && sf->flow.proto_state < 7)
		sf->flow.proto_state++;
	if (rng_chance(rng, 300)) {
		sf->flow.has |= FLOW_HAS_MARK;
		sf->flow.mark = sf->life * KERNEL_MARKS + rng_below(rng, KERNEL_MARKS);
	}
	if (rng_chance(rng, 100)) {
		uint32_t bit = rng_below(rng, 32);

		flow_set_rare(sf, FLOW_HAS_LABELS);
		sf->rare.labels[rng_below(rng, 4)] |= 1u << bit;
	}
	kernel_set_stamp(k, sf);
	kernel_tell(k, CT_EVENT_UPDATE, sf);
}

static void kernel_end(struct kernel *k, unsigned int i)
{
	struct sim_flow *sf = &k->flow[i];

	kernel_expect_end(k, i);
	sf->alive = false;
	k->n_alive--;
	kernel_tell(k, CT_EVENT_DESTROY, sf);
}

void kernel_churn(struct kernel *k)
{
	struct rng *rng = &k->sim->rng;
	unsigned int i = rng_below(rng, k->n_tuples);

	if (k->n_expects > 0 && rng_chance(rng, 300)) {
		kernel_expect_churn(k);
		return;
	}
	if (!k->flow[i].alive) {
		kernel_birth(k, i);
		if (rng_chance(rng, 300))
			kernel_change(k, i);
	} else if (rng_chance(rng, 600)) {
		kernel_change(k, i);
	} else {
		kernel_end(k, i);
		/* The same tuple at once: its end may never be sent, and must never be sent
		 * late. */
		if (rng_chance(rng, 400)) {
			kernel_birth(k, i);
			if (rng_chance(rng, 500))
				kernel_change(k, i);
		}
	}
}

void kernel_burst(struct kernel *k, uint32_t n)
{
	for (unsigned int i = rng_below(&k->sim->rng, k->n_tuples); n > 0;
	     n--, i = (i + 1) % k->n_tuples) {
		if (!k->flow[i].alive)
			kernel_birth(k, i);
		else if (n % 3 == 0)
			kernel_end(k, i);
		else
			kernel_change(k, i);
	}
}

uint32_t kernel_count(const struct kernel *k)
{
	return k->n_alive;
}

void kernel_drain(struct kernel *k, uint32_t n)
{
	for (unsigned int i = 0; i < k->n_tuples && kernel_count(k) > n; i++)
		if (k->flow[i].alive)
			kernel_end(k, i);
}

void kernel_reboot(struct kernel *k)
{
	for (unsigned int i = 0; i < k->n_tuples; i++)
		k->flow[i].alive = false;
	k->n_alive = 0;
	for (unsigned int i = 0; i < k->n_expects; i++)
		k->expect[i].alive = false;
}

void kernel_init(struct kernel *k, struct sim *sim, unsigned int node, uint32_t n_tuples)
{
	*k = (struct kernel){ .sim = sim, .node = node, .next_id = 1, .n_tuples = n_tuples };
	k->flow = calloc(n_tuples, sizeof(*k->flow));
	if (!k->flow)
		abort();
}

void kernel_free(struct kernel *k)
{
	free(k->flow);
	k->flow = NULL;
}
