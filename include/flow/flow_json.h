/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_FLOW_JSON_H
#define CONNTRACKD_FLOW_FLOW_JSON_H

#include "base/text.h"
#include "flow/expect.h"
#include "flow/flow.h"
#include "flow/flow_print.h"

/* The version of the schema (doc/json.md), written in every line. New names do not change it. */
#define JSON_SCHEMA 1

/* Append one object without newline to out. Names that came from a peer hold any bytes and are
 * escaped (base/json.h). */
void flow_print_json(const struct ct_flow *f, const struct flow_print_opts *opts, struct text *out);
void expect_print_json(const struct ct_expect *e, const struct expect_print_opts *opts,
		       struct text *out);

#endif
