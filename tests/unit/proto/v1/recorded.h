/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_RECORDED_H
#define CONNTRACKD_TESTS_RECORDED_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/v1/attr_numbers.h"
#include "proto/v1/hdr.h"

static inline size_t recorded_be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Messages as they were recorded, on machines with the least significant byte first, become what a
 * sender of this machine's kind would have sent. That concerns three values, which travel in the
 * order of the host (doc/protocol.md, section 3). Whatever is malformed stays as it is. */
static inline void recorded_settle(uint8_t *p, size_t n)
{
	if (htons(1) != 1)
		return;
	for (size_t len; n >= WIRE_HDR_LEN; p += len, n -= len) {
		len = recorded_be16(p + 2);
		if (len < WIRE_HDR_LEN || len > n)
			return;
		if (p[0] >> 4 != WIRE_VERSION || (p[0] & 0xf) > WIRE_CT_DEL)
			continue;
		for (size_t at = WIRE_HDR_LEN, whole; at + 4 <= len; at += whole) {
			size_t n_attr = recorded_be16(p + at), number = recorded_be16(p + at + 2);
			uint8_t first = p[at + 4];

			whole = (n_attr + 3) / 4 * 4;
			if (n_attr < 4 || at + whole > len)
				break;
			if (n_attr != 6 ||
			    (number != WIRE_ATTR_SPAT_PORT && number != WIRE_ATTR_DPAT_PORT &&
			     number != WIRE_ATTR_ICMP_ID))
				continue;
			p[at + 4] = p[at + 5];
			p[at + 5] = first;
		}
	}
}

#endif
