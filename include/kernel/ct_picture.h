/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_PICTURE_H
#define CONNTRACKD_KERNEL_CT_PICTURE_H

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "flow/flow.h"
#include "kernel/nl_attr.h"

/* The picture of an ordinary message. For use inside kernel/ only.
 *
 * Nearly all messages are about TCP or UDP over IPv4, and the kernel writes the attributes of those
 * always in the same order and size. A nest is compared with the picture first: if the headers are
 * the expected ones, the values are where the picture says, and nothing is left to check. Whatever
 * looks different is read attribute by attribute (ct_convert.c). Values are big-endian, headers are
 * in the machine's byte order. */
struct nested {
	uint16_t len, type;
};

/* Compared as one word, where it lies in the message. */
static inline bool header_is(const uint8_t *at, uint16_t value_len, uint16_t type)
{
	const struct nested want = { .len = (uint16_t)(NL_ATTR_HDR + value_len), .type = type };

	return memcmp(at, &want, sizeof(want)) == 0;
}

struct plain_tuple {
	struct nested ip, src_hdr;
	uint32_t src;
	struct nested dst_hdr;
	uint32_t dst;
	struct nested proto, num_hdr;
	uint8_t num, num_pad[3];
	struct nested sport_hdr;
	uint16_t sport, sport_pad;
	struct nested dport_hdr;
	uint16_t dport, dport_pad;
};

struct plain_tcp {
	struct nested tcp, state_hdr;
	uint8_t state, state_pad[3];
	struct nested scale_hdr;
	uint8_t scale, scale_pad[3];
	struct nested reply_scale_hdr;
	uint8_t reply_scale, reply_scale_pad[3];
	struct nested flags_hdr;
	uint8_t flags[2], flags_pad[2];
	struct nested reply_flags_hdr;
	uint8_t reply_flags[2], reply_flags_pad[2];
};

/* How a message begins. */
struct plain_tuples {
	struct nested orig_hdr;
	struct plain_tuple orig;
	struct nested reply_hdr;
	struct plain_tuple reply;
};

_Static_assert(sizeof(struct plain_tuple) == 48 && sizeof(struct plain_tcp) == 44 &&
		       sizeof(struct plain_tuples) == 104,
	       "as they lie in the message");

/* Where a part of the picture lies in the message. */
#define PART(at, picture, part) ((at) + offsetof(struct picture, part))

static inline bool is_plain_tuple(const uint8_t *at)
{
	return header_is(PART(at, plain_tuple, ip), 16, CTA_TUPLE_IP | NLA_F_NESTED) &&
	       header_is(PART(at, plain_tuple, src_hdr), 4, CTA_IP_V4_SRC) &&
	       header_is(PART(at, plain_tuple, dst_hdr), 4, CTA_IP_V4_DST) &&
	       header_is(PART(at, plain_tuple, proto), 24, CTA_TUPLE_PROTO | NLA_F_NESTED) &&
	       header_is(PART(at, plain_tuple, num_hdr), 1, CTA_PROTO_NUM) &&
	       header_is(PART(at, plain_tuple, sport_hdr), 2, CTA_PROTO_SRC_PORT) &&
	       header_is(PART(at, plain_tuple, dport_hdr), 2, CTA_PROTO_DST_PORT);
}

static inline void take_plain_tuple(const uint8_t *at, uint32_t *src, uint32_t *dst,
				    struct flow_ports *ports, uint8_t *l4)
{
	memcpy(src, PART(at, plain_tuple, src), sizeof(*src));
	memcpy(dst, PART(at, plain_tuple, dst), sizeof(*dst));
	memcpy(&ports->sport, PART(at, plain_tuple, sport), sizeof(ports->sport));
	memcpy(&ports->dport, PART(at, plain_tuple, dport), sizeof(ports->dport));
	*l4 = *PART(at, plain_tuple, num);
}

/* Does a message begin with both tuples, and are they as long as usual? */
static inline bool begins_plain(struct cursor c)
{
	const uint16_t len = sizeof(struct plain_tuple);

	return c.left >= sizeof(struct plain_tuples) &&
	       header_is(PART(c.at, plain_tuples, orig_hdr), len, CTA_TUPLE_ORIG | NLA_F_NESTED) &&
	       header_is(PART(c.at, plain_tuples, reply_hdr), len, CTA_TUPLE_REPLY | NLA_F_NESTED);
}

static inline bool is_plain_tcp(struct cursor v)
{
	const uint8_t *at = v.at;

	return v.left == sizeof(struct plain_tcp) &&
	       header_is(PART(at, plain_tcp, tcp), 40, CTA_PROTOINFO_TCP | NLA_F_NESTED) &&
	       header_is(PART(at, plain_tcp, state_hdr), 1, CTA_PROTOINFO_TCP_STATE) &&
	       header_is(PART(at, plain_tcp, scale_hdr), 1, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL) &&
	       header_is(PART(at, plain_tcp, reply_scale_hdr), 1, CTA_PROTOINFO_TCP_WSCALE_REPLY) &&
	       header_is(PART(at, plain_tcp, flags_hdr), 2, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL) &&
	       header_is(PART(at, plain_tcp, reply_flags_hdr), 2, CTA_PROTOINFO_TCP_FLAGS_REPLY);
}

#endif
