/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which way would a packet take? RTM_GETROUTE of rtnetlink(7), the question of "ip route get". A
 * unicast link is where the routes lead, so its state, the size of its packets and its neighbours
 * are those of that interface.
 *
 * The answer names the interface. Whether it was a default route is asked a second time, for the
 * entry that matched: such an answer of a route over several paths does not say which of them this
 * packet takes. */
#include "channel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
	struct nlmsghdr nlh;
	struct rtmsg rtm;
	uint8_t attrs[2 * RTA_SPACE(sizeof(struct in6_addr)) + RTA_SPACE(sizeof(uint32_t))];
};

union answer {
	struct nlmsghdr nlh; /* for alignment */
	uint8_t bytes[8192];
};

static const union channel_addr any = { .v6 = IN6ADDR_ANY_INIT };

static size_t addr_len(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static void add_attr(struct question *q, unsigned short type, const void *value, size_t len)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)q + NLMSG_ALIGN(q->nlh.nlmsg_len));

	*a = (struct rtattr){ .rta_type = type, .rta_len = (unsigned short)RTA_LENGTH(len) };
	memcpy(RTA_DATA(a), value, len);
	q->nlh.nlmsg_len = NLMSG_ALIGN(q->nlh.nlmsg_len) + RTA_SPACE(len);
}

static struct question question_about(int family, const union channel_addr *from,
				      const union channel_addr *to, unsigned int within)
{
	struct question q = {
		.nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(q.rtm)),
			 .nlmsg_type = RTM_GETROUTE,
			 .nlmsg_flags = NLM_F_REQUEST },
		.rtm = { .rtm_family = (unsigned char)family,
			 .rtm_dst_len = (unsigned char)(8 * addr_len(family)) },
	};
	uint32_t oif = within;

	add_attr(&q, RTA_DST, to, addr_len(family));
	if (memcmp(from, &any, addr_len(family)) != 0) {
		q.rtm.rtm_src_len = q.rtm.rtm_dst_len;
		add_attr(&q, RTA_SRC, from, addr_len(family));
	}
	if (within != 0)
		add_attr(&q, RTA_OIF, &oif, sizeof(oif));
	return q;
}

/* One question, one answer in *a. Its length, or -errno. */
static ssize_t ask(int fd, const struct question *q, union answer *a)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	if (sendto(fd, q, q->nlh.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) == -1)
		return -errno;
	do
		n = recv(fd, a, sizeof(*a), 0);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -errno : n;
}

/* A number of 32 bits in an attribute; 0 if the attribute has another size. */
static unsigned int number_in(const struct rtattr *a)
{
	uint32_t n = 0;

	if (RTA_PAYLOAD(a) == sizeof(n))
		memcpy(&n, RTA_DATA(a), sizeof(n));
	return n;
}

/* The MTU among the metrics of a route; 0 if there is none. */
static unsigned int mtu_of(const struct rtattr *metrics)
{
	int left = (int)RTA_PAYLOAD(metrics);

	for (const struct rtattr *a = RTA_DATA(metrics); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTAX_MTU)
			return number_in(a);
	}
	return 0;
}

/* Read the answer. 0, or -errno: what the kernel said, or that packets would be refused. */
static int read_answer(const union answer *a, size_t n, struct route_way *way, bool *by_default)
{
	const struct nlmsghdr *nlh = &a->nlh;
	const struct rtmsg *rtm = NLMSG_DATA(nlh);
	int left;

	if (!NLMSG_OK(nlh, n))
		return -EBADMSG;
	if (nlh->nlmsg_type == NLMSG_ERROR &&
	    nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return ((const struct nlmsgerr *)NLMSG_DATA(nlh))->error;
	if (nlh->nlmsg_type != RTM_NEWROUTE || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*rtm)))
		return -EBADMSG;
	if (rtm->rtm_type != RTN_UNICAST && rtm->rtm_type != RTN_LOCAL &&
	    rtm->rtm_type != RTN_ANYCAST)
		return -ENETUNREACH; /* a route that says so: unreachable, blackhole, prohibit */
	way->local = rtm->rtm_type == RTN_LOCAL;
	*by_default = rtm->rtm_dst_len == 0;
	left = (int)RTM_PAYLOAD(nlh);
	for (const struct rtattr *at = RTM_RTA(rtm); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == RTA_OIF)
			way->ifindex = number_in(at);
		else if (at->rta_type == RTA_METRICS)
			way->mtu = mtu_of(at);
	}
	return 0;
}

static int find(int fd, struct question *q, struct route_way *way)
{
	struct route_way ignored;
	union answer a;
	bool by_default = false;
	ssize_t n = ask(fd, q, &a);
	int ret = n < 0 ? (int)n : read_answer(&a, (size_t)n, way, &by_default);

	if (ret < 0)
		return ret;
	if (way->ifindex == 0)
		return -ENETUNREACH;
	q->rtm.rtm_flags |= RTM_F_FIB_MATCH;
	n = ask(fd, q, &a);
	/* kernels before 4.13 say nothing of it */
	if (n >= 0 && read_answer(&a, (size_t)n, &ignored, &by_default) == 0)
		way->by_default = by_default;
	return 0;
}

int route_find(int family, const union channel_addr *from, const union channel_addr *to,
	       unsigned int within, struct route_way *out)
{
	struct question q = question_about(family, from, to, within);
	struct route_way way = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int ret = fd == -1 ? -errno : find(fd, &q, &way);

	if (fd != -1)
		close(fd);
	if (ret < 0)
		way = (struct route_way){ 0 };
	*out = way;
	return ret;
}
