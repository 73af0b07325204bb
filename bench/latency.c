/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an event of the kernel to the datagram that tells the peer.
 *
 *   latency [-f FIRST] RATE SECONDS DEVICE
 *
 * Inserts flows one at a time at this rate and watches what leaves through DEVICE. The clock of a
 * flow runs from just before its request is handed to the kernel (which sends the event before it
 * returns) to the time stamp of the first datagram that holds its addresses, whatever the datagram
 * is otherwise. Prints one line of JSON, microseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctnl.h"

/* after the last request: what was not seen by then is lost */
#define QUIET_NS 2000000000u

struct watch {
	struct flow_kind kind;
	uint32_t n, seen;
	int64_t *born, *left; /* real time, ns; left 0: not seen */
	int netlink, packet;
};

static int64_t real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static int packet_socket(const char *device)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1,
	    buffer = 256 << 20;

	if (fd == -1 || sa.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) == -1)
		die("%s: %s", device, strerror(errno));
	return fd;
}

static int64_t stamp_of(struct msghdr *m)
{
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return t.tv_sec * 1000000000 + t.tv_nsec;
	}
	die("a datagram without a time stamp");
}

/* Every message that tells of a flow's birth has its source and destination address side by
 * side. */
static void look(struct watch *w, const uint8_t *p, size_t len, int64_t stamp)
{
	for (size_t at = 4; at + 4 <= len; at += 4) {
		uint32_t src, dst, i;

		memcpy(&dst, p + at, 4);
		if (dst != htonl(FLOW_MARKER))
			continue;
		memcpy(&src, p + at - 4, 4);
		i = (ntohl(src) & 0x7fffff) - w->kind.base;
		if (i >= w->n || w->born[i] == 0 || w->left[i] != 0)
			continue;
		w->left[i] = stamp;
		w->seen++;
	}
}

static void drain(struct watch *w)
{
	static _Alignas(8) uint8_t buf[65536];
	char control[256];

	for (;;) {
		struct sockaddr_ll from;
		struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
		struct msghdr m = { .msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t len = recvmsg(w->packet, &m, MSG_DONTWAIT);

		if (len == -1)
			return;
		if (from.sll_pkttype == PACKET_OUTGOING)
			look(w, buf, (size_t)len, stamp_of(&m));
	}
}

static void wait_or_drain(struct watch *w, uint64_t until)
{
	for (;;) {
		struct pollfd p = { .fd = w->packet, .events = POLLIN };
		uint64_t now = now_ns();
		struct timespec left = { 0 };

		if (now >= until)
			return;
		left.tv_nsec = (long)((until - now) % 1000000000u);
		left.tv_sec = (time_t)((until - now) / 1000000000u);
		if (ppoll(&p, 1, &left, NULL) == 1)
			drain(w);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(struct watch *w)
{
	int64_t *took = calloc(w->seen + 1, sizeof(*took));
	size_t n = 0;

	if (!took)
		die("no memory");
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->left[i])
			took[n++] = w->left[i] - w->born[i];
	}
	qsort(took, n, sizeof(*took), by_value);
	printf("{\"sent\": %u, \"seen\": %zu, \"median_us\": %.1f, \"p99_us\": %.1f, \"max_us\": "
	       "%.1f}\n",
	       w->n, n, n ? (double)took[n / 2] / 1e3 : -1,
	       n ? (double)took[n * 99 / 100] / 1e3 : -1, n ? (double)took[n - 1] / 1e3 : -1);
	free(took);
}

int main(int argc, char **argv)
{
	struct watch w = { .kind = { .proto = IPPROTO_TCP } };
	_Alignas(8) char buf[512];
	uint64_t began;
	double rate;

	if (argc == 6 && strcmp(argv[1], "-f") == 0) {
		w.kind.base = (uint32_t)strtoul(argv[2], NULL, 10);
		argc -= 2;
		argv += 2;
	}
	if (argc != 4)
		die("usage: latency [-f FIRST] RATE SECONDS DEVICE");
	rate = strtod(argv[1], NULL);
	w.n = (uint32_t)(rate * strtod(argv[2], NULL));
	w.born = calloc(w.n, sizeof(*w.born));
	w.left = calloc(w.n, sizeof(*w.left));
	if (!w.born || !w.left)
		die("no memory");
	w.netlink = ctnl_open();
	w.packet = packet_socket(argv[3]);
	began = now_ns();
	for (uint32_t i = 0; i < w.n; i++) {
		size_t len = ctnl_build(buf, &w.kind, i, CTNL_NEW, i + 1);

		ctnl_want_ack(buf);
		wait_or_drain(&w, began + (uint64_t)((double)i / rate * 1e9));
		w.born[i] = real_ns();
		if (ctnl_send(w.netlink, buf, len, i + 1) > 0)
			die("the kernel refused a flow");
	}
	wait_or_drain(&w, now_ns() + QUIET_NS);
	report(&w);
	return 0;
}
