/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model of a 1.4.7, after what was observed of it (doc/protocol.md).
 *
 *   FTFW      one state for all peers, a gap is answered by a NACK at once and skipped, old numbers
 *             are dropped, a HELLO takes any number and empties the list of what was sent, that
 *             list drops its oldest silently when it is full, a RESYNC queues the whole table at
 *             once, an acknowledgement leaves after ACKWindowSize messages or one second after the
 *             last transmission
 *   NOTRACK   the same without HELLO, list and acknowledgements; what comes is taken whatever its
 *             number
 *   ALARM     each object is sent again after a random time, entries expire without news; a message
 *             with a flag is ignored
 *
 * The model is written for reading, not for speed: queues are arrays, searched from the front. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "proto/v1/attr.h"

#define OLD_QUEUE 16384

enum old_status { OLD_NONE, OLD_NEW, OLD_ALIVE, OLD_DEAD };

struct old_object {
	enum old_status status;
	struct ct_flow flow;
	struct flow_rare rare;
	uint8_t queued;	    /* in which of the queues it is: OLD_TX, OLD_RESEND */
	int64_t refresh_ns; /* ALARM: when it is sent again */
};

#define OLD_TX	   1u
#define OLD_RESEND 2u

struct old_elem {
	bool control;
	uint8_t flags;
	int object;
	uint32_t seq, from, to;
};

struct old_queue {
	uint8_t bit;
	uint32_t n;
	struct old_elem e[OLD_QUEUE];
};

struct old {
	struct external *external;
	struct old_object *object;
	struct rng rng;
	struct old_queue tx, resend;
	enum { HELLO_INIT, HELLO_SAY, HELLO_DONE } hello;
	bool say_back;
	bool valid, pending;
	uint32_t last_recv, ack_from, window, next;
	bool hears_hello; /* the message at hand carries it */
	int64_t keepalive_ns, expire_ns;
};

struct external *old_external(const struct node *n)
{
	return n->o->external;
}

bool old_hears_hello(const struct node *n)
{
	return n->o->hears_hello;
}

/* ---- queues ---- */

static void queue_push(struct node *n, struct old_queue *q, struct old_elem e)
{
	if (q->n == OLD_QUEUE)
		sim_fail(n->sim, "model: queue too short");
	else
		q->e[q->n++] = e;
	if (!e.control)
		n->o->object[e.object].queued |= q->bit;
}

static struct old_elem queue_take(struct old *o, struct old_queue *q, uint32_t i)
{
	struct old_elem e = q->e[i];

	if (!e.control)
		o->object[e.object].queued &= (uint8_t)~q->bit;

	q->n--;
	memmove(&q->e[i], &q->e[i + 1], (q->n - i) * sizeof(q->e[0]));
	return e;
}

static int queue_find(const struct old *o, const struct old_queue *q, int object)
{
	for (uint32_t i = 0; (o->object[object].queued & q->bit) && i < q->n; i++)
		if (!q->e[i].control && q->e[i].object == object)
			return (int)i;
	return -1;
}

static void queue_drop(struct old *o, struct old_queue *q, int object)
{
	int i = queue_find(o, q, object);

	if (i >= 0)
		queue_take(o, q, (uint32_t)i);
}

/* An element leaves the list of unacknowledged ones for good. */
static void old_done(struct old *o, const struct old_elem *e)
{
	if (!e->control && o->object[e->object].status == OLD_DEAD)
		o->object[e->object].status = OLD_NONE;
}

static void old_queue_object(struct node *n, int object)
{
	struct old *o = n->o;

	if (o->object[object].queued & OLD_TX)
		return;
	queue_drop(o, &o->resend, object);
	queue_push(n, &o->tx, (struct old_elem){ .object = object });
}

static void old_queue_control(struct node *n, uint8_t flags, uint32_t from, uint32_t to)
{
	queue_push(n, &n->o->tx,
		   (struct old_elem){ .control = true, .flags = flags, .from = from, .to = to });
}

