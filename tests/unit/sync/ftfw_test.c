/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW message by message: the test plays the peer, and looks at every message that leaves. What
 * happens over a bad network, with two whole nodes, is tests/sim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "sync/sync.h"
#include "sync/sync_conf.h"
#include "proto/v1/attr.h"
#include "v1_recv.h"

#define FLOWS 64
#define SENT  4096
#define FIRST 1000u /* our first number */
#define PEER  5000u /* the peer's */

struct sent {
	struct wire_hdr hdr;
	int flow;  /* -1: control message */
	bool note; /* of an answer that is not ended: */
	uint32_t about, what;
};

struct world {
	struct sync *s;
	struct sync_conf conf;
	struct sync_env env;
	struct mono now;
	struct flow_repl repl[FLOWS];
	bool dead[FLOWS];
	unsigned int released[FLOWS];
	unsigned int live; /* flows 0 .. live - 1 are in the table */
	struct sent sent[SENT];
	unsigned int n_sent;
	uint8_t buf[1400];
	struct writer w;
	uint32_t seq;	    /* the peer's next number */
	int applied[FLOWS]; /* messages about the peer's flow */
	unsigned int n_applied, begun, done;
	unsigned int begun_by[PEERS_MAX], done_by[PEERS_MAX];
	bool sure;	 /* of the last one that is done */
	bool incomplete; /* our own cache */
	uint64_t barren; /* places of the table before flow 0 where nothing lives */
	size_t walked;	 /* places walked over */
	unsigned int n_reports, n_other_mode, n_put_off, n_began[STANDING_STATES];
};

/* ---- our side of the world ---- */

static struct flow_repl *env_repl(void *ctx, uint32_t id)
{
	return &((struct world *)ctx)->repl[id];
}

static bool env_has(void *ctx, uint32_t id)
{
	const struct world *w = ctx;

	return id < w->live && !(w->dead[id] && w->released[id] > 0);
}

static bool env_is_dead(void *ctx, uint32_t id)
{
	return ((struct world *)ctx)->dead[id];
}

static void make_flow(struct ct_flow *f, uint32_t id)
{
	*f = (struct ct_flow){
		.l3 = AF_INET,
		.l4 = IPPROTO_UDP,
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS,
		.status = 8,
	};
	f->addr.v4.src = htonl(0x0a000001);
	f->addr.v4.dst = htonl(0x0a000002);
	f->orig.sport = htons((uint16_t)id);
	flow_mirror_reply(f);
}

static int env_encode(void *ctx, uint32_t id, uint32_t seq, uint8_t hello, struct writer *out)
{
	static const struct proto_rules rules = { 0 };
	struct world *w = ctx;
	struct ct_flow f;

	make_flow(&f, id);
	return wire_put_flow(out, w->dead[id] ? WIRE_CT_DEL : WIRE_CT_UPD, (uint8_t)(hello << 5),
			     seq, &f, &rules);
}

static struct writer *env_datagram(void *ctx)
{
	struct world *w = ctx;

	w->w = wr_init(w->buf, sizeof(w->buf));
	return &w->w;
}

static void env_send(void *ctx)
{
	struct world *w = ctx;
	struct cursor c = cur_init(w->buf, w->w.len);
	struct proto_stats stats = { 0 };
	struct flow_rare rare;
	struct cursor body;
	struct ct_flow f;

	while (c.left > 0) {
		struct sent *sent = &w->sent[w->n_sent++];

		assert_true(w->n_sent < SENT);
		assert_int_equal(wire_next(&c, &sent->hdr, &body), PROTO_OK);
		sent->flow = -1;
		sent->note = wire_get_complete(&sent->hdr, body, &sent->about, &sent->what);
		if (sent->hdr.type != WIRE_CTL &&
		    wire_get_flow(body, &f, &rare, &stats) == PROTO_OK)
			sent->flow = ntohs(f.orig.sport);
	}
}

static void env_flush(void *ctx)
{
	(void)ctx;
}

static void env_apply(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow,
		      struct mono now)
{
	struct world *w = ctx;

	(void)peer, (void)what, (void)now;
	w->applied[ntohs(flow->orig.sport)]++;
	w->n_applied++;
}

static void env_release(void *ctx, uint32_t id)
{
	struct world *w = ctx;

	assert_true(w->dead[id]);
	w->released[id]++;
	w->repl[id] = (struct flow_repl){ 0 };
}

static size_t env_walk(void *ctx, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct world *w = ctx;
	size_t got = 0;

	for (; *pos < w->barren + w->live && got < n; (*pos)++, w->walked++) {
		uint64_t id = *pos - w->barren;

		ids[got++] = *pos < w->barren || w->dead[id] ? FLOW_ID_NONE : (uint32_t)id;
	}
	return got;
}

static void env_begin(void *ctx, uint8_t peer)
{
	((struct world *)ctx)->begun_by[peer]++;
	((struct world *)ctx)->begun++;
}

static void env_done(void *ctx, uint32_t peers, enum sync_proof proof)
{
	struct world *w = ctx;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		w->done_by[i] += peers >> i & 1;
		w->done += peers >> i & 1;
	}
	w->sure = proof == SYNC_SURE;
}

static bool env_whole(void *ctx)
{
	return !((struct world *)ctx)->incomplete;
}

static void env_report(void *ctx, const struct sync_report *r)
{
	struct world *w = ctx;

	assert_string_equal(r->mode, "FTFW");
	w->n_reports++;
	w->n_put_off += r->what == SYNC_TABLE_PUT_OFF;
	w->n_other_mode += r->what == SYNC_OTHER_MODE;
	if (r->what != SYNC_STATE_BEGAN)
		return;
	w->n_began[r->state]++;
	w->n_other_mode += r->state == STANDING_DEAF && r->sign == SYNC_SIGN_UNKNOWN;
}

/* ---- time and the peer ---- */

static void turn(struct world *w)
{
	while (sync_tick(w->s, w->now), sync_transmit(w->s, w->now))
		;
}

static void pass_ms(struct world *w, int64_t ms)
{
	for (int64_t i = 0; i < ms; i++) {
		w->now = mono_add_ms(w->now, 1);
		turn(w);
	}
}

static enum sync_verdict peer_says_at(struct world *w, uint32_t seq, uint8_t flags, uint32_t from,
				      uint32_t to)
{
	static const struct peer_addr source = { .family = AF_INET, .addr = { 10, 0, 0, 2 } };
	struct wire_hdr hdr = {
		.version = WIRE_VERSION,
		.type = WIRE_CTL,
		.flags = flags,
		.seq = seq,
		.from = from,
		.to = to,
	};

	return recv_v1(w->s, &source, &hdr, cur_init(NULL, 0), w->now);
}

static enum sync_verdict peer_says(struct world *w, uint8_t flags, uint32_t from, uint32_t to)
{
	return peer_says_at(w, w->seq++, flags, from, to);
}

static enum sync_verdict peer_tells(struct world *w, uint32_t seq, uint32_t id)
{
	static const struct peer_addr source = { .family = AF_INET, .addr = { 10, 0, 0, 2 } };
	static const struct proto_rules rules = { 0 };
	struct cursor datagram, body;
	struct wire_hdr hdr;
	struct ct_flow f;
	uint8_t buf[WIRE_FLOW_MAX];
	struct writer out = wr_init(buf, sizeof(buf));

	make_flow(&f, id);
	assert_int_equal(wire_put_flow(&out, WIRE_CT_NEW, 0, seq, &f, &rules), 0);
	datagram = cur_init(buf, out.len);
	assert_int_equal(wire_next(&datagram, &hdr, &body), PROTO_OK);
	return recv_v1(w->s, &source, &hdr, body, w->now);
}

static uint32_t last_seq(const struct world *w)
{
	return w->sent[w->n_sent - 1].hdr.seq;
}

/* The number of the last message about a flow. */
static uint32_t last_of(const struct world *w, int flow)
{
	for (unsigned int i = w->n_sent; i > 0; i--)
		if (w->sent[i - 1].flow == flow)
			return w->sent[i - 1].hdr.seq;
	return 0;
}

/* The first message from place `from` on with one of these flags, or -1. */
static int find_flag(const struct world *w, unsigned int from, uint8_t flags)
{
	for (unsigned int i = from; i < w->n_sent; i++)
		if (w->sent[i].hdr.type == WIRE_CTL && (w->sent[i].hdr.flags & flags))
			return (int)i;
	return -1;
}

/* The first ACK of number seq from there on, or -1. */
static int find_ack(const struct world *w, unsigned int from, uint32_t seq)
{
	for (int i = find_flag(w, from, WIRE_F_ACK); i >= 0;
	     i = find_flag(w, (unsigned int)i + 1, WIRE_F_ACK))
		if (!seq_before(seq, w->sent[i].hdr.from) && !seq_after(seq, w->sent[i].hdr.to))
			return i;
	return -1;
}

static bool acked(const struct world *w, unsigned int from, uint32_t seq)
{
	return find_ack(w, from, seq) >= 0;
}

