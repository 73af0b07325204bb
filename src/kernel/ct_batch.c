/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many small requests to ctnetlink, answers mapped back by sequence number.
 *
 * The kernel executes requests inside sendto() and queues the answers before it returns. So a send
 * is the time the loop is gone, and is kept to CT_BATCH_SEND requests (a create takes some 8 us).
 *
 * Only the last request of a send asks for an acknowledgement (and the destroy of a replacement,
 * which must be known before its create): one for each would be a tenth of the cost of a commit.
 * What fails is answered all the same. So after a send and an emptied receive queue
 *
 *	an unanswered  when the last one is answered   else
 *	               and nothing overran
 *	GET            -ENOBUFS: its answer is lost    -ENOBUFS
 *	other          done                            -ENOBUFS: it may have been refused
 *
 * Requests lie in one buffer in the order of their sequence numbers; the ring of slots, indexed by
 * sequence number, knows where each ends and to whom it belongs. slot[first .. next) are
 * unanswered, [sent .. next) not sent yet.
 *
 *	ADD -> waiting -> (ev_work: send) -> sent -> answer() -> free
 *
 * Port id and NETLINK_CAP_ACK: design section 7. Extended acknowledgements stay off, they would
 * only cost room. */
#include "kernel/ct.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/ct_sock.h"

#define CT_BATCH_SEND 256u
#define RECV_BATCH    32u
#define ANSWER_MAX    4096u
/* Room for the answers of a whole send, however large each may be. */
#define RCVBUF_BYTES (8u << 20)
#define SNDBUF_BYTES (2u << 20)
#define SEND_TRIES   5u

struct slot {
	uint64_t cookie;
	uint32_t len; /* of the request in the buffer */
	enum ct_op op;
	bool answered;
	bool glued; /* must leave in the same send as the next one */
};

struct ct_batch {
	struct evloop *loop;
	struct ct_batch_cb cb;
	struct ev_work work;
	int fd;
	uint32_t portid;
	uint32_t first, sent, next; /* sequence numbers */
	uint32_t tries;		    /* sends that failed in a row */
	size_t used;		    /* bytes waiting in buf */
	const uint8_t *found; /* the message of an entry that is being answered, and its length */
	uint32_t found_len;
	struct slot slot[CT_BATCH_FLIGHT];
	uint8_t buf[CT_BATCH_FLIGHT * CT_BUILD_MAX];
	uint8_t answer[RECV_BATCH][ANSWER_MAX];
};

_Static_assert((CT_BATCH_FLIGHT & (CT_BATCH_FLIGHT - 1)) == 0,
	       "sequence numbers wrap around into the ring");

static struct slot *slot_of(struct ct_batch *b, uint32_t seq)
{
	return &b->slot[seq % CT_BATCH_FLIGHT];
}

/* ---- answers ---- */

static void answer(struct ct_batch *b, uint32_t seq, int err, const struct ct_flow *found,
		   struct mono now)
{
	struct slot *s = slot_of(b, seq);

	s->answered = true;
	b->cb.answer(b->cb.ctx, s->op, s->cookie, err, found, now);
}

/* One message from the kernel. Whatever belongs to no unanswered request is ignored. */
static void take_message(struct ct_batch *b, const uint8_t *msg, const struct nlmsghdr *h,
			 struct mono now)
{
	struct flow_rare rare;
	enum ct_event what;
	struct ct_flow f;
	int err;

	if (h->nlmsg_seq - b->first >= b->sent - b->first || slot_of(b, h->nlmsg_seq)->answered)
		return;
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (h->nlmsg_len < sizeof(*h) + sizeof(err))
			return;
		memcpy(&err, msg + sizeof(*h), sizeof(err));
		answer(b, h->nlmsg_seq, err > 0 ? -err : err, NULL, now);
		return;
	}
	if (slot_of(b, h->nlmsg_seq)->op != CT_OP_GET)
		return;
	err = ct_read(msg, h->nlmsg_len, &what, &f, &rare);
	b->found = msg;
	b->found_len = h->nlmsg_len;
	answer(b, h->nlmsg_seq, err, err ? NULL : &f, now);
}

