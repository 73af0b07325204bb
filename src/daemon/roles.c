/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a change of the role is made of in the running daemon: the same functions that the
 * letters of 1.4.x call. */
#include "daemon/roles.h"

#include <errno.h>

#include "base/log.h"
#include "command/waiters.h"
#include "follow/empty.h"
#include "follow/role.h"

static void take(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	takeover_active(d->takeover, now);
}

static void leave(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	if (!takeover_schedule(d->takeover, now))
		log_notice("a flush is scheduled already");
	empty_fill(d->empty, now);
}

static void ask(void *ctx, struct mono now)
{
	struct daemon *d = ctx;

	activity_request(d->activity, now);
	if (!sync_can(&d->conf->sync, SYNC_ASKS))
		return;
	empty_asked(d->empty);
	pipeline_ask(d->pipeline, now);
}

int roles_open(struct daemon *d)
{
	struct role_env env = {
		.activity = d->activity,
		.jobs = d->jobs,
		.has_external = pipeline_external(d->pipeline),
		.has_internal = d->reconcile,
		.tells = sync_can(&d->conf->sync, SYNC_ASKS),
		.ctx = d,
		.take = take,
		.leave = leave,
		.ask = ask,
	};

	if (!pipeline_sync(d->pipeline))
		return 0;
	d->role = role_new(&env);
	return d->role ? 0 : -ENOMEM;
}

void roles_close(struct daemon *d)
{
	role_free(d->role);
	d->role = NULL;
}

void roles_job_ended(void *ctx, enum job_kind kind, uint32_t run, const struct job_result *res,
		     struct mono now)
{
	struct daemon *d = ctx;

	waiters_ended(d->waiters, kind, run, res, now);
	if (d->role)
		role_job_ended(d->role, kind, run, res, now);
}
