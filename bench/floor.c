/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's interfaces cost by themselves: the least that a daemon can do.
 *
 *   floor listen single       one receive per event, until SIGTERM
 *   floor listen batched      64 per call
 *   floor dump                the whole table once
 *   floor send BYTES N ADDR   N datagrams of BYTES to ADDR, one per call
 *   floor send -g ...         likewise, segmented by the kernel
 *
 * The bare injector is `ctload insert`, with `floor listen batched` beside it or not. Prints one
 * line of JSON; cpu_ns is this process's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctnl.h"

#define LISTEN_BUFFER (1 << 30)
#define EVENT_MAX     2048
#define BATCH	      64

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

static uint64_t count_messages(const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;
	uint64_t n = 0;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		n++;
	return n;
}

static int floor_listen(bool batched)
{
	static _Alignas(8) char buf[BATCH][EVENT_MAX];
	struct sigaction sa = { .sa_handler = on_term }; /* no SA_RESTART: it ends the receive */
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint64_t events = 0, overruns = 0;
	int fd = ctnl_listen(LISTEN_BUFFER);

	sigaction(SIGTERM, &sa, NULL);
	for (unsigned int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ .iov_base = buf[i], .iov_len = EVENT_MAX };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	puts("ready");
	fflush(stdout);
	while (!ended) {
		int n = recvmmsg(fd, msgs, batched ? BATCH : 1, MSG_WAITFORONE, NULL);

		if (n == -1 && errno == ENOBUFS)
			overruns++;
		for (int i = 0; i < n; i++)
			events += count_messages(buf[i], msgs[i].msg_len);
	}
	printf("{\"events\": %" PRIu64 ", \"overruns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64 "}\n",
	       events, overruns, cpu_ns());
	return 0;
}

static int floor_dump(void)
{
	static _Alignas(8) char buf[1 << 18];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	uint64_t flows = 0, began;
	int fd = ctnl_open();
	bool done = false;

	nlh->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .nfgen_family = AF_UNSPEC };
	began = now_ns();
	if (send(fd, buf, nlh->nlmsg_len, 0) == -1)
		die("dump: %s", strerror(errno));
	while (!done) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		int left = (int)got;

		if (got == -1)
			die("dump: %s", strerror(errno));
		for (nlh = (struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			done = nlh->nlmsg_type == NLMSG_DONE;
			flows += !done;
		}
	}
	printf("{\"flows\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_ns\": %" PRIu64 "}\n", flows,
	       (double)(now_ns() - began) / 1e9, cpu_ns());
	return 0;
}

static int floor_send(bool segmented, size_t bytes, uint64_t n, const char *to)
{
	static char buf[65536];
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = (int)bytes;
	uint64_t sent = 0, began = now_ns();
	size_t at_once = segmented ? 60000 / bytes : 1;

	if (at_once > 64)
		at_once = 64;
	if (fd == -1 || inet_pton(AF_INET, to, &sa.sin_addr) != 1 || bytes == 0 || bytes > 1472 ||
	    (segmented && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) == -1))
		die("send: %s", strerror(errno));
	while (sent < n) {
		if (sendto(fd, buf, bytes * at_once, 0, (struct sockaddr *)&sa, sizeof(sa)) == -1)
			die("send: %s", strerror(errno));
		sent += at_once;
	}
	printf("{\"datagrams\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_ns\": %" PRIu64 "}\n", sent,
	       (double)(now_ns() - began) / 1e9, cpu_ns());
	return 0;
}

int main(int argc, char **argv)
{
	bool segmented = argc > 2 && strcmp(argv[2], "-g") == 0;

	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return floor_listen(strcmp(argv[2], "batched") == 0);
	if (argc == 2 && strcmp(argv[1], "dump") == 0)
		return floor_dump();
	if (argc == 5 + segmented && strcmp(argv[1], "send") == 0)
		return floor_send(segmented, strtoul(argv[2 + segmented], NULL, 10),
				  strtoull(argv[3 + segmented], NULL, 10), argv[4 + segmented]);
	fprintf(stderr, "usage: floor listen single|batched, floor dump, floor send [-g] BYTES N "
			"ADDRESS\n");
	return 2;
}
