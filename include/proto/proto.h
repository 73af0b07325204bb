/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_PROTO_PROTO_H
#define CONNTRACKD_PROTO_PROTO_H

#include <stddef.h>
#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"
#include "flow/expect.h"
#include "flow/flow.h"
#include "proto/message.h"

/* The seam between the values that are sent (proto/message.h, flows, expectations) and their bytes.
 * A version of the protocol is one table of operations and one folder; sync/ and node/ know the
 * table only. A version has no state: the meaning of a datagram does not depend on those before. */

/* Longest body of a message about a flow or an expectation, in any version, also when it fills up
 * its datagram. A longer message that comes before its turn is not kept. */
#define PROTO_BODY_MAX 640

/* Why a message was refused; each reason has a counter. */
enum proto_err {
	PROTO_OK = 0,
	PROTO_TRUNCATED, /* fewer bytes than a header */
	PROTO_BAD_SIZE,	 /* length field 0, below the minimum, or beyond the datagram */
	PROTO_BAD_VERSION,
	PROTO_BAD_HEADER, /* the mode does not know type and flags */
	PROTO_BAD_TYPE,
	PROTO_BAD_PAYLOAD, /* attributes do not parse */
	/* attributes parse but do not identify a flow (counted as bad payload too) */
	PROTO_NO_KEY,
	PROTO_BAD_SEAL, /* the seal of a datagram is missing or wrong (proto/seal.h) */
	PROTO_MORE,	/* stream only: keep the bytes and wait */
};

/* Counters of the receive side, one per reason (-s network). */
struct proto_stats {
	uint64_t malformed; /* sum of the refusals below, and of PROTO_BAD_SEAL */
	uint64_t truncated;
	uint64_t bad_size;
	uint64_t bad_version;
	uint64_t bad_header;
	uint64_t bad_type;
	uint64_t bad_payload;
	uint64_t no_key;       /* part of bad_payload */
	uint64_t unknown_attr; /* skipped, message kept */
	uint64_t odd_labels;   /* LABELS of a size we cannot keep: ignored, message kept */
};

/* Count one refusal. */
void proto_stats_count(struct proto_stats *s, enum proto_err err);

/* Which attributes a sender leaves out or adds, by its configuration. */
struct proto_rules {
	/* CommitTimeout is set: no timeout is sent, but with the end of an expectation */
	bool no_timeout;
	bool wscale; /* TCPWindowTracking: window scales */
	/* Version 1: send the attributes that 1.4.7 sends, byte for byte: all-zero synproxy, all
	 * attributes of a destroyed flow (tests, caution). Only 1.4.7's meaningless port
	 * translations of ICMP are never sent. */
	bool full;
};

struct proto_ops {
	uint8_t version;
	uint8_t helper_max; /* longest name of a helper that is sent, without its NUL */
	/* Are datagrams addressed: do messages for one peer leave in datagrams for that peer alone?
	 * Version 1 knows no addressee; messages for several peers share datagrams. */
	bool addressed;

	/* ---- bytes to values ---- */

	/* Take the next message off a datagram: the message, and its body (borrowed). On PROTO_OK
	 * the cursor stands behind the message. PROTO_BAD_VERSION: this message is skipped, go on
	 * with the next; messages of several versions may share a datagram. Any other error: the
	 * rest of the datagram is to be abandoned. An empty cursor must not be given. */
	enum proto_err (*next)(struct cursor *datagram, struct message *msg, struct cursor *body);
	/* For a byte stream: how many bytes has the first message of the stream? PROTO_MORE while
	 * it is incomplete; PROTO_BAD_SIZE: the stream cannot be trusted any more, close it.
	 * PROTO_BAD_VERSION has a length, too. */
	enum proto_err (*length)(struct cursor stream, size_t *len);
	/* Body of MSG_FLOW -> flow. *out (full size, as every local flow) is untouched unless all
	 * is good; rare parts go to *rare, which out->rare then borrows (NULL if there are none);
	 * *rare is scratch space in any case. Unknown attributes are skipped and counted in stats,
	 * contradictory ones refused. The reply tuple is rebuilt (flow_mirror_reply()). PROTO_OK,
	 * PROTO_BAD_PAYLOAD, PROTO_NO_KEY; the caller counts the refusal. */
	enum proto_err (*get_flow)(struct cursor body, struct ct_flow *out, struct flow_rare *rare,
				   struct proto_stats *stats);
	/* Body of MSG_EXPECT -> expectation; results as of get_flow(). */
	enum proto_err (*get_expect)(struct cursor body, struct ct_expect *out,
				     struct proto_stats *stats);

	/* ---- values to bytes ---- */

	/* Append one whole message: change, hello and seq of msg, and the flow, which must have a
	 * key (flow_has_key()). Straight from the record into the datagram under construction. 0,
	 * or -ENOSPC with the writer as it was. */
	int (*put_flow)(struct writer *w, const struct message *msg, const struct ct_flow *f,
			const struct proto_rules *rules);
	/* As put_flow(), for an expectation; there are no updates of expectations. The zone is not
	 * sent. */
	int (*put_expect)(struct writer *w, const struct message *msg, const struct ct_expect *e,
			  const struct proto_rules *rules);
	/* Append a control message; results as of put_flow(). */
	int (*put_control)(struct writer *w, const struct message *msg);
	/* Make a full datagram exactly as long as its cap, so that the kernel can send it in a run
	 * of equal ones. Unchanged where that cannot be done. NULL: never. */
	void (*fill)(struct writer *w);
};

/* Version 1, that of 1.4.x (doc/protocol.md; proto/v1/). */
extern const struct proto_ops proto_v1;

/* Has the flow a helper whose name is left out of its messages? */
static inline bool proto_helper_too_long(const struct proto_ops *ops, const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_HELPER) && f->rare->helper[ops->helper_max] != '\0' &&
	       strnlen(f->rare->helper, FLOW_HELPER_MAX) > ops->helper_max;
}

#endif
