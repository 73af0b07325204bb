/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data path without internal cache: a kernel table with an event queue and dumps that lag
 * behind it, as real ones do, and a replica that stores what it is told. */
#include "node/pipeline.h"
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

#define CAP   1468u
#define FLOWS 240u
#define QUEUE 4096u
#define PART  7u /* entries that one read of the dump brings */
#define SEED  UINT64_C(0x9e3779b97f4a7c15)

/* One flow in the kernel, at the replica, or in an event or a dump entry. */
struct view {
	bool lives;
	bool helper; /* told at birth and in dumps only */
	uint32_t mark;
	uint32_t id;
};

struct event {
	enum ct_event what;
	uint32_t flow;
	struct view view;
};

struct world {
	struct pipeline *p;
	struct sync_conf sync;
	struct pipeline_conf conf;
	struct mono now;
	uint64_t rnd;
	struct view kernel[FLOWS], replica[FLOWS];
	struct event queue[QUEUE];
	uint32_t head, tail;
	/* the dump: the part made last, and where the next begins */
	bool dumping, paused;
	uint32_t at, n_part, part_of[PART];
	struct view part[PART];
	unsigned int n_dumps;
	/* the channel */
	bool closed;
	uint8_t bytes[CAP];
	struct writer out;
	bool seen_seq;
	uint32_t seq, n_new, n_upd, n_del, n_gaps, n_complete;
};

static struct ct_flow flow_of(uint32_t i, const struct view *v, bool whole, struct flow_rare *rare)
{
	struct ct_flow f = make_flow(3 * i); /* no zone: it would not travel */

	f.has |= FLOW_HAS_MARK | FLOW_HAS_ID;
	f.mark = v->mark;
	f.id = v->id;
	if (whole && v->helper) {
		*rare = (struct flow_rare){ .helper = "ftp" };
		f.rare = rare;
		f.has |= FLOW_HAS_HELPER;
	}
	return f;
}

/* ---- the replica ---- */

static void replica_take(struct world *w, const struct wire_hdr *hdr, struct cursor body)
{
	struct proto_stats stats = { 0 };
	struct flow_rare rare;
	struct ct_flow f, known;
	struct view *r;
	uint32_t i;

	assert_int_equal(wire_get_flow(body, &f, &rare, &stats), PROTO_OK);
	i = ntohs(f.orig.sport);
	assert_true(i < FLOWS);
	known = make_flow(3 * i);
	assert_true(flow_same_key(&f, &known));
	r = &w->replica[i];
	w->n_new += hdr->type == WIRE_CT_NEW;
	w->n_upd += hdr->type == WIRE_CT_UPD;
	w->n_del += hdr->type == WIRE_CT_DEL;
	if (hdr->type == WIRE_CT_DEL || hdr->type == WIRE_CT_NEW)
		*r = (struct view){ 0 };
	if (hdr->type == WIRE_CT_DEL)
		return;
	r->lives = true;
	r->helper = r->helper || (f.has & FLOW_HAS_HELPER);
	r->mark = f.mark;
}

static struct writer *net_datagram(void *ctx)
{
	struct world *w = ctx;

	if (w->closed)
		return NULL;
	w->out = wr_init(w->bytes, CAP);
	return &w->out;
}

static void net_send(void *ctx)
{
	struct world *w = ctx;
	struct cursor datagram = cur_init(w->bytes, w->out.len);
	uint32_t since, life;

	while (datagram.left > 0) {
		struct wire_hdr hdr;
		struct cursor body;

		assert_int_equal(wire_next(&datagram, &hdr, &body), PROTO_OK);
		w->n_gaps += w->seen_seq && hdr.seq != w->seq + 1;
		w->seq = hdr.seq;
		w->seen_seq = true;
		if (hdr.type <= WIRE_CT_DEL)
			replica_take(w, &hdr, body);
		else
			w->n_complete += wire_get_complete(&hdr, body, &since, &life);
	}
}

static void net_flush(void *ctx)
{
	(void)ctx;
}

/* ---- the kernel ---- */

static void kernel_make_part(struct world *w)
{
	w->n_part = 0;
	for (; w->at < FLOWS && w->n_part < PART; w->at++) {
		if (!w->kernel[w->at].lives)
			continue;
		w->part_of[w->n_part] = w->at;
		w->part[w->n_part++] = w->kernel[w->at];
	}
}

