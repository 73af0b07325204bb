/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control server: one small state machine per client, all in the loop.
 *
 *   state    waits for                    leaves to
 *   REQUEST  the request, at most 1 s     RUN; or closed: end of file, garbage, time, room needed
 *   RUN      steps of its job             FLUSH when the job is done; HELD for -k
 *   FLUSH    the client reading the rest  closed
 *   HELD     control_server_free()        closed
 *
 * A client that goes away in any state is closed at once and its job released. A client is not
 * trusted for time or size: the request has a limit of bytes and of time, the reply a queue that
 * stops its job while it is full, so a slow reader slows only itself. At the cap the oldest client
 * without a request makes room, then the one whose reader has taken nothing for longest; if there
 * is none, new clients wait in the kernel's queue. Users who may only look have half of the places,
 * make room for each other alone, and do not wait: root would wait behind them.
 *
 * A client may shut down its sending side and go on reading, so end of file alone does not mean
 * that it has gone.
 *
 * Rules: doc/control.md. */
#include "control/server.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "control/listen.h"

#define ACCEPT_BUDGET 16   /* per wake-up */
#define EXTRA_MAX     4096 /* bytes a client may send behind its request */
#define PRIO_CONTROL  3	   /* after the kernel and the peers */
#define RETRY_MS      1000 /* accepting again after a failure or at the cap */

enum client_state {
	CLIENT_REQUEST,
	CLIENT_RUN,
	CLIENT_FLUSH,
	CLIENT_HELD,
};

struct control_client {
	struct list_node node; /* in server->clients, oldest first */
	struct control_server *server;
	enum client_state state;
	struct ev_io io;
	struct ev_work work;	 /* armed while the job has a step to do and there is room */
	struct control_job *job; /* borrowed until release(); NULL in other states than RUN */
	struct ctl_out *out;
	struct mono since; /* accepted */
	struct mono moved; /* the reader last took something, or the queue began to fill */
	struct mono told;  /* bytes were last put into an empty queue, or sent */
	size_t in_len;
	size_t extra; /* bytes behind the request, thrown away */
	uid_t uid;    /* whoever connected; (uid_t)-1: not known */
	uint8_t in[CTL_REQUEST_MAX];
	bool reader;  /* may only look, whatever is asked */
	bool waiting; /* the job said CTL_WAIT */
	bool woken;   /* control_job_wake() during the step */
};

struct control_server {
	struct control_conf conf;
	struct evloop *loop;
	const struct control_ops *ops;
	void *ctx;
	uint16_t record_version;
	struct control_listen listen;
	struct ev_io io;
	struct ev_timer timer; /* requests overdue; accepting again */
	struct list_node clients;
	unsigned int n_clients, n_readers;
	bool paused; /* not accepting until the timer or until someone leaves */
	bool stopped;
	struct control_stats stats;
	struct log_limit accept_log, refused_log;
};

static void accept_pause(struct control_server *s, bool pause)
{
	s->paused = pause;
	if (!s->stopped)
		ev_io_want(s->loop, &s->io, pause ? 0 : EV_READ);
}

/* When does this client need the timer? */
static struct mono client_due(const struct control_client *c)
{
	switch (c->state) {
	case CLIENT_REQUEST:
		return mono_add_ms(c->since, CTL_REQUEST_MS);
	case CLIENT_RUN:
	case CLIENT_HELD:
		return mono_add_ms(c->told, CTL_ALIVE_MS);
	case CLIENT_FLUSH:
		break;
	}
	return (struct mono){ 0 };
}

/* The timer watches requests that have not come, clients that wait for an answer, and a pause. */
static void timer_update(struct control_server *s)
{
	struct mono due = { 0 };
	struct list_node *n;

	if (s->stopped)
		return;
	for (n = s->clients.next; n != &s->clients; n = n->next)
		due = mono_min(due, client_due(container_of(n, struct control_client, node)));
	if (s->paused)
		due = mono_min(due, mono_add_ms(evloop_now(s->loop), RETRY_MS));
	if (!mono_is_set(due))
		ev_timer_del(s->loop, &s->timer);
	else if (ev_timer_set(s->loop, &s->timer, due) < 0)
		log_warnx("control socket: no memory for a timer");
}

