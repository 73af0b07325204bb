/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sync link: every datagram goes to every other node, each copy with a fate of its own. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static bool earlier(const struct packet *a, const struct packet *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_push(struct net *net, struct packet p)
{
	uint32_t i = net->n++;

	if (net->n > net->cap) {
		net->cap = net->cap ? 2 * net->cap : 256;
		net->heap = realloc(net->heap, net->cap * sizeof(*net->heap));
		if (!net->heap)
			abort();
	}
	for (; i > 0 && earlier(&p, &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		net->heap[i] = net->heap[(i - 1) / 2];
	net->heap[i] = p;
}

static struct packet heap_pop(struct net *net)
{
	struct packet top = net->heap[0], last = net->heap[--net->n];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= net->n)
			break;
		if (child + 1 < net->n && earlier(&net->heap[child + 1], &net->heap[child]))
			child++;
		if (!earlier(&net->heap[child], &last))
			break;
		net->heap[i] = net->heap[child];
		i = child;
	}
	net->heap[i] = last;
	return top;
}

static void net_copy(struct net *net, unsigned int from, unsigned int to, const uint8_t *bytes, size_t len)
{
	struct rng *rng = &net->sim->rng;
	const struct net_fault *f = &net->fault;
	int64_t us = 50 + f->delay_us + rng_below(rng, f->jitter_us + 1);
	struct packet p = { .from = from, .to = to, .len = len, .order = net->order++, .bytes = malloc(len) };

	if (!p.bytes)
		abort();
	p.link = net->sim->node[from].link;
	if (rng_chance(rng, f->late))
		us += rng_below(rng, f->late_ms * 1000 + 1);
	memcpy(p.bytes, bytes, len);
	p.due_ns = net->sim->now_ns + us * 1000;
	heap_push(net, p);
}

void net_send(struct net *net, unsigned int from, const uint8_t *bytes, size_t len)
{
	struct rng *rng = &net->sim->rng;

	for (unsigned int to = 0; to < net->sim->plan.n_nodes; to++) {
		if (to == from)
			continue;
		net->count.sent++;
		if (net->cut[from][to] || rng_chance(rng, net->fault.loss)) {
			net->count.lost++;
			continue;
		}
		net_copy(net, from, to, bytes, len);
		if (rng_chance(rng, net->fault.dup)) {
			net->count.doubled++;
			net_copy(net, from, to, bytes, len);
		}
	}
}

int64_t net_due(const struct net *net)
{
	return net->n > 0 ? net->heap[0].due_ns : INT64_MAX;
}

bool net_pop(struct net *net, struct packet *out)
{
	while (net->n > 0 && net->heap[0].due_ns <= net->sim->now_ns) {
		int64_t slot;

		*out = heap_pop(net);
		slot = out->due_ns / SIM_MS;
		if (net->rx_slot_ns[out->to] != slot) {
			net->rx_slot_ns[out->to] = slot;
			net->rx_slot_n[out->to] = 0;
		}
		if (net->rx_limit == 0 || net->rx_slot_n[out->to]++ < net->rx_limit)
			return true;
		net->count.overrun++;	/* the socket is full */
		free(out->bytes);
	}
	return false;
}

void net_free(struct net *net)
{
	while (net->n > 0)
		free(heap_pop(net).bytes);
	free(net->heap);
}
