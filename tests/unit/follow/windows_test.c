/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which entries become liberal at a take-over without external cache, and that nothing else happens
 * to any entry: on a real kernel, in a network namespace of its own (skipped where that is not
 * allowed). */
#include "follow/windows.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#include "kernel/ct_timeouts.h"
#include "unit/kernel/support.h"

#define LIBERAL IP_CT_TCP_FLAG_BE_LIBERAL
#define REPLIED (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED)
#define EST_S	1000u /* this kernel's timeout of ESTABLISHED */
#define MANY	1000u /* more than one read of the dump, and than the machine has places */

static bool have_netns;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

/* ---- the selection ---- */

static const struct {
	const char *name;
	uint8_t l4, state;
	uint32_t status;
	uint8_t flags[2];
	bool wanted;
} picks[] = {
	{ "established", 6, TCP_CONNTRACK_ESTABLISHED, REPLIED, { 0x23, 0x23 }, true },
	{ "established, no packet", 6, TCP_CONNTRACK_ESTABLISHED, REPLIED, { 0, 0 }, true },
	{ "one direction judges", 6, TCP_CONNTRACK_ESTABLISHED, REPLIED, { 0x28, 0x23 }, true },
	{ "the other one does", 6, TCP_CONNTRACK_ESTABLISHED, REPLIED, { 0x23, 0x28 }, true },
	{ "liberal already", 6, TCP_CONNTRACK_ESTABLISHED, REPLIED, { 0x08, 0x28 }, false },
	{ "FIN_WAIT", 6, TCP_CONNTRACK_FIN_WAIT, REPLIED, { 0x23, 0x23 }, true },
	{ "CLOSE_WAIT", 6, TCP_CONNTRACK_CLOSE_WAIT, REPLIED, { 0x23, 0x23 }, true },
	{ "LAST_ACK", 6, TCP_CONNTRACK_LAST_ACK, REPLIED, { 0x23, 0x23 }, true },
	{ "TIME_WAIT", 6, TCP_CONNTRACK_TIME_WAIT, REPLIED, { 0x23, 0x23 }, false },
	{ "CLOSE", 6, TCP_CONNTRACK_CLOSE, REPLIED, { 0x23, 0x23 }, false },
	{ "SYN_SENT", 6, TCP_CONNTRACK_SYN_SENT, IPS_CONFIRMED, { 0x03, 0 }, false },
	{ "SYN_RECV", 6, TCP_CONNTRACK_SYN_RECV, REPLIED, { 0x03, 0x23 }, false },
	{ "not assured",
	  6,
	  TCP_CONNTRACK_ESTABLISHED,
	  IPS_CONFIRMED | IPS_SEEN_REPLY,
	  { 0x23, 0x23 },
	  false },
	{ "offloaded", 6, TCP_CONNTRACK_ESTABLISHED, REPLIED | IPS_OFFLOAD, { 0x23, 0x23 }, false },
	{ "UDP", 17, 3, REPLIED, { 0, 0 }, false },
	{ "SCTP", 132, 3, REPLIED, { 0, 0 }, false },
};

static void selection(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(picks) / sizeof(picks[0]); i++) {
		struct ct_flow f = {
			.l3 = AF_INET,
			.l4 = picks[i].l4,
			.status = picks[i].status,
			.proto_state = picks[i].state,
			.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE,
		};

		if (windows_may_judge(&f, picks[i].flags) != picks[i].wanted)
			fail_msg("%s", picks[i].name);
	}
}

/* ---- on a kernel ---- */

struct bench {
	struct evloop *loop;
	struct windows *windows;
	struct kernel_hand hand;
	struct ct_memory memory; /* of every entry */
	enum windows_when when;
	struct mono left;
	uint16_t refused_port; /* the filter does not pass this one */
	struct windows_result res;
	bool done, dumped;
	size_t written;
	uint8_t flags[65536][2]; /* by source port, as the kernel has them */
};

static bool pass(void *ctx, const struct ct_flow *f)
{
	const struct bench *b = ctx;

	assert_false(f->has & (FLOW_HAS_PROTO_STATE | FLOW_HAS_MARK));
	return ntohs(f->orig.sport) != b->refused_port;
}

static void written(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	assert_non_null(f);
	b->written++;
}

static void done(void *ctx, const struct windows_result *res, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	assert_false(b->done);
	b->res = *res;
	b->done = true;
}