static void kernel_dump(void *ctx)
{
	struct world *w = ctx;

	assert_false(w->dumping);
	w->dumping = true;
	w->paused = false;
	w->n_dumps++;
	w->at = 0;
	kernel_make_part(w);
}

static void kernel_dump_pause(void *ctx, bool pause)
{
	struct world *w = ctx;

	w->paused = pause;
}

/* One read: what was made before, and the next part is made at that moment. */
static void kernel_read(struct world *w)
{
	struct view part[PART];
	uint32_t of[PART], n = w->n_part;
	struct flow_rare rare;

	if (!w->dumping || w->paused)
		return;
	memcpy(part, w->part, sizeof(part));
	memcpy(of, w->part_of, sizeof(of));
	kernel_make_part(w);
	for (uint32_t i = 0; i < n; i++) {
		struct ct_flow f = flow_of(of[i], &part[i], true, &rare);

		pipeline_bulk_entry(w->p, &f, w->now);
	}
	pipeline_bulk_part(w->p);
	if (n > 0)
		return;
	if (pipeline_bulk_end(w->p)) {
		w->dumping = false;
	} else { /* no room: again, as the teller does it */
		w->at = 0;
		w->n_dumps++;
		kernel_make_part(w);
	}
}

static void kernel_say(struct world *w, enum ct_event what, uint32_t i)
{
	assert_true(w->tail - w->head < QUEUE);
	w->queue[w->tail++ % QUEUE] =
		(struct event){ .what = what, .flow = i, .view = w->kernel[i] };
}

static void kernel_birth(struct world *w, uint32_t i)
{
	w->kernel[i] = (struct view){
		.lives = true, .helper = i % 5 == 0, .mark = rnd(&w->rnd), .id = rnd(&w->rnd)
	};
	kernel_say(w, CT_EVENT_NEW, i);
}

static void kernel_change(struct world *w, uint32_t i)
{
	w->kernel[i].mark = rnd(&w->rnd);
	kernel_say(w, CT_EVENT_UPDATE, i);
}

static void kernel_end(struct world *w, uint32_t i)
{
	w->kernel[i].lives = false;
	kernel_say(w, CT_EVENT_DESTROY, i);
}

static void kernel_something(struct world *w)
{
	uint32_t i = rnd_below(&w->rnd, FLOWS);

	if (!w->kernel[i].lives)
		kernel_birth(w, i);
	else if (rnd_below(&w->rnd, 3) == 0)
		kernel_end(w, i);
	else
		kernel_change(w, i);
}

static void events(struct world *w, uint32_t n)
{
	for (; n > 0 && w->head != w->tail; n--) {
		const struct event *e = &w->queue[w->head++ % QUEUE];
		struct flow_rare rare;
		struct ct_flow f = flow_of(e->flow, &e->view, e->what == CT_EVENT_NEW, &rare);

		pipeline_event(w->p, e->what, &f, w->now);
	}
}

/* ---- time ---- */

static void turn(struct world *w)
{
	bool again;

	w->now = mono_add_ms(w->now, 1);
	pipeline_turn(w->p, w->now, &again);
}

static void settle(struct world *w)
{
	w->closed = false;
	for (int i = 0; i < 20000; i++) {
		events(w, QUEUE);
		kernel_read(w);
		turn(w);
		if (!sync_bulk_running(pipeline_sync(w->p)) && !w->dumping && i > 1200)
			return;
	}
	fail_msg("the full send does not end");
}

static void check_same(const struct world *w)
{
	for (uint32_t i = 0; i < FLOWS; i++) {
		const struct view *k = &w->kernel[i], *r = &w->replica[i];

		if (k->lives != r->lives ||
		    (k->lives && (k->mark != r->mark || k->helper != r->helper)))
			fail_msg("flow %u: kernel %d mark %u helper %d, replica %d mark %u helper "
				 "%d",
				 i, k->lives, k->mark, k->helper, r->lives, r->mark, r->helper);
	}
}

static void check_empty(const struct world *w)
{
	assert_int_equal(table_count(pipeline_own(w->p)), 0);
	assert_true(table_check(pipeline_own(w->p)));
}

