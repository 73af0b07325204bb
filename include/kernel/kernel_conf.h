/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_KERNEL_CONF_H
#define CONNTRACKD_KERNEL_KERNEL_CONF_H

#include <stdbool.h>
#include <stdint.h>

/* How kernel events are taken in (section General). Plain data, no pointers. */
struct kernel_conf {
	/* Receive buffer of the event socket in bytes, as the kernel counts them (twice what
	 * SO_RCVBUF asks for). 0: not given, the daemon chooses. */
	uint32_t netlink_buffer;
	/* The size it may grow to, never below netlink_buffer. 0: not given, the daemon chooses. */
	uint32_t netlink_buffer_max;
	/* Latest start of the comparison with the kernel table after lost events; 0: never
	 * compare. */
	uint32_t overrun_resync_s;
	/* The kernel keeps events until they could be delivered. */
	bool events_reliable;
	/* Set nf_conntrack_events to 1 at the start if it is 2 ("automatic"). */
	bool events_sysctl;
	/* Most events handled before other work gets its turn; never 0. */
	uint32_t event_iteration_limit;
	/* No events, read the table every so many seconds; 0: off. */
	uint32_t poll_s;
};

#endif
