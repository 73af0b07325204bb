/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sync link: every datagram goes to every other node, each copy with a fate of its own.
 *
 * As a stream nothing is lost, doubled or reordered while the connection lasts. What would be lost
 * comes later, and holds up what is behind it. While the way is cut a buffer fills up, and then the
 * channel takes no more; after ten seconds the connection breaks: its buffer is lost, and from then
 * on the newest datagrams are kept for the next one. So it is when one of the two ends. */
#include "sim.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* nothing acknowledged for so long: the connection is dead */
#define BREAK_NS (10 * SIM_S)
#define AGAIN_MS 200 /* until a segment is sent again */

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

void net_source(const struct node *n, struct peer_addr *out)
{
	*out = (struct peer_addr){
		.family = AF_INET,
		.link = n->link,
		.addr = { 10, 9, n->link, (uint8_t)(1 + n->index + SIM_NODES * n->address) },
	};
}

static struct packet packet_new(struct net *net, unsigned int from, unsigned int to,
				const uint8_t *bytes, size_t len)
{
	const struct node *n = &net->sim->node[from];
	struct packet p = {
		.from = from, .to = to, .from_life = n->lives, .len = len, .order = net->order++
	};

	net_source(n, &p.source);
	p.bytes = malloc(len);
	if (!p.bytes)
		abort();
	memcpy(p.bytes, bytes, len);
	return p;
}

static int64_t net_delay_us(struct net *net)
{
	const struct net_fault *f = &net->fault;

	return 50 + f->delay_us + rng_below(&net->sim->rng, f->jitter_us + 1);
}

/* ---- datagrams ---- */

static void net_copy(struct net *net, unsigned int from, unsigned int to, const uint8_t *bytes,
		     size_t len)
{
	struct rng *rng = &net->sim->rng;
	const struct net_fault *f = &net->fault;
	int64_t us = net_delay_us(net);
	struct packet p = packet_new(net, from, to, bytes, len);

	if (rng_chance(rng, f->late))
		us += rng_below(rng, f->late_ms * 1000 + 1);
	p.due_ns = net->sim->now_ns + us * 1000;
	heap_push(net, p);
}

static void net_send_to(struct net *net, unsigned int from, unsigned int to, const uint8_t *bytes,
			size_t len)
{
	struct rng *rng = &net->sim->rng;

	if (net->cut[from][to] || rng_chance(rng, net->fault.loss)) {
		net->count.lost++;
		return;
	}
	net_copy(net, from, to, bytes, len);
	if (rng_chance(rng, net->fault.dup)) {
		net->count.doubled++;
		net_copy(net, from, to, bytes, len);
	}
}

/* ---- stream ---- */

static bool pipe_broken(const struct net *net, unsigned int from, unsigned int to)
{
	return !net->sim->node[to].up ||
	       (net->cut[from][to] && net->sim->now_ns - net->pipe[from][to].cut_ns >= BREAK_NS);
}

static void pipe_drop(struct net *net, struct net_pipe *pipe, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(pipe->kept[i].bytes);
	pipe->n -= n;
	memmove(pipe->kept, pipe->kept + n, pipe->n * sizeof(pipe->kept[0]));
	net->count.lost += n;
}

static void pipe_send(struct net *net, struct packet p)
{
	struct net_pipe *pipe = &net->pipe[p.from][p.to];
	int64_t ms = 0;

	for (unsigned int i = 0; i < 4 && rng_chance(&net->sim->rng, net->fault.loss); i++)
		ms += AGAIN_MS << i;
	p.due_ns = net->sim->now_ns + net_delay_us(net) * 1000 + ms * SIM_MS;
	if (p.due_ns < pipe->last_due_ns)
		p.due_ns = pipe->last_due_ns;
	pipe->last_due_ns = p.due_ns;
	p.order = net->order++;
	heap_push(net, p);
}

/* What waits leaves when the way is free again. */
static void pipe_run(struct net *net, unsigned int from, unsigned int to)
{
	struct net_pipe *pipe = &net->pipe[from][to];

	if (net->cut[from][to] || !net->sim->node[to].up)
		return;
	for (uint32_t i = 0; i < pipe->n; i++)
		pipe_send(net, pipe->kept[i]);
	pipe->n = 0;
}

