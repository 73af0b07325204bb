/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both directions of the control socket. The first byte chooses: 'q' what a client may send to the
 * daemon, else what a daemon may send to the client, where the first byte is also the length of the
 * pieces.
 *
 * Beyond not crashing: a request is read alike however it arrives, and a reply gives the same in
 * pieces as in one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/reply.h"
#include "control/command.h"
#include "flow/flow_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REC_VERSION FLOW_RECORD_VERSION

/* What is accepted is encoded to the same arguments. */
static void fuzz_args(const struct ctl_command *cmd, const uint8_t *bytes, size_t n)
{
	uint8_t again[CTL_ARGS_LEN];
	struct ctl_args args = { 0 }, same = { 0 };
	struct text err = { 0 };
	size_t len;

	if (!cmd)
		return;
	if (ctl_args_decode(&args, cmd, bytes, n, &err)) {
		len = ctl_args_encode(&args, again);
		if (len > n || !ctl_args_decode(&same, cmd, again, len, &err) || same.n != args.n)
			abort();
	} else if (err.len == 0) {
		abort();
	}
	text_free(&err);
}

/* What a request decodes to must not change once it is complete, and must be encoded to the same
 * bytes. */
static void fuzz_request(const uint8_t *data, size_t size)
{
	struct ctl_wire_request first = { 0 }, req = { 0 };
	uint8_t again[CTL_REQUEST_MAX];
	bool framed = false;
	size_t n, len;

	for (n = 0; n <= size; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		enum ctl_parse ret;

		if (!copy)
			abort();
		if (n > 0)
			memcpy(copy, data, n);
		ret = ctl_request_decode(copy, n, REC_VERSION, &req);
		len = ret == CTL_PARSE_DONE ? ctl_request_encode(&req, REC_VERSION, again) : 0;
		if (ret == CTL_PARSE_DONE && req.version == CTL_VERSION)
			fuzz_args(control_command_by_number(req.number), req.args, req.args_len);
		free(copy);
		if (n < CTL_REQUEST_OLD_LEN && ret != CTL_PARSE_MORE)
			abort();
		if (ret != CTL_PARSE_DONE || req.version == 0)
			continue;
		if (framed && (req.number != first.number || req.flags != first.flags))
			abort();
		first = req;
		framed = true;
		if (len > n || memcmp(again, data, len) != 0)
			abort();
	}
}

/* Everything the callbacks were given, kinds included; neighbouring TEXT is one. */
struct heard {
	struct text all;
	char last;
};

static void hear(struct heard *h, char kind, const void *bytes, size_t n)
{
	if (kind == 'T' && n == 0)
		return;
	if (kind != 'T' || h->last != 'T')
		text_add(&h->all, &kind, 1);
	h->last = kind;
	text_add(&h->all, bytes, n);
}

static void on_text(void *ctx, const void *bytes, size_t n)
{
	hear(ctx, 'T', bytes, n);
}

static void on_note(void *ctx, const char *line, size_t n)
{
	hear(ctx, 'N', line, n);
}

static bool on_flow(void *ctx, const void *bytes, size_t n)
{
	struct flow_print_opts opts;
	char line[FLOW_LINE_MAX];
	struct flow_rare rare;
	struct ct_flow f;

	if (flow_record_unpack(bytes, n, &f, &rare, &opts) < 0)
		return false;
	hear(ctx, 'F', line, flow_print_text(&f, &opts, line, sizeof(line)));
	return true;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	uint64_t both[2] = { done, total };

	hear(ctx, 'P', both, sizeof(both));
}

static const struct client_reply_ops ops = {
	.text = on_text,
	.note = on_note,
	.flow = on_flow,
	.progress = on_progress,
};

static enum client_verdict read_reply(const uint8_t *data, size_t size, size_t piece,
				      struct heard *h, int *status)
{
	struct client_reply *r = malloc(sizeof(*r));
	enum client_verdict v;

	if (!r)
		abort();
	client_reply_init(r, &ops, h, CTL_VERSION, REC_VERSION);
	while (size > 0) {
		size_t n = size < piece ? size : piece;
		uint8_t *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, data, n);
		client_reply_feed(r, copy, n);
		free(copy);
		data += n;
		size -= n;
	}
	v = client_reply_finish(r, status);
	free(r);
	return v;
}

static void fuzz_reply(const uint8_t *data, size_t size, size_t piece)
{
	struct heard whole = { 0 }, parts = { 0 };
	int a = -1, b = -1;
	enum client_verdict v = read_reply(data, size, size ? size : 1, &whole, &a);

	if (read_reply(data, size, piece ? piece : 1, &parts, &b) != v || a != b)
		abort();
	if (whole.all.len != parts.all.len ||
	    (whole.all.len > 0 && memcmp(whole.all.buf, parts.all.buf, whole.all.len) != 0))
		abort();
	text_free(&whole.all);
	text_free(&parts.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'q')
		fuzz_request(data + 1, size - 1 < 128 ? size - 1 : 128);
	else
		fuzz_reply(data + 1, size - 1, data[0]);
	return 0;
}
