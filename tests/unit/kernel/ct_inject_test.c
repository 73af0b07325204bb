/* SPDX-License-Identifier: GPL-2.0-or-later */
/* News of the peers, each rule on a real kernel. In a network namespace of its own; skipped where
 * that is not allowed. */
#include "kernel/ct_inject.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "kernel/ct_timeouts.h"
#include "unit/kernel/support.h"

static bool have_netns;
static struct kernel_hand hand; /* the "kernel": whoever has the entries before the news */
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

static struct evloop *loop;
static struct ct_inject *inject;
static bool look_first; /* the caller thinks that the kernel has them */
static size_t removed, removed_ended, stored, stored_written;
static struct ct_memory memory; /* of every entry of the kernel */
static struct ct_flow last_removed, last_stored, last_in_the_way;
static enum ct_outcome last_failure;

static void on_removed(void *ctx, const struct ct_flow *f, bool ended, struct mono now)
{
	(void)ctx;
	removed_ended += ended;
	(void)now;
	removed++;
	flow_copy(&last_removed, f);
}

static void on_stored(void *ctx, const struct ct_flow *f, const struct ct_result *r,
		      struct mono now)
{
	(void)ctx;
	(void)now;
	stored++;
	stored_written += r->written;
	flow_copy(&last_stored, f);
}

static void on_memory(void *ctx, const struct ct_flow *f, struct ct_memory *m, struct mono now)
{
	(void)ctx;
	(void)f;
	(void)now;
	*m = memory;
}

static void on_failed(void *ctx, const struct ct_result *r, bool ends, struct mono now)
{
	(void)ctx;
	(void)now;
	assert_false(ends);
	last_in_the_way.l3 = 0;
	if (r->in_the_way)
		flow_copy(&last_in_the_way, r->in_the_way);
	last_failure = r->outcome;
}

static int begin(void **state)
{
	const struct ct_inject_cb cb = { .stored = on_stored,
					 .failed = on_failed,
					 .caller = { .removed = on_removed, .memory = on_memory } };
	struct text err = { 0 };

	(void)state;
	if (!have_netns)
		return 0;
	run("conntrack -F 2>/dev/null");
	removed = stored = stored_written = 0;
	memory = (struct ct_memory){ 0 };
	look_first = false;
	loop = evloop_new();
	assert_non_null(loop);
	assert_int_equal(ct_inject_open(loop, true, &cb, &inject, &err), 0);
	text_free(&err);
	return 0;
}

/* The same outcome, whichever request comes first. */
static int begin_there(void **state)
{
	int ret = begin(state);

	look_first = true;
	return ret;
}

static int end(void **state)
{
	(void)state;
	if (have_netns) {
		ct_inject_close(inject);
		evloop_free(loop);
	}
	return 0;
}

static void put(const struct ct_flow *f)
{
	ct_inject_put(inject, f, look_first, clock_now());
}

static void flush(void)
{
	ct_inject_flush(inject, clock_now());
}

static bool find(const struct ct_flow *f, struct ct_flow *got)
{
	static struct flow_rare rare;

	return kernel_get(&hand, f, got, &rare) == 0;
}

static struct ct_flow snat(struct ct_flow f, uint16_t port)
{
	f.has |= FLOW_HAS_SNAT | FLOW_HAS_SPAT;
	f.addr.v4.reply_dst = htonl(0xc6336401);
	f.reply.dport = htons(port);
	return f;
}

static void expect(uint64_t created, uint64_t updated, uint64_t destroyed, uint64_t failed)
{
	const struct ct_inject_stats *s = ct_inject_stats(inject);

	assert_int_equal(s->created, created);
	assert_int_equal(s->updated, updated);
	assert_int_equal(s->destroyed, destroyed);
	assert_int_equal(s->create_failed + s->update_failed + s->destroy_failed, failed);
}

/* More than a batch, new first, then each one where one has ended: that takes more requests. */
static void batches(void **state)
{
	const uint16_t n = 3 * CT_INJECT_BATCH + 1;
	struct ct_flow f, got;

	(void)state;
	NEED_NETNS();
	for (uint16_t i = 1; i <= n; i++) {
		f = tcp_flow(i);
		f.proto_state = TCP_CONNTRACK_TIME_WAIT;
		put(&f);
	}
	flush();
	expect(n, 0, 0, 0);
	assert_int_equal(stored, n);
	for (uint16_t i = 1; i <= n; i++) {
		f = tcp_flow(i);
		put(&f);
	}
	flush();
	expect(n, n, 0, 0);
	assert_int_equal(stored, 2 * n);
	assert_int_equal(stored_written, 2 * n);
	assert_int_equal(removed, 0); /* equal tuples: changed in place */
	for (uint16_t i = 1; i <= n; i++) {
		f = tcp_flow(i);
		assert_true(find(&f, &got));
		assert_int_equal(got.proto_state, TCP_CONNTRACK_ESTABLISHED);
	}
}

