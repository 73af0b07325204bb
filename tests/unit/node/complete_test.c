/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables that are full, memory that is short, sweeps in doubt: what is said, when a repair
 * begins, and that it ends. malloc() is wrapped, so that it can fail. */
#include "node/path.h"
#include "proto/v1/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/sync_conf.h"
#include "unit/cache/flows.h"

#define LIMIT 40u
#define FLOWS 100u

struct world {
	struct pipeline *p;
	struct sync_conf sync;
	struct mono now;
	uint8_t bytes[1468];
	struct writer writer;
	bool alive[FLOWS]; /* in the kernel */
	unsigned int compares, fulls, kernel_asked;
	uint32_t kernel_room; /* so many flows fit */
	unsigned int resyncs; /* RESYNCs sent */
	unsigned int told_new, told_end;
	uint32_t seq; /* the peer's next number */
	char log[16][256];
	unsigned int n_log;
	bool given_up;
};

static bool no_memory;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
	return no_memory ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

/* ---- the world around it ---- */

static struct writer *sink_datagram(void *ctx)
{
	struct world *w = ctx;

	w->writer = wr_init(w->bytes, sizeof(w->bytes));
	return &w->writer;
}

static void sink_send(void *ctx)
{
	struct world *w = ctx;
	struct cursor c = cur_init(w->bytes, w->writer.len), body;
	struct wire_hdr hdr;

	while (c.left > 0) {
		assert_int_equal(wire_next(&c, &hdr, &body), PROTO_OK);
		w->resyncs += hdr.type == WIRE_CTL && (hdr.flags & WIRE_F_RESYNC);
		w->told_new += hdr.type == WIRE_CT_NEW;
		w->told_end += hdr.type == WIRE_CT_DEL;
	}
}

static void sink_flush(void *ctx)
{
	(void)ctx;
}

static void keep_line(void *ctx, int level, const char *text)
{
	struct world *w = ctx;

	(void)level;
	if (strstr(text, "no message of a peer"))
		return;
	assert_true(w->n_log < 16);
	snprintf(w->log[w->n_log++], sizeof(w->log[0]), "%s", text);
}

static void keep_report(void *ctx, const struct sync_report *r)
{
	struct world *w = ctx;

	w->given_up = w->given_up || r->what == SYNC_TABLE_FULL;
}

static void count_full(void *ctx)
{
	((struct world *)ctx)->fulls++;
}

static void count_compare(void *ctx)
{
	((struct world *)ctx)->compares++;
}

static bool kernel_room(void *ctx, uint32_t n)
{
	struct world *w = ctx;

	w->kernel_asked++;
	return w->kernel_room >= n;
}

static void ignore_inject(void *ctx, enum sync_change what, const struct ct_flow *flow,
			  struct mono now)
{
	(void)ctx;
	(void)what;
	(void)flow;
	(void)now;
}

static struct world *begin(enum sync_mode mode, bool no_external)
{
	static struct world w;
	const struct pipeline_env env = {
		.ctx = &w,
		.out = { .ctx = &w,
			 .datagram = sink_datagram,
			 .send = sink_send,
			 .flush = sink_flush },
		.log = keep_line,
		.report = keep_report,
		.full = count_full,
		.kernel_room = kernel_room,
		.inject = ignore_inject,
	};
	struct pipeline_conf conf = {
		.proto = &proto_v1,
		.sync = &w.sync,
		.buckets = 64,
		.limit_internal = LIMIT,
		.limit_external = LIMIT,
		.first_seq = 5000,
		.no_external = no_external,
	};

	memset(&w, 0, sizeof(w));
	w.now = (struct mono){ .ns = 1000 * MONO_NS_PER_S };
	w.sync = (struct sync_conf){
		.mode = mode,
		.resend_queue_size = 8192,
		.ack_window = 100,
		.refresh_s = 3,
		.cache_timeout_s = 180,
	};
	w.seq = 70000;
	w.p = pipeline_new(&conf, &env, w.now);
	assert_non_null(w.p);
	pipeline_set_reader(w.p, &(struct pipeline_reader){ .ctx = &w, .compare = count_compare });
	return &w;
}

