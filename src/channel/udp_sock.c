/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two UDP sockets below multicast and UDP links. Options and their order: doc/protocol.md
 * section 8.
 *
 * The receiver learns from the kernel on which interface each datagram came in. Multicast links and
 * those of link-local addresses compare that; for others the source address decides alone, because
 * their packets may take any way. */
#include "channel/udp_sock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define BATCH	  LINK_RX_SLOTS
#define RUN_BYTES 65000u /* of one piece: below the largest IP datagram */
/* after a refusal: an MTU, a route, a tunnel may have been the reason */
#define CUT_AGAIN_MS	   60000
#define SND_BUFFER_DEFAULT (1u << 20) /* bytes: a few hundred full datagrams */
#define RCV_BUFFER_DEFAULT (4u << 20)
#define REFUSAL_LINES	   3 /* at once; then one per minute and link */
#define REFUSAL_LINE_MS	   60000

socklen_t udp_sock_addr(const struct link *l, const union channel_addr *addr, uint16_t port,
			union udp_addr *out)
{
	*out = (union udp_addr){ 0 };
	if (l->conf->family == AF_INET) {
		out->v4 = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_addr = addr->v4,
						.sin_port = htons(port) };
		return sizeof(out->v4);
	}
	out->v6 = (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_addr = addr->v6,
		.sin6_port = htons(port),
		.sin6_scope_id = l->ifindex,
	};
	return sizeof(out->v6);
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static bool can_cut(int fd)
{
	int each;
	socklen_t len = sizeof(each);

	return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &each, &len) == 0;
}

int udp_sock_open_tx(struct link *l)
{
	const struct channel_link_conf *c = l->conf;
	bool v4 = c->family == AF_INET;

	l->tx = socket(c->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->tx == -1)
		return -errno;
	/* What has no checksum is not cut; a kernel that cannot cut at all (before 4.18) would send
	 * the whole piece. */
	l->segments = (c->checksum || !v4) && can_cut(l->tx);
	l->refused = (struct mono){ 0 };
	/* IPv6 has no such thing as a datagram without checksum, so there the option has no effect,
	 * as in 1.4.x. */
	if (v4 && set_int(l->tx, SOL_SOCKET, SO_NO_CHECK, !c->checksum) == -1)
		return -errno;
	link_set_buffer(l->tx, SO_SNDBUFFORCE, SO_SNDBUF,
			c->snd_buffer ? c->snd_buffer : SND_BUFFER_DEFAULT);
	/* A message that is larger than the MTU leaves in fragments. */
	if (v4 ? set_int(l->tx, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT) == -1 :
		 set_int(l->tx, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT) == -1)
		return -errno;
	return 0;
}

