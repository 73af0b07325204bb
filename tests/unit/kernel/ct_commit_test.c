/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of a commit, each on a real kernel. In a network namespace of its own; skipped where
 * that is not allowed. */
#include "kernel/ct_commit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/ct_timeouts.h"
#include "unit/kernel/support.h"

static bool have_netns;
static struct kernel_hand hand; /* the "kernel": whoever has the entries before the commit */
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

/* A source of flows in an array; callbacks are counted and checked against each other. */
struct bench {
	struct evloop *loop;
	struct ct_commit *commit;
	const struct ct_flow *flows;
	size_t n_flows;
	uint32_t timeout_s;
	size_t sending, settled, refused, with_entry, written, removed;
	struct ct_memory memory; /* of every entry of the kernel */
	/* the entry becomes this one just after the first look */
	const struct ct_flow *completes;
	bool vanishes; /* the entry ends just after the first look */
	bool ended;    /* so are all flows */
	bool tracking; /* TCPWindowTracking */
	int last_err;
	uint32_t kept_mark;
	uint8_t *state; /* per token: 1 announced, 2 settled, 3 refused */
	bool done;
	struct ct_commit_result res;
	size_t order_broken; /* a flow of pass two before the end of pass one */
	bool saw_related;
	size_t extra;		    /* flows that do not come from next() */
	uint64_t barren;	    /* flows before flows[0] that no pass wants */
	size_t restored;	    /* failures after which the kernel's own entry is back */
	size_t looked, looked_most; /* in one turn of the loop */
	struct mono turn;
};

static size_t next(void *ctx, bool related, uint64_t *pos, struct ct_commit_flow *flows, size_t n)
{
	struct mono now = evloop_now(((struct bench *)ctx)->loop);
	struct bench *b = ctx;
	size_t got = 0;

	assert_in_range(n, 1, CT_COMMIT_LOOK);
	for (; got < n && *pos < b->barren + b->n_flows; got++, ++*pos) {
		const struct ct_flow *f = *pos < b->barren ? NULL : &b->flows[*pos - b->barren];
		bool wanted = f && !!(f->has & FLOW_HAS_MASTER) == related;

		flows[got] = (struct ct_commit_flow){
			.is = !wanted  ? CT_COMMIT_NOT_NOW :
			      b->ended ? CT_COMMIT_ENDED :
					 CT_COMMIT_WANTED,
			.wish = { .f = f,
				  .timeout_s = b->timeout_s,
				  .kept_s = b->timeout_s,
				  .changed_s = mono_s(now) },
		};
	}
	b->looked = mono_diff_ns(now, b->turn) == 0 ? b->looked + got : got;
	b->turn = now;
	if (b->looked > b->looked_most)
		b->looked_most = b->looked;
	return got;
}

static uint64_t sending(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct bench *b = ctx;
	uint64_t token = ++b->sending;

	(void)now;
	if (!(f->has & FLOW_HAS_MASTER)) {
		b->order_broken += b->saw_related;
	} else if (!b->saw_related) {
		/* All masters are through, also those that took more than one request. */
		b->order_broken += b->settled + b->refused != token - 1;
		b->saw_related = true;
	}
	assert_true(token <= b->n_flows + b->extra);
	b->state[token] = 1;
	return token;
}

static void settled(void *ctx, const struct ct_result *r, struct mono now)
{
	struct bench *b = ctx;
	bool refused = r->outcome == CT_FAILED && !r->entry;

	(void)now;
	assert_int_equal(b->state[r->token], 1);
	b->state[r->token] = refused ? 3 : 2;
	b->refused += refused;
	b->settled += !refused;
	b->with_entry += r->entry != NULL;
	b->written += r->written;
	if (refused)
		b->last_err = r->err;
	if (r->entry)
		b->kept_mark = r->entry->has & FLOW_HAS_MARK ? r->entry->mark : 0;
}

static void removed(void *ctx, const struct ct_flow *f, bool ended, struct mono now)
{
	struct bench *b = ctx;

	assert_false(ended);
	(void)f;
	(void)now;
	b->removed++;
}

static void memory(void *ctx, const struct ct_flow *f, struct ct_memory *m, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	*m = b->memory;
	if (b->completes) {
		assert_int_equal(kernel_destroy(&hand, f), 0);
		assert_int_equal(kernel_create(&hand, b->completes), 0);
		b->completes = NULL;
	}
	if (b->vanishes)
		assert_int_equal(kernel_destroy(&hand, f), 0);
	b->vanishes = false;
}

static void done(void *ctx, const struct ct_commit_result *res, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	b->res = *res;
	b->done = true;
}

