/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data path of expectations, through the pipeline it belongs to: what is stored, what leaves,
 * in which order, and what arrives. */
#include "node/pipeline.h"
#include "proto/v1/attr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/sync_conf.h"
#include "unit/cache/flows.h"

#define CAP	 1468u
#define MESSAGES 64

struct world {
	struct pipeline *p;
	struct sync_conf sync;
	struct pipeline_conf conf;
	struct mono now;
	uint8_t bytes[CAP];
	struct writer cur;
	uint8_t types[MESSAGES]; /* of state messages, in order */
	struct ct_expect expects[MESSAGES];
	size_t n;
	unsigned int log_lines;
	uint32_t peer_seq;
	struct ct_expect injected; /* the last one */
	unsigned int n_put, n_gone, n_dumps;
	unsigned int compares, resyncs, repaired;
};

static struct writer *sink_datagram(void *ctx)
{
	struct world *w = ctx;

	w->cur = wr_init(w->bytes, CAP);
	return &w->cur;
}

static void sink_send(void *ctx)
{
	struct world *w = ctx;
	struct cursor c = cur_init(w->bytes, w->cur.len), body;
	struct proto_stats stats = { 0 };
	struct wire_hdr hdr;

	while (c.left > 0) {
		assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
		w->resyncs += hdr.type == WIRE_CTL && (hdr.flags & WIRE_F_RESYNC);
		if (hdr.type > WIRE_EXP_DEL)
			continue;
		assert_true(w->n < MESSAGES);
		if (hdr.type >= WIRE_EXP_NEW)
			assert_int_equal(wire_get_expect(body, &w->expects[w->n], &stats),
					 PROTO_OK);
		w->types[w->n++] = hdr.type;
	}
}

static void sink_flush(void *ctx)
{
	(void)ctx;
}

static void count_line(void *ctx, int level, const char *text)
{
	struct world *w = ctx;

	(void)level;
	w->log_lines += strstr(text, "zone") != NULL || strstr(text, "has no room") != NULL;
	w->repaired += strstr(text, "has room for expectations again") != NULL;
}

static void sink_inject(void *ctx, bool gone, const struct ct_expect *e)
{
	struct world *w = ctx;

	w->injected = *e;
	w->n_gone += gone;
	w->n_put += !gone;
}

static void sink_dump(void *ctx)
{
	struct world *w = ctx;

	w->n_dumps++;
}

static void count_compare(void *ctx)
{
	struct world *w = ctx;

	w->compares++;
}

static void no_flows(void *ctx)
{
	(void)ctx;
}

static void set_readers(struct world *w)
{
	const struct pipeline_reader reader = { .ctx = w,
						.compare = count_compare,
						.dump = no_flows };

	pipeline_set_reader(w->p, &reader);
	if (pipeline_expects(w->p))
		exp_path_set_reader(pipeline_expects(w->p), sink_dump, w);
}

static struct world *world_new(bool on, const char *helper, uint32_t limit)
{
	const struct pipeline_env env = {
		.out = { .datagram = sink_datagram, .send = sink_send, .flush = sink_flush },
		.log = count_line,
		.inject_expect = sink_inject,
	};
	struct world *w = calloc(1, sizeof(*w));
	struct pipeline_env ours = env;

	assert_non_null(w);
	ours.ctx = ours.out.ctx = w;
	w->now = (struct mono){ .ns = 1000 * MONO_NS_PER_S };
	w->sync = (struct sync_conf){
		.mode = SYNC_MODE_FTFW,
		.resend_queue_size = 1024,
		.ack_window = 100,
		.refresh_s = 60,
		.cache_timeout_s = 180,
		.purge_timeout_s = 60,
		.expect.on = on,
	};
	if (helper) {
		strcpy(w->sync.expect.name[0], helper);
		w->sync.expect.n_names = 1;
	}
	w->conf = (struct pipeline_conf){
		.proto = &proto_v1,
		.sync = &w->sync,
		.buckets = 64,
		.limit_internal = limit,
		.limit_external = limit,
		.first_seq = 5000,
	};
	w->p = pipeline_new(&w->conf, &ours, w->now);
	assert_non_null(w->p);
	set_readers(w);
	w->peer_seq = 100;
	return w;
}

