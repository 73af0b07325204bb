/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_FILTER_H
#define CONNTRACKD_FLOW_FILTER_H

#include <stdbool.h>

#include "flow/flow.h"

struct filter_conf; /* flow/filter_conf.h */
struct flow_filter;

/* Build the user-space filter from its settings (copied). Gives NULL without memory. A
 * configuration without any set gives a filter that passes everything. */
struct flow_filter *flow_filter_new(const struct filter_conf *conf);
void flow_filter_free(struct flow_filter *f);

/* Does the flow pass (Filter From Userspace, conntrackd.conf.5)? Protocol, state of TCP flows, and
 * address: original source or reply source (the real endpoints). Must not be called for the destroy
 * event of a cached flow: such an event is never filtered. A NULL filter passes everything. */
bool flow_filter_pass(const struct flow_filter *f, const struct ct_flow *flow);

#endif
