/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow that comes with a packet: what is needed of it. All else is not even looked at. */
#include "queue/queue.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "kernel/nl_attr.h"

static void load_ip(struct cursor v, struct queue_ct *ct, int i, bool *bad)
{
	const bool v4 = ct->l3 == AF_INET;
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, bad)) {
		if (type == (v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC))
			cur_bytes(&a, &ct->tuple[i].src, v4 ? 4 : 16);
		else if (type == (v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST))
			cur_bytes(&a, &ct->tuple[i].dst, v4 ? 4 : 16);
		*bad |= a.bad;
	}
}

static void load_proto(struct cursor v, struct queue_ct *ct, int i, bool *bad)
{
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, bad)) {
		if (type == CTA_PROTO_NUM)
			ct->l4 = cur_u8(&a);
		else if (type == CTA_PROTO_SRC_PORT)
			cur_bytes(&a, &ct->tuple[i].sport, 2);
		else if (type == CTA_PROTO_DST_PORT)
			cur_bytes(&a, &ct->tuple[i].dport, 2);
		*bad |= a.bad;
	}
}

static void load_tuple(struct cursor v, struct queue_ct *ct, int i, bool *bad)
{
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, bad)) {
		if (type == CTA_TUPLE_IP)
			load_ip(a, ct, i, bad);
		else if (type == CTA_TUPLE_PROTO)
			load_proto(a, ct, i, bad);
	}
}

/* Only the port that the flow's master goes to is of interest. */
static void load_master(struct cursor v, struct queue_ct *ct, bool *bad)
{
	struct queue_ct master = { .l3 = ct->l3 };

	load_tuple(v, &master, 0, bad);
	ct->master_dport = master.tuple[0].dport;
}

static void load_help(struct cursor v, struct queue_ct *ct, bool *bad)
{
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, bad)) {
		if (type != CTA_HELP_INFO || a.left > QUEUE_INFO_MAX)
			continue;
		ct->info_len = (uint8_t)a.left;
		cur_bytes(&a, ct->info, a.left);
	}
}

static void load_adj(struct cursor v, struct queue_adj *adj, bool *bad)
{
	struct cursor a;
	uint16_t type;

	while (attr_next(&v, &type, &a, bad)) {
		if (type == CTA_SEQADJ_CORRECTION_POS)
			adj->pos = cur_be32(&a);
		else if (type == CTA_SEQADJ_OFFSET_BEFORE)
			adj->before = (int32_t)cur_be32(&a);
		else if (type == CTA_SEQADJ_OFFSET_AFTER)
			adj->after = (int32_t)cur_be32(&a);
	}
}

int queue_parse_ct(const uint8_t *attr, size_t n, struct queue_ct *ct)
{
	struct cursor c = cur_init(attr, n), v;
	unsigned int tuples = 0;
	bool bad = false;
	uint16_t type;

	while (attr_next(&c, &type, &v, &bad)) {
		switch (type) {
		case CTA_TUPLE_ORIG:
		case CTA_TUPLE_REPLY:
			load_tuple(v, ct, type == CTA_TUPLE_REPLY, &bad);
			tuples |= type == CTA_TUPLE_REPLY ? 2 : 1;
			break;
		case CTA_TUPLE_MASTER:
			load_master(v, ct, &bad);
			break;
		case CTA_STATUS:
			ct->status = cur_be32(&v);
			break;
		case CTA_ID:
			ct->id = cur_be32(&v);
			break;
		case CTA_SEQ_ADJ_ORIG:
		case CTA_SEQ_ADJ_REPLY:
			load_adj(v, &ct->adj[type == CTA_SEQ_ADJ_REPLY], &bad);
			break;
		case CTA_ZONE:
			ct->zone = cur_be16(&v);
			break;
		case CTA_HELP:
			load_help(v, ct, &bad);
			break;
		}
		bad |= v.bad;
	}
	return bad || tuples != 3 ? -EPROTO : 0;
}
