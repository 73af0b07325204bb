/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_PROTO_SEAL_H
#define CONNTRACKD_PROTO_SEAL_H

#include <stddef.h>
#include <sys/types.h>

#include "base/outlet.h"

/* The place between a finished datagram and the link where its bytes can be sealed: made secret, or
 * proven to come from a node that has the key. What is sent again is encoded and sealed anew. There
 * is no seal yet; without one datagrams pass here untouched. */
struct seal_ops {
	/* So many bytes a datagram gets longer, at most; it is filled so much less. A multiple of
	 * four, as messages are. */
	size_t overhead;
	/* Seal the n bytes in place; overhead more may be used. to: the one node that they are for,
	 * NULL: all who listen. Gives the length. */
	size_t (*seal)(void *ctx, const struct peer_addr *to, uint8_t *bytes, size_t n);
	/* The n bytes that came from there: put what was sealed into out, which has room for n, and
	 * give its length; -1: they are not to be believed. */
	ssize_t (*open)(void *ctx, const struct peer_addr *from, const uint8_t *bytes, size_t n,
			uint8_t *out);
	/* Sealed datagrams as a stream (TCP): how long is the one with which these bytes begin? 0:
	 * it is not complete; -1: what follows cannot be trusted. */
	ssize_t (*length)(void *ctx, const uint8_t *bytes, size_t n);
};

struct seal {
	const struct seal_ops *ops; /* NULL: none */
	void *ctx;		    /* borrowed */
};

/* An outlet whose datagrams are sealed before they leave through another one. The memory is the
 * caller's, and stays where it is. */
struct sealed {
	struct seal seal;
	struct outlet below;
	struct writer *under; /* the datagram of that one while ours is filled, else NULL */
	struct writer filled;
	struct peer_addr to; /* whom it is for */
	bool for_one;
	uint8_t *opened; /* owned: of the datagram that came last */
};

/* 0, or -ENOMEM. *out: to be used in place of below. */
int sealed_init(struct sealed *s, const struct seal *seal, const struct outlet *below,
		struct outlet *out) __attribute__((warn_unused_result));
void sealed_free(struct sealed *s);
/* Open a datagram: its contents, borrowed until the next call, and their length in *n; NULL: not to
 * be believed. */
const uint8_t *sealed_open(struct sealed *s, const struct peer_addr *from, const uint8_t *bytes,
			   size_t *n);

#endif
