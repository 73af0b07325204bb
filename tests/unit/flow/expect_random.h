/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_EXPECT_RANDOM_H
#define CONNTRACKD_TESTS_EXPECT_RANDOM_H

#include "flow/expect.h"
#include "flow_random.h"

/* A random expectation with a TCP or UDP master. Every optional part is there or not; absent parts
 * are zero, so that two of them can be compared as bytes. Names are printable. */
void random_expect(struct rng *r, struct ct_expect *e);

#endif
