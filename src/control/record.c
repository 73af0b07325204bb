/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Framing on the control socket: request, header of a reply, head of a record. doc/control.md has
 * the layout. Pure functions on bytes; the request decoder is total over anything a client may
 * send. */
#include "control/record.h"

#include <string.h>

#include "base/writer.h"

_Static_assert(sizeof(int) == 4, "1.4.x clients send a C int");
_Static_assert(CTL_REQUEST_LEN == CTL_REQUEST_OLD_LEN + 4 + 2 + 2 + 4, "layout of a request");

#define MAGIC_LEN    4
#define VERSIONS_END (CTL_REQUEST_OLD_LEN + CTL_HEADER_LEN)

/* Do the first n bytes behind the int fit our magic, as far as they go? */
static bool magic_fits(const uint8_t *p, size_t n)
{
	uint8_t magic[MAGIC_LEN];

	put_be32(magic, CTL_MAGIC);
	return memcmp(p, magic, n < MAGIC_LEN ? n : MAGIC_LEN) == 0;
}

/* What is behind the versions. */
static enum ctl_parse decode_rest(struct cursor c, struct ctl_wire_request *r)
{
	if (c.left < 4)
		return CTL_PARSE_MORE;
	r->flags = cur_be32(&c);
	if (r->version == CTL_VERSION_FLAGS)
		return CTL_PARSE_DONE;
	if (c.left < 2)
		return CTL_PARSE_MORE;
	r->args_len = cur_be16(&c);
	r->args = c.at;
	if (r->args_len > CTL_ARGS_LEN) {
		r->args_len = 0;
		return CTL_PARSE_TOO_LONG;
	}
	return c.left < r->args_len ? CTL_PARSE_MORE : CTL_PARSE_DONE;
}

enum ctl_parse ctl_request_decode(const uint8_t *in, size_t n, uint16_t record_version,
				  struct ctl_wire_request *req)
{
	struct cursor c = cur_init(in, n);
	struct ctl_wire_request r = { 0 };
	uint16_t version, records;
	enum ctl_parse ret;
	int number;

	if (n < CTL_REQUEST_OLD_LEN)
		return CTL_PARSE_MORE;
	cur_bytes(&c, &number, sizeof(number));
	r.number = number;
	if (c.left == 0 || !magic_fits(c.at, c.left)) {
		*req = r;
		return CTL_PARSE_DONE;
	}
	if (n < VERSIONS_END)
		return CTL_PARSE_MORE;
	cur_take(&c, MAGIC_LEN);
	version = cur_be16(&c);
	records = cur_be16(&c);
	r.version = version < CTL_VERSION ? CTL_VERSION_FLAGS : CTL_VERSION;
	if (version != r.version || records != record_version)
		ret = CTL_PARSE_OTHER_VERSION;
	else
		ret = decode_rest(c, &r);
	if (ret != CTL_PARSE_MORE)
		*req = r;
	return ret;
}

size_t ctl_request_encode(const struct ctl_wire_request *req, uint16_t record_version, uint8_t *out)
{
	struct writer w = wr_init(out, CTL_REQUEST_MAX);
	int number = req->number;

	wr_bytes(&w, &number, sizeof(number));
	if (req->version == 0)
		return w.len;
	wr_be32(&w, CTL_MAGIC);
	wr_be16(&w, req->version);
	wr_be16(&w, record_version);
	wr_be32(&w, req->flags);
	if (req->version == CTL_VERSION_FLAGS)
		return w.len;
	wr_be16(&w, (uint16_t)req->args_len);
	if (req->args_len > 0)
		wr_bytes(&w, req->args, req->args_len);
	return w.len;
}

void ctl_header_encode(uint16_t version, uint16_t record_version, uint8_t out[CTL_HEADER_LEN])
{
	put_be32(out, CTL_MAGIC);
	put_be16(out + 4, version);
	put_be16(out + 6, record_version);
}

void ctl_record_head(enum ctl_record_type type, size_t n, uint8_t out[CTL_RECORD_HDR_LEN])
{
	put_be16(out, (uint16_t)n);
	put_be16(out + 2, (uint16_t)type);
}
