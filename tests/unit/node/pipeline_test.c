/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data path with a list in place of the channel: what kernel events become on the wire, and
 * what datagrams become in the external cache. Time is a number here. */
#include "node/pipeline.h"
#include "proto/v1/attr.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "flow/filter_conf.h"
#include "sync/sync_conf.h"
#include "unit/cache/flows.h"

#define CAP	  1468u
#define DATAGRAMS 64
#define MESSAGES  256
#define OWN_TCP_S 7200u /* lives of our kernel */
#define OWN_UDP_S 120u
#define LIMIT	  3u /* records per table in the test of full ones */

struct sent_message {
	uint8_t type; /* enum wire_type */
	struct ct_flow flow;
	struct flow_rare rare;
};

struct world {
	struct pipeline *p;
	struct flow_filter *filter;
	struct sync_conf sync;
	struct pipeline_conf conf;
	struct mono now;
	/* the sink */
	uint8_t bytes[DATAGRAMS][CAP];
	size_t len[DATAGRAMS];
	size_t n;
	struct writer cur;
	bool filling, closed; /* closed: the channel takes nothing */
	/* what was in it */
	struct sent_message msg[MESSAGES];
	size_t n_msg;
	unsigned int log_lines, full_calls, n_silent;
	unsigned int n_ended;
	struct ct_flow ended; /* the last one */
	unsigned int adoptions;
	bool active;
	unsigned int n_injected[SYNC_DESTROY + 1];
	struct ct_flow injected; /* the last one */
	char last_line[256];
};

/* ---- the world around it ---- */

static struct writer *sink_datagram(void *ctx)
{
	struct world *w = ctx;

	if (w->closed)
		return NULL;
	assert_true(w->n < DATAGRAMS);
	if (!w->filling)
		w->cur = wr_init(w->bytes[w->n], CAP);
	w->filling = true;
	return &w->cur;
}

static void sink_send(void *ctx)
{
	struct world *w = ctx;

	assert_true(w->filling && w->cur.len > 0);
	w->len[w->n++] = w->cur.len;
	w->filling = false;
}

static void sink_flush(void *ctx)
{
	(void)ctx;
}

static void keep_report(void *ctx, const struct sync_report *r)
{
	struct world *w = ctx;

	w->n_silent += r->what == SYNC_STATE_BEGAN && r->state == STANDING_SILENT;
}

static void keep_line(void *ctx, int level, const char *text)
{
	struct world *w = ctx;

	if (level < LOG_LVL_WARNING)
		return;
	w->log_lines++;
	snprintf(w->last_line, sizeof(w->last_line), "%s", text);
}

static void count_full(void *ctx)
{
	struct world *w = ctx;

	w->full_calls++;
}

static void keep_ended(void *ctx, const struct ct_flow *f)
{
	struct world *w = ctx;

	w->n_ended++;
	flow_copy(&w->ended, f);
}

static void count_adoptions(void *ctx)
{
	struct world *w = ctx;

	w->adoptions++;
}

static bool is_active(void *ctx)
{
	const struct world *w = ctx;

	return w->active;
}

static void keep_injected(void *ctx, enum sync_change what, const struct ct_flow *f,
			  struct mono now)
{
	struct world *w = ctx;

	(void)now;
	w->n_injected[what]++;
	flow_copy(&w->injected, f);
}

static uint32_t own_life(void *ctx, const struct ct_flow *f)
{
	(void)ctx;
	return f->l4 == IPPROTO_TCP ? OWN_TCP_S : OWN_UDP_S;
}

static void world_open(struct world *w)
{
	const struct pipeline_env env = {
		.ctx = w,
		.out = { .ctx = w,
			 .datagram = sink_datagram,
			 .send = sink_send,
			 .flush = sink_flush },
		.log = keep_line,
		.report = keep_report,
		.timeout = own_life,
		.full = count_full,
		.ended = keep_ended,
		.inject = keep_injected,
		.active = is_active,
	};

	w->p = pipeline_new(&w->conf, &env, w->now);
	assert_non_null(w->p);
	pipeline_set_reader(w->p, &(struct pipeline_reader){ .ctx = w, .adopt = count_adoptions });
}

static struct world *world_new(uint32_t limit)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now = (struct mono){ .ns = 1000 * MONO_NS_PER_S };
	w->sync = (struct sync_conf){
		.mode = SYNC_MODE_FTFW,
		.resend_queue_size = 1024,
		.ack_window = 100,
		.refresh_s = 60,
		.cache_timeout_s = 180,
		.purge_timeout_s = 60,
		.tcp_window_tracking = true,
	};
	w->conf = (struct pipeline_conf){
		.proto = &proto_v1,
		.sync = &w->sync,
		.buckets = 64,
		.limit_internal = limit,
		.limit_external = limit,
		.first_seq = 5000,
	};
	return w;
}

static int setup(void **state)
{
	struct world *w = world_new(1000);

	world_open(w);
	*state = w;
	return 0;
}

/* Statistics: nobody to send to. */
static int setup_alone(void **state)
{
	struct world *w = world_new(1000);

	w->conf.sync = NULL;
	world_open(w);
	*state = w;
	return 0;
}

/* DisableExternalCache. */
static int setup_inject(void **state)
{
	struct world *w = world_new(1000);

	w->conf.no_external = true;
	world_open(w);
	*state = w;
	return 0;
}

static int setup_inject_notrack(void **state)
{
	struct world *w = world_new(1000);

	w->conf.no_external = true;
	w->sync.mode = SYNC_MODE_NOTRACK;
	world_open(w);
	*state = w;
	return 0;
}

static int setup_small(void **state)
{
	struct world *w = world_new(LIMIT);

	world_open(w);
	*state = w;
	return 0;
}

/* Filter: established TCP only. */
static int setup_filter(void **state)
{
	struct world *w = world_new(1000);
	const struct filter_conf conf = {
		.state_policy = FILTER_ACCEPT,
		.tcp_states = 1u << TCP_CONNTRACK_ESTABLISHED,
	};

	w->filter = flow_filter_new(&conf);
	assert_non_null(w->filter);
	w->conf.filter = w->filter;
	world_open(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	pipeline_free(w->p);
	flow_filter_free(w->filter);
	free(w);
	return 0;
}

/* Take apart what is in the sink: its messages about flows go to w->msg, replacing what was
 * there. */
static void read_sink(struct world *w)
{
	w->n_msg = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct cursor datagram = cur_init(w->bytes[i], w->len[i]);

		while (datagram.left > 0) {
			struct proto_stats stats = { 0 };
			struct wire_hdr hdr;
			struct cursor body;
			struct sent_message *m = &w->msg[w->n_msg];

			assert_int_equal(wire_next(&datagram, &hdr, &body), PROTO_OK);
			if (hdr.type > WIRE_CT_DEL)
				continue;
			assert_true(w->n_msg < MESSAGES);
			m->type = hdr.type;
			assert_int_equal(wire_get_flow(body, &m->flow, &m->rare, &stats), PROTO_OK);
			w->n_msg++;
		}
	}
}