static int count_flow(const struct world *w, unsigned int from, int flow)
{
	int n = 0;

	for (unsigned int i = from; i < w->n_sent; i++)
		n += w->sent[i].flow == flow;
	return n;
}

/* ---- beginning and end ---- */

static void world_open(struct world *w, uint32_t ring, uint32_t window)
{
	memset(w, 0, sizeof(*w));
	w->conf = (struct sync_conf){
		.mode = SYNC_MODE_FTFW,
		.resend_queue_size = ring,
		.ack_window = window,
	};
	w->env = (struct sync_env){
		.ctx = w,
		.proto = &proto_v1,
		.repl = env_repl,
		.has = env_has,
		.is_dead = env_is_dead,
		.encode = env_encode,
		.out = { .ctx = w, .datagram = env_datagram, .send = env_send, .flush = env_flush },
		.apply = env_apply,
		.release = env_release,
		.walk = env_walk,
		.resync_begin = env_begin,
		.resync_done = env_done,
		.whole = env_whole,
		.report = env_report,
	};
	w->now = (struct mono){ .ns = MONO_NS_PER_S };
	w->seq = PEER;
	w->s = sync_open(&w->env, &w->conf, FIRST, w->now);
	if (!w->s && ring > 1000000)
		skip(); /* not on every machine, nor under every sanitizer */
	assert_non_null(w->s);
}

/* Both have said HELLO, both have each other's table, everything is acknowledged. */
static void world_settle(struct world *w)
{
	unsigned int answered = 0;

	turn(w);
	peer_says(w, WIRE_F_ACK | WIRE_F_HELLO | WIRE_F_HELLO_BACK, FIRST, last_seq(w));
	for (int i = 0; i < 50 && (sync_resync_running(w->s) || sync_bulk_running(w->s) || i < 25);
	     i++) {
		pass_ms(w, 100);
		if (w->n_sent > answered) {
			answered = w->n_sent;
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		}
	}
	assert_false(sync_resync_running(w->s));
	assert_false(sync_bulk_running(w->s));
	pass_ms(w, 1001); /* nothing of the peer waits for an acknowledgement */
	w->begun = w->done = w->n_sent = 0;
}

static void change(struct world *w, uint32_t id)
{
	if (w->live <= id)
		w->live = id + 1;
	sync_local_change(w->s, id, w->now);
}

static struct world *settled(uint32_t ring, uint32_t window)
{
	static struct world w;

	world_open(&w, ring, window);
	world_settle(&w);
	return &w;
}

/* ---- tests ---- */

static void first_message_is_hello(void **state)
{
	static struct world w;

	(void)state;
	world_open(&w, 1000, 300);
	turn(&w);
	assert_int_equal(w.n_sent, 1);
	assert_int_equal(w.sent[0].hdr.flags, WIRE_F_ALIVE | WIRE_F_HELLO);
	assert_int_equal(w.sent[0].hdr.seq, FIRST);
	/* A keepalive each second, with HELLO until somebody answers. */
	pass_ms(&w, 3010);
	assert_int_equal(w.n_sent, 4);
	assert_true(w.sent[3].hdr.flags & WIRE_F_HELLO);
	peer_says(&w, WIRE_F_ALIVE | WIRE_F_HELLO | WIRE_F_HELLO_BACK, 0, 0);
	w.n_sent = 0;
	pass_ms(&w, 1010);
	assert_true(w.n_sent > 0);
	assert_true(w.sent[0].hdr.flags & WIRE_F_HELLO_BACK);
	for (unsigned int i = 0; i < w.n_sent; i++) {
		assert_false(w.sent[i].hdr.flags & WIRE_F_HELLO);
		assert_true(i == 0 || !(w.sent[i].hdr.flags & WIRE_F_HELLO_BACK));
	}
	sync_close(w.s);
}

