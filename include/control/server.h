/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_SERVER_H
#define CONNTRACKD_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/evloop.h"
#include "base/text.h"
#include "control/args.h"
#include "control/command.h"
#include "control/control_conf.h"
#include "control/out.h"

/* The control socket: a UNIX stream socket of mode 0600, at most CTL_CLIENTS_MAX clients, each with
 * CTL_REQUEST_MS for its request and a bounded queue for its reply. Everything runs in the loop: no
 * client can hold up the daemon or another client. doc/control.md describes the protocol.
 *
 * How a command runs: ops->start() is called once with the request. It either writes the whole
 * reply into out and leaves *job NULL (a report, a refusal), or gives a job. A job is then stepped,
 * at most once per turn of the loop and only while little is queued for its client, until it says
 * CTL_DONE. */
#define CTL_CLIENTS_MAX 64
/* of them, so many of users who may only look (UNIX { Group }); the rest is kept for the others */
#define CTL_READERS_MAX 32
/* and so many of the same users who are told that there is no place, at a time */
#define CTL_TURNED_AWAY_MAX 8
#define CTL_REQUEST_MS	    1000 /* from accept to the complete request */
/* at the cap, a reader that took nothing for so long may be dropped */
#define CTL_STALLED_MS 500
#define CTL_ALIVE_MS   2000 /* a client that waits hears something at least this often */

struct control_server;
struct control_job;

struct ctl_request {
	const struct ctl_command *cmd; /* never NULL */
	struct ctl_args args;	       /* declared by cmd, and checked */
};

enum ctl_step {
	CTL_MORE, /* step again, when there is room in the queue */
	CTL_WAIT, /* nothing to do until control_job_wake() */
	CTL_DONE, /* the reply is complete: release() follows */
};

struct control_job_ops {
	const char *name; /* for the slow-callback report */
	/* One bounded step. Writes to out while ctl_room() allows. Must not close the server. */
	enum ctl_step (*step)(struct control_job *job, struct ctl_out *out, struct mono now);
	/* Called exactly once, last: after CTL_DONE (done) or because the client has gone or the
	 * server closes (!done). From here on the server does not know the job any more and the
	 * owner may free it, or go on with the work without a client: a dump ends, a commit goes
	 * on. control_job_wake() stays harmless while the memory lives. */
	void (*release)(struct control_job *job, bool done);
};

/* Embedded in the owner's object. */
struct control_job {
	const struct control_job_ops *ops;
	/* private: */
	struct control_client *client;
};

/* A waiting job has something to do again. Callable at any time, also inside its own step, also
 * after release(). */
void control_job_wake(struct control_job *job);

struct control_ops {
	/* A request with a known number has come. Sets *job (borrowed until release()) or leaves it
	 * NULL when the reply is complete. Called from the loop; must not block and must not close
	 * the server. */
	void (*start)(void *ctx, const struct ctl_request *req, struct ctl_out *out,
		      struct control_job **job);
};

struct control_stats {
	uint32_t clients; /* connected now */
	uint64_t accepted;
	uint64_t requests;
	/* "local read failed": closed, timed out or made room without a request */
	uint64_t no_request;
	uint64_t timed_out;	  /* of these: said nothing within CTL_REQUEST_MS */
	uint64_t unknown_request; /* "local unknown request" */
	uint64_t refused;	  /* changes asked for by one who may only read */
	uint64_t other_version;	  /* asked in another version of the framing */
	uint64_t vanished;	  /* left before the end of the reply */
	/* made room at the cap, or sent what it should not, or overran its queue */
	uint64_t dropped;
	uint64_t no_place; /* users who may only look, when too many of them were being served */
	uint64_t accept_failed;
};

/* Is the path free for us? 0: nothing there, or a dead socket (which open would replace).
 * -EADDRINUSE: a daemon answers there. -EEXIST: something that is not a socket. Else -errno. On
 * error one line for people in *err. */
int control_path_check(const struct control_conf *conf, struct text *err);

/* Create the socket (replacing a dead one, mode 0600) and serve it in loop. record_version is that
 * of FLOW contents (FLOW_RECORD_VERSION). Borrows loop, ops and ctx until control_server_free(). 0
 * with *out given, or -errno as above with one line for people in *err and nothing left behind. */
int control_server_open(struct evloop *loop, const struct control_conf *conf,
			const struct control_ops *ops, void *ctx, uint16_t record_version,
			struct control_server **out, struct text *err)
	__attribute__((warn_unused_result));

/* Stop serving: remove the socket (only if it is still ours), release the jobs, tell and close the
 * clients. Those held by ctl_hold_until_exit() stay connected. The loop is not used after this.
 * NULL and a second call are harmless. */
void control_server_stop(struct control_server *s);

/* The very end, after the lock file has gone: held clients get their END, everything is freed.
 * Stops first if that has not been done. NULL is harmless. */
void control_server_free(struct control_server *s);

const struct control_stats *control_server_stats(const struct control_server *s);

#endif
