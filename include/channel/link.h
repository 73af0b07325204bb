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
#include "channel/ifwatch.h"
#include "channel/route.h"

/* One dedicated link inside channel/: two sockets and counters. The transports differ in how they
 * are opened and in who may be heard. Multicast and UDP are two sockets that the channel waits for
 * itself; TCP has connections that come and go, waits for them itself (start, stop), and calls the
 * channel through struct link_up.
 *
 * Multicast links and those of IPv6 link-local addresses are *scoped*: they are what their
 * interface is. All other UDP and TCP links are defined by addresses and routes; their packets
 * leave and arrive wherever the routes lead. */
struct link;

#define LINK_DATAGRAM_MAX 65536u
#define LINK_RX_SLOTS	  32u

/* What was read off a socket at once. */
struct link_rx {
	uint8_t *mem;	/* LINK_RX_SLOTS buffers of LINK_DATAGRAM_MAX bytes, borrowed */
	unsigned int n; /* in item[]: those that may be heard */
	struct link_rx_item {
		/* whose it is: several links may share a receiving socket */
		struct link *link;
		struct peer_addr from;
		const uint8_t *bytes; /* in mem */
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
	const char *kind;		 /* as -s prints it */
	const char *unit;		 /* what may be refused: "datagram", "connection" */
	size_t overhead_v4, overhead_v6; /* bytes of headers below the payload */
	/* Create both sockets. 0, or -errno with one line in *err: -ENODEV, -EADDRNOTAVAIL:
	 * interface or address are not there, which may change. */
	int (*open)(struct link *l, struct text *err);
	/* Begin to wait for the sockets, in l->loop. 0 or -errno. NULL: the channel waits for rx
	 * and tx. */
	int (*start)(struct link *l);
	/* End that, and undo whatever open() made beside the sockets; also after an open() that
	 * failed. May be NULL. */
	void (*stop)(struct link *l);
	/* Send n datagrams. Returns how many left (at least 1), or -errno about the first one, and
	 * perhaps those behind it that would have left in one piece with it. -EAGAIN: it stays the
	 * first one. -ENOTCONN: there is no connection, and l->up->writable will be called when
	 * there is. */
	int (*send)(struct link *l, const struct iovec *iov, unsigned int n);
	/* Is writable() wanted? NULL: the channel waits for tx. */
	void (*want)(struct link *l, bool writable);
	/* Read datagrams, and keep those that may be heard. Returns how many were read off the
	 * socket; as long as it is LINK_RX_SLOTS there may be more. NULL where l->up->heard is
	 * called. */
	unsigned int (*recv)(struct link *l, struct link_rx *rx, struct mono now);
	/* Something was wrong with the link a second ago, and it is open: a chance to repair it.
	 * May be NULL. */
	void (*look)(struct link *l, struct mono now);
	/* Could it send now? NULL: always. */
	bool (*ready)(const struct link *l, struct mono now);
	/* Another link sends from now on, beginning with the first datagram that waits. May be
	 * NULL. */
	void (*leave)(struct link *l, struct mono now);
	/* Fill in what only this transport has. May be NULL. */
	void (*stats)(const struct link *l, struct channel_link_stats *out);
};

/* Who sent a datagram or connected, and the way it came. */
struct udp_source {
	union channel_addr addr; /* of the link's family; rest zero */
	uint16_t port;		 /* network order */
	unsigned int ifindex;	 /* 0: the kernel did not say */
};

#define LINK_SPEAKERS 8

/* Who is heard on a UDP or TCP link beside the configured address; see speaker.c. */
struct link_peer {
	struct mono configured_heard; /* the configured address, last time */
	struct mono heard;	      /* likewise, or who stands in for it */
	struct link_speaker {
		union channel_addr addr;
		struct mono first, heard; /* heard not set: a free place */
		enum {
			SPEAKER_WAITS,	   /* nobody knows yet which of the two it is */
			SPEAKER_STANDS_IN, /* it is the peer, by another address */
			SPEAKER_BESIDE,	   /* it is one more node */
		} as;
	} speaker[LINK_SPEAKERS];
	struct log_limit lines; /* about new ones */
};

#define LINK_CONNS 8

/* One connection that receives. */
struct link_conn {
	struct link *link; /* borrowed */
	int fd;		   /* -1: none */
	struct ev_io io;
	struct udp_source from; /* who connected */
	union channel_addr as;	/* whom it is heard as */
	uint8_t *buf;		/* owned; kept for the next one in this place */
	size_t have;		/* bytes in it: an incomplete message */
	struct mono heard;
};

/* The connections of a TCP link: one that sends, and one for each node that is heard; see tcp.c,
 * tcp_recv.c. */
struct link_tcp {
	enum {
		LINK_TCP_IDLE,
		LINK_TCP_CONNECTING,
		LINK_TCP_CONNECTED,
	} state;		    /* of the one that sends; its socket is l->tx */
	size_t part;		    /* bytes of the first waiting datagram it has taken */
	struct ev_timer timer;	    /* idle: the next try; connecting: the end of this one */
	struct mono tried, lost_at; /* last time; not set: never */
	bool said_failed;	    /* since the last success */
	bool open;		    /* conn[] is set up. l->rx listens */
	struct link_conn conn[LINK_CONNS];
	struct ev_timer listen_timer; /* when to listen again after a lack of descriptors */
	struct log_limit lines;	      /* about connections */
};

struct link {
	const struct link_ops *ops;
	const struct link_up *up;
	struct evloop *loop;		      /* borrowed */
	const struct channel_link_conf *conf; /* borrowed */
	const struct channel_conf *all;	      /* borrowed; NULL: this link is by itself */
	uint8_t number;			      /* place in the configuration */
	int tx, rx;			      /* -1: closed */
	/* UDP, TCP: links with one local port receive at one socket, that of the leader: the kernel
	 * gives a datagram to one socket only, whoever sent it. Whose it is, its source says. */
	struct link *leader; /* borrowed; itself, or the one whose rx it uses */
	struct link *next;   /* borrowed; from the leader on */
	/* the leader's is bound to any address, because one of them needs that */
	bool any_rx;
	/* scoped: of the interface that carries it; else of Interface, 0: not there */
	unsigned int ifindex;
	/* which it was a port of when the sockets were opened; 0: none */
	unsigned int vrf;
	/* scoped: its name; not always the configured one */
	char carrier[IF_NAMESIZE];
	/* it could not be opened yet: interface or address are missing */
	bool waits;
	bool was_open;	    /* at any time */
	bool reopen_failed; /* that was said already */
	/* not scoped: where packets for the peer leave; ifindex 0: nowhere */
	struct route_way way;
	/* not scoped: the peer is in a subnet of Interface */
	bool neighbour;
	/* and now the peer is reached by the default route of another interface only */
	bool default_route_only;
	/* the configured peer is an address of this machine: a relay, a redirect, a test */
	bool dest_own;
	uint16_t tx_port; /* UDP: of tx, network order */
	bool said_deaf;
	bool said_small;  /* that the MTU is smaller than a message may be */
	unsigned int mtu; /* bytes */
	/* UDP: the kernel cuts datagrams from one piece, as far as we know */
	bool segments;
	/* when it last would not; not set: never, or it cannot at all */
	struct mono refused;
	struct ev_io tx_io, rx_io;
	struct gather gather;	  /* of datagrams, in rx */
	struct ev_timer rx_timer; /* armed while they gather */
	struct channel *owner;	  /* borrowed */
	struct channel_link_stats stats;
	struct ifaddr_list addrs;
	struct link_peer peer; /* UDP, TCP */
	struct link_tcp tcp;
	bool source_bound; /* IPv6 multicast: tx has its source address */
	/* multicast: a source that is known not to be ourselves */
	union channel_addr last_heard;
	enum {
		LINK_STATE_UNKNOWN,
		LINK_STATE_GONE,
		LINK_STATE_DOWN,
		LINK_STATE_NO_CARRIER,
		LINK_STATE_NO_ADDRESS,
		LINK_STATE_NO_ROUTE,
		LINK_STATE_UP,
	} state; /* as last seen */
	struct log_limit state_lines, mtu_lines;
	struct log_limit refusals; /* lines about them */
	struct {
		int err;		 /* errno of the last datagram that could not leave */
		uint64_t n;		 /* so many could not */
		struct mono since, last; /* the first and last of these; since not set: all leave */
		int said;	 /* with which errno it was said that they do not; 0: it was not */
		uint64_t before; /* n before the first of these */
		uint64_t sent;	 /* datagrams that had left when the last one could not */
		struct log_limit lines;
	} unsent;
};

/* clang-format off */
#define ROW(type, keyword, like, ops, about) extern const struct link_ops ops;
CHANNEL_TYPES(ROW)
#undef ROW
/* clang-format on */

/* tcp_recv.c: the receiving side of a TCP link. tcp_recv_open() makes the listening socket if the
 * link has one; 0, or -errno with one line in *err. tcp_recv_start() begins to wait for it, 0 or
 * -errno; tcp_recv_stop() ends that and all connections. tcp_recv_any(): is anybody connected? */
int tcp_recv_open(struct link *l, struct text *err);
int tcp_recv_start(struct link *l);
void tcp_recv_stop(struct link *l);
bool tcp_recv_any(const struct link *l);

/* For the transports. */

/* SO_SNDBUFFORCE / SO_RCVBUFFORCE; without the right to force, what the system allows. */
void link_set_buffer(int fd, int option_force, int option, uint32_t bytes);
/* Is it a multicast link, or one of IPv6 link-local addresses? */
bool link_is_scoped(const struct link *l);
/* The largest packet in bytes that fits the way to the peer (scoped: the interface); 1500 if
 * nothing is known. */
unsigned int link_read_mtu(const struct link *l);
/* What state is the link in now? Logs a change, keeps way, ifindex and mtu of the link up to date.
 * link_state.c. */
void link_look(struct link *l, const struct ifwatch *w, struct mono now);
/* The index of the configured interface. 0, or -ENODEV with one line in *err that lists the
 * interfaces there are. */
int link_find_interface(const struct link *l, unsigned int *index, struct text *err);
/* Interface flags (IFF_...); 0 if they cannot be read. */
unsigned int link_read_flags(unsigned int ifindex);
/* Is the address there that the link needs? Costs a dump of the addresses of the machine. */
bool link_has_address(struct link *l, struct mono now);
/* "file:7:3" of an option, as the errors of the configuration begin; "line 5" of the link's block
 * where that is not known. Returns buf. */
#define LINK_PLACE_MAX (PATH_MAX + 24)
const char *link_place(const struct link *l, const struct channel_place *at,
		       char buf[LINK_PLACE_MAX]);
/* The options that give the link's own address and the peer's, for messages (UDP and TCP). */
const char *link_local_keyword(const struct link *l);
const char *link_dest_keyword(const struct link *l);
/* An address of the link's family as text. Returns buf. */
const char *link_addr_text(const struct link *l, const union channel_addr *addr,
			   char buf[INET6_ADDRSTRLEN]);
void link_close(struct link *l);

#endif
