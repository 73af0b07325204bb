/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_EXP_FLUSH_H
#define CONNTRACKD_FOLLOW_EXP_FLUSH_H

#include <stdint.h>

#include "flow/filter.h"
#include "kernel/exp.h"
#include "sync/sync_conf.h"

struct exp_flush_result {
	uint32_t deleted;
	/* excluded by ExpectationSync or, with their masters, by the Filter */
	uint32_t left;
};

/* Delete the kernel's expectations that are replicated, at once. 0, or the -errno of the first
 * failure, with *res as far as that went; others have been tried as well. */
int exp_flush(struct exp_sock *sock, const struct flow_filter *filter,
	      const struct sync_expect_conf *conf, struct exp_flush_result *res);

#endif
