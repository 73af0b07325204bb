/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_HEALTH_H
#define CONNTRACKD_COMMAND_HEALTH_H

#include "channel/channel.h"
#include "control/verdict.h"
#include "follow/blind.h"
#include "follow/jobs.h"
#include "node/pipeline.h"
#include "sync/sync.h"

/* What of all that can be seen is a reason for --health and --ready. Facts go in, reasons come out;
 * who gathers the facts is ask.c. */

/* A node is not told from a lonely one before it had so long to hear its peers. */
#define HEALTH_LISTEN_S 10

void health_peer(struct verdict *v, const struct sync_peer_view *p, struct mono now);
/* None was heard, so long after the start. */
void health_no_peer(struct verdict *v, int64_t up_s);
void health_link(struct verdict *v, const struct channel_link_stats *l);
/* active: this node forwards, so that an external cache which -f has emptied is no fault. */
void health_cache(struct verdict *v, const struct completeness_values *c, bool active);
void health_events(struct verdict *v, enum blind_reason why, int64_t for_s);
/* Of the kernel's table; either may be -1: not known. */
void health_table(struct verdict *v, int64_t count, int64_t max);
/* keepalived is to tell the role by a FIFO that cannot be read. */
void health_deaf_role(struct verdict *v);
void health_commit(struct verdict *v, const struct last_commit *c, struct mono now);

/* May this node carry the addresses? One that is active may, whatever is wrong: who takes them from
 * it cuts what it forwards. One that is not has to wait for nothing but its start and the table of
 * a peer that is there, and for that no longer than a minute: a peer that cannot give it must not
 * leave the addresses to nobody. */
#define HEALTH_TABLE_S 60

struct ready_facts {
	bool active;
	int64_t active_s;
	bool filled; /* the kernel table has been read */
	int64_t up_s;
	int64_t listen_s;   /* so long after the start one that hears nobody is alone */
	unsigned int peers; /* heard since the start */
	int64_t refresh_s;  /* ALARM: everything is told within this time; else 0 */
};
void health_ready(struct verdict *v, const struct ready_facts *f);
/* Of each peer, unless the node is active. */
void health_ready_peer(struct verdict *v, const struct ready_facts *f,
		       const struct sync_peer_view *p, struct mono now);

#endif
