/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_QUEUE_PACKET_H
#define CONNTRACKD_QUEUE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet of IPv4 or IPv6 with TCP or UDP: where its text is, and the same packet with another
 * one. Pure functions. */
struct packet_parts {
	uint8_t l3, l4;
	size_t l4_at; /* offset of the header of TCP or UDP */
	size_t text_at, text_len;
	uint32_t seq; /* TCP: of the first byte of the text */
};

/* 0, or -EPROTO: not such a packet, a later fragment, or not all of it. */
int packet_parse(uint8_t l3, const uint8_t *bytes, size_t n, struct packet_parts *parts);

/* The packet with this text: lengths and checksums are those of the new one; a UDP packet without
 * checksum gets none. Returns its length; 0: it does not fit into cap or into a packet. */
size_t packet_build(const struct packet_parts *parts, const uint8_t *bytes, const uint8_t *text,
		    size_t text_len, uint8_t *out, size_t cap);

#endif
