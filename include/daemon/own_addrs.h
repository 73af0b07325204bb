/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_OWN_ADDRS_H
#define CONNTRACKD_DAEMON_OWN_ADDRS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/evloop.h"
#include "base/text.h"

/* The addresses that this node had at a certain moment and has had ever since: not those of the
 * cluster, which come and go with the role. */
struct own_addrs;

/* 0, or -errno with a line in *err. Borrows loop. */
int own_addrs_open(struct evloop *loop, struct own_addrs **out, struct text *err);
void own_addrs_close(struct own_addrs *o);

/* This is the moment. 0 or -errno: none is known. */
int own_addrs_take(struct own_addrs *o);
/* addr: 4 or 16 bytes, network order. */
bool own_addrs_has(const struct own_addrs *o, uint8_t l3, const void *addr);

#endif
