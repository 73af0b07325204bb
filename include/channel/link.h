/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_LINK_H
#define CONNTRACKD_CHANNEL_LINK_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/evloop.h"
#include "base/text.h"
#include "channel/channel.h"
#include "channel/channel_conf.h"

/* One dedicated link inside channel/: two sockets and counters. The transports differ in how they are opened and in who
 * may be heard. */
struct link;

struct link_ops {
	const char *kind;	/* as -s prints it */
	size_t overhead;	/* bytes of headers below the payload */
	/* Create both sockets. 0, or -errno with one line in *err; nothing stays open then. */
	int (*open)(struct link *l, struct text *err);
	/* Send n datagrams. Returns how many left (at least 1), or -errno about the first one. */
	int (*send)(struct link *l, const struct iovec *iov, unsigned int n);
	/* Read up to n datagrams into buf (n slots of LINK_DATAGRAM_MAX bytes), those that may be heard; *got says how many
	 * were read off the socket, 0 when there is none. Returns how many are in from[] and len[]; their bytes are at
	 * buf + index[i] * LINK_DATAGRAM_MAX. */
	unsigned int (*recv)(struct link *l, uint8_t *buf, unsigned int n, struct channel_from *from, size_t *len,
			     unsigned int *index, unsigned int *got);
};

#define LINK_DATAGRAM_MAX 65536u

struct link {
	const struct link_ops *ops;
	const struct channel_link_conf *conf;	/* borrowed */
	uint8_t number;				/* place in the configuration */
	int tx, rx;				/* -1: closed */
	unsigned int ifindex;			/* of the interface that carries it */
	unsigned int mtu;			/* bytes */
	struct ev_io tx_io, rx_io;
	struct channel *owner;			/* borrowed */
	struct channel_link_stats stats;
};

extern const struct link_ops mcast_ops;

/* For the transports. */

/* SO_SNDBUFFORCE / SO_RCVBUFFORCE; without the right to force, what the system allows. */
void link_set_buffer(int fd, int option_force, int option, uint32_t bytes);
/* The MTU in bytes of the interface that carries the link; 1500 if it cannot be read. */
unsigned int link_read_mtu(const struct link *l);
/* Append the names of this machine's interfaces. */
void link_list_interfaces(struct text *t);
void link_close(struct link *l);

#endif
