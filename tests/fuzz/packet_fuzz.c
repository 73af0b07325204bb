/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gate: the first byte chooses the family, the rest is a packet from its network header on. What
 * has a tuple has all of it, and one byte more behind the packet changes nothing that was read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ct_flow t, again;
	enum gate_packet_kind kind;
	uint8_t *longer;

	if (size == 0)
		return 0;
	kind = gate_packet_read(data[0] & 1 ? AF_INET6 : AF_INET, data + 1, size - 1, &t);
	if ((kind == GATE_PACKET_TUPLE || kind == GATE_PACKET_ERROR) &&
	    (t.has & ~FLOW_HAS_PORTS || (flow_l4_has_ports(t.l4) && !(t.has & FLOW_HAS_PORTS))))
		abort();
	if (kind == GATE_PACKET_UNREADABLE)
		return 0;
	longer = malloc(size);
	if (!longer)
		return 0;
	memcpy(longer, data + 1, size - 1);
	longer[size - 1] = 0;
	if (gate_packet_read(data[0] & 1 ? AF_INET6 : AF_INET, longer, size, &again) != kind ||
	    !flow_same_key(&t, &again))
		abort();
	free(longer);
	return 0;
}