static void memory(void *ctx, const struct ct_flow *f, struct ct_memory *m, struct mono now)
{
	const struct bench *b = ctx;

	(void)f;
	(void)now;
	*m = b->memory;
}

static void see(void *ctx, const struct ct_flow *f, const struct ct_seen *seen, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	memcpy(b->flags[ntohs(f->orig.sport)], seen->tcp_flags, 2);
}

static void seen_all(void *ctx, int err, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	assert_int_equal(err, 0);
	b->dumped = true;
}

/* All entries of the kernel that are liberal in both directions. */
static size_t liberal_ones(struct bench *b)
{
	struct ct_dump_cb cb = { .ctx = b, .entry = see, .done = seen_all };
	struct ct_dump *dump;
	size_t n = 0;

	memset(b->flags, 0, sizeof(b->flags));
	b->dumped = false;
	assert_int_equal(ct_dump_open(b->loop, &cb, &dump, NULL), 0);
	assert_int_equal(ct_dump_start(dump, 0), 0);
	assert_true(turn_until(b->loop, &b->dumped, 20000));
	ct_dump_close(dump);
	for (size_t port = 0; port < 65536; port++)
		n += (b->flags[port][0] & b->flags[port][1] & LIBERAL) != 0;
	return n;
}

static struct bench *bench_open(void)
{
	static struct bench b;
	struct windows_cb cb = { .ctx = &b,
				 .pass = pass,
				 .written = written,
				 .done = done,
				 .caller = { .ctx = &b, .memory = memory } };

	b = (struct bench){ .refused_port = 0 };
	run("conntrack -F 2>/dev/null");
	assert_int_equal(
		run("echo %u >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", EST_S),
		0);
	b.loop = evloop_new();
	assert_non_null(b.loop);
	assert_int_equal(windows_open(b.loop, &cb, &b.windows, NULL), 0);
	kernel_open(&b.hand);
	return &b;
}

static void bench_close(struct bench *b)
{
	kernel_close(&b->hand);
	windows_close(b->windows);
	evloop_free(b->loop);
}

static void walk(struct bench *b, struct mono active)
{
	b->done = false;
	assert_int_equal(windows_start(b->windows, b->when, active, b->left, clock_now()), 0);
	assert_true(turn_until(b->loop, &b->done, 60000));
	assert_int_equal(b->res.err, 0);
	assert_int_equal(b->res.failed, 0);
}

static struct ct_flow entry(uint16_t sport, uint32_t life_s)
{
	struct ct_flow f = tcp_flow(sport);

	f.timeout_s = life_s;
	f.has |= FLOW_HAS_TIMEOUT | FLOW_HAS_MARK;
	f.mark = 7;
	return f;
}

static void make(struct bench *b, struct ct_flow f)
{
	assert_int_equal(kernel_create(&b->hand, &f), 0);
}

static struct ct_flow now_there(struct bench *b, uint16_t sport)
{
	struct ct_flow f = tcp_flow(sport), found;
	struct flow_rare rare;

	assert_int_equal(kernel_get(&b->hand, &f, &found, &rare), 0);
	found.rare = NULL;
	return found;
}

/* A table of all sorts: what is to become liberal does, its life is raised and never lowered, and
 * the rest is as it was. */
static void only_the_windows(void **state)
{
	struct ct_flow f;
	struct bench *b;

	(void)state;
	NEED_NETNS();
	b = bench_open();
	make(b, entry(1, 100));
	make(b, entry(2, 5000)); /* more than any packet gives */
	f = entry(3, 100);
	f.proto_state = TCP_CONNTRACK_TIME_WAIT;
	make(b, f);
	f = entry(4, 100);
	f.proto_state = TCP_CONNTRACK_SYN_RECV;
	f.status &= ~(uint32_t)IPS_ASSURED;
	make(b, f);
	make(b, entry(5, 100));
	b->refused_port = 5;
	walk(b, clock_now());
	assert_int_equal(b->res.total, 5);
	assert_int_equal(b->res.loosened, 2);
	assert_int_equal(b->written, 2);
	assert_int_equal(liberal_ones(b), 2);
	assert_true(b->flags[1][0] & b->flags[1][1] & b->flags[2][0] & b->flags[2][1] & LIBERAL);
	assert_in_range(now_there(b, 1).timeout_s, EST_S - 20, EST_S - 5);
	assert_in_range(now_there(b, 2).timeout_s, 4900, 5000);
	assert_in_range(now_there(b, 3).timeout_s, 1, 100);
	assert_int_equal(now_there(b, 3).proto_state, TCP_CONNTRACK_TIME_WAIT);
	assert_int_equal(now_there(b, 4).proto_state, TCP_CONNTRACK_SYN_RECV);
	for (uint16_t port = 1; port <= 5; port++)
		assert_int_equal(now_there(b, port).mark, 7);
	/* Once more: there is nothing left to do. */
	walk(b, clock_now());
	assert_int_equal(b->res.loosened, 0);
	bench_close(b);
}