/* End of a loop turn (several, if there is more to do); w->n datagrams are in the sink
 * afterwards. */
static void turn(struct world *w)
{
	bool again = true;

	w->n = 0;
	for (int i = 0; again; i++) {
		assert_true(i < 1000);
		pipeline_turn(w->p, w->now, &again);
	}
	assert_false(w->filling);
	read_sink(w);
}

static void check_message(const struct world *w, size_t i, enum wire_type type,
			  const struct ct_flow *f)
{
	assert_true(i < w->n_msg);
	assert_int_equal(w->msg[i].type, type);
	assert_true(flow_same_key(&w->msg[i].flow, f));
}

static void check_only(struct world *w, enum wire_type type, const struct ct_flow *f)
{
	turn(w);
	assert_int_equal(w->n_msg, 1);
	check_message(w, 0, type, f);
}

/* Nothing about flows leaves, now or within the seconds in which something put off would. */
static void check_silence(struct world *w)
{
	for (int i = 0; i < 5; i++) {
		turn(w);
		assert_int_equal(w->n_msg, 0);
		w->now = mono_add_ms(w->now, 1000);
	}
}

static void event(struct world *w, enum ct_event what, const struct ct_flow *f)
{
	struct ct_flow *exact = exact_copy(f);

	pipeline_event(w->p, what, exact, w->now);
	free(exact);
}

static uint32_t internal_count(const struct world *w)
{
	return table_count(internal_table(pipeline_internal(w->p)));
}

static uint32_t internal_find(const struct world *w, const struct ct_flow *f)
{
	return table_find(internal_table(pipeline_internal(w->p)), f);
}

static uint32_t external_find(const struct world *w, const struct ct_flow *f)
{
	return table_find(external_table(pipeline_external(w->p)), f);
}

static uint32_t external_count(const struct world *w)
{
	return table_count(external_table(pipeline_external(w->p)));
}

static const struct peer_addr peer = { .family = AF_INET, .addr = { 192, 0, 2, 2 } };

/* Append what a peer would say about flow i as its message number seq. A zone in one direction
 * only does not travel, so not every i is the same flow at the other end: multiples of 3 have no
 * zone. */
static void put_flow(struct writer *out, enum wire_type type, uint32_t seq, uint32_t i)
{
	const struct proto_rules rules = { .wscale = true };
	struct ct_flow f = make_flow(i);

	assert_int_equal(wire_put_flow(out, type, 0, seq, &f, &rules), 0);
}

static void receive(struct world *w, const uint8_t *bytes, size_t n)
{
	uint8_t *exact = calloc(1, n ? n : 1); /* the sanitizer sees what is read beyond the end */

	memcpy(exact, bytes, n);
	pipeline_datagram(w->p, &peer, exact, n, w->now);
	free(exact);
}

/* ---- events ---- Nobody acknowledges here, so every change goes out as CT_NEW, which replaces
 * whatever a peer may have. */

static void test_events(void **state)
{
	static const uint32_t kinds[] = { 0, 4, 2 }; /* IPv4, with a zone, IPv6 */
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct ct_flow f = make_flow(kinds[i]);

		event(w, CT_EVENT_NEW, &f);
		check_only(w, WIRE_CT_NEW, &f);
		assert_int_equal(w->msg[0].flow.proto_state, 3);
		check_silence(w); /* once is enough */

		f.proto_state = TCP_CONNTRACK_FIN_WAIT;
		event(w, CT_EVENT_UPDATE, &f);
		check_only(w, WIRE_CT_NEW, &f);
		assert_int_equal(w->msg[0].flow.proto_state, TCP_CONNTRACK_FIN_WAIT);
		event(w, CT_EVENT_UPDATE, &f);
		check_silence(w); /* nothing new in it */

		event(w, CT_EVENT_DESTROY, &f);
		check_only(w, WIRE_CT_DEL, &f);
		event(w, CT_EVENT_DESTROY, &f);
		check_silence(w);
	}
	assert_int_equal(pipeline_stats(w->p)->events, 15);
	assert_int_equal(pipeline_stats(w->p)->filtered, 0);
}

/* Changes of one flow before transmission become one message with the last state. */
static void test_collapse(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), g = make_flow(3);

	event(w, CT_EVENT_NEW, &f);
	for (uint8_t s = 1; s <= 4; s++) {
		f.proto_state = s;
		event(w, CT_EVENT_UPDATE, &f);
	}
	event(w, CT_EVENT_NEW, &g);
	turn(w);
	assert_int_equal(w->n, 1); /* both in one datagram */
	assert_int_equal(w->n_msg, 2);
	check_message(w, 0, WIRE_CT_NEW, &f);
	assert_int_equal(w->msg[0].flow.proto_state, 4);
	check_message(w, 1, WIRE_CT_NEW, &g);

	f.proto_state = TCP_CONNTRACK_TIME_WAIT;
	event(w, CT_EVENT_UPDATE, &f);
	event(w, CT_EVENT_DESTROY, &f);
	check_only(w, WIRE_CT_DEL, &f);
	check_silence(w);
}

/* While the channel is full nothing is lost, and what is superseded meanwhile is not sent. */
static void test_channel_full(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), g = make_flow(3);

	turn(w);
	w->closed = true;
	event(w, CT_EVENT_NEW, &f);
	turn(w);
	event(w, CT_EVENT_NEW, &g);
	f.proto_state = TCP_CONNTRACK_CLOSE_WAIT;
	event(w, CT_EVENT_UPDATE, &f);
	turn(w);
	assert_int_equal(w->n, 0);
	w->closed = false;
	turn(w);
	assert_int_equal(w->n_msg, 2);
	check_message(w, 0, WIRE_CT_NEW, &f);
	assert_int_equal(w->msg[0].flow.proto_state, TCP_CONNTRACK_CLOSE_WAIT);
	check_message(w, 1, WIRE_CT_NEW, &g);
}

static void test_traffic_counted(void **state)
{
	struct world *w = *state;
	struct flow_rare rare = { .bytes = { 1000, 200 }, .packets = { 10, 2 } };
	struct ct_flow f = make_flow(0), unknown = make_flow(3);

	event(w, CT_EVENT_NEW, &f);
	f.has |= FLOW_HAS_COUNTERS;
	f.rare = &rare;
	unknown.has |= FLOW_HAS_COUNTERS;
	unknown.rare = &rare;
	event(w, CT_EVENT_DESTROY, &f);
	event(w, CT_EVENT_DESTROY, &unknown); /* was never counted as ours */
	assert_int_equal(pipeline_stats(w->p)->traffic_bytes, 1200);
	assert_int_equal(pipeline_stats(w->p)->traffic_packets, 12);
}

