/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BENCH_CTNL_H
#define CONNTRACKD_BENCH_CTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the programs of bench/ share: flows by number, and the ctnetlink messages that make them.
 * None of it is the daemon's code: a generator that shared a mistake with what it measures would
 * not show it. */

/* 10.128.0.254: destination of every IPv4 flow of these programs */
#define FLOW_MARKER 0x0a8000fe

struct flow_kind {
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	bool ipv6;
	bool snat;
	uint32_t base; /* added to the number of a flow, so that two sets are apart */
	uint32_t mark; /* 0: the request says nothing about it */
};

enum ctnl_op { CTNL_INSERT, CTNL_NEW, CTNL_UPDATE, CTNL_DELETE };

/* Appends the request for flow number i: INSERT an established flow, NEW one that has just begun,
 * UPDATE to established, DELETE. Needs 512 bytes at buf; returns the length. */
size_t ctnl_build(void *buf, const struct flow_kind *kind, uint32_t i, enum ctnl_op op,
		  uint32_t seq);

/* The kernel shall acknowledge the request at msg. */
void ctnl_want_ack(void *msg);

/* A netlink socket for requests, and one that hears the events of connections (with this much
 * buffer). Exit on failure. */
int ctnl_open(void);
int ctnl_listen(int buffer_bytes);

/* Sends a batch whose last request wants an acknowledgement, waits for that; returns how many
 * requests were refused. */
unsigned int ctnl_send(int fd, const void *buf, size_t len, uint32_t last_seq);

uint64_t now_ns(void); /* monotonic */
uint64_t cpu_ns(void); /* of this process so far, user and system */
void sleep_until(uint64_t ns);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

#endif
