/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_BPF_FILTER_H
#define CONNTRACKD_KERNEL_BPF_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The socket filter of the event socket as a classic BPF program under construction. A program that does not fit says so
 * by `full`, which is sticky, and must not be attached. */
#define BPF_FILTER_MAX BPF_MAXINSNS

struct bpf_filter {
	struct sock_filter code[BPF_FILTER_MAX];
	size_t len;		/* instructions */
	bool full;
};

/* Start an empty program. */
void bpf_filter_init(struct bpf_filter *b);

/* Drop messages caused by one of the port ids. Port id 0 is the kernel itself and is left out. */
void bpf_filter_own(struct bpf_filter *b, const uint32_t *portids, size_t n);

/* The end: everything that came here passes. */
void bpf_filter_pass(struct bpf_filter *b);

/* Attach to a socket. 0, -E2BIG when the program did not fit, or -errno. */
int bpf_filter_attach(const struct bpf_filter *b, int fd);

#endif
