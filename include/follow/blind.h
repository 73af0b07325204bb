/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_BLIND_H
#define CONNTRACKD_FOLLOW_BLIND_H

#include "base/evloop.h"
#include "base/values.h"

/* Does the kernel tell us what happens to its table? If not, that is said, what can be compared is
 * compared, and the end is said as well. Looks every two seconds; costs nothing per event. Not for
 * PollSecs, where nothing is told anyway. */
struct blind;

/* What one look sees. */
struct blind_look {
	int events;	/* nf_conntrack_events; -1: there is none */
	int set_err;	/* 0, or the errno with which it could not be set from 2 to 1 */
	uint32_t count; /* entries of the kernel table */
	/* packets this machine has forwarded, both families; looked at while count is 0 */
	uint64_t forwarded;
	uint64_t heard; /* events read so far */
	bool busy;	/* we commit or flush: counts say nothing now */
	int64_t known;	/* how many entries we know of; -1: cannot be compared (a Filter) */
};

struct blind_cb {
	void *ctx;
	/* we write into the table all the time: that it grows says nothing */
	bool injects;
	/* Fill the last three of a look: what the daemon knows of itself. */
	void (*look)(void *ctx, struct blind_look *look);
	/* Compare the cache with the kernel table again and again, blind_compared() follows each
	 * time; or no longer. NULL: there is nothing to compare (DisableInternalCache). */
	void (*comparing)(void *ctx, bool on, struct mono now);
};

/* set_events: nf_conntrack_events may be set from 2 to 1 (NetlinkEventsSysctl). The first look is
 * taken at once. Without loop nothing is looked at: for tests, which judge looks of their own. 0,
 * or -ENOMEM. */
int blind_open(struct evloop *loop, const struct blind_cb *cb, bool set_events, struct blind **out);
void blind_close(struct blind *b);

/* A comparison has been made; whole: nothing was left open. unheard: flows that earlier ones of
 * this run found, seconds ago, and of which no event has told since. gone: flows that do report,
 * and have ended without. */
void blind_compared(struct blind *b, bool whole, uint32_t unheard, uint32_t gone, struct mono now);

/* One look, judged: every two seconds. */
void blind_judge(struct blind *b, const struct blind_look *look, struct mono now);

/* Ways in which the kernel keeps its table to itself; blind.c says by which signs. */
enum blind_reason {
	BLIND_OFF, /* events are switched off */
	/* flows that nobody listened to do not tell their end: they are looked for */
	BLIND_AUTOMATIC,
	BLIND_UNTRACKED, /* nothing is tracked */
	BLIND_DEAF,	 /* events are missing */
	BLIND_REASONS,
};
/* Does it now? Then since when. */
bool blind_is(const struct blind *b, enum blind_reason why, struct mono now, int64_t *for_s);
/* For people, as in -s runtime. */
const char *blind_name(enum blind_reason why);

/* For -s runtime: one group for each way in which the kernel does not tell everything; none while
 * it does. */
extern const struct value_group blind_group;
void blind_values(const struct blind *b, struct mono now, struct values *v);

#endif
