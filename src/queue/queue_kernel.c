/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's own figures about its queues, a line each in /proc/net/netfilter/nfnetlink_queue:
 * number, port id of the socket, packets that wait, copy mode, copy range, dropped because the
 * queue was full, dropped because the socket was, last id, 1. */
#include "queue/queue.h"

#include <inttypes.h>
#include <stdio.h>

bool queue_kernel_read(uint16_t num, struct queue_kernel *out)
{
	FILE *f = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");
	unsigned int n, portid, waiting;
	uint64_t full, socket;
	char line[256];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%u %u %u %*u %*u %" SCNu64 " %" SCNu64, &n, &portid, &waiting,
			   &full, &socket) != 5 ||
		    n != num)
			continue;
		*out = (struct queue_kernel){ .waiting = waiting,
					      .dropped_full = full,
					      .dropped_socket = socket };
		found = true;
	}
	fclose(f);
	return found;
}