static void world_open_again(struct world *w, struct pipeline_conf conf)
{
	const struct pipeline_env env = {
		.ctx = w,
		.out = { .ctx = w,
			 .datagram = sink_datagram,
			 .send = sink_send,
			 .flush = sink_flush },
		.log = count_line,
		.inject_expect = sink_inject,
	};

	pipeline_free(w->p);
	w->conf = conf;
	w->p = pipeline_new(&w->conf, &env, w->now);
	assert_non_null(w->p);
	set_readers(w);
}

/* Without external cache. */
static struct world *world_injecting(void)
{
	struct world *w = world_new(true, NULL, 100);
	struct pipeline_conf conf = w->conf;

	conf.no_external = true;
	world_open_again(w, conf);
	return w;
}

/* Without internal cache. */
static struct world *world_bypassing(void)
{
	struct world *w = world_new(true, NULL, 100);
	struct pipeline_conf conf = w->conf;

	conf.no_internal = true;
	w->sync.mode = SYNC_MODE_NOTRACK;
	world_open_again(w, conf);
	return w;
}

static void world_free(struct world *w)
{
	pipeline_free(w->p);
	free(w);
}

/* End of a loop turn: the types of what left are in w->types. */
static void turn(struct world *w)
{
	bool again = true;

	w->n = 0;
	w->now = mono_add_ms(w->now, 10);
	for (int i = 0; again && i < 100; i++)
		pipeline_turn(w->p, w->now, &again);
}

static void check_sent(struct world *w, const uint8_t *types, size_t n)
{
	turn(w);
	assert_int_equal(w->n, n);
	assert_memory_equal(w->types, types, n);
}
#define CHECK_SENT(w, ...) \
	check_sent(w, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void check_silence(struct world *w)
{
	for (int i = 0; i < 3; i++) {
		turn(w);
		assert_int_equal(w->n, 0);
	}
}

/* Expectation of port `port` whose master is make_flow(i); i must name an IPv4 flow without
 * zone. */
static struct ct_expect expected(uint32_t i, uint16_t port)
{
	struct ct_flow f = make_flow(i);
	struct ct_expect e = { .has = EXPECT_HAS_HELPER, .l3 = AF_INET, .helper = "ftp" };

	e.master = (struct expect_tuple){ .src.v4 = f.addr.v4.src,
					  .dst.v4 = f.addr.v4.dst,
					  .sport = f.orig.sport,
					  .dport = f.orig.dport,
					  .l4 = f.l4 };
	e.tuple = e.master;
	e.tuple.dport = htons(port);
	e.mask = (struct expect_tuple){ .src.v4 = UINT32_MAX, .dst.v4 = UINT32_MAX, .l4 = f.l4 };
	return e;
}

static void flow_event(struct world *w, enum ct_event what, uint32_t i)
{
	struct ct_flow f = make_flow(i);

	pipeline_event(w->p, what, &f, w->now);
}

static enum exp_verdict put(struct world *w, const struct ct_expect *e)
{
	return exp_path_put(pipeline_expects(w->p), e, true, w->now);
}

static void peer_says(struct world *w, const uint8_t *bytes, size_t n)
{
	static const struct peer_addr peer = { .family = AF_INET, .addr = { 192, 0, 2, 2 } };

	pipeline_datagram(w->p, &peer, bytes, n, w->now);
}

static void peer_expect(struct world *w, enum wire_type type, const struct ct_expect *e)
{
	const struct proto_rules rules = { 0 };
	uint8_t buf[WIRE_EXPECT_MAX];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_expect(&out, type, 0, w->peer_seq++, e, &rules), 0);
	peer_says(w, buf, out.len);
}

