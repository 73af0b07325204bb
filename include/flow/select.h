/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_SELECT_H
#define CONNTRACKD_FLOW_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "flow/flow.h"

/* A selection of flows, as given on the command line: the long options of conntrack(8), with the
 * meaning that `conntrack -L` gives them. A flow passes if it matches every option that was set; an
 * option about a part that is not known (the reply direction of a flow received from a peer) does
 * not match. */
struct flow_net {
	uint8_t l3;
	union flow_addr addr, mask; /* network order; addr within mask */
};

#define SELECT_STATES 3

struct flow_select {
	uint32_t wants; /* options that were set, as bits of select.c; 0: every flow passes */
	uint8_t l3, l4;
	struct flow_net src, dst, reply_src, reply_dst;
	uint16_t sport, dport, reply_sport, reply_dport; /* network order */
	uint16_t icmp_id;				 /* network order */
	uint8_t icmp_type, icmp_code;
	int8_t state
		[SELECT_STATES]; /* the state's number in each protocol that has states; -1: none */
	uint32_t status;	 /* the flow must have all of these bits */
	uint32_t mark, mark_mask;
	uint16_t zone;
	struct flow_net src_nat, dst_nat; /* to which address; l3 0: to any */
};

/* Set what the option of this name (without dashes) asks for. False: there is no such option, or
 * value is none that the option takes; then *err has a line about it. value may be NULL where the
 * option needs none. */
bool flow_select_set(struct flow_select *s, const char *name, const char *value, struct text *err);

bool flow_select_pass(const struct flow_select *s, const struct ct_flow *f);

#endif