static int setup_limit(void **state, uint32_t limit)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct pipeline_env env = {
		.ctx = w,
		.out = { .ctx = w, .datagram = net_datagram, .send = net_send, .flush = net_flush },
	};

	const struct pipeline_reader reader = { .ctx = w,
						.dump = kernel_dump,
						.dump_pause = kernel_dump_pause };

	assert_non_null(w);
	w->rnd = SEED;
	w->now = (struct mono){ .ns = 1000 * MONO_NS_PER_S };
	w->sync = (struct sync_conf){ .mode = SYNC_MODE_NOTRACK, .purge_timeout_s = 60 };
	w->conf = (struct pipeline_conf){
		.proto = &proto_v1,
		.sync = &w->sync,
		.no_internal = true,
		.buckets = 64,
		.limit_internal = limit,
		.limit_external = 10,
		.first_seq = 5000,
		.rules = { .wscale = true },
	};
	w->p = pipeline_new(&w->conf, &env, w->now);
	assert_non_null(w->p);
	pipeline_set_reader(w->p, &reader);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_limit(state, 100000);
}

static int setup_small(void **state)
{
	return setup_limit(state, 16);
}

static int teardown(void **state)
{
	struct world *w = *state;

	pipeline_free(w->p);
	free(w);
	return 0;
}

/* ---- tests ---- */

static void test_events(void **state)
{
	struct world *w = *state;

	kernel_birth(w, 1);
	events(w, 1);
	turn(w); /* nothing waits for a timer */
	assert_int_equal(w->n_new, 1);
	kernel_change(w, 1);
	events(w, 1);
	turn(w);
	assert_int_equal(w->n_upd, 1);
	kernel_end(w, 1);
	events(w, 1);
	turn(w);
	assert_int_equal(w->n_del, 1);
	check_same(w);
	check_empty(w);

	/* Changes before transmission collapse; the end of a flow nobody has heard of is told as
	 * well. */
	kernel_birth(w, 2);
	kernel_change(w, 2);
	kernel_end(w, 3);
	events(w, 3);
	turn(w);
	assert_int_equal(w->n_new, 2);
	assert_int_equal(w->n_upd, 1);
	assert_int_equal(w->n_del, 2);
	check_same(w);
	check_empty(w);
	assert_null(pipeline_internal(w->p));
	assert_int_equal(pipeline_stats(w->p)->sent[WIRE_CT_NEW], 2);
	assert_int_equal(pipeline_stats(w->p)->sent[WIRE_CT_UPD], 1);
	assert_int_equal(pipeline_stats(w->p)->sent[WIRE_CT_DEL], 2);
}

/* What was there before, while everything goes on, over a channel that is full now and then. */
static void test_full_sends(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < FLOWS; i += 2)
		w->kernel[i] =
			(struct view){ .lives = true, .helper = i % 5 == 0, .mark = i, .id = i };
	for (int round = 0; round < 300; round++) {
		sync_bulk(pipeline_sync(w->p), w->now);
		for (int i = 0; i < 60; i++) {
			for (uint32_t n = rnd_below(&w->rnd, 6); n > 0; n--)
				kernel_something(w);
			if (rnd_below(&w->rnd, 2))
				events(w, rnd_below(&w->rnd, 20));
			if (rnd_below(&w->rnd, 2))
				kernel_read(w);
			if (rnd_below(&w->rnd, 30) == 0)
				w->closed = !w->closed;
			turn(w);
		}
		settle(w);
		check_same(w);
		check_empty(w);
	}
	assert_int_equal(w->n_gaps, 0);
	assert_true(w->n_complete >= 300);
}

/* The dump's next part is made when one is read, so it may show a flow whose end has been told
 * since. */
static void test_entry_older_than_end(void **state)
{
	struct world *w = *state;

	kernel_birth(w, 1);
	events(w, 1);
	sync_bulk(pipeline_sync(w->p), w->now);
	turn(w); /* the first part shows it */
	kernel_end(w, 1);
	events(w, 1);
	turn(w); /* told */
	assert_int_equal(w->n_del, 1);
	kernel_read(w);
	settle(w);
	assert_false(w->replica[1].lives);
	check_empty(w);
}

