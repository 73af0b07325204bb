/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both nodes active: the queue of the packets that may be ahead of their states. What comes is
 * judged when it is read, what waits at the end of each turn, and every millisecond. */
#include "daemon/awaiting.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>

#include "command/gate_values.h"
#include "gate/packet.h"
#include "kernel/ct_ask.h"
#include "queue/queue.h"

struct awaiting {
	struct evloop *loop;
	struct gate_conf conf;
	struct await *await;
	struct ct_ask *ask;
	struct packet_queue *queue;
	struct ev_timer tick;
};

static enum await_entry on_entry(void *ctx, const struct ct_flow *tuple, struct mono now)
{
	const struct awaiting *a = ctx;
	const struct ct_flow *f = ct_ask_tuple(a->ask, tuple, now);

	if (!f)
		return AWAIT_NONE;
	if ((f->has & FLOW_HAS_PROTO_STATE) &&
	    (f->proto_state == TCP_CONNTRACK_SYN_SENT || f->proto_state == TCP_CONNTRACK_SYN_SENT2))
		return AWAIT_BEGUN;
	return AWAIT_THERE;
}

static void on_verdict(void *ctx, uint32_t packet, bool pass)
{
	const struct awaiting *a = ctx;

	packet_queue_verdict(a->queue, packet, pass);
}

static void on_packet(void *ctx, const struct queue_packet *p)
{
	struct awaiting *a = ctx;

	await_packet(a->await, p->id, p->l3, p->bytes, p->len, evloop_now(a->loop));
}

/* The timer only has to end the sleep: awaiting_turn() runs at the end of the turn anyway. */
static void on_tick(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

void awaiting_turn(struct awaiting *a, struct mono now)
{
	if (await_holds(a->await) == 0)
		return;
	await_step(a->await, now);
	packet_queue_flush(a->queue);
	if (await_holds(a->await) > 0)
		ev_timer_set(a->loop, &a->tick, mono_add_ms(now, AWAIT_TICK_MS));
}

void awaiting_values(const struct awaiting *a, struct awaiting_values *out)
{
	struct queue_kernel k = { 0 };

	queue_kernel_read((uint16_t)a->conf.queue_num, &k);
	*out = (struct awaiting_values){
		.holds = await_holds(a->await),
		.await = *await_stats(a->await),
		.dropped_kernel = k.dropped_full + k.dropped_socket,
	};
}

/* ---- lifetime ---- */

static int open_queue(struct awaiting *a, struct text *err)
{
	const struct queue_cb cb = { .ctx = a, .packet = on_packet };
	const struct queue_conf conf = {
		.num = (uint16_t)a->conf.queue_num,
		.max_len = 2 * a->conf.queue_len, /* so that those without room are counted */
		.copy_range = GATE_PACKET_COPY,
		.gso = true,
		.fail_open = true,
	};
	int rc;

	if (a->conf.file)
		text_printf(err, "%s:%u:%u: gate: ", a->conf.file, a->conf.line, a->conf.column);
	rc = packet_queue_open(a->loop, &conf, &cb, &a->queue, err);
	if (rc == 0)
		text_reset(err);
	return rc;
}

int awaiting_open(struct evloop *loop, const struct gate_conf *conf, struct awaiting **out,
		  struct text *err)
{
	struct awaiting *a = calloc(1, sizeof(*a));
	const struct await_env env = { .ctx = a, .entry = on_entry, .verdict = on_verdict };
	struct hash_key key;
	int rc = hash_key_random(&key);

	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->conf = *conf;
	a->tick = (struct ev_timer){ .cb = on_tick, .ctx = a, .name = "packets that wait" };
	if (rc == 0)
		rc = ct_ask_open(loop, &a->ask, err);
	if (rc == 0) {
		a->await = await_new(conf, &env, &key);
		rc = a->await ? 0 : -ENOMEM;
	}
	if (rc == 0)
		rc = open_queue(a, err);
	if (rc < 0) {
		awaiting_close(a);
		return rc;
	}
	*out = a;
	return 0;
}

void awaiting_close(struct awaiting *a)
{
	if (!a)
		return;
	ev_timer_del(a->loop, &a->tick);
	if (a->queue) {
		packet_queue_hold(a->queue, false);
		packet_queue_drain(a->queue);
		await_end(a->await);
		packet_queue_flush(a->queue);
		packet_queue_close(a->queue);
	}
	ct_ask_close(a->ask);
	await_free(a->await);
	free(a);
}
