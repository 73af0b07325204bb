/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_REPL_H
#define CONNTRACKD_FLOW_REPL_H

#include <stdbool.h>
#include <stdint.h>

/* A flow is named by its table id wherever its contents are not needed. */
#define FLOW_ID_NONE UINT32_MAX

/* Expectations are replicated beside the flows, through the same queues and under the same numbers,
 * so their ids must never be those of flows: this bit is set, the top bit is not. The flow table
 * gives no id with this bit but FLOW_ID_NONE. */
#define FLOW_ID_EXPECT UINT32_C(0x40000000)

static inline bool flow_id_is_expect(uint32_t id)
{
	return (id & ~(FLOW_ID_EXPECT - 1)) == FLOW_ID_EXPECT;
}

/* Replication state: what replication remembers about one flow of our kernel. Stored in the table
 * record, so that queueing a change or reading an entry of the resend queue costs no look-up. Only
 * sync/ writes it, but for the last two members, which are the cache's own (they use what would be
 * padding). */
struct flow_repl {
	uint32_t qpos; /* place in the transmit queue; valid with REPL_QUEUED */
	/* sequence number of the last message about this flow; valid with REPL_SENT */
	uint32_t seq;
	uint32_t bits : 8; /* REPL_* */
	uint32_t word : 2; /* enum internal_word (cache/internal.h) */
	/* when the flow was last received from a peer, the low bits of mono seconds; 0: never */
	uint32_t received_s : 22;
};

#define REPL_QUEUED 0x01u /* waiting in a transmit queue, once */
#define REPL_SENT   0x02u /* the message `seq` waits in the resend queue for an acknowledgement */
#define REPL_BULK   0x04u /* queued only because of a bulk send: a live change goes first */
/* a message of this incarnation of the flow was acknowledged; before that the flow is sent as
 * CT_NEW, which replaces what a peer may still have of the incarnation before */
#define REPL_KNOWN 0x08u
#define REPL_BATCH 0x10u /* in the current batch of the walk over all flows */
#define REPL_DUE   0x20u /* ALARM: `seq` is the tick at which the flow is sent again */
/* ALARM: sent as CT_UPD even if it never changed, because the peer has it */
#define REPL_REPEAT 0x40u

#endif
