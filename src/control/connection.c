/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client of the control server, a small state machine:
 *
 *   state    waits for                    leaves to
 *   REQUEST  the request, at most 1 s     RUN; or closed: end of file, garbage, time, room needed
 *   RUN      steps of its job             FLUSH when the job is done; HELD for -k
 *   FLUSH    the client reading the rest  closed
 *   HELD     control_server_free()        closed
 *
 * A client that goes away in any state is closed at once and its job released. A client is not
 * trusted for time or size: the request has a limit of bytes and of time, the reply a queue that
 * stops its job while it is full, so a slow reader slows only itself.
 *
 * A client may shut down its sending side and go on reading, so end of file alone does not mean
 * that it has gone.
 *
 * Rules: doc/control.md. */
#include "control/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/verdict.h"

#define EXTRA_MAX 4096 /* bytes a client may send behind its request */

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

void connection_close(struct control_client *c)
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
	s->stats.clients--;
	s->n_in[c->place]--;
	free(c);
	if (s->paused)
		watch_pause(s, false);
	watch_update(s);
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
		connection_close(c);
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

	if (c->place == PLACE_FULL || cmd->right == CTL_READS)
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

/* One who may only look has found no place: whatever is asked is not done. */
static void turn_away(struct control_client *c, const struct ctl_command *cmd)
{
	bool verdict = cmd && cmd->question == CTL_ASKS_HEALTH;

	ctl_note(c->out, "not served: %u clients of the group %s are being served; ask again later",
		 c->server->n_in[PLACE_READER], c->server->conf.group);
	ctl_end(c->out, verdict ? (int)VERDICT_UNKNOWN : 1);
}

/* Is there a place, who may, and with which arguments. False: refused. */
static bool accept_request(struct control_client *c, const struct ctl_wire_request *wire,
			   struct ctl_request *req)
{
	struct text err = { 0 };
	bool ok;

	if (c->place == PLACE_NONE) {
		turn_away(c, req->cmd);
		return false;
	}
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
	watch_update(s);
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
		watch_update(s);
		return client_settle(c);
	case CTL_PARSE_TOO_LONG:
		ctl_out_begin(c->out, wire.version, 0, s->record_version);
		refuse(c->out, "the request has too many arguments");
		client_finish(c);
		watch_update(s);
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
	connection_close(c);
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
	connection_close(c);
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

void connection_new(struct control_server *s, int fd, uid_t uid, enum control_place place,
		    struct mono now)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c)
		goto refuse;
	c->out = ctl_out_new();
	if (!c->out)
		goto refuse;
	c->server = s;
	c->since = now;
	c->uid = uid;
	c->place = place;
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
	s->stats.clients++;
	s->n_in[place]++;
	s->stats.accepted++;
	watch_update(s);
	return;
refuse:
	s->stats.accept_failed++;
	if (c)
		ctl_out_free(c->out);
	free(c);
	close(fd);
}

void connection_overdue(struct control_client *c)
{
	struct control_server *s = c->server;

	/* It may be us who are late (the kernel can hold up the whole loop), and the request be
	 * there. */
	if (!client_read(c) || c->state != CLIENT_REQUEST)
		return;
	s->stats.no_request++;
	s->stats.timed_out++;
	connection_close(c);
}

void connection_alive(struct control_client *c, struct mono now)
{
	c->told = now;
	if (ctl_out_queued(c->out) > 0)
		return; /* the reader is late, not we */
	ctl_record(c->out, CTL_REC_TEXT, NULL, 0);
	client_settle(c);
}

void connection_stop(struct control_client *c)
{
	struct control_server *s = c->server;

	ev_io_del(s->loop, &c->io);
	ev_work_del(s->loop, &c->work);
	if (c->state == CLIENT_HELD)
		return;
	if (c->state == CLIENT_RUN) {
		job_release(c, false);
		ctl_note(c->out, "the daemon is ending; the command was not completed");
		ctl_end(c->out, 1);
		client_finish(c);
	}
	client_flush(c); /* what fits; nobody waits here */
	connection_close(c);
}

void connection_end(struct control_client *c)
{
	ctl_out_finish(c->out);
	client_flush(c);
	connection_close(c);
}
