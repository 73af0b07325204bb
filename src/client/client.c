/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: connect, send one request, print what comes back.
 *
 * Standard output gets the layouts of 1.4.x and nothing else; notes and errors
 * go to standard error, and where that is a terminal progress and results as well: a program that
 * reads there finds nothing after a success, as with 1.4.x. Dumps arrive as records and are turned
 * into text, XML or JSON here, so that the daemon spends almost nothing on them and a slow reader
 * slows only this process.
 *
 * Four kinds of daemon may answer: one of our version (records and a status); one of ours from
 * before requests had arguments, which is asked again in its own version, if that can say what is
 * asked; another version of ours (it only says so, and is asked again for plain text); and 1.4.x.
 * The last one reads four bytes of the request and closes with the rest unread, which this side
 * sees as a connection reset behind the answer: an ordinary end. */
#include "client/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/reply.h"
#include "control/verdict.h"
#include "flow/expect.h"
#include "flow/flow_json.h"
#include "flow/flow_print.h"

#define RECV_BYTES  (256 * 1024)
#define PRINT_BYTES (256 * 1024)

struct client {
	const struct client_request *req;
	bool watched;	      /* standard error is a terminal */
	bool progress_shown;  /* a progress line stands there */
	bool json;	      /* flows and expectations are printed as JSON */
	int write_err;	      /* errno of the first failure to write the answer; 0 */
	struct mono deadline; /* of a question; else not set */
	struct client_outcome outcome;
	struct client_reply reply;
	struct text line; /* one in JSON */
	size_t len;	  /* bytes in print */
	char print[PRINT_BYTES];
	uint8_t recv[RECV_BYTES];
};

static bool is_question(const struct client_request *req)
{
	return req->cmd->question != CTL_ASKS_NOTHING;
}

static unsigned int timeout_of(const struct client *c)
{
	unsigned int usual = is_question(c->req) ? CLIENT_QUESTION_S : CLIENT_TIMEOUT_S;

	return c->req->timeout_s ? c->req->timeout_s : usual;
}

/* How long to wait for the next byte; all zeros: not at all. */
static struct timeval patience_of(const struct client *c)
{
	int64_t left = mono_diff_ms(c->deadline, clock_now());

