/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_LINK_H
#define CONNTRACKD_CHANNEL_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/evloop.h"
#include "base/log.h"
#include "base/text.h"
#include "channel/channel.h"
#include "channel/channel_conf.h"
#include "channel/ifaddr.h"

/* One dedicated link inside channel/: two sockets and counters. The transports differ in how they are opened and in who
 * may be heard. */
struct link;

#define LINK_DATAGRAM_MAX	65536u
#define LINK_RX_SLOTS		32u

/* What was read off a socket at once. */
struct link_rx {
	uint8_t *mem;		/* LINK_RX_SLOTS buffers of LINK_DATAGRAM_MAX bytes, borrowed */
	unsigned int n;		/* in item[]: those that may be heard */
	struct link_rx_item {
		struct channel_from from;
		const uint8_t *bytes;	/* in mem */
		size_t len;
	} item[LINK_RX_SLOTS];
};

struct link_ops {
	const char *kind;	/* as -s prints it */
	size_t overhead_v4, overhead_v6;	/* bytes of headers below the payload */
	/* Create both sockets. 0, or -errno with one line in *err; nothing stays open then. */
	int (*open)(struct link *l, struct text *err);
	/* Send n datagrams. Returns how many left (at least 1), or -errno about the first one. */
	int (*send)(struct link *l, const struct iovec *iov, unsigned int n);
	/* Read datagrams, and keep those that may be heard. Returns how many were read off the socket; as long as it is
	 * LINK_RX_SLOTS there may be more. */
	unsigned int (*recv)(struct link *l, struct link_rx *rx, struct mono now);
	/* Something was wrong with the link a second ago, and it is open: a chance to repair it. May be NULL. */
	void (*look)(struct link *l, struct mono now);
};

/* Who is heard on a UDP link; see udp.c. */
struct link_peer {
	struct mono configured_heard;	/* last time; set: no other is heard from now on */
	union channel_addr adopted;	/* another one, heard until then */
	struct mono adopted_heard;	/* last time; not set: none */
	struct log_limit lines;		/* about adoptions */
};

struct link {
	const struct link_ops *ops;
	const struct channel_link_conf *conf;	/* borrowed */
	uint8_t number;				/* place in the configuration */
	int tx, rx;				/* -1: closed */
	unsigned int ifindex;			/* of the interface that carries it */
	char carrier[IF_NAMESIZE];		/* its name; not always the configured one */
	bool reopen_failed;			/* that was said already */
	unsigned int mtu;			/* bytes */
	struct ev_io tx_io, rx_io;
	struct channel *owner;			/* borrowed */
	struct channel_link_stats stats;
	struct ifaddr_list addrs;		/* of that interface */
	struct link_peer peer;			/* UDP */
	bool source_bound;			/* IPv6 multicast: tx has its source address */
	union channel_addr last_heard;		/* multicast: a source that is known not to be ourselves */
	struct log_limit refusals;		/* lines about them */
};

extern const struct link_ops mcast_ops, udp_ops;

/* For the transports. */

/* SO_SNDBUFFORCE / SO_RCVBUFFORCE; without the right to force, what the system allows. */
void link_set_buffer(int fd, int option_force, int option, uint32_t bytes);
/* The MTU in bytes of the interface that carries the link; 1500 if it cannot be read. */
unsigned int link_read_mtu(const struct link *l);
/* The index of the configured interface. 0, or -ENODEV with one line in *err that lists the interfaces there are. */
int link_find_interface(const struct link *l, unsigned int *index, struct text *err);
/* Interface flags (IFF_...); 0 if they cannot be read. */
unsigned int link_read_flags(unsigned int ifindex);
/* An address of the link's family as text. Returns buf. */
const char *link_addr_text(const struct link *l, const union channel_addr *addr, char buf[INET6_ADDRSTRLEN]);
void link_close(struct link *l);

#endif
