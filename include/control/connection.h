/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_CONNECTION_H
#define CONNTRACKD_CONTROL_CONNECTION_H

#include <sys/types.h>

#include "base/list.h"
#include "base/log.h"
#include "control/listen.h"
#include "control/server.h"

/* Inside of the control server; for its own files only, each of which calls those below it:
 *
 *   server.c      the socket: it opens, who comes, the timer, the end
 *   place.c       who gets a place, and who loses one
 *   connection.c  one client: its request, the steps of its job, its reply
 *   watch.c       what the server is woken for */

#define PRIO_CONTROL 3 /* in the loop: after the kernel and the peers */

/* Which place a client has. */
enum control_place {
	PLACE_FULL,   /* root, the user of the daemon; everybody, without Group */
	PLACE_READER, /* one who may only look */
	PLACE_NONE,   /* one more of these, who is told that there is no place */
	CONTROL_PLACES
};

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
	enum control_place place;
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
	unsigned int n_in[CONTROL_PLACES];
	bool paused; /* not accepting until the timer or until someone leaves */
	bool stopped;
	struct control_stats stats;
	struct log_limit accept_log, refused_log;
};

/* ---- place.c ---- */

/* Before it is known who comes: is there a place for anybody, if need be that of somebody who is
 * closed for it? */
bool place_make_room(struct control_server *s, struct mono now);
/* The same for one more user who may only look. */
bool place_for_reader(struct control_server *s, struct mono now);
/* The same for one who is only to be told that there is none. */
bool place_to_be_told(struct control_server *s, struct mono now);

/* ---- connection.c ---- */

/* Serve the client behind fd, which has got this place. Without memory fd is closed. */
void connection_new(struct control_server *s, int fd, uid_t uid, enum control_place place,
		    struct mono now);
/* The end of a client in every state; c is gone afterwards. */
void connection_close(struct control_client *c);
/* The request has not come in time. */
void connection_overdue(struct control_client *c);
/* A command that takes long and has nothing to say is told from a daemon that hangs by an empty
 * record. */
void connection_alive(struct control_client *c, struct mono now);
/* The server stops: the client is told and closed, unless it is to hear of the very end only. */
void connection_stop(struct control_client *c);
/* The very end, for who is left. */
void connection_end(struct control_client *c);

/* ---- watch.c ---- */

/* When a client needs the timer; not set: it does not. */
struct mono watch_due(const struct control_client *c);
/* Some client is due at another time, or nobody is any more. */
void watch_update(struct control_server *s);
/* Accept nobody until the timer, or until somebody has left. */
void watch_pause(struct control_server *s, bool pause);

#endif
