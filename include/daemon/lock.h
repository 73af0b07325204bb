/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_LOCK_H
#define CONNTRACKD_DAEMON_LOCK_H

#include "base/text.h"

/* One daemon per lock file: flock(2) on it, the pid inside. A file left behind by a crash does no
 * harm. */
struct lockfile {
	int fd;		  /* -1: not held */
	const char *path; /* borrowed */
};

/* Take the lock. 0, or -errno with a line in *err: -EBUSY names the pid that holds it. */
int lockfile_take(struct lockfile *l, const char *path, struct text *err);
/* Write our pid into it (again after a fork). */
void lockfile_write_pid(struct lockfile *l);
/* Orderly end: unlink and release. Harmless when not held. */
void lockfile_drop(struct lockfile *l);

#endif