static void gaps_are_asked_for(void **state)
{
	static const struct {
		uint32_t missing;
		int64_t late_ms; /* when what was missing comes after all; -1: never */
		bool nack;
	} cases[] = {
		{ 0, -1, false }, { 1, -1, true }, { 2, -1, true }, { 100, -1, true },
		{ 1, 5, false },  { 3, 5, false }, { 1, 20, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(1000, 300);
		uint32_t gap = w->seq + 1, end = gap + cases[i].missing;
		int nack;

		peer_tells(w, w->seq, 0);
		peer_tells(w, end, 1);
		pass_ms(w, cases[i].late_ms >= 0 ? cases[i].late_ms : 9);
		assert_true(cases[i].late_ms > 9 || find_flag(w, 0, WIRE_F_NACK) < 0);
		for (uint32_t k = 0; cases[i].late_ms >= 0 && k < cases[i].missing; k++)
			peer_tells(w, gap + k, 2 + k);
		pass_ms(w, 30);
		nack = find_flag(w, 0, WIRE_F_NACK);
		assert_int_equal(nack >= 0, cases[i].nack);
		if (nack >= 0) {
			assert_int_equal(w->sent[nack].hdr.from, gap);
			assert_int_equal(w->sent[nack].hdr.to, end - 1);
			/* What came before the gap is acknowledged first, and not one more. */
			assert_true(acked(w, 0, gap - 1));
			assert_false(acked(w, 0, gap));
		}
		/* Late is never digested, in time always. */
		assert_int_equal(w->n_applied,
				 cases[i].nack || !cases[i].missing ? 2 : 2 + cases[i].missing);
		assert_int_equal(w->applied[1], 1);
		sync_close(w->s);
	}
}

static void old_numbers_are_dropped(void **state)
{
	struct world *w = settled(1000, 300);

	(void)state;
	peer_tells(w, w->seq, 3);
	assert_int_equal(peer_tells(w, w->seq, 4), SYNC_DROPPED);
	assert_int_equal(peer_tells(w, w->seq - 1, 5), SYNC_DROPPED);
	assert_int_equal(w->n_applied, 1);
	assert_int_equal(sync_stats(w->s)->before, 2);
	sync_close(w->s);
}

/* Another message of a number that was accepted: one of the two is not the peer's, and what the
 * other one said is missing. */
static void two_messages_of_a_number_are_not_one(void **state)
{
	(void)state;
	for (uint32_t other = 0; other < 2; other++) {
		struct world *w = settled(1000, 300);

		peer_tells(w, w->seq, 1);
		assert_int_equal(peer_tells(w, w->seq, 1 + other), SYNC_DROPPED);
		turn(w);
		assert_int_equal(w->begun, other);
		sync_close(w->s);
	}
}

static void nack_repeats_exactly_its_range(void **state)
{
	static const struct {
		uint32_t from, to; /* places of the messages asked for */
	} cases[] = { { 0, 0 }, { 1, 3 }, { 4, 4 }, { 0, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(1000, 300);
		unsigned int before;
		uint32_t first, nack;

		for (uint32_t id = 0; id < 5; id++)
			change(w, id);
		turn(w);
		first = last_seq(w) - 4;
		before = w->n_sent;
		nack = w->seq;
		peer_says(w, WIRE_F_NACK, first + cases[i].from, first + cases[i].to);
		turn(w);
		for (int id = 0; id < 5; id++)
			assert_int_equal(count_flow(w, before, id),
					 (uint32_t)id >= cases[i].from &&
						 (uint32_t)id <= cases[i].to);
		/* Under new numbers, and the request is acknowledged behind them. */
		assert_int_equal(w->sent[before].hdr.seq, first + 5);
		pass_ms(w, 1100);
		assert_true(acked(w, before + 1 + cases[i].to - cases[i].from, nack));
		sync_close(w->s);
	}
}

static void what_cannot_be_repeated_is_never_acknowledged(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t first, nack;
	unsigned int before;

	(void)state;
	for (uint32_t id = 0; id < 5; id++)
		change(w, id);
	turn(w);
	w->dead[1] = true;
	change(w, 1);
	turn(w);
	first = last_seq(w);
	peer_says(w, WIRE_F_ACK, first - 5, first);
	assert_int_equal(w->released[1], 1);
	before = w->n_sent;
	nack = w->seq;
	peer_says(w, WIRE_F_NACK, first, first);
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	pass_ms(w, 2000);
	assert_true(acked(w, before, nack - 1));
	assert_true(acked(w, before, nack + 1));
	assert_false(acked(w, before, nack));
	/* And it gets everything. */
	for (int id = 0; id < 5; id++)
		assert_int_equal(count_flow(w, before, id), id != 1);
	assert_int_equal(sync_stats(w->s)->unrepairable, 1);
	sync_close(w->s);
}

/* Acknowledged by another node, or by a forged message: what is missed all the same is told again,
 * as it is now. */
static void what_another_acknowledged_is_told_again(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t first, nack = w->seq + 1;
	unsigned int before;

	(void)state;
	for (uint32_t id = 0; id < 5; id++)
		change(w, id);
	turn(w);
	first = last_seq(w) - 4;
	peer_says(w, WIRE_F_ACK, first, first + 4);
	before = w->n_sent;
	peer_says(w, WIRE_F_NACK, first + 1, first + 2);
	pass_ms(w, 1100);
	for (int id = 0; id < 5; id++)
		assert_int_equal(count_flow(w, before, id), id == 1 || id == 2);
	assert_true(acked(w, before, nack));
	assert_int_equal(sync_stats(w->s)->unrepairable, 0);
	sync_close(w->s);
}

/* A NACK of everything that was sent, again and again: it is walked over so often only, and what a
 * peer truly misses is repeated all the same. */
static void forged_nacks_cost_little(void **state)
{
	struct world *w = settled(50000, 50000);
	uint32_t last;
	unsigned int before;

	(void)state;
	for (uint32_t i = 0; i < 40000; i++) {
		change(w, i % 4);
		w->n_sent = 0;
		turn(w);
	}
	last = last_seq(w);
	for (int i = 0; i < 1000; i++)
		peer_says(w, WIRE_F_NACK, last - 39000, last);
	assert_in_range(sync_stats(w->s)->unrepairable, 990, 999);
	change(w, 5);
	turn(w);
	before = w->n_sent;
	peer_says(w, WIRE_F_NACK, last_of(w, 5), last_of(w, 5));
	turn(w);
	assert_int_equal(count_flow(w, before, 5) > 0, true);
	sync_close(w->s);
}

/* The largest ResendQueueSize must not make every number ahead of its turn an impossible one. */
static void the_largest_queue_is_no_smallest(void **state)
{
	static struct world w;

	(void)state;
	world_open(&w, 1u << 30, 300);
	world_settle(&w);
	peer_tells(&w, w.seq + 1, 1);
	pass_ms(&w, 30);
	assert_true(find_flag(&w, 0, WIRE_F_NACK) >= 0);
	assert_int_equal(w.applied[1], 1);
	sync_close(w.s);
}

static void resync_is_acknowledged_behind_the_table(void **state)
{
	struct world *w = settled(1000, 300);
	unsigned int before;
	uint32_t resync;

	(void)state;
	w->live = 40;
	before = w->n_sent;
	resync = w->seq;
	peer_says(w, WIRE_F_RESYNC, 0, 0);
	pass_ms(w, 1100);
	for (int id = 0; id < 40; id++)
		assert_int_equal(count_flow(w, before, id), 1);
	assert_true(acked(w, before, resync));
	for (int i = find_ack(w, before, resync); i < (int)w->n_sent; i++)
		assert_int_equal(w->sent[i].flow, -1);
	sync_close(w->s);
}

static void resync_ends_with_its_acknowledgement(void **state)
{
	static const struct {
		bool gap, ack_resync, ack_nack;
		unsigned int done;
	} cases[] = {
		{ false, true, false, 1 },
		{ false, false, false, 0 },
		{ true, true, false, 0 },
		{ true, true, true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(1000, 300);
		int resync;

		sync_ask_resync(w->s, w->now);
		turn(w);
		resync = find_flag(w, 0, WIRE_F_RESYNC);
		assert_true(resync >= 0);
		assert_int_equal(w->begun, 1);
		peer_tells(w, w->seq++, 1);
		w->seq += cases[i].gap;
		peer_tells(w, w->seq++, 2);
		pass_ms(w, 20);
		if (cases[i].ack_resync)
			peer_says(w, WIRE_F_ACK, w->sent[resync].hdr.seq, w->sent[resync].hdr.seq);
		if (cases[i].ack_nack)
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		turn(w);
		assert_int_equal(w->done, cases[i].done);
		sync_close(w->s);
	}
}

/* While our HELLO has not arrived a 1.4.x takes any number of ours, and forgets at each HELLO what
 * it could send again: its acknowledgement of a RESYNC may cover what never came. Nothing is swept
 * on it, and the peer is asked once more. */
static void an_answer_under_hello_proves_nothing(void **state)
{
	static struct world w;
	uint32_t last;
	int resync;

	(void)state;
	world_open(&w, 1000, 300);
	turn(&w);
	peer_says(&w, WIRE_F_ACK | WIRE_F_HELLO, FIRST, last_seq(&w));
	for (int i = 0; i < 8; i++) {
		pass_ms(&w, 500);
		peer_says(&w, WIRE_F_ALIVE, 0, 0);
	}
	resync = find_flag(&w, 0, WIRE_F_RESYNC);
	assert_true(resync >= 0);
	assert_true(w.sent[resync].hdr.flags & WIRE_F_HELLO);
	peer_says(&w, WIRE_F_ACK, FIRST, last_seq(&w));
	turn(&w);
	assert_int_equal(w.done, 0);
	assert_true(sync_resync_running(w.s));

	w.n_sent = 0;
	for (int i = 0; i < 6; i++) {
		peer_says(&w, WIRE_F_ALIVE | (i == 0 ? WIRE_F_HELLO_BACK : 0), 0, 0);
		pass_ms(&w, 500);
	}
	resync = find_flag(&w, 0, WIRE_F_RESYNC);
	assert_in_range(resync, 0, 4095);
	assert_false(w.sent[resync].hdr.flags & WIRE_F_HELLO);
	for (int i = 0; i < 2; i++) { /* that was at once, and does not count yet */
		assert_int_equal(w.done, 0);
		assert_true(find_flag(&w, 0, WIRE_F_RESYNC) >= 0);
		last = last_seq(&w);
		w.n_sent = 0;
		peer_says(&w, WIRE_F_ACK, FIRST, last);
		turn(&w);
	}
	assert_int_equal(w.done, 1);
	sync_close(w.s);
}

/* A NACK is acknowledged when so much has been sent since the gap that a 1.4.x has dropped what was
 * missing, and says nothing. */
static void a_late_answer_to_a_nack_proves_nothing(void **state)
{
	static const struct {
		uint32_t ring;
		unsigned int between;
		uint32_t life; /* it is of our kind: it says what it cannot send again */
		bool asks;
	} cases[] = { { 1000, 500, 0, false },
		      { 1000, 1500, 0, true },
		      { 100, 150, 0, true },
		      { 100, 150, 7, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(cases[i].ring, 30);

		if (cases[i].life != 0)
			peer_says(w, WIRE_F_RESYNC, cases[i].life, 0);
		turn(w);
		w->n_sent = 0;
		peer_tells(w, w->seq++, 1);
		w->seq++;
		peer_tells(w, w->seq++, 2);
		pass_ms(w, 20);
		assert_true(find_flag(w, 0, WIRE_F_NACK) >= 0);
		for (unsigned int k = 0; k < cases[i].between; k++)
			peer_says(w, WIRE_F_ALIVE, 0, 0);
		peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		pass_ms(w, 20);
		assert_int_equal(find_flag(w, 0, WIRE_F_RESYNC) >= 0, cases[i].asks);
		sync_close(w->s);
	}
}

/* A HELLO of ours was late: a 1.4.x has nothing any more that it could send again, what it missed
 * of ours included. */
static void a_late_hello_ends_all_repairs(void **state)
{
	struct world *w = settled(1000, 300);

	(void)state;
	w->live = 3;
	w->seq++;
	peer_tells(w, w->seq++, 2);
	pass_ms(w, 20);
	assert_true(find_flag(w, 0, WIRE_F_NACK) >= 0);
	assert_int_equal(find_flag(w, 0, WIRE_F_RESYNC), -1);
	peer_says(w, WIRE_F_ACK | WIRE_F_HELLO_BACK, FIRST, last_seq(w));
	pass_ms(w, 50);
	assert_true(find_flag(w, 0, WIRE_F_RESYNC) >= 0);
	for (int id = 0; id < 3; id++)
		assert_true(count_flow(w, 0, id) > 0);
	sync_close(w->s);
}

/* So one that may be a 1.4.x is asked once more when no HELLO is under way any more; one of our
 * kind does not mind them. */
static void an_old_peer_is_asked_again_a_while_after_the_handshake(void **state)
{
	static const uint32_t lives[] = { 0, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		static struct world w;

		world_open(&w, 1000, 300);
		turn(&w);
		peer_says(&w, WIRE_F_ACK | WIRE_F_HELLO | WIRE_F_HELLO_BACK, FIRST, last_seq(&w));
		turn(&w);
		assert_true(find_flag(&w, 0, WIRE_F_RESYNC) >= 0);
		if (lives[i] != 0) /* by a request of its own, later than its answer to ours */
			peer_says(&w, WIRE_F_ACK, FIRST, last_seq(&w));
		pass_ms(&w, 500);
		if (lives[i] != 0)
			peer_says(&w, WIRE_F_RESYNC, lives[i], 0);
		peer_says(&w, WIRE_F_ACK, FIRST, last_seq(&w));
		turn(&w);
		assert_int_equal(sync_stats(w.s)->resync_done, lives[i] != 0);
		w.n_sent = 0;
		pass_ms(&w, 900);
		assert_true(find_flag(&w, 0, WIRE_F_RESYNC) < 0);
		pass_ms(&w, 200);
		assert_int_equal(find_flag(&w, 0, WIRE_F_RESYNC) >= 0, lives[i] == 0);
		peer_says(&w, WIRE_F_ACK, FIRST, last_seq(&w));
		turn(&w);
		assert_int_equal(sync_stats(w.s)->resync_done, 1);
		assert_int_equal(sync_stats(w.s)->resync_failed, 0);
		sync_close(w.s);
	}
}

/* A peer acknowledges what comes later and not this, for long: a flow is told again. What we
 * acknowledged is not acknowledged once more: if that number was forged, the peer's own message of
 * that number would be. */
static void what_is_passed_over_is_told_again_but_acknowledges_nothing(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t old = w->seq, first;

	(void)state;
	change(w, 0);
	peer_says(w, WIRE_F_ALIVE, 0, 0);
	pass_ms(w, 1100);
	assert_int_equal(count_flow(w, 0, 0), 1);
	assert_true(acked(w, 0, old));
	first = last_seq(w) + 1;
	w->n_sent = 0;
	for (int i = 0; i < 20; i++) {
		pass_ms(w, 500);
		peer_says(w, WIRE_F_ACK, first, w->n_sent > 0 ? last_seq(w) : first);
	}
	assert_int_equal(count_flow(w, 0, 0), 1);
	assert_false(acked(w, 0, old));
	sync_close(w->s);
}

/* Numbers that were never sent are nobody's to acknowledge: what gets them later is not taken for
 * passed over. */
static void an_ack_from_nowhere_moves_nothing(void **state)
{
	struct world *w = settled(1000, 300);

	(void)state;
	change(w, 0);
	turn(w);
	peer_says(w, WIRE_F_ACK, last_seq(w) + 100, last_seq(w) + 200);
	peer_says(w, WIRE_F_NACK, last_seq(w), last_seq(w) + 5000);
	assert_int_equal(sync_stats(w->s)->acks_for_others, 2);
	turn(w);
	peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
	w->n_sent = 0;
	change(w, 1);
	for (int i = 0; i < 20; i++) {
		turn(w);
		peer_says(w, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, 500);
	}
	assert_int_equal(count_flow(w, 0, 1), 1);
	sync_close(w->s);
}

/* ---- an incomplete cache ---- */

static unsigned int count_notes(const struct world *w, uint32_t about)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->n_sent; i++)
		n += w->sent[i].note && w->sent[i].about == about &&
		     w->sent[i].what == WIRE_NOT_WHOLE;
	return n;
}

/* A peer sweeps when its RESYNC is acknowledged. While our cache is incomplete it gets what there
 * is, what comes later is acknowledged around the hole, and the answer ends by itself. A 1.4.x
 * (nothing in its RESYNC) gets the same, without notes. */
static void an_incomplete_cache_ends_no_answer(void **state)
{
	(void)state;
	for (uint32_t kind = 0; kind < 2; kind++) {
		struct world *w = settled(1000, 300);
		uint32_t resync = w->seq, later = 0;

		w->live = 3;
		w->incomplete = true;
		peer_says(w, WIRE_F_RESYNC, kind, 0);
		turn(w);
		for (int i = 0; i < 30; i++) {
			later = w->seq;
			peer_tells(w, w->seq++, 7);
			pass_ms(w, 1000);
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		}
		for (int id = 0; id < 3; id++)
			assert_int_equal(count_flow(w, 0, id), 1);
		assert_false(acked(w, 0, resync));
		assert_true(acked(w, 0, later));
		assert_false(sync_bulk_running(w->s));
		if (kind != 0)
			assert_in_range(count_notes(w, resync), 25, 31);
		else
			assert_int_equal(count_notes(w, resync), 0);
		/* What a repair finds is told as it is found, and before the end. */
		change(w, 3);
		w->incomplete = false;
		w->n_sent = 0;
		turn(w);
		assert_true(acked(w, 0, resync));
		assert_int_equal(w->sent[0].flow, 3);
		assert_true(find_ack(w, 0, resync) > 0);
		pass_ms(w, 3000);
		assert_int_equal(count_notes(w, resync), 0);
		assert_int_equal(count_flow(w, 0, 0), 0);
		sync_close(w->s);
	}
}

/* It asks again while the first answer waits: the second one gets everything again before it is
 * ended. */
static void a_second_request_is_not_ended_with_the_first(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t first = w->seq, second;

	(void)state;
	w->live = 2;
	w->incomplete = true;
	peer_says(w, WIRE_F_RESYNC, 1, 0);
	pass_ms(w, 2000);
	peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
	w->n_sent = 0;
	second = w->seq;
	peer_says(w, WIRE_F_RESYNC, 1, 0);
	turn(w);
	assert_int_equal(count_flow(w, 0, 0) + count_flow(w, 0, 1), 2);
	pass_ms(w, 3000);
	assert_true(acked(w, 0, first)); /* nobody waits for that one any more */
	assert_false(acked(w, 0, second));
	w->incomplete = false;
	turn(w);
	assert_true(acked(w, 0, second));
	sync_close(w->s);
}

static void peer_notes(struct world *w, uint32_t about)
{
	static const struct peer_addr source = { .family = AF_INET, .addr = { 10, 0, 0, 2 } };
	struct cursor datagram, body;
	struct wire_hdr hdr;
	uint8_t buf[WIRE_CTL_LEN];
	struct writer out = wr_init(buf, sizeof(buf));

	assert_int_equal(wire_put_complete(&out, w->seq++, about, WIRE_NOT_WHOLE), 0);
	datagram = cur_init(buf, out.len);
	assert_int_equal(wire_next(&datagram, &hdr, &body), PROTO_OK);
	assert_int_equal(recv_v1(w->s, &source, &hdr, body, w->now), SYNC_ACCEPTED);
}

/* The other side of it: as long as the peer says that its cache is incomplete it is not asked
 * again, nothing is swept, and the RESYNC does not stay in the ring, where it would stand in the
 * way. */
static void a_partial_answer_is_waited_for(void **state)
{
	struct world *w = settled(1000, 300);
	struct sync_queues q;
	uint32_t resync;

	(void)state;
	sync_ask_resync(w->s, w->now);
	turn(w);
	resync = w->sent[find_flag(w, 0, WIRE_F_RESYNC)].hdr.seq;
	peer_tells(w, w->seq++, 1);
	for (int i = 0; i < 300; i++) {
		pass_ms(w, 1000);
		if (last_seq(w) != resync) /* around it */
			peer_says(w, WIRE_F_ACK, resync + 1, last_seq(w));
		peer_notes(w, resync);
	}
	assert_int_equal(w->begun, 1);
	assert_int_equal(w->done, 0);
	assert_true(sync_resync_running(w->s));
	sync_queues(w->s, &q);
	assert_int_equal(q.ring_len, 0);
	peer_notes(w, resync - 1); /* of a request long ago */
	peer_says(w, WIRE_F_ACK, resync, resync);
	turn(w);
	assert_int_equal(w->done, 1);
	/* One that stops saying so is asked again. */
	sync_ask_resync(w->s, w->now);
	pass_ms(w, 1);
	assert_int_equal(w->begun, 2);
	resync = w->sent[find_flag(w, w->n_sent - 1, WIRE_F_RESYNC)].hdr.seq;
	peer_notes(w, resync);
	for (int i = 0; i < 9; i++) {
		pass_ms(w, 1000);
		peer_says(w, WIRE_F_ACK, resync + 1, last_seq(w));
	}
	assert_int_equal(w->begun, 2);
	for (int i = 0; i < 5; i++) {
		pass_ms(w, 1000);
		peer_says(w, WIRE_F_ACK, resync + 1, last_seq(w));
	}
	assert_int_equal(w->begun, 3);
	sync_close(w->s);
}

/* It begins later than it was waited for: the answer counts all the same, and is not asked for once
 * more. */
static void a_partial_answer_may_be_late(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t resync;

	(void)state;
	sync_ask_resync(w->s, w->now);
	turn(w);
	resync = w->sent[find_flag(w, 0, WIRE_F_RESYNC)].hdr.seq;
	pass_ms(w, 1500);
	/* passed over: three seconds from the last state */
	peer_says(w, WIRE_F_ACK, resync + 1, last_seq(w));
	pass_ms(w, 2000);
	assert_int_equal(sync_stats(w->s)->resync_failed, 1);
	peer_notes(w, resync);
	for (int i = 0; i < 20; i++) {
		pass_ms(w, 1000);
		peer_notes(w, resync);
		peer_says(w, WIRE_F_ACK, resync + 1, last_seq(w));
	}
	assert_int_equal(w->begun, 1);
	peer_says(w, WIRE_F_ACK, resync, resync);
	turn(w);
	assert_int_equal(w->done, 1);
	sync_close(w->s);
}

/* So does a whole one, which a peer that is asked often begins seconds later; but not when
 * something was missing meanwhile. */
static void an_answer_may_be_late(void **state)
{
	(void)state;
	for (int missing = 0; missing < 2; missing++) {
		struct world *w = settled(1000, 300);
		uint32_t resync;

		sync_ask_resync(w->s, w->now);
		turn(w);
		resync = w->sent[find_flag(w, 0, WIRE_F_RESYNC)].hdr.seq;
		pass_ms(w, 1500);
		peer_says(w, WIRE_F_ACK, resync + 1, last_seq(w));
		pass_ms(w, 2000);
		assert_int_equal(sync_stats(w->s)->resync_failed, 1);
		w->seq += 600 * (uint32_t)missing; /* more than it can send again */
		peer_tells(w, w->seq++, 1);
		pass_ms(w, 100);
		peer_says(w, WIRE_F_ACK, resync, last_seq(w));
		turn(w);
		assert_int_equal(w->done, !missing);
		pass_ms(w, 10000);
		assert_int_equal(w->begun, 1 + missing);
		sync_close(w->s);
	}
}

/* A 1.4.x does not know whether its cache is complete; a peer of our kind says in its RESYNC that
 * it is one. */
static void an_answer_is_sure_from_a_peer_of_our_kind(void **state)
{
	(void)state;
	for (uint32_t kind = 0; kind < 2; kind++) {
		struct world *w = settled(1000, 300);
		int resync;

		if (kind != 0) {
			peer_says(w, WIRE_F_RESYNC, 77, 0);
			turn(w);
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		}
		sync_ask_resync(w->s, w->now);
		turn(w);
		resync = find_flag(w, 0, WIRE_F_RESYNC);
		assert_int_not_equal(w->sent[resync].hdr.from, 0); /* we are one */
		peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		turn(w);
		assert_int_equal(w->done, 1);
		assert_int_equal(w->sure, kind != 0);
		sync_close(w->s);
	}
}

/* The table is full of flows that have ended: the oldest goes, and a peer that misses its end is
 * told that it cannot have it. */
static void the_oldest_end_makes_room(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t first;
	unsigned int before;

	(void)state;
	assert_false(sync_make_room(w->s, w->now));
	for (uint32_t id = 0; id < 4; id++)
		change(w, id);
	turn(w);
	assert_false(sync_make_room(w->s, w->now)); /* nothing has ended */
	for (uint32_t id = 1; id < 4; id++) {
		w->dead[id] = true;
		change(w, id);
	}
	turn(w);
	first = last_seq(w) - 2;
	for (uint32_t id = 1; id < 3; id++) {
		assert_true(sync_make_room(w->s, w->now));
		assert_int_equal(w->released[id], 1);
	}
	assert_int_equal(w->released[3], 0);
	w->dead[0] = true; /* it waits in the queue: a number is burnt */
	change(w, 0);
	assert_true(sync_make_room(w->s, w->now)); /* flow 3, which was sent */
	assert_true(sync_make_room(w->s, w->now));
	assert_false(sync_make_room(w->s, w->now));
	assert_int_equal(w->released[0], 1);
	assert_int_equal(w->released[3], 1);
	assert_int_equal(sync_stats(w->s)->given_up_dead, 4);
	before = w->n_sent;
	peer_says(w, WIRE_F_NACK, first, first + 3);
	pass_ms(w, 2000);
	assert_int_equal(sync_stats(w->s)->unrepairable, 1);
	assert_false(acked(w, before, w->seq - 1));
	sync_close(w->s);
}

/* Forty requests to repeat, each a hole for the next acknowledgement until it is served, and losses
 * of the peer's own between them. Whatever happens, no number is acknowledged that has not come,
 * and a RESYNC not before the whole table has left. */
static void no_hold_is_lost_or_stretched(void **state)
{
	struct world *w = settled(1000, 300);
	bool came[1000] = { false };
	uint32_t first, base = w->seq, resync = 0;
	unsigned int before, told_all = 0;

	(void)state;
	w->live = 50;
	for (uint32_t id = 0; id < 50; id++)
		change(w, id);
	turn(w);
	first = last_seq(w) - 49;
	before = w->n_sent;
	for (uint32_t i = 0; i < 40; i++) {
		came[w->seq - base] = true;
		peer_says(w, WIRE_F_NACK, first + i, first + i);
		came[w->seq - base] = true;
		peer_tells(w, w->seq++, 60);
		if (i % 7 == 3)
			w->seq += 3; /* lost */
		if (i == 20) {
			came[w->seq - base] = true;
			resync = w->seq;
			peer_says(w, WIRE_F_RESYNC, 77, 0);
		}
		if (i % 3 == 0) { /* an acknowledgement of ours passes what is held */
			w->now = mono_add_ms(w->now, 20);
			sync_tick(w->s, w->now);
		}
	}
	w->incomplete = true; /* no RESYNC is served yet */
	for (int i = 0; i < 20; i++) {
		pass_ms(w, 100);
		came[w->seq - base] = true;
		peer_says(w, WIRE_F_ALIVE, 0, 0);
	}
	assert_false(acked(w, before, resync));
	w->incomplete = false;
	pass_ms(w, 2000);
	came[w->seq - base] = true;
	peer_says(w, WIRE_F_ACK, first, last_seq(w));
	pass_ms(w, 3000);
	assert_true(acked(w, before, resync));
	for (int id = 0; id < 50; id++)
		told_all += count_flow(w, before, id) > 0;
	assert_int_equal(told_all, 50);
	for (unsigned int i = before; i < w->n_sent; i++)
		if (w->sent[i].hdr.type == WIRE_CTL && (w->sent[i].hdr.flags & WIRE_F_ACK))
			for (uint32_t n = w->sent[i].hdr.from;
			     n - base < 1000 && !seq_after(n, w->sent[i].hdr.to); n++)
				assert_true(came[n - base]);
	sync_close(w->s);
}

/* What was heard of the peer's flows before a RESYNC is repeated says nothing about what lives when
 * that one is answered: their marks are those of the copy that arrived. */
static void a_repeated_resync_marks_anew(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t resync;

	(void)state;
	sync_ask_resync(w->s, w->now);
	turn(w);
	resync = w->sent[find_flag(w, 0, WIRE_F_RESYNC)].hdr.seq;
	assert_int_equal(w->begun, 1);
	peer_tells(w, w->seq++, 1);
	peer_says(w, WIRE_F_NACK, resync, resync);
	turn(w);
	assert_true(last_seq(w) > resync);
	assert_int_equal(w->begun, 2);
	peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
	turn(w);
	assert_int_equal(w->done, 1);
	sync_close(w->s);
}

/* ---- reordering ---- */

/* A thousand messages of which the first comes last, 5 ms later: as many as a full send has on the
 * way. */
static void many_messages_may_be_overtaken(void **state)
{
	struct world *w = settled(10000, 10000);
	uint32_t first = w->seq;

	(void)state;
	for (uint32_t i = 1; i <= 1000; i++)
		assert_int_equal(peer_tells(w, first + i, 2), SYNC_HELD);
	pass_ms(w, 5);
	peer_tells(w, first, 1);
	assert_int_equal(w->n_applied, 1001);
	pass_ms(w, 100);
	assert_int_equal(find_flag(w, 0, WIRE_F_NACK), -1);
	assert_int_equal(sync_stats(w->s)->lost, 0);
	sync_close(w->s);
}

/* A message that comes 30 ms late was taken for lost, once. From then on that is waited for; after
 * a calm minute no more. */
static void how_late_is_late_is_learned(void **state)
{
	static const struct {
		int64_t calm_ms;
		bool nack;
	} rounds[] = { { 0, true },	 { 0, false },	  { 1000, false },
		       { 50000, false }, { 70000, true }, { 0, false } };
	struct world *w = settled(1000, 300);
	uint64_t reordered = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		for (int64_t t = 0; t < rounds[i].calm_ms; t += 500) {
			pass_ms(w, 500);
			if (w->n_sent > 0)
				peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
			w->n_sent = 0;
		}
		w->n_sent = 0;
		peer_tells(w, w->seq + 1, 2);
		pass_ms(w, 30);
		assert_int_equal(find_flag(w, 0, WIRE_F_NACK) >= 0, rounds[i].nack);
		assert_int_equal(peer_tells(w, w->seq, 1),
				 rounds[i].nack ? SYNC_DROPPED : SYNC_ACCEPTED);
		w->seq += 2;
		/* Late is not lost. */
		assert_int_equal(sync_stats(w->s)->lost, 0);
		assert_int_equal(sync_stats(w->s)->reordered, ++reordered);
		pass_ms(w, 1010);
		peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
	}
	sync_close(w->s);
}

/* ---- addresses ---- */

static void peer_moves_to(struct world *w, uint8_t host, uint8_t link, uint8_t flags, uint32_t from)
{
	struct peer_addr source = { .family = AF_INET,
				    .link = link,
				    .addr = { 10, 0, link, host } };
	struct wire_hdr hdr = { .version = WIRE_VERSION,
				.type = WIRE_CTL,
				.flags = flags,
				.seq = w->seq++,
				.from = from };

	if (flags & WIRE_F_ACK)
		hdr.to = last_seq(w);
	recv_v1(w->s, &source, &hdr, cur_init(NULL, 0), w->now);
}

/* Restarted within three seconds, it speaks from another address of the same link: at first it may
 * be a third node. When the old address has been silent for long, its full answer counts for both.
 * Not if both are heard: then they are two. */
static void another_address_is_the_same_peer(void **state)
{
	(void)state;
	for (int two = 0; two < 2; two++) {
		struct world *w = settled(1000, 300);
		struct sync_peer_view view;

		peer_says(w, WIRE_F_RESYNC, 77, 0);
		pass_ms(w, 1000);
		w->begun = w->done = 0;
		memset(w->begun_by, 0, sizeof(w->begun_by));
		memset(w->done_by, 0, sizeof(w->done_by));
		w->seq += 1000;
		for (int i = 0; i < 40; i++) {
			peer_moves_to(w, 7, 0,
				      i ? WIRE_F_ALIVE :
					  WIRE_F_RESYNC | WIRE_F_HELLO | WIRE_F_HELLO_BACK,
				      i ? 0 : 78);
			peer_moves_to(w, 7, 0, WIRE_F_ACK, FIRST);
			if (two)
				peer_says_at(w, PEER + 900 + (uint32_t)i, WIRE_F_ALIVE, 0, 0);
			pass_ms(w, 500);
		}
		assert_int_equal(w->done_by[0], !two);
		assert_int_equal(sync_peer_view(w->s, 0, w->now, &view), two);
		assert_true(sync_peer_view(w->s, 1, w->now, &view));
		sync_close(w->s);
	}
}

/* It goes to and fro between two addresses, with one sequence of numbers, and so is heard at both:
 * that does not make it two. */
static void to_and_fro_is_one_node(void **state)
{
	struct world *w = settled(1000, 300);
	struct sync_peer_view view;

	(void)state;
	for (int i = 0; i < 20; i++) {
		peer_moves_to(w, i % 2 ? 7 : 2, 0, WIRE_F_ALIVE, 0);
		pass_ms(w, 500);
	}
	for (int i = 0; i < 30; i++) {
		peer_moves_to(w, 7, 0, WIRE_F_ALIVE, 0);
		pass_ms(w, 500);
	}
	assert_true(sync_peer_view(w->s, 0, w->now, &view));
	assert_true(view.left);
	sync_close(w->s);
}

/* Three nodes: what the others ask for is answered in laps that are limited together, and it is
 * said. */
/* It comes back at another address, and its numbers begin with the seconds of the clock: those of
 * the life before mean other messages now. An acknowledgement names nobody. */
static void an_address_that_was_left_gets_no_acknowledgement(void **state)
{
	static const struct peer_addr other = { .family = AF_INET, .addr = { 10, 0, 0, 3 } };
	struct world *w = settled(1000, 300);
	struct wire_hdr hdr = { .version = WIRE_VERSION,
				.type = WIRE_CTL,
				.flags = WIRE_F_ALIVE | WIRE_F_HELLO };
	uint32_t last = w->seq;

	(void)state;
	while (w->n_sent == 0) /* a keepalive takes along what is not acknowledged yet */
		pass_ms(w, 10);
	w->n_sent = 0;
	peer_tells(w, w->seq++, 1);
	for (int i = 0; i < 30; i++) {
		hdr.seq = last - 100 + (uint32_t)i;
		recv_v1(w->s, &other, &hdr, cur_init(NULL, 0), w->now);
		pass_ms(w, 100);
	}
	assert_true(acked(w, 0, last - 100));
	assert_false(acked(w, 0, last));
	sync_close(w->s);
}

/* Nor is its request acknowledged when the answer is out, before it is heard again: the one at the
 * new address may have made one of that number. */
static void the_request_of_an_address_that_was_left_waits(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t resync = w->seq;

	(void)state;
	w->live = 3;
	peer_says(w, WIRE_F_RESYNC, 77, 0);
	w->seq = 70000;
	w->now = mono_add_ms(w->now, 1);
	peer_moves_to(w, 3, 0, WIRE_F_ALIVE | WIRE_F_HELLO, 0);
	pass_ms(w, 500);
	assert_true(count_flow(w, 0, 2) > 0);
	assert_false(acked(w, 0, resync));
	w->seq = resync + 1;
	peer_says(w, WIRE_F_ALIVE, 0, 0); /* they are two */
	pass_ms(w, 1100);
	assert_true(acked(w, 0, resync));
	sync_close(w->s);
}

static void another_is_there(struct world *w, bool is, uint32_t number)
{
	uint32_t seq = w->seq;

	w->seq = number;
	if (is)
		peer_moves_to(w, 3, 0, WIRE_F_ALIVE, 0);
	w->seq = seq;
}

/* Another node is there: an ACK that covers our NACK may be meant for that one, and what was
 * missing is missing still. */
static void an_acknowledged_nack_is_doubted_among_three(void **state)
{
	static const struct {
		bool three;
		int after_ms;
		bool asked;
	} cases[] = { { true, 15000, false }, { true, 22000, true }, { false, 22000, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(1000, 300);

		for (int k = 0; k < 8; k++) {
			another_is_there(w, cases[i].three, 77000 + (uint32_t)k);
			pass_ms(w, 1001);
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		}
		w->seq++;
		peer_tells(w, w->seq++, 2);
		pass_ms(w, 20);
		assert_true(find_flag(w, 0, WIRE_F_NACK) >= 0);
		w->n_sent = w->begun_by[0] = 0;
		for (int ms = 0; ms < cases[i].after_ms; ms += 1001) {
			another_is_there(w, cases[i].three, 77008 + (uint32_t)ms / 1001);
			pass_ms(w, 1001);
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		}
		assert_int_equal(w->begun_by[0], cases[i].asked);
		sync_close(w->s);
	}
}

/* Nothing is swept on an answer whose acknowledgement may have been meant for another one, so what
 * has ended may be here still. */
static void an_answer_among_three_is_not_all(void **state)
{
	(void)state;
	for (int three = 0; three < 2; three++) {
		struct world *w = settled(1000, 300);
		struct sync_peer_view v;

		another_is_there(w, three, 77000);
		sync_ask_resync(w->s, w->now);
		turn(w);
		peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		turn(w);
		assert_int_equal(w->done, !three);
		assert_true(sync_peer_view(w->s, 0, w->now, &v));
		assert_int_equal(v.table, three ? STANDING_LACKS_PROOF : STANDING_LACKS_NOTHING);
		sync_close(w->s);
	}
}

static void several_peers_share_the_laps(void **state)
{
	struct world *w = settled(10000, 300);
	uint32_t other = 70000;
	unsigned int sent;

	(void)state;
	w->live = 50;
	for (int i = 0; i < 80; i++) { /* two seconds */
		uint8_t host = (uint8_t)(10 + i % 4);
		uint32_t seq = w->seq;

		w->seq = other + 1000u * host + 2 * ((uint32_t)i / 4);
		peer_moves_to(w, host, 0, WIRE_F_RESYNC, 90u + host);
		turn(w);
		peer_moves_to(w, host, 0, WIRE_F_ACK, FIRST);
		w->seq = seq;
		peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		pass_ms(w, 25);
	}
	sent = (unsigned int)sync_stats(w->s)->bulk_flows;
	assert_in_range(sent, 2 * 50, 15 * 50);
	assert_true(w->n_put_off > 0);
	sync_close(w->s);
}

/* The acknowledgement of an end: the record goes once, and never while it lives again. */
static void dead_flows_are_released_once(void **state)
{
	struct world *w = settled(1000, 300);
	uint32_t seq;

	(void)state;
	change(w, 0);
	change(w, 1);
	turn(w);
	w->dead[0] = w->dead[1] = true;
	change(w, 0);
	change(w, 1);
	turn(w);
	seq = last_seq(w);
	assert_int_equal(w->released[0] + w->released[1], 0);
	w->dead[1] = false; /* the tuple is used again before the end is acknowledged */
	change(w, 1);
	peer_says(w, WIRE_F_ACK, seq - 3, seq);
	assert_int_equal(w->released[0], 1);
	turn(w);
	peer_says(w, WIRE_F_ACK, seq - 3, last_seq(w));
	assert_int_equal(w->released[0], 1);
	assert_int_equal(w->released[1], 0);
	sync_close(w->s);
}

/* A 1.4.x acknowledges across what it missed of our messages with HELLO, or begins behind them. It
 * is sent everything when it has heard us, but what had ended has to be told again. */
static void an_end_under_hello_is_told_again(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 4; k++) {
		static struct world w;
		/* the first acknowledgement begins behind it */
		uint32_t first, life = k % 2, later = k / 2;

		world_open(&w, 1000, 300);
		turn(&w);
		if (life)
			peer_says(&w, WIRE_F_RESYNC | WIRE_F_HELLO, 7, 0);
		change(&w, 0);
		turn(&w);
		w.dead[0] = true;
		change(&w, 0);
		turn(&w);
		first = last_of(&w, 0);
		change(&w, 1);
		turn(&w);
		peer_says(&w, WIRE_F_ACK | WIRE_F_HELLO | WIRE_F_HELLO_BACK,
			  later ? first + 1 : FIRST, last_seq(&w));
		turn(&w);
		assert_int_equal(w.released[0], life);
		assert_int_equal(last_of(&w, 0) != first, !life);
		peer_says(&w, WIRE_F_ACK, first + 1, last_seq(&w));
		assert_int_equal(w.released[0], 1);
		sync_close(w.s);
	}
}

static void restart_of_the_peer_begins_anew(void **state)
{
	static const uint32_t jumps[] = { 0, 1, 50, 100000, UINT32_MAX - 100000 };

	(void)state;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		struct world *w = settled(1000, 300);
		int back;

		w->live = 3;
		pass_ms(w, 6000);
		w->n_sent = 0;
		w->seq += jumps[i];
		peer_says(w, WIRE_F_ALIVE | WIRE_F_HELLO, 0, 0);
		assert_int_equal(sync_stats(w->s)->restarts, 1);
		turn(w);
		back = find_flag(w, 0, WIRE_F_ACK);
		assert_true(back >= 0 && (w->sent[back].hdr.flags & WIRE_F_HELLO_BACK));
		assert_int_equal(find_flag(w, 0, WIRE_F_NACK), -1);
		peer_says(w, WIRE_F_ACK, w->sent[0].hdr.seq, last_seq(w));
		pass_ms(w, 1500);
		/* It has nothing any more: it gets our table, and is asked for its own. */
		for (int id = 0; id < 3; id++)
			assert_true(count_flow(w, 0, id) > 0);
		assert_int_equal(w->begun, 1);
		sync_close(w->s);
	}
}