static void test_filter(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), g = make_flow(3);

	f.proto_state = TCP_CONNTRACK_SYN_SENT;
	event(w, CT_EVENT_NEW, &f);
	pipeline_dumped(w->p, &f, true, w->now);
	check_silence(w);
	assert_int_equal(internal_count(w), 0);
	assert_int_equal(pipeline_stats(w->p)->filtered, 1);

	f.proto_state = TCP_CONNTRACK_ESTABLISHED;
	event(w, CT_EVENT_UPDATE, &f);
	turn(w);
	assert_int_equal(w->n_msg, 1);

	f.proto_state = TCP_CONNTRACK_FIN_WAIT; /* not wanted: the peers keep what they know */
	event(w, CT_EVENT_UPDATE, &f);
	check_silence(w);
	assert_int_equal(pipeline_stats(w->p)->filtered, 2);

	/* The end of a cached flow passes, although its last state does not. */
	f.proto_state = TCP_CONNTRACK_TIME_WAIT;
	event(w, CT_EVENT_DESTROY, &f);
	check_only(w, WIRE_CT_DEL, &f);
	assert_int_equal(pipeline_stats(w->p)->filtered, 2);

	g.proto_state = TCP_CONNTRACK_CLOSE; /* not cached: filtered, and nobody is told */
	event(w, CT_EVENT_DESTROY, &g);
	check_silence(w);
	assert_int_equal(pipeline_stats(w->p)->filtered, 3);
}

static void test_dump(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), g = make_flow(3);

	pipeline_dumped(w->p, &f, false, w->now); /* start-up */
	assert_int_equal(internal_count(w), 1);
	check_silence(w);
	pipeline_dumped(w->p, &g, true, w->now); /* resync with the kernel */
	pipeline_dumped(w->p, &f, true, w->now); /* known already */
	check_only(w, WIRE_CT_NEW, &g);
}

/* ---- what the peers are not told ---- */

static void test_purged(void **state)
{
	struct world *w = *state;
	struct ct_flow sent = make_flow(0), waiting = make_flow(3), unknown = make_flow(6);

	event(w, CT_EVENT_NEW, &sent);
	turn(w);
	assert_int_equal(w->n_msg, 1);
	event(w, CT_EVENT_NEW, &waiting); /* still in the queue */
	pipeline_purged(w->p, &sent, w->now);
	pipeline_purged(w->p, &waiting, w->now);
	pipeline_purged(w->p, &unknown, w->now);
	assert_int_equal(internal_count(w), 0);
	check_silence(w);

	/* The kernel's own event about it, late. */
	event(w, CT_EVENT_DESTROY, &sent);
	check_silence(w);
}

/* A peer has told its end. What we told of it may be under way to the peer. */
static void test_ended(void **state)
{
	struct world *w = *state;
	struct ct_flow both = make_flow(0), theirs = make_flow(3);

	event(w, CT_EVENT_NEW, &both);
	check_only(w, WIRE_CT_NEW, &both);
	pipeline_injected(w->p, &theirs, true, w->now);
	pipeline_ended(w->p, &theirs, w->now);
	check_silence(w);
	assert_int_equal(pipeline_peer_flows(w->p), 0);
	pipeline_ended(w->p, &both, w->now);
	check_only(w, WIRE_CT_DEL, &both);
	pipeline_ended(w->p, &both, w->now);
	check_silence(w);
}

/* Our own commit has removed it, for a flow of another original tuple. */
static void test_displaced(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), unknown = make_flow(3);

	event(w, CT_EVENT_NEW, &f);
	check_only(w, WIRE_CT_NEW, &f);
	pipeline_displaced(w->p, &unknown, w->now);
	check_silence(w);
	pipeline_displaced(w->p, &f, w->now);
	check_only(w, WIRE_CT_DEL, &f);
	pipeline_displaced(w->p, &f, w->now);
	check_silence(w);
}

static void test_commit_undo(void **state)
{
	struct world *w = *state;
	struct internal *c = pipeline_internal(w->p);
	struct ct_flow f = make_flow(0), met = make_flow(3), confirmed = make_flow(6);
	uint8_t buf[WIRE_CTL_LEN];
	struct writer alive = wr_init(buf, sizeof(buf));
	uint32_t id[3];
	bool inserted;

	assert_int_equal(internal_commit(c, &f, w->now, &id[0], &inserted), INTERNAL_NEW);
	assert_true(inserted);
	pipeline_commit_undo(w->p, id[0]);
	assert_int_equal(internal_count(w), 0);
	check_silence(w);

	/* A bulk send comes across it first; there is one only while a peer can be heard. */
	assert_int_equal(wire_put_control(&alive, WIRE_F_ALIVE, 100, 0, 0), 0);
	receive(w, alive.buf, alive.len);
	assert_int_equal(internal_commit(c, &met, w->now, &id[1], &inserted), INTERNAL_NEW);
	sync_bulk(pipeline_sync(w->p), w->now);
	check_only(w, WIRE_CT_NEW, &met);
	pipeline_commit_undo(w->p, id[1]);
	assert_int_equal(internal_count(w), 0);
	check_silence(w);

	/* The same, with the channel full: it is only at hand. */
	alive = wr_init(buf, sizeof(buf));
	assert_int_equal(wire_put_control(&alive, WIRE_F_ALIVE, 101, 0, 0), 0);
	receive(w, alive.buf, alive.len);
	turn(w);
	assert_int_equal(internal_commit(c, &met, w->now, &id[1], &inserted), INTERNAL_NEW);
	w->closed = true;
	sync_bulk(pipeline_sync(w->p), w->now);
	turn(w);
	pipeline_commit_undo(w->p, id[1]);
	assert_int_equal(internal_count(w), 0);
	w->closed = false;
	check_silence(w);

	/* An event says that the kernel has it after all. */
	assert_int_equal(internal_commit(c, &confirmed, w->now, &id[2], &inserted), INTERNAL_NEW);
	event(w, CT_EVENT_NEW, &confirmed);
	pipeline_commit_undo(w->p, id[2]);
	assert_int_not_equal(internal_find(w, &confirmed), FLOW_ID_NONE);
	assert_true(table_check(internal_table(c)));
}

/* The kernel has what was committed, whatever was read of its predecessor's end between request
 * and answer. */
