/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_UNICAST_H
#define CONNTRACKD_CHANNEL_UNICAST_H

#include "channel/link.h"

/* For UDP and TCP links: one peer, addresses of both ends in the configuration. */

/* Decide which of n links share a receiving socket; before they are opened. */
void unicast_share(struct link *links, size_t n);
/* Whose is what this source sent, of the links that share the socket of l? */
struct link *unicast_whose(struct link *l, const struct udp_source *from);
/* As udp_hear in udp_sock.h, also for who connects. */
struct link *unicast_hear(struct link *l, const struct udp_source *from, struct mono now,
			  union channel_addr *as);

/* l->ifindex. A scoped link: 0, or -errno with one line in *err that says what is missing. Others
 * always 0: what is missing is logged, because the sockets need neither interface nor address. */
int unicast_find_interface(struct link *l, struct text *err);
/* The address to receive on: the configured one, or any. */
const union channel_addr *unicast_rx_addr(const struct link *l);
/* The socket may be bound to an address that is not there at the moment. 0 or -errno. */
int unicast_allow_absent(const struct link *l, int fd);
/* A scoped link: whatever the socket sends and receives goes through its interface; without the
 * right to say so, through what the routes say. Nothing for others. 0 or -errno. */
int unicast_bind_device(const struct link *l, int fd);
/* Bind a sending socket to the link's address (and interface, as above), and note its port. 0 or
 * -errno. */
int unicast_bind_tx(struct link *l, int fd);
/* Say what will keep the link from working, but not the daemon from starting. */
void unicast_warn_unreachable(struct link *l);

#endif
