/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seam proves itself: two whole nodes replicate over a link that loses datagrams, in each mode,
 * with a protocol that has nothing of version 1 (unit/proto/double), plain and sealed. */
#include "node/pipeline.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/external.h"
#include "sync/sync_conf.h"
#include "unit/cache/flows.h"
#include "unit/proto/double/double.h"
#include "unit/proto/double/key_seal.h"

#define CAP	1000u
#define FLOWS	150u
#define WAITING 4096u
#define TURN_MS 10
#define LOSS_MS 3000  /* so long datagrams get lost, and the kernels change */
#define CALM_MS 60000 /* then everything has to arrive, in this time */
#define LOSS	5     /* one datagram of so many */

struct datagram {
	uint8_t bytes[CAP];
	size_t len;
};

struct node {
	struct world *world;
	struct pipeline *p;
	const struct proto_ops *proto;
	bool sealed;
	struct sync_conf sync;
	struct key_seal key;
	struct peer_addr addr;
	uint8_t buf[CAP];
	struct writer w;
	struct peer_addr to;
	bool for_one;
	uint32_t mark[FLOWS]; /* of our kernel's flows; 0: there is none */
	unsigned int n_addressed;
};

struct world {
	struct node node[2];
	struct mono now;
	uint64_t rnd;
	bool loses;
	/* what is on its way to node 0 and 1 */
	struct datagram *way[2];
	size_t n_way[2];
	uint64_t sent, lost;
};

static struct node *other(struct node *n)
{
	return &n->world->node[n == &n->world->node[0]];
}

/* ---- the link ---- */

static struct writer *link_datagram(void *ctx)
{
	struct node *n = ctx;

	n->w = wr_init(n->buf, CAP);
	n->for_one = false;
	return &n->w;
}

static void link_address(void *ctx, const struct peer_addr *to)
{
	struct node *n = ctx;

	n->for_one = to != NULL;
	if (!to)
		return;
	n->to = *to;
	assert_memory_equal(&other(n)->addr, to, sizeof(*to));
}

static bool link_even(void *ctx)
{
	(void)ctx;
	return true;
}

/* What is for one peer and what is for all share no datagram. */
static void check_addressee(const struct node *n)
{
	struct cursor c = cur_init(n->w.buf, n->w.len), body;
	struct message msg;

	while (n->proto->addressed && !n->sealed && c.left > 0) {
		assert_int_equal(n->proto->next(&c, &msg, &body), PROTO_OK);
		assert_int_equal(n->for_one, msg.kind == MSG_ACK || msg.kind == MSG_NACK ||
						     msg.kind == MSG_NOT_WHOLE);
	}
}

static void link_send(void *ctx)
{
	struct node *n = ctx;
	struct world *w = n->world;
	unsigned int to = n == &w->node[0];
	struct datagram *d;

	assert_in_range(n->w.len, 1, CAP);
	check_addressee(n);
	n->n_addressed += n->for_one;
	w->sent++;
	if (w->loses && rnd_below(&w->rnd, LOSS) == 0) {
		w->lost++;
		return;
	}
	assert_in_range(w->n_way[to], 0, WAITING - 1);
	d = &w->way[to][w->n_way[to]++];
	memcpy(d->bytes, n->w.buf, n->w.len);
	d->len = n->w.len;
}

static void link_flush(void *ctx)
{
	(void)ctx;
}

/* ---- a node ---- */

static void node_open(struct world *w, unsigned int i, const struct proto_ops *proto,
		      enum sync_mode mode, bool seal)
{
	struct node *n = &w->node[i];
	const struct pipeline_env env = {
		.ctx = n,
		.out = { .ctx = n,
			 .datagram = link_datagram,
			 .even = link_even,
			 .address = link_address,
			 .send = link_send,
			 .flush = link_flush },
	};
	struct pipeline_conf conf = {
		.proto = proto,
		.sync = &n->sync,
		.buckets = 64,
		.limit_internal = 1000,
		.limit_external = 1000,
		.first_seq = 5000 + 77 * i,
	};

	n->world = w;
	n->proto = proto;
	n->sealed = seal;
	n->key.key = 0x5ea1;
	n->key.own = (uint8_t)(1 + i);
	n->addr = (struct peer_addr){ .family = AF_INET, .addr = { 10, 0, 0, (uint8_t)(1 + i) } };
	n->sync = (struct sync_conf){
		.mode = mode,
		.resend_queue_size = 1024,
		.ack_window = 20,
		.refresh_s = 5,
		.cache_timeout_s = 30,
		.purge_timeout_s = 60,
		.startup_resync = true,
	};
	if (seal)
		conf.seal = (struct seal){ .ops = &key_seal_ops, .ctx = &n->key };
	n->p = pipeline_new(&conf, &env, w->now);
	assert_non_null(n->p);
}

/* Every flow of the universe that has no zone. */
static struct ct_flow flow_of(unsigned int node, uint32_t i, uint32_t mark)
{
	struct ct_flow f = make_flow(3 * (i + node * FLOWS) + 2 * (i % 2));

