/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_SOCK_H
#define CONNTRACKD_KERNEL_CT_SOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/text.h"

/* What the sockets of this folder have in common. For use inside kernel/ only. */

/* A NETLINK_NETFILTER socket, non-blocking, close-on-exec, bound to a port id the kernel chose.
 * Gives the descriptor, or
 * -errno with a line in *err (may be NULL) that names what is missing. portid may be NULL. */
int ct_sock_open(uint32_t *portid, struct text *err);

/* Set the receive buffer to `bytes` as the kernel counts them (twice what is asked for), beyond
 * rmem_max where we are allowed to. Returns what the kernel made of it, or -errno. */
int64_t ct_sock_set_rcvbuf(int fd, uint32_t bytes);

/* Is ctnetlink there? Asks for the number of entries. 0, or -errno with a line in *err. */
int ct_sock_probe(int fd, struct text *err);

/* sendto() the kernel. 0 or -errno. */
int ct_sock_send(int fd, const void *buf, size_t len);

#endif
