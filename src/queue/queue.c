/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet queue (linux/netfilter/nfnetlink_queue.h).
 *
 * The queue is configured by one message whose answer is waited for: number, copy range, flags and
 * length at once, so that no packet comes under half of them, and so that a queue of somebody else
 * is an error and not a line in a log.
 *
 * A verdict for a packet that passes as it is may wait until others follow: one message with the
 * highest id settles all that are queued up to it, since packets keep their order. What is to be
 * changed or dropped is told at once, after those before. The kernel carries a verdict out inside
 * sendto(). */
#include "queue/queue.h"

#include "config.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_HELPERS
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#endif

#include "kernel/ct_sock.h"
#include "kernel/exp.h"
#include "kernel/nl_attr.h"

#define MESSAGE_BYTES	  (QUEUE_COPY_ALL + 4096u) /* a packet and what comes with it */
#define RCVBUF_BYTES	  (4u << 20)
#define ROUND		  64 /* packets of one wake-up */
#define ANSWER_WAIT_MS	  2000
#define CT_INFO_REPLY	  3u	/* IP_CT_IS_REPLY: this and above */
#define ALONE_BYTES	  8192u /* of verdicts that leave together */
#define QUEUE_LEN_DEFAULT 1024u

struct packet_queue {
	struct evloop *loop;
	struct ev_io io;
	struct queue_cb cb;
	uint16_t num;
	bool waits; /* packets up to pass_id have no verdict yet */
	uint32_t pass_id;
	uint32_t max_len;
	size_t alone_len;
	struct queue_stats stats;
	_Alignas(struct nlmsghdr) uint8_t alone[ALONE_BYTES]; /* verdicts, messages in a row */
	_Alignas(struct nlmsghdr) uint8_t in[MESSAGE_BYTES];
	_Alignas(struct nlmsghdr) uint8_t out[MESSAGE_BYTES];
};

static struct writer begin(struct packet_queue *q, unsigned int msg, uint8_t family)
{
	struct nl_request r = nl_request(NFNL_SUBSYS_QUEUE << 8 | msg, 0, family, 0);
	struct writer w = wr_init(q->out, sizeof(q->out));

	r.g.res_id = htons(q->num);
	wr_bytes(&w, &r, sizeof(r));
	return w;
}

/* ---- verdicts ---- */

static void put_verdict(struct writer *w, uint32_t id, uint32_t verdict)
{
	const struct nfqnl_msg_verdict_hdr hdr = { .verdict = htonl(verdict), .id = htonl(id) };

	put_attr(w, NFQA_VERDICT_HDR, &hdr, sizeof(hdr));
}

static int send_verdict(struct packet_queue *q, struct writer *w)
{
	size_t n = nl_end(w);

	q->stats.verdicts++;
	return n > 0 ? ct_sock_send(q->io.fd, q->out, n) : -EMSGSIZE;
}

static void flush(struct packet_queue *q)
{
	struct writer w;

	if (!q->waits)
		return;
	q->waits = false;
	w = begin(q, NFQNL_MSG_VERDICT_BATCH, AF_UNSPEC);
	put_verdict(&w, q->pass_id, NF_ACCEPT);
	send_verdict(q, &w);
}

void packet_queue_pass(struct packet_queue *q, uint32_t id)
{
	q->waits = true;
	q->pass_id = id;
}

void packet_queue_drop(struct packet_queue *q, uint32_t id)
{
	struct writer w;

	flush(q);
	w = begin(q, NFQNL_MSG_VERDICT, AF_UNSPEC);
	put_verdict(&w, id, NF_DROP);
	send_verdict(q, &w);
}

/* Timeout, status, mark and the like are left out: the kernel would take them back to what they
 * were when the packet was queued. The kernel looks for a change of length only if there is
 * something about the flow, hence the attribute even if it is empty. */
static void put_flow(struct writer *w, const struct queue_change *change)
{
	size_t ct = nest_begin(w, NFQA_CT), help;

	if (change->helper) {
		help = nest_begin(w, CTA_HELP);
		put_attr(w, CTA_HELP_NAME, change->helper, strlen(change->helper) + 1);
		put_attr(w, CTA_HELP_INFO, change->info, change->info_len);
		nest_end(w, help);
	}
	nest_end(w, ct);
}

static void put_expect(struct writer *w, const struct ct_expect *e)
{
	uint8_t msg[EXP_BUILD_MAX];
	size_t n = exp_build_create(e, 0, msg, sizeof(msg)), at = nest_begin(w, NFQA_EXP);

	if (n > sizeof(struct nl_request))
		wr_bytes(w, msg + sizeof(struct nl_request), n - sizeof(struct nl_request));
	nest_end(w, at);
}

void packet_queue_flush(struct packet_queue *q)
{
	if (q->alone_len > 0)
		ct_sock_send(q->io.fd, q->alone, q->alone_len);
	q->alone_len = 0;
}

