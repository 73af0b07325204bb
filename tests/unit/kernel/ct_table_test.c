/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole kernel table: dump in steps, requests in batches, flush. In a network namespace of its
 * own; skipped where that is not allowed. */
#include "kernel/ct_flush.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/ct_commit.h"
#include "unit/kernel/support.h"

#define MANY 3000

static bool have_netns;
static struct kernel_hand hand;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

static int empty_table(void **state)
{
	(void)state;
	if (have_netns)
		run("conntrack -F 2>/dev/null");
	return 0;
}

static void create_range(unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < from + n; i++) {
		struct ct_flow f = tcp_flow((uint16_t)i);

		assert_int_equal(kernel_create(&hand, &f), 0);
	}
}

/* The number the next descriptor will have: for reaching into an object's socket. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* ---- dump ---- */

struct dumped {
	uint8_t ahead[65536], next[65536]; /* hints, by source port */
	struct evloop *loop;
	struct ct_dump *dump;
	uint8_t seen[65536];
	size_t flows, wrong, pause_after;
	bool done;
	int err;
	bool again; /* start the next one from inside done() */
	bool close_in_done;
	unsigned int rounds;
};

static uint32_t on_ahead(void *ctx, const struct ct_flow *f)
{
	((struct dumped *)ctx)->ahead[ntohs(f->orig.sport)]++;
	return ntohs(f->orig.sport);
}

static void on_next(void *ctx, uint32_t hint)
{
	struct dumped *d = ctx;

	d->next[hint]++;
	assert_int_equal(d->ahead[hint], d->next[hint]);
}

static void on_flow(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct dumped *d = ctx;
	struct ct_flow want = tcp_flow(ntohs(f->orig.sport));

	(void)now;
	d->flows++;
	assert_int_equal(d->next[ntohs(f->orig.sport)], d->seen[ntohs(f->orig.sport)] + 1);
	d->seen[ntohs(f->orig.sport)]++;
	d->wrong +=
		flow_difference(&want, f,
				FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE) != NULL;
	if (d->flows == d->pause_after)
		ct_dump_pause(d->dump, true);
}

static void on_done(void *ctx, int err, struct mono now)
{
	struct dumped *d = ctx;

	(void)now;
	d->err = err;
	d->rounds++;
	if (d->again) {
		d->again = false;
		assert_int_equal(ct_dump_start(d->dump, 0), 0);
		return;
	}
	d->done = true;
	if (d->close_in_done) {
		ct_dump_close(d->dump);
		d->dump = NULL;
	}
}

static struct dumped *dump_open(void)
{
	struct dumped *d = calloc(1, sizeof(*d));
	struct ct_dump_cb cb = {
		.ctx = d,
		.hints = { .ctx = d, .ahead = on_ahead, .next = on_next },
		.flow = on_flow,
		.done = on_done,
	};
	struct text err = { 0 };

	assert_non_null(d);
	d->loop = evloop_new();
	assert_non_null(d->loop);
	if (ct_dump_open(d->loop, &cb, &d->dump, &err) != 0)
		fail_msg("%s", err.buf);
	text_free(&err);
	return d;
}

static void dump_close(struct dumped *d)
{
	ct_dump_close(d->dump);
	evloop_free(d->loop);
	free(d);
}

static void dump_shows_all(void **state)
{
	struct dumped *d;
	int turns = 0;

	(void)state;
	NEED_NETNS();
	create_range(1, MANY);
	d = dump_open();
	d->again = true;
	assert_false(ct_dump_running(d->dump));
	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	assert_int_equal(ct_dump_start(d->dump, 0), -EBUSY);
	assert_true(ct_dump_running(d->dump));
	for (; !d->done && turns < 10000; turns++)
		evloop_turn(d->loop, NULL, 20);
	assert_int_equal(d->err, 0);
	assert_int_equal(d->rounds, 2);
	assert_int_equal(d->flows, 2 * MANY);
	assert_int_equal(d->wrong, 0);
	for (unsigned int i = 1; i <= MANY; i++)
		assert_int_equal(d->seen[i], 2);
	/* In steps. */
	assert_true(turns > 2 * MANY / CT_DUMP_READ_MAX);
	dump_close(d);
}

