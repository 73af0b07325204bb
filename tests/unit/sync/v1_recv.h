/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_V1_RECV_H
#define CONNTRACKD_TESTS_V1_RECV_H

#include "proto/v1/hdr.h"
#include "sync/sync.h"

/* The tests of replication were written with the headers of version 1: what one of them means is
 * given to sync_recv(). */
static inline enum sync_verdict recv_v1(struct sync *s, const struct peer_addr *from,
					const struct wire_hdr *hdr, struct cursor body,
					struct mono now)
{
	struct message msg;

	wire_meaning(hdr, body, &msg);
	return sync_recv(s, from, &msg, body, now);
}

#endif
