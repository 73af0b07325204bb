/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_NL_ATTR_H
#define CONNTRACKD_KERNEL_NL_ATTR_H

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"

/* Netlink attributes, read and written. For use inside kernel/ only. Headers are in the machine's
 * byte order, values are what the caller makes of them. */
#define NL_ATTR_HDR 4u

/* How every message of ctnetlink begins. */
struct nl_request {
	struct nlmsghdr h;
	struct nfgenmsg g;
};

/* A request without attributes: type is NFNL_SUBSYS_* << 8 | IPCTNL_MSG_*, flags are NLM_F_* beside
 * NLM_F_REQUEST, family AF_*. */
static inline struct nl_request nl_request(unsigned int type, unsigned int flags, uint8_t family,
					   uint32_t seq)
{
	return (struct nl_request){
		.h = {
			.nlmsg_len = sizeof(struct nl_request),
			.nlmsg_type = (uint16_t)type,
			.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
			.nlmsg_seq = seq,
		},
		.g = { .nfgen_family = family, .version = NFNETLINK_V0 },
	};
}

/* The next attribute of *c. False at the end; *bad is set when the bytes are not a row of
 * attributes. The last one may lack its padding, as the kernel allows. */
static inline bool attr_next(struct cursor *c, uint16_t *type, struct cursor *v, bool *bad)
{
	uint16_t len;
	size_t padded;

	if (c->left < NL_ATTR_HDR) {
		*bad |= c->left > 0;
		return false;
	}
	memcpy(&len, c->at, 2);
	memcpy(type, c->at + 2, 2);
	*type &= NLA_TYPE_MASK;
	if (len < NL_ATTR_HDR || len > c->left) {
		*bad = true;
		return false;
	}
	v->at = c->at + NL_ATTR_HDR;
	v->left = len - NL_ATTR_HDR;
	v->bad = false;
	padded = (len + 3u) & ~3u;
	if (padded > c->left)
		padded = c->left;
	c->at += padded;
	c->left -= padded;
	return true;
}

static inline void put_attr(struct writer *w, uint16_t type, const void *data, size_t len)
{
	size_t padded = (len + 3u) & ~(size_t)3;
	uint16_t nla_len = (uint16_t)(NL_ATTR_HDR + len);
	uint8_t *p = wr_take(w, NL_ATTR_HDR + padded);

	if (!p)
		return;
	memcpy(p, &nla_len, 2);
	memcpy(p + 2, &type, 2);
	if (len > 0)
		memcpy(p + NL_ATTR_HDR, data, len);
	memset(p + NL_ATTR_HDR + len, 0, padded - len);
}

static inline void put_u8(struct writer *w, uint16_t type, uint8_t v)
{
	put_attr(w, type, &v, 1);
}

static inline void put_u16(struct writer *w, uint16_t type, uint16_t v)
{
	uint8_t be[2];

	put_be16(be, v);
	put_attr(w, type, be, sizeof(be));
}

static inline void put_u32(struct writer *w, uint16_t type, uint32_t v)
{
	uint8_t be[4];

	put_be32(be, v);
	put_attr(w, type, be, sizeof(be));
}

/* The length of what was written, which goes into the header, too; 0: it did not fit. */
static inline size_t nl_end(struct writer *w)
{
	uint32_t len = (uint32_t)w->len;

	if (w->full)
		return 0;
	memcpy(w->buf, &len, sizeof(len)); /* nlmsg_len comes first */
	return w->len;
}

/* Open a nested attribute; hand the result to nest_end(). */
static inline size_t nest_begin(struct writer *w, uint16_t type)
{
	size_t at = w->len;

	put_attr(w, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static inline void nest_end(struct writer *w, size_t at)
{
	uint16_t len = (uint16_t)(w->len - at);

	if (!w->full)
		memcpy(w->buf + at, &len, 2);
}

#endif
