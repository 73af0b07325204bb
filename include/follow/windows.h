/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_WINDOWS_H
#define CONNTRACKD_FOLLOW_WINDOWS_H

#include "base/evloop.h"
#include "base/text.h"
#include "kernel/ct_put.h"

/* -c: entries of our kernel whose connections, or the next ones of the same tuples, a peer may have
 * forwarded before this node took over become liberal, so that their windows, which are of another
 * time, call nothing of today invalid. */
struct windows;

struct windows_result {
	int err;	/* 0, or -errno: not all entries have been looked at; -EINTR: see below */
	uint64_t total; /* entries of the kernel's table read so far */
	uint64_t loosened; /* whose windows judge no longer */
	uint64_t failed;   /* that ought to be liberal and are not */
	int64_t duration_us;
};

/* What -EINTR is in words. */
#define WINDOWS_CHANGED \
	"the kernel table has changed under every reading: some entries that are older than " \
	"this take-over may still have their windows"

struct windows_cb {
	void *ctx;
	/* Is this flow one that peers are told about, and that no commit judges? f has no TCP
	 * state. */
	bool (*pass)(void *ctx, const struct ct_flow *f);
	/* Life and windows of this entry were written; f as it is there now. */
	void (*written)(void *ctx, const struct ct_flow *f, struct mono now);
	/* The end, once for each start. May start the next one. */
	void (*done)(void *ctx, const struct windows_result *res, struct mono now);
	struct ct_put_caller caller;
};

int windows_open(struct evloop *loop, const struct windows_cb *cb, struct windows **out,
		 struct text *err) __attribute__((warn_unused_result));
void windows_close(struct windows *w);
/* For the filter of the event socket. */
uint32_t windows_portid(const struct windows *w);

enum windows_when {
	WINDOWS_ALONE,	     /* no commit: also the lives are raised */
	WINDOWS_AFTER_COMMIT /* nothing else is written */
};

/* Walk the kernel's table in steps of the loop. active: since when this node is active. left: when
 * it was active before; what has had packets since is passed by. Not set: all are looked at. 0,
 * -EBUSY while one runs, -errno. */
int windows_start(struct windows *w, enum windows_when when, struct mono active, struct mono left,
		  struct mono now);
const struct windows_result *windows_progress(const struct windows *w);

/* Does an entry have windows that may be of another time: TCP, assured, established or half-closed,
 * not liberal yet in both directions (flags as from ct_parse_tcp_flags()), not offloaded? For its
 * tests. */
bool windows_may_judge(const struct ct_flow *f, const uint8_t tcp_flags[2]);

#endif
