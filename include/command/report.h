/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_REPORT_H
#define CONNTRACKD_COMMAND_REPORT_H

#include "base/values.h"
#include "command/env.h"

/* The values of each subject of `-s`, into a document: as text in the layouts of 1.4.x,
 * which monitoring scripts parse, or as JSON (doc/json.md). */
void report_general(const struct command_env *d, struct values *v);
void report_network(const struct command_env *d, struct values *v);
void report_cache(const struct command_env *d, struct values *v);
void report_runtime(const struct command_env *d, struct values *v);
void report_expect(const struct command_env *d, struct values *v); /* needs ExpectationSync */
void report_process(const struct command_env *d, struct values *v);
/* Ours: each peer; not in 1.4.x. */
void report_peers(const struct command_env *d, struct values *v);
/* Ours: --status, one page for people, in JSON all that -s has. */
void report_status(const struct command_env *d, struct values *v);
void report_gate(const struct command_env *d, struct values *v);    /* needs a block Gate */
void report_helpers(const struct command_env *d, struct values *v); /* needs section Helper */
void report_link(const struct command_env *d, struct values *v);
void report_queue(const struct command_env *d, struct values *v);

/* Of these, for who shows them otherwise. */
struct link_values;
struct node_values;
void report_link_values(const struct command_env *d, size_t i, struct link_values *l);
void report_node_values(const struct command_env *d, struct node_values *n);

#endif
