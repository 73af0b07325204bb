/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client against three kinds of daemon in a child process: ours (the real control server), one
 * of another version, and one that behaves as 1.4.x does (reads four bytes, answers, closes with
 * the rest unread); and against none. */
#include "client/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/evloop.h"
#include "control/server.h"
#include "flow/flow_json.h"
#include "flow/flow_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct place {
	char dir[64];
	char path[96];
	pid_t daemon; /* 0: none */
	char out[1 << 16], err[4096];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	strcpy(p->dir, "/tmp/client_test.XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/ctl", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	if (p->daemon > 0) {
		kill(p->daemon, SIGKILL);
		waitpid(p->daemon, NULL, 0);
	}
	unlink(p->path);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void slurp(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

static int temp_file(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* Run one command; what it prints is in p->out and p->err. */
static int run_as(struct place *p, const char *path, int number, bool strict, bool json)
{
	struct client_request req = {
		.path = path,
		.cmd = control_command_by_number(number),
		.out_fd = temp_file(),
		.err_fd = temp_file(),
	};
	struct text err = { 0 };
	int status;

	assert_non_null(req.cmd);
	if (strict)
		assert_true(ctl_args_add(&req.args, req.cmd, "strict", NULL, &err));
	if (json)
		assert_true(ctl_args_add(&req.args, req.cmd, "json", NULL, &err));
	status = client_run(&req);
	slurp(req.out_fd, p->out, sizeof(p->out));
	slurp(req.err_fd, p->err, sizeof(p->err));
	return status;
}

static int run(struct place *p, int number)
{
	return run_as(p, p->path, number, false, false);
}

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" lacks \"%s\"", text, part);
}

/* ---- our own daemon ---- */

#define DUMPED 5000

struct dump {
	struct control_job job;
	uint32_t at;
};

static void sample_flow(struct ct_flow *f, uint32_t i)
{
	*f = (struct ct_flow){
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE | FLOW_HAS_REPLY,
		.l3 = AF_INET,
		.l4 = IPPROTO_TCP,
		.proto_state = 3,
		.status = 0x0e, /* seen reply, assured, confirmed */
		.orig = { htons(40000), htons(80) },
		.reply = { htons(80), htons(40000) },
	};
	f->addr.v4.src = f->addr.v4.reply_dst = htonl(0x0a000000 + i);
	f->addr.v4.dst = f->addr.v4.reply_src = htonl(0xc0a80001);
}

static enum ctl_step dump_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct flow_print_opts opts = { .active_s = 7, .expires_s = -1 };
	struct dump *d = (struct dump *)job;
	struct ct_flow f;

	(void)now;
	for (; d->at < DUMPED; d->at++) {
		uint8_t *to;

		if (ctl_room(out) < FLOW_RECORD_MAX + CTL_RECORD_HDR_LEN)
			return CTL_MORE;
		sample_flow(&f, d->at);
		to = ctl_record_reserve(out, CTL_REC_FLOW, FLOW_RECORD_MAX);
		if (to)
			ctl_record_commit(out, flow_record_pack(&f, &opts, to));
		else
			ctl_text(out, "flow\n", 5);
	}
	ctl_note(out, "that was all");
	return CTL_DONE;
}

static void dump_release(struct control_job *job, bool done)
{
	(void)done;
	free(job);
}

static const struct control_job_ops dump_ops = { .name = "dump",
						 .step = dump_step,
						 .release = dump_release };

static void start(void *ctx, const struct ctl_request *req, struct ctl_out *out,
		  struct control_job **job)
{
	struct evloop *loop = ctx;
	struct dump *d;

	switch (req->cmd->number) {
	case CTL_REQ_STATS:
		ctl_printf(out, "cache internal:\n\n");
		break;
	case CTL_REQ_COMMIT:
		ctl_result(out, "done");
		ctl_note(out, "%s", ctl_flag(&req->args, "strict") ? "strict" : "lenient");
		ctl_end(out, ctl_flag(&req->args, "strict"));
		break;
	case CTL_REQ_DUMP_INT_CT:
	case CTL_REQ_DUMP_INT_CT_XML:
		d = calloc(1, sizeof(*d));
		d->job.ops = &dump_ops;
		*job = &d->job;
		break;
	case CTL_REQ_KILL:
		ctl_hold_until_exit(out);
		evloop_stop(loop);
		break;
	case CTL_REQ_HEALTH: /* a status that only a question may have */
		ctl_printf(out, "CONNTRACKD UNKNOWN\n");
		ctl_end(out, 3);
		break;
	case CTL_REQ_PURGE:
		_exit(3); /* dies in the middle of a command */
	default:
		ctl_note(out, "not here");
		ctl_end(out, 1);
		break;
	}
}