/* Commit the flows and wait for the end. Every flow is announced once and has one outcome. */
static void commit(struct bench *b, const struct ct_flow *flows, size_t n, uint32_t timeout_s)
{
	struct ct_commit_source src = {
		.ctx = b,
		.next = next,
		.sending = sending,
		.settled = settled,
		.done = done,
		.caller = { .ctx = b, .removed = removed, .memory = memory },
	};
	struct text err = { 0 };

	*b = (struct bench){ .loop = evloop_new(),
			     .flows = flows,
			     .n_flows = n,
			     .timeout_s = timeout_s,
			     .barren = b->barren,
			     .restored = b->restored,
			     .memory = b->memory,
			     .ended = b->ended,
			     .completes = b->completes,
			     .tracking = b->tracking,
			     .vanishes = b->vanishes,
			     .state = calloc(n + 1, 1) };
	assert_non_null(b->loop);
	assert_non_null(b->state);
	if (ct_commit_open(b->loop, &src, !b->tracking, &b->commit, &err) != 0)
		fail_msg("%s", err.buf);
	assert_int_equal(ct_commit_start(b->commit, (struct mono){ 0 }, clock_now()), 0);
	assert_int_equal(ct_commit_start(b->commit, (struct mono){ 0 }, clock_now()), -EBUSY);
	assert_true(turn_until(b->loop, &b->done, 20000));
	assert_false(ct_commit_running(b->commit));
	ct_commit_close(b->commit);
	evloop_free(b->loop);
	free(b->state);
	text_free(&err);
	assert_int_equal(b->sending + b->res.ended, n);
	assert_int_equal(b->settled + b->refused + b->res.ended, n);
	assert_int_equal(b->res.total, n);
	assert_int_equal(b->res.done, n);
	assert_int_equal(b->res.created + b->res.kept + b->res.updated + b->res.replaced +
				 b->res.newer + b->res.ended + b->res.failed,
			 n);
	assert_int_equal(b->refused + b->restored, b->res.failed);
}

/* Every flow has been created, kept, replaced or refused: none updated. */
static void expect(const struct bench *b, uint64_t created, uint64_t kept, uint64_t replaced,
		   uint64_t failed)
{
	if (b->res.created != created || b->res.kept != kept || b->res.replaced != replaced ||
	    b->res.failed != failed)
		fail_msg("created %llu kept %llu updated %llu replaced %llu failed %llu (last "
			 "error %d)",
			 (unsigned long long)b->res.created, (unsigned long long)b->res.kept,
			 (unsigned long long)b->res.updated, (unsigned long long)b->res.replaced,
			 (unsigned long long)b->res.failed, b->last_err);
}

static struct ct_flow entry(const struct ct_flow *f)
{
	static struct flow_rare rare;
	struct ct_flow got;

	assert_int_equal(kernel_get(&hand, f, &got, &rare), 0);
	return got;
}

static bool exists(const struct ct_flow *f)
{
	struct flow_rare rare;
	struct ct_flow got;

	return kernel_get(&hand, f, &got, &rare) == 0;
}

static int empty_table(void **state)
{
	(void)state;
	if (have_netns)
		run("conntrack -F 2>/dev/null");
	return 0;
}

static void fresh(void **state)
{
	const size_t n = 5000;
	struct ct_flow *flows = calloc(n, sizeof(*flows));
	struct ct_flow got;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	assert_non_null(flows);
	for (size_t i = 0; i < n; i++)
		flows[i] = tcp_flow((uint16_t)(i + 1));
	commit(&b, flows, n, 300);
	expect(&b, n, 0, 0, 0);
	assert_int_equal(b.with_entry, 0);
	for (size_t i = 0; i < n; i++) {
		got = entry(&flows[i]);
		assert_true(got.status & IPS_ASSURED);
		assert_int_equal(got.proto_state, TCP_CONNTRACK_ESTABLISHED);
		/* what the source said, not the flow's own */
		assert_in_range(got.timeout_s, 290, 300);
	}
	free(flows);
}

/* ---- TCPWindowTracking ---- */

struct flags {
	bool read;
	uint8_t of[16][2]; /* by source port */
};

static void see_flags(void *ctx, const struct ct_flow *f, const struct ct_seen *seen,
		      struct mono now)
{
	struct flags *flags = ctx;

	(void)now;
	if (ntohs(f->orig.sport) < 16)
		memcpy(flags->of[ntohs(f->orig.sport)], seen->tcp_flags, 2);
}

static void flags_read(void *ctx, int err, struct mono now)
{
	struct flags *flags = ctx;

	(void)now;
	assert_int_equal(err, 0);
	flags->read = true;
}

static struct flags read_flags(void)
{
	struct flags flags = { .read = false };
	struct ct_dump_cb cb = { .ctx = &flags, .entry = see_flags, .done = flags_read };
	struct evloop *loop = evloop_new();
	struct ct_dump *dump;

	assert_non_null(loop);
	assert_int_equal(ct_dump_open(loop, &cb, &dump, NULL), 0);
	assert_int_equal(ct_dump_start(dump, 0), 0);
	assert_true(turn_until(loop, &flags.read, 20000));
	ct_dump_close(dump);
	evloop_free(loop);
	return flags;
}

/* Windows judge where the scales are known, or will be: not those of a connection that was
 * offloaded when its owner saw it first. */
static void windows_without_scales(void **state)
{
	static const struct {
		const char *name;
		uint8_t proto_state;
		uint32_t without;
		bool liberal;
	} cases[] = {
		{ "established, told whole", TCP_CONNTRACK_ESTABLISHED, 0, false },
		{ "established, no scales", TCP_CONNTRACK_ESTABLISHED, FLOW_HAS_WSCALE, true },
		{ "offloaded: no state either", 0, FLOW_HAS_WSCALE | FLOW_HAS_PROTO_STATE, true },
		{ "half-closed, no scales", TCP_CONNTRACK_CLOSE_WAIT, FLOW_HAS_WSCALE, true },
		{ "half-closed, told whole", TCP_CONNTRACK_CLOSE_WAIT, 0, false },
		{ "a handshake tells its scales", TCP_CONNTRACK_SYN_SENT, FLOW_HAS_WSCALE, false },
	};
	const size_t n = sizeof(cases) / sizeof(cases[0]);
	struct bench b = { .tracking = true };
	struct ct_flow f[sizeof(cases) / sizeof(cases[0])];
	struct flags flags;

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < n; i++) {
		f[i] = tcp_flow((uint16_t)(i + 1));
		f[i].proto_state = cases[i].proto_state;
		f[i].wscale[0] = f[i].wscale[1] = 7;
		f[i].has = (f[i].has | FLOW_HAS_WSCALE) & ~cases[i].without;
	}
	commit(&b, f, n, 300);
	expect(&b, n, 0, 0, 0);
	flags = read_flags();
	for (size_t i = 0; i < n; i++) {
		for (int dir = 0; dir < 2; dir++) {
			if (!!(flags.of[i + 1][dir] & IP_CT_TCP_FLAG_BE_LIBERAL) !=
			    cases[i].liberal)
				fail_msg("%s: direction %d has flags %#x", cases[i].name, dir,
					 flags.of[i + 1][dir]);
		}
	}
}

