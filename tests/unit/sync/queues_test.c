/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three containers of FTFW against models that do the same in the most obvious way: the ring of
 * sent messages, the queue of flows, the reorder allowance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../flow/flow_random.h"
#include "flow/repl.h"
#include "sync/reorder.h"
#include "sync/resend.h"
#include "sync/txq.h"
#include "proto/message.h"

#define MODEL 20000

/* ---- resend ---- */

struct model {
	struct resend_entry e[MODEL];
	uint32_t n, live, control;
};

/* What the ring says about numbers around those it holds, compared with a search through everything
 * ever pushed. */
static void check_ring(const struct resend *r, const struct model *m, uint32_t seq)
{
	uint32_t first = m->n > r->cap ? m->n - r->cap : 0, i = first;
	struct resend_entry *e = resend_find(r, seq);

	while (i < m->n && (int32_t)(m->e[i].seq - seq) < 0)
		i++;
	assert_int_equal(resend_find_from(r, seq) - r->first, i - first);
	if (i < m->n && m->e[i].seq == seq) {
		assert_non_null(e);
		assert_int_equal(e->state, m->e[i].state);
		assert_int_equal(e->id, m->e[i].id);
	} else {
		assert_null(e);
	}
}

static void settle_one(struct resend *r, struct model *m, uint32_t i)
{
	if (m->e[i].state != RESEND_LIVE)
		return;
	m->e[i].state = RESEND_ACKED;
	m->live--;
	m->control -= msg_is_control(m->e[i].kind);
	resend_settle(r, resend_find(r, m->e[i].seq), RESEND_ACKED);
}

/* Numbers with holes, across the wrap, settled in any order. */
static void run_ring(struct rng *rng, uint32_t cap)
{
	static struct model m;
	uint32_t seq = UINT32_MAX - rng_below(rng, 3000);
	struct resend r;

	m.n = m.live = m.control = 0;
	assert_int_equal(resend_init(&r, cap, seq), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t first;

		while (resend_full(&r)) {
			struct resend_entry *oldest = resend_oldest(&r);
			uint32_t k = 0;

			while (m.e[k].seq != oldest->seq)
				k++;
			settle_one(&r, &m, k);
		}
		seq += rng_one_in(rng, 10) ? 1 + rng_below(rng, 4) : 1;
		m.e[m.n] = (struct resend_entry){ .seq = seq,
						  .id = rng_u32(rng),
						  .paced = rng_one_in(rng, 2),
						  .kind = rng_one_in(rng, 3) ? MSG_ACK : MSG_FLOW };
		resend_push(&r, &m.e[m.n++]);
		m.control += msg_is_control(m.e[m.n - 1].kind);
		m.live++;
		first = m.n > cap ? m.n - cap : 0;
		for (uint32_t k = rng_below(rng, 3); k > 0; k--)
			settle_one(&r, &m, first + rng_below(rng, m.n - first));
		assert_int_equal(r.n_live, m.live);
		assert_int_equal(r.n_control, m.control);
		check_ring(&r, &m, m.e[first].seq + rng_below(rng, 2 * cap) - 3);
	}
	/* What was pushed out is below base, what is still there is not. */
	assert_true((int32_t)(m.e[m.n - cap].seq - r.base) >= 0);
	assert_true((int32_t)(m.e[m.n - cap - 1].seq - r.base) < 0);
	resend_free(&r);
}

static void ring_is_what_was_sent(void **state)
{
	static const uint32_t caps[] = { 1, 2, 3, 7, 64, 1000 };
	struct rng rng = rng_from_env("resend");

	(void)state;
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		run_ring(&rng, caps[i]);
}

/* ---- txq ---- */

