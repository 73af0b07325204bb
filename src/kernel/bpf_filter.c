/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket filter of the event socket, in classic BPF.
 *
 * The kernel runs it on each message before it is queued: what it drops occupies no buffer and
 * causes no overrun. One section after the other looks at the message and either drops it or falls
 * through to the next:
 *
 *	own port ids	nlmsg_pid of a multicast event is the port id of the socket whose request
 *			caused the change, 0 when no request did. Events of our own commits never
 *			reach us.
 *	Filter block	bpf_flow.c; only with From Kernelspace
 *	pass		what is left
 *
 * Loads convert from network byte order; header fields of netlink are in host order, so constants
 * are swapped. */
#include "kernel/bpf_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

void bpf_filter_init(struct bpf_filter *b)
{
	b->len = 0;
	b->full = false;
}

void bpf_filter_emit(struct bpf_filter *b, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (b->len >= BPF_FILTER_MAX) {
		b->full = true;
		return;
	}
	b->code[b->len++] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
}

void bpf_filter_own(struct bpf_filter *b, const uint32_t *portids, size_t n)
{
	bpf_filter_emit(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid), 0, 0);
	for (size_t i = 0; i < n; i++) {
		if (portids[i] == 0)
			continue;
		bpf_filter_emit(b, BPF_JMP | BPF_JEQ | BPF_K, htonl(portids[i]), 0, 1);
		bpf_filter_emit(b, BPF_RET | BPF_K, BPF_VERDICT_DROP, 0, 0);
	}
}

void bpf_filter_pass(struct bpf_filter *b)
{
	bpf_filter_emit(b, BPF_RET | BPF_K, BPF_VERDICT_PASS, 0, 0);
}

int bpf_filter_attach(const struct bpf_filter *b, int fd)
{
	const struct sock_fprog prog = {
		.len = (unsigned short)b->len,
		.filter = (struct sock_filter *)b->code,
	};

	if (b->full)
		return -E2BIG;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == -1)
		return -errno;
	return 0;
}