/* Very many flows of which a pass wants none: no turn of the loop is long. */
static void barren_source(void **state)
{
	struct bench b = { .barren = 200000 };
	struct ct_flow f = tcp_flow(1);

	(void)state;
	NEED_NETNS();
	commit(&b, &f, 1, 300);
	expect(&b, 1, 0, 0, 0);
	assert_in_range(b.looked_most, 1, 10000);
}

/* One flow that cannot wait, in the middle of a commit of many. */
static void one_goes_ahead(void **state)
{
	const size_t n = 5000;
	struct ct_flow *flows = calloc(n, sizeof(*flows)), urgent = tcp_flow(6000);
	struct bench b = { .loop = evloop_new(),
			   .flows = flows,
			   .n_flows = n,
			   .timeout_s = 300,
			   .extra = 2,
			   .state = calloc(n + 3, 1) };
	struct ct_commit_source src = {
		.ctx = &b,
		.next = next,
		.sending = sending,
		.settled = settled,
		.done = done,
		.caller = { .ctx = &b, .removed = removed, .memory = memory },
	};

	const struct ct_wish wish = { .f = &urgent, .timeout_s = 100 };

	(void)state;
	NEED_NETNS();
	assert_non_null(b.loop);
	assert_non_null(b.state);
	for (size_t i = 0; i < n; i++)
		flows[i] = tcp_flow((uint16_t)(i + 1));
	assert_int_equal(ct_commit_open(b.loop, &src, true, &b.commit, NULL), 0);
	assert_int_equal(ct_commit_one(b.commit, &wish, clock_now()), CT_CREATED); /* beside none */
	assert_true(exists(&urgent));
	assert_int_equal(kernel_destroy(&hand, &urgent), 0);
	b.sending = b.settled = 0;
	assert_int_equal(ct_commit_start(b.commit, (struct mono){ 0 }, clock_now()), 0);
	turn_for(b.loop, 1);
	assert_false(b.done);
	assert_int_equal(ct_commit_one(b.commit, &wish, clock_now()), CT_CREATED);
	assert_true(exists(&urgent));
	assert_in_range(entry(&urgent).timeout_s, 90, 100);
	assert_false(exists(&flows[n - 1])); /* the commit has not come so far */
	assert_int_equal(ct_commit_one(b.commit, &wish, clock_now()), CT_KEPT);
	assert_true(turn_until(b.loop, &b.done, 20000));
	assert_int_equal(b.res.total, n);
	assert_int_equal(b.res.created, n);
	assert_int_equal(b.settled, n + 2);
	ct_commit_close(b.commit);
	evloop_free(b.loop);
	free(b.state);
	free(flows);
}

static void nothing_to_do(void **state)
{
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	commit(&b, NULL, 0, 0);
	expect(&b, 0, 0, 0, 0);
}

/* The same again: the entries stay the very same, only the mark follows. */
static void same_is_kept(void **state)
{
	struct ct_flow f = tcp_flow(1), before, after;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	assert_int_equal(kernel_create(&hand, &f), 0);
	before = entry(&f);
	commit(&b, &f, 1, 50);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(b.with_entry, 1);
	after = entry(&f);
	assert_int_equal(after.id, before.id);
	assert_in_range(after.timeout_s, 990, 1000); /* not touched */
	f.mark = 77;
	f.has |= FLOW_HAS_MARK;
	f.proto_state = TCP_CONNTRACK_FIN_WAIT;
	commit(&b, &f, 1, 50);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(b.kept_mark, 77);
	after = entry(&f);
	assert_int_equal(after.id, before.id);
	assert_int_equal(after.mark, 77);
	/* the kernel's own state counts */
	assert_int_equal(after.proto_state, TCP_CONNTRACK_ESTABLISHED);
	assert_in_range(after.timeout_s, 990, 1000);
	/* A peer that says nothing about the mark does not take it away. */
	f.has &= ~FLOW_HAS_MARK;
	commit(&b, &f, 1, 50);
	assert_int_equal(entry(&f).mark, 77);
}

/* What an annotation leaves out for the sake of the entry is not missing in the one that is created
 * because that entry has ended meanwhile: the mark (the entry had another), and of the life and the
 * status what is the flow's, not the entry's. */