static void committed_after_an_end(struct world *w, const struct ct_flow *other)
{
	struct internal *c = pipeline_internal(w->p);
	struct ct_flow f = make_flow(0);
	bool inserted;
	uint32_t id;

	f.has &= ~FLOW_HAS_ID;
	pipeline_commit(w->p, &f, w->now, &id, &inserted);
	assert_true(inserted);
	event(w, CT_EVENT_NEW, &f);
	event(w, CT_EVENT_DESTROY, &f);
	internal_release(c, id); /* sync has told its end, and waits for nothing */
	internal_commit_done(c, id);
	assert_int_equal(internal_count(w), 0);
	if (other)
		event(w, CT_EVENT_NEW, other); /* its record has that id now */
	pipeline_committed(w->p, &f, id, false, w->now);
	id = internal_find(w, &f);
	assert_int_not_equal(id, FLOW_ID_NONE);
	assert_int_not_equal(table_rec(internal_table(c), id)->state, REC_DEAD);
	assert_int_equal(internal_silent(c), 1); /* a pass looks whether the kernel still has it */
	assert_true(table_check(internal_table(c)));
}

static void test_committed_after_an_end(void **state)
{
	committed_after_an_end(*state, NULL);
}

static void test_committed_with_its_id_taken(void **state)
{
	struct ct_flow other = make_flow(1);

	committed_after_an_end(*state, &other);
}

/* ---- datagrams ---- */

static void test_received(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), g = make_flow(3);
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));

	receive(w, (const uint8_t *)"", 0); /* an empty datagram is nothing */
	put_flow(&out, WIRE_CT_NEW, 100, 0);
	put_flow(&out, WIRE_CT_UPD, 101, 3);
	receive(w, out.buf, out.len);
	assert_int_equal(external_count(w), 2);
	assert_int_not_equal(external_find(w, &f), FLOW_ID_NONE);
	assert_int_not_equal(external_find(w, &g), FLOW_ID_NONE);
	assert_int_equal(internal_count(w), 0);

	out = wr_init(buf, sizeof(buf));
	put_flow(&out, WIRE_CT_DEL, 102, 0);
	receive(w, out.buf, out.len);
	assert_int_equal(external_count(w), 1);
	assert_int_equal(external_find(w, &f), FLOW_ID_NONE);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->recv_msgs, 3);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->wire.malformed, 0);
	check_silence(w); /* what a peer says is not repeated to it */
}

/* What follows a good message is not able to spoil it, and is counted with its kind. */
static void test_garbage_behind(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t n;
		size_t counter; /* in struct proto_stats */
	} rows[] = {
		{ { 0xff }, 1, offsetof(struct proto_stats, truncated) },
		{ { 1, 0, 0, 0, 0, 8, 0 }, 7, offsetof(struct proto_stats, truncated) },
		{ { 0 }, 12, offsetof(struct proto_stats, bad_size) },
		{ { 0x10, 0, 0xff, 0xff, 0, 0, 0, 1 }, 8, offsetof(struct proto_stats, bad_size) },
	};
	struct world *w = *state;

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ct_flow f = make_flow(3 * i), behind = make_flow(300 + 3 * i);
		const struct sync_stats *stats = sync_stats(pipeline_sync(w->p));
		uint8_t buf[CAP];
		struct writer out = wr_init(buf, sizeof(buf));
		uint64_t before, after;

		memcpy(&before, (const char *)&stats->wire + rows[i].counter, sizeof(before));
		put_flow(&out, WIRE_CT_NEW, 100 + i, 3 * i);
		wr_bytes(&out, rows[i].bytes, rows[i].n);
		if (rows[i].counter == offsetof(struct proto_stats, bad_size))
			put_flow(&out, WIRE_CT_NEW, 101 + i,
				 300 + 3 * i); /* where it begins cannot be known */
		receive(w, out.buf, out.len);
		memcpy(&after, (const char *)&stats->wire + rows[i].counter, sizeof(after));
		assert_int_equal(after, before + 1);
		assert_int_equal(stats->wire.malformed, i + 1);
		assert_int_not_equal(external_find(w, &f), FLOW_ID_NONE);
		assert_int_equal(external_find(w, &behind), FLOW_ID_NONE);
	}
	assert_int_equal(external_count(w), sizeof(rows) / sizeof(rows[0]));
}

static void test_bad_version_skipped(void **state)
{
	struct world *w = *state;
	struct ct_flow first = make_flow(0), wrong = make_flow(3), last = make_flow(6);
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));
	size_t second;

	put_flow(&out, WIRE_CT_NEW, 100, 0);
	second = out.len;
	put_flow(&out, WIRE_CT_NEW, 101, 3);
	buf[second] = (uint8_t)((buf[second] & 0x0f) |
				0x20); /* the version is the upper half of the first byte */
	put_flow(&out, WIRE_CT_NEW, 101, 6);
	receive(w, out.buf, out.len);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->wire.bad_version, 1);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->wire.malformed, 1);
	assert_int_not_equal(external_find(w, &first), FLOW_ID_NONE);
	assert_int_equal(external_find(w, &wrong), FLOW_ID_NONE);
	assert_int_not_equal(external_find(w, &last), FLOW_ID_NONE);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->recv_msgs, 2);

	/* Said with the address and both versions, once, however many there are. */
	w->log_lines = 0;
	w->last_line[0] = '\0';
	w->now = mono_add_ms(w->now, 3700000);
	for (uint32_t i = 0; i < 50; i++)
		receive(w, buf + second, out.len - second);
	assert_int_equal(w->log_lines, 1);
	assert_non_null(strstr(w->last_line, "version 2"));
	assert_non_null(strstr(w->last_line, "192.0.2.2"));
}

/* ---- silence ---- */

static void test_nobody_there(void **state)
{
	struct world *w = *state;

	for (unsigned int s = 0; s < 120; s++) {
		bool again;

		assert_int_equal(w->log_lines, s >= 30 ? 1 : 0);
		w->now = mono_add_ms(w->now, 1000);
		pipeline_turn(w->p, w->now, &again);
		w->n = 0;
	}
	assert_non_null(strstr(w->last_line, "no message of a peer"));
}

static void test_somebody_there(void **state)
{
	struct world *w = *state;
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));
	bool again;

	put_flow(&out, WIRE_CT_NEW, 100, 0);
	receive(w, out.buf, out.len);
	w->n_silent = 0;
	w->now = mono_add_ms(w->now, 120000);
	pipeline_turn(w->p, w->now, &again);
	assert_int_equal(w->n_silent, 1);
}

/* ---- statistics ---- */

