/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two seams of the data path, with doubles: a source and a sink that write down what they are
 * asked. What the path does itself is done before that; and the rows of the real ones are
 * complete. */
#include "node/source.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/peer_flows.h"
#include "flow/filter_conf.h"
#include "node/path.h"
#include "node/sink.h"
#include "sync/sync_conf.h"
#include "unit/cache/flows.h"

#define LIFE_S 77u
#define RECORD 5u /* what the double gives */
#define ASKED  256u

static struct {
	char log[ASKED]; /* a letter for each call */
	size_t n;
	uint32_t timeout_s, id;
	enum internal_change change;
} asked;

static void note(char what)
{
	assert_true(asked.n < ASKED - 1);
	asked.log[asked.n++] = what;
}

/* What was asked since the last call. */
static const char *log_of(void)
{
	static char log[ASKED];

	memcpy(log, asked.log, ASKED);
	memset(&asked, 0, sizeof(asked));
	return log;
}

/* ---- the doubles ---- */

static void double_event(struct pipeline *p, enum ct_event what, bool packet,
			 const struct ct_flow *f, struct mono now)
{
	(void)p;
	(void)now;
	note(what == CT_EVENT_NEW ? 'n' : what == CT_EVENT_UPDATE ? 'u' : 'd');
	note(packet ? '+' : '-');
	asked.timeout_s = f->timeout_s;
}

static void double_dumped(struct pipeline *p, const struct ct_flow *f, bool announce,
			  struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
	note(announce ? 'A' : 'a');
}

static void double_changed(struct pipeline *p, enum internal_change change, uint32_t id,
			   struct mono now)
{
	(void)p;
	(void)now;
	note('c');
	asked.change = change;
	asked.id = id;
}

static uint32_t double_deleted(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
	note('x');
	return FLOW_ID_NONE;
}

static uint32_t double_find(const struct pipeline *p, const struct ct_flow *f)
{
	(void)p;
	(void)f;
	note('f');
	return FLOW_ID_NONE;
}

static void double_displaced(struct pipeline *p, const struct ct_flow *f, struct mono when)
{
	(void)p;
	(void)f;
	(void)when;
	note('X');
}

static void double_entry_made(struct pipeline *p, const struct ct_flow *f)
{
	(void)p;
	(void)f;
	note('E');
}

static void double_injected(struct pipeline *p, const struct ct_flow *f, bool written,
			    struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
	note(written ? 'I' : 'i');
}

static bool double_has(const struct pipeline *p, uint32_t id)
{
	(void)p;
	note('h');
	return id == RECORD;
}

static bool double_is_dead(const struct pipeline *p, uint32_t id)
{
	(void)p;
	note('l');
	return id != RECORD;
}

static void double_release(struct pipeline *p, uint32_t id)
{
	(void)p;
	note('r');
	asked.id = id;
}

static size_t double_walk(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n)
{
	(void)p;
	(void)n;
	note('w');
	ids[0] = RECORD;
	return (*pos)++ == 0;
}

static struct mono double_turn(struct pipeline *p, struct mono now)
{
	(void)p;
	note('t');
	return mono_add_ms(now, 3);
}

static bool double_more(const struct pipeline *p)
{
	(void)p;
	note('m');
	return true;
}

static const struct source_ops source_double = {
	.event = double_event,
	.dumped = double_dumped,
	.changed = double_changed,
	.deleted = double_deleted,
	.find = double_find,
	.displaced = double_displaced,
	.entry_made = double_entry_made,
	.injected = double_injected,
	.has = double_has,
	.is_dead = double_is_dead,
	.release = double_release,
	.walk = double_walk,
	.turn = double_turn,
	.more = double_more,
};

static void double_ended_here(struct pipeline *p, const struct ct_flow *f, bool by_itself,
			      struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
	note(by_itself ? 'E' : 'e');
}

static uint32_t double_changed_s(const struct pipeline *p, const struct ct_flow *f)
{
	(void)p;
	(void)f;
	note('s');
	return 4711;
}

static void double_resync_begin(struct pipeline *p, uint8_t peer)
{
	(void)p;
	assert_int_equal(peer, 3);
	note('b');
}

static const struct sink_ops sink_double = {
	.cache = "double",
	.in_kernel = true,
	.resync_begin = double_resync_begin,
	.ended_here = double_ended_here,
	.changed_s = double_changed_s,
};

/* ---- the world ---- */

