/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CLIENT_REPLY_H
#define CONNTRACKD_CLIENT_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/record.h"

/* What comes back on the control socket, cut into records: fed with bytes as they arrive, in pieces
 * of any size. No socket, no output of its own. An answer that does not begin with our magic is
 * plain text (a 1.4.x daemon). */
struct client_reply_ops {
	void (*text)(void *ctx, const void *bytes, size_t n);
	void (*note)(void *ctx, const char *line, size_t n); /* not terminated */
	/* not terminated; for a terminal only */
	void (*result)(void *ctx, const char *line, size_t n);
	bool (*flow)(void *ctx, const void *bytes, size_t n); /* false: not a flow record */
	/* false: not an expectation record */
	bool (*expect)(void *ctx, const void *bytes, size_t n);
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
};

enum client_verdict {
	CLIENT_PLAIN,	      /* text without a status, or nothing at all */
	CLIENT_END,	      /* complete; the status is known */
	CLIENT_CUT,	      /* ended in the middle */
	CLIENT_OTHER_VERSION, /* our kind of daemon, another version: nothing was done */
	CLIENT_GARBLED,	      /* not what our daemon sends */
};

enum client_reply_state {
	REPLY_BEGIN, /* the first bytes, still undecided */
	REPLY_TEXT,
	REPLY_RECORDS,
	REPLY_ENDED,
	REPLY_VERSION,
	REPLY_GARBLED,
};

struct client_reply {
	const struct client_reply_ops *ops;
	void *ctx;
	uint16_t version; /* of the framing, as it was asked for */
	uint16_t record_version;
	uint16_t its_version,
		its_record_version; /* the daemon's, once its header has come; else 0 */
	/* private: */
	enum client_reply_state state;
	int status;
	bool any;    /* something has arrived */
	size_t have; /* bytes in part */
	/* a header or record that has not arrived in full */
	uint8_t part[CTL_RECORD_HDR_LEN + CTL_RECORD_MAX];
};

/* Start. ops and ctx are borrowed; the callbacks are called from client_reply_feed() and
 * client_reply_finish(). */
void client_reply_init(struct client_reply *r, const struct client_reply_ops *ops, void *ctx,
		       uint16_t version, uint16_t record_version);

/* n more bytes have arrived. What follows the END record is ignored. */
void client_reply_feed(struct client_reply *r, const uint8_t *bytes, size_t n);

/* The connection has ended. *status is set with CLIENT_END. */
enum client_verdict client_reply_finish(struct client_reply *r, int *status);

/* Has anything arrived at all? */
bool client_reply_any(const struct client_reply *r);

#endif