static void one_that_vanishes_takes_nothing_along(void **state)
{
	struct ct_flow f = tcp_flow(1), here = tcp_flow(1), got;
	struct bench b = { .vanishes = true };

	(void)state;
	NEED_NETNS();
	here.has |= FLOW_HAS_MARK;
	here.mark = 2;
	here.timeout_s = 20000;
	assert_int_equal(kernel_create(&hand, &here), 0);
	f.has |= FLOW_HAS_MARK;
	f.mark = 3;
	commit(&b, &f, 1, 300);
	expect(&b, 1, 0, 0, 0);
	assert_false(b.vanishes);
	got = entry(&f);
	assert_int_equal(got.mark, 3);
	assert_in_range(got.timeout_s, 290, 300);
	/* And an update: of a handshake that the peer has seen complete. */
	empty_table(NULL);
	here.proto_state = TCP_CONNTRACK_SYN_SENT;
	here.status &= ~(IPS_SEEN_REPLY | IPS_ASSURED);
	here.timeout_s = 100;
	assert_int_equal(kernel_create(&hand, &here), 0);
	b = (struct bench){ .vanishes = true };
	commit(&b, &f, 1, 300);
	expect(&b, 1, 0, 0, 0);
	assert_false(b.vanishes);
	got = entry(&f);
	assert_int_equal(got.mark, 3);
	assert_int_equal(got.proto_state, TCP_CONNTRACK_ESTABLISHED);
}

/* Labels are added to those the entry has; without a rule that makes room for them the flow is kept
 * all the same. */
static void labels_are_added(void **state)
{
	struct flow_rare rare = { .labels = { 2, 0, 0, 0 } }, got_rare;
	struct ct_flow f = tcp_flow(1), got;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	f.rare = &rare;
	f.has |= FLOW_HAS_LABELS | FLOW_HAS_MARK;
	f.mark = 0;
	assert_int_equal(kernel_create(&hand, &f), 0);
	f.mark = 2;
	commit(&b, &f, 1, 0);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(entry(&f).mark, 2);
	/* A mark that is there stays: it may have been set here since. */
	f.mark = 3;
	commit(&b, &f, 1, 0);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(b.kept_mark, 2);
	assert_int_equal(entry(&f).mark, 2);
	empty_table(NULL);
	if (run("nft 'add table ip l; add chain ip l c { type filter hook input priority 0; }; add "
		"rule ip l c ct label set 3' 2>/dev/null") != 0) {
		print_message("no nft: labels not tested\n");
		return;
	}
	assert_int_equal(kernel_create(&hand, &f), 0);
	rare.labels[0] = 4;
	rare.labels[3] = 1u << 31;
	commit(&b, &f, 1, 0);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(kernel_get(&hand, &f, &got, &got_rare), 0);
	assert_true(got.has & FLOW_HAS_LABELS);
	assert_int_equal(got_rare.labels[0], 6);
	assert_int_equal(got_rare.labels[3], 1u << 31);
	run("nft delete table ip l");
}

static struct ct_flow snat(struct ct_flow f, uint32_t addr, uint16_t port)
{
	f.has |= FLOW_HAS_SNAT | FLOW_HAS_SPAT;
	f.addr.v4.reply_dst = htonl(addr);
	f.reply.dport = htons(port);
	return f;
}

static void other_nat_is_replaced(void **state)
{
	struct ct_flow f = tcp_flow(1), mine = snat(f, 0xc6336401, 4000), after;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	assert_int_equal(kernel_create(&hand, &f), 0);
	commit(&b, &mine, 1, 0);
	expect(&b, 0, 0, 1, 0);
	after = entry(&f);
	assert_int_equal(after.addr.v4.reply_dst, htonl(0xc6336401));
	assert_int_equal(after.reply.dport, htons(4000));
	/* And the same NAT once more is the same. */
	commit(&b, &mine, 1, 0);
	expect(&b, 0, 1, 0, 0);
}

