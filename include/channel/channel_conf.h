/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_CHANNEL_CONF_H
#define CONNTRACKD_CHANNEL_CHANNEL_CONF_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define CHANNEL_LINKS_MAX  4
#define CHANNEL_ACCEPT_MAX 16

/* The table of transports. Another one is a file with its struct link_ops (channel/link.h) and a
 * row here: its number, the keyword of its block, the block whose options that takes, its
 * operations, and what the manual says of it. */
/* clang-format off */
#define CHANNEL_TYPES(ROW) \
	ROW(MCAST, Multicast, MULTICAST, mcast_ops, \
	    "A dedicated link that uses UDP multicast. Up to four links of one kind; one " \
	    "carries the traffic, at first the one marked Default, or else the first.") \
	ROW(UDP, UDP, UDP, udp_ops, "A dedicated link that uses unicast UDP.") \
	ROW(TCP, TCP, TCP, tcp_ops, "A dedicated link that uses TCP.")

enum channel_type {
#define ROW(type, keyword, like, ops, about) CHANNEL_##type,
	CHANNEL_TYPES(ROW)
#undef ROW
};
/* clang-format on */

/* An address in network byte order; which member counts is said by the family beside it. */
union channel_addr {
	struct in_addr v4;
	struct in6_addr v6;
};

/* Where an option stands in the configuration file, for messages. Line 0: nobody said. */
struct channel_place {
	uint32_t line, column;
};

/* One dedicated link (a Multicast, UDP or TCP block). Plain data, no pointers. */
struct channel_link_conf {
	enum channel_type type;
	int family; /* AF_INET or AF_INET6, for all addresses of the link */
	/* UDP, TCP: the address to receive on; all zero: any.
	 * Multicast IPv4: the address of the local interface (IPv4_interface).
	 * Multicast IPv6: all zero, ifname decides. */
	union channel_addr local;
	/* Multicast: the group. UDP, TCP: the peer. */
	union channel_addr dest;
	char ifname[IF_NAMESIZE]; /* never empty; whether it exists is not known here */
	uint16_t port;		  /* UDP or TCP port in host byte order; never 0 */
	uint32_t snd_buffer;	  /* bytes asked of the kernel; 0: system default */
	uint32_t rcv_buffer;	  /* likewise */
	bool checksum;		  /* UDP checksum on sent datagrams */
	bool is_default;	  /* the link to start with; at most one link has it */
	/* the configuration file, for messages; borrowed from its reader. NULL: none */
	const char *file;
	uint32_t line;						    /* line of the block in it */
	struct channel_place local_at, dest_at, ifname_at, port_at; /* of the options */
};

/* An address or a network of nodes that may speak on UDP and TCP links beside the configured
 * peers. */
struct channel_accept {
	int family;
	uint8_t prefix;		 /* bits that count */
	union channel_addr addr; /* what is behind them is zero */
};

/* All links, in file order; all have the same type. */
struct channel_conf {
	uint32_t n_links;
	struct channel_link_conf link[CHANNEL_LINKS_MAX];
	bool strict; /* no neighbour is heard that is not named here */
	uint32_t n_accept;
	struct channel_accept accept[CHANNEL_ACCEPT_MAX];
	uint32_t error_queue_len; /* TCP: unsent packets kept for another try; never 0 */
};

#endif
