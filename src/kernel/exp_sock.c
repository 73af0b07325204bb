/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single requests about expectations. The kernel executes a request inside sendto() and has queued the answer when that
 * returns, so one non-blocking read finds it; when it does not, the answer was lost. About 10 us each. */
#include "kernel/exp.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "kernel/ct_sock.h"

#define RCVBUF_BYTES (1u << 20)
#define LIST_BYTES (32 << 10)	/* more than the kernel puts into one part */

struct exp_sock {
	int fd;
	uint32_t portid, seq;
	uint8_t answer[4096];
};

int exp_sock_open(struct exp_sock **out, struct text *err)
{
	struct exp_sock *s = calloc(1, sizeof(*s));

	if (!s) {
		text_printf(err, "netlink expectation socket: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	s->fd = ct_sock_open(&s->portid, err);
	if (s->fd < 0) {
		int rc = s->fd;

		free(s);
		return rc;
	}
	ct_sock_set_rcvbuf(s->fd, RCVBUF_BYTES);	/* the default would do too */
	*out = s;
	return 0;
}

void exp_sock_close(struct exp_sock *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

uint32_t exp_sock_portid(const struct exp_sock *s)
{
	return s->portid;
}

/* The verdict of one datagram of answers; 1 when it is not about the request. */
static int take_answer(struct exp_sock *s, size_t n, struct ct_expect *found)
{
	struct cursor c = cur_init(s->answer, n);
	enum ct_event what;
	struct nlmsghdr h;
	int code;

	cur_bytes(&c, &h, sizeof(h));
	if (c.bad || h.nlmsg_seq != s->seq)
		return 1;
	if (h.nlmsg_type == NLMSG_ERROR) {
		cur_bytes(&c, &code, sizeof(code));
		return c.bad ? -EPROTO : code > 0 ? -code : code;
	}
	return found ? exp_parse(s->answer, n, &what, found) : 1;
}

static int request(struct exp_sock *s, const void *req, size_t len, struct ct_expect *found)
{
	int verdict = len > 0 ? ct_sock_send(s->fd, req, len) : -EMSGSIZE;
	ssize_t n;

	if (verdict < 0)
		return verdict;
	do {
		n = recv(s->fd, s->answer, sizeof(s->answer), MSG_DONTWAIT | MSG_TRUNC);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || (size_t)n > sizeof(s->answer))
			return -ENOBUFS;
		verdict = take_answer(s, (size_t)n, found);
		if (verdict <= 0)
			return verdict;
	} while (true);
}

int exp_sock_prolong(struct exp_sock *s, const struct ct_expect *e)
{
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_prolong(e, ++s->seq, req, sizeof(req)), NULL);
}

/* The kernel gives every new one the life that the helper gives to its class, 180 s in the case of SIP, whose phones register
 * for an hour: what a create says about it is ignored. */
int exp_sock_create(struct exp_sock *s, const struct ct_expect *e)
{
	uint8_t req[EXP_BUILD_MAX];
	int err = request(s, req, exp_build_create(e, ++s->seq, req, sizeof(req)), NULL);

	if (err == 0 && (e->has & EXPECT_HAS_TIMEOUT) && e->timeout_s > 0)
		exp_sock_prolong(s, e);		/* without it, it is there all the same */
	return err;
}

int exp_sock_destroy(struct exp_sock *s, const struct ct_expect *e)
{
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_destroy(e, ++s->seq, req, sizeof(req)), NULL);
}

int exp_sock_get(struct exp_sock *s, const struct ct_expect *e, struct ct_expect *found)
{
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_get(e, ++s->seq, req, sizeof(req)), found);
}

int exp_sock_master(struct exp_sock *s, const struct ct_expect *e, struct ct_flow *found, struct flow_rare *rare)
{
	uint8_t req[CT_BUILD_MAX];
	enum ct_event what;
	struct ct_flow key;
	struct nlmsghdr h;
	size_t len;
	ssize_t n;
	int err;

	expect_master_flow(e, &key);
	len = ct_build_get(&key, ++s->seq, req, sizeof(req));
	err = len > 0 ? ct_sock_send(s->fd, req, len) : -EMSGSIZE;
	if (err < 0)
		return err;
	do {
		n = recv(s->fd, s->answer, sizeof(s->answer), MSG_DONTWAIT | MSG_TRUNC);
		if (n == -1 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(h) || (size_t)n > sizeof(s->answer))
			return -ENOBUFS;
		memcpy(&h, s->answer, sizeof(h));
	} while (n == -1 || h.nlmsg_seq != s->seq);
	if (h.nlmsg_type == NLMSG_ERROR)
		return -ENOENT;
	return ct_read(s->answer, (size_t)n, &what, found, rare) == 0 ? 0 : -EPROTO;
}

/* One read of a list. 1: more follows; 0 or -errno: its end. */
static int list_part(const struct exp_sock *s, const uint8_t *at, size_t n, void (*each)(void *ctx, const struct ct_expect *e),
		     void *ctx)
{
	struct ct_expect e;
	enum ct_event what;
	struct nlmsghdr h;

	for (size_t step; n >= sizeof(h); at += step, n -= step) {
		memcpy(&h, at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			return -EPROTO;
		step = NLMSG_ALIGN(h.nlmsg_len) < n ? NLMSG_ALIGN(h.nlmsg_len) : n;
		if (h.nlmsg_seq != s->seq)
			continue;
		if (h.nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (h.nlmsg_type == NLMSG_DONE)
			return 0;
		if (exp_parse(at, h.nlmsg_len, &what, &e) == 0)
			each(ctx, &e);
	}
	return 1;
}

int exp_sock_list(struct exp_sock *s, void (*each)(void *ctx, const struct ct_expect *e), void *ctx)
{
	uint8_t req[EXP_BUILD_MAX], *buf = malloc(LIST_BYTES);
	size_t len = exp_build_list(++s->seq, req, sizeof(req));
	int more;

	if (!buf)
		return -ENOMEM;
	more = ct_sock_send(s->fd, req, len);
	if (more == 0)
		more = 1;
	while (more > 0) {
		ssize_t n = recv(s->fd, buf, LIST_BYTES, MSG_DONTWAIT | MSG_TRUNC);

		if (n == -1 && errno == EINTR)
			continue;
		more = n >= 0 && n <= LIST_BYTES ? list_part(s, buf, (size_t)n, each, ctx) : -ENOBUFS;
	}
	free(buf);
	return more;
}
