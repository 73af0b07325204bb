/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_GATE_GATE_CONF_H
#define CONNTRACKD_GATE_GATE_CONF_H

#include <stdbool.h>
#include <stdint.h>

/* Who queues the packets. */
enum gate_rules {
	GATE_RULES_NATIVE,   /* the daemon, by rules of its own */
	GATE_RULES_EXTERNAL, /* rules that are there already */
};

struct gate_conf {
	bool on;
	enum gate_rules rules;
	uint32_t queue_num; /* 0..65535 */
	uint32_t queue_len; /* packets held at a time */
	const char *file;   /* where the block is, for messages; borrowed from its reader */
	uint32_t line, column;
	uint32_t wait_ms;     /* both nodes active: for a state that is under way; 0: not */
	uint32_t deadline_ms; /* for how long, unless the commit is through before */
};

#endif