static void dump_of_nothing(void **state)
{
	struct dumped *d;

	(void)state;
	NEED_NETNS();
	d = dump_open();
	d->close_in_done = true;
	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	assert_true(turn_until(d->loop, &d->done, 2000));
	assert_int_equal(d->err, 0);
	assert_int_equal(d->flows, 0);
	dump_close(d);
}

static void dump_is_paced(void **state)
{
	struct mono start;
	struct dumped *d;
	int64_t ms;

	(void)state;
	NEED_NETNS();
	create_range(1, MANY);
	d = dump_open();
	start = clock_now();
	assert_int_equal(ct_dump_start(d->dump, 5), 0);
	assert_true(turn_until(d->loop, &d->done, 5000));
	ms = mono_diff_ms(clock_now(), start);
	assert_int_equal(d->flows, MANY);
	assert_true(ms >= 5 * (MANY / CT_DUMP_READ_MAX));
	dump_close(d);
}

static void dump_pauses(void **state)
{
	struct dumped *d;

	(void)state;
	NEED_NETNS();
	create_range(1, MANY);
	d = dump_open();
	d->pause_after = 10;
	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	turn_for(d->loop, 100);
	assert_false(d->done);
	assert_true(d->flows >= 10 && d->flows <= CT_DUMP_READ_MAX);
	ct_dump_pause(d->dump, false);
	assert_true(turn_until(d->loop, &d->done, 5000));
	assert_int_equal(d->flows, MANY);
	dump_close(d);
}

/* Closed in the middle. */
static void dump_is_abandoned(void **state)
{
	struct dumped *d;

	(void)state;
	NEED_NETNS();
	create_range(1, MANY);
	d = dump_open();
	assert_int_equal(ct_dump_start(d->dump, 50), 0);
	evloop_turn(d->loop, NULL, 20);
	assert_true(d->flows > 0);
	assert_false(d->done);
	dump_close(d);
}

/* What lives throughout is shown, whatever comes and goes beside it. */
static void dump_beside_changes(void **state)
{
	struct dumped *d;
	unsigned int next = 10000;
	size_t missing = 0;

	(void)state;
	NEED_NETNS();
	create_range(1, MANY);
	create_range(10000, 1000);
	d = dump_open();
	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	while (!d->done) {
		evloop_turn(d->loop, NULL, 20);
		for (int i = 0; i < 20 && next < 11000; i++, next++) {
			struct ct_flow f = tcp_flow((uint16_t)next);

			assert_int_equal(kernel_destroy(&hand, &f), 0);
			create_range(next + 10000, 1);
		}
	}
	assert_true(d->err == 0 || d->err == -EINTR);
	for (unsigned int i = 1; i <= MANY; i++)
		missing += d->seen[i] == 0;
	assert_int_equal(missing, 0);
	dump_close(d);
}

/* ---- batch ---- */

#define REQUESTS 2000

struct batched {
	struct evloop *loop;
	struct ct_batch *batch;
	enum ct_op op;
	size_t added, answered, rooms, found, found_wrong;
	size_t by_err[256];
	uint8_t seen[REQUESTS + 1];
	bool done;
};

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
		      const struct ct_flow *found, struct mono now)
{
	struct batched *b = ctx;

	(void)now;
	assert_int_equal(op, b->op);
	assert_true(cookie >= 1 && cookie <= REQUESTS && err <= 0 && err > -256);
	b->seen[cookie]++;
	b->by_err[-err]++;
	b->answered++;
	if (found) {
		b->found++;
		b->found_wrong += ntohs(found->orig.sport) != cookie;
	}
	b->done = b->answered == REQUESTS;
}

