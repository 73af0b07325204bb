/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_HELPER_HELPER_H
#define CONNTRACKD_HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "flow/flow.h"

/* What the helpers know about protocols: which further connection a packet announces, and where in
 * the packet the announcement stands. Pure functions, no I/O, no memory of their own: everything
 * that is remembered comes in and goes out. The packets are hostile input; the work for one is
 * bounded by its length.
 *
 * Directions are those of the flow: original is the client that opened it. Addresses are in network
 * order; ports of tuples as well, ports of expectations and places are numbers. */

#define HELPER_PRIVATE_MAX \
	24		   /* bytes; sizes are those of 1.4.7, whose nfct(8) makes helpers, too */
#define HELPER_EXPECTS	 3 /* most that one packet announces */
#define HELPER_EDITS	 3
#define HELPER_CARRY_MAX 512	/* longest unfinished text that is remembered */
#define HELPER_TEXT_MAX	 65536u /* a parser sees no more at once */

struct helper_tuple {
	union flow_addr src, dst;
	uint16_t sport, dport;
};

/* One packet, without its headers. */
struct helper_packet {
	uint8_t l3, l4; /* AF_*, IPPROTO_* */
	bool reply;	/* in the reply direction */
	uint32_t seq;	/* TCP: of the first byte that is new, as its sender counts */
	const struct helper_tuple *tuple; /* original and reply */
	const uint8_t *text;
	size_t len;
	/* So many bytes at the beginning are of earlier packets: what was unfinished then. */
	size_t carried;
};

/* A connection to come, towards the sender of the packet. */
struct helper_expect {
	uint8_t l4;
	uint16_t port;	/* 1 to 65535 */
	uint16_t sport; /* where it comes from; 0: any */
	/* port is the one that the packet comes from: what translates the packet translates it. */
	bool own_port;
	bool anyone;	/* from any address, else from the receiver of the packet */
	bool permanent; /* more than one may come */
	bool elsewhere; /* towards addr, which is not the sender's */
	union flow_addr addr;
};

/* How address and port are written in the packet. */
enum helper_form {
	HELPER_COMMAS, /* 192,168,1,2,8,1 */
	HELPER_BARS,   /* 1|192.168.1.2|2049, with the delimiter that is there */
	HELPER_HOST,   /* 192.168.1.2, or the text of an IPv6 address */
	HELPER_PORT,   /* 2049 */
	HELPER_BE16,
	HELPER_BE32,   /* the port as a number */
	HELPER_RECORD, /* a record of ONC RPC that ends with a universal address */
};

/* A piece of the packet that says where an expected connection goes. */
struct helper_edit {
	size_t at, len;
	enum helper_form form;
	uint8_t expect; /* of which one */
};

struct helper_private {
	uint8_t bytes[HELPER_PRIVATE_MAX]; /* zeros: nothing is known about the flow */
};

struct helper_result {
	struct helper_expect expect[HELPER_EXPECTS];
	struct helper_edit edit[HELPER_EDITS];
	uint8_t n_expects, n_edits;
	/* So many bytes at the end may be the beginning of something; 0: none. At most
	 * HELPER_CARRY_MAX. */
	size_t unfinished;
	/* The first bytes of what is unfinished that no translation changes. 0: they cannot be held
	 * back. */
	size_t fixed;
};

/* One helper, for one protocol of layer 4 or two. */
struct helper {
	const char *name; /* of the helper and its one policy */
	bool tcp, udp;
	bool v4, v6;
	uint8_t private_len;
	uint32_t expect_max, expect_timeout_s;
	/* *r is zeroed; *priv is changed in place. */
	void (*parse)(const struct helper_packet *p, struct helper_private *priv,
		      struct helper_result *r);
};

/* The helper of this name, NULL: none. */
const struct helper *helper_find(const char *name);
/* The i-th one, NULL after the last. */
const struct helper *helper_at(size_t i);

/* Where others reach an expected connection, after translation. */
struct helper_place {
	union flow_addr addr;
	uint16_t port;
};

/* Writes the text of the packet with what place[] says instead of what it said. Returns the length,
 * or 0 when it does not fit into cap or cannot be said. Everything outside the edits stays. */
size_t helper_rewrite(const struct helper_packet *p, const struct helper_result *r,
		      const struct helper_place *place, uint8_t *out, size_t cap);

/* ---- what the kernel does not keep ---- */

#define HELPER_KEY    6u
#define HELPER_MEMORY 256u /* flows */

struct helper_memory_row {
	uint64_t key[HELPER_KEY]; /* of the flow; all zero: free */
	struct helper_private priv;
};

/* All zero: empty. */
struct helper_memory {
	struct helper_memory_row row[HELPER_MEMORY];
};

/* All zero if nothing is remembered of the flow. */
void helper_memory_get(struct helper_memory *m, const struct hash_key *hash,
		       const uint64_t key[HELPER_KEY], struct helper_private *priv);
/* In place of what was remembered of it, or of another one. */
void helper_memory_put(struct helper_memory *m, const struct hash_key *hash,
		       const uint64_t key[HELPER_KEY], const struct helper_private *priv);

/* ---- text that ends within a segment ---- */

/* One direction of a flow of TCP that had a segment which ended with something unfinished. What
 * was remembered stays when the segment that ends it has come: that one may come again. */
struct helper_stream {
	uint8_t text[HELPER_CARRY_MAX];
	size_t len;
	size_t passed;	   /* of these bytes, so many have been let through */
	uint32_t next_seq; /* of the segment that continues */
	bool done;	   /* it has come */
};

/* Is this the segment that continues? */
bool helper_stream_continues(const struct helper_stream *s, uint32_t seq);
/* Are there bytes that the receiver is still to get? */
bool helper_stream_holds(const struct helper_stream *s);

/* After p has been read: what of it is to be remembered. passed: so many of the bytes before this
 * segment had been let through (0 unless p->carried). With `hold` the unfinished text is held back
 * as far as the receiver gets at least one byte: without an acknowledgement many senders would not
 * send the rest. Returns how many bytes at the end of the text are held back. */
size_t helper_stream_keep(struct helper_stream *s, const struct helper_packet *p,
			  const struct helper_result *r, size_t passed, bool hold);

/* The address of the sender as the sender knows it. */
static inline const union flow_addr *helper_own(const struct helper_packet *p)
{
	return &p->tuple[p->reply].src;
}

#endif