	if (!mono_is_set(c->deadline))
		return (struct timeval){ .tv_sec = (time_t)timeout_of(c) };
	if (left <= 0)
		return (struct timeval){ 0 };
	return (struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
}

static bool is_over(struct timeval patience)
{
	return patience.tv_sec == 0 && patience.tv_usec == 0;
}

static void complain(struct client *c, enum client_end end, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Why there is no answer. To a question that is the answer, which the caller makes of it. */
static void complain(struct client *c, enum client_end end, const char *fmt, ...)
{
	va_list ap;

	if (end != CLIENT_ANSWERED)
		c->outcome.end = end;
	va_start(ap, fmt);
	if (is_question(c->req)) {
		vsnprintf(c->outcome.why, sizeof(c->outcome.why), fmt, ap);
	} else {
		dprintf(c->req->err_fd, "conntrackd: ");
		vdprintf(c->req->err_fd, fmt, ap);
		dprintf(c->req->err_fd, "\n");
	}
	va_end(ap);
}

static void print_flush(struct client *c)
{
	size_t at = 0;

	while (at < c->len && !c->write_err) {
		ssize_t n = write(c->req->out_fd, c->print + at, c->len - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			c->write_err = errno;
	}
	c->len = 0;
}

/* Make room for n <= PRINT_BYTES more bytes. */
static char *print_room(struct client *c, size_t n)
{
	if (PRINT_BYTES - c->len < n)
		print_flush(c);
	return c->print + c->len;
}

static void progress_clear(struct client *c)
{
	if (c->progress_shown)
		dprintf(c->req->err_fd, "\r\033[K");
	c->progress_shown = false;
}

static void print(struct client *c, const char *p, size_t n)
{
	while (n > 0) {
		size_t part = n < PRINT_BYTES ? n : PRINT_BYTES;

		memcpy(print_room(c, part), p, part);
		c->len += part;
		p += part;
		n -= part;
	}
}

/* What stands in c->line. Without memory for all of it nothing is printed, and the answer ends in
 * an error. */
static void print_line(struct client *c)
{
	text_add(&c->line, "\n", 1);
	if (c->line.truncated)
		c->write_err = ENOMEM;
	else
		print(c, c->line.buf, c->line.len);
	text_reset(&c->line);
}

static void on_text(void *ctx, const void *bytes, size_t n)
{
	struct client *c = ctx;

	if (n == 0)
		return; /* a sign of life */
	progress_clear(c);
	print(c, bytes, n);
}

static void on_note(void *ctx, const char *line, size_t n)
{
	struct client *c = ctx;

	print_flush(c); /* in the order in which the daemon said it */
	progress_clear(c);
	dprintf(c->req->err_fd, "%.*s\n", (int)n, line);
}

static void on_result(void *ctx, const char *line, size_t n)
{
	const struct client *c = ctx;

	if (c->watched)
		on_note(ctx, line, n);
}

static bool on_flow(void *ctx, const void *bytes, size_t n)
{
	struct client *c = ctx;
	struct flow_print_opts opts;
	struct flow_rare rare;
	struct ct_flow flow;
	char *to;

	if (flow_record_unpack(bytes, n, &flow, &rare, &opts) < 0)
		return false;
	progress_clear(c);
	if (c->json) {
		flow_print_json(&flow, &opts, &c->line);
		print_line(c);
		return true;
	}
	to = print_room(c, FLOW_LINE_MAX + 1);
	if (c->req->cmd->xml)
		c->len += flow_print_xml(&flow, &opts, to, FLOW_LINE_MAX);
	else
		c->len += flow_print_text(&flow, &opts, to, FLOW_LINE_MAX);
	c->print[c->len++] = '\n';
	return true;
}

static bool on_expect(void *ctx, const void *bytes, size_t n)
{
	struct expect_print_opts opts;
	struct client *c = ctx;
	struct ct_expect e;
	char *to;

	if (expect_record_unpack(bytes, n, &e, &opts) < 0)
		return false;
	progress_clear(c);
	if (c->json) {
		expect_print_json(&e, &opts, &c->line);
		print_line(c);
		return true;
	}
	to = print_room(c, FLOW_LINE_MAX + 1);
	if (c->req->cmd->xml)
		c->len += expect_print_xml(&e, &opts, to, FLOW_LINE_MAX);
	else
		c->len += expect_print_text(&e, &opts, to, FLOW_LINE_MAX);
	c->print[c->len++] = '\n';
	return true;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct client *c = ctx;

	if (!c->watched)
		return;
	dprintf(c->req->err_fd, "\r%s: %" PRIu64, c->req->cmd->text, done);
	if (total > 0)
		dprintf(c->req->err_fd, " of %" PRIu64 " (%" PRIu64 " %%)", total,
			done < total ? (uint64_t)((double)done * 100 / (double)total) : 100);
	dprintf(c->req->err_fd, "\033[K");
	c->progress_shown = true;
}

static const struct client_reply_ops reply_ops = {
	.text = on_text,
	.note = on_note,
	.result = on_result,
	.flow = on_flow,
	.expect = on_expect,
	.progress = on_progress,
};

/* What failed connect() says of who is there. */
static enum client_end end_of(int err, bool is_socket)
{
	switch (err) {
	case ENOENT:
		return CLIENT_ABSENT;
	case ECONNREFUSED:
		return is_socket ? CLIENT_ABSENT : CLIENT_NOT_KNOWN;
	case EAGAIN:
	case EINPROGRESS:
		return CLIENT_SILENT;
	}
	return CLIENT_NOT_KNOWN;
}

static void complain_connect(struct client *c, int err)
{
	const char *path = c->req->path;
	struct stat st;
	bool is_socket = stat(path, &st) == -1 || S_ISSOCK(st.st_mode);
	enum client_end end = end_of(err, is_socket);

	/* connect() says "refused" of a regular file, too. */
	if (err == ECONNREFUSED && !is_socket)
		complain(c, end, "can't connect to %s: it is not a socket", path);
	else if (err == ECONNREFUSED)
		complain(c, end,
			 "can't connect to %s: the socket is there, but no conntrackd answers (it "
			 "has died?)",
			 path);
	else if (err == ENOENT)
		complain(c, end,
			 "can't connect to %s: no such socket; is conntrackd running, with the "
			 "same UNIX Path?",
			 path);
	else if (err == EACCES || err == EPERM)
		complain(c, end,
			 "can't connect to %s: permission denied; the commands are for the user "
			 "conntrackd runs as",
			 path);
	else if (err == EAGAIN || err == EINPROGRESS)
		complain(c, end,
			 "can't connect to %s: conntrackd does not answer within %u s (--timeout)",
			 path, timeout_of(c));
	else
		complain(c, end, "can't connect to %s: %s", path, strerror(err));
}

static void complain_old(struct client *c, const char *what)
{
	complain(c, CLIENT_NOT_KNOWN,
		 "the running daemon is a 1.4.x, which knows no %s: nothing was done", what);
}

/* Gives the exit status. */
static int complain_silent(struct client *c)
{
	if (is_question(c->req))
		complain(c, CLIENT_SILENT,
			 "%s: conntrackd does not answer within %u s: it hangs, or "
			 "is stopped",
			 c->req->path, timeout_of(c));
	else
		complain(c, CLIENT_SILENT,
			 "%s: conntrackd has said nothing for %u s: it hangs, or is stopped "
			 "(--timeout); if it goes on, it may still carry the command out",
			 c->req->path, timeout_of(c));
	return 1;
}

/* A connected socket, or -errno. It waits for the patience of this client at most, in connect() as
 * in recv(). */
static int connect_path(const struct client *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval patience = patience_of(c);
	const char *path = c->req->path;
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	if (is_over(patience)) /* which setsockopt() would take for "for ever" */
		return -EAGAIN;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	/* A UNIX socket waits in connect() for as long as it would wait for sending. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Can the version before arguments say it? What it prints as JSON is printed by this side. */
static bool said_by_flags(const struct client_request *req)
{
	bool dump = req->cmd->option == 'i' || req->cmd->option == 'e';

	if (req->cmd->number > CTL_REQ_STATS_PEERS)
		return false;
	for (size_t i = 0; i < req->args.n; i++) {
		const char *name = req->args.given[i].arg->name;

		if (strcmp(name, "strict") != 0 && !(dump && strcmp(name, "json") == 0))
			return false;
	}
	return true;
}

/* A socket on which request cmd has been sent in this version, 0 for that of 1.4.x; or -1:
 * reported. args may be NULL. */
static int ask(struct client *c, const struct ctl_command *cmd, const struct ctl_args *args,
	       uint16_t version)
{
	uint8_t buf[CTL_REQUEST_MAX], given[CTL_ARGS_LEN];
	struct ctl_wire_request wire = {
		.number = (int32_t)cmd->number,
		.version = version,
		.flags = c->watched ? CTL_F_PROGRESS : 0,
		.args = given,
		.args_len = args ? ctl_args_encode(args, given) : 0,
	};
	size_t len;
	int fd;

	if (wire.args_len > CTL_ARGS_LEN) {
		complain(c, CLIENT_NOT_KNOWN, "the arguments are longer than %d bytes",
			 CTL_ARGS_LEN);
		return -1;
	}
	if (version == CTL_VERSION_FLAGS && args && ctl_flag(args, "strict"))
		wire.flags |= CTL_F_STRICT;
	len = ctl_request_encode(&wire, FLOW_RECORD_VERSION, buf);
	fd = connect_path(c);
	if (fd < 0) {
		complain_connect(c, -fd);
		return -1;
	}
	/* One call: the daemon tells an old client by its exactly four bytes. */
	if (send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len)
		return fd;
	complain(c, CLIENT_SILENT, "%s: the daemon closed the connection: %s", c->req->path,
		 strerror(errno));
	close(fd);
	return -1;
}

/* A question has an end of its patience, whatever comes meanwhile. False: it is there. */
static bool keep_deadline(const struct client *c, int fd)
{
	struct timeval patience = patience_of(c);

	if (!mono_is_set(c->deadline))
		return true;
	return !is_over(patience) &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0;
}

/* Read the reply to its end. 0, or the errno with which the connection ended. */
static int read_reply(struct client *c, int fd)
{
	for (;;) {
		ssize_t n;

		if (!keep_deadline(c, fd))
			return EAGAIN;
		n = recv(fd, c->recv, sizeof(c->recv), 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : errno;
		client_reply_feed(&c->reply, c->recv, (size_t)n);
		print_flush(c);
		if (c->write_err)
			return c->write_err;
	}
}

/* The connection ended before anything came. A 1.4.x daemon answers many requests with nothing, and
 * so those that it does not know; a daemon that has died with our request unread looks the same,
 * but is not there any more. */
static int silent_end(struct client *c)
{
	int fd;

	if (c->req->cmd->number == CTL_REQ_KILL)
		return 0; /* that it is gone was the request */
	fd = connect_path(c);
	if (fd < 0) {
		complain(c, CLIENT_SILENT, "%s: the daemon ended without an answer", c->req->path);
		return 1;
	}
	close(fd);
	if (c->req->cmd->number < CTL_REQ_OWN)
		return 0;
	complain_old(c, c->req->cmd->text);
	return 1;
}

/* After the end of the connection: what does it mean? */
static int judge(struct client *c, int err)
{
	int status = 1;

	switch (client_reply_finish(&c->reply, &status)) {
	case CLIENT_PLAIN:
		print_flush(c);
		if (!client_reply_any(&c->reply) && err == ECONNRESET)
			return silent_end(c);
		if (!client_reply_any(&c->reply)) {
			/* Our daemon reads the whole request and then always sends something,
			 * unless it makes room. */
			complain(c, CLIENT_SILENT,
				 "%s: the daemon closed the connection without an answer",
				 c->req->path);
			return 1;
		}
		if (err && err != ECONNRESET) {
			complain(c, CLIENT_SILENT, "%s: %s", c->req->path, strerror(err));
			return 1;
		}
		return 0;
	case CLIENT_END:
		return status >= 0 && status <= VERDICT_UNKNOWN ? status : 1;
	case CLIENT_CUT:
		if (c->req->cmd->number == CTL_REQ_KILL)
			return 0;
		complain(c, CLIENT_SILENT,
			 "%s: the daemon ended the connection before the command was complete",
			 c->req->path);
		return 1;
	case CLIENT_GARBLED:
		complain(c, CLIENT_NOT_KNOWN, "%s: the answer is not understood", c->req->path);
		return 1;
	case CLIENT_OTHER_VERSION:
		break;
	}
	return -1;
}

/* One request and its answer. The exit status, or -1: a daemon of another version. */
static int converse(struct client *c, uint16_t version)
{
	int fd = ask(c, c->req->cmd, &c->req->args, version), err, status;

	if (fd == -1)
		return 1;
	client_reply_init(&c->reply, &reply_ops, c, version, FLOW_RECORD_VERSION);
	err = read_reply(c, fd);
	close(fd);
	progress_clear(c);
	if (c->write_err) {
		complain(c, CLIENT_NOT_KNOWN, "can't write the answer: %s", strerror(c->write_err));
		return 1;
	}
	if (err == EAGAIN)
		return complain_silent(c);
	if (version == 0 && !client_reply_any(&c->reply) && !err)
		return 0; /* asked for plain text, and there is none */
	status = judge(c, err);
	if (c->write_err) {
		complain(c, CLIENT_NOT_KNOWN, "can't write the answer: %s", strerror(c->write_err));
		return 1;
	}
	return status;
}

static void drop_text(void *ctx, const void *bytes, size_t n)
{
	(void)ctx, (void)bytes, (void)n;
}

static void drop_note(void *ctx, const char *line, size_t n)
{
	(void)ctx, (void)line, (void)n;
}

static bool drop_flow(void *ctx, const void *bytes, size_t n)
{
	(void)ctx, (void)bytes, (void)n;
	return true;
}

static void drop_progress(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx, (void)done, (void)total;
}

/* A daemon of ours from before arguments, which this side can talk to. */
static bool is_before_args(const struct client_reply *r)
{
	return r->its_version == CTL_VERSION_FLAGS && r->its_record_version == FLOW_RECORD_VERSION;
}

/* "--json, --strict": what was given. */
static void options_given(const struct client *c, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->req->args.n && n < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s--%s", i ? ", " : "",
				      c->req->args.given[i].arg->name);
}

static void complain_version(struct client *c)
{
	char options[128];

	options_given(c, options, sizeof(options));
	complain(c, CLIENT_NOT_KNOWN,
		 "the running daemon is of another version: no %s until it is restarted, nothing "
		 "was done",
		 options[0] ? options : c->req->cmd->text);
}

/* Arguments need a daemon that answers in records. Which one runs is found out before the command
 * is sent, with a request that changes nothing: a 1.4.x would commit and could not tell how it
 * went. The version to ask in; or 0: reported. */
static uint16_t version_for_args(struct client *c)
{
	static const struct client_reply_ops drop = {
		.text = drop_text,
		.note = drop_note,
		.result = drop_note,
		.flow = drop_flow,
		.expect = drop_flow,
		.progress = drop_progress,
	};
	int fd = ask(c, control_command_by_number(CTL_REQ_STATS_PROCESS), NULL, CTL_VERSION),
	    status, err;
	enum client_verdict verdict;
	char options[128];

	if (fd == -1)
		return 0;
	client_reply_init(&c->reply, &drop, c, CTL_VERSION, FLOW_RECORD_VERSION);
	err = read_reply(c, fd);
	close(fd);
	if (err == EAGAIN) {
		complain_silent(c);
		return 0;
	}
	verdict = client_reply_finish(&c->reply, &status);
	if (verdict == CLIENT_END)
		return CTL_VERSION;
	if (verdict == CLIENT_OTHER_VERSION && is_before_args(&c->reply) && said_by_flags(c->req))
		return CTL_VERSION_FLAGS;
	options_given(c, options, sizeof(options));
	if (verdict == CLIENT_PLAIN && !client_reply_any(&c->reply) && err != ECONNRESET)
		complain(c, CLIENT_SILENT, "%s: the daemon closed the connection without an answer",
			 c->req->path);
	else if (verdict == CLIENT_PLAIN)
		complain_old(c, options);
	else if (verdict == CLIENT_OTHER_VERSION)
		complain_version(c);
	else
		complain(c, CLIENT_NOT_KNOWN, "%s: the answer is not understood, nothing was done",
			 c->req->path);
	return 0;
}

/* The command and its answer, from whatever daemon it is. The exit status. */
static int run_command(struct client *c)
{
	uint16_t version = c->req->args.n > 0 ? version_for_args(c) : CTL_VERSION;
	int status;

	if (version == 0)
		return 1;
	status = converse(c, version);
	if (status == -1 && is_before_args(&c->reply) && said_by_flags(c->req))
		status = converse(c, CTL_VERSION_FLAGS);
	if (status != -1)
		return status;
	if (c->req->args.n > 0 || c->req->cmd->number > CTL_REQ_STATS_PEERS) {
		complain_version(c);
		return 1;
	}
	complain(c, CLIENT_ANSWERED,
		 "the running daemon is of another version: its answer has no status");
	return converse(c, 0);
}

int client_run(const struct client_request *req)
{
	struct client *c = malloc(sizeof(*c));
	int status;

	if (!c) {
		dprintf(req->err_fd, "conntrackd: out of memory\n");
		if (req->outcome)
			*req->outcome =
				(struct client_outcome){ CLIENT_NOT_KNOWN, "out of memory" };
		return 1;
	}
	c->req = req;
	c->watched = isatty(req->err_fd) == 1;
	c->progress_shown = false;
	c->json = ctl_flag(&req->args, "json");
	c->write_err = 0;
	c->len = 0;
	c->line = (struct text){ 0 };
	c->outcome = (struct client_outcome){ .end = CLIENT_ANSWERED };
	c->deadline = (struct mono){ 0 };
	if (is_question(req))
		c->deadline = mono_add_ms(clock_now(), 1000 * (int64_t)timeout_of(c));
	status = run_command(c);
	if (req->outcome)
		*req->outcome = c->outcome;
	if (!is_question(req))
		status = status == 0 ? 0 : 1;
	text_free(&c->line);
	free(c);
	return status;
}
