/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user-space verdict of the Filter block: protocol, address and TCP state (the options:
 * doc/config.md).
 *
 * The networks of a family are kept as sorted ranges that do not touch, so that an address is
 * looked up by bisection: a list may hold thousands of entries, and every event asks twice.
 *
 * The destroy event of a cached flow must not be filtered: a list of states without the final ones
 * would keep such a flow in the caches for ever. */
#include "flow/filter.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "flow/filter_conf.h"

/* An address as a number, host order; IPv4 uses the low 32 bits. Two halves, because compilers for
 * 32-bit machines have no integer of 128 bits. */
struct number {
	uint64_t high, low;
};

/* A range of addresses, both ends included. */
struct range {
	struct number first, last;
};

struct range_set {
	struct range *ranges; /* sorted, disjoint; owned */
	size_t n;
};

struct flow_filter {
	enum filter_policy proto_policy, addr_policy, state_policy;
	uint32_t proto[8];
	uint32_t tcp_states;
	struct range_set v4, v6;
};

static bool number_above(struct number a, struct number b)
{
	return a.high != b.high ? a.high > b.high : a.low > b.low;
}

/* addr: network byte order, as it stands in packets. */
static struct number number_v4(uint32_t addr)
{
	return (struct number){ .low = be32toh(addr) };
}

static struct number number_v6(const void *addr)
{
	uint64_t half[2];

	memcpy(half, addr, sizeof(half));
	return (struct number){ .high = be64toh(half[0]), .low = be64toh(half[1]) };
}

/* A word whose lowest `bits` bits are set, 0 to 64 (a shift by the full width is undefined). */
static uint64_t low_ones(unsigned int bits)
{
	return bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
}

static struct range range_of_net(const struct filter_net *net)
{
	bool v4 = net->family == AF_INET;
	struct number addr = v4 ? number_v4(net->addr.v4.s_addr) : number_v6(&net->addr.v6);
	unsigned int host_bits = (v4 ? 32 : 128) - net->prefix;
	uint64_t high = low_ones(host_bits > 64 ? host_bits - 64 : 0);
	uint64_t low = low_ones(host_bits > 64 ? 64 : host_bits);

	return (struct range){
		.first = { .high = addr.high & ~high, .low = addr.low & ~low },
		.last = { .high = addr.high | high, .low = addr.low | low },
	};
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return number_above(x->first, y->first) - number_above(y->first, x->first);
}

/* Sort the ranges, and join those that overlap. */
static void range_set_settle(struct range_set *set)
{
	size_t n = 0;

	qsort(set->ranges, set->n, sizeof(set->ranges[0]), compare_ranges);
	for (size_t i = 0; i < set->n; i++) {
		struct range *prev = n > 0 ? &set->ranges[n - 1] : NULL;

		if (prev == NULL || number_above(set->ranges[i].first, prev->last))
			set->ranges[n++] = set->ranges[i];
		else if (number_above(set->ranges[i].last, prev->last))
			prev->last = set->ranges[i].last;
	}
	set->n = n;
}

/* Fill the set with the networks of one family. False without memory. */
static bool range_set_build(struct range_set *set, const struct filter_conf *conf, uint8_t family)
{
	for (size_t i = 0; i < conf->n_nets; i++)
		set->n += conf->nets[i].family == family;
	if (set->n == 0)
		return true;
	set->ranges = calloc(set->n, sizeof(set->ranges[0]));
	if (set->ranges == NULL)
		return false;
	for (size_t i = 0, n = 0; i < conf->n_nets; i++) {
		if (conf->nets[i].family == family)
			set->ranges[n++] = range_of_net(&conf->nets[i]);
	}
	range_set_settle(set);
	return true;
}

static bool range_set_has(const struct range_set *set, struct number addr)
{
	size_t low = 0, high = set->n; /* the last range that does not start above is below high */

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (number_above(set->ranges[mid].first, addr))
			high = mid;
		else
			low = mid + 1;
	}
	return low > 0 && !number_above(addr, set->ranges[low - 1].last);
}

struct flow_filter *flow_filter_new(const struct filter_conf *conf)
{
	struct flow_filter *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->proto_policy = conf->proto_policy;
	f->addr_policy = conf->addr_policy;
	f->state_policy = conf->state_policy;
	f->tcp_states = conf->tcp_states;
	memcpy(f->proto, conf->proto, sizeof(f->proto));
	if (!range_set_build(&f->v4, conf, AF_INET) || !range_set_build(&f->v6, conf, AF_INET6)) {
		flow_filter_free(f);
		return NULL;
	}
	return f;
}

void flow_filter_free(struct flow_filter *f)
{
	if (f == NULL)
		return;
	free(f->v4.ranges);
	free(f->v6.ranges);
	free(f);
}

static bool policy_passes(enum filter_policy policy, bool listed)
{
	switch (policy) {
	case FILTER_NONE:
		break;
	case FILTER_ACCEPT:
		return listed;
	case FILTER_IGNORE:
		return !listed;
	}
	return true;
}

/* Is one of the real endpoints listed: the client that opened the flow, or the server that answers
 * behind a destination translation? */
static bool addr_listed(const struct flow_filter *f, const struct ct_flow *flow)
{
	bool reply = flow->has & FLOW_HAS_REPLY;

	if (flow->l3 == AF_INET)
		return range_set_has(&f->v4, number_v4(flow->addr.v4.src)) ||
		       (reply && range_set_has(&f->v4, number_v4(flow->addr.v4.reply_src)));
	return range_set_has(&f->v6, number_v6(flow->addr.v6.src)) ||
	       (reply && range_set_has(&f->v6, number_v6(flow->addr.v6.reply_src)));
}

bool flow_filter_pass(const struct flow_filter *f, const struct ct_flow *flow)
{
	if (f == NULL)
		return true;
	if (f->proto_policy != FILTER_NONE &&
	    !policy_passes(f->proto_policy, f->proto[flow->l4 / 32] >> (flow->l4 % 32) & 1))
		return false;
	if (f->state_policy != FILTER_NONE && flow->l4 == IPPROTO_TCP &&
	    (flow->has & FLOW_HAS_PROTO_STATE)) {
		bool listed = flow->proto_state < 32 && (f->tcp_states >> flow->proto_state & 1);

		if (!policy_passes(f->state_policy, listed))
			return false;
	}
	return f->addr_policy == FILTER_NONE || policy_passes(f->addr_policy, addr_listed(f, flow));
}
