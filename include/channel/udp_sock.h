/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_UDP_SOCK_H
#define CONNTRACKD_CHANNEL_UDP_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "channel/link.h"

/* What multicast and UDP links have in common: two UDP sockets of either family. Functions return 0
 * or -errno and leave the message to the transport, which knows the keywords. */

#define UDP_OVERHEAD_V4 28 /* IP and UDP headers, bytes */
#define UDP_OVERHEAD_V6 48

union udp_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Fill *out with an address of the link's family and port in host byte order; IPv6 gets the link's
 * interface as scope. Returns the length for bind() and the like. */
socklen_t udp_sock_addr(const struct link *l, const union channel_addr *addr, uint16_t port,
			union udp_addr *out);

/* l->tx: a socket with checksum, buffer and fragmentation as they should be. */
int udp_sock_open_tx(struct link *l);
/* l->rx: likewise, telling the arrival interface; not bound yet. */
int udp_sock_open_rx(struct link *l);

/* As send in struct link_ops, to dest and port of the configuration. */
int udp_sock_send(struct link *l, const struct iovec *iov, unsigned int n);
/* As recv in struct link_ops. hear decides about each datagram: whose is it, and as whom is its
 * sender heard (*as, of the link's family, rest zero)? NULL: refused, and counted by hear(). */
typedef struct link *udp_hear(struct link *l, const struct udp_source *from, struct mono now,
			      union channel_addr *as);
unsigned int udp_sock_recv(struct link *l, struct link_rx *rx, struct mono now, udp_hear *hear);

/* It came in on another interface than that of the (scoped) link: counted, and a line as below. */
void udp_sock_refuse_interface(struct link *l, const struct udp_source *from, struct mono now);

/* Somebody was refused, and why: a line in the log, unless there were many lately. */
void udp_sock_log_refusal(struct link *l, const struct udp_source *from, const char *why,
			  struct mono now);

#endif
