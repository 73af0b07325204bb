/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_STANDING_STANDING_H
#define CONNTRACKD_STANDING_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* The state of replication with one peer. Two facts that are never mixed:
 *
 *   received   what the peer has sent is here: its whole table has come since the last reason for
 *              doubt, and no gap is open
 *   heard      what we have sent has arrived: the peer has acknowledged all but the last moments
 *
 * and states in words, of which several may hold; the worst is that of the peer. Pure: evidence and
 * time go in, states come out. From the best to the worst: */
enum standing_state {
	STANDING_UNKNOWN, /* nothing was looked at yet */
	STANDING_IN_SYNC,
	STANDING_SENDING,   /* our full table is on its way to the peer */
	STANDING_UNPROVEN,  /* the peer's has come, but was not proven to be whole */
	STANDING_RECEIVING, /* the peer's is on its way to us, or is to be asked for */
	STANDING_UNSERVED,  /* it asks for our full table again and again */
	STANDING_FAILING,   /* its full table has not come whole, several times in a row */
	STANDING_GAP,	    /* something that it sent is missing, for longer than a repair takes */
	STANDING_BEHIND,    /* it acknowledges, but not what we sent some time ago */
	STANDING_DEAF,	    /* its messages arrive, and it does not acknowledge ours */
	STANDING_OTHER_MODE,
	STANDING_SILENT,
	STANDING_OTHER_PROTOCOL,
	STANDING_TWO_ACTIVE, /* it is active, as we are, and one is meant to be */
	STANDING_STATES
};
#define STANDING_IS(state) (1u << (state))
#define STANDING_IS_LATE   (STANDING_IS(STANDING_BEHIND) | STANDING_IS(STANDING_DEAF))

/* Why not all that the peer has sent is here. */
enum standing_lack {
	STANDING_LACKS_NOTHING,
	STANDING_LACKS_TIME, /* ALARM: it has not had time to send everything once */
	/* its full table has come, or no answer, and nothing proves that the table is complete:
	 * flows that the peer does not send any more stay */
	STANDING_LACKS_PROOF,
	STANDING_LACKS_TABLE,  /* its full table is to be asked for */
	STANDING_LACKS_ANSWER, /* ... is asked for, and not here whole */
	STANDING_LACKS_REST,   /* ... has come, and its own cache is incomplete */
	STANDING_LACKS_GAP,    /* a gap in its numbers is open */
};

enum standing_heard {
	STANDING_HEARD,
	STANDING_NOT_YET, /* it is to get our full table, or does */
	STANDING_NOT_HEARD,
	STANDING_CANNOT_TELL, /* the mode knows no acknowledgements */
};

/* Requests in a row, each because the answer before was not complete. */
struct standing_asks {
	uint32_t n;
	struct mono first, last;
};

/* The evidence. Numbers are sequence numbers of messages (protocol.md 2.5). */
struct standing_facts {
	int64_t silence_ms;		 /* for so long its mode may say nothing */
	bool alive;			 /* heard within the last moments */
	bool other_mode, other_protocol; /* lately */
	struct mono heard;		 /* its last message */
	struct mono contact;		 /* since when it is there, in this incarnation */

	/* it says that it is active, and so are we, though one is meant to be */
	bool two_active;

	/* what the peer has sent */
	enum standing_lack table; /* of its full table; `open` is about gaps */
	uint32_t failed;	  /* answers in a row that did not come, or not whole */
	struct mono wanted;	  /* since when that is wanted, while it is */
	/* a gap in its numbers: what is missing has been asked for, or may still come by itself */
	bool open;

	/* what we have sent */
	bool acks;	       /* the mode acknowledges; the rest only then */
	bool confirmed;	       /* it has acknowledged a message in this incarnation */
	uint32_t sent, acked;  /* our last number; the highest it has acknowledged */
	uint32_t waiting;      /* changes that have no number yet */
	bool same_mode;	       /* what it says is of this mode, beyond doubt */
	struct mono ack_heard; /* its last acknowledgement */
	int64_t patience_ms;   /* an acknowledgement may take so long */
	bool sending;	       /* our full table */
	/* the peer lacks a part of our table: it has restarted, or asked, or missed a message that
	 * is not sent again */
	bool owed;
	uint32_t asks;		    /* so many times in a row it has asked for that; in all modes */
	struct standing_asks asked; /* the last of these rows, however long ago */
};

/* one that fails, or is asked for, so often is something to talk about */
#define STANDING_OFTEN 4

/* Of one peer; all zeros: nothing known. */
struct standing {
	uint32_t is;		   /* STANDING_IS() of each state that holds */
	enum standing_state state; /* the worst of them */
	struct mono since;	   /* of that one */
	enum standing_lack lack;   /* received: it lacks nothing */
	enum standing_heard heard;
	uint32_t behind;	 /* messages sent and not acknowledged, and changes that wait */
	struct mono gap_since;	 /* set while a gap is open */
	struct mono two_since;	 /* set while both nodes are active and one is meant to be */
	struct mono alive_since; /* set while the peer is alive */
	/* a sequence number that is not acknowledged; valid while checkpoint_at is set */
	uint32_t checkpoint;
	struct mono checkpoint_at; /* no unacknowledged message is older */
	struct mono sent_at;
};

/* Look at the evidence of now. */
void standing_look(struct standing *st, const struct standing_facts *f, struct mono now);

/* For how long what we told has not been acknowledged, in ms, at most. 0: it has. */
int64_t standing_lag_ms(const struct standing *st, struct mono now);

/* "in sync", "does not acknowledge": as a reader of -s peers sees it. */
const char *standing_name(enum standing_state state);

#endif