static void peer_control(struct world *w, uint8_t flags, uint32_t from, uint32_t to)
{
	uint8_t buf[WIRE_CTL_LEN];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_control(&out, flags, w->peer_seq++, from, to), 0);
	peer_says(w, buf, out.len);
}

static uint32_t n_internal(struct world *w)
{
	return expects_count(exp_path_internal(pipeline_expects(w->p)));
}

static uint32_t n_external(struct world *w)
{
	return expects_count(exp_path_external(pipeline_expects(w->p)));
}

/* ---- our kernel ---- */

static void test_life(void **state)
{
	struct world *w = world_new(true, NULL, 100);
	struct ct_expect e = expected(0, 7000);

	(void)state;
	assert_int_equal(put(w, &e), EXP_NO_MASTER);
	check_silence(w);
	flow_event(w, CT_EVENT_NEW, 0);
	assert_int_equal(put(w, &e), EXP_STORED);
	CHECK_SENT(w, WIRE_CT_NEW, WIRE_EXP_NEW);
	assert_true(expect_equal_replicated(&w->expects[1], &e));
	put(w, &e);
	check_silence(w); /* nothing new */
	exp_path_end(pipeline_expects(w->p), &e, w->now);
	assert_int_equal(n_internal(w), 0);
	CHECK_SENT(w, WIRE_EXP_DEL);
	exp_path_end(pipeline_expects(w->p), &e, w->now);
	check_silence(w);
	put(w, &e); /* the same once more */
	CHECK_SENT(w, WIRE_EXP_NEW);
	flow_event(w, CT_EVENT_DESTROY, 0);
	exp_path_end(pipeline_expects(w->p), &e, w->now);
	CHECK_SENT(w, WIRE_CT_DEL, WIRE_EXP_DEL);
	assert_int_equal(put(w, &e), EXP_NO_MASTER); /* a dead one is none */
	world_free(w);
}

/* A dead record is freed when its message is acknowledged. */
static void test_released(void **state)
{
	struct world *w = world_new(true, NULL, 100);
	struct ct_expect e = expected(0, 7000);
	struct expects *cache = exp_path_internal(pipeline_expects(w->p));

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	put(w, &e);
	turn(w);
	/* What is told with HELLO is told once more. */
	peer_control(w, WIRE_F_ALIVE | WIRE_F_HELLO_BACK, 0, 0);
	exp_path_end(pipeline_expects(w->p), &e, w->now);
	turn(w);
	assert_int_not_equal(expects_find(cache, &e), FLOW_ID_NONE);
	peer_control(w, WIRE_F_ACK, 5000, 5010); /* more than was sent is cut */
	assert_int_equal(expects_find(cache, &e), FLOW_ID_NONE);
	world_free(w);
}

/* One that ran out of time says so: the end carries what the kernel told then, not the life it had
 * when it was learned. */
static void test_end_tells_the_time_left(void **state)
{
	struct world *w = world_new(true, NULL, 100);
	struct ct_expect e = expected(0, 7000);
	struct exp_path *x;

	(void)state;
	for (int fixed = 0; fixed < 2; fixed++) { /* CommitTimeout */
		struct pipeline_conf conf = w->conf;

		conf.rules.no_timeout = fixed == 1;
		world_open_again(w, conf);
		x = pipeline_expects(w->p);
		turn(w);
		flow_event(w, CT_EVENT_NEW, 0);
		e.has |= EXPECT_HAS_TIMEOUT;
		e.timeout_s = 180;
		put(w, &e);
		CHECK_SENT(w, WIRE_CT_NEW, WIRE_EXP_NEW);
		e.timeout_s = 0;
		exp_path_end(x, &e, w->now);
		CHECK_SENT(w, WIRE_EXP_DEL);
		assert_true(w->expects[0].has & EXPECT_HAS_TIMEOUT);
		assert_int_equal(w->expects[0].timeout_s, 0);

		e.timeout_s = 180;
		put(w, &e);
		turn(w);
		e.has &= ~EXPECT_HAS_TIMEOUT; /* an end that tells nothing */
		exp_path_end(x, &e, w->now);
		CHECK_SENT(w, WIRE_EXP_DEL);
		assert_int_equal(w->expects[0].timeout_s, 180);
	}
	world_free(w);
}