static void fill(struct batched *b)
{
	const struct ct_build_opts o = { .timeout_s = 100, .update = b->op == CT_OP_UPDATE };

	while (b->added < REQUESTS && ct_batch_room(b->batch) > 0) {
		struct ct_flow f = tcp_flow((uint16_t)(b->added + 1));

		assert_int_equal(ct_batch_add(b->batch, b->op, &f, &o, b->added + 1), 0);
		b->added++;
	}
}

static void on_room(void *ctx, struct mono now)
{
	struct batched *b = ctx;

	(void)now;
	b->rooms++;
	assert_true(ct_batch_room(b->batch) > 0);
	fill(b);
}

/* REQUESTS requests of a kind; each is answered once. rcvbuf: a small receive buffer for the
 * answers, or 0. */
static void batch_run(struct batched *b, enum ct_op op, int rcvbuf)
{
	const struct ct_batch_cb cb = { .ctx = b, .answer = on_answer, .room = on_room };
	struct text err = { 0 };
	int fd;

	*b = (struct batched){ .loop = evloop_new(), .op = op };
	assert_non_null(b->loop);
	fd = next_fd();
	if (ct_batch_open(b->loop, &cb, "test", &b->batch, &err) != 0)
		fail_msg("%s", err.buf);
	if (rcvbuf)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
	assert_int_not_equal(ct_batch_portid(b->batch), 0);
	fill(b);
	assert_int_equal(ct_batch_room(b->batch), 0);
	assert_int_equal(ct_batch_in_flight(b->batch), CT_BATCH_FLIGHT);
	assert_true(turn_until(b->loop, &b->done, 10000));
	assert_int_equal(ct_batch_in_flight(b->batch), 0);
	for (size_t i = 1; i <= REQUESTS; i++)
		assert_int_equal(b->seen[i], 1);
	ct_batch_close(b->batch);
	evloop_free(b->loop);
	text_free(&err);
}

static void batches_are_answered(void **state)
{
	static struct batched b;

	(void)state;
	NEED_NETNS();
	batch_run(&b, CT_OP_GET, 0);
	assert_int_equal(b.by_err[ENOENT], REQUESTS);
	batch_run(&b, CT_OP_CREATE, 0);
	assert_int_equal(b.by_err[0], REQUESTS);
	/* A send takes a part of what waits, so that the loop is never gone for long. */
	assert_true(b.rooms >= REQUESTS / 256);
	batch_run(&b, CT_OP_CREATE, 0);
	assert_int_equal(b.by_err[EEXIST], REQUESTS);
	batch_run(&b, CT_OP_GET, 0);
	assert_int_equal(b.found, REQUESTS);
	assert_int_equal(b.found_wrong, 0);
	batch_run(&b, CT_OP_DESTROY, 0);
	assert_int_equal(b.by_err[0], REQUESTS);
	batch_run(&b, CT_OP_UPDATE, 0);
	assert_int_equal(b.by_err[ENOENT], REQUESTS);
}

/* Answers that found no room: the outcome is unknown, and said to be. */
static void lost_answers(void **state)
{
	static struct batched b;

	(void)state;
	NEED_NETNS();
	/* What succeeds is not answered one by one, so there is nothing to lose. */
	batch_run(&b, CT_OP_CREATE, 16384);
	assert_int_equal(b.by_err[0], REQUESTS);
	/* Refusals that got lost are never taken for success. */
	batch_run(&b, CT_OP_CREATE, 16384);
	assert_true(b.by_err[ENOBUFS] > 0);
	assert_int_equal(b.by_err[EEXIST] + b.by_err[ENOBUFS], REQUESTS);
	print_message("%zu of %u answers lost\n", b.by_err[ENOBUFS], REQUESTS);
	batch_run(&b, CT_OP_GET, 16384);
	assert_true(b.by_err[ENOBUFS] > 0);
	assert_int_equal(b.found + b.by_err[ENOBUFS], REQUESTS);
	batch_run(&b, CT_OP_GET, 0);
	assert_int_equal(b.found, REQUESTS);
}

