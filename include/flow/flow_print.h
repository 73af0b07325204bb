/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_FLOW_PRINT_H
#define CONNTRACKD_FLOW_FLOW_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"

/* Text and XML of one flow, in the layouts of nfct_snprintf(), which 1.4.x prints. */
struct flow_print_opts {
	int64_t active_s;  /* "[active since Ns]"; < 0: leave out */
	int64_t expires_s; /* "[expires in Ns]"; < 0: leave out */
	/* wall clock, for "delta-time=N" of a flow whose start is known and whose end is not; <=
	 * 0: leave out */
	int64_t now_s;
	uint32_t use; /* "use=N" in a kernel view; 0: leave out */
	/* show timeout and use count too (a kernel dump, DisableInternalCache) */
	bool kernel_view;
};

/* Each function writes a line without newline into buf and returns the line's length; at most cap -
 * 1 bytes, always terminated. cap of FLOW_LINE_MAX is always enough. The reply tuple is shown with
 * FLOW_HAS_REPLY only, counters when they are present. Names that came from a peer are made
 * harmless for a terminal and XML. JSON: flow_json.h. */
#define FLOW_LINE_MAX 2048
size_t flow_print_text(const struct ct_flow *f, const struct flow_print_opts *opts, char *buf,
		       size_t cap);
size_t flow_print_xml(const struct ct_flow *f, const struct flow_print_opts *opts, char *buf,
		      size_t cap);

/* An address of the family l3 as text, in the notation of the printed lines, terminated. */
#define FLOW_ADDRESS_MAX 46
void flow_print_address(uint8_t l3, const void *a, char buf[FLOW_ADDRESS_MAX]);

/* How long the flow has existed, in whole seconds; false if its start is unknown. Text: the
 * difference of whole seconds; XML of a flow whose end is known: the difference of nanoseconds, cut
 * to seconds. Both as libnetfilter_conntrack prints them. */
bool flow_lived_s(const struct ct_flow *f, const struct flow_print_opts *opts, bool xml,
		  uint64_t *seconds);

/* A flow as a compact record on the control socket (same machine, versioned by the socket
 * protocol). Native byte order. pack returns the number of bytes written, at most FLOW_RECORD_MAX;
 * unpack checks everything: 0, or -EINVAL when the bytes are not one whole record, with the outputs
 * in an undefined state. *rare is the storage for rare parts, which f->rare then borrows (NULL if
 * there are none). */
#define FLOW_RECORD_VERSION 2 /* of flow and expectation records */
#define FLOW_RECORD_MAX	    512
size_t flow_record_pack(const struct ct_flow *f, const struct flow_print_opts *opts, uint8_t *out);
int flow_record_unpack(const uint8_t *bytes, size_t n, struct ct_flow *f, struct flow_rare *rare,
		       struct flow_print_opts *opts);

#endif