/* ---- life ---- */

static void object_arm(struct node *n, struct old_object *obj)
{
	struct rng *r = &n->o->rng;

	obj->refresh_ns = n->sim->now_ns + (1 + rng_below(r, n->conf.refresh_s)) * SIM_S;
	obj->refresh_ns += (1 + rng_below(r, 5)) * 200 * SIM_MS;
}

static void object_set(struct old_object *obj, const struct ct_flow *f, enum old_status status)
{
	obj->status = status;
	obj->flow = *f;
	if (f->rare) {
		obj->rare = *f->rare;
		obj->flow.rare = &obj->rare;
	}
}

void old_start(struct node *n)
{
	static const struct hash_key key = { 3, 4 };
	struct old *o = n->o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->external = external_new(256, 100000, &key);
	o->object = calloc(n->kernel.n_tuples, sizeof(*o->object));
	if (!o->external || !o->object)
		abort();
	o->tx.bit = OLD_TX;
	o->resend.bit = OLD_RESEND;
	o->rng.state = n->sim->seed * 41 + n->lives;
	if (n->sim->mode != SYNC_MODE_FTFW)
		o->hello = HELLO_DONE;
	o->window = n->conf.ack_window;
	o->next = sim_wall_s(n->sim);
	o->keepalive_ns = n->sim->now_ns + SIM_S;
	/* known, but nothing is sent for them */
	for (unsigned int i = 0; i < n->kernel.n_tuples; i++)
		if (n->kernel.flow[i].alive) {
			object_set(&o->object[i], &n->kernel.flow[i].flow, OLD_NEW);
			object_arm(n, &o->object[i]);
		}
	if (n->conf.startup_resync && n->sim->mode != SYNC_MODE_ALARM)
		old_queue_control(n, WIRE_F_RESYNC, 0, 0);
}

void old_stop(struct node *n)
{
	external_free(n->o->external);
	free(n->o->object);
	free(n->o);
	n->o = NULL;
}

/* Kernel event. The simulated kernel tells all attributes each time, so a merge is a
 * replacement. */
void old_event(struct node *n, enum ct_event what, const struct ct_flow *f)
{
	unsigned int node;
	int i = kernel_index(f, &node);
	struct old_object *obj = &n->o->object[i];
	bool fresh = what == CT_EVENT_NEW || obj->status == OLD_NONE || obj->status == OLD_DEAD;

	if (what == CT_EVENT_DESTROY) {
		if (obj->status == OLD_NONE || obj->status == OLD_DEAD)
			return;
		obj->status = OLD_DEAD;
	} else if (fresh) { /* the old object goes, with its place in the queues */
		queue_drop(n->o, &n->o->tx, i);
		queue_drop(n->o, &n->o->resend, i);
		object_set(obj, f, OLD_NEW);
	} else {
		object_set(obj, f, OLD_ALIVE);
	}
	object_arm(n, obj);
	old_queue_object(n, i);
}

void old_ask(struct node *n)
{
	if (n->sim->mode != SYNC_MODE_ALARM)
		old_queue_control(n, WIRE_F_RESYNC, 0, 0);
}

/* ---- receiving ---- */

static void walk_range(struct node *n, uint32_t from, uint32_t to, bool again)
{
	struct old_queue *q = &n->o->resend;

	for (uint32_t i = 0; i < q->n;) {
		struct old_elem e;

		if (seq_before(q->e[i].seq, from)) {
			i++;
			continue;
		}
		if (seq_after(q->e[i].seq, to))
			break;
		e = queue_take(n->o, q, i);
		if (again)
			queue_push(n, &n->o->tx, e);
		else
			old_done(n->o, &e);
	}
}

