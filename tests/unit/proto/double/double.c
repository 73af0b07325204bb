/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Header, 20 bytes: version and zeros, change, length, HELLO bits, kind, two zeros, then to, seq,
 * from, each least significant byte first. */
#include "double.h"

#include <errno.h>
#include <string.h>

#define HDR 20u

struct flow_body {
	uint8_t has_rare, unused[7];
	struct flow_rare rare;
	struct ct_flow flow;
};

_Static_assert(sizeof(struct flow_body) + HDR <= PROTO_BODY_MAX, "short enough to be kept");

static void put_le32(uint8_t *p, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Appends a header and gives where the n bytes of its body go; NULL: there is no room. */
static uint8_t *put_header(struct writer *w, const struct message *msg, uint8_t kind, size_t n)
{
	uint8_t *p;

	if (w->full || wr_room(w) < HDR + n)
		return NULL;
	p = wr_take(w, HDR + n);
	memset(p, 0, HDR);
	p[0] = DOUBLE_VERSION << 4;
	p[1] = (uint8_t)(MSG_CHANGES - msg->change);
	put_be16(p + 2, (uint16_t)(HDR + n));
	p[4] = msg->hello;
	p[5] = (uint8_t)(100 - kind);
	put_le32(p + 8, msg->to);
	put_le32(p + 12, msg->seq);
	put_le32(p + 16, msg->from);
	return p + HDR;
}

static enum proto_err double_next(struct cursor *datagram, struct message *msg, struct cursor *body)
{
	const uint8_t *p = datagram->at;
	size_t len;

	if (datagram->bad || datagram->left < 8)
		return PROTO_TRUNCATED;
	*msg = (struct message){ .version = p[0] >> 4 };
	len = (size_t)p[2] << 8 | p[3];
	if (len < 8 || len > datagram->left)
		return PROTO_BAD_SIZE;
	*body = cur_sub(datagram, len);
	if (msg->version != DOUBLE_VERSION)
		return PROTO_BAD_VERSION;
	if (len < HDR)
		return PROTO_BAD_SIZE;
	cur_take(body, HDR);
	msg->change = (uint8_t)(MSG_CHANGES - p[1]);
	msg->hello = p[4];
	msg->kind = (uint8_t)(100 - p[5]);
	msg->tag = (uint16_t)(p[1] << 8 | p[5]);
	msg->to = get_le32(p + 8);
	msg->seq = get_le32(p + 12);
	msg->from = get_le32(p + 16);
	return PROTO_OK;
}

static enum proto_err double_length(struct cursor stream, size_t *len)
{
	if (stream.left < 8)
		return PROTO_MORE;
	*len = (size_t)stream.at[2] << 8 | stream.at[3];
	if (*len < 8)
		return PROTO_BAD_SIZE;
	return *len > stream.left ? PROTO_MORE : PROTO_OK;
}

static enum proto_err double_get_flow(struct cursor body, struct ct_flow *out,
				      struct flow_rare *rare, struct proto_stats *stats)
{
	struct flow_body b;

	(void)stats;
	if (body.left != sizeof(b))
		return PROTO_BAD_PAYLOAD;
	cur_bytes(&body, &b, sizeof(b));
	*rare = b.rare;
	*out = b.flow;
	out->rare = b.has_rare ? rare : NULL;
	flow_mirror_reply(out);
	return PROTO_OK;
}

static int double_put_flow(struct writer *w, const struct message *msg, const struct ct_flow *f,
			   const struct proto_rules *rules)
{
	struct flow_body b;
	uint8_t *to = put_header(w, msg, MSG_FLOW, sizeof(b));

	if (!to)
		return -ENOSPC;
	memset(&b, 0, sizeof(b));
	flow_copy(&b.flow, f);
	b.flow.has = (f->has & ~FLOW_FROM_PEER_NAT) | flow_nat(f);
	if (rules->no_timeout)
		b.flow.has &= ~FLOW_HAS_TIMEOUT;
	b.has_rare = f->rare != NULL;
	if (f->rare)
		b.rare = *f->rare;
	b.flow.rare = NULL;
	memcpy(to, &b, sizeof(b));
	return 0;
}

static enum proto_err double_get_expect(struct cursor body, struct ct_expect *out,
					struct proto_stats *stats)
{
	(void)stats;
	if (body.left != sizeof(*out))
		return PROTO_BAD_PAYLOAD;
	cur_bytes(&body, out, sizeof(*out));
	return PROTO_OK;
}

static int double_put_expect(struct writer *w, const struct message *msg, const struct ct_expect *e,
			     const struct proto_rules *rules)
{
	uint8_t *to = put_header(w, msg, MSG_EXPECT, sizeof(*e));

	(void)rules;
	if (!to)
		return -ENOSPC;
	memcpy(to, e, sizeof(*e));
	return 0;
}

static int double_put_control(struct writer *w, const struct message *msg)
{
	return put_header(w, msg, msg->kind, 0) ? 0 : -ENOSPC;
}

const struct proto_ops proto_double = {
	.version = DOUBLE_VERSION,
	.helper_max = FLOW_HELPER_MAX - 1,
	.addressed = true,
	.next = double_next,
	.length = double_length,
	.get_flow = double_get_flow,
	.get_expect = double_get_expect,
	.put_flow = double_put_flow,
	.put_expect = double_put_expect,
	.put_control = double_put_control,
};