static void pipe_keep(struct net *net, struct packet p)
{
	struct net_pipe *pipe = &net->pipe[p.from][p.to];

	uint32_t i;

	if (pipe->n == SIM_PIPE)
		pipe_drop(net, pipe, 1);
	/* What was under way comes before what was written since. */
	for (i = pipe->n++; i > 0 && pipe->kept[i - 1].order > p.order; i--)
		pipe->kept[i] = pipe->kept[i - 1];
	pipe->kept[i] = p;
}

static void pipe_write(struct net *net, unsigned int from, unsigned int to, const uint8_t *bytes,
		       size_t len)
{
	pipe_run(net, from, to);
	if (net->cut[from][to] || !net->sim->node[to].up)
		pipe_keep(net, packet_new(net, from, to, bytes, len));
	else
		pipe_send(net, packet_new(net, from, to, bytes, len));
}

bool net_blocked(const struct net *net, unsigned int from)
{
	for (unsigned int to = 0; net->stream && to < net->sim->plan.n_nodes; to++)
		if (to != from && net->pipe[from][to].n == SIM_PIPE && !pipe_broken(net, from, to))
			return true;
	return false;
}

/* ---- both ---- */

void net_set_cut(struct net *net, unsigned int from, unsigned int to, bool cut)
{
	struct net_pipe *pipe = &net->pipe[from][to];

	if (cut && !net->cut[from][to])
		pipe->cut_ns = net->sim->now_ns;
	if (!cut && net->cut[from][to])
		pipe->healed_ns = net->sim->now_ns;
	if (!cut && net->cut[from][to] && net->stream && pipe_broken(net, from, to) &&
	    pipe->n > SIM_PIPE / 2)
		pipe_drop(net, pipe, pipe->n - SIM_PIPE / 2);
	net->cut[from][to] = cut;
	if (net->stream)
		pipe_run(net, from, to);
}

void net_closed(struct net *net, unsigned int node)
{
	for (unsigned int other = 0; other < SIM_NODES; other++) {
		struct net_pipe *to = &net->pipe[other][node];

		pipe_drop(net, &net->pipe[node][other], net->pipe[node][other].n);
		if (to->n > SIM_PIPE / 2)
			pipe_drop(net, to, to->n - SIM_PIPE / 2);
	}
}

void net_send(struct net *net, unsigned int from, const uint8_t *bytes, size_t len)
{
	watch_sent(net->sim, from, bytes, len);
	sim_sent(net->sim, from, bytes, len);
	for (unsigned int to = 0; to < net->sim->plan.n_nodes; to++) {
		if (to == from)
			continue;
		net->count.sent++;
		if (net->stream)
			pipe_write(net, from, to, bytes, len);
		else
			net_send_to(net, from, to, bytes, len);
	}
}

/* On its way when the connection broke, or kept for longer. */
static bool net_held(struct net *net, const struct packet *p)
{
	if (!net->stream)
		return false;
	if (net->cut[p->from][p->to] && net->pipe[p->from][p->to].n < SIM_PIPE)
		pipe_keep(net, *p);
	else if (net->cut[p->from][p->to] || p->from_life != net->sim->node[p->from].lives ||
		 !net->sim->node[p->from].up)
		free(p->bytes);
	else
		return false;
	return true;
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
		if (net_held(net, out))
			continue;
		slot = out->due_ns / SIM_MS;
		if (net->rx_slot_ns[out->to] != slot) {
			net->rx_slot_ns[out->to] = slot;
			net->rx_slot_n[out->to] = 0;
		}
		if (net->rx_limit == 0 || net->rx_slot_n[out->to]++ < net->rx_limit)
			return true;
		net->count.overrun++; /* the socket is full */
		free(out->bytes);
	}
	return false;
}

void net_free(struct net *net)
{
	while (net->n > 0)
		free(heap_pop(net).bytes);
	for (unsigned int from = 0; from < SIM_NODES; from++)
		for (unsigned int to = 0; to < SIM_NODES; to++)
			pipe_drop(net, &net->pipe[from][to], net->pipe[from][to].n);
	free(net->heap);
}