static bool old_digest_data(struct node *n, const struct wire_hdr *hdr, struct cursor body)
{
	struct proto_stats stats = { 0 };
	struct flow_rare rare;
	struct ct_flow f;

	if (wire_get_flow(body, &f, &rare, &stats) != PROTO_OK)
		return true; /* acknowledged and lost */
	if (hdr->type == WIRE_CT_DEL)
		external_destroy(n->o->external, 0, &f);
	else if (hdr->type == WIRE_CT_NEW)
		external_new_flow(n->o->external, 0, &f, sim_now(n->sim));
	else
		external_update(n->o->external, 0, &f, sim_now(n->sim));
	return true;
}

static bool old_digest(struct node *n, const struct wire_hdr *hdr, struct cursor body)
{
	if (hdr->type <= WIRE_CT_DEL)
		return old_digest_data(n, hdr, body);
	if (hdr->flags & (WIRE_F_ACK | WIRE_F_NACK)) {
		if (seq_before(hdr->to, hdr->from))
			return false;
		walk_range(n, hdr->from, hdr->to, hdr->flags & WIRE_F_NACK);
	} else if (hdr->flags & WIRE_F_RESYNC) {
		for (int i = 0; i < (int)n->kernel.n_tuples; i++)
			if (n->o->object[i].status != OLD_NONE)
				old_queue_object(n, i);
	}
	return true;
}

/* HELLO: whatever number comes is the next one, and nothing that was sent will be sent again. */
static void old_hello(struct node *n, uint32_t seq)
{
	struct old *o = n->o;

	if (o->pending && seq_before(seq, o->ack_from)) {
		o->window = n->conf.ack_window - 1;
		o->ack_from = seq;
	}
	while (o->resend.n > 0) {
		struct old_elem e = queue_take(o, &o->resend, 0);

		old_done(o, &e);
	}
}

static void old_in_sequence(struct node *n, uint32_t seq)
{
	struct old *o = n->o;

	if (!o->pending) {
		o->pending = true;
		o->ack_from = seq;
	}
	if (--o->window == 0) {
		old_queue_control(n, WIRE_F_ACK, o->ack_from, seq);
		o->window = n->conf.ack_window;
		o->pending = false;
	}
}

static void old_gap(struct node *n, uint32_t seq)
{
	struct old *o = n->o;

	if (o->pending)
		old_queue_control(n, WIRE_F_ACK, o->ack_from, o->last_recv);
	old_queue_control(n, WIRE_F_NACK, o->last_recv + 1, seq - 1);
	o->window = n->conf.ack_window - 1;
	o->ack_from = seq;
	o->pending = true;
}

static void old_message(struct node *n, const struct wire_hdr *hdr, struct cursor body)
{
	struct old *o = n->o;
	bool hello = hdr->flags & WIRE_F_HELLO;
	bool gap;

	o->hears_hello = hello;
	if (n->sim->mode == SYNC_MODE_ALARM && hdr->flags != 0)
		return;
	if (n->sim->mode != SYNC_MODE_FTFW) {
		if (!(hdr->flags & (WIRE_F_ACK | WIRE_F_NACK)))
			old_digest(n, hdr, body);
		return;
	}
	if (hello)
		o->say_back = true;
	if ((hdr->flags & WIRE_F_HELLO_BACK) && o->hello == HELLO_SAY)
		o->hello = HELLO_DONE;
	if (hello)
		old_hello(n, hdr->seq);
	else if (o->valid && !seq_after(hdr->seq, o->last_recv))
		return;
	gap = !hello && o->valid && hdr->seq != o->last_recv + 1;
	if (!old_digest(n, hdr, body))
		return;
	if (gap)
		old_gap(n, hdr->seq);
	else
		old_in_sequence(n, hdr->seq);
	o->last_recv = hdr->seq;
	o->valid = true;
}

void old_datagram(struct node *n, const uint8_t *bytes, size_t len)
{
	struct cursor c = cur_init(bytes, len);
	struct cursor body;
	struct wire_hdr hdr;

	while (c.left > 0 && wire_next(&c, &hdr, &body) == PROTO_OK)
		old_message(n, &hdr, body);
}

/* ---- sending ---- */