/* News about one flow are carried out in their order, without a flush between them. */
static void order(void **state)
{
	struct ct_flow f = tcp_flow(1), got;

	(void)state;
	NEED_NETNS();
	put(&f);
	ct_inject_end(inject, &f, clock_now());
	f.proto_state = TCP_CONNTRACK_CLOSE_WAIT;
	put(&f);
	flush();
	expect(2, 0, 1, 0);
	assert_int_equal(removed, 1);
	assert_true(find(&f, &got));
	assert_int_equal(got.proto_state, TCP_CONNTRACK_CLOSE_WAIT);
}

/* Our socket's events are not read: whoever keeps the entries has to hear that this one is gone. */
static void replaced_is_reported(void **state)
{
	struct ct_flow f = tcp_flow(1), here = snat(tcp_flow(1), 5000), got;
	uint32_t id;

	(void)state;
	NEED_NETNS();
	assert_int_equal(kernel_create(&hand, &here), 0);
	assert_true(find(&here, &got));
	id = got.id;
	put(&f);
	flush();
	expect(0, 1, 0, 0);
	assert_int_equal(removed, 1);
	assert_true(last_removed.has & FLOW_HAS_ID);
	assert_int_equal(last_removed.id, id);
	assert_true(find(&f, &got));
	assert_int_equal(got.proto_state, TCP_CONNTRACK_ESTABLISHED);
}

/* An entry that had to go for one the kernel then refuses comes back. */
static void refused_replacement_is_undone(void **state)
{
	struct ct_flow mine = snat(tcp_flow(1), 4000), there = snat(tcp_flow(1), 5000), got;

	(void)state;
	NEED_NETNS();
	there.status = IPS_SEEN_REPLY; /* forwarded, not assured yet */
	assert_int_equal(kernel_create(&hand, &there), 0);
	mine.proto_state = 200; /* no such state */
	put(&mine);
	flush();
	expect(0, 0, 0, 1);
	assert_int_equal(removed, 0);
	assert_true(find(&there, &got));
	assert_int_equal(got.reply.dport, htons(5000));
}

/* A flow whose master had ended when it came is a plain one here, and one that the kernel itself
 * has under a master keeps it: news that say otherwise are carried out all the same. */
static void master_cannot_change(void **state)
{
	struct ct_flow master = tcp_flow(9), f = tcp_flow(1), related = tcp_flow(1), got;
	struct flow_rare rare = {
		.master_l4 = IPPROTO_TCP,
		.master_sport = master.orig.sport,
		.master_dport = master.orig.dport,
		.master_src.v4 = master.addr.v4.src,
		.master_dst.v4 = master.addr.v4.dst,
	};

	(void)state;
	NEED_NETNS();
	related.rare = &rare;
	related.has |= FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS;
	related.status |= IPS_EXPECTED;
	put(&related); /* no such master */
	flush();
	expect(1, 0, 0, 0);
	put(&related);
	flush();
	expect(1, 1, 0, 0);
	assert_true(find(&f, &got));
	assert_false(got.status & IPS_EXPECTED);
	assert_int_equal(kernel_destroy(&hand, &f), 0);

	put(&master);
	put(&related);
	flush();
	expect(3, 1, 0, 0);
	f.timeout_s = 5000;
	put(&f);
	flush();
	expect(3, 2, 0, 0);
	assert_true(find(&f, &got));
	assert_true(got.status & IPS_EXPECTED);
	assert_in_range(got.timeout_s, 4900, 5000);
}

/* How the end of f goes: the kernel has it in that state, with a life as after a packet so many
 * seconds ago. */
static bool end_of(struct ct_flow *f, uint8_t state, uint32_t idle_s)
{
	struct ct_timeouts own;
	struct ct_flow got;
	uint64_t in_use = ct_inject_stats(inject)->in_use,
		 destroyed = ct_inject_stats(inject)->destroyed;
	bool there;

	ct_timeouts_read(&own);
	f->proto_state = state;
	f->timeout_s = ct_timeouts_of(&own, f) - idle_s;
	assert_int_equal(kernel_create(&hand, f), 0);
	ct_inject_end(inject, f, clock_now());
	flush();
	there = find(f, &got);
	assert_int_equal(ct_inject_stats(inject)->in_use, in_use + there);
	assert_int_equal(ct_inject_stats(inject)->destroyed, destroyed + !there);
	if (there)
		assert_int_equal(kernel_destroy(&hand, f), 0);
	else
		assert_int_equal(removed, ct_inject_stats(inject)->destroyed);
	return !there;
}

