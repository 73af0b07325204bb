/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A datagram from anywhere: framed, decoded, and what was accepted sent on. The first byte chooses
 * between a datagram and a stream; the rest is the payload. Beside crashes it looks for broken
 * promises: a flow that was accepted identifies itself, fits into a message, is the same flow after
 * another trip, and can be printed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "flow/flow_json.h"
#include "flow/flow_print.h"
#include "proto/v1/attr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
	if (!promise)
		abort();
}

static void print(const struct ct_flow *f)
{
	const struct flow_print_opts opts = { .active_s = 1, .expires_s = 2, .kernel_view = true };
	char line[FLOW_LINE_MAX];
	struct text json = { 0 };

	require(flow_print_text(f, &opts, line, sizeof(line)) < FLOW_LINE_MAX - 1);
	require(flow_print_xml(f, &opts, line, sizeof(line)) < FLOW_LINE_MAX - 1);
	flow_print_json(f, &opts, &json);
	require(!json.truncated);
	text_free(&json);
}

static void send_on(const struct ct_flow *f, enum wire_type type, bool full)
{
	const struct proto_rules rules = { .full = full, .wscale = true };
	struct proto_stats stats = { 0 };
	uint8_t buf[WIRE_FLOW_MAX];
	struct writer w = wr_init(buf, sizeof(buf));
	struct cursor c, body;
	struct flow_rare rare;
	struct wire_hdr hdr;
	struct ct_flow again;

	require(wire_put_flow(&w, type, 0, 1, f, &rules) == 0);
	c = cur_init(buf, w.len);
	require(wire_next(&c, &hdr, &body) == PROTO_OK && c.left == 0);
	require(wire_get_flow(body, &again, &rare, &stats) == PROTO_OK);
	require(flow_same_key(f, &again));
	require((type == WIRE_CT_DEL && !full) || flow_equal_replicated(f, &again));
}

static void check_accepted(const struct ct_flow *f)
{
	require(flow_has_key(f));
	print(f);
	send_on(f, WIRE_CT_NEW, true);
	send_on(f, WIRE_CT_UPD, false);
	send_on(f, WIRE_CT_DEL, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool stream = size > 0 && (data[0] & 1);
	struct proto_stats stats = { 0 };
	struct cursor c = cur_init(size > 0 ? data + 1 : data, size > 0 ? size - 1 : 0);

	while (c.left > 0) {
		size_t before = c.left;
		struct flow_rare rare;
		struct wire_hdr hdr;
		struct cursor body;
		struct ct_flow f;
		enum proto_err err =
			stream ? wire_next_stream(&c, &hdr, &body) : wire_next(&c, &hdr, &body);

		proto_stats_count(&stats, err);
		if (err != PROTO_OK && err != PROTO_BAD_VERSION)
			break;
		require(c.left < before); /* or a receiver would not come to an end */
		if (err == PROTO_OK && hdr.type <= WIRE_CT_DEL &&
		    wire_get_flow(body, &f, &rare, &stats) == PROTO_OK)
			check_accepted(&f);
	}
	return 0;
}
