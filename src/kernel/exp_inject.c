/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations of the peers straight into the kernel.
 *
 *	news	the kernel has			what is done
 *	NEW	nothing				create
 *		the same			prolong its life; that is all the kernel lets us
 *						change
 *		one with this tuple, ours	leave it; failed if it belongs to another master
 *		one with this tuple, else	replace it: the peer that told about it says it is
 *						no more
 *		one that overlaps		failed
 *	END	the same, and not ours		destroy, unless the peer's ran out of time and this
 *						one does not
 *		anything else			nothing
 *
 * "Ours" is what this kernel made by itself: it forwards that connection. Life is what a client's
 * refresh gives it, through whichever node it comes; the other node's copy then runs out. */
#include "kernel/exp_inject.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "kernel/exp.h"

#define TIMEOUT_LEFT_S 3 /* two copies of one life end within this time */

struct exp_inject {
	struct exp_sock *sock;
	struct exp_inject_cb cb;
	struct log_limit limit;
	struct exp_inject_stats stats;
};

static void failed(struct exp_inject *x, uint64_t *counter, int err, struct mono now)
{
	uint64_t suppressed;

	(*counter)++;
	if (!log_limit_pass(&x->limit, 1, 10000, now, &suppressed))
		return;
	log_warnx("an expectation of the peer cannot be put into the kernel: %s (%" PRIu64
		  " more since the last such line)",
		  exp_commit_reason(-err), suppressed);
}

static void prolong(struct exp_inject *x, const struct ct_expect *e, const struct ct_expect *found,
		    struct mono now)
{
	int err = 0;

	if ((e->has & EXPECT_HAS_TIMEOUT) &&
	    !((found->has & EXPECT_HAS_TIMEOUT) && found->timeout_s > e->timeout_s))
		err = exp_sock_prolong(x->sock, e);
	if (err < 0)
		failed(x, &x->stats.update_failed, err, now);
	else
		x->stats.updated++;
}

static int destroy(struct exp_inject *x, const struct ct_expect *found)
{
	int err = exp_sock_destroy(x->sock, found);

	if (err == 0)
		x->cb.removed(x->cb.ctx, found);
	return err;
}

static void replace(struct exp_inject *x, const struct ct_expect *e, const struct ct_expect *found,
		    struct mono now)
{
	int err = destroy(x, found);

	if (err == 0 || err == -ENOENT)
		err = exp_sock_create(x->sock, e);
	if (err < 0)
		failed(x, &x->stats.update_failed, err, now);
	else
		x->stats.updated++;
}

/* There is one with its tuple, or one that overlaps, or the answer was lost. */
static void put_over(struct exp_inject *x, const struct ct_expect *e, int err, struct mono now)
{
	struct ct_expect found;

	if (exp_sock_get(x->sock, e, &found) < 0 || !expect_same_key(&found, e)) {
		failed(x, &x->stats.create_failed, err, now);
	} else if (expect_equal_replicated(&found, e)) {
		prolong(x, e, &found, now);
	} else if (!x->cb.ours(x->cb.ctx, &found)) {
		replace(x, e, &found, now);
	} else if (expect_same_master(&found, e)) {
		x->stats.updated++;
	} else {
		failed(x, &x->stats.update_failed, -EEXIST, now);
	}
}

void exp_inject_put(struct exp_inject *x, const struct ct_expect *e, struct mono now)
{
	int err = exp_sock_create(x->sock, e);

	if (err == 0)
		x->stats.created++;
	else if (err == -EEXIST || err == -EBUSY || err == -ENOBUFS)
		put_over(x, e, err, now);
	else
		failed(x, &x->stats.create_failed, err, now);
}

static bool outlives(const struct ct_expect *kernel, const struct ct_expect *e)
{
	return (kernel->has & e->has & EXPECT_HAS_TIMEOUT) && e->timeout_s == 0 &&
	       kernel->timeout_s > TIMEOUT_LEFT_S;
}

void exp_inject_end(struct exp_inject *x, const struct ct_expect *e, struct mono now)
{
	struct ct_expect found;
	int err = exp_sock_get(x->sock, e, &found);

	if (err == 0 && expect_same_key(&found, e) && expect_same_master(&found, e)) {
		if (outlives(&found, e) || x->cb.ours(x->cb.ctx, &found)) {
			x->stats.in_use++;
			return;
		}
		err = destroy(x, &found);
		x->stats.destroyed += err == 0;
	}
	if (err < 0 && err != -ENOENT)
		failed(x, &x->stats.destroy_failed, err, now);
}

int exp_inject_open(const struct exp_inject_cb *cb, struct exp_inject **out, struct text *err)
{
	struct exp_inject *x = calloc(1, sizeof(*x));
	int ret;

	if (!x)
		return -ENOMEM;
	ret = exp_sock_open(&x->sock, err);
	if (ret < 0) {
		free(x);
		return ret;
	}
	x->cb = *cb;
	*out = x;
	return 0;
}

void exp_inject_close(struct exp_inject *x)
{
	if (!x)
		return;
	exp_sock_close(x->sock);
	free(x);
}

uint32_t exp_inject_portid(const struct exp_inject *x)
{
	return exp_sock_portid(x->sock);
}

const struct exp_inject_stats *exp_inject_stats(const struct exp_inject *x)
{
	return &x->stats;
}
