/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single requests about expectations. The kernel executes a request inside sendto() and has queued
 * the answer when that returns, so one non-blocking read finds it; when it does not, the answer was
 * lost. About 10 us each. */
#include "kernel/exp.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/ct_sock.h"

#define RCVBUF_BYTES (1u << 20)
#define ANSWER_BYTES (32 << 10) /* the kernel puts less into one part of a list */

struct exp_sock {
	int fd;
	uint32_t portid, seq;
	uint8_t answer[ANSWER_BYTES];
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
	ct_sock_set_rcvbuf(s->fd, RCVBUF_BYTES); /* the default would do too */
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

/* What is wanted of the messages that answer; nothing: their verdict only. */
struct wanted {
	struct ct_expect *found;
	struct ct_flow *master;
	struct flow_rare *rare;				    /* of the master */
	void (*each)(void *ctx, const struct ct_expect *e); /* of a list */
	void *ctx;
};

/* One message that answers. 1: more are to come. */
static int take(const uint8_t *msg, const struct nlmsghdr *h, const struct wanted *w)
{
	enum ct_event what;
	struct ct_expect e;
	int code;

	if (h->nlmsg_type == NLMSG_ERROR) {
		if (h->nlmsg_len < sizeof(*h) + sizeof(code))
			return -EPROTO;
		memcpy(&code, msg + sizeof(*h), sizeof(code));
		return code > 0 ? -code : code;
	}
	if (h->nlmsg_type == NLMSG_DONE)
		return 0;
	if (w->found)
		return exp_parse(msg, h->nlmsg_len, &what, w->found);
	if (w->master)
		return ct_read(msg, h->nlmsg_len, &what, w->master, w->rare) == 0 ? 0 : -EPROTO;
	if (w->each && exp_parse(msg, h->nlmsg_len, &what, &e) == 0)
		w->each(w->ctx, &e);
	return 1;
}

/* One read. 1: more are to come; what is not about the request is passed over. */
static int take_all(const struct exp_sock *s, size_t n, const struct wanted *w)
{
	const uint8_t *at = s->answer;
	struct nlmsghdr h;
	int verdict = 1;

	for (size_t step; n >= sizeof(h) && verdict > 0; at += step, n -= step) {
		memcpy(&h, at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			return -EPROTO;
		step = NLMSG_ALIGN(h.nlmsg_len) < n ? NLMSG_ALIGN(h.nlmsg_len) : n;
		if (h.nlmsg_seq == s->seq)
			verdict = take(at, &h, w);
	}
	return verdict;
}

static int request(struct exp_sock *s, const void *req, size_t len, const struct wanted *w)
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
		verdict = take_all(s, (size_t)n, w);
		if (verdict <= 0)
			return verdict;
	} while (true);
}

int exp_sock_prolong(struct exp_sock *s, const struct ct_expect *e)
{
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_prolong(e, ++s->seq, req, sizeof(req)),
		       &(struct wanted){ 0 });
}

/* The kernel gives every new one the life that the helper gives to its class, 180 s in the case of
 * SIP, whose phones register for an hour: what a create says about it is ignored. */
int exp_sock_create(struct exp_sock *s, const struct ct_expect *e)
{
	uint8_t req[EXP_BUILD_MAX];
	int err = request(s, req, exp_build_create(e, ++s->seq, req, sizeof(req)),
			  &(struct wanted){ 0 });

	if (err == 0 && (e->has & EXPECT_HAS_TIMEOUT) && e->timeout_s > 0)
		exp_sock_prolong(s, e); /* without it, it is there all the same */
	return err;
}

int exp_sock_destroy(struct exp_sock *s, const struct ct_expect *e)
{
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_destroy(e, ++s->seq, req, sizeof(req)),
		       &(struct wanted){ 0 });
}

int exp_sock_get(struct exp_sock *s, const struct ct_expect *e, struct ct_expect *found)
{
	const struct wanted w = { .found = found };
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_get(e, ++s->seq, req, sizeof(req)), &w);
}

int exp_sock_master(struct exp_sock *s, const struct ct_expect *e, struct ct_flow *found,
		    struct flow_rare *rare)
{
	const struct wanted w = { .master = found, .rare = rare };
	uint8_t req[CT_BUILD_MAX];
	struct ct_flow key;

	expect_master_flow(e, &key);
	return request(s, req, ct_build_get(&key, ++s->seq, req, sizeof(req)), &w);
}

int exp_sock_list(struct exp_sock *s, void (*each)(void *ctx, const struct ct_expect *e), void *ctx)
{
	const struct wanted w = { .each = each, .ctx = ctx };
	uint8_t req[EXP_BUILD_MAX];

	return request(s, req, exp_build_list(++s->seq, req, sizeof(req)), &w);
}