/* Take the job away from the client. done: it said so itself. */
static void job_release(struct control_client *c, bool done)
{
	struct control_job *job = c->job;

	if (!job)
		return;
	c->job = NULL;
	job->client = NULL;
	job->ops->release(job, done);
}

/* The end of a client in every state; c is gone afterwards. */
static void client_close(struct control_client *c)
{
	struct control_server *s = c->server;

	job_release(c, false);
	if (!s->stopped) { /* the loop may be gone already */
		ev_io_del(s->loop, &c->io);
		ev_work_del(s->loop, &c->work);
	}
	list_del(&c->node);
	close(c->io.fd);
	ctl_out_free(c->out);
	s->n_clients--;
	s->n_readers -= c->reader;
	free(c);
	if (s->paused)
		accept_pause(s, false);
	timer_update(s);
}

/* Send what is queued as far as the reader takes it. 0, -EAGAIN when something is left, or -errno:
 * it has gone. */
static int client_flush(struct control_client *c)
{
	size_t left;

	while ((left = ctl_out_queued(c->out)) > 0) {
		ssize_t n =
			send(c->io.fd, ctl_out_bytes(c->out), left, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		ctl_out_consume(c->out, (size_t)n);
	}
	return 0;
}

/* Has the job something to do, and its client room for it? */
static bool client_ready(const struct control_client *c)
{
	return c->state == CLIENT_RUN && c->job && !c->waiting &&
	       ctl_out_queued(c->out) < CTL_QUEUE_LOW;
}

/* Send, then decide what to wait for. False when the client is gone. */
static bool client_settle(struct control_client *c)
{
	struct control_server *s = c->server;
	size_t before = ctl_out_queued(c->out);
	int ret = ctl_out_broken(c->out) ? -ENOBUFS : client_flush(c);
	unsigned int want = c->io.want & EV_READ;

	if (ctl_out_queued(c->out) < before)
		c->moved = c->told = evloop_now(s->loop);
	if (ret == -ENOBUFS)
		s->stats.dropped++;
	else if (ret < 0 && ret != -EAGAIN)
		s->stats.vanished++;
	if ((ret < 0 && ret != -EAGAIN) || (ret == 0 && c->state == CLIENT_FLUSH)) {
		client_close(c);
		return false;
	}
	ev_io_want(s->loop, &c->io, ret == -EAGAIN ? want | EV_WRITE : want);
	return true;
}

/* The reply is complete but for the END record. */
static void client_finish(struct control_client *c)
{
	if (ctl_out_held(c->out) && !c->server->stopped) {
		c->state = CLIENT_HELD;
		return;
	}
	c->state = CLIENT_FLUSH;
	ctl_out_finish(c->out);
}

/* One step of the job; ev_work keeps it armed while this returns true. */
static bool client_step(void *ctx, struct mono now)
{
	struct control_client *c = ctx;
	enum ctl_step step;

	if (!client_ready(c))
		return false; /* armed again when the reader has made room, or by a wake-up */
	c->woken = false;
	if (ctl_out_queued(c->out) == 0)
		c->moved = now;
	step = c->job->ops->step(c->job, c->out, now);
	switch (step) {
	case CTL_MORE:
		break;
	case CTL_WAIT:
		c->waiting = !c->woken;
		break;
	case CTL_DONE:
		job_release(c, true);
		client_finish(c);
		break;
	}
	return client_settle(c) && client_ready(c);
}

void control_job_wake(struct control_job *job)
{
	struct control_client *c = job->client;

	if (!c)
		return;
	c->woken = true;
	c->waiting = false;
	if (client_ready(c))
		ev_work_arm(c->server->loop, &c->work);
}

static void refuse(struct ctl_out *out, const char *why)
{
	ctl_note(out, "%s", why);
	ctl_end(out, 1);
}

/* May whoever connected give this command? Without Group the file of the socket decides alone. */
static bool may(struct control_client *c, const struct ctl_command *cmd)
{
	struct control_server *s = c->server;
	char line[160];

	if (!c->reader || cmd->right == CTL_READS)
		return true;
	s->stats.refused++;
	snprintf(line, sizeof(line),
		 "%s refused: it changes something, and only root and the user of the "
		 "daemon may; the group %s may look",
		 cmd->text, s->conf.group);
	if (log_limit_pass(&s->refused_log, 1, 10000, evloop_now(s->loop), NULL))
		log_warnx("control socket: user %u: %s", (unsigned int)c->uid, line);
	refuse(c->out, line);
	return false;
}

/* Who may, and with which arguments. False: refused. */
static bool accept_request(struct control_client *c, const struct ctl_wire_request *wire,
			   struct ctl_request *req)
{
	struct text err = { 0 };
	bool ok;

	if (!req->cmd) {
		c->server->stats.unknown_request++;
		ctl_note(c->out, "the daemon does not know request %d", wire->number);
		ctl_end(c->out, 1);
		return false;
	}
	c->server->stats.requests++;
	if (!may(c, req->cmd))
		return false;
	if (wire->flags & CTL_F_STRICT && wire->version == CTL_VERSION_FLAGS) {
		if (ctl_arg_find(req->cmd, "strict"))
			ctl_args_add(&req->args, req->cmd, "strict", NULL, &err);
		ok = true;
	} else {
		ok = ctl_args_decode(&req->args, req->cmd, wire->args, wire->args_len, &err);
	}
	if (!ok)
		refuse(c->out, err.buf ? err.buf : "out of memory");
	text_free(&err);
	return ok;
}

/* A complete request: hand it to the daemon. False when the client is gone. */
static bool client_start(struct control_client *c, const struct ctl_wire_request *wire)
{
	struct control_server *s = c->server;
	struct ctl_request req = { .cmd = control_command_by_number(wire->number) };

	c->state = CLIENT_RUN;
	c->moved = c->told = evloop_now(s->loop);
	timer_update(s);
	ctl_out_begin(c->out, wire->version, wire->flags, s->record_version);
	if (accept_request(c, wire, &req))
		s->ops->start(s->ctx, &req, c->out, &c->job);
	if (c->job) {
		c->job->client = c;
		c->work.name = c->job->ops->name;
		ev_work_arm(s->loop, &c->work);
	} else {
		client_finish(c);
	}
	return client_settle(c);
}

/* Bytes of the request have come. */
static bool client_parse(struct control_client *c)
{
	struct control_server *s = c->server;
	struct ctl_wire_request wire;

	switch (ctl_request_decode(c->in, c->in_len, s->record_version, &wire)) {
	case CTL_PARSE_MORE:
		return true;
	case CTL_PARSE_DONE:
		return client_start(c, &wire);
	case CTL_PARSE_OTHER_VERSION:
		/* Do nothing, say which version we speak: it will ask again, for plain text. */
		s->stats.other_version++;
		ctl_out_begin(c->out, wire.version, 0, s->record_version);
		c->state = CLIENT_FLUSH;
		timer_update(s);
		return client_settle(c);
	case CTL_PARSE_TOO_LONG:
		ctl_out_begin(c->out, wire.version, 0, s->record_version);
		refuse(c->out, "the request has too many arguments");
		client_finish(c);
		timer_update(s);
		return client_settle(c);
	}
	return true;
}

/* Has the other side closed both directions? It may have shut down only its sending one. */
static bool peer_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* End of file, or an error. False when the client is gone. */
static bool client_ended(struct control_client *c)
{
	struct control_server *s = c->server;

	if (c->state != CLIENT_REQUEST && !peer_gone(c->io.fd)) {
		ev_io_want(s->loop, &c->io, c->io.want & ~EV_READ); /* it still reads */
		return true;
	}
	if (c->state == CLIENT_REQUEST)
		s->stats.no_request++;
	else
		s->stats.vanished++;
	client_close(c);
	return false;
}

/* False when the client is gone. */
static bool client_read(struct control_client *c)
{
	uint8_t scrap[512];
	bool request = c->state == CLIENT_REQUEST;
	ssize_t n;

	if (request)
		n = recv(c->io.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
	else
		n = recv(c->io.fd, scrap, sizeof(scrap), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return client_ended(c);
	if (request) {
		c->in_len += (size_t)n;
		return client_parse(c);
	}
	c->extra += (size_t)n;
	if (c->extra <= EXTRA_MAX)
		return true;
	c->server->stats.dropped++;
	client_close(c);
	return false;
}

static void client_io(void *ctx, unsigned int ready, struct mono now)
{
	struct control_client *c = ctx;

	(void)now;
	if ((ready & EV_READ) && !client_read(c))
		return;
	if (!(ready & EV_WRITE))
		return;
	if (client_settle(c) && client_ready(c))
		ev_work_arm(c->server->loop, &c->work);
}

/* Whom to drop at the cap: the oldest without a request, else the reader that has been asleep
 * longest. Either among the users who may only look or among the others. */
static struct control_client *find_victim(struct control_server *s, bool readers, struct mono now)
{
	struct control_client *stalled = NULL;
	struct list_node *n;

	for (n = s->clients.next; n != &s->clients; n = n->next) {
		struct control_client *c = container_of(n, struct control_client, node);

		if (c->reader != readers)
			continue;
		if (c->state == CLIENT_REQUEST)
			return c;
		if (ctl_out_queued(c->out) > 0 && mono_diff_ms(now, c->moved) >= CTL_STALLED_MS &&
		    (!stalled || mono_before(c->moved, stalled->moved)))
			stalled = c;
	}
	return stalled;
}

static void drop(struct control_client *victim)
{
	struct control_server *s = victim->server;

	s->stats.dropped++;
	if (victim->state == CLIENT_REQUEST)
		s->stats.no_request++;
	client_close(victim);
}

/* Before it is known who comes. */
static bool make_room(struct control_server *s, struct mono now)
{
	struct control_client *victim;

	if (s->n_clients < CTL_CLIENTS_MAX)
		return true;
	victim = find_victim(s, true, now);
	if (!victim)
		victim = find_victim(s, false, now);
	if (victim)
		drop(victim);
	return victim != NULL;
}

/* For one more who may only look. */
static bool reader_has_room(struct control_server *s, uid_t uid, struct mono now)
{
	struct control_client *victim;

	if (s->n_readers < CTL_READERS_MAX)
		return true;
	victim = find_victim(s, true, now);
	if (victim) {
		drop(victim);
		return true;
	}
	if (log_limit_pass(&s->refused_log, 1, 10000, now, NULL))
		log_warnx("control socket: user %u: not served: %u clients of the group %s are "
			  "being served",
			  (unsigned int)uid, s->n_readers, s->conf.group);
	return false;
}

static uid_t user_of(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.uid : (uid_t)-1;
}

/* Takes fd. */
static void client_new(struct control_server *s, int fd, struct mono now)
{
	uid_t uid = user_of(fd);
	bool reader = s->conf.group[0] && uid != 0 && uid != geteuid();
	struct control_client *c = NULL;

	if (reader && !reader_has_room(s, uid, now))
		goto refuse;
	c = calloc(1, sizeof(*c));
	if (!c)
		goto refuse;
	c->out = ctl_out_new();
	if (!c->out)
		goto refuse;
	c->server = s;
	c->since = now;
	c->uid = uid;
	c->reader = reader;
	c->io = (struct ev_io){ .fd = fd,
				.want = EV_READ,
				.prio = PRIO_CONTROL,
				.cb = client_io,
				.ctx = c,
				.name = "control client" };
	c->work = (struct ev_work){ .step = client_step, .ctx = c, .name = "control job" };
	if (ev_io_add(s->loop, &c->io) < 0)
		goto refuse;
	list_add_tail(&s->clients, &c->node);
	s->n_clients++;
	s->n_readers += reader;
	s->stats.accepted++;
	timer_update(s);
	return;
refuse:
	s->stats.accept_failed++;
	if (c)
		ctl_out_free(c->out);
	free(c);
	close(fd);
}

static void accept_failed(struct control_server *s, int error, struct mono now)
{
	s->stats.accept_failed++;
	errno = error;
	if (log_limit_pass(&s->accept_log, 1, 60000, now, NULL))
		log_warn("control socket: cannot accept a client");
	accept_pause(s, true); /* it would be reported ready at once again */
	timer_update(s);
}

static void server_accept(void *ctx, unsigned int ready, struct mono now)
{
	struct control_server *s = ctx;
	int i, fd;

	(void)ready;
	for (i = 0; i < ACCEPT_BUDGET; i++) {
		if (i > 0 && s->n_clients >= CTL_CLIENTS_MAX)
			return; /* nobody goes before it is known that someone comes: next turn */
		if (!make_room(s, now)) {
			accept_pause(s, true);
			timer_update(s);
			return;
		}
		fd = accept4(s->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			client_new(s, fd, now);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			accept_failed(s, errno, now);
		return;
	}
}

/* The request has not come in time. */
static void client_overdue(struct control_client *c)
{
	struct control_server *s = c->server;

	/* It may be us who are late (the kernel can hold up the whole loop), and the request be
	 * there. */
	if (!client_read(c) || c->state != CLIENT_REQUEST)
		return;
	s->stats.no_request++;
	s->stats.timed_out++;
	client_close(c);
}

/* A command that takes long and has nothing to say is told from a daemon that hangs by an empty
 * record. */
static void client_alive(struct control_client *c, struct mono now)
{
	c->told = now;
	if (ctl_out_queued(c->out) > 0)
		return; /* the reader is late, not we */
	ctl_record(c->out, CTL_REC_TEXT, NULL, 0);
	client_settle(c);
}

static void server_timer(void *ctx, struct mono now)
{
	struct control_server *s = ctx;
	struct list_node *n, *next;

	for (n = s->clients.next; n != &s->clients; n = next) {
		struct control_client *c = container_of(n, struct control_client, node);
		struct mono due = client_due(c);

		next = n->next;
		if (!mono_is_set(due) || mono_before(now, due))
			continue;
		if (c->state == CLIENT_REQUEST)
			client_overdue(c);
		else
			client_alive(c, now);
	}
	if (s->paused)
		accept_pause(s, false);
	timer_update(s);
}

int control_server_open(struct evloop *loop, const struct control_conf *conf,
			const struct control_ops *ops, void *ctx, uint16_t record_version,
			struct control_server **out, struct text *err)
{
	struct control_server *s = calloc(1, sizeof(*s));
	int ret;

	if (!s) {
		text_str(err, "out of memory");
		return -ENOMEM;
	}
	*s = (struct control_server){ .conf = *conf,
				      .loop = loop,
				      .ops = ops,
				      .ctx = ctx,
				      .record_version = record_version };
	list_init(&s->clients);
	s->timer = (struct ev_timer){ .cb = server_timer, .ctx = s, .name = "control timer" };
	ret = control_listen_open(&s->listen, conf, err);
	if (ret < 0)
		goto free_server;
	s->io = (struct ev_io){ .fd = s->listen.fd,
				.want = EV_READ,
				.prio = PRIO_CONTROL,
				.cb = server_accept,
				.ctx = s,
				.name = "control accept" };
	ret = ev_io_add(loop, &s->io);
	if (ret < 0) {
		text_printf(err, "control socket %s: too many open files", conf->path);
		goto close_listen;
	}
	*out = s;
	return 0;
close_listen:
	control_listen_close(&s->listen, conf);
free_server:
	free(s);
	return ret;
}

void control_server_stop(struct control_server *s)
{
	struct list_node *n, *next;

	if (!s || s->stopped)
		return;
	ev_io_del(s->loop, &s->io);
	ev_timer_del(s->loop, &s->timer);
	control_listen_close(&s->listen, &s->conf);
	s->stopped = true;
	for (n = s->clients.next; n != &s->clients; n = next) {
		struct control_client *c = container_of(n, struct control_client, node);

		next = n->next;
		ev_io_del(s->loop, &c->io);
		ev_work_del(s->loop, &c->work);
		if (c->state == CLIENT_HELD)
			continue;
		if (c->state == CLIENT_RUN) {
			job_release(c, false);
			ctl_note(c->out, "the daemon is ending; the command was not completed");
			ctl_end(c->out, 1);
			client_finish(c);
		}
		client_flush(c); /* what fits; nobody waits here */
		client_close(c);
	}
}

void control_server_free(struct control_server *s)
{
	if (!s)
		return;
	control_server_stop(s);
	while (!list_empty(&s->clients)) {
		struct control_client *c =
			container_of(s->clients.next, struct control_client, node);

		ctl_out_finish(c->out);
		client_flush(c);
		client_close(c);
	}
	free(s);
}

const struct control_stats *control_server_stats(const struct control_server *s)
{
	return &s->stats;
}

unsigned int control_server_clients(const struct control_server *s)
{
	return s->n_clients;
}