static const struct control_ops ops = { .start = start };

/* Our daemon, until -k. Runs in the child. */
static void serve(const char *path, uint16_t record_version, int ready)
{
	struct control_conf conf = { 0 };
	struct control_server *s;
	struct evloop *loop = evloop_new();
	struct text err = { 0 };

	strcpy(conf.path, path);
	if (!loop || control_server_open(loop, &conf, &ops, loop, record_version, &s, &err) != 0)
		_exit(7);
	close(ready);
	evloop_run(loop, NULL, NULL, NULL);
	control_server_stop(s);
	usleep(200000); /* still busy ending: a client that sends -k must wait for this */
	control_server_free(s);
	evloop_free(loop);
	_exit(0);
}

static void start_ours(struct place *p, uint16_t record_version)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	p->daemon = fork();
	if (p->daemon == 0) {
		close(ready[0]);
		serve(p->path, record_version, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0); /* end of file: it listens, or has died */
	close(ready[0]);
	assert_int_equal(access(p->path, F_OK), 0);
}

/* What is said on success is for a person at a terminal; a program that reads standard error finds
 * nothing. */
static void results_are_for_a_terminal(void **state)
{
	struct place *p = *state;
	int tty = posix_openpt(O_RDWR | O_NOCTTY);
	struct client_request req = {
		.path = p->path,
		.cmd = control_command_by_number(CTL_REQ_COMMIT),
		.out_fd = temp_file(),
	};
	char said[256];
	ssize_t n;

	start_ours(p, FLOW_RECORD_VERSION);
	assert_int_equal(run(p, CTL_REQ_COMMIT), 0);
	assert_string_equal(p->err, "lenient\n");
	assert_true(tty >= 0 && grantpt(tty) == 0 && unlockpt(tty) == 0);
	req.err_fd = open(ptsname(tty), O_RDWR | O_NOCTTY);
	assert_true(req.err_fd >= 0);
	assert_int_equal(client_run(&req), 0);
	/* a line at a time */
	for (size_t have = 0; have < strlen("done\r\nlenient\r\n"); have += (size_t)n) {
		n = read(tty, said + have, sizeof(said) - 1 - have);
		assert_true(n > 0);
		said[have + (size_t)n] = '\0';
	}
	assert_string_equal(said, "done\r\nlenient\r\n");
	close(req.out_fd);
	close(req.err_fd);
	close(tty);
}

static void our_daemon(void **state)
{
	struct place *p = *state;

	start_ours(p, FLOW_RECORD_VERSION);
	assert_int_equal(run(p, CTL_REQ_STATS), 0);
	assert_string_equal(p->out, "cache internal:\n\n");
	assert_string_equal(p->err, "");
	assert_int_equal(run(p, CTL_REQ_COMMIT), 0);
	assert_string_equal(p->out, "");
	assert_string_equal(p->err, "lenient\n");
	assert_int_equal(run_as(p, p->path, CTL_REQ_COMMIT, true, false), 1);
	assert_string_equal(p->err, "strict\n");
	assert_int_equal(run(p, CTL_REQ_BULK), 1);
	assert_string_equal(p->err, "not here\n");
	assert_int_equal(run(p, CTL_REQ_PURGE), 1);
	assert_says(p->err, p->path);
	waitpid(p->daemon, NULL, 0); /* until then its socket is still there */
	p->daemon = 0;
	assert_int_equal(run(p, CTL_REQ_STATS), 1);
	assert_says(p->err, "no conntrackd answers");
}

static size_t print_json(const struct ct_flow *f, const struct flow_print_opts *opts, char *buf,
			 size_t cap)
{
	struct text line = { 0 };
	size_t n;

	flow_print_json(f, opts, &line);
	n = line.len;
	assert_true(n < cap);
	strcpy(buf, line.buf);
	text_free(&line);
	return n;
}