static void test_alone(void **state)
{
	struct world *w = *state;
	struct flow_rare rare = { .bytes = { 7, 8 }, .packets = { 1, 1 } };
	struct ct_flow f = make_flow(0), gone = make_flow(3), flushed = make_flow(6),
		       unknown = make_flow(9);
	uint32_t id;
	bool again = true, end;
	uint64_t pos = 0;

	assert_null(pipeline_sync(w->p));
	assert_null(pipeline_external(w->p));
	event(w, CT_EVENT_NEW, &f);
	event(w, CT_EVENT_UPDATE, &gone);
	pipeline_dumped(w->p, &flushed, true, w->now);
	assert_int_equal(internal_count(w), 3);
	assert_false(mono_is_set(pipeline_turn(w->p, w->now, &again)));
	assert_false(again);

	/* The event's own counters, and the slot is free at once. */
	f.has |= FLOW_HAS_COUNTERS;
	f.rare = &rare;
	event(w, CT_EVENT_DESTROY, &f);
	assert_int_equal(w->n_ended, 1);
	assert_true(w->ended.has & FLOW_HAS_COUNTERS);
	assert_int_equal(internal_count(w), 2);
	assert_int_equal(pipeline_stats(w->p)->traffic_bytes, 15);
	event(w, CT_EVENT_DESTROY, &unknown);
	event(w, CT_EVENT_DESTROY, &f);
	assert_int_equal(w->n_ended, 1);

	pipeline_purged(w->p, &flushed, w->now);
	assert_int_equal(w->n_ended, 2);
	assert_true(flow_same_key(&w->ended, &flushed));

	/* Found missing: what the record said. */
	internal_pass_begin(pipeline_internal(w->p), true);
	assert_int_equal(internal_pass_unseen(pipeline_internal(w->p), &pos, &id, 1, &end), 1);
	pipeline_gone(w->p, id, w->now);
	assert_int_equal(w->n_ended, 3);
	assert_true(flow_same_key(&w->ended, &gone));
	assert_int_equal(table_count(internal_table(pipeline_internal(w->p))), 0);
	assert_int_equal(w->n, 0);
}

/* ---- full tables ---- */

static void test_full(void **state)
{
	struct world *w = *state;
	const struct pipeline_stats *stats = pipeline_stats(w->p);
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));
	struct ct_flow first = make_flow(0);

	for (uint32_t i = 0; i < LIMIT + 4; i++) {
		struct ct_flow f = make_flow(3 * i);

		event(w, CT_EVENT_NEW, &f);
	}
	turn(w);
	assert_int_equal(w->n_msg, LIMIT);
	assert_int_equal(internal_count(w), LIMIT);
	assert_int_equal(stats->full_internal, 4);
	assert_int_equal(stats->full_external, 0);
	assert_int_equal(w->log_lines, 1); /* not once per flow */
	assert_int_equal(w->full_calls, 1);
	assert_non_null(strstr(w->last_line, "internal cache is full"));
	assert_non_null(strstr(w->last_line, "HashLimit"));

	/* What is stored goes on being updated. */
	first.proto_state = TCP_CONNTRACK_LAST_ACK;
	event(w, CT_EVENT_UPDATE, &first);
	check_only(w, WIRE_CT_NEW, &first);

	w->now = mono_add_ms(w->now, 60000);
	for (uint32_t i = 0; i < LIMIT + 2; i++)
		put_flow(&out, WIRE_CT_NEW, 100 + i, 3 * i);
	receive(w, out.buf, out.len);
	assert_int_equal(external_count(w), LIMIT);
	assert_int_equal(stats->full_external, 2);
	assert_int_equal(stats->full_internal, 4);
	assert_int_equal(w->full_calls, 2);
	assert_non_null(strstr(w->last_line, "external cache is full"));

	/* A dump that is not announced counts too. */
	first = make_flow(50);
	pipeline_dumped(w->p, &first, false, w->now);
	assert_int_equal(stats->full_internal, 5);
}

static struct ct_memory memory_of(struct world *w, const struct ct_flow *f)
{
	struct ct_memory m = { 0 };

	pipeline_memory(w->p, f, &m, w->now);
	return m;
}

/* ---- without external cache ---- */

static void test_injected(void **state)
{
	struct world *w = *state;
	struct ct_flow own = make_flow(0), theirs = make_flow(3);
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_null(pipeline_external(w->p));
	put_flow(&out, WIRE_CT_NEW, 100, 3);
	put_flow(&out, WIRE_CT_UPD, 101, 3);
	put_flow(&out, WIRE_CT_DEL, 102, 6);
	receive(w, out.buf, out.len);
	turn(w);
	assert_int_equal(w->n_injected[SYNC_NEW], 1);
	assert_int_equal(w->n_injected[SYNC_REPLACE] + w->n_injected[SYNC_UPDATE], 1);
	assert_int_equal(w->n_injected[SYNC_DESTROY], 1);
	assert_int_equal(w->injected.orig.sport, make_flow(6).orig.sport);

	/* A resync has no entries to mark. */
	for (uint32_t i = 0; i < 10; i++) {
		out = wr_init(buf, sizeof(buf));
		assert_int_equal(wire_put_control(&out, WIRE_F_ALIVE, 103 + i, 0, 0), 0);
		receive(w, out.buf, out.len);
		turn(w);
		w->now = mono_add_ms(w->now, 1000);
	}
	assert_true(sync_stats(pipeline_sync(w->p))->resync_asked > 0);

	/* A pass that looks after our own flows leaves the peer's to the peer, whether this
	 * daemon has put them there or the one before it; lost events do not make them ours
	 * either; -R takes all for ours. */
	event(w, CT_EVENT_NEW, &own);
	pipeline_verified(w->p, &own, w->now);
	pipeline_verified(w->p, &theirs, w->now);
	assert_int_equal(internal_count(w), 1);
	assert_false(pipeline_in_kernel(w->p, &theirs));
	pipeline_injected(w->p, &theirs, true, w->now);
	assert_true(pipeline_in_kernel(w->p, &theirs));
	assert_int_equal(memory_of(w, &theirs).last, CT_WRITTEN);
	assert_int_equal(memory_of(w, &theirs).received_s, mono_s(w->now));
	assert_int_equal(pipeline_peer_flows(w->p), 1);
	turn(w);
	pipeline_dumped(w->p, &theirs, true, w->now);
	turn(w);
	assert_int_equal(internal_count(w), 1);
	assert_int_equal(w->n_msg, 0);
	pipeline_adopted(w->p, &theirs, w->now);
	check_only(w, WIRE_CT_NEW, &theirs);
	assert_int_equal(internal_count(w), 2);
	assert_int_equal(pipeline_peer_flows(w->p), 0);
}