/* Equal tuples, and no packet is known of: never replaced. */
static void equal_tuples(void **state)
{
	static const struct {
		const char *name;
		uint8_t l4;
		uint32_t kernel_status, our_status;
		uint8_t kernel_state, our_state;
		bool updated;
	} cases[] = {
		{ "pickup, one way", IPPROTO_TCP, 0, IPS_ASSURED | IPS_SEEN_REPLY,
		  TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_ESTABLISHED, true },
		{ "pickup, both ways, not assured", IPPROTO_TCP, IPS_SEEN_REPLY,
		  IPS_ASSURED | IPS_SEEN_REPLY, TCP_CONNTRACK_ESTABLISHED,
		  TCP_CONNTRACK_ESTABLISHED, true },
		{ "assured", IPPROTO_TCP, IPS_ASSURED | IPS_SEEN_REPLY,
		  IPS_ASSURED | IPS_SEEN_REPLY, TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_ESTABLISHED,
		  false },
		{ "handshake", IPPROTO_TCP, 0, 0, TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_SYN_RECV,
		  true },
		{ "we are behind", IPPROTO_TCP, IPS_SEEN_REPLY, 0, TCP_CONNTRACK_ESTABLISHED,
		  TCP_CONNTRACK_SYN_SENT, false },
		{ "on its way out here", IPPROTO_TCP, IPS_ASSURED | IPS_SEEN_REPLY,
		  IPS_ASSURED | IPS_SEEN_REPLY, TCP_CONNTRACK_FIN_WAIT, TCP_CONNTRACK_ESTABLISHED,
		  false },
		{ "ended here, alive there", IPPROTO_TCP, IPS_ASSURED | IPS_SEEN_REPLY,
		  IPS_ASSURED | IPS_SEEN_REPLY, TCP_CONNTRACK_TIME_WAIT, TCP_CONNTRACK_ESTABLISHED,
		  true },
		{ "reset here, beginning there", IPPROTO_TCP, IPS_SEEN_REPLY, 0,
		  TCP_CONNTRACK_CLOSE, TCP_CONNTRACK_SYN_SENT, true },
		{ "ended on both", IPPROTO_TCP, IPS_ASSURED | IPS_SEEN_REPLY,
		  IPS_ASSURED | IPS_SEEN_REPLY, TCP_CONNTRACK_TIME_WAIT, TCP_CONNTRACK_CLOSE,
		  false },
		{ "ended there, beginning here", IPPROTO_TCP, 0, IPS_ASSURED | IPS_SEEN_REPLY,
		  TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_TIME_WAIT, false },
		{ "ended there, picked up here", IPPROTO_TCP, 0, IPS_ASSURED | IPS_SEEN_REPLY,
		  TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_CLOSE, false },
		{ "udp one way", IPPROTO_UDP, 0, IPS_SEEN_REPLY, 0, 0, true },
		{ "udp stream", IPPROTO_UDP, IPS_SEEN_REPLY, IPS_SEEN_REPLY | IPS_ASSURED, 0, 0,
		  true },
		{ "udp, assured here", IPPROTO_UDP, IPS_SEEN_REPLY | IPS_ASSURED, 0, 0, 0, false },
	};

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ct_flow f = tcp_flow(1), got;
		struct bench b = { .barren = 0 };

		f.l4 = cases[i].l4;
		if (f.l4 != IPPROTO_TCP)
			f.has &= ~FLOW_HAS_PROTO_STATE;
		f.status = cases[i].kernel_status;
		f.proto_state = cases[i].kernel_state;
		assert_int_equal(kernel_create(&hand, &f), 0);
		f.status = cases[i].our_status;
		f.proto_state = cases[i].our_state;
		commit(&b, &f, 1, 2000);
		if (b.res.updated != cases[i].updated || b.res.kept == cases[i].updated)
			fail_msg("%s", cases[i].name);
		got = entry(&f);
		if (f.l4 == IPPROTO_TCP &&
		    got.proto_state !=
			    (cases[i].updated ? cases[i].our_state : cases[i].kernel_state))
			fail_msg("%s: state", cases[i].name);
		if ((cases[i].kernel_status | (cases[i].updated ? cases[i].our_status : 0)) &
		    ~got.status)
			fail_msg("%s: status", cases[i].name);
		if (cases[i].updated && got.timeout_s < 1990)
			fail_msg("%s: life", cases[i].name);
		empty_table(NULL);
	}
}

/* What is kept has its life raised, and never lowered. */
static void life_is_raised(void **state)
{
	struct ct_flow f = tcp_flow(1);
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	f.timeout_s = 5;
	assert_int_equal(kernel_create(&hand, &f), 0);
	commit(&b, &f, 1, 3000);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(b.written, 1);
	assert_in_range(entry(&f).timeout_s, 2990, 3000);
	commit(&b, &f, 1, 100);
	assert_in_range(entry(&f).timeout_s, 2990, 3000);
}

/* The life that this kernel gives with each packet is written less ten seconds, so that packets
 * show; but not a life that somebody wants exactly. */
static void packets_can_show(void **state)
{
	struct ct_flow f = tcp_flow(1);
	struct ct_timeouts own;
	struct bench b = { .barren = 0 };
	uint32_t t;

	(void)state;
	NEED_NETNS();
	ct_timeouts_read(&own);
	t = ct_timeouts_of(&own, &f);
	assert_true(t > 100);
	commit(&b, &f, 1, t);
	assert_in_range(entry(&f).timeout_s, t - 12, t - 10);
	assert_int_equal(kernel_destroy(&hand, &f), 0);
	commit(&b, &f, 1, t + 1000);
	assert_in_range(entry(&f).timeout_s, t + 990, t + 1000);
}

/* What the source knows to have ended is counted, and no request is made for it. */
static void ended_is_not_committed(void **state)
{
	struct ct_flow f = tcp_flow(1);
	struct bench b = { .ended = true };

	(void)state;
	NEED_NETNS();
	commit(&b, &f, 1, 100);
	expect(&b, 0, 0, 0, 0);
	assert_int_equal(b.res.ended, 1);
	assert_false(exists(&f));
}

/* Packets have established another connection of the same original tuple here, just now; one that
 * is idle for longer than the peer's change is old has to go, as in other_nat_is_replaced(). */
static void newer_one_stays(void **state)
{
	struct ct_flow f = tcp_flow(1), mine = snat(f, 0xc6336401, 4000);
	struct bench b = { .memory = { .last = CT_PACKETS } };
	struct ct_timeouts own;

	(void)state;
	NEED_NETNS();
	ct_timeouts_read(&own);
	f.timeout_s = ct_timeouts_of(&own, &f);
	assert_int_equal(kernel_create(&hand, &f), 0);
	commit(&b, &mine, 1, 0);
	assert_int_equal(b.res.newer, 1);
	expect(&b, 0, 0, 0, 0);
	assert_int_equal(b.with_entry, 1);
	assert_int_equal(entry(&f).reply.dport, f.orig.sport);
}

/* A handshake at the first look, and before the request that would replace it the connection is
 * there: of other translations, or another flow that has the port. Its client has had the
 * answer. */