/* A peer that has restarted gets the table before it has acknowledged anything. Where its first
 * acknowledgement begins within the table it did not hear the beginning, which it will never miss:
 * all of it is told again, once. */
static void what_came_before_the_first_acknowledgement_is_told_again(void **state)
{
	static const struct {
		/* the first flow that is acknowledged; -1: the message before the table */
		int heard;
		int again; /* so often is each flow told after that */
	} cases[] = { { -1, 0 }, { 0, 0 }, { 1, 1 }, { 2, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(1000, 300);
		uint32_t first;
		unsigned int before = 0;

		w->live = 3;
		pass_ms(w, 6000);
		w->n_sent = 0;
		peer_says(w, WIRE_F_ALIVE | WIRE_F_HELLO, 0, 0);
		pass_ms(w, 1500);
		for (int id = 0; id < 3; id++)
			assert_int_equal(count_flow(w, 0, id), 1);
		first = cases[i].heard < 0 ? last_of(w, 0) - 1 : last_of(w, cases[i].heard);
		for (int k = 0; k < 3; k++) {
			before = k == 0 ? w->n_sent : before;
			peer_says(w, WIRE_F_ACK, first, last_seq(w));
			pass_ms(w, 1000);
		}
		for (int id = 0; id < 3; id++)
			assert_int_equal(count_flow(w, before, id), cases[i].again);
		sync_close(w->s);
	}
}

/* A 1.4.x that restarts before its handshake is over begins with a lower number: it counts seconds.
 * What is merely late is not. */
static void a_restart_within_the_handshake_is_seen(void **state)
{
	static const struct {
		int64_t silent_ms;
		uint32_t back;
		uint64_t restarts;
	} cases[] = {
		{ 1500, 20, 1 }, { 1500, 2, 1 }, { 100, 2, 0 }, { 100, 20, 0 }, { 1500, 0, 0 }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct world w;

		world_open(&w, 1000, 300);
		turn(&w);
		for (int k = 0; k < 10; k++)
			peer_says(&w, WIRE_F_ALIVE | WIRE_F_HELLO, 0, 0);
		pass_ms(&w, cases[i].silent_ms);
		peer_says_at(&w, w.seq - cases[i].back, WIRE_F_ALIVE | WIRE_F_HELLO, 0, 0);
		assert_int_equal(sync_stats(w.s)->restarts, cases[i].restarts);
		sync_close(w.s);
	}
}

/* A handshake may take long, where one direction is down. What was sent in its last moments may
 * come behind what follows. */
static void late_messages_of_a_long_handshake_are_late(void **state)
{
	static struct world w;

	(void)state;
	world_open(&w, 1000, 300);
	turn(&w);
	for (int k = 0; k < 20; k++) {
		peer_says(&w, WIRE_F_ALIVE | WIRE_F_HELLO, 0, 0);
		pass_ms(&w, 500);
	}
	peer_says(&w, WIRE_F_ALIVE, 0, 0);
	peer_says_at(&w, w.seq - 3, WIRE_F_ALIVE | WIRE_F_HELLO, 0, 0);
	assert_int_equal(sync_stats(w.s)->restarts, 0);
	sync_close(w.s);
}

/* A full ring holds data back while the peer may still acknowledge, and gives it up for lost when
 * it does not. */
/* A bulk send over very many records of which none is sent: no round of it takes long, and it comes
 * to its end. */
static void barren_walk_goes_in_steps(void **state)
{
	struct world *w = settled(1000, 300);
	unsigned int rounds = 0;

	(void)state;
	change(w, 3);
	turn(w);
	peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
	w->n_sent = 0;
	w->barren = 100000;
	peer_says(w, WIRE_F_RESYNC, 0, 0);
	do {
		w->walked = 0;
		sync_tick(w->s, w->now);
		assert_true(rounds++ < 100);
		assert_true(sync_transmit(w->s, w->now) || !sync_bulk_running(w->s));
		assert_in_range(w->walked, 0, 10000);
	} while (sync_bulk_running(w->s));
	assert_in_range(rounds, 10, 20);
	assert_int_equal(count_flow(w, 0, 3), 1);
	sync_close(w->s);
}

static void full_ring_holds_then_gives_up(void **state)
{
	struct world *w = settled(10, 300);
	unsigned int sent;

	(void)state;
	peer_says(w, WIRE_F_ACK, FIRST, FIRST + 100);
	w->n_sent = 0;
	for (uint32_t id = 0; id < 20; id++)
		change(w, id);
	turn(w);
	for (sent = 0; sent < 20 && count_flow(w, 0, (int)sent) > 0; sent++)
		;
	assert_true(sent >= 5 && sent <= 10);
	for (int i = 0; i < 30; i++) {
		peer_says(w, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, 100);
	}
	for (int id = 0; id < 20; id++)
		assert_true(count_flow(w, 0, id) > 0);
	assert_true(sync_stats(w->s)->ring_overflow > 0);
	sync_close(w->s);
}

/* Whether it was heard nobody knows, when later messages are acknowledged and these are not: a
 * number is used for nothing then, so that the peer asks for everything. */
static void what_was_given_up_is_not_heard(void **state)
{
	struct world *w = settled(10, 300);
	struct sync_peer_view v;
	uint32_t before, burnt = 0;

	(void)state;
	peer_says(w, WIRE_F_RESYNC, 77, 0);
	turn(w);
	before = last_seq(w);
	peer_says(w, WIRE_F_ACK, FIRST, before);
	for (uint32_t id = 0; id < 20; id++)
		change(w, id);
	for (int i = 0; i < 30; i++) {
		peer_says(w, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, 100);
	}
	assert_true(sync_stats(w->s)->ring_overflow > 0);
	peer_says(w, WIRE_F_ACK, last_seq(w) - 5, last_seq(w));
	assert_true(sync_peer_view(w->s, 0, w->now, &v));
	assert_true(v.acked >= before && v.acked < before + 10);
	for (int i = 0; i < 80; i++) {
		peer_says(w, WIRE_F_ACK, last_seq(w) - 5, last_seq(w));
		assert_true(sync_peer_view(w->s, 0, w->now, &v));
		assert_true(v.acked < before + 10 || v.standing.heard == STANDING_NOT_YET);
		pass_ms(w, 100);
	}
	assert_int_equal(v.standing.heard, STANDING_NOT_YET);
	for (unsigned int k = 1; k < w->n_sent; k++)
		burnt += w->sent[k].hdr.seq - w->sent[k - 1].hdr.seq - 1;
	assert_int_equal(burnt, 1);
	sync_close(w->s);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		uint8_t type, flags;
		uint32_t from, to;
		enum sync_verdict want;
	} cases[] = {
		{ WIRE_CTL, WIRE_F_ACK, 1001, 1000, SYNC_REFUSED },
		{ WIRE_CTL, WIRE_F_NACK, 1001, 1000, SYNC_REFUSED },
		{ WIRE_CTL, 0, 0, 0, SYNC_REFUSED },
		{ WIRE_CTL, 0x80, 0, 0, SYNC_REFUSED },
		{ 6, 0, 0, 0, SYNC_REFUSED },
		{ WIRE_CT_NEW, WIRE_F_ACK, 0, 0, SYNC_REFUSED },
		{ WIRE_CT_NEW, 0, 0, 0, SYNC_REFUSED }, /* no attributes */
		{ WIRE_CTL, WIRE_F_ALIVE, 0, 0, SYNC_ACCEPTED },
	};
	static const struct peer_addr source = { .family = AF_INET, .addr = { 10, 0, 0, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = settled(1000, 300);
		struct wire_hdr hdr = {
			.version = WIRE_VERSION,
			.type = cases[i].type,
			.flags = cases[i].flags,
			.seq = w->seq,
			.from = cases[i].from,
			.to = cases[i].to,
		};

		assert_int_equal(recv_v1(w->s, &source, &hdr, cur_init(NULL, 0), w->now),
				 cases[i].want);
		/* Its number is used up all the same: nobody asks for it again. */
		peer_says_at(w, w->seq + 1, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, 20);
		assert_int_equal(find_flag(w, 0, WIRE_F_NACK), -1);
		sync_close(w->s);
	}
}

/* What a peer in each mode says for a minute. ALARM: states. NOTRACK: keepalives, too. FTFW:
 * acknowledgements. */
static void other_mode_is_noticed(void **state)
{
	static const struct {
		bool alive, ack;
		unsigned int seconds, lines;
	} cases[] = {
		{ false, false, 60, 1 },
		{ true, false, 60, 1 },
		{ true, false, 28, 0 },
		{ true, true, 60, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct world w;

		world_open(&w, 1000, 300);
		for (unsigned int s = 0; s < cases[i].seconds; s++) {
			w.n_sent = 0;
			pass_ms(&w, 1000);
			assert_int_not_equal(w.n_sent, 0);
			if (cases[i].ack && s > 0)
				peer_says(&w, WIRE_F_ACK, FIRST, last_seq(&w));
			else if (cases[i].alive)
				peer_says(&w, WIRE_F_ALIVE, 0, 0);
			else
				peer_tells(&w, w.seq++, 0);
		}
		assert_int_equal(w.n_other_mode, cases[i].lines);
		assert_int_equal(sync_stats(w.s)->other_mode, cases[i].lines);
		/* Silent for an hour, then one word: no reason to complain. */
		w.n_other_mode = w.n_sent = 0;
		pass_ms(&w, 5000);
		w.now = mono_add_ms(w.now, 3600000);
		peer_says(&w, WIRE_F_ALIVE, 0, 0);
		pass_ms(&w, 2000);
		assert_int_equal(w.n_other_mode, 0);
		sync_close(w.s);
	}
}

/* A NOTRACK node of our kind gives itself away by its first request. */
static void notrack_is_noticed_at_once(void **state)
{
	static struct world w;
	struct sync_peer_view v;

	(void)state;
	world_open(&w, 1000, 300);
	peer_says(&w, WIRE_F_RESYNC, 77, 0);
	pass_ms(&w, 2);
	assert_int_equal(w.n_other_mode, 0);
	for (int i = 0; i < 3; i++) {
		peer_says(&w, WIRE_F_RESYNC, 77, 0x100);
		pass_ms(&w, 1000);
	}
	assert_int_equal(w.n_other_mode, 1);
	assert_int_equal(sync_stats(w.s)->other_mode, 3);
	assert_true(sync_peer_view(w.s, 0, w.now, &v));
	assert_string_equal(v.name, "10.0.0.2");
	assert_int_equal(v.standing.state, STANDING_OTHER_MODE);
	sync_close(w.s);
}

/* A peer that asks again and again, and answers that never come whole, are said once each, and so
 * is their end. */
static void what_fails_again_and_again_is_said(void **state)
{
	struct world *w = settled(1000, 300);
	unsigned int failing = 0, unserved = 0;
	struct sync_peer_view v;

	(void)state;
	sync_ask_resync(w->s, w->now); /* which it never acknowledges */
	for (int i = 0; i < 90; i++) {
		if (i % 10 == 0 && i < 50)
			peer_says(w, WIRE_F_RESYNC, 77, 0);
		peer_says(w, WIRE_F_ALIVE, 0, 0);
		pass_ms(w, 1000);
		assert_true(sync_peer_view(w->s, 0, w->now, &v));
		failing += (v.standing.is & STANDING_IS(STANDING_FAILING)) != 0;
		unserved += (v.standing.is & STANDING_IS(STANDING_UNSERVED)) != 0;
	}
	assert_in_range(unserved, 30, 60);
	assert_true(failing > 0);
	assert_int_equal(w->n_began[STANDING_UNSERVED], 1);
	assert_int_equal(w->n_began[STANDING_FAILING], 1);
	sync_close(w->s);
}

/* What else was wrong with it can get neither better nor worse. */
static void of_a_silent_peer_nothing_else_is_said(void **state)
{
	struct world *w = settled(1000, 300);
	unsigned int before;

	(void)state;
	change(w, 0);
	for (int i = 0; i < 60; i++) { /* is heard, acknowledges what is old, and then nothing */
		peer_says(w, WIRE_F_ALIVE, 0, 0);
		if (i < 20)
			peer_says(w, WIRE_F_ACK, FIRST, FIRST);
		pass_ms(w, 1000);
	}
	assert_int_equal(w->n_began[STANDING_BEHIND], 1); /* first, and then the worse of the two */
	assert_int_equal(w->n_began[STANDING_DEAF], 1);
	before = w->n_reports;
	for (int i = 0; i < 200; i++)
		pass_ms(w, 1000);
	assert_int_equal(w->n_began[STANDING_SILENT], 1);
	assert_int_equal(w->n_reports, before + 1);
	sync_close(w->s);
}

/* As commands, flushes and starts ask: nothing is wrong with it. */
static void what_is_answered_whole_may_be_asked_for_often(void **state)
{
	struct world *w = settled(1000, 300);
	struct sync_peer_view v;

	(void)state;
	for (int i = 0; i < 10; i++) {
		peer_says(w, WIRE_F_RESYNC, 77, 0);
		for (int k = 0; k < 8; k++) {
			pass_ms(w, 500);
			peer_says(w, WIRE_F_ACK, FIRST, last_seq(w));
		}
		assert_true(sync_peer_view(w->s, 0, w->now, &v));
		assert_int_equal(v.standing.heard, STANDING_HEARD);
		assert_false(v.standing.is & STANDING_IS(STANDING_UNSERVED));
	}
	assert_int_equal(w->n_began[STANDING_UNSERVED], 0);
	sync_close(w->s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_message_is_hello),
		cmocka_unit_test(gaps_are_asked_for),
		cmocka_unit_test(old_numbers_are_dropped),
		cmocka_unit_test(two_messages_of_a_number_are_not_one),
		cmocka_unit_test(nack_repeats_exactly_its_range),
		cmocka_unit_test(what_cannot_be_repeated_is_never_acknowledged),
		cmocka_unit_test(what_another_acknowledged_is_told_again),
		cmocka_unit_test(forged_nacks_cost_little),
		cmocka_unit_test(the_largest_queue_is_no_smallest),
		cmocka_unit_test(resync_is_acknowledged_behind_the_table),
		cmocka_unit_test(resync_ends_with_its_acknowledgement),
		cmocka_unit_test(an_answer_under_hello_proves_nothing),
		cmocka_unit_test(a_late_answer_to_a_nack_proves_nothing),
		cmocka_unit_test(a_late_hello_ends_all_repairs),
		cmocka_unit_test(an_old_peer_is_asked_again_a_while_after_the_handshake),
		cmocka_unit_test(what_is_passed_over_is_told_again_but_acknowledges_nothing),
		cmocka_unit_test(an_ack_from_nowhere_moves_nothing),
		cmocka_unit_test(an_incomplete_cache_ends_no_answer),
		cmocka_unit_test(a_second_request_is_not_ended_with_the_first),
		cmocka_unit_test(a_partial_answer_is_waited_for),
		cmocka_unit_test(a_partial_answer_may_be_late),
		cmocka_unit_test(an_answer_may_be_late),
		cmocka_unit_test(an_answer_is_sure_from_a_peer_of_our_kind),
		cmocka_unit_test(the_oldest_end_makes_room),
		cmocka_unit_test(no_hold_is_lost_or_stretched),
		cmocka_unit_test(a_repeated_resync_marks_anew),
		cmocka_unit_test(many_messages_may_be_overtaken),
		cmocka_unit_test(how_late_is_late_is_learned),
		cmocka_unit_test(another_address_is_the_same_peer),
		cmocka_unit_test(to_and_fro_is_one_node),
		cmocka_unit_test(an_address_that_was_left_gets_no_acknowledgement),
		cmocka_unit_test(the_request_of_an_address_that_was_left_waits),
		cmocka_unit_test(an_acknowledged_nack_is_doubted_among_three),
		cmocka_unit_test(an_answer_among_three_is_not_all),
		cmocka_unit_test(several_peers_share_the_laps),
		cmocka_unit_test(dead_flows_are_released_once),
		cmocka_unit_test(an_end_under_hello_is_told_again),
		cmocka_unit_test(restart_of_the_peer_begins_anew),
		cmocka_unit_test(what_came_before_the_first_acknowledgement_is_told_again),
		cmocka_unit_test(a_restart_within_the_handshake_is_seen),
		cmocka_unit_test(late_messages_of_a_long_handshake_are_late),
		cmocka_unit_test(barren_walk_goes_in_steps),
		cmocka_unit_test(full_ring_holds_then_gives_up),
		cmocka_unit_test(what_was_given_up_is_not_heard),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(what_fails_again_and_again_is_said),
		cmocka_unit_test(of_a_silent_peer_nothing_else_is_said),
		cmocka_unit_test(what_is_answered_whole_may_be_asked_for_often),
		cmocka_unit_test(other_mode_is_noticed),
		cmocka_unit_test(notrack_is_noticed_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
