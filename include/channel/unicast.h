/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_UNICAST_H
#define CONNTRACKD_CHANNEL_UNICAST_H

#include "channel/link.h"

/* For UDP and TCP links: one peer, addresses of both ends in the configuration. */

/* The keywords of the link's own address and of the peer's, for messages. */
const char *unicast_local_keyword(const struct link *l);
const char *unicast_dest_keyword(const struct link *l);

/* l->ifindex: the interface that carries the link. 0, or -errno with one line in *err that says what is missing. */
int unicast_find_interface(struct link *l, struct text *err);
/* The socket may be bound to an address that is not there at the moment. 0 or -errno. */
int unicast_allow_absent(const struct link *l, int fd);
/* Whatever the socket sends and receives goes through the interface of the link; without the right to say so, through
 * what the routes say. 0 or -errno. */
int unicast_bind_device(const struct link *l, int fd);
/* Bind a sending socket to the link's address and interface. 0 or -errno. */
int unicast_bind_tx(const struct link *l, int fd);
/* Say what will keep the link from working, but not the daemon from starting. */
void unicast_warn_unreachable(const struct link *l);

#endif