static void end(struct world *w)
{
	pipeline_free(w->p);
}

static void turn(struct world *w)
{
	bool again = true;

	for (int i = 0; again; i++) {
		assert_true(i < 1000);
		pipeline_turn(w->p, w->now, &again);
	}
}

static void pass_s(struct world *w, int seconds)
{
	for (int i = 0; i < seconds * 4; i++) {
		w->now = mono_add_ms(w->now, 250);
		turn(w);
	}
}

static bool said(const struct world *w, const char *words)
{
	for (unsigned int i = 0; i < w->n_log; i++)
		if (strstr(w->log[i], words))
			return true;
	return false;
}

static void event(struct world *w, enum ct_event what, uint32_t i)
{
	struct ct_flow f = make_flow(3 * i);

	w->alive[i] = what != CT_EVENT_DESTROY;
	pipeline_event(w->p, what, &f, w->now);
}

static uint32_t internal_live(const struct world *w)
{
	return table_count(pipeline_own(w->p)) - table_count_dead(pipeline_own(w->p));
}

/* What reconcile.c does. */
static void compare(struct world *w)
{
	pipeline_compare_begin(w->p);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct ct_flow f = make_flow(3 * i);

		if (w->alive[i])
			pipeline_dumped(w->p, &f, true, w->now);
	}
	pipeline_compare_end(w->p, true, w->now);
}

static char *printed(const struct world *w)
{
	static char copy[512];
	struct completeness_values c;
	struct text out = { 0 };

	for (unsigned int i = 0; i < PIPELINE_CACHES; i++)
		if (pipeline_completeness(w->p, i, w->now, &c))
			completeness_group.prose(&c, &out);
	snprintf(copy, sizeof(copy), "%s", out.buf);
	text_free(&out);
	return copy;
}

/* ---- the internal cache ---- */

static void test_no_repair_without_room(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);

	(void)state;
	assert_non_null(strstr(printed(w), "internal cache: complete\nexternal cache: complete\n"));
	for (uint32_t i = 0; i < LIMIT + 20; i++)
		for (int again = 0; again < 3; again++) /* a flow is heard of more than once */
			event(w, again ? CT_EVENT_UPDATE : CT_EVENT_NEW, i);
	turn(w);
	assert_int_equal(w->n_log, 1);
	assert_true(said(
		w, "internal cache is full: flows find no place in it, because HashLimit is 40"));
	assert_non_null(strstr(
		printed(w),
		"internal cache: incomplete for 0 s: HashLimit reached; 20 flows could not be"));
	assert_int_equal(pipeline_whole(w->p)->why, WHOLE_LIMIT);
	pass_s(w, 300);
	assert_int_equal(w->compares, 0);
	assert_int_equal(w->n_log, 1);
	assert_in_range(w->fulls, 100,
			310); /* HashLimit may follow nf_conntrack_max: it is looked at */
	end(w);
}

static void test_repair_when_there_is_room(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);
	unsigned int told;

	(void)state;
	for (uint32_t i = 0; i < LIMIT + 20; i++)
		event(w, CT_EVENT_NEW, i);
	pass_s(w, 60);
	event(w, CT_EVENT_DESTROY, 0);
	event(w, CT_EVENT_DESTROY, 1); /* a twentieth */
	pass_s(w, 2);
	assert_int_equal(w->compares, 1);
	compare(w);
	assert_int_equal(internal_live(w), LIMIT);
	assert_false(whole_is(pipeline_whole(w->p))); /* 18 are still missing */
	pass_s(w, 60);
	assert_int_equal(w->compares, 1);
	for (uint32_t i = 2; i < 22; i++)
		event(w, CT_EVENT_DESTROY, i);
	pass_s(w, 2);
	told = w->told_new;
	assert_int_equal(w->compares, 2);
	compare(w);
	turn(w);
	assert_int_equal(w->told_new, told + 18);
	assert_true(whole_is(pipeline_whole(w->p)));
	assert_int_equal(w->n_log, 2);
	assert_true(said(w, "internal cache is complete again: 20 flows could not be stored"));
	assert_non_null(strstr(printed(w), "internal cache: complete\n"));
	pass_s(w, 700);
	assert_int_equal(w->compares, 2);
	end(w);
}

