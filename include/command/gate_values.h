/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_GATE_VALUES_H
#define CONNTRACKD_COMMAND_GATE_VALUES_H

#include "follow/ahead.h"
#include "gate/await.h"
#include "gate/gate.h"

/* The values of `-s gate`: of packets that wait for the commit, */
struct gating_values {
	const char *state;
	uint32_t holds, holds_tuples; /* packets, tuples */
	struct gate_stats gate;
	struct ahead_stats ahead;
	uint64_t dropped_kernel; /* no room in the kernel's queue or in its socket */
	const char *lacks;	 /* why the gate cannot close; NULL: it can */
};

/* and of those that wait for the states of their flows. */
struct awaiting_values {
	uint32_t holds; /* packets */
	struct await_stats await;
	uint64_t dropped_kernel; /* no room in the kernel's queue or in its socket */
};

#endif