/* What we flush ourselves is told to nobody, not even by a dump that still shows it. */
static void test_purged(void **state)
{
	struct world *w = *state;
	struct flow_rare rare;
	struct ct_flow f;

	kernel_birth(w, 1);
	events(w, 1);
	f = flow_of(1, &w->kernel[1], false, &rare);
	pipeline_purged(w->p, &f, w->now);
	turn(w);
	assert_int_equal(w->n_new, 0);
	check_empty(w);
	sync_bulk(pipeline_sync(w->p), w->now);
	turn(w);
	pipeline_purged(w->p, &f, w->now);
	w->kernel[1].lives = false;
	settle(w);
	assert_int_equal(w->n_new + w->n_upd + w->n_del, 0);
	check_empty(w);
}

/* What our own commit removes has ended: the kernel does not say so to the one whose request it
 * was. A dump that was made before does not bring it back, and what the filter does not want is not
 * told. */
static void test_displaced(void **state)
{
	struct world *w = *state;
	struct flow_rare rare;
	struct ct_flow f;

	kernel_birth(w, 1);
	settle(w);
	assert_true(w->replica[1].lives);
	f = flow_of(1, &w->kernel[1], false, &rare);
	sync_bulk(pipeline_sync(w->p), w->now);
	turn(w);
	kernel_make_part(w);
	pipeline_displaced(w->p, &f, w->now);
	w->kernel[1].lives = false;
	settle(w);
	assert_int_equal(w->n_del, 1);
	assert_false(w->replica[1].lives);
	check_same(w);
	check_empty(w);
}

/* More waits than may: what is lost is noticed, and made good when there is room. */
static void test_full(void **state)
{
	struct world *w = *state;

	turn(w);
	w->closed = true;
	for (uint32_t i = 0; i < 100; i++)
		kernel_birth(w, i);
	events(w, 100);
	turn(w);
	assert_int_equal(table_count(pipeline_own(w->p)), 16);
	assert_int_equal(pipeline_stats(w->p)->full_internal, 84);
	settle(w);
	check_same(w);
	check_empty(w);
	assert_int_equal(w->n_gaps, 1);
	assert_true(w->n_complete >= 1);
}

/* A dump that does not fit beside what waits is made again. */
static void test_full_dump(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 100; i++)
		w->kernel[i] = (struct view){ .lives = true, .mark = i, .id = i };
	sync_bulk(pipeline_sync(w->p), w->now);
	turn(w);
	w->closed = true;
	for (int i = 0; i < 20; i++) {
		kernel_read(w);
		turn(w);
	}
	assert_int_equal(table_count(pipeline_own(w->p)), 16);
	assert_int_equal(w->n_complete, 0);
	settle(w);
	check_same(w);
	check_empty(w);
	assert_true(w->n_dumps > 1);
}

static void test_overrun(void **state)
{
	struct world *w = *state;

	turn(w);
	kernel_birth(w, 7);
	w->head = w->tail; /* the kernel had no room for it */
	pipeline_lost(w->p);
	settle(w);
	check_same(w);
	assert_int_equal(w->n_gaps, 1);
	assert_int_equal(w->n_dumps, 1);
}

/* A commit has no cache to follow it. An entry that the kernel kept is told. */
static void test_commit(void **state)
{
	struct world *w = *state;
	struct flow_rare rare;
	bool inserted = true;
	struct ct_flow f;
	uint32_t id;

	kernel_birth(w, 1);
	w->head = w->tail;
	f = flow_of(1, &w->kernel[1], true, &rare);
	pipeline_commit(w->p, &f, w->now, &id, &inserted);
	assert_false(inserted);
	turn(w);
	assert_int_equal(w->n_new, 0);
	pipeline_dumped(w->p, &f, true, w->now);
	turn(w);
	assert_int_equal(w->n_new, 1);
	check_same(w);
	check_empty(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_events),
		T(test_full_sends),
		T(test_entry_older_than_end),
		T(test_purged),
		T(test_displaced),
		cmocka_unit_test_setup_teardown(test_full, setup_small, teardown),
		cmocka_unit_test_setup_teardown(test_full_dump, setup_small, teardown),
		T(test_overrun),
		T(test_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