static void handshake_completes(void **state)
{
	struct ct_flow mine = snat(tcp_flow(1), 0xc6336401, 4000), begun[3], up;
	struct bench b = { .memory = { .last = CT_PACKETS } };
	struct ct_timeouts own;

	(void)state;
	NEED_NETNS();
	ct_timeouts_read(&own);
	begun[0] = tcp_flow(1);
	begun[1] = snat(tcp_flow(1), 0xc6336401, 4001);
	begun[2] = snat(tcp_flow(2), 0xc6336401, 4000);
	for (size_t i = 0; i < 3; i++) {
		empty_table(NULL);
		begun[i].status = IPS_SEEN_REPLY;
		begun[i].proto_state = TCP_CONNTRACK_SYN_RECV;
		up = begun[i];
		up.status = IPS_SEEN_REPLY | IPS_ASSURED;
		up.proto_state = TCP_CONNTRACK_ESTABLISHED;
		up.timeout_s = ct_timeouts_of(&own, &up);
		assert_int_equal(kernel_create(&hand, &begun[i]), 0);
		b.completes = &up;
		commit(&b, &mine, 1, 0);
		assert_null(b.completes);
		assert_int_equal(b.removed, 0);
		assert_int_equal(b.res.newer, i < 2);
		expect(&b, 0, 0, 0, i == 2);
		assert_int_equal(entry(&up).proto_state, TCP_CONNTRACK_ESTABLISHED);
		assert_int_equal(entry(&up).reply.dport, i == 0 ? up.orig.sport : up.reply.dport);

		/* One that does not is replaced. */
		empty_table(NULL);
		assert_int_equal(kernel_create(&hand, &begun[i]), 0);
		commit(&b, &mine, 1, 0);
		expect(&b, 0, 0, 1, 0);
		assert_int_equal(entry(&mine).reply.dport, htons(4000));
	}
}

