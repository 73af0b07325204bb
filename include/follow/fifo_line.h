/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_FIFO_LINE_H
#define CONNTRACKD_FOLLOW_FIFO_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "follow/activity.h"
#include "follow/role_conf.h"

/* The lines that keepalived writes into its FIFO:
 *
 *	INSTANCE "lan4" MASTER 150
 *	GROUP "firewall" BACKUP 0
 *
 * No I/O: bytes go in as they were read, in pieces of any size. */
#define FIFO_LINE_MAX 255 /* bytes without the newline; a longer one is bad */

struct fifo_line {
	bool group; /* else an instance */
	char name[ROLE_NAME_MAX + 1];
	char state[24];	     /* as it stands there */
	enum role_kind role; /* ROLE_UNKNOWN: the state is no change of the role */
};

struct fifo_reader {
	char buf[FIFO_LINE_MAX + 1];
	size_t n;
	bool too_long;	/* the rest of the line is skipped */
	uint64_t lines; /* about instances and groups */
	uint64_t bad;	/* that keepalived cannot have meant */
};

struct fifo_lines_cb {
	void *ctx;
	/* Both borrowed for the call. */
	void (*line)(void *ctx, const struct fifo_line *line);
	/* The start of it, printable. */
	void (*bad)(void *ctx, const char *start);
};

/* n bytes that were read, any. */
void fifo_feed(struct fifo_reader *r, const char *bytes, size_t n, const struct fifo_lines_cb *cb);
/* Another FIFO: a line whose end has not come will not come. */
void fifo_restart(struct fifo_reader *r);

/* Does the state of that instance or group decide? */
bool fifo_decides(const struct role_conf *conf, const struct fifo_line *line);

#endif
