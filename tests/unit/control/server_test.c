/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control server with real UNIX sockets in a directory of its own. Daemon and clients live in
 * this one process: a server that blocks on a client would hang the test. */
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define REC_VERSION 7

/* The daemon's side: one object per kind of job. */
struct test_job {
	struct control_job job;
	struct world *w;
	uint32_t at, total; /* a dump: lines written, to write */
	int steps;
};

/* Who has connected, as the server is told; -1: as it is. */
static int64_t pretend_uid = -1;

typedef int getsockopt_fn(int fd, int level, int name, void *value, socklen_t *len);

static int pretending(getsockopt_fn *real, int fd, int level, int name, void *value, socklen_t *len)
{
	int ret = real(fd, level, name, value, len);

	if (name == SO_PEERCRED && pretend_uid >= 0)
		((struct ucred *)value)->uid = (uid_t)pretend_uid;
	return ret;
}

#define WRAPPED(name) \
	getsockopt_fn __wrap_##name, __real_##name; \
	int __wrap_##name(int fd, int level, int option, void *value, socklen_t *len) \
	{ \
		return pretending(__real_##name, fd, level, option, value, len); \
	}
WRAPPED(getsockopt)
#ifdef __USE_TIME_BITS64 /* glibc's name of it on 32-bit machines */
WRAPPED(__getsockopt64)
#endif

struct world {
	char dir[64];
	struct control_conf conf;
	struct evloop *loop;
	struct control_server *server;
	int starts;
	int32_t last_number;
	bool last_strict;
	struct test_job *waiting; /* the commit */
	bool commit_ready;
	int released_done, released_gone;
	uint32_t dump_total;
	uint32_t dump_at; /* of the dump stepped last */
	int dump_steps;
};

static void job_gone(struct control_job *job, bool done)
{
	struct test_job *j = (struct test_job *)job;

	if (done)
		j->w->released_done++;
	else
		j->w->released_gone++;
	if (j->w->waiting == j)
		return; /* a commit goes on without its client: the test frees it */
	free(j);
}

static enum ctl_step dump_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct test_job *j = (struct test_job *)job;

	(void)now;
	j->w->dump_steps++;
	while (j->at < j->total) {
		char line[128];
		int n = snprintf(line, sizeof(line), "flow %08u %080d\n", j->at, 0);

		if (ctl_room(out) < sizeof(line))
			return CTL_MORE;
		if (ctl_out_is_text(out))
			ctl_text(out, line, (size_t)n);
		else
			ctl_record(out, CTL_REC_FLOW, line, (size_t)n);
		j->w->dump_at = ++j->at;
	}
	return CTL_DONE;
}

static enum ctl_step commit_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct test_job *j = (struct test_job *)job;

	(void)now;
	j->steps++;
	if (!j->w->commit_ready) {
		ctl_progress(out, 10, 20);
		return CTL_WAIT;
	}
	ctl_note(out, "committed");
	ctl_end(out, j->w->last_strict ? 1 : 0);
	j->w->waiting = NULL;
	return CTL_DONE;
}

/* Woken inside its own step: the wake-up must not be lost. */
static enum ctl_step selfwake_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct test_job *j = (struct test_job *)job;

	(void)now;
	if (++j->steps == 3) {
		ctl_text(out, "woke\n", 5);
		return CTL_DONE;
	}
	control_job_wake(job);
	return CTL_WAIT;
}

static const struct control_job_ops dump_ops = { .name = "dump",
						 .step = dump_step,
						 .release = job_gone };
static const struct control_job_ops commit_ops = { .name = "commit",
						   .step = commit_step,
						   .release = job_gone };
static const struct control_job_ops selfwake_ops = { .name = "self",
						     .step = selfwake_step,
						     .release = job_gone };

static struct control_job *job_new(struct world *w, const struct control_job_ops *ops)
{
	struct test_job *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	*j = (struct test_job){ .job.ops = ops, .w = w, .total = w->dump_total };
	if (ops == &commit_ops)
		w->waiting = j;
	return &j->job;
}

static void start(void *ctx, const struct ctl_request *req, struct ctl_out *out,
		  struct control_job **job)
{
	struct world *w = ctx;

	w->starts++;
	w->last_number = (int32_t)req->cmd->number;
	w->last_strict = ctl_flag(&req->args, "strict");
	if (req->cmd->number == CTL_REQ_STATS) {
		ctl_printf(out, "statistics\n\n");
	} else if (req->cmd->number == CTL_REQ_DUMP_INT_CT) {
		*job = job_new(w, &dump_ops);
	} else if (req->cmd->number == CTL_REQ_COMMIT) {
		*job = job_new(w, &commit_ops);
	} else if (req->cmd->number == CTL_REQ_REQUEST_RESYNC) {
		*job = job_new(w, &selfwake_ops);
	} else if (req->cmd->number == CTL_REQ_KILL) {
		ctl_hold_until_exit(out);
	} else {
		ctl_note(out, "not in this mode");
		ctl_end(out, 1);
	}
}

static const struct control_ops ops = { .start = start };

static void open_server(struct world *w)
{
	struct text err = { 0 };

	if (control_server_open(w->loop, &w->conf, &ops, w, REC_VERSION, &w->server, &err) != 0)
		fail_msg("%s", err.buf);
	assert_null(err.buf);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	strcpy(w->dir, "/tmp/ctl_test.XXXXXX");
	if (!mkdtemp(w->dir))
		return -1;
	snprintf(w->conf.path, sizeof(w->conf.path), "%s/ctl", w->dir);
	w->loop = evloop_new();
	*state = w;
	return w->loop ? 0 : -1;
}