/* What could not be stored is what is missing now: without what has ended, is not wanted any
 * more, or found a place after all. */
static void test_the_number_is_what_is_missing(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);

	(void)state;
	for (uint32_t i = 0; i < LIMIT + 20; i++)
		event(w, CT_EVENT_NEW, i);
	for (uint32_t i = LIMIT; i < LIMIT + 5; i++)
		event(w, CT_EVENT_DESTROY, i); /* was never stored */
	turn(w);
	assert_non_null(strstr(printed(w), "internal cache: incomplete for 0 s: HashLimit reached; "
					   "15 flows could not be stored\n"));
	event(w, CT_EVENT_DESTROY, 0);
	turn(w);
	event(w, CT_EVENT_UPDATE, LIMIT + 5); /* there is a place now */
	assert_non_null(strstr(printed(w), "; 14 flows could not"));
	event(w, CT_EVENT_UPDATE, LIMIT + 6);
	assert_non_null(strstr(printed(w), "; 14 flows could not"));
	w->alive[LIMIT + 6] = w->alive[LIMIT + 7] = false; /* their end was lost */
	compare(w);
	assert_non_null(strstr(printed(w), "; 12 flows could not"));
	assert_int_equal(internal_live(w), LIMIT);
	for (uint32_t i = LIMIT + 8; i < LIMIT + 20; i++)
		event(w, CT_EVENT_DESTROY, i);
	assert_non_null(strstr(printed(w), "; 0 flows could not"));
	pass_s(w, 60);
	/* As full as allowed, and nothing is missing: the kernel is asked whether that is so. */
	assert_true(w->compares > 0);
	compare(w);
	assert_true(whole_is(pipeline_whole(w->p)));
	assert_true(said(w, "internal cache is complete again: 20 flows could not be stored"));
	end(w);
}

/* A repair that does not help is made ever less often; one that would fit is not put off for
 * ever by little room. */
static void test_the_pauses_grow(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);
	static const unsigned int after_s[] = { 2, 13, 24, 50, 100, 200, 400, 800, 1600 };
	static const unsigned int compares[] = { 1, 2, 2, 3, 4, 5, 6, 7, 9 };
	unsigned int t = 0;

	(void)state;
	for (uint32_t i = 0; i < LIMIT + 20; i++)
		event(w, CT_EVENT_NEW, i);
	for (uint32_t i = 0; i < 10; i++)
		event(w, CT_EVENT_DESTROY, i);
	for (size_t i = 0; i < sizeof(after_s) / sizeof(after_s[0]); i++) {
		pass_s(w, (int)(after_s[i] - t));
		t = after_s[i];
		assert_in_range(w->compares, compares[i], compares[i] + 1);
		pipeline_compare_begin(w->p); /* somebody ends one that saw nothing */
		pipeline_compare_end(w->p, false, w->now);
	}
	end(w);
}

static void test_one_place_is_enough_for_one_flow(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);

	(void)state;
	for (uint32_t i = 0; i < LIMIT + 1; i++)
		event(w, CT_EVENT_NEW, i);
	event(w, CT_EVENT_DESTROY, 0);
	pass_s(w, 2);
	assert_int_equal(w->compares, 1);
	compare(w);
	assert_int_equal(internal_live(w), LIMIT);
	assert_true(whole_is(pipeline_whole(w->p)));
	end(w);
}

