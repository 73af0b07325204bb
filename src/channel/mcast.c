/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 multicast. Options and their order: doc/protocol.md section 8.
 *
 * The receiver is bound to the group address, so a unicast datagram to the same port never gets here (1.4.7 binds the
 * wildcard and takes it); IP_MULTICAST_ALL off keeps groups joined by others out; and the interface a datagram came in on
 * is compared with ours, because a group can be joined on several interfaces of a machine. */
#include "channel/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define BATCH 32u
#define SND_BUFFER_DEFAULT (1u << 20)	/* bytes: a few hundred full datagrams */
#define RCV_BUFFER_DEFAULT (4u << 20)

/* The interface that has this address, 0 if none; `wanted` if that one has it (an address can be on several). By index,
 * since the names given here may be labels such as eth0:1. */
static unsigned int interface_of(struct in_addr addr, unsigned int wanted)
{
	struct ifaddrs *list, *at;
	unsigned int index = 0;

	if (getifaddrs(&list) == -1)
		return 0;
	for (at = list; at && index != wanted; at = at->ifa_next) {
		struct sockaddr_in sin;

		if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&sin, at->ifa_addr, sizeof(sin));
		if (sin.sin_addr.s_addr == addr.s_addr)
			index = if_nametoindex(at->ifa_name);
	}
	freeifaddrs(list);
	return index;
}

static int find_interface(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	unsigned int wanted = if_nametoindex(c->ifname);
	char local[INET_ADDRSTRLEN], owner[IF_NAMESIZE] = "?";

	inet_ntop(AF_INET, &c->local.v4, local, sizeof(local));
	if (wanted == 0) {
		text_printf(err, "line %u: Interface %s does not exist; this machine has:", c->line, c->ifname);
		link_list_interfaces(err);
		return -ENODEV;
	}
	l->ifindex = interface_of(c->local.v4, wanted);
	if (l->ifindex == 0) {
		text_printf(err, "line %u: no interface of this machine has the address %s (IPv4_interface)", c->line,
			    local);
		return -EADDRNOTAVAIL;
	}
	if (l->ifindex != wanted) {
		if_indextoname(l->ifindex, owner);
		log_warnx("line %u: IPv4_interface %s belongs to %s, not to Interface %s: the traffic goes through %s",
			  c->line, local, owner, c->ifname, owner);
	}
	return 0;
}

static int check_group(const struct link *l, struct text *err)
{
	char group[INET_ADDRSTRLEN];

	if (IN_MULTICAST(ntohl(l->conf->dest.v4.s_addr)))
		return 0;
	inet_ntop(AF_INET, &l->conf->dest.v4, group, sizeof(group));
	text_printf(err, "line %u: %s (IPv4_address) is not a multicast address (224.0.0.0 to 239.255.255.255)",
		    l->conf->line, group);
	return -EINVAL;
}

static int open_tx(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	struct ip_mreqn via = { .imr_address = c->local.v4, .imr_ifindex = (int)l->ifindex };
	int no_check = !c->checksum, off = 0, fragment = IP_PMTUDISC_DONT;
	int ret;

	l->tx = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->tx == -1)
		goto failed;
	if (setsockopt(l->tx, SOL_SOCKET, SO_NO_CHECK, &no_check, sizeof(no_check)) == -1)
		goto failed;
	link_set_buffer(l->tx, SO_SNDBUFFORCE, SO_SNDBUF, c->snd_buffer ? c->snd_buffer : SND_BUFFER_DEFAULT);
	if (setsockopt(l->tx, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) == -1 ||
	    setsockopt(l->tx, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof(via)) == -1 ||
	    setsockopt(l->tx, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment)) == -1)
		goto failed;
	return 0;
failed:
	ret = -errno;
	text_printf(err, "line %u: multicast sending socket: %s", c->line, strerror(-ret));
	return ret;
}