/* What is remembered of an entry tells packets from requests, and says when the peer told last. */
static void test_memory(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), other = make_flow(3);
	uint32_t began = mono_s(w->now);

	assert_int_equal(memory_of(w, &f).last, CT_UNKNOWN);
	event(w, (enum ct_event)(CT_EVENT_NEW | CT_EVENT_WRITTEN), &f);
	assert_int_equal(memory_of(w, &f).last, CT_WRITTEN);
	assert_int_equal(memory_of(w, &f).end_s, began + f.timeout_s);
	assert_int_equal(memory_of(w, &f).received_s, 0);
	event(w, CT_EVENT_UPDATE, &f);
	assert_int_equal(memory_of(w, &f).last, CT_PACKETS);
	event(w, (enum ct_event)(CT_EVENT_UPDATE | CT_EVENT_WRITTEN), &f); /* a mark */
	assert_int_equal(memory_of(w, &f).last, CT_PACKETS);
	w->now = mono_add_ms(w->now, 7000);
	pipeline_injected(w->p, &f, false, w->now);
	assert_int_equal(memory_of(w, &f).last, CT_PACKETS);
	assert_int_equal(memory_of(w, &f).received_s, began + 7);
	pipeline_injected(w->p, &f, true, w->now);
	assert_int_equal(memory_of(w, &f).last, CT_WRITTEN);
	assert_int_equal(memory_of(w, &f).end_s, 0);
	event(w, CT_EVENT_DESTROY, &f);
	assert_int_equal(memory_of(w, &f).last, CT_UNKNOWN);

	/* Somebody sets the mark of a peer's flow: no packet. */
	pipeline_injected(w->p, &other, true, w->now);
	w->now = mono_add_ms(w->now, 7000);
	event(w, (enum ct_event)(CT_EVENT_UPDATE | CT_EVENT_WRITTEN), &other);
	assert_int_equal(memory_of(w, &other).last, CT_WRITTEN);
	assert_int_equal(memory_of(w, &other).received_s, began + 7);
}

/* A backup tells its copy of a flow that has just ended here: the kernel makes a new entry, and the
 * DESTROY of the one before is read after that. The entry must not be in the kernel alone. */
static void test_injected_over_an_end(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), end;

	f.has |= FLOW_HAS_ID;
	f.id = 7;
	event(w, CT_EVENT_NEW, &f);
	check_only(w, WIRE_CT_NEW, &f);
	flow_copy(&end, &f);
	f.has &= ~FLOW_HAS_ID;
	pipeline_entry_made(w->p, &f);
	pipeline_injected(w->p, &f, true, w->now);
	event(w, CT_EVENT_DESTROY, &end);
	turn(w);
	assert_int_equal(w->n_msg, 0);
	assert_true(pipeline_in_kernel(w->p, &f));
	assert_int_equal(table_count(pipeline_own(w->p)), 1);

	/* Without such an entry it is an end as any other. */
	event(w, CT_EVENT_DESTROY, &end);
	assert_false(pipeline_in_kernel(w->p, &f));
	/* Nothing is expected of a record that has ended already. */
	pipeline_entry_made(w->p, &f);
	pipeline_injected(w->p, &f, true, w->now);
	assert_true(pipeline_in_kernel(w->p, &f));
	assert_int_equal(pipeline_peer_flows(w->p), 1);
}

/* A flow of the peer whose packets come here as well is ours, too; and it stays the peer's to
 * say what changes. */
static void test_injected_and_hit(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0), ended = make_flow(3), lost = make_flow(6);

	pipeline_injected(w->p, &f, true, w->now);
	pipeline_injected(w->p, &ended, true, w->now);
	pipeline_injected(w->p, &lost, true, w->now);
	f.proto_state = TCP_CONNTRACK_SYN_RECV;
	event(w, CT_EVENT_UPDATE, &f);
	check_only(w, WIRE_CT_NEW, &f);
	assert_int_equal(memory_of(w, &f).last, CT_PACKETS);
	assert_int_equal(memory_of(w, &f).received_s, mono_s(w->now)); /* both's */
	assert_int_equal(pipeline_peer_flows(w->p), 2);

	/* What the peer says goes into the record and not back to the peer, and is not undone by
	 * what we send later. */
	f.has |= FLOW_HAS_MARK;
	f.mark = 9;
	f.proto_state = TCP_CONNTRACK_ESTABLISHED;
	pipeline_injected(w->p, &f, true, w->now);
	turn(w);
	assert_int_equal(w->n_msg, 0);
	assert_int_equal(pipeline_peer_flows(w->p), 2);
	f.has &= ~FLOW_HAS_MARK;
	f.proto_state = TCP_CONNTRACK_FIN_WAIT;
	event(w, CT_EVENT_UPDATE, &f);
	turn(w);
	assert_int_equal(w->n_msg, 1);
	assert_int_equal(w->msg[0].flow.mark, 9);
	assert_int_equal(w->msg[0].flow.proto_state, TCP_CONNTRACK_FIN_WAIT);

	/* The kernel tells the end; or it was lost, and a dump tells. */
	event(w, CT_EVENT_DESTROY, &ended);
	turn(w);
	assert_int_equal(w->n_msg, 0);
	assert_int_equal(pipeline_peer_flows(w->p), 1);
	pipeline_dump_begin(w->p);
	pipeline_dumped(w->p, &f, true, w->now);
	pipeline_dump_end(w->p);
	turn(w);
	assert_int_equal(pipeline_peer_flows(w->p), 0);
	assert_int_equal(internal_count(w), 1);
}

/* A full send tells what is left of a life, so that it gives none to what has ended elsewhere. */
static void test_life_left(void **state)
{
	struct world *w = *state;
	struct ct_flow f = make_flow(0);
	uint8_t buf[WIRE_CTL_LEN];
	struct writer alive = wr_init(buf, sizeof(buf));

	f.has |= FLOW_HAS_TIMEOUT;
	f.timeout_s = 180;
	event(w, CT_EVENT_NEW, &f);
	turn(w);
	assert_int_equal(w->n_msg, 1);
	assert_int_equal(w->msg[0].flow.timeout_s, 180);
	w->now = mono_add_ms(w->now, 100000);
	assert_int_equal(wire_put_control(&alive, WIRE_F_ALIVE, 100, 0, 0), 0);
	receive(w, alive.buf, alive.len);
	sync_bulk(pipeline_sync(w->p), w->now);
	check_only(w, WIRE_CT_NEW, &f);
	assert_int_equal(w->msg[0].flow.timeout_s, 80);
}

/* An established connection, as a dump tells it whose kernel has it in a flow table (ct_read()
 * has settled the state). */
static struct ct_flow in_flow_table(uint32_t i, uint8_t l4)
{
	struct ct_flow f = make_flow(i);

	f.l4 = l4;
	f.has &= ~(FLOW_HAS_PROTO_STATE | FLOW_HAS_WSCALE | FLOW_HAS_TIMEOUT);
	f.has |= FLOW_HAS_STATUS;
	f.status = IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | IPS_OFFLOAD;
	flow_settle_offload(&f);
	return f;
}

