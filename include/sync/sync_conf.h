/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_SYNC_CONF_H
#define CONNTRACKD_SYNC_SYNC_CONF_H

#include <stdbool.h>
#include <stdint.h>

/* The table of modes. Another mode is a file with its struct sync_ops (sync/mode.h) and a row here:
 * its name, its operations, and the mode whose options its block takes. Where a file has several
 * the one that stands first here is taken, as in 1.4.x: FTFW (acknowledged, repaired), ALARM
 * (everything again every now and then), NOTRACK (best effort). */
/* clang-format off */
#define SYNC_MODES(ROW) \
	ROW(FTFW,    ftfw_ops,    FTFW) \
	ROW(ALARM,   alarm_ops,   ALARM) \
	ROW(NOTRACK, notrack_ops, NOTRACK)

enum sync_mode {
#define ROW(mode, ops, like) SYNC_MODE_##mode,
	SYNC_MODES(ROW)
#undef ROW
};
/* clang-format on */

#define SYNC_EXPECT_NAMES_MAX 64
#define SYNC_EXPECT_NAME_LEN  16 /* longer names are cut, as 1.4.x does */

/* Which expectations are replicated (Options: ExpectationSync). */
struct sync_expect_conf {
	bool on;
	/* Number of helper names below; 0 with `on`: those of all helpers. */
	uint32_t n_names;
	/* Compared without case; a name also stands for every helper it is a prefix of. */
	char name[SYNC_EXPECT_NAMES_MAX][SYNC_EXPECT_NAME_LEN + 1];
};

/* The Mode block, the timers and the Options block of section Sync. Plain data, no pointers. */
struct sync_conf {
	enum sync_mode mode;
	uint32_t resend_queue_size; /* objects kept until acknowledged; never 0 */
	uint32_t ack_window;	    /* received messages per acknowledgement; never 0 */
	uint32_t refresh_s;	    /* ALARM: longest time until a flow is sent again; never 0 */
	/* ALARM: how long an external entry stays that is not received again; never 0 */
	uint32_t cache_timeout_s;
	/* timeout of committed flows; 0: not given, use the flow's own */
	uint32_t commit_timeout_s;
	uint32_t purge_timeout_s; /* delay between -t and the flush; never 0 */
	bool disable_internal;	  /* NOTRACK: events straight to the wire */
	bool disable_external;	  /* FTFW, NOTRACK: received states straight into the kernel */
	bool active_active;	  /* both nodes are meant to be active */
	bool startup_resync;	  /* ask the peer for its table after the start */
	bool tcp_window_tracking; /* off: committed TCP flows are marked "be liberal" */
	struct sync_expect_conf expect;
};

#endif