static void test_memory(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);
	struct ct_flow f = make_flow(3);
	struct flow_rare rare = { .helper = "ftp" };

	(void)state;
	f.has |= FLOW_HAS_HELPER;
	f.rare = &rare;
	no_memory = true;
	pipeline_event(w->p, CT_EVENT_NEW, &f, w->now);
	no_memory = false;
	assert_int_equal(pipeline_whole(w->p)->why, WHOLE_MEMORY);
	assert_int_equal(w->n_log, 1);
	assert_true(said(w, "no memory: flows find no place in the internal cache"));
	assert_false(said(w, "HashLimit"));
	assert_non_null(strstr(printed(w), "no memory; 1 flows"));
	pass_s(w, 2);
	assert_int_equal(w->compares, 1); /* nobody knows whether there is some now: it is tried */
	pipeline_compare_begin(w->p);
	pipeline_dumped(w->p, &f, true, w->now);
	pipeline_compare_end(w->p, true, w->now);
	assert_true(whole_is(pipeline_whole(w->p)));
	end(w);
}

/* There is a place for the flow, but not for its labels. */
static void test_memory_for_parts(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);
	struct ct_flow f = make_flow(3);
	struct flow_rare rare = { .labels = { 5 } };
	const struct ct_flow *have;

	(void)state;
	pipeline_event(w->p, CT_EVENT_NEW, &f, w->now);
	f.has |= FLOW_HAS_LABELS;
	f.rare = &rare;
	no_memory = true;
	pipeline_event(w->p, CT_EVENT_UPDATE, &f, w->now);
	no_memory = false;
	turn(w);
	assert_int_equal(pipeline_whole(w->p)->why, WHOLE_MEMORY);
	assert_true(said(w, "no memory"));
	pass_s(w, 2);
	assert_int_equal(w->compares, 1);
	pipeline_compare_begin(w->p);
	internal_pass_begin(pipeline_internal(w->p), true);
	pipeline_dumped(w->p, &f, true, w->now);
	pipeline_compare_end(w->p, true, w->now);
	assert_true(whole_is(pipeline_whole(w->p)));
	have = &table_rec(pipeline_own(w->p), table_find(pipeline_own(w->p), &f))->flow;
	assert_true(have->has & FLOW_HAS_LABELS);
	assert_int_equal(have->rare->labels[0], 5);
	end(w);
}

/* Flows that have ended and wait for their peers: they keep nobody out, and are given up from
 * the oldest on. */
static void test_ends_make_room(void **state)
{
	struct world *w = begin(SYNC_MODE_FTFW, false);
	struct ct_flow f;

	(void)state;
	for (uint32_t i = 0; i < 60 * LIMIT; i++) { /* no peer acknowledges anything */
		f = make_flow(3 * i);
		pipeline_event(w->p, CT_EVENT_NEW, &f, w->now);
		turn(w);
		pipeline_event(w->p, CT_EVENT_DESTROY, &f, w->now);
		turn(w);
	}
	assert_in_range(table_count(pipeline_own(w->p)), LIMIT, LIMIT + LIMIT / 16 + 1024);
	for (uint32_t i = 0; i < LIMIT; i++) {
		f = make_flow(3 * (100000 + i));
		pipeline_event(w->p, CT_EVENT_NEW, &f, w->now);
	}
	assert_int_equal(internal_live(w), LIMIT);
	assert_true(whole_is(pipeline_whole(w->p)));
	assert_int_equal(table_stats(pipeline_own(w->p))->create_failed_limit, 0);
	assert_true(w->given_up);
	assert_in_range(sync_stats(pipeline_sync(w->p))->given_up_dead,
			60 * LIMIT - LIMIT / 16 - 1024 - LIMIT, 60 * LIMIT);
	assert_true(table_check(pipeline_own(w->p)));
	f = make_flow(3 * 200000);
	pipeline_event(w->p, CT_EVENT_NEW, &f,
		       w->now); /* but those that live are no more than allowed */
	assert_int_equal(internal_live(w), LIMIT);
	assert_int_equal(pipeline_whole(w->p)->why, WHOLE_LIMIT);
	end(w);
}