static int setup_open(void **state)
{
	if (setup(state) == -1)
		return -1;
	open_server(*state);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	int ret;

	control_server_free(w->server);
	evloop_free(w->loop);
	unlink(w->conf.path);
	ret = rmdir(w->dir); /* fails if anything was left behind */
	free(w->waiting);
	free(w);
	return ret;
}

static int try_connect(struct world *w)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strcpy(sa.sun_path, w->conf.path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int connect_client(struct world *w)
{
	int fd = try_connect(w);

	assert_true(fd >= 0);
	return fd;
}

static void turns(struct world *w, int n)
{
	while (n-- > 0)
		assert_int_equal(evloop_turn(w->loop, NULL, 0), 0);
}

static int ask(struct world *w, int number, bool framed, uint32_t flags)
{
	struct ctl_wire_request req = { .number = number,
					.version = framed ? CTL_VERSION : 0,
					.flags = flags };
	uint8_t buf[CTL_REQUEST_MAX];
	size_t n = ctl_request_encode(&req, REC_VERSION, buf);
	int fd = connect_client(w);

	assert_int_equal(write(fd, buf, n), n);
	return fd;
}

/* Read what there is. Returns the bytes; *end: end of file was reached. */
static size_t take(int fd, char *buf, size_t cap, bool *end)
{
	size_t got = 0;
	ssize_t n;

	*end = false;
	while (got < cap && (n = read(fd, buf + got, cap - got)) >= 0) {
		if (n == 0) {
			*end = true;
			break;
		}
		got += (size_t)n;
	}
	return got;
}

/* The whole reply, turning the loop while reading. */
static char *reply(struct world *w, int fd, size_t *len)
{
	size_t cap = 1 << 22;
	char *buf = malloc(cap);
	bool end = false;
	int idle = 0;

	assert_non_null(buf);
	*len = 0;
	while (!end && idle++ < 1000) {
		size_t n;

		turns(w, 1);
		n = take(fd, buf + *len, cap - *len, &end);
		*len += n;
		if (n > 0)
			idle = 0;
	}
	assert_true(end);
	close(fd);
	return buf;
}

static void assert_reply(struct world *w, int fd, const void *want, size_t n)
{
	size_t len;
	char *buf = reply(w, fd, &len);

	assert_int_equal(len, n);
	assert_memory_equal(buf, want, n);
	free(buf);
}

#define FRAMED \
	"\xff" \
	"ctd\0\3\0\7"
#define FRAMED_2 \
	"\xff" \
	"ctd\0\2\0\7"
#define ASSERT_REPLY(w, fd, text) assert_reply(w, fd, text, sizeof(text) - 1)

static void old_client(void **state)
{
	struct world *w = *state;

	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
	ASSERT_REPLY(w, ask(w, 22, false, 0), ""); /* refused: the note is not for it */
	ASSERT_REPLY(w, ask(w, 23, false, 0), "woke\n");
	assert_int_equal(w->starts, 3);
	ASSERT_REPLY(w, ask(w, 27, false, 0), ""); /* unknown */
	ASSERT_REPLY(w, ask(w, -1, false, 0), "");
	assert_int_equal(w->starts, 3);
	assert_int_equal(control_server_stats(w->server)->unknown_request, 2);
	assert_int_equal(control_server_stats(w->server)->requests, 3);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(control_server_stats(w->server)->vanished, 0);
}

static void our_client(void **state)
{
	struct world *w = *state;

	ASSERT_REPLY(w, ask(w, 21, true, 0),
		     FRAMED "\0\14\0\1statistics\n\n"
			    "\0\4\0\5\0\0\0\0");
	ASSERT_REPLY(w, ask(w, 22, true, 0),
		     FRAMED "\0\20\0\2not in this mode"
			    "\0\4\0\5\0\0\0\1");
	ASSERT_REPLY(w, ask(w, 23, true, 0),
		     FRAMED "\0\5\0\1woke\n"
			    "\0\4\0\5\0\0\0\0");
	ASSERT_REPLY(w, ask(w, 27, true, 0),
		     FRAMED "\0\43\0\2the daemon does not know request 27"
			    "\0\4\0\5\0\0\0\1");
}

static void other_version_does_nothing(void **state)
{
	struct world *w = *state;
	uint8_t buf[CTL_REQUEST_MAX];
	struct ctl_wire_request req = { .number = 46, .version = CTL_VERSION };
	int fd = connect_client(w);
	size_t n = ctl_request_encode(&req, REC_VERSION + 1, buf);

	assert_int_equal(write(fd, buf, n), n);
	ASSERT_REPLY(w, fd, FRAMED);
	assert_int_equal(w->starts, 0);
	assert_int_equal(control_server_stats(w->server)->other_version, 1);
}

/* The loop was away for longer than a client has for its request: that is not the client's
 * fault. */
static void request_of_a_late_loop_is_answered(void **state)
{
	struct world *w = *state;
	int asked = connect_client(w), gone = connect_client(w), silent = connect_client(w);
	const int32_t number = 21;
	char buf[8];
	bool end;

	turns(w, 3);
	assert_int_equal(control_server_stats(w->server)->clients, 3);
	assert_int_equal(write(asked, &number, sizeof(number)), sizeof(number));
	close(gone);
	usleep((CTL_REQUEST_MS + 100) * 1000);
	ASSERT_REPLY(w, asked, "statistics\n\n");
	take(silent, buf, sizeof(buf), &end);
	assert_true(end);
	close(silent);
	assert_int_equal(control_server_stats(w->server)->timed_out, 1);
	assert_int_equal(control_server_stats(w->server)->no_request, 2);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
}

/* Says nothing, or half a request, or half of our magic: gone after a second, and nobody else was
 * held up. */
static void silent_clients_time_out(void **state)
{
	struct world *w = *state;
	int silent = connect_client(w), half = connect_client(w), magic = connect_client(w);
	struct mono begin = clock_now();
	char buf[8];
	bool end;

	assert_int_equal(write(half, "\25\0", 2), 2);
	assert_int_equal(write(magic,
			       "\25\0\0\0\xff"
			       "c",
			       6),
			 6);
	turns(w, 3);
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
	assert_true(mono_diff_ms(clock_now(), begin) < 500);
	assert_int_equal(control_server_stats(w->server)->clients, 3);
	while (control_server_stats(w->server)->clients > 0 &&
	       mono_diff_ms(clock_now(), begin) < 5000)
		assert_int_equal(evloop_turn(w->loop, NULL, 5000), 0);
	assert_true(mono_diff_ms(clock_now(), begin) >= CTL_REQUEST_MS);
	assert_true(mono_diff_ms(clock_now(), begin) < CTL_REQUEST_MS + 500);
	take(silent, buf, sizeof(buf), &end);
	assert_true(end);
	take(half, buf, sizeof(buf), &end);
	assert_true(end);
	assert_int_equal(control_server_stats(w->server)->timed_out, 3);
	assert_int_equal(control_server_stats(w->server)->no_request, 3);
	/* and then the loop is idle: no timer left */
	assert_int_equal(evloop_turn(w->loop, NULL, 20), 0);
	close(silent);
	close(half);
	close(magic);
}

/* A request may come in pieces, within its second. */
static void request_in_pieces(void **state)
{
	struct world *w = *state;
	static const uint8_t strict[] = "\1\6\0\0strict";
	struct ctl_wire_request req = {
		.number = 46, .version = CTL_VERSION, .args = strict, .args_len = sizeof(strict) - 1
	};
	uint8_t buf[CTL_REQUEST_MAX];
	int fd = connect_client(w);

	w->commit_ready = true;
	assert_int_equal(ctl_request_encode(&req, REC_VERSION, buf), 28);
	assert_int_equal(write(fd, buf, 2), 2);
	turns(w, 2);
	assert_int_equal(write(fd, buf + 2, 7), 7);
	turns(w, 2);
	assert_int_equal(w->starts, 0);
	assert_int_equal(write(fd, buf + 9, 9), 9);
	turns(w, 2);
	assert_int_equal(w->starts, 0);
	assert_int_equal(write(fd, buf + 18, 10), 10);
	ASSERT_REPLY(w, fd,
		     FRAMED "\0\11\0\2committed"
			    "\0\4\0\5\0\0\0\1");
	assert_true(w->last_strict);
}

/* A client of ours from before arguments: the same answer as ever, in its version. */
static void an_older_client_of_ours(void **state)
{
	struct world *w = *state;
	uint8_t lenient[] = "\56\0\0\0\xff"
			    "ctd\0\2\0\7\0\0\0\0",
		strict[] = "\56\0\0\0\xff"
			   "ctd\0\2\0\7\0\0\0\2";
	uint8_t other[] = "\56\0\0\0\xff"
			  "ctd\0\2\0\6\0\0\0\2";
	int fd = connect_client(w), number = 46;

	memcpy(lenient, &number, 4);
	memcpy(strict, &number, 4);
	memcpy(other, &number, 4);
	w->commit_ready = true;
	assert_int_equal(write(fd, strict, 16), 16);
	ASSERT_REPLY(w, fd,
		     FRAMED_2 "\0\11\0\2committed"
			      "\0\4\0\5\0\0\0\1");
	assert_true(w->last_strict);
	fd = connect_client(w);
	assert_int_equal(write(fd, lenient, 16), 16);
	ASSERT_REPLY(w, fd,
		     FRAMED_2 "\0\11\0\2committed"
			      "\0\4\0\5\0\0\0\0");
	assert_false(w->last_strict);
	/* Other records: nothing is done, and the version said is the client's. */
	fd = connect_client(w);
	assert_int_equal(write(fd, other, 16), 16);
	ASSERT_REPLY(w, fd, FRAMED_2);
	assert_int_equal(w->starts, 2);
}

/* The whole NOTE of a request with these arguments, which has to do nothing and end with status
 * 1. */
static void refused(struct world *w, int number, const void *args, size_t n, const char *why)
{
	struct ctl_wire_request req = {
		.number = number, .version = CTL_VERSION, .args = args, .args_len = n
	};
	uint8_t buf[CTL_REQUEST_MAX];
	size_t len = ctl_request_encode(&req, REC_VERSION, buf), got;
	int fd = connect_client(w), starts = w->starts;
	char *said;

	assert_int_equal(write(fd, buf, len), len);
	said = reply(w, fd, &got);
	assert_int_equal(got, CTL_HEADER_LEN + 2 * CTL_RECORD_HDR_LEN + strlen(why) + CTL_END_LEN);
	assert_memory_equal(said + CTL_HEADER_LEN + CTL_RECORD_HDR_LEN, why, strlen(why));
	assert_int_equal(said[got - 1], 1);
	assert_int_equal(w->starts, starts);
	free(said);
}

/* Nothing that a command has not declared gets through, and the answer says what would. */
static void arguments_that_are_not_accepted(void **state)
{
	struct world *w = *state;
	uint8_t buf[CTL_REQUEST_LEN + 2] = "\56\0\0\0\xff"
					   "ctd\0\3\0\7\0\0\0\0\x08\x01";
	int fd;

	refused(w, 46, "\1\5\0\0count", 9,
		"-c: unknown argument \"count\" (known: --json, --strict)");
	refused(w, 46, "\1\5\0\0\33[31m", 9,
		"-c: unknown argument \"?[31m\" (known: --json, --strict)");
	refused(w, 23, "\1\6\0\0strict", 10,
		"-n: unknown argument \"strict\": the command takes none");
	refused(w, 46, "\3\6\0\3strictyes", 13, "-c: --strict is of another type here");
	refused(w, 46, "\1\6\0\0strict\1\6\0\0strict", 20, "-c: --strict is given twice");
	refused(w, 46, "\1\6\0\0stric", 9, "-c: the arguments of the request are not understood");
	refused(w, 46, "\1", 1, "-c: the arguments of the request are not understood");
	/* One byte more than arguments may have: not waited for. */
	memcpy(buf, &(int){ 46 }, 4);
	fd = connect_client(w);
	assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	ASSERT_REPLY(w, fd,
		     FRAMED "\0\42\0\2the request has too many arguments"
			    "\0\4\0\5\0\0\0\1");
	assert_int_equal(w->starts, 0);
}

static void closed_without_request(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		close(connect_client(w));
	turns(w, 4);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(control_server_stats(w->server)->no_request, 3);
	assert_int_equal(control_server_stats(w->server)->timed_out, 0);
}

static void check_dump(const char *buf, size_t len, size_t skip, uint32_t total, bool framed)
{
	const char *p = buf + skip, *end = buf + len;
	uint32_t i, no;

	for (i = 0; i < total; i++) {
		if (framed)
			p += CTL_RECORD_HDR_LEN;
		assert_true(p + 95 <= end);
		assert_memory_equal(p, "flow ",
				    5); /* not sscanf(), which measures all that follows */
		no = (uint32_t)strtoul(p + 5, NULL, 10);
		assert_int_equal(no, i);
		p += 95;
	}
	assert_int_equal(end - p, framed ? CTL_RECORD_HDR_LEN + CTL_END_LEN : 0);
}

static void dump_is_complete(void **state)
{
	struct world *w = *state;

	w->dump_total = 20000;
	for (int framed = 0; framed < 2; framed++) {
		size_t len;
		char *buf = reply(w, ask(w, 16, framed, 0), &len);

		check_dump(buf, len, framed ? CTL_HEADER_LEN : 0, w->dump_total, framed);
		free(buf);
	}
	assert_int_equal(w->released_done, 2);
}

/* A reader that does not read stops its own dump, after a bounded number of bytes, and nobody
 * else's. */
static void slow_reader_slows_itself(void **state)
{
	struct world *w = *state;
	uint32_t at;
	size_t len;
	char *buf;
	int slow, steps;

	w->dump_total = 40000; /* some 4 MB */
	slow = ask(w, 16, true, 0);
	turns(w, 50);
	at = w->dump_at;
	steps = w->dump_steps;
	assert_in_range(at, 1000, 10000); /* kernel buffer plus queue, below 1 MB */
	turns(w, 200);
	assert_int_equal(w->dump_at, at);
	assert_int_equal(w->dump_steps, steps); /* not even asked */
	/* Nothing to do: the loop sleeps although the reply is not complete. */
	{
		struct mono begin = clock_now();
		uint64_t before = evloop_stats(w->loop)->turns;

		assert_int_equal(evloop_turn(w->loop, NULL, 50), 0);
		assert_true(mono_diff_ms(clock_now(), begin) >= 50);
		assert_int_equal(evloop_stats(w->loop)->turns, before + 1);
	}
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
	w->dump_total = 20000;
	buf = reply(w, ask(w, 16, false, 0), &len);
	check_dump(buf, len, 0, 20000, false);
	free(buf);
	/* It wakes up and gets everything. */
	buf = reply(w, slow, &len);
	check_dump(buf, len, CTL_HEADER_LEN, 40000, true);
	free(buf);
	assert_int_equal(w->released_done, 2);
}

/* Two dumps at the same time advance in turn. */
static void dumps_take_turns(void **state)
{
	struct world *w = *state;
	size_t total[2] = { 0, 0 };
	char buf[65536];
	bool end;
	int fd[2];

	w->dump_total = 40000;
	fd[0] = ask(w, 16, false, 0);
	fd[1] = ask(w, 16, false, 0);
	for (int i = 0; i < 25; i++) {
		turns(w, 1);
		for (int k = 0; k < 2; k++)
			total[k] += take(fd[k], buf, sizeof(buf), &end);
	}
	assert_true(total[0] > 200000);
	assert_true(total[1] > 200000);
	close(fd[0]);
	close(fd[1]);
	turns(w, 3);
	assert_int_equal(w->released_gone, 2);
}

static void client_vanishes_mid_dump(void **state)
{
	struct world *w = *state;
	char buf[10000];
	bool end;
	int fd;

	w->dump_total = 1000000;
	fd = ask(w, 16, true, 0);
	turns(w, 5);
	take(fd, buf, sizeof(buf), &end);
	close(fd);
	turns(w, 5);
	assert_int_equal(w->released_gone, 1);
	assert_int_equal(w->released_done, 0);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(control_server_stats(w->server)->vanished, 1);
	assert_true(w->dump_at < 20000);
}

/* Gone before the daemon looked: the request is there, the reader is not. A signal would end the
 * test. */
static void client_asks_and_leaves(void **state)
{
	struct world *w = *state;

	w->dump_total = 1000000;
	close(ask(w, 21, true, 0));
	close(ask(w, 16, false, 0));
	close(ask(w, 46, true, 0));
	turns(w, 4);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(control_server_stats(w->server)->vanished, 3);
	assert_int_equal(w->released_done, 0);
	assert_int_equal(w->released_gone, 2);
}

/* The commit's owner is told, goes on, and may still say "wake" later. */
static void client_vanishes_during_commit(void **state)
{
	struct world *w = *state;
	int fd = ask(w, 46, true, 0);
	struct mono begin;

	turns(w, 3);
	begin = clock_now();
	assert_int_equal(evloop_turn(w->loop, NULL, 50), 0);
	assert_true(mono_diff_ms(clock_now(), begin) >= 50); /* waiting costs nothing */
	assert_non_null(w->waiting);
	assert_int_equal(w->waiting->steps, 1);
	turns(w, 10);
	assert_int_equal(w->waiting->steps, 1); /* waits: not stepped */
	close(fd);
	turns(w, 2);
	assert_int_equal(w->released_gone, 1);
	control_job_wake(&w->waiting->job);
	turns(w, 2);
	assert_int_equal(w->waiting->steps, 1);
}

static void commit_waits_and_is_woken(void **state)
{
	struct world *w = *state;
	int fd = ask(w, 46, true, CTL_F_PROGRESS);
	char buf[64];
	bool end;

	turns(w, 3);
	assert_int_equal(take(fd, buf, sizeof(buf), &end),
			 CTL_HEADER_LEN + CTL_RECORD_HDR_LEN + CTL_PROGRESS_LEN);
	control_job_wake(&w->waiting->job);
	turns(w, 2);
	assert_int_equal(take(fd, buf, sizeof(buf), &end), CTL_RECORD_HDR_LEN + CTL_PROGRESS_LEN);
	assert_int_equal(buf[3], CTL_REC_PROGRESS);
	w->commit_ready = true;
	control_job_wake(&w->waiting->job);
	ASSERT_REPLY(w, fd,
		     "\0\11\0\2committed"
		     "\0\4\0\5\0\0\0\0");
	assert_int_equal(w->released_done, 1);
}

/* A client tells a command that takes long from a daemon that hangs: an empty record comes all the
 * time. One that cannot take records, or does not read, gets none. */
static void waiting_client_hears_something(void **state)
{
	struct world *w = *state;
	int fd = ask(w, 46, true, 0), old = ask(w, 46, false, 0);
	char buf[64];
	bool end;

	turns(w, 3);
	assert_int_equal(take(fd, buf, sizeof(buf), &end), CTL_HEADER_LEN);
	for (int i = 0; i < 2; i++) {
		usleep((CTL_ALIVE_MS + 100) * 1000);
		turns(w, 2);
		assert_int_equal(take(fd, buf, sizeof(buf), &end), CTL_RECORD_HDR_LEN);
		assert_memory_equal(buf, "\0\0\0\1", CTL_RECORD_HDR_LEN);
	}
	assert_int_equal(take(old, buf, sizeof(buf), &end), 0);
	assert_false(end);
	close(old);
	close(fd);
}

/* Shuts down its sending side at once (socat, netcat): still gets the whole reply. */
static void half_closed_client(void **state)
{
	struct world *w = *state;
	size_t len;
	char *buf;
	int fd;

	w->dump_total = 20000;
	fd = ask(w, 16, false, 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	buf = reply(w, fd, &len);
	check_dump(buf, len, 0, w->dump_total, false);
	free(buf);
	fd = ask(w, 46, true, 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turns(w, 20);
	assert_int_equal(w->released_gone, 0);
	w->commit_ready = true;
	control_job_wake(&w->waiting->job);
	ASSERT_REPLY(w, fd,
		     FRAMED "\0\11\0\2committed"
			    "\0\4\0\5\0\0\0\0");
	/* and without any request: an end of file like any other */
	fd = connect_client(w);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	ASSERT_REPLY(w, fd, "");
}

/* Garbage: any bytes, any length. Nothing worse than an answer or a closed connection may come of
 * it. */
static void garbage_requests(void **state)
{
	struct world *w = *state;
	const char *env = getenv("TEST_SEED");
	unsigned int seed =
		env ? (unsigned int)strtoul(env, NULL, 10) : (unsigned int)clock_now().ns;
	struct mono begin;

	print_message("seed %u (TEST_SEED)\n", seed);
	srand(seed);
	w->commit_ready = true;
	w->dump_total = 100;
	for (int i = 0; i < 500; i++) {
		uint8_t buf[100];
		size_t n = (size_t)rand() % sizeof(buf) + 1;
		int fd = connect_client(w);

		for (size_t k = 0; k < n; k++)
			buf[k] = (uint8_t)rand();
		if (rand() % 2 && n >= 4)
			buf[0] = (uint8_t)(rand() % 50), buf[1] = buf[2] = buf[3] = 0;
		if (rand() % 2 && n >= 8)
			memcpy(buf + 4,
			       "\xff"
			       "ctd",
			       4);
		assert_int_equal(write(fd, buf, n), n);
		turns(w, 3);
		close(fd);
		turns(w, 1);
	}
	begin = clock_now();
	while (control_server_stats(w->server)->clients > 0 &&
	       mono_diff_ms(clock_now(), begin) < 3000)
		assert_int_equal(evloop_turn(w->loop, NULL, 100), 0);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
}

/* Talks on and on behind its request: bounded. */
static void client_that_floods(void **state)
{
	struct world *w = *state;
	int fd = ask(w, 46, true, 0);
	char junk[1024] = { 0 };
	int i;

	turns(w, 2);
	assert_int_equal(control_server_stats(w->server)->clients, 1);
	for (i = 0; i < 100 && control_server_stats(w->server)->clients == 1; i++) {
		if (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) == -1)
			break;
		turns(w, 2);
	}
	assert_true(i < 20);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(w->released_gone, 1);
	assert_int_equal(control_server_stats(w->server)->dropped, 1);
	close(fd);
}

/* 65 clients: the oldest without a request makes room; clients with a running command are never the
 * ones to go. */
static void cap_drops_oldest_without_request(void **state)
{
	struct world *w = *state;
	int fd[CTL_CLIENTS_MAX], extra;
	char buf[16];
	bool end;

	fd[0] = ask(w, 46, true, 0);
	turns(w, 2);
	for (int i = 1; i < CTL_CLIENTS_MAX; i++) {
		fd[i] = connect_client(w);
		turns(w, 2);
	}
	assert_int_equal(control_server_stats(w->server)->clients, CTL_CLIENTS_MAX);
	extra = ask(w, 21, false, 0);
	turns(w, 2);
	take(fd[1], buf, sizeof(buf), &end);
	assert_true(end);
	take(fd[2], buf, sizeof(buf), &end);
	assert_false(end);
	ASSERT_REPLY(w, extra, "statistics\n\n");
	assert_int_equal(control_server_stats(w->server)->dropped, 1);
	assert_int_equal(w->released_gone, 0);
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		close(fd[i]);
	turns(w, 4);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
}

/* All 64 are busy, and none of them is asleep over what it asked for: number 65 waits until one
 * leaves, and the loop does not spin meanwhile. */
static void cap_with_busy_clients(void **state)
{
	struct world *w = *state;
	int fd[CTL_CLIENTS_MAX], extra;
	uint64_t before;
	struct mono begin;

	for (int i = 0; i < CTL_CLIENTS_MAX; i++) {
		fd[i] = ask(w, 46, true, 0);
		turns(w, 2);
	}
	turns(w, 20);
	assert_int_equal(control_server_stats(w->server)->clients, CTL_CLIENTS_MAX);
	extra = ask(w, 21, false, 0);
	turns(w, 5);
	assert_int_equal(w->starts, CTL_CLIENTS_MAX);
	before = evloop_stats(w->loop)->turns;
	begin = clock_now();
	/* the server looks again once a second */
	while (mono_diff_ms(clock_now(), begin) < 3 * CTL_STALLED_MS)
		assert_int_equal(evloop_turn(w->loop, NULL, 100), 0);
	assert_true(evloop_stats(w->loop)->turns - before < 50);
	assert_int_equal(control_server_stats(w->server)->clients, CTL_CLIENTS_MAX);
	assert_int_equal(control_server_stats(w->server)->dropped, 0);
	close(fd[7]);
	ASSERT_REPLY(w, extra, "statistics\n\n");
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		if (i != 7)
			close(fd[i]);
	turns(w, 10);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(w->released_gone, CTL_CLIENTS_MAX);
}

/* All 64 are readers that have fallen asleep: after CTL_STALLED_MS, and no sooner, the one that has
 * slept longest makes room. */
static void cap_drops_who_has_slept_longest(void **state)
{
	struct world *w = *state;
	int fd[CTL_CLIENTS_MAX], extra;
	struct mono begin = { 0 };
	char buf[65536];
	bool end;

	w->dump_total = 1000000;
	for (int i = 0; i < CTL_CLIENTS_MAX; i++) {
		if (i == 1)
			begin = clock_now();
		fd[i] = ask(w, 16, true, 0);
		turns(w, i < 2 ? 50 : 2);
	}
	turns(w, 20);
	assert_int_equal(control_server_stats(w->server)->clients, CTL_CLIENTS_MAX);
	/* the first wakes up for a moment: now the second has slept longest */
	for (int i = 0; i < 20; i++) {
		assert_true(take(fd[0], buf, sizeof(buf), &end) > 0);
		turns(w, 2);
	}
	extra = ask(w, 21, false, 0);
	for (int i = 0; i < 1000 && control_server_stats(w->server)->dropped == 0; i++)
		assert_int_equal(evloop_turn(w->loop, NULL, 100), 0);
	assert_true(mono_diff_ms(clock_now(), begin) >= CTL_STALLED_MS);
	ASSERT_REPLY(w, extra, "statistics\n\n");
	assert_int_equal(control_server_stats(w->server)->dropped, 1);
	assert_int_equal(w->released_gone, 1);
	assert_int_equal(control_server_stats(w->server)->clients, CTL_CLIENTS_MAX - 1);
	/* what was on its way, and then */
	while (take(fd[1], buf, sizeof(buf), &end) == sizeof(buf))
		;
	assert_true(end);
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		close(fd[i]);
	turns(w, 10);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(w->released_gone, CTL_CLIENTS_MAX);
}

/* Group: one more member than may look at a time is told so, whatever is asked, and root is served
 * all the while. Each is counted under a name of its own, the last few of many are told. */
static void member_without_a_place_is_told(void **state)
{
	static const char said[] = FRAMED "\0\107\0\2not served: 32 clients of the group 0 are "
					  "being served; ask again later"
					  "\0\4\0\5\0\0\0\1";
	enum { MORE = CTL_TURNED_AWAY_MAX + 3 };
	struct world *w = *state;
	int fd[CTL_READERS_MAX], more[MORE];
	char buf[256];
	bool end;

	strcpy(w->conf.group, "0");
	open_server(w);
	pretend_uid = 4242;
	w->dump_total = 1000000;
	for (int i = 0; i < CTL_READERS_MAX; i++) {
		fd[i] = ask(w, 16, true, 0); /* a dump, which nobody reads */
		turns(w, 2);
	}
	ASSERT_REPLY(w, ask(w, 21, true, 0), said);
	ASSERT_REPLY(w, ask(w, 46, true, 0), said);
	ASSERT_REPLY(w, ask(w, 21, false, 0), "");
	for (int i = 0; i < MORE; i++) {
		more[i] = connect_client(w);
		turns(w, 2);
	}
	for (int i = 0; i < MORE; i++) {
		take(more[i], buf, sizeof(buf), &end);
		assert_int_equal(end, i < MORE - CTL_TURNED_AWAY_MAX);
	}
	pretend_uid = 0;
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
	assert_int_equal(control_server_stats(w->server)->no_place, 3 + MORE);
	assert_int_equal(control_server_stats(w->server)->accept_failed, 0);
	assert_int_equal(control_server_stats(w->server)->dropped, MORE - CTL_TURNED_AWAY_MAX);
	assert_int_equal(w->starts, CTL_READERS_MAX + 1);
	pretend_uid = -1;
	for (int i = 0; i < MORE; i++)
		close(more[i]);
	for (int i = 0; i < CTL_READERS_MAX; i++)
		close(fd[i]);
	turns(w, 10);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
}

/* -k: the connection stays until the process is about to go; then END. Others are told at once. */
static void kill_is_held(void **state)
{
	struct world *w = *state;
	int ours = ask(w, 20, true, 0), old = ask(w, 20, false, 0), commit = ask(w, 46, true, 0);
	int silent = connect_client(w);
	char buf[256];
	bool end;
	size_t n;

	turns(w, 4);
	assert_int_equal(take(ours, buf, sizeof(buf), &end), CTL_HEADER_LEN);
	assert_false(end);
	control_server_stop(w->server);
	control_server_stop(w->server);
	assert_int_equal(access(w->conf.path, F_OK), -1);
	assert_int_equal(take(ours, buf, sizeof(buf), &end), 0);
	assert_false(end);
	assert_int_equal(take(old, buf, sizeof(buf), &end), 0);
	assert_false(end);
	n = take(commit, buf, sizeof(buf), &end);
	assert_true(end && n > 12);
	assert_memory_equal(buf + n - 8, "\0\4\0\5\0\0\0\1", 8);
	assert_int_equal(w->released_gone, 1);
	take(silent, buf, sizeof(buf), &end);
	assert_true(end);
	evloop_free(w->loop); /* the loop may be gone by then */
	w->loop = NULL;
	control_server_free(w->server);
	w->server = NULL;
	assert_int_equal(take(ours, buf, sizeof(buf), &end), CTL_RECORD_HDR_LEN + CTL_END_LEN);
	assert_memory_equal(buf, "\0\4\0\5\0\0\0\0", 8);
	assert_true(end);
	assert_int_equal(take(old, buf, sizeof(buf), &end), 0);
	assert_true(end);
	close(ours);
	close(old);
	close(commit);
	close(silent);
}

static void files_and_modes(void **state)
{
	struct world *w = *state;
	struct stat st;
	mode_t old = umask(0);

	open_server(w);
	umask(old);
	assert_int_equal(stat(w->conf.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	control_server_free(w->server);
	w->server = NULL;
	assert_int_equal(access(w->conf.path, F_OK), -1);
	control_server_free(NULL);
	control_server_stop(NULL);
}

static void assert_refused(struct world *w, int want, const char *reason)
{
	struct text err = { 0 };
	struct control_server *s = NULL;

	assert_int_equal(control_server_open(w->loop, &w->conf, &ops, w, REC_VERSION, &s, &err),
			 want);
	assert_null(s);
	assert_non_null(err.buf);
	if (!strstr(err.buf, w->conf.path) || !strstr(err.buf, reason))
		fail_msg("\"%s\" lacks \"%s\"", err.buf, reason);
	text_free(&err);
}

/* Whatever is not a socket stays as it is. */
static void not_a_socket(void **state)
{
	struct world *w = *state;
	char target[sizeof(w->conf.path) + 8];
	struct text err = { 0 };
	struct stat st;
	int fd;

	fd = open(w->conf.path, O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_refused(w, -EEXIST, "not a socket");
	assert_int_equal(control_path_check(&w->conf, &err), -EEXIST);
	text_free(&err);
	assert_int_equal(stat(w->conf.path, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(w->conf.path);

	snprintf(target, sizeof(target), "%s/target", w->dir);
	assert_int_equal(symlink(target, w->conf.path), 0);
	assert_refused(w, -EEXIST, "not a socket");
	assert_int_equal(lstat(w->conf.path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(w->conf.path);

	assert_int_equal(mkdir(w->conf.path, 0700), 0);
	assert_refused(w, -EEXIST, "not a socket");
	rmdir(w->conf.path);
}

static void bad_places(void **state)
{
	struct world *w = *state;
	struct control_conf keep = w->conf;

	snprintf(w->conf.path, sizeof(w->conf.path), "%s/none/ctl", w->dir);
	assert_refused(w, -ENOENT, "No such file or directory");
	w->conf = keep;
}

static int bind_socket(struct world *w, int type)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	assert_true(fd >= 0);
	strcpy(sa.sun_path, w->conf.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Left behind by a daemon that was killed: replaced. A socket of another kind is somebody
 * else's. */
static void stale_sockets(void **state)
{
	struct world *w = *state;
	struct text err = { 0 };
	int fd = bind_socket(w, SOCK_STREAM);

	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(control_path_check(&w->conf, &err), 0);
	assert_int_equal(access(w->conf.path, F_OK), 0); /* looking changes nothing */
	open_server(w);
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
	control_server_free(w->server);
	w->server = NULL;
	fd = bind_socket(w, SOCK_DGRAM);
	assert_refused(w, -EEXIST, "another kind");
	close(fd);
}

/* The second daemon is refused and the first one goes on, also when its queue of connections is
 * full. */
static void second_daemon(void **state)
{
	struct world *w = *state;
	int fd, fill[64], n = 0;

	open_server(w);
	assert_refused(w, -EADDRINUSE, "another daemon");
	turns(w, 2);
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
	control_server_free(w->server);
	w->server = NULL;
	fd = bind_socket(w, SOCK_STREAM);
	assert_int_equal(listen(fd, 1), 0);
	while (n < 64 && (fill[n] = try_connect(w)) != -1)
		n++;
	assert_in_range(n, 1, 60);
	assert_refused(w, -EADDRINUSE, "another daemon");
	while (n > 0)
		close(fill[--n]);
	close(fd);
}

/* Somebody removed our file and another daemon made its own: that one is not ours to remove. */
static void unlinks_only_its_own(void **state)
{
	struct world *w = *state;
	int fd;

	open_server(w);
	assert_int_equal(unlink(w->conf.path), 0);
	fd = bind_socket(w, SOCK_STREAM);
	assert_int_equal(listen(fd, 1), 0);
	control_server_free(w->server);
	w->server = NULL;
	assert_int_equal(access(w->conf.path, F_OK), 0);
	close(fd);
}

/* Descriptors run out: no spinning, and it goes on when there are some again. */
static void out_of_descriptors(void **state)
{
	struct world *w = *state;
	struct rlimit was, few;
	uint64_t before;
	struct mono begin;
	int fd = connect_client(w);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	before = evloop_stats(w->loop)->turns;
	begin = clock_now();
	while (mono_diff_ms(clock_now(), begin) < 200)
		assert_int_equal(evloop_turn(w->loop, NULL, 100), 0);
	assert_true(evloop_stats(w->loop)->turns - before < 20);
	assert_int_equal(control_server_stats(w->server)->accept_failed, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	close(fd);
	while (mono_diff_ms(clock_now(), begin) < 1200)
		assert_int_equal(evloop_turn(w->loop, NULL, 100), 0);
	ASSERT_REPLY(w, ask(w, 21, false, 0), "statistics\n\n");
}

/* A descriptor beyond what select() can watch: closed, not crashed. */
static void descriptor_too_high(void **state)
{
	struct world *w = *state;
	int hog[1100], n = 0, fd;
	struct rlimit was, many;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	many = was;
	if (many.rlim_cur < 1200)
		many.rlim_cur = many.rlim_max < 1200 ? many.rlim_max : 1200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	fd = connect_client(w);
	do {
		hog[n] = open("/dev/null", O_RDONLY);
	} while (hog[n] != -1 && hog[n++] < 1023);
	turns(w, 3);
	assert_int_equal(control_server_stats(w->server)->clients, 0);
	assert_int_equal(control_server_stats(w->server)->accept_failed, 1);
	while (n > 0)
		close(hog[--n]);
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup_open, teardown)
#define WITHOUT(f)     cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(old_client),
		WITH_SERVER(our_client),
		WITH_SERVER(other_version_does_nothing),
		WITH_SERVER(request_of_a_late_loop_is_answered),
		WITH_SERVER(silent_clients_time_out),
		WITH_SERVER(request_in_pieces),
		WITH_SERVER(an_older_client_of_ours),
		WITH_SERVER(arguments_that_are_not_accepted),
		WITH_SERVER(closed_without_request),
		WITH_SERVER(dump_is_complete),
		WITH_SERVER(slow_reader_slows_itself),
		WITH_SERVER(dumps_take_turns),
		WITH_SERVER(client_vanishes_mid_dump),
		WITH_SERVER(client_asks_and_leaves),
		WITH_SERVER(client_vanishes_during_commit),
		WITH_SERVER(commit_waits_and_is_woken),
		WITH_SERVER(waiting_client_hears_something),
		WITH_SERVER(half_closed_client),
		WITH_SERVER(garbage_requests),
		WITH_SERVER(client_that_floods),
		WITH_SERVER(cap_drops_oldest_without_request),
		WITH_SERVER(cap_with_busy_clients),
		WITH_SERVER(cap_drops_who_has_slept_longest),
		cmocka_unit_test_setup_teardown(member_without_a_place_is_told, setup, teardown),
		WITH_SERVER(kill_is_held),
		WITHOUT(files_and_modes),
		WITHOUT(not_a_socket),
		WITHOUT(bad_places),
		WITHOUT(stale_sockets),
		WITHOUT(second_daemon),
		WITHOUT(unlinks_only_its_own),
		WITH_SERVER(out_of_descriptors),
		WITH_SERVER(descriptor_too_high),
	};

	return cmocka_run_group_tests_name("control/server", tests, NULL, NULL);
}
