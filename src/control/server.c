/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control server, all in the loop: opens the socket, takes in who comes while there is a place
 * (place.c), looks after the time, and ends. What becomes of one client: connection.c.
 *
 * Rules: doc/control.md. */
#include "control/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/connection.h"

#define ACCEPT_BUDGET 16 /* per wake-up */

static uid_t user_of(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.uid : (uid_t)-1;
}

static enum control_place place_of(struct control_server *s, uid_t uid, struct mono now)
{
	if (!s->conf.group[0] || uid == 0 || uid == geteuid())
		return PLACE_FULL;
	if (place_for_reader(s, now))
		return PLACE_READER;
	s->stats.no_place++;
	if (log_limit_pass(&s->refused_log, 1, 10000, now, NULL))
		log_warnx("control socket: user %u: not served: %u clients of the group %s are "
			  "being served",
			  (unsigned int)uid, s->n_in[PLACE_READER], s->conf.group);
	return PLACE_NONE;
}

/* Takes fd. */
static void newcomer(struct control_server *s, int fd, struct mono now)
{
	uid_t uid = user_of(fd);
	enum control_place place = place_of(s, uid, now);

	if (place != PLACE_NONE || place_to_be_told(s, now))
		connection_new(s, fd, uid, place, now);
	else /* several are being told already */
		close(fd);
}

static void accept_failed(struct control_server *s, int error, struct mono now)
{
	s->stats.accept_failed++;
	errno = error;
	if (log_limit_pass(&s->accept_log, 1, 60000, now, NULL))
		log_warn("control socket: cannot accept a client");
	watch_pause(s, true); /* it would be reported ready at once again */
	watch_update(s);
}

static void server_accept(void *ctx, unsigned int ready, struct mono now)
{
	struct control_server *s = ctx;
	int i, fd;

	(void)ready;
	for (i = 0; i < ACCEPT_BUDGET; i++) {
		if (i > 0 && s->stats.clients >= CTL_CLIENTS_MAX)
			return; /* nobody goes before it is known that someone comes: next turn */
		if (!place_make_room(s, now)) {
			watch_pause(s, true);
			watch_update(s);
			return;
		}
		fd = accept4(s->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			newcomer(s, fd, now);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			accept_failed(s, errno, now);
		return;
	}
}

static void server_timer(void *ctx, struct mono now)
{
	struct control_server *s = ctx;
	struct list_node *n, *next;

	for (n = s->clients.next; n != &s->clients; n = next) {
		struct control_client *c = container_of(n, struct control_client, node);
		struct mono due = watch_due(c);

		next = n->next;
		if (!mono_is_set(due) || mono_before(now, due))
			continue;
		if (c->state == CLIENT_REQUEST)
			connection_overdue(c);
		else
			connection_alive(c, now);
	}
	if (s->paused)
		watch_pause(s, false);
	watch_update(s);
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
		connection_stop(c);
	}
}

void control_server_free(struct control_server *s)
{
	if (!s)
		return;
	control_server_stop(s);
	while (!list_empty(&s->clients))
		connection_end(container_of(s->clients.next, struct control_client, node));
	free(s);
}

const struct control_stats *control_server_stats(const struct control_server *s)
{
	return &s->stats;
}