/* What a peer is told of them: the state, a life of our kernel, and nothing of the flow table. */
static void test_offloaded(void **state)
{
	struct world *w = *state;
	struct ct_flow f = in_flow_table(0, IPPROTO_TCP), known = f;

	event(w, CT_EVENT_NEW, &f);	/* never known before */
	check_only(w, WIRE_CT_UPD, &f); /* a peer may know more: the window scales */
	assert_int_equal(w->msg[0].flow.proto_state, TCP_CONNTRACK_ESTABLISHED);
	assert_int_equal(w->msg[0].flow.timeout_s, OWN_TCP_S);
	assert_int_equal(w->msg[0].flow.status, f.status & ~(uint32_t)IPS_OFFLOAD);

	f = in_flow_table(3, IPPROTO_UDP);
	pipeline_dumped(w->p, &f, true, w->now);
	check_only(w, WIRE_CT_NEW, &f);
	assert_int_equal(w->msg[0].flow.timeout_s, OWN_UDP_S);
	assert_int_equal(w->msg[0].flow.status, f.status & ~(uint32_t)IPS_OFFLOAD);

	/* Known from its events: that it moves into the flow table is no news, nor does a dump
	 * take anything away. */
	known = in_flow_table(6, IPPROTO_TCP);
	known.has |= FLOW_HAS_WSCALE | FLOW_HAS_TIMEOUT;
	known.wscale[0] = known.wscale[1] = 7;
	known.timeout_s = OWN_TCP_S;
	known.status &= ~(uint32_t)IPS_OFFLOAD;
	event(w, CT_EVENT_NEW, &known);
	check_only(w, WIRE_CT_NEW, &known);
	f = in_flow_table(6, IPPROTO_TCP);
	pipeline_dumped(w->p, &f, true, w->now);
	event(w, CT_EVENT_UPDATE, &f);
	check_silence(w);
	flow_copy(&f, &table_rec(pipeline_own(w->p), internal_find(w, &known))->flow);
	assert_int_equal(f.proto_state, TCP_CONNTRACK_ESTABLISHED);
	assert_int_equal(f.wscale[0], 7);
	assert_int_equal(f.timeout_s, OWN_TCP_S);
}

/* A 1.4.x passes on what its kernel tells of a flow table: the bits, no state, no life or a
 * lifted one. */
static void test_peer_offloads(void **state)
{
	struct world *w = *state;
	const struct proto_rules rules = { .wscale = true };
	struct ct_flow known = in_flow_table(0, IPPROTO_TCP), less;
	const struct flow_rec *rec;
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));
	uint32_t status = htonl(known.status), plain = htonl(known.status & ~(uint32_t)IPS_OFFLOAD);
	uint8_t *at;

	known.has |= FLOW_HAS_WSCALE | FLOW_HAS_TIMEOUT;
	known.wscale[0] = known.wscale[1] = 7;
	known.timeout_s = 432000;
	assert_int_equal(wire_put_flow(&out, WIRE_CT_NEW, 0, 1, &known, &rules), 0);
	receive(w, out.buf, out.len);
	less = known;
	less.has &= ~(FLOW_HAS_PROTO_STATE | FLOW_HAS_WSCALE | FLOW_HAS_TIMEOUT);
	out = wr_init(buf, sizeof(buf));
	assert_int_equal(wire_put_flow(&out, WIRE_CT_NEW, 0, 2, &less, &rules), 0);
	at = memmem(buf, out.len, &plain, sizeof(plain));
	assert_non_null(at);
	memcpy(at, &status, sizeof(status));
	receive(w, out.buf, out.len);
	turn(w);
	rec = table_rec(external_table(pipeline_external(w->p)), external_find(w, &known));
	assert_int_equal(rec->flow.status, known.status & ~(uint32_t)IPS_OFFLOAD);
	assert_int_equal(rec->flow.has & known.has,
			 known.has & ~(uint32_t)(FLOW_HAS_REPLY | FLOW_HAS_ID));
	assert_int_equal(rec->flow.proto_state, TCP_CONNTRACK_ESTABLISHED);
	assert_int_equal(rec->flow.wscale[1], 7);
	assert_int_equal(rec->flow.timeout_s, 432000);
}

/* A peer that begins anew may have lost its table. */
static void test_peer_begins(void **state)
{
	struct world *w = *state;
	struct ct_flow theirs = make_flow(3);
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_control(&out, WIRE_F_ALIVE | WIRE_F_HELLO, 100, 0, 0), 0);
	receive(w, out.buf, out.len);
	assert_int_equal(w->adoptions, 0); /* there is nothing of it here */
	pipeline_injected(w->p, &theirs, true, w->now);
	out = wr_init(buf, sizeof(buf));
	assert_int_equal(wire_put_control(&out, WIRE_F_ALIVE, 101, 0, 0), 0);
	receive(w, out.buf, out.len);
	assert_int_equal(w->adoptions, 0);
	w->now = mono_add_ms(w->now, 60000);
	out = wr_init(buf, sizeof(buf));
	assert_int_equal(wire_put_control(&out, WIRE_F_ALIVE | WIRE_F_HELLO, 5000000, 0, 0), 0);
	receive(w, out.buf, out.len);
	assert_int_equal(w->adoptions, 1);
}

static void ask_for_all(struct world *w, uint32_t seq)
{
	uint8_t buf[CAP];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_control(&out, WIRE_F_RESYNC, seq, 0, 0), 0);
	receive(w, out.buf, out.len);
}

/* It may have emptied its table, where we are the active node; where it is, it has not. */
static void test_peer_asks(void **state)
{
	struct world *w = *state;
	struct ct_flow theirs = make_flow(3);

	w->active = true;
	ask_for_all(w, 100);
	assert_int_equal(w->adoptions, 0); /* there is nothing of it here */
	pipeline_injected(w->p, &theirs, true, w->now);
	assert_int_equal(w->adoptions, 0);
	ask_for_all(w, 101);
	assert_int_equal(w->adoptions, 1);
	pipeline_adopted(w->p, &theirs, w->now);
	ask_for_all(w, 102);
	assert_int_equal(w->adoptions, 1); /* all is ours */
	theirs = make_flow(4);
	pipeline_injected(w->p, &theirs, true, w->now);
	w->active = false;
	ask_for_all(w, 103);
	assert_int_equal(w->adoptions, 1);
}

/* ---- flows that are one on the wire ---- */

/* UDP-Lite; without n the one that the wire speaks of. */
static struct ct_flow lite(uint16_t n)
{
	struct ct_flow f = make_flow(0);

	f.l4 = IPPROTO_UDPLITE;
	f.has &= ~FLOW_HAS_PROTO_STATE;
	f.orig = (struct flow_ports){ .sport = n, .dport = n };
	return f;
}

/* The peer acknowledges everything that was sent so far. */
static void acknowledge(struct world *w, uint32_t seq)
{
	uint8_t buf[64];
	struct writer out = wr_init(buf, sizeof(buf));
	struct wire_hdr hdr;
	struct cursor datagram, body;
	uint32_t last = 0;

	for (size_t i = 0; i < w->n; i++) {
		datagram = cur_init(w->bytes[i], w->len[i]);
		while (wire_next(&datagram, &hdr, &body) == PROTO_OK && datagram.left > 0)
			;
		last = hdr.seq;
	}
	assert_int_equal(
		wire_put_control(&out,
				 WIRE_F_ACK | (seq == 100 ? WIRE_F_HELLO | WIRE_F_HELLO_BACK : 0),
				 seq, 5000, last),
		0);
	receive(w, out.buf, out.len);
}

