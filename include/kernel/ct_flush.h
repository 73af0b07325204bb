/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_FLUSH_H
#define CONNTRACKD_KERNEL_CT_FLUSH_H

#include "kernel/ct.h"

/* Selective delete of the kernel table: dump in steps, delete what passes (through ct_batch). An
 * entry is named by its tuple: a flow that is born with the tuple of one that has just ended goes
 * with it, as with the whole table (ct_flush.c). */
struct ct_flush;

struct ct_flush_result {
	int err; /* 0; -ECANCELED: it was stopped; else -errno of the dump */
	uint64_t deleted;
	uint64_t failed; /* the kernel refused */
	/* stopped before it was known whether they are gone: compare with the kernel */
	uint64_t unknown;
	/* entries of the table when it began, those that do not pass included */
	uint64_t total;
};

struct ct_flush_cb {
	void *ctx;
	bool (*pass)(void *ctx, const struct ct_flow *f); /* delete it? */
	/* deleted (its event is filtered out) */
	void (*gone)(void *ctx, const struct ct_flow *f, struct mono now);
	/* Once for each start, also from within ct_flush_stop(). May start again. */
	void (*done)(void *ctx, const struct ct_flush_result *res, struct mono now);
};

int ct_flush_open(struct evloop *loop, const struct ct_flush_cb *cb, struct ct_flush **out,
		  struct text *err);
void ct_flush_close(struct ct_flush *f);
uint32_t ct_flush_portid(const struct ct_flush *f);
/* 0, or -EBUSY while one runs. */
int ct_flush_start(struct ct_flush *f);
/* From here on nothing more is deleted: requests that have not left never do, and those that have
 * were carried out and answered before. Ends with done(). Nothing happens when none runs. Not from
 * a callback of the flush. */
void ct_flush_stop(struct ct_flush *f, struct mono now);
bool ct_flush_running(const struct ct_flush *f);
/* How far it is; all zero before the first. Borrowed. */
const struct ct_flush_result *ct_flush_progress(const struct ct_flush *f);

#endif