/* Packets since this node is active, as the lives tell: these have the windows of today. Right at
 * the take-over they need not be. */
static void packets_since(void **state)
{
	struct mono now = clock_now(), long_ago = mono_add_ms(now, -60000);
	struct bench *b;

	(void)state;
	NEED_NETNS();
	b = bench_open();
	b->memory = (struct ct_memory){ .last = CT_PACKETS, .born_s = mono_s(long_ago) };
	make(b, entry(1, EST_S));	/* a packet just now */
	make(b, entry(2, EST_S - 600)); /* none for ten minutes */
	walk(b, long_ago);
	assert_int_equal(b->res.loosened, 1);
	assert_int_equal(liberal_ones(b), 1);
	assert_true(b->flags[2][0] & LIBERAL);
	walk(b, clock_now());
	assert_int_equal(b->res.loosened, 1);
	assert_int_equal(liberal_ones(b), 2);
	bench_close(b);
}

/* One that has begun since judges by windows of its own. */
static void born_since(void **state)
{
	struct mono now = clock_now();
	struct bench *b;

	(void)state;
	NEED_NETNS();
	b = bench_open();
	b->memory = (struct ct_memory){ .last = CT_PACKETS, .born_s = mono_s(now) + 1 };
	make(b, entry(1, EST_S));
	walk(b, now);
	assert_int_equal(b->res.loosened, 0);
	assert_int_equal(liberal_ones(b), 0);
	bench_close(b);
}

/* Packets after this node was the backup for a while: they came here, not to the other node. The
 * addresses may have gone some seconds after its -t. */
static void used_since_left(void **state)
{
	struct mono now = clock_now();
	struct bench *b;

	(void)state;
	NEED_NETNS();
	b = bench_open();
	make(b, entry(1, EST_S - 5));
	make(b, entry(2, EST_S - 30));
	b->left = mono_add_ms(now, -60000);
	walk(b, now);
	assert_int_equal(b->res.loosened, 0);
	b->left = mono_add_ms(now, -25000);
	walk(b, now);
	assert_int_equal(b->res.loosened, 1);
	assert_int_equal(liberal_ones(b), 1);
	assert_true(b->flags[2][0] & LIBERAL);
	b->left = mono_add_ms(now, -5000);
	walk(b, now);
	assert_int_equal(b->res.loosened, 1);
	assert_int_equal(liberal_ones(b), 2);
	bench_close(b);
}

/* After a commit only the windows: the life of the entry, and what is remembered of it, still tell
 * of its packets. */
static void after_a_commit(void **state)
{
	struct bench *b;

	(void)state;
	NEED_NETNS();
	b = bench_open();
	b->when = WINDOWS_AFTER_COMMIT;
	make(b, entry(1, EST_S - 30));
	walk(b, clock_now());
	assert_int_equal(b->res.loosened, 1);
	assert_int_equal(b->written, 0);
	assert_int_equal(liberal_ones(b), 1);
	assert_in_range(now_there(b, 1).timeout_s, EST_S - 40, EST_S - 30);
	bench_close(b);
}

/* More than the machine has places, over many reads of the dump: none is left out. */
static void many(void **state)
{
	struct bench *b;

	(void)state;
	NEED_NETNS();
	b = bench_open();
	for (uint16_t port = 1; port <= MANY; port++)
		make(b, entry(port, 100));
	walk(b, clock_now());
	assert_int_equal(b->res.total, MANY);
	assert_int_equal(b->res.loosened, MANY);
	assert_int_equal(liberal_ones(b), MANY);
	bench_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selection),	  cmocka_unit_test(only_the_windows),
		cmocka_unit_test(packets_since),  cmocka_unit_test(used_since_left),
		cmocka_unit_test(after_a_commit), cmocka_unit_test(born_since),
		cmocka_unit_test(many),
	};

	have_netns = netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
