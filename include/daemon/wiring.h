/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_DAEMON_WIRING_H
#define CONNTRACKD_DAEMON_WIRING_H

#include "channel/channel.h"
#include "follow/blind.h"
#include "follow/external_flush.h"
#include "daemon/daemon.h"
#include "follow/expecting.h"
#include "kernel/ct.h"
#include "kernel/ct_inject.h"
#include "kernel/exp_inject.h"

/* The callbacks of each object, for when it is opened; d is their context. They find the other
 * objects in d when they are called, so the order of opening does not matter to them; only
 * wiring_events() wants d->expecting to be open, or NULL. */
struct ct_events_cb wiring_events(struct daemon *d);
struct reconcile_cb wiring_reconcile(struct daemon *d);
struct expecting_cb wiring_expecting(struct daemon *d);
struct channel_cb wiring_channel(struct daemon *d);
struct ct_inject_cb wiring_inject(struct daemon *d);
struct exp_inject_cb wiring_inject_expects(struct daemon *d);
struct pipeline_env wiring_pipeline(struct daemon *d);
/* The ops of the jobs that are carried out by objects which know nothing of jobs. */
void wiring_jobs(struct daemon *d);
struct blind_cb wiring_blind(struct daemon *d);
/* What the commands see of d, as far as it has been opened: again when they need more of it. */
void wiring_commands(struct daemon *d);
/* jobs_end_cb; ctx is d. */
void wiring_job_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		      struct mono now);
/* Wants all but d->external_flush to be open. */
struct external_flush_conf wiring_empty(struct daemon *d);

#endif