	f.has |= FLOW_HAS_MARK;
	f.mark = mark;
	return f;
}

static void kernel_changes(struct node *n)
{
	unsigned int index = n == &n->world->node[1];
	uint32_t i = rnd_below(&n->world->rnd, FLOWS), was = n->mark[i];
	enum ct_event what = !was ? CT_EVENT_NEW : CT_EVENT_UPDATE;
	struct ct_flow f;

	n->mark[i] =
		was && rnd_below(&n->world->rnd, 3) == 0 ? 0 : 1 + rnd_below(&n->world->rnd, 1000);
	if (!n->mark[i])
		what = CT_EVENT_DESTROY;
	f = flow_of(index, i, n->mark[i]);
	pipeline_event(n->p, what, &f, n->world->now);
}

/* Does the other one know exactly our flows, as they are? */
static bool is_known(const struct node *n, const struct node *there)
{
	struct flow_table *t = external_table(pipeline_external(there->p));
	uint32_t alive = 0;

	for (uint32_t i = 0; i < FLOWS; i++) {
		struct ct_flow f = flow_of(n == &n->world->node[1], i, 0);
		uint32_t id = table_find(t, &f);

		if (!n->mark[i])
			continue;
		alive++;
		if (id == FLOW_ID_NONE || table_rec(t, id)->flow.mark != n->mark[i])
			return false;
	}
	return table_count(t) == alive;
}

/* ---- time ---- */

static void world_deliver(struct world *w)
{
	for (unsigned int i = 0; i < 2; i++) {
		size_t n = w->n_way[i];

		w->n_way[i] = 0;
		for (size_t k = 0; k < n; k++)
			pipeline_datagram(w->node[i].p, &other(&w->node[i])->addr,
					  w->way[i][k].bytes, w->way[i][k].len, w->now);
	}
}

static void world_turn(struct world *w)
{
	bool again = true;

	w->now = mono_add_ms(w->now, TURN_MS);
	world_deliver(w);
	for (unsigned int i = 0; i < 2; i++, again = true)
		for (unsigned int k = 0; again && k < 100; k++)
			pipeline_turn(w->node[i].p, w->now, &again);
}

static bool world_settled(const struct world *w)
{
	return is_known(&w->node[0], &w->node[1]) && is_known(&w->node[1], &w->node[0]);
}

static struct world *world_new(const struct proto_ops *proto, enum sync_mode mode, bool seal)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->rnd = 0x1234567 + mode;
	w->now = (struct mono){ .ns = 1000 * MONO_NS_PER_S };
	for (unsigned int i = 0; i < 2; i++) {
		w->way[i] = calloc(WAITING, sizeof(*w->way[i]));
		assert_non_null(w->way[i]);
		node_open(w, i, proto, mode, seal);
	}
	return w;
}

static void world_free(struct world *w)
{
	for (unsigned int i = 0; i < 2; i++) {
		pipeline_free(w->node[i].p);
		free(w->way[i]);
	}
	free(w);
}

/* Loss and changes, then calm: both know everything of each other in the end. */
static void world_run(struct world *w)
{
	int64_t ms;

	w->loses = true;
	for (ms = 0; ms < LOSS_MS; ms += TURN_MS) {
		for (unsigned int i = 0; i < 2; i++)
			kernel_changes(&w->node[i]);
		world_turn(w);
	}
	w->loses = false;
	for (ms = 0; ms < CALM_MS && !world_settled(w); ms += TURN_MS)
		world_turn(w);
	assert_true(world_settled(w));
	assert_in_range(w->lost, 10, w->sent / 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct sync_stats *s = sync_stats(pipeline_sync(w->node[i].p));

		assert_int_equal(s->wire.malformed, 0);
		assert_true(s->lost > 0);
		assert_true(s->recv_msgs > 0 || s->sent_msgs > FLOWS);
	}
}

static const enum sync_mode modes[] = { SYNC_MODE_FTFW, SYNC_MODE_NOTRACK, SYNC_MODE_ALARM };

static void replicates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct world *w = world_new(&proto_double, modes[i], false);

		world_run(w);
		/* What is for one peer leaves in datagrams of its own: acknowledgements. */
		for (unsigned int k = 0; k < 2; k++)
			assert_int_equal(w->node[k].n_addressed > 0, modes[i] == SYNC_MODE_FTFW);
		world_free(w);
	}
}

/* The same with version 1, so that the test itself is seen to expect nothing of the other one. */
static void replicates_as_version_1(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct world *w = world_new(&proto_v1, modes[i], false);

		world_run(w);
		for (unsigned int k = 0; k < 2; k++)
			assert_int_equal(w->node[k].n_addressed, 0);
		world_free(w);
	}
}