/* Many at once, among others that are not replaced. */
static void many_are_replaced(void **state)
{
	const size_t n = 1000;
	struct ct_flow *flows = calloc(n, sizeof(*flows)), other;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	assert_non_null(flows);
	for (size_t i = 0; i < n; i++) {
		flows[i] = snat(tcp_flow((uint16_t)(i + 1)), 0xc6336401, (uint16_t)(4000 + i));
		if (i % 3 == 0)
			continue;
		other = snat(flows[i], 0xc6336401, (uint16_t)(20000 + i));
		other.proto_state = TCP_CONNTRACK_TIME_WAIT;
		assert_int_equal(kernel_create(&hand, &other), 0);
	}
	commit(&b, flows, n, 300);
	expect(&b, (n + 2) / 3, 0, n - (n + 2) / 3, 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(entry(&flows[i]).reply.dport, flows[i].reply.dport);
	free(flows);
}

/* A packet of the server came first: the entry is the other way round. */
static struct ct_flow from_the_server(const struct ct_flow *f, uint32_t status)
{
	struct ct_flow m = *f, r = *f;

	flow_mirror_reply(&m);
	r.has &= ~FLOW_FROM_PEER_NAT;
	r.addr.v4.src = m.addr.v4.reply_src;
	r.addr.v4.dst = m.addr.v4.reply_dst;
	r.orig = m.reply;
	r.status = status;
	return r;
}

static void picked_up_from_the_other_end(void **state)
{
	struct ct_flow plain = tcp_flow(1), natted = snat(plain, 0xc6336401, 4000), way_back, got;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	way_back = from_the_server(&plain, 0);
	assert_int_equal(kernel_create(&hand, &way_back), 0);
	commit(&b, &plain, 1, 0);
	expect(&b, 0, 0, 1, 0);
	assert_int_equal(entry(&plain).addr.v4.src, plain.addr.v4.src);
	empty_table(NULL);

	/* Seen by its reply tuple only: with NAT our original tuple finds nothing. */
	way_back = from_the_server(&natted, 0);
	assert_int_equal(kernel_create(&hand, &way_back), 0);
	assert_false(exists(&natted));
	commit(&b, &natted, 1, 0);
	expect(&b, 0, 0, 1, 0);
	got = entry(&natted);
	assert_int_equal(got.addr.v4.src, natted.addr.v4.src);
	assert_int_equal(got.addr.v4.reply_dst, natted.addr.v4.reply_dst);
	empty_table(NULL);

	/* With destination NAT only: the kernel must not make room by translating the source as
	 * well. */
	natted = plain;
	natted.has |= FLOW_HAS_DNAT | FLOW_HAS_DPAT;
	natted.addr.v4.reply_src = htonl(0xc6336402);
	natted.reply.sport = htons(8080);
	way_back = from_the_server(&natted, 0);
	assert_int_equal(kernel_create(&hand, &way_back), 0);
	commit(&b, &natted, 1, 0);
	expect(&b, 0, 0, 1, 0);
	got = entry(&natted);
	assert_int_equal(got.addr.v4.reply_src, natted.addr.v4.reply_src);
	assert_int_equal(got.reply.sport, htons(8080));
	assert_int_equal(got.addr.v4.reply_dst, plain.addr.v4.src);
	assert_int_equal(got.reply.dport, plain.orig.sport);
	empty_table(NULL);

	/* Forwarded for long: stays, with the mark added. */
	way_back = from_the_server(&plain, IPS_ASSURED | IPS_SEEN_REPLY);
	assert_int_equal(kernel_create(&hand, &way_back), 0);
	plain.mark = 9;
	plain.has |= FLOW_HAS_MARK;
	commit(&b, &plain, 1, 0);
	expect(&b, 0, 1, 0, 0);
	got = entry(&way_back);
	assert_int_equal(got.addr.v4.src, way_back.addr.v4.src);
	assert_int_equal(got.mark, 9);
	empty_table(NULL);

	/* The same with NAT would be another connection: one that lives here stays. */
	way_back = from_the_server(&natted, IPS_ASSURED | IPS_SEEN_REPLY);
	assert_int_equal(kernel_create(&hand, &way_back), 0);
	b.memory.last = CT_PACKETS;
	commit(&b, &natted, 1, 0);
	expect(&b, 0, 0, 0, 1);
	assert_int_equal(b.last_err, -EEXIST);
	assert_true(exists(&way_back));
}

/* Another client of this node has our translated port. It is alive; ours fails. */
static void foreign_flow_lives(void **state)
{
	struct ct_flow mine = snat(tcp_flow(1), 0xc6336401, 4000),
		       other = snat(tcp_flow(2), 0xc6336401, 4000);
	struct bench b = { .memory = { .last = CT_PACKETS } };
	uint32_t id;

	(void)state;
	NEED_NETNS();
	other.addr.v4.src = htonl(0x0a000099);
	assert_int_equal(kernel_create(&hand, &other), 0);
	id = entry(&other).id;
	commit(&b, &mine, 1, 0);
	expect(&b, 0, 0, 0, 1);
	assert_int_equal(b.res.reason[0].err, EEXIST);
	assert_int_equal(b.res.reason[0].count, 1);
	assert_int_equal(entry(&other).id, id);

	/* No packet has ever been in it: whoever wrote it, it is no connection. */
	b.memory.last = CT_UNKNOWN;
	commit(&b, &mine, 1, 0);
	expect(&b, 0, 0, 1, 0);
	assert_int_equal(b.removed, 1);
	assert_true(exists(&mine));
	assert_false(exists(&other));
}

/* What has ended makes room, whoever it belonged to, and never takes the place of what lives. */
static void ended_flows_make_room(void **state)
{
	struct ct_flow mine = snat(tcp_flow(1), 0xc6336401, 4000),
		       other = snat(tcp_flow(2), 0xc6336401, 4000), here;
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	other.proto_state = TCP_CONNTRACK_TIME_WAIT; /* it had our port before */
	assert_int_equal(kernel_create(&hand, &other), 0);
	commit(&b, &mine, 1, 0);
	expect(&b, 0, 0, 1, 0);
	assert_false(exists(&other));
	assert_int_equal(entry(&mine).reply.dport, htons(4000));
	empty_table(NULL);

	/* The next connection of the same two ends began here, with a translation of its own. */
	here = snat(tcp_flow(1), 0xc6336401, 5000);
	assert_int_equal(kernel_create(&hand, &here), 0);
	mine.proto_state = TCP_CONNTRACK_CLOSE;
	mine.mark = 9;
	mine.has |= FLOW_HAS_MARK;
	commit(&b, &mine, 1, 50);
	expect(&b, 0, 1, 0, 0);
	assert_int_equal(entry(&here).reply.dport, htons(5000));
	assert_int_equal(entry(&here).mark, 0);
	empty_table(NULL);

	/* It began at the other end. */
	here = from_the_server(&mine, 0);
	here.proto_state = TCP_CONNTRACK_ESTABLISHED;
	assert_int_equal(kernel_create(&hand, &here), 0);
	commit(&b, &mine, 1, 50);
	expect(&b, 0, 0, 0, 1);
	assert_true(exists(&here));
}

/* An entry that had to go for one the kernel then refuses comes back. */
static void refused_replacement_is_undone(void **state)
{
	struct ct_flow f = tcp_flow(1), there = snat(tcp_flow(1), 0xc6336401, 5000), got;
	struct bench b = { .restored = 1 };

	(void)state;
	NEED_NETNS();
	there.mark = 5;
	there.has |= FLOW_HAS_MARK;
	assert_int_equal(kernel_create(&hand, &there), 0);
	f.proto_state = 200; /* no such state */
	commit(&b, &f, 1, 50);
	expect(&b, 0, 0, 0, 1);
	assert_true(b.res.reason[0].err == EINVAL || b.res.reason[0].err == ERANGE);
	assert_int_equal(b.kept_mark, 5);
	got = entry(&there);
	assert_int_equal(got.mark, 5);
	assert_int_equal(got.reply.dport, htons(5000));
	assert_in_range(got.timeout_s, 990, 1000);
}

/* The port is somebody else's, which shows only when the entry in the way has gone: that one comes
 * back, not the other. */
static void replacement_in_the_way_of_another(void **state)
{
	struct ct_flow mine = snat(tcp_flow(1), 0xc6336401, 4000),
		       there = snat(tcp_flow(1), 0xc6336401, 5000);
	struct ct_flow other = snat(tcp_flow(2), 0xc6336401, 4000);
	struct bench b = { .restored = 1, .memory = { .last = CT_PACKETS } };
	uint32_t id;

	(void)state;
	NEED_NETNS();
	other.addr.v4.src = htonl(0x0a000099);
	assert_int_equal(kernel_create(&hand, &other), 0);
	id = entry(&other).id;
	there.mark = 5;
	there.has |= FLOW_HAS_MARK;
	assert_int_equal(kernel_create(&hand, &there), 0);
	commit(&b, &mine, 1, 50);
	expect(&b, 0, 0, 0, 1);
	assert_int_equal(b.res.reason[0].err, EEXIST);
	assert_int_equal(entry(&other).id, id);
	assert_int_equal(entry(&there).reply.dport, htons(5000));
	assert_int_equal(b.kept_mark, 5);
}

static void make_related(struct ct_flow *f, struct flow_rare *rare, const struct ct_flow *master)
{
	*rare = (struct flow_rare){
		.master_l4 = IPPROTO_TCP,
		.master_sport = master->orig.sport,
		.master_dport = master->orig.dport,
		.master_src.v4 = master->addr.v4.src,
		.master_dst.v4 = master->addr.v4.dst,
	};
	f->rare = rare;
	f->has |= FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS;
	f->status |= IPS_EXPECTED;
}

/* Related flows stand before their masters in the table, and one master has ended. */
static void masters_first(void **state)
{
	struct ct_flow flows[600], gone = tcp_flow(60000), got;
	static struct flow_rare rare[600];
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < 600; i++)
		flows[i] = tcp_flow((uint16_t)(i + 1));
	for (size_t i = 0; i < 299; i++)
		make_related(&flows[i], &rare[i], &flows[599 - i]);
	make_related(&flows[299], &rare[299], &gone);
	commit(&b, flows, 600, 100);
	expect(&b, 600, 0, 0, 0);
	assert_int_equal(b.order_broken, 0);
	for (size_t i = 0; i < 299; i++) {
		struct flow_rare r;

		assert_int_equal(kernel_get(&hand, &flows[i], &got, &r), 0);
		assert_true(got.status & IPS_EXPECTED);
		assert_int_equal(r.master_sport, flows[599 - i].orig.sport);
	}
	got = entry(&flows[299]); /* its data connection lives on by itself */
	assert_false(got.status & IPS_EXPECTED);
}

