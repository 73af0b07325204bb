/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_GATING_H
#define CONNTRACKD_DAEMON_GATING_H

#include "base/evloop.h"
#include "base/text.h"
#include "channel/channel_conf.h"
#include "follow/ahead.h"
#include "follow/activity.h"
#include "follow/jobs.h"
#include "gate/gate.h"

/* The gate (gate/gate.h) in this daemon: its queue, what it asks, and when it closes and opens. */
struct gating;

/* A gate is closed while the node's last role command says that it is backup, opens with the commit
 * and is open after it. What has no role yet is open. Borrows all it is given. 0, or -errno with a
 * line in *err that says where in the file. channel: packets of its links are never held. */
int gating_open(struct evloop *loop, const struct gate_conf *conf,
		const struct channel_conf *channel, const struct activity *activity,
		const struct jobs *jobs, struct commit *commit, struct gating **out,
		struct text *err);
void gating_close(struct gating *g);
void gating_set_pipeline(struct gating *g, struct pipeline *p);
/* At the end of each turn of the loop. */
void gating_turn(struct gating *g, struct mono now);

struct gating_values; /* command/gate_values.h */
void gating_values(const struct gating *g, struct gating_values *out);

#endif
