/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_LINK_H
#define CONNTRACKD_CHANNEL_LINK_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/evloop.h"
#include "base/gather.h"
#include "base/log.h"
#include "base/text.h"
#include "channel/channel.h"
#include "channel/channel_conf.h"
#include "channel/ifaddr.h"

/* One dedicated link inside channel/: two sockets and counters. The transports differ in how they are opened and in who
 * may be heard. Multicast and UDP are two sockets that the channel waits for itself; TCP has connections that come and
 * go, waits for them itself (start, stop), and calls the channel through struct link_up. */
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

/* What a transport with connections calls. */
struct link_up {
	/* Whole messages were received. */
	void (*heard)(struct link *l, const struct link_rx_item *item, struct mono now);
	/* As frame in struct channel_cb. */
	ssize_t (*frame)(struct link *l, const uint8_t *bytes, size_t n);
	/* send() takes more: there is room again, or there is a connection. */
	void (*writable)(struct link *l, struct mono now);
	/* Something is wrong with the link: perhaps its interface is another one now. */
	void (*suspect)(struct link *l);
};

struct link_ops {
	const char *kind;	/* as -s prints it */
	const char *unit;	/* what may be refused: "datagram", "connection" */
	size_t overhead_v4, overhead_v6;	/* bytes of headers below the payload */
	/* Create both sockets. 0, or -errno with one line in *err; nothing stays open then. */
	int (*open)(struct link *l, struct text *err);
	/* Begin to wait for the sockets, in l->loop. 0 or -errno. NULL: the channel waits for rx and tx. */
	int (*start)(struct link *l);
	/* End that, and undo whatever open() made beside the sockets; also after an open() that failed. May be NULL. */
	void (*stop)(struct link *l);
	/* Send n datagrams. Returns how many left (at least 1), or -errno about the first one, and perhaps those behind it
	 * that would have left in one piece with it. -EAGAIN: it stays the first one. -ENOTCONN: there is no connection, and
	 * l->up->writable will be called when there is. */
	int (*send)(struct link *l, const struct iovec *iov, unsigned int n);
	/* Is writable() wanted? NULL: the channel waits for tx. */
	void (*want)(struct link *l, bool writable);
	/* Read datagrams, and keep those that may be heard. Returns how many were read off the socket; as long as it is
	 * LINK_RX_SLOTS there may be more. NULL where l->up->heard is called. */
	unsigned int (*recv)(struct link *l, struct link_rx *rx, struct mono now);
	/* Something was wrong with the link a second ago, and it is open: a chance to repair it. May be NULL. */
	void (*look)(struct link *l, struct mono now);
	/* Could it send now? NULL: always. */
	bool (*ready)(const struct link *l, struct mono now);
	/* Another link sends from now on, beginning with the first datagram that waits. May be NULL. */
	void (*leave)(struct link *l, struct mono now);
	/* Fill in what only this transport has. May be NULL. */
	void (*stats)(const struct link *l, struct channel_link_stats *out);
};

/* Who sent a datagram or connected, and the way it came. */
struct udp_source {
	union channel_addr addr;	/* of the link's family; rest zero */
	unsigned int ifindex;		/* 0: the kernel did not say */
};

/* Who is heard on a UDP or TCP link; see speaker.c. */
struct link_peer {
	struct mono configured_heard;	/* last time; set: no other is heard from now on */
	union channel_addr adopted;	/* another one, heard until then */
	struct mono adopted_heard;	/* last time; not set: none */
	struct log_limit lines;		/* about adoptions */
};

/* The two connections of a TCP link; see tcp.c. */
struct link_tcp {
	enum {
		LINK_TCP_IDLE,
		LINK_TCP_CONNECTING,
		LINK_TCP_CONNECTED,
	} state;			/* of the one that sends; its socket is l->tx */
	size_t part;			/* bytes of the first waiting datagram it has taken */
	struct ev_timer timer;		/* idle: the next try; connecting: the end of this one */
	struct mono tried, lost_at;	/* last time; not set: never */
	bool said_failed;		/* since the last success */
	int conn;			/* the one that receives; -1: none. l->rx listens */
	struct ev_io conn_io;
	struct ev_timer listen_timer;	/* when to listen again after a lack of descriptors */
	struct udp_source from;		/* who connected */
	uint8_t *buf;			/* owned; set while the link is open */
	size_t have;			/* bytes in it: an incomplete message */
	struct log_limit lines;		/* about connections */
};

struct link {
	const struct link_ops *ops;
	const struct link_up *up;
	struct evloop *loop;			/* borrowed */
	const struct channel_link_conf *conf;	/* borrowed */
	uint8_t number;				/* place in the configuration */
	int tx, rx;				/* -1: closed */
	unsigned int ifindex;			/* of the interface that carries it */
	char carrier[IF_NAMESIZE];		/* its name; not always the configured one */
	bool reopen_failed;			/* that was said already */
	unsigned int mtu;			/* bytes */
	bool segments;				/* UDP: the kernel cuts datagrams from one piece, as far as we know */
	struct mono refused;			/* when it last would not; not set: never, or it cannot at all */
	struct ev_io tx_io, rx_io;
	struct gather gather;			/* of datagrams, in rx */
	struct ev_timer rx_timer;		/* armed while they gather */
	struct channel *owner;			/* borrowed */
	struct channel_link_stats stats;
	struct ifaddr_list addrs;		/* of that interface */
	struct link_peer peer;			/* UDP, TCP */
	struct link_tcp tcp;
	bool source_bound;			/* IPv6 multicast: tx has its source address */
	union channel_addr last_heard;		/* multicast: a source that is known not to be ourselves */
	enum {
		LINK_STATE_UNKNOWN,
		LINK_STATE_GONE,
		LINK_STATE_DOWN,
		LINK_STATE_NO_CARRIER,
		LINK_STATE_NO_ADDRESS,
		LINK_STATE_UP,
	} state;				/* of its interface, as last seen */
	struct log_limit state_lines;
	struct log_limit refusals;		/* lines about them */
};

extern const struct link_ops mcast_ops, udp_ops, tcp_ops;

/* For the transports. */

/* SO_SNDBUFFORCE / SO_RCVBUFFORCE; without the right to force, what the system allows. */
void link_set_buffer(int fd, int option_force, int option, uint32_t bytes);
/* The MTU in bytes of the interface that carries the link; 1500 if it cannot be read. */
unsigned int link_read_mtu(const struct link *l);
/* The index of the configured interface. 0, or -ENODEV with one line in *err that lists the interfaces there are. */
int link_find_interface(const struct link *l, unsigned int *index, struct text *err);
/* Interface flags (IFF_...); 0 if they cannot be read. */
unsigned int link_read_flags(unsigned int ifindex);
/* Is the address there that the link needs? Costs a dump of the addresses of the machine. */
bool link_has_address(struct link *l, struct mono now);
/* "file:7:3" of an option, as the errors of the configuration begin; "line 5" of the link's block where that is not
 * known. Returns buf. */
#define LINK_PLACE_MAX	(PATH_MAX + 24)
const char *link_place(const struct link *l, const struct channel_place *at, char buf[LINK_PLACE_MAX]);
/* An address of the link's family as text. Returns buf. */
const char *link_addr_text(const struct link *l, const union channel_addr *addr, char buf[INET6_ADDRSTRLEN]);
void link_close(struct link *l);

#endif
