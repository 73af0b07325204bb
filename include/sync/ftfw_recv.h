/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_FTFW_RECV_H
#define CONNTRACKD_SYNC_FTFW_RECV_H

#include "sync/mode.h"

/* sync_ops.recv, accept, missing, contact, gone */
enum sync_verdict ftfw_recv(struct sync *s, const struct peer_addr *from, const struct message *msg,
			    struct cursor body, struct mono now);
enum sync_verdict ftfw_accept(struct sync *s, struct peer *p, const struct message *msg,
			      struct cursor body, struct mono now);
void ftfw_missing(struct sync *s, struct peer *p, uint32_t from, uint32_t to, struct mono now);
void ftfw_contact(struct sync *s, struct peer *p, bool fresh, struct mono now);
void ftfw_gone(struct sync *s, struct peer *p);

#endif
