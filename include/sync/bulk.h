/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_BULK_H
#define CONNTRACKD_SYNC_BULK_H

#include "sync/ftfw_state.h"

void bulk_init(struct ftfw *f);
/* Everything is to be sent to p. */
void bulk_request(struct ftfw *f, struct peer *p, struct mono now);
/* Its RESYNC number seq: held, and acknowledged when the table has been sent. False: it could not
 * be held. */
bool bulk_asked(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
	__attribute__((warn_unused_result));
/* Our cache may have become complete: end the answers that waited for it, or say that they wait. */
void bulk_check_whole(struct ftfw *f, struct mono now);
/* The next flow to send, FLOW_ID_NONE when nobody waits; walk_done() when it is on its way. */
uint32_t bulk_next(struct ftfw *f, struct mono now);
/* May one more paced message (bulk or repair) go? */
bool bulk_window_open(const struct ftfw *f);
/* What was queued when everything had been sent to that peer may have left: then it has been told
 * all. */
void bulk_queue_passed(struct ftfw *f, struct ftfw_peer *fp);
void bulk_acked(struct ftfw *f, uint32_t n_paced);
void bulk_nacked(struct ftfw *f);
/* The peer's first acknowledgement of its life begins with number from. */
void bulk_confirmed(struct ftfw *f, struct peer *p, uint32_t from, struct mono now);
/* sync_ops.bulk, bulk_running */
void ftfw_bulk(struct sync *s, struct peer *p, bool at_once, struct mono now);
bool ftfw_bulk_running(const struct sync *s);

#endif
