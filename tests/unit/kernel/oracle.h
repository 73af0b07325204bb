/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_KERNEL_ORACLE_H
#define TESTS_UNIT_KERNEL_ORACLE_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/kernel/attrs.h"

/* Messages for the comparison with libnetfilter_conntrack, and the comparison. */

#define ORACLE_MSG_MAX 4096

/* ---- where messages come from ---- */

/* Source A: of the library's builder, from random attributes; those it cannot build are appended by
 * hand. Returns the length of the message in buf (ORACLE_MSG_MAX bytes). */
size_t oracle_make(uint64_t *seed, void *buf);

/* Source B: events and a dump of real traffic, in the namespace of the caller. */
struct oracle_list {
	uint8_t **msg;
	size_t n, cap;
};
void oracle_list_add(struct oracle_list *l, const void *msg, size_t n);
void oracle_list_free(struct oracle_list *l);
void oracle_live(struct oracle_list *out);

/* Source C: the message with one to three deliberate faults, in out (ORACLE_MSG_MAX bytes). Returns
 * its length. */
size_t oracle_mutate(uint64_t *seed, const void *msg, void *out);

/* ---- the comparison ---- */

struct oracle_stats {
	unsigned long equal;	 /* both read it, and text and XML are equal in each layout */
	unsigned long refused;	 /* ours does not, by one of the rules */
	unsigned long only_ours; /* the library does not read it: nothing to compare with */
};

/* Why ct_parse() has to refuse this message, found without it; NULL when it has to be read. */
const char *oracle_refusal(const void *msg, size_t n);

/* One message through both. Fails the running test, showing the difference under this name. */
void oracle_compare(const char *name, const void *msg, size_t n, struct oracle_stats *stats);

#endif