static void take_datagram(struct ct_batch *b, const uint8_t *at, size_t n, struct mono now)
{
	struct nlmsghdr h;
	size_t step;

	for (; n >= sizeof(h); at += step, n -= step) {
		memcpy(&h, at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			return;
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (step > n)
			step = n;
		take_message(b, at, &h, now);
	}
}

/* Read until there is nothing more. False if there was no room for some of the answers. */
static bool drain(struct ct_batch *b, struct mono now)
{
	struct mmsghdr msgs[RECV_BATCH];
	struct iovec iov[RECV_BATCH];
	bool whole = true;
	int got;

	do {
		for (unsigned int i = 0; i < RECV_BATCH; i++) {
			iov[i] = (struct iovec){ .iov_base = b->answer[i], .iov_len = ANSWER_MAX };
			msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i],
								 .msg_iovlen = 1 } };
		}
		got = recvmmsg(b->fd, msgs, RECV_BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < got; i++) {
			if (!(msgs[i].msg_hdr.msg_flags & MSG_TRUNC))
				take_datagram(b, b->answer[i], msgs[i].msg_len, now);
			else
				whole = false;
		}
		whole = whole && (got != -1 || errno != ENOBUFS);
	} while (got > 0 || (got == -1 && (errno == ENOBUFS || errno == EINTR)));
	return whole;
}

/* ---- sending ---- */

/* How much leaves in one send: whole requests, never ending on one that is glued to the next. */
static uint32_t choose(struct ct_batch *b, size_t *bytes)
{
	uint32_t n = b->next - b->sent, i;

	if (n > CT_BATCH_SEND)
		n = CT_BATCH_SEND;
	while (n > 0 && slot_of(b, b->sent + n - 1)->glued)
		n--;
	*bytes = 0;
	for (i = 0; i < n; i++)
		*bytes += slot_of(b, b->sent + i)->len;
	return n;
}

/* Which of these n requests are acknowledged when they succeed. */
static void mark_acked(struct ct_batch *b, uint32_t n)
{
	uint8_t *at = b->buf;

	for (uint32_t i = 0; i < n; i++) {
		const struct slot *s = slot_of(b, b->sent + i);
		struct nlmsghdr h;

		memcpy(&h, at, sizeof(h));
		h.nlmsg_flags &= (uint16_t)~NLM_F_ACK;
		if (s->glued || (i == n - 1 && s->op != CT_OP_GET)) /* whose entry is the answer */
			h.nlmsg_flags |= NLM_F_ACK;
		memcpy(at, &h, sizeof(h));
		at += s->len;
	}
}

/* Everything that was sent is answered now: silence means err for a GET, and for the others unless
 * all has been heard. */
static void settle(struct ct_batch *b, int err, bool heard_all, struct mono now)
{
	for (; b->first != b->sent; b->first++) {
		const struct slot *s = slot_of(b, b->first);

		if (!s->answered)
			answer(b, b->first, heard_all && s->op != CT_OP_GET ? 0 : err, NULL, now);
	}
}

static bool step(void *ctx, struct mono now)
{
	struct ct_batch *b = ctx;
	size_t bytes;
	uint32_t n = choose(b, &bytes);
	bool heard_all = false;
	int err;

	if (n == 0)
		return false;
	mark_acked(b, n);
	err = ct_sock_send(b->fd, b->buf, bytes);
	if (err && ++b->tries < SEND_TRIES && (err == -EAGAIN || err == -ENOBUFS || err == -ENOMEM))
		return true; /* nothing was executed: again in the next turn */
	b->tries = 0;
	b->sent += n;
	b->used -= bytes;
	memmove(b->buf, b->buf + bytes, b->used);
	if (!err)
		heard_all = drain(b, now) && slot_of(b, b->sent - 1)->answered;
	settle(b, err ? err : -ENOBUFS, heard_all, now);
	b->cb.room(b->cb.ctx, now);
	return b->next != b->sent;
}