/* Every flow arrives, in order, as the same line that flow/ prints. */
static void dump(void **state)
{
	struct place *p = *state;
	static const struct {
		int number;
		bool json;
		size_t (*print)(const struct ct_flow *, const struct flow_print_opts *, char *,
				size_t);
	} kinds[] = {
		{ CTL_REQ_DUMP_INT_CT, false, flow_print_text },
		{ CTL_REQ_DUMP_INT_CT_XML, false, flow_print_xml },
		{ CTL_REQ_DUMP_INT_CT, true, print_json },
	};
	struct flow_print_opts opts = { .active_s = 7, .expires_s = -1 };

	start_ours(p, FLOW_RECORD_VERSION);
	for (size_t k = 0; k < 3; k++) {
		struct client_request req = {
			.path = p->path,
			.cmd = control_command_by_number(kinds[k].number),
			.out_fd = temp_file(),
			.err_fd = temp_file(),
		};
		char want[FLOW_LINE_MAX + 2], got[FLOW_LINE_MAX + 2];
		struct text err = { 0 };
		FILE *f;

		if (kinds[k].json)
			assert_true(ctl_args_add(&req.args, req.cmd, "json", NULL, &err));
		assert_int_equal(client_run(&req), 0);
		slurp(req.err_fd, p->err, sizeof(p->err));
		assert_string_equal(p->err, "that was all\n");
		assert_int_equal(lseek(req.out_fd, 0, SEEK_SET), 0);
		f = fdopen(req.out_fd, "r");
		assert_non_null(f);
		for (uint32_t i = 0; i < DUMPED; i++) {
			struct ct_flow flow;
			size_t n;

			sample_flow(&flow, i);
			n = kinds[k].print(&flow, &opts, want, FLOW_LINE_MAX);
			strcpy(want + n, "\n");
			assert_non_null(fgets(got, sizeof(got), f));
			assert_string_equal(got, want);
		}
		assert_null(fgets(got, sizeof(got), f));
		fclose(f);
	}
}

/* -k returns when the daemon is as good as gone, not when it has heard of it. */
static void kill_waits(void **state)
{
	struct place *p = *state;
	struct mono begin = clock_now();

	start_ours(p, FLOW_RECORD_VERSION);
	assert_int_equal(run(p, CTL_REQ_KILL), 0);
	assert_true(mono_diff_ms(clock_now(), begin) >= 200);
	assert_int_equal(access(p->path, F_OK), -1);
	assert_string_equal(p->err, "");
}

/* The package was upgraded, the daemon still runs: plain text, once, and a word about it. */
static void other_version(void **state)
{
	struct place *p = *state;

	start_ours(p, FLOW_RECORD_VERSION + 1);
	assert_int_equal(run(p, CTL_REQ_STATS), 0);
	assert_string_equal(p->out, "cache internal:\n\n");
	assert_says(p->err, "another version");
	assert_int_equal(run(p, CTL_REQ_BULK), 0); /* no answer, no status */
	assert_string_equal(p->out, "");
	assert_int_equal(run_as(p, p->path, CTL_REQ_DUMP_INT_CT, false, true), 1);
	assert_string_equal(p->out, "");
	assert_says(p->err, "no --json until it is restarted");
	assert_int_equal(run_as(p, p->path, CTL_REQ_COMMIT, true, false), 1);
	assert_string_equal(p->out, "");
	assert_says(p->err, "no --strict until it is restarted");
	assert_int_equal(run(p, CTL_REQ_DUMP_INT_CT), 0);
	assert_int_equal(strlen(p->out), 5 * DUMPED);
}

/* ---- a daemon like 1.4.x ---- */

static int listen_on(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void start_old(struct place *p, const char *answer, int n)
{
	int fd = listen_on(p->path);

	p->daemon = fork();
	if (p->daemon == 0) {
		for (int i = 0; i < n; i++) {
			int c = accept(fd, NULL, NULL), number;

			if (read(c, &number, sizeof(number)) == sizeof(number) &&
			    number == CTL_REQ_STATS)
				if (write(c, answer, strlen(answer)) == -1)
					_exit(1);
			if (i == n - 1)
				/* gone before the client can look whether it still is there */
				close(fd);
			close(c);
		}
		_exit(0);
	}
	close(fd);
}

static void old_daemon(void **state)
{
	struct place *p = *state;

	start_old(p, "cache internal:\nold layout\n", 100);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(run(p, CTL_REQ_STATS), 0);
		assert_string_equal(p->out, "cache internal:\nold layout\n");
		assert_string_equal(p->err, "");
	}
	/* It would commit and not tell how it went; it would answer with text: refused before it is
	 * asked. */
	assert_int_equal(run_as(p, p->path, CTL_REQ_STATS, false, true), 1);
	assert_says(p->err, "1.4.x, which knows no --json: nothing was done");
	assert_string_equal(p->out, "");
	assert_int_equal(run_as(p, p->path, CTL_REQ_COMMIT, true, false), 1);
	assert_says(p->err, "1.4.x, which knows no --strict: nothing was done");
	assert_string_equal(p->out, "");
	/* A request it has no number for gets the same silence as one that is done: not taken for
	 * an answer. */
	assert_int_equal(run(p, CTL_REQ_STATS_PEERS), 1);
	assert_string_equal(p->err, "conntrackd: the running daemon is a 1.4.x, which knows no -s "
				    "peers: nothing was done\n");
	assert_string_equal(p->out, "");
	/* An empty answer is what it gives to most commands. */
	assert_int_equal(run(p, CTL_REQ_BULK), 0);
	assert_string_equal(p->out, "");
	assert_string_equal(p->err, "");
}

