/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a peer stands: evidence in, state out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "standing/standing.h"

#define FIRST	 (UINT32_MAX - 20) /* the numbers wrap */
#define PATIENCE 10000

struct world {
	struct standing st;
	struct standing_facts f;
	struct mono now;
	unsigned int changes;
};

/* A pair that has met and told each other everything. */
static struct world met(void)
{
	struct world w = { .now = { .ns = 1000 * MONO_NS_PER_S } };

	w.f = (struct standing_facts){
		.alive = true,
		.silence_ms = PATIENCE,
		.heard = w.now,
		.contact = w.now,
		.acks = true,
		.confirmed = true,
		.sent = FIRST,
		.acked = FIRST,
		.ack_heard = w.now,
		.patience_ms = PATIENCE,
	};
	standing_look(&w.st, &w.f, w.now);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	return w;
}

/* Seconds pass, and a look in each. The peer is heard; acks: and acknowledges all it was told a
 * second ago. */
static void pass(struct world *w, unsigned int seconds, uint32_t tell, bool acks)
{
	enum standing_state was;

	for (unsigned int i = 0; i < seconds; i++) {
		w->now = mono_add_ms(w->now, 1000);
		if (acks) {
			w->f.acked = w->f.sent;
			w->f.ack_heard = w->now;
		}
		if (w->f.alive)
			w->f.heard = w->now;
		w->f.sent += tell;
		was = w->st.state;
		standing_look(&w->st, &w->f, w->now);
		w->changes += w->st.state != was;
	}
}

static void busy_pair_is_in_sync(void **state)
{
	struct world w = met();

	(void)state;
	pass(&w, 100, 50000, true);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	assert_int_equal(w.st.heard, STANDING_HEARD);
	assert_int_equal(w.st.lack, STANDING_LACKS_NOTHING);
	assert_int_equal(w.st.behind, 50000);
	assert_int_equal(w.changes, 0);
}

/* One message is enough to notice, and a keepalive is one. */
static void deaf_after_patience(void **state)
{
	static const uint32_t rate[] = { 1, 10000 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world w = met();
		struct mono since;

		pass(&w, 20, rate[i], true);
		pass(&w, PATIENCE / 1000 - 2, rate[i], false);
		assert_int_equal(w.st.state, STANDING_IN_SYNC);
		assert_int_equal(w.st.heard, STANDING_HEARD);
		pass(&w, 3, rate[i], false);
		assert_int_equal(w.st.state, STANDING_DEAF);
		assert_int_equal(w.st.heard, STANDING_NOT_HEARD);
		assert_in_range(standing_lag_ms(&w.st, w.now), PATIENCE, PATIENCE + 3000);
		since = w.st.since;
		pass(&w, 600, rate[i], false);
		assert_int_equal(w.st.since.ns, since.ns);
		assert_in_range(w.st.behind, 610 * rate[i], 620 * rate[i]);
		assert_int_equal(w.changes, 1);
		pass(&w, 2, rate[i], true);
		assert_int_equal(w.st.state, STANDING_IN_SYNC);
		assert_int_equal(w.st.heard, STANDING_HEARD);
		assert_int_equal(w.changes, 2);
	}
}

static void behind_while_it_acknowledges_too_little(void **state)
{
	struct world w = met();

	(void)state;
	pass(&w, 2, 5000, true);
	for (unsigned int i = 0; i < 30; i++) {
		w.f.acked += 100;
		w.f.ack_heard = w.now;
		pass(&w, 1, 5000, false);
	}
	assert_int_equal(w.st.state, STANDING_BEHIND);
	assert_int_equal(w.st.heard, STANDING_NOT_HEARD);
	assert_true(w.st.behind > 100000);
	pass(&w, 2, 5000, true);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
}