/* ---- what peers tell ---- */

static const struct peer_addr peer = { .family = AF_INET, .addr = { 192, 0, 2, 2 } };

static void peer_tells(struct world *w, enum wire_type type, uint32_t i)
{
	static const struct proto_rules rules = { 0 };
	struct ct_flow f = make_flow(3 * i);
	uint8_t buf[WIRE_FLOW_MAX];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_flow(&out, type, 0, w->seq++, &f, &rules), 0);
	pipeline_datagram(w->p, &peer, buf, out.len, w->now);
}

static void peer_completes(struct world *w, uint32_t since)
{
	uint8_t buf[WIRE_CTL_LEN];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_complete(&out, w->seq++, since, 7), 0);
	pipeline_datagram(w->p, &peer, buf, out.len, w->now);
}

static void peer_is_there(struct world *w, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		pass_s(w, 1);
		peer_tells(w, WIRE_CT_NEW, 0);
	}
}

static uint32_t external_count(const struct world *w)
{
	return table_count(external_table(pipeline_external(w->p)));
}

static void answer(struct world *w, uint32_t first, uint32_t n)
{
	uint32_t since = w->seq;

	for (uint32_t i = 0; i < n; i++)
		peer_tells(w, WIRE_CT_NEW, first + i);
	peer_completes(w, since);
	turn(w);
}

static void test_external(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);
	unsigned int asked;

	(void)state;
	peer_tells(w, WIRE_CT_NEW, 0);
	pass_s(w, 1);
	answer(w, 0, LIMIT + 20);
	assert_int_equal(external_count(w), LIMIT);
	assert_true(said(
		w, "external cache is full: flows find no place in it, because HashLimit is 40"));
	assert_non_null(strstr(
		printed(w),
		"external cache: incomplete for 0 s: HashLimit reached; 20 flows could not be"));
	assert_true(whole_is(pipeline_whole(w->p))); /* ours is another matter */
	asked = w->resyncs;
	peer_is_there(w, 30);
	assert_int_equal(w->resyncs, asked);
	for (uint32_t i = LIMIT; i < LIMIT + 4; i++)
		peer_tells(w, WIRE_CT_DEL, i); /* was never stored */
	assert_non_null(strstr(printed(w), "HashLimit reached; 16 flows could not be"));
	for (uint32_t i = 1; i < 31; i++)
		peer_tells(w, WIRE_CT_DEL, i);
	peer_tells(w, WIRE_CT_UPD, LIMIT + 4); /* there is a place now */
	assert_non_null(strstr(printed(w), "HashLimit reached; 15 flows could not be"));
	peer_is_there(w, 2);
	assert_true(w->resyncs > asked);
	assert_non_null(strstr(printed(w), "repair under way"));
	answer(w, 31, 29);
	turn(w);
	assert_non_null(strstr(printed(w), "external cache: complete"));
	assert_true(said(w, "external cache is complete again: 20 flows"));
	assert_int_equal(external_count(w), 30);
	end(w);
}

static void test_external_alarm(void **state)
{
	struct world *w = begin(SYNC_MODE_ALARM, false);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < LIMIT + 1; i++)
			peer_tells(w, WIRE_CT_NEW, i);
		pass_s(w, 1);
	}
	assert_non_null(strstr(printed(w), "external cache: incomplete"));
	peer_tells(w, WIRE_CT_DEL, 0);
	pass_s(w, 1);
	assert_non_null(strstr(printed(w), "external cache: incomplete"));
	peer_tells(w, WIRE_CT_NEW, LIMIT); /* repeated, as everything in this mode */
	pass_s(w, 8);
	assert_non_null(strstr(printed(w), "external cache: complete"));
	end(w);
}

