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

/* The seam between what is said (proto/message.h, flows, expectations) and its bytes. A version of
 * the protocol is one table of operations and one folder; sync/ and node/ know the table only. A
 * version has no state: what a datagram says does not depend on what came before. */

/* Longest body of a message about a flow or an expectation, in any version, also when it fills up
 * its datagram. Longer ones are not kept while they wait for their turn. */
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
	PROTO_BAD_SEAL, /* a sealed datagram was none, or not by one who may (proto/seal.h) */
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

/* What a sender leaves out or adds, by its configuration. */
struct proto_rules {
	bool no_timeout; /* CommitTimeout is set: no life, but with the end of an expectation */
	bool wscale;	 /* TCPWindowTracking: window scales */
	/* Version 1: 1.4.7's own choice, byte for byte: all-zero synproxy, full destroy (tests,
	 * caution). Only its meaningless port translations of ICMP are never sent. */
	bool full;
};

struct proto_ops {
	uint8_t version;
	uint8_t helper_max; /* longest name of a helper that is told, without its NUL */
	/* Are datagrams addressed: does what is for one peer leave in datagrams for that one alone?
	 * Version 1 knows no addressee, all of its messages share datagrams. */
	bool addressed;

	/* ---- bytes to values ---- */

	/* Take the next message off a datagram: the message, and its body (borrowed). On PROTO_OK
	 * the cursor stands behind the message. PROTO_BAD_VERSION: this message is skipped, go on
	 * with the next; messages of several versions may share a datagram. Any other error: the
	 * rest of the datagram is to be abandoned. An empty cursor must not be given. */
	enum proto_err (*next)(struct cursor *datagram, struct message *msg, struct cursor *body);
	/* The same for a byte stream, where only the length counts: how many bytes the message has
	 * with which the stream begins. PROTO_MORE while it is incomplete; PROTO_BAD_SIZE: the
	 * stream cannot be trusted any more, close it. PROTO_BAD_VERSION has a length, too. */
	enum proto_err (*length)(struct cursor stream, size_t *len);
	/* Body of MSG_FLOW -> flow. *out (full size, as every local flow) is untouched unless all
	 * is good; rare parts go to *rare, which out->rare then borrows (NULL if there are none);
	 * *rare is scratch space in any case. What is unknown is skipped and counted in stats,
	 * what contradicts itself is refused. The reply tuple is rebuilt (flow_mirror_reply()).
	 * PROTO_OK, PROTO_BAD_PAYLOAD, PROTO_NO_KEY; the caller counts the refusal. */
	enum proto_err (*get_flow)(struct cursor body, struct ct_flow *out, struct flow_rare *rare,
				   struct proto_stats *stats);
	/* Body of MSG_EXPECT -> expectation; as above. */
	enum proto_err (*get_expect)(struct cursor body, struct ct_expect *out,
				     struct proto_stats *stats);

	/* ---- values to bytes ---- */

	/* Append one whole message: change, hello and seq of msg, and the flow, which must have a
	 * key (flow_has_key()). Straight from the record into the datagram under construction. 0,
	 * or -ENOSPC with the writer as it was. */
	int (*put_flow)(struct writer *w, const struct message *msg, const struct ct_flow *f,
			const struct proto_rules *rules);
	/* The same for an expectation; there is no update of one. The zone does not travel. */
	int (*put_expect)(struct writer *w, const struct message *msg, const struct ct_expect *e,
			  const struct proto_rules *rules);
	/* A control message; results as above. */
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
