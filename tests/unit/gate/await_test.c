/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that may be ahead of their states: which wait, for what, and how long. */
#include "gate/await.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FLOWS	64u
#define PACKETS 200u
#define WAIT_MS 5
#define ROOM	8u

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static const struct hash_key key = { 1, 2 };

struct world {
	struct await *a;
	struct mono now;
	enum await_entry entry[FLOWS]; /* by source port */
	uint32_t asked;
	bool passed[PACKETS];
	uint32_t order[PACKETS], n_passed, packets;
};

static enum await_entry on_entry(void *ctx, const struct ct_flow *t, struct mono now)
{
	struct world *w = ctx;

	(void)now;
	w->asked++;
	return w->entry[ntohs(t->orig.sport)];
}

static void on_verdict(void *ctx, uint32_t packet, bool pass)
{
	struct world *w = ctx;

	assert_true(pass);
	assert_false(w->passed[packet]);
	w->passed[packet] = true;
	w->order[w->n_passed++] = packet;
}

static struct world *begin(void)
{
	const struct gate_conf conf = { .queue_len = ROOM, .wait_ms = WAIT_MS };
	struct world *w = calloc(1, sizeof(*w));
	const struct await_env env = { .ctx = w, .entry = on_entry, .verdict = on_verdict };

	w->now = (struct mono){ .ns = MONO_NS_PER_S };
	w->a = await_new(&conf, &env, &key);
	return w;
}

static void end(struct world *w)
{
	await_free(w->a);
	free(w);
}

/* One of TCP with these flags from port i; has it passed at once? */
static bool send_flags(struct world *w, uint32_t i, uint8_t flags)
{
	uint8_t p[40] = { 0x45, [9] = IPPROTO_TCP, [12] = 10, 0, 0, 2, 192, 0, 2, 9 };

	p[21] = (uint8_t)i;
	p[23] = 80;
	p[33] = flags;
	await_packet(w->a, w->packets, AF_INET, p, sizeof(p), w->now);
	return w->passed[w->packets++];
}

static void later(struct world *w, int64_t ms)
{
	w->now = mono_add_ms(w->now, ms);
	await_step(w->a, w->now);
}

static void test_what_waits(void **state)
{
	static const struct {
		enum await_entry entry;
		uint8_t flags;
		bool passes, asks;
	} rows[] = {
		{ AWAIT_NONE, SYN, true, false },	{ AWAIT_NONE, RST | ACK, true, false },
		{ AWAIT_NONE, SYN | ACK, false, true }, { AWAIT_NONE, ACK, false, true },
		{ AWAIT_BEGUN, SYN | ACK, true, true }, { AWAIT_BEGUN, ACK, false, true },
		{ AWAIT_THERE, SYN | ACK, true, true }, { AWAIT_THERE, ACK, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = begin();

		w->entry[1] = rows[i].entry;
		assert_int_equal(send_flags(w, 1, rows[i].flags), rows[i].passes);
		assert_int_equal(w->asked, rows[i].asks);
		end(w);
	}
}

static void test_other_protocols(void **state)
{
	uint8_t udp[40] = { 0x45, [9] = IPPROTO_UDP, [12] = 10, 0, 0, 2, 192, 0, 2, 9, [33] = ACK };
	struct world *w = begin();

	(void)state;
	await_packet(w->a, 0, AF_INET, udp, sizeof(udp), w->now);
	assert_true(w->passed[0]);
	udp[9] = IPPROTO_TCP; /* cut short, or a later fragment */
	await_packet(w->a, 1, AF_INET, udp, 30, w->now);
	assert_true(w->passed[1]);
	udp[7] = 1;
	await_packet(w->a, 2, AF_INET, udp, sizeof(udp), w->now);
	assert_true(w->passed[2]);
	assert_int_equal(w->asked, 0);
	end(w);
}

static void test_in_time(void **state)
{
	struct world *w = begin();

	(void)state;
	assert_false(send_flags(w, 1, SYN | ACK));
	assert_false(send_flags(w, 2, ACK));
	later(w, 2);
	assert_int_equal(w->n_passed, 0);
	w->entry[1] = AWAIT_BEGUN;
	w->entry[2] = AWAIT_BEGUN;
	assert_false(send_flags(w, 2, ACK)); /* behind the first */
	later(w, 1);
	assert_int_equal(w->n_passed, 1);
	w->entry[2] = AWAIT_THERE;
	later(w, 1);
	assert_int_equal(w->n_passed, 3);
	assert_int_equal(w->order[1], 1);
	assert_int_equal(w->order[2], 2);
	assert_int_equal(await_stats(w->a)->in_time, 3);
	assert_int_equal(await_stats(w->a)->late, 0);
	assert_int_equal(await_holds(w->a), 0);
	end(w);
}

static void test_late(void **state)
{
	struct world *w = begin();

	(void)state;
	assert_false(send_flags(w, 1, ACK));
	later(w, WAIT_MS - 1);
	assert_false(send_flags(w, 2, ACK));
	assert_int_equal(w->n_passed, 0);
	later(w, 1);
	assert_true(w->passed[0]);
	assert_false(w->passed[1]);
	assert_int_equal(await_stats(w->a)->late, 1);
	await_end(w->a);
	assert_true(w->passed[1]);
	end(w);
}

static void test_asked_once(void **state)
{
	struct world *w = begin();

	(void)state;
	w->entry[1] = AWAIT_THERE;
	for (int i = 0; i < 10; i++)
		assert_true(send_flags(w, 1, ACK));
	assert_int_equal(w->asked, 1);
	w->entry[1] = AWAIT_NONE; /* it may have ended since */
	w->now = mono_add_ms(w->now, 1000);
	assert_false(send_flags(w, 1, ACK));
	assert_int_equal(w->asked, 2);
	w->entry[2] = AWAIT_BEGUN; /* is not remembered: the next packet needs more */
	assert_true(send_flags(w, 2, SYN | ACK));
	assert_false(send_flags(w, 2, ACK));
	end(w);
}

static void test_room(void **state)
{
	struct world *w = begin();

	(void)state;
	for (uint32_t i = 0; i < ROOM; i++)
		assert_false(send_flags(w, i, ACK));
	assert_true(send_flags(w, ROOM, ACK));
	assert_int_equal(await_stats(w->a)->no_room, 1);
	later(w, WAIT_MS);
	assert_int_equal(w->n_passed, ROOM + 1);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits), cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_in_time),	   cmocka_unit_test(test_late),
		cmocka_unit_test(test_asked_once), cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
