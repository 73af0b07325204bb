/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows by number and the ctnetlink requests that make them; see ctnl.h. */
#include "ctnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS 60000u

struct tuple {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
};

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sleep_until(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* The number is in the source address too, so that a flow is recognised in a datagram by its
 * addresses alone; flows that follow each other still differ in their ports, as those of one client
 * do. */
static void tuple_of(const struct flow_kind *kind, uint32_t i, struct tuple *t)
{
	uint32_t n = i + kind->base, src = htonl(0x0a000000u | (n & 0x7fffff)),
		 dst = htonl(FLOW_MARKER);

	*t = (struct tuple){ .sport = (uint16_t)(1024 + n % PORTS),
			     .dport = kind->proto == IPPROTO_TCP ? 80 : 53 };
	if (!kind->ipv6) {
		memcpy(t->src, &src, 4);
		memcpy(t->dst, &dst, 4);
		return;
	}
	memcpy(t->src, "\xfd\x00\x00\x10", 4);
	memcpy(t->src + 12, &src, 4);
	memcpy(t->dst, "\xfd\x00\x00\x20", 4);
	memcpy(t->dst + 12, &dst, 4);
}

static void put_ports(struct nlmsghdr *nlh, const struct flow_kind *kind, uint16_t sport,
		      uint16_t dport)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);

	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, kind->proto);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(nlh, nest);
}

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, const struct flow_kind *kind,
		      const struct tuple *t)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type),
		      *ip = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	size_t len = kind->ipv6 ? 16 : 4;

	mnl_attr_put(nlh, kind->ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, len, t->src);
	mnl_attr_put(nlh, kind->ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, len, t->dst);
	mnl_attr_nest_end(nlh, ip);
	put_ports(nlh, kind, t->sport, t->dport);
	mnl_attr_nest_end(nlh, nest);
}

static struct tuple reverse(const struct tuple *t)
{
	struct tuple r = { .sport = t->dport, .dport = t->sport };

	memcpy(r.src, t->dst, 16);
	memcpy(r.dst, t->src, 16);
	return r;
}

/* Source NAT to an address of its own for each source, with the port kept: always free. */
static void put_snat(struct nlmsghdr *nlh, const struct flow_kind *kind, const struct tuple *t)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_NAT_SRC);
	uint8_t to[16];

	memcpy(to, t->src, 16);
	if (kind->ipv6)
		to[3] = 0x30;
	else
		to[0] = 11;
	mnl_attr_put(nlh, kind->ipv6 ? CTA_NAT_V6_MINIP : CTA_NAT_V4_MINIP, kind->ipv6 ? 16 : 4,
		     to);
	mnl_attr_put(nlh, kind->ipv6 ? CTA_NAT_V6_MAXIP : CTA_NAT_V4_MAXIP, kind->ipv6 ? 16 : 4,
		     to);
	mnl_attr_nest_end(nlh, nest);
}

static void put_state(struct nlmsghdr *nlh, const struct flow_kind *kind, bool established)
{
	struct nf_ct_tcp_flags flags = { .flags = 3, .mask = 3 };
	struct nlattr *info, *tcp;

	mnl_attr_put_u32(nlh, CTA_STATUS,
			 htonl(IPS_CONFIRMED | (established ? IPS_SEEN_REPLY | IPS_ASSURED : 0)));
	/* none may end by itself while it is measured */
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(7200));
	if (kind->proto != IPPROTO_TCP)
		return;
	info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_STATE,
			established ? TCP_CONNTRACK_ESTABLISHED : TCP_CONNTRACK_SYN_SENT);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_WSCALE_REPLY, 7);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(flags), &flags);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(flags), &flags);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
}

size_t ctnl_build(void *buf, const struct flow_kind *kind, uint32_t i, enum ctnl_op op,
		  uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	struct tuple orig, reply;
	bool create = op == CTNL_INSERT || op == CTNL_NEW;

	nlh->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) |
			  (op == CTNL_DELETE ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	if (create)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	nlh->nlmsg_seq = seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .nfgen_family = kind->ipv6 ? AF_INET6 : AF_INET };
	tuple_of(kind, i, &orig);
	put_tuple(nlh, CTA_TUPLE_ORIG, kind, &orig);
	if (op == CTNL_DELETE)
		return nlh->nlmsg_len;
	if (create) {
		reply = reverse(&orig);
		put_tuple(nlh, CTA_TUPLE_REPLY, kind, &reply);
		if (kind->snat)
			put_snat(nlh, kind, &orig);
	}
	put_state(nlh, kind, op != CTNL_NEW);
	if (kind->mark)
		mnl_attr_put_u32(nlh, CTA_MARK, htonl(kind->mark));
	return nlh->nlmsg_len;
}

void ctnl_want_ack(void *msg)
{
	((struct nlmsghdr *)msg)->nlmsg_flags |= NLM_F_ACK;
}

static int netlink(int buffer_bytes, uint32_t groups)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), one = 1;

	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		die("netlink socket: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ 4 << 20 }, sizeof(int)) == -1 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) == -1)
		die("netlink socket: %s", strerror(errno));
	return fd;
}

int ctnl_open(void)
{
	return netlink(8 << 20, 0);
}

int ctnl_listen(int buffer_bytes)
{
	return netlink(buffer_bytes, NF_NETLINK_CONNTRACK_NEW | NF_NETLINK_CONNTRACK_UPDATE |
					     NF_NETLINK_CONNTRACK_DESTROY);
}

unsigned int ctnl_send(int fd, const void *buf, size_t len, uint32_t last_seq)
{
	static char reply[65536];
	unsigned int refused = 0;

	if (send(fd, buf, len, 0) == -1)
		die("netlink send: %s", strerror(errno));
	for (;;) {
		ssize_t got = recv(fd, reply, sizeof(reply), 0);
		struct nlmsghdr *nlh = (struct nlmsghdr *)reply;
		int left = (int)got;

		if (got == -1)
			die("netlink receive: %s", strerror(errno));
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			refused += err->error != 0;
			if (nlh->nlmsg_seq == last_seq)
				return refused;
		}
	}
}
