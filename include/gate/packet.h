/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_GATE_PACKET_H
#define CONNTRACKD_GATE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"

/* Which flow a packet belongs to, by its headers alone. Pure functions. */

enum gate_packet_kind {
	/* *tuple is what connection tracking will look up: a flow has it as its original or as its
	 * reply tuple. */
	GATE_PACKET_TUPLE,
	/* An ICMP error: *tuple is that of a packet of the same flow which goes the same way as the
	 * error, so it is looked up like the other. */
	GATE_PACKET_ERROR,
	/* Nothing that connection tracking needs a state for: multicast, limited broadcast, IPv6
	 * neighbour discovery. *tuple has addresses, no more. */
	GATE_PACKET_EXEMPT,
	/* A later fragment, or not all of its headers: *tuple has addresses and protocol, as far as
	 * they are there. */
	GATE_PACKET_UNREADABLE,
};

/* Bytes of a packet that are enough for all headers but strange ones. */
#define GATE_PACKET_COPY 256u

/* bytes: n bytes from the network header on, as the wire has them; hostile. Fills *tuple: family,
 * protocol, addresses and ports (ICMP: id, type and code) in the place of the original tuple, no
 * zone. Ports only of protocols whose ports peers tell (flow_l4_has_ports()). */
enum gate_packet_kind gate_packet_read(uint8_t l3, const uint8_t *bytes, size_t n,
				       struct ct_flow *tuple);

/* The flags of the header of TCP (its byte 13); 0: it is not there. */
uint8_t gate_packet_tcp_flags(uint8_t l3, const uint8_t *bytes, size_t n);

/* The destination of a tuple that gate_packet_read() has made: 4 or 16 bytes. */
static inline const uint8_t *gate_packet_dst(const struct ct_flow *tuple)
{
	return tuple->l3 == AF_INET ? (const uint8_t *)&tuple->addr.v4.dst :
				      (const uint8_t *)tuple->addr.v6.dst;
}

#endif
