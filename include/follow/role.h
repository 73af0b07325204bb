/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_ROLE_H
#define CONNTRACKD_FOLLOW_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"
#include "follow/activity.h"
#include "follow/jobs.h"

/* The role of this node, and the change to another one as a whole: what it takes, one job after
 * the other, whoever has asked for it. What the role is, since when, and who said so is kept by
 * follow/activity.h. */
struct role;

/* "primary", "backup", "faulty", "unknown". */
const char *role_name(enum role_kind kind);
/* False: it is no role that a node can be told. */
bool role_by_name(const char *name, enum role_kind *out);

/* The parts of a change, in their order; a backup has to do but the last two at once. */
enum role_step {
	ROLE_NOTHING, /* the change has ended, or has not begun */
	ROLE_COMMIT,  /* the states of the peers go into the kernel */
	ROLE_EMPTY,   /* the external cache, of which they are, is emptied */
	ROLE_COMPARE, /* the internal cache is made equal to the kernel */
	ROLE_TELL,    /* the peers are told everything */
};
/* For people: "commit". */
const char *role_step_name(enum role_step step);

/* The last change that was asked for here. A letter of 1.4.x changes the role, and ends a change
 * to another role that goes on, but is none: scripts give one letter after the other. */
struct role_change {
	uint32_t number; /* 0: none since the start */
	enum role_kind to;
	char by[ROLE_BY_MAX];
	struct mono began, ended; /* ended is not set while it goes on */
	enum role_step step;	  /* that goes on, or has failed */
	int err;		  /* 0; -ECANCELED: a later word has overtaken it; else -errno */
	char overtaken_by[ROLE_BY_MAX];
	bool committed; /* commit is what came of that step */
	struct job_result commit;
};

/* Who wants to know. Embedded by the owner, who may leave out any of the functions. All are
 * called from within the loop, and none may change the role. */
struct role_watch {
	void *ctx;
	/* The role is another one now: told before the first job of the change begins. */
	void (*changed)(void *ctx, enum role_kind from, enum role_kind to, struct mono now);
	/* A commit has ended, whoever had asked for it, and this node is primary: all that the
	 * peers had told before it began is in the kernel, but what the result calls failed. */
	void (*committed)(void *ctx, const struct job_result *res, struct mono now);
	/* A change that was asked for here has ended (role_change()). */
	void (*ended)(void *ctx, const struct role_change *change, struct mono now);
	/* private: */
	struct list_node node;
};

/* What a change is made of. All borrowed. */
struct role_env {
	struct activity *activity;
	struct jobs *jobs;
	bool has_external, has_internal; /* caches */
	bool tells;			 /* the mode has a bulk update */
	void *ctx;
	/* Each sets the activity: the node takes over; the node has left, and its kernel table is
	 * to be emptied in PurgeTimeout; it asks the peers for everything. */
	void (*take)(void *ctx, struct mono now);
	void (*leave)(void *ctx, struct mono now);
	void (*ask)(void *ctx, struct mono now);
};

/* NULL without memory. */
struct role *role_new(const struct role_env *env);
void role_free(struct role *r);

void role_watch_add(struct role *r, struct role_watch *w);
void role_watch_del(struct role_watch *w);

/* ROLE_UNKNOWN as well while what the file says is in doubt (role_doubt()). */
enum role_kind role_now(const struct role *r);
/* Since when, and who said so ("-c", "--role", "keepalived: instance VI_1 is MASTER"; empty:
 * nobody). Not set while nobody has. */
struct mono role_since(const struct role *r);
const char *role_by(const struct role *r);

/* Change to that role (not ROLE_UNKNOWN), whatever it is now. What goes on for another role is
 * overtaken; what goes on for this one is joined. Gives the number of the change that is the
 * answer. It may have ended when this returns: for a backup it always has. */
uint32_t role_set(struct role *r, enum role_kind to, const char *by, struct mono now);
/* The same for a word that is repeated by who has nothing else to say: nothing is done where the
 * node is that already, and its last change has ended well. False: nothing was done. */
bool role_told(struct role *r, enum role_kind to, const char *by, struct mono now);
/* The last one. */
const struct role_change *role_change(const struct role *r);

/* jobs_end_cb: of every job, also of those of others. */
void role_job_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		    struct mono now);

/* What the file of an earlier daemon says is not what is seen (why, a literal): the role is unknown
 * until the next word, or until what is seen agrees (NULL). Told to those who watch. */
void role_doubt(struct role *r, const char *why, struct mono now);
const char *role_doubted(const struct role *r);

#endif
