/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three questions, answered from what is known at this moment. Costs two small files of /proc
 * and a look at each peer and link; asks nobody and waits for nothing. */
#include "command/ask.h"

#include <inttypes.h>

#include "command/health.h"
#include "kernel/proc.h"
#include "sync/sync_conf.h"

static int64_t up_s(const struct command_env *d, struct mono now)
{
	return mono_diff_ms(now, d->started) / 1000;
}

static int64_t active_s(const struct command_env *d, struct mono now)
{
	return activity_active(d->activity) ?
		       mono_diff_ms(now, activity_since(d->activity)) / 1000 :
		       -1;
}

/* ---- health ---- */

/* Gives how many peers there are, without those that speak from another address now. */
static unsigned int peers(const struct command_env *d, struct verdict *v, struct mono now)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	struct sync_peer_view p;
	unsigned int n = 0, strangers = 0;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		if (sync_peer_view(s, i, now, &p) && !p.left) {
			n++;
			health_peer(v, &p, now);
		}
		if (sync_stranger_view(s, i, now, &p)) {
			strangers++;
			health_peer(v, &p, now);
		}
	}
	if (n + strangers == 0)
		health_no_peer(v, up_s(d, now));
	return n;
}

static void links(const struct command_env *d, struct verdict *v)
{
	struct channel_link_stats l;

	for (size_t i = 0; i < channel_links(d->channel); i++) {
		channel_link_stats(d->channel, i, &l);
		health_link(v, &l);
	}
}

static void caches(const struct command_env *d, struct verdict *v, struct mono now)
{
	struct completeness_values c;

	for (unsigned int i = 0; i < PIPELINE_CACHES; i++)
		if (pipeline_completeness(d->pipeline, i, now, &c))
			health_cache(v, &c, activity_active(d->activity));
}

static void kernel(const struct command_env *d, struct verdict *v, struct mono now)
{
	int64_t for_s;

	for (enum blind_reason why = 0; d->blind && why < BLIND_REASONS; why++)
		if (blind_is(d->blind, why, now, &for_s))
			health_events(v, why, for_s);
	health_table(v, proc_number(PROC_CT_COUNT), proc_number(PROC_CT_MAX));
}

static void good(const struct command_env *d, unsigned int n, struct verdict *v, struct mono now)
{
	int64_t active = active_s(d, now);

	if (!pipeline_sync(d->pipeline))
		verdict_good(v, "statistics mode, up for %" PRId64 " s", up_s(d, now));
	else if (active >= 0)
		verdict_good(v, "active for %" PRId64 " s, %u peer%s in sync", active, n,
			     n == 1 ? "" : "s");
	else
		verdict_good(v, "not active, %u peer%s in sync", n, n == 1 ? "" : "s");
}

static void health(const struct command_env *d, struct verdict *v, struct mono now)
{
	unsigned int n = 0;

	if (pipeline_sync(d->pipeline)) {
		n = peers(d, v, now);
		links(d, v);
	}
	caches(d, v, now);
	kernel(d, v, now);
	if (d->role_deaf(d->ctx))
		health_deaf_role(v);
	if (activity_active(d->activity))
		health_commit(v, d->last_commit, now);
	good(d, n, v, now);
}

/* ---- ready, live ---- */

static void ready(const struct command_env *d, struct verdict *v, struct mono now)
{
	const struct sync *s = pipeline_sync(d->pipeline);
	const struct sync_conf *conf = d->sync;
	struct ready_facts f = {
		.active = activity_active(d->activity),
		.active_s = active_s(d, now),
		.filled = *d->filled || !pipeline_internal(d->pipeline),
		.up_s = up_s(d, now),
		.listen_s = d->listen_s,
		.refresh_s = s && sync_can(conf, SYNC_EXPIRES) ? (int64_t)conf->refresh_s : 0,
	};
	struct sync_peer_view p;

	for (unsigned int i = 0; s && i < PEERS_MAX; i++) {
		if (!sync_peer_view(s, i, now, &p))
			continue;
		f.peers++;
		health_ready_peer(v, &f, &p, now);
	}
	if (!s)
		f.up_s = f.listen_s; /* there is nobody to listen to */
	health_ready(v, &f);
}

void ask_daemon(const struct command_env *d, enum ctl_question question, struct verdict *v)
{
	struct mono now = evloop_now(d->loop);

	*v = (struct verdict){ .asked = question };
	switch (question) {
	case CTL_ASKS_HEALTH:
		health(d, v, now);
		return;
	case CTL_ASKS_READY:
		ready(d, v, now);
		return;
	case CTL_ASKS_LIVE:
		verdict_good(v, "up for %" PRId64 " s", up_s(d, now));
		return;
	case CTL_ASKS_NOTHING:
		return;
	}
}
