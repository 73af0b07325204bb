/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_ROLE_FIFO_H
#define CONNTRACKD_FOLLOW_ROLE_FIFO_H

#include "base/evloop.h"
#include "follow/fifo_line.h"

/* The FIFO of keepalived, made if there is none, read for as long as the daemon runs. */
struct role_fifo;

struct role_fifo_cb {
	void *ctx;
	/* The last of the lines that waited, of those that decide; by: for people, borrowed.
	 * crossed: there was another role among them. */
	void (*told)(void *ctx, enum role_kind role, bool crossed, const char *by, struct mono now);
};

/* Never fails for the sake of the file, which may come later: what is wrong with it is said in the
 * log, once. Borrows loop and conf. NULL without memory. */
struct role_fifo *role_fifo_open(struct evloop *loop, const struct role_conf *conf,
				 const struct role_fifo_cb *cb);
/* The file stays: keepalived goes on writing, and the next daemon reads what waits. */
void role_fifo_close(struct role_fifo *f);

struct role_fifo_stats {
	uint64_t lines, bad;
	bool open; /* it is being read */
};
void role_fifo_stats(const struct role_fifo *f, struct role_fifo_stats *out);

#endif