static struct writer *no_datagram(void *ctx)
{
	(void)ctx;
	return NULL;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static uint32_t life(void *ctx, const struct ct_flow *f)
{
	(void)ctx;
	(void)f;
	return LIFE_S;
}

static const struct mono now = { .ns = 1000 * MONO_NS_PER_S };

static int setup(void **state)
{
	static const struct sync_conf sync = {
		.mode = SYNC_MODE_NOTRACK,
		.resend_queue_size = 64,
	};
	static const struct pipeline_conf conf = {
		.proto = &proto_v1,
		.sync = &sync,
		.buckets = 16,
		.limit_internal = 16,
		.limit_external = 16,
	};
	static const struct pipeline_env env = {
		.out = { .datagram = no_datagram, .send = nothing, .flush = nothing },
		.timeout = life
	};
	struct pipeline *p = pipeline_new(&conf, &env, now);

	assert_non_null(p);
	p->source = &source_double;
	p->sink = &sink_double;
	memset(&asked, 0, sizeof(asked));
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	pipeline_free(*state);
	return 0;
}

/* ---- the tests ---- */

static void test_events(void **state)
{
	struct pipeline *p = *state;
	struct ct_flow f = make_flow(0);

	pipeline_event(p, CT_EVENT_NEW, &f, now);
	pipeline_event(p, CT_EVENT_UPDATE | CT_EVENT_WRITTEN, &f, now);
	assert_string_equal(log_of(), "n+u-");
	/* The sink hears of an end before the source forgets the flow. */
	pipeline_event(p, CT_EVENT_DESTROY, &f, now);
	pipeline_event(p, CT_EVENT_DESTROY | CT_EVENT_WRITTEN, &f, now);
	assert_string_equal(log_of(), "Ed+ed-");
	assert_int_equal(pipeline_stats(p)->events, 4);
	/* An offloaded flow comes without a life, and gets that of its state. */
	f.status |= FLOW_STATUS_OFFLOAD;
	f.has &= ~FLOW_HAS_TIMEOUT;
	f.timeout_s = 0;
	pipeline_event(p, CT_EVENT_UPDATE, &f, now);
	assert_int_equal(asked.timeout_s, LIFE_S);
	assert_string_equal(log_of(), "u+");
}

/* Neither what the filter refuses nor a peer's flow comes to the source by a dump. */
static void test_dumps(void **state)
{
	const struct filter_conf nothing_passes = { .proto_policy = FILTER_ACCEPT };
	struct flow_filter *filter = flow_filter_new(&nothing_passes);
	struct pipeline *p = *state;
	struct ct_flow f = make_flow(0), theirs = make_flow(3);

	assert_non_null(filter);
	pipeline_dumped(p, &f, true, now);
	pipeline_dumped(p, &f, false, now);
	assert_string_equal(log_of(), "Aa");
	peer_flows_add(p->peer_flows, &theirs, 1);
	pipeline_dumped(p, &theirs, true, now);
	assert_string_equal(log_of(), "");
	assert_false(pipeline_compares_all(p));
	assert_true(pipeline_adopted(p, &theirs, now));
	assert_string_equal(log_of(), "A");
	p->filter = filter;
	pipeline_dumped(p, &f, true, now);
	assert_string_equal(log_of(), "");
	p->filter = NULL;
	flow_filter_free(filter);
}

static void test_what_we_did(void **state)
{
	struct pipeline *p = *state;
	struct ct_flow f = make_flow(0);
	struct ct_memory m = { 0 };

	pipeline_purged(p, &f, now);
	pipeline_displaced(p, &f, now);
	pipeline_entry_made(p, &f);
	pipeline_injected(p, &f, true, now);
	pipeline_injected(p, &f, false, now);
	assert_string_equal(log_of(), "xXEIi");
	assert_true(pipeline_purged_lately(p, now));
	assert_false(pipeline_in_kernel(p, &f));
	pipeline_memory(p, &f, &m, now);
	assert_string_equal(log_of(), "ffs");
	assert_int_equal(m.peers_s, 4711);
	assert_int_equal(m.last, CT_UNKNOWN);
	peer_flows_add(p->peer_flows, &f, 42);
	assert_true(pipeline_in_kernel(p, &f));
	pipeline_memory(p, &f, &m, now);
	assert_int_equal(m.last, CT_WRITTEN);
	assert_int_equal(m.received_s, 42);
}

/* What sync asks comes through, and what it says of a resync. */
static void test_sync(void **state)
{
	struct pipeline *p = *state;
	const struct sync_env *env = &p->sync_env;
	uint32_t ids[4];
	uint64_t pos = 0;

	assert_true(env->has(env->ctx, RECORD));
	assert_false(env->has(env->ctx, RECORD | FLOW_ID_EXPECT));
	assert_false(env->is_dead(env->ctx, RECORD));
	env->release(env->ctx, RECORD);
	assert_int_equal(asked.id, RECORD);
	assert_int_equal(env->walk(env->ctx, &pos, ids, 4), 1);
	assert_int_equal(ids[0], RECORD);
	env->resync_begin(env->ctx, 3);
	assert_string_equal(log_of(), "hlrwb");
}

static void test_turn(void **state)
{
	struct pipeline *p = *state;
	bool again;
	struct mono next = pipeline_turn(p, now, &again);

	assert_true(again);
	assert_int_equal(mono_diff_ms(next, now), 3);
	assert_string_equal(log_of(), "tm");
}

/* A row with a hole would be found when the first flow falls into it. */
static void test_rows_are_complete(void **state)
{
	const struct source_ops *sources[] = { &source_cache, &source_bypass };
	const struct sink_ops *sinks[] = { &sink_cache, &sink_kernel };
	const size_t first = offsetof(struct source_ops, event);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t at = first; at < sizeof(struct source_ops); at += sizeof(void *)) {
			void *op;

			memcpy(&op, (const char *)sources[i] + at, sizeof(op));
			assert_non_null(op);
		}
		assert_true(sinks[i]->cache && sinks[i]->apply && sinks[i]->resync_done &&
			    sinks[i]->resync_begin && sinks[i]->ended_here && sinks[i]->changed_s);
	}
	assert_null(source_bypass.cache);
	assert_non_null(source_stats.event);
	assert_non_null(source_stats.deleted);
	assert_non_null(sink_none.ended_here);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_events), T(test_dumps), T(test_what_we_did),
		T(test_sync),	T(test_turn),  cmocka_unit_test(test_rows_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