/* A 1.4.x tells of 200 flows, and repeats none of them when it is asked for all: that they are kept
 * in doubt is no state in which everything has found its place. */
static void test_kept_in_doubt(void **state)
{
	struct world *w = *state;
	struct sync_standing st;
	uint32_t seq = 100;

	turn(w);
	acknowledge(w, seq++);
	for (uint32_t i = 0; i < 200; i++, seq++) {
		uint8_t buf[CAP];
		struct writer out = wr_init(buf, sizeof(buf));

		put_flow(&out, WIRE_CT_NEW, seq, 3 * i);
		receive(w, out.buf, out.len);
	}
	sync_standing(pipeline_sync(w->p), w->now, &st);
	assert_true(st.kept);
	for (int i = 0; i < 10 && st.lack != STANDING_LACKS_NOTHING; i++) {
		w->now = mono_add_ms(w->now, 1000);
		turn(w);
		acknowledge(w, seq++);
		turn(w);
		sync_standing(pipeline_sync(w->p), w->now, &st);
	}
	assert_int_equal(st.lack, STANDING_LACKS_NOTHING);
	assert_int_equal(external_count(w), 200);
	assert_false(st.kept || st.received);
}

static void check_hidden(struct world *w, uint32_t now, uint64_t total)
{
	assert_int_equal(clash_hidden(internal_clash(pipeline_internal(w->p))), now);
	assert_int_equal(clash_total(internal_clash(pipeline_internal(w->p))), total);
}

/* Told apart by the kernel in the same turn, or in a dump: neither is sent, and of their ends
 * nothing is said. */
static void test_clash_unheard(void **state)
{
	struct world *w = *state;
	struct ct_flow a = lite(1), b = lite(2), plain = lite(0);

	event(w, CT_EVENT_NEW, &a);
	event(w, CT_EVENT_NEW, &b);
	check_silence(w);
	check_hidden(w, 2, 2);
	assert_int_equal(w->log_lines, 1);
	assert_non_null(strstr(w->last_line, "udplite) from 10.0.0.0 to 192.168.0.1"));
	pipeline_dumped(w->p, &plain, true, w->now);
	a.status |= 2;
	event(w, CT_EVENT_UPDATE, &a);
	sync_bulk(pipeline_sync(w->p), w->now);
	check_silence(w);
	check_hidden(w, 3, 3);
	event(w, CT_EVENT_DESTROY, &a);
	check_silence(w);
	check_hidden(w, 2, 3);
	event(w, CT_EVENT_DESTROY, &b);
	check_only(w, WIRE_CT_NEW, &plain);
	check_hidden(w, 0, 3);
	assert_int_equal(w->log_lines, 1);
}

/* The first was sent before the second came: its end is told, and only then, and the second not
 * before that is settled. */
static void test_clash_heard(void **state)
{
	struct world *w = *state;
	struct ct_flow a = lite(1), b = lite(2), wire = lite(0);

	event(w, CT_EVENT_NEW, &a);
	check_only(w, WIRE_CT_NEW, &wire);
	acknowledge(w, 100);
	event(w, CT_EVENT_NEW, &b);
	a.status |= 2;
	event(w, CT_EVENT_UPDATE, &a);
	check_silence(w);
	check_hidden(w, 2, 2);

	event(w, CT_EVENT_DESTROY, &b); /* the first is alone again, and has changed meanwhile */
	check_only(w, WIRE_CT_NEW, &wire);
	assert_int_equal(w->msg[0].flow.status, a.status);
	acknowledge(w, 101);

	event(w, CT_EVENT_NEW, &b);
	check_silence(w);
	event(w, CT_EVENT_DESTROY, &a);
	turn(w);
	assert_int_equal(w->n_msg, 1); /* not the second, whom a repetition of this would remove */
	check_message(w, 0, WIRE_CT_DEL, &wire);
	check_hidden(w, 2, 4);
	acknowledge(w, 102);
	check_only(w, WIRE_CT_NEW, &wire);
	check_hidden(w, 0, 4);
}

/* What 1.4.x would refuse is left out, and said once. */
static void test_long_helper(void **state)
{
	struct world *w = *state;
	struct flow_rare rare = { .helper = "abcdefghijkl" };
	struct ct_flow f = make_flow(0), g = make_flow(3);

	f.has |= FLOW_HAS_HELPER;
	g.has |= FLOW_HAS_HELPER;
	f.rare = g.rare = &rare;
	event(w, CT_EVENT_NEW, &f);
	event(w, CT_EVENT_NEW, &g);
	turn(w);
	assert_int_equal(w->n_msg, 2);
	assert_false(w->msg[0].flow.has & FLOW_HAS_HELPER);
	assert_int_equal(pipeline_stats(w->p)->helpers_left_out, 2);
	assert_int_equal(w->log_lines, 1);
	assert_non_null(strstr(w->last_line, "abcdefghijkl"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_events),
		T(test_collapse),
		T(test_channel_full),
		T(test_traffic_counted),
		T(test_kept_in_doubt),
		T(test_clash_unheard),
		T(test_clash_heard),
		T(test_long_helper),
		cmocka_unit_test_setup_teardown(test_filter, setup_filter, teardown),
		T(test_dump),
		T(test_purged),
		T(test_committed_after_an_end),
		T(test_committed_with_its_id_taken),
		T(test_commit_undo),
		T(test_received),
		T(test_garbage_behind),
		T(test_bad_version_skipped),
		T(test_nobody_there),
		T(test_somebody_there),
		cmocka_unit_test_setup_teardown(test_alone, setup_alone, teardown),
		cmocka_unit_test_setup_teardown(test_injected, setup_inject, teardown),
		cmocka_unit_test_setup_teardown(test_injected_over_an_end, setup_inject, teardown),
		cmocka_unit_test_setup_teardown(test_injected_and_hit, setup_inject, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup_inject, teardown),
		cmocka_unit_test_setup_teardown(test_life_left, setup_inject, teardown),
		T(test_offloaded),
		T(test_peer_offloads),
		cmocka_unit_test_setup_teardown(test_ended, setup_inject, teardown),
		T(test_displaced),
		cmocka_unit_test_setup_teardown(test_peer_begins, setup_inject, teardown),
		cmocka_unit_test_setup_teardown(test_peer_asks, setup_inject, teardown),
		cmocka_unit_test_setup_teardown(test_peer_asks, setup_inject_notrack, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup_small, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