/* ---- a daemon of ours from before arguments ---- */

/* It answers 16 bytes of its own version with what it was asked for: a record, and the flags as the
 * status; and every other version with its own. */
static void start_before_args(struct place *p)
{
	int fd = listen_on(p->path);

	p->daemon = fork();
	if (p->daemon != 0) {
		close(fd);
		return;
	}
	for (;;) {
		static const uint8_t head[] = {
			0xff, 'c', 't', 'd', 0, CTL_VERSION_FLAGS, 0, FLOW_RECORD_VERSION
		};
		uint8_t in[CTL_REQUEST_MAX], record[32];
		int c = accept(fd, NULL, NULL), number;
		ssize_t n = recv(c, in, sizeof(in), 0);

		if (n < 16 || send(c, head, sizeof(head), MSG_NOSIGNAL) < 0)
			_exit(1);
		memcpy(&number, in, sizeof(number));
		if (n == 16 && in[9] == CTL_VERSION_FLAGS) {
			uint8_t *text = record + CTL_RECORD_HDR_LEN, *end;
			int len = sprintf((char *)text, "asked %d\n", number);

			ctl_record_head(CTL_REC_TEXT, (size_t)len, record);
			end = text + len;
			ctl_record_head(CTL_REC_END, CTL_END_LEN, end);
			memset(end + CTL_RECORD_HDR_LEN, 0, CTL_END_LEN);
			end[CTL_RECORD_HDR_LEN + CTL_END_LEN - 1] = in[15] & CTL_F_STRICT ? 1 : 0;
			if (send(c, record,
				 (size_t)(end - record) + CTL_RECORD_HDR_LEN + CTL_END_LEN,
				 MSG_NOSIGNAL) < 0)
				_exit(1);
		}
		close(c);
	}
}

static void before_args(void **state)
{
	struct place *p = *state;

	start_before_args(p);
	assert_int_equal(run(p, CTL_REQ_STATS), 0);
	assert_string_equal(p->out, "asked 21\n");
	assert_string_equal(p->err, "");
	assert_int_equal(run(p, CTL_REQ_STATS_PEERS), 0);
	assert_string_equal(p->out, "asked 1000\n");
	/* What its version can say it is asked, with a status. */
	assert_int_equal(run_as(p, p->path, CTL_REQ_COMMIT, true, false), 1);
	assert_string_equal(p->out, "asked 46\n");
	assert_string_equal(p->err, "");
	assert_int_equal(run_as(p, p->path, CTL_REQ_DUMP_EXT_CT, false, true), 0);
	assert_string_equal(p->out, "asked 17\n");
	/* The rest is refused, and nothing done. */
	assert_int_equal(run_as(p, p->path, CTL_REQ_STATS, false, true), 1);
	assert_string_equal(p->out, "");
	assert_says(p->err, "no --json until it is restarted, nothing was done");
}

/* It dies with our request unread, or having read it: no answer, and gone. */
static void old_daemon_dies(void **state)
{
	struct place *p = *state;

	start_old(p, "", 1);
	assert_int_equal(run(p, CTL_REQ_BULK), 1);
	assert_says(p->err, "without an answer");
	waitpid(p->daemon, NULL, 0);
	unlink(p->path);
	start_old(p, "", 1);
	assert_int_equal(run(p, CTL_REQ_KILL), 0); /* that was the point */
	assert_string_equal(p->err, "");
}

/* ---- no daemon ---- */

