/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_EXP_H
#define CONNTRACKD_KERNEL_EXP_H

#include "base/evloop.h"
#include "base/text.h"
#include "flow/expect.h"
#include "kernel/ct.h"

/* Expectations in ctnetlink. Their events come through ct_events, their dump through ct_dump; here
 * is what is different: the messages, single requests, and a commit in steps. There are few of
 * them, so a request is made and answered at once: the kernel executes it inside sendto(). */

/* ---- exp_convert ---- */

/* One expectation message (n bytes, total over hostile input): 0 with *what and *e filled; -EPROTO
 * when it is none, or an attribute has a wrong size; -ENOENT when tuple, mask or master is missing.
 * *e is untouched on error. */
int exp_parse(const void *nlmsg, size_t n, enum ct_event *what, struct ct_expect *e);

#define EXP_BUILD_MAX 640
/* Write one request. Returns its length, or 0 when cap is too small. */
size_t exp_build_create(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap);
/* A new lifetime for the one with this tuple; the kernel changes nothing else of an expectation. */
size_t exp_build_prolong(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap);
size_t exp_build_destroy(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap);
size_t exp_build_get(const struct ct_expect *e, uint32_t seq, void *buf, size_t cap);
size_t exp_build_list(uint32_t seq, void *buf, size_t cap); /* all of the namespace */

/* ---- exp_sock: requests with their answers ---- */

struct exp_sock;

int exp_sock_open(struct exp_sock **out, struct text *err);
void exp_sock_close(struct exp_sock *s);
uint32_t exp_sock_portid(const struct exp_sock *s);
/* Each gives 0 or the kernel's -errno; -ENOBUFS when the answer was lost and the outcome is
 * unknown. */
/* with its lifetime, if it has one */
int exp_sock_create(struct exp_sock *s, const struct ct_expect *e);
int exp_sock_prolong(struct exp_sock *s, const struct ct_expect *e);
int exp_sock_destroy(struct exp_sock *s, const struct ct_expect *e);
int exp_sock_get(struct exp_sock *s, const struct ct_expect *e, struct ct_expect *found);
/* The master of e as the kernel has it; *found borrows *rare. -ENOENT: there is none. */
int exp_sock_master(struct exp_sock *s, const struct ct_expect *e, struct ct_flow *found,
		    struct flow_rare *rare);
/* All of the namespace, in one go: the kernel makes each part while it is read. each() must not use
 * s. */
int exp_sock_list(struct exp_sock *s, void (*each)(void *ctx, const struct ct_expect *e),
		  void *ctx);

/* ---- exp_commit: expectations into the kernel, some per turn of the loop ---- */

struct exp_commit;

#define EXP_COMMIT_REASONS 4

struct exp_commit_result {
	uint64_t total; /* given by the source */
	uint64_t created, kept, failed;
	struct {
		/* errno value, positive; ENOENT: the kernel has no such master */
		int err;
		uint64_t count;
	} reason[EXP_COMMIT_REASONS]; /* failures by errno, the rest in the last */
	int64_t duration_us;
};

struct exp_commit_source {
	void *ctx;
	/* Up to n expectations from *pos on (0 = start), 0 at the end. Copies. */
	size_t (*next)(void *ctx, uint64_t *pos, struct ct_expect *out, size_t n);
	/* It is in the kernel now, put there by us. */
	void (*created)(void *ctx, const struct ct_expect *e, struct mono now);
	void (*done)(void *ctx, const struct exp_commit_result *res, struct mono now);
};

/* What the kernel has already is kept if it belongs to the same master; else that one is live here,
 * and this one has failed (EEXIST). Nothing in the kernel is replaced. */
int exp_commit_open(struct evloop *loop, const struct exp_commit_source *src,
		    struct exp_commit **out, struct text *err);
void exp_commit_close(struct exp_commit *c);
uint32_t exp_commit_portid(const struct exp_commit *c);
/* 0, or -EBUSY while one runs. */
int exp_commit_start(struct exp_commit *c, struct mono now);
bool exp_commit_running(const struct exp_commit *c);
/* A failure in words: the kernel's ENOENT means the master. */
const char *exp_commit_reason(int err);
/* The socket of the commit, for flushes: its events are not read back either. */
struct exp_sock *exp_commit_sock(struct exp_commit *c);

#endif
