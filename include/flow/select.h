/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_SELECT_H
#define CONNTRACKD_FLOW_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "flow/flow.h"

/* Few flows among many, as somebody at a terminal names them: the long options of conntrack(8),
 * with the meaning that `conntrack -L` gives them. A flow passes if it passes all that was set;
 * what is not known of a flow (the reply direction of one that a peer has told) passes nothing. */
struct flow_net {
	uint8_t l3;
	union flow_addr addr, mask; /* network order; addr within mask */
};

#define SELECT_STATES 3

struct flow_select {
	uint32_t wants; /* bits of select.c; 0: every flow passes */
	uint8_t l3, l4;
	struct flow_net src, dst, reply_src, reply_dst;
	uint16_t sport, dport, reply_sport, reply_dport; /* network order */
	uint16_t icmp_id;				 /* network order */
	uint8_t icmp_type, icmp_code;
	int8_t state[SELECT_STATES]; /* the number in each protocol that has states; -1: none */
	uint32_t status;	     /* all of these bits */
	uint32_t mark, mark_mask;
	uint16_t zone;
	struct flow_net src_nat, dst_nat; /* to which address; l3 0: to any */
};

/* Set what the option of this name (without dashes) asks for. False: name is none of its options,
 * or value no value of it, with a line in *err. value may be NULL where the option needs none. */
bool flow_select_set(struct flow_select *s, const char *name, const char *value, struct text *err);

bool flow_select_pass(const struct flow_select *s, const struct ct_flow *f);

#endif
