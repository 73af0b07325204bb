/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A link whose interface is a port of a VRF. What comes in there reaches no socket that is bound
 * to nothing (unless the sysctl udp_l3mdev_accept, tcp_l3mdev_accept is set), and the routes are
 * those of the VRF's own table: so the sockets are bound to the VRF. rtnetlink(7): the kind of the
 * interface above it, IFLA_INFO_SLAVE_KIND, is that of the port. */
#include "channel/vrf.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
	struct nlmsghdr nlh;
	struct ifinfomsg ifi;
};

union answer {
	struct nlmsghdr nlh; /* for alignment */
	uint8_t bytes[16384];
};

static bool is_port_of_vrf(const struct rtattr *linkinfo)
{
	static const char kind[] = "vrf";
	int left = (int)RTA_PAYLOAD(linkinfo);

	for (const struct rtattr *a = RTA_DATA(linkinfo); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_INFO_SLAVE_KIND)
			return RTA_PAYLOAD(a) >= sizeof(kind) - 1 &&
			       !strncmp(RTA_DATA(a), kind, RTA_PAYLOAD(a));
	}
	return false;
}

static unsigned int read_answer(const struct nlmsghdr *nlh, size_t n)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	uint32_t master = 0;
	bool vrf = false;
	int left;

	if (!NLMSG_OK(nlh, n) || nlh->nlmsg_type != RTM_NEWLINK ||
	    nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*ifi)))
		return 0;
	left = (int)IFLA_PAYLOAD(nlh);
	for (const struct rtattr *a = IFLA_RTA(ifi); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_MASTER && RTA_PAYLOAD(a) == sizeof(master))
			memcpy(&master, RTA_DATA(a), sizeof(master));
		else if ((a->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
			vrf = is_port_of_vrf(a);
	}
	return vrf ? master : 0;
}

unsigned int vrf_of(unsigned int ifindex)
{
	struct question q = {
		.nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(q.ifi)),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST },
		.ifi = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex },
	};
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	union answer a;
	ssize_t n = -1;
	int fd = ifindex != 0 ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) : -1;

	if (fd == -1)
		return 0;
	if (sendto(fd, &q, q.nlh.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) != -1) {
		do
			n = recv(fd, &a, sizeof(a), MSG_DONTWAIT); /* answered in sendto() */
		while (n == -1 && errno == EINTR);
	}
	close(fd);
	return n > 0 ? read_answer(&a.nlh, (size_t)n) : 0;
}

int vrf_bind(int fd, unsigned int vrf)
{
	char name[IF_NAMESIZE], bound[IF_NAMESIZE] = "";
	socklen_t len = sizeof(bound);

	if (vrf == 0 || !if_indextoname(vrf, name))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bound, &len) == 0 && bound[0])
		return 0; /* by "ip vrf exec" */
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) == -1)
		return -errno;
	return 0;
}
