/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to nfnetlink_cthelper, one at a time, with their answers: at the start and at the end of
 * the daemon. */
#include "queue/cthelper.h"

#include "config.h"

#include <errno.h>

#ifdef HAVE_HELPERS

#include <libmnl/libmnl.h>
#include <libnetfilter_cthelper/libnetfilter_cthelper.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_cthelper.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/ct_sock.h"

#define ANSWER_WAIT_MS 2000
#define MESSAGE_BYTES  8192

static void identify(struct nfct_helper *o, const struct cthelper *h)
{
	nfct_helper_attr_set_str(o, NFCTH_ATTR_NAME, h->name);
	nfct_helper_attr_set_u16(o, NFCTH_ATTR_PROTO_L3NUM, h->l3);
	nfct_helper_attr_set_u8(o, NFCTH_ATTR_PROTO_L4NUM, h->l4);
}

/* One message of the answer. 1: another one follows. */
static int take(const struct nlmsghdr *m, struct nfct_helper *found, bool *got)
{
	int error;

	if (m->nlmsg_type == NLMSG_ERROR) {
		if (m->nlmsg_len < sizeof(*m) + sizeof(error))
			return -EPROTO;
		error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error;
		return error == 0 && found && !*got ? -ENOENT : error;
	}
	if (found && nfct_helper_nlmsg_parse_payload(m, found) == 0)
		*got = true;
	return 1;
}

static int read_answer(int fd, struct nfct_helper *found)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	_Alignas(struct nlmsghdr) char buf[MESSAGE_BYTES];
	bool got = false;

	while (poll(&p, 1, ANSWER_WAIT_MS) == 1) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *m = (const struct nlmsghdr *)buf;
		int left = (int)n, rc;

		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return -errno;
		for (; n > 0 && mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			rc = take(m, found, &got);
			if (rc <= 0)
				return rc;
		}
	}
	return -ETIMEDOUT;
}

/* found: what a GET has found. */
static int request(uint8_t cmd, uint16_t flags, struct nfct_helper *o, struct nfct_helper *found)
{
	_Alignas(struct nlmsghdr) char buf[MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *m = nfct_helper_nlmsg_build_hdr(buf, cmd, flags | NLM_F_ACK, 1);
	int fd = ct_sock_open(NULL, NULL), rc;

	if (fd < 0)
		return fd;
	if (o)
		nfct_helper_nlmsg_build_payload(m, o);
	rc = ct_sock_send(fd, m, m->nlmsg_len);
	if (rc == 0)
		rc = read_answer(fd, found);
	close(fd);
	return rc;
}

/* The interface is there if the kernel knows that a helper of this name is not. */
int cthelper_probe(void)
{
	const struct cthelper none = { .name = "conntrackd-probe",
				       .l3 = AF_INET,
				       .l4 = IPPROTO_TCP };
	struct cthelper_found found;
	int rc = cthelper_get(&none, &found);

	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		return -EPROTONOSUPPORT;
	return rc == -ENOENT ? 0 : rc;
}

int cthelper_get(const struct cthelper *h, struct cthelper_found *found)
{
	struct nfct_helper *asked = nfct_helper_alloc(), *got = nfct_helper_alloc();
	int rc = -ENOMEM;

	if (asked && got) {
		identify(asked, h);
		rc = request(NFNL_MSG_CTHELPER_GET, 0, asked, got);
	}
	if (rc == 0)
		*found = (struct cthelper_found){
			.queue_num = nfct_helper_attr_get_u32(got, NFCTH_ATTR_QUEUE_NUM),
			.private_len = nfct_helper_attr_get_u32(got, NFCTH_ATTR_PRIV_DATA_LEN),
			.enabled = nfct_helper_attr_get_u32(got, NFCTH_ATTR_STATUS) ==
				   NFCT_HELPER_STATUS_ENABLED,
		};
	if (asked)
		nfct_helper_free(asked);
	if (got)
		nfct_helper_free(got);
	return rc;
}

static int set(const struct cthelper *h, bool create, uint32_t status)
{
	struct nfct_helper *o = nfct_helper_alloc();
	struct nfct_helper_policy *p = nfct_helper_policy_alloc();
	int rc = -ENOMEM;

	if (!o || !p)
		goto out;
	identify(o, h);
	if (status == NFCT_HELPER_STATUS_ENABLED) {
		nfct_helper_policy_attr_set_str(p, NFCTH_ATTR_POLICY_NAME, h->name);
		nfct_helper_policy_attr_set_u32(p, NFCTH_ATTR_POLICY_MAX, h->expect_max);
		nfct_helper_policy_attr_set_u32(p, NFCTH_ATTR_POLICY_TIMEOUT, h->expect_timeout_s);
		nfct_helper_attr_set_u32(o, NFCTH_ATTR_QUEUE_NUM, h->queue_num);
		nfct_helper_attr_set(o, NFCTH_ATTR_POLICY1, p);
		p = NULL; /* taken over */
	}
	if (create)
		nfct_helper_attr_set_u32(o, NFCTH_ATTR_PRIV_DATA_LEN, h->private_len);
	nfct_helper_attr_set_u32(o, NFCTH_ATTR_STATUS, status);
	rc = request(NFNL_MSG_CTHELPER_NEW, NLM_F_CREATE, o, NULL);
out:
	if (p)
		nfct_helper_policy_free(p);
	if (o)
		nfct_helper_free(o);
	return rc;
}

int cthelper_enable(const struct cthelper *h, bool create)
{
	return set(h, create, NFCT_HELPER_STATUS_ENABLED);
}

int cthelper_disable(const struct cthelper *h)
{
	return set(h, false, NFCT_HELPER_STATUS_DISABLED);
}

#else

int cthelper_probe(void)
{
	return -EOPNOTSUPP;
}

int cthelper_get(const struct cthelper *h, struct cthelper_found *found)
{
	(void)h;
	(void)found;
	return -EOPNOTSUPP;
}

int cthelper_enable(const struct cthelper *h, bool create)
{
	(void)h;
	(void)create;
	return -EOPNOTSUPP;
}

int cthelper_disable(const struct cthelper *h)
{
	(void)h;
	return -EOPNOTSUPP;
}

#endif