static void queue_keeps_order(void **state)
{
	static uint32_t id[MODEL], place[MODEL];
	struct rng rng = rng_from_env("txq");
	uint32_t head = 0, tail = 0, n = 0, popped = 0;
	struct txq q = { .head = UINT32_MAX - 5000, .tail = UINT32_MAX - 5000 };

	(void)state;
	while (tail < MODEL) {
		if (!rng_one_in(&rng, 3)) {
			id[tail] = tail;
			assert_int_equal(txq_push(&q, tail, &place[tail]), 0);
			tail++;
			n++;
		} else if (rng_one_in(&rng, 2) && tail > head) {
			uint32_t i = head + rng_below(&rng, tail - head);

			if (id[i] != FLOW_ID_NONE) {
				txq_remove(&q, place[i]);
				id[i] = FLOW_ID_NONE;
				n--;
			}
		} else {
			while (head < tail && id[head] == FLOW_ID_NONE)
				head++;
			assert_int_equal(txq_first(&q), head < tail ? id[head] : FLOW_ID_NONE);
			if (head < tail) {
				assert_false(txq_passed(&q, place[head] + 1));
				txq_pop(&q);
				assert_true(txq_passed(&q, place[head] + 1));
				head++;
				n--;
				popped++;
			}
		}
		assert_int_equal(q.n, n);
	}
	assert_true(popped > MODEL / 20);
	txq_free(&q);
}

/* ---- reorder ---- */

static enum reorder_verdict put(struct reorder *r, uint32_t next, uint32_t seq, size_t len)
{
	static uint8_t bytes[REORDER_BODY + 1];
	struct message msg = { .seq = seq };

	memset(bytes, (int)(seq & 0xff), sizeof(bytes));
	return reorder_put(r, next, &msg, cur_init(bytes, len),
			   (struct mono){ .ns = seq + INT64_C(1) });
}

static void reorder_limits(void **state)
{
	static const struct {
		uint32_t ahead;
		size_t len;
		enum reorder_verdict want;
	} cases[] = {
		{ 1, 0, REORDER_KEPT },
		{ 1, 0, REORDER_TWICE },
		{ 1, 20, REORDER_OTHER },
		{ 0, REORDER_BODY, REORDER_KEPT },
		{ 0, REORDER_BODY, REORDER_TWICE },
		{ 0, REORDER_BODY - 1, REORDER_OTHER },
		{ 2, REORDER_BODY + 1, REORDER_NO_ROOM },
		{ REORDER_MAX - 1, 20, REORDER_KEPT },
		{ REORDER_MAX, 20, REORDER_NO_ROOM },
		{ REORDER_MAX + 1, 20, REORDER_NO_ROOM },
		{ UINT32_MAX, 20, REORDER_NO_ROOM },
	};
	struct reorder r = { 0 };
	uint32_t next = UINT32_MAX - 10;
	struct mono at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(put(&r, next, next + cases[i].ahead, cases[i].len), cases[i].want);
	assert_int_equal(r.n, 3);
	assert_int_equal(reorder_lowest(&r, next, &at), next);
	assert_int_equal(at.ns, next + INT64_C(1));
	/* also after it has grown */
	assert_int_equal(reorder_lowest(&r, next + 2, &at), next + REORDER_MAX - 1);
	assert_int_equal(at.ns, (uint32_t)(next + REORDER_MAX - 1) + INT64_C(1));
	reorder_clear(&r);
	assert_int_equal(r.n, 0);
	assert_int_equal(put(&r, next, next + 1, 0), REORDER_KEPT);
	reorder_free(&r);
}

static void reorder_gives_back_in_order(void **state)
{
	struct rng rng = rng_from_env("reorder");
	static bool kept[4 * REORDER_MAX];
	struct reorder r = { 0 };
	uint32_t base = UINT32_MAX - 100, next = 0, n = 0;

	(void)state;
	while (next < 3 * REORDER_MAX) {
		uint32_t i = next + rng_below(&rng, REORDER_MAX);
		struct message msg;
		struct cursor body;

		assert_int_equal(put(&r, base + next, base + i, i % 50),
				 kept[i] ? REORDER_TWICE : REORDER_KEPT);
		n += !kept[i];
		kept[i] = true;
		for (; reorder_take(&r, base + next, &msg, &body); next++, n--) {
			assert_true(kept[next]);
			assert_int_equal(msg.seq, base + next);
			assert_int_equal(body.left, next % 50);
			for (size_t k = 0; k < body.left; k++)
				assert_int_equal(body.at[k], (base + next) & 0xff);
		}
		assert_false(kept[next]);
		assert_int_equal(r.n, n);
	}
	reorder_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_is_what_was_sent),
		cmocka_unit_test(queue_keeps_order),
		cmocka_unit_test(reorder_limits),
		cmocka_unit_test(reorder_gives_back_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
