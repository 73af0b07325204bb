/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_MULTI_H
#define CONNTRACKD_CHANNEL_MULTI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "channel/channel_conf.h"

/* Which of several links sends: a decision from what is known about them. No sockets, no clock. */

#define MULTI_SILENT_MS 3500 /* a peer says something once a second */
#define MULTI_RECENT_MS 1500
#define MULTI_HEARD	3    /* datagrams: one may be a stray */
#define MULTI_RETURN_MS 3000 /* the preferred link has to be usable for so long */

struct multi_link {
	bool usable; /* its interface is up, running and has its address */
	struct mono usable_since;
	struct mono heard;    /* last time; not set: never */
	unsigned int heard_n; /* times since the active link was last heard */
	/* it was left because nothing was heard; until its interface changes or it is heard
	 * there again */
	bool silent;
};

struct multi {
	struct multi_link link[CHANNEL_LINKS_MAX];
	size_t n;
	size_t preferred; /* Default, or the first */
	size_t active;
	struct mono since; /* it has been active */
};

void multi_set_usable(struct multi *m, size_t i, bool usable, struct mono now);
void multi_heard(struct multi *m, size_t i, struct mono now);
/* The link that should send. The caller follows with multi_switch(). */
size_t multi_choose(const struct multi *m, struct mono now);
void multi_switch(struct multi *m, size_t to, struct mono now);
/* Is no link usable? */
bool multi_none(const struct multi *m);

#endif