/* A bulk send: flows first, then expectations; also what a NACK asks for. */
static void test_bulk_and_nack(void **state)
{
	struct world *w = world_new(true, NULL, 100);

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	flow_event(w, CT_EVENT_NEW, 3);
	for (uint16_t i = 0; i < 3; i++) {
		struct ct_expect e = expected(0, (uint16_t)(7000 + i));

		put(w, &e);
	}
	turn(w);
	peer_control(w, WIRE_F_ALIVE, 0, 0);
	peer_control(w, WIRE_F_ACK, 5000, 5020);
	turn(w);
	sync_bulk(pipeline_sync(w->p), w->now);
	CHECK_SENT(w, WIRE_CT_NEW, WIRE_CT_NEW, WIRE_EXP_NEW, WIRE_EXP_NEW, WIRE_EXP_NEW);
	assert_int_equal(ntohs(w->expects[4].tuple.dport), 7002);
	assert_false(sync_bulk_running(pipeline_sync(w->p)));
	world_free(w);
}

static void test_helper_list_and_zone(void **state)
{
	struct world *w = world_new(true, "FT", 100);
	struct ct_expect e = expected(0, 7000), sip = expected(0, 7001), zone = expected(0, 7002);

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	strcpy(sip.helper, "sip");
	zone.zone = 4;
	assert_int_equal(put(w, &sip), EXP_FILTERED);
	assert_int_equal(put(w, &e), EXP_STORED);
	assert_int_equal(w->log_lines, 0);
	assert_int_equal(put(w, &zone), EXP_FILTERED);
	assert_int_equal(put(w, &zone), EXP_FILTERED);
	assert_int_equal(w->log_lines, 1); /* said once */
	assert_int_equal(exp_path_stats(pipeline_expects(w->p))->filtered, 3);
	CHECK_SENT(w, WIRE_CT_NEW, WIRE_EXP_NEW);
	world_free(w);
}

/* What we flush or commit ourselves is not told. */
static void test_silent_changes(void **state)
{
	struct world *w = world_new(true, NULL, 100);
	struct ct_expect e = expected(0, 7000), other = expected(3, 7001);
	struct ct_flow master = make_flow(0);

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	flow_event(w, CT_EVENT_NEW, 3);
	exp_path_committed(pipeline_expects(w->p), &e, w->now);
	exp_path_put(pipeline_expects(w->p), &other, false, w->now); /* start-up dump */
	CHECK_SENT(w, WIRE_CT_NEW, WIRE_CT_NEW);
	assert_int_equal(n_internal(w), 2);
	pipeline_purged(w->p, &master, w->now);
	assert_int_equal(n_internal(w), 1);
	exp_path_end(pipeline_expects(w->p), &e, w->now); /* what the kernel says
									 * about it */
	check_silence(w);
	exp_path_flush_internal(pipeline_expects(w->p));
	assert_int_equal(n_internal(w), 0);
	check_silence(w);
	world_free(w);
}

/* A flush while the message is still queued, and while it waits for its acknowledgement. */
static void test_flush_leaves_the_queues(void **state)
{
	struct world *w = world_new(true, NULL, 100);
	struct ct_expect e = expected(0, 7000), f = expected(0, 7001);

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	turn(w);
	put(w, &e);
	turn(w);    /* sent */
	put(w, &f); /* queued */
	exp_path_flush_internal(pipeline_expects(w->p));
	check_silence(w);
	peer_control(w, WIRE_F_ACK, 5000, 5010);
	put(w, &f);
	CHECK_SENT(w, WIRE_EXP_NEW);
	world_free(w);
}

