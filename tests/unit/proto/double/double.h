/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_DOUBLE_H
#define CONNTRACKD_TESTS_DOUBLE_H

#include "proto/proto.h"

/* A protocol of another version, for tests: another header, other numbers, the rest in another
 * order, flows as they lie in memory, addressed control messages. It has in common with version 1
 * what lets each of the two skip the messages of the other: version in the first four bits, length
 * in the third and fourth byte. */
#define DOUBLE_VERSION 2

extern const struct proto_ops proto_double;

#endif
