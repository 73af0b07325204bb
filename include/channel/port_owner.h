/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHANNEL_PORT_OWNER_H
#define CONNTRACKD_CHANNEL_PORT_OWNER_H

#include <stdint.h>

#include "base/text.h"

/* protocol: "udp" or "tcp". Append " by PID N (name)" of a process that has the port (host order)
 * open in this network namespace; nothing if that cannot be found out. Reads /proc: for a start
 * that failed, not for the data path. */
void port_owner_text(const char *protocol, uint16_t port, struct text *out);

#endif