static int open_rx(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr = c->dest.v4, .sin_port = htons(c->port),
	};
	struct ip_mreqn join = {
		.imr_multiaddr = c->dest.v4, .imr_address = c->local.v4, .imr_ifindex = (int)l->ifindex,
	};
	int on = 1, off = 0, ret;
	char group[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &c->dest.v4, group, sizeof(group));
	l->rx = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->rx == -1 || setsockopt(l->rx, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		goto failed;
	link_set_buffer(l->rx, SO_RCVBUFFORCE, SO_RCVBUF, c->rcv_buffer ? c->rcv_buffer : RCV_BUFFER_DEFAULT);
	if (bind(l->rx, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    setsockopt(l->rx, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)) == -1 ||
	    setsockopt(l->rx, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)) == -1 ||
	    setsockopt(l->rx, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == -1)
		goto failed;
	return 0;
failed:
	ret = -errno;
	text_printf(err, "line %u: multicast group %s (IPv4_address), port %u (Group): %s", c->line, group, c->port,
		    strerror(-ret));
	return ret;
}

static int mcast_open(struct link *l, struct text *err)
{
	int ret = check_group(l, err);

	if (ret == 0)
		ret = find_interface(l, err);
	if (ret == 0)
		ret = open_tx(l, err);
	if (ret == 0)
		ret = open_rx(l, err);
	return ret;
}

static int mcast_send(struct link *l, const struct iovec *iov, unsigned int n)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr = l->conf->dest.v4, .sin_port = htons(l->conf->port),
	};
	struct mmsghdr msgs[BATCH];
	int sent;

	if (n > BATCH)
		n = BATCH;
	for (unsigned int i = 0; i < n; i++)
		msgs[i] = (struct mmsghdr){ .msg_hdr = {
			.msg_name = &to, .msg_namelen = sizeof(to),
			.msg_iov = (struct iovec *)&iov[i], .msg_iovlen = 1,
		} };
	sent = sendmmsg(l->tx, msgs, n, 0);
	return sent == -1 ? -errno : sent;
}

/* The interface a datagram came in on, 0 when the kernel did not say. */
static unsigned int arrival_interface(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in_pktinfo info;

		if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO ||
		    c->cmsg_len < CMSG_LEN(sizeof(info)))
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return (unsigned int)info.ipi_ifindex;
	}
	return 0;
}

static bool may_be_heard(struct link *l, struct msghdr *msg, const struct sockaddr_in *from)
{
	if (msg->msg_namelen < sizeof(*from) || from->sin_family != AF_INET ||
	    arrival_interface(msg) != l->ifindex) {
		l->stats.refused_interface++;
		return false;
	}
	if (from->sin_addr.s_addr == l->conf->local.v4.s_addr) {
		l->stats.own++;
		return false;
	}
	return true;
}

static unsigned int mcast_recv(struct link *l, uint8_t *buf, unsigned int n, struct channel_from *from, size_t *len,
			       unsigned int *index, unsigned int *got)
{
	struct sockaddr_in source[BATCH];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	unsigned int heard = 0;
	int ret;

	*got = 0;
	if (n > BATCH)
		n = BATCH;
	for (unsigned int i = 0; i < n; i++) {
		iov[i] = (struct iovec){ .iov_base = buf + (size_t)i * LINK_DATAGRAM_MAX,
					 .iov_len = LINK_DATAGRAM_MAX };
		msgs[i] = (struct mmsghdr){ .msg_hdr = {
			.msg_name = &source[i], .msg_namelen = sizeof(source[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = control[i], .msg_controllen = sizeof(control[i]),
		} };
	}
	ret = recvmmsg(l->rx, msgs, n, MSG_DONTWAIT, NULL);
	if (ret == -1) {
		if (errno != EAGAIN && errno != EINTR)
			l->stats.recv_errors++;
		return 0;
	}
	*got = (unsigned int)ret;
	for (unsigned int i = 0; i < *got; i++) {
		if (!may_be_heard(l, &msgs[i].msg_hdr, &source[i]))
			continue;
		from[heard] = (struct channel_from){ .family = AF_INET, .link = l->number };
		memcpy(from[heard].addr, &source[i].sin_addr, sizeof(source[i].sin_addr));
		index[heard] = i;
		len[heard++] = msgs[i].msg_len;
	}
	return heard;
}

const struct link_ops mcast_ops = {
	.kind = "multicast",
	.overhead = 28,		/* IPv4 and UDP headers */
	.open = mcast_open,
	.send = mcast_send,
	.recv = mcast_recv,
};
