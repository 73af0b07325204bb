/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adjustment of sequence numbers after a text of another length.
 *
 * For IPv4 the kernel keeps it by itself when a verdict brings a packet of another length. For IPv6
 * it reads the sequence number at a wrong place (seen up to 6.1; nf_ct_tcp_seqadj_set() measures
 * the header of IPv4): the connection would stand still from there on. So there the verdict says
 * nothing about the flow, and the adjustment is set by a request before. A segment before the last
 * correction changes nothing. */
#include "queue/queue.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/ct_sock.h"
#include "kernel/nl_attr.h"

#define REQUEST_BYTES 512
#define ANSWER_BYTES  1024

struct seqadj_sock {
	int fd;
	uint32_t portid, seq;
};

int seqadj_open(struct seqadj_sock **out, struct text *err)
{
	struct seqadj_sock *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fd = ct_sock_open(&s->portid, err);
	if (s->fd < 0) {
		int rc = s->fd;

		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void seqadj_close(struct seqadj_sock *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

uint32_t seqadj_portid(const struct seqadj_sock *s)
{
	return s->portid;
}

void seqadj_next(struct queue_adj *a, uint32_t seq, int32_t diff)
{
	if (a->before != a->after && (int32_t)(a->pos - seq) > 0)
		return;
	if (a->before != a->after && a->pos == seq) {
		a->after = a->before + diff;
		return;
	}
	a->pos = seq;
	a->before = a->after;
	a->after += diff;
}

static void put_tuple(struct writer *w, const struct queue_ct *ct)
{
	const bool v4 = ct->l3 == AF_INET;
	const size_t len = v4 ? 4 : 16;
	size_t tuple = nest_begin(w, CTA_TUPLE_ORIG), at = nest_begin(w, CTA_TUPLE_IP);

	put_attr(w, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, &ct->tuple[0].src, len);
	put_attr(w, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, &ct->tuple[0].dst, len);
	nest_end(w, at);
	at = nest_begin(w, CTA_TUPLE_PROTO);
	put_u8(w, CTA_PROTO_NUM, ct->l4);
	put_attr(w, CTA_PROTO_SRC_PORT, &ct->tuple[0].sport, 2);
	put_attr(w, CTA_PROTO_DST_PORT, &ct->tuple[0].dport, 2);
	nest_end(w, at);
	nest_end(w, tuple);
}

static void put_adj(struct writer *w, bool reply, const struct queue_adj *a)
{
	size_t at = nest_begin(w, reply ? CTA_SEQ_ADJ_REPLY : CTA_SEQ_ADJ_ORIG);

	put_u32(w, CTA_SEQADJ_CORRECTION_POS, a->pos);
	put_u32(w, CTA_SEQADJ_OFFSET_BEFORE, (uint32_t)a->before);
	put_u32(w, CTA_SEQADJ_OFFSET_AFTER, (uint32_t)a->after);
	nest_end(w, at);
}

static int read_answer(struct seqadj_sock *s)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ANSWER_BYTES];
	struct nlmsghdr h;
	ssize_t n;
	int code;

	do {
		n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n < (ssize_t)(sizeof(h) + sizeof(code)))
			return n == -1 ? -ENOBUFS : -EPROTO;
		memcpy(&h, buf, sizeof(h));
	} while (n == -1 || h.nlmsg_seq != s->seq || h.nlmsg_type != NLMSG_ERROR);
	memcpy(&code, buf + sizeof(h), sizeof(code));
	return code;
}

int seqadj_set(struct seqadj_sock *s, const struct queue_ct *ct, bool reply,
	       const struct queue_adj *a, const struct queue_change *help)
{
	const struct nl_request r = nl_request(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
					       NLM_F_ACK, ct->l3, ++s->seq);
	uint8_t buf[REQUEST_BYTES];
	struct writer w = wr_init(buf, sizeof(buf));
	size_t n, at;
	int rc;

	wr_bytes(&w, &r, sizeof(r));
	put_tuple(&w, ct);
	if (ct->zone != 0)
		put_u16(&w, CTA_ZONE, ct->zone);
	put_adj(&w, reply, a);
	if (help->helper) {
		at = nest_begin(&w, CTA_HELP);
		put_attr(&w, CTA_HELP_NAME, help->helper, strlen(help->helper) + 1);
		put_attr(&w, CTA_HELP_INFO, help->info, help->info_len);
		nest_end(&w, at);
	}
	n = nl_end(&w);
	rc = n > 0 ? ct_sock_send(s->fd, buf, n) : -EMSGSIZE;
	return rc < 0 ? rc : read_answer(s);
}
