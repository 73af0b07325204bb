/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink sockets to ctnetlink: opening, buffer sizes, sending. Each object of this folder has a
 * socket of its own, since the port id says who caused an event and since a dump occupies its
 * socket. */
#include "kernel/ct_sock.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kernel/nl_attr.h"

#define PROBE_WAIT_MS 2000

static int sock_bind(int fd, uint32_t *portid)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(sa);

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		return -errno;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == -1)
		return -errno;
	if (portid)
		*portid = sa.nl_pid;
	return 0;
}

int ct_sock_open(uint32_t *portid, struct text *err)
{
	int fd, e;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd == -1) {
		e = -errno;
		if (err)
			text_printf(err, "netlink socket: %s%s", strerror(-e),
				    e == -EPROTONOSUPPORT ?
					    " (the kernel has no nfnetlink: module nfnetlink)" :
					    "");
		return e;
	}
	e = sock_bind(fd, portid);
	if (e) {
		if (err)
			text_printf(err, "netlink socket: bind: %s", strerror(-e));
		close(fd);
		return e;
	}
	return fd;
}

int64_t ct_sock_set_rcvbuf(int fd, uint32_t bytes)
{
	int half = (int)(bytes / 2), now;
	socklen_t len = sizeof(now);

	/* FORCE needs CAP_NET_ADMIN, as everything here does; without it the plain option gives
	 * what rmem_max allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) == -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half)) == -1)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &now, &len) == -1)
		return -errno;
	return now;
}

int ct_sock_send(int fd, const void *buf, size_t len)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(fd, buf, len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	} while (n == -1 && errno == EINTR);
	return n == -1 ? -errno : 0;
}

/* The answer to the probe: the statistics, or an error. */
static int probe_answer(int fd)
{
	struct {
		struct nlmsghdr h;
		int error;
		uint8_t rest[512];
	} buf = { .error = 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, PROBE_WAIT_MS) != 1)
		return -ETIMEDOUT;
	n = recv(fd, &buf, sizeof(buf), 0);
	if (n == -1)
		return -errno;
	if ((size_t)n < sizeof(buf.h) + sizeof(buf.error))
		return -EPROTO;
	return buf.h.nlmsg_type == NLMSG_ERROR ? buf.error : 0;
}

int ct_sock_probe(int fd, struct text *err)
{
	const struct nl_request req =
		nl_request(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC, 0);
	int e = ct_sock_send(fd, &req, sizeof(req));

	if (!e)
		e = probe_answer(fd);
	if (!e || !err)
		return e;
	if (e == -EPERM)
		text_printf(err, "connection tracking: %s (CAP_NET_ADMIN is needed)", strerror(-e));
	else
		text_printf(err,
			    "connection tracking: %s (no ctnetlink in the kernel: module "
			    "nf_conntrack_netlink)",
			    strerror(-e));
	return e;
}
