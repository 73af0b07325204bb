# SPDX-License-Identifier: GPL-2.0-or-later
libkernel_a_SOURCES = \
	kernel/addrs.c kernel/bpf_filter.c kernel/bpf_flow.c \
	kernel/ct_ask.c \
	kernel/ct_batch.c \
	kernel/ct_build.c \
	kernel/ct_commit.c \
	kernel/ct_convert.c \
	kernel/ct_dump.c \
	kernel/ct_events.c \
	kernel/ct_flush.c \
	kernel/ct_inject.c \
	kernel/ct_put.c \
	kernel/ct_sock.c \
	kernel/ct_timeouts.c \
	kernel/exp_commit.c \
	kernel/exp_convert.c \
	kernel/exp_inject.c \
	kernel/exp_sock.c \
	kernel/proc.c
