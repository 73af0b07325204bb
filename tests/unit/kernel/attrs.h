/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_KERNEL_ATTRS_H
#define TESTS_UNIT_KERNEL_ATTRS_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All attributes of a conntrack message by name, top level and nested, as
 * linux/netfilter/nfnetlink_conntrack.h has them. Second knowledge for tests: nothing of it comes
 * from src/kernel. */
struct ct_attr {
	const char *name;	   /* NULL: no such attribute */
	const struct ct_attr *sub; /* what is nested in it */
	size_t n_sub;		   /* types 0 to n_sub - 1 */
	uint16_t size;	     /* the only size ct_parse() takes; 0: any, it does not look at it */
	bool unread;	     /* ct_parse() does not look into it */
	const char *excused; /* why no test has a case of it */
};

extern const struct ct_attr ct_attrs[];
extern const size_t n_ct_attrs;

/* The attribute of this type in a table; NULL for one that the header does not know. */
const struct ct_attr *ct_attr_find(const struct ct_attr *table, size_t n, unsigned int type);

/* A whole message as it was recorded on a machine with the least significant byte first: its
 * headers and labels, which netlink has in the order of the machine, become those of this one. */
void ct_settle_recorded(void *msg, size_t len);

/* How often each attribute was seen, per path. */
struct ct_count;
struct ct_count *ct_count_new(void);
void ct_count_free(struct ct_count *c);
/* A whole message: header, nfgenmsg, attributes. */
void ct_count_message(struct ct_count *c, const struct nlmsghdr *h);
/* Prints the counts; the number of attributes that are not excused and have no case, each named. */
size_t ct_count_report(const struct ct_count *c);

/* The attributes of a message as lines "path: value in hex", sorted: equal sets of lines are equal
 * requests. */
struct ct_flat {
	char line[96][192];
	size_t n;
};
void ct_flatten(struct ct_flat *out, const struct nlmsghdr *h);
void ct_flat_drop(struct ct_flat *f, const char *path_prefix);
/* The first line that is in one of them only, after "+" (a only) or "-" (b only); NULL when they
 * are equal. */
const char *ct_flat_difference(const struct ct_flat *a, const struct ct_flat *b);

#endif