/* An end is carried out unless packets have been here since the peer last told: whatever state,
 * flags and life say. */
static void ends(void **state)
{
	static const uint8_t alive[] = {
		TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_SYN_RECV,	  TCP_CONNTRACK_ESTABLISHED,
		TCP_CONNTRACK_FIN_WAIT, TCP_CONNTRACK_CLOSE_WAIT, TCP_CONNTRACK_LAST_ACK,
	};
	struct ct_flow f = tcp_flow(1);
	uint32_t now_s = mono_s(clock_now());

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < sizeof(alive); i++) {
		/* by us, and no packet since */
		memory = (struct ct_memory){ .last = CT_WRITTEN, .received_s = now_s };
		assert_true(end_of(&f, alive[i], 4));
		/* ours alone: the peer's one before has ended late */
		memory = (struct ct_memory){ .last = CT_PACKETS };
		assert_false(end_of(&f, alive[i], 20));
		memory.received_s = now_s - 10; /* packets, but the peer has told of later ones */
		assert_true(end_of(&f, alive[i], 20));
		memory.received_s = now_s - 30;
		assert_false(end_of(&f, alive[i], 20));
	}
	memory = (struct ct_memory){ .last = CT_PACKETS }; /* it has ended here too */
	assert_true(end_of(&f, TCP_CONNTRACK_TIME_WAIT, 0));
	assert_true(end_of(&f, TCP_CONNTRACK_CLOSE, 0));
	/* TCP's own flags say that there was no packet */
	memory = (struct ct_memory){ .last = CT_UNKNOWN };
	assert_true(end_of(&f, TCP_CONNTRACK_ESTABLISHED, 20));
	f.timeout_s = 300;
	ct_inject_end(inject, &f, clock_now()); /* gone already */
	flush();
	assert_int_equal(ct_inject_stats(inject)->destroy_failed, 0);
}

/* UDP has no flags: what is not known counts as packets. */
static void end_of_a_stream(void **state)
{
	struct ct_flow f = tcp_flow(1);
	uint32_t now_s = mono_s(clock_now());

	(void)state;
	NEED_NETNS();
	f.l4 = IPPROTO_UDP;
	f.has &= ~FLOW_HAS_PROTO_STATE;
	f.status = 0;
	memory = (struct ct_memory){ .last = CT_UNKNOWN };
	assert_false(end_of(&f, 0, 10));
	memory = (struct ct_memory){ .last = CT_WRITTEN, .received_s = now_s };
	assert_true(end_of(&f, 0, 4));
	memory.received_s = now_s - 15; /* renewed since */
	assert_false(end_of(&f, 0, 10));
	memory = (struct ct_memory){ .last = CT_WRITTEN, .end_s = now_s + 20 };
	assert_true(end_of(&f, 0, 10));
	memory.end_s = now_s + 15;
	assert_false(end_of(&f, 0, 10));
}

/* What is in the kernel is told as far as it came from the news. */
static void what_is_stored(void **state)
{
	struct ct_flow f = tcp_flow(1), kernel = tcp_flow(1);

	(void)state;
	NEED_NETNS();
	f.has |= FLOW_HAS_MARK;
	f.mark = 9;
	put(&f);
	flush();
	assert_int_equal(stored, 1);
	assert_true(last_stored.has & FLOW_HAS_PROTO_STATE);
	f.mark = 10;
	put(&f);
	flush();
	assert_int_equal(stored, 2);
	assert_int_equal(last_stored.mark, 10);

	run("conntrack -F 2>/dev/null");
	/* by packets here, further on than the news */
	kernel.proto_state = TCP_CONNTRACK_CLOSE_WAIT;
	memory.last = CT_PACKETS;
	assert_int_equal(kernel_create(&hand, &kernel), 0);
	put(&f);
	flush();
	assert_int_equal(stored, 3);
	assert_false(last_stored.has & (FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT | FLOW_HAS_STATUS));
	assert_int_equal(last_stored.mark, 10);

	run("conntrack -F 2>/dev/null");
	/* the next connection, while the news are of the end of the last */
	kernel.proto_state = TCP_CONNTRACK_SYN_SENT;
	kernel.status = 0;
	kernel.timeout_s = 120;
	assert_int_equal(kernel_create(&hand, &kernel), 0);
	f.proto_state = TCP_CONNTRACK_TIME_WAIT;
	put(&f);
	flush();
	assert_int_equal(stored, 4);
	assert_false(last_stored.has &
		     (FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT | FLOW_HAS_STATUS | FLOW_HAS_MARK));
}