void packet_queue_verdict(struct packet_queue *q, uint32_t id, bool pass)
{
	struct writer w = begin(q, NFQNL_MSG_VERDICT, AF_UNSPEC);
	size_t n;

	put_verdict(&w, id, pass ? NF_ACCEPT : NF_DROP);
	n = nl_end(&w);
	if (q->alone_len + n > sizeof(q->alone))
		packet_queue_flush(q);
	memcpy(q->alone + q->alone_len, q->out, n);
	q->alone_len += NLMSG_ALIGN(n);
	q->stats.verdicts++;
}

/* Full from the first packet on, and what finds a queue full passes. */
static void put_mode(struct writer *w, bool hold, uint32_t max_len)
{
	const uint32_t len = htonl(hold ? max_len : 0);
	const uint32_t flags = htonl(hold ? 0 : NFQA_CFG_F_FAIL_OPEN);
	const uint32_t mask = htonl(NFQA_CFG_F_FAIL_OPEN);

	put_attr(w, NFQA_CFG_QUEUE_MAXLEN, &len, sizeof(len));
	put_attr(w, NFQA_CFG_FLAGS, &flags, sizeof(flags));
	put_attr(w, NFQA_CFG_MASK, &mask, sizeof(mask));
}

int packet_queue_hold(struct packet_queue *q, bool hold)
{
	struct writer w = begin(q, NFQNL_MSG_CONFIG, AF_UNSPEC);
	size_t n;

	put_mode(&w, hold, q->max_len);
	n = nl_end(&w);
	return n > 0 ? ct_sock_send(q->io.fd, q->out, n) : -EMSGSIZE;
}

int packet_queue_pass_changed(struct packet_queue *q, uint32_t id, uint8_t l3,
			      const struct queue_change *change)
{
	struct writer w;
	int err;

	flush(q);
	w = begin(q, NFQNL_MSG_VERDICT, l3);
	put_verdict(&w, id, NF_ACCEPT);
	if (!change->bare)
		put_flow(&w, change);
	if (change->expect)
		put_expect(&w, change->expect);
	if (change->bytes) {
		put_attr(&w, NFQA_PAYLOAD, change->bytes, change->len);
		q->stats.changed++;
	}
	err = send_verdict(q, &w);
	if (err < 0)
		packet_queue_pass(q, id);
	return err;
}

#ifdef HAVE_HELPERS

/* ---- packets ---- */

static int load_packet(struct nlattr **attr, struct queue_packet *p)
{
	const struct nfqnl_msg_packet_hdr *hdr;

	if (!attr[NFQA_PACKET_HDR] ||
	    mnl_attr_get_payload_len(attr[NFQA_PACKET_HDR]) < sizeof(*hdr))
		return -EPROTO;
	hdr = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
	p->id = ntohl(hdr->packet_id);
	if (attr[NFQA_PAYLOAD]) {
		p->bytes = mnl_attr_get_payload(attr[NFQA_PAYLOAD]);
		p->len = p->full_len = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);
	}
	if (attr[NFQA_CAP_LEN] && mnl_attr_get_payload_len(attr[NFQA_CAP_LEN]) == 4)
		p->full_len = ntohl(mnl_attr_get_u32(attr[NFQA_CAP_LEN]));
	if (attr[NFQA_CT] && attr[NFQA_CT_INFO] &&
	    mnl_attr_get_payload_len(attr[NFQA_CT_INFO]) == 4) {
		p->ct.l3 = p->l3;
		p->reply = ntohl(mnl_attr_get_u32(attr[NFQA_CT_INFO])) >= CT_INFO_REPLY;
		p->has_ct = queue_parse_ct(mnl_attr_get_payload(attr[NFQA_CT]),
					   mnl_attr_get_payload_len(attr[NFQA_CT]), &p->ct) == 0;
	}
	return 0;
}

static void take_message(struct packet_queue *q, const struct nlmsghdr *h)
{
	struct nlattr *attr[NFQA_MAX + 1] = { NULL };
	struct queue_packet p = { .bytes = NULL };

	if (h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return;
	p.l3 = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(h))->nfgen_family;
	if (nfq_nlmsg_parse(h, attr) < 0 || load_packet(attr, &p) < 0) {
		q->stats.malformed++;
		return;
	}
	q->stats.packets++;
	q->cb.packet(q->cb.ctx, &p);
}

/* One read. False: there is nothing more. */
static bool read_one(struct packet_queue *q)
{
	ssize_t n = recv(q->io.fd, q->in, sizeof(q->in), MSG_DONTWAIT);
	const struct nlmsghdr *h = (const struct nlmsghdr *)q->in;
	int left = (int)n;

	if (n == -1) {
		q->stats.overruns += errno == ENOBUFS;
		return errno == ENOBUFS || errno == EINTR;
	}
	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_len >= sizeof(struct nl_request))
			take_message(q, h);
	}
	return true;
}

static void on_ready(void *ctx, unsigned int ready, struct mono now)
{
	struct packet_queue *q = ctx;

	(void)ready;
	(void)now;
	for (int i = 0; i < ROUND && read_one(q); i++)
		;
	flush(q);
	packet_queue_flush(q);
}

