/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_BPF_FILTER_H
#define CONNTRACKD_KERNEL_BPF_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The socket filter of the event socket as a classic BPF program under construction. A program that
 * does not fit says so by `full`, which is sticky, and must not be attached. */
#define BPF_FILTER_MAX BPF_MAXINSNS

struct bpf_filter {
	struct sock_filter code[BPF_FILTER_MAX];
	size_t len; /* instructions */
	bool full;
};

struct filter_conf; /* flow/filter_conf.h */

#define BPF_VERDICT_DROP 0u
#define BPF_VERDICT_PASS 0xffffffffu

/* Append one instruction; jt and jf are how many to skip. For the sections. */
void bpf_filter_emit(struct bpf_filter *b, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf);

/* Start an empty program. */
void bpf_filter_init(struct bpf_filter *b);

/* Drop messages caused by one of the port ids. Port id 0 is the kernel itself and is left out. */
void bpf_filter_own(struct bpf_filter *b, const uint32_t *portids, size_t n);

/* The Filter block: drops new and changed flows that flow_filter_pass() would refuse, exactly
 * those. Destroy events and messages about anything else than flows go on to the next section. */
void bpf_filter_flow(struct bpf_filter *b, const struct filter_conf *conf);

/* The end: everything that came here passes. */
void bpf_filter_pass(struct bpf_filter *b);

/* Attach to a socket. 0, -E2BIG when the program did not fit, or -errno. */
int bpf_filter_attach(const struct bpf_filter *b, int fd);

#endif
