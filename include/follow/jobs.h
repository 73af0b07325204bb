/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_JOBS_H
#define CONNTRACKD_FOLLOW_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "follow/windows.h"
#include "kernel/ct_commit.h"
#include "kernel/ct_flush.h"
#include "kernel/exp.h"

/* The long work of the daemon: what runs, what waits, and who stops, joins or waits for whom.
 * Commands and timers ask here and nowhere else; a job goes on when the client that asked for it
 * leaves. */
struct jobs;

/* In the order in which those that wait begin. */
enum job_kind {
	JOB_COMMIT,	 /* -c: the external caches into the kernel */
	JOB_FLUSH,	 /* -F: the kernel table is emptied */
	JOB_PURGE,	 /* a -t that is due: the same */
	JOB_CACHE_FLUSH, /* -f external: the external caches are emptied */
	/* -f internal: the internal caches are compared with the kernel; nothing known is told
	 * again */
	JOB_REFRESH,
	/* -R: the same, and what a peer has told is taken over where it is in our kernel */
	JOB_COMPARE,
	JOB_COMPARE_EXPECTS, /* -R expect */
	JOB_BULK,	     /* -B: a bulk send: all flows are sent to the peers */
	JOB_KINDS,
};

/* What happens to one that is asked for while another one runs. */
enum job_rule {
	JOB_BESIDE, /* it begins at once, both run */
	JOB_STOP,   /* the one that runs (or waits) is stopped, the new one begins at once */
	JOB_JOIN,   /* the one that runs does what is asked for: its end is the answer */
	JOB_FOLLOW, /* it waits for the end of the one that runs */
	JOB_REFUSE, /* -EBUSY */
};

/* The table; asked and running below JOB_KINDS. */
enum job_rule jobs_rule(enum job_kind asked, enum job_kind running);
/* As in "a commit": for people. */
const char *jobs_name(enum job_kind kind);

/* What came out of one; the parts that are not of its kind are zero. */
struct job_result {
	int err;		  /* 0; -ECANCELED: stopped; -errno */
	enum job_kind stopped_by; /* with -ECANCELED */
	struct ct_commit_result commit;
	struct exp_commit_result expects;
	struct ct_flush_result flush;
	struct windows_result windows; /* of a commit without external cache */
};

/* The last -c that came to its end. */
struct last_commit {
	bool any;
	bool in_kernel; /* there was no external cache: only windows were looked at */
	struct mono at; /* its end */
	int64_t wall_s; /* the same, by the clock on the wall */
	struct job_result res;
};

/* How one kind is done. The owner says the end with jobs_ended(), also after stop(). */
struct job_ops {
	void *ctx;
	/* what: bits of the kind's own, of all who wait for it. 0, or -errno: it has not begun. */
	int (*start)(void *ctx, unsigned int what, struct mono now);
	/* Stop at once: jobs_ended() is called before this returns. NULL: it cannot be, and no rule
	 * stops it. */
	void (*stop)(void *ctx, struct mono now);
	/* How far it is, total 0: not known. NULL: nobody knows. */
	void (*progress)(void *ctx, uint64_t *done, uint64_t *total);
};

/* The end of one run, called with its result before another one begins. May ask for further
 * jobs. */
typedef void jobs_end_cb(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
			 struct mono now);

/* NULL without memory. */
struct jobs *jobs_new(jobs_end_cb *ended, void *ctx);
void jobs_free(struct jobs *jobs);
/* Kinds without ops are never asked for. */
void jobs_set_ops(struct jobs *jobs, enum job_kind kind, const struct job_ops *ops);

/* A bit of `what` for every kind: the one that runs does not do all that is asked for, so follow it
 * instead of joining. */
#define JOB_ALONE 0x80000000u

/* Which run of which kind answers the question. */
struct job_ticket {
	enum job_kind kind;
	uint32_t run;
};

/* Begin, join or wait, by the table. 0 with *ticket (may be NULL), also where nothing is running
 * any more; -EBUSY: refused;
 * -errno: it could not begin. */
int jobs_ask(struct jobs *jobs, enum job_kind kind, unsigned int what, struct job_ticket *ticket,
	     struct mono now);
/* The one that runs has ended: its end is told, and what waited for it begins. */
void jobs_ended(struct jobs *jobs, enum job_kind kind, const struct job_result *res,
		struct mono now);

/* What came out of that run; NULL: it has not ended. Of the newest only. Borrowed. */
const struct job_result *jobs_result(const struct jobs *jobs, const struct job_ticket *ticket);
bool jobs_running(const struct jobs *jobs, enum job_kind kind);
bool jobs_waiting(const struct jobs *jobs, enum job_kind kind);
/* False: it does not run, or nobody knows. */
bool jobs_progress(const struct jobs *jobs, enum job_kind kind, uint64_t *done, uint64_t *total);

#endif