void ct_batch_tcp_flags(const struct ct_batch *b, uint8_t flags[2])
{
	ct_parse_tcp_flags(b->found, b->found_len, flags);
}

/* ---- adding ---- */

size_t ct_batch_room(const struct ct_batch *b)
{
	return CT_BATCH_FLIGHT - (b->next - b->first);
}

size_t ct_batch_in_flight(const struct ct_batch *b)
{
	return b->next - b->first;
}

int ct_batch_add(struct ct_batch *b, enum ct_op op, const struct ct_flow *f,
		 const struct ct_build_opts *opts, uint64_t cookie)
{
	uint8_t *to = b->buf + b->used;
	size_t cap = sizeof(b->buf) - b->used, len = 0;

	if (ct_batch_room(b) == 0)
		return -EAGAIN;
	switch (op) {
	case CT_OP_CREATE:
	case CT_OP_UPDATE:
		len = ct_build_create(f, opts, b->next, to, cap);
		break;
	case CT_OP_DESTROY:
		len = ct_build_destroy(f, b->next, to, cap);
		break;
	case CT_OP_GET:
		len = ct_build_get(f, b->next, to, cap);
		break;
	}
	if (len == 0)
		return -EAGAIN; /* cannot be: there is CT_BUILD_MAX for each */
	*slot_of(b, b->next) = (struct slot){ .cookie = cookie, .len = (uint32_t)len, .op = op };
	b->used += len;
	b->next++;
	ev_work_arm(b->loop, &b->work);
	return 0;
}

int ct_batch_add_replace(struct ct_batch *b, const struct ct_flow *old, const struct ct_flow *f,
			 const struct ct_build_opts *opts, uint64_t cookie)
{
	int rc;

	if (ct_batch_room(b) < 2)
		return -EAGAIN;
	rc = ct_batch_add(b, CT_OP_DESTROY, old, NULL, cookie);
	if (rc)
		return rc;
	slot_of(b, b->next - 1)->glued = true;
	return ct_batch_add(b, CT_OP_CREATE, f, opts, cookie);
}

void ct_batch_run(struct ct_batch *b, struct mono now)
{
	while (b->next != b->sent)
		step(b, now);
	ev_work_del(b->loop, &b->work);
}

void ct_batch_drop(struct ct_batch *b)
{
	b->next = b->sent;
	b->used = 0;
	b->tries = 0;
	ev_work_del(b->loop, &b->work);
}

/* ---- life ---- */

int ct_batch_open(struct evloop *loop, const struct ct_batch_cb *cb, const char *name,
		  struct ct_batch **out, struct text *err)
{
	const int on = 1, sndbuf = SNDBUF_BYTES;
	struct ct_batch *b = calloc(1, sizeof(*b));

	if (!b) {
		text_printf(err, "netlink request socket: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	b->loop = loop;
	b->cb = *cb;
	b->fd = ct_sock_open(&b->portid, err);
	if (b->fd < 0) {
		int rc = b->fd;

		free(b);
		return rc;
	}
	/* None of these is needed for correctness: a lost or long answer is settled all the
	 * same. */
	ct_sock_set_rcvbuf(b->fd, RCVBUF_BYTES);
	(void)setsockopt(b->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf));
	(void)setsockopt(b->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	b->work = (struct ev_work){ .step = step, .ctx = b, .name = name };
	b->first = b->sent = b->next = 1;
	*out = b;
	return 0;
}

void ct_batch_close(struct ct_batch *b)
{
	if (!b)
		return;
	ev_work_del(b->loop, &b->work);
	close(b->fd);
	free(b);
}

uint32_t ct_batch_portid(const struct ct_batch *b)
{
	return b->portid;
}
