/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_FLUSH_H
#define CONNTRACKD_KERNEL_CT_FLUSH_H

#include "kernel/ct.h"

/* Selective delete of the kernel table: dump in steps, delete what passes (through ct_batch, by tuple and id so that a
 * new flow with the same tuple is not hit). */
struct ct_flush;

struct ct_flush_cb {
	void *ctx;
	bool (*pass)(void *ctx, const struct ct_flow *f);	/* delete it? */
	void (*gone)(void *ctx, const struct ct_flow *f, struct mono now);	/* deleted (its event is filtered out) */
	void (*done)(void *ctx, int err, uint64_t deleted, uint64_t failed, struct mono now);
};

int ct_flush_open(struct evloop *loop, const struct ct_flush_cb *cb, struct ct_flush **out, struct text *err);
void ct_flush_close(struct ct_flush *f);
uint32_t ct_flush_portid(const struct ct_flush *f);
/* 0, or -EBUSY while one runs. */
int ct_flush_start(struct ct_flush *f);
bool ct_flush_running(const struct ct_flush *f);

#endif