static void replicates_sealed(void **state)
{
	static const struct proto_ops *const protos[] = { &proto_double, &proto_v1 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(modes) / sizeof(modes[0]); i++) {
		struct world *w = world_new(protos[i % 2], modes[i / 2], true);
		bool ftfw = modes[i / 2] == SYNC_MODE_FTFW;

		world_run(w);
		for (unsigned int k = 0; k < 2; k++) {
			const struct node *n = &w->node[k];

			/* What was lost was sealed anew, or it would be refused. */
			assert_int_equal(n->key.n_twice + n->key.n_refused, 0);
			assert_int_equal(n->key.n_for_one, n->n_addressed);
			assert_int_equal(n->n_addressed > 0, ftfw && i % 2 == 0);
			if (ftfw)
				assert_true(sync_stats(pipeline_sync(n->p))->resent > 0);
		}
		world_free(w);
	}
}

/* A datagram under another key, one that was heard already, and one for somebody else say nothing,
 * and are counted. */
static void what_is_not_sealed_is_refused(void **state)
{
	struct world *w = world_new(&proto_double, SYNC_MODE_FTFW, true);
	struct node *n = &w->node[0];
	const struct sync_stats *s = sync_stats(pipeline_sync(n->p));
	struct datagram heard, odd;

	(void)state;
	for (unsigned int i = 0; w->n_way[0] == 0; i++) {
		assert_in_range(i, 0, 1000);
		world_turn(w);
	}
	heard = odd = w->way[0][0];
	odd.bytes[3] ^= 1;
	pipeline_datagram(n->p, &w->node[1].addr, odd.bytes, odd.len, w->now);
	assert_int_equal(s->wire.malformed, 1);
	world_deliver(w);
	assert_int_equal(s->wire.malformed, 1);
	pipeline_datagram(n->p, &w->node[1].addr, heard.bytes, heard.len, w->now);
	assert_int_equal(s->wire.malformed, 2);
	pipeline_datagram(n->p, &w->node[1].addr, heard.bytes, 3, w->now);
	assert_int_equal(s->wire.malformed, 3);
	world_free(w);
}

/* Where a message of a stream ends is the protocol's business, or the seal's. */
static void streams_are_cut(void **state)
{
	static const struct proto_ops *const protos[] = { &proto_double, &proto_v1 };
	const struct message msg = { .kind = MSG_ACK, .seq = 1, .from = 2, .to = 3 };

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		const struct proto_ops *said = protos[i % 2], *heard = protos[i / 2 % 2];
		bool seal = i / 4;
		struct world *w = world_new(heard, SYNC_MODE_FTFW, seal);
		struct pipeline *p = w->node[0].p;
		const struct sync_stats *s = sync_stats(pipeline_sync(p));
		uint8_t bytes[64] = { 0 };
		struct writer out = wr_init(bytes, sizeof(bytes));

		assert_int_equal(said->put_control(&out, &msg), 0);
		assert_int_equal(pipeline_frame(p, bytes, 7), 0);
		assert_int_equal(pipeline_frame(p, bytes, out.len), out.len);
		assert_int_equal(pipeline_frame(p, bytes, sizeof(bytes)),
				 seal ? sizeof(bytes) : out.len);
		assert_int_equal(s->wire.malformed, 0);
		bytes[2] = bytes[3] = 0;
		assert_int_equal(pipeline_frame(p, bytes, out.len), seal ? (int)out.len : -1);
		assert_int_equal(s->wire.malformed, seal ? 0 : 1);
		world_free(w);
	}
}

/* Messages of both versions in one datagram: each node takes its own and skips the rest. */
static void versions_share_a_datagram(void **state)
{
	static const struct proto_ops *const protos[] = { &proto_double, &proto_v1 };
	uint8_t bytes[CAP];
	struct writer w = wr_init(bytes, sizeof(bytes));
	const struct proto_rules rules = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		const struct message msg = { .kind = MSG_FLOW,
					     .change = MSG_NEW,
					     .seq = 1 + i / 2 };
		struct ct_flow f = flow_of(1, i, 7 + i);

		assert_int_equal(protos[i % 2]->put_flow(&w, &msg, &f, &rules), 0);
	}
	for (unsigned int v = 0; v < 2; v++) {
		struct world *x = world_new(protos[v], SYNC_MODE_NOTRACK, false);
		struct flow_table *t = external_table(pipeline_external(x->node[0].p));

		pipeline_datagram(x->node[0].p, &x->node[1].addr, bytes, w.len, x->now);
		for (uint32_t i = 0; i < 4; i++) {
			struct ct_flow f = flow_of(1, i, 0);
			uint32_t id = table_find(t, &f);

			assert_int_equal(id != FLOW_ID_NONE, i % 2 == v);
			if (id != FLOW_ID_NONE)
				assert_int_equal(table_rec(t, id)->flow.mark, 7 + i);
		}
		assert_int_equal(sync_stats(pipeline_sync(x->node[0].p))->wire.bad_version, 2);
		world_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replicates),
		cmocka_unit_test(replicates_as_version_1),
		cmocka_unit_test(replicates_sealed),
		cmocka_unit_test(what_is_not_sealed_is_refused),
		cmocka_unit_test(streams_are_cut),
		cmocka_unit_test(versions_share_a_datagram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
