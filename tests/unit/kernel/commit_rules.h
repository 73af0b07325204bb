/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_KERNEL_COMMIT_RULES_H
#define TESTS_UNIT_KERNEL_COMMIT_RULES_H

#include "flow/flow.h"
#include "kernel/ct.h"
#include "unit/kernel/attrs.h"

/* Take out of both requests for f what differs on purpose from 1.4.x; the table with the reasons is
 * in commit_rules.c. */
void commit_rules_apply(const struct ct_flow *f, const struct ct_build_opts *o,
			struct ct_flat *ours, struct ct_flat *theirs);

/* How often each rule was needed, printed; the number of rules that never were. */
size_t commit_rules_report(void);

#endif
