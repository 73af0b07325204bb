/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_ACTIVITY_H
#define CONNTRACKD_FOLLOW_ACTIVITY_H

#include <stdbool.h>

#include "base/clock.h"

/* What this node is: the cluster manager tells by the commands of its scripts, and everything that
 * has to know whether the node is active asks here. Survives a restart of the daemon in a small
 * file. Does nothing by itself: who runs the jobs carries out a purge that is due. */
struct activity;

/* The last command that tells a role. */
enum activity_role {
	ACTIVITY_NONE,	  /* none so far */
	ACTIVITY_COMMIT,  /* -c: the node takes over */
	ACTIVITY_PURGE,	  /* -t: the node is active no longer */
	ACTIVITY_REQUEST, /* -n: the node wants to hear what the active one has */
};

/* What those commands mean. */
enum role_kind {
	ROLE_UNKNOWN, /* nobody has said so far */
	ROLE_PRIMARY, /* this node has the shared addresses and forwards */
	ROLE_BACKUP,  /* another one has */
	ROLE_FAULTY,  /* the same, and this node could not */
};

/* Bytes of the text that says who has told a role. */
#define ROLE_BY_MAX 128

/* The file is beside the control socket, under its name with this behind it. */
#define ACTIVITY_SUFFIX ".state"

/* With what the file says, if it is of this boot and this network namespace. path (copied; NULL: no
 * file) is where the state is kept; a file that cannot be used is warned about and replaced by the
 * next command. Owned by the caller; NULL without memory. */
struct activity *activity_open(const char *path, struct mono now);
/* The file stays: the next daemon reads it. */
void activity_close(struct activity *a);

/* -c was given while no daemon runs: a flush that the next one would carry out must not hit what
 * this node forwards from now on. Does nothing if there is no such file. True: one was pending. */
bool activity_missed_commit(const char *path, struct mono now);
/* The same for -t and -n: the next daemon is not to believe that this node has been active all the
 * time. No flush is scheduled. */
void activity_missed_standby(const char *path, struct mono now);
/* While no daemon answers: does the file say that this node is active? */
bool activity_was_active(const char *path, struct mono now);

/* -c. True: it has cancelled a pending purge. */
bool activity_commit(struct activity *a, struct mono now);
/* -t: a purge is due then. False: one is pending already, and stays as it is. */
bool activity_purge(struct activity *a, struct mono due, struct mono now);
/* -n. */
void activity_request(struct activity *a, struct mono now);
enum activity_role activity_role(const struct activity *a);
/* The option of the last role command, "-c"; NULL: none so far. */
const char *activity_option(const struct activity *a);

/* The commands that follow are given by somebody else than the letters of 1.4.x, until signed
 * again: by (copied; NULL: by their letters), and faulty: those other than -c say that the node is
 * faulty, not that it is the backup. */
void activity_sign(struct activity *a, bool faulty, const char *by);
/* The role that the last command means; when a command has first meant it, and who has given the
 * last one that changed it. Not set, and empty, where none has. Borrowed until the next command. */
enum role_kind activity_told_role(const struct activity *a);
struct mono activity_told_since(const struct activity *a);
const char *activity_told_by(const struct activity *a);
/* Called after each command, when all of the above says the new; one, NULL: none. */
void activity_on_command(struct activity *a, void (*fn)(void *ctx, struct mono now), void *ctx);

/* The last role command was -c: this node forwards. */
bool activity_active(const struct activity *a);
/* When this activity began: the first -c after a -t, a -n or nothing; further ones do not move it.
 * Not set while the node is not active. */
struct mono activity_since(const struct activity *a);
/* When the last activity ended; not set where that is not known: there was none, or the daemon has
 * started since. */
struct mono activity_left(const struct activity *a);

/* When the purge that -t has scheduled is due, also while it is carried out; not set: none is. */
struct mono activity_purge_due(const struct activity *a);
/* True if one was pending. */
bool activity_purge_cancel(struct activity *a, struct mono now);
/* The one that was due then has been carried out, or will not be. */
void activity_purge_done(struct activity *a, struct mono due, struct mono now);

#endif