void packet_queue_drain(struct packet_queue *q)
{
	while (read_one(q))
		;
	flush(q);
	packet_queue_flush(q);
}

/* ---- opening ---- */

static size_t build_config(struct packet_queue *q, const struct queue_conf *conf)
{
	struct nlmsghdr *h = nfq_nlmsg_put((char *)q->out, NFQNL_MSG_CONFIG, conf->num);
	uint32_t flags = (conf->conntrack ? NFQA_CFG_F_CONNTRACK : 0u) |
			 (conf->gso ? NFQA_CFG_F_GSO : 0u) |
			 (conf->passing || conf->fail_open ? NFQA_CFG_F_FAIL_OPEN : 0u);

	h->nlmsg_flags |= NLM_F_ACK;
	h->nlmsg_seq = 1;
	nfq_nlmsg_cfg_put_cmd(h, AF_INET, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(h, NFQNL_COPY_PACKET, (int)conf->copy_range);
	mnl_attr_put_u32(h, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(h, NFQA_CFG_MASK,
			 htonl(NFQA_CFG_F_CONNTRACK | NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	if (conf->max_len > 0 || conf->passing)
		nfq_nlmsg_cfg_put_qmaxlen(h, conf->passing ? 0 : conf->max_len);
	return h->nlmsg_len;
}

/* The answer to the configuration. Packets that come before it pass. */
static int wait_answer(struct packet_queue *q)
{
	struct pollfd p = { .fd = q->io.fd, .events = POLLIN };

	while (poll(&p, 1, ANSWER_WAIT_MS) == 1) {
		ssize_t n = recv(q->io.fd, q->in, sizeof(q->in), MSG_DONTWAIT);
		const struct nlmsghdr *h = (const struct nlmsghdr *)q->in;
		int left = (int)n;

		for (; n > 0 && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			if (h->nlmsg_type == NLMSG_ERROR &&
			    h->nlmsg_len >= sizeof(*h) + sizeof(int))
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
			if (h->nlmsg_len >= sizeof(struct nl_request))
				take_message(q, h);
		}
	}
	return -ETIMEDOUT;
}

static void explain(const struct queue_conf *conf, int err, struct text *out)
{
	if (err == -EBUSY)
		text_printf(out,
			    "queue %u is held by another program (its port id stands in "
			    "/proc/net/netfilter/nfnetlink_queue): end that program, or set "
			    "another QueueNum",
			    conf->num);
	else if (err == -EINVAL || err == -EPROTONOSUPPORT || err == -EOPNOTSUPP)
		text_printf(out,
			    "queue %u: this kernel has no packet queues (modprobe nfnetlink_queue)",
			    conf->num);
	else
		text_printf(out, "queue %u: %s", conf->num, strerror(-err));
}

int packet_queue_open(struct evloop *loop, const struct queue_conf *conf, const struct queue_cb *cb,
		      struct packet_queue **out, struct text *err)
{
	struct packet_queue *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->loop = loop;
	q->cb = *cb;
	q->num = conf->num;
	q->max_len = conf->max_len > 0 ? conf->max_len : QUEUE_LEN_DEFAULT;
	q->io.fd = ct_sock_open(NULL, err);
	if (q->io.fd < 0) {
		rc = q->io.fd;
		free(q);
		return rc;
	}
	ct_sock_set_rcvbuf(q->io.fd, RCVBUF_BYTES);
	*out = q; /* packets may come now */
	rc = ct_sock_send(q->io.fd, q->out, build_config(q, conf));
	if (rc == 0)
		rc = wait_answer(q);
	/* So the kernel says that another socket has it; whoever may open this one may have one. */
	if (rc == -EPERM)
		rc = -EBUSY;
	flush(q);
	packet_queue_flush(q);
	q->io = (struct ev_io){
		.fd = q->io.fd, .want = EV_READ, .cb = on_ready, .ctx = q, .name = "packet queue"
	};
	if (rc == 0)
		rc = ev_io_add(loop, &q->io);
	if (rc < 0) {
		explain(conf, rc, err);
		*out = NULL;
		close(q->io.fd);
		free(q);
	}
	return rc;
}

#else

void packet_queue_drain(struct packet_queue *q)
{
	(void)q;
}

int packet_queue_open(struct evloop *loop, const struct queue_conf *conf, const struct queue_cb *cb,
		      struct packet_queue **out, struct text *err)
{
	(void)loop;
	(void)cb;
	(void)out;
	text_printf(err, "queue %u: built without libnetfilter_queue", conf->num);
	return -EOPNOTSUPP;
}

#endif

void packet_queue_close(struct packet_queue *q)
{
	if (!q)
		return;
	flush(q);
	packet_queue_flush(q);
	ev_io_del(q->loop, &q->io);
	close(q->io.fd);
	free(q);
}

const struct queue_stats *packet_queue_stats(const struct packet_queue *q)
{
	return &q->stats;
}