/* States injected, and the kernel refuses: the peers are asked when it has room. */
static void test_kernel_without_room(void **state)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, true);
	unsigned int asked, before;
	struct ct_flow stored;

	(void)state;
	peer_tells(w, WIRE_CT_NEW, 0);
	pass_s(w, 1);
	answer(w, 0, 1);
	before = w->n_log;
	for (uint32_t i = 0; i < 20; i++) {
		struct ct_flow f = make_flow(3 * i);

		pipeline_refused(w->p, &f, w->now);
		pipeline_refused(w->p, &f, w->now);
	}
	assert_int_equal(w->n_log, before + 1);
	assert_true(said(w, "kernel's table is full"));
	assert_non_null(
		strstr(printed(w),
		       "in our kernel: incomplete for 0 s: the kernel's table is full; 20 flows"));
	stored = make_flow(3 * 20);
	pipeline_injected(w->p, &stored, true, w->now); /* another than those that are missing */
	peer_tells(w, WIRE_CT_DEL, 20);
	assert_non_null(strstr(printed(w), "kernel's table is full; 20 flows"));
	asked = w->resyncs;
	w->kernel_room = 19;
	peer_is_there(w, 30);
	assert_in_range(w->kernel_asked, 20, 31);
	assert_int_equal(w->resyncs, asked);
	w->kernel_room = 18;
	peer_tells(w, WIRE_CT_DEL, 19);
	stored = make_flow(3 * 18);
	pipeline_injected(w->p, &stored, true, w->now); /* another try went through */
	assert_non_null(strstr(printed(w), "kernel's table is full; 18 flows"));
	peer_is_there(w, 2);
	assert_true(w->resyncs > asked);
	answer(w, 0, 20);
	turn(w);
	assert_non_null(strstr(printed(w), "in our kernel: complete"));
	end(w);
}

/* ---- sweeps in doubt ---- */

#define TOLD 500u

static struct world *told(void)
{
	struct world *w = begin(SYNC_MODE_NOTRACK, false);

	table_set_limit(external_table(pipeline_external(w->p)), 10 * TOLD);
	peer_tells(w, WIRE_CT_NEW, 0);
	pass_s(w, 1);
	answer(w, 0, TOLD);
	assert_int_equal(external_count(w), TOLD);
	w->n_log = 0;
	return w;
}

/* Only `left` of TOLD come; sure: from a peer of our kind. */
static void poor_answer(struct world *w, uint32_t left, bool sure)
{
	w->p->sync_env.resync_begin(w->p, 0);
	for (uint32_t i = 0; i < left; i++)
		peer_tells(w, WIRE_CT_NEW, i);
	w->p->sync_env.resync_done(w->p, 1u << 0, sure ? SYNC_SURE : SYNC_ACKED);
	turn(w);
}

static bool will_ask(const struct world *w)
{
	return mono_is_set(w->p->doubt[0].ask_at);
}

static void test_a_sweep_in_doubt_is_put_off_twice(void **state)
{
	struct world *w = told();
	unsigned int asked;

	(void)state;
	poor_answer(w, 200, false);
	assert_int_equal(external_count(w), TOLD);
	assert_true(said(w, "lacks 300 of its 500 entries"));
	poor_answer(w, 200,
		    false); /* somebody typed -n: that was not the answer that was put off for */
	assert_int_equal(external_count(w), TOLD);
	asked = w->resyncs;
	peer_is_there(w, 9);
	assert_int_equal(w->resyncs, asked);
	assert_true(will_ask(w));
	peer_is_there(w, 2);
	assert_true(w->resyncs > asked);
	assert_false(will_ask(w));
	poor_answer(w, 200, false);
	assert_int_equal(external_count(w), TOLD);
	peer_is_there(w, 58);
	assert_true(will_ask(w));
	peer_is_there(w, 3);
	assert_false(will_ask(w));
	assert_false(said(w, "three full answers"));
	poor_answer(w, 200, false);
	assert_int_equal(external_count(w), 200);
	assert_true(
		said(w, "three full answers of a 1.4.x lacked most of its entries: 300 of 500"));
	w->n_log = 0;
	poor_answer(w, 20, false); /* from the beginning */
	assert_int_equal(external_count(w), 200);
	assert_true(said(w, "asked again in 10 s"));
	end(w);
}