static void old_remember(struct node *n, struct old_elem e)
{
	struct old *o = n->o;

	if (o->resend.n >= n->conf.resend_queue_size) {
		struct old_elem oldest = queue_take(o, &o->resend, 0);

		old_done(o, &oldest);
	}
	queue_push(n, &o->resend, e);
}

static int old_encode(struct node *n, const struct old_elem *e, uint8_t hello, struct writer *w)
{
	static const struct proto_rules rules = { .full = true };
	static const enum wire_type type[] = {
		[OLD_NEW] = WIRE_CT_NEW,
		[OLD_ALIVE] = WIRE_CT_UPD,
		[OLD_DEAD] = WIRE_CT_DEL,
	};
	const struct old_object *obj = &n->o->object[e->object];

	if (e->control)
		return wire_put_control(w, e->flags | hello, e->seq, e->from, e->to);
	return wire_put_flow(w, type[obj->status], hello, e->seq, &obj->flow, &rules);
}

static void old_round(struct node *n)
{
	struct old *o = n->o;
	struct writer w = wr_init(n->buf, sizeof(n->buf));

	while (o->tx.n > 0) {
		struct old_elem e = queue_take(o, &o->tx, 0);
		uint8_t hello = 0;

		e.seq = o->next++;
		if (o->hello != HELLO_DONE) {
			hello |= WIRE_F_HELLO;
			o->hello = HELLO_SAY;
		}
		if (o->say_back)
			hello |= WIRE_F_HELLO_BACK;
		o->say_back = false;
		if (old_encode(n, &e, hello, &w) < 0) {
			net_send(&n->sim->net, n->index, n->buf, w.len);
			w = wr_init(n->buf, sizeof(n->buf));
			if (old_encode(n, &e, hello, &w) < 0)
				sim_fail(n->sim, "model: message longer than a datagram");
		}
		if (n->sim->mode != SYNC_MODE_FTFW)
			old_done(o, &e);
		else if (!e.control || !(e.flags & WIRE_F_ALIVE))
			old_remember(n, e);
	}
	net_send(&n->sim->net, n->index, n->buf, w.len);
	o->keepalive_ns = n->sim->now_ns + SIM_S;
}

/* ALARM: what is due is queued again, and what nobody has spoken of goes. Returns when to come
 * back. */
static int64_t old_refresh(struct node *n)
{
	struct old *o = n->o;
	int64_t due = INT64_MAX;

	for (unsigned int i = 0; i < n->kernel.n_tuples; i++) {
		struct old_object *obj = &o->object[i];

		if (obj->status != OLD_NEW && obj->status != OLD_ALIVE)
			continue;
		if (obj->refresh_ns <= n->sim->now_ns) {
			object_arm(n, obj);
			old_queue_object(n, (int)i);
		}
		if (obj->refresh_ns < due)
			due = obj->refresh_ns;
	}
	if (o->expire_ns <= n->sim->now_ns) {
		uint64_t pos = 0;
		uint32_t oldest = UINT32_MAX, removed = 0;

		while (external_expire_step(o->external, &pos, 4096, n->conf.cache_timeout_s,
					    sim_now(n->sim), &oldest, &removed))
			;
		o->expire_ns = n->sim->now_ns + SIM_S;
	}
	return due < o->expire_ns ? due : o->expire_ns;
}

void old_run(struct node *n)
{
	struct old *o = n->o;
	int64_t due = INT64_MAX;

	if (n->sim->mode == SYNC_MODE_ALARM) {
		due = old_refresh(n);
	} else if (n->sim->now_ns >= o->keepalive_ns) {
		if (o->pending && o->valid) {
			old_queue_control(n, WIRE_F_ACK, o->ack_from, o->last_recv);
			o->pending = false;
		} else {
			old_queue_control(n, WIRE_F_ALIVE, 0, 0);
		}
	}
	if (o->tx.n > 0)
		old_round(n);
	n->due_ns = n->sim->mode == SYNC_MODE_ALARM ? due : o->keepalive_ns;
}