static void test_full(void **state)
{
	struct world *w = world_new(true, NULL, 2);

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	for (uint16_t i = 0; i < 5; i++) {
		struct ct_expect e = expected(0, (uint16_t)(7000 + i));

		put(w, &e);
		peer_expect(w, WIRE_EXP_NEW, &e);
	}
	assert_int_equal(n_internal(w), 2);
	assert_int_equal(n_external(w), 2);
	assert_int_equal(pipeline_stats(w->p)->full_expects, 6);
	assert_int_equal(w->log_lines, 1);
	world_free(w);
}

static void pass_s(struct world *w, unsigned int seconds)
{
	for (unsigned int i = 0; i < 100 * seconds; i++)
		turn(w);
}

static bool printed(const struct world *w, const char *words)
{
	struct completeness_values c;
	struct text out = { 0 };
	bool found;

	for (unsigned int i = 0; i < PIPELINE_CACHES; i++)
		if (pipeline_completeness(w->p, i, w->now, &c))
			completeness_group.prose(&c, &out);
	found = strstr(out.buf, words);
	text_free(&out);
	return found;
}

/* What found no place is looked for when there is one again: ours in the kernel, theirs at the
 * peers. Until then no answer of ours is the whole, by which a peer could sweep. */
static void test_room_again(void **state)
{
	struct ct_expect e[] = { expected(0, 7000), expected(0, 7001), expected(0, 7002),
				 expected(0, 7003) };
	struct world *w = world_new(true, NULL, 2);
	struct exp_path *x = pipeline_expects(w->p);
	unsigned int asked;

	(void)state;
	flow_event(w, CT_EVENT_NEW, 0);
	for (int i = 0; i < 3; i++) {
		put(w, &e[i]);
		peer_expect(w, WIRE_EXP_NEW, &e[i]);
	}
	assert_false(whole_is(pipeline_whole(w->p)));
	assert_true(
		printed(w, "internal cache: incomplete for 0 s: expectations found no place\n"));
	assert_true(
		printed(w, "external cache: incomplete for 0 s: expectations found no place\n"));
	pass_s(w, 5);
	assert_int_equal(w->compares, 0); /* there is no room yet */
	asked = w->resyncs;
	exp_path_removed(x, &e[0]);
	peer_expect(w, WIRE_EXP_DEL, &e[0]);
	pass_s(w, 2);
	assert_int_equal(w->compares, 1);
	assert_true(w->resyncs > asked);
	/* What reconcile.c and expecting.c do. */
	pipeline_compare_begin(w->p);
	pipeline_compare_end(w->p, true, w->now);
	assert_false(whole_is(pipeline_whole(w->p)));
	pipeline_expects_compare_begin(w->p);
	put(w, &e[1]);
	put(w, &e[2]);
	put(w, &e[3]); /* one too many once more */
	pipeline_expects_compare_end(w->p, true, w->now);
	assert_false(whole_is(pipeline_whole(w->p)));
	assert_int_equal(w->repaired, 0);
	exp_path_removed(x, &e[1]);
	pass_s(w, 12);
	assert_int_equal(w->compares, 2);
	pipeline_compare_begin(w->p);
	pipeline_compare_end(w->p, true, w->now);
	pipeline_expects_compare_begin(w->p);
	put(w, &e[3]);
	pipeline_expects_compare_end(w->p, false, w->now); /* not all were seen */
	assert_false(whole_is(pipeline_whole(w->p)));
	pipeline_expects_compare_begin(w->p);
	put(w, &e[2]);
	put(w, &e[3]);
	pipeline_expects_compare_end(w->p, true, w->now);
	assert_true(whole_is(pipeline_whole(w->p)));
	assert_true(printed(w, "internal cache: complete\n"));
	assert_int_equal(w->repaired, 1);
	assert_int_equal(n_internal(w), 2);
	world_free(w);
}

