/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_PROTO_SEAL_H
#define CONNTRACKD_PROTO_SEAL_H

#include <stddef.h>
#include <sys/types.h>

#include "base/outlet.h"

/* The place between a finished datagram and the link where its bytes can be sealed: made secret, or
 * proven to come from a node that has the key. A retransmitted message is encoded and sealed anew.
 * There is no seal yet; without one datagrams pass here untouched. */
struct seal_ops {
	/* How many bytes longer a datagram becomes, at most; so many bytes less are filled with
	 * messages. A multiple of four, as messages are. */
	size_t overhead;
	/* Seal the n bytes in place; overhead more may be used. to: the one node that the datagram
	 * is for, NULL: all nodes that listen. Returns the new length. */
	size_t (*seal)(void *ctx, const struct peer_addr *to, uint8_t *bytes, size_t n);
	/* Open the n bytes received from `from`: put the contents into out, which has room for n
	 * bytes, and return their length; -1: the seal is wrong. */
	ssize_t (*open)(void *ctx, const struct peer_addr *from, const uint8_t *bytes, size_t n,
			uint8_t *out);
	/* Sealed datagrams as a stream (TCP): the length of the first one. 0: that datagram is not
	 * complete; -1: the stream cannot be trusted. */
	ssize_t (*length)(void *ctx, const uint8_t *bytes, size_t n);
};

struct seal {
	const struct seal_ops *ops; /* NULL: none */
	void *ctx;		    /* borrowed */
};

/* An outlet whose datagrams are sealed before they leave through another outlet. The memory is the
 * caller's, and stays where it is. */
struct sealed {
	struct seal seal;
	struct outlet below;
	struct writer *under; /* datagram of the lower outlet while ours is filled, else NULL */
	struct writer filled;
	struct peer_addr to; /* addressee of the datagram */
	bool for_one;
	uint8_t *opened; /* owned: contents of the datagram received last */
};

/* 0, or -ENOMEM. *out: to be used in place of below. */
int sealed_init(struct sealed *s, const struct seal *seal, const struct outlet *below,
		struct outlet *out) __attribute__((warn_unused_result));
void sealed_free(struct sealed *s);
/* Open a datagram: returns its contents, borrowed until the next call, and their length in *n;
 * NULL: the seal is wrong. */
const uint8_t *sealed_open(struct sealed *s, const struct peer_addr *from, const uint8_t *bytes,
			   size_t *n);

#endif
