/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_EXPECT_H
#define CONNTRACKD_FLOW_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "flow/flow.h"

/* An expectation: a flow that a helper announces, because it has read about that flow in the
 * packets of another one (the master). The kernel lets the expected flow pass, and translates its
 * addresses, when its first packet comes. Expectations are few and expire after seconds, so struct
 * ct_expect is a plain value of fixed size without the short slots of struct ct_flow. No I/O, no
 * clock.
 *
 * Byte order: addresses and ports in network order, everything else in host order. */

#define EXPECT_HAS_TIMEOUT (1u << 0)
#define EXPECT_HAS_FLAGS   (1u << 1)
#define EXPECT_HAS_CLASS   (1u << 2)
#define EXPECT_HAS_NAT	   (1u << 3) /* saved NAT tuple and direction */
#define EXPECT_HAS_HELPER  (1u << 4)
#define EXPECT_HAS_FN	   (1u << 5) /* function the kernel runs on the expected flow */
#define EXPECT_HAS_ID	   (1u << 6)
#define EXPECT_HAS_ALL	   ((1u << 7) - 1)

#define EXPECT_FN_MAX 32 /* with the NUL */

/* flags, as in linux/netfilter/nf_conntrack_common.h: NF_CT_EXPECT_* */
#define EXPECT_F_PERMANENT 0x1u
#define EXPECT_F_INACTIVE  0x2u
#define EXPECT_F_USERSPACE 0x4u

struct expect_tuple {
	union flow_addr src, dst;
	uint16_t sport, dport; /* GRE: the keys; 0 for protocols without ports */
	uint8_t l4;	       /* IPPROTO_*; in a mask the kernel repeats the number */
};

struct ct_expect {
	uint32_t has;  /* EXPECT_HAS_* */
	uint8_t l3;    /* AF_INET or AF_INET6, of all tuples */
	uint16_t zone; /* zone of the master; 0: default */
	struct expect_tuple master, tuple, mask, nat;
	uint32_t timeout_s; /* seconds left when it was learned */
	uint32_t flags;	    /* EXPECT_F_* */
	uint32_t class;
	uint32_t nat_dir; /* direction: 0 original, 1 reply */
	uint32_t id;	  /* the kernel's */
	char helper[FLOW_HELPER_MAX];
	char fn[EXPECT_FN_MAX];
};

/* What makes an expectation the same one: family, tuple, mask and zone. The master does not belong
 * to it: the kernel keeps no two with the same tuple and mask. */
bool expect_same_key(const struct ct_expect *a, const struct ct_expect *b);
uint32_t expect_key_hash(const struct hash_key *secret, const struct ct_expect *e);

/* Are the two equal in everything that is replicated: all but timeout and id? */
bool expect_equal_replicated(const struct ct_expect *a, const struct ct_expect *b);

/* Do both belong to the same master? */
bool expect_same_master(const struct ct_expect *a, const struct ct_expect *b);
/* Is the flow f the master of e? */
bool expect_is_master(const struct ct_expect *e, const struct ct_flow *f);
/* Fills *f with the key of e's master and nothing else, for a look-up. */
void expect_master_flow(const struct ct_expect *e, struct ct_flow *f);

/* Does the name of e's helper begin with prefix (upper and lower case are the same)? */
bool expect_helper_matches(const struct ct_expect *e, const char *prefix);

/* ---- printing (the layouts of nfexp_snprintf(), which 1.4.x prints) ---- */

struct expect_print_opts {
	int64_t active_s;  /* "[active since Ns]" behind the text; < 0: leave out */
	int64_t expires_s; /* "[expires in Ns]" before that; <= 0: leave out */
	bool timeout;	   /* as in a list of the kernel's table */
};

/* Each function writes a line without newline into buf and returns the line's length; at most cap -
 * 1 bytes, always terminated. cap of FLOW_LINE_MAX (flow_print.h) is always enough. Names that came
 * from a peer are made harmless. */
size_t expect_print_text(const struct ct_expect *e, const struct expect_print_opts *opts, char *buf,
			 size_t cap);
size_t expect_print_xml(const struct ct_expect *e, const struct expect_print_opts *opts, char *buf,
			size_t cap);

/* An expectation as a record on the control socket (same machine, same version of records). pack
 * returns the number of bytes, at most EXPECT_RECORD_MAX; unpack checks every field: 0, or -EINVAL
 * with the outputs untouched. */
#define EXPECT_RECORD_MAX (sizeof(struct ct_expect) + sizeof(struct expect_print_opts))
size_t expect_record_pack(const struct ct_expect *e, const struct expect_print_opts *opts,
			  uint8_t *out);
int expect_record_unpack(const uint8_t *bytes, size_t n, struct ct_expect *e,
			 struct expect_print_opts *opts);

#endif