/* ---- the network ---- */

static void test_received(void **state)
{
	struct world *w = world_new(true, NULL, 100);
	struct ct_expect e = expected(0, 7000), f = expected(0, 7001);

	(void)state;
	peer_expect(w, WIRE_EXP_NEW, &e); /* its master is unknown: stored all the same */
	peer_expect(w, WIRE_EXP_UPD, &f);
	peer_expect(w, WIRE_EXP_NEW, &e);
	assert_int_equal(n_external(w), 2);
	peer_expect(w, WIRE_EXP_DEL, &e);
	assert_int_equal(n_external(w), 1);
	peer_says(w, (const uint8_t[]){ 0x13, 0, 0, 12, 0, 0, 0, (uint8_t)w->peer_seq, 0, 4, 0, 1 },
		  12);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->wire.malformed, 1);
	assert_int_equal(n_external(w), 1);
	exp_path_flush_external(pipeline_expects(w->p));
	assert_int_equal(n_external(w), 0);
	check_silence(w);
	world_free(w);
}

/* Without ExpectationSync they are taken in their turn and forgotten, whatever is in them. */
static void test_off(void **state)
{
	struct world *w = world_new(false, NULL, 100);
	struct ct_expect e = expected(0, 7000);

	(void)state;
	assert_null(pipeline_expects(w->p));
	peer_control(w, WIRE_F_ALIVE, 0, 0);
	peer_expect(w, WIRE_EXP_NEW, &e);
	peer_expect(w, WIRE_EXP_DEL, &e);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->lost, 0);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->wire.malformed, 0);
	assert_int_equal(sync_stats(pipeline_sync(w->p))->recv_msgs, 3);
	world_free(w);
}

/* ---- without external cache ---- */

static void test_injected(void **state)
{
	struct world *w = world_injecting();
	struct exp_path *x = pipeline_expects(w->p);
	struct ct_expect e = expected(0, 7000), other = e;

	(void)state;
	other.master.sport ^= 1;
	peer_expect(w, WIRE_EXP_NEW, &e);
	assert_int_equal(w->n_put, 1);
	assert_true(expect_equal_replicated(&w->injected, &e));
	assert_true(exp_path_theirs(x, &e));
	assert_false(exp_path_theirs(x, &other));
	assert_false(exp_path_ours(x, &e));
	exp_path_flush_external(x); /* -f: it is in the kernel all the same */
	assert_true(exp_path_theirs(x, &e));
	peer_expect(w, WIRE_EXP_DEL, &e);
	assert_int_equal(w->n_gone, 1);
	assert_false(exp_path_theirs(x, &e));

	/* Our kernel makes it itself. */
	peer_expect(w, WIRE_EXP_NEW, &e);
	flow_event(w, CT_EVENT_NEW, 0);
	exp_path_born(x, &e);
	put(w, &e);
	assert_true(exp_path_ours(x, &e));
	assert_false(exp_path_ours(x, &other));
	assert_false(exp_path_theirs(x, &e));
	exp_path_end(x, &e, w->now);
	assert_false(exp_path_ours(x, &e));
	world_free(w);
}

/* What a complete resync did not show is no longer theirs, and stays where it is. */
static void test_injected_and_unsaid(void **state)
{
	struct world *w = world_injecting();
	struct exp_path *x = pipeline_expects(w->p);
	struct ct_expect e = expected(0, 7000), f = expected(0, 7001);

	(void)state;
	peer_expect(w, WIRE_EXP_NEW, &e);
	peer_expect(w, WIRE_EXP_NEW, &f);
	exp_path_resync_begin(x, 0);
	peer_expect(w, WIRE_EXP_NEW, &e);
	assert_int_equal(exp_path_resync_done(x, 0), 1);
	assert_int_equal(w->n_gone, 0);
	assert_true(exp_path_theirs(x, &e));
	assert_false(exp_path_theirs(x, &f));
	world_free(w);
}

