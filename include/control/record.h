/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_RECORD_H
#define CONNTRACKD_CONTROL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "control/args.h"

/* Framing on the control socket; doc/control.md has the bytes. Everything but the first int of a
 * request is big-endian.
 *
 * Versions must be equal on both sides: the package may be upgraded while the daemon runs, so a
 * client may meet records it does not know. A daemon that is asked in another version does nothing
 * but say which one it speaks; the client then asks again for plain text, which never changes. */
#define CTL_MAGIC   UINT32_C(0xff637464) /* 0xff "ctd": no text begins like this */
#define CTL_VERSION 3			 /* of framing and record types, except FLOW contents */

/* The version before, with flags in place of arguments. Its clients are answered in it, its daemons
 * asked in it. */
#define CTL_VERSION_FLAGS 2

#define CTL_REQUEST_OLD_LEN 4 /* what a 1.4.x client sends */
/* int, magic, version, record version, flags: all of version 2 */
#define CTL_REQUEST_LEN	   16
#define CTL_HEADER_LEN	   8	 /* magic, version, record version: begins every framed reply */
#define CTL_RECORD_HDR_LEN 4	 /* length of the contents, type */
#define CTL_RECORD_MAX	   65535 /* contents */

/* A whole request: arguments and their length stand behind what version 2 has. */
#define CTL_REQUEST_MAX (CTL_REQUEST_LEN + 2 + CTL_ARGS_LEN)

/* Request flags. */
#define CTL_F_PROGRESS (1u << 0) /* the client shows progress: send PROGRESS records */
#define CTL_F_STRICT   (1u << 1) /* version 2 only: the argument strict */

enum ctl_record_type {
	CTL_REC_TEXT = 1, /* bytes for standard output */
	CTL_REC_NOTE = 2, /* a line for standard error, without newline */
	/* one flow; its contents are flow/'s business, versioned by the record version */
	CTL_REC_FLOW = 3,
	CTL_REC_PROGRESS = 4, /* be64 done, be64 total (0: unknown) */
	CTL_REC_EXPECT = 6,   /* one expectation; likewise */
	CTL_REC_RESULT = 7,   /* as NOTE, shown only where standard error is a terminal */
	CTL_REC_END = 5,      /* be32 exit status; the last record */
};
#define CTL_PROGRESS_LEN 16
#define CTL_END_LEN	 4

/* A request as it stands on the wire. */
struct ctl_wire_request {
	int32_t number;
	uint16_t version;    /* of the framing; 0: a 1.4.x client, which wants plain text */
	uint32_t flags;	     /* CTL_F_*; 0 for a 1.4.x */
	const uint8_t *args; /* CTL_VERSION only: args_len bytes (control/args.h). Borrowed */
	size_t args_len;
};

enum ctl_parse {
	CTL_PARSE_MORE, /* not complete yet */
	CTL_PARSE_DONE, /* *req is set */
	/* our kind of client, another version: reply with the header only; req->version is the
	 * one to say */
	CTL_PARSE_OTHER_VERSION,
	CTL_PARSE_TOO_LONG, /* more arguments than CTL_ARGS_LEN; *req is set without them */
};

/* Read a request from the first n bytes that have arrived. Exactly 4 bytes are an old client; what
 * follows them without being our magic is ignored, as 1.4.x does. *req is untouched if MORE. */
enum ctl_parse ctl_request_decode(const uint8_t *in, size_t n, uint16_t record_version,
				  struct ctl_wire_request *req);

/* Write a request into out (CTL_REQUEST_MAX bytes) in its version. Returns its length:
 * CTL_REQUEST_OLD_LEN for version 0. */
size_t ctl_request_encode(const struct ctl_wire_request *req, uint16_t record_version,
			  uint8_t *out);

/* The header of a framed reply. */
void ctl_header_encode(uint16_t version, uint16_t record_version, uint8_t out[CTL_HEADER_LEN]);

/* The head of a record with n bytes of contents. */
void ctl_record_head(enum ctl_record_type type, size_t n, uint8_t out[CTL_RECORD_HDR_LEN]);

#endif