static void test_a_good_answer_ends_the_doubt(void **state)
{
	struct world *w = told();

	(void)state;
	poor_answer(w, 10, false);
	peer_is_there(w, 11);
	poor_answer(w, TOLD - 50, false); /* few are stale: as ever */
	assert_int_equal(external_count(w), TOLD - 50);
	assert_false(will_ask(w));
	assert_int_equal(w->p->doubt[0].put_off, 0);
	end(w);
}

static void test_no_doubt(void **state)
{
	static const struct {
		uint32_t told, left;
		bool sure;
	} cases[] = {
		{ TOLD, 10, true },   /* of our kind: it would have said */
		{ TOLD, 250, false }, /* half is not most */
		{ 101, 1, false },    /* few */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = told();

		for (uint32_t k = cases[i].told; k < TOLD; k++)
			peer_tells(w, WIRE_CT_DEL, k);
		poor_answer(w, cases[i].left, cases[i].sure);
		assert_int_equal(external_count(w), cases[i].left);
		end(w);
	}
}

/* In NOTRACK a 1.4.x acknowledges nothing: what came may be live changes only. */
static void seeming_answer(struct world *w, uint32_t first, uint32_t n)
{
	w->p->sync_env.resync_begin(w->p, 0);
	peer_is_there(w, 1);
	for (uint32_t i = 0; i < n; i++)
		peer_tells(w, WIRE_CT_NEW, first + i);
	w->p->sync_env.resync_done(w->p, 1u << 0, SYNC_SEEMS);
	turn(w);
}

static void test_what_is_no_answer_removes_nothing(void **state)
{
	static const uint32_t pause_s[] = { 11, 61 };
	struct world *w = told();

	(void)state;
	peer_is_there(w, 2);
	for (size_t i = 0; i < 3; i++) {
		seeming_answer(w, TOLD + 10 * (uint32_t)i,
			       i == 1 ? 0 : 10); /* new flows, or nothing */
		assert_int_equal(will_ask(w), i < 2);
		if (i < 2)
			peer_is_there(w, pause_s[i]);
	}
	assert_int_equal(external_count(w), TOLD + 20);
	assert_true(said(w, "nothing shows that a 1.4.x has answered"));
	assert_false(w->p->sync_env.kept(w->p)); /* what may have ended has not found its place */
	/* It repeats what is known, and lacks some of it: that is one. */
	seeming_answer(w, 0, TOLD - 40);
	assert_int_equal(external_count(w), TOLD - 40);
	assert_true(w->p->sync_env.kept(w->p));
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_repair_without_room),
		cmocka_unit_test(test_repair_when_there_is_room),
		cmocka_unit_test(test_the_number_is_what_is_missing),
		cmocka_unit_test(test_the_pauses_grow),
		cmocka_unit_test(test_one_place_is_enough_for_one_flow),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_for_parts),
		cmocka_unit_test(test_ends_make_room),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_external_alarm),
		cmocka_unit_test(test_kernel_without_room),
		cmocka_unit_test(test_a_sweep_in_doubt_is_put_off_twice),
		cmocka_unit_test(test_a_good_answer_ends_the_doubt),
		cmocka_unit_test(test_no_doubt),
		cmocka_unit_test(test_what_is_no_answer_removes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