/* Of a flow that was taken over: in both caches, so its end counts, and when the peer begins anew
 * it is ours. */
static void test_injected_and_taken_over(void **state)
{
	struct world *w = world_injecting();
	struct exp_path *x = pipeline_expects(w->p);
	struct ct_expect e = expected(0, 7000), f = expected(0, 7001);

	(void)state;
	peer_expect(w, WIRE_EXP_NEW, &e);
	peer_expect(w, WIRE_EXP_NEW, &f);
	flow_event(w, CT_EVENT_NEW, 0);
	put(w, &e);
	put(w, &f);
	assert_true(exp_path_knows(x, &e) && exp_path_theirs(x, &e) && !exp_path_ours(x, &e));
	exp_path_removed(x, &e); /* what the world does when the peer has told the end */
	peer_expect(w, WIRE_EXP_DEL, &e);
	assert_false(exp_path_knows(x, &e) || exp_path_theirs(x, &e));
	exp_path_resync_begin(x, 0);
	exp_path_resync_done(x, 0);
	assert_true(exp_path_ours(x, &f));
	peer_expect(w, WIRE_EXP_NEW, &f);
	assert_true(exp_path_ours(x, &f));
	world_free(w);
}

/* ---- without internal cache ---- */

static void test_bypass(void **state)
{
	struct world *w = world_bypassing();
	struct exp_path *x = pipeline_expects(w->p);
	struct ct_expect e = expected(0, 7000);

	(void)state;
	turn(w);
	assert_int_equal(put(w, &e), EXP_STORED);
	CHECK_SENT(w, WIRE_EXP_NEW);
	assert_int_equal(n_internal(w), 0); /* sent and forgotten */
	exp_path_end(x, &e, w->now);	    /* nobody knows it here */
	CHECK_SENT(w, WIRE_EXP_DEL);
	put(w, &e);
	exp_path_end(x, &e, w->now); /* within one turn */
	CHECK_SENT(w, WIRE_EXP_DEL);
	exp_path_end(x, &e, w->now);
	put(w, &e);
	CHECK_SENT(w, WIRE_EXP_NEW);
	assert_int_equal(exp_path_stats(x)->sent_new, 2);
	assert_int_equal(exp_path_stats(x)->sent_end, 2);
	exp_path_committed(x, &e, w->now); /* what we did ourselves is not told */
	check_silence(w);
	assert_int_equal(expects_find(exp_path_internal(x), &e), FLOW_ID_NONE);
	world_free(w);
}

/* A full send is over when the kernel's expectations have been told, not before. */
static void test_bypass_full_send(void **state)
{
	struct world *w = world_bypassing();
	struct exp_path *x = pipeline_expects(w->p);
	struct ct_expect e = expected(0, 7000), f = expected(0, 7001);

	(void)state;
	turn(w);
	sync_bulk(pipeline_sync(w->p), w->now);
	turn(w);
	assert_int_equal(w->n_dumps, 0); /* flows first */
	assert_true(pipeline_bulk_end(w->p));
	turn(w);
	assert_int_equal(w->n_dumps, 1);
	put(w, &e);
	CHECK_SENT(w, WIRE_EXP_NEW);
	assert_true(sync_bulk_running(pipeline_sync(w->p)));
	put(w, &f);
	exp_path_bulk_end(x);
	CHECK_SENT(w, WIRE_EXP_NEW);
	assert_false(sync_bulk_running(pipeline_sync(w->p)));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_released),
		cmocka_unit_test(test_end_tells_the_time_left),
		cmocka_unit_test(test_bulk_and_nack),
		cmocka_unit_test(test_helper_list_and_zone),
		cmocka_unit_test(test_silent_changes),
		cmocka_unit_test(test_flush_leaves_the_queues),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_room_again),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_injected),
		cmocka_unit_test(test_injected_and_unsaid),
		cmocka_unit_test(test_injected_and_taken_over),
		cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_bypass_full_send),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
