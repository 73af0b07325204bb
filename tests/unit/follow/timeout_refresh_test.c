/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a flow that tells nothing is asked about, so that no peer's kernel forgets it: kernel and
 * clock are scripted here. */
#include "follow/timeout_refresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/timeouts.h"
#include "kernel/ct.h"

#define LIFE_S 30u
#define TOLD_S 1000u /* when the peer was told; mono seconds */
#define WAY_MS 2000  /* a datagram is lost, the next one is not */

static struct {
	struct ct_batch_cb batch;
	struct ev_timer *timer;
	struct ev_work *walk;
	struct mono due;
	unsigned int asked, told;
} w;

static struct flow_rec record;

int ct_batch_open(struct evloop *loop, const struct ct_batch_cb *cb, const char *name,
		  struct ct_batch **out, struct text *err)
{
	(void)loop;
	(void)name;
	(void)out;
	(void)err;
	w.batch = *cb;
	return 0;
}

void ct_batch_close(struct ct_batch *b)
{
	(void)b;
}
size_t ct_batch_room(const struct ct_batch *b)
{
	(void)b;
	return 1024;
}

int ct_batch_add(struct ct_batch *b, enum ct_op op, const struct ct_flow *f,
		 const struct ct_build_opts *opts, uint64_t cookie)
{
	(void)b;
	(void)f;
	(void)opts;
	(void)cookie;
	assert_int_equal(op, CT_OP_GET);
	w.asked++;
	return 0;
}

struct mono evloop_now(const struct evloop *loop)
{
	(void)loop;
	return (struct mono){ 0 };
}

int ev_timer_set(struct evloop *loop, struct ev_timer *t, struct mono due)
{
	(void)loop;
	w.timer = t;
	w.due = due;
	return 0;
}

void ev_timer_del(struct evloop *loop, struct ev_timer *t)
{
	(void)loop;
	(void)t;
}
void ev_work_arm(struct evloop *loop, struct ev_work *work)
{
	(void)loop;
	w.walk = work;
}
void ev_work_del(struct evloop *loop, struct ev_work *work)
{
	(void)loop;
	(void)work;
}

struct internal *pipeline_internal(struct pipeline *p)
{
	(void)p;
	return NULL;
}
/* A table of which every id names `record`: its slots are no bytes apart. */
static uint8_t *the_record[] = { (uint8_t *)&record };
static struct slab slabs[2] = { { .chunk = the_record, .stride = 0 } };
struct flow_table *pipeline_own(struct pipeline *p)
{
	(void)p;
	return (struct flow_table *)slabs;
}
void pipeline_timeout_refreshed(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	(void)p;
	(void)f;
	(void)now;
	w.told++;
}
bool internal_ask(struct internal *c, uint32_t id)
{
	(void)c;
	(void)id;
	return true;
}
bool internal_asked(const struct internal *c, uint32_t id)
{
	(void)c;
	(void)id;
	return true;
}
void internal_ask_over(struct internal *c, uint32_t id)
{
	(void)c;
	(void)id;
}
struct flow_table *internal_table(struct internal *c)
{
	(void)c;
	return (struct flow_table *)slabs;
}

size_t table_walk(const struct flow_table *t, uint64_t *pos, uint32_t *ids, size_t n)
{
	(void)t;
	(void)n;
	ids[0] = 0;
	return (*pos)++ == 0;
}

/* What a peer's kernel makes of the life it is told. */
static uint32_t peers_life(void)
{
	const struct ct_timeouts own = { .udp_s = LIFE_S };

	return ct_timeouts_showing(&own, &record.flow, LIFE_S, CT_SHOW_NEWS_S);
}

/* The first look at which the flow is asked about, whatever the time between a look and the moment
 * the peer was told. */
static void asked_in_time(void **state)
{
	const uint64_t told_ms = TOLD_S * 1000u;
	struct timeout_refresh *r;

	(void)state;
	for (unsigned int phase_ms = 0; phase_ms < 2000; phase_ms += 50) {
		uint64_t now_ms = told_ms + phase_ms;
		struct mono now = { 0 };

		record = (struct flow_rec){ .state = REC_ALIVE, .updated_s = TOLD_S };
		record.flow = (struct ct_flow){ .l3 = AF_INET,
						.l4 = IPPROTO_UDP,
						.has = FLOW_HAS_TIMEOUT,
						.timeout_s = LIFE_S };
		w.asked = w.told = 0;
		assert_int_equal(peers_life(), LIFE_S - CT_SHOW_NEWS_S);
		assert_int_equal(timeout_refresh_open(NULL, NULL, &r, NULL), 0);
		for (w.due = mono_add_ms((struct mono){ 0 }, (int64_t)now_ms); w.asked == 0;) {
			now = w.due;
			w.timer->cb(w.timer->ctx, now);
			while (w.walk->step(w.walk->ctx, now))
				;
			assert_true(mono_s(now) < TOLD_S + 2 * LIFE_S);
		}
		/* Told at the end of the second TOLD_S at the latest, at its beginning at the
		 * earliest. */
		assert_true(mono_diff_ns(now, mono_add_ms((struct mono){ 0 }, (int64_t)told_ms)) /
					    1000000 +
				    WAY_MS <
			    peers_life() * 1000u);
		assert_true(mono_s(now) > TOLD_S + LIFE_S / 2); /* and not all the time */
		w.batch.answer(w.batch.ctx, CT_OP_GET, 0, 0, &record.flow, now);
		assert_int_equal(w.told, 1);
		timeout_refresh_close(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(asked_in_time) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
