/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_ACTIVITY_H
#define CONNTRACKD_DAEMON_ACTIVITY_H

#include <stdbool.h>

#include "base/clock.h"

/* What this node is: the cluster manager tells by the commands of its scripts, and everything that has to know whether the
 * node is active asks here. Does nothing by itself: who runs the jobs carries out a purge that is due. */
struct activity;

/* The last command that tells a role. */
enum activity_role {
	ACTIVITY_NONE,		/* none so far */
	ACTIVITY_COMMIT,	/* -c: the node takes over */
	ACTIVITY_PURGE,		/* -t: the node is active no longer */
	ACTIVITY_REQUEST,	/* -n: the node wants to hear what the active one has */
};

/* Owned by the caller; NULL without memory. */
struct activity *activity_new(void);
void activity_free(struct activity *a);

/* A command of that role was given. */
void activity_command(struct activity *a, enum activity_role role, struct mono now);
enum activity_role activity_role(const struct activity *a);

/* The last role command was -c: this node forwards. */
bool activity_active(const struct activity *a);
/* When this activity began: the first -c after a -t, a -n or nothing; further ones do not move it. Not set while the node
 * is not active. */
struct mono activity_since(const struct activity *a);

/* The flush that -t schedules: due at that time. One at a time. */
void activity_purge_set(struct activity *a, struct mono due);
/* True if one was pending. */
bool activity_purge_cancel(struct activity *a);
/* When the pending one is due; not set: none is. */
struct mono activity_purge_due(const struct activity *a);

#endif
