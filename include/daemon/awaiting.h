/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_AWAITING_H
#define CONNTRACKD_DAEMON_AWAITING_H

#include "base/evloop.h"
#include "base/text.h"
#include "gate/await.h"

/* Packets that wait for their states (gate/await.h) in this daemon: their queue, and what the
 * kernel is asked. Nobody sees to it that what waits is looked at but awaiting_turn(). */
struct awaiting;

/* Borrows loop. 0, or -errno with a line in *err that says where in the file. */
int awaiting_open(struct evloop *loop, const struct gate_conf *conf, struct awaiting **out,
		  struct text *err);
/* What waits passes first. NULL is harmless. */
void awaiting_close(struct awaiting *a);
/* At the end of each turn of the loop, when what the peers told is in the kernel. */
void awaiting_turn(struct awaiting *a, struct mono now);

struct awaiting_values; /* command/gate_values.h */
void awaiting_values(const struct awaiting *a, struct awaiting_values *out);

#endif