/* It did not acknowledge because it was not there: once it is back, it has time to. */
static void back_after_silence_is_not_deaf(void **state)
{
	struct world w = met();
	struct mono last;

	(void)state;
	pass(&w, 3, 1, true);
	last = w.f.heard;
	w.f.alive = false;
	pass(&w, 9, 1, false);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	pass(&w, 3600, 1, false);
	assert_int_equal(w.st.state, STANDING_SILENT);
	assert_int_equal(w.st.since.ns, last.ns);
	assert_int_equal(w.st.heard, STANDING_NOT_HEARD);
	w.f.alive = true;
	pass(&w, 1, 1, false);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	/* nothing that was told meanwhile has arrived, as far as is known */
	assert_int_equal(w.st.heard, STANDING_NOT_HEARD);
	pass(&w, 2, 1, true);
	assert_int_equal(w.st.heard, STANDING_HEARD);
	assert_int_equal(w.changes, 2);
}

static void one_that_never_acknowledged(void **state)
{
	struct world w = met();

	(void)state;
	w = (struct world){ .now = w.now, .f = w.f };
	w.f.confirmed = false;
	pass(&w, PATIENCE / 1000, 1, false);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	assert_int_equal(w.st.heard, STANDING_NOT_HEARD);
	pass(&w, 1, 1, false);
	assert_int_equal(w.st.state, STANDING_DEAF);
	w.f.confirmed = true;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
}

static void without_acknowledgements_nobody_is_deaf(void **state)
{
	struct world w = met();

	(void)state;
	w.f.acks = false;
	pass(&w, 100, 1000, false);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	assert_int_equal(w.st.heard, STANDING_CANNOT_TELL);
}

/* The fact is exact, the state leaves a repair its time. */
static void gap_is_a_fact_at_once_and_a_state_later(void **state)
{
	struct world w = met();

	(void)state;
	w.f.open = true;
	pass(&w, 4, 1, true);
	assert_int_not_equal(w.st.lack, STANDING_LACKS_NOTHING);
	assert_int_equal(w.st.heard, STANDING_HEARD);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
	pass(&w, 4, 1, true);
	assert_int_equal(w.st.state, STANDING_GAP);
	w.f.open = false;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.lack, STANDING_LACKS_NOTHING);
	assert_int_equal(w.st.state, STANDING_IN_SYNC);
}

/* Of several states the worst is shown. */
static void the_worst_counts(void **state)
{
	struct world w = met();

	(void)state;
	w.f.sending = true;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_SENDING);
	assert_int_equal(w.st.lack, STANDING_LACKS_NOTHING);
	w.f.table = STANDING_LACKS_ANSWER;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_RECEIVING);
	w.f.asks = w.f.failed = STANDING_OFTEN - 1;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_RECEIVING);
	w.f.asks = STANDING_OFTEN;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_UNSERVED);
	w.f.failed = STANDING_OFTEN;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_FAILING);
	w.f.asks = w.f.failed = 0; /* another life: what failed has not come yet */
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.state, STANDING_FAILING);
	assert_int_not_equal(w.st.lack, STANDING_LACKS_NOTHING);
	w.f.open = true;
	pass(&w, 6, 1, true);
	assert_int_equal(w.st.state, STANDING_GAP);
	assert_true(w.st.is & STANDING_IS(STANDING_FAILING));
	w.f.table = STANDING_LACKS_NOTHING;
	pass(&w, 1, 1, true);
	assert_int_equal(w.st.is & STANDING_IS(STANDING_FAILING), 0);
	pass(&w, 15, 1, false);
	assert_int_equal(w.st.state, STANDING_DEAF);
	w.f.other_mode = true;
	pass(&w, 1, 1, false);
	assert_int_equal(w.st.state, STANDING_OTHER_MODE);
	w.f.alive = false;
	pass(&w, PATIENCE / 1000, 1, false);
	assert_int_equal(w.st.state, STANDING_SILENT);
	w.f.other_protocol = true;
	pass(&w, 1, 1, false);
	assert_int_equal(w.st.state, STANDING_OTHER_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_pair_is_in_sync),
		cmocka_unit_test(deaf_after_patience),
		cmocka_unit_test(behind_while_it_acknowledges_too_little),
		cmocka_unit_test(back_after_silence_is_not_deaf),
		cmocka_unit_test(one_that_never_acknowledged),
		cmocka_unit_test(without_acknowledgements_nobody_is_deaf),
		cmocka_unit_test(gap_is_a_fact_at_once_and_a_state_later),
		cmocka_unit_test(the_worst_counts),
	};

	return cmocka_run_group_tests_name("standing", tests, NULL, NULL);
}