/* A replacement leaves in one send, wherever it falls in the row of requests: nothing may find the
 * place empty. */
static size_t pair_sends;
static struct ct_batch *pair_batch;

static void pair_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
			const struct ct_flow *found, struct mono now)
{
	static size_t destroyed_in[401]; /* the send, counted from 1; by cookie */

	(void)ctx;
	(void)found;
	(void)now;
	assert_int_equal(err, 0);
	if (op == CT_OP_DESTROY)
		destroyed_in[cookie] = pair_sends + 1;
	else /* the first is known before the second */
		assert_int_equal(destroyed_in[cookie], pair_sends + 1);
}

static void pair_room(void *ctx, struct mono now)
{
	(void)now;
	pair_sends++;
	*(bool *)ctx = ct_batch_in_flight(pair_batch) == 0;
}

static void replacements_stay_together(void **state)
{
	bool done = false;
	const struct ct_batch_cb cb = { .ctx = &done, .answer = pair_answer, .room = pair_room };
	const struct ct_build_opts o = { .timeout_s = 100 };
	struct evloop *loop = evloop_new();
	struct ct_flow f = tcp_flow(1);

	(void)state;
	NEED_NETNS();
	assert_non_null(loop);
	create_range(1, 400);
	pair_sends = 0;
	assert_int_equal(ct_batch_open(loop, &cb, "test", &pair_batch, NULL), 0);
	/* One alone first, so that a pair would lie across the end of an even number of
	 * requests. */
	f = tcp_flow(400);
	assert_int_equal(ct_batch_add(pair_batch, CT_OP_DESTROY, &f, NULL, 400), 0);
	for (uint16_t i = 1; i <= 255; i++) {
		f = tcp_flow(i);
		assert_int_equal(ct_batch_add_replace(pair_batch, &f, &f, &o, i), 0);
	}
	/* room for one only */
	assert_int_equal(ct_batch_add_replace(pair_batch, &f, &f, &o, 1), -EAGAIN);
	assert_true(turn_until(loop, &done, 5000));
	assert_true(pair_sends >= 2);
	ct_batch_close(pair_batch);
	evloop_free(loop);
}

/* A commit whose answers get lost settles everything by asking. */
static size_t settle_next(void *ctx, bool related, uint64_t *pos, struct ct_commit_flow *flows,
			  size_t n)
{
	static struct ct_flow store[64];
	size_t got = 0;

	(void)ctx;
	for (; !related && got < n && got < 64 && *pos < REQUESTS; ++*pos) {
		store[got] = tcp_flow((uint16_t)(*pos + 1));
		flows[got] = (struct ct_commit_flow){
			.is = CT_COMMIT_WANTED,
			.wish = { .f = &store[got], .timeout_s = 100 },
		};
		got++;
	}
	return got;
}

static uint64_t settle_sending(void *ctx, const struct ct_flow *f, struct mono now)
{
	(void)ctx;
	(void)f;
	(void)now;
	return 1;
}

static void settle_settled(void *ctx, const struct ct_result *r, struct mono now)
{
	(void)now;
	if (r->outcome == CT_FAILED)
		print_message("refused: %d\n", r->err);
	else
		++*(size_t *)ctx;
}

static bool settle_done_flag;
static struct ct_commit_result settle_result;

static void settle_done(void *ctx, const struct ct_commit_result *res, struct mono now)
{
	(void)ctx;
	(void)now;
	settle_result = *res;
	settle_done_flag = true;
}