static void unknown_helper(void **state)
{
	struct flow_rare rare = { .helper = "no-such-helper" };
	struct ct_flow f = tcp_flow(1);
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	f.rare = &rare;
	f.has |= FLOW_HAS_HELPER;
	commit(&b, &f, 1, 100);
	expect(&b, 1, 0, 0, 0);
	assert_true(exists(&f));
}

/* What the kernel refuses is counted by reason, and stops nothing. */
static void refusals(void **state)
{
	struct ct_flow flows[3] = { tcp_flow(1), tcp_flow(2), tcp_flow(3) };
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	flows[1].proto_state = 200; /* no such state */
	commit(&b, flows, 3, 100);
	expect(&b, 2, 0, 0, 1);
	/* older and newer kernels */
	assert_true(b.last_err == -EINVAL || b.last_err == -ERANGE);
	assert_int_equal(b.res.reason[0].err, -b.last_err);
	assert_int_equal(b.res.reason[0].count, 1);
	assert_true(exists(&flows[0]) && exists(&flows[2]));
}

/* Everything at once in random order, twice: in the end the table has each flow as the commit
 * wanted it, and the second commit changes nothing. */
static void mixed(void **state)
{
	const size_t n = 3000;
	struct ct_flow *flows = calloc(n, sizeof(*flows));
	uint64_t s = seed_get();
	struct bench b = { .barren = 0 };

	(void)state;
	NEED_NETNS();
	assert_non_null(flows);
	for (size_t i = 0; i < n; i++) {
		struct ct_flow there;

		flows[i] = tcp_flow((uint16_t)(i + 1));
		if (rnd(&s, 2))
			flows[i] = snat(flows[i], 0xc6336401, (uint16_t)(20000 + i));
		if (rnd(&s, 2))
			continue;
		there = rnd(&s, 2) ? flows[i] : tcp_flow((uint16_t)(i + 1));
		there.status = rnd(&s, 2) ? there.status : 0;
		if (rnd(&s, 4) == 0)
			there = from_the_server(&flows[i], 0);
		assert_int_equal(kernel_create(&hand, &there), 0);
	}
	commit(&b, flows, n, 600);
	assert_int_equal(b.res.failed, 0);
	print_message("created %llu kept %llu updated %llu replaced %llu\n",
		      (unsigned long long)b.res.created, (unsigned long long)b.res.kept,
		      (unsigned long long)b.res.updated, (unsigned long long)b.res.replaced);
	assert_true(b.res.created > 1000 && b.res.kept > 100 && b.res.updated > 100 &&
		    b.res.replaced > 100);
	for (size_t i = 0; i < n; i++) {
		struct ct_flow want = flows[i], got = entry(&flows[i]);
		const char *diff;

		flow_mirror_reply(&want);
		want.has |= FLOW_HAS_REPLY;
		diff = flow_difference(&want, &got,
				       FLOW_HAS_PORTS | FLOW_HAS_REPLY | FLOW_HAS_PROTO_STATE);
		if (diff)
			fail_msg("flow %zu: %s", i, diff);
		assert_true(got.status & IPS_ASSURED);
	}
	commit(&b, flows, n, 600);
	expect(&b, 0, n, 0, 0);
	free(flows);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, empty_table, empty_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(fresh),
		RULE(windows_without_scales),
		RULE(barren_source),
		RULE(one_goes_ahead),
		RULE(nothing_to_do),
		RULE(same_is_kept),
		RULE(labels_are_added),
		RULE(one_that_vanishes_takes_nothing_along),
		RULE(other_nat_is_replaced),
		RULE(equal_tuples),
		RULE(life_is_raised),
		RULE(packets_can_show),
		RULE(ended_is_not_committed),
		RULE(newer_one_stays),
		RULE(handshake_completes),
		RULE(many_are_replaced),
		RULE(picked_up_from_the_other_end),
		RULE(foreign_flow_lives),
		RULE(ended_flows_make_room),
		RULE(refused_replacement_is_undone),
		RULE(replacement_in_the_way_of_another),
		RULE(masters_first),
		RULE(unknown_helper),
		RULE(refusals),
		RULE(mixed),
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