int udp_sock_open_rx(struct link *l)
{
	const struct channel_link_conf *c = l->conf;

	l->rx = socket(c->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->rx == -1)
		return -errno;
	link_set_buffer(l->rx, SO_RCVBUFFORCE, SO_RCVBUF,
			c->rcv_buffer ? c->rcv_buffer : RCV_BUFFER_DEFAULT);
	if (c->family == AF_INET)
		return set_int(l->rx, IPPROTO_IP, IP_PKTINFO, 1) == -1 ? -errno : 0;
	/* Without V6ONLY a link on all addresses would take the IPv4 port as well. */
	if (set_int(l->rx, IPPROTO_IPV6, IPV6_V6ONLY, 1) == -1 ||
	    set_int(l->rx, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == -1)
		return -errno;
	return 0;
}

/* ---- sending ---- */

/* How many of the first datagrams can be one piece: all of one length, only the last may be
 * shorter. Those made for another link, with a larger MTU, leave in fragments. */
static unsigned int run_of(const struct link *l, const struct iovec *iov, unsigned int n)
{
	size_t each = iov[0].iov_len, bytes = each;
	size_t headers = l->conf->family == AF_INET ? UDP_OVERHEAD_V4 : UDP_OVERHEAD_V6;
	unsigned int run = 1;

	if (each + headers > l->mtu)
		return 1;

	while (l->segments && run < n && iov[run - 1].iov_len == each && iov[run].iov_len <= each &&
	       bytes + iov[run].iov_len <= RUN_BYTES)
		bytes += iov[run++].iov_len;
	return run;
}

/* The kernel is to cut the piece into datagrams of this length. */
static void ask_to_cut(struct msghdr *m, void *control, size_t size, size_t length)
{
	uint16_t each = (uint16_t)length;
	struct cmsghdr *c;

	m->msg_control = control;
	m->msg_controllen = size;
	c = CMSG_FIRSTHDR(m);
	*c = (struct cmsghdr){ .cmsg_level = SOL_UDP,
			       .cmsg_type = UDP_SEGMENT,
			       .cmsg_len = CMSG_LEN(sizeof(each)) };
	memcpy(CMSG_DATA(c), &each, sizeof(each));
}

/* Passing through the stack costs more than anything we do for a datagram. So a run of equal ones
 * goes through it as one piece, and is cut as late as can be: by the card, or before the driver. */
static int send_runs(struct link *l, const struct iovec *iov, unsigned int n, bool *cut)
{
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(uint16_t))];
	struct mmsghdr msgs[BATCH];
	unsigned int m = 0, sent = 0;
	union udp_addr to;
	socklen_t to_len = udp_sock_addr(l, &l->conf->dest, l->conf->port, &to);
	int got;

	assert(n > 0);
	for (unsigned int i = 0; i < n; m++) {
		unsigned int run = run_of(l, iov + i, n - i);

		msgs[m] = (struct mmsghdr){ .msg_hdr = {
						    .msg_name = &to,
						    .msg_namelen = to_len,
						    .msg_iov = (struct iovec *)&iov[i],
						    .msg_iovlen = run,
					    } };
		if (run > 1)
			ask_to_cut(&msgs[m].msg_hdr, control[m], sizeof(control[m]),
				   iov[i].iov_len);
		i += run;
	}
	*cut = msgs[0].msg_hdr.msg_iovlen > 1;
	got = sendmmsg(l->tx, msgs, m, 0);
	if (got == -1)
		return -errno;
	for (int i = 0; i < got; i++)
		sent += (unsigned int)msgs[i].msg_hdr.msg_iovlen;
	return (int)sent;
}

/* Where it refuses because of this MTU, card, route or tunnel, and not because nothing can
 * leave. */
static int send_uncut(struct link *l, const struct iovec *iov, unsigned int n, int why,
		      struct mono now)
{
	bool cut, first = !mono_is_set(l->refused);
	int ret;

	l->segments = false;
	ret = send_runs(l, iov, n, &cut);
	l->segments = ret < 0;
	if (ret < 0)
		return ret;
	l->refused = now;
	if (first)
		log_notice("line %u: %s link: datagrams leave one by one, because the kernel does "
			   "not segment them here: %s",
			   l->conf->line, l->ops->kind, strerror(-why));
	return ret;
}

int udp_sock_send(struct link *l, const struct iovec *iov, unsigned int n)
{
	struct mono now = evloop_now(l->loop);
	bool cut;
	int ret;

	if (n > BATCH)
		n = BATCH;
	if (mono_is_set(l->refused) && mono_diff_ms(now, l->refused) >= CUT_AGAIN_MS)
		l->segments = true;
	ret = send_runs(l, iov, n, &cut);
	if (cut && (ret == -EINVAL || ret == -EIO || ret == -EMSGSIZE || ret == -EOPNOTSUPP))
		ret = send_uncut(l, iov, n, ret, now);
	return ret;
}

/* ---- receiving ---- */

/* The interface a datagram came in on, 0 when the kernel did not say. */
static unsigned int arrival_interface(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
		    c->cmsg_len >= CMSG_LEN(sizeof(v4))) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			return (unsigned int)v4.ipi_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
		    c->cmsg_len >= CMSG_LEN(sizeof(v6))) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			return v6.ipi6_ifindex;
		}
	}
	return 0;
}

