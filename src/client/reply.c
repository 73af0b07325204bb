/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reply on the control socket, cut into records.
 *
 *   state    on                               to
 *   BEGIN    bytes that do not fit our magic  TEXT (a 1.4.x daemon: everything is passed through)
 *            our magic and versions           RECORDS
 *            our magic, another version       VERSION (nothing was done; ask for plain text)
 *   RECORDS  END                              ENDED
 *            a record of a wrong size         GARBLED
 *
 * Whole records are handed on straight from the receive buffer; only what was cut by its end is
 * copied. */
#include "client/reply.h"

#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"

void client_reply_init(struct client_reply *r, const struct client_reply_ops *ops, void *ctx,
		       uint16_t version, uint16_t record_version)
{
	r->version = version;
	r->its_version = r->its_record_version = 0;
	r->ops = ops;
	r->ctx = ctx;
	r->record_version = record_version;
	r->state = REPLY_BEGIN;
	r->status = 0;
	r->any = false;
	r->have = 0;
}

bool client_reply_any(const struct client_reply *r)
{
	return r->any;
}

static uint64_t be64(struct cursor *c)
{
	uint64_t hi = cur_be32(c);

	return hi << 32 | cur_be32(c);
}

static void take_record(struct client_reply *r, unsigned int type, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_init(bytes, n);
	uint64_t done;

	switch (type) {
	case CTL_REC_TEXT:
		r->ops->text(r->ctx, bytes, n);
		return;
	case CTL_REC_NOTE:
		r->ops->note(r->ctx, (const char *)bytes, n);
		return;
	case CTL_REC_RESULT:
		r->ops->result(r->ctx, (const char *)bytes, n);
		return;
	case CTL_REC_FLOW:
		if (!r->ops->flow(r->ctx, bytes, n))
			r->state = REPLY_GARBLED;
		return;
	case CTL_REC_EXPECT:
		if (!r->ops->expect(r->ctx, bytes, n))
			r->state = REPLY_GARBLED;
		return;
	case CTL_REC_PROGRESS:
		if (n != CTL_PROGRESS_LEN) {
			r->state = REPLY_GARBLED;
			return;
		}
		done = be64(&c);
		r->ops->progress(r->ctx, done, be64(&c));
		return;
	case CTL_REC_END:
		r->status = (int)cur_be32(&c);
		r->state = n == CTL_END_LEN ? REPLY_ENDED : REPLY_GARBLED;
		return;
	}
	r->state = REPLY_GARBLED; /* the versions are equal, so there are no others */
}

/* Length of the record that begins at p, its head included; 0 while fewer than its head's bytes are
 * there. */
static size_t record_len(const uint8_t *p, size_t n)
{
	struct cursor c = cur_init(p, n);
	size_t len = cur_be16(&c);

	return n < CTL_RECORD_HDR_LEN ? 0 : CTL_RECORD_HDR_LEN + len;
}

static void whole_record(struct client_reply *r, const uint8_t *p, size_t len)
{
	struct cursor c = cur_init(p, len);
	unsigned int type;

	cur_be16(&c);
	type = cur_be16(&c);
	take_record(r, type, c.at, c.left);
}

/* Move up to n bytes into the partial buffer until it holds want. Returns how many were taken. */
static size_t fill(struct client_reply *r, const uint8_t *bytes, size_t n, size_t want)
{
	size_t take = want - r->have;

	if (take > n)
		take = n;
	if (take > 0)
		memcpy(r->part + r->have, bytes, take);
	r->have += take;
	return take;
}

/* Bytes of records. Returns how many were used: all of them while the state stays RECORDS. */
static size_t feed_records(struct client_reply *r, const uint8_t *bytes, size_t n)
{
	size_t used = 0, len;

	while (r->state == REPLY_RECORDS && used < n) {
		len = record_len(bytes + used, n - used);
		if (r->have == 0 && len > 0 && len <= n - used) {
			whole_record(r, bytes + used, len);
			used += len;
			continue;
		}
		if (r->have < CTL_RECORD_HDR_LEN) {
			used += fill(r, bytes + used, n - used, CTL_RECORD_HDR_LEN);
			if (r->have < CTL_RECORD_HDR_LEN)
				break;
		}
		len = record_len(r->part, r->have);
		used += fill(r, bytes + used, n - used, len);
		if (r->have == len) {
			r->have = 0;
			whole_record(r, r->part, len);
		}
	}
	return used;
}

/* The first bytes decide. Returns how many of n were used. */
static size_t feed_begin(struct client_reply *r, const uint8_t *bytes, size_t n)
{
	size_t used = fill(r, bytes, n, CTL_HEADER_LEN);
	struct cursor c = cur_init(r->part, r->have);
	uint8_t magic[4];
	bool same;

	put_be32(magic, CTL_MAGIC);
	if (memcmp(r->part, magic, r->have < sizeof(magic) ? r->have : sizeof(magic)) != 0) {
		r->state = REPLY_TEXT;
		r->ops->text(r->ctx, r->part, r->have);
		return used;
	}
	if (r->have < CTL_HEADER_LEN)
		return used;
	r->have = 0;
	cur_be32(&c);
	r->its_version = cur_be16(&c);
	r->its_record_version = cur_be16(&c);
	same = r->its_version == r->version && r->its_record_version == r->record_version;
	r->state = same ? REPLY_RECORDS : REPLY_VERSION;
	return used;
}

void client_reply_feed(struct client_reply *r, const uint8_t *bytes, size_t n)
{
	size_t used = 0;

	if (n > 0)
		r->any = true;
	while (n > 0) {
		switch (r->state) {
		case REPLY_BEGIN:
			used = feed_begin(r, bytes, n);
			break;
		case REPLY_TEXT:
			r->ops->text(r->ctx, bytes, n);
			return;
		case REPLY_RECORDS:
			used = feed_records(r, bytes, n);
			break;
		case REPLY_ENDED:
		case REPLY_VERSION:
		case REPLY_GARBLED:
			return;
		}
		bytes += used;
		n -= used;
	}
}

enum client_verdict client_reply_finish(struct client_reply *r, int *status)
{
	switch (r->state) {
	case REPLY_BEGIN:
		/* Fewer bytes than our header: text all the same. */
		if (r->have > 0)
			r->ops->text(r->ctx, r->part, r->have);
		r->have = 0;
		return CLIENT_PLAIN;
	case REPLY_TEXT:
		return CLIENT_PLAIN;
	case REPLY_RECORDS:
		return CLIENT_CUT;
	case REPLY_ENDED:
		*status = r->status;
		return CLIENT_END;
	case REPLY_VERSION:
		return CLIENT_OTHER_VERSION;
	case REPLY_GARBLED:
		break;
	}
	return CLIENT_GARBLED;
}