static void commit_settles_lost_answers(void **state)
{
	size_t n_settled = 0;
	const struct ct_commit_source src = {
		.ctx = &n_settled,
		.next = settle_next,
		.sending = settle_sending,
		.settled = settle_settled,
		.done = settle_done,
	};
	/* Room for the answers of some fifty creates, or a few GETs. */
	const int small = 65536;
	struct evloop *loop = evloop_new();
	struct ct_commit *c;
	struct dumped *d;
	int fd;

	(void)state;
	NEED_NETNS();
	assert_non_null(loop);
	fd = next_fd();
	assert_int_equal(ct_commit_open(loop, &src, true, &c, NULL), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(ct_commit_start(c, (struct mono){ 0 }, clock_now()), 0);
	assert_true(turn_until(loop, &settle_done_flag, 10000));
	ct_commit_close(c);
	evloop_free(loop);
	print_message("created %llu kept %llu replaced %llu failed %llu\n",
		      (unsigned long long)settle_result.created,
		      (unsigned long long)settle_result.kept,
		      (unsigned long long)settle_result.replaced,
		      (unsigned long long)settle_result.failed);
	assert_int_equal(settle_result.created, REQUESTS);
	assert_int_equal(n_settled, REQUESTS);
	d = dump_open();
	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	assert_true(turn_until(d->loop, &d->done, 5000));
	assert_int_equal(d->flows, REQUESTS);
	dump_close(d);
}

/* ---- flush ---- */

struct flushed {
	struct evloop *loop;
	struct ct_flush *flush;
	uint8_t gone[65536];
	uint64_t deleted, failed, total;
	int err;
	bool all, done;
};

static bool odd_ports(void *ctx, const struct ct_flow *f)
{
	return ((struct flushed *)ctx)->all || (ntohs(f->orig.sport) & 1);
}

static void on_gone(void *ctx, const struct ct_flow *f, struct mono now)
{
	(void)now;
	((struct flushed *)ctx)->gone[ntohs(f->orig.sport)]++;
}

static void on_flushed(void *ctx, const struct ct_flush_result *res, struct mono now)
{
	struct flushed *f = ctx;

	(void)now;
	f->err = res->err;
	f->deleted = res->deleted;
	f->failed = res->failed;
	f->total = res->total;
	f->done = true;
}

/* rcvbuf: a small receive buffer for the answers, or 0. */
static void flush_run(struct flushed *f, int rcvbuf)
{
	const struct ct_flush_cb cb = {
		.ctx = f, .pass = odd_ports, .gone = on_gone, .done = on_flushed
	};
	struct text err = { 0 };
	int fd = next_fd();

	f->loop = evloop_new();
	assert_non_null(f->loop);
	if (ct_flush_open(f->loop, &cb, &f->flush, &err) != 0)
		fail_msg("%s", err.buf);
	assert_int_not_equal(ct_flush_portid(f->flush), 0);
	if (rcvbuf) /* the dump's socket comes first */
		assert_int_equal(setsockopt(fd + 1, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)),
				 0);
	assert_int_equal(ct_flush_start(f->flush), 0);
	assert_int_equal(ct_flush_start(f->flush), -EBUSY);
	assert_true(turn_until(f->loop, &f->done, 20000));
	assert_false(ct_flush_running(f->flush));
	ct_flush_close(f->flush);
	evloop_free(f->loop);
	text_free(&err);
}

static void flush_deletes_what_passes(void **state)
{
	struct flushed *f = calloc(1, sizeof(*f));
	struct dumped *d;

	(void)state;
	NEED_NETNS();
	assert_non_null(f);
	create_range(1, 2 * MANY);
	flush_run(f, 0);
	assert_int_equal(f->err, 0);
	assert_int_equal(f->deleted, MANY);
	assert_int_equal(f->failed, 0);
	d = dump_open();
	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	assert_true(turn_until(d->loop, &d->done, 5000));
	assert_int_equal(d->flows, MANY);
	for (unsigned int i = 1; i <= 2 * MANY; i++) {
		assert_int_equal(d->seen[i], !(i & 1));
		assert_int_equal(f->gone[i], i & 1);
	}
	dump_close(d);
	*f = (struct flushed){ .all = true };
	flush_run(f, 0);
	assert_int_equal(f->deleted, MANY);
	*f = (struct flushed){ .all = true };
	flush_run(f, 0);
	assert_int_equal(f->deleted, 0);
	free(f);
}

