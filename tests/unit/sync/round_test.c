/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams of a round: each full one is offered to be filled, once and before it is sent; the last
 * one is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sync/round.h"

#define CAP  252 /* two flows and a control message, or no more than that */
#define FLOW 100
#define MOST 16

struct world {
	uint8_t buf[CAP];
	struct writer w;
	size_t filled[MOST], sent[MOST]; /* lengths of the datagrams */
	unsigned int n_filled, n_sent, n_flushed;
};

static struct writer *give(void *ctx)
{
	struct world *x = ctx;

	x->w = wr_init(x->buf, sizeof(x->buf));
	return &x->w;
}

static int encode(void *ctx, uint32_t id, uint32_t seq, uint8_t hello, struct writer *out)
{
	(void)ctx;
	(void)id;
	(void)seq;
	(void)hello;
	return wr_room(out) >= FLOW && wr_take(out, FLOW) ? 0 : -ENOSPC;
}

static void fill(void *ctx, struct writer *out)
{
	struct world *x = ctx;

	assert_ptr_equal(out, &x->w);
	assert_in_range(out->len, 1, CAP);
	assert_int_equal(x->n_filled, x->n_sent);
	x->filled[x->n_filled++] = out->len;
	out->len = out->cap;
}

static void keep(void *ctx)
{
	struct world *x = ctx;

	x->sent[x->n_sent++] = x->w.len;
}

static void flush(void *ctx)
{
	((struct world *)ctx)->n_flushed++;
}

static struct sync_env env_of(struct world *x)
{
	return (struct sync_env){
		.ctx = x,
		.proto = &proto_v1,
		.encode = encode,
		.fill = fill,
		.out = { .ctx = x, .datagram = give, .send = keep, .flush = flush }
	};
}

static struct sync *sync_of(const struct sync_env *env)
{
	static struct sync s;

	s = (struct sync){ .env = env, .next = 70 };
	return &s;
}

static void full_ones_are_filled(void **state)
{
	struct world x = { .n_sent = 0 };
	struct sync_env env = env_of(&x);
	struct round r = round_begin(sync_of(&env), MOST, (struct mono){ 0 });

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(round_put_flow(&r, i, 0), 0);
	assert_true(round_end(&r));
	assert_int_equal(x.n_flushed, 1);
	assert_int_equal(r.s->next, 75);
	assert_int_equal(r.s->stats.sent_msgs, 5);
	assert_int_equal(x.n_filled, 2);
	assert_int_equal(x.n_sent, 3);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(x.filled[i], 2 * FLOW);
		assert_int_equal(x.sent[i], CAP);
	}
	assert_int_equal(x.sent[2], FLOW);
}

/* Whatever it is that does not fit any more. */
static void other_messages_close_it_as_well(void **state)
{
	(void)state;
	for (int completes = 0; completes < 2; completes++) {
		struct world x = { .n_sent = 0 };
		struct sync_env env = env_of(&x);
		struct round r = round_begin(sync_of(&env), MOST, (struct mono){ 0 });
		unsigned int n = 0;

		assert_int_equal(round_put_flow(&r, 0, 0), 0);
		while (x.n_sent == 0 && n++ < 100)
			assert_true(round_put_control(&r, completes ? MSG_COMPLETE : MSG_ACK, 0,
						      ROUND_TO_ALL, 1, 2));
		assert_int_equal(x.n_filled, 1);
		assert_int_equal(x.sent[0], CAP);
		assert_true(round_end(&r));
		assert_int_equal(x.n_filled, 1);
		assert_int_equal(x.n_sent, 2);
	}
}

static void without_fill_they_stay_as_they_are(void **state)
{
	struct world x = { .n_sent = 0 };
	struct sync_env env = env_of(&x);
	struct round r;

	(void)state;
	env.fill = NULL;
	r = round_begin(sync_of(&env), MOST, (struct mono){ 0 });
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(round_put_flow(&r, i, 0), 0);
	assert_true(round_end(&r));
	assert_int_equal(x.sent[0], 2 * FLOW);
	assert_int_equal(x.sent[1], FLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_ones_are_filled),
		cmocka_unit_test(other_messages_close_it_as_well),
		cmocka_unit_test(without_fill_they_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
