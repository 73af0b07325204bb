/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record from the control socket, as the client reads it. */
#include <stdint.h>
#include <stdlib.h>

#include "flow/flow_json.h"
#include "flow/flow_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow_print_opts opts;
	char line[FLOW_LINE_MAX];
	struct text json = { 0 };
	uint8_t again[FLOW_RECORD_MAX];
	struct flow_rare rare;
	struct ct_flow f;

	if (flow_record_unpack(data, size, &f, &rare, &opts) != 0)
		return 0;
	flow_print_text(&f, &opts, line, sizeof(line));
	flow_print_xml(&f, &opts, line, sizeof(line));
	flow_print_json(&f, &opts, &json);
	text_free(&json);
	if (flow_record_pack(&f, &opts, again) != size)
		abort();
	return 0;
}
