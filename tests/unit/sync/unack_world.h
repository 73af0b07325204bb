/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_PLAIN_WORLD_H
#define CONNTRACKD_TESTS_PLAIN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "sync/sync.h"
#include "sync/sync_conf.h"
#include "proto/v1/attr.h"
#include "v1_recv.h"

/* The world around NOTRACK or ALARM, which the test plays: a few flows of ours, time, the peer; and
 * every message that leaves. */

#define FLOWS 512
#define SENT  16384
#define FIRST 1000u /* our first number */
#define PEER  5000u /* the peer's */

struct sent {
	struct wire_hdr hdr;
	int flow; /* -1: control message */
	int64_t at_ms;
	unsigned int datagram;
	uint32_t since, life; /* of "complete" */
	bool complete;
};

struct world {
	struct sync *s;
	struct sync_conf conf;
	struct sync_env env;
	struct mono now;
	struct flow_repl repl[FLOWS];
	bool dead[FLOWS];
	unsigned int released[FLOWS];
	unsigned int live; /* flows 0 .. live - 1 are in the table */
	struct sent sent[SENT];
	unsigned int n_sent, n_datagrams;
	bool full; /* the channel takes nothing */
	uint8_t buf[1400];
	struct writer w;
	uint32_t seq;	    /* the peer's next number */
	int applied[FLOWS]; /* messages about the peer's flow */
	enum sync_change last_change[FLOWS];
	unsigned int n_applied, begun, done, n_other_mode;
	bool sure;	 /* of the last one that is done */
	bool incomplete; /* our own cache */
	unsigned int n_silent, n_again;
	int64_t last_ms; /* of the last report of a state */
};

static struct flow_repl *env_repl(void *ctx, uint32_t id)
{
	return &((struct world *)ctx)->repl[id];
}

static bool env_is_dead(void *ctx, uint32_t id)
{
	return ((struct world *)ctx)->dead[id];
}

static void make_flow(struct ct_flow *f, uint32_t id)
{
	*f = (struct ct_flow){
		.l3 = AF_INET,
		.l4 = IPPROTO_UDP,
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS,
		.status = 8,
	};
	f->addr.v4.src = htonl(0x0a000001);
	f->addr.v4.dst = htonl(0x0a000002);
	f->orig.sport = htons((uint16_t)id);
	flow_mirror_reply(f);
}

/* As node/pipeline.c decides; all flows of this world have changed since they were inserted. */
static int env_encode(void *ctx, uint32_t id, uint32_t seq, uint8_t hello, struct writer *out)
{
	static const struct proto_rules rules = { 0 };
	struct world *w = ctx;
	enum wire_type type = w->dead[id]		    ? WIRE_CT_DEL :
			      w->repl[id].bits & REPL_KNOWN ? WIRE_CT_UPD :
							      WIRE_CT_NEW;
	struct ct_flow f;

	make_flow(&f, id);
	return wire_put_flow(out, type, (uint8_t)(hello << 5), seq, &f, &rules);
}

static struct writer *env_datagram(void *ctx)
{
	struct world *w = ctx;

	if (w->full)
		return NULL;
	w->w = wr_init(w->buf, sizeof(w->buf));
	return &w->w;
}

static void env_send(void *ctx)
{
	struct world *w = ctx;
	struct cursor c = cur_init(w->buf, w->w.len);
	struct proto_stats stats = { 0 };
	struct flow_rare rare;
	struct cursor body;
	struct ct_flow f;

	w->n_datagrams++;
	while (c.left > 0) {
		struct sent *sent = &w->sent[w->n_sent++];

		assert_true(w->n_sent < SENT);
		*sent = (struct sent){ .flow = -1,
				       .at_ms = w->now.ns / MONO_NS_PER_MS,
				       .datagram = w->n_datagrams };
		assert_int_equal(wire_next(&c, &sent->hdr, &body), PROTO_OK);
		if (sent->hdr.type == WIRE_CTL)
			sent->complete =
				wire_get_complete(&sent->hdr, body, &sent->since, &sent->life);
		else if (wire_get_flow(body, &f, &rare, &stats) == PROTO_OK)
			sent->flow = ntohs(f.orig.sport);
	}
}

static void env_flush(void *ctx)
{
	(void)ctx;
}

static void env_apply(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow,
		      struct mono now)
{
	struct world *w = ctx;
	unsigned int id = ntohs(flow->orig.sport);

	(void)peer, (void)now;
	w->n_applied++;
	if (id >= FLOWS) /* of a captured message */
		return;
	w->applied[id]++;
	w->last_change[id] = what;
}