/* False if it is not of the link's family. */
static bool source_of(const struct link *l, struct msghdr *msg, const union udp_addr *from,
		      struct udp_source *out)
{
	*out = (struct udp_source){ .addr = { .v6 = IN6ADDR_ANY_INIT },
				    .ifindex = arrival_interface(msg),
				    .port = from->v4.sin_port }; /* both families have it there */
	if (msg->msg_namelen < sizeof(from->sa.sa_family) || from->sa.sa_family != l->conf->family)
		return false;
	if (l->conf->family == AF_INET)
		out->addr.v4 = from->v4.sin_addr;
	else
		out->addr.v6 = from->v6.sin6_addr;
	return true;
}

/* May one more line about refusals be written? Then *more says how many were not. */
static bool may_log(struct link *l, struct mono now, char *more, size_t size)
{
	uint64_t suppressed = 0;

	if (!log_limit_pass(&l->refusals, REFUSAL_LINES, REFUSAL_LINE_MS, now, &suppressed))
		return false;
	more[0] = '\0';
	if (suppressed > 0)
		snprintf(more, size, " (%" PRIu64 " other refusals were not logged)", suppressed);
	return true;
}

void udp_sock_log_refusal(struct link *l, const struct udp_source *from, const char *why,
			  struct mono now)
{
	char addr[INET6_ADDRSTRLEN], more[64];

	if (may_log(l, now, more, sizeof(more)))
		log_warnx("line %u: %s link: a %s from %s is refused: %s%s", l->conf->line,
			  l->ops->kind, l->ops->unit, link_addr_text(l, &from->addr, addr), why,
			  more);
}

void udp_sock_refuse_interface(struct link *l, const struct udp_source *from, struct mono now)
{
	char addr[INET6_ADDRSTRLEN], ours[IF_NAMESIZE] = "?", theirs[IF_NAMESIZE] = "?", more[64];

	l->stats.refused_interface++;
	if (!may_log(l, now, more, sizeof(more)))
		return;
	if_indextoname(l->ifindex, ours);
	if_indextoname(from->ifindex, theirs);
	log_warnx("line %u: %s link: a datagram from %s is refused: it came in on %s, not on %s%s",
		  l->conf->line, l->ops->kind, link_addr_text(l, &from->addr, addr), theirs, ours,
		  more);
}

unsigned int udp_sock_recv(struct link *l, struct link_rx *rx, struct mono now, udp_hear *hear)
{
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct in6_pktinfo))];
	union udp_addr source[BATCH];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int ret;

	rx->n = 0;
	for (unsigned int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ .iov_base = rx->mem + (size_t)i * LINK_DATAGRAM_MAX,
					 .iov_len = LINK_DATAGRAM_MAX };
		msgs[i] = (struct mmsghdr){ .msg_hdr = {
						    .msg_name = &source[i],
						    .msg_namelen = sizeof(source[i]),
						    .msg_iov = &iov[i],
						    .msg_iovlen = 1,
						    .msg_control = control[i],
						    .msg_controllen = sizeof(control[i]),
					    } };
	}
	ret = recvmmsg(l->rx, msgs, BATCH, MSG_DONTWAIT, NULL);
	if (ret == -1) {
		if (errno != EAGAIN && errno != EINTR)
			l->stats.recv_errors++;
		return 0;
	}
	for (unsigned int i = 0; i < (unsigned int)ret; i++) {
		struct link_rx_item *item = &rx->item[rx->n];
		union channel_addr as;
		struct udp_source from;
		struct link *whose;

		if (!source_of(l, &msgs[i].msg_hdr, &source[i], &from)) {
			l->stats.refused_source++;
			udp_sock_log_refusal(l, &from,
					     "its source is no address of the link's family", now);
			continue;
		}
		whose = hear(l, &from, now, &as);
		if (!whose)
			continue;
		*item = (struct link_rx_item){ .bytes = iov[i].iov_base,
					       .len = msgs[i].msg_len,
					       .link = whose,
					       .from = {
						       .family = (uint8_t)whose->conf->family,
						       .link = whose->number,
					       } };
		memcpy(item->from.addr, &as, sizeof(item->from.addr));
		rx->n++;
	}
	return (unsigned int)ret;
}
