/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_WIRE_ATTR_H
#define CONNTRACKD_WIRE_ATTR_H

#include "flow/flow.h"
#include "wire/hdr.h"

/* A conntrack message never gets longer than this (all attributes, 128 labels: 308 bytes, protocol.md section 7.4). */
#define WIRE_FLOW_MAX 512

/* What a sender leaves out or adds; each rule is a row in attr_encode.c and proven on 1.4.7. */
struct wire_rules {
	bool no_timeout;	/* CommitTimeout is set: no TIMEOUT attribute */
	bool wscale;		/* TCPWindowTracking: window scales */
	bool full;		/* 1.4.7's own choice, byte for byte: all-zero synproxy, full destroy (tests, caution) */
};

/* Append one whole message (header, attributes) for the flow to w: type CT_NEW, CT_UPD or CT_DEL, flags HELLO bits.
 * Straight from the record into the datagram under construction. 0, or -ENOSPC with the writer as it was. */
int wire_put_flow(struct writer *w, enum wire_type type, uint8_t flags, uint32_t seq, const struct ct_flow *f,
		  const struct wire_rules *rules);

/* Attributes -> flow. *out is untouched unless all is good; rare parts go to *rare, which out->rare then borrows
 * (NULL if there are none). Unknown attributes are skipped and counted in stats, LABELS of an odd size are ignored.
 * The reply tuple is rebuilt (flow_mirror_reply). WIRE_OK, WIRE_BAD_PAYLOAD, WIRE_NO_KEY. */
enum wire_err wire_get_flow(struct cursor body, struct ct_flow *out, struct flow_rare *rare, struct wire_stats *stats);

#endif