static void real_reasons(void **state)
{
	struct place *p = *state;
	char path[300];
	int fd;

	assert_int_equal(run(p, CTL_REQ_STATS), 1);
	assert_says(p->err, p->path);
	assert_says(p->err, "no such socket");
	assert_string_equal(p->out, "");

	close(listen_on(p->path));
	assert_int_equal(run(p, CTL_REQ_STATS), 1);
	assert_says(p->err, "no conntrackd answers");
	unlink(p->path);

	fd = open(p->path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run(p, CTL_REQ_STATS), 1);
	assert_says(p->err, "not a socket");
	unlink(p->path);

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(run_as(p, path, CTL_REQ_STATS, false, false), 1);
	assert_says(p->err, "too long");

	fd = listen_on(p->path);
	if (geteuid() == 0) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			if (chmod(p->dir, 0755) == -1 || chmod(p->path, 0600) == -1 ||
			    setgid(65534) == -1 || setuid(65534) == -1)
				_exit(9);
			/* no asserts in here: their way out is the parent's */
			struct client_request req = {
				.path = p->path,
				.cmd = control_command_by_number(CTL_REQ_STATS),
				.out_fd = -1,
				.err_fd = open("/tmp", O_TMPFILE | O_RDWR, 0600),
			};
			ssize_t n;

			status = client_run(&req);
			n = pread(req.err_fd, path, sizeof(path) - 1, 0);
			path[n > 0 ? n : 0] = '\0';
			_exit(status == 1 && strstr(path, "permission denied") &&
					      strstr(path, p->path) ?
				      0 :
				      8);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	close(fd);
}

/* The answer cannot be written: said, and status 1. */
static void output_fails(void **state)
{
	struct place *p = *state;
	struct client_request req = { .path = p->path,
				      .cmd = control_command_by_number(CTL_REQ_DUMP_INT_CT) };

	start_ours(p, FLOW_RECORD_VERSION);
	req.out_fd = open("/dev/full", O_WRONLY);
	req.err_fd = temp_file();
	assert_int_equal(client_run(&req), 1);
	close(req.out_fd);
	slurp(req.err_fd, p->err, sizeof(p->err));
	assert_says(p->err, "No space left on device");
}

/* A question keeps its reason for the caller, who answers in place of the daemon; in all it takes
 * no longer than it may. */
static void questions(void **state)
{
	struct place *p = *state;
	struct client_outcome outcome = { .end = CLIENT_ANSWERED };
	struct client_request req = {
		.path = p->path,
		.cmd = control_command_by_number(CTL_REQ_HEALTH),
		.timeout_s = 1,
		.err_fd = temp_file(),
		.outcome = &outcome,
	};
	struct text err = { 0 };
	struct mono began;
	int fd;

	assert_int_equal(client_run(&req), 1);
	assert_int_equal(outcome.end, CLIENT_ABSENT);
	assert_says(outcome.why, "no such socket");

	fd = listen_on(p->path);					   /* and accepts nobody */
	assert_true(ctl_args_add(&req.args, req.cmd, "json", NULL, &err)); /* asks twice */
	began = clock_now();
	assert_int_equal(client_run(&req), 1);
	assert_int_equal(outcome.end, CLIENT_SILENT);
	assert_says(outcome.why, "does not answer within 1 s");
	assert_in_range(mono_diff_ms(clock_now(), began), 900, 9000);
	close(fd);
	unlink(p->path);

	start_ours(p, FLOW_RECORD_VERSION);
	req.args.n = 0;
	req.out_fd = temp_file();
	assert_int_equal(client_run(&req), 3);
	assert_int_equal(outcome.end, CLIENT_ANSWERED);
	slurp(req.out_fd, p->out, sizeof(p->out));
	assert_string_equal(p->out, "CONNTRACKD UNKNOWN\n");
	slurp(req.err_fd, p->err, sizeof(p->err));
	assert_string_equal(p->err, "");
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(our_daemon),	 IN_PLACE(results_are_for_a_terminal),
		IN_PLACE(dump),		 IN_PLACE(kill_waits),
		IN_PLACE(other_version), IN_PLACE(old_daemon),
		IN_PLACE(before_args),	 IN_PLACE(old_daemon_dies),
		IN_PLACE(real_reasons),	 IN_PLACE(output_fails),
		IN_PLACE(questions),
	};

	return cmocka_run_group_tests_name("client/client", tests, NULL, NULL);
}
