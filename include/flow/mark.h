/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_MARK_H
#define CONNTRACKD_FLOW_MARK_H

#include <stdbool.h>
#include <stdint.h>

/* A flow is named by its table id wherever it is only passed on. */
#define FLOW_ID_NONE UINT32_MAX

/* Expectations are replicated beside the flows, through the same queues and under the same numbers,
 * so their ids must never be those of flows: this bit is set, the top bit is not. The flow table
 * gives no id with this bit but FLOW_ID_NONE. */
#define FLOW_ID_EXPECT UINT32_C(0x40000000)

static inline bool flow_id_is_expect(uint32_t id)
{
	return (id & ~(FLOW_ID_EXPECT - 1)) == FLOW_ID_EXPECT;
}

/* What replication remembers about one flow of ours. It lives in the table record, so that marking
 * a change or looking at a ring entry costs no lookup of its own; the cache stores it, sync/ alone
 * writes it but for the last two members, which are the cache's own (they take what would be
 * padding). */
struct flow_mark {
	uint32_t qpos; /* place in the transmit queue; valid with MARK_QUEUED */
	/* number of the last message about this flow; valid with MARK_SENT */
	uint32_t seq;
	uint32_t bits : 8; /* MARK_* */
	uint32_t word : 2; /* enum internal_word (cache/internal.h) */
	/* when a peer last told about the flow, the low bits of mono seconds; 0: never */
	uint32_t told_s : 22;
};

#define MARK_QUEUED 0x01u /* waiting in a transmit queue, once */
#define MARK_SENT   0x02u /* `seq` is waiting in the resend ring for an acknowledgement */
#define MARK_BULK   0x04u /* queued only because of a bulk send: a live change goes first */
/* something of this life of the tuple was acknowledged; before that it goes out as CT_NEW, which
 * replaces what a peer may still have of the life before */
#define MARK_KNOWN 0x08u
#define MARK_BATCH 0x10u /* the walk over all flows has it at hand */
#define MARK_DUE   0x20u /* ALARM: `seq` is the tick at which it is sent again */
/* ALARM: goes out as CT_UPD even if it never changed, because the peer has it */
#define MARK_REPEAT 0x40u

#endif