/* A port that is used again: the entry of the last connection from it has our reply tuple, and
 * another original one. */
static void port_used_again(void **state)
{
	struct ct_flow f = snat(tcp_flow(1), 4000), old = snat(tcp_flow(2), 4000), newer, got;
	struct ct_timeouts own;

	(void)state;
	NEED_NETNS();
	old.proto_state = TCP_CONNTRACK_TIME_WAIT;
	put(&old);
	put(&f);
	flush();
	expect(1, 1, 0, 0);
	assert_int_equal(removed, 1);
	assert_int_equal(last_removed.orig.sport, old.orig.sport);
	assert_true(find(&f, &got));
	assert_false(find(&old, &got));

	/* One that lives keeps it. */
	memory.last = CT_PACKETS;
	old.proto_state = TCP_CONNTRACK_ESTABLISHED;
	put(&old);
	flush();
	expect(1, 1, 0, 1);
	assert_int_equal(last_failure, CT_FAILED);
	assert_int_equal(last_in_the_way.orig.sport, f.orig.sport);
	assert_int_equal(last_in_the_way.reply.dport, htons(4000));
	assert_true(find(&f, &got));
	assert_int_equal(kernel_destroy(&hand, &f), 0);

	/* The same two ends have another connection here, just now. */
	ct_timeouts_read(&own);
	f = tcp_flow(1);
	f.timeout_s = ct_timeouts_of(&own, &f);
	assert_int_equal(kernel_create(&hand, &f), 0);
	newer = snat(tcp_flow(1), 4000);
	put(&newer);
	flush();
	expect(1, 1, 0, 2);
	assert_int_equal(last_failure, CT_REFUSED);
	assert_int_equal(last_in_the_way.reply.dport, f.orig.sport);

	/* What is wrong with the flow itself is not in the way of it. */
	f = tcp_flow(3);
	f.proto_state = 200;
	put(&f);
	flush();
	expect(1, 1, 0, 3);
	assert_int_equal(last_in_the_way.l3, 0);
}

/* A packet of the server was here before the news: the entry has the server in front. */
static void pickup_from_the_other_end(void **state)
{
	struct ct_flow f = tcp_flow(1), pickup = tcp_flow(1), got;

	(void)state;
	NEED_NETNS();
	pickup.addr.v4.src = f.addr.v4.dst;
	pickup.addr.v4.dst = f.addr.v4.src;
	pickup.orig.sport = f.orig.dport;
	pickup.orig.dport = f.orig.sport;
	pickup.status = 0;
	assert_int_equal(kernel_create(&hand, &pickup), 0);
	put(&f);
	flush();
	expect(0, 1, 0, 0);
	assert_true(find(&f, &got));
	assert_int_equal(got.orig.sport, f.orig.sport);
	assert_true(got.status & IPS_ASSURED);

	/* One that is assured serves both: it takes over what the news say. */
	run("conntrack -F 2>/dev/null");
	pickup.status = IPS_SEEN_REPLY | IPS_ASSURED;
	assert_int_equal(kernel_create(&hand, &pickup), 0);
	put(&f);
	flush();
	expect(0, 2, 0, 0);
	assert_true(find(&f, &got));
	assert_int_equal(got.orig.sport, pickup.orig.sport);
}

#define RULE(name)	 cmocka_unit_test_setup_teardown(name, begin, end)
#define RULE_THERE(name) cmocka_unit_test_setup_teardown(name, begin_there, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(batches),
		RULE(order),
		RULE(replaced_is_reported),
		RULE(refused_replacement_is_undone),
		RULE(master_cannot_change),
		RULE(ends),
		RULE(end_of_a_stream),
		RULE(pickup_from_the_other_end),
		RULE(what_is_stored),
		RULE(port_used_again),
		RULE_THERE(batches),
		RULE_THERE(order),
		RULE_THERE(replaced_is_reported),
		RULE_THERE(refused_replacement_is_undone),
		RULE_THERE(master_cannot_change),
		RULE_THERE(pickup_from_the_other_end),
		RULE_THERE(what_is_stored),
		RULE_THERE(port_used_again),
	};
	int rc;

	have_netns = netns_enter();
	if (have_netns && run("command -v conntrack >/dev/null") != 0) {
		print_message("skipped: no conntrack command to empty the table with\n");
		have_netns = false;
	}
	if (have_netns)
		kernel_open(&hand);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (have_netns)
		kernel_close(&hand);
	return rc;
}