static void env_release(void *ctx, uint32_t id)
{
	struct world *w = ctx;

	assert_true(w->dead[id]);
	w->released[id]++;
	w->repl[id] = (struct flow_repl){ 0 };
}

static size_t env_walk(void *ctx, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct world *w = ctx;
	size_t got = 0;

	for (; *pos < w->live && got < n; (*pos)++)
		ids[got++] = w->dead[*pos] ? FLOW_ID_NONE : (uint32_t)*pos;
	return got;
}

static void env_begin(void *ctx, uint8_t peer)
{
	(void)peer;
	((struct world *)ctx)->begun++;
}

static void env_done(void *ctx, uint32_t peers, enum sync_proof proof)
{
	struct world *w = ctx;

	(void)peers;
	w->done++;
	w->sure = proof == SYNC_SURE;
}

static bool env_whole(void *ctx)
{
	return !((struct world *)ctx)->incomplete;
}

static void env_report(void *ctx, const struct sync_report *r)
{
	struct world *w = ctx;

	w->n_other_mode += r->what == SYNC_OTHER_MODE;
	if (r->what != SYNC_STATE_BEGAN && r->what != SYNC_STATE_OVER)
		return;
	assert_string_equal(r->peer, "10.0.0.2");
	w->n_silent += r->state == STANDING_SILENT && r->what == SYNC_STATE_BEGAN;
	w->n_again += r->state == STANDING_SILENT && r->what == SYNC_STATE_OVER;
	w->last_ms = r->ms;
}

/* ---- time and the peer ---- */

static inline void turn(struct world *w)
{
	while (sync_tick(w->s, w->now), sync_transmit(w->s, w->now))
		;
}

static inline void pass_ms(struct world *w, int64_t ms)
{
	for (int64_t i = 0; i < ms; i++) {
		w->now = mono_add_ms(w->now, 1);
		turn(w);
	}
}

static const struct peer_addr peer_source = { .family = AF_INET, .addr = { 10, 0, 0, 2 } };

static inline enum sync_verdict peer_bytes(struct world *w, const uint8_t *bytes, size_t n)
{
	struct cursor datagram = cur_init(bytes, n), body;
	struct wire_hdr hdr;

	assert_int_equal(wire_next(&datagram, &hdr, &body), PROTO_OK);
	return recv_v1(w->s, &peer_source, &hdr, body, w->now);
}

static inline enum sync_verdict peer_says_at(struct world *w, uint32_t seq, uint8_t flags,
					     uint32_t from, uint32_t to)
{
	uint8_t buf[WIRE_CTL_LEN];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_control(&out, flags, seq, from, to), 0);
	return peer_bytes(w, buf, out.len);
}

static inline enum sync_verdict peer_says(struct world *w, uint8_t flags, uint32_t from,
					  uint32_t to)
{
	return peer_says_at(w, w->seq++, flags, from, to);
}

static inline enum sync_verdict peer_tells_at(struct world *w, uint32_t seq, enum wire_type type,
					      uint8_t flags, uint32_t id)
{
	static const struct proto_rules rules = { 0 };
	struct ct_flow f;
	uint8_t buf[WIRE_FLOW_MAX];
	struct writer out = wr_init(buf, sizeof(buf));

	make_flow(&f, id);
	assert_int_equal(wire_put_flow(&out, type, flags, seq, &f, &rules), 0);
	return peer_bytes(w, buf, out.len);
}

static inline enum sync_verdict peer_tells(struct world *w, enum wire_type type, uint32_t id)
{
	return peer_tells_at(w, w->seq++, type, 0, id);
}

/* ---- beginning and end ---- */

static inline struct world *world_open(struct sync_conf conf)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.conf = conf;
	w.env = (struct sync_env){
		.ctx = &w,
		.proto = &proto_v1,
		.repl = env_repl,
		.is_dead = env_is_dead,
		.encode = env_encode,
		.out = { .ctx = &w,
			 .datagram = env_datagram,
			 .send = env_send,
			 .flush = env_flush },
		.apply = env_apply,
		.release = env_release,
		.walk = env_walk,
		.resync_begin = env_begin,
		.resync_done = env_done,
		.whole = env_whole,
		.report = env_report,
	};
	w.now = (struct mono){ .ns = MONO_NS_PER_S };
	w.seq = PEER;
	w.s = sync_open(&w.env, &w.conf, FIRST, w.now);
	assert_non_null(w.s);
	return &w;
}

static inline void change(struct world *w, uint32_t id)
{
	if (w->live <= id)
		w->live = id + 1;
	sync_local_change(w->s, id, w->now);
}

static inline void ends(struct world *w, uint32_t id)
{
	w->dead[id] = true;
	sync_local_change(w->s, id, w->now);
}

#endif