/* A delete whose answer got lost is asked for again, and what is gone then was ours. */
static void flush_repeats_what_is_unanswered(void **state)
{
	struct flushed *f = calloc(1, sizeof(*f));

	(void)state;
	NEED_NETNS();
	assert_non_null(f);
	create_range(1, MANY);
	f->all = true;
	flush_run(f, 48000); /* room for some 190 of the 256 answers of a send */
	assert_int_equal(f->err, 0);
	assert_int_equal(f->failed, 0);
	assert_int_equal(f->deleted, MANY);
	for (unsigned int i = 1; i <= MANY; i++)
		assert_int_equal(f->gone[i], 1);
	free(f);
}

static uint32_t in_the_table(void)
{
	struct dumped *d = dump_open();
	uint32_t n;

	assert_int_equal(ct_dump_start(d->dump, 0), 0);
	assert_true(turn_until(d->loop, &d->done, 5000));
	n = (uint32_t)d->flows;
	dump_close(d);
	return n;
}

/* Nothing is deleted from then on, what was deleted is known, and the next one begins from the
 * beginning. */
static void flush_stops_at_once(void **state)
{
	struct flushed *f = calloc(1, sizeof(*f));
	struct ct_flush_cb cb = {
		.ctx = f, .pass = odd_ports, .gone = on_gone, .done = on_flushed
	};
	struct text err = { 0 };
	uint64_t gone = 0;

	(void)state;
	NEED_NETNS();
	assert_non_null(f);
	create_range(1, MANY);
	f->all = true;
	f->loop = evloop_new();
	assert_int_equal(ct_flush_open(f->loop, &cb, &f->flush, &err), 0);
	ct_flush_stop(f->flush, clock_now());
	assert_false(f->done); /* none ran */
	assert_int_equal(ct_flush_start(f->flush), 0);
	while (ct_flush_progress(f->flush)->deleted == 0)
		assert_int_equal(evloop_turn(f->loop, NULL, 100), 0);
	assert_false(f->done);
	ct_flush_stop(f->flush, clock_now());
	assert_true(f->done);
	assert_false(ct_flush_running(f->flush));
	assert_int_equal(f->err, -ECANCELED);
	assert_in_range(f->deleted, 1, MANY - 1);
	assert_int_equal(f->total, MANY);
	for (unsigned int i = 0; i < 20; i++)
		evloop_turn(f->loop, NULL, 10);
	for (unsigned int i = 1; i <= MANY; i++)
		gone += f->gone[i];
	assert_int_equal(gone, f->deleted);
	assert_int_equal(in_the_table(), MANY - f->deleted);
	f->done = false;
	assert_int_equal(ct_flush_start(f->flush), 0);
	assert_true(turn_until(f->loop, &f->done, 20000));
	assert_int_equal(f->err, 0);
	assert_int_equal(f->deleted, MANY - gone);
	assert_int_equal(in_the_table(), 0);
	ct_flush_close(f->flush);
	evloop_free(f->loop);
	free(f);
}

#define TABLE(name) cmocka_unit_test_setup_teardown(name, empty_table, empty_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE(dump_shows_all),
		TABLE(dump_of_nothing),
		TABLE(dump_is_paced),
		TABLE(dump_pauses),
		TABLE(dump_is_abandoned),
		TABLE(dump_beside_changes),
		TABLE(batches_are_answered),
		TABLE(lost_answers),
		TABLE(replacements_stay_together),
		TABLE(commit_settles_lost_answers),
		TABLE(flush_deletes_what_passes),
		TABLE(flush_repeats_what_is_unanswered),
		TABLE(flush_stops_at_once),
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
