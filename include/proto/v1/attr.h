/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_WIRE_ATTR_H
#define CONNTRACKD_WIRE_ATTR_H

#include <string.h>

#include "flow/expect.h"
#include "flow/flow.h"
#include "proto/v1/hdr.h"

/* A conntrack message of ours never gets longer than this, before wire_fill(): all attributes of an
 * IPv6 flow, 128 labels (doc/protocol.md). */
#define WIRE_FLOW_MAX 308

/* The longest helper name, without its NUL, that a receiver of 1.4.x accepts. */
#define WIRE_HELPER_MAX 11

/* Has the flow a helper whose name is left out of its messages, because 1.4.x refuses a message
 * with a longer one? */
static inline bool wire_helper_too_long(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_HELPER) && f->rare->helper[WIRE_HELPER_MAX] != '\0' &&
	       strnlen(f->rare->helper, FLOW_HELPER_MAX) > WIRE_HELPER_MAX;
}

/* Append one whole message (header, attributes) for the flow to w: type CT_NEW, CT_UPD or CT_DEL,
 * flags HELLO bits. The flow must have a key (flow_has_key()). Straight from the record into the
 * datagram under construction. 0, or
 * -ENOSPC with the writer as it was. */
int wire_put_flow(struct writer *w, enum wire_type type, uint8_t flags, uint32_t seq,
		  const struct ct_flow *f, const struct proto_rules *rules);

/* Attributes -> flow. *out (full size, as every local flow) is untouched unless all is good; rare
 * parts go to *rare, which out->rare then borrows (NULL if there are none); *rare is scratch space
 * in any case, and only the parts that are present are defined. Unknown attributes are skipped and
 * counted in stats, and so are labels we cannot keep. Contradictory attributes are refused (two
 * address families), those that do not apply to the protocol ignored (a TCP state for UDP). The
 * reply tuple is rebuilt (flow_mirror_reply). PROTO_OK, PROTO_BAD_PAYLOAD, PROTO_NO_KEY; the caller
 * counts the refusal with proto_stats_count(). */
enum proto_err wire_get_flow(struct cursor body, struct ct_flow *out, struct flow_rare *rare,
			     struct proto_stats *stats);

/* Make a full datagram exactly as long as its cap, so that the kernel can send it in a run of equal
 * ones (channel_even()): the last message repeats an attribute, which receivers overwrite with the
 * same value, and may end in four bytes, which are too few for an attribute (doc/protocol.md
 * section 8). The last message then has at most twice WIRE_FLOW_MAX bytes. w holds messages of
 * ours. Unchanged where the last one is not about a flow, or the gap is longer than a message or
 * not a multiple of four. */
void wire_fill(struct writer *w);

/* An expectation message of ours never gets longer than this: all attributes, IPv6. */
#define WIRE_EXPECT_MAX 264

/* Append one whole message for the expectation to w: type EXP_NEW or EXP_DEL. As wire_put_flow().
 * The zone is not sent: the protocol has no attribute for it. */
int wire_put_expect(struct writer *w, enum wire_type type, uint8_t flags, uint32_t seq,
		    const struct ct_expect *e, const struct proto_rules *rules);

/* Attributes -> expectation; *out is untouched unless all is good. As wire_get_flow(): unknown
 * attributes are skipped and counted, two address families are refused, and so is what lacks a part
 * of its three tuples (PROTO_NO_KEY). */
enum proto_err wire_get_expect(struct cursor body, struct ct_expect *out,
			       struct proto_stats *stats);

#endif
